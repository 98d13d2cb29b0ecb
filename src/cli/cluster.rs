//! From `--context` and its company to a plan against a cluster.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use super::load::Reading;
use super::redact::Redactor;
use crate::cluster::{Cluster, ClusterError, Scope};
use crate::plan::{self, Live, Plan};
use crate::spec::Desired;

/// Which cluster.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
#[group(skip)]
pub(super) struct Flags {
    /// The kubeconfig, instead of the usual ones.
    #[arg(long, value_name = "PATH")]
    kubeconfig: Option<PathBuf>,
    /// The context in it, instead of the environment's or the current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// Both sides, and what is to be done about it.
pub(super) struct Look {
    /// What the cluster holds.
    pub(super) live: Live,
    /// What is to be done.
    pub(super) plan: Plan,
}

impl Flags {
    /// Connects. Nothing that was secret leaves in an error of the API server.
    pub(super) async fn connect(
        &self,
        environment: Option<&str>,
        redactor: &Redactor,
    ) -> Result<Cluster, ClusterError> {
        let context = self.context.as_deref().or(environment);
        let cluster = Cluster::connect(self.kubeconfig.as_deref(), context).await?;
        let redactor = redactor.clone();
        cluster.set_mask(Arc::new(move |text| redactor.scrub(text).into_owned()));
        Ok(cluster)
    }
}

/// Looks at the cluster once and plans.
pub(super) async fn look(
    cluster: &Cluster,
    reading: &Reading,
    desired: &mut Desired,
    redactor: &Redactor,
) -> Result<Look, ClusterError> {
    let mut live = cluster.observe(&Scope::of(desired)).await?;
    redactor.learn_live(&live);
    live.since = plan::observe_once(&live);
    desired.movement = plan::movement(desired, &live, |new, old| reading.source.descends_from(new, old));
    let plan = plan::plan(desired, &live, Timestamp::now());
    Ok(Look { live, plan })
}
