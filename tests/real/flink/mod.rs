//! Real jobs with real state, from Git to what Flink says they were restored from.
//!
//! Each story is one namespace with Flink clusters of its own, told change by change, since starting Flink is
//! what takes long; the stories run side by side. Every change is forecast, carried out by the `flinkops`
//! binary, killed on the way and begun again wherever there is a middle, and then held to the forecast, to what
//! Flink says, and to what the embedded cluster makes of the same commits.

mod application;
mod asked;
mod change;
mod gone;
mod hand;
mod model;
mod rescue;
mod rollback;
mod session;
mod trace;
mod trouble;
mod world;

use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use flinkops::flink::kind::Kind;
use flinkops::plan::ledger::{Ledger, Reason};
use serde_json::{Value, json};

use super::stack::{FLINK, stack};
use asked::Restored;
use world::{Told, World};

/// How much all stories have told, and since when.
static TOLD: Mutex<Option<(Told, Instant)>> = Mutex::new(None);

/// The policy of a story. What fails says so: a machine on which all else is slow has its time.
fn policy() -> Value {
    json!({"settle": "2s", "timeout": "10m"})
}

/// Tells a story in a world of its own, where the stack is not left out.
async fn tell(story: impl AsyncFnOnce(&World) -> Result<()>) {
    let Some(stack) = stack().await else { return };
    let start = Instant::now();
    let world = World::new(stack, policy()).await.expect("a world");
    let told = story(&world).await;
    let Told { changes, kills } = *world.told.lock().expect("no panic under lock");
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a story").rsplit("::").next().unwrap_or_default();
    let took = start.elapsed();
    let (all, since) = {
        let mut all = TOLD.lock().expect("no panic under lock");
        let all = all.get_or_insert_with(|| (Told::default(), start));
        (all.0.changes, all.0.kills) = (all.0.changes + changes, all.0.kills + kills);
        (all.0, all.1.elapsed())
    };
    FLINK.say(&format!(
        "told {name}: {took:.1?}, {changes} changes, {kills} kills of flinkops; all stories so far: {since:.1?}, {} \
         changes, {} kills",
        all.changes, all.kills
    ));
    if let Err(error) = told {
        panic!("{error:#}");
    }
}

/// What is on record of a unit that something must be on record of.
async fn ledger(world: &World, kind: Kind, name: &str) -> Result<Ledger> {
    world.ledger(kind, name).await?.with_context(|| format!("nothing on record of {name}"))
}

/// Fails unless Flink itself says that a job began with the newest restore point on record, which is there for
/// this reason; and unless flinkops says the same of it.
async fn restored(world: &World, kind: Kind, name: &str, reason: Reason) -> Result<()> {
    let ledger = ledger(world, kind, name).await?;
    let newest = ledger.savepoints.first().context("no savepoint on record")?;
    ensure!(newest.reason == reason, "{name}: {:?}", ledger.savepoints);
    // Flink calls whatever it was told to begin with a savepoint.
    let wanted = Restored { path: newest.path.clone(), is_savepoint: true };
    let restored = world.restored(kind, name).await?;
    ensure!(restored.as_ref() == Some(&wanted), "{name} began with {restored:?}, on record is {wanted:?}");
    let (_, status) = world.place.read("status")?;
    let unit = status["units"].as_array().into_iter().flatten().find(|unit| unit["name"] == name);
    let told = &unit.context("no word of it")?["flink"];
    ensure!(told["restoredFrom"] == wanted.path.as_str(), "{name}: {told:#}, on record is {wanted:?}");
    Ok(())
}

/// Fails unless a unit is gone, and its final savepoint is on record and on disk.
async fn left(world: &World, kind: Kind, name: &str) -> Result<()> {
    ensure!(world.unit(kind, name).await?.is_none(), "still there");
    let ledger = ledger(world, kind, name).await?;
    let last = ledger.last_savepoint().context("no final savepoint on record")?;
    let folder = last.path.strip_prefix("file:").context("a local savepoint")?;
    ensure!(Path::new(folder).join("_metadata").is_file(), "no savepoint at {folder}");
    Ok(())
}

/// Whether a unit is there; never before the marker that says whose the namespace is (S2).
async fn is_there(world: &World, kind: Kind, name: &str) -> Result<bool> {
    let there = world.unit(kind, name).await?.is_some();
    assert!(!there || world.is_marked().await?, "S2: {name} is there before the marker");
    Ok(there)
}

/// The same of one that starts from its final savepoint, which stays on record until it runs (S9, S16).
async fn is_back(world: &World, kind: Kind, name: &str) -> Result<bool> {
    let there = is_there(world, kind, name).await?;
    assert!(
        !there || is_recorded(world, kind, name).await?,
        "S9: {name} is there, and its savepoint not on record"
    );
    Ok(there)
}

/// Whether it is on record that a unit was created, or changed, as Git has it now; and that is not yet all.
async fn is_applied(world: &World, kind: Kind, name: &str) -> Result<bool> {
    let Some(ledger) = world.ledger(kind, name).await? else { return Ok(false) };
    Ok(ledger.applied.first().is_some_and(|applied| applied.settled.is_none()))
}

/// Whether a unit is held no longer; what is left then is to say that all of the revision is applied.
async fn is_let_go(world: &World, kind: Kind, name: &str) -> Result<bool> {
    Ok(ledger(world, kind, name).await?.held.is_none())
}

/// Whether a job was told to be in a state.
async fn is_told(world: &World, kind: Kind, name: &str, state: &str) -> Result<bool> {
    Ok(world.field(kind, name, "/spec/job/state").await? == state)
}

/// Whether the savepoint that a job was stopped with is on record.
async fn is_recorded(world: &World, kind: Kind, name: &str) -> Result<bool> {
    Ok(world.ledger(kind, name).await?.is_some_and(|ledger| ledger.last_savepoint().is_some()))
}

/// Whether a unit was told to go, or is gone already.
async fn is_leaving(world: &World, kind: Kind, name: &str) -> Result<bool> {
    let unit = world.unit(kind, name).await?;
    Ok(unit.is_none_or(|unit| unit.pointer("/metadata/deletionTimestamp").is_some()))
}
