//! What only Flink knows of a job's state: what it was restored from, and the checkpoint that it is brought back
//! from where it could not be saved (S13).

use std::time::Duration;

use flinkops::plan::ledger::Reason;
use flinkops::sim::Options;
use flinkops::sim::operator::Behaviour;
use flinkops::spec::Desired;
use flinkops::spec::policy::Mode;
use serde_json::{Value, json};

use super::running::{Running, Shelf};
use super::strangers::asking;
use super::world::{World, cluster_spec, deployment, repository, session_job, session_job_spec};

fn sessions(revision: &str, memory: &str, parallelism: i64) -> Desired {
    with_interval("10 s", revision, memory, parallelism)
}

fn with_interval(interval: &str, revision: &str, memory: &str, parallelism: i64) -> Desired {
    let retention = "execution.checkpointing.externalized-checkpoint-retention";
    let configuration =
        json!({"execution.checkpointing.interval": interval, retention: "RETAIN_ON_CANCELLATION"});
    configured(configuration, revision, memory, parallelism)
}

fn configured(configuration: Value, revision: &str, memory: &str, parallelism: i64) -> Desired {
    let mut job = session_job_spec("sessions", parallelism);
    job["flinkConfiguration"] = configuration;
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

/// What Flink does by itself, and the operator leaves alone on session clusters.
#[tokio::test(start_paused = true)]
async fn s9_s13_a_checkpoint_that_went_with_its_job_is_no_restore_point() {
    let interval = json!({"execution.checkpointing.interval": "10 s"});
    let sessions = |revision: &str, memory: &str, parallelism| {
        configured(interval.clone(), revision, memory, parallelism)
    };
    let world = asking("proxy");
    let job = session_job("clicks");
    world.settle(&sessions("r1", "1024m", 1)).await;
    world.settle(&sessions("r2", "1024m", 2)).await;
    let savepoint = world.ledger(&job).expect("a ledger").savepoints[0].clone();
    after_a_while().await;
    world.sim.operator().fail_job(&job, world.sim.now());
    after_a_while().await;
    world.settle(&sessions("r3", "2048m", 2)).await;
    let ledger = world.ledger(&job).expect("a ledger");
    assert!(ledger.savepoints.iter().all(|point| point.reason != Reason::Checkpoint), "{ledger:#?}");
    let restored = world.job(&job).expect("it runs");
    assert_eq!((restored.state, restored.restored_from), ("RUNNING", Some(savepoint.path)));
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

fn edited(mut desired: Desired, edit: impl FnOnce(&mut Value)) -> Desired {
    edit(&mut desired.units.get_mut(&session_job("clicks")).expect("it is there").manifest["spec"]);
    desired
}

#[tokio::test(start_paused = true)]
async fn s9_the_newest_checkpoint_is_on_record_before_a_job_is_stopped_and_gone_with_its_savepoint() {
    let world = asking("proxy");
    let job = session_job("clicks");
    world.settle(&sessions("r1", "1024m", 1)).await;
    after_a_while().await;
    assert_eq!(world.ledger(&job).expect("a ledger").checkpoint, None, "nobody asks through the API server");
    world.progress.clear();
    world.settle(&sessions("r2", "1024m", 2)).await;
    let told = world.progress.text();
    let at = |part: &str| {
        told.lines().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {told}"))
    };
    assert!(at("records its newest checkpoint, s3://b/cp/") < at("upgrades from savepoint"), "{told}");
    assert_eq!(world.progress.count("records its newest checkpoint"), 1, "{told}");
    let ledger = world.ledger(&job).expect("a ledger");
    assert_eq!((ledger.checkpoint, ledger.savepoints.len()), (None, 1), "a savepoint is better");
}

#[tokio::test(start_paused = true)]
async fn s9_what_flink_does_not_retain_is_never_on_record() {
    let world = asking("proxy");
    let at = |revision: &str, parallelism: i64| {
        edited(sessions(revision, "1024m", parallelism), |spec| {
            let retention = "execution.checkpointing.externalized-checkpoint-retention";
            spec["flinkConfiguration"][retention] = json!("DELETE_ON_CANCELLATION");
        })
    };
    world.settle(&at("r1", 1)).await;
    after_a_while().await;
    world.settle(&at("r2", 2)).await;
    assert!(!world.progress.contains("newest checkpoint"), "{}", world.progress.text());
    assert!(
        !world.sim.requests().iter().any(|request| request.path.ends_with("/checkpoints")),
        "nor asked for"
    );
}

#[tokio::test(start_paused = true)]
async fn a_flink_out_of_reach_is_told_once_and_holds_nothing_up() {
    let world = asking("http://127.0.0.1:9/{name}");
    world.settle(&sessions("r1", "1024m", 1)).await;
    world.progress.clear();
    world.settle(&sessions("r2", "1024m", 2)).await;
    assert_eq!(world.progress.count("Flink is silent on flink/FlinkSessionJob/clicks"), 1);
    assert_eq!(world.ledger(&session_job("clicks")).expect("a ledger").checkpoint, None);
}

/// A job without any savepoint, which could not be stopped with one and is lost afterwards.
async fn lost_without_a_savepoint(interval: &str) -> World {
    let world = asking("proxy");
    let job = session_job("clicks");
    world.settle(&with_interval(interval, "r1", "1024m", 1)).await;
    tokio::time::sleep(Duration::from_secs(25 * 60)).await;
    world.sim.operator().set_behaviour(&job, Behaviour::Fail);
    let outcome = world.apply(&with_interval(interval, "r2", "1024m", 2)).await;
    assert!(!outcome.is_settled(), "{outcome:?}");
    assert!(world.ledger(&job).expect("a ledger").savepoints.is_empty());
    world.sim.operator().set_behaviour(&job, Behaviour::Works);
    world.sim.operator().crash_job_manager(&deployment("sessions"), world.sim.now());
    after_a_while().await;
    world
}

#[tokio::test(start_paused = true)]
async fn s13_a_lost_job_without_a_savepoint_is_restored_from_the_checkpoint_that_was_seen() {
    let world = lost_without_a_savepoint("20 min").await;
    let job = session_job("clicks");
    let seen = world.ledger(&job).expect("a ledger").checkpoint.expect("it was seen").path;
    world.progress.clear();
    world.settle(&with_interval("20 min", "r3", "1024m", 3)).await;
    let restored = world.job(&job).expect("it runs");
    assert_eq!((restored.state, restored.restored_from.as_ref()), ("RUNNING", Some(&seen)));
    assert!(restored.records >= 20 * 60 * 100, "{}", restored.records);
    let ledger = world.ledger(&job).expect("a ledger");
    assert_eq!(ledger.checkpoint.map(|it| it.path), Some(seen), "the way back if it is lost once more");
}

#[tokio::test(start_paused = true)]
async fn s13_a_checkpoint_that_is_gone_costs_no_state_and_the_one_that_is_there_is_restored_by_its_name() {
    let world = lost_without_a_savepoint("10 s").await;
    let job = session_job("clicks");
    let ledger = world.ledger(&job).expect("a ledger");
    let seen = ledger.checkpoint.expect("it was seen").path;
    let there: Vec<String> = world.sim.operator().disk().keys().cloned().collect();
    assert!(there.len() == 1 && there[0] != seen, "{there:?}");
    let outcome = world.apply(&sessions("r3", "1024m", 3)).await;
    let told = format!("{outcome:?}");
    assert!(!outcome.is_settled() && told.contains("Cannot find checkpoint or savepoint"), "{told}");
    let named = edited(sessions("r4", "1024m", 3), |spec| {
        spec["job"]["initialSavepointPath"] = json!(there[0]);
        spec["job"]["savepointRedeployNonce"] = json!(1);
    });
    world.settle(&named).await;
    let restored = world.job(&job).expect("it runs");
    assert_eq!((restored.state, restored.restored_from.as_ref()), ("RUNNING", Some(&there[0])));
}

/// On the wall clock, and on a cluster with a socket: Flink is asked directly.
#[tokio::test]
async fn s9_a_daemon_asks_flink_now_and_then_and_writes_one_checkpoint_down() {
    let world = World::of(Options { time_scale: 0.05, ..Options::default() });
    let address = world.sim.listen(([127, 0, 0, 1], 0).into()).await.expect("a port");
    let way = format!("http://{address}/api/v1/namespaces/{{namespace}}/services/{{name}}-rest:rest/proxy");
    let world = World { cluster: world.cluster.with_flink(Some(way.parse().expect("a way"))), ..world };
    let shelf = std::sync::Arc::new(Shelf::default());
    shelf.push(sessions("r1", "1024m", 1));
    let running = Running::on(world, shelf, Mode::Enforce).await;
    let job = session_job("clicks");
    while running.world.ledger(&job).is_none_or(|ledger| ledger.checkpoint.is_none()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let world = running.stop().await;
    let seen = world.ledger(&job).expect("a ledger").checkpoint.expect("one").path;
    assert!(seen.starts_with("s3://b/cp/") && seen.contains("/chk-"), "{seen}");
    assert_eq!(world.job(&job).expect("it runs").starts, 1, "nothing is done to the job for it");
}
