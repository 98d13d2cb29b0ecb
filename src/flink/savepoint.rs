//! What counts as a savepoint (S8).

use super::status::Status;

/// What the operator writes where it would restore from high-availability metadata: not a path.
pub const LAST_STATE_DUMMY: &str = "KUBERNETES_OPERATOR_LAST_STATE";

/// One spelling for a path: `file:/a`, `file:///a` and `/a` are the same place.
pub fn normalise(path: &str) -> String {
    let path = path.strip_prefix("file:").map_or(path, |rest| {
        let slashes = rest.len() - rest.trim_start_matches('/').len();
        &rest[slashes.saturating_sub(1)..]
    });
    path.trim_end_matches('/').to_owned()
}

/// The savepoint that a stopped job was stopped with, if it is one that counts.
///
/// It counts only when the operator's last reconciled spec, of this very generation, says suspended by
/// savepoint, and the path is real: not the dummy, not the path `before` the suspend, and not a checkpoint
/// unless the job failed or was cancelled, since Flink discards those of one that finished. Operator 1.7.0
/// was seen to put one in the place of the savepoint just taken, when Flink answered it from its cache.
pub fn of_stopped(status: &Status, generation: i64, before: Option<&str>) -> Option<String> {
    let last = status.last_reconciled.as_ref()?;
    let stopped = status.generation == Some(generation)
        && status.lifecycle == "SUSPENDED"
        && last.job_state.as_deref() == Some("suspended")
        && last.upgrade_mode.as_deref() == Some("savepoint");
    let path = status.savepoint.as_deref().filter(|path| *path != LAST_STATE_DUMMY)?;
    let fresh = before.is_none_or(|before| normalise(before) != normalise(path));
    let discarded = is_checkpoint(path) && !matches!(status.job.as_str(), "FAILED" | "CANCELED");
    (stopped && fresh && !discarded).then(|| path.to_owned())
}

/// Whether Flink gave this path to a checkpoint of its own: those end in `chk-<number>`.
pub fn is_checkpoint(path: &str) -> bool {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    name.strip_prefix("chk-").is_some_and(|number| number.parse::<u64>().is_ok())
}

/// Whether Flink of one version (`v1_20`) reads a savepoint that another took: an older one does not. What
/// cannot be compared is left for Flink to tell.
pub fn is_readable(taken: &str, by: &str) -> bool {
    let number = |version: &str| {
        let (major, minor) = version.strip_prefix('v')?.split_once('_')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    number(taken).zip(number(by)).is_none_or(|(taken, by)| taken <= by)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn suspended(mode: &str, path: &str) -> Status {
        let last = format!(r#"{{"spec":{{"job":{{"state":"suspended","upgradeMode":"{mode}"}}}}}}"#);
        Status::parse(&json!({"observedGeneration": 2, "lifecycleState": "SUSPENDED",
            "jobStatus": {"state": "FINISHED", "upgradeSavepointPath": path},
            "reconciliationStatus": {"lastReconciledSpec": last}}))
    }

    #[test]
    fn s8_a_fresh_path_of_this_generation_counts() {
        let status = suspended("savepoint", "file:/sp/2");
        assert_eq!(of_stopped(&status, 2, Some("file:///sp/1")).as_deref(), Some("file:/sp/2"));
        assert_eq!(of_stopped(&status, 3, Some("file:///sp/1")), None, "another generation");
    }

    #[test]
    fn s8_the_dummy_the_old_path_and_last_state_do_not_count() {
        assert_eq!(of_stopped(&suspended("savepoint", LAST_STATE_DUMMY), 2, None), None);
        assert_eq!(of_stopped(&suspended("savepoint", "file:/sp/1"), 2, Some("file:///sp/1/")), None);
        assert_eq!(of_stopped(&suspended("last-state", "file:/sp/2"), 2, None), None);
    }

    #[test]
    fn s8_a_checkpoint_of_a_finished_job_does_not_count() {
        let mut status = suspended("savepoint", "file:/cp/1fd122aeba054dcd0000000000000002/chk-8");
        assert_eq!(of_stopped(&status, 2, None), None);
        status.job = "RECONCILING".into();
        assert_eq!(of_stopped(&status, 2, None), None, "its cluster has restarted since");
        status.job = "FAILED".into();
        assert!(of_stopped(&status, 2, None).is_some(), "what a failed job retained is still there");
    }

    #[test]
    fn paths_are_compared_normalised() {
        assert_eq!(normalise("file:/a/b"), normalise("file:///a/b/"));
        assert_ne!(normalise("s3://a/b"), normalise("s3://a/c"));
    }
}
