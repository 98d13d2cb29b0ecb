//! `run`: the daemon. Follows Git and the cluster until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::progress::{Event, Progress};
use super::reconcile::{Options, Reconciler};
use super::source::{Follower, Repository};
use super::start::Start;
use super::trigger::Triggers;
use super::{Clock, Health, Metrics, web};
use crate::cluster::{Cluster, ClusterError, Lease, LeaseError, Mask, Patience};
use crate::spec::Desired;
use crate::spec::policy::Mode;

/// The pause after an attempt at the lease that failed.
const PAUSE: Duration = Duration::from_secs(5);
/// Git is not polled more often than this.
const SHORTEST: Duration = Duration::from_secs(1);
const ENDED: &str = "the reader of Git ended early";

/// How the daemon behaves.
#[derive(Clone)]
pub struct Settings {
    /// Whether the cluster is changed at all.
    pub mode: Mode,
    /// How often Git is read.
    pub interval: Duration,
    /// Where the web pages are.
    pub listen: Option<SocketAddr>,
    /// What time it is.
    pub clock: Clock,
    /// Is told what happens.
    pub progress: Arc<dyn Progress>,
    /// Counts what happens.
    pub metrics: Arc<Metrics>,
    /// Says how it is doing.
    pub health: Arc<Health>,
    /// Is told the address of the web pages once they are there.
    pub listening: Option<Arc<dyn Fn(SocketAddr) + Send + Sync>>,
    /// Whether Kubernetes Events are written.
    pub events: bool,
    /// Takes out of the web pages what is secret (S25).
    pub mask: Mask,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            interval: Duration::from_secs(60),
            listen: None,
            clock: Clock::system(),
            progress: Arc::new(super::Log),
            metrics: Arc::default(),
            health: Arc::default(),
            listening: None,
            events: true,
            mask: Arc::new(str::to_owned),
        }
    }
}

/// Keeps an environment equal to what Git wants until `shutdown` is cancelled.
///
/// Begins with nothing: Git is read until it says where the environment is, and only then `connect` is
/// called, with the environment's context. Both are tried for as long as it takes; the web pages are there
/// from the first moment. Fails only where the command line does not fit the repository
/// ([`Misuse`](super::Misuse)), or what it takes to write is missing.
///
/// At the end the request in flight is finished, the lease is given back, and it returns. Killed at any
/// other moment it leaves nothing behind that the next one could not go on from.
pub async fn run<C, F>(
    connect: C,
    repository: Arc<dyn Repository>,
    settings: Settings,
    shutdown: CancellationToken,
) -> anyhow::Result<()>
where
    C: Fn(Option<String>) -> F,
    F: Future<Output = Result<Cluster, ClusterError>>,
{
    // Whatever ends this call ends what it started.
    let shutdown = shutdown.child_token();
    let _end = shutdown.clone().drop_guard();
    if let Some(address) = settings.listen {
        let (health, metrics) = (settings.health.clone(), settings.metrics.clone());
        let pages = web::router(health, metrics, settings.mask.clone());
        let bound = web::listen(address, pages, shutdown.clone());
        let bound = bound.await.with_context(|| format!("failed to listen on {address}"))?;
        settings.listening.iter().for_each(|listening| listening(bound));
    }
    let (sender, desired) = watch::channel(None);
    let (earlier, before) = watch::channel(None);
    let follower = Follower {
        triggers: Triggers::new(repository.folder().as_deref()),
        interval: settings.interval.max(SHORTEST),
        repository: repository.clone(),
        progress: settings.progress.clone(),
        metrics: settings.metrics.clone(),
        health: settings.health.clone(),
        desired: sender.clone(),
        before: earlier,
    };
    let mut following = tokio::spawn(follower.follow(shutdown.clone()));
    let start = Start { connect, repository: &repository, settings: &settings, desired: sender, before };
    let (cluster, first) = tokio::select! {
        begun = start.begin() => begun,
        // Told to stop, or to no use.
        ended = &mut following => return ended.context(ENDED)?,
    };
    let daemon = Daemon { cluster, repository, settings, shutdown, desired };
    daemon.work(&first).await?;
    following.await.context(ENDED)?
}

