//! What goes wrong, as operator 1.15.0 shows it, and an operator that is away.

use flinkops::flink::kind::Kind::{FlinkDeployment, FlinkSessionJob};
use flinkops::sim::operator::Behaviour;
use serde_json::json;

use super::stage::{Stage, unit};

/// A first submission that fails is begun again after 5, 5, 7.5 … seconds.
fn flapping(name: &str, from: f64) -> String {
    let first = format!(
        "
        {from} {name} + gen=1
        {from} {name} fin=+
        {from} {name} obs=1 life=UPGRADING rec=UPGRADING lrs=suspended/stateless/p1 stable=no
        {from} {name} !Submit
        {from} {name} job=RECONCILING jobId=+
        {from} {name} !Error
        {from} {name} err=ReconciliationException"
    );
    let again = [5.3, 10.4, 18.0].map(|at| {
        let at = at + from - 0.1;
        format!(
            "
        {at} {name} life=FAILED
        {at} {name} life=UPGRADING err=- lrs=suspended/stateless/p1 stable=no
        {at} {name} !Submit
        {at} {name} !Error
        {at} {name} err=ReconciliationException"
        )
    });
    format!("{first}{}", again.concat())
}

#[tokio::test(start_paused = true)]
async fn m_each_failure_has_its_own_face() {
    let stage = Stage::modern();
    stage.session("sess", json!({}));
    stage.application("app", json!({}));
    stage.run(60.0).await;
    stage.mark();
    stage.session_job("nojar", "sess", json!({"job": {"jarURI": "file:///data/jars/missing.jar"}}));
    stage.run(0.3).await;
    stage.session_job("badscheme", "sess", json!({"job": {"jarURI": "ftp://host/job.jar"}}));
    stage.run(0.1).await;
    stage.session_job("crash", "sess", json!({"job": {"entryClass": "org.example.Missing"}}));
    stage.run(0.3).await;
    stage.session_job("nocluster", "nope", json!({}));
    stage.run(0.1).await;
    stage.session_job("onapp", "app", json!({}));
    stage.run(0.1).await;
    stage.application("badimg", json!({"image": "absent:1", "imagePullPolicy": "Never"}));
    let others = "
        0.4 badscheme + gen=1
        0.4 badscheme fin=+
        0.4 badscheme life=FAILED rec=UPGRADING err=ValidationException
        0.4 badscheme !*
        0.8 nocluster + gen=1
        0.8 nocluster fin=+
        0.8 nocluster !UnsupportedFlinkVersion
        0.9 onapp + gen=1
        1.0 onapp fin=+
        1.0 onapp life=FAILED rec=UPGRADING err=ValidationException
        1.0 onapp !*
        1.1 badimg + gen=1
        1.1 badimg fin=+
        1.2 badimg obs=1 life=UPGRADING rec=UPGRADING jm=MISSING lrs=suspended/stateless/p1 stable=no
        1.2 badimg jobId=+
        1.2 badimg !Submit
        1.6 badimg life=DEPLOYED job=RECONCILING rec=DEPLOYED jm=DEPLOYING lrs=running/stateless/p1 cond=Reconciling
    ";
    stage.expect(20.0, &format!("{}{}{others}", flapping("nojar", 0.1), flapping("crash", 0.5))).await;

    // The image that never comes is never an error either.
    stage.mark();
    stage.run(1300.0).await;
    assert!(stage.seen("badimg").is_empty());
    assert!(stage.text(FlinkSessionJob, "onapp", "/status/error").contains("to application cluster"));
    let submissions = stage.events("nojar").iter().filter(|it| *it == "Submit").count();
    assert!((4..80).contains(&submissions), "the pauses grow: {submissions}");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_pulled_is_an_error_and_a_good_one_heals_it() {
    let stage = Stage::modern();
    stage.application("app", json!({"image": "absent:1"}));
    stage.run(60.0).await;
    let text = |pointer| stage.text(FlinkDeployment, "app", pointer);
    assert_eq!(text("/status/jobManagerDeploymentStatus"), "ERROR");
    assert_eq!(text("/status/lifecycleState"), "DEPLOYED");
    assert!(text("/status/error").contains("ImagePullBackOff"), "{}", text("/status/error"));
    assert!(stage.try_job(FlinkDeployment, "app").is_none(), "nothing runs without an image");
    stage.patch(FlinkDeployment, "app", json!({"image": "flink:1.20"}));
    stage.run(60.0).await;
    assert_eq!(stage.job(FlinkDeployment, "app").state, "RUNNING");
    assert_eq!(text("/status/error"), "");
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_savepoint_fails_runs_on_unchanged() {
    let stage = Stage::modern();
    stage.application("app", json!({}));
    stage.run(60.0).await;
    let app = unit(FlinkDeployment, "app");
    stage.sim.operator().set_behaviour(&app, Behaviour::Fail);
    let before = stage.job(FlinkDeployment, "app");
    stage.mark();
    stage.patch(FlinkDeployment, "app", json!({"job": {"parallelism": 2}}));
    stage.run(60.0).await;
    let told = |error: &str| {
        stage
            .seen("app")
            .iter()
            .any(|(_, _, it)| it["status"]["error"].as_str().is_some_and(|it| it.contains(error)))
    };
    assert!(told("Savepoint Error") && told("refuses to write"));
    assert_eq!(stage.text(FlinkDeployment, "app", "/status/observedGeneration"), "1");
    let job = stage.job(FlinkDeployment, "app");
    assert_eq!((job.starts, job.parallelism, job.state), (1, 1, "RUNNING"));
    assert!(job.records > before.records);

    stage.sim.operator().set_behaviour(&app, Behaviour::Works);
    stage.run(90.0).await;
    let after = stage.job(FlinkDeployment, "app");
    assert_eq!((after.starts, after.parallelism), (2, 2));
    assert!(after.records > job.records && after.restored_from.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_slow_savepoint_takes_minutes_and_the_job_counts_on_meanwhile() {
    let stage = Stage::modern();
    stage.application("app", json!({"flinkConfiguration": {"$internal.sim.savepoint": "slow"}}));
    stage.run(60.0).await;
    stage.patch(FlinkDeployment, "app", json!({"job": {"state": "suspended"}}));
    stage.run(290.0).await;
    assert_eq!(stage.text(FlinkDeployment, "app", "/status/observedGeneration"), "1");
    let job = stage.job(FlinkDeployment, "app");
    assert_eq!(job.state, "RUNNING");
    stage.run(20.0).await;
    assert_eq!(stage.text(FlinkDeployment, "app", "/status/lifecycleState"), "SUSPENDED");
    assert!(stage.job(FlinkDeployment, "app").records > job.records);
}

#[tokio::test(start_paused = true)]
async fn a_savepoint_that_is_not_there_keeps_an_application_from_starting() {
    let stage = Stage::modern();
    stage.application("app", json!({"job": {"initialSavepointPath": "file:///data/savepoints/none"}}));
    stage.run(60.0).await;
    assert_eq!(stage.text(FlinkDeployment, "app", "/status/jobManagerDeploymentStatus"), "ERROR");
    assert!(stage.try_job(FlinkDeployment, "app").is_none());
}

#[tokio::test(start_paused = true)]
async fn while_the_operator_is_away_nothing_moves_and_then_it_catches_up() {
    let stage = Stage::modern();
    stage.application("app", json!({}));
    stage.run(60.0).await;
    stage.sim.stop_operator();
    stage.mark();
    stage.patch(FlinkDeployment, "app", json!({"job": {"parallelism": 2}}));
    stage.expect(300.0, "0.0 app gen=2").await;
    let before = stage.job(FlinkDeployment, "app");
    assert_eq!(before.state, "RUNNING", "Flink needs no operator");
    stage.sim.start_operator();
    stage.run(60.0).await;
    let job = stage.job(FlinkDeployment, "app");
    assert_eq!((job.parallelism, job.starts), (2, 2));
    assert!(job.records > before.records);
    assert_eq!(stage.text(FlinkDeployment, "app", "/status/lifecycleState"), "STABLE");
}

#[tokio::test(start_paused = true)]
async fn an_operator_killed_at_any_time_of_an_upgrade_finishes_it_with_the_state() {
    for tenths in 0..45 {
        let stage = Stage::modern();
        stage.session("sess", json!({}));
        stage.application("app", json!({}));
        stage.run(40.0).await;
        stage.session_job("job-a", "sess", json!({}));
        stage.run(40.0).await;
        let before = [stage.job(FlinkDeployment, "app"), stage.job(FlinkSessionJob, "job-a")];
        stage.patch(FlinkDeployment, "app", json!({"job": {"parallelism": 2}}));
        stage.patch(FlinkSessionJob, "job-a", json!({"job": {"parallelism": 2}}));
        stage.run(f64::from(tenths) / 10.0 + 0.05).await;
        stage.sim.stop_operator();
        stage.run(20.0).await;
        stage.sim.start_operator();
        stage.run(90.0).await;
        let after = [stage.job(FlinkDeployment, "app"), stage.job(FlinkSessionJob, "job-a")];
        for (before, after) in before.iter().zip(&after) {
            assert_eq!((after.state, after.parallelism), ("RUNNING", 2), "killed after {tenths}");
            assert!(after.records > before.records, "killed after {tenths}: {after:?}");
        }
        assert_eq!(stage.text(FlinkSessionJob, "job-a", "/status/lifecycleState"), "STABLE");
    }
}
