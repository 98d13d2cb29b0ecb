//! What each way of upgrading does to the records a job has counted.

use flinkops::flink::kind::Kind::{self, FlinkDeployment, FlinkSessionJob};
use flinkops::sim::OperatorMode;
use flinkops::sim::operator::JobView;
use serde_json::{Value, json};

use super::stage::{Stage, unit};

/// The kinds with a job.
const KINDS: [Kind; 2] = [FlinkDeployment, FlinkSessionJob];

const MODES: [OperatorMode; 2] = [OperatorMode::V1_7, OperatorMode::V1_15];
const HIGH_AVAILABILITY: &str = "high-availability.type";

/// One job, and what it had counted before and after a change.
struct Change {
    stage: Stage,
    kind: Kind,
    before: JobView,
    after: JobView,
}

impl Change {
    /// Changes a running job and lets it come to rest.
    async fn of(mode: OperatorMode, kind: Kind, at_first: Value, then: Value) -> Self {
        let stage = Stage::new(mode);
        if kind == FlinkSessionJob {
            stage.session("sess", json!({}));
            stage.run(40.0).await;
            stage.session_job("job", "sess", at_first);
        } else {
            stage.application("job", at_first);
        }
        stage.run(90.0).await;
        let before = stage.job(kind, "job");
        stage.patch(kind, "job", then);
        stage.run(50.0).await;
        let after = stage.job(kind, "job");
        assert_eq!(after.state, "RUNNING");
        Self { stage, kind, before, after }
    }

    fn status(&self, pointer: &str) -> String {
        self.stage.text(self.kind, "job", pointer)
    }
}

fn upgrade_mode(mode: &str) -> Value {
    json!({"job": {"upgradeMode": mode}})
}

fn restart() -> Value {
    json!({"restartNonce": 1})
}