struct Daemon {
    cluster: Cluster,
    repository: Arc<dyn Repository>,
    settings: Settings,
    shutdown: CancellationToken,
    desired: watch::Receiver<Option<Arc<Desired>>>,
}

impl Daemon {
    async fn work(mut self, first: &Desired) -> anyhow::Result<()> {
        // Watching begins before the lease is held, so that one who waits is ready to take over.
        let mut reconciler = Reconciler::new(&self.cluster, first, self.options());
        self.settings.health.watching(reconciler.watch().probe());
        while !self.shutdown.is_cancelled() {
            let lease = match self.settings.mode {
                Mode::Report => None,
                Mode::Enforce => match self.lead(first).await? {
                    None => break,
                    lease => lease,
                },
            };
            if let Some(lease) = &lease {
                reconciler.write_through(self.cluster.guarded(lease.held()));
            }
            self.turn(&mut reconciler, lease.as_ref()).await;
            self.leading(false, None);
            if let Some(lease) = lease {
                lease.release().await;
            }
        }
        reconciler.finish_events().await;
        Ok(())
    }

    fn options(&self) -> Options {
        let (repository, earlier) = (self.repository.clone(), self.repository.clone());
        Options {
            writes: self.settings.mode == Mode::Enforce,
            events: self.settings.events && self.settings.mode == Mode::Enforce,
            only: None,
            clock: self.settings.clock,
            progress: self.settings.progress.clone(),
            metrics: self.settings.metrics.clone(),
            ancestry: Some(Arc::new(move |new, old| repository.descends_from(new, old))),
            history: Some(Arc::new(move |revision| earlier.load(revision).ok()?.usable())),
            shutdown: self.shutdown.clone(),
        }
    }

    /// Waits for the lease; `None` when told to stop.
    async fn lead(&self, desired: &Desired) -> anyhow::Result<Option<Lease>> {
        let mut failure = None;
        loop {
            let waiting = |holder: &crate::cluster::Holder| {
                let holder = holder.to_string();
                self.settings.progress.tell(&Event::WaitingForLease { holder: &holder });
                self.leading(false, Some(holder));
            };
            let lease = Lease::acquire(&self.cluster, desired, "run", Patience::Forever, waiting);
            let result = tokio::select! {
                result = lease => result,
                () = self.shutdown.cancelled() => return Ok(None),
            };
            match result {
                Ok(lease) => {
                    self.leading(true, None);
                    return Ok(Some(lease));
                }
                Err(LeaseError::Cluster(error)) if error.is_permanent() => {
                    let hint = error.hint().unwrap_or_default();
                    return Err(
                        anyhow::Error::new(error).context(format!("failed to take the lease ({hint})"))
                    );
                }
                Err(error) if failure.as_ref() == Some(&error) => {}
                Err(error) => {
                    tracing::warn!("failed to {error}; trying again");
                    failure = Some(error);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.shutdown.cancelled() => return Ok(None),
            }
        }
    }

    /// Turns the loop until the lease is lost or the end has come.
    async fn turn(&mut self, reconciler: &mut Reconciler, lease: Option<&Lease>) {
        let mut current: Option<Arc<Desired>> = None;
        loop {
            let desired = self.desired.borrow_and_update().clone();
            let Some(desired) = desired else { return };
            if current.as_ref().is_none_or(|current| !Arc::ptr_eq(current, &desired)) {
                reconciler.follow(&desired);
                current = Some(desired.clone());
            }
            let round = reconciler.round(&desired).await;
            if round.as_ref().is_some_and(|round| round.lease_lost) {
                return;
            }
            tokio::select! {
                () = reconciler.idle(round.as_ref()) => {}
                _ = self.desired.changed() => {}
                () = lost(lease) => return,
                () = self.shutdown.cancelled() => return,
            }
        }
    }

    fn leading(&self, leading: bool, waiting_for: Option<String>) {
        self.settings.metrics.leading(leading);
        self.settings.health.leading(leading, waiting_for);
    }
}

async fn lost(lease: Option<&Lease>) {
    match lease {
        Some(lease) => lease.held().lost().await,
        None => std::future::pending().await,
    }
}
