//! Upgrades that do not work out, and what becomes of the job and its state (S23).

use std::time::Duration;

use flinkops::daemon::Outcome;
use flinkops::flink::kind::Kind::{self, FlinkDeployment, FlinkSessionJob};
use flinkops::plan::ledger::Ledger;
use flinkops::plan::outcome::{Action, BlockedBy};
use flinkops::sim::OperatorMode;
use flinkops::sim::operator::Behaviour;

use super::world::{World, key};
use super::{MODES, everything_runs};

pub const SINK: &str = "jobs/orders-sink/job.yaml";
pub const SCORES: &str = "jobs/fraud-scores/job.yaml";

/// Everything runs, and both jobs are to go back to what they were where a change does not work out.
pub async fn guarded(mode: OperatorMode) -> World {
    let mut world = everything_runs(mode).await;
    for file in [SINK, SCORES] {
        world.edit(file, "spec:", "policy: {onFailure: rollback, settle: 20s, timeout: 3m}\nspec:");
    }
    world.settle().await;
    world
}

pub fn break_it(world: &mut World, name: &str, class: &str) {
    let (file, good) = match name {
        "orders-sink" => (SINK, "com.example.orders.WarehouseSink"),
        _ => (SCORES, "com.example.orders.FraudScores"),
    };
    world.edit(file, good, class);
}

pub fn entry_class(world: &World, kind: Kind, name: &str) -> String {
    let object = world.object(kind, name).unwrap();
    object["spec"]["job"]["entryClass"].as_str().unwrap().to_owned()
}

/// Applies what does not work out, to the end: the unit is held where it was.
pub async fn fails(world: &mut World, name: &str, kind: Kind) -> (Ledger, Vec<String>) {
    let outcome = world.apply().await;
    let log = world.log.take();
    let Outcome::Blocked(standing) = &outcome else { panic!("{outcome:#?}\n{log:#?}") };
    assert!(
        standing.blocked.iter().any(|it| it.on == name && it.message.contains("held at")),
        "{standing:#?}"
    );
    (world.ledger(kind, name), log)
}

