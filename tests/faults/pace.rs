//! What waiting costs, and how much goes on at once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flinkops::flink::kind::UnitKey;
use flinkops::sim::{LoggedRequest, Options, Phase, Verb, Verdict};
use flinkops::spec::Desired;
use flinkops::spec::policy::Mode;
use serde_json::json;

use crate::daemon::running::Running;
use crate::daemon::world::{
    World, application_spec, chain, cluster_spec, deployment, repository, session_job, session_job_spec,
};

/// Every call but the renewals of the lease, and of the watches, which end by themselves every few minutes.
fn asked(world: &World) -> Vec<LoggedRequest> {
    let needless = |request: &LoggedRequest| {
        request.verb != Verb::Watch && !request.path.contains("/leases/") && !request.path.contains("/events")
    };
    world.sim.requests().into_iter().filter(needless).collect()
}

#[tokio::test(start_paused = true)]
async fn s11_a_savepoint_that_takes_an_hour_costs_no_call() {
    let at = |revision: &str, memory: &str| {
        let mut job = session_job_spec("sessions", 1);
        job["flinkConfiguration"] = json!({flinkops::sim::operator::SAVEPOINT_KEY: "slow"});
        let sessions = (deployment("sessions"), cluster_spec(memory), vec![]);
        repository(revision, &[sessions, (session_job("job"), job, vec![])])
    };
    // Everything takes eleven times as long, so that a slow savepoint takes 55 minutes.
    let world = World::of(Options { time_scale: 1.0 / 11.0, ..Options::default() });
    let shelf = Arc::new(crate::daemon::running::Shelf::default());
    shelf.push(at("r1", "1024m"));
    let running = Running::on(world, shelf, Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    running.shelf.push(at("r2", "2048m"));
    running.told("wrote patch flink/FlinkSessionJob/job: stops").await;
    tokio::time::sleep(Duration::from_secs(2 * 60)).await;
    running.world.sim.clear_requests();
    tokio::time::sleep(Duration::from_secs(45 * 60)).await;
    assert_eq!(asked(&running.world), []);
    let renewals = running.world.sim.requests().len();
    assert!(renewals > 100, "the lease is held all along: {renewals}");
    running.told("wrote patch flink/FlinkSessionJob/job: starts again").await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_for_another_costs_no_call() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    let world = &running.world;
    world.sim.operator().set_restarting(&deployment("ingest"), true, world.sim.now());
    running.told("ingest: Keep Progressing RESTARTING").await;
    let mut changed = chain("r2", "ingest:1");
    let enrich = changed.units.get_mut(&deployment("enrich")).expect("a unit");
    enrich.manifest["spec"]["image"] = json!("enrich:2");
    running.shelf.push(changed);
    running.told("enrich: Update Settled").await;
    tokio::time::sleep(Duration::from_secs(2 * 60)).await;
    world.sim.clear_requests();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(asked(world), []);
    world.sim.operator().set_restarting(&deployment("ingest"), false, world.sim.now());
    running.told("wrote patch flink/FlinkDeployment/enrich").await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_upgrades_go_on_at_once_than_the_policy_says() {
    let names: Vec<UnitKey> = (0..6).map(|number| deployment(&format!("job-{number}"))).collect();
    let at = |revision: &str, image: &str| -> Desired {
        let units: Vec<_> = names.iter().map(|key| (key.clone(), application_spec(image), vec![])).collect();
        let mut desired = repository(revision, &units);
        desired.policy.concurrency = 2;
        desired
    };
    let world = World::new();
    world.settle(&at("r1", "app:1")).await;
    let (sim, most) = (world.sim.clone(), Arc::new(Mutex::new(BTreeSet::new())));
    let (seen, keys) = (most.clone(), names.clone());
    world.sim.on_request(move |request, phase| {
        if request.verb == Verb::Patch && phase == Phase::After {
            let now = sim.now();
            let changed = |key: &&UnitKey| {
                let live = sim.store().get(&(*key).into()).expect("a unit");
                let running = sim.operator().job(key, now).is_some_and(|job| job.state == "RUNNING");
                !running || live["metadata"]["generation"] != live["status"]["observedGeneration"]
            };
            seen.lock().expect("no panic").insert(keys.iter().filter(changed).count());
        }
        std::future::ready(Verdict::Pass)
    });
    world.settle(&at("r2", "app:2")).await;
    assert_eq!(most.lock().expect("no panic").last(), Some(&2), "two at once, and never three");
}
