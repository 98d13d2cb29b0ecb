//! What becomes of a job's state: its count goes on, begins anew, or is another's.

use flinkops::sim::OperatorMode::{self, V1_7, V1_15};
use flinkops::sim::operator::{Behaviour, JobView};
use serde_json::{Value, json};

use super::bench::{Bench, application_spec, cluster_spec, deployment, job_spec, session_job, unit};

fn view(bench: &Bench) -> JobView {
    bench.sim.operator().job(&unit(&deployment("app")), bench.sim.now()).expect("the job is known to Flink")
}

/// Changes the image of a running application and gives the counts before and after.
async fn upgraded(operator: OperatorMode, mode: &str) -> (JobView, JobView) {
    let mut bench = Bench::with_application(operator, application_spec(mode)).await;
    bench.wait(60.0).await;
    let before = view(&bench);
    bench.patch(&deployment("app"), json!({"spec": {"image": "flink:1.20.5"}}));
    bench.wait(45.0).await;
    let after = view(&bench);
    assert_eq!((after.state, after.starts), ("RUNNING", before.starts + 1));
    (before, after)
}

fn changed(job: &Value) -> Value {
    json!({"spec": {"job": job}})
}

#[tokio::test(start_paused = true)]
async fn a_savepoint_upgrade_keeps_the_count() {
    for operator in [V1_7, V1_15] {
        let (before, after) = upgraded(operator, "savepoint").await;
        assert!(after.records > before.records, "{operator:?}: {before:?} {after:?}");
        assert!(after.restored_from.expect("a savepoint").contains("/savepoint-"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stateless_upgrade_begins_at_zero() {
    for operator in [V1_7, V1_15] {
        let (before, after) = upgraded(operator, "stateless").await;
        assert!(after.records < before.records, "{operator:?}: {before:?} {after:?}");
        assert_eq!(after.restored_from, None);
    }
}

#[tokio::test(start_paused = true)]
async fn last_state_without_high_availability_goes_on_from_the_checkpoint() {
    for operator in [V1_7, V1_15] {
        let (before, after) = upgraded(operator, "last-state").await;
        assert!(after.records > before.records, "{operator:?}: {before:?} {after:?}");
        assert!(after.restored_from.expect("a checkpoint").contains("/chk-"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_redeploy_replaces_the_state_by_the_named_one() {
    let mut bench = Bench::with_application(V1_15, application_spec("savepoint")).await;
    bench.patch(&deployment("app"), changed(&json!({"savepointTriggerNonce": 1})));
    bench.wait(20.0).await;
    let (path, old) = bench.sim.operator().disk().into_iter().next().expect("a savepoint");
    bench.wait(600.0).await;
    let before = view(&bench);
    let named = json!({"initialSavepointPath": path, "savepointRedeployNonce": 1});
    bench.patch(&deployment("app"), changed(&named));
    bench.wait(5.0).await;
    assert_eq!(bench.text(&deployment("app"), "/status/lifecycleState"), "STABLE", "stable at once");
    bench.wait(40.0).await;
    let after = view(&bench);
    assert!(old.records < after.records && after.records < before.records, "{before:?} {after:?}");
    assert_eq!(after.restored_from, Some(path));
}

#[tokio::test(start_paused = true)]
async fn an_application_takes_over_a_session_jobs_state() {
    let mut bench = Bench::with_session(V1_15, cluster_spec(), &[("app", job_spec("savepoint"))]).await;
    let job = session_job("app");
    bench.patch(&job, changed(&json!({"state": "suspended"})));
    bench.wait(2.0).await;
    let stopped = bench.sim.operator().job(&unit(&job), bench.sim.now()).expect("it was stopped");
    let path = bench.text(&job, "/status/jobStatus/upgradeSavepointPath");
    bench.delete(&job);
    bench.wait(1.0).await;
    assert!(!bench.exists(&job), "a suspended job goes at once");
    let mut spec = application_spec("savepoint");
    spec["job"]["initialSavepointPath"] = json!(path);
    bench.create(&deployment("app"), spec);
    bench.wait(40.0).await;
    assert!(view(&bench).state == "RUNNING" && view(&bench).records > stopped.records);
}

#[tokio::test(start_paused = true)]
async fn a_savepoint_that_fails_leaves_the_job_running() {
    let mut bench = Bench::with_application(V1_15, application_spec("savepoint")).await;
    let key = deployment("app");
    bench.sim.operator().set_behaviour(&unit(&key), Behaviour::Fail);
    bench.patch(&key, changed(&json!({"state": "suspended"})));
    bench.wait(20.0).await;
    assert_eq!((view(&bench).state, view(&bench).starts), ("RUNNING", 1));
    assert_eq!(bench.observed(&key), 1);
    bench.sim.operator().set_behaviour(&unit(&key), Behaviour::Works);
    bench.wait(20.0).await;
    assert_eq!(bench.text(&key, "/status/lifecycleState"), "SUSPENDED", "it is tried again");
}

#[tokio::test(start_paused = true)]
async fn a_savepoint_can_be_slow() {
    let mut spec = application_spec("savepoint");
    spec["flinkConfiguration"]["$internal.sim.savepoint"] = json!("slow");
    let mut bench = Bench::with_application(V1_15, spec).await;
    bench.patch(&deployment("app"), changed(&json!({"state": "suspended"})));
    bench.wait(200.0).await;
    assert_eq!(bench.text(&deployment("app"), "/status/lifecycleState"), "STABLE");
    bench.wait(120.0).await;
    assert_eq!(bench.text(&deployment("app"), "/status/lifecycleState"), "SUSPENDED");
}

#[tokio::test(start_paused = true)]
async fn a_bounded_job_finishes() {
    let mut spec = application_spec("stateless");
    spec["job"]["args"] = json!(["--bounded", "3000"]);
    let mut bench = Bench::with_application(V1_15, spec).await;
    bench.wait(60.0).await;
    assert_eq!((view(&bench).state, view(&bench).records), ("FINISHED", 3000));
    let key = deployment("app");
    assert_eq!(bench.state(&key), "FINISHED");
    assert_eq!(bench.text(&key, "/status/lifecycleState"), "STABLE");
}

#[tokio::test(start_paused = true)]
async fn a_delete_can_take_a_savepoint() {
    let mut spec = application_spec("savepoint");
    spec["flinkConfiguration"]["kubernetes.operator.job.savepoint-on-deletion"] = json!("true");
    let mut bench = Bench::with_application(V1_15, spec).await;
    bench.delete(&deployment("app"));
    bench.wait(10.0).await;
    assert!(!bench.exists(&deployment("app")));
    assert!(bench.sim.operator().disk().values().any(|it| it.savepoint && it.records > 0));
    assert!(
        bench.snapshots().iter().any(|name| name.starts_with("app-savepoint-upgrade-")),
        "it is recorded"
    );
}

#[tokio::test(start_paused = true)]
async fn an_operator_killed_in_the_middle_goes_on() {
    let mut bench = Bench::with_application(V1_15, application_spec("savepoint")).await;
    bench.wait(30.0).await;
    let before = view(&bench).records;
    bench.patch(&deployment("app"), changed(&json!({"parallelism": 2})));
    bench.wait(1.5).await;
    assert_eq!(bench.text(&deployment("app"), "/status/lifecycleState"), "UPGRADING");
    bench.sim.stop_operator();
    bench.wait(60.0).await;
    bench.sim.start_operator();
    bench.wait(40.0).await;
    let after = view(&bench);
    assert!(after.state == "RUNNING" && after.records > before && after.parallelism == 2, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn an_in_place_rescale_does_not_restart() {
    let overrides = "pipeline.jobvertex-parallelism-overrides";
    let mut spec = application_spec("savepoint");
    spec["flinkConfiguration"]["jobmanager.scheduler"] = json!("adaptive");
    spec["flinkConfiguration"][overrides] = json!("a:1");
    let mut bench = Bench::with_application(V1_15, spec).await;
    bench.patch(&deployment("app"), json!({"spec": {"flinkConfiguration": {overrides: "a:4"}}}));
    bench.wait(20.0).await;
    assert_eq!((view(&bench).starts, view(&bench).parallelism), (1, 4));
    assert_eq!(bench.observed(&deployment("app")), 2);
}
