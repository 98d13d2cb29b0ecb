//! Jobs that cannot be saved any more: what they are brought back from, and that it was written down in time.

use anyhow::{Context as _, Result};
use flinkops::flink::kind::Kind::{FlinkDeployment, FlinkSessionJob};
use flinkops::plan::ledger::Reason;
use serde_json::{Value, json};

use super::change::Change;
use super::world::World;
use super::{is_leaving, is_there, is_told, ledger, restored, tell};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_s13_jobs_that_failed_or_were_lost_are_brought_back_from_what_is_on_record() {
    tell(live).await;
}

async fn live(world: &World) -> Result<()> {
    let mut sessions = world.cluster("1024m")?;
    let configuration = &mut sessions["spec"]["flinkConfiguration"];
    configuration["restart-strategy"] = json!("none");
    let retention = "execution.checkpointing.externalized-checkpoint-retention";
    configuration[retention] = json!("RETAIN_ON_CANCELLATION");
    let mut job = world.session_job("sessions");
    job["policy"] = json!({"repair": true});
    let mut wish = json!({"sessions": sessions, "clicks": job, "orders": job});
    Change::new(world, "create what is to be lost", &wish)?
        .killed("one job is there", async |world| is_there(world, FlinkSessionJob, "orders").await)
        .await?
        .settles()
        .await
        .context("create")?;

    wish["sessions"]["spec"]["taskManager"]["resource"]["memory"] = json!("1100m");
    failed(world, &wish).await.context("a job that failed")?;
    lost(world, &wish).await.context("jobs that were lost")
}

/// The old cluster alone knows where the last checkpoint of a job is that has failed on it.
async fn failed(world: &World, wish: &Value) -> Result<()> {
    world.fail(FlinkSessionJob, "clicks").await?;
    let clicks = world.key(FlinkSessionJob, "clicks");
    world.likewise(move |sim| sim.operator().fail_job(&clicks, sim.now())).await?;
    let checkpoint = world.checkpoint(FlinkSessionJob, "clicks").await?.context("no checkpoint")?;

    let is_recorded = async |world: &World| {
        let ledger = ledger(world, FlinkSessionJob, "clicks").await?;
        Ok(ledger.savepoints.iter().any(|it| it.reason == Reason::Checkpoint && it.path == checkpoint))
    };
    let memory = &wish["sessions"]["spec"]["taskManager"]["resource"]["memory"];
    Change::new(world, "change a session cluster below a job that has failed", wish)?
        .by_daemon()
        .told("sessions", "restart-cluster")?
        .killed("the other was told to stop", async |world| {
            is_told(world, FlinkSessionJob, "orders", "suspended").await
        })
        .await?
        .killed("the last checkpoint is on record", is_recorded)
        .await?
        .killed("the cluster is patched", async |world| {
            let live = world.field(FlinkDeployment, "sessions", "/spec/taskManager/resource/memory").await?;
            let patched = live == *memory;
            assert!(!patched || is_recorded(world).await?, "S9: patched before that was on record");
            Ok(patched)
        })
        .await?
        .killed("the job was told to go", async |world| is_leaving(world, FlinkSessionJob, "clicks").await)
        .await?
        .settles()
        .await?;
    restored(world, FlinkSessionJob, "clicks", Reason::Checkpoint).await?;
    restored(world, FlinkSessionJob, "orders", Reason::ClusterChange).await
}

/// Operator 1.7.0 starts a lost job again only from nothing, and never lets its resource go.
async fn lost(world: &World, wish: &Value) -> Result<()> {
    world.crash("sessions", &["clicks", "orders"]).await?;
    let sessions = world.key(FlinkDeployment, "sessions");
    world.likewise(move |sim| sim.operator().crash_job_manager(&sessions, sim.now())).await?;
    begun_anew(world, "rescue what a session cluster has lost", wish).await?;
    restored(world, FlinkSessionJob, "clicks", Reason::Checkpoint).await?;
    restored(world, FlinkSessionJob, "orders", Reason::ClusterChange).await
}

/// The change by which both jobs of a session cluster, which are lost, are deleted and created again.
pub(super) async fn begun_anew(world: &World, name: &'static str, wish: &Value) -> Result<()> {
    let clicks = world.field(FlinkSessionJob, "clicks", "/metadata/uid").await?;
    Change::new(world, name, wish)?
        .told("clicks", "recreate")?
        .told("orders", "recreate")?
        .killed("one was told to go", async |world| is_leaving(world, FlinkSessionJob, "orders").await)
        .await?
        .killed("the other is there again", async |world| {
            Ok(world.field(FlinkSessionJob, "clicks", "/metadata/uid").await? != clicks)
        })
        .await?
        .settles()
        .await
}
