//! How a job is stopped for a change, and what it starts from afterwards (`AbstractJobReconciler`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::spec::Recorded;
use super::status::Status;
use crate::flink::config::{self, LAST_STATE_FALLBACK, SAVEPOINT_DIR};
use crate::flink::diff::DiffType;
use crate::flink::kind::Role;
use crate::flink::pointer::At as _;

/// What is done to the running job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Stopped with a savepoint.
    Savepoint,
    /// Cancelled; its last checkpoint is what it starts from.
    Cancel,
    /// Cancelled, and its state forgotten.
    Stateless,
    /// Cancelled for a restart from the path that the spec names.
    Redeploy,
    /// Its cluster is removed, and high availability keeps its state.
    LastState,
    /// Nothing: it is over, and starts from what is known.
    Nothing,
    /// The same, and its cluster, which never got as far as to run it, is removed.
    NeverRan,
}

impl Stop {
    /// Whether an application's cluster goes with the job at once.
    pub fn removes_cluster(self) -> bool {
        matches!(self, Self::Stateless | Self::Redeploy | Self::LastState | Self::NeverRan)
    }

    /// The upgrade mode that is recorded.
    pub fn mode(self, wanted: &str) -> &str {
        match self {
            Self::Savepoint | Self::Redeploy => "savepoint",
            Self::Stateless => "stateless",
            Self::Cancel | Self::LastState => "last-state",
            Self::Nothing | Self::NeverRan => wanted,
        }
    }
}

/// What the decision looks at.
pub struct Situation<'a> {
    /// Application or session job.
    pub role: Role,
    /// The new spec.
    pub spec: &'a Value,
    /// How strong the change is.
    pub change: DiffType,
    /// The status.
    pub status: &'a Status,
    /// What was deployed last.
    pub last: &'a Recorded,
    /// What the job runs with.
    pub configuration: &'a BTreeMap<String, String>,
    /// Whether high availability keeps something of the job.
    pub has_kept: bool,
}

/// Decides how the job is stopped; `None` where the operator waits for a state it can act upon.
pub fn decide(situation: &Situation<'_>) -> Option<Stop> {
    let status = situation.status;
    let mode = situation.spec.at("/job/upgradeMode").and_then(Value::as_str).unwrap_or("stateless");
    if situation.change == DiffType::SavepointRedeploy {
        return Some(Stop::Redeploy);
    }
    if mode == "stateless" {
        return Some(Stop::Stateless);
    }
    if status.is_terminal() {
        return Some(Stop::Nothing);
    }
    let version = changes_version(situation);
    let has_folder = config::first(situation.configuration, &SAVEPOINT_DIR).is_some();
    if status.job_is("RUNNING") && (mode == "savepoint" || (version && has_folder)) {
        return Some(Stop::Savepoint);
    }
    if mode == "savepoint"
        && !version
        && situation.configuration.get(LAST_STATE_FALLBACK).is_some_and(|it| it == "false")
    {
        return None;
    }
    let reachable = status.job_manager.as_deref().is_none_or(|it| it == "READY");
    let cancellable = reachable && !status.job_is("RECONCILING") && status.job.is_some();
    match situation.role {
        Role::Application if situation.has_kept => Some(Stop::LastState),
        _ if cancellable => Some(Stop::Cancel),
        // The new version never ran, so what the old one left is still where it starts from.
        Role::Application if never_ran(situation) => Some(Stop::NeverRan),
        _ => None,
    }
}

/// The last state of one Flink version is not read by another.
fn changes_version(situation: &Situation<'_>) -> bool {
    let version = |spec: &Value| spec.get("flinkVersion").cloned().unwrap_or_default();
    version(situation.spec) != version(&situation.last.spec)
}

fn never_ran(situation: &Situation<'_>) -> bool {
    let status = situation.status;
    !status.job_is("RUNNING")
        && matches!(status.job_manager.as_deref(), Some("ERROR" | "DEPLOYING"))
        && situation.last.upgrade_mode() != "last-state"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::timings::Mode;
    use super::*;

    /// How an application of Flink 1.20 is stopped for a change to `version`.
    fn stop(version: &str, mode: &str, job: &str, configuration: &[(&str, &str)]) -> Option<Stop> {
        let spec = |version: &str| json!({"flinkVersion": version, "job": {"upgradeMode": mode}});
        let status = json!({"status": {"jobStatus": {"state": job}, "jobManagerDeploymentStatus": "READY"}});
        let last = Recorded { spec: spec("v1_20"), generation: 1, first: false };
        let configuration =
            configuration.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        decide(&Situation {
            role: Role::Application,
            spec: &spec(version),
            change: DiffType::Upgrade,
            status: &Status::read(&status, Role::Application, Mode::V1_15),
            last: &last,
            configuration: &configuration,
            has_kept: true,
        })
    }

    const FOLDER: (&str, &str) = ("state.savepoints.dir", "s3://b");

    #[test]
    fn another_flink_version_takes_a_savepoint_where_one_has_a_place() {
        assert_eq!(stop("v1_20", "last-state", "RUNNING", &[FOLDER]), Some(Stop::LastState));
        assert_eq!(stop("v2_0", "last-state", "RUNNING", &[FOLDER]), Some(Stop::Savepoint));
        assert_eq!(stop("v2_0", "last-state", "RUNNING", &[]), Some(Stop::LastState));
        assert_eq!(stop("v2_0", "stateless", "RUNNING", &[FOLDER]), Some(Stop::Stateless));
    }

    #[test]
    fn a_job_that_does_not_run_falls_back_to_its_last_state_unless_that_is_off() {
        let off = (LAST_STATE_FALLBACK, "false");
        assert_eq!(stop("v1_20", "savepoint", "RESTARTING", &[FOLDER]), Some(Stop::LastState));
        assert_eq!(stop("v1_20", "savepoint", "RESTARTING", &[FOLDER, off]), None);
        assert_eq!(stop("v2_0", "savepoint", "RESTARTING", &[FOLDER, off]), Some(Stop::LastState));
        assert_eq!(stop("v1_20", "savepoint", "RUNNING", &[FOLDER, off]), Some(Stop::Savepoint));
    }
}
