//! The loop that `apply`, `run` and the demo share: observe → plan → step → perform, again.
//!
//! Level-triggered: each round starts from Git and the cluster alone. What a [`Reconciler`] remembers
//! (since when a verdict holds, what was refused) may be lost at any time and only delays it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::eye::Eye;
use super::outcome::{Judge, Standing};
use super::progress::{Event, Progress, Silent};
use super::refusal::Refusals;
use super::{Clock, Metrics};
use crate::cluster::{Cluster, Events, Scope, Watch, WriteError};
use crate::flink::health::Health;
use crate::flink::kind::{Kind, UnitKey};
use crate::plan::live::{JobStates, LiveObject, Since};
use crate::plan::outcome::Blocked;
use crate::plan::write::Task;
use crate::plan::{self, Action, Live, Plan, UnitPlan, Write};
use crate::spec::desired::Movement;
use crate::spec::source::Revision;
use crate::spec::{Desired, Finding, Unit};

/// How long changes are gathered before they are planned for, at least and at most.
const GATHER: Duration = Duration::from_millis(10);
const LONGEST_GATHER: Duration = Duration::from_secs(1);

/// How long Events may still be written after the end.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// After this long Flink is asked again what keeps a session cluster from being changed.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Says whether the first revision descends from the second.
pub type Ancestry = Arc<dyn Fn(&Revision, &Revision) -> bool + Send + Sync>;

/// Reads the environment as a revision has it; `None` where it cannot be read.
pub type History = Arc<dyn Fn(&Revision) -> Option<Desired> + Send + Sync>;

/// Writing is restricted to a part of the units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// The units that may be written.
    pub units: BTreeSet<UnitKey>,
    /// The folders whose companions may be written.
    pub folders: BTreeSet<String>,
    /// Jobs that may only be stopped and started again as they are, for their session cluster's sake.
    pub carried: BTreeSet<UnitKey>,
}

impl Only {
    /// Whether it matters how a unit is doing.
    pub(super) fn concerns(&self, unit: &UnitKey) -> bool {
        self.units.contains(unit) || self.carried.contains(unit)
    }

    fn permits(&self, task: &Task, desired: &Desired) -> bool {
        let companion = || desired.companions.get(&task.write.key());
        match &task.unit {
            Some(unit) if self.units.contains(unit) => true,
            Some(unit) => {
                self.carried.contains(unit) && matches!(task.reason, "Suspending" | "Resuming" | "Recorded")
            }
            // The marker is a record, and no Event; it must be there before anything else.
            None => companion().map_or(!task.event, |companion| self.folders.contains(&companion.folder)),
        }
    }
}

/// How a [`Reconciler`] behaves.
#[derive(Clone)]
pub struct Options {
    /// Whether anything is written at all.
    pub writes: bool,
    /// Whether Kubernetes Events are written.
    pub events: bool,
    /// Restricts writing to a part.
    pub only: Option<Only>,
    /// What time it is.
    pub clock: Clock,
    /// Is told what happens.
    pub progress: Arc<dyn Progress>,
    /// Counts what happens.
    pub metrics: Arc<Metrics>,
    /// Tells a branch that moved forward from one that was rewritten (S3); without it every movement
    /// counts as forward.
    pub ancestry: Option<Ancestry>,
    /// Reads earlier revisions, for what goes back to one (S23); without it nothing does.
    pub history: Option<History>,
    /// Ends the round after the request in flight.
    pub shutdown: CancellationToken,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            writes: true,
            events: true,
            only: None,
            clock: Clock::system(),
            progress: Arc::new(Silent),
            metrics: Arc::default(),
            ancestry: None,
            history: None,
            shutdown: CancellationToken::new(),
        }
    }
}

/// What one round came to.
#[derive(Debug)]
pub struct Round {
    /// The plan it was made from.
    pub plan: Plan,
    /// Where everything stood then.
    pub standing: Standing,
    /// Writes that were done.
    pub wrote: usize,
    /// Whether to plan again at once: something was written, or had changed in the meantime.
    pub again: bool,
    /// When to plan again even if nothing happens.
    pub wake: Option<Instant>,
    /// Whether the lease was found lost.
    pub lease_lost: bool,
    /// How long it took.
    pub took: Duration,
}

/// Keeps one environment equal to what Git wants, round by round.
pub struct Reconciler {
    cluster: Cluster,
    watch: Watch,
    events: Option<Events>,
    options: Options,
    since: BTreeMap<UnitKey, Since>,
    refusals: Refusals,
    told: Told,
    eye: Eye,
    descents: BTreeMap<(Revision, Revision), bool>,
    /// Earlier revisions that something goes back to.
    earlier: BTreeMap<Revision, Arc<Desired>>,
}

