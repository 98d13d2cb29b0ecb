//! What has FlinkDeployments made for it: blue/green deployments (`BlueGreenDeploymentService` of the operator), and
//! Confluent's applications, by Confluent for Kubernetes and the manager behind it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::effect::Effect;
use super::machine::{Machine, Tick};
use crate::flink::blue_green::{BlueGreenDiffType, diff_type};
use crate::flink::confluent::laid_over;
use crate::flink::diff::DeploymentMode;
use crate::flink::kind::{API_VERSION, Kind, ObjectKey, UnitKey, maker, templated};
use crate::flink::pointer::At as _;
use crate::flink::release::Release;
use crate::flink::status::Status;

/// How long a deployment may take to run, before the one beside it stays the active one.
const GRACE: std::time::Duration = std::time::Duration::from_secs(600);

/// Whether FlinkDeployments are made for objects of this kind, or something is only noted of it.
pub fn is_parent(key: &ObjectKey) -> bool {
    let kind = Kind::of(&key.api_version, &key.kind);
    matches!(kind, Some(Kind::FlinkBlueGreenDeployment | Kind::FlinkApplication | Kind::FlinkEnvironment))
}

/// Whose an object is, by its owner reference.
pub fn parent(object: &Value) -> Option<ObjectKey> {
    maker(object).map(|unit| ObjectKey::from(&unit)).filter(is_parent)
}

/// What the cluster holds.
pub type Objects<'a> = &'a dyn Fn(&ObjectKey) -> Option<Arc<Value>>;

/// One of them at one time, with what is being written.
struct Parent<'a> {
    object: &'a Value,
    objects: Objects<'a>,
    now: Timestamp,
    effects: Vec<Effect>,
    status: Value,
}

impl<'a> Parent<'a> {
    fn text(&self, pointer: &str) -> &'a str {
        self.object.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn key(&self, name: &str) -> UnitKey {
        UnitKey::new(self.text("/metadata/namespace"), Kind::FlinkDeployment, name)
    }

    fn child(&self, key: &UnitKey) -> Option<Arc<Value>> {
        (self.objects)(&key.into())
    }

    fn set(&mut self, fields: &Value) {
        for (field, value) in fields.as_object().into_iter().flatten() {
            self.status[field] = value.clone();
        }
    }

    /// Creates a FlinkDeployment, or gives it another spec.
    fn deploy(&mut self, key: &UnitKey, spec: &Value, labels: &Value) {
        if self.child(key).is_some() {
            self.effects.push(Effect::Merge { key: key.into(), patch: json!({ "spec": spec }) });
            return;
        }
        let owner = json!({"apiVersion": self.object["apiVersion"], "kind": self.object["kind"],
            "name": self.text("/metadata/name"), "uid": self.object["metadata"]["uid"],
            "blockOwnerDeletion": true, "controller": false});
        let metadata = json!({"name": key.name, "namespace": key.namespace, "labels": labels, "ownerReferences": [owner]});
        let object =
            json!({"apiVersion": API_VERSION, "kind": "FlinkDeployment", "metadata": metadata, "spec": spec});
        self.effects.push(Effect::Create { object });
    }

    fn finish(mut self, due: Option<Timestamp>) -> Tick {
        if self.object.get("status") != Some(&self.status) {
            let key = ObjectKey::of(self.object).expect("an object of the store");
            self.effects.push(Effect::Status { key, status: self.status });
        }
        Tick { effects: self.effects, due }
    }
}

fn runs(child: &Value) -> bool {
    let status = Status::parse(&child["status"]);
    status.lifecycle == "STABLE"
        && status.job == "RUNNING"
        && status.generation == child["metadata"]["generation"].as_i64()
}

fn other(colour: &str) -> &'static str {
    if colour == "BLUE" { "GREEN" } else { "BLUE" }
}

impl Machine {
    /// Looks at one.
    pub fn tick_parent(&mut self, object: &Value, objects: Objects<'_>, now: Timestamp) -> Tick {
        let status = object.get("status").filter(|it| it.is_object()).cloned().unwrap_or_else(|| json!({}));
        let parent = Parent { object, objects, now, effects: Vec::new(), status };
        match object["kind"].as_str().and_then(Kind::parse) {
            _ if object["metadata"].get("deletionTimestamp").is_some() => Tick::default(),
            Some(Kind::FlinkBlueGreenDeployment) => self.blue_green(parent),
            Some(Kind::FlinkEnvironment) => environment(parent),
            Some(Kind::FlinkApplication) => application(parent),
            _ => Tick::default(),
        }
    }

