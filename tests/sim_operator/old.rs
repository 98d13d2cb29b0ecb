//! Operator 1.7.0 with Flink 1.17, its pods run as processes and its interval two seconds.

use flinkops::sim::OperatorMode::V1_7;
use serde_json::json;

use super::bench::{Bench, application_spec, cluster_spec, deployment, job_spec, session_job, unit};
use super::log::assert_reproduces;

#[tokio::test(start_paused = true)]
async fn first_deploys() {
    let mut bench = Bench::new(V1_7);
    bench.create(&deployment("sess"), cluster_spec());
    bench.wait(10.0).await;
    assert_reproduces(
        "0.1 sess obs=1 life=UPGRADING jm=MISSING
         0.8 sess life=DEPLOYED jm=DEPLOYING
         3.5 sess jm=DEPLOYED_NOT_READY
         4.7 sess life=STABLE jm=READY",
        bench.log(),
    );
    bench.mark();
    bench.create(&session_job("job-a"), job_spec("savepoint"));
    bench.wait(10.0).await;
    assert_reproduces(
        "0.2 job-a obs=1 life=UPGRADING
         1.0 job-a life=DEPLOYED
         6.0 job-a life=STABLE",
        bench.log(),
    );
    let status = &bench.object(&session_job("job-a"))["status"];
    assert_eq!((status.get("observedGeneration"), status.get("conditions")), (None, None));
}

