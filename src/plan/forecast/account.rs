//! Writes down what happens, and sums it up per unit.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;

use super::{End, Ending, Forecast, Happening, Span, UnitForecast, What, is_bad};
use crate::flink::kind::{ObjectKey, Role, UnitKey};
use crate::flink::pointer::At as _;
use crate::plan::Live;
use crate::plan::outcome::{Action, BlockedBy, Plan, UnitPlan};
use crate::plan::write::{Task, Write};

/// What has happened so far.
pub struct Account {
    begun: Timestamp,
    steps: Vec<Happening>,
    units: BTreeMap<UnitKey, Tally>,
    /// What was last seen in the cluster.
    live: BTreeSet<UnitKey>,
    /// The session clusters; an application's own cluster is not worth a word beside its job.
    sessions: BTreeSet<UnitKey>,
}

/// One unit so far.
#[derive(Default)]
struct Tally {
    restarts: usize,
    savepoints: usize,
    down: Vec<Span>,
    waits_for: BTreeSet<UnitKey>,
    /// Whether something was done to it.
    touched: bool,
    /// Whether something happened to it since it was settled last.
    stirred: bool,
    /// Whether it was last seen in a bad way.
    bad: bool,
}

impl Tally {
    fn stopped(&mut self, step: usize) {
        if self.down.last().is_none_or(|span| span.to.is_some()) {
            self.down.push(Span { from: step, to: None });
        }
    }

    fn started(&mut self, step: usize) {
        if let Some(span) = self.down.last_mut().filter(|span| span.to.is_none()) {
            span.to = Some(step);
            self.restarts += 1;
        }
    }
}

impl Account {
    /// An empty account.
    pub fn beginning(begun: Timestamp) -> Self {
        let (live, sessions) = (BTreeSet::new(), BTreeSet::new());
        Self { begun, steps: Vec::new(), units: BTreeMap::new(), live, sessions }
    }

    fn add(&mut self, now: Timestamp, object: ObjectKey, unit: Option<&UnitKey>, what: What, why: &str) {
        let (unit, why) = (unit.cloned(), why.to_owned());
        self.steps.push(Happening { at: now.duration_since(self.begun), object, unit, what, why });
    }

    fn tally(&mut self, unit: &UnitKey) -> &mut Tally {
        self.units.entry(unit.clone()).or_default()
    }

    /// Notes what a plan shows: what settled, failed or went, and who waits for whom; `among` are the units that
    /// it is about, where that is not all.
    pub fn observe(&mut self, plan: &Plan, live: &Live, among: Option<&BTreeSet<UnitKey>>, now: Timestamp) {
        let first = self.units.is_empty();
        for unit in &plan.units {
            self.observe_unit(unit, plan, live, now, first);
        }
        let was_live = |key: &&UnitKey| self.live.contains(*key) && !live.units.contains_key(*key);
        let gone: Vec<UnitKey> = among.unwrap_or(&self.live).iter().filter(was_live).cloned().collect();
        for key in gone {
            self.add(now, (&key).into(), Some(&key), What::Gone, "");
            self.tally(&key).touched = true;
            self.live.remove(&key);
        }
    }

    fn observe_unit(&mut self, unit: &UnitPlan, plan: &Plan, live: &Live, now: Timestamp, first: bool) {
        let waits_for = waits_for(unit, plan);
        let bad = is_bad(unit.health);
        if live.units.contains_key(&unit.key) {
            self.live.insert(unit.key.clone());
        }
        if unit.role == Role::SessionCluster {
            self.sessions.insert(unit.key.clone());
        }
        let tally = self.tally(&unit.key);
        if !tally.touched {
            tally.waits_for.extend(waits_for);
        }
        let failed = bad && !tally.bad && !first;
        let settled = unit.settled && tally.stirred;
        tally.bad = bad || (tally.bad && !unit.settled);
        tally.stirred &= !settled;
        if failed {
            let words =
                unit.health_message.rsplit_once(" since ").map_or(unit.health_message.as_str(), |it| it.0);
            self.add(now, (&unit.key).into(), Some(&unit.key), What::Failed, words);
        } else if settled {
            self.add(now, (&unit.key).into(), Some(&unit.key), What::Settled, "");
        }
    }

    /// Notes a write of ours. Of records, only one that writes a savepoint down is worth it.
    pub fn wrote(&mut self, task: &Task, result: &Result<(), String>, savepoint: bool, now: Timestamp) {
        let what = match result {
            Err(_) => What::Refused,
            Ok(()) if task.event => what(task),
            Ok(()) if savepoint => What::Recorded,
            Ok(()) => return,
        };
        let why = result.as_ref().err().map_or_else(|| why(task), String::as_str);
        let object = task.unit.as_ref().map_or_else(|| task.write.key(), ObjectKey::from);
        self.add(now, object, task.unit.as_ref(), what, why);
        if let Some(unit) = &task.unit {
            let tally = self.tally(unit);
            (tally.touched, tally.stirred) = (true, true);
        }
    }