    fn blue_green(&mut self, mut parent: Parent<'_>) -> Tick {
        let state = parent.text("/status/blueGreenState").to_owned();
        let (phase, colour) = state.rsplit_once('_').unwrap_or_default();
        match phase {
            "" => {
                start(&mut parent, "BLUE", None, true, self.timings.scaled(GRACE));
                let due = given_up_at(&parent);
                parent.finish(due)
            }
            "TRANSITIONING_TO" => self.transitioning(parent, colour),
            "SAVEPOINTING" => {
                let unit = parent.key(&child_name(&parent, colour));
                match self.flink.savepoint(&unit, parent.now) {
                    Ok(path) => {
                        start(&mut parent, other(colour), Some(&path), true, self.timings.scaled(GRACE));
                    }
                    Err(error) => fail(
                        &mut parent,
                        &format!("ACTIVE_{colour}"),
                        &format!("Could not start Transition. Details: {error}"),
                    ),
                }
                let due = given_up_at(&parent);
                parent.finish(due)
            }
            _ => self.active(parent, colour),
        }
    }

    fn active(&mut self, mut parent: Parent<'_>, colour: &str) -> Tick {
        let spec = &parent.object["spec"];
        let Some(difference) = difference(&parent) else { return parent.finish(None) };
        let child = parent.child(&parent.key(&child_name(&parent, colour)));
        let ready = child.is_some_and(|child| runs(&child));
        let grace = self.timings.scaled(GRACE);
        let mut due = None;
        match difference {
            BlueGreenDiffType::Ignore => {}
            BlueGreenDiffType::PatchChild | BlueGreenDiffType::Suspend | BlueGreenDiffType::Resume => {
                start(&mut parent, colour, None, false, grace);
            }
            _ if !ready => {
                parent.set(&json!({ "lastReconciledSpec": json!({ "spec": spec }).to_string() }));
                let error = format!(
                    "Transition to {} not possible, current Flink Deployment is not READY.",
                    other(colour)
                );
                fail(&mut parent, &format!("ACTIVE_{colour}"), &error);
            }
            BlueGreenDiffType::SavepointRedeploy => start(&mut parent, other(colour), None, true, grace),
            BlueGreenDiffType::Transition => {
                let mode = spec.at("/template/spec/job/upgradeMode").and_then(Value::as_str);
                if matches!(mode, Some("savepoint" | "last-state")) {
                    parent.set(&json!({"blueGreenState": format!("SAVEPOINTING_{colour}")}));
                    due = Some(parent.now + self.timings.reconcile);
                } else {
                    start(&mut parent, other(colour), None, true, grace);
                }
            }
        }
        let due = due.or_else(|| given_up_at(&parent));
        parent.finish(due)
    }

    fn transitioning(&mut self, mut parent: Parent<'_>, colour: &str) -> Tick {
        let unchanged = matches!(difference(&parent), Some(BlueGreenDiffType::Ignore) | None);
        if !unchanged {
            start(&mut parent, colour, None, false, self.timings.scaled(GRACE));
            let due = given_up_at(&parent);
            return parent.finish(due);
        }
        let next = parent.child(&parent.key(&child_name(&parent, colour)));
        let before = parent.key(&child_name(&parent, other(colour)));
        let old = parent.child(&before);
        let suspended = parent.object.at("/spec/template/spec/job/state") == Some(&json!("suspended"));
        let stopped = next.as_ref().is_some_and(|next| next["status"]["lifecycleState"] == "SUSPENDED");
        let ready = next.is_some_and(|next| runs(&next));
        if suspended && stopped {
            parent.set(&json!({"blueGreenState": format!("ACTIVE_{colour}"), "jobStatus": {"state": "SUSPENDED"}, "error": null}));
            return parent.finish(None);
        }
        match (ready && !suspended, old) {
            (true, None) => {
                parent.set(
                    &json!({"blueGreenState": format!("ACTIVE_{colour}"), "jobStatus": {"state": "RUNNING"},
                    "abortTimestamp": null, "error": null}),
                );
                parent.finish(None)
            }
            (true, Some(old)) => {
                if old["metadata"].get("deletionTimestamp").is_none() {
                    parent.effects.push(Effect::Delete { key: (&before).into() });
                }
                parent.finish(None)
            }
            (false, old) => {
                if given_up_at(&parent).is_some_and(|at| at <= parent.now) {
                    let name = child_name(&parent, colour);
                    let patch = json!({"spec": {"job": {"state": "suspended"}}});
                    parent.effects.push(Effect::Merge { key: (&parent.key(&name)).into(), patch });
                    let back = if old.is_some() {
                        format!("ACTIVE_{}", other(colour))
                    } else {
                        "INITIALIZING_BLUE".into()
                    };
                    let error =
                        format!("Aborting deployment '{name}', rolling B/G deployment back to {back}");
                    fail(&mut parent, &back, &error);
                    return parent.finish(None);
                }
                let due = given_up_at(&parent);
                parent.finish(due)
            }
        }
    }
}

