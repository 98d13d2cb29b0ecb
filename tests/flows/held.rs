//! A unit that is held after a failure, and what becomes of it all the same (S13, S23).

use flinkops::daemon::Outcome;
use flinkops::flink::kind::Kind::{self, FlinkDeployment, FlinkSessionJob};
use flinkops::plan::outcome::{Action, BlockedBy};
use flinkops::sim::OperatorMode;

use super::MODES;
use super::failure::{SCORES, SINK, break_it, entry_class, fails, guarded};
use super::world::{World, key};

const UNITS: [(&str, Kind); 2] = [("orders-sink", FlinkDeployment), ("fraud-scores", FlinkSessionJob)];

fn file(name: &str) -> &'static str {
    if name == "orders-sink" { SINK } else { SCORES }
}

/// Its job is lost: with its session cluster's JobManager, or with its own.
async fn lose(world: &World, name: &str) {
    let now = world.sim.now();
    if name == "orders-sink" {
        world.sim.operator().lose_job_manager(&key(FlinkDeployment, name), now);
    } else {
        world.sim.operator().crash_job_manager(&key(FlinkDeployment, "orders-session"), now);
    }
    tokio::time::sleep(std::time::Duration::from_secs(100)).await;
}

/// Held at what it was before a version that broke, which had run.
async fn held(mode: OperatorMode, name: &str, kind: Kind) -> World {
    let mut world = guarded(mode).await;
    break_it(&mut world, name, "com.example.Breaks");
    fails(&mut world, name, kind).await;
    world
}

/// The outcome of a run in which the other job on the cluster, which was lost with it, waits for a word.
async fn apply(world: &mut World, name: &str) -> (Outcome, Vec<String>) {
    let outcome = world.apply().await;
    let log = world.log.take().into_iter().filter(|line| line.starts_with(name)).collect();
    (outcome, log)
}

#[tokio::test(start_paused = true)]
async fn s13_s23_what_is_held_and_lost_is_restored_as_it_was_and_stays_held() {
    for mode in MODES {
        for (name, kind) in UNITS {
            let mut world = held(mode, name, kind).await;
            world.edit(file(name), "policy: {", "policy: {repair: true, ");
            let class = entry_class(&world, kind, name);
            for _ in 0..2 {
                let point = world.ledger(kind, name).savepoints[0].path.clone();
                lose(&world, name).await;
                let (_, log) = apply(&mut world, name).await;
                let rescues =
                    log.iter().filter(|line| line.contains("is lost, and is restored from")).count();
                assert_eq!(rescues, 1, "{mode:?}: {log:#?}");
                let job = world.job(name);
                assert_eq!(
                    (job.state, job.restored_from),
                    ("RUNNING", Some(point)),
                    "{mode:?} {name}: {log:#?}"
                );
                assert_eq!(entry_class(&world, kind, name), class, "never the version that failed");
                let ledger = world.ledger(kind, name);
                assert!(ledger.held.is_some() && ledger.last_savepoint().is_none(), "{ledger:#?}");
                let (outcome, log) = apply(&mut world, name).await;
                let blocked = outcome.standing().blocked.iter().find(|it| it.on == name).unwrap();
                assert!(blocked.message.starts_with("held at "), "{}", blocked.message);
                assert_eq!(log, [] as [String; 0], "{mode:?}: once for each loss");
            }
            let before = world.job(name).records;
            break_it_again(&mut world, name);
            world.apply().await;
            let job = world.job(name);
            assert!(job.state == "RUNNING" && job.records > before, "what mends it goes on from its state");
            assert!(world.ledger(kind, name).held.is_none());
        }
    }
}

/// Another version, which works.
fn break_it_again(world: &mut World, name: &str) {
    world.edit(file(name), "com.example.Breaks", "com.example.Mended");
}

#[tokio::test(start_paused = true)]
async fn s16_s21_what_is_held_and_lost_waits_for_a_word_which_covers_one_loss() {
    for mode in MODES {
        for (name, kind) in UNITS {
            let mut world = held(mode, name, kind).await;
            for why in ["it is old", "it is old enough"] {
                lose(&world, name).await;
                let (_, log) = apply(&mut world, name).await;
                assert_eq!(log, [] as [String; 0], "{mode:?}");
                let unit = world.plan().await.units.into_iter().find(|unit| unit.key.name == name).unwrap();
                let blocked = unit.blocked.unwrap();
                assert_eq!(blocked.by, BlockedBy::Consent, "{mode:?} {}", blocked.message);
                if why == "it is old" {
                    world.edit(file(name), "\nspec:", "\nallow: {stateLoss: it is old}\nspec:");
                } else {
                    assert!(blocked.message.contains("was used for"), "{mode:?} {}", blocked.message);
                    world.edit(file(name), "it is old", "it is old enough");
                }
                let (_, log) = apply(&mut world, name).await;
                assert_eq!(world.job(name).state, "RUNNING", "{mode:?} {name} {why}: {log:#?}");
                assert_ne!(entry_class(&world, kind, name), "com.example.Breaks");
                assert!(world.ledger(kind, name).held.is_some());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s12_s23_what_is_held_starts_again_as_it_is_after_its_clusters_change() {
    for mode in MODES {
        let mut world = held(mode, "fraud-scores", FlinkSessionJob).await;
        let (before, class) =
            (world.job("fraud-scores").records, entry_class(&world, FlinkSessionJob, "fraud-scores"));
        world.edit("jobs/orders-session/job.yaml", "spec:", "spec:\n  restartNonce: 1");
        let (outcome, log) = apply(&mut world, "fraud-scores").await;
        let job = world.job("fraud-scores");
        assert_eq!(job.state, "RUNNING", "{mode:?}: {outcome:#?}\n{log:#?}");
        assert!(job.records >= before && job.restored_from.is_some());
        assert_eq!(entry_class(&world, FlinkSessionJob, "fraud-scores"), class);
        let ledger = world.ledger(FlinkSessionJob, "fraud-scores");
        assert!(ledger.held.is_some() && ledger.last_savepoint().is_none(), "{ledger:#?}");
        let plan = world.plan().await;
        let cluster = plan.units.iter().find(|unit| unit.key.name == "orders-session").unwrap();
        assert_eq!(cluster.action, Action::Keep, "{mode:?}");
        let (_, log) = apply(&mut world, "fraud-scores").await;
        assert_eq!(log, [] as [String; 0], "{mode:?}");
    }
}
