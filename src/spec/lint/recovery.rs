//! Rules of `upgradeMode`: what of a job's state is left after an upgrade.

use serde_json::Value;

use super::{Remark, Subject};
use crate::flink::config;
use crate::flink::kind::Kind;
use crate::flink::pointer::At as _;

const MODE: &str = "/spec/job/upgradeMode";
const SAVEPOINT: &str = "write upgradeMode: savepoint, or last-state with high availability";
const OF_ENVIRONMENT: &str =
    "write upgradeMode: savepoint, or none, in flinkApplicationDefaults of the FlinkEnvironment";

/// The mode that counts, which an environment of Confluent's may say.
fn mode<'s>(subject: &'s Subject<'_>) -> Option<&'s str> {
    subject.laid.at("/job/upgradeMode").and_then(Value::as_str)
}

pub(super) fn state_dropped(subject: &Subject<'_>) -> Vec<Remark> {
    let kept = |mode| matches!(mode, Some("savepoint" | "last-state"));
    let (mode, own) = (mode(subject), subject.text("/job/upgradeMode"));
    let is_batch = is_batch(subject);
    // Whether an environment that is not in Git, or one of its applications, says a mode is not known here.
    let unknown = mode.is_none() && subject.key.kind == Kind::FlinkApplication && subject.on.is_none()
        || subject.key.kind == Kind::FlinkEnvironment;
    if subject.at("/job").is_none() || kept(mode) || is_batch || unknown {
        return Vec::new();
    }
    let Some(key) = state_keeper(subject) else { return Vec::new() };
    let (message, hint) = match mode {
        None => ("without upgradeMode an upgrade drops", SAVEPOINT),
        Some(_) if own == mode => ("an upgrade drops", SAVEPOINT),
        Some(_) => ("its environment has an upgrade drop", OF_ENVIRONMENT),
    };
    let message = format!("{message} the state of this job, although {key} is set");
    vec![Remark::at(MODE, message, hint)]
}

fn is_batch(subject: &Subject<'_>) -> bool {
    subject.configuration.get("execution.runtime-mode").is_some_and(|it| it == "BATCH")
}

/// The key that says that a job keeps state.
fn state_keeper(subject: &Subject<'_>) -> Option<&'static str> {
    let flat = &subject.configuration;
    let folder = || {
        let set = |key: &&str| flat.get(*key).is_some_and(|folder| !folder.is_empty());
        config::SAVEPOINT_DIR.into_iter().find(set)
    };
    config::checkpoint_interval(flat).map(|_| config::CHECKPOINT_INTERVAL).or_else(folder)
}

/// Whether a job has this mode, and the cluster it runs on is known to be without high availability.
fn without_ha(subject: &Subject<'_>, wanted: &str) -> bool {
    mode(subject) == Some(wanted)
        && subject.deployment().is_some()
        && !config::has_high_availability(&subject.configuration)
}

const HA: &str = "high-availability.type: kubernetes and high-availability.storageDir";

pub(super) fn last_state_without_ha(subject: &Subject<'_>) -> Vec<Remark> {
    let found = without_ha(subject, "last-state").then(|| {
        let message = "without high availability there is no last state to take once the JobManager is gone: the operator cancels the job through it instead";
        Remark::at(MODE, message, format!("set {HA}, or write upgradeMode: savepoint"))
    });
    found.into_iter().collect()
}

pub(super) fn savepoint_without_ha(subject: &Subject<'_>) -> Vec<Remark> {
    let found = without_ha(subject, "savepoint").then(|| {
        let message = "without high availability a job that does not run has nothing to be upgraded from: no savepoint can be taken, and there is no last state";
        Remark::at(MODE, message, format!("set {HA}"))
    });
    found.into_iter().collect()
}

pub(super) fn unretained_checkpoint(subject: &Subject<'_>) -> Vec<Remark> {
    let (kind, flat) = (subject.key.kind, &subject.configuration);
    let stateful = matches!(mode(subject), Some("savepoint" | "last-state")) && !is_batch(subject);
    let checkpoints = config::checkpoint_interval(flat).is_some();
    // Of an application the operator has Flink retain it.
    let goes =
        kind == Kind::FlinkSessionJob && subject.on.is_some() && !config::retains_checkpoints(kind, flat);
    let found = (stateful && checkpoints && goes).then(|| {
        let message = "the last checkpoint of this job is deleted with its cluster, as when a node is drained: what it did since its last savepoint is lost then";
        let hint = format!("set {}: RETAIN_ON_CANCELLATION in the flinkConfiguration of the cluster, or {HA} there", config::RETENTION);
        Remark::at(MODE, message, hint)
    });
    found.into_iter().collect()
}
