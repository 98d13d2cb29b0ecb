//! Operator 1.7.0 with Flink 1.17: no observedGeneration, no snapshots as resources, defaults in the spec.
//!
//! It was polled, so each sequence names the states that were seen, in order; more may lie between them.
//! A state is a set of words: lifecycle, JobManager, job, and generation and state of the last record.

use flinkops::flink::kind::Kind::{self, FlinkDeployment, FlinkSessionJob};
use flinkops::sim::OperatorMode;
use flinkops::sim::api::store::WriteOptions;
use serde_json::{Value, json};

use super::stage::{Stage, key, unit};

fn words(object: &Value) -> Vec<String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
    let record: Value =
        serde_json::from_str(&text("/status/reconciliationStatus/lastReconciledSpec")).unwrap_or_default();
    let state = record.pointer("/spec/job/state").and_then(Value::as_str).unwrap_or("session");
    let generation = &record["resource_metadata"]["metadata"]["generation"];
    vec![
        format!("gen={}", object["metadata"]["generation"]),
        text("/status/lifecycleState"),
        text("/status/jobManagerDeploymentStatus"),
        text("/status/jobStatus/state"),
        format!("{generation}:{state}"),
    ]
}

/// Finds each state after the one before it, at about its time.
#[track_caller]
fn in_order(stage: &Stage, name: &str, expected: &[(f64, &str)]) {
    let seen: Vec<_> = stage.seen(name).into_iter().map(|(at, _, object)| (at, words(&object))).collect();
    let mut rest = &seen[..];
    for (time, state) in expected {
        let fits = |(_, words): &(f64, Vec<String>)| {
            state.split_whitespace().all(|word| words.iter().any(|it| it == word))
        };
        let at = rest.iter().position(fits).unwrap_or_else(|| panic!("{name}: no {state} in {seen:#?}"));
        let tolerance = 1.0 + 0.35 * time;
        assert!((rest[at].0 - time).abs() <= tolerance, "{name}: {state} at {}, not {time}", rest[at].0);
        rest = &rest[at..];
    }
}

async fn legacy() -> Stage {
    let stage = Stage::new(OperatorMode::V1_7);
    stage.session("sess", json!({}));
    stage.run(10.0).await;
    stage
}

/// A cluster with a job at rest.
async fn with_job() -> Stage {
    let stage = legacy().await;
    stage.session_job("job", "sess", json!({}));
    stage.run(15.0).await;
    stage.mark();
    stage
}

async fn application(patch: Value) -> Stage {
    let stage = Stage::new(OperatorMode::V1_7);
    stage.application("app", patch);
    stage.run(40.0).await;
    stage.mark();
    stage
}

fn savepoint(stage: &Stage, kind: Kind, name: &str) -> String {
    stage.text(kind, name, "/status/jobStatus/savepointInfo/lastSavepoint/location")
}

