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
/// savepoint, and the path is real: not the dummy, and not the path `before` the suspend.
pub fn of_stopped(status: &Status, generation: i64, before: Option<&str>) -> Option<String> {
    let last = status.last_reconciled.as_ref()?;
    let stopped = status.generation == Some(generation)
        && status.lifecycle == "SUSPENDED"
        && last.job_state.as_deref() == Some("suspended")
        && last.upgrade_mode.as_deref() == Some("savepoint");
    let path = status.savepoint.as_deref().filter(|path| *path != LAST_STATE_DUMMY)?;
    let fresh = before.is_none_or(|before| normalise(before) != normalise(path));
    (stopped && fresh).then(|| path.to_owned())
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
    fn paths_are_compared_normalised() {
        assert_eq!(normalise("file:/a/b"), normalise("file:///a/b/"));
        assert_ne!(normalise("s3://a/b"), normalise("s3://a/c"));
    }
}
