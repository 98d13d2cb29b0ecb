//! What only Flink knows of a job's state: what it was restored from, and the checkpoint that it is brought back
//! from where it could not be saved (S13).

use std::time::Duration;

use flinkops::plan::ledger::Reason;
use flinkops::spec::Desired;
use serde_json::json;

use super::strangers::asking;
use super::world::{World, cluster_spec, deployment, repository, session_job, session_job_spec};

fn sessions(revision: &str, memory: &str, parallelism: i64) -> Desired {
    let mut job = session_job_spec("sessions", parallelism);
    job["flinkConfiguration"] = json!({"execution.checkpointing.interval": "10 s"});
    let units =
        [(deployment("sessions"), cluster_spec(memory), vec![]), (session_job("clicks"), job, vec![])];
    let mut desired = repository(revision, &units);
    desired.units.values_mut().for_each(|unit| unit.policy.repair = true);
    desired
}

async fn after_a_while() {
    tokio::time::sleep(Duration::from_secs(100)).await;
}

#[tokio::test(start_paused = true)]
async fn s9_s13_a_job_that_failed_is_brought_back_from_the_checkpoint_its_old_cluster_told_of() {
    let world = asking("proxy");
    let job = session_job("clicks");
    world.settle(&sessions("r1", "1024m", 1)).await;
    world.settle(&sessions("r2", "1024m", 2)).await;
    let savepoint = world.ledger(&job).expect("a ledger").savepoints[0].clone();
    after_a_while().await;
    let counted = world.records(&job);
    world.sim.operator().fail_job(&job, world.sim.now());
    after_a_while().await;
    world.settle(&sessions("r3", "2048m", 2)).await;
    let ledger = world.ledger(&job).expect("a ledger");
    let checkpoint = ledger.savepoints.iter().find(|point| point.reason == Reason::Checkpoint);
    let checkpoint = checkpoint.unwrap_or_else(|| panic!("{ledger:#?}\n{}", world.progress.text()));
    assert!(checkpoint.time > savepoint.time && !checkpoint.last, "S16: it is no end of the job's");
    let restored = world.job(&job).expect("it runs");
    assert_eq!((restored.state, restored.restored_from.as_ref()), ("RUNNING", Some(&checkpoint.path)));
    let at = world.sim.operator().disk()[&checkpoint.path].records;
    assert!(counted - at <= 10 * 2 * 100, "at most one interval is lost: {counted}, and then {at}");
    assert!(world.progress.contains("records its last checkpoint"), "{}", world.progress.text());
}

#[tokio::test(start_paused = true)]
async fn flink_tells_what_a_job_was_restored_from_and_its_newest_checkpoint() {
    let world = asking("proxy");
    let job = session_job("clicks");
    let state = async |world: &World| {
        let live = world.cluster.observe(&flinkops::cluster::Scope::of(&sessions("r1", "", 1))).await;
        let asked = live.expect("the cluster answers").job_ref(&job);
        world.cluster.ask_state(asked).await.remove(&job).expect("asked").expect("answered")
    };
    world.settle(&sessions("r1", "1024m", 1)).await;
    after_a_while().await;
    let first = state(&world).await;
    assert_eq!(first.restored, None);
    let path = first.checkpoint.expect("one was completed").path;
    assert!(path.starts_with("s3://b/cp/") && path.contains("/chk-"), "{path}");
    world.settle(&sessions("r2", "1024m", 2)).await;
    let restored = world.job(&job).expect("it runs").restored_from;
    assert!(restored.is_some());
    assert_eq!(state(&world).await.restored, restored);
}
