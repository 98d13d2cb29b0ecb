//! Applications and session clusters whose JobManager is gone for good (S13).

use std::time::Duration;

use flinkops::flink::kind::UnitKey;
use flinkops::sim::OperatorMode;
use flinkops::spec::Desired;
use serde_json::json;

use super::world::{
    World, application_spec, cluster_spec, deployment, repository, session_job, session_job_spec,
};

fn ingest() -> UnitKey {
    deployment("ingest")
}

fn at(revision: &str, operator: OperatorMode, parallelism: i64, high_availability: bool) -> Desired {
    let mut spec = application_spec("ingest:1");
    spec["job"]["parallelism"] = json!(parallelism);
    spec["flinkConfiguration"]["execution.checkpointing.interval"] = json!("10 s");
    if high_availability {
        spec["flinkConfiguration"]["high-availability.type"] = json!("kubernetes");
        spec["flinkConfiguration"]["high-availability.storageDir"] = json!("s3://b/ha");
    }
    if operator == OperatorMode::V1_7 {
        spec["flinkVersion"] = json!("v1_17");
    }
    repository(revision, &[(ingest(), spec, vec![])])
}

/// It runs with state and one savepoint on record, and then its JobManager is gone.
async fn lost(operator: OperatorMode, high_availability: bool) -> World {
    let world = World::with(operator);
    world.settle(&at("r1", operator, 1, high_availability)).await;
    world.settle(&at("r2", operator, 2, high_availability)).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    world.sim.operator().lose_job_manager(&ingest(), world.sim.now());
    tokio::time::sleep(Duration::from_secs(300)).await;
    world.progress.clear();
    world.sim.clear_requests();
    world
}

#[tokio::test(start_paused = true)]
async fn s13_a_job_that_kubernetes_began_anew_is_named_with_what_it_lost_until_it_is_restored() {
    for operator in OPERATORS {
        let world = World::with(operator);
        let cluster = world.cluster.with_flink(Some("proxy".parse().expect("a way")));
        let world = World { cluster, ..world };
        world.settle(&at("r1", operator, 1, false)).await;
        world.settle(&at("r2", operator, 2, false)).await;
        assert!(!world.progress.contains("restarted-by-itself"), "{}", world.progress.text());
        world.sim.operator().crash_job_manager(&ingest(), world.sim.now());
        tokio::time::sleep(Duration::from_secs(300)).await;
        world.settle(&at("r2", operator, 2, false)).await;
        let savepoint = world.ledger(&ingest()).expect("a ledger").savepoints[0].path.clone();
        let said = format!("began from {savepoint}, which it was deployed with, without what came after");
        assert_eq!(world.progress.count(&said), 1, "{}", world.progress.text());
        // With the next upgrade a run begins that the operator has begun.
        world.settle(&at("r3", operator, 3, false)).await;
        world.progress.clear();
        world.settle(&at("r3", operator, 3, false)).await;
        assert!(!world.progress.contains("restarted-by-itself"), "{}", world.progress.text());
    }
}

#[tokio::test(start_paused = true)]
async fn s13_a_job_that_high_availability_brought_back_is_not_named() {
    let (world, operator) = (World::new(), OperatorMode::V1_15);
    world.settle(&at("r1", operator, 1, true)).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    world.sim.operator().crash_job_manager(&ingest(), world.sim.now());
    tokio::time::sleep(Duration::from_secs(300)).await;
    world.settle(&at("r1", operator, 1, true)).await;
    assert!(!world.progress.contains("restarted-by-itself"), "{}", world.progress.text());
}

const OPERATORS: [OperatorMode; 2] = [OperatorMode::V1_15, OperatorMode::V1_7];

#[tokio::test(start_paused = true)]
async fn s13_an_application_without_its_job_manager_is_named_and_waits_for_a_word() {
    for operator in OPERATORS {
        let world = lost(operator, false).await;
        let outcome = world.apply(&at("r2", operator, 2, false)).await;
        assert!(!outcome.is_settled(), "{outcome:?}");
        for said in ["Lost JobManager MISSING", "would be restored from s3://b/sp/"] {
            assert!(world.progress.contains(said), "{said}: {}", world.progress.text());
        }
        assert_eq!(world.job(&ingest()), None, "nobody starts it from nothing");
        // No other change starts it, either: the operator could not restore it.
        let outcome = world.apply(&at("r3", operator, 3, false)).await;
        assert!(!outcome.is_settled(), "{outcome:?}");
        assert_eq!(world.job(&ingest()), None);

        let mut repaired = at("r4", operator, 3, false);
        repaired.units.get_mut(&ingest()).expect("it is there").policy.repair = true;
        world.settle(&repaired).await;
        let job = world.job(&ingest()).expect("it runs");
        let savepoint = world.ledger(&ingest()).expect("a ledger").savepoints[0].path.clone();
        assert_eq!(
            (job.state, job.parallelism, job.restored_from),
            ("RUNNING", 3, Some(savepoint)),
            "{operator:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn s13_with_high_availability_the_operator_brings_it_back_and_flinkops_does_nothing() {
    for operator in OPERATORS {
        let world = lost(operator, true).await;
        let mut repaired = at("r2", operator, 2, true);
        repaired.units.get_mut(&ingest()).expect("it is there").policy.repair = true;
        world.settle(&repaired).await;
        let patched = world.writes().into_iter().filter(|request| request.path.contains("flinkdeployments"));
        assert_eq!(patched.count(), 0);
        let job = world.job(&ingest()).expect("it runs");
        assert_eq!((job.state, job.starts), ("RUNNING", 3));
        assert!(job.restored_from.is_some_and(|path| path.contains("/chk-")), "from its last checkpoint");
    }
}

#[tokio::test(start_paused = true)]
async fn s13_a_session_cluster_without_its_job_manager_is_named_and_its_change_is_the_way_out() {
    let at = |revision: &str, memory: &str, parallelism: i64| {
        let mut spec = cluster_spec(memory);
        spec["flinkVersion"] = json!("v1_17");
        let units = [
            (deployment("sessions"), spec, vec![]),
            (session_job("clicks"), session_job_spec("sessions", parallelism), vec![]),
        ];
        let mut desired = repository(revision, &units);
        desired.units.values_mut().for_each(|unit| unit.policy.repair = true);
        desired
    };
    let world = World::with(OperatorMode::V1_7);
    world.settle(&at("r1", "1024m", 1)).await;
    world.settle(&at("r2", "1024m", 2)).await;
    let savepoint = world.ledger(&session_job("clicks")).expect("a ledger").savepoints[0].path.clone();
    world.sim.operator().lose_job_manager(&deployment("sessions"), world.sim.now());
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(!world.apply(&at("r2", "1024m", 2)).await.is_settled());
    let said = "Failed JobManager MISSING: nobody starts it again until its spec changes";
    assert!(world.progress.contains(said), "{}", world.progress.text());

    world.settle(&at("r3", "2048m", 2)).await;
    let job = world.job(&session_job("clicks")).expect("it runs");
    assert_eq!((job.state, job.restored_from), ("RUNNING", Some(savepoint)));
}
