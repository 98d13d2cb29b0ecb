//! Somebody's cluster, taken up as it was read, with the operator's model at work in it: synchronous, in a
//! time of its own, and gone with the value. The one place here that speaks the planner's language.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::patch::Patch;
use super::api::resource::Resource;
use super::api::status::StatusError;
use super::api::store::{DeleteOptions, Store, WriteOptions};
use super::clock::{Clock, Hand};
use super::deployments;
use super::operator::{Agenda, Deed, Operator};
use super::{OperatorMode, Options};
use crate::flink::health::{Health, judge};
use crate::flink::kind::{Kind, ObjectKey, Role, UnitKey};
use crate::flink::release::Release;
use crate::plan::forecast::{Model, What};
use crate::plan::ledger::{LABEL_MANAGED_BY, LABEL_RECORD, Ledger, MANAGER, Marker};
use crate::plan::live::{LiveObject, Seen};
use crate::plan::write::Task;
use crate::plan::{Live, Write};

/// A model of one cluster.
pub struct Rehearsal {
    live: Live,
    store: Store,
    operator: Operator,
    agenda: Agenda,
    hand: Hand,
    seen: u64,
    /// When the pods of Deployments that were written will have started.
    started: Option<Timestamp>,
}

impl Rehearsal {
    /// Takes a cluster up as it is now. `defaults` is what its operator is configured with, as far as is known.
    pub fn new(live: &Live, defaults: &BTreeMap<String, String>, now: Timestamp) -> Self {
        let (clock, hand) = Clock::by_hand(now);
        let mode = mode(live);
        let store = Store::new(&Options { operator: mode, schemas: false, ..Options::default() }, clock);
        let objects = live.units.values().chain(live.companions.values());
        store.hold(objects.map(LiveObject::whole));
        let operator = Operator::rehearsing(mode);
        operator.configure(defaults);
        let agenda = Agenda::new(store.clone(), operator.clone()).taking_up();
        let mut agenda = agenda.leaving_alone(is_at_rest);
        for (key, _) in live.units.iter().filter(|(_, object)| !is_at_rest(&object.whole())) {
            agenda.schedule(&key.into(), now);
        }
        // Before the first write: what was refused is the spec as it was read.
        agenda.meet_all();
        let seen = store.version();
        Self { live: live.clone(), store, operator, agenda, hand, seen, started: None }
    }

    /// Reads what changed; answers with what a plan can see of it.
    fn read(&mut self) -> BTreeSet<ObjectKey> {
        let changes = self.store.changes_since(self.seen).unwrap_or_default();
        let mut seen = BTreeSet::new();
        for change in changes {
            self.seen = change.version;
            let after = self.store.get(&change.key).map(LiveObject::from);
            if self.take_in(&change.key, after) {
                seen.insert(change.key);
            }
        }
        seen
    }

    fn take_in(&mut self, key: &ObjectKey, after: Option<LiveObject>) -> bool {
        let unit = Kind::parse(&key.kind).map(|kind| UnitKey::new(&key.namespace, kind, &key.name));
        // What is waited for and lies in Git comes with the plan; everything else stays as it is.
        if let Some(after) = after.clone().filter(|_| self.live.companions.contains_key(key)) {
            self.live.awaited.insert(key.clone(), Seen::Found(after));
        }
        // What the operator makes beside them is nobody's unit.
        let made = after.as_ref().is_some_and(|object| object.label(LABEL_MANAGED_BY) != Some(MANAGER));
        let before = match unit {
            Some(unit) if !unit.kind.is_everywhere() && made && !self.live.units.contains_key(&unit) => {
                return false;
            }
            Some(unit) => put(&mut self.live.units, unit, after.clone()),
            None if self.live.companions.contains_key(key) => {
                put(&mut self.live.companions, key.clone(), after.clone())
            }
            None => return false,
        };
        match (before, after) {
            (Some(before), Some(after)) => is_news(&before, &after),
            (before, after) => before.is_some() != after.is_some(),
        }
    }

    /// Records are flinkops' own: the operator never looks at them.
    fn record(&mut self, object: &Value) {
        let mut object = object.clone();
        let version = object["metadata"]["resourceVersion"].as_str().and_then(|it| it.parse().ok());
        object["metadata"]["resourceVersion"] = json!((version.unwrap_or(0_u64) + 1).to_string());
        let object = LiveObject::new(object);
        if let Some((unit, ledger)) = Ledger::from_config_map(&object) {
            self.live.ledgers.insert(unit, ledger.into());
        } else if let Some(marker) = Marker::from_config_map(&object) {
            self.live.markers.insert(object.namespace().to_owned(), marker);
        }
    }

