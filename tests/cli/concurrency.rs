//! `apply --concurrency N`: so many changes are under way at once, and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flinkops::sim::api::resource::Resource;
use flinkops::sim::api::store::Store;
use flinkops::sim::{Phase, Verb, Verdict};
use serde_json::{Value, json};

use super::world::{Repository, World};

/// The FlinkDeployments that the operator has not finished with.
fn under_way(store: &Store) -> usize {
    let deployments = Resource::by_kind("flink.apache.org/v1beta1", "FlinkDeployment").unwrap();
    let settled = |object: &Value| {
        let status = &object["status"];
        status["lifecycleState"] == "STABLE"
            && status["jobStatus"]["state"] == "RUNNING"
            && status["observedGeneration"] == object["metadata"]["generation"]
    };
    store.list(deployments, Some("flink")).0.iter().filter(|object| !settled(object)).count()
}

/// Applies, and answers how many changes were under way at most, counted as each write was done, and how many
/// writes there were.
fn most_at_once(world: &World, concurrency: &str) -> (usize, usize) {
    let (store, most, writes) = (world.sim.store().clone(), Arc::new(AtomicUsize::new(0)), Arc::default());
    let (count, counted): (_, Arc<AtomicUsize>) = (most.clone(), Arc::clone(&writes));
    world.sim.on_request(move |request, phase| {
        let job =
            request.path.contains("/flinkdeployments") && matches!(request.verb, Verb::Create | Verb::Patch);
        if job && phase == Phase::After {
            count.fetch_max(under_way(&store), Ordering::SeqCst);
            counted.fetch_add(1, Ordering::SeqCst);
        }
        std::future::ready(Verdict::Pass)
    });
    world.run(&["apply", "--yes", "--timeout", "60s", "--concurrency", concurrency]).expect(0);
    (most.load(Ordering::SeqCst), writes.load(Ordering::SeqCst))
}

#[test]
fn so_many_changes_are_under_way_and_no_more() {
    let jobs = ["a", "b", "c", "d", "e"].map(|name| (name, ""));
    let world = World::new(Repository::with_jobs(&jobs));
    assert_eq!(most_at_once(&world, "2"), (2, 5), "created");
    for (name, _) in jobs {
        world.edit(name, &json!({"spec": {"image": "by-hand"}}));
    }
    let settled = || (under_way(world.sim.store()) == 0).then_some(());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(240);
    while settled().is_none() {
        assert!(std::time::Instant::now() < deadline, "the operator does not come to an end");
    }
    assert_eq!(most_at_once(&world, "3"), (3, 5), "upgraded");
    assert_eq!(most_at_once(&world, "1"), (0, 0), "nothing to do");
}
