//! What becomes of a suspended job in the meantime.

use flinkops::flink::kind::Kind::{FlinkDeployment, FlinkSessionJob};
use flinkops::flink::status::Status;
use flinkops::sim::OperatorMode;
use serde_json::json;

use super::stage::Stage;

const MODES: [OperatorMode; 2] = [OperatorMode::V1_7, OperatorMode::V1_15];

/// A session job at rest, suspended.
async fn suspended(mode: OperatorMode) -> Stage {
    let stage = Stage::new(mode);
    stage.session("sess", json!({}));
    stage.run(40.0).await;
    stage.session_job("job", "sess", json!({}));
    stage.run(40.0).await;
    stage.patch(FlinkSessionJob, "job", json!({"job": {"state": "suspended"}}));
    stage.run(20.0).await;
    stage.mark();
    stage
}

/// Lifecycle, job state, and the generation acted upon, each time one of them changed.
fn states(stage: &Stage) -> Vec<(String, String, Option<i64>)> {
    let seen = stage.seen("job").into_iter().map(|(_, _, object)| {
        let status = Status::parse(&object["status"]);
        (status.lifecycle, status.job, status.generation)
    });
    let mut states: Vec<_> = seen.collect();
    states.dedup();
    states
}

fn state(lifecycle: &str, job: &str, generation: i64) -> (String, String, Option<i64>) {
    (lifecycle.into(), job.into(), Some(generation))
}

/// Operator 1.7.0: the generation acted upon stays that of the suspension. 1.15 does the same by its code.
#[tokio::test(start_paused = true)]
async fn a_change_is_not_looked_at_until_the_job_runs_again() {
    for mode in MODES {
        let stage = suspended(mode).await;
        stage.patch(FlinkSessionJob, "job", json!({"job": {"parallelism": 2}}));
        stage.run(60.0).await;
        assert_eq!(states(&stage), [state("SUSPENDED", "FINISHED", 2)], "{mode:?}");
        stage.patch(FlinkSessionJob, "job", json!({"job": {"state": "running"}}));
        stage.run(60.0).await;
        assert_eq!(states(&stage).last(), Some(&state("STABLE", "RUNNING", 4)), "{mode:?}");
        let job = stage.job(FlinkSessionJob, "job");
        assert!(job.parallelism == 2 && job.restored_from.is_some(), "{mode:?}: {job:?}");
    }
}

/// Operator 1.7.0 keeps the id of a suspended session job, and says that Flink knows it no more once its
/// cluster has restarted; it is resumed with its state all the same. 1.15.0 takes the id away.
#[tokio::test(start_paused = true)]
async fn a_change_of_its_cluster_makes_an_old_operator_miss_it() {
    for mode in MODES {
        let stage = suspended(mode).await;
        stage.patch(FlinkDeployment, "sess", json!({"taskManager": {"resource": {"memory": "1100m"}}}));
        stage.run(60.0).await;
        let missed = [state("SUSPENDED", "RECONCILING", 2)];
        let expected = if mode == OperatorMode::V1_7 { &missed[..] } else { &[] };
        assert_eq!(states(&stage), expected, "{mode:?}");
        let error = stage.text(FlinkSessionJob, "job", "/status/error");
        assert_eq!(error.contains("Missing Session Job"), mode == OperatorMode::V1_7, "{mode:?}: {error}");

        stage.mark();
        stage.patch(FlinkSessionJob, "job", json!({"job": {"state": "running"}}));
        stage.run(60.0).await;
        assert_eq!(states(&stage).last(), Some(&state("STABLE", "RUNNING", 3)), "{mode:?}");
        assert!(stage.job(FlinkSessionJob, "job").restored_from.is_some(), "{mode:?}");
        assert_eq!(stage.text(FlinkSessionJob, "job", "/status/error"), "", "{mode:?}");
    }
}

/// Operator 1.7.0 says nothing of a job's state before it is submitted, and keeps the old word meanwhile.
#[tokio::test(start_paused = true)]
async fn an_old_operator_keeps_the_word_of_a_job_that_it_submits() {
    let stage = suspended(OperatorMode::V1_7).await;
    stage.patch(FlinkSessionJob, "job", json!({"job": {"state": "running"}}));
    stage.run(60.0).await;
    let expected = [
        state("SUSPENDED", "FINISHED", 2),
        state("UPGRADING", "FINISHED", 3),
        state("DEPLOYED", "RECONCILING", 3),
    ];
    assert_eq!(states(&stage)[..3], expected);
}

/// Operator 1.7.0.
#[tokio::test(start_paused = true)]
async fn an_old_operator_refuses_the_last_state_of_a_session_job() {
    let stage = Stage::new(OperatorMode::V1_7);
    stage.session("sess", json!({}));
    stage.run(40.0).await;
    stage.session_job("job", "sess", json!({}));
    stage.run(40.0).await;
    stage.mark();
    stage.patch(FlinkSessionJob, "job", json!({"job": {"upgradeMode": "last-state", "parallelism": 2}}));
    stage.run(20.0).await;
    assert_eq!(states(&stage), [state("STABLE", "RUNNING", 1)]);
    let error = stage.text(FlinkSessionJob, "job", "/status/error");
    assert!(error.contains("The LAST_STATE upgrade mode is not supported in session job now."), "{error}");
}
