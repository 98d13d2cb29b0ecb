//! What Git wants, kept up to date: triggers → read → desired.
//!
//! A revision that cannot be used changes nothing: the last valid one stays in force (S20).

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::progress::{Event, Progress};
use super::trigger::Triggers;
use super::{Health, Metrics};
use crate::repo;
use crate::spec::source::{Limits, Revision, SourceTree};
use crate::spec::{Desired, Finding};

/// What reading one revision gave.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// What the environment should hold; `None` where the revision cannot be used at all.
    pub desired: Option<Desired>,
    /// Everything found, in any case.
    pub findings: Vec<Finding>,
}

/// Where revisions come from. Every call may block.
pub trait Repository: Send + Sync + 'static {
    /// Brings itself up to date and names the revision in force.
    fn refresh(&self) -> anyhow::Result<Revision>;

    /// Reads a revision.
    fn load(&self, revision: &Revision) -> anyhow::Result<Loaded>;

    /// Whether one revision is another or comes after it.
    fn descends_from(&self, new: &Revision, old: &Revision) -> bool;

    /// The folder to watch, where the repository is on this machine.
    fn folder(&self) -> Option<PathBuf>;
}

/// Turns a tree into what one environment should hold.
pub type Loader = Arc<dyn Fn(&SourceTree) -> Loaded + Send + Sync>;

/// A branch, tag or commit of a Git repository, read by a loader.
pub struct Checkout {
    source: repo::Source,
    revision: String,
    limits: Limits,
    loader: Loader,
}

impl Checkout {
    /// Follows `revision` (`HEAD`, a branch, …) of a repository.
    pub fn new(source: repo::Source, revision: impl Into<String>, loader: Loader) -> Self {
        Self { source, revision: revision.into(), limits: Limits::default(), loader }
    }
}

impl Repository for Checkout {
    fn refresh(&self) -> anyhow::Result<Revision> {
        self.source.fetch()?;
        Ok(self.source.resolve(&self.revision)?)
    }

    fn load(&self, revision: &Revision) -> anyhow::Result<Loaded> {
        let tree = self.source.read(Some(revision.as_str()), &self.limits)?;
        Ok((self.loader)(&tree))
    }

    fn descends_from(&self, new: &Revision, old: &Revision) -> bool {
        self.source.descends_from(new, old)
    }

    fn folder(&self) -> Option<PathBuf> {
        self.source.folder().map(PathBuf::from)
    }
}

/// Reads Git at each trigger and hands on what is in force, until told to stop.
pub(super) struct Follower {
    pub(super) repository: Arc<dyn Repository>,
    pub(super) triggers: Triggers,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    pub(super) desired: watch::Sender<Option<Arc<Desired>>>,
}

impl Follower {
    /// Goes on until the token is cancelled.
    pub(super) async fn follow(mut self, shutdown: CancellationToken) {
        let mut read: Option<Revision> = None;
        loop {
            tokio::select! {
                _ = self.triggers.next() => {}
                () = shutdown.cancelled() => return,
            }
            match self.read(read.clone()).await {
                Ok(Some((revision, loaded))) => {
                    self.take(&revision, loaded);
                    read = Some(revision);
                }
                Ok(None) => {}
                Err(error) => {
                    self.metrics.git_failed();
                    let message = repo::redact(&format!("{error:#}"));
                    self.progress.tell(&Event::GitFailed { message: &message });
                    self.health.git_failed(message);
                }
            }
        }
    }

    /// Reads the revision in force, unless it is the one read before.
    async fn read(&self, before: Option<Revision>) -> anyhow::Result<Option<(Revision, Loaded)>> {
        let repository = self.repository.clone();
        let reading = move || {
            let revision = repository.refresh()?;
            if Some(&revision) == before.as_ref() {
                return Ok(None);
            }
            let loaded = repository.load(&revision)?;
            Ok(Some((revision, loaded)))
        };
        let result = tokio::task::spawn_blocking(reading).await?;
        if result.is_ok() {
            self.health.git_reachable();
        }
        result
    }

    fn take(&self, revision: &Revision, loaded: Loaded) {
        // Where the root itself is unknown, nothing is left that could be followed.
        let usable = |desired: &Desired| desired.unknown.iter().all(|unknown| !unknown.folder.is_empty());
        let desired = loaded.desired.filter(usable);
        self.metrics.git_read(desired.is_some());
        let Some(desired) = desired else {
            let before = self.desired.borrow().clone();
            let in_force = before.as_ref().map(|desired| desired.revision());
            self.progress.tell(&Event::Invalid { revision, findings: &loaded.findings, in_force });
            self.health.git_invalid(revision, &loaded.findings);
            return;
        };
        self.progress.tell(&Event::Read { revision, findings: &loaded.findings });
        self.health.git_read(revision);
        self.desired.send_replace(Some(Arc::new(desired)));
    }
}