#[tokio::test(start_paused = true)]
async fn the_first_of_each_goes_through_the_states_that_were_seen() {
    let stage = Stage::new(OperatorMode::V1_7);
    stage.mark();
    stage.session("sess", json!({}));
    stage.run(10.0).await;
    in_order(
        &stage,
        "sess",
        &[
            (0.0, "UPGRADING MISSING"),
            (0.7, "DEPLOYED DEPLOYING"),
            (3.5, "DEPLOYED DEPLOYED_NOT_READY"),
            (4.7, "STABLE READY"),
        ],
    );
    stage.mark();
    stage.session_job("job", "sess", json!({}));
    stage.application("app", json!({}));
    stage.run(20.0).await;
    in_order(
        &stage,
        "job",
        &[
            (0.0, "gen=1 -"),
            (0.3, "UPGRADING 1:suspended"),
            (1.0, "DEPLOYED RECONCILING 1:running"),
            (3.0, "DEPLOYED CREATED"),
            (7.0, "STABLE RUNNING"),
        ],
    );
    in_order(
        &stage,
        "app",
        &[
            (0.0, "UPGRADING MISSING"),
            (0.3, "DEPLOYED DEPLOYING RECONCILING"),
            (3.0, "DEPLOYED_NOT_READY"),
            (4.0, "READY CREATED"),
            (9.5, "STABLE RUNNING READY"),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_job_is_suspended_resumed_and_scaled() {
    let stage = with_job().await;
    let before = stage.job(FlinkSessionJob, "job").records;
    let id = stage.text(FlinkSessionJob, "job", "/status/jobStatus/jobId");
    stage.patch(FlinkSessionJob, "job", json!({"job": {"state": "suspended"}}));
    stage.run(10.0).await;
    in_order(&stage, "job", &[(0.4, "gen=2 SUSPENDED FINISHED 2:suspended")]);
    assert_eq!(stage.text(FlinkSessionJob, "job", "/status/jobStatus/jobId"), id, "stays");
    let path = savepoint(&stage, FlinkSessionJob, "job");
    assert!(path.starts_with("file:/data/savepoints/savepoint-"), "{path}");
    assert_eq!(
        stage.text(FlinkSessionJob, "job", "/status/jobStatus/savepointInfo/lastSavepoint/triggerType"),
        "UPGRADE"
    );

    stage.mark();
    stage.patch(FlinkSessionJob, "job", json!({"job": {"state": "running"}}));
    stage.run(10.0).await;
    in_order(
        &stage,
        "job",
        &[(0.1, "UPGRADING 3:suspended"), (0.9, "DEPLOYED RECONCILING 3:running"), (2.3, "STABLE RUNNING")],
    );
    assert_ne!(stage.text(FlinkSessionJob, "job", "/status/jobStatus/jobId"), id);
    assert_eq!(stage.job(FlinkSessionJob, "job").restored_from.as_deref(), Some(path.as_str()));

    stage.mark();
    stage.patch(FlinkSessionJob, "job", json!({"job": {"parallelism": 2}}));
    stage.run(10.0).await;
    in_order(
        &stage,
        "job",
        &[
            (0.0, "gen=4 STABLE 3:running"),
            (1.0, "DEPLOYED RECONCILING 4:running"),
            (2.3, "STABLE RUNNING 4:running"),
        ],
    );
    assert_ne!(savepoint(&stage, FlinkSessionJob, "job"), path, "a new one");
    assert!(stage.job(FlinkSessionJob, "job").records > before);
}

#[tokio::test(start_paused = true)]
async fn an_application_is_upgraded_suspended_and_resumed() {
    let stage = application(json!({})).await;
    let id = stage.text(FlinkDeployment, "app", "/status/jobStatus/jobId");
    let before = stage.job(FlinkDeployment, "app").records;
    let generation =
        stage.object(FlinkDeployment, "app").unwrap()["metadata"]["generation"].as_i64().unwrap();
    stage.patch(FlinkDeployment, "app", json!({"job": {"parallelism": 2}}));
    stage.run(20.0).await;
    let at = |offset: i64, state: &str| state.replace('#', &(generation + offset).to_string());
    in_order(
        &stage,
        "app",
        &[
            (0.0, &at(1, "gen=# STABLE")),
            (0.3, &at(1, "UPGRADING READY FINISHED #:suspended")),
            (1.3, "UPGRADING MISSING"),
            (1.6, &at(1, "DEPLOYED DEPLOYING #:running")),
            (3.8, "DEPLOYED_NOT_READY"),
            (5.1, "READY CREATED"),
            (9.2, "STABLE RUNNING"),
        ],
    );
    assert_eq!(stage.text(FlinkDeployment, "app", "/status/jobStatus/jobId"), id, "unchanged");

    stage.mark();
    stage.patch(FlinkDeployment, "app", json!({"job": {"state": "suspended"}}));
    stage.run(10.0).await;
    in_order(&stage, "app", &[(0.4, &at(2, "SUSPENDED READY FINISHED #:suspended"))]);
    assert_eq!(stage.text(FlinkDeployment, "app", "/status/jobManagerDeploymentStatus"), "READY");

    stage.mark();
    stage.patch(FlinkDeployment, "app", json!({"job": {"state": "running"}}));
    stage.run(20.0).await;
    in_order(&stage, "app", &[(9.2, "STABLE RUNNING READY")]);
    let job = stage.job(FlinkDeployment, "app");
    assert_eq!(job.restored_from, Some(savepoint(&stage, FlinkDeployment, "app")));
    assert!(job.records > before);
}

#[tokio::test(start_paused = true)]
async fn a_last_state_upgrade_with_high_availability_restores_a_checkpoint() {
    let stage = application(json!({
        "flinkConfiguration": {"high-availability": "kubernetes"}, "job": {"upgradeMode": "last-state"}}))
    .await;
    stage.patch(FlinkDeployment, "app", json!({"restartNonce": 1}));
    stage.run(20.0).await;
    in_order(
        &stage,
        "app",
        &[
            (0.0, "STABLE READY"),
            (1.0, "UPGRADING MISSING FINISHED"),
            (1.3, "DEPLOYED DEPLOYING"),
            (14.0, "STABLE RUNNING READY"),
        ],
    );
    let job = stage.job(FlinkDeployment, "app");
    assert!(job.restored_from.as_deref().is_some_and(|path| path.contains("/chk-")), "{job:?}");
}

#[tokio::test(start_paused = true)]
async fn a_killed_job_manager_loses_its_session_job_and_stays_stable_and_the_deletion_hangs() {
    let stage = with_job().await;
    stage.sim.operator().crash_job_manager(&unit(FlinkDeployment, "sess"), stage.sim.now());
    stage.run(10.0).await;
    assert!(stage.seen("sess").is_empty(), "the cluster shows nothing");
    in_order(&stage, "job", &[(3.0, "STABLE RECONCILING")]);
    let error = stage.text(FlinkSessionJob, "job", "/status/error");
    assert!(error.contains("MissingSessionJobException") && error.contains("Missing Session Job"), "{error}");

    stage.delete(&key(FlinkSessionJob, "job"));
    stage.delete(&key(FlinkDeployment, "sess"));
    stage.run(600.0).await;
    assert_eq!(stage.text(FlinkSessionJob, "job", "/status/lifecycleState"), "STABLE");
    assert!(stage.object(FlinkDeployment, "sess").is_some());
    let patch = flinkops::sim::api::patch::Patch::Merge(json!({"metadata": {"finalizers": null}}));
    stage.sim.store().patch(&key(FlinkSessionJob, "job"), &patch, &WriteOptions::default()).unwrap();
    stage.run(5.0).await;
    assert!(stage.object(FlinkSessionJob, "job").is_none(), "without its finalizer it goes");
    assert!(stage.object(FlinkDeployment, "sess").is_none(), "and then its cluster");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_cluster_waits_for_its_jobs_and_says_so_in_events_only() {
    let stage = with_job().await;
    stage.delete(&key(FlinkDeployment, "sess"));
    stage.run(10.0).await;
    assert!(stage.events("sess").contains(&"CleanupFailed".to_owned()));
    assert_eq!(stage.text(FlinkDeployment, "sess", "/status/error"), "");
    stage.delete(&key(FlinkSessionJob, "job"));
    stage.run(10.0).await;
    assert!(stage.object(FlinkDeployment, "sess").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_change_made_while_the_operator_is_away_is_acted_upon_when_it_is_back() {
    let stage = legacy().await;
    let generation =
        stage.object(FlinkDeployment, "sess").unwrap()["metadata"]["generation"].as_i64().unwrap() + 1;
    stage.sim.stop_operator();
    stage.mark();
    stage.patch(FlinkDeployment, "sess", json!({"restartNonce": 1}));
    stage.run(60.0).await;
    assert_eq!(stage.text(FlinkDeployment, "sess", "/status/lifecycleState"), "STABLE");
    stage.sim.start_operator();
    stage.mark();
    stage.run(10.0).await;
    in_order(
        &stage,
        "sess",
        &[(1.0, &format!("UPGRADING MISSING {generation}:session")), (5.0, "STABLE READY")],
    );
}

#[tokio::test(start_paused = true)]
async fn defaults_are_written_into_the_spec_with_the_finalizer() {
    let stage = legacy().await;
    stage.mark();
    stage.create(json!({"kind": "FlinkSessionJob", "metadata": {"name": "bare"}, "spec": {
        "deploymentName": "sess", "job": {"jarURI": "file:///jobs/counter.jar", "parallelism": 1}}}));
    stage.application("app", json!({"jobManager": {"replicas": null}}));
    stage.session_job("full", "sess", json!({}));
    stage.run(10.0).await;
    let bare = stage.object(FlinkSessionJob, "bare").unwrap();
    assert_eq!(
        bare["spec"]["job"],
        json!({"jarURI": "file:///jobs/counter.jar", "parallelism": 1,
        "args": [], "state": "running", "upgradeMode": "stateless"})
    );
    assert_eq!(bare["metadata"]["generation"], 2);
    assert_eq!(stage.text(FlinkDeployment, "app", "/spec/jobManager/replicas"), "1");
    assert_eq!(stage.text(FlinkSessionJob, "full", "/metadata/generation"), "1");
    let owner = bare["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["manager"] == "fabric8-kubernetes-client" && it.get("subresource").is_none());
    assert!(owner.unwrap().pointer("/fieldsV1/f:spec/f:job/f:upgradeMode").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_refused_spec_is_not_on_record_and_its_error_outlives_it() {
    let stage = with_job().await;
    let lasted = || words(&stage.object(FlinkSessionJob, "job").unwrap());
    stage.patch(FlinkSessionJob, "job", json!({"job": {"parallelism": 0}}));
    stage.run(10.0).await;
    assert_eq!(lasted(), ["gen=2", "STABLE", "-", "RUNNING", "1:running"]);
    assert!(
        stage.text(FlinkSessionJob, "job", "/status/error").contains("Job parallelism must be larger than 0")
    );
    stage.patch(FlinkSessionJob, "job", json!({"job": {"parallelism": 1}}));
    stage.run(10.0).await;
    assert_eq!(lasted(), ["gen=3", "STABLE", "-", "RUNNING", "3:running"]);
    assert!(stage.text(FlinkSessionJob, "job", "/status/error").contains("ValidationException"), "stale");
    stage.patch(FlinkSessionJob, "job", json!({"job": {"parallelism": 2}}));
    stage.run(10.0).await;
    assert_eq!(stage.text(FlinkSessionJob, "job", "/status/error"), "", "a real change clears it");
}

#[tokio::test(start_paused = true)]
async fn an_ignored_change_is_deployed_for_a_while_without_touching_the_job() {
    let stage = with_job().await;
    let id = stage.text(FlinkSessionJob, "job", "/status/jobStatus/jobId");
    stage.patch(
        FlinkSessionJob,
        "job",
        json!({"job": {"upgradeMode": "stateless", "savepointTriggerNonce": 7}}),
    );
    stage.run(10.0).await;
    in_order(&stage, "job", &[(0.1, "DEPLOYED RUNNING 2:running"), (2.2, "STABLE RUNNING 2:running")]);
    assert_eq!(stage.text(FlinkSessionJob, "job", "/status/jobStatus/jobId"), id);
    assert_eq!(
        stage.text(FlinkSessionJob, "job", "/status/jobStatus/savepointInfo/lastSavepoint/triggerType"),
        "MANUAL"
    );
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_fails_flickers_and_a_broken_job_goes_at_once() {
    let stage = legacy().await;
    stage.mark();
    stage.session_job("nojar", "sess", json!({"job": {"jarURI": "file:///missing.jar"}}));
    stage.run(60.0).await;
    let errors: Vec<_> =
        stage.seen("nojar").iter().map(|(_, _, it)| it["status"].get("error").is_some()).collect();
    assert!(errors.windows(2).filter(|pair| pair[0] != pair[1]).count() > 4, "{errors:?}");
    assert!(stage.seen("nojar").iter().all(|(_, _, it)| it["status"]["lifecycleState"] != "STABLE"));
    stage.delete(&key(FlinkSessionJob, "nojar"));
    stage.run(1.0).await;
    assert!(stage.object(FlinkSessionJob, "nojar").is_none());
}
