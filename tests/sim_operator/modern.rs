//! Operator 1.15.0 with Flink 1.20.

use flinkops::sim::OperatorMode::V1_15;
use serde_json::{Value, json};

use super::bench::{
    Bench, application_spec, cluster_spec, deployment, job_spec, session_job, snapshot, unit,
};
use super::log::assert_reproduces;

fn suspended(mut spec: Value) -> Value {
    spec["job"]["state"] = json!("suspended");
    spec
}

fn memory(size: &str) -> Value {
    json!({"spec": {"taskManager": {"resource": {"memory": size}}}})
}

fn job_state(state: &str) -> Value {
    json!({"spec": {"job": {"state": state}}})
}

async fn with_job_a() -> Bench {
    Bench::with_session(V1_15, cluster_spec(), &[("job-a", job_spec("savepoint"))]).await
}

#[tokio::test(start_paused = true)]
async fn first_deploys() {
    let mut bench = Bench::new(V1_15);
    bench.create(&deployment("sess"), cluster_spec());
    bench.wait(40.0).await;
    assert_reproduces(
        "0.1 sess gen=1 fin=yes
         0.2 sess obs=1 life=UPGRADING rec=UPGRADING jm=MISSING lrs=session
         0.6 sess life=DEPLOYED rec=DEPLOYED jm=DEPLOYING cond=JobManagerIsDeploying
         9.0 sess jm=DEPLOYED_NOT_READY cond=DeployedNotReady
        25.9 sess life=STABLE jm=READY cond=JobManagerReady",
        bench.log(),
    );
    bench.mark();
    bench.create(&session_job("job-a"), job_spec("savepoint"));
    bench.wait(30.0).await;
    assert_reproduces(
        "0.1 job-a fin=yes
         0.2 job-a obs=1 life=UPGRADING rec=UPGRADING lrs=suspended/stateless/p1
         0.3 job-a job=RECONCILING
         1.2 job-a life=DEPLOYED rec=DEPLOYED lrs=running/stateless/p1
        16.3 job-a life=STABLE job=RUNNING",
        bench.log(),
    );
}

#[tokio::test(start_paused = true)]
async fn app_parallelism_5() {
    let mut bench = Bench::with_application(V1_15, application_spec("savepoint")).await;
    bench.mark();
    bench.patch(&deployment("app"), json!({"spec": {"job": {"parallelism": 2}}}));
    bench.wait(50.0).await;
    assert_reproduces(
        "0.1 app gen=2
         0.3 app event=Normal/SpecChanged
         0.3 app event=Normal/Suspended
         0.7 app obs=2 life=UPGRADING job=FINISHED rec=UPGRADING sp=savepoint lrs=suspended/savepoint/p2 cond=Finished
         0.8 app-savepoint-upgrade state=COMPLETED label=COMPLETED
         3.0 app jm=MISSING
         3.1 app event=Normal/Submit
         3.5 app life=DEPLOYED job=RECONCILING rec=DEPLOYED jm=DEPLOYING lrs=running/savepoint/p2 cond=Reconciling
         9.1 app jm=DEPLOYED_NOT_READY
        27.8 app event=Normal/JobStatusChanged
        27.9 app life=STABLE job=RUNNING jm=READY cond=Running",
        bench.log(),
    );
    let said = "UPGRADE change(s) detected (Diff: FlinkDeploymentSpec[job.parallelism : 1 -> 2, job.upgradeMode : stateless -> savepoint]), starting reconciliation.";
    assert_eq!(bench.said("app", "SpecChanged"), [said]);
}

#[tokio::test(start_paused = true)]
async fn created_suspended_a() {
    let mut bench = Bench::with_session(V1_15, cluster_spec(), &[]).await;
    bench.mark();
    bench.create(&session_job("job-s"), suspended(job_spec("stateless")));
    bench.create(&deployment("app-s"), suspended(application_spec("savepoint")));
    bench.wait(60.0).await;
    assert_reproduces("0.2 job-s gen=1 fin=yes\n 0.2 app-s gen=1 fin=yes", bench.log());
    for key in [session_job("job-s"), deployment("app-s")] {
        assert_eq!(bench.object(&key).get("status"), None, "{key} has no status at all");
    }

    bench.mark();
    bench.patch(&session_job("job-s"), job_state("running"));
    bench.wait(30.0).await;
    assert_reproduces(
        "0.1 job-s gen=2
         0.1 job-s obs=2 life=UPGRADING rec=UPGRADING lrs=suspended/stateless/p1
         0.2 job-s job=RECONCILING
         0.4 job-s life=DEPLOYED rec=DEPLOYED lrs=running/stateless/p1
        15.7 job-s life=STABLE job=RUNNING",
        bench.log(),
    );

    bench.mark();
    bench.delete(&deployment("app-s"));
    bench.wait(1.0).await;
    assert_reproduces("0.1 app-s del=yes event=Normal/Cleanup gone=yes", bench.log());
}

