//! What Git wants, kept up to date: triggers → read → desired.
//!
//! A revision that cannot be used changes nothing: the last valid one stays in force (S20). Whatever
//! fails is tried again, for as long as it takes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::progress::{Event, Progress};
use super::trigger::{Triggers, pauses};
use super::{Health, Metrics};
use crate::repo::{self, RepoError};
use crate::spec::source::{Limits, Revision, SourceTree};
use crate::spec::{Desired, Finding};

/// How far back a revision is looked for that can be used.
const HISTORY: usize = 100;

/// What reading one revision gave.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// What the environment should hold; `None` where the revision cannot be used at all.
    pub desired: Option<Desired>,
    /// Everything found, in any case.
    pub findings: Vec<Finding>,
}

impl Loaded {
    /// What can be followed: where the root itself is unknown, nothing is left that could be.
    pub(super) fn usable(self) -> Option<Desired> {
        self.desired.filter(|desired| desired.unknown.iter().all(|unknown| !unknown.folder.is_empty()))
    }
}

/// The command line does not fit the repository: waiting mends nothing, so a daemon that has nothing in
/// force yet ends with what is inside.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Misuse(pub anyhow::Error);

/// Where revisions come from. Every call may block.
pub trait Repository: Send + Sync + 'static {
    /// Brings itself up to date and names the revision in force.
    fn refresh(&self) -> anyhow::Result<Revision>;

    /// Reads a revision; [`Misuse`] is an error of the command line.
    fn load(&self, revision: &Revision) -> anyhow::Result<Loaded>;

    /// Whether one revision is another or comes after it.
    fn descends_from(&self, new: &Revision, old: &Revision) -> bool;

    /// The revision before this one.
    fn parent(&self, revision: &Revision) -> Option<Revision>;

    /// The folder to watch, where the repository is on this machine.
    fn folder(&self) -> Option<PathBuf>;
}

/// Turns a tree into what one environment should hold.
pub type Loader = Arc<dyn Fn(&SourceTree) -> Result<Loaded, Misuse> + Send + Sync>;

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
        Ok((self.loader)(&tree)?)
    }

    fn descends_from(&self, new: &Revision, old: &Revision) -> bool {
        self.source.descends_from(new, old)
    }

    fn parent(&self, revision: &Revision) -> Option<Revision> {
        self.source.resolve(&format!("{}~1", revision.as_str())).ok()
    }

    fn folder(&self) -> Option<PathBuf> {
        self.source.folder().map(PathBuf::from)
    }
}

/// Reads Git at each trigger and hands on what is in force, until told to stop.
pub(super) struct Follower {
    pub(super) repository: Arc<dyn Repository>,
    pub(super) triggers: Triggers,
    pub(super) interval: Duration,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    /// What is in force.
    pub(super) desired: watch::Sender<Option<Arc<Desired>>>,
    /// While nothing is in force because the newest revision cannot be used: the nearest before it that can.
    pub(super) before: watch::Sender<Option<Arc<Desired>>>,
}

/// A revision as it was read.
struct Reading {
    revision: Revision,
    findings: Vec<Finding>,
    desired: Option<Desired>,
    before: Option<Desired>,
}

impl Follower {
    /// Goes on until the token is cancelled; fails where the command line does not fit the repository.
    pub(super) async fn follow(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let (mut read, mut usable, mut failure) = (None, false, None);
        let mut pause = pauses();
        loop {
            tokio::select! {
                _ = self.triggers.next() => {}
                () = shutdown.cancelled() => return Ok(()),
            }
            let result = tokio::select! {
                result = self.read(read.clone()) => result,
                () = shutdown.cancelled() => return Ok(()),
            };
            match result {
                Ok(reading) => {
                    failure = None;
                    if let Some(reading) = reading {
                        read = Some(reading.revision.clone());
                        usable = self.take(reading);
                    }
                }
                Err(error) => {
                    let error = self.permanent(error)?;
                    let message = repo::redact(&with_hint(&error));
                    self.metrics.git_failed();
                    if failure.as_ref() != Some(&message) {
                        self.progress.tell(&Event::GitFailed { message: &message });
                        self.health.git_failed(message.clone());
                    }
                    failure = Some(message);
                }
            }
            if usable && failure.is_none() {
                pause = pauses();
                self.triggers.poll_in(self.interval);
            } else {
                self.triggers.poll_in(pause.next().unwrap_or(self.interval));
            }
        }
    }

    /// Ends with an error that only another command line mends, unless there is something to go on with.
    fn permanent(&self, error: anyhow::Error) -> anyhow::Result<anyhow::Error> {
        let idle = self.desired.borrow().is_none();
        match error.downcast::<Misuse>() {
            Ok(Misuse(error)) if idle => Err(error),
            Ok(Misuse(error)) | Err(error) => Ok(error),
        }
    }

    /// Reads the revision in force, unless it is the one read before.
    async fn read(&self, known: Option<Revision>) -> anyhow::Result<Option<Reading>> {
        let repository = self.repository.clone();
        let idle = self.desired.borrow().is_none();
        let reading = move || {
            let revision = repository.refresh()?;
            if Some(&revision) == known.as_ref() {
                return Ok(None);
            }
            let loaded = repository.load(&revision)?;
            let findings = loaded.findings.clone();
            let desired = loaded.usable();
            let search = idle && desired.is_none();
            let before = search.then(|| usable_before(repository.as_ref(), &revision)).flatten();
            Ok(Some(Reading { revision, findings, desired, before }))
        };
        let result = tokio::task::spawn_blocking(reading).await?;
        if result.is_ok() {
            self.health.git_reachable();
        }
        result
    }

    /// Hands a revision on; answers whether it can be used.
    fn take(&self, reading: Reading) -> bool {
        let Reading { revision, findings, desired, before } = reading;
        let (revision, findings) = (&revision, &findings[..]);
        self.metrics.git_read(desired.is_some());
        let Some(desired) = desired else {
            let in_force = self.desired.borrow().clone();
            let in_force = in_force.as_ref().map(|desired| desired.revision());
            self.progress.tell(&Event::Invalid { revision, findings, in_force });
            self.health.git_invalid(revision, findings);
            self.before.send_replace(before.map(Arc::new));
            return false;
        };
        self.progress.tell(&Event::Read { revision, findings });
        self.health.git_read(revision);
        self.desired.send_replace(Some(Arc::new(desired)));
        true
    }
}

fn usable_before(repository: &dyn Repository, revision: &Revision) -> Option<Desired> {
    let history = std::iter::successors(repository.parent(revision), |older| repository.parent(older));
    history.take(HISTORY).find_map(|older| repository.load(&older).ok()?.usable())
}

fn with_hint(error: &anyhow::Error) -> String {
    match error.downcast_ref::<RepoError>().and_then(RepoError::hint) {
        Some(hint) => format!("{error:#} ({hint})"),
        None => format!("{error:#}"),
    }
}