#[tokio::test(start_paused = true)]
async fn savepoint_keeps_every_record() {
    for mode in MODES {
        for kind in KINDS {
            let change = Change::of(mode, kind, upgrade_mode("savepoint"), restart()).await;
            let path = change.after.restored_from.clone().unwrap();
            let snapshot = &change.stage.disk()[&path];
            assert!(snapshot.savepoint && snapshot.records >= change.before.records, "{mode:?} {kind}");
            assert!(change.after.records > snapshot.records);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stateless_drops_every_record() {
    for mode in MODES {
        for kind in KINDS {
            let change = Change::of(mode, kind, upgrade_mode("stateless"), restart()).await;
            assert_eq!(change.after.restored_from, None, "{mode:?} {kind}");
            assert_eq!(change.after.starts, 2);
            assert!(change.after.records < change.before.records);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn last_state_keeps_the_records_of_the_last_checkpoint() {
    for mode in MODES {
        for (kind, available) in [(FlinkDeployment, true), (FlinkDeployment, false), (FlinkSessionJob, false)]
        {
            // 1.7 refuses it.
            if (mode, kind) == (OperatorMode::V1_7, FlinkSessionJob) {
                continue;
            }
            let mut spec = upgrade_mode("last-state");
            if available {
                spec["flinkConfiguration"] = json!({HIGH_AVAILABILITY: "kubernetes"});
            }
            let change = Change::of(mode, kind, spec, restart()).await;
            let path = change.after.restored_from.clone().unwrap_or_default();
            assert!(path.contains("/chk-"), "{mode:?} {kind} {available}: {path}");
            assert!(change.after.records > change.before.records);
            assert!(change.stage.disk().values().all(|snapshot| !snapshot.savepoint), "no savepoint");
            let recorded = change.status("/status/reconciliationStatus/lastReconciledSpec");
            assert!(recorded.contains(r#""upgradeMode":"last-state""#), "{recorded}");
            if mode == OperatorMode::V1_15 {
                let path = change.status("/status/jobStatus/upgradeSavepointPath");
                assert_eq!(path == "KUBERNETES_OPERATOR_LAST_STATE", available, "{path}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_to_another_mode_goes_by_the_new_one() {
    for (from, to, kept) in [("stateless", "savepoint", true), ("savepoint", "stateless", false)] {
        let then = json!({"restartNonce": 1, "job": {"upgradeMode": to}});
        let change = Change::of(OperatorMode::V1_15, FlinkDeployment, upgrade_mode(from), then).await;
        assert_eq!(change.after.restored_from.is_some(), kept, "{from} to {to}");
    }
}

#[tokio::test(start_paused = true)]
async fn resuming_goes_by_the_mode_of_the_suspension_unless_stateless() {
    for (to, kept) in [("savepoint", true), ("last-state", true), ("stateless", false)] {
        for kind in KINDS {
            let suspended = json!({"job": {"state": "suspended"}});
            let stage = Stage::modern();
            stage.session("sess", json!({}));
            stage.run(40.0).await;
            match kind {
                FlinkSessionJob => stage.session_job("job", "sess", json!({})),
                _ => stage.application("job", json!({})),
            }
            stage.run(60.0).await;
            stage.patch(kind, "job", suspended);
            stage.run(20.0).await;
            stage.patch(kind, "job", json!({"job": {"state": "running", "upgradeMode": to}}));
            stage.run(60.0).await;
            let job = stage.job(kind, "job");
            assert_eq!((job.state, job.restored_from.is_some()), ("RUNNING", kept), "{kind} {to}: {job:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_redeploy_replaces_the_records_by_those_of_the_named_savepoint() {
    for kind in KINDS {
        let stage = Stage::modern();
        stage.sim.operator().keep_savepoint(&unit(kind, "job"), "file:///data/savepoints/given", 1_000_000);
        stage.session("sess", json!({}));
        stage.run(40.0).await;
        match kind {
            FlinkSessionJob => stage.session_job("job", "sess", json!({})),
            _ => stage.application("job", json!({})),
        }
        stage.run(60.0).await;
        assert!(stage.job(kind, "job").records < 1_000_000);
        let job =
            json!({"savepointRedeployNonce": 1, "initialSavepointPath": "file:///data/savepoints/given"});
        stage.patch(kind, "job", json!({"job": job}));
        stage.run(60.0).await;
        let job = stage.job(kind, "job");
        assert!(job.state == "RUNNING" && job.records > 1_000_000, "{kind}: {job:?}");
        assert_eq!(stage.text(kind, "job", "/status/lifecycleState"), "STABLE");
        stage.patch(kind, "job", json!({"job": {"initialSavepointPath": "file:///data/savepoints/other"}}));
        stage.run(60.0).await;
        assert_eq!(stage.job(kind, "job").starts, job.starts, "the path alone does nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_starts_from_the_savepoint_it_names() {
    for mode in MODES {
        let stage = Stage::new(mode);
        stage.sim.operator().keep_savepoint(
            &unit(FlinkDeployment, "job"),
            "file:/data/savepoints/given",
            5_000,
        );
        stage.application("job", json!({"job": {"initialSavepointPath": "file:///data/savepoints/given"}}));
        stage.run(60.0).await;
        assert!(stage.job(FlinkDeployment, "job").records > 5_000);
    }
}

#[tokio::test(start_paused = true)]
async fn scaling_in_place_restarts_nothing_and_counts_faster() {
    let overrides = |parallelism: u32| {
        json!({"flinkConfiguration": {
        "jobmanager.scheduler": "adaptive",
        "pipeline.jobvertex-parallelism-overrides": format!("vertex:{parallelism}")}})
    };
    let change = Change::of(OperatorMode::V1_15, FlinkDeployment, overrides(1), overrides(4)).await;
    assert_eq!((change.after.starts, change.after.parallelism, &change.after.restored_from), (1, 4, &None));
    let counted = change.after.records - change.before.records;
    assert!(counted > 3 * 50 * 100, "{counted} in 50 s");
    assert_eq!(change.status("/status/lifecycleState"), "STABLE");
    assert_eq!(change.status("/status/observedGeneration"), "2");
}

#[tokio::test(start_paused = true)]
async fn an_override_without_the_adaptive_scheduler_is_an_upgrade() {
    let overrides = |parallelism: u32| {
        json!({"flinkConfiguration": {
        "pipeline.jobvertex-parallelism-overrides": format!("vertex:{parallelism}")}})
    };
    let change = Change::of(OperatorMode::V1_15, FlinkDeployment, overrides(1), overrides(4)).await;
    assert_eq!((change.after.starts, change.after.parallelism), (2, 4));
    assert!(change.after.restored_from.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_batch_job_finishes_and_is_stable() {
    for mode in MODES {
        let stage = Stage::new(mode);
        stage.application("job", json!({"job": {"args": ["--bounded", "2000"], "upgradeMode": "stateless"}}));
        stage.run(90.0).await;
        let job = stage.job(FlinkDeployment, "job");
        assert_eq!((job.state, job.records), ("FINISHED", 2_000));
        assert_eq!(stage.text(FlinkDeployment, "job", "/status/lifecycleState"), "STABLE", "{mode:?}");
        assert_eq!(stage.text(FlinkDeployment, "job", "/status/jobStatus/state"), "FINISHED");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_job_leaves_a_savepoint_only_where_the_configuration_asks_for_one() {
    for (wanted, kind) in [(true, FlinkDeployment), (false, FlinkDeployment), (true, FlinkSessionJob)] {
        let stage = Stage::modern();
        stage.session("sess", json!({}));
        stage.run(40.0).await;
        let patch = json!({"flinkConfiguration": {"kubernetes.operator.job.savepoint-on-deletion": wanted.to_string()}});
        match kind {
            FlinkSessionJob => stage.session_job("job", "sess", patch),
            _ => stage.application("job", patch),
        }
        stage.run(60.0).await;
        stage.delete(&super::stage::key(kind, "job"));
        stage.run(20.0).await;
        assert!(stage.object(kind, "job").is_none() && stage.try_job(kind, "job").is_none());
        assert_eq!(stage.disk().values().any(|snapshot| snapshot.savepoint), wanted, "{kind}");
    }
}
