//! From nothing to a cluster and a revision in force, however long that takes.
//!
//! Git comes first: it names the environment's context. Where its newest revision cannot be used, an older
//! one says where the environment is, and the cluster which revision was in force there (S20).

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch;

use super::progress::Event;
use super::run::Settings;
use super::source::Repository;
use super::trigger::pauses;
use crate::cluster::{Cluster, ClusterError, Scope};
use crate::plan;
use crate::spec::Desired;
use crate::spec::source::Revision;

/// What a daemon needs before it can work.
pub(super) struct Start<'a, C> {
    /// Makes the connection to the cluster of a context.
    pub(super) connect: C,
    pub(super) repository: &'a Arc<dyn Repository>,
    pub(super) settings: &'a Settings,
    /// What is in force.
    pub(super) desired: watch::Sender<Option<Arc<Desired>>>,
    /// While nothing is: a revision before the newest that can be used.
    pub(super) before: watch::Receiver<Option<Arc<Desired>>>,
}

impl<C, F> Start<'_, C>
where
    C: Fn(Option<String>) -> F,
    F: Future<Output = Result<Cluster, ClusterError>>,
{
    /// Tries until there is a cluster, and something in force to keep it to.
    pub(super) async fn begin(self) -> (Cluster, Arc<Desired>) {
        let mut in_force = self.desired.subscribe();
        let (mut pause, mut failure) = (pauses(), None);
        loop {
            match self.attempt().await {
                Ok(Some(begun)) => return begun,
                Ok(None) => {
                    // It cannot be closed: the sender is here.
                    let _ = in_force.wait_for(Option::is_some).await;
                    continue;
                }
                Err(error) => self.failed(with_hint(&error), &mut failure),
            }
            in_force.mark_unchanged();
            tokio::select! {
                () = tokio::time::sleep(pause.next().unwrap_or_default()) => {}
                _ = in_force.changed() => pause = pauses(),
            }
        }
    }

    /// `None` where nothing was ever in force, or something else is by now.
    async fn attempt(&self) -> anyhow::Result<Option<(Cluster, Arc<Desired>)>> {
        let known = self.known().await;
        let cluster = (self.connect)(known.context.clone()).await?;
        if self.desired.borrow().is_none()
            && let Some(recalled) = self.recall(&cluster, &known).await?
        {
            self.desired.send_if_modified(|desired| {
                let idle = desired.is_none();
                desired.get_or_insert(recalled);
                idle
            });
        }
        self.settings.health.start_failed(None);
        let in_force = self.desired.borrow().clone().filter(|desired| desired.context == known.context);
        Ok(in_force.map(|desired| (cluster, desired)))
    }

    /// The first revision there is that says where the environment is.
    async fn known(&self) -> Arc<Desired> {
        let (mut in_force, mut before) = (self.desired.subscribe(), self.before.clone());
        loop {
            if let Some(known) = in_force.borrow_and_update().clone() {
                return known;
            }
            if let Some(known) = before.borrow_and_update().clone() {
                return known;
            }
            tokio::select! {
                _ = in_force.changed() => {}
                Ok(()) = before.changed() => {}
            }
        }
    }

    /// What was in force before this process began.
    async fn recall(&self, cluster: &Cluster, known: &Desired) -> anyhow::Result<Option<Arc<Desired>>> {
        let live = cluster.observe(&Scope::of(known)).await?;
        let (repository, known) = (self.repository.clone(), known.clone());
        let reading = move || {
            let descends = |new: &Revision, old: &Revision| repository.descends_from(new, old);
            let Some(revision) = plan::last_in_force(&known, &live, descends) else { return Ok(None) };
            let desired = repository.load(&revision)?.usable();
            let unusable =
                || format!("go on with revision {}, which cannot be used either", revision.short());
            desired.with_context(unusable).map(Some)
        };
        let recalled = tokio::task::spawn_blocking(reading).await??;
        if let Some(desired) = &recalled {
            self.settings.progress.tell(&Event::Recalled { revision: desired.revision() });
            self.settings.health.recalled(desired.revision());
        }
        Ok(recalled.map(Arc::new))
    }

    fn failed(&self, message: String, before: &mut Option<String>) {
        if before.as_ref() != Some(&message) {
            self.settings.progress.tell(&Event::StartFailed { message: &message });
        }
        self.settings.health.start_failed(Some(message.clone()));
        *before = Some(message);
    }
}

fn with_hint(error: &anyhow::Error) -> String {
    match error.downcast_ref::<ClusterError>().and_then(ClusterError::hint) {
        Some(hint) => format!("{error:#} ({hint})"),
        None => format!("{error:#}"),
    }
}
