//! Operator 1.15.0: applications.

use flinkops::flink::kind::Kind::FlinkDeployment;
use serde_json::{Value, json};

use super::stage::{Stage, key};

/// An application at rest.
async fn application(patch: Value) -> Stage {
    let stage = Stage::modern();
    stage.application("app", patch);
    stage.run(60.0).await;
    stage.mark();
    stage
}

/// The second spec of an application, which keeps its state.
async fn upgrade(stage: &Stage) {
    stage.patch(FlinkDeployment, "app", json!({"job": {"parallelism": 2}}));
    stage.run(60.0).await;
    stage.mark();
}

#[tokio::test(start_paused = true)]
async fn s5_an_upgrade_keeps_the_state_by_a_savepoint() {
    let stage = application(json!({})).await;
    let before = stage.job(FlinkDeployment, "app").records;
    stage.patch(FlinkDeployment, "app", json!({"job": {"parallelism": 2}}));
    stage.expect(40.0, "
        0.1 app gen=2
        0.3 app !SpecChanged
        0.3 app !Suspended
        0.7 app-savepoint-upgrade + l.trigger-type=UPGRADE
        0.7 app obs=2 life=UPGRADING job=FINISHED rec=UPGRADING sp=savepoint lrs=suspended/savepoint/p2 stable=no cond=Finished
        0.7 app-savepoint-upgrade l.name=app l.state=COMPLETED l.type=SAVEPOINT
        0.8 app-savepoint-upgrade state=COMPLETED path=+
        3.0 app jm=MISSING
        3.0 app jobId=+
        3.1 app !Submit
        3.5 app life=DEPLOYED job=RECONCILING rec=DEPLOYED jm=DEPLOYING lrs=running/savepoint/p2 cond=Reconciling
        9.1 app jm=DEPLOYED_NOT_READY
        27.8 app !JobStatusChanged
        27.9 app life=STABLE job=RUNNING jm=READY stable=yes
        28.0 app cond=Running
    ").await;
    let job = stage.job(FlinkDeployment, "app");
    assert_eq!(
        job.restored_from.unwrap(),
        stage.text(FlinkDeployment, "app", "/status/jobStatus/upgradeSavepointPath")
    );
    assert!(job.records > before);
}

#[tokio::test(start_paused = true)]
async fn e_a_refused_change_leaves_the_old_spec_in_force() {
    let stage = application(json!({})).await;
    let memory = |memory: Value| json!({"jobManager": {"resource": {"memory": memory}}});
    stage.patch(FlinkDeployment, "app", memory(Value::Null));
    stage
        .expect(
            16.0,
            "
        0.1 app gen=2
        0.1 app !ValidationError
        0.2 app err=ValidationException
        15.3 app !ValidationError
    ",
        )
        .await;

    stage.mark();
    stage.patch(FlinkDeployment, "app", memory(json!("1024m")));
    stage
        .expect(
            30.0,
            "
        0.1 app gen=3
        0.2 app err=-
        0.2 app obs=3
    ",
        )
        .await;
    assert_eq!(stage.job(FlinkDeployment, "app").starts, 1);
}

#[tokio::test(start_paused = true)]
async fn e2_a_refused_resource_fails_at_once_and_goes_at_once() {
    let stage = Stage::modern();
    stage.mark();
    stage.application("bad", json!({"jobManager": {"resource": {"memory": null}}}));
    stage
        .expect(
            10.0,
            "
        0.2 bad + gen=1
        0.3 bad fin=+
        0.3 bad !ValidationError
        0.3 bad life=FAILED rec=UPGRADING jm=MISSING err=ValidationException
    ",
        )
        .await;
    assert!(stage.object(FlinkDeployment, "bad").unwrap()["status"].get("observedGeneration").is_none());

    stage.mark();
    stage.delete(&key(FlinkDeployment, "bad"));
    stage
        .expect(
            10.0,
            "
        0.0 bad gen=2 del=+
        0.0 bad !Cleanup
        0.1 bad gone
    ",
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn p_a_suspended_application_keeps_its_job_manager() {
    let stage = application(json!({})).await;
    upgrade(&stage).await;
    stage.application("badimg", json!({"image": "absent:1", "imagePullPolicy": "Never"}));
    stage.run(30.0).await;
    let before = stage.job(FlinkDeployment, "app").records;
    stage.mark();
    stage.delete(&key(FlinkDeployment, "badimg"));
    stage.patch(FlinkDeployment, "app", json!({"job": {"state": "suspended"}}));
    stage
        .expect(
            40.0,
            "
        0.1 badimg !Cleanup
        0.1 badimg gen=2 del=+
        0.2 app gen=3
        0.3 app !SpecChanged
        0.3 app !Suspended
        0.5 app-savepoint-upgrade + l.trigger-type=UPGRADE
        0.6 app-savepoint-upgrade l.name=app l.state=COMPLETED l.type=SAVEPOINT
        0.6 app obs=3 life=SUSPENDED job=FINISHED sp=savepoint lrs=suspended/savepoint/p2 cond=Finished
        0.6 app-savepoint-upgrade state=COMPLETED path=+
        1.3 badimg gone
    ",
        )
        .await;
    assert_eq!(stage.text(FlinkDeployment, "app", "/status/jobManagerDeploymentStatus"), "READY");
    assert_eq!(stage.text(FlinkDeployment, "app", "/status/taskManager/replicas"), "0");

    stage.mark();
    stage.patch(FlinkDeployment, "app", json!({"job": {"state": "running"}}));
    stage.expect(40.0, "
        0.1 app gen=4
        0.1 app !SpecChanged
        0.1 app obs=4 life=UPGRADING rec=UPGRADING
        1.9 app jm=MISSING
        1.9 app jobId=+
        1.9 app !Submit
        2.3 app life=DEPLOYED job=RECONCILING rec=DEPLOYED jm=DEPLOYING lrs=running/savepoint/p2 stable=no cond=Reconciling
        ~22.5 app jm=DEPLOYED_NOT_READY
        24.6 app !JobStatusChanged
        24.7 app life=STABLE job=RUNNING jm=READY stable=yes
        24.7 app cond=Running
    ").await;
    assert!(stage.job(FlinkDeployment, "app").records > before);
}

/// Operator 1.15.0, a main class that does not exist, and back (`operator-observed` §10).
#[tokio::test(start_paused = true)]
async fn an_upgrade_that_cannot_start_is_steady_in_error_and_a_revert_is_stable_at_once() {
    for redeploy in [false, true] {
        let stage = application(json!({})).await;
        upgrade(&stage).await;
        let before = stage.job(FlinkDeployment, "app").records;
        stage.patch(FlinkDeployment, "app", json!({"job": {"entryClass": "org.example.Missing"}}));
        stage.run(60.0).await;
        stage.mark();
        stage.run(60.0).await;
        assert!(stage.seen("app").is_empty(), "steady, not flickering");
        let text = |pointer| stage.text(FlinkDeployment, "app", pointer);
        assert_eq!(text("/status/lifecycleState"), "DEPLOYED");
        assert_eq!(text("/status/jobManagerDeploymentStatus"), "ERROR");
        assert_eq!(text("/status/jobStatus/state"), "RECONCILING");
        assert!(text("/status/error").contains("DeploymentFailedException"), "{}", text("/status/error"));
        let savepoint = text("/status/jobStatus/upgradeSavepointPath");

        let mut job = json!({"entryClass": null});
        if redeploy {
            job["savepointRedeployNonce"] = json!(1);
            job["initialSavepointPath"] = json!(savepoint);
        }
        stage.patch(FlinkDeployment, "app", json!({"job": job}));
        stage.run(35.0).await;
        let lies = stage.seen("app").into_iter().any(|(_, _, it)| {
            let status = &it["status"];
            status["lifecycleState"] == "STABLE"
                && status["observedGeneration"] == it["metadata"]["generation"]
                && status["jobManagerDeploymentStatus"] == "DEPLOYING"
                && status["jobStatus"]["state"] == "RECONCILING"
        });
        assert!(lies, "STABLE while it starts, redeploy {redeploy}");
        let job = stage.job(FlinkDeployment, "app");
        assert_eq!((job.state, job.restored_from.as_deref()), ("RUNNING", Some(savepoint.as_str())));
        assert!(job.records > before);
    }
}
