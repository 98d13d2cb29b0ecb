//! S20 when the process that knew the last valid revision is gone: the cluster knows which it was.

use std::time::Duration;

use flinkops::daemon::Outcome;
use flinkops::sim::api::store::WriteOptions;
use flinkops::spec::Desired;
use flinkops::spec::desired::Unknown;
use flinkops::spec::policy::Mode;
use serde_json::json;

use super::running::Running;
use super::world::{
    World, application_spec, chain, cluster_spec, deployment, repository, session_job, session_job_spec,
};

/// A session cluster with a job on it, and something to change beside it.
fn at(revision: &str, memory: &str, image: &str) -> Desired {
    let job = (session_job("job"), session_job_spec("sessions", 1), vec![]);
    let other = (deployment("other"), application_spec(image), vec![]);
    repository(revision, &[(deployment("sessions"), cluster_spec(memory), vec![]), job, other])
}

/// The same, with the folder of one unit unreadable.
fn without(mut desired: Desired, name: &str) -> Desired {
    desired.units.retain(|key, _| key.name != name);
    desired.unknown = vec![Unknown { folder: format!("jobs/{name}"), name: Some(name.into()) }];
    desired
}

fn memory(world: &World) -> serde_json::Value {
    world.unit(&deployment("sessions")).expect("sessions").spec()["taskManager"]["resource"]["memory"].clone()
}

/// Kills the daemon right after a line was told, in the middle of a change of the session cluster, and starts
/// another one once Git has moved on; answers with it and what the job had counted.
async fn restarted(after: &str, move_on: impl FnOnce(&Running)) -> (Running, u64) {
    let running = Running::start(Some(at("r1", "1024m", "other:1")), Mode::Enforce).await;
    running.told("quiet: 3 settled").await;
    running.shelf.push(at("r2", "2048m", "other:1"));
    running.told(after).await;
    move_on(&running);
    let counted = running.world.records(&session_job("job"));
    assert!(counted > 0);
    let (world, shelf) = running.kill().await;
    let live = world.unit(&session_job("job")).expect("job");
    assert_eq!(live.spec()["job"]["state"], "suspended", "killed in the middle");
    (Running::on(world, shelf, Mode::Enforce).await, counted)
}

/// Waits until the job runs again, and says that it lost nothing.
async fn goes_on(running: &Running, counted: u64) {
    running.told("wrote patch flink/FlinkSessionJob/job: starts again").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let job = running.world.job(&session_job("job")).expect("a job");
    assert!(job.restored_from.is_some(), "{job:?}");
    assert!(job.records > counted, "counted {counted}, and then {}", job.records);
    assert_eq!(running.world.unit(&session_job("job")).expect("job").spec()["job"]["state"], "running");
}

#[tokio::test(start_paused = true)]
async fn s20_a_change_that_was_not_begun_is_undone_after_a_restart_with_an_invalid_head() {
    let invalid = |running: &Running| running.shelf.push_invalid("r3");
    let (running, counted) = restarted("wrote patch flink/FlinkSessionJob/job: stops", invalid).await;
    running.told("recalled r1").await;
    goes_on(&running, counted).await;
    assert_eq!(memory(&running.world), "1024m", "nothing of r2 had been written");
    running.shelf.push(at("r4", "2048m", "other:1"));
    running.told("read r4").await;
    running.told("quiet: 3 settled").await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let world = running.stop().await;
    assert_eq!(memory(&world), "2048m");
    assert!(world.records(&session_job("job")) > counted);
}

#[tokio::test(start_paused = true)]
async fn s20_a_change_that_was_begun_is_finished_after_a_restart_with_an_invalid_head() {
    let invalid = |running: &Running| running.shelf.push_invalid("r3");
    let (running, counted) = restarted("wrote patch flink/FlinkDeployment/sessions", invalid).await;
    running.told("recalled r2").await;
    goes_on(&running, counted).await;
    let world = running.stop().await;
    assert_eq!(memory(&world), "2048m", "it does not go back to the revision that was applied in full");
    assert!(
        !world.progress.contains("wrote patch flink/FlinkDeployment/sessions"),
        "{}",
        world.progress.text()
    );
}

