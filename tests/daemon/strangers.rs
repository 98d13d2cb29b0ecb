//! Jobs on a session cluster that only Flink knows of (S14).

use std::time::Duration;

use flinkops::cluster::{Cluster, FlinkRest};
use flinkops::daemon::apply;
use flinkops::spec::Desired;

use super::world::{World, cluster_spec, deployment, repository, session_job, session_job_spec};

fn sessions(revision: &str, memory: &str, consent: Option<&str>) -> Desired {
    let mut desired = repository(
        revision,
        &[
            (deployment("sessions"), cluster_spec(memory), vec![]),
            (session_job("clicks"), session_job_spec("sessions", 1), vec![]),
        ],
    );
    let cluster = desired.units.get_mut(&deployment("sessions")).expect("it is there");
    cluster.consents.state_loss = consent.map(str::to_owned);
    desired
}

fn memory(world: &World) -> String {
    let cluster = world.unit(&deployment("sessions")).expect("it is there");
    cluster.spec()["taskManager"]["resource"]["memory"].as_str().expect("a text").to_owned()
}

pub fn asking(way: &str) -> World {
    let world = World::new();
    let cluster: Cluster = world.cluster.with_flink(Some(way.parse::<FlinkRest>().expect("a way")));
    World { cluster, ..world }
}

/// Applies what cannot be applied; the message that says why.
async fn blocked(world: &World, desired: &Desired) -> String {
    let limit = Some(Duration::from_secs(600));
    let outcome = apply(&world.cluster, desired, world.options(), limit).await.expect("the cluster answers");
    assert!(!outcome.is_settled(), "{outcome:?}");
    format!("{outcome:?}\n{}", world.progress.text())
}

#[tokio::test(start_paused = true)]
async fn s14_a_job_that_is_nobodys_resource_keeps_its_cluster_from_being_changed() {
    let world = asking("proxy");
    world.settle(&sessions("r1", "1024m", None)).await;
    world.sim.operator().submit(&deployment("sessions"), "adhoc", world.sim.now());
    let said = blocked(&world, &sessions("r2", "2048m", None)).await;
    assert!(said.contains("`adhoc` ("), "{said}");
    assert_eq!(memory(&world), "1024m");
    assert_eq!(world.job(&session_job("clicks")).expect("it runs").starts, 1, "not even stopped");

    world.settle(&sessions("r3", "2048m", Some("a trial of yesterday"))).await;
    assert_eq!(memory(&world), "2048m");
    assert!(world.records(&session_job("clicks")) > 0);
}

#[tokio::test(start_paused = true)]
async fn s14_without_strangers_a_cluster_changes_and_flink_is_asked_only_then() {
    let world = asking("proxy");
    world.settle(&sessions("r1", "1024m", None)).await;
    let asked = |world: &World| {
        world.sim.requests().iter().filter(|request| request.path.ends_with("/proxy/jobs/overview")).count()
    };
    assert_eq!(asked(&world), 0);
    world.settle(&sessions("r2", "2048m", None)).await;
    assert_eq!(memory(&world), "2048m");
    assert!((1..=4).contains(&asked(&world)), "before each step: {}", asked(&world));
}

#[tokio::test(start_paused = true)]
async fn s14_a_flink_out_of_reach_keeps_its_cluster_from_being_changed() {
    let world = asking("http://127.0.0.1:9/{name}");
    world.settle(&sessions("r1", "1024m", None)).await;
    let said = blocked(&world, &sessions("r2", "2048m", None)).await;
    assert!(said.contains("Flink cannot be asked what else runs on this cluster"), "{said}");
    assert_eq!(memory(&world), "1024m");
}
