//! The course of things: what is planned for again and when, and what may be written then.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::account::Account;
use super::part::Parts;
use super::{End, Forecast, Model, QUIET, is_applied, is_done, patience};
use crate::flink::kind::{ObjectKey, UnitKey};
use crate::plan::outcome::{Plan, UnitPlan};
use crate::plan::write::{Task, Write};
use crate::plan::{Live, begins, observe, observe_once, plan, step, under_way};
use crate::spec::Desired;

/// Where a unit stands among those that want to begin: by wave, then by key.
type Turn = (Option<usize>, UnitKey);

/// A forecast in the making.
pub struct Course<'a> {
    desired: &'a Desired,
    model: &'a mut dyn Model,
    narrow: &'a dyn Fn(Plan) -> Plan,
    /// So many units may still be planned for.
    effort: usize,
    account: Account,
    /// What the API server refused is not tried again.
    refused: BTreeSet<ObjectKey>,
    patience: SignedDuration,
}

impl<'a> Course<'a> {
    /// A forecast that has not begun yet.
    pub fn begin(
        desired: &'a Desired,
        model: &'a mut dyn Model,
        narrow: &'a dyn Fn(Plan) -> Plan,
        effort: usize,
    ) -> Self {
        let (account, refused) = (Account::beginning(model.now()), BTreeSet::new());
        Self { desired, model, narrow, effort, account, refused, patience: patience(desired) }
    }

    /// Has the whole marked as this repository's, goes on part by part until nothing more comes, and lets the
    /// whole have the last word.
    pub fn run(mut self) -> Forecast {
        let mut rested = false;
        loop {
            let whole = self.plan();
            let marked = !whole.records.iter().any(|task| matches!(task.write, Write::Create { .. }));
            if marked && !rested {
                let stage = Stage::new(self.desired, self.model.live(), &whole);
                self.go(stage);
                rested = true;
                continue;
            }
            let tasks = self.allowed(step(&whole));
            if self.effort == 0 || tasks.is_empty() {
                let end = match self.effort {
                    0 => End::Cut,
                    _ if is_done(&whole) => End::Settled,
                    _ => End::Blocked,
                };
                return self.close(&whole, end);
            }
            self.perform(&tasks);
            rested = false;
        }
    }

    /// Plans for the whole.
    fn plan(&mut self) -> Plan {
        let now = self.model.now();
        let live = self.model.live();
        live.since = observe(&live.since, live, now);
        let plan = (self.narrow)(plan(self.desired, live, now));
        self.account.observe(&plan, live, None, now);
        self.effort = self.effort.saturating_sub(plan.units.len().max(1));
        plan
    }

    /// Goes on until no part has anything to do, and time brings nothing more.
    fn go(&mut self, mut stage: Stage) {
        let mut idle_since = self.model.now();
        while self.effort > 0 {
            while let Some(part) = stage.due.pop_first() {
                self.plan_part(&mut stage, part);
            }
            let mut tasks = self.next(&mut stage);
            if tasks.is_empty() && stage.unapplied.is_empty() && !stage.noted {
                // What is noted of the whole once all of it is applied, though not settled yet.
                stage.noted = true;
                tasks = step(&self.plan());
                tasks = self.allowed(tasks);
            }
            let now = self.model.now();
            if !tasks.is_empty() {
                idle_since = now;
                self.perform(&tasks);
                stage.touch(tasks.iter().map(object));
            } else if stage.open.is_empty()
                || now.duration_since(idle_since) > self.patience
                || !self.wait(&mut stage)
            {
                return;
            }
        }
    }

    fn plan_part(&mut self, stage: &mut Stage, at: usize) {
        stage.withdraw(at);
        let now = self.model.now();
        let part = &mut stage.parts.all[at];
        part.plan(self.model.live(), now, self.narrow);
        self.effort = self.effort.saturating_sub(part.units().len().max(1));
        if let Some(plan) = part.last_plan() {
            self.account.observe(plan, self.model.live(), Some(part.units()), now);
        }
        stage.enter(at);
    }

    /// What may be written now: what goes on, and of what wants to begin as much as there are places for.
    fn next(&mut self, stage: &mut Stage) -> Vec<Task> {
        let places = self.desired.policy.concurrency.max(1);
        let turns = loop {
            let free = places.saturating_sub(stage.under_way);
            let refused = |key: &UnitKey| self.refused.contains(&key.into());
            let turns = stage.waiting.iter().filter(|((_, key), _)| !refused(key)).take(free);
            let turns: BTreeMap<Turn, usize> = turns.map(|(turn, part)| (turn.clone(), *part)).collect();
            // One that has waited is planned for as of now.
            let now = self.model.now();
            let outdated: BTreeSet<usize> = turns
                .values()
                .filter(|part| stage.parts.all[**part].planned() != Some(now))
                .copied()
                .collect();
            if outdated.is_empty() {
                break turns;
            }
            for part in outdated {
                self.plan_part(stage, part);
            }
        };
        let tasks = stage.tasks(&turns);
        self.allowed(tasks)
    }

    /// What was not refused before.
    fn allowed(&self, mut tasks: Vec<Task>) -> Vec<Task> {
        tasks.retain(|task| !self.refused.contains(&task.write.key()));
        tasks
    }

