//! A cluster is taken up as its statuses say it is: with nothing to do, the model does nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flinkops::cluster::Scope;
use flinkops::flink::kind::{Kind, ObjectKey};
use flinkops::plan::Live;
use flinkops::plan::forecast::{End, Model, forecast};
use flinkops::plan::live::LiveObject;
use flinkops::sim::api::patch::Patch;
use flinkops::sim::api::resource::Resource;
use flinkops::sim::api::store::WriteOptions;
use flinkops::sim::{OperatorMode, Options, Rehearsal, Sim};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::flows::world::{World, key};

/// Long enough for every look that an operator takes, many times over.
const WHILE: Duration = Duration::from_secs(600);

/// Objects that a real operator 1.15.0 wrote the statuses of.
fn observed() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forecast/observed");
    let names = ["application", "session-cluster", "session-job"];
    let read = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    names.map(|name| serde_json::from_str(&read(name)).unwrap()).to_vec()
}

fn live(objects: &[Value]) -> Live {
    let objects = objects.iter().cloned().map(LiveObject::new);
    Live { units: objects.map(|object| (object.unit_key().unwrap(), object)).collect(), ..Live::default() }
}

/// Every Flink resource of a cluster.
fn flink(sim: &Sim) -> Vec<Arc<Value>> {
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_everywhere());
    let kinds = kinds.map(|kind| Resource::by_kind(kind.api_version(), kind.as_str()).unwrap());
    kinds.flat_map(|kind| sim.store().list(kind, None).0).collect()
}

fn statuses(objects: &[Arc<Value>]) -> BTreeMap<ObjectKey, String> {
    let status = |object: &Arc<Value>| {
        let status = serde_json::to_string_pretty(&object["status"]).unwrap();
        (ObjectKey::of(object).unwrap(), status)
    };
    objects.iter().map(status).collect()
}

/// Another cluster's objects, looked at by an operator for a while.
async fn looked_at(operator: OperatorMode, objects: &[Arc<Value>], now: Timestamp) -> Vec<Arc<Value>> {
    let sim = Sim::start(Options { operator, start_time: Some(now), ..Options::default() });
    sim.stop_operator();
    for object in objects {
        sim.store().load((**object).clone()).unwrap();
    }
    sim.operator().take_up(sim.store());
    sim.start_operator();
    tokio::time::sleep(WHILE).await;
    flink(&sim)
}

#[tokio::test(start_paused = true)]
async fn what_a_real_operator_left_settled_stays_as_it_is() {
    let objects: Vec<Arc<Value>> = observed().into_iter().map(Arc::new).collect();
    let after = looked_at(OperatorMode::V1_15, &objects, "2026-11-21T06:00:00Z".parse().unwrap()).await;
    assert_eq!(statuses(&after), statuses(&objects));
}

#[test]
fn in_a_rehearsal_of_it_nothing_happens_either() {
    let now: Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
    let mut rehearsal = Rehearsal::new(&live(&observed()), &BTreeMap::new(), now);
    assert!(rehearsal.advance(now + SignedDuration::from_hours(1)).is_empty());
    assert_eq!(rehearsal.now(), now + SignedDuration::from_hours(1));
    assert!(rehearsal.deeds().is_empty());
}

/// A cluster in which not everything is well: one job is suspended, one is lost, one cannot start.
async fn troubled(mode: OperatorMode) -> World {
    let mut world = World::new(mode);
    world.settle().await;
    world.edit("jobs/delivery-times/job.yaml", "job:", "job:\n    state: suspended");
    world.settle().await;
    let session = key(Kind::FlinkDeployment, "orders-session");
    world.sim.operator().crash_job_manager(&session, world.sim.now());
    let sink = (&key(Kind::FlinkDeployment, "orders-sink")).into();
    let patch = Patch::Merge(json!({"spec": {"image": "absent:1"}}));
    world.sim.store().patch(&sink, &patch, &WriteOptions::by("kubectl")).unwrap();
    tokio::time::sleep(WHILE).await;
    world
}

#[tokio::test(start_paused = true)]
async fn what_is_suspended_lost_or_broken_stays_so_with_either_operator() {
    for mode in [OperatorMode::V1_7, OperatorMode::V1_15] {
        let world = troubled(mode).await;
        let before = flink(&world.sim);
        let text = |name: &str, pointer: &str| {
            let object = before.iter().find(|object| object["metadata"]["name"] == name).unwrap();
            object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        assert_eq!(text("delivery-times", "/status/lifecycleState"), "SUSPENDED", "{mode:?}");
        assert_eq!(text("fraud-scores", "/status/jobStatus/state"), "RECONCILING", "{mode:?}");
        assert_eq!(text("orders-sink", "/status/jobManagerDeploymentStatus"), "ERROR", "{mode:?}");
        let after = looked_at(mode, &before, world.sim.now()).await;
        assert_eq!(statuses(&after), statuses(&before), "{mode:?}");
    }
}

/// What was refused is the spec that was read, not the one that is written in its place.
#[tokio::test(start_paused = true)]
async fn putting_back_what_an_operator_refused_is_forecast_to_settle() {
    for mode in [OperatorMode::V1_7, OperatorMode::V1_15] {
        let mut world = World::new(mode);
        world.settle().await;
        let sink = (&key(Kind::FlinkDeployment, "orders-sink")).into();
        let patch = Patch::Merge(json!({"spec": {"job": {"parallelism": 0}}}));
        world.sim.store().patch(&sink, &patch, &WriteOptions::by("kubectl")).unwrap();
        tokio::time::sleep(WHILE).await;
        let desired = world.desired();
        let live = world.cluster().observe(&Scope::of(&desired)).await.unwrap();
        let mut rehearsal = Rehearsal::new(&live, &desired.operator, world.sim.now());
        let forecast = forecast(&desired, &mut rehearsal, &|plan| plan);
        assert_eq!(forecast.end, End::Settled, "{mode:?}: {forecast:#?}");
        assert_eq!(forecast.units.iter().map(|unit| unit.restarts).sum::<usize>(), 0, "{mode:?}");
    }
}

/// Where nothing has a status yet, the definitions tell the operator: an old one refuses the last state of a
/// session job.
#[tokio::test(start_paused = true)]
async fn an_empty_cluster_is_told_by_its_definitions() {
    for mode in [OperatorMode::V1_7, OperatorMode::V1_15] {
        let mut world = World::new(mode);
        world.edit("jobs/fraud-scores/job.yaml", "upgradeMode: savepoint", "upgradeMode: last-state");
        let desired = world.desired();
        let live = world.cluster().observe(&Scope::of(&desired)).await.unwrap();
        let mut rehearsal = Rehearsal::new(&live, &desired.operator, world.sim.now());
        let forecast = forecast(&desired, &mut rehearsal, &|plan| plan);
        let expected = if mode == OperatorMode::V1_7 { End::Blocked } else { End::Settled };
        assert_eq!(forecast.end, expected, "{mode:?}: {forecast:#?}");
    }
}
