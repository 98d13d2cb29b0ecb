//! Session jobs that are left to high availability while their cluster changes (S15).

use flinkops::flink::kind::Kind::FlinkSessionJob;
use flinkops::sim::OperatorMode;

use super::world::World;
use super::{MODES, everything_runs, position};

const SESSION: &str = "jobs/orders-session/job.yaml";
const LEFT: &str = "\npolicy: {clusterChange: ha}\nspec:";

/// Everything runs, the session cluster with high availability.
async fn available(mode: OperatorMode) -> World {
    let mut world = everything_runs(mode).await;
    let configuration = "  flinkConfiguration:\n    high-availability.type: kubernetes\n    \
                         high-availability.storageDir: s3://orders-staging/ha\n";
    world.edit(SESSION, "  flinkConfiguration:\n", configuration);
    world.edit("jobs/fraud-scores/job.yaml", "\nspec:", LEFT);
    let log = world.settle().await;
    assert!(log.iter().any(|line| line.starts_with("fraud-scores: stops with a savepoint")), "{log:#?}");
    world
}

#[tokio::test(start_paused = true)]
async fn s15_a_job_that_is_left_to_high_availability_is_not_touched_and_comes_back_from_its_checkpoint() {
    for mode in MODES {
        let mut world = available(mode).await;
        tokio::time::sleep(std::time::Duration::from_secs(300)).await;
        let (starts, records) = (world.job("fraud-scores").starts, world.job("fraud-scores").records);
        world.edit(SESSION, "spec:", "spec:\n  restartNonce: 1");
        let log = world.settle().await;
        assert!(!log.iter().any(|line| line.starts_with("fraud-scores")), "{mode:?}: {log:#?}");
        let stops = position(&log, "delivery-times: stops with a savepoint");
        assert!(stops < position(&log, "orders-session: restarts the session cluster"), "{log:#?}");
        let job = world.job("fraud-scores");
        assert_eq!((job.state, job.starts), ("RUNNING", starts + 1));
        assert!(job.restored_from.is_some_and(|path| path.contains("/chk-")));
        // Settled after its cluster: it counts again from its last checkpoint.
        assert!(job.records + 60 * 200 > records, "{} after {records}", job.records);
        assert_eq!(world.settle().await, [] as [String; 0], "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn s15_a_job_that_changes_with_its_cluster_is_stopped_with_a_savepoint_all_the_same() {
    for mode in MODES {
        let mut world = available(mode).await;
        let records = world.job("fraud-scores").records;
        world.edit(SESSION, "spec:", "spec:\n  restartNonce: 1");
        world.edit("jobs/fraud-scores/job.yaml", "parallelism: 2", "parallelism: 1");
        let log = world.settle().await;
        assert!(
            position(&log, "fraud-scores: stops") < position(&log, "orders-session: restarts"),
            "{log:#?}"
        );
        let (job, ledger) = (world.job("fraud-scores"), world.ledger(FlinkSessionJob, "fraud-scores"));
        assert_eq!(job.restored_from.as_ref(), Some(&ledger.savepoints[0].path), "{mode:?}");
        assert!(job.records >= records);
    }
}
