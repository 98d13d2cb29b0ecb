//! What goes wrong is named, and stops only what depends on it.

use anyhow::{Context as _, Result, ensure};
use flinkops::flink::kind::Kind::{FlinkDeployment, FlinkSessionJob};
use flinkops::plan::ledger::Reason;
use serde_json::{Value, json};

use super::change::Change;
use super::world::{TOO_MANY, World};
use super::{is_let_go, is_there, is_told, restored, tell};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s23_what_goes_wrong_stops_only_what_depends_on_it() {
    tell(live).await;
}

async fn live(world: &World) -> Result<()> {
    let job = world.session_job("sessions");
    let mut wish = json!({"sessions": world.cluster("1024m")?, "clicks": job, "orders": job, "reports": job});
    wish["reports"]["dependsOn"] = json!(["clicks"]);
    let first = async |world: &World| is_there(world, FlinkSessionJob, "clicks").await;
    Change::new(world, "create three jobs, one after another", &wish)?
        .killed("the first job is there", first)
        .await?
        .settles()
        .await
        .context("create")?;
    refused(world, &wish).await.context("a spec that the operator would reject")?;
    for name in ["orders", "reports"] {
        wish[name]["spec"]["job"]["parallelism"] = json!(2);
    }
    rejected(world, &wish).await.context("a session cluster that the operator rejects")?;
    rolled_back(world, &wish).await.context("an upgrade that fails")
}

/// Operator 1.7.0 knows no last-state for session jobs, and flinkops does not even try.
async fn refused(world: &World, good: &Value) -> Result<()> {
    let (clicks, reports) =
        (world.job_id(FlinkSessionJob, "clicks").await?, world.job_id(FlinkSessionJob, "reports").await?);
    let mut wish = good.clone();
    for name in ["clicks", "orders", "reports"] {
        wish[name]["spec"]["job"]["parallelism"] = json!(2);
    }
    wish["clicks"]["spec"]["job"]["upgradeMode"] = json!("last-state");
    let patched =
        async |name: &str| Ok(world.field(FlinkSessionJob, name, "/spec/job/parallelism").await? == 2);
    Change::new(world, "hear of a spec that the operator would reject", &wish)?
        .killed("the independent job is patched", async |_| patched("orders").await)
        .await?
        .fails(&["clicks", "reports"], &["LAST_STATE", "waits for clicks"])
        .await?;
    ensure!(world.job_id(FlinkSessionJob, "clicks").await? == clicks, "the job was restarted");
    ensure!(world.job_id(FlinkSessionJob, "reports").await? == reports, "its dependent was restarted");
    restored(world, FlinkSessionJob, "orders", Reason::Upgrade).await.context("the independent one")?;

    wish["clicks"] = good["clicks"].clone();
    Change::new(world, "recover from it by a revert", &wish)?
        .killed("the dependent job is patched", async |_| patched("reports").await)
        .await?
        .settles()
        .await?;
    ensure!(world.job_id(FlinkSessionJob, "clicks").await? == clicks, "the job was restarted");
    restored(world, FlinkSessionJob, "reports", Reason::Upgrade).await.context("the dependent")
}

/// Nobody but the operator knows that it is not configured as Git states; by then every job is stopped.
async fn rejected(world: &World, good: &Value) -> Result<()> {
    let mut wish = good.clone();
    wish["sessions"]["spec"]["jobManager"]["replicas"] = json!(2);
    let replicas = async || world.field(FlinkDeployment, "sessions", "/spec/jobManager/replicas").await;
    world.state(json!({"high-availability.type": "kubernetes"}));
    Change::new(world, "go back from a session cluster that the operator rejects", &wish)?
        .told("sessions", "restart-cluster")?
        .killed("one was told to stop", async |world| {
            is_told(world, FlinkSessionJob, "clicks", "suspended").await
        })
        .await?
        .killed("the cluster is patched", async |_| Ok(replicas().await? == 2))
        .await?
        .killed("it is as it was", async |_| Ok(replicas().await? != 2))
        .await?
        .fails(&["sessions", "clicks", "orders", "reports"], &["held at", "refuses the spec"])
        .await?;
    for name in ["clicks", "orders", "reports"] {
        restored(world, FlinkSessionJob, name, Reason::ClusterChange).await?;
    }
    ensure!(world.stack.starts(&world.place.namespace, "sessions") == 1, "the cluster was restarted");
    world.state(json!({}));
    Change::new(world, "agree with Git again about the session cluster", good)?
        .killed("it is let go", async |world| is_let_go(world, FlinkDeployment, "sessions").await)
        .await?
        .settles()
        .await
}

/// A program that is not there never runs, and Flink takes no job that cannot read its state: the old spec put
/// back is enough.
async fn rolled_back(world: &World, good: &Value) -> Result<()> {
    let missing = ("/spec/job/entryClass", json!("org.example.Missing"));
    let failing = ("/spec/job/parallelism", json!(TOO_MANY));
    for (what, (pointer, value)) in [
        ("go back from a program that is not there", missing),
        ("go back from a job that cannot read the state", failing),
    ] {
        let uid = world.field(FlinkSessionJob, "clicks", "/metadata/uid").await?;
        let mut wish = good.clone();
        wish["clicks"]["policy"] = json!({"onFailure": "rollback"});
        *wish["clicks"].pointer_mut(pointer).context("a field")? = value.clone();
        let written =
            async |world: &World| Ok(world.field(FlinkSessionJob, "clicks", pointer).await? == value);
        let held = async |world: &World| {
            let ledger = world.ledger(FlinkSessionJob, "clicks").await?;
            Ok(ledger.is_some_and(|ledger| ledger.held.is_some()))
        };
        Change::new(world, what, &wish)?
            .told("clicks", "upgrade-from-savepoint")?
            .killed("the job is patched", written)
            .await?
            .killed("it is held", held)
            .await?
            .fails(&["clicks"], &["held at"])
            .await?;
        restored(world, FlinkSessionJob, "clicks", Reason::Upgrade).await?;
        let same = world.field(FlinkSessionJob, "clicks", "/metadata/uid").await? == uid;
        ensure!(same, "it was created anew");
        Change::new(world, "agree with Git again", good)?
            .killed("it is let go", async |world| is_let_go(world, FlinkSessionJob, "clicks").await)
            .await?
            .settles()
            .await?;
    }
    Ok(())
}
