//! `run --mode report`: says everything, writes nothing.

use std::time::Duration;

use flinkops::sim::api::store::WriteOptions;
use flinkops::spec::policy::Mode;
use serde_json::json;

use super::running::Running;
use super::world::{application_spec, chain, deployment, repository};

#[tokio::test(start_paused = true)]
async fn in_report_mode_everything_is_said_and_nothing_written() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    let (world, shelf) = running.kill().await;
    world.sim.clear_requests();

    let running = Running::on(world, shelf, Mode::Report).await;
    running.told("quiet: 2 settled").await;
    let store = running.world.sim.store().clone();
    let edit = |object: &mut serde_json::Value| object["spec"]["image"] = json!("by-hand");
    store.edit(&(&deployment("ingest")).into(), &WriteOptions::by("kubectl-edit"), edit).expect("an edit");
    running.told("ingest: Update").await;
    let page = running.get("/metrics").await;
    assert!(page.contains("flinkops_drifted 1") && page.contains("flinkops_lease_held 0"), "{page}");

    let spec = application_spec("ingest:1");
    let more = [("ingest", spec.clone()), ("new", spec)].map(|(name, spec)| (deployment(name), spec, vec![]));
    running.shelf.push(repository("r2", &more));
    running.told("planned r2").await;
    running.told("new: Create").await;
    running.told("enrich: Delete").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(running.get("/readyz").await.starts_with("HTTP/1.1 200"));
    let world = running.stop().await;
    let made = world.sim.requests().into_iter().filter(|request| request.verb.writes());
    assert_eq!(made.collect::<Vec<_>>(), [], "neither objects nor records, nor Events, nor a lease");
}
