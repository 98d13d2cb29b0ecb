//! The mark on a temporary write of ours (S19): what it is for and what was there before.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ledger::ANNOTATION_OPERATION;
use super::live::LiveObject;
use crate::flink::pointer::At as _;
use crate::flink::savepoint;

/// What a temporary write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// The job stops because Git says so.
    Suspend,
    /// The job stops while its session cluster changes.
    ClusterChange,
    /// The job stops before it is deleted.
    Delete,
    /// The job stops before it is deleted and created again.
    Recreate,
    /// The job runs again, still with the upgrade mode that brings its state back.
    Resume,
    /// The job was created from a savepoint that Git does not name.
    Restore,
    /// The job was lost, and restored from a savepoint.
    Rescue,
    /// The unit went back to what it was before an upgrade that failed.
    Rollback,
}

/// Where Git names a savepoint to start from.
pub const PATH: &str = "/spec/job/initialSavepointPath";
/// What makes the operator restore the savepoint named there.
pub const NONCE: &str = "/spec/job/savepointRedeployNonce";

/// The content of the annotation `flinkops.dev/operation`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// What it is for.
    #[serde(rename = "for")]
    pub purpose: Purpose,
    /// Hash of what it leads to: the cluster's new manifest, or the unit's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// When the write was made.
    pub since: Timestamp,
    /// The savepoint path the status showed before; one that is still there does not count (S8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The upgrade mode the resource had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade_mode: Option<String>,
    /// The savepoint the job was created from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_from: Option<String>,
}

impl Operation {
    /// Begins one now.
    pub fn new(purpose: Purpose, target: impl Into<String>, since: Timestamp) -> Self {
        Self { purpose, target: target.into(), since, before: None, upgrade_mode: None, restored_from: None }
    }

    /// A stop of this live job: remembers what the stop overwrites.
    pub fn stop(purpose: Purpose, target: impl Into<String>, live: &LiveObject, now: Timestamp) -> Self {
        let mode = live.deployment().at("/job/upgradeMode").and_then(Value::as_str);
        Self {
            before: live.operator_status().savepoint.clone(),
            upgrade_mode: mode.map(str::to_owned),
            ..Self::new(purpose, target, now)
        }
    }

    /// Reads the mark of a live object. One that cannot be read is somebody else's doing and no mark.
    pub fn of(live: &LiveObject) -> Option<Self> {
        serde_json::from_str(live.annotation(ANNOTATION_OPERATION)?).ok()
    }

    /// Whether flinkops itself stopped the job, against Git's wish, for the time being.
    pub fn is_temporary_stop(&self) -> bool {
        matches!(self.purpose, Purpose::ClusterChange | Purpose::Delete | Purpose::Recreate)
    }

    /// The fields that are ours as long as the mark stands, and so are no drift.
    pub fn owns(&self, path: &str) -> bool {
        match self.purpose {
            Purpose::Restore => path == PATH,
            Purpose::Rollback | Purpose::Rescue => {
                self.restored_from.is_some() && matches!(path, PATH | NONCE)
            }
            Purpose::Resume => path == "/spec/job/upgradeMode",
            Purpose::Suspend => false,
            _ => matches!(path, "/spec/job/state" | "/spec/job/upgradeMode"),
        }
    }

    /// The annotation's text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("an operation holds only strings")
    }
}

/// The savepoint this live object was stopped with, if one counts (S8).
pub fn savepoint_of(live: &LiveObject) -> Option<String> {
    let before = Operation::of(live).and_then(|operation| operation.before);
    savepoint::of_stopped(live.operator_status(), live.generation(), before.as_deref())
}