    /// Notes what Flink did.
    pub fn did(&mut self, unit: &UnitKey, what: What, now: Timestamp) {
        if matches!(what, What::ClusterStopped | What::ClusterStarted) && !self.sessions.contains(unit) {
            return;
        }
        self.add(now, unit.into(), Some(unit), what, "");
        let step = self.steps.len() - 1;
        let tally = self.tally(unit);
        (tally.touched, tally.stirred) = (true, true);
        match what {
            What::SavepointTaken => tally.savepoints += 1,
            What::JobStopped | What::ClusterStopped => tally.stopped(step),
            _ => tally.started(step),
        }
    }

    /// Sums up; the words are those of a plan that knows no times.
    pub fn close(self, plan: &Plan, timeless: &Plan, end: End) -> Forecast {
        let (plans, words) = (by_key(plan), by_key(timeless));
        let units = self.units.into_iter().filter_map(|(key, tally)| {
            let plan = plans.get(&key).copied();
            let ends = plan.map_or(Ending::Gone, |unit| ending(unit, end));
            let gone = ends == Ending::Gone && !self.live.contains(&key);
            (tally.touched || !(ends == Ending::Settled || gone)).then(|| UnitForecast {
                message: words.get(&key).map_or_else(String::new, |unit| message(unit)),
                restarts: tally.restarts,
                savepoints: tally.savepoints,
                down: tally.down,
                waits_for: tally.waits_for,
                ends,
                key,
            })
        });
        Forecast { units: units.collect(), steps: self.steps, end }
    }
}

fn by_key(plan: &Plan) -> BTreeMap<&UnitKey, &UnitPlan> {
    plan.units.iter().map(|unit| (&unit.key, unit)).collect()
}

/// What a unit with something to do waits for that this plan, or a person, has to settle first.
fn waits_for(unit: &UnitPlan, plan: &Plan) -> BTreeSet<UnitKey> {
    if unit.action == Action::Keep || !unit.next.is_empty() {
        return BTreeSet::new();
    }
    let mut on: BTreeSet<UnitKey> =
        unit.blocked.iter().flat_map(|blocked| blocked.on.iter().cloned()).collect();
    if unit.action == Action::Delete {
        let users = plan.units.iter().filter(|user| user.depends_on.contains(&unit.key));
        on.extend(users.map(|user| user.key.clone()));
    } else {
        let is_settled = |key: &UnitKey| plan.units.iter().any(|other| other.key == *key && other.settled);
        on.extend(unit.depends_on.iter().filter(|on| !is_settled(on)).cloned());
    }
    on
}

fn what(task: &Task) -> What {
    match (&task.write, task.reason) {
        (Write::Apply { .. }, _) => What::Applied,
        (Write::Delete { .. }, _) if task.unit.is_none() => What::Pruned,
        (Write::Delete { .. }, _) => What::Deleted,
        (Write::Create { .. } | Write::Replace { .. }, _) => What::Created,
        (Write::Patch { patch, .. }, "Adopting") if patch.get("spec").is_none() => What::Adopted,
        (Write::Patch { patch, .. }, reason) => match patch.at("/spec/job/state") {
            Some(state) if *state == json!("suspended") => What::Suspended,
            _ if reason == "Resuming" => What::Resumed,
            _ => What::Updated,
        },
    }
}

/// The task's message without the path of a savepoint: the model's own are made up.
fn why(task: &Task) -> &str {
    let end = task.message.find("savepoint ").map_or(task.message.len(), |at| at + "savepoint".len());
    &task.message[..end]
}

fn ending(unit: &UnitPlan, end: End) -> Ending {
    let waits = unit.action != Action::Keep || unit.blocked.is_some();
    match end {
        End::Cut if !unit.settled && unit.blocked.as_ref().is_none_or(|it| it.by == BlockedBy::Gate) => {
            Ending::UnderWay
        }
        _ if waits => Ending::Blocked,
        _ if unit.settled => Ending::Settled,
        _ => Ending::Failed,
    }
}

fn message(unit: &UnitPlan) -> String {
    match &unit.blocked {
        // No model knows when a live object of another kind will be ready.
        Some(blocked) if !unit.awaits.is_empty() => format!("{} (taken to stay as it is)", blocked.message),
        Some(blocked) => blocked.message.clone(),
        None => unit.health_message.clone(),
    }
}
