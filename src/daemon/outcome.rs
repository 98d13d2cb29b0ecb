//! Where everything stands: what is settled, what still moves, and what will not without a person.

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::flink::health::Health;
use crate::flink::kind::{ObjectKey, UnitKey};
use crate::plan::outcome::{BlockedBy, CompanionPlan};
use crate::plan::{Action, Blocked, Plan, UnitPlan};

use super::reconcile::Only;
use super::refusal::Refusals;

/// A unit, or another object, and a word about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// The unit's id, or the object's name.
    pub on: String,
    /// What is to be said.
    pub message: String,
}

/// Where everything stands after a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Units that are where Git wants them.
    pub settled: usize,
    /// What is under way, or about to be.
    pub moving: Vec<Reason>,
    /// What cannot go on by itself.
    pub blocked: Vec<Reason>,
    /// What went wrong.
    pub failed: Vec<Reason>,
}

/// How one application of a revision ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is where Git wants it.
    Settled(Standing),
    /// A part waits for a person; the rest is settled.
    Blocked(Standing),
    /// A part failed, and what depends on it was left alone.
    Failed(Standing),
    /// The time given was too short.
    TimedOut(Standing),
    /// It was interrupted; whoever comes next goes on from here.
    Interrupted(Standing),
}

impl Outcome {
    pub(super) fn of(standing: Standing) -> Self {
        if !standing.failed.is_empty() {
            Self::Failed(standing)
        } else if !standing.blocked.is_empty() {
            Self::Blocked(standing)
        } else {
            Self::Settled(standing)
        }
    }

    /// Where everything stood at the end.
    pub fn standing(&self) -> &Standing {
        match self {
            Self::Settled(standing)
            | Self::Blocked(standing)
            | Self::Failed(standing)
            | Self::TimedOut(standing)
            | Self::Interrupted(standing) => standing,
        }
    }

    /// Whether everything is where Git wants it.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Settled(_))
    }
}

impl Standing {
    /// Whether nothing will change by itself.
    pub fn is_quiet(&self) -> bool {
        self.moving.is_empty()
    }

    fn add(&mut self, unit: &UnitPlan, judge: &Judge<'_>, stuck: &BTreeSet<UnitKey>) {
        if judge.is_failed(unit) {
            self.failed.push(reason(&unit.id, &unit.health_message));
        } else if stuck.contains(&unit.key) {
            if let Some(blocked) = &unit.blocked {
                self.blocked.push(reason(&unit.id, &blocked.message));
            } else if !self.failed.iter().any(|failed| failed.on == unit.id) {
                self.blocked.push(reason(&unit.id, "waits for what was refused"));
            }
        } else if let Some(blocked) = &unit.blocked {
            self.moving.push(reason(&unit.id, &blocked.message));
        } else if unit.action == Action::Keep && unit.settled {
            self.settled += 1;
        } else {
            self.moving.push(reason(&unit.id, &unit.health_message));
        }
    }

    fn add_companion(&mut self, companion: &CompanionPlan) {
        let name = object_name(&companion.key);
        if self.failed.iter().any(|failed| failed.on == name) {
            return;
        }
        match &companion.blocked {
            Some(blocked) if blocked.by == BlockedBy::Gate => {
                self.moving.push(reason(&name, &blocked.message));
            }
            Some(blocked) => self.blocked.push(reason(&name, &blocked.message)),
            None if companion.action == Action::Keep && companion.ready => {}
            None if companion.action == Action::Keep => self.moving.push(reason(&name, "not ready yet")),
            None => self.moving.push(reason(&name, "to be written")),
        }
    }
}

/// Judges a plan.
pub(super) struct Judge<'a> {
    /// The plan.
    pub(super) plan: &'a Plan,
    /// Limits it to some units.
    pub(super) only: Option<&'a Only>,
    /// The time it was made at.
    pub(super) now: Timestamp,
    /// How long a failure must hold before it counts.
    pub(super) lasts: SignedDuration,
}

