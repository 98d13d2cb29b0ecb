//! Operator 1.15.0: session clusters and their jobs.

use flinkops::flink::kind::Kind::{FlinkDeployment, FlinkSessionJob};
use serde_json::json;

use super::stage::{Stage, key};

/// A session cluster with these jobs, all at rest.
/// A session cluster with these jobs, whose checkpoints outlived it where they were observed.
async fn cluster_with(jobs: &[&str]) -> Stage {
    let stage = Stage::modern();
    let retains =
        json!({"execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION"});
    stage.session("sess", json!({"flinkConfiguration": retains}));
    stage.run(40.0).await;
    for job in jobs {
        stage.session_job(job, "sess", json!({}));
    }
    stage.run(40.0).await;
    stage.mark();
    stage
}

fn cluster_memory(stage: &Stage, memory: &str) {
    stage.patch(FlinkDeployment, "sess", json!({"taskManager": {"resource": {"memory": memory}}}));
}

#[tokio::test(start_paused = true)]
async fn a_created_suspended_is_not_touched_until_it_shall_run_or_go() {
    let stage = cluster_with(&[]).await;
    stage.session_job("job-s", "sess", json!({"job": {"state": "suspended"}}));
    stage.application("app-s", json!({"job": {"state": "suspended"}}));
    stage
        .expect(
            60.0,
            "
        0.2 job-s + gen=1
        0.2 app-s + gen=1
        0.2 app-s fin=+
        0.2 job-s fin=+
    ",
        )
        .await;
    assert!(stage.object(FlinkSessionJob, "job-s").unwrap().get("status").is_none());

    stage.mark();
    stage.patch(FlinkSessionJob, "job-s", json!({"job": {"state": "running"}}));
    stage
        .expect(
            17.0,
            "
        0.1 job-s gen=2
        0.1 job-s obs=2 life=UPGRADING rec=UPGRADING lrs=suspended/stateless/p1 stable=no
        0.1 job-s !Submit
        0.2 job-s job=RECONCILING jobId=+
        0.4 job-s life=DEPLOYED rec=DEPLOYED lrs=running/stateless/p1
        15.6 job-s !JobStatusChanged
        15.7 job-s life=STABLE job=RUNNING stable=yes
    ",
        )
        .await;

    stage.mark();
    stage.delete(&key(FlinkDeployment, "app-s"));
    stage
        .expect(
            5.0,
            "
        0.1 app-s gen=2 del=+
        0.1 app-s !Cleanup
        0.1 app-s gone
    ",
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn b_a_session_job_is_suspended_at_once_and_resumed_with_its_state() {
    let stage = cluster_with(&["job-a"]).await;
    let before = stage.job(FlinkSessionJob, "job-a").records;
    stage.patch(FlinkSessionJob, "job-a", json!({"job": {"state": "suspended"}}));
    stage
        .expect(
            30.0,
            "
        0.1 job-a gen=2
        0.2 job-a !SpecChanged
        0.2 job-a !Suspended
        0.5 job-a-savepoint-upgrade + l.trigger-type=UPGRADE
        0.5 job-a obs=2 life=SUSPENDED job=FINISHED jobId=- sp=savepoint lrs=suspended/savepoint/p1
        0.5 job-a-savepoint-upgrade l.name=job-a l.state=COMPLETED l.type=SAVEPOINT
        0.6 job-a-savepoint-upgrade state=COMPLETED path=+
    ",
        )
        .await;

    stage.mark();
    stage.patch(FlinkSessionJob, "job-a", json!({"job": {"state": "running"}}));
    stage
        .expect(
            20.0,
            "
        0.1 job-a gen=3
        0.1 job-a !SpecChanged
        0.2 job-a obs=3 life=UPGRADING rec=UPGRADING stable=no
        0.2 job-a !Submit
        0.3 job-a job=RECONCILING jobId=+
        0.7 job-a life=DEPLOYED rec=DEPLOYED lrs=running/savepoint/p1
        15.8 job-a !JobStatusChanged
        15.9 job-a life=STABLE job=RUNNING stable=yes
    ",
        )
        .await;
    assert!(stage.job(FlinkSessionJob, "job-a").records > before);
}

/// `c`: a change of the cluster at 0 loses its jobs, which look healthy until it is ready again.
const C_CLUSTER: &str = "
    0.1 sess gen=2
    0.2 sess !SpecChanged
    2.0 sess obs=2 life=UPGRADING job=FINISHED rec=UPGRADING jm=MISSING stable=no
    2.5 sess life=DEPLOYED rec=DEPLOYED jm=DEPLOYING cond=JobManagerIsDeploying
    9.2 sess jm=DEPLOYED_NOT_READY
    9.3 sess cond=DeployedNotReady
    20.3 sess life=STABLE jm=READY stable=yes
    20.3 sess cond=JobManagerReady
";

#[tokio::test(start_paused = true)]
async fn c_a_cluster_change_loses_its_jobs_and_only_a_redeploy_brings_a_stateful_one_back() {
    let stage = cluster_with(&["job-a", "job-s"]).await;
    for state in ["suspended", "running"] {
        stage.patch(FlinkSessionJob, "job-a", json!({"job": {"state": state}}));
        stage.run(20.0).await;
    }
    let savepoint = stage.text(FlinkSessionJob, "job-a", "/status/jobStatus/upgradeSavepointPath");
    stage.mark();
    cluster_memory(&stage, "1100m");
    let jobs = ["job-a", "job-s"].map(|job| {
        format!(
            "
        20.4 {job} !Missing
        20.4 {job} job=RECONCILING err=JobNotFound
        20.6 {job} !Missing
        35.6 {job} !Missing
        50.7 {job} !Missing
    "
        )
    });
    stage.expect(56.0, &format!("{C_CLUSTER}{}", jobs.concat())).await;
    assert_eq!(stage.text(FlinkSessionJob, "job-a", "/status/lifecycleState"), "STABLE");

    // c2: a change of a lost stateful job has no effect, a stateless one starts from nothing.
    stage.mark();
    stage.patch(FlinkSessionJob, "job-a", json!({"job": {"parallelism": 2}}));
    stage.run(0.1).await;
    stage.patch(FlinkSessionJob, "job-s", json!({"job": {"upgradeMode": "stateless"}}));
    stage
        .expect(
            20.0,
            "
        0.1 job-a gen=4
        0.2 job-a !Missing
        0.2 job-a !SpecChanged
        0.2 job-s gen=2
        0.3 job-s !Missing
        0.3 job-s life=SUSPENDED lrs=suspended/stateless/p1 stable=no
        0.4 job-s !SpecChanged
        0.4 job-s obs=2 life=UPGRADING rec=UPGRADING err=-
        0.5 job-s !Submit
        1.3 job-s life=DEPLOYED rec=DEPLOYED lrs=running/stateless/p1
        15.2 job-a !Missing
        16.4 job-s !JobStatusChanged
        16.5 job-s life=STABLE job=RUNNING stable=yes
    ",
        )
        .await;
    assert_eq!(stage.job(FlinkSessionJob, "job-s").restored_from, None);

    // c3: nor has a suspension.
    stage.mark();
    stage.patch(FlinkSessionJob, "job-a", json!({"job": {"state": "suspended"}}));
    stage
        .expect(
            17.0,
            "
        0.1 job-a gen=5
        0.2 job-a !Missing
        0.2 job-a !SpecChanged
        15.2 job-a !Missing
    ",
        )
        .await;

    // c4: the lifecycle says STABLE all the time.
    stage.mark();
    let job = json!({"state": "running", "initialSavepointPath": savepoint, "savepointRedeployNonce": 1});
    stage.patch(FlinkSessionJob, "job-a", json!({"job": job}));
    stage
        .expect(
            20.0,
            "
        0.2 job-a gen=6
        0.3 job-a !Missing
        0.3 job-a !SpecChanged
        0.4 job-a !Submit
        0.4 job-a jobId=+
        0.8 job-a obs=6 err=- lrs=running/savepoint/p2
        15.9 job-a !JobStatusChanged
        15.9 job-a job=RUNNING
    ",
        )
        .await;
    assert_eq!(stage.job(FlinkSessionJob, "job-a").restored_from, Some(savepoint));
}

#[tokio::test(start_paused = true)]
async fn d_a_cluster_is_deleted_only_after_its_jobs() {
    let stage = cluster_with(&["job-a", "job-s"]).await;
    stage.delete(&key(FlinkDeployment, "sess"));
    stage
        .expect(
            20.0,
            "
        0.1 sess gen=2 del=+
        0.1 sess !Cleanup
        0.2 sess !CleanupFailed
        0.2 sess life=DELETING
        15.3 sess !Cleanup
        15.5 sess !CleanupFailed
    ",
        )
        .await;

    stage.mark();
    stage.delete(&key(FlinkSessionJob, "job-s"));
    stage.delete(&key(FlinkSessionJob, "job-a"));
    // The cluster says so again at every change of a job.
    stage
        .expect(
            20.0,
            "
        0.1 job-s gen=2 del=+
        0.1 job-a gen=2 del=+
        0.1 job-s !Cleanup
        0.1 job-a !Cleanup
        0.2 job-s life=DELETING job=CANCELLING
        0.3 job-a life=DELETING job=CANCELLING
        2.2 job-s !Cleanup
        2.3 job-s !JobStatusChanged
        2.3 job-s gone
        2.5 job-a !Cleanup
        2.5 job-a !JobStatusChanged
        2.5 job-a gone
        5.0 sess gone
        5.0 sess !*
    ",
        )
        .await;
    let events = stage.events("sess");
    assert!(events.iter().filter(|it| *it == "CleanupFailed").count() >= 2, "{events:?}");
    assert_eq!(events.last().unwrap(), "Cleanup");
}

#[tokio::test(start_paused = true)]
async fn j_suspend_change_resume_keeps_the_state() {
    let stage = cluster_with(&["job-a"]).await;
    let before = stage.job(FlinkSessionJob, "job-a").records;
    stage.patch(FlinkSessionJob, "job-a", json!({"job": {"state": "suspended"}}));
    stage.run(0.6).await;
    stage.patch(FlinkDeployment, "sess", json!({"image": "flink:1.20-b"}));
    stage.run(25.8).await;
    stage.patch(FlinkSessionJob, "job-a", json!({"job": {"state": "running"}}));
    stage
        .expect(
            50.0,
            "
        0.1 job-a gen=2
        0.2 job-a !SpecChanged
        0.2 job-a !Suspended
        0.4 job-a-savepoint-upgrade + l.trigger-type=UPGRADE
        0.5 job-a obs=2 life=SUSPENDED job=FINISHED jobId=- sp=savepoint lrs=suspended/savepoint/p1
        0.5 job-a-savepoint-upgrade l.name=job-a l.state=COMPLETED l.type=SAVEPOINT
        0.5 job-a-savepoint-upgrade state=COMPLETED path=+
        0.7 sess gen=2
        0.8 sess !SpecChanged
        3.6 sess obs=2 life=UPGRADING job=FINISHED rec=UPGRADING jm=MISSING stable=no
        4.1 sess life=DEPLOYED rec=DEPLOYED jm=DEPLOYING cond=JobManagerIsDeploying
        9.5 sess jm=DEPLOYED_NOT_READY
        9.5 sess cond=DeployedNotReady
        25.6 sess life=STABLE jm=READY stable=yes
        25.7 sess cond=JobManagerReady
        26.4 job-a gen=3
        26.4 job-a !SpecChanged
        26.5 job-a obs=3 life=UPGRADING rec=UPGRADING stable=no
        26.5 job-a job=RECONCILING jobId=+
        26.5 job-a !Submit
        27.5 job-a life=DEPLOYED rec=DEPLOYED lrs=running/savepoint/p1
        42.7 job-a !JobStatusChanged
        42.7 job-a life=STABLE job=RUNNING stable=yes
    ",
        )
        .await;
    assert!(stage.job(FlinkSessionJob, "job-a").records > before);
}

#[tokio::test(start_paused = true)]
async fn k_a_race_is_won_by_whoever_comes_first_and_l_a_checkpoint_rescues() {
    let stage = cluster_with(&["job-a"]).await;
    let before = stage.job(FlinkSessionJob, "job-a").records;
    stage.patch(FlinkSessionJob, "job-a", json!({"job": {"args": ["6"]}}));
    stage.run(0.1).await;
    cluster_memory(&stage, "1200m");
    stage.expect(45.0, "
        0.1 job-a gen=2
        0.2 sess gen=2
        0.2 job-a !SpecChanged
        0.2 job-a !Suspended
        0.4 sess !SpecChanged
        0.4 job-a-savepoint-upgrade + l.trigger-type=UPGRADE
        0.4 job-a obs=2 life=UPGRADING job=FINISHED jobId=- rec=UPGRADING sp=savepoint lrs=suspended/savepoint/p1 stable=no
        0.5 job-a-savepoint-upgrade l.name=job-a l.state=COMPLETED l.type=SAVEPOINT
        0.5 job-a-savepoint-upgrade state=COMPLETED path=+
        0.7 job-a !Submit
        0.7 job-a job=RECONCILING jobId=+
        0.8 job-a !Error
        0.8 job-a err=ReconciliationException
        2.4 sess obs=2 life=UPGRADING job=FINISHED rec=UPGRADING jm=MISSING stable=no
        2.4 job-a err=RuntimeException
        2.7 sess life=DEPLOYED rec=DEPLOYED jm=DEPLOYING cond=JobManagerIsDeploying
        ~16.2 sess jm=DEPLOYED_NOT_READY
        ~16.2 sess cond=DeployedNotReady
        18.3 sess life=STABLE jm=READY stable=yes
        18.3 job-a err=-
        18.3 sess cond=JobManagerReady
        18.4 job-a !Submit
        19.2 job-a life=DEPLOYED rec=DEPLOYED lrs=running/savepoint/p1
        19.4 job-a !JobStatusChanged
        19.5 job-a job=CREATED
        34.5 job-a !JobStatusChanged
        34.6 job-a life=STABLE job=RUNNING stable=yes
    ").await;
    assert!(stage.job(FlinkSessionJob, "job-a").records > before, "the savepoint came first");

    // k2: the cluster comes first.
    stage.mark();
    cluster_memory(&stage, "1024m");
    stage.run(0.8).await;
    stage.patch(FlinkSessionJob, "job-a", json!({"job": {"args": ["5"]}}));
    stage
        .expect(
            45.0,
            "
        0.1 sess gen=3
        0.2 sess !SpecChanged
        0.9 job-a gen=3
        2.2 sess obs=3 life=UPGRADING rec=UPGRADING jm=MISSING stable=no
        2.5 sess life=DEPLOYED rec=DEPLOYED jm=DEPLOYING cond=JobManagerIsDeploying
        12.9 job-a job=RECONCILING
        ~25.7 sess jm=DEPLOYED_NOT_READY
        ~25.8 sess cond=DeployedNotReady
        30.9 sess life=STABLE jm=READY stable=yes
        30.9 sess cond=JobManagerReady
        31.0 job-a !Missing
        31.0 job-a err=JobNotFound
        31.0 job-a !SpecChanged
        31.0 job-a !Missing
        46.1 job-a !Missing
    ",
        )
        .await;

    // l: the last checkpoint of the lost job, by the id that its status still has.
    let id = stage.text(FlinkSessionJob, "job-a", "/status/jobStatus/jobId");
    let disk = stage.disk();
    let checkpoint = disk.keys().find(|path| path.contains(&id)).expect("a checkpoint is left on disk");
    stage.mark();
    let job =
        json!({"savepointRedeployNonce": 1, "initialSavepointPath": checkpoint.replace("file:", "file://")});
    stage.patch(FlinkSessionJob, "job-a", json!({"job": job}));
    stage
        .expect(
            20.0,
            "
        0.1 job-a gen=4
        0.1 job-a !Missing
        0.1 job-a !SpecChanged
        0.2 job-a !Submit
        0.2 job-a jobId=+ sp=checkpoint
        1.0 job-a obs=4 err=-
        16.2 job-a !JobStatusChanged
        16.2 job-a job=RUNNING
    ",
        )
        .await;
    assert!(stage.job(FlinkSessionJob, "job-a").records >= disk[checkpoint].records);
}

#[tokio::test(start_paused = true)]
async fn n_high_availability_keeps_a_job_whose_status_never_changes() {
    let stage = Stage::modern();
    stage.mark();
    stage.session_job("job-h", "sess-ha", json!({}));
    stage.run(3.2).await;
    stage.session("sess-ha", json!({"flinkConfiguration": {"high-availability.type": "kubernetes"}}));
    stage
        .expect(
            48.0,
            "
        0.1 job-h + gen=1
        0.2 job-h fin=+
        0.2 job-h !UnsupportedFlinkVersion
        3.3 sess-ha + gen=1
        3.3 sess-ha fin=+
        3.3 sess-ha obs=1 life=UPGRADING rec=UPGRADING jm=MISSING lrs=session stable=no
        3.7 sess-ha life=DEPLOYED rec=DEPLOYED jm=DEPLOYING cond=JobManagerIsDeploying
        ~30.3 sess-ha jm=DEPLOYED_NOT_READY
        ~30.3 sess-ha cond=DeployedNotReady
        32.4 sess-ha life=STABLE jm=READY stable=yes
        32.6 job-h obs=1 life=UPGRADING rec=UPGRADING lrs=suspended/stateless/p1 stable=no
        32.6 sess-ha cond=JobManagerReady
        32.6 job-h !Submit
        32.6 job-h job=RECONCILING jobId=+
        33.5 job-h life=DEPLOYED rec=DEPLOYED lrs=running/stateless/p1
        33.7 job-h !JobStatusChanged
        33.8 job-h job=CREATED
        48.8 job-h !JobStatusChanged
        48.8 job-h life=STABLE job=RUNNING stable=yes
    ",
        )
        .await;

    let before = stage.job(FlinkSessionJob, "job-h").records;
    stage.mark();
    stage.patch(FlinkDeployment, "sess-ha", json!({"taskManager": {"resource": {"memory": "1100m"}}}));
    stage
        .expect(
            50.0,
            "
        0.1 sess-ha gen=2
        0.2 sess-ha !SpecChanged
        2.4 sess-ha obs=2 life=UPGRADING job=FINISHED rec=UPGRADING jm=MISSING stable=no
        2.7 sess-ha life=DEPLOYED rec=DEPLOYED jm=DEPLOYING cond=JobManagerIsDeploying
        9.3 sess-ha jm=DEPLOYED_NOT_READY
        9.4 sess-ha cond=DeployedNotReady
        31.5 sess-ha life=STABLE jm=READY stable=yes
        31.6 sess-ha cond=JobManagerReady
    ",
        )
        .await;
    let job = stage.job(FlinkSessionJob, "job-h");
    assert!(job.records > before && job.restored_from.is_some(), "{job:?}");

    assert!(stage.disk().values().all(|it| !it.savepoint), "no savepoint is made");

    stage.mark();
    stage.delete(&key(FlinkSessionJob, "job-h"));
    stage.run(2.3).await;
    stage.delete(&key(FlinkDeployment, "sess-ha"));
    stage
        .expect(
            10.0,
            "
        0.1 job-h gen=2 del=+
        0.1 job-h !Cleanup
        0.1 job-h life=DELETING job=CANCELLING
        2.2 job-h !Cleanup
        2.2 job-h !JobStatusChanged
        2.3 job-h gone
        2.4 sess-ha gen=3 del=+
        2.4 sess-ha !Cleanup
        4.3 sess-ha gone
    ",
        )
        .await;
}
