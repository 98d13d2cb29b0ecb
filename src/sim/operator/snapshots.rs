//! `FlinkStateSnapshot`s (since 1.10): those the operator makes, and those people make.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::effect::{Effect, Said, event};
use super::flink::Behaviour;
use super::machine::{Machine, Tick};
use crate::flink::kind::{API_VERSION, Kind, ObjectKey, UnitKey, finalizer};
use crate::flink::pointer::At as _;

const KIND: &str = "FlinkStateSnapshot";

fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(API_VERSION, KIND, namespace, name)
}

fn labels(unit: &UnitKey, kind: &str, trigger: &str, state: &str) -> Value {
    json!({"job-reference.kind": unit.kind.as_str(), "job-reference.name": unit.name,
        "snapshot.state": state, "snapshot.trigger-type": trigger, "snapshot.type": kind})
}

/// The snapshot the operator makes of an upgrade's savepoint: complete from the start.
pub fn upgrade_snapshot(unit: &UnitKey, path: &str, now: Timestamp) -> Vec<Effect> {
    let name = format!("{}-savepoint-upgrade-{}", unit.name, now.as_millisecond());
    let object = json!({
        "apiVersion": API_VERSION, "kind": KIND,
        "metadata": {"name": name, "namespace": unit.namespace, "finalizers": [finalizer(KIND)],
            "labels": {"snapshot.trigger-type": "UPGRADE"}},
        "spec": {"backoffLimit": 0, "jobReference": {"kind": unit.kind.as_str(), "name": unit.name},
            "savepoint": {"alreadyExists": true, "disposeOnDelete": false, "path": path, "formatType": "CANONICAL"}},
    });
    let stamp = now.to_string();
    let status = json!({"state": "COMPLETED", "path": path, "failures": 0, "triggerTimestamp": stamp, "resultTimestamp": stamp});
    let key = key(&unit.namespace, &name);
    let labels = json!({"metadata": {"labels": labels(unit, "SAVEPOINT", "UPGRADE", "COMPLETED")}});
    vec![
        Effect::Create { object },
        Effect::Merge { key: key.clone(), patch: labels },
        Effect::Status { key, status },
    ]
}

/// The snapshot that a trigger nonce asks for: a checkpoint, or a savepoint in this directory.
pub fn manual_snapshot(unit: &UnitKey, directory: Option<&str>, now: Timestamp) -> Value {
    let (word, what) = match directory {
        None => ("checkpoint", json!({})),
        Some(directory) => (
            "savepoint",
            json!({"alreadyExists": false, "disposeOnDelete": false, "formatType": "CANONICAL", "path": directory}),
        ),
    };
    json!({
        "apiVersion": API_VERSION, "kind": KIND,
        "metadata": {"name": format!("{}-{word}-manual-{}", unit.name, now.as_millisecond()),
            "namespace": unit.namespace, "finalizers": [finalizer(KIND)],
            "labels": {"snapshot.trigger-type": "MANUAL"}},
        "spec": {"backoffLimit": 0, "jobReference": {"kind": unit.kind.as_str(), "name": unit.name}, (word): what},
    })
}

/// Whose snapshot it is.
pub fn target(object: &Value) -> Option<UnitKey> {
    let text = |pointer: &str| object.at(pointer).and_then(Value::as_str);
    let kind = Kind::parse(text("/spec/jobReference/kind")?)?;
    Some(UnitKey::new(text("/metadata/namespace")?, kind, text("/spec/jobReference/name")?))
}

/// One snapshot at one time, with what is being written about it.
struct Request<'a> {
    object: &'a Value,
    now: Timestamp,
    effects: Vec<Effect>,
}

impl Request<'_> {
    fn text(&self, pointer: &str) -> &str {
        self.object.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn is_savepoint(&self) -> bool {
        self.object.at("/spec/savepoint").is_some()
    }

    fn type_label(&self) -> &'static str {
        if self.is_savepoint() { "SAVEPOINT" } else { "CHECKPOINT" }
    }

    fn key(&self) -> ObjectKey {
        key(self.text("/metadata/namespace"), self.text("/metadata/name"))
    }

    fn merge(&mut self, metadata: &Value) {
        self.effects.push(Effect::Merge { key: self.key(), patch: json!({"metadata": metadata}) });
    }

    /// Sets fields of the status, its state among them, and the label that repeats the state.
    fn set(&mut self, fields: &Value) {
        self.merge(&json!({"labels": {"snapshot.state": fields["state"]}}));
        let mut status = self.object.get("status").cloned().unwrap_or_else(|| json!({"failures": 0}));
        for (field, value) in fields.as_object().into_iter().flatten() {
            status[field] = value.clone();
        }
        self.effects.push(Effect::Status { key: self.key(), status });
    }

    fn target_not_found(&mut self) {
        let (namespace, name) = (self.text("/metadata/namespace"), self.text("/spec/jobReference/name"));
        let message = format!("Target for snapshot {namespace}/{name} was not found");
        let said =
            Said { kind: "Warning", reason: "ValidationError", component: "Operator", message: &message };
        self.effects.push(Effect::Event { object: event(self.object, &said, self.now, self.now, 1) });
        self.merge(
            &json!({"labels": {"snapshot.state": "TRIGGER_PENDING", "snapshot.trigger-type": "MANUAL",
            "snapshot.type": self.type_label()}}),
        );
    }
}