impl Judge<'_> {
    /// Says where everything stands, given what was refused.
    pub(super) fn standing(&self, refusals: &Refusals) -> Standing {
        let mut standing = Standing::default();
        let mut stuck = self.refused(refusals, &mut standing);
        stuck.extend(self.units().filter(|unit| self.is_failed(unit)).map(|unit| unit.key.clone()));
        loop {
            let more = self.units().filter(|unit| !stuck.contains(&unit.key) && self.is_stuck(unit, &stuck));
            let more: Vec<UnitKey> = more.map(|unit| unit.key.clone()).collect();
            if more.is_empty() {
                break;
            }
            stuck.extend(more);
        }
        for unit in self.units() {
            standing.add(unit, self, &stuck);
        }
        // Be it only a record of what is done: a run that ended now would leave it to the next.
        let passing = refusals.passing().map(|(object, message)| reason(&object_name(object), message));
        standing.moving.extend(passing);
        if refusals.is_outage() {
            standing
                .moving
                .push(reason(&self.plan.against, "the API server is in trouble; tried again soon"));
        }
        if self.only.is_none() {
            self.plan.companions.iter().for_each(|companion| standing.add_companion(companion));
            let records = self.plan.records.iter();
            standing.moving.extend(records.map(|task| reason(&task.write.key().name, &task.message)));
        }
        standing
    }

    /// When a failure that is too fresh to count will count.
    pub(super) fn wake(&self) -> Option<Timestamp> {
        let fresh = self.units().filter(|unit| is_unwell(unit) && !self.has_held(unit));
        fresh.filter_map(|unit| unit.since?.checked_add(self.lasts).ok()).min()
    }

    fn units(&self) -> impl Iterator<Item = &UnitPlan> {
        self.plan.units.iter().filter(|unit| self.only.is_none_or(|only| only.concerns(&unit.key)))
    }

    /// Notes what the API server refused; answers with the units that cannot go on because of it.
    fn refused(&self, refusals: &Refusals, standing: &mut Standing) -> BTreeSet<UnitKey> {
        let mut stuck = BTreeSet::new();
        for (unit, object, message) in refusals.lasting() {
            let planned = self.units().find(|planned| Some(&planned.key) == unit);
            if unit.is_some() && planned.is_none() {
                continue;
            }
            let name = planned.map_or_else(|| object_name(object), |planned| planned.id.clone());
            standing.failed.push(reason(&name, &format!("failed to {message}")));
            stuck.extend(unit.cloned());
            let companion = self.plan.companions.iter().find(|companion| companion.key == *object);
            if let Some(companion) = companion {
                let waits = |unit: &&UnitPlan| unit.action != Action::Keep && is_of(unit, &companion.folder);
                stuck.extend(self.units().filter(waits).map(|unit| unit.key.clone()));
            }
        }
        stuck
    }

    /// Whether a unit has nothing to be done to it, and has been unwell for long enough.
    fn is_failed(&self, unit: &UnitPlan) -> bool {
        is_unwell(unit) && self.has_held(unit)
    }

    fn has_held(&self, unit: &UnitPlan) -> bool {
        unit.since.is_none_or(|since| self.now.duration_since(since) >= self.lasts)
    }

    /// Whether a unit waits for a person, or for something that does.
    fn is_stuck(&self, unit: &UnitPlan, stuck: &BTreeSet<UnitKey>) -> bool {
        if unit.action == Action::Keep || !unit.next.is_empty() {
            let passes = |blocked: &Blocked| blocked.by == BlockedBy::Gate && blocked.on.is_empty();
            return unit.next.is_empty() && unit.blocked.as_ref().is_some_and(|blocked| !passes(blocked));
        }
        match &unit.blocked {
            Some(blocked) if blocked.by == BlockedBy::Gate => {
                !blocked.on.is_empty() && blocked.on.iter().any(|on| stuck.contains(on))
            }
            Some(_) => true,
            None if unit.action == Action::Delete => {
                self.units().any(|user| user.depends_on.contains(&unit.key) && stuck.contains(&user.key))
            }
            None => {
                let carried = unit.steps.iter().map(|step| &step.unit).filter(|on| **on != unit.key);
                unit.depends_on.iter().chain(carried).any(|on| stuck.contains(on))
            }
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} settled", self.settled)?;
        for (word, list) in
            [("under way", &self.moving), ("blocked", &self.blocked), ("failed", &self.failed)]
        {
            if !list.is_empty() {
                write!(f, ", {} {word}", list.len())?;
            }
        }
        for reason in self.failed.iter().chain(&self.blocked) {
            write!(f, "\n  {}: {}", reason.on, reason.message)?;
        }
        Ok(())
    }
}

/// Whether a unit with nothing to be done to it is in a state that only a person mends.
fn is_unwell(unit: &UnitPlan) -> bool {
    let unwell = matches!(unit.health, Health::Failed | Health::Lost | Health::Rejected | Health::RolledBack);
    unwell
        && unit.goes_back.is_none()
        && unit.next.is_empty()
        && (unit.action == Action::Keep || unit.blocked.is_some())
}

fn is_of(unit: &UnitPlan, folder: &str) -> bool {
    let file = unit.source.as_ref().and_then(|place| place.file.strip_prefix(folder));
    file.is_some_and(|rest| folder.is_empty() || rest.starts_with('/'))
}

fn object_name(key: &ObjectKey) -> String {
    format!("{}/{}", key.kind, key.name)
}

fn reason(on: &str, message: &str) -> Reason {
    Reason { on: on.to_owned(), message: message.to_owned() }
}
