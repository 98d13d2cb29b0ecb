//! From `--context` and its company to a plan against a cluster, or against a file that says what one held.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use tokio::task::JoinHandle;

use super::load::{self, Reading, readable};
use super::only::{self, Chosen};
use super::redact::Redactor;
use super::snapshot;
use crate::cluster::{Cluster, ClusterError, FlinkRest, Listed, Scope};
use crate::plan::forecast::{self, Forecast};
use crate::plan::{self, Live, Plan};
use crate::report::document::AgainstKind;
use crate::sim::Rehearsal;
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
    /// How to ask Flink what runs on a session cluster before it is changed, for the newest checkpoint of a job before
    /// it is stopped, and `status` where a job's state is: `proxy`, through the API server, or a URL such as `http://{name}-rest.{namespace}:8081`. Without it nobody asks.
    #[arg(long, value_name = "WAY", env = "FLINKOPS_FLINK_REST")]
    flink_rest: Option<FlinkRest>,
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

/// The same for commands that only read: a file may stand for the cluster.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct ReadTarget {
    #[command(flatten)]
    target: Target,
    /// Read this file instead: of `status --save`, or of `kubectl get -o json`; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kubeconfig", "context"], help_heading = "Cluster")]
    live_file: Option<PathBuf>,
}

/// The side that Git is compared with, before Git is read.
enum Other<'f> {
    Cluster(JoinHandle<Result<(Cluster, Listed), ClusterError>>),
    File(&'f Path),
}

/// Both sides, and what is to be done about it.
pub(super) struct Look {
    /// The cluster; none where a file stood for it.
    pub(super) cluster: Option<Cluster>,
    /// What sort of thing Git is compared with.
    pub(super) against: AgainstKind,
    /// What it holds.
    pub(super) live: Live,
    /// What is to be done about the units that are meant.
    pub(super) plan: Plan,
    /// Which those are; `None` where it is all of them.
    pub(super) chosen: Option<Chosen>,
    /// When it was read.
    pub(super) time: Timestamp,
}

impl Look {
    /// What happens if the plan is carried out, on a model of the operator; `None` where there is nothing to do.
    pub(super) fn forecast(&self, desired: &Desired) -> Option<Forecast> {
        if self.plan.is_quiet() {
            return None;
        }
        let narrow = |plan: Plan| only::narrow(plan, self.chosen.as_ref());
        let (desired, live) = forecast::concern(desired, &self.live, &self.plan);
        let mut model = Rehearsal::new(&live, &desired.operator, self.time);
        Some(forecast::forecast(&desired, &mut model, &narrow))
    }
}

impl Flags {
    /// Refuses a kubeconfig that cannot be read, before anything needs it.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.kubeconfig.iter().try_for_each(readable)
    }

    /// Connects. Nothing that was secret leaves in an error of the API server.
    pub(super) async fn connect(
        &self,
        environment: Option<&str>,
        redactor: &Redactor,
    ) -> Result<Cluster, ClusterError> {
        let context = self.context.as_deref().or(environment);
        let cluster = Cluster::connect(self.kubeconfig.as_deref(), context).await?;
        let cluster = cluster.with_flink(self.flink_rest.clone());
        let redactor = redactor.clone();
        cluster.set_mask(Arc::new(move |text| redactor.scrub(text).into_owned()));
        Ok(cluster)
    }
}

impl Target {
    /// Connects to the environment's cluster.
    pub(super) async fn connect(
        &self,
        desired: &Desired,
        redactor: &Redactor,
    ) -> Result<Cluster, ClusterError> {
        self.cluster.connect(desired.context.as_deref(), redactor).await
    }

    /// Looks at the cluster once and plans.
    pub(super) async fn look(
        &self,
        cluster: &Cluster,
        reading: &Reading,
        desired: &mut Desired,
        redactor: &Redactor,
    ) -> anyhow::Result<Look> {
        let listed = cluster.list(&Scope::of(desired)).await?;
        self.plan(cluster, listed, reading, desired, redactor).await
    }

