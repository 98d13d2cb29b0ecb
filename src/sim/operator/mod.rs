//! The model of the Flink Kubernetes Operator, and of Flink behind it.
//!
//! `machine` decides as a function of values; this module feeds it what changes in the store and what is
//! due, and carries out what it says. The sequences it must reproduce were observed on real operators, in
//! both modes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

mod change;
mod cleanup;
mod deploy;
mod effect;
mod flink;
mod machine;
mod observe;
mod snapshots;
mod spec;
mod status;
mod stop;
mod subject;
mod timings;
mod upgrade;

use effect::Effect;
pub use effect::MANAGER;
pub use flink::{Behaviour, JobView, SAVEPOINT_KEY, Snapshot};
use machine::Machine;
use subject::unit_key;
use timings::Mode;

use super::OperatorMode;
use super::api::history::ChangeKind;
use super::api::patch::Patch;
use super::api::resource::{Resource, SNAPSHOT};
use super::api::store::{Store, WriteOptions};
use crate::flink::kind::{API_VERSION, Kind, ObjectKey, UnitKey};

/// The operator of one embedded cluster. Clones are handles to the same one.
#[derive(Clone)]
pub struct Operator(Arc<Mutex<Machine>>);

impl Operator {
    /// An operator that makes everything `1 / scale` times as fast as observed.
    pub fn new(mode: OperatorMode, scale: f64) -> Self {
        let mode = match mode {
            OperatorMode::V1_7 => Mode::V1_7,
            OperatorMode::V1_15 => Mode::V1_15,
        };
        Self(Arc::new(Mutex::new(Machine::new(mode, 1.0 / scale.max(1e-6)))))
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a person sees of a unit's job in Flink.
    pub fn job(&self, unit: &UnitKey, now: Timestamp) -> Option<JobView> {
        self.machine().flink.view(unit, now)
    }

    /// The savepoints and retained checkpoints on disk.
    pub fn disk(&self) -> BTreeMap<String, Snapshot> {
        self.machine().flink.disk().clone()
    }

    /// Puts a savepoint of a unit on disk, as if it had been taken elsewhere.
    pub fn keep_savepoint(&self, unit: &UnitKey, path: &str, records: u64) {
        self.machine().flink.add_snapshot(path, unit, records, true);
    }

    /// Decides how a unit's savepoints go from now on.
    pub fn set_behaviour(&self, unit: &UnitKey, behaviour: Behaviour) {
        self.machine().flink.set_behaviour(unit, behaviour);
    }

    /// Makes a running job restart over and over, or lets it run again.
    pub fn set_restarting(&self, unit: &UnitKey, restarting: bool, now: Timestamp) {
        self.machine().flink.set_restarting(unit, restarting, now);
    }

    /// Kills a cluster's JobManager; Kubernetes starts it again at once.
    pub fn crash_job_manager(&self, cluster: &UnitKey, now: Timestamp) {
        self.machine().flink.crash_job_manager(cluster, now);
    }

    /// Works until it is dropped. What was under way is forgotten, as by a restart of the real one.
    pub async fn run(self, store: Store) {
        self.machine().restart();
        let mut loop_ =
            Loop { store, operator: self, agenda: BTreeMap::new(), seen: 0, known: BTreeSet::new() };
        loop_.run().await;
    }
}

/// What is looked at next, and when.
struct Loop {
    store: Store,
    operator: Operator,
    agenda: BTreeMap<ObjectKey, Timestamp>,
    seen: u64,
    known: BTreeSet<ObjectKey>,
}

impl Loop {
    async fn run(&mut self) {
        let mut version = self.store.subscribe();
        self.list();
        loop {
            self.seen = self.read_changes();
            self.work();
            version.borrow_and_update();
            if self.store.version() != self.seen {
                continue;
            }
            let next = self.agenda.values().min().copied();
            let wait = next.map(|at| at.duration_since(self.store.now()).unsigned_abs());
            let timer = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = timer => {}
                changed = version.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Begins with everything there is.
    fn list(&mut self) {
        let now = self.store.now();
        self.seen = self.store.version();
        let kinds = Kind::ALL.map(Kind::as_str).into_iter().chain([SNAPSHOT.kind]);
        for resource in kinds.filter_map(|kind| Resource::by_kind(API_VERSION, kind)) {
            if !self.store.serves(resource) {
                continue;
            }
            let (objects, _) = self.store.list(resource, None);
            self.agenda.extend(objects.iter().filter_map(|it| ObjectKey::of(it)).map(|key| (key, now)));
        }
    }

    /// Puts on the agenda what changed by somebody else's hand.
    fn read_changes(&mut self) -> u64 {
        let version = self.store.version();
        let Ok(changes) = self.store.changes_since(self.seen) else {
            self.list();
            return version;
        };
        let soon = self.store.now() + self.operator.machine().timings.reaction;
        for change in changes.into_iter().filter(|change| change.key.api_version == API_VERSION) {
            if change.kind == ChangeKind::Deleted {
                self.agenda.remove(&change.key);
                self.known.remove(&change.key);
                self.operator.machine().memory.remove(&change.key);
                self.wake_cluster(&change.object, soon);
            } else {
                let before = change.previous.as_deref();
                if asks_for_work(before, &change.object) {
                    self.schedule(&change.key, soon);
                }
                self.wake_cluster(&change.object, soon);
                self.wake_jobs(&change.object, soon);
            }
        }
        version
    }

    fn schedule(&mut self, key: &ObjectKey, at: Timestamp) {
        let due = self.agenda.entry(key.clone()).or_insert(at);
        *due = (*due).min(at);
    }

    /// A cluster that is being deleted follows its jobs.
    fn wake_cluster(&mut self, job: &Value, at: Timestamp) {
        let Some(key) = unit_key(job).filter(|key| key.kind == Kind::FlinkSessionJob) else { return };
        let Some(cluster) = key.cluster(&job["spec"]).as_ref().map(ObjectKey::from) else { return };
        if self.store.get(&cluster).is_some_and(|it| it["metadata"].get("deletionTimestamp").is_some()) {
            self.schedule(&cluster, at);
        }
    }

    /// Session jobs look again whenever their cluster changes.
    fn wake_jobs(&mut self, cluster: &Value, at: Timestamp) {
        let Some(key) = unit_key(cluster).filter(|key| key.kind == Kind::FlinkDeployment) else { return };
        for name in self.jobs_on(&key) {
            self.schedule(&ObjectKey::new(API_VERSION, "FlinkSessionJob", &key.namespace, name), at);
        }
    }

    fn jobs_on(&self, cluster: &UnitKey) -> Vec<String> {
        let Some(resource) = Resource::by_kind(API_VERSION, "FlinkSessionJob") else { return Vec::new() };
        let (jobs, _) = self.store.list(resource, Some(&cluster.namespace));
        let on_it = |job: &Arc<Value>| {
            unit_key(job).and_then(|key| key.cluster(&job["spec"])).as_ref() == Some(cluster)
        };
        jobs.into_iter()
            .filter(on_it)
            .filter_map(|job| Some(job["metadata"]["name"].as_str()?.to_owned()))
            .collect()
    }

    /// Ticks everything that is due.
    fn work(&mut self) {
        let now = self.store.now();
        let due: Vec<ObjectKey> =
            self.agenda.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.agenda.remove(&key);
            let Some(object) = self.store.get(&key) else { continue };
            let tick = self.tick(&object, now);
            tick.effects.into_iter().for_each(|effect| self.perform(effect));
            if let Some(at) = tick.due {
                self.schedule(&key, at.max(now + std::time::Duration::from_millis(1)));
            }
        }
    }

    fn tick(&self, object: &Value, now: Timestamp) -> machine::Tick {
        let mut machine = self.operator.machine();
        let Some(key) = unit_key(object) else {
            let target = snapshots::target(object).and_then(|unit| self.store.get(&(&unit).into()));
            return machine.tick_snapshot(object, target.is_some(), now);
        };
        let cluster = key.cluster(&object["spec"]).and_then(|cluster| self.store.get(&(&cluster).into()));
        let jobs = if key.kind == Kind::FlinkDeployment { self.jobs_on(&key) } else { Vec::new() };
        machine.tick(object, cluster.as_deref(), &jobs, now)
    }

    /// A write that meets a newer object is dropped: the change that came in between brings a new tick.
    fn perform(&self, effect: Effect) {
        let by = WriteOptions::by(MANAGER);
        match effect {
            Effect::Status { key, status } => {
                let _ = self.store.edit(&key, &WriteOptions::status_by(MANAGER), |it| it["status"] = status);
            }
            Effect::Merge { key, patch } => {
                let _ = self.store.patch(&key, &Patch::Merge(patch), &by);
            }
            Effect::Create { object } => {
                if let Some(key) = ObjectKey::of(&object) {
                    let _ = self.store.create(&key, object, &by);
                }
            }
            Effect::Event { object } => {
                let Some(key) = ObjectKey::of(&object) else { return };
                if self.store.get(&key).is_some() {
                    let (count, last) = (object["count"].clone(), object["lastTimestamp"].clone());
                    let _ = self.store.edit(&key, &by, |it| {
                        it["count"] = count;
                        it["lastTimestamp"] = last;
                    });
                } else {
                    let _ = self.store.create(&key, object, &by);
                }
            }
        }
    }
}

/// Whether a change is one the operator acts upon: anything but its own writes of the status.
fn asks_for_work(before: Option<&Value>, after: &Value) -> bool {
    let Some(before) = before else { return true };
    let meta = |object: &Value, field: &str| object["metadata"].get(field).cloned().unwrap_or(json!(null));
    ["generation", "deletionTimestamp", "finalizers"]
        .iter()
        .any(|field| meta(before, field) != meta(after, field))
}
