//! The parts of a repository and its cluster that have nothing to do with each other but that they share the
//! places for changes under way: each is planned for by itself, and only when something in it has changed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::concern::{Neighbours, users};
use super::is_quiet;
use crate::flink::kind::{Kind, ObjectKey, UnitKey};
use crate::plan::ledger::ANNOTATION_SOURCE;
use crate::plan::outcome::{Action, BlockedBy, Plan};
use crate::plan::{Live, observe, plan};
use crate::spec::Desired;

/// One part.
pub struct Part {
    desired: Desired,
    /// Its units, of both sides, and those that are gone.
    units: BTreeSet<UnitKey>,
    companions: BTreeSet<ObjectKey>,
    /// What was planned for it last, and when.
    last: Option<(Timestamp, Plan)>,
}

impl Part {
    /// Plans for it as it is now.
    pub fn plan(&mut self, live: &mut Live, now: Timestamp, narrow: &dyn Fn(Plan) -> Plan) {
        let mut own = self.pick(live);
        own.since = observe(&own.since, &own, now);
        let plan = narrow(plan(&self.desired, &own, now));
        for key in &self.units {
            live.since.remove(key);
        }
        live.since.append(&mut own.since);
        self.last = Some((now, plan));
    }

    /// Its units.
    pub fn units(&self) -> &BTreeSet<UnitKey> {
        &self.units
    }

    /// What was planned for it last.
    pub fn last_plan(&self) -> Option<&Plan> {
        self.last.as_ref().map(|(_, plan)| plan)
    }

    /// When it was planned for last.
    pub fn planned(&self) -> Option<Timestamp> {
        self.last.as_ref().map(|(at, _)| *at)
    }

    /// Its side of the cluster.
    fn pick(&self, live: &Live) -> Live {
        fn of<K: Ord + Clone, V: Clone>(all: &BTreeMap<K, V>, keys: &BTreeSet<K>) -> BTreeMap<K, V> {
            keys.iter().filter_map(|key| Some((key.clone(), all.get(key)?.clone()))).collect()
        }
        Live {
            units: of(&live.units, &self.units),
            unread: live.unread.clone(),
            companions: of(&live.companions, &self.companions),
            awaited: live.awaited.clone(),
            ledgers: of(&live.ledgers, &self.units),
            markers: live.markers.clone(),
            since: of(&live.since, &self.units),
            cluster: live.cluster.clone(),
            schema: live.schema.clone(),
            strangers: of(&live.strangers, &self.units),
            states: of(&live.states, &self.units),
        }
    }
}

/// Every part, and which part an object belongs to.
pub struct Parts {
    /// The parts.
    pub all: Vec<Part>,
    units: BTreeMap<UnitKey, usize>,
    companions: BTreeMap<ObjectKey, usize>,
}

impl Parts {
    /// Takes both sides apart, as the plan of the whole has it.
    pub fn new(desired: &Desired, live: &Live, whole: &Plan) -> Self {
        let mut parts = Self { all: Vec::new(), units: BTreeMap::new(), companions: BTreeMap::new() };
        let shell = shell(desired, whole);
        let neighbours = neighbours(desired, live, whole);
        for key in desired.units.keys().chain(live.units.keys()) {
            if parts.units.contains_key(key) {
                continue;
            }
            let units = neighbours.reach(std::iter::once(key));
            parts.units.extend(units.iter().map(|key| (key.clone(), parts.all.len())));
            let mut desired_part = shell.clone();
            let own = units.iter().filter_map(|key| desired.units.get_key_value(key));
            desired_part.units = own.map(|(key, unit)| (key.clone(), unit.clone())).collect();
            let companions = BTreeSet::new();
            parts.all.push(Part { desired: desired_part, units, companions, last: None });
        }
        parts.add_companions(desired, live, whole, shell);
        parts
    }

    /// A companion goes with the units of its folder, or with who waits for it or uses it; else all that are left are
    /// a part.
    fn add_companions(&mut self, desired: &Desired, live: &Live, whole: &Plan, shell: Desired) {
        let (folders, waiters) = (folders(desired, live), waiters(desired));
        let last = self.all.len();
        let (units, companions) = (BTreeSet::new(), BTreeSet::new());
        self.all.push(Part { desired: shell, units, companions, last: None });
        let user = users(desired, live, whole).first().and_then(|user| self.units.get(*user)).copied();
        for companion in &whole.companions {
            let wanted = desired.companions.get(&companion.key);
            let folder = folders.get(companion.folder.as_str()).and_then(|units| self.units.get(units[0]));
            let waiter = waiters.get(&companion.key).and_then(|units| self.units.get(units[0]));
            let user = user.filter(|_| wanted.is_none());
            let at = folder.or(waiter).copied().or(user).unwrap_or(last);
            let part = &mut self.all[at];
            part.companions.insert(companion.key.clone());
            part.desired.companions.extend(wanted.map(|it| (companion.key.clone(), it.clone())));
            self.companions.insert(companion.key.clone(), at);
        }
    }

