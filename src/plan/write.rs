//! One request to the API server, as a value.

use serde_json::Value;

use crate::flink::kind::{ObjectKey, UnitKey};

/// One request. Each is conditional on what the plan saw: performed against anything newer it is
/// refused by the API server, and the plan is made again.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// POST of a Flink resource or a record that did not exist.
    Create {
        /// The whole object, with its namespace.
        object: Value,
    },
    /// JSON merge patch of a Flink resource, which carries `metadata.resourceVersion`.
    Patch {
        /// What is patched.
        key: ObjectKey,
        /// The patch.
        patch: Value,
    },
    /// Server-side apply of a companion.
    Apply {
        /// The whole intent.
        object: Value,
        /// Whether fields of other managers are taken over (a consented adoption).
        force: bool,
    },
    /// PUT of a record (ledger, marker), which carries `metadata.resourceVersion`.
    Replace {
        /// The whole object.
        object: Value,
    },
    /// DELETE with preconditions.
    Delete {
        /// What is deleted.
        key: ObjectKey,
        /// `metadata.uid` it must still have.
        uid: String,
        /// `metadata.resourceVersion` it must still have.
        resource_version: String,
    },
}

impl Write {
    /// What the write is about.
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Patch { key, .. } | Self::Delete { key, .. } => key.clone(),
            Self::Create { object } | Self::Apply { object, .. } | Self::Replace { object } => {
                ObjectKey::of(object).expect("every object flinkops writes names itself in full")
            }
        }
    }

    /// The verb, for logs and metrics.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Patch { .. } => "patch",
            Self::Apply { .. } => "apply",
            Self::Replace { .. } => "update",
            Self::Delete { .. } => "delete",
        }
    }
}

/// A write with its reason, as [`super::step`] hands it out.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The unit for whose sake it is done; `None` for the marker and for companions.
    pub unit: Option<UnitKey>,
    /// The request.
    pub write: Write,
    /// Why, in `CamelCase` for a Kubernetes Event: `Upgrading`, `Suspending`, `Recording`, ….
    pub reason: &'static str,
    /// The same for people, free of secrets: `upgrades from savepoint: spec.image changed`.
    pub message: String,
    /// Whether it is worth an Event: records of flinkops' own are not.
    pub event: bool,
}