#[tokio::test(start_paused = true)]
async fn s23_a_version_that_never_starts_goes_back_by_putting_the_old_spec_back() {
    for mode in MODES {
        for (name, kind) in [("orders-sink", FlinkDeployment), ("fraud-scores", FlinkSessionJob)] {
            let mut world = guarded(mode).await;
            let before = world.job(name).records;
            break_it(&mut world, name, "com.example.Missing");
            let (ledger, log) = fails(&mut world, name, kind).await;
            let held = ledger.held.clone().unwrap();
            let back_to = held.back_to.unwrap();
            assert_eq!(back_to.from, None, "it never ran: {log:#?}");
            assert_eq!(log.iter().filter(|line| line.contains("goes back")).count(), 1, "{log:#?}");
            assert_ne!(entry_class(&world, kind, name), "com.example.Missing");
            let job = world.job(name);
            let stopped_with = ledger.applied.iter().find_map(|applied| applied.from.clone());
            assert_eq!((job.state, &job.restored_from), ("RUNNING", &stopped_with), "{mode:?} {name}");
            assert!(job.records >= before && stopped_with.is_some_and(|path| ledger.knows(&path)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s23_a_version_that_ran_goes_back_from_the_savepoint_before_it() {
    for mode in MODES {
        for (name, kind) in [("orders-sink", FlinkDeployment), ("fraud-scores", FlinkSessionJob)] {
            let mut world = guarded(mode).await;
            let before = world.job(name).records;
            break_it(&mut world, name, "com.example.Breaks");
            let (ledger, log) = fails(&mut world, name, kind).await;
            let from = ledger.held.clone().unwrap().back_to.unwrap().from.expect("it ran");
            let job = world.job(name);
            assert_eq!(
                (job.state, job.restored_from.as_deref()),
                ("RUNNING", Some(from.as_str())),
                "{mode:?}"
            );
            assert!(job.records >= before);
            let deleted = log.iter().any(|line| line.starts_with(&format!("{name}: goes back")));
            let object = world.object(kind, name).unwrap();
            let nonce = &object["spec"]["job"]["savepointRedeployNonce"];
            assert_eq!((deleted, nonce.is_i64()), (true, mode == OperatorMode::V1_15), "{log:#?}");
            assert_ne!(entry_class(&world, kind, name), "com.example.Breaks");
            assert!(ledger.last_savepoint().is_none(), "it runs again: {ledger:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s23_what_is_held_is_tried_again_only_for_another_spec() {
    let mut world = guarded(OperatorMode::V1_15).await;
    break_it(&mut world, "orders-sink", "com.example.Missing");
    fails(&mut world, "orders-sink", FlinkDeployment).await;
    let starts = world.job("orders-sink").starts;
    world.edit("jobs/orders-ingest/job.yaml", "image:", "imagePullPolicy: Always\n  image:");
    let (_, log) = fails(&mut world, "orders-sink", FlinkDeployment).await;
    assert!(!log.iter().any(|line| line.starts_with("orders-sink")), "{log:#?}");
    let plan = world.plan().await;
    let unit = plan.units.iter().find(|unit| unit.key.name == "orders-sink").unwrap();
    let blocked = unit.blocked.clone().unwrap();
    assert_eq!((unit.action, blocked.by), (Action::Update, BlockedBy::Held));
    assert!(blocked.message.starts_with("held at 0000"), "{}", blocked.message);
    assert!(unit.changes.iter().all(|it| it.cause == flinkops::plan::outcome::Cause::Pending));
    assert_eq!(world.job("orders-sink").starts, starts);

    let before = world.job("orders-sink").records;
    world.edit(SINK, "com.example.Missing", "com.example.orders.BetterSink");
    world.settle().await;
    let object = world.object(FlinkDeployment, "orders-sink").unwrap();
    assert_eq!(object["metadata"]["annotations"].get("flinkops.dev/operation"), None, "{object:#}");
    assert!(world.ledger(FlinkDeployment, "orders-sink").held.is_none());
    assert!(world.job("orders-sink").records > before);
    assert_eq!(world.settle().await, [] as [String; 0]);
}

#[tokio::test(start_paused = true)]
async fn s23_after_a_redeploy_the_next_version_takes_the_nonce_away_and_keeps_its_state() {
    let mut world = guarded(OperatorMode::V1_15).await;
    break_it(&mut world, "fraud-scores", "com.example.Breaks");
    fails(&mut world, "fraud-scores", FlinkSessionJob).await;
    let before = world.job("fraud-scores").records;
    world.edit(SCORES, "com.example.Breaks", "com.example.orders.BetterScores");
    world.settle().await;
    let object = world.object(FlinkSessionJob, "fraud-scores").unwrap();
    let job = &object["spec"]["job"];
    assert!(
        job.get("savepointRedeployNonce").is_none() && job.get("initialSavepointPath").is_none(),
        "{job:#}"
    );
    assert!(world.job("fraud-scores").records > before);
    assert_eq!(world.settle().await, [] as [String; 0]);
}

#[tokio::test(start_paused = true)]
async fn s23_a_refused_spec_goes_back_and_nothing_restarts() {
    for mode in MODES {
        let mut world = guarded(mode).await;
        world.edit(SINK, "\nspec:", "\nspec:\n  jobManager: {replicas: 2}");
        let (ledger, log) = fails(&mut world, "orders-sink", FlinkDeployment).await;
        assert!(ledger.held.unwrap().reason.contains("refuses the spec"), "{log:#?}");
        assert_eq!(world.job("orders-sink").starts, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn s23_a_failed_savepoint_is_named_and_the_job_runs_on_as_it_was() {
    for mode in MODES {
        let mut world = guarded(mode).await;
        let before = world.job("orders-sink").records;
        world.sim.operator().set_behaviour(&key(FlinkDeployment, "orders-sink"), Behaviour::Fail);
        world.edit(SINK, "parallelism: 2", "parallelism: 3");
        let (ledger, log) = fails(&mut world, "orders-sink", FlinkDeployment).await;
        assert!(ledger.held.unwrap().reason.contains("no savepoint could be taken"), "{log:#?}");
        let job = world.job("orders-sink");
        assert_eq!((job.starts, job.state), (1, "RUNNING"));
        assert!(job.records > before);
    }
}

#[tokio::test(start_paused = true)]
async fn s23_without_a_rollback_it_is_left_as_it_is_and_only_its_dependents_wait() {
    let mut world = everything_runs(OperatorMode::V1_15).await;
    world.edit(
        "jobs/orders-enrich/job.yaml",
        "upgradeMode:",
        "entryClass: com.example.Missing\n    upgradeMode:",
    );
    world.edit(SINK, "parallelism: 2", "parallelism: 3");
    world.edit(SCORES, "parallelism: 2", "parallelism: 1");
    let outcome = world.apply().await;
    let log = world.log.take();
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:#?}");
    assert!(log.iter().any(|line| line.starts_with("fraud-scores: upgrades")), "{log:#?}");
    assert!(
        !log.iter().any(|line| line.starts_with("orders-sink:") || line.contains("goes back")),
        "{log:#?}"
    );
    let ledger = world.ledger(FlinkDeployment, "orders-enrich");
    assert_eq!(ledger.held.as_ref().map(|held| &held.back_to), Some(&None));
    let from = ledger.applied[0].from.clone().expect("the savepoint it was stopped with is on record (S9)");
    assert!(ledger.knows(&from));
}

#[tokio::test(start_paused = true)]
async fn s23_a_job_held_as_it_is_that_gets_well_is_released_by_a_fresh_apply() {
    let mut world = everything_runs(OperatorMode::V1_15).await;
    world.edit(SINK, "spec:", "policy: {settle: 20s, timeout: 3m}\nspec:");
    world.settle().await;
    let sink = key(FlinkDeployment, "orders-sink");
    let (sim, unit) = (world.sim.clone(), sink.clone());
    tokio::spawn(async move {
        while sim.operator().job(&unit, sim.now()).is_none_or(|job| job.starts < 2 || job.state != "RUNNING")
        {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        sim.operator().set_restarting(&unit, true, sim.now());
    });
    world.edit(SINK, "parallelism: 2", "parallelism: 3");
    let outcome = world.apply().await;
    assert!(!outcome.is_settled(), "{outcome:#?}");
    assert!(world.ledger(FlinkDeployment, "orders-sink").held.is_some(), "{outcome:#?}");
    world.sim.operator().set_restarting(&sink, false, world.sim.now());
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.log.take();
    world.settle().await;
    assert!(world.ledger(FlinkDeployment, "orders-sink").held.is_none());
    assert_eq!(world.job("orders-sink").starts, 2);
}

/// Both session jobs have been stopped with a savepoint once, and then their cluster loses them.
async fn lost(mode: OperatorMode) -> World {
    let mut world = everything_runs(mode).await;
    for file in ["jobs/fraud-scores/job.yaml", "jobs/delivery-times/job.yaml"] {
        world.edit(file, "\nspec:", "\nlabels: {round: \"2\"}\nspec:\n  restartNonce: 1");
    }
    world.settle().await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    let session = key(FlinkDeployment, "orders-session");
    world.sim.operator().crash_job_manager(&session, world.sim.now());
    tokio::time::sleep(Duration::from_secs(100)).await;
    world
}

#[tokio::test(start_paused = true)]
async fn s13_a_lost_job_is_restored_from_its_last_savepoint_where_policy_says_so() {
    for mode in MODES {
        let mut world = lost(mode).await;
        let point = world.ledger(FlinkSessionJob, "fraud-scores").savepoints[0].path.clone();
        let at = world.sim.operator().disk()[&point].records;
        world.edit(SCORES, "\nspec:", "\npolicy: {repair: true}\nspec:");
        let outcome = world.apply().await;
        let log = world.log.take();
        let Outcome::Failed(standing) = &outcome else { panic!("{outcome:#?}\n{log:#?}") };
        assert_eq!(standing.failed.len(), 1, "only the one without consent: {standing:#?}");
        let job = world.job("fraud-scores");
        assert_eq!((job.state, job.restored_from.as_deref()), ("RUNNING", Some(point.as_str())), "{mode:?}");
        assert!(job.records >= at);
        assert!(!log.iter().any(|line| line.starts_with("delivery-times")), "S16: {log:#?}");
        let plan = world.plan().await;
        let other = plan.units.iter().find(|unit| unit.key.name == "delivery-times").unwrap();
        let blocked = other.blocked.as_ref().unwrap();
        assert_eq!(blocked.by, BlockedBy::Consent);
        for word in ["policy.repair", "stateLoss", "initialSavepointPath", "s3://orders-staging/checkpoints"]
        {
            assert!(blocked.message.contains(word), "{}", blocked.message);
        }
        world.edit("jobs/delivery-times/job.yaml", "\nspec:", "\nallow: {stateLoss: it is old}\nspec:");
        world.settle().await;
        assert!(world.job("delivery-times").restored_from.is_some());
        assert_eq!(world.settle().await, [] as [String; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn s13_a_cluster_changes_without_waiting_for_the_dead_and_each_is_restored_afterwards() {
    for mode in MODES {
        let mut world = lost(mode).await;
        world.edit("flinkops.yaml", "settle: 5s", "settle: 5s\n      repair: true");
        world.edit("jobs/orders-session/job.yaml", "spec:", "spec:\n  restartNonce: 1");
        let log = world.settle().await;
        let changed = log.iter().position(|line| line.starts_with("orders-session: restarts")).unwrap();
        for name in ["fraud-scores", "delivery-times"] {
            let first = log.iter().position(|line| line.starts_with(name)).unwrap();
            assert!(changed < first, "{log:#?}");
            let ledger = world.ledger(FlinkSessionJob, name);
            let job = world.job(name);
            assert_eq!(job.restored_from.as_ref(), Some(&ledger.savepoints[0].path), "{mode:?}: {log:#?}");
            assert_eq!(job.state, "RUNNING");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s13_a_rescue_from_what_is_gone_is_named_with_flinks_reason_and_ends_with_another() {
    for mode in MODES {
        let mut world = lost(mode).await;
        let unit = key(FlinkSessionJob, "fraud-scores");
        let gone = world.ledger(FlinkSessionJob, "fraud-scores").savepoints[0].path.clone();
        world.sim.operator().lose_snapshot(&gone);
        world.edit(SCORES, "\nspec:", "\npolicy: {repair: true}\nspec:");
        for _ in 0..2 {
            let outcome = world.apply().await;
            let log = world.log.take();
            let Outcome::Failed(standing) = &outcome else { panic!("{outcome:#?}\n{log:#?}") };
            let failed = standing.failed.iter().find(|it| it.on == "fraud-scores");
            let message = &failed.unwrap_or_else(|| panic!("{mode:?}: {standing:#?}")).message;
            assert!(message.contains("Cannot find checkpoint or savepoint"), "{mode:?}: {message}");
            assert!(message.contains(&gone), "{mode:?}: {message}");
        }
        assert!(world.try_job("fraud-scores").is_none(), "nothing is started from nothing");
        world.sim.operator().keep_savepoint(&unit, "s3://elsewhere/sp-7", 123_456);
        world.edit(SCORES, "  job:", "  job:\n    initialSavepointPath: s3://elsewhere/sp-7");
        let outcome = world.apply().await;
        let job = world.try_job("fraud-scores").unwrap_or_else(|| panic!("{mode:?} {outcome:#?}"));
        assert_eq!((job.state, job.restored_from.as_deref()), ("RUNNING", Some("s3://elsewhere/sp-7")));
        assert!(job.records >= 123_456);
    }
}

#[tokio::test(start_paused = true)]
async fn s13_a_restore_point_that_git_names_wins() {
    for mode in MODES {
        let mut world = lost(mode).await;
        let unit = key(FlinkSessionJob, "fraud-scores");
        world.sim.operator().keep_savepoint(&unit, "s3://elsewhere/sp-7", 123_456);
        world.edit(SCORES, "  job:", "  job:\n    initialSavepointPath: s3://elsewhere/sp-7");
        world.apply().await;
        let job = world.job("fraud-scores");
        assert_eq!(
            (job.state, job.restored_from.as_deref()),
            ("RUNNING", Some("s3://elsewhere/sp-7")),
            "{mode:?}"
        );
        assert!(job.records >= 123_456);
    }
}