#[tokio::test(start_paused = true)]
async fn suspend_and_resume_of_a_session_job_b() {
    let mut bench = with_job_a().await;
    bench.mark();
    bench.patch(&session_job("job-a"), job_state("suspended"));
    bench.wait(10.0).await;
    assert_reproduces(
        "0.1 job-a gen=2
         0.2 job-a event=Normal/SpecChanged
         0.2 job-a event=Normal/Suspended
         0.5 job-a obs=2 life=SUSPENDED job=FINISHED sp=savepoint lrs=suspended/savepoint/p1
         0.6 job-a-savepoint-upgrade state=COMPLETED label=COMPLETED",
        bench.log(),
    );
    assert_eq!(bench.text(&session_job("job-a"), "/status/jobStatus/jobId"), "", "the id goes with the job");

    bench.mark();
    bench.patch(&session_job("job-a"), job_state("running"));
    bench.wait(30.0).await;
    assert_reproduces(
        "0.1 job-a gen=3
         0.1 job-a event=Normal/SpecChanged
         0.2 job-a obs=3 life=UPGRADING rec=UPGRADING
         0.2 job-a event=Normal/Submit
         0.3 job-a job=RECONCILING
         0.7 job-a life=DEPLOYED rec=DEPLOYED lrs=running/savepoint/p1
        15.8 job-a event=Normal/JobStatusChanged
        15.9 job-a life=STABLE job=RUNNING",
        bench.log(),
    );
}

