//! JobManagers that go although nobody asked flinkops: who brings their jobs back, and what is left of those.

use anyhow::{Context as _, Result, ensure};
use flinkops::flink::kind::Kind::{FlinkDeployment, FlinkSessionJob};
use flinkops::flink::kind::ObjectKey;
use flinkops::plan::ledger::Reason;
use flinkops::sim::Sim;
use flinkops::sim::api::store::WriteOptions;
use serde_json::{Value, json};

use super::change::Change;
use super::rescue::begun_anew;
use super::world::World;
use super::{is_leaving, is_there, restored, tell};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_s13_jobs_whose_job_manager_was_told_to_end_by_others_are_brought_back() {
    tell(live).await;
}

async fn live(world: &World) -> Result<()> {
    let mut orders = world.session_job("sessions");
    orders["policy"] = json!({"repair": true});
    let mut clicks = orders.clone();
    clicks["spec"]["flinkConfiguration"] =
        json!({"execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION"});
    let mut bills = world.application()?;
    bills["policy"] = json!({"repair": true});
    let mut wish = json!({
        "sessions": world.cluster("1024m")?, "clicks": clicks, "orders": orders, "bills": bills,
        "stock": world.highly_available()?,
    });
    Change::new(world, "create what is to be without a JobManager", &wish)?
        .killed("an application is there", async |world| is_there(world, FlinkDeployment, "bills").await)
        .await?
        .settles()
        .await
        .context("create")?;

    for name in ["clicks", "orders", "bills"] {
        wish[name]["spec"]["job"]["parallelism"] = json!(2);
    }
    let patched =
        async |world: &World| Ok(world.field(FlinkDeployment, "bills", "/spec/job/parallelism").await? == 2);
    Change::new(world, "have a savepoint of each but one", &wish)?
        .killed("an application is patched", patched)
        .await?
        .settles()
        .await
        .context("upgrade")?;

    deleted(world, &wish).await.context("deleted Deployments")?;
    wish["sessions"]["spec"]["taskManager"]["resource"]["memory"] = json!("1100m");
    restarted(world, &wish).await.context("a session cluster restarted by hand")
}

/// Operator 1.7.0 starts a JobManager again only with high availability, and says of another one no more than that it
/// is missing: the error that it has for that it takes back at once.
async fn deleted(world: &World, wish: &Value) -> Result<()> {
    world.delete_deployment("bills").await?;
    world.delete_deployment("stock").await?;
    world.until("the operator misses one", async || is_missing(world, "bills").await).await?;
    let error = world.field(FlinkDeployment, "bills", "/status/error").await?;
    ensure!(error.is_null(), "{error}");
    let again =
        async || Ok(world.stack.starts(&world.place.namespace, "stock") == 2 && world.recorder.runs("stock"));
    world.until("high availability has brought the other back", again).await?;
    let from = world.restored(FlinkDeployment, "stock").await?.context("began empty")?;
    ensure!(from.path.contains("/chk-"), "began with {from:?}");

    let units = ["bills", "stock"].map(|name| world.key(FlinkDeployment, name));
    let lose = move |sim: &Sim| {
        for unit in &units {
            sim.operator().lose_job_manager(unit, sim.now());
        }
    };
    world.alike("Deployments are deleted", lose).await?;

    Change::new(world, "bring back an application whose Deployment was deleted", wish)?
        .told("bills", "recreate")?
        .killed("it was told to go", async |world| is_leaving(world, FlinkDeployment, "bills").await)
        .await?
        .killed("it is there again", async |world| Ok(!is_missing(world, "bills").await?))
        .await?
        .settles()
        .await?;
    restored(world, FlinkDeployment, "bills", Reason::Upgrade).await
}

/// The operator asks no job before it restarts a session cluster. Its JobManager is told to end, suspends them, and
/// deletes the checkpoints of those that were not told to retain them; only one that is killed leaves those.
async fn restarted(world: &World, wish: &Value) -> Result<()> {
    let jobs = ["clicks", "orders"];
    for job in jobs {
        world
            .until("there is a checkpoint", async || world.keeps_checkpoint(FlinkSessionJob, job).await)
            .await?;
    }
    let spec = json!({"taskManager": wish["sessions"]["spec"]["taskManager"]});
    world.edit(FlinkDeployment, "sessions", &spec).await?;
    world.misses("sessions", &jobs).await?;
    ensure!(world.keeps_checkpoint(FlinkSessionJob, "clicks").await?, "no checkpoint is retained");
    ensure!(
        !world.keeps_checkpoint(FlinkSessionJob, "orders").await?,
        "a checkpoint is left that nobody retains"
    );
    let sessions = ObjectKey::from(&world.key(FlinkDeployment, "sessions"));
    let edit = move |sim: &Sim| {
        let change = |it: &mut Value| it["spec"]["taskManager"] = spec["taskManager"].clone();
        sim.store().edit(&sessions, &WriteOptions::by("kubectl-edit"), change).expect("it is there");
    };
    world.likewise(edit).await?;

    begun_anew(world, "rescue the jobs of a session cluster that was restarted by hand", wish).await?;
    for job in jobs {
        restored(world, FlinkSessionJob, job, Reason::Upgrade).await?;
    }
    Ok(())
}

/// Whether the operator has found out that an application has no JobManager.
async fn is_missing(world: &World, name: &str) -> Result<bool> {
    let status = world.field(FlinkDeployment, name, "/status").await?;
    Ok(status["jobManagerDeploymentStatus"] == "MISSING" && status["lifecycleState"] == "STABLE")
}
