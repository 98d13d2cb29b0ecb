//! A stateful application: a cluster of its own for one job.

use anyhow::{Context as _, Result, ensure};
use flinkops::flink::kind::Kind::FlinkDeployment;
use flinkops::plan::ledger::Reason;
use serde_json::{Value, json};

use super::change::Change;
use super::world::World;
use super::{
    is_applied, is_back, is_leaving, is_let_go, is_recorded, is_there, is_told, left, restored, tell,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s8_s9_s16_a_stateful_application_keeps_its_state_whatever_is_merged() {
    tell(live).await;
}

async fn live(world: &World) -> Result<()> {
    let mut wish = json!({"clicks": world.application()?, "idle": world.application()?});
    wish["idle"]["spec"]["job"]["state"] = json!("suspended");
    let change = Change::new(world, "create an application, and another that is not to run", &wish)?;
    change
        .told("clicks", "create")?
        .by_daemon()
        .killed("it is there", async |world| is_there(world, FlinkDeployment, "clicks").await)
        .await?
        .killed("it is on record", async |world| is_applied(world, FlinkDeployment, "clicks").await)
        .await?
        .settles()
        .await
        .context("create")?;
    ensure!(world.restored(FlinkDeployment, "clicks").await?.is_none(), "did not begin empty");

    wish["clicks"]["spec"]["job"]["parallelism"] = json!(2);
    upgraded(world, &wish).await.context("upgrade from savepoint")?;
    rolled_back(world, &wish).await.context("an upgrade that fails")?;
    suspended(world, &mut wish).await.context("suspend and resume")?;
    deleted(world, &wish).await.context("delete and bring back")
}

async fn upgraded(world: &World, wish: &Value) -> Result<()> {
    let patched =
        async |world: &World| Ok(world.field(FlinkDeployment, "clicks", "/spec/job/parallelism").await? == 2);
    Change::new(world, "upgrade an application from a savepoint", wish)?
        .told("clicks", "upgrade-from-savepoint")?
        .by_daemon()
        .killed("it is patched", patched)
        .await?
        .settles()
        .await?;
    restored(world, FlinkDeployment, "clicks", Reason::Upgrade).await
}

/// A program that is not there never ran: the old spec put back is enough.
async fn rolled_back(world: &World, good: &Value) -> Result<()> {
    let mut wish = good.clone();
    wish["clicks"]["policy"] = json!({"onFailure": "rollback"});
    wish["clicks"]["spec"]["job"]["entryClass"] = json!("org.example.Missing");
    let held = async |world: &World| {
        let ledger = world.ledger(FlinkDeployment, "clicks").await?;
        Ok(ledger.is_some_and(|ledger| ledger.held.is_some()))
    };
    Change::new(world, "go back from an application's program that is not there", &wish)?
        .told("clicks", "upgrade-from-savepoint")?
        .killed("it is held", held)
        .await?
        .fails(&["clicks"], &["held at"])
        .await?;
    restored(world, FlinkDeployment, "clicks", Reason::Upgrade).await?;
    Change::new(world, "agree with Git again about the application", good)?
        .killed("it is let go", async |world| is_let_go(world, FlinkDeployment, "clicks").await)
        .await?
        .settles()
        .await
}

async fn suspended(world: &World, wish: &mut Value) -> Result<()> {
    wish["clicks"]["spec"]["job"]["state"] = json!("suspended");
    Change::new(world, "suspend an application", wish)?
        .told("clicks", "suspend")?
        .by_daemon()
        .killed("it was told to stop", async |world| {
            is_told(world, FlinkDeployment, "clicks", "suspended").await
        })
        .await?
        .settles()
        .await?;
    wish["clicks"]["spec"]["job"]["state"] = json!("running");
    Change::new(world, "resume an application", wish)?
        .told("clicks", "resume")?
        .by_daemon()
        .killed("it was told to run", async |world| {
            is_told(world, FlinkDeployment, "clicks", "running").await
        })
        .await?
        .settles()
        .await?;
    restored(world, FlinkDeployment, "clicks", Reason::Suspend).await
}

async fn deleted(world: &World, wish: &Value) -> Result<()> {
    let rest = json!({"idle": wish["idle"]});
    Change::new(world, "delete an application with a savepoint", &rest)?
        .told("clicks", "delete")?
        .by_daemon()
        .killed("it was told to stop", async |world| {
            is_told(world, FlinkDeployment, "clicks", "suspended").await
        })
        .await?
        .killed("it is on record", async |world| is_recorded(world, FlinkDeployment, "clicks").await)
        .await?
        .killed("it was told to go", async |world| is_leaving(world, FlinkDeployment, "clicks").await)
        .await?
        .settles()
        .await?;
    left(world, FlinkDeployment, "clicks").await?;

    let there = async |world: &World| is_back(world, FlinkDeployment, "clicks").await;
    Change::new(world, "bring the application back from that savepoint", wish)?
        .told("clicks", "create")?
        .by_daemon()
        .killed("it is there", there)
        .await?
        .settles()
        .await?;
    restored(world, FlinkDeployment, "clicks", Reason::Delete).await
}
