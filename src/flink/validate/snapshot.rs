//! Rules of a FlinkStateSnapshot.

use super::{Checked, Violation, violation};
use crate::rule::RuleId;

pub(super) fn check(checked: &Checked<'_>) -> Vec<Violation> {
    let kinds = ["/savepoint", "/checkpoint"].into_iter().filter(|kind| checked.spec(kind).is_some());
    if kinds.count() != 1 {
        let message = "Exactly one of checkpoint or savepoint configurations has to be set.";
        let hint = "write `savepoint: {}` or `checkpoint: {}`";
        return vec![violation(RuleId::SnapshotKind, "/spec", message, hint)];
    }
    let exists = checked.spec("/savepoint/alreadyExists").is_some_and(|exists| exists == true);
    if exists || checked.spec("/jobReference").is_some() {
        return Vec::new();
    }
    let message = "Job reference must be supplied for this snapshot";
    let hint = "write `jobReference: {kind: FlinkDeployment, name: …}`";
    vec![violation(RuleId::SnapshotJob, "/spec", message, hint)]
}
