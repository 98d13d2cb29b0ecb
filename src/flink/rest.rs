//! What Flink's own REST API says of a cluster, as far as flinkops asks it.
//!
//! Source: Flink's documentation of the REST API, `/jobs/overview`.

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
    fn another_answer_is_none() {
        for answer in [json!({}), json!({"jobs": [{"jid": "1"}]}), json!({"errors": ["Not found."]})] {
            assert_eq!(running(&answer), None, "{answer}");
        }
    }
}
