//! Operator 1.15.0: `FlinkStateSnapshot`s.

use flinkops::flink::kind::Kind::FlinkDeployment;
use flinkops::flink::kind::{API_VERSION, ObjectKey};
use flinkops::sim::api::resource::Resource;
use flinkops::sim::operator::Behaviour;
use serde_json::{Value, json};

use super::stage::Stage;

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(API_VERSION, "FlinkStateSnapshot", "default", name)
}

fn snapshot(stage: &Stage, name: &str, target: &str, what: Value) {
    let mut spec = what;
    spec["jobReference"] = json!({"kind": "FlinkDeployment", "name": target});
    stage.create(json!({"kind": "FlinkStateSnapshot", "metadata": {"name": name}, "spec": spec}));
}

fn status(stage: &Stage, name: &str, field: &str) -> String {
    let object = stage.sim.store().get(&key(name)).unwrap();
    object["status"][field].as_str().unwrap_or_default().to_owned()
}

async fn application(patch: Value) -> Stage {
    let stage = Stage::modern();
    stage.application("app", patch);
    stage.run(60.0).await;
    stage.mark();
    stage
}

#[tokio::test(start_paused = true)]
async fn f_a_nonce_makes_a_snapshot_and_the_application_is_deployed_for_a_while() {
    let stage = application(json!({})).await;
    stage.patch(FlinkDeployment, "app", json!({"job": {"savepointTriggerNonce": 1}}));
    stage
        .expect(
            30.0,
            "
        0.1 app gen=2
        0.1 app-savepoint-manual + l.trigger-type=MANUAL
        0.1 app obs=2 life=DEPLOYED stable=no
        0.2 app-savepoint-manual l.name=app l.state=IN_PROGRESS l.type=SAVEPOINT
        0.2 app-savepoint-manual state=IN_PROGRESS trigger=+
        15.2 app life=STABLE stable=yes
        15.3 app-savepoint-manual l.state=COMPLETED
        15.3 app-savepoint-manual state=COMPLETED path=+
    ",
        )
        .await;
    let job = stage.job(FlinkDeployment, "app");
    assert_eq!((job.state, job.starts), ("RUNNING", 1));
}

/// An object with only the shape of what is different in every run.
fn plain(object: &Value) -> Value {
    let mut plain = json!({});
    for field in ["kind", "spec", "status"] {
        plain[field] = object[field].clone();
    }
    for field in ["labels", "finalizers"] {
        plain[field] = object["metadata"][field].clone();
    }
    for pointer in
        ["/status/path", "/status/triggerId", "/status/triggerTimestamp", "/status/resultTimestamp"]
    {
        if let Some(value) = plain.pointer_mut(pointer) {
            *value = json!("some");
        }
    }
    if let Some(path) =
        plain.pointer_mut("/spec/savepoint/path").filter(|path| **path != "file:///data/savepoints")
    {
        *path = json!("some");
    }
    plain
}

/// What operator 1.15.0 made of a nonce, and of an upgrade, field by field.
#[tokio::test(start_paused = true)]
async fn the_snapshots_that_an_operator_makes_are_as_it_makes_them() {
    let stage = application(json!({})).await;
    stage.patch(FlinkDeployment, "app", json!({"job": {"savepointTriggerNonce": 1}}));
    stage.run(60.0).await;
    stage.patch(FlinkDeployment, "app", json!({"job": {"parallelism": 2}}));
    stage.run(60.0).await;
    let resource = Resource::by_kind(API_VERSION, "FlinkStateSnapshot").unwrap();
    let (made, _) = stage.sim.store().list(resource, None);
    let made: Vec<Value> = made.iter().map(|object| plain(object)).collect();
    let observed =
        [include_str!("observed/manual-snapshot.json"), include_str!("observed/upgrade-snapshot.json")];
    let observed = observed.map(|text| plain(&serde_json::from_str(text).unwrap()));
    assert_eq!(made, observed);
}

