//! Real jobs with real state, from Git to what Flink says they were restored from.

mod trace;
mod world;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use flinkops::plan::ledger::{Ledger, Reason};

use super::stack::stack;
use world::{Job, Restored, Wish, World};

fn job(name: &'static str, parallelism: u32) -> Job {
    Job { name, parallelism, upgrade_mode: "savepoint" }
}

/// One life of two stateful jobs on one session cluster, since starting Flink is what takes long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stateful_session_jobs_keep_their_state_whatever_is_merged() {
    let Some(stack) = stack().await else { return };
    if let Err(error) = live(&World::new(stack).await.expect("a world")).await {
        panic!("{error:#}");
    }
}

async fn live(world: &World) -> Result<()> {
    let mut wish = Wish { memory: "1024m", jobs: vec![job("clicks", 1), job("orders", 1)] };
    created(world, &wish).await.context("create")?;

    wish.jobs[0].parallelism = 2;
    upgraded(world, &wish).await.context("upgrade from savepoint")?;

    wish.memory = "1100m";
    carried(world, &wish).await.context("session cluster change")?;

    let orders = wish.jobs.pop().context("two jobs")?;
    deleted(world, &wish).await.context("delete")?;

    wish.jobs.push(orders);
    brought_back(world, &wish).await.context("bring back")?;

    wish.jobs[0] = Job { upgrade_mode: "last-state", ..job("clicks", 1) };
    rejected(world, &wish).await.context("a spec that the operator rejects")
}

async fn created(world: &World, wish: &Wish) -> Result<()> {
    let start = Instant::now();
    world.commit(wish)?;
    world.settle().await?;
    for name in ["clicks", "orders"] {
        ensure!(world.restored(name).await?.is_none(), "{name} did not begin empty");
    }
    world.done("create a session cluster with two stateful jobs", start);
    Ok(())
}

async fn upgraded(world: &World, wish: &Wish) -> Result<()> {
    let start = Instant::now();
    let other = world.job_id("orders").await?;
    world.commit(wish)?;
    told(world, "clicks", "upgrade-from-savepoint")?;
    world.settle().await?;
    let newest = newest(&world.ledger("clicks").await?)?;
    from_savepoint(world, "clicks", &newest).await?;
    ensure!(world.job_id("orders").await? == other, "the other job was restarted");
    world.done("upgrade one from a savepoint", start);
    Ok(())
}

async fn carried(world: &World, wish: &Wish) -> Result<()> {
    let start = Instant::now();
    world.commit(wish)?;
    told(world, "sessions", "restart-cluster")?;
    world.settle().await?;
    for name in ["clicks", "orders"] {
        let ledger = world.ledger(name).await?;
        ensure!(ledger.savepoints[0].reason == Reason::ClusterChange, "{name}: {:?}", ledger.savepoints);
        from_savepoint(world, name, &newest(&ledger)?).await?;
    }
    world.done("change the session cluster below both", start);
    Ok(())
}

async fn deleted(world: &World, wish: &Wish) -> Result<()> {
    let start = Instant::now();
    world.commit(wish)?;
    told(world, "orders", "delete")?;
    world.settle().await?;
    ensure!(world.job("orders").await?.is_none(), "still there");
    let ledger = world.ledger("orders").await?;
    let last = ledger.last_savepoint().context("no final savepoint on record")?;
    let folder = last.path.strip_prefix("file:").context("a local savepoint")?;
    ensure!(Path::new(folder).join("_metadata").is_file(), "no savepoint at {folder}");
    world.done("delete one with a savepoint", start);
    Ok(())
}

async fn brought_back(world: &World, wish: &Wish) -> Result<()> {
    let start = Instant::now();
    let ledger = world.ledger("orders").await?;
    let last = ledger.last_savepoint().context("no final savepoint on record")?;
    world.commit(wish)?;
    told(world, "orders", "create")?;
    world.settle().await?;
    from_savepoint(world, "orders", &last.path).await?;
    world.done("bring it back from that savepoint", start);
    Ok(())
}

/// Operator 1.7.0 knows no last-state for session jobs; a newer one does, so that only it can say.
async fn rejected(world: &World, wish: &Wish) -> Result<()> {
    let start = Instant::now();
    let before = world.job_id("clicks").await?;
    world.commit(wish)?;
    let applied = world.apply().await?;
    ensure!(!applied.success, "taken:\n{}", applied.said);
    ensure!(applied.said.contains("LAST_STATE"), "{}", applied.said);
    ensure!(world.job_id("clicks").await? == before, "the job was restarted");
    world.done("hear of a spec that the operator rejects", start);
    Ok(())
}

/// Fails unless a plan says this of a unit, and that its state is safe.
fn told(world: &World, name: &str, effect: &str) -> Result<()> {
    let unit = world.planned(name)?;
    ensure!(unit["effect"] == effect && unit["state"] != "dropped", "planned: {unit:#}");
    Ok(())
}

fn newest(ledger: &Ledger) -> Result<String> {
    Ok(ledger.savepoints.first().context("no savepoint on record")?.path.clone())
}

/// Fails unless Flink itself says that a job began with the savepoint at this path.
async fn from_savepoint(world: &World, name: &str, path: &str) -> Result<()> {
    let wanted = Restored { path: path.to_owned(), is_savepoint: true };
    let restored = world.restored(name).await?;
    ensure!(restored.as_ref() == Some(&wanted), "{name} began with {restored:?}, on record is {wanted:?}");
    Ok(())
}
