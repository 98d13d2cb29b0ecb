//! One writer at a time: the lease, and what its loss means (S6).

use std::time::Duration;

use flinkops::cluster::{Lease, LeaseError, Patience, WriteError};
use flinkops::daemon::Reconciler;
use flinkops::flink::kind::ObjectKey;
use flinkops::sim::api::store::WriteOptions;
use flinkops::sim::{Phase, Verdict};
use serde_json::json;

use super::world::{NAMESPACE, World, chain};

fn key() -> ObjectKey {
    ObjectKey::new("coordination.k8s.io/v1", "Lease", NAMESPACE, "flinkops.orders.prod")
}

async fn acquire(world: &World, role: &str, patience: Patience) -> Result<Lease, LeaseError> {
    Lease::acquire(&world.cluster, &chain("r1", "a"), role, patience, |_| {}).await
}

#[tokio::test(start_paused = true)]
async fn s6_a_second_writer_is_told_who_holds_the_lease() {
    let world = World::new();
    let lease = acquire(&world, "run", Patience::Forever).await.expect("free");
    let error = acquire(&world, "apply", Patience::UntilAlive).await.err().expect("held");
    let text = error.to_string();
    assert!(text.starts_with("take the lease flink/flinkops.orders.prod: held by run@"), "{text}");
    assert!(text.contains(" since 20"), "{text}");
    lease.release().await;
    let begun = tokio::time::Instant::now();
    acquire(&world, "apply", Patience::UntilAlive).await.expect("given back");
    assert!(begun.elapsed() < Duration::from_secs(1), "a lease given back need not be waited for");
}

#[tokio::test(start_paused = true)]
async fn s6_the_lease_of_a_dead_holder_is_taken_after_its_duration() {
    let world = World::new();
    drop(acquire(&world, "run", Patience::Forever).await.expect("free"));
    let begun = tokio::time::Instant::now();
    let lease = acquire(&world, "apply", Patience::UntilAlive).await.expect("its holder is dead");
    assert!(begun.elapsed() >= Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(lease.held().is_held());
}

#[tokio::test(start_paused = true)]
async fn s6_a_lease_is_renewed_for_as_long_as_it_is_held() {
    let world = World::new();
    let lease = acquire(&world, "run", Patience::Forever).await.expect("free");
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(lease.held().is_held());
}

#[tokio::test(start_paused = true)]
async fn s6_nothing_is_written_once_another_has_taken_over() {
    let world = World::new();
    let desired = chain("r1", "ingest:1");
    let lease = acquire(&world, "run", Patience::Forever).await.expect("free");
    let mut reconciler = Reconciler::new(&world.cluster, &desired, world.options());
    reconciler.write_through(world.cluster.guarded(lease.held()));
    reconciler.watch().synced().await.expect("the embedded cluster answers");
    world
        .sim
        .store()
        .edit(&key(), &WriteOptions::by("other"), |lease| lease["spec"]["holderIdentity"] = json!("other"))
        .expect("a lease");
    lease.held().lost().await;
    world.sim.clear_requests();
    let round = reconciler.round(&desired).await.expect("synced");
    assert!(round.lease_lost);
    assert_eq!(world.writes(), []);
}

#[tokio::test(start_paused = true)]
async fn s6_a_holder_that_cannot_renew_stops_before_others_may_begin() {
    let world = World::new();
    let lease = acquire(&world, "run", Patience::Forever).await.expect("free");
    world.sim.on_request(|request, phase| async move {
        let lease = request.path.contains("/leases");
        if lease && phase == Phase::Before { Verdict::code(500) } else { Verdict::Pass }
    });
    let begun = tokio::time::Instant::now();
    lease.held().lost().await;
    assert!(begun.elapsed() <= Duration::from_secs(11), "{:?}", begun.elapsed());
    assert!(!lease.held().is_held());
    let guarded = world.cluster.guarded(lease.held());
    let live = flinkops::plan::Live::default();
    let plan = flinkops::plan::plan(&chain("r1", "a"), &live, world.clock.now());
    let tasks = flinkops::plan::step(&plan);
    let refused = guarded.perform(&tasks[0]).await;
    assert!(matches!(refused, Err(WriteError::LeaseLost { .. })), "{refused:?}");
}
