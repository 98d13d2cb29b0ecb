//! What the operator looks at next: feeds the machine what changes in the store and what is due, and
//! carries out what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::effect::{Effect, MANAGER};
use super::flink::Glance;
use super::subject::unit_key;
use super::{Operator, machine, parents, snapshots};
use crate::flink::kind::{API_VERSION, Kind, ObjectKey, UnitKey};
use crate::sim::api::history::ChangeKind;
use crate::sim::api::patch::Patch;
use crate::sim::api::resource::Resource;
use crate::sim::api::store::{DeleteOptions, Store, WriteOptions};

/// What is looked at next, and when.
pub struct Agenda {
    store: Store,
    operator: Operator,
    due: BTreeMap<ObjectKey, Timestamp>,
    seen: u64,
    /// What was taken up where its status says it stands; `None` where nothing is.
    met: Option<BTreeSet<UnitKey>>,
    /// Whether an object need not be looked at again until it, or its cluster, changes.
    rests: fn(&Arc<Value>) -> bool,
    /// What a look led to nothing at, and after how long another is due: most looks find what the one before
    /// them found.
    idle: BTreeMap<ObjectKey, (Sight, SignedDuration)>,
}

/// All that a look at a resource depends on, beside what the operator has begun.
struct Sight {
    object: Arc<Value>,
    cluster: Option<Arc<Value>>,
    defaults: Arc<BTreeMap<String, String>>,
    flink: Glance,
}

impl Sight {
    fn is(&self, other: &Self) -> bool {
        let cluster = match (&self.cluster, &other.cluster) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let defaults = Arc::ptr_eq(&self.defaults, &other.defaults);
        cluster && defaults && Arc::ptr_eq(&self.object, &other.object) && self.flink == other.flink
    }
}

impl Agenda {
    /// An agenda with nothing on it, for a store as it is now.
    pub fn new(store: Store, operator: Operator) -> Self {
        let seen = store.version();
        let (due, idle) = (BTreeMap::new(), BTreeMap::new());
        Self { store, operator, due, seen, met: None, rests: |_| false, idle }
    }

    /// Has every resource taken up where its status says it stands, when it is first looked at.
    #[must_use]
    pub fn taking_up(self) -> Self {
        Self { met: Some(BTreeSet::new()), ..self }
    }

    /// Leaves alone what rests, for a model in which nothing happens by itself.
    #[must_use]
    pub fn leaving_alone(self, rests: fn(&Arc<Value>) -> bool) -> Self {
        Self { rests, ..self }
    }

