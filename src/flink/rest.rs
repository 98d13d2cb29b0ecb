//! What Flink's own REST API says of a cluster, as far as flinkops asks it.
//!
//! Source: Flink's documentation of the REST API, `/jobs/overview` and `/jobs/:jobid/checkpoints`.

use jiff::Timestamp;
use serde_json::Value;

use super::kind::UnitKey;

/// Where a cluster lists its jobs.
pub const JOBS: &str = "/jobs/overview";

/// States in which a job is over and holds nothing (`JobStatus.isGloballyTerminalState`).
const OVER: [&str; 3] = ["FINISHED", "CANCELED", "FAILED"];

/// A job that a cluster runs, or tries to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningJob {
    /// The job's id.
    pub id: String,
    /// The name its program gave it.
    pub name: String,
    /// Flink's word for its state.
    pub state: String,
}

/// Where a cluster tells of a job's checkpoints.
pub fn checkpoints(job: &str) -> String {
    format!("/jobs/{job}/checkpoints")
}

/// A checkpoint that a job has completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where it is.
    pub path: String,
    /// When it was begun.
    pub time: Timestamp,
}

/// What a cluster tells of the state of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobState {
    /// Its newest completed checkpoint that can be restored by its path; a savepoint is none.
    pub checkpoint: Option<Checkpoint>,
    /// What it was restored from; `None` for an empty start.
    pub restored: Option<String>,
}

/// The state of a job in the answer of [`checkpoints`]; `None` where it is no such answer.
pub fn job_state(answer: &Value) -> Option<JobState> {
    let latest = answer.get("latest").filter(|_| answer.get("counts").is_some())?;
    // Flink says `<checkpoint-not-externally-addressable>` of one that lies nowhere.
    let path =
        |of: &Value| of.get("external_path")?.as_str().filter(|it| !it.starts_with('<')).map(str::to_owned);
    let completed =
        latest.get("completed").filter(|it| it["is_savepoint"] != true && it["discarded"] != true);
    let checkpoint = completed.and_then(|completed| {
        let time = Timestamp::from_millisecond(completed.get("trigger_timestamp")?.as_i64()?).ok()?;
        Some(Checkpoint { path: path(completed)?, time })
    });
    Some(JobState { checkpoint, restored: latest.get("restored").and_then(path) })
}

/// The Service behind which the operator puts a cluster's REST API; its port is called `rest`.
pub fn service(cluster: &UnitKey) -> String {
    format!("{}-rest", cluster.name)
}

/// The jobs in the answer of [`JOBS`] that are not over; `None` where it is no such answer.
pub fn running(answer: &Value) -> Option<Vec<RunningJob>> {
    let job = |job: &Value| {
        let text = |field: &str| job.get(field).and_then(Value::as_str).map(str::to_owned);
        Some(RunningJob { id: text("jid")?, name: text("name")?, state: text("state")? })
    };
    let jobs: Option<Vec<RunningJob>> = answer.get("jobs")?.as_array()?.iter().map(job).collect();
    Some(jobs?.into_iter().filter(|job| !OVER.contains(&job.state.as_str())).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn jobs_that_are_over_do_not_count() {
        let job = |id: &str, state: &str| json!({"jid": id, "name": "a", "state": state, "start-time": 1, "tasks": {}});
        let states = ["RUNNING", "FINISHED", "RESTARTING", "CANCELED", "FAILED", "SUSPENDED"];
        let answer = json!({"jobs": states.map(|state| job(state, state))});
        let ids: Vec<String> = running(&answer).unwrap().into_iter().map(|job| job.id).collect();
        assert_eq!(ids, ["RUNNING", "RESTARTING", "SUSPENDED"]);
    }

    #[test]
    fn a_jobs_newest_checkpoint_is_no_savepoint_and_lies_somewhere() {
        let told = |completed: Value| {
            let restored = json!({"id": 3, "restore_timestamp": 5, "is_savepoint": true, "external_path": "s3://b/sp/1"});
            let latest =
                json!({"completed": completed, "savepoint": null, "failed": null, "restored": restored});
            job_state(&json!({"counts": {"completed": 1}, "latest": latest})).expect("an answer")
        };
        let completed = json!({"id": 7, "status": "COMPLETED", "is_savepoint": false, "trigger_timestamp": 7000,
            "discarded": false, "external_path": "s3://b/cp/1/chk-7"});
        let time = Timestamp::from_second(7).unwrap();
        let state = told(completed.clone());
        assert_eq!(state.checkpoint, Some(Checkpoint { path: "s3://b/cp/1/chk-7".into(), time }));
        assert_eq!(state.restored.as_deref(), Some("s3://b/sp/1"));
        for (field, value) in [
            ("is_savepoint", json!(true)),
            ("discarded", json!(true)),
            ("external_path", json!("<checkpoint-not-externally-addressable>")),
        ] {
            let mut completed = completed.clone();
            completed[field] = value;
            assert_eq!(told(completed).checkpoint, None, "{field}");
        }
        assert_eq!(told(Value::Null).checkpoint, None, "there is none yet");
        let empty = json!({"counts": {}, "latest": {"completed": null, "restored": null}});
        assert_eq!(job_state(&empty), Some(JobState::default()));
        assert_eq!(job_state(&json!({"errors": ["Job could not be found."]})), None);
    }

    #[test]
    fn another_answer_is_none() {
        for answer in [json!({}), json!({"jobs": [{"jid": "1"}]}), json!({"errors": ["Not found."]})] {
            assert_eq!(running(&answer), None, "{answer}");
        }
    }
}
