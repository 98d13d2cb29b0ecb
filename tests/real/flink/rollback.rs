//! Versions that ran, took checkpoints of their own and then failed: what was there before is restored.

use anyhow::{Context as _, Result, ensure};
use flinkops::flink::kind::Kind::{self, FlinkDeployment, FlinkSessionJob};
use flinkops::plan::ledger::Reason;
use serde_json::json;

use super::change::Change;
use super::world::World;
use super::{is_applied, is_leaving, is_let_go, is_there, ledger, restored, tell};

/// The job of a session cluster, and an application.
const BOTH: [(Kind, &str); 2] = [(FlinkSessionJob, "clicks"), (FlinkDeployment, "orders")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_s23_a_version_that_ran_goes_back_to_the_savepoint_before_it() {
    tell(live).await;
}

/// Operator 1.7.0 has no `savepointRedeployNonce`, and starts a job only from what it has stopped it with: the
/// resource has to be made anew.
async fn live(world: &World) -> Result<()> {
    let (mut sessions, mut orders) = (world.cluster("1024m")?, world.application()?);
    for cluster in [&mut sessions, &mut orders] {
        cluster["spec"]["flinkConfiguration"]["restart-strategy"] = json!("none");
    }
    let good = json!({"sessions": sessions, "clicks": world.session_job("sessions"), "orders": orders});
    Change::new(world, "create what is to go back", &good)?
        .killed("the application is there", async |world| is_there(world, FlinkDeployment, "orders").await)
        .await?
        .killed("the other job is on record", async |world| {
            is_applied(world, FlinkSessionJob, "clicks").await
        })
        .await?
        .settles()
        .await?;

    let mut uids = Vec::new();
    let mut wish = good.clone();
    for (kind, name) in BOTH {
        uids.push(world.field(kind, name, "/metadata/uid").await?);
        wish[name]["spec"]["job"]["parallelism"] = json!(2);
        // Not settled for as long as it takes to see it run.
        wish[name]["policy"] = json!({"onFailure": "rollback", "settle": "10m"});
    }
    let mut impatient = wish.clone();
    for (_, name) in BOTH {
        impatient[name]["policy"] = json!({"onFailure": "rollback"});
    }
    let change = Change::new(world, "go back from versions that ran", &wish)?
        .told("clicks", "upgrade-from-savepoint")?
        .told("orders", "upgrade-from-savepoint")?
        .killed("the new versions have taken checkpoints", have_checkpoints)
        .await?
        .doomed(&BOTH)
        .await?;
    // The operator has only an application keep its last checkpoint.
    let kept = [
        world.checkpoint(FlinkSessionJob, "clicks").await?,
        world.checkpoint(FlinkDeployment, "orders").await?,
    ];
    ensure!(kept[0].is_none() && kept[1].is_some(), "the failed jobs have kept {kept:?}");
    change
        .reworded(&impatient)?
        .killed("one is held", async |world| {
            let ledger = ledger(world, FlinkSessionJob, "clicks").await?;
            Ok(ledger.held.is_some_and(|held| held.back_to.is_some_and(|back_to| back_to.from.is_some())))
        })
        .await?
        .killed("one was told to go", async |world| is_leaving(world, FlinkDeployment, "orders").await)
        .await?
        .killed("one is there again", async |world| {
            Ok(world.field(FlinkSessionJob, "clicks", "/spec/job/parallelism").await? == 1)
        })
        .await?
        .fails(&["clicks", "orders"], &["held at"])
        .await?;
    for ((kind, name), uid) in BOTH.into_iter().zip(uids) {
        restored(world, kind, name, Reason::Upgrade).await?;
        ensure!(world.field(kind, name, "/metadata/uid").await? != uid, "{name} was not made anew");
    }
    Change::new(world, "agree with Git again about both", &good)?
        .killed("one is let go", async |world| is_let_go(world, FlinkSessionJob, "clicks").await)
        .await?
        .settles()
        .await
        .context("a revert")
}

/// Whether both run the new version, as far as the operator knows, and Flink has completed a checkpoint of it.
async fn have_checkpoints(world: &World) -> Result<bool> {
    for (kind, name) in BOTH {
        let unit = world.unit(kind, name).await?.context("a unit")?;
        let (wanted, status) = (&unit["metadata"]["generation"], &unit["status"]);
        let last = status["reconciliationStatus"]["lastReconciledSpec"].as_str().unwrap_or("null");
        let last: serde_json::Value = serde_json::from_str(last)?;
        let acted = last["resource_metadata"]["metadata"]["generation"] == *wanted;
        let is_new = unit["spec"]["job"]["parallelism"] == 2 && acted && world.recorder.runs(name);
        if !is_new || world.checkpoint(kind, name).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}