#[tokio::test(start_paused = true)]
async fn a_changed_session_cluster_loses_its_jobs_c() {
    let jobs = [("job-a", job_spec("savepoint")), ("job-s", job_spec("savepoint"))];
    let mut bench = Bench::with_session(V1_15, cluster_spec(), &jobs).await;
    bench.mark();
    bench.patch(&deployment("sess"), memory("1100m"));
    bench.wait(90.0).await;
    assert_reproduces(
        "0.1 sess gen=2
         0.2 sess event=Normal/SpecChanged
         2.0 sess obs=2 life=UPGRADING job=FINISHED rec=UPGRADING jm=MISSING
         2.5 sess life=DEPLOYED rec=DEPLOYED jm=DEPLOYING cond=JobManagerIsDeploying
         9.2 sess jm=DEPLOYED_NOT_READY cond=DeployedNotReady
        20.3 sess life=STABLE jm=READY cond=JobManagerReady
        20.4 job-a event=Warning/Missing job=RECONCILING err=Job-Not-Found
        20.4 job-s event=Warning/Missing job=RECONCILING err=Job-Not-Found",
        bench.log(),
    );
    assert!(!bench.log().contains_key("job-a life"), "a lost job reads STABLE for ever");

    // c2: a changed spec does nothing for a stateful job; stateless resubmits.
    bench.mark();
    bench.patch(&session_job("job-a"), json!({"spec": {"job": {"parallelism": 2}}}));
    bench.patch(&session_job("job-s"), json!({"spec": {"job": {"upgradeMode": "stateless"}}}));
    bench.wait(40.0).await;
    assert_reproduces(
        "0.1 job-a gen=2
         0.1 job-s gen=2
         0.4 job-s obs=2 err=-
        16.5 job-s job=RUNNING",
        bench.log(),
    );
    assert_eq!(bench.said("job-a", "SpecChanged").len(), 1, "it is announced once");
    assert_eq!(bench.observed(&session_job("job-a")), 1);

    // c3: nor does a suspend.
    bench.patch(&session_job("job-a"), job_state("suspended"));
    bench.wait(20.0).await;
    assert_eq!(bench.text(&session_job("job-a"), "/status/lifecycleState"), "STABLE");
    assert_eq!(bench.observed(&session_job("job-a")), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_job_is_rescued_by_the_redeploy_nonce_c4_l() {
    let mut bench = with_job_a().await;
    bench.patch(&deployment("sess"), memory("1100m"));
    bench.wait(60.0).await;
    assert_eq!(bench.text(&session_job("job-a"), "/status/error"), "Job Not Found");
    let (path, kept) = bench.sim.operator().disk().into_iter().next_back().expect("a retained checkpoint");
    bench.mark();
    let job = json!({"initialSavepointPath": path, "savepointRedeployNonce": 1});
    bench.patch(&session_job("job-a"), json!({"spec": {"job": job}}));
    bench.wait(30.0).await;
    let observed = format!(
        "0.1 job-a gen=2
         0.2 job-a sp={path}
         1.0 job-a obs=2 err=-
        16.2 job-a job=RUNNING"
    );
    assert_reproduces(&observed, bench.log());
    assert!(!bench.log().contains_key("job-a life"), "STABLE all the time");
    let job = bench.sim.operator().job(&unit(&session_job("job-a")), bench.sim.now()).expect("it runs");
    assert!(job.records > kept.records && job.restored_from == Some(path));
}

#[tokio::test(start_paused = true)]
async fn a_session_cluster_is_not_deleted_before_its_jobs_d() {
    let jobs = [("job-a", job_spec("savepoint")), ("job-s", job_spec("stateless"))];
    let mut bench = Bench::with_session(V1_15, cluster_spec(), &jobs).await;
    bench.mark();
    bench.delete(&deployment("sess"));
    bench.wait(20.0).await;
    assert_reproduces(
        "0.1 sess gen=2 del=yes
         0.1 sess event=Normal/Cleanup
         0.2 sess event=Warning/CleanupFailed life=DELETING
        15.3 sess event=Normal/Cleanup
        15.5 sess event=Warning/CleanupFailed",
        bench.log(),
    );
    let said = "The session jobs [job-a, job-s] should be deleted first";
    assert_eq!(bench.said("sess", "CleanupFailed"), [said]);

    bench.mark();
    bench.delete(&session_job("job-a"));
    bench.delete(&session_job("job-s"));
    bench.wait(20.0).await;
    assert_reproduces(
        "0.1 job-a gen=2 del=yes
         0.2 job-a life=DELETING job=CANCELLING
         2.5 job-a gone=yes
         0.1 job-s gen=2 del=yes
         0.3 job-s life=DELETING job=CANCELLING
         2.3 job-s gone=yes
         5.0 sess gone=yes",
        bench.log(),
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_leaves_the_old_spec_running_e() {
    let mut bench = Bench::with_application(V1_15, application_spec("savepoint")).await;
    let memory = |size: Value| json!({"spec": {"jobManager": {"resource": {"memory": size}}}});
    bench.mark();
    bench.patch(&deployment("app"), memory(Value::Null));
    bench.wait(20.0).await;
    assert_reproduces("0.1 app gen=2 event=Warning/ValidationError err=ValidationException", bench.log());
    for unmoved in ["app life", "app obs", "app job", "app jm", "app rec", "app lrs"] {
        assert!(!bench.log().contains_key(unmoved), "{unmoved} must not change");
    }
    let said = "JobManager resource memory must be defined using `spec.jobManager.resource.memory`";
    assert_eq!(bench.said("app", "ValidationError"), [said]);

    bench.mark();
    bench.patch(&deployment("app"), memory(json!("1024m")));
    bench.wait(20.0).await;
    assert_reproduces("0.1 app gen=3\n 0.2 app err=- obs=3", bench.log());
    assert!(!bench.log().contains_key("app job"), "nothing is restarted");
}

#[tokio::test(start_paused = true)]
async fn a_refused_new_resource_is_failed_e2() {
    let mut bench = Bench::new(V1_15);
    let mut spec = application_spec("savepoint");
    spec["jobManager"]["resource"] = json!({"cpu": 1});
    bench.create(&deployment("bad"), spec);
    bench.wait(20.0).await;
    assert_reproduces(
        "0.2 bad gen=1 fin=yes
         0.3 bad event=Warning/ValidationError life=FAILED rec=UPGRADING jm=MISSING err=ValidationException",
        bench.log(),
    );
    assert_eq!(bench.object(&deployment("bad")).pointer("/status/observedGeneration"), None);
    bench.mark();
    bench.delete(&deployment("bad"));
    bench.wait(1.0).await;
    assert_reproduces("0.1 bad event=Normal/Cleanup gone=yes", bench.log());
}

#[tokio::test(start_paused = true)]
async fn a_savepoint_nonce_makes_a_snapshot_f() {
    let mut bench = Bench::with_application(V1_15, application_spec("savepoint")).await;
    bench.mark();
    bench.patch(&deployment("app"), json!({"spec": {"job": {"savepointTriggerNonce": 1}}}));
    bench.wait(25.0).await;
    assert_reproduces(
        "0.1 app gen=2
         0.1 app obs=2 life=DEPLOYED
         0.2 app-savepoint-manual label=IN_PROGRESS state=IN_PROGRESS
        15.2 app life=STABLE
        15.3 app-savepoint-manual label=COMPLETED state=COMPLETED",
        bench.log(),
    );
    assert!(!bench.log().contains_key("app sp"), "the result is in the snapshot only");
    let name = bench.snapshots().into_iter().next().expect("a snapshot");
    let path = bench.text(&snapshot(&name), "/status/path");
    assert!(path.starts_with("file:/data/savepoints/savepoint-"), "{path}");
}

#[tokio::test(start_paused = true)]
async fn snapshots_of_people_f2_f3() {
    let mut bench = Bench::with_application(V1_15, application_spec("savepoint")).await;
    bench.mark();
    let of = |name: &str| json!({"kind": "FlinkDeployment", "name": name});
    for (name, spec) in [
        ("manual-sp", json!({"jobReference": of("app"), "savepoint": {}})),
        ("manual-keep", json!({"jobReference": of("app"), "savepoint": {"disposeOnDelete": false}})),
        ("manual-chk", json!({"jobReference": of("app"), "checkpoint": {}})),
        ("no-target", json!({"jobReference": of("nope"), "savepoint": {}})),
    ] {
        bench.create(&snapshot(name), spec);
    }
    bench.wait(2.0).await;
    assert_reproduces(
        "0.4 manual-sp state=IN_PROGRESS label=IN_PROGRESS
         0.4 manual-keep state=IN_PROGRESS label=IN_PROGRESS
         0.4 manual-chk state=IN_PROGRESS label=IN_PROGRESS
         0.4 no-target label=TRIGGER_PENDING event=Warning/ValidationError",
        bench.log(),
    );
    assert_eq!(
        bench.said("no-target", "ValidationError"),
        ["Target for snapshot default/nope was not found"]
    );

    for name in ["manual-sp", "manual-keep", "manual-chk", "no-target"] {
        bench.delete(&snapshot(name));
    }
    bench.wait(120.0).await;
    assert!(!bench.exists(&snapshot("manual-keep")) && !bench.exists(&snapshot("manual-chk")));
    for stuck in ["manual-sp", "no-target"] {
        assert!(bench.exists(&snapshot(stuck)), "{stuck} is stuck in Terminating for ever");
    }
}

#[tokio::test(start_paused = true)]
async fn the_safe_order_j() {
    let mut bench = with_job_a().await;
    let job = session_job("job-a");
    bench.patch(&job, job_state("suspended"));
    bench.wait(1.0).await;
    let counted = bench.sim.operator().job(&unit(&job), bench.sim.now()).expect("it was stopped").records;
    bench.mark();
    bench.patch(&deployment("sess"), json!({"spec": {"image": "flink:1.20.4-b"}}));
    bench.wait(40.0).await;
    assert_reproduces(
        "2.9 sess life=UPGRADING rec=UPGRADING jm=MISSING
         3.4 sess life=DEPLOYED rec=DEPLOYED jm=DEPLOYING
         8.8 sess jm=DEPLOYED_NOT_READY
        24.9 sess life=STABLE jm=READY",
        bench.log(),
    );
    bench.patch(&job, job_state("running"));
    bench.wait(30.0).await;
    assert!(bench.sim.operator().job(&unit(&job), bench.sim.now()).expect("it runs").records > counted);
    assert!(!bench.log().contains_key("job-a err"), "no error at any time");
}

#[tokio::test(start_paused = true)]
async fn job_and_cluster_changed_at_once_k() {
    let mut bench = with_job_a().await;
    let job = session_job("job-a");
    bench.patch(&job, json!({"spec": {"job": {"args": ["6"]}}}));
    bench.wait(0.5).await;
    bench.patch(&deployment("sess"), memory("1200m"));
    bench.wait(60.0).await;
    let view = bench.sim.operator().job(&unit(&job), bench.sim.now()).expect("the savepoint won");
    assert!(view.restored_from.expect("state is kept").contains("/savepoint-"));

    // k2: the cluster first, and the job is lost for ever.
    bench.mark();
    bench.patch(&deployment("sess"), memory("1024m"));
    bench.wait(0.8).await;
    bench.patch(&job, json!({"spec": {"job": {"args": ["5"]}}}));
    bench.wait(60.0).await;
    assert_reproduces("0.9 job-a gen=3\n 31.0 job-a err=Job-Not-Found", bench.log());
    assert!(!bench.log().contains_key("job-a life") && !bench.log().contains_key("job-a obs"));
    assert_eq!(bench.sim.operator().job(&unit(&job), bench.sim.now()), None);
}

#[tokio::test(start_paused = true)]
async fn failures_of_every_kind_m() {
    let mut bench = Bench::with_session(V1_15, cluster_spec(), &[]).await;
    bench.create(&deployment("app"), application_spec("stateless"));
    bench.wait(40.0).await;
    bench.mark();
    let job = |cluster: &str, field: &str, value: &str| {
        let mut spec = job_spec("stateless");
        (spec["deploymentName"], spec["job"][field]) = (json!(cluster), json!(value));
        spec
    };
    bench.create(&session_job("nojar"), job("sess", "jarURI", "file:///data/jars/missing.jar"));
    bench.create(&session_job("badscheme"), job("sess", "jarURI", "ftp://host/a.jar"));
    bench.create(&session_job("crash"), job("sess", "entryClass", "com.example.Missing"));
    bench.create(&session_job("nocluster"), job("nope", "state", "running"));
    bench.create(&session_job("onapp"), job("app", "state", "running"));
    let mut image = application_spec("stateless");
    (image["image"], image["imagePullPolicy"]) = (json!("absent:1"), json!("Never"));
    bench.create(&deployment("badimg"), image);
    bench.wait(17.0).await;
    for name in ["nojar", "crash"] {
        let observed = format!(
            "0.2 {name} fin=yes obs=1 life=UPGRADING
             0.2 {name} err=ReconciliationException
             5.3 {name} life=FAILED
             5.3 {name} life=UPGRADING err=-
             5.4 {name} err=ReconciliationException
            10.4 {name} life=FAILED
            10.4 {name} life=UPGRADING err=-
            10.5 {name} err=ReconciliationException"
        );
        assert_reproduces(&observed, bench.log());
    }
    assert_reproduces(
        "0.4 badscheme life=FAILED rec=UPGRADING err=ValidationException event=Warning/ValidationError
         0.8 nocluster fin=yes event=Warning/UnsupportedFlinkVersion
         1.0 onapp life=FAILED rec=UPGRADING err=ValidationException event=Warning/ValidationError
         1.2 badimg obs=1 life=UPGRADING rec=UPGRADING jm=MISSING lrs=suspended/stateless/p1
         1.6 badimg life=DEPLOYED job=RECONCILING rec=DEPLOYED jm=DEPLOYING lrs=running/stateless/p1 cond=Reconciling",
        bench.log(),
    );
    assert_eq!(bench.object(&session_job("nocluster")).get("status"), None);
    assert_eq!(bench.said("onapp", "ValidationError"), ["Can not submit session job to application cluster"]);
    bench.wait(1200.0).await;
    assert_eq!(bench.text(&deployment("badimg"), "/status/jobManagerDeploymentStatus"), "DEPLOYING");
    assert_eq!(bench.text(&deployment("badimg"), "/status/error"), "", "nobody ever says so");

    bench.mark();
    bench.delete(&deployment("badimg"));
    bench.wait(5.0).await;
    assert_reproduces("0.1 badimg del=yes event=Normal/Cleanup\n 1.3 badimg gone=yes", bench.log());
}

#[tokio::test(start_paused = true)]
async fn high_availability_brings_jobs_back_unseen_n() {
    let mut cluster = cluster_spec();
    cluster["flinkConfiguration"]["high-availability.type"] = json!("kubernetes");
    let mut bench = Bench::new(V1_15);
    bench.create(&session_job("job-a"), job_spec("savepoint"));
    bench.wait(3.0).await;
    assert_eq!(bench.object(&session_job("job-a")).get("status"), None);
    let said = "Flink version null is not supported by this operator version";
    assert_eq!(bench.said("job-a", "UnsupportedFlinkVersion"), [said]);
    bench.create(&deployment("sess"), cluster);
    bench.wait(70.0).await;
    assert_eq!(bench.state(&session_job("job-a")), "RUNNING", "it starts by itself");

    bench.mark();
    bench.patch(&deployment("sess"), memory("1100m"));
    bench.wait(60.0).await;
    assert_reproduces(
        "2.4 sess life=UPGRADING rec=UPGRADING jm=MISSING
         2.7 sess life=DEPLOYED rec=DEPLOYED jm=DEPLOYING
         9.3 sess jm=DEPLOYED_NOT_READY
        31.5 sess life=STABLE jm=READY",
        bench.log(),
    );
    let job = bench.log().keys().find(|field| field.starts_with("job-a"));
    assert_eq!(job, None, "the job says nothing of it");
    let job = bench.sim.operator().job(&unit(&session_job("job-a")), bench.sim.now()).expect("it is back");
    assert!(job.restored_from.expect("from its checkpoint").contains("/chk-"));

    bench.mark();
    bench.delete(&session_job("job-a"));
    bench.wait(3.0).await;
    bench.delete(&deployment("sess"));
    bench.wait(5.0).await;
    assert_reproduces("2.3 job-a gone=yes\n 5.3 sess gone=yes", bench.log());
}

#[tokio::test(start_paused = true)]
async fn app_suspend_and_resume_p() {
    let mut bench = Bench::with_application(V1_15, application_spec("savepoint")).await;
    bench.mark();
    bench.patch(&deployment("app"), job_state("suspended"));
    bench.wait(30.0).await;
    assert_reproduces(
        "0.2 app gen=2
         0.3 app event=Normal/SpecChanged
         0.3 app event=Normal/Suspended
         0.6 app obs=2 life=SUSPENDED job=FINISHED sp=savepoint lrs=suspended/savepoint/p1 cond=Finished
         0.6 app-savepoint-upgrade state=COMPLETED label=COMPLETED",
        bench.log(),
    );
    assert_eq!(bench.text(&deployment("app"), "/status/jobManagerDeploymentStatus"), "READY");
    assert_eq!(bench.object(&deployment("app")).pointer("/status/taskManager/replicas"), Some(&json!(0)));

    bench.mark();
    bench.patch(&deployment("app"), job_state("running"));
    bench.wait(50.0).await;
    assert_reproduces(
        "0.1 app gen=3
         0.1 app event=Normal/SpecChanged
         0.1 app obs=3 life=UPGRADING rec=UPGRADING
         1.9 app jm=MISSING
         1.9 app event=Normal/Submit
         2.3 app life=DEPLOYED job=RECONCILING rec=DEPLOYED jm=DEPLOYING lrs=running/savepoint/p1 cond=Reconciling
         9.0 app jm=DEPLOYED_NOT_READY
        24.6 app event=Normal/JobStatusChanged
        24.7 app life=STABLE job=RUNNING jm=READY cond=Running",
        bench.log(),
    );
}

#[tokio::test(start_paused = true)]
async fn a_revert_of_a_crashing_upgrade_reads_stable_at_once() {
    let mut bench = Bench::with_application(V1_15, application_spec("savepoint")).await;
    let app = deployment("app");
    // The record of a first deployment is never equal to a later one.
    bench.patch(&app, json!({"spec": {"job": {"parallelism": 2}}}));
    bench.wait(60.0).await;
    bench.patch(&app, json!({"spec": {"job": {"entryClass": "com.example.Missing"}}}));
    bench.wait(60.0).await;
    assert_eq!(bench.text(&app, "/status/lifecycleState"), "DEPLOYED");
    assert_eq!(bench.text(&app, "/status/jobManagerDeploymentStatus"), "ERROR");
    assert_eq!(bench.state(&app), "RECONCILING");
    assert!(bench.text(&app, "/status/error").contains("back-off"));
    let savepoint = bench.text(&app, "/status/jobStatus/upgradeSavepointPath");
    bench.patch(&app, json!({"spec": {"job": {"entryClass": null}}}));
    bench.wait(5.0).await;
    assert_eq!(bench.text(&app, "/status/lifecycleState"), "STABLE");
    assert_eq!(bench.text(&app, "/status/jobManagerDeploymentStatus"), "DEPLOYING");
    assert_eq!(bench.state(&app), "RECONCILING");
    bench.wait(30.0).await;
    let job = bench.sim.operator().job(&unit(&app), bench.sim.now()).expect("it runs again");
    assert_eq!((job.state, job.restored_from.as_deref()), ("RUNNING", Some(savepoint.as_str())));
}
