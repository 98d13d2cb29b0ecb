//! `apply`: turns the loop until nothing moves any more.

use std::time::Duration;

use super::outcome::Outcome;
use super::reconcile::{Options, Reconciler};
use crate::cluster::{Cluster, ClusterError};
use crate::spec::Desired;

/// Makes an environment equal to what Git wants, once, and says how that ended.
///
/// Ends when everything is settled, or when what is not cannot go on by itself. `timeout` bounds the
/// whole of it. Whoever calls holds the lease, and passes the guarded cluster.
pub async fn apply(
    cluster: &Cluster,
    desired: &Desired,
    options: Options,
    timeout: Option<Duration>,
) -> Result<Outcome, ClusterError> {
    let shutdown = options.shutdown.clone();
    let mut reconciler = Reconciler::new(cluster, desired, options);
    let deadline = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(deadline);
    tokio::select! {
        synced = reconciler.watch().synced() => synced?,
        () = &mut deadline => return Ok(Outcome::TimedOut(super::Standing::default())),
        () = shutdown.cancelled() => return Ok(Outcome::Interrupted(super::Standing::default())),
    }
    let outcome = loop {
        let Some(round) = reconciler.round(desired).await else {
            reconciler.watch().synced().await?;
            continue;
        };
        if shutdown.is_cancelled() || round.lease_lost {
            break Outcome::Interrupted(round.standing);
        }
        if !round.again && round.standing.is_quiet() {
            break Outcome::of(round.standing);
        }
        tokio::select! {
            () = reconciler.idle(Some(&round)) => {}
            () = &mut deadline => break Outcome::TimedOut(round.standing),
            () = shutdown.cancelled() => break Outcome::Interrupted(round.standing),
        }
    };
    reconciler.finish_events().await;
    Ok(outcome)
}