#[tokio::test(start_paused = true)]
async fn defaults_are_written_into_the_spec() {
    let mut bench = Bench::new(V1_7);
    let mut spec = cluster_spec();
    spec["jobManager"].as_object_mut().expect("a map").remove("replicas");
    bench.create(&deployment("sess"), spec);
    let bare = json!({"deploymentName": "sess", "job": {"jarURI": "file:///data/jars/counter.jar", "parallelism": 1}});
    bench.create(&session_job("job-a"), bare);
    bench.create(&session_job("job-b"), job_spec("stateless"));
    bench.wait(20.0).await;
    let cluster = bench.object(&deployment("sess"));
    assert_eq!(cluster.pointer("/spec/jobManager/replicas"), Some(&json!(1)));
    assert_eq!(cluster.pointer("/metadata/generation"), Some(&json!(2)), "the generation moves by itself");
    let job = bench.object(&session_job("job-a"));
    let written = &job["spec"]["job"];
    let defaults = (&json!([]), &json!("running"), &json!("stateless"));
    assert_eq!((&written["args"], &written["state"], &written["upgradeMode"]), defaults);
    assert_eq!(bench.object(&session_job("job-b")).pointer("/metadata/generation"), Some(&json!(1)));
    let managers = cluster["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let owner = managers.iter().find(|it| it.pointer("/fieldsV1/f:spec/f:jobManager/f:replicas").is_some());
    assert_eq!(owner.map(|it| &it["manager"]), Some(&json!("fabric8-kubernetes-client")));
}

#[tokio::test(start_paused = true)]
async fn session_job_suspend_resume_and_parallelism() {
    let mut bench = Bench::with_session(V1_7, cluster_spec(), &[("job-a", job_spec("savepoint"))]).await;
    let job = session_job("job-a");
    let id = bench.text(&job, "/status/jobStatus/jobId");
    bench.mark();
    bench.patch(&job, json!({"spec": {"job": {"state": "suspended"}}}));
    bench.wait(5.0).await;
    assert_reproduces(
        "0.1 job-a gen=2
         0.5 job-a obs=2 life=SUSPENDED job=FINISHED sp=savepoint lrs=suspended/savepoint/p1",
        bench.log(),
    );
    assert_eq!(bench.text(&job, "/status/jobStatus/jobId"), id, "the id stays");
    assert_eq!(bench.text(&job, "/status/jobStatus/upgradeSavepointPath"), "");
    assert_eq!(bench.text(&job, "/status/jobStatus/savepointInfo/lastSavepoint/triggerType"), "UPGRADE");

    bench.mark();
    bench.patch(&job, json!({"spec": {"job": {"state": "running"}}}));
    bench.wait(10.0).await;
    assert_reproduces(
        "0.1 job-a obs=3 life=UPGRADING
         1.0 job-a life=DEPLOYED
         2.3 job-a life=STABLE",
        bench.log(),
    );
    let id = bench.text(&job, "/status/jobStatus/jobId");
    assert!(id.ends_with("0000000000000003"), "the generation is in {id}");

    bench.mark();
    bench.patch(&job, json!({"spec": {"job": {"parallelism": 2}}}));
    bench.wait(10.0).await;
    assert_reproduces(
        "0.1 job-a gen=4
         0.5 job-a obs=4 life=UPGRADING
         0.9 job-a life=DEPLOYED
         2.3 job-a life=STABLE",
        bench.log(),
    );
}

#[tokio::test(start_paused = true)]
async fn application_savepoint_upgrade_and_suspend() {
    let mut bench = Bench::with_application(V1_7, application_spec("savepoint")).await;
    let app = deployment("app");
    let id = bench.text(&app, "/status/jobStatus/jobId");
    bench.mark();
    bench.patch(&app, json!({"spec": {"job": {"parallelism": 2}}}));
    bench.wait(20.0).await;
    assert_reproduces(
        "0.1 app gen=2
         0.3 app obs=2 life=UPGRADING lrs=suspended/savepoint/p2 sp=savepoint
         1.3 app jm=MISSING
         1.6 app life=DEPLOYED jm=DEPLOYING lrs=running/savepoint/p2
         3.8 app jm=DEPLOYED_NOT_READY
         5.1 app jm=READY
         9.2 app life=STABLE",
        bench.log(),
    );
    assert_eq!(bench.text(&app, "/status/jobStatus/jobId"), id, "the id stays");
    assert_eq!(bench.snapshots(), Vec::<String>::new(), "there is no such kind");

    bench.mark();
    bench.patch(&app, json!({"spec": {"job": {"state": "suspended"}}}));
    bench.wait(13.0).await;
    assert_reproduces("0.4 app obs=3 life=SUSPENDED job=FINISHED", bench.log());
    assert_eq!(bench.text(&app, "/status/jobManagerDeploymentStatus"), "READY");
}

#[tokio::test(start_paused = true)]
async fn application_last_state_upgrade_with_high_availability() {
    let mut spec = application_spec("last-state");
    spec["flinkConfiguration"]["high-availability"] = json!("kubernetes");
    let mut bench = Bench::with_application(V1_7, spec).await;
    let app = deployment("app");
    bench.mark();
    bench.patch(&app, json!({"spec": {"image": "flink:1.20.5"}}));
    bench.wait(25.0).await;
    assert_reproduces(
        "1.0 app obs=2 life=UPGRADING jm=MISSING lrs=suspended/last-state/p1
         1.3 app life=DEPLOYED jm=DEPLOYING lrs=running/last-state/p1
         4.0 app jm=DEPLOYED_NOT_READY
         5.0 app jm=READY
        10.0 app life=STABLE",
        bench.log(),
    );
    let job = bench.sim.operator().job(&unit(&app), bench.sim.now()).expect("it runs");
    assert!(job.restored_from.expect("from its last checkpoint").contains("/chk-"));
}

#[tokio::test(start_paused = true)]
async fn a_stale_error_stays_after_a_revert() {
    let mut bench = Bench::with_application(V1_7, application_spec("savepoint")).await;
    let app = deployment("app");
    bench.mark();
    bench.patch(&app, json!({"spec": {"job": {"parallelism": 0}}}));
    bench.wait(5.0).await;
    bench.patch(&app, json!({"spec": {"job": {"parallelism": 1}}}));
    bench.wait(10.0).await;
    assert_reproduces(
        "0.1 app gen=2 err=ValidationException
         5.1 app gen=3 obs=3 life=DEPLOYED
         7.2 app life=STABLE",
        bench.log(),
    );
    assert!(bench.text(&app, "/status/error").contains("Job parallelism must be larger than 0"));

    bench.patch(&app, json!({"spec": {"image": "flink:1.20.5"}}));
    bench.wait(20.0).await;
    assert_eq!(bench.text(&app, "/status/error"), "", "a real upgrade clears it");
}

#[tokio::test(start_paused = true)]
async fn a_nonce_fills_the_savepoint_info() {
    let mut bench = Bench::with_application(V1_7, application_spec("savepoint")).await;
    bench.mark();
    bench.patch(&deployment("app"), json!({"spec": {"job": {"savepointTriggerNonce": 7}}}));
    bench.wait(10.0).await;
    assert_reproduces("0.1 app obs=2 life=DEPLOYED\n 2.2 app life=STABLE sp=savepoint", bench.log());
    let app = bench.object(&deployment("app"));
    let last = app.pointer("/status/jobStatus/savepointInfo/lastSavepoint").expect("a savepoint");
    assert_eq!((&last["triggerType"], &last["triggerNonce"]), (&json!("MANUAL"), &json!(7)));
    assert!(!bench.log().contains_key("app job"), "the job is not touched");
}

#[tokio::test(start_paused = true)]
async fn a_lost_job_stays_stable_and_hangs_when_deleted() {
    let mut bench = Bench::with_session(V1_7, cluster_spec(), &[("job-a", job_spec("savepoint"))]).await;
    let job = session_job("job-a");
    bench.mark();
    bench.sim.operator().crash_job_manager(&unit(&deployment("sess")), bench.sim.now());
    bench.wait(9.0).await;
    assert_reproduces("3.0 job-a job=RECONCILING err=MissingSessionJobException", bench.log());
    assert!(!bench.log().contains_key("job-a life"), "STABLE all the time");
    let cluster = bench.log().keys().find(|field| field.starts_with("sess"));
    assert_eq!(cluster, None, "the cluster reads READY throughout");
    bench.delete(&job);
    bench.wait(600.0).await;
    assert!(bench.exists(&job), "the deletion hangs");
    bench.patch(&job, json!({"metadata": {"finalizers": null}}));
    assert!(!bench.exists(&job), "without the finalizer it goes");
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_is_down_sees_nothing_until_it_is_back() {
    let mut bench = Bench::with_session(V1_7, cluster_spec(), &[]).await;
    bench.sim.stop_operator();
    bench.mark();
    bench.patch(&deployment("sess"), json!({"spec": {"image": "flink:1.20.5"}}));
    bench.wait(30.0).await;
    assert_reproduces("0.1 sess gen=2", bench.log());
    assert!(!bench.log().contains_key("sess obs") && !bench.log().contains_key("sess life"));
    bench.mark();
    bench.sim.start_operator();
    bench.wait(10.0).await;
    assert_reproduces(
        "1.0 sess obs=2 life=UPGRADING jm=MISSING
         1.5 sess life=DEPLOYED jm=DEPLOYING
         4.0 sess jm=DEPLOYED_NOT_READY
         5.0 sess life=STABLE jm=READY",
        bench.log(),
    );
}