    /// Performs writes in order, up to the first that is refused.
    fn perform(&mut self, tasks: &[Task]) {
        for task in tasks {
            let now = self.model.now();
            let last = |live: &Live| live.ledger(task.unit.as_ref()?)?.last_savepoint().cloned();
            let before = last(self.model.live());
            let result = self.model.perform(task);
            let after = last(self.model.live());
            self.account.wrote(task, &result, after.is_some() && after != before, now);
            if result.is_err() {
                self.refused.insert(task.write.key());
                return;
            }
        }
    }

    /// Lets time pass; answers whether another plan may say something new.
    fn wait(&mut self, stage: &mut Stage) -> bool {
        let wake = stage.wakes.first().map(|(at, _)| *at);
        let changed = self.model.advance(wake.unwrap_or(self.model.now() + QUIET));
        let now = self.model.now();
        for (unit, what) in self.model.deeds() {
            self.account.did(&unit, what, now);
        }
        let happened = !changed.is_empty();
        stage.touch(changed);
        stage.due.extend(stage.wakes.iter().take_while(|(at, _)| *at <= now).map(|(_, part)| *part));
        happened || wake.is_some()
    }

    fn close(self, whole: &Plan, end: End) -> Forecast {
        // The model's times of day mean nothing to anybody: in words everything has been so for ever.
        let now = self.model.now();
        let live = self.model.live();
        live.since = observe_once(live);
        let timeless = (self.narrow)(plan(self.desired, live, now));
        self.account.close(whole, &timeless, end)
    }
}

/// What a write is about.
fn object(task: &Task) -> ObjectKey {
    task.unit.as_ref().map_or_else(|| task.write.key(), ObjectKey::from)
}

/// The parts, and what is to be done about them.
struct Stage {
    parts: Parts,
    /// Those in which something has changed since they were planned for.
    due: BTreeSet<usize>,
    /// Those that were planned for just now, and may go on with something.
    fresh: BTreeSet<usize>,
    /// Who wants to begin, and its part.
    waiting: BTreeMap<Turn, usize>,
    /// When a part may change by the mere passing of time.
    wakes: BTreeSet<(Timestamp, usize)>,
    /// Those with something left to do or to wait for.
    open: BTreeSet<usize>,
    /// Those with something left to do.
    unapplied: BTreeSet<usize>,
    /// Whether that all is applied was noted.
    noted: bool,
    /// How many changes are under way.
    under_way: usize,
}

impl Stage {
    fn new(desired: &Desired, live: &Live, whole: &Plan) -> Self {
        let parts = Parts::new(desired, live, whole);
        let due = parts.with_something_to_do(whole);
        Self {
            parts,
            open: due.clone(),
            unapplied: due.clone(),
            due,
            fresh: BTreeSet::new(),
            waiting: BTreeMap::new(),
            wakes: BTreeSet::new(),
            noted: false,
            under_way: 0,
        }
    }

    fn touch(&mut self, objects: impl IntoIterator<Item = ObjectKey>) {
        self.due.extend(objects.into_iter().filter_map(|key| self.parts.of(&key)));
    }

    /// Forgets what a part's last plan said.
    fn withdraw(&mut self, at: usize) {
        let Some(plan) = self.parts.all[at].last_plan() else { return };
        for unit in &plan.units {
            self.waiting.remove(&turn(unit));
        }
        if let Some(wake) = plan.wake {
            self.wakes.remove(&(wake, at));
        }
        self.under_way -= under_way(plan).len();
    }

    /// Notes what a part's plan says.
    fn enter(&mut self, at: usize) {
        let Some(plan) = self.parts.all[at].last_plan() else { return };
        let going = under_way(plan);
        let begin = plan.units.iter().filter(|unit| begins(unit, &going) && !unit.next.is_empty());
        self.waiting.extend(begin.map(|unit| (turn(unit), at)));
        self.wakes.extend(plan.wake.map(|wake| (wake, at)));
        self.under_way += going.len();
        self.fresh.insert(at);
        let (done, applied) = (is_done(plan), is_applied(plan));
        for (parts, is_in) in [(&mut self.open, !done), (&mut self.unapplied, !applied)] {
            if is_in {
                parts.insert(at);
            } else {
                parts.remove(&at);
            }
        }
    }

    /// The writes of the parts that go on, and of the units whose turn it is, in the order of one plan.
    fn tasks(&mut self, turns: &BTreeMap<Turn, usize>) -> Vec<Task> {
        let fresh = std::mem::take(&mut self.fresh);
        let plans = || fresh.iter().filter_map(|at| self.parts.all[*at].last_plan());
        let mut companions: Vec<_> = plans().flat_map(|plan| &plan.companions).collect();
        companions.sort_by(|a, b| a.key.cmp(&b.key));
        let go_on = plans().flat_map(|plan| {
            let going = under_way(plan);
            plan.units.iter().filter(move |unit| !begins(unit, &going))
        });
        let begin = turns.iter().filter_map(|((_, key), at)| {
            self.parts.all[*at].last_plan()?.units.iter().find(|unit| unit.key == *key)
        });
        let mut units: Vec<&UnitPlan> = go_on.chain(begin).collect();
        units.sort_by_key(|unit| turn(unit));
        let companions = companions.into_iter().flat_map(|companion| &companion.next);
        companions.chain(units.into_iter().flat_map(|unit| &unit.next)).cloned().collect()
    }
}

fn turn(unit: &UnitPlan) -> Turn {
    (unit.wave, unit.key.clone())
}