/// What progress has been told, so that it is told once.
#[derive(Default)]
struct Told {
    revision: Option<Revision>,
    actions: BTreeSet<(UnitKey, Action)>,
    units: BTreeMap<UnitKey, (Action, Health, Option<Blocked>)>,
    findings: BTreeSet<Finding>,
    quiet: Option<Standing>,
}

impl Told {
    /// Whether there is anything to tell of this plan.
    fn differs(&self, plan: &Plan) -> bool {
        let same = |unit: &UnitPlan| self.units.get(&unit.key) == Some(&state(unit));
        self.revision.as_ref() != Some(&plan.revision)
            || self.units.len() != plan.units.len()
            || !plan.units.iter().all(same)
    }
}

/// What is told of a unit when it changes.
fn state(unit: &UnitPlan) -> (Action, Health, Option<Blocked>) {
    (unit.action, unit.health, unit.blocked.clone())
}

impl Reconciler {
    /// Begins to watch what the desired state is about. Must be called within a tokio runtime.
    pub fn new(cluster: &Cluster, desired: &Desired, options: Options) -> Self {
        Self {
            watch: cluster.watch(&Scope::of(desired)),
            events: options.events.then(|| cluster.events()),
            cluster: cluster.clone(),
            options,
            since: BTreeMap::new(),
            refusals: Refusals::default(),
            told: Told::default(),
            eye: Eye::default(),
            descents: BTreeMap::new(),
            earlier: BTreeMap::new(),
        }
    }

    /// The cluster as it is being watched.
    pub fn watch(&mut self) -> &mut Watch {
        &mut self.watch
    }

    /// Writes only while this cluster's lease is held.
    pub fn write_through(&mut self, cluster: Cluster) {
        self.cluster = cluster;
    }

    /// Follows what another revision is about.
    pub fn follow(&mut self, desired: &Desired) {
        self.watch.rescope(&Scope::of(desired));
    }

    /// Plans once and does what may be done now; `None` while the cluster is not fully known.
    pub async fn round(&mut self, desired: &Desired) -> Option<Round> {
        let begun = Instant::now();
        self.watch.mark_seen();
        let (plan, live) = self.plan(desired).await?;
        let tasks = self.permitted(plan::step(&plan), desired);
        self.refusals.keep(&tasks);
        if !tasks.is_empty() || self.told.differs(&plan) {
            self.options.progress.tell(&Event::Observed(&live));
        }
        self.tell_findings(&plan, desired);
        self.tell_plan(&plan);
        if tasks.is_empty() && self.options.writes && self.cluster.asks_flink_directly() {
            self.eye.at_leisure(desired, &live, &plan, self.options.clock.now());
        } else {
            self.eye.rest();
        }
        let mut round = Round {
            standing: Standing::default(),
            wrote: 0,
            again: false,
            wake: self.wake(&plan, &live),
            lease_lost: false,
            took: Duration::ZERO,
            plan,
        };
        self.perform_all(&tasks, &live, &mut round).await;
        round.took = begun.elapsed();
        self.finish(&mut round, desired, &live);
        Some(round)
    }

