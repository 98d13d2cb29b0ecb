//! What a `FlinkStateSnapshot` is to the operator: taken once, and cleaned up with what it holds.

use serde_json::Value;

use super::health::{Health, Verdict};
use super::status::Status;

/// Where a snapshot says whether its savepoint goes with it; absent means that it does.
pub const DISPOSES: &str = "/spec/savepoint/disposeOnDelete";

/// Judges one read of a snapshot (`FlinkStateSnapshotStatus.State`).
pub fn judge(status: &Status) -> Verdict {
    let (health, message) = match status.lifecycle.as_str() {
        "COMPLETED" => (Health::Settled, status.lifecycle.clone()),
        "" => (Health::Progressing, "the operator has not acted on it yet".to_owned()),
        state => {
            let failed = matches!(state, "FAILED" | "ABANDONED");
            let health = if failed { Health::Failed } else { Health::Progressing };
            let error = status.error.as_deref().and_then(|error| error.lines().next());
            (health, error.map_or_else(|| state.to_owned(), |error| format!("{state}: {error}")))
        }
    };
    Verdict { health, message }
}

/// Whether the operator is done with it, for good or not: one that is deleted before hangs for ever
/// (`StateSnapshotReconciler.cleanup` of 1.15.0, and FLINK-37766).
pub fn is_over(status: &Status) -> bool {
    matches!(status.lifecycle.as_str(), "COMPLETED" | "FAILED" | "ABANDONED")
}

/// The savepoint that the operator deletes when it deletes a snapshot with this spec: what the snapshot led to,
/// unless the spec says `disposeOnDelete: false`. A checkpoint is Flink's own, and a savepoint that names no job is
/// left.
pub fn disposed<'s>(spec: &Value, status: &'s Status) -> Option<&'s str> {
    let savepoint = spec.get("savepoint").filter(|savepoint| savepoint.is_object())?;
    let disposes = savepoint.get("disposeOnDelete") != Some(&Value::Bool(false));
    let of_job = spec.get("jobReference").is_some_and(Value::is_object);
    status.savepoint.as_deref().filter(|_| disposes && of_job && status.lifecycle == "COMPLETED")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(state: &str) -> Status {
        Status::parse(&json!({"state": state, "path": "s3://a/savepoint-1", "error": "no\nmore"}))
    }

    #[test]
    fn a_snapshot_is_settled_once_it_is_complete() {
        for (state, health, message) in [
            ("COMPLETED", Health::Settled, "COMPLETED"),
            ("TRIGGER_PENDING", Health::Progressing, "TRIGGER_PENDING: no"),
            ("IN_PROGRESS", Health::Progressing, "IN_PROGRESS: no"),
            ("FAILED", Health::Failed, "FAILED: no"),
            ("ABANDONED", Health::Failed, "ABANDONED: no"),
        ] {
            let verdict = judge(&status(state));
            assert_eq!((verdict.health, verdict.message.as_str()), (health, message), "{state}");
            assert_eq!(is_over(&status(state)), health != Health::Progressing, "{state}");
        }
        assert_eq!(judge(&Status::default()).health, Health::Progressing);
    }

    #[test]
    fn a_savepoint_goes_with_its_snapshot_unless_it_says_otherwise() {
        let job = json!({"kind": "FlinkDeployment", "name": "a"});
        let of = |spec: &Value, state| disposed(spec, &status(state)).map(str::to_owned);
        let path = Some("s3://a/savepoint-1".to_owned());
        assert_eq!(of(&json!({"jobReference": job, "savepoint": {}}), "COMPLETED"), path);
        assert_eq!(
            of(&json!({"jobReference": job, "savepoint": {"disposeOnDelete": true}}), "COMPLETED"),
            path
        );
        assert_eq!(
            of(&json!({"jobReference": job, "savepoint": {"disposeOnDelete": false}}), "COMPLETED"),
            None
        );
        assert_eq!(of(&json!({"jobReference": job, "savepoint": {}}), "FAILED"), None);
        assert_eq!(of(&json!({"savepoint": {"alreadyExists": true}}), "COMPLETED"), None);
        assert_eq!(of(&json!({"jobReference": job, "checkpoint": {}}), "COMPLETED"), None);
    }
}
