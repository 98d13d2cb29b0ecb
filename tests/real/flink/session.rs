//! Two stateful jobs on one session cluster.

use anyhow::{Context as _, Result, ensure};
use flinkops::flink::kind::Kind::{FlinkDeployment, FlinkSessionJob};
use flinkops::plan::ledger::Reason;
use serde_json::{Value, json};

use super::change::Change;
use super::world::World;
use super::{is_applied, is_back, is_leaving, is_recorded, is_there, is_told, left, restored, tell};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s8_s9_s12_two_stateful_session_jobs_keep_their_state_whatever_is_merged() {
    tell(live).await;
}

async fn live(world: &World) -> Result<()> {
    let job = world.session_job("sessions");
    let mut wish = json!({"sessions": world.cluster("1024m")?, "clicks": job, "orders": job});
    created(world, &wish).await.context("create")?;

    wish["clicks"]["spec"]["job"]["parallelism"] = json!(2);
    upgraded(world, &wish).await.context("upgrade from savepoint")?;

    wish["sessions"]["spec"]["taskManager"]["resource"]["memory"] = json!("1100m");
    carried(world, &wish).await.context("session cluster change")?;

    suspended(world, &mut wish).await.context("suspend and resume")?;

    let orders = wish.as_object_mut().and_then(|wish| wish.remove("orders")).context("two jobs")?;
    deleted(world, &wish).await.context("delete")?;

    wish["orders"] = orders;
    brought_back(world, &wish).await.context("bring back")
}

async fn created(world: &World, wish: &Value) -> Result<()> {
    let change = Change::new(world, "create a session cluster with two stateful jobs", wish)?;
    let change = change.told("clicks", "create")?.told("orders", "create")?;
    change
        .killed_with_lease("the cluster is there", async |world| {
            is_there(world, FlinkDeployment, "sessions").await
        })
        .await?
        .killed("a job is there", async |world| is_there(world, FlinkSessionJob, "clicks").await)
        .await?
        .killed("it is on record", async |world| is_applied(world, FlinkSessionJob, "clicks").await)
        .await?
        .settles()
        .await?;
    for name in ["clicks", "orders"] {
        ensure!(world.restored(FlinkSessionJob, name).await?.is_none(), "{name} did not begin empty");
    }
    Ok(())
}

async fn upgraded(world: &World, wish: &Value) -> Result<()> {
    let other = world.job_id(FlinkSessionJob, "orders").await?;
    let change = Change::new(world, "upgrade one from a savepoint", wish)?;
    let patched =
        async |world: &World| Ok(world.field(FlinkSessionJob, "clicks", "/spec/job/parallelism").await? == 2);
    change
        .told("clicks", "upgrade-from-savepoint")?
        .killed("the job is patched", patched)
        .await?
        .settles()
        .await?;
    restored(world, FlinkSessionJob, "clicks", Reason::Upgrade).await?;
    ensure!(world.job_id(FlinkSessionJob, "orders").await? == other, "the other job was restarted");
    Ok(())
}

async fn carried(world: &World, wish: &Value) -> Result<()> {
    let change = Change::new(world, "change the session cluster below both", wish)?;
    let memory = &wish["sessions"]["spec"]["taskManager"]["resource"]["memory"];
    let patched = async |world: &World| {
        Ok(world.field(FlinkDeployment, "sessions", "/spec/taskManager/resource/memory").await? == *memory)
    };
    change
        .told("sessions", "restart-cluster")?
        .killed("one was told to stop", async |world| {
            is_told(world, FlinkSessionJob, "clicks", "suspended").await
        })
        .await?
        .killed("one is on record", async |world| is_recorded(world, FlinkSessionJob, "orders").await)
        .await?
        .killed("the cluster is patched", patched)
        .await?
        .killed("one was told to run", async |world| {
            is_told(world, FlinkSessionJob, "orders", "running").await
        })
        .await?
        .settles()
        .await?;
    for name in ["clicks", "orders"] {
        restored(world, FlinkSessionJob, name, Reason::ClusterChange).await?;
    }
    Ok(())
}

/// What changes while a job is suspended counts when it runs again, and the operator does not look at it before.
async fn suspended(world: &World, wish: &mut Value) -> Result<()> {
    wish["clicks"]["spec"]["job"]["state"] = json!("suspended");
    let change = Change::new(world, "suspend one", wish)?;
    change
        .told("clicks", "suspend")?
        .killed("it was told to stop", async |world| {
            is_told(world, FlinkSessionJob, "clicks", "suspended").await
        })
        .await?
        .settles()
        .await?;
    ensure!(is_recorded(world, FlinkSessionJob, "clicks").await?, "no final savepoint on record");

    wish["clicks"]["spec"]["job"]["parallelism"] = json!(1);
    let patched =
        async |world: &World| Ok(world.field(FlinkSessionJob, "clicks", "/spec/job/parallelism").await? == 1);
    Change::new(world, "change it while it is suspended", wish)?
        .told("clicks", "none")?
        .killed("it is patched", patched)
        .await?
        .settles()
        .await?;

    wish["clicks"]["spec"]["job"]["state"] = json!("running");
    let change = Change::new(world, "resume it", wish)?;
    change
        .told("clicks", "resume")?
        .killed("it was told to run", async |world| {
            is_told(world, FlinkSessionJob, "clicks", "running").await
        })
        .await?
        .settles()
        .await?;
    restored(world, FlinkSessionJob, "clicks", Reason::Suspend).await
}

async fn deleted(world: &World, wish: &Value) -> Result<()> {
    let change = Change::new(world, "delete one with a savepoint", wish)?;
    change
        .told("orders", "delete")?
        .killed("it was told to stop", async |world| {
            is_told(world, FlinkSessionJob, "orders", "suspended").await
        })
        .await?
        .killed("it is on record", async |world| is_recorded(world, FlinkSessionJob, "orders").await)
        .await?
        .killed("it was told to go", async |world| is_leaving(world, FlinkSessionJob, "orders").await)
        .await?
        .settles()
        .await?;
    left(world, FlinkSessionJob, "orders").await
}

async fn brought_back(world: &World, wish: &Value) -> Result<()> {
    let change = Change::new(world, "bring it back from that savepoint", wish)?;
    let there = async |world: &World| is_back(world, FlinkSessionJob, "orders").await;
    change.told("orders", "create")?.killed("it is there", there).await?.settles().await?;
    restored(world, FlinkSessionJob, "orders", Reason::Delete).await
}