    /// Waits until another round may do something.
    ///
    /// What changes in quick succession is taken together: planning never takes more than half of the time.
    pub async fn idle(&mut self, round: Option<&Round>) {
        if round.is_some_and(|round| round.again) {
            return;
        }
        let wake = async {
            match round.and_then(|round| round.wake) {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let now = self.options.clock.now();
        let told = tokio::select! {
            () = wake => return,
            () = self.watch.changed() => {
                let took = round.map_or(Duration::ZERO, |round| round.took);
                tokio::time::sleep(took.clamp(GATHER, LONGEST_GATHER)).await;
                return;
            }
            told = self.eye.look(&self.cluster, now) => told,
        };
        self.eye.rested(told, self.options.clock.now(), &*self.options.progress);
    }

    /// Waits until everything said about actions is written, for a little while.
    pub async fn finish_events(&mut self) {
        let Some(events) = self.events.take() else { return };
        if tokio::time::timeout(LAST_WORDS, events.finish()).await.is_err() {
            tracing::warn!("some Events could not be written before the end");
        }
    }

    /// When to plan again: as the plan says, or to ask Flink again, which tells of nothing by itself.
    fn wake(&self, plan: &Plan, live: &Live) -> Option<Instant> {
        let asked = (!live.strangers.is_empty()).then(|| Instant::now() + ASK_AGAIN);
        let planned = plan.wake.into_iter().chain(self.eye.wake());
        planned.map(|at| self.options.clock.instant(at)).chain(asked).min()
    }

    async fn plan(&mut self, desired: &Desired) -> Option<(Plan, Live)> {
        let mut live = self.watch.live()?;
        let now = self.options.clock.now();
        self.since = plan::observe(&self.since, &live, now);
        live.since.clone_from(&self.since);
        live.states = self.eye.take();
        let movement = self.movement(desired, &live);
        let previous = self.previous(desired, &live).await;
        let told = (movement != desired.movement || !previous.is_empty()).then(|| Desired {
            movement,
            previous,
            ..desired.clone()
        });
        let desired = told.as_ref().unwrap_or(desired);
        let plan = plan::plan(desired, &live, now);
        let about_to = plan::restarting(&plan).filter(|unit| self.options.writes && !unit.next.is_empty());
        live.learn_jobs(self.cluster.ask_flink(about_to.map(|unit| &unit.key)).await);
        if !live.strangers.is_empty() {
            live.states = self.cluster.ask_state(plan::about_to_restart(&plan, &live)).await;
        }
        let plan = if live.strangers.is_empty() { plan } else { plan::plan(desired, &live, now) };
        let told = self.look_before(desired, &live, &plan, now).await;
        if told.is_empty() {
            return Some((plan, live));
        }
        live.states.extend(told);
        Some((plan::plan(desired, &live, now), live))
    }

    /// What Flink tells of the jobs that this plan is about to stop (S9).
    async fn look_before(
        &mut self,
        desired: &Desired,
        live: &Live,
        plan: &Plan,
        now: Timestamp,
    ) -> JobStates {
        if !self.options.writes || !self.cluster.asks_flink() {
            return JobStates::new();
        }
        let tasks = self.permitted(plan::step(plan), desired);
        let told = self.eye.before(&self.cluster, desired, live, (plan, &tasks), now).await;
        self.eye.learn(&told, now, &*self.options.progress);
        told
    }

    /// The units that go back to an earlier revision, as they are there (S23).
    async fn previous(&mut self, desired: &Desired, live: &Live) -> BTreeMap<UnitKey, Unit> {
        let wanted = plan::previous_wanted(desired, live);
        self.earlier.retain(|revision, _| wanted.values().any(|wanted| wanted == revision));
        let revisions: BTreeSet<&Revision> = wanted.values().collect();
        for revision in revisions {
            let Some(history) = self.options.history.clone() else { break };
            if !self.earlier.contains_key(revision) {
                let reading = {
                    let revision = revision.clone();
                    move || history(&revision)
                };
                let read = tokio::task::spawn_blocking(reading).await.ok().flatten();
                self.earlier.extend(read.map(|read| (revision.clone(), Arc::new(read))));
            }
        }
        let unit = |(key, revision): (UnitKey, Revision)| {
            let unit = self.earlier.get(&revision)?.units.get(&key)?.clone();
            Some((key, unit))
        };
        wanted.into_iter().filter_map(unit).collect()
    }

    /// [`plan::movement`], asking Git about each pair of revisions once.
    fn movement(&mut self, desired: &Desired, live: &Live) -> Movement {
        let Some(ancestry) = self.options.ancestry.clone() else { return desired.movement };
        plan::movement(desired, live, |new, last| {
            let pair = (new.clone(), last.clone());
            *self.descents.entry(pair).or_insert_with(|| ancestry(new, last))
        })
    }

    fn permitted(&self, tasks: Vec<Task>, desired: &Desired) -> Vec<Task> {
        if !self.options.writes {
            return Vec::new();
        }
        let Some(only) = &self.options.only else { return tasks };
        tasks.into_iter().filter(|task| only.permits(task, desired)).collect()
    }

    /// Does the tasks in order until one is refused: what follows it may need it.
    async fn perform_all(&mut self, tasks: &[Task], live: &Live, round: &mut Round) {
        let mut held: BTreeSet<&UnitKey> = BTreeSet::new();
        for task in tasks {
            if self.options.shutdown.is_cancelled() {
                return;
            }
            if task.unit.as_ref().is_some_and(|unit| held.contains(unit)) {
                continue;
            }
            if self.refusals.hold(task) {
                held.extend(&task.unit);
                continue;
            }
            if !self.perform(task, live, round).await {
                return;
            }
        }
    }

    /// Does one task; answers whether the next may be done from the same plan.
    async fn perform(&mut self, task: &Task, live: &Live, round: &mut Round) -> bool {
        let result = self.cluster.perform(task).await;
        self.options.metrics.wrote(task.write.verb(), result.as_ref().err());
        match result {
            Ok(object) => {
                self.done(task, object, live);
                round.wrote += 1;
                round.again = true;
                true
            }
            Err(error) => {
                self.refused(task, &error, live, round).await;
                false
            }
        }
    }

    fn done(&mut self, task: &Task, object: Option<LiveObject>, live: &Live) {
        self.refusals.succeeded(task);
        self.options.progress.tell(&Event::Wrote(task));
        if let Some(events) = &self.events {
            events.done(task, object.as_ref().or(before(task, live)));
        }
        match object {
            Some(object) => self.watch.put(object),
            None => self.watch.forget(&task.write.key(), deleted_uid(&task.write)),
        }
    }

    async fn refused(&mut self, task: &Task, error: &WriteError, live: &Live, round: &mut Round) {
        let news = self.refusals.remember(task, error);
        if news || matches!(error, WriteError::LeaseLost { .. }) {
            self.options.progress.tell(&Event::Refused { task, error });
        }
        match error {
            WriteError::LeaseLost { .. } => round.lease_lost = true,
            WriteError::Conflict { .. } => self.refresh(task).await,
            _ => {
                if let Some(events) = self.events.as_ref().filter(|_| news) {
                    events.refused(task, &error.to_string(), before(task, live));
                }
            }
        }
        // The others have their turn in the next round.
        round.again = !round.lease_lost;
    }

    /// Reads an object that changed in the meantime: the watch may not have told of it yet, and planning
    /// from the same old object would only fail again.
    async fn refresh(&self, task: &Task) {
        let key = task.write.key();
        match self.cluster.fetch(&key).await {
            Ok(Some(object)) => self.watch.put(object),
            Ok(None) => self.watch.forget(&key, None),
            Err(error) => tracing::debug!("failed to {error}"),
        }
    }

    fn finish(&mut self, round: &mut Round, desired: &Desired, live: &Live) {
        let only = self.options.only.as_ref();
        let (now, plan) = (self.options.clock.now(), &round.plan);
        let judge = Judge { plan, only, now, lasts: desired.policy.failure() };
        round.standing = judge.standing(&self.refusals);
        let fresh = judge.wake().map(|at| self.options.clock.instant(at));
        round.wake = round.wake.into_iter().chain(self.refusals.next()).chain(fresh).min();
        if round.standing.is_quiet() && !round.again && self.told.quiet.as_ref() != Some(&round.standing) {
            // It may quote a status that was no reason to tell anything before.
            self.options.progress.tell(&Event::Observed(live));
            self.options.progress.tell(&Event::Quiet(&round.standing));
            self.told.quiet = Some(round.standing.clone());
        } else if !round.standing.is_quiet() {
            self.told.quiet = None;
        }
        let metrics = &self.options.metrics;
        metrics.planned(&round.plan, live, now);
        metrics.reconciled(round.took);
        metrics.watching(&self.watch.health());
    }

    /// Tells once what only the cluster could tell of Git.
    fn tell_findings(&mut self, plan: &Plan, desired: &Desired) {
        let found = plan.findings.iter().filter(|finding| !desired.findings.contains(finding));
        let found: BTreeSet<Finding> = found.cloned().collect();
        for news in found.difference(&self.told.findings) {
            self.options.progress.tell(&Event::Found(news));
        }
        self.told.findings = found;
    }

    fn tell_plan(&mut self, plan: &Plan) {
        let progress = self.options.progress.clone();
        let acting = plan.units.iter().filter(|unit| unit.action != Action::Keep);
        let actions: BTreeSet<_> = acting.map(|unit| (unit.key.clone(), unit.action)).collect();
        let news =
            self.told.revision.as_ref() != Some(&plan.revision) || !actions.is_subset(&self.told.actions);
        if news && !actions.is_empty() {
            progress.tell(&Event::Planned(plan));
        }
        self.told.revision = Some(plan.revision.clone());
        self.told.actions = actions;
        let mut units = BTreeMap::new();
        for unit in &plan.units {
            let state = state(unit);
            if self.told.units.get(&unit.key) != Some(&state) {
                progress.tell(&Event::Changed(unit));
            }
            units.insert(unit.key.clone(), state);
        }
        for gone in self.told.units.keys().filter(|key| !units.contains_key(*key)) {
            progress.tell(&Event::Gone(gone));
        }
        self.told.units = units;
    }
}

/// The object as the plan saw it.
fn before<'a>(task: &Task, live: &'a Live) -> Option<&'a LiveObject> {
    let key = task.write.key();
    match Kind::parse(&key.kind) {
        Some(kind) => live.units.get(&UnitKey::new(&key.namespace, kind, &key.name)),
        None => live.companions.get(&key),
    }
}

fn deleted_uid(write: &Write) -> Option<&str> {
    match write {
        Write::Delete { uid, .. } => Some(uid).filter(|uid| !uid.is_empty()).map(String::as_str),
        _ => None,
    }
}
