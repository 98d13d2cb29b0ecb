//! `FlinkStateSnapshot`s (since 1.10): those the operator makes, and those people make.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::effect::{Effect, Said, event, finalizer};
use super::machine::{Machine, Tick};
use crate::flink::kind::{API_VERSION, Kind, ObjectKey, UnitKey};

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
            "labels": labels(unit, "SAVEPOINT", "UPGRADE", "COMPLETED")},
        "spec": {"backoffLimit": 0, "jobReference": {"kind": unit.kind.as_str(), "name": unit.name},
            "savepoint": {"alreadyExists": true, "disposeOnDelete": false, "path": path, "formatType": "CANONICAL"}},
    });
    let stamp = now.to_string();
    let status = json!({"state": "COMPLETED", "path": path, "failures": 0, "triggerTimestamp": stamp, "resultTimestamp": stamp});
    vec![Effect::Create { object }, Effect::Status { key: key(&unit.namespace, &name), status }]
}

/// The snapshot that a trigger nonce asks for.
pub fn manual_snapshot(unit: &UnitKey, savepoint: bool, now: Timestamp) -> Value {
    let word = if savepoint { "savepoint" } else { "checkpoint" };
    let what = if savepoint { json!({"disposeOnDelete": false}) } else { json!({}) };
    json!({
        "apiVersion": API_VERSION, "kind": KIND,
        "metadata": {"name": format!("{}-{word}-manual-{}", unit.name, now.as_millisecond()),
            "namespace": unit.namespace, "finalizers": [finalizer(KIND)],
            "labels": {"snapshot.trigger-type": "MANUAL"}},
        "spec": {"backoffLimit": -1, "jobReference": {"kind": unit.kind.as_str(), "name": unit.name}, (word): what},
    })
}

impl Machine {
    /// Looks at one snapshot.
    pub fn tick_snapshot(&mut self, object: &Value, now: Timestamp) -> Tick {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let snapshot = key(text("/metadata/namespace"), text("/metadata/name"));
        let state = text("/status/state").to_owned();
        let mut tick = Tick::default();
        if object["metadata"].get("deletionTimestamp").is_some() {
            if self.may_go(object, &state) {
                let patch = json!({"metadata": {"finalizers": null}});
                tick.effects.push(Effect::Merge { key: snapshot, patch });
            }
            return tick;
        }
        let Some(kind) = Kind::parse(text("/spec/jobReference/kind")) else { return tick };
        let unit = UnitKey::new(text("/metadata/namespace"), kind, text("/spec/jobReference/name"));
        if object.pointer("/metadata/finalizers").is_none() {
            let patch = json!({"metadata": {"finalizers": [finalizer(KIND)]}});
            tick.effects.push(Effect::Merge { key: snapshot, patch });
        } else if state.is_empty() {
            tick.due = self.begin_snapshot(object, &unit, now, &mut tick.effects).map(|after| now + after);
        } else if state == "IN_PROGRESS" {
            tick.due = self.end_snapshot(object, &unit, now, &mut tick.effects).map(|after| now + after);
        }
        tick
    }

    /// Disposing of a savepoint needs it complete; one in progress is never looked at again (1.15.0).
    fn may_go(&mut self, object: &Value, state: &str) -> bool {
        let disposes = object.pointer("/spec/savepoint/disposeOnDelete") != Some(&json!(false));
        let savepoint = object.pointer("/spec/savepoint").is_some();
        if !savepoint || !disposes {
            return true;
        }
        if state == "COMPLETED" {
            self.flink.dispose(object.pointer("/status/path").and_then(Value::as_str).unwrap_or_default());
        }
        matches!(state, "COMPLETED" | "FAILED" | "ABANDONED")
    }

    fn begin_snapshot(
        &mut self,
        object: &Value,
        unit: &UnitKey,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Option<Duration> {
        let snapshot = key(&unit.namespace, object["metadata"]["name"].as_str()?);
        let kind = if object.pointer("/spec/savepoint").is_some() { "SAVEPOINT" } else { "CHECKPOINT" };
        if self.flink.view(unit, now).is_none_or(|job| job.state != "RUNNING") {
            let message = format!("Target for snapshot {}/{} was not found", unit.namespace, unit.name);
            let said =
                Said { kind: "Warning", reason: "ValidationError", component: "Operator", message: &message };
            effects.push(Effect::Event { object: event(object, &said, now, now, 1) });
            let patch = json!({"metadata": {"labels": {"snapshot.state": "TRIGGER_PENDING"}}});
            effects.push(Effect::Merge { key: snapshot, patch });
            return None;
        }
        let patch = json!({"metadata": {"labels": labels(unit, kind, "MANUAL", "IN_PROGRESS")}});
        effects.push(Effect::Merge { key: snapshot.clone(), patch });
        let status = json!({"state": "IN_PROGRESS", "failures": 0, "triggerId": self.flink.new_id(), "triggerTimestamp": now.to_string()});
        effects.push(Effect::Status { key: snapshot, status });
        Some(self.timings.reconcile)
    }

    fn end_snapshot(
        &mut self,
        object: &Value,
        unit: &UnitKey,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Option<Duration> {
        let snapshot = key(&unit.namespace, object["metadata"]["name"].as_str()?);
        let begun: Timestamp = object.pointer("/status/triggerTimestamp")?.as_str()?.parse().ok()?;
        let left = (begun + self.timings.reconcile).duration_since(now);
        if left.is_positive() {
            return Some(left.unsigned_abs());
        }
        let savepoint = object.pointer("/spec/savepoint").is_some();
        let taken =
            if savepoint { self.flink.savepoint(unit, now) } else { self.flink.checkpoint(unit, now) };
        let mut status = object["status"].clone();
        let state = match taken {
            Ok(path) => {
                status["path"] = json!(path);
                "COMPLETED"
            }
            Err(message) => {
                status["error"] = json!(message);
                "FAILED"
            }
        };
        status["state"] = json!(state);
        status["resultTimestamp"] = json!(now.to_string());
        let patch = json!({"metadata": {"labels": {"snapshot.state": state}}});
        effects.push(Effect::Merge { key: snapshot.clone(), patch });
        effects.push(Effect::Status { key: snapshot, status });
        None
    }
}
