//! Rules of `spec.job`, wherever the job runs.

use serde_json::Value;

use super::{Checked, Violation, violation};
use crate::flink::config;
use crate::flink::kind::Kind;
use crate::rule::RuleId;

const PERIODIC: &str = "kubernetes.operator.periodic.savepoint.interval";
const MAX_AGE: &str = "kubernetes.operator.job.upgrade.last-state.max.allowed.checkpoint.age";

pub(super) fn check(checked: &Checked<'_>) -> Vec<Violation> {
    if checked.spec("/job").is_none() {
        return Vec::new();
    }
    [checkpoint_directory(checked), savepoint_directory(checked), parallelism(checked)]
        .into_iter()
        .flatten()
        .collect()
}

fn checkpoint_directory(checked: &Checked<'_>) -> Option<Violation> {
    let missing = checked.has_stateful_job()
        && config::first(&checked.configuration, &config::CHECKPOINT_DIR).is_none();
    missing.then(|| {
        let key = config::CHECKPOINT_DIR[0];
        let message =
            format!("Checkpoint directory[{key}] must be defined for last-state and savepoint upgrade modes");
        let hint = "set the directory, or upgradeMode: stateless for a job without state";
        violation(RuleId::CheckpointDirectory, "/spec/flinkConfiguration", message, hint)
    })
}

/// Without a savepoint directory: the first thing asked for that needs one.
fn savepoint_directory(checked: &Checked<'_>) -> Option<Violation> {
    if config::first(&checked.configuration, &config::SAVEPOINT_DIR).is_some() {
        return None;
    }
    let key = config::SAVEPOINT_DIR[0];
    let (rule, message) = if checked.text("/job/upgradeMode") == Some("savepoint") {
        let message = format!("Job could not be upgraded with savepoint while config key[{key}] is not set");
        (RuleId::SavepointDirectory, message)
    } else if checked.spec("/job/savepointTriggerNonce").is_some() {
        let message = format!(
            "Savepoint could not be manually triggered for the running job while config key[{key}] is not set"
        );
        (RuleId::SavepointDirectoryForNonce, message)
    } else if checked.configuration.contains_key(PERIODIC) {
        let message = format!("Periodic savepoints cannot be enabled when config key[{key}] is not set");
        (RuleId::SavepointDirectoryForPeriodic, message)
    } else if checked.configuration.contains_key(MAX_AGE) {
        let message = format!(
            "In order to use max-checkpoint age functionality config key[{key}] must be set to allow triggering savepoint upgrades."
        );
        (RuleId::SavepointDirectoryForMaxAge, message)
    } else {
        return None;
    };
    let hint = "set the savepoint directory in flinkConfiguration";
    Some(violation(rule, "/spec/flinkConfiguration", message, hint))
}

fn parallelism(checked: &Checked<'_>) -> Option<Violation> {
    // A session job has no task managers of its own to count.
    let replicas = (checked.proposal.kind == Kind::FlinkDeployment)
        .then(|| checked.spec("/taskManager/replicas").and_then(Value::as_i64))
        .flatten();
    match replicas {
        Some(replicas) if replicas < 1 => Some(violation(
            RuleId::TaskManagerReplicas,
            "/spec/taskManager/replicas",
            "TaskManager replicas must be larger than 0",
            "remove spec.taskManager.replicas, or make it at least 1",
        )),
        Some(_) => None,
        None => {
            let parallelism = checked.spec("/job/parallelism").and_then(Value::as_i64).unwrap_or(0);
            (parallelism < 1).then(|| {
                let message = "Job parallelism must be larger than 0";
                violation(RuleId::Parallelism, "/spec/job/parallelism", message, "set spec.job.parallelism")
            })
        }
    }
}