    /// Plans from what was just listed, and from what Flink says of the clusters that would restart.
    async fn plan(
        &self,
        cluster: &Cluster,
        listed: Listed,
        reading: &Reading,
        desired: &mut Desired,
        redactor: &Redactor,
    ) -> anyhow::Result<Look> {
        let live = listed.within(cluster, &Scope::of(desired)).await;
        let mut compare =
            |live| self.compare((AgainstKind::Cluster, live, Timestamp::now()), reading, desired, redactor);
        let mut look = compare(live)?;
        look.live.learn_jobs(cluster.ask_flink(plan::restarting(&look.plan).map(|unit| &unit.key)).await);
        if !look.live.strangers.is_empty() {
            look.live.states = cluster.ask_state(plan::about_to_restart(&look.plan, &look.live)).await;
            look = compare(look.live)?;
        }
        Ok(Look { cluster: Some(cluster.clone()), ..look })
    }

    /// Begins to list what an environment is about, whatever Git will turn out to hold of it.
    fn begin(
        &self,
        outline: &Desired,
        redactor: &Redactor,
    ) -> JoinHandle<Result<(Cluster, Listed), ClusterError>> {
        let (flags, redactor) = (self.cluster.clone(), redactor.clone());
        let (context, scope) = (outline.context.clone(), Scope::of(outline));
        tokio::spawn(async move {
            let cluster = flags.connect(context.as_deref(), &redactor).await?;
            let listed = cluster.list(&scope).await?;
            Ok((cluster, listed))
        })
    }

    /// Plans from what was read at a time.
    fn compare(
        &self,
        (against, mut live, time): (AgainstKind, Live, Timestamp),
        reading: &Reading,
        desired: &mut Desired,
        redactor: &Redactor,
    ) -> anyhow::Result<Look> {
        redactor.learn_live(&live);
        desired.carried.clear();
        live.since = plan::observe_once(&live);
        desired.movement = plan::movement(desired, &live, |new, old| reading.source.descends_from(new, old));
        desired.previous = reading.previous(desired, &live, redactor);
        let mut plan = plan::plan(desired, &live, time);
        let chosen = self.only.choose(&plan, desired)?;
        if let Some(chosen) = &chosen {
            if !chosen.carried.is_empty() {
                desired.carried.clone_from(&chosen.carried);
                plan = plan::plan(desired, &live, time);
            }
            plan = chosen.restrict(plan);
        }
        Ok(Look { cluster: None, against, live, plan, chosen, time })
    }
}

impl ReadTarget {
    /// Which repository.
    pub(super) fn repository(&self) -> &load::Flags {
        &self.target.repository
    }

    /// Which units.
    pub(super) fn only(&self) -> &only::Flags {
        &self.target.only
    }

    /// Reads both sides, each while the other is on its way, and plans; `None` where the repository is too
    /// broken, after saying why.
    pub(super) async fn look(&self, redactor: &Redactor) -> anyhow::Result<Option<(Reading, Desired, Look)>> {
        let begin = |outline: &Desired| match &self.live_file {
            Some(file) => Other::File(file),
            None => Other::Cluster(self.target.begin(outline, redactor)),
        };
        let Some((reading, mut desired, other)) = self.repository().read_one_beside(redactor, begin)? else {
            return Ok(None);
        };
        let look = match other {
            Other::Cluster(listing) => {
                let (cluster, listed) = listing.await??;
                self.target.plan(&cluster, listed, &reading, &mut desired, redactor).await?
            }
            Other::File(file) => {
                let (live, time) = snapshot::read(file, &mut desired, redactor)?;
                let side = (AgainstKind::File, live, time.unwrap_or_else(Timestamp::now));
                self.target.compare(side, &reading, &mut desired, redactor)?
            }
        };
        Ok(Some((reading, desired, look)))
    }
}