    /// Works until it is dropped.
    pub async fn run(&mut self) {
        let mut version = self.store.subscribe();
        self.list();
        loop {
            self.catch_up();
            version.borrow_and_update();
            if self.store.version() != self.seen {
                continue;
            }
            let wait = self.next().map(|at| at.duration_since(self.store.now()).unsigned_abs());
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

    /// Does all that is due by now, and what follows from it at once.
    pub fn catch_up(&mut self) {
        loop {
            self.seen = self.read_changes();
            self.work();
            if self.store.version() == self.seen {
                return;
            }
        }
    }

    /// When there is something to look at again.
    pub fn next(&self) -> Option<Timestamp> {
        self.due.values().min().copied()
    }

    /// Begins with everything there is.
    pub fn list(&mut self) {
        let now = self.store.now();
        self.seen = self.store.version();
        let resources =
            Kind::ALL.into_iter().filter_map(|kind| Resource::by_kind(kind.api_version(), kind.as_str()));
        for resource in resources {
            if !self.store.serves(resource) {
                continue;
            }
            let (objects, _) = self.store.list(resource, None);
            self.due.extend(objects.iter().filter_map(|it| ObjectKey::of(it)).map(|key| (key, now)));
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
        let flink = |key: &ObjectKey| Kind::of(&key.api_version, &key.kind).is_some();
        for change in changes.into_iter().filter(|change| flink(&change.key)) {
            if let Some(parent) = parents::parent(&change.object) {
                self.schedule(&parent, soon);
            }
            if change.kind == ChangeKind::Deleted {
                self.collect(&change.object);
                self.due.remove(&change.key);
                self.idle.remove(&change.key);
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

    /// What was made for an object goes with it.
    fn collect(&self, gone: &Value) {
        let (Some(key), Some(resource)) =
            (ObjectKey::of(gone), Resource::by_kind(API_VERSION, Kind::FlinkDeployment.as_str()))
        else {
            return;
        };
        let (deployments, _) = self.store.list(resource, Some(&key.namespace));
        let its = |it: &&Arc<Value>| parents::parent(it).as_ref() == Some(&key);
        let own = deployments.iter().filter(its).filter_map(|it| ObjectKey::of(it));
        own.for_each(|key| self.perform(Effect::Delete { key }));
    }

    /// Has an object looked at then, or before.
    pub fn schedule(&mut self, key: &ObjectKey, at: Timestamp) {
        let due = self.due.entry(key.clone()).or_insert(at);
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
            self.due.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.due.remove(&key);
            let Some(object) = self.store.get(&key) else { continue };
            self.meet(&object);
            let tick = self.tick(&key, &object, now);
            tick.effects.into_iter().for_each(|effect| self.perform(effect));
            let rests = || self.store.get(&key).is_some_and(|object| (self.rests)(&object));
            if let Some(at) = tick.due.filter(|_| !rests()) {
                self.schedule(&key, at.max(now + std::time::Duration::from_millis(1)));
            }
        }
    }

    /// Takes up everything there is.
    pub fn meet_all(&mut self) {
        let objects: Vec<Arc<Value>> = self.due.keys().filter_map(|key| self.store.get(key)).collect();
        for object in objects {
            self.meet(&object);
        }
    }

    /// Takes a resource up where its status says it stands, the first time. A session cluster is met with
    /// all of its jobs, since what happens to it happens to them.
    fn meet(&mut self, object: &Value) {
        if self.met.is_none() {
            return;
        }
        let Some(key) = unit_key(object) else {
            // What was made for others is found as it stands.
            if let Some(parent) = ObjectKey::of(object).filter(parents::is_parent) {
                let resource = Resource::by_kind(API_VERSION, Kind::FlinkDeployment.as_str());
                let (all, _) =
                    resource.map(|it| self.store.list(it, Some(&parent.namespace))).unwrap_or_default();
                all.iter()
                    .filter(|it| parents::parent(it).as_ref() == Some(&parent))
                    .for_each(|it| self.meet(it));
                return;
            }
            // So is the job of a snapshot.
            if let Some(job) = snapshots::target(object).and_then(|job| self.store.get(&(&job).into())) {
                self.meet(&job);
            }
            return;
        };
        let head = key.cluster(&object["spec"]).unwrap_or_else(|| key.clone());
        let jobs = self.jobs_on(&head);
        let jobs = jobs.into_iter().map(|name| UnitKey::new(&head.namespace, Kind::FlinkSessionJob, name));
        let all: Vec<UnitKey> = std::iter::once(head.clone()).chain(jobs).collect();
        let cluster = self.store.get(&(&head).into());
        let now = self.store.now();
        for key in all {
            if !self.met.as_mut().is_some_and(|met| met.insert(key.clone())) {
                continue;
            }
            let cluster = cluster.as_deref().filter(|_| key != head);
            if let Some(object) = self.store.get(&(&key).into()) {
                self.operator.machine().take_up(&object, cluster, now);
            }
        }
    }

    fn tick(&mut self, key: &ObjectKey, object: &Arc<Value>, now: Timestamp) -> machine::Tick {
        let mut machine = self.operator.machine();
        if parents::is_parent(key) {
            return machine.tick_parent(object, &|key| self.store.get(key), now);
        }
        let Some(unit) = unit_key(object) else {
            let target = snapshots::target(object).and_then(|unit| self.store.get(&(&unit).into()));
            return machine.tick_snapshot(object, target.is_some(), now);
        };
        let head = unit.cluster(&object["spec"]);
        let sight = Sight {
            object: object.clone(),
            cluster: head.as_ref().and_then(|cluster| self.store.get(&cluster.into())),
            defaults: machine.defaults.clone(),
            flink: machine.flink.glance(&unit, head.as_ref().unwrap_or(&unit), now),
        };
        if let Some((idle, pace)) = self.idle.get(key)
            && idle.is(&sight)
        {
            return machine::Tick { effects: Vec::new(), due: Some(now + *pace) };
        }
        let jobs = if unit.kind == Kind::FlinkDeployment { self.jobs_on(&unit) } else { Vec::new() };
        let tick = machine.tick(object, sight.cluster.as_deref(), &jobs, now);
        let leaving = object["metadata"].get("deletionTimestamp").is_some();
        match tick.due.filter(|_| tick.effects.is_empty() && !leaving && !machine.is_busy(key)) {
            Some(at) => drop(self.idle.insert(key.clone(), (sight, at.duration_since(now)))),
            None => drop(self.idle.remove(key)),
        }
        tick
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
            Effect::Delete { key } => {
                let _ = self.store.delete(&key, &DeleteOptions::default());
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
