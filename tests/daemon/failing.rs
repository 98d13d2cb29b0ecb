//! The kill test of going back: whatever the moment at which flinkops is killed while an upgrade fails, the
//! next one reaches the same end, and no job counts less than it did (S23, S9).

use flinkops::sim::{OperatorMode, Phase};
use flinkops::spec::Desired;
use flinkops::spec::policy::OnFailure;
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

async fn killed_anywhere(operator: OperatorMode, history: &History) {
    let live = async |world: &World, death: Option<Death>| {
        let mut states = Vec::new();
        let writes = live_through(world, history, death, &mut |world| states.push(end_state(world))).await;
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
    killed_anywhere(operator, &history(operator)).await;
}

#[tokio::test(start_paused = true)]
async fn s23_killed_while_it_deletes_and_creates_the_next_one_reaches_the_same_end() {
    let operator = OperatorMode::V1_7;
    killed_anywhere(operator, &history(operator)).await;
}