#[tokio::test(start_paused = true)]
async fn f2_snapshots_are_in_progress_at_once_and_f3_some_deletions_hang() {
    let stage = application(json!({})).await;
    snapshot(&stage, "manual-sp", "app", json!({"savepoint": {}}));
    snapshot(&stage, "manual-keep", "app", json!({"savepoint": {"disposeOnDelete": false}}));
    snapshot(&stage, "manual-chk", "app", json!({"checkpoint": {}}));
    snapshot(&stage, "no-target", "nope", json!({"savepoint": {}}));
    let begun = |name: &str, kind: &str| {
        format!(
            "
        0.3 {name} +
        0.4 {name} l.name=app l.state=IN_PROGRESS l.trigger-type=MANUAL l.type={kind}
        0.4 {name} state=IN_PROGRESS trigger=+"
        )
    };
    let begun = [
        begun("manual-sp", "SAVEPOINT"),
        begun("manual-keep", "SAVEPOINT"),
        begun("manual-chk", "CHECKPOINT"),
    ];
    let pending = "
        0.3 no-target +
        0.4 no-target !ValidationError
        0.4 no-target l.state=TRIGGER_PENDING l.trigger-type=MANUAL l.type=SAVEPOINT
    ";
    stage.expect(1.0, &format!("{}{pending}", begun.concat())).await;

    stage.mark();
    for name in ["manual-sp", "manual-keep", "no-target", "manual-chk"] {
        stage.delete(&key(name));
    }
    stage
        .expect(
            600.0,
            "
        0.2 manual-sp del=+
        0.2 manual-keep del=+
        0.2 manual-keep gone
        0.2 no-target del=+
        0.2 manual-chk del=+
        0.2 manual-chk gone
    ",
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn deleting_a_complete_savepoint_deletes_its_data_once_its_job_runs() {
    let stage = application(json!({})).await;
    snapshot(&stage, "thrown-away", "app", json!({"savepoint": {}}));
    snapshot(&stage, "kept", "app", json!({"savepoint": {"disposeOnDelete": false}}));
    stage.run(20.0).await;
    let (gone, kept) = (status(&stage, "thrown-away", "path"), status(&stage, "kept", "path"));
    stage.patch(FlinkDeployment, "app", json!({"job": {"state": "suspended"}}));
    stage.run(20.0).await;
    stage.delete(&key("thrown-away"));
    stage.delete(&key("kept"));
    stage.run(60.0).await;
    assert!(stage.sim.store().get(&key("kept")).is_none());
    assert!(stage.sim.store().get(&key("thrown-away")).is_some(), "hangs while its job is suspended");
    assert!(stage.disk().contains_key(&gone));
    stage.patch(FlinkDeployment, "app", json!({"job": {"state": "running"}}));
    stage.run(60.0).await;
    assert!(stage.sim.store().get(&key("thrown-away")).is_none());
    assert!(!stage.disk().contains_key(&gone) && stage.disk().contains_key(&kept));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_fails_is_tried_again_as_often_as_it_may() {
    let stage = application(json!({"flinkConfiguration": {"$internal.sim.savepoint": "fail"}})).await;
    snapshot(&stage, "once", "app", json!({"savepoint": {}, "backoffLimit": 0}));
    snapshot(&stage, "always", "app", json!({"savepoint": {}}));
    stage.run(60.0).await;
    assert_eq!(status(&stage, "once", "state"), "FAILED");
    assert!(status(&stage, "once", "error").contains("refuses to write"));
    let failures = stage.sim.store().get(&key("always")).unwrap()["status"]["failures"].as_i64();
    assert!(failures > Some(1), "{failures:?}");
    stage.sim.operator().set_behaviour(&super::stage::unit(FlinkDeployment, "app"), Behaviour::Works);
    stage.run(120.0).await;
    assert_eq!(status(&stage, "always", "state"), "COMPLETED");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_a_suspended_job_is_abandoned() {
    let stage = application(json!({})).await;
    stage.patch(FlinkDeployment, "app", json!({"job": {"state": "suspended"}}));
    stage.run(20.0).await;
    snapshot(&stage, "late", "app", json!({"savepoint": {}}));
    stage.run(20.0).await;
    assert_eq!(status(&stage, "late", "state"), "ABANDONED");
    stage.delete(&key("late"));
    stage.run(1.0).await;
    assert!(stage.sim.store().get(&key("late")).is_none());
}