#[tokio::test(start_paused = true)]
async fn s20_a_jobs_own_folder_may_break_and_the_process_be_killed() {
    let broken = |running: &Running| running.shelf.push(without(at("r3", "2048m", "other:1"), "job"));
    let (running, counted) = restarted("wrote patch flink/FlinkSessionJob/job: stops", broken).await;
    goes_on(&running, counted).await;
    assert_eq!(memory(&running.world), "2048m", "the change of its cluster is finished");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn s20_the_clusters_folder_may_break_and_the_process_be_killed() {
    for (after, expected) in [
        ("wrote patch flink/FlinkSessionJob/job: stops", "1024m"),
        ("wrote patch flink/FlinkDeployment/sessions", "2048m"),
    ] {
        let broken =
            |running: &Running| running.shelf.push(without(at("r3", "4096m", "other:2"), "sessions"));
        let (running, counted) = restarted(after, broken).await;
        goes_on(&running, counted).await;
        let world = running.stop().await;
        assert_eq!(memory(&world), expected);
        assert_eq!(world.unit(&deployment("other")).expect("other").spec()["image"], "other:2");
    }
}

#[tokio::test(start_paused = true)]
async fn s20_apply_as_well_does_not_end_before_a_stopped_job_is_back_on_a_cluster_whose_folder_broke() {
    let running = Running::start(Some(at("r1", "1024m", "other:1")), Mode::Enforce).await;
    running.told("quiet: 3 settled").await;
    running.shelf.push(at("r2", "2048m", "other:1"));
    running.told("wrote patch flink/FlinkDeployment/sessions").await;
    let (world, _) = running.kill().await;
    let outcome = world.apply(&without(at("r3", "2048m", "other:1"), "sessions")).await;
    let Outcome::Blocked(standing) = outcome else { panic!("{outcome:?}") };
    assert_eq!(standing.blocked.len(), 1, "only the cluster: {standing}");
    assert_eq!(world.unit(&session_job("job")).expect("job").spec()["job"]["state"], "running");
}

#[tokio::test(start_paused = true)]
async fn s20_what_was_in_force_stays_so_after_a_restart_with_an_invalid_head() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    running.shelf.push_unknown("r2");
    let (world, shelf) = running.kill().await;
    let running = Running::on(world, shelf, Mode::Enforce).await;
    running.told("recalled r1").await;
    running.told("quiet: 2 settled").await;
    let ready = running.get("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    assert!(ready.contains("git: r1\ngit invalid: revision r2 cannot be used"), "{ready}");
    let key = (&deployment("ingest")).into();
    let edit = |object: &mut serde_json::Value| object["spec"]["image"] = json!("by-hand");
    running.world.sim.store().edit(&key, &WriteOptions::by("kubectl-edit"), edit).expect("an edit");
    running.told("wrote patch flink/FlinkDeployment/ingest").await;
    running.shelf.push_invalid("r3");
    running.told("invalid r3, in force Some(Revision(\"r1\"))").await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn s20_an_invalid_head_over_a_revision_that_never_was_in_force_writes_nothing() {
    let shelf = std::sync::Arc::new(super::running::Shelf::default());
    shelf.push(chain("r1", "ingest:1"));
    shelf.push_invalid("r2");
    let running = Running::on(World::new(), shelf, Mode::Enforce).await;
    running.told("invalid r2, in force None").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(running.get("/readyz").await.starts_with("HTTP/1.1 503"));
    assert_eq!(running.world.writes(), []);
    running.shelf.push(chain("r3", "ingest:1"));
    running.told("quiet: 2 settled").await;
    running.stop().await;
}