impl Machine {
    /// Looks at one snapshot; `found` says whether its target exists.
    pub fn tick_snapshot(&mut self, object: &Value, found: bool, now: Timestamp) -> Tick {
        let mut request = Request { object, now, effects: Vec::new() };
        let wait = self.look_at_snapshot(&mut request, found);
        Tick { effects: request.effects, due: wait.map(|wait| now + wait) }
    }

    fn look_at_snapshot(&mut self, request: &mut Request<'_>, found: bool) -> Option<Duration> {
        if request.object["metadata"].get("deletionTimestamp").is_some() {
            return self.clean_up_snapshot(request);
        }
        let unit = target(request.object)?;
        if request.object.at("/metadata/finalizers").is_none() {
            request.merge(&json!({"finalizers": [finalizer(KIND)]}));
            return None;
        }
        match request.text("/status/state") {
            "" | "TRIGGER_PENDING" if !found => {
                request.target_not_found();
                None
            }
            "" | "TRIGGER_PENDING" => self.begin_snapshot(request, &unit),
            "IN_PROGRESS" => self.end_snapshot(request, &unit),
            _ => None,
        }
    }

    /// Disposing of a savepoint needs it complete and its job running. In 1.15.0 one in progress is not
    /// observed any more, and one without a status makes the operator stumble: both stay for ever.
    fn clean_up_snapshot(&mut self, request: &mut Request<'_>) -> Option<Duration> {
        let state = request.text("/status/state").to_owned();
        let keeps = request.object.at("/spec/savepoint/disposeOnDelete") == Some(&json!(false));
        let disposes = request.is_savepoint() && !keeps;
        if state.is_empty() || (disposes && state == "IN_PROGRESS") {
            return None;
        }
        if disposes && state == "COMPLETED" {
            let unit = target(request.object)?;
            if self.flink.view(&unit, request.now).is_none_or(|job| job.state != "RUNNING") {
                return Some(self.timings.reconcile);
            }
            self.flink.dispose(request.text("/status/path"));
        }
        request.merge(&json!({"finalizers": null}));
        None
    }

    fn begin_snapshot(&mut self, request: &mut Request<'_>, unit: &UnitKey) -> Option<Duration> {
        if request.object.at("/spec/savepoint/alreadyExists") == Some(&json!(true)) {
            let path = request.text("/spec/savepoint/path").to_owned();
            request.set(&json!({"state": "COMPLETED", "path": path}));
            return None;
        }
        let labels = labels(unit, request.type_label(), "MANUAL", "IN_PROGRESS");
        request.merge(&json!({"labels": labels}));
        if self.flink.view(unit, request.now).is_none_or(|job| job.state != "RUNNING") {
            request.set(&json!({"state": "ABANDONED", "error": "the job is not running"}));
            return None;
        }
        let stamp = request.now.to_string();
        let id = self.flink.new_id();
        request.set(&json!({"state": "IN_PROGRESS", "triggerId": id, "triggerTimestamp": stamp}));
        Some(self.timings.reconcile)
    }

    fn end_snapshot(&mut self, request: &mut Request<'_>, unit: &UnitKey) -> Option<Duration> {
        let begun: Timestamp = request.text("/status/triggerTimestamp").parse().ok()?;
        let slow = request.is_savepoint() && self.flink.behaviour(unit) == Behaviour::Slow;
        let takes = if slow { self.timings.slow_savepoint } else { self.timings.reconcile };
        let left = (begun + takes).duration_since(request.now);
        if left.is_positive() {
            return Some(left.unsigned_abs());
        }
        let result = if request.is_savepoint() {
            self.flink.savepoint(unit, request.now)
        } else {
            self.flink.checkpoint(unit, request.now)
        };
        let stamp = request.now.to_string();
        match result {
            Ok(path) => request.set(&json!({"state": "COMPLETED", "path": path, "resultTimestamp": stamp})),
            Err(message) => return self.snapshot_failed(request, &message),
        }
        None
    }

    /// Tried again after 10, 20, 40 … seconds, as often as `backoffLimit` allows; -1 is without end.
    fn snapshot_failed(&self, request: &mut Request<'_>, message: &str) -> Option<Duration> {
        let number = |pointer: &str| request.object.at(pointer).and_then(Value::as_i64);
        let failures = number("/status/failures").unwrap_or(0) + 1;
        let limit = number("/spec/backoffLimit").unwrap_or(-1);
        let over = limit >= 0 && failures > limit;
        let state = if over { "FAILED" } else { "TRIGGER_PENDING" };
        request.set(&json!({"state": state, "failures": failures, "error": message}));
        let doubled = 1 << (failures - 1).clamp(0, 10);
        (!over).then(|| self.timings.scaled(Duration::from_secs(10 * doubled)))
    }
}