    /// Those in which something is left to do, as the plan of the whole has it.
    pub fn with_something_to_do(&self, whole: &Plan) -> BTreeSet<usize> {
        let units = whole.units.iter().filter(|unit| !is_quiet(unit));
        let companions = whole.companions.iter().filter(|it| it.action != Action::Keep || !it.ready);
        let units = units.filter_map(|unit| self.units.get(&unit.key));
        units.chain(companions.filter_map(|it| self.companions.get(&it.key))).copied().collect()
    }

    /// The part that an object belongs to.
    pub fn of(&self, key: &ObjectKey) -> Option<usize> {
        let unit = Kind::parse(&key.kind).map(|kind| UnitKey::new(&key.namespace, kind, &key.name));
        unit.and_then(|unit| self.units.get(&unit)).or_else(|| self.companions.get(key)).copied()
    }
}

/// Git's side without any object. Whether deletes are guarded (S3) was decided for the whole.
fn shell(desired: &Desired, whole: &Plan) -> Desired {
    let guarded = whole.units.iter().any(|unit| {
        unit.action == Action::Delete && unit.blocked.as_ref().is_some_and(|it| it.by == BlockedBy::Guard)
    });
    let mut shell = Desired {
        units: BTreeMap::new(),
        companions: BTreeMap::new(),
        findings: Vec::new(),
        confirm_deletes: (!guarded).then_some(usize::MAX),
        ..desired.clone()
    };
    if guarded {
        shell.policy.prune.max_deletes = 0;
    }
    shell
}

/// What belongs together: what depends on each other, what shares a folder or a companion that left Git, what waits
/// for a companion and what lies beside that, and what might be one unit under two names (S18).
fn neighbours(desired: &Desired, live: &Live, whole: &Plan) -> Neighbours {
    let mut neighbours = Neighbours::of(desired, live);
    let shared: BTreeSet<&str> = whole.companions.iter().map(|it| it.folder.as_str()).collect();
    let folders = folders(desired, live);
    folders.iter().filter(|(folder, _)| shared.contains(*folder)).for_each(|(_, it)| neighbours.join_all(it));
    let waiters = waiters(desired);
    for companion in &whole.companions {
        let waiting = waiters.get(&companion.key).into_iter().flatten();
        let beside = folders.get(companion.folder.as_str()).into_iter().flatten().take(1);
        neighbours.join_all(&waiting.chain(beside).copied().collect::<Vec<_>>());
    }
    neighbours.join_all(&users(desired, live, whole));
    let acting = |action| whole.units.iter().filter(move |unit| unit.action == action).map(|unit| &unit.key);
    if acting(Action::Delete).next().is_some() {
        neighbours.join_all(&acting(Action::Delete).chain(acting(Action::Create)).collect::<Vec<_>>());
    }
    neighbours
}

/// The units that wait for each live object.
fn waiters(desired: &Desired) -> BTreeMap<&ObjectKey, Vec<&UnitKey>> {
    let mut waiters: BTreeMap<&ObjectKey, Vec<&UnitKey>> = BTreeMap::new();
    for unit in desired.units.values() {
        unit.awaits.iter().for_each(|one| waiters.entry(&one.object).or_default().push(&unit.key));
    }
    waiters
}

/// The units that come from each folder, those that left Git included.
fn folders<'a>(desired: &'a Desired, live: &'a Live) -> BTreeMap<&'a str, Vec<&'a UnitKey>> {
    let mut folders: BTreeMap<&str, Vec<&UnitKey>> = BTreeMap::new();
    for unit in desired.units.values() {
        folders.entry(unit.folder.as_str()).or_default().push(&unit.key);
    }
    for (key, object) in live.units.iter().filter(|(key, _)| !desired.units.contains_key(*key)) {
        if let Some(folder) = object.annotation(ANNOTATION_SOURCE) {
            folders.entry(folder).or_default().push(key);
        }
    }
    folders
}
