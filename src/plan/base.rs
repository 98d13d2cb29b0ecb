//! Two revisions compared without a cluster: the older one is taken to be applied and settled.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{self, FieldHashes, own_labels};
use super::ledger::{ANNOTATION_SOURCE, Applied, Ledger, Marker};
use super::live::{Live, LiveObject, Seen};
use super::outcome::{Action, Effect, Plan, State, UnitPlan};
use super::subject::World;
use super::{companion, observe_once, patch};
use crate::flink::health::is_suspended;
use crate::flink::kind::{Kind, UnitKey, finalizer};
use crate::flink::pointer::{At as _, escape};
use crate::rule::RuleId;
use crate::spec::{Desired, Unit};

/// The cluster that going from `base` to `desired` begins with: it holds what `base` says, all of it settled.
pub fn before(desired: &Desired, base: &Desired, now: Timestamp) -> Live {
    let mut live = live(base, now);
    for key in elsewhere(desired, base) {
        live.units.entry(key.clone()).or_insert_with(|| settled(key, json!({}), &Value::Null));
    }
    let awaited = desired.units.values().flat_map(|unit| &unit.awaits);
    live.awaited = awaited.map(|awaited| (awaited.object.clone(), Seen::Assumed)).collect();
    live.since = observe_once(&live);
    live
}

/// Says what going to `desired` from such a cluster does, as far as Git can tell: what becomes of a state that
/// only Flink knows is unknown.
pub fn plan(desired: &Desired, before: &Live, now: Timestamp) -> Plan {
    let mut plan = super::plan(desired, before, now);
    // What was there before both revisions is in neither.
    plan.findings.retain(|finding| finding.rule != RuleId::UnmatchedRemoval);
    for unit in plan.units.iter_mut().filter(|unit| is_for_flink_to_tell(unit)) {
        unit.state = State::Unknown;
    }
    plan
}

/// Whether a job's state goes through Flink's hands: a savepoint may fail, and a session cluster may run
/// jobs that are in nobody's Git (S14).
fn is_for_flink_to_tell(unit: &UnitPlan) -> bool {
    let restarts = unit.state == State::Kept && unit.effect > Effect::Rescale;
    unit.action != Action::Keep && (restarts || unit.effect == Effect::RestartCluster)
}

/// A cluster that holds exactly what a revision says, and the record of it.
fn live(base: &Desired, now: Timestamp) -> Live {
    let mut live = Live { cluster: base.revision().to_string(), ..Live::default() };
    let nothing = Live::default();
    let world = World { desired: base, live: &nothing, now };
    for unit in base.units.values() {
        live.units.insert(unit.key.clone(), applied(base, unit));
        live.ledgers.insert(unit.key.clone(), ledger(base, unit, now).into());
    }
    for companion in base.companions.values() {
        let object = in_cluster(companion::applied(world, companion), available());
        live.companions.insert(companion.key.clone(), LiveObject::new(object));
    }
    for namespace in &base.namespaces {
        let revisions = [(base.environment.clone(), base.revision().clone())].into();
        let identity = base.origin.identity.clone();
        live.markers
            .insert(namespace.clone(), Marker { identity, revisions, resource_version: "1".to_owned() });
    }
    live
}

/// What either revision only refers to is taken to be there.
fn elsewhere<'a>(desired: &'a Desired, base: &'a Desired) -> impl Iterator<Item = &'a UnitKey> {
    let edges = desired.units.values().chain(base.units.values()).flat_map(|unit| &unit.depends_on);
    let unread = |key: &UnitKey| {
        desired.unknown.iter().any(|unknown| unknown.name.as_ref().is_none_or(|name| *name == key.name))
    };
    edges.map(|edge| &edge.on).filter(move |key| !desired.units.contains_key(key) && !unread(key))
}

fn applied(base: &Desired, unit: &Unit) -> LiveObject {
    let mut metadata = json!({"metadata": unit.manifest["metadata"]});
    for (key, value) in own_labels(base) {
        patch::set(&mut metadata, &format!("/metadata/labels/{}", escape(key)), json!(value));
    }
    let source = format!("/metadata/annotations/{}", escape(ANNOTATION_SOURCE));
    patch::set(&mut metadata, &source, json!(unit.folder));
    settled(&unit.key, metadata, unit.spec())
}

fn ledger(base: &Desired, unit: &Unit, now: Timestamp) -> Ledger {
    let wanted = fields::wanted(base, unit, unit.spec());
    let applied = Applied {
        settled: Some(now),
        ..Applied::new(base.revision().clone(), &fields::hash(&wanted), 1, now)
    };
    Ledger {
        applied: vec![applied],
        fields: FieldHashes::of(&wanted),
        depends_on: unit.depends_on.iter().map(|edge| edge.on.to_string()).collect(),
        uid: "1".to_owned(),
        resource_version: "1".to_owned(),
        ..Ledger::default()
    }
}

/// A live unit that is as its spec wants it.
fn settled(key: &UnitKey, mut object: Value, spec: &Value) -> LiveObject {
    object["apiVersion"] = json!(key.kind.api_version());
    object["kind"] = json!(key.kind.as_str());
    object["metadata"]["namespace"] = json!(key.namespace);
    object["metadata"]["name"] = json!(key.name);
    object["spec"] = spec.clone();
    object["metadata"]["finalizers"] = json!([finalizer(key.kind.as_str())]);
    let status = match key.kind {
        Kind::FlinkStateSnapshot => json!({"state": "COMPLETED"}),
        Kind::FlinkBlueGreenDeployment => json!({
            "blueGreenState": "ACTIVE_BLUE",
            "jobStatus": {"state": if is_suspended(spec) { "SUSPENDED" } else { "RUNNING" }},
            "lastReconciledSpec": json!({ "spec": spec }).to_string(),
        }),
        Kind::FlinkApplication | Kind::FlinkEnvironment => {
            let mut status = settled_status(spec, 1);
            status["cmfSync"] = json!({"status": "Created"});
            status
        }
        Kind::FlinkDeployment | Kind::FlinkSessionJob => settled_status(spec, 1),
    };
    LiveObject::new(in_cluster(object, status))
}

/// An object with what the API server adds to it.
fn in_cluster(mut object: Value, status: Value) -> Value {
    for (key, value) in [("uid", json!("1")), ("resourceVersion", json!("1")), ("generation", json!(1))] {
        object["metadata"][key] = value;
    }
    object["status"] = status;
    object
}

fn available() -> Value {
    json!({"observedGeneration": 1, "conditions": [{"type": "Available", "status": "True"}]})
}

/// A status that is as it should be after the operator acted on `generation`.
pub fn settled_status(spec: &Value, generation: i64) -> Value {
    let suspended = is_suspended(spec);
    let state = if suspended { "suspended" } else { "running" };
    let mode = spec.at("/job/upgradeMode").and_then(Value::as_str).unwrap_or("stateless");
    let mut last = json!({"spec": spec});
    if spec.get("job").is_some_and(Value::is_object) {
        last["spec"]["job"]["state"] = json!(state);
        last["spec"]["job"]["upgradeMode"] = json!(mode);
    }
    let last = last.to_string();
    json!({
        "observedGeneration": generation,
        "lifecycleState": if suspended { "SUSPENDED" } else { "STABLE" },
        "jobManagerDeploymentStatus": "READY",
        "jobStatus": {"state": if suspended { "FINISHED" } else { "RUNNING" }},
        "reconciliationStatus": {"state": "DEPLOYED", "lastReconciledSpec": last, "lastStableSpec": last},
    })
}
