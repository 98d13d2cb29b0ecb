//! From `--context` and its company to a plan against a cluster.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use super::load::{self, Reading};
use super::only::{self, Chosen};
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

/// Which repository, which cluster, and which units of both.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Target {
    #[command(flatten)]
    pub(super) repository: load::Flags,
    #[command(flatten)]
    cluster: Flags,
    #[command(flatten)]
    pub(super) only: only::Flags,
}

/// Both sides, and what is to be done about it.
pub(super) struct Look {
    /// The cluster.
    pub(super) cluster: Cluster,
    /// What it holds.
    pub(super) live: Live,
    /// What is to be done about the units that are meant.
    pub(super) plan: Plan,
    /// Which those are; `None` where it is all of them.
    pub(super) chosen: Option<Chosen>,
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

impl Target {
    /// Looks at the cluster once and plans.
    pub(super) async fn look(
        &self,
        reading: &Reading,
        desired: &mut Desired,
        redactor: &Redactor,
    ) -> anyhow::Result<Look> {
        let cluster = self.cluster.connect(desired.context.as_deref(), redactor).await?;
        let mut live = cluster.observe(&Scope::of(desired)).await?;
        redactor.learn_live(&live);
        live.since = plan::observe_once(&live);
        desired.movement = plan::movement(desired, &live, |new, old| reading.source.descends_from(new, old));
        let plan = plan::plan(desired, &live, Timestamp::now());
        let (plan, chosen) = self.only.narrow(plan, desired)?;
        Ok(Look { cluster, live, plan, chosen })
    }
}
