//! Rules of fields: what is written, and never arrives.

use super::{Remark, Subject};
use crate::flink::since;

/// Fields that the stated version of the operator drops without a word. What a cluster really drops is told where it
/// is asked.
pub(super) fn dropped(subject: &Subject<'_>) -> Vec<Remark> {
    let Some(version) = subject.operator else { return Vec::new() };
    let fields = since::unknown(subject.spec, version).filter(|part| part.value.is_none());
    let remark = |part: &since::Part| {
        let name = part.pointer.rsplit('/').next().unwrap_or_default();
        let message = format!("`{name}` is dropped by operator {version}, which does not know it");
        let hint = format!("remove it, or upgrade the operator: {} knows it", part.present);
        Remark { on_key: true, ..Remark::at(format!("/spec{}", part.pointer), message, hint) }
    };
    fields.map(remark).collect()
}
