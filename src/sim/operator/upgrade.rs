//! How a job is stopped for a change, and what it starts from afterwards (`AbstractJobReconciler`).

use serde_json::Value;

use super::spec::Recorded;
use super::status::Status;
use crate::flink::diff::DiffType;
use crate::flink::kind::Role;

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
}

impl Stop {
    /// Whether an application's cluster goes with the job at once.
    pub fn removes_cluster(self) -> bool {
        matches!(self, Self::Stateless | Self::Redeploy | Self::LastState)
    }

    /// The upgrade mode that is recorded.
    pub fn mode(self, wanted: &str) -> &str {
        match self {
            Self::Savepoint | Self::Redeploy => "savepoint",
            Self::Stateless => "stateless",
            Self::Cancel | Self::LastState => "last-state",
            Self::Nothing => wanted,
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
    /// Whether high availability keeps something of the job.
    pub has_kept: bool,
}

/// Decides how the job is stopped; `None` where the operator waits for a state it can act upon.
pub fn decide(situation: &Situation<'_>) -> Option<Stop> {
    let status = situation.status;
    let mode = situation.spec.pointer("/job/upgradeMode").and_then(Value::as_str).unwrap_or("stateless");
    if situation.change == DiffType::SavepointRedeploy {
        return Some(Stop::Redeploy);
    }
    if mode == "stateless" {
        return Some(Stop::Stateless);
    }
    if status.is_terminal() {
        return Some(Stop::Nothing);
    }
    if mode == "savepoint" && status.job_is("RUNNING") {
        return Some(Stop::Savepoint);
    }
    let reachable = status.job_manager.as_deref().is_none_or(|it| it == "READY");
    let cancellable = reachable && !status.job_is("RECONCILING") && status.job.is_some();
    match situation.role {
        Role::Application if situation.has_kept => Some(Stop::LastState),
        _ if cancellable => Some(Stop::Cancel),
        // The new version never ran, so what the old one left is still where it starts from.
        Role::Application if never_ran(situation) => Some(Stop::Nothing),
        _ => None,
    }
}

fn never_ran(situation: &Situation<'_>) -> bool {
    let status = situation.status;
    !status.job_is("RUNNING")
        && matches!(status.job_manager.as_deref(), Some("ERROR" | "MISSING" | "DEPLOYING"))
        && situation.last.upgrade_mode() != "last-state"
}