fn child_name(parent: &Parent<'_>, colour: &str) -> String {
    format!("{}-{}", parent.text("/metadata/name"), colour.to_lowercase())
}

fn given_up_at(parent: &Parent<'_>) -> Option<Timestamp> {
    parent.status["abortTimestamp"].as_str()?.parse().ok()
}

/// From the spec acted upon to the present one.
fn difference(parent: &Parent<'_>) -> Option<BlueGreenDiffType> {
    let last: Value = serde_json::from_str(parent.text("/status/lastReconciledSpec")).ok()?;
    let spec = &parent.object["spec"];
    let mode = DeploymentMode::of(&spec["template"]["spec"]);
    diff_type(Release::default(), mode, &last["spec"], spec)
}

/// Has the deployment of this colour run the template, from a savepoint where there is one.
fn start(parent: &mut Parent<'_>, colour: &str, from: Option<&str>, anew: bool, grace: std::time::Duration) {
    let name = child_name(parent, colour);
    let text =
        parent.object["spec"]["template"]["spec"].to_string().replace(parent.text("/metadata/name"), &name);
    let mut spec: Value = serde_json::from_str(&text).unwrap_or_default();
    if let Some(from) = from {
        spec["job"]["initialSavepointPath"] = json!(from);
    } else if !anew && let Some(job) = spec.get_mut("job").and_then(Value::as_object_mut) {
        job.remove("initialSavepointPath");
    }
    let key = parent.key(&name);
    parent.deploy(&key, &spec, &json!({"flink/blue-green-deployment-type": colour}));
    let last = json!({ "spec": parent.object["spec"] }).to_string();
    let at = (parent.now + grace).to_string();
    parent.set(
        &json!({"blueGreenState": format!("TRANSITIONING_TO_{colour}"), "jobStatus": {"state": "RECONCILING"},
        "lastReconciledSpec": last, "abortTimestamp": at, "error": null}),
    );
}

fn fail(parent: &mut Parent<'_>, state: &str, error: &str) {
    parent.set(&json!({"blueGreenState": state, "jobStatus": {"state": "FAILING"}, "abortTimestamp": null, "error": error}));
}

fn synced(parent: &mut Parent<'_>, state: &str, error: Option<&str>) {
    let internal = if error.is_some() { "ERROR" } else { "CREATED" };
    let generation = parent.object["metadata"]["generation"].clone();
    parent.set(&json!({"observedGeneration": generation, "cfkInternalState": internal,
        "cmfSync": {"status": state, "errorMessage": error}}));
}

fn environment(mut parent: Parent<'_>) -> Tick {
    synced(&mut parent, "Created", None);
    parent.finish(None)
}

/// The manager makes a FlinkDeployment of an application, over which it lays what its environment says; the status of
/// that is copied.
fn application(mut parent: Parent<'_>) -> Tick {
    let name = parent.text("/metadata/name");
    let named = parent.text("/spec/flinkEnvironment");
    let version = parent.text("/apiVersion");
    let key =
        ObjectKey::new(version, Kind::FlinkEnvironment.as_str(), parent.text("/metadata/namespace"), named);
    let Some(environment) = (parent.objects)(&key) else {
        synced(&mut parent, "Failed", Some(&format!("environment {named} was not found")));
        return parent.finish(None);
    };
    let defaults = templated(Kind::FlinkEnvironment, &environment["spec"]);
    let spec = laid_over(&parent.object["spec"], defaults);
    let child = parent.key(name);
    let new = parent.status["observedGeneration"] != parent.object["metadata"]["generation"];
    match parent.child(&child) {
        Some(there) if !new => {
            for (field, value) in there["status"].as_object().into_iter().flatten() {
                if field != "observedGeneration" {
                    parent.status[field] = value.clone();
                }
            }
        }
        _ => parent.deploy(&child, &spec, &json!({"platform.confluent.io/cmf-managed": "true"})),
    }
    synced(&mut parent, "Created", None);
    parent.finish(None)
}
