//! The part of a repository and its cluster that a plan is about, so that a forecast of one change costs
//! the same among ten units as among ten thousand.

use std::collections::{BTreeMap, BTreeSet};

use super::is_quiet;
use crate::flink::kind::UnitKey;
use crate::plan::Live;
use crate::plan::live::LiveObject;
use crate::plan::outcome::Plan;
use crate::plan::rename;
use crate::spec::Desired;

/// Cuts both sides down to the units with something to do or in the way, and all that is connected with
/// them: what they depend on and what depends on them, clusters and their jobs, a new name and the old one.
///
/// Planned for again, this part says what the whole did about it. One bystander stays, since an
/// environment without units is guarded (S3).
pub fn concern(desired: &Desired, live: &Live, plan: &Plan) -> (Desired, Live) {
    let neighbours = Neighbours::of(desired, live);
    let restless = plan.units.iter().filter(|unit| !is_quiet(unit));
    let mut kept = neighbours.reach(restless.map(|unit| &unit.key).chain(users(desired, live, plan)));
    kept.extend(desired.units.keys().next().cloned());
    let (mut desired, mut live) = (desired.clone(), live.clone());
    desired.units.retain(|key, _| kept.contains(key));
    desired.findings.clear();
    live.units.retain(|key, _| kept.contains(key));
    live.ledgers.retain(|key, _| kept.contains(key));
    live.since.retain(|key, _| kept.contains(key));
    (desired, live)
}

/// The live units that use a companion which left Git: as long as one does, it stays.
pub fn users<'a>(desired: &Desired, live: &'a Live, plan: &Plan) -> Vec<&'a UnitKey> {
    let orphans = plan.companions.iter().filter(|it| !desired.companions.contains_key(&it.key));
    let names: Vec<String> = orphans.map(|orphan| format!("\"{}\"", orphan.key.name)).collect();
    let uses = |object: &LiveObject| {
        !names.is_empty() && {
            let spec = object.spec().to_string();
            names.iter().any(|name| spec.contains(name))
        }
    };
    live.units.iter().filter(|(_, object)| uses(object)).map(|(key, _)| key).collect()
}

/// Who is connected with whom.
#[derive(Default)]
pub struct Neighbours(BTreeMap<UnitKey, BTreeSet<UnitKey>>);

impl Neighbours {
    /// Who depends on whom, in Git and in the cluster, and who was whom.
    pub fn of(desired: &Desired, live: &Live) -> Self {
        let mut neighbours = Self::default();
        for unit in desired.units.values() {
            unit.depends_on.iter().for_each(|edge| neighbours.join(&unit.key, &edge.on));
            if let Some(old) = rename::old_self(desired, live, unit) {
                neighbours.join(&unit.key, &old);
            }
        }
        for (key, object) in &live.units {
            key.cluster(object.spec()).into_iter().for_each(|on| neighbours.join(key, &on));
        }
        let by_name: BTreeMap<String, &UnitKey> =
            live.units.keys().map(|key| (key.to_string(), key)).collect();
        for key in live.units.keys().filter(|key| !desired.units.contains_key(*key)) {
            let on = live.ledger(key).into_iter().flat_map(|ledger| &ledger.depends_on);
            on.filter_map(|on| by_name.get(on)).for_each(|on| neighbours.join(key, on));
        }
        neighbours
    }

    /// Connects all of them.
    pub fn join_all(&mut self, units: &[&UnitKey]) {
        units.windows(2).for_each(|pair| self.join(pair[0], pair[1]));
    }

    fn join(&mut self, a: &UnitKey, b: &UnitKey) {
        self.0.entry(a.clone()).or_default().insert(b.clone());
        self.0.entry(b.clone()).or_default().insert(a.clone());
    }

    /// Everybody who is connected with these, and they themselves.
    pub fn reach<'k>(&self, from: impl Iterator<Item = &'k UnitKey>) -> BTreeSet<UnitKey> {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<UnitKey> = from.cloned().collect();
        while let Some(key) = waiting.pop() {
            waiting
                .extend(self.0.get(&key).into_iter().flatten().filter(|on| !reached.contains(*on)).cloned());
            reached.insert(key);
        }
        reached
    }
}
