//! The kill test of going back: whatever the moment at which flinkops is killed while an upgrade fails, the
//! next one reaches the same end, and no job counts less than it did (S23, S9).

use flinkops::sim::{OperatorMode, Phase};
use flinkops::spec::Desired;
use flinkops::spec::policy::OnFailure;
use flinkops::spec::source::Revision;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::killing::{Death, History, diff, live_through, unit_state};
use super::world::{
    World, application_spec, cluster_spec, deployment, repository, session_job, session_job_spec,
};

/// One never starts, one starts and breaks; then both are mended.
fn history(operator: OperatorMode) -> Vec<(Desired, bool)> {
    let version = if operator == OperatorMode::V1_7 { "v1_17" } else { "v1_20" };
    let of_version = |mut spec: Value| {
        spec["flinkVersion"] = json!(version);
        spec
    };
    let at = |revision: &str, never: &str, breaks: &str| -> Desired {
        let (mut one, mut job) = (of_version(application_spec("ingest:1")), session_job_spec("sessions", 1));
        one["job"]["entryClass"] = json!(never);
        job["job"]["entryClass"] = json!(breaks);
        let units = [
            (deployment("sessions"), of_version(cluster_spec("1024m")), vec![]),
            (deployment("ingest"), one, vec![]),
            (session_job("one"), job, vec![]),
        ];
        let mut desired = repository(revision, &units);
        for unit in desired.units.values_mut() {
            unit.policy.on_failure = OnFailure::Rollback;
            unit.policy.timeout = SignedDuration::from_mins(4);
            unit.policy.settle = SignedDuration::from_secs(20);
        }
        desired
    };
    vec![
        (at("r1", "Ingest", "One"), true),
        (at("r2", "IngestMissing", "OneBreaks"), false),
        (at("r3", "IngestAgain", "OneAgain"), true),
    ]
}

fn end_state(world: &World) -> Value {
    [deployment("sessions"), deployment("ingest"), session_job("one")]
        .iter()
        .map(|key| unit_state(world, key))
        .collect()
}

/// A job is stopped with a savepoint once, then its cluster loses it, and policy has it restored.
fn loss(operator: OperatorMode) -> Vec<(Desired, bool)> {
    let mut history = history(operator);
    history.truncate(1);
    for (revision, repair) in [("r2", false), ("r3", true)] {
        let mut next = history[0].0.clone();
        next.origin.revision = Revision::new(revision);
        let job = next.units.get_mut(&session_job("one")).expect("it is there");
        job.manifest["spec"]["job"]["parallelism"] = json!(2);
        job.policy.repair = repair;
        history.push((next, true));
    }
    history
}

/// Loses what runs on the session cluster, once the job has a savepoint.
fn lose(world: &World) -> bool {
    let savepoints = world.ledger(&session_job("one")).map_or(0, |ledger| ledger.savepoints.len());
    let lost = savepoints == 1 && world.job(&session_job("one")).is_some_and(|job| job.starts == 2);
    if lost {
        world.sim.operator().crash_job_manager(&deployment("sessions"), world.sim.now());
    }
    lost
}

async fn killed_anywhere(operator: OperatorMode, history: &History, happens: fn(&World) -> bool) {
    let live = async |world: &World, death: Option<Death>| {
        let mut states = Vec::new();
        let each = &mut |world: &World| {
            states.push(end_state(world));
            happens(world)
        };
        let writes = live_through(world, history, death, each).await;
        (writes, Value::from(states))
    };
    let (writes, end) = live(&World::with(operator), None).await;
    for write in 1..=writes {
        for phase in [Phase::Before, Phase::After] {
            let (world, death) = (World::with(operator), Death { write, phase });
            let (_, found) = live(&world, Some(death)).await;
            assert!(found == end, "{death:?}:\n{}\n{}", diff(&end, &found), world.progress.text());
        }
    }
    println!("{operator:?}: killed {} times", writes * 2);
}

#[tokio::test(start_paused = true)]
async fn s23_killed_at_any_write_of_going_back_the_next_one_reaches_the_same_end() {
    let operator = OperatorMode::V1_15;
    killed_anywhere(operator, &history(operator), |_| false).await;
}

#[tokio::test(start_paused = true)]
async fn s23_killed_while_it_deletes_and_creates_the_next_one_reaches_the_same_end() {
    let operator = OperatorMode::V1_7;
    killed_anywhere(operator, &history(operator), |_| false).await;
}

#[tokio::test(start_paused = true)]
async fn s13_killed_while_it_restores_a_lost_job_the_next_one_reaches_the_same_end() {
    for operator in [OperatorMode::V1_15, OperatorMode::V1_7] {
        killed_anywhere(operator, &loss(operator), lose).await;
    }
}