    fn send(&mut self, write: &Write) -> Result<(), StatusError> {
        let (key, by) = (write.key(), WriteOptions::by(MANAGER));
        match write {
            Write::Create { object } | Write::Replace { object } if is_record(object) => self.record(object),
            Write::Create { object } => drop(self.store.create(&key, object.clone(), &by)?),
            Write::Replace { object } => drop(self.store.replace(&key, object.clone(), &by)?),
            Write::Patch { patch, .. } => drop(self.store.patch(&key, &Patch::Merge(patch.clone()), &by)?),
            // Of companions that the embedded API does not know, it is enough that they are there.
            Write::Apply { object, .. } if Resource::by_kind(&key.api_version, &key.kind).is_none() => {
                self.live.companions.insert(key, LiveObject::new(object.clone()));
            }
            Write::Delete { .. } if Resource::by_kind(&key.api_version, &key.kind).is_none() => {
                self.live.companions.remove(&key);
            }
            Write::Apply { object, force } => {
                let patch = Patch::Apply { config: object.clone(), force: *force };
                let written = self.store.patch(&key, &patch, &by)?;
                self.live.companions.insert(key, LiveObject::from(written.object));
            }
            Write::Delete { uid, resource_version, .. } => {
                let conditions = DeleteOptions {
                    uid: Some(uid.clone()).filter(|uid| !uid.is_empty()),
                    resource_version: Some(resource_version.clone()).filter(|version| !version.is_empty()),
                    dry_run: false,
                };
                self.store.delete(&key, &conditions)?;
            }
        }
        Ok(())
    }

    /// Has the pods of Deployments start.
    fn tend_deployments(&mut self) {
        let pending = deployments::pending(&self.store);
        let now = self.store.now();
        if self.started.is_some_and(|at| at <= now) {
            for object in &pending {
                deployments::make_available(&self.store, object);
            }
            self.started = None;
        } else if !pending.is_empty() {
            self.started.get_or_insert(now + deployments::STARTUP);
        }
    }
}

impl Model for Rehearsal {
    fn now(&self) -> Timestamp {
        self.store.now()
    }

    fn live(&mut self) -> &mut Live {
        &mut self.live
    }

    fn perform(&mut self, task: &Task) -> Result<(), String> {
        let result = self.send(&task.write).map_err(|error| error.to_string());
        self.read();
        result
    }

    fn advance(&mut self, until: Timestamp) -> BTreeSet<ObjectKey> {
        loop {
            self.agenda.catch_up();
            self.tend_deployments();
            let changed = self.read();
            if !changed.is_empty() {
                return changed;
            }
            let next = self.agenda.next().into_iter().chain(self.started).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                self.hand.turn_to(until);
                return changed;
            };
            self.hand.turn_to(next);
        }
    }

    fn deeds(&mut self) -> Vec<(UnitKey, What)> {
        let deeds = self.operator.take_deeds().into_iter();
        deeds.map(|(unit, deed)| (unit, what(&deed))).collect()
    }
}

fn put<K: Ord>(map: &mut BTreeMap<K, LiveObject>, key: K, object: Option<LiveObject>) -> Option<LiveObject> {
    match object {
        Some(object) => map.insert(key, object),
        None => map.remove(&key),
    }
}

fn what(deed: &Deed) -> What {
    match deed {
        Deed::ClusterStarted => What::ClusterStarted,
        Deed::ClusterStopped => What::ClusterStopped,
        Deed::JobStarted(Some(_)) => What::JobRestored,
        Deed::JobStarted(None) => What::JobStarted,
        Deed::JobStopped => What::JobStopped,
        Deed::Savepoint => What::SavepointTaken,
    }
}

fn is_record(object: &Value) -> bool {
    object["metadata"]["labels"].get(LABEL_RECORD).is_some()
}

/// Which operator it is: the older ones keep the generation inside the recorded spec, and their definitions
/// lack the newer ones' fields.
fn mode(live: &Live) -> OperatorMode {
    let statuses = || live.units.values().map(LiveObject::status).filter(|status| status.is_object());
    let modern = statuses().any(|status| status.get("observedGeneration").is_some());
    let old = match live.schema.served() {
        _ if statuses().next().is_some() => !modern,
        Some(served) => served.release() < Release::V1_8,
        None => false,
    };
    if old { OperatorMode::V1_7 } else { OperatorMode::V1_15 }
}

/// Whether the operator has nothing to do about it.
fn is_at_rest(object: &Arc<Value>) -> bool {
    let object = LiveObject::from(object.clone());
    let Some(key) = object.unit_key() else { return false };
    let status = object.operator_status();
    let verdict = judge(Role::of(key.kind, object.spec()), object.generation(), object.spec(), status);
    object.deleting_since().is_none()
        && status.present
        && status.error.is_none()
        && matches!(verdict.health, Health::Settled | Health::Suspended)
}

/// Whether a plan can tell the one from the other.
fn is_news(before: &LiveObject, after: &LiveObject) -> bool {
    before.spec() != after.spec()
        || before.generation() != after.generation()
        || before.labels() != after.labels()
        || before.annotations() != after.annotations()
        || before.deleting_since() != after.deleting_since()
        || is_companion_news(before, after)
        || before.operator_status() != after.operator_status()
}

fn is_companion_news(before: &LiveObject, after: &LiveObject) -> bool {
    before.unit_key().is_none() && before.status() != after.status()
}
