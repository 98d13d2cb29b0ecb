//! Where everything stands: what is settled, what still moves, and what will not without a person.

use std::collections::BTreeSet;
use std::fmt;

use crate::flink::health::Health;
use crate::flink::kind::UnitKey;
use crate::plan::outcome::{BlockedBy, CompanionPlan};
use crate::plan::{Action, Plan, UnitPlan};

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
    /// Judges a plan. `only` limits it to some units.
    pub(super) fn of(plan: &Plan, refusals: &Refusals, only: Option<&BTreeSet<UnitKey>>) -> Self {
        let mut standing = Self::default();
        let chosen = |unit: &&UnitPlan| only.is_none_or(|only| only.contains(&unit.key));
        let units: Vec<&UnitPlan> = plan.units.iter().filter(chosen).collect();
        let mut stuck = standing.refused(plan, refusals, only);
        stuck.extend(units.iter().filter(|unit| is_failed(unit)).map(|unit| unit.key.clone()));
        loop {
            let more = units.iter().filter(|unit| !stuck.contains(&unit.key) && is_stuck(unit, &stuck));
            let more: Vec<UnitKey> = more.map(|unit| unit.key.clone()).collect();
            if more.is_empty() {
                break;
            }
            stuck.extend(more);
        }
        for unit in units {
            standing.add(unit, &stuck);
        }
        if only.is_none() {
            plan.companions.iter().for_each(|companion| standing.add_companion(companion));
            let records = plan.records.iter().map(|task| reason(&task.write.key().name, &task.message));
            standing.moving.extend(records);
        }
        standing
    }

    /// Whether nothing will change by itself.
    pub fn is_quiet(&self) -> bool {
        self.moving.is_empty()
    }

    fn refused(
        &mut self,
        plan: &Plan,
        refusals: &Refusals,
        only: Option<&BTreeSet<UnitKey>>,
    ) -> BTreeSet<UnitKey> {
        let mut units = BTreeSet::new();
        for (unit, object, message) in refusals.lasting() {
            if only.is_some_and(|only| unit.is_some_and(|unit| !only.contains(unit))) {
                continue;
            }
            let id = plan.units.iter().find(|planned| Some(&planned.key) == unit).map(|planned| &planned.id);
            self.failed.push(reason(id.unwrap_or(&object.name), &format!("failed to {message}")));
            units.extend(unit.cloned());
        }
        units
    }

    fn add(&mut self, unit: &UnitPlan, stuck: &BTreeSet<UnitKey>) {
        if is_failed(unit) {
            self.failed.push(reason(&unit.id, &unit.health_message));
        } else if let Some(blocked) = unit.blocked.as_ref().filter(|_| stuck.contains(&unit.key)) {
            self.blocked.push(reason(&unit.id, &blocked.message));
        } else if stuck.contains(&unit.key) {
            // Its write was refused, which has been said.
        } else if let Some(blocked) = &unit.blocked {
            self.moving.push(reason(&unit.id, &blocked.message));
        } else if unit.action == Action::Keep && unit.settled {
            self.settled += 1;
        } else {
            self.moving.push(reason(&unit.id, &unit.health_message));
        }
    }

    fn add_companion(&mut self, companion: &CompanionPlan) {
        let name = format!("{}/{}", companion.key.kind, companion.key.name);
        if self.failed.iter().any(|failed| failed.on == companion.key.name) {
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

/// Whether a unit has nothing to be done to it and still is not well, for as long as the plan asks for.
fn is_failed(unit: &UnitPlan) -> bool {
    let unwell = matches!(unit.health, Health::Failed | Health::Lost | Health::Rejected | Health::RolledBack);
    unwell && unit.next.is_empty() && (unit.action == Action::Keep || unit.blocked.is_some())
}

/// Whether a unit waits for a person, or for something that does.
fn is_stuck(unit: &UnitPlan, stuck: &BTreeSet<UnitKey>) -> bool {
    let Some(blocked) = &unit.blocked else { return false };
    match blocked.by {
        BlockedBy::Gate => !blocked.on.is_empty() && blocked.on.iter().any(|on| stuck.contains(on)),
        _ => unit.next.is_empty(),
    }
}

fn reason(on: &str, message: &str) -> Reason {
    Reason { on: on.to_owned(), message: message.to_owned() }
}
