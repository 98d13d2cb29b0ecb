//! An upgrade whose program is not there, and back: seen on operator 1.7.0.

use flinkops::flink::kind::Kind::{self, FlinkDeployment, FlinkSessionJob};
use flinkops::flink::status::Status;
use flinkops::sim::OperatorMode;
use serde_json::json;

use super::stage::Stage;

/// Lifecycle, JobManager, job, and the generation acted upon with the state it gave, each time one changed.
fn states(stage: &Stage) -> Vec<String> {
    let seen = stage.seen("job").into_iter().map(|(_, _, object)| {
        let status = Status::parse(&object["status"]);
        let given = status.last_reconciled.and_then(|last| last.job_state).unwrap_or_default();
        let generation = status.generation.unwrap_or_default();
        [status.lifecycle, status.job_manager, status.job, format!("{generation}:{given}")].join(" ")
    });
    let mut states: Vec<String> = seen.collect();
    states.dedup();
    states
}

/// Replaces the program by one that is not there, and then puts it back.
async fn there_and_back(stage: &Stage, kind: Kind) -> String {
    stage.run(40.0).await;
    stage.patch(kind, "job", json!({"job": {"entryClass": "org.example.Missing"}}));
    stage.run(40.0).await;
    let savepoint = stage.text(kind, "job", "/status/jobStatus/savepointInfo/lastSavepoint/location");
    stage.mark();
    stage.patch(kind, "job", json!({"job": {"entryClass": null}}));
    stage.run(40.0).await;
    savepoint
}

#[tokio::test(start_paused = true)]
async fn a_session_job_is_tried_again_with_the_next_spec_from_what_it_was_stopped_with() {
    let stage = Stage::new(OperatorMode::V1_7);
    stage.session("sess", json!({}));
    stage.run(40.0).await;
    stage.session_job("job", "sess", json!({}));
    let savepoint = there_and_back(&stage, FlinkSessionJob).await;
    let expected = [
        "UPGRADING  FINISHED 2:suspended",
        "UPGRADING  FINISHED 3:suspended",
        "DEPLOYED  RECONCILING 3:running",
        "STABLE  RUNNING 3:running",
    ];
    let states: Vec<_> = states(&stage).into_iter().filter(|state| !state.contains("CREATED")).collect();
    assert_eq!(states, expected);
    assert_eq!(stage.job(FlinkSessionJob, "job").restored_from, Some(savepoint));
}

#[tokio::test(start_paused = true)]
async fn an_application_that_never_started_is_removed_at_once_and_goes_back_to_its_savepoint() {
    let stage = Stage::new(OperatorMode::V1_7);
    // Its defaults, which this operator writes into the spec, are its second generation.
    stage.application("job", json!({}));
    let savepoint = there_and_back(&stage, FlinkDeployment).await;
    let expected = [
        "DEPLOYED ERROR RECONCILING 3:running",
        "UPGRADING MISSING FINISHED 4:suspended",
        "DEPLOYED DEPLOYING RECONCILING 4:running",
        "DEPLOYED DEPLOYED_NOT_READY RECONCILING 4:running",
        "STABLE READY RUNNING 4:running",
    ];
    let states: Vec<_> = states(&stage).into_iter().filter(|state| !state.contains("CREATED")).collect();
    assert_eq!(states, expected);
    assert_eq!(stage.job(FlinkDeployment, "job").restored_from, Some(savepoint));
}

/// One whose job fails by itself. How long it is seen so is a matter of luck: its JobManager ends with it.
#[tokio::test(start_paused = true)]
async fn an_application_whose_job_fails_has_failed_with_its_job_manager_up() {
    let stage = Stage::new(OperatorMode::V1_7);
    stage.application("job", json!({}));
    stage.run(40.0).await;
    stage.patch(FlinkDeployment, "job", json!({"job": {"entryClass": "org.example.Fails"}}));
    stage.run(40.0).await;
    assert_eq!(states(&stage).last().map(String::as_str), Some("FAILED READY FAILED 3:running"));
}
