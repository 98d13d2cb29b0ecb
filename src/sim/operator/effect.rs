//! What the operator does to the cluster's objects, as values.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::flink::kind::ObjectKey;

/// The field manager of everything the operator writes.
pub const MANAGER: &str = "fabric8-kubernetes-client";

/// One write of the operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Replaces an object's status through the status subresource.
    Status {
        /// Whose.
        key: ObjectKey,
        /// The whole status.
        status: Value,
    },
    /// Merge patch of metadata or spec.
    Merge {
        /// What is patched.
        key: ObjectKey,
        /// The patch.
        patch: Value,
    },
    /// Creates an object.
    Create {
        /// The whole object.
        object: Value,
    },
    /// Deletes an object.
    Delete {
        /// Which.
        key: ObjectKey,
    },
    /// Records an event: creates it, or replaces the one of the same name.
    Event {
        /// The whole core v1 Event.
        object: Value,
    },
}

/// What an event says.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// `Normal` or `Warning`.
    pub kind: &'static str,
    /// The reason, as one word.
    pub reason: &'static str,
    /// Which part of the operator says it.
    pub component: &'static str,
    /// The sentence.
    pub message: &'a str,
}

/// A core v1 Event about an object, for the `count`-th time.
pub fn event(object: &Value, said: &Said<'_>, first: Timestamp, now: Timestamp, count: u32) -> Value {
    let meta = &object["metadata"];
    let name = meta["name"].as_str().unwrap_or_default();
    let stamp = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": format!("{name}.{}", hash(object, said)), "namespace": meta["namespace"]},
        "involvedObject": {"apiVersion": object["apiVersion"], "kind": object["kind"], "name": name,
            "namespace": meta["namespace"], "uid": meta["uid"]},
        "type": said.kind, "reason": said.reason, "message": said.message,
        "source": {"component": said.component}, "reportingComponent": said.component,
        "reportingInstance": "", "firstTimestamp": stamp(first), "lastTimestamp": stamp(now), "count": count,
    })
}

/// A short name for an event, the same for the same words about the same object.
pub fn hash(object: &Value, said: &Said<'_>) -> String {
    use sha2::{Digest, Sha256};
    let words =
        [object["kind"].as_str().unwrap_or_default(), said.kind, said.reason, said.component, said.message];
    hex(&Sha256::digest(words.join("|"))[..5])
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
