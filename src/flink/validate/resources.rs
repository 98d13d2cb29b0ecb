//! Rules of `spec.jobManager` and `spec.taskManager`.

use serde_json::Value;

use super::{Checked, Violation, violation};
use crate::flink::quantity::{self, Quantity};
use crate::rule::RuleId;

/// Sets of configuration keys each of which gives a process enough to derive its memory from.
const JOB_MANAGER_MEMORY: &[&[&str]] = &[
    &["jobmanager.memory.process.size"],
    &["jobmanager.memory.flink.size"],
    &["jobmanager.memory.heap.size"],
    &["jobmanager.heap.size"],
];
const TASK_MANAGER_MEMORY: &[&[&str]] = &[
    &["taskmanager.memory.process.size"],
    &["taskmanager.memory.flink.size"],
    &["taskmanager.memory.task.heap.size", "taskmanager.memory.managed.size"],
    &["taskmanager.heap.size"],
];

pub(super) fn job_manager(checked: &Checked<'_>) -> Vec<Violation> {
    let mut found = memory(checked, "jobManager", "JobManager", JOB_MANAGER_MEMORY);
    let replicas = checked.spec("/jobManager/replicas").and_then(Value::as_i64).unwrap_or(1);
    let pointer = "/spec/jobManager/replicas";
    if replicas < 1 {
        let message = "JobManager replicas should not be configured less than one.";
        found.push(violation(
            RuleId::JobManagerReplicas,
            pointer,
            message,
            "remove the field: the default is 1",
        ));
    } else if replicas > 1 && !checked.has_high_availability() {
        let message = "High availability should be enabled when starting standby JobManagers.";
        found.push(violation(
            RuleId::StandbyWithoutHa,
            pointer,
            message,
            "set high-availability.type: kubernetes",
        ));
    }
    found
}

pub(super) fn task_manager(checked: &Checked<'_>) -> Vec<Violation> {
    let mut found = memory(checked, "taskManager", "TaskManager", TASK_MANAGER_MEMORY);
    let replicas = checked.spec("/taskManager/replicas").and_then(Value::as_i64);
    if replicas.is_some_and(|replicas| replicas < 1) {
        let message = "TaskManager replicas should not be configured less than one.";
        let hint = "remove the field, or make it at least 1";
        found.push(violation(
            RuleId::TaskManagerReplicasPositive,
            "/spec/taskManager/replicas",
            message,
            hint,
        ));
    }
    found
}

fn memory(checked: &Checked<'_>, field: &str, component: &str, derivable: &[&[&str]]) -> Vec<Violation> {
    let mut found = Vec::new();
    let memory = checked.text(&format!("/{field}/resource/memory")).filter(|text| !text.trim().is_empty());
    // The newer `resources` is dropped by this operator's CRD; where it arrived, the operator is a newer one.
    let newer = ["requests", "limits"]
        .iter()
        .any(|it| checked.spec(&format!("/{field}/resources/{it}/memory")).is_some());
    let set = |keys: &[&str]| keys.iter().all(|key| checked.configuration.contains_key(*key));
    if memory.is_none() && !newer && !derivable.iter().any(|keys| set(keys)) {
        let message =
            format!("{component} resource memory must be defined using `spec.{field}.resource.memory`");
        let pointer = format!("/spec/{field}/resource/memory");
        found.push(violation(RuleId::Memory, pointer, message, "set the memory, for instance 2048m"));
    }
    found.extend(sizes(checked, field, component, memory));
    found.extend(requirements(checked, field, component));
    found
}

/// Unparsable sizes come as one message, the parts simply joined.
fn sizes(checked: &Checked<'_>, field: &str, component: &str, memory: Option<&str>) -> Option<Violation> {
    let memory = memory.filter(|text| quantity::memory(text).is_none());
    let memory = memory.map(|it| format!("{component} resource memory parse error: {it}"));
    let storage = checked.text(&format!("/{field}/resource/ephemeralStorage"));
    let storage = storage.filter(|text| Quantity::parse(text).is_none());
    let storage = storage.map(|it| format!("{component} resource ephemeral storage parse error: {it}"));
    let wrong = if memory.is_some() { "memory" } else { "ephemeralStorage" };
    let message: String = memory.into_iter().chain(storage).collect();
    let hint = "write a size like 2048m, 2g or 2Gi";
    let pointer = format!("/spec/{field}/resource/{wrong}");
    (!message.is_empty()).then(|| violation(RuleId::Size, pointer, message, hint))
}

/// Rules of `resources`, which only operators that know the field apply (1.16).
fn requirements(checked: &Checked<'_>, field: &str, component: &str) -> Option<Violation> {
    let resources = checked.spec(&format!("/{field}/resources"))?;
    let amount = |side: &str, what: &str| {
        let value = resources.get(side)?.get(what)?;
        value.as_f64().or_else(|| Quantity::parse(value.as_str()?).map(Quantity::as_f64))
    };
    let mut problems = Vec::new();
    for side in ["requests", "limits"] {
        let written = resources.get(side).and_then(Value::as_object).into_iter().flatten();
        for (what, value) in written.filter(|(_, value)| !value.is_null()) {
            let sized = || !["memory", "cpu"].contains(&what.as_str());
            match amount(side, what) {
                None => problems.push(format!(
                    "{component} resource requirements {side} {what} parse error: {}",
                    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                )),
                Some(number) if number < 0.0 && sized() => problems.push(format!(
                    "{component} resource requirements {side} {what} must not be negative: {number}"
                )),
                Some(_) => {}
            }
        }
    }
    for what in ["memory", "cpu"] {
        for side in ["requests", "limits"] {
            if let Some(value) = amount(side, what).filter(|value| *value <= 0.0) {
                problems.push(format!(
                    "{component} resource requirements {side} {what} must be positive: {value}"
                ));
            }
        }
        if let (Some(request), Some(limit)) = (amount("requests", what), amount("limits", what))
            && request > limit
        {
            problems.push(format!(
                "{component} resource requirements {what} request ({request}) must not exceed its limit ({limit})"
            ));
        }
    }
    let hint = "make requests positive and no larger than limits";
    let pointer = format!("/spec/{field}/resources");
    (!problems.is_empty()).then(|| violation(RuleId::Requirements, pointer, problems.join("; "), hint))
}
