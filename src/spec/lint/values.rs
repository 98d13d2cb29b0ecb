//! Rules of single fields: values that do nothing, or were meant for once.

use serde_json::Value;

use super::{Remark, Subject};
use crate::flink::pointer::At as _;

pub(super) fn parallelism_ignored(subject: &Subject<'_>) -> Vec<Remark> {
    let parallelism = subject.at("/job/parallelism").and_then(Value::as_u64);
    let replicas = subject.laid.at("/taskManager/replicas").and_then(Value::as_u64);
    let (Some(parallelism), Some(replicas), Some(_)) = (parallelism, replicas, subject.deployment()) else {
        return Vec::new();
    };
    let slots = subject.configuration.get("taskmanager.numberOfTaskSlots");
    let slots = slots.and_then(|slots| slots.parse::<u64>().ok()).unwrap_or(1);
    let total = replicas.saturating_mul(slots);
    let message = format!(
        "`parallelism: {parallelism}` is ignored: taskManager.replicas decides, {replicas} × {slots} slots = {total}"
    );
    let hint = "remove taskManager.replicas, which the operator then derives from the parallelism, or remove parallelism";
    vec![Remark::at("/spec/job/parallelism", message, hint)]
}

pub(super) fn non_restored_state(subject: &Subject<'_>) -> Vec<Remark> {
    let on = subject.at("/job/allowNonRestoredState") == Some(&Value::Bool(true));
    let found = on.then(|| {
        let message = "every upgrade drops in silence whatever state the new program does not take up";
        let hint = "remove it once the upgrade it was meant for is done";
        Remark::at("/spec/job/allowNonRestoredState", message, hint)
    });
    found.into_iter().collect()
}

pub(super) fn one_shot(subject: &Subject<'_>) -> Vec<Remark> {
    [
        ("initialSavepointPath", "counts only for the first start, or with a new savepointRedeployNonce"),
        ("savepointRedeployNonce", "has put the job back once, and does nothing as long as it stays"),
    ]
    .into_iter()
    .filter(|(field, _)| subject.at(&format!("/job/{field}")).is_some())
    .map(|(field, message)| {
        let hint = "remove it once the job has started from there: a job created anew would start from that old state";
        Remark::at(format!("/spec/job/{field}"), format!("`{field}` {message}"), hint)
    })
    .collect()
}
