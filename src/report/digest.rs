//! What a reader of a plan wants first, in the same order in every form: what is dangerous, what is
//! blocked and by what.

use std::cmp::Reverse;

use super::difference::{Difference, How, Line};
use super::document::{BlockedDocument, ChangeDocument, CompanionDocument, PlanDocument, UnitDocument};
use super::visible::clean;
use super::words;
use crate::flink::pointer::dotted;
use crate::flink::secret::MASK;
use crate::plan::outcome::{BlockedBy, Effect, State};

/// The units with something to say about, the most dangerous first.
pub(super) fn by_danger(document: &PlanDocument) -> Vec<&UnitDocument> {
    let mut units: Vec<_> = document.units.iter().filter(|unit| !unit.is_quiet()).collect();
    units.sort_by_key(|unit| danger(unit));
    units
}

/// Sorts the worst first: state that is lost, then the effects by what they cost the job.
pub(super) fn danger(unit: &UnitDocument) -> impl Ord + use<'_> {
    (unit.state != State::Dropped, Reverse(cost(unit.effect)), Reverse(unit.state), &unit.id)
}

/// The contract's order, apart from two: a deleted job is gone, and a new one has nothing to lose.
fn cost(effect: Effect) -> usize {
    const ORDER: [Effect; 15] = [
        Effect::None,
        Effect::Metadata,
        Effect::Create,
        Effect::Snapshot,
        Effect::Rescale,
        Effect::UpgradeFromSavepoint,
        Effect::UpgradeFromLastState,
        Effect::Resume,
        Effect::Suspend,
        Effect::RestartCluster,
        Effect::Rerun,
        Effect::Restore,
        Effect::StatelessRestart,
        Effect::Delete,
        Effect::Recreate,
    ];
    ORDER.iter().position(|known| *known == effect).unwrap_or(ORDER.len())
}

/// Whether a reader should look twice: state is lost or replaced, or the object itself goes.
pub(super) fn is_dangerous(unit: &UnitDocument) -> bool {
    matches!(unit.state, State::Dropped | State::Replaced)
        || matches!(unit.effect, Effect::Recreate | Effect::Delete | Effect::StatelessRestart)
}

/// One reason that keeps some from starting.
pub(super) struct Blocker<'d> {
    /// Whom it keeps.
    pub names: Vec<String>,
    /// What it is, with the way out.
    pub blocked: &'d BlockedDocument,
}

impl Blocker<'_> {
    /// Whether it passes by itself, and nobody has to do anything.
    pub fn passes(&self) -> bool {
        matches!(self.blocked.by, BlockedBy::Gate | BlockedBy::Window)
    }
}

/// What a companion is called: `ConfigMap/orders-sql`.
pub(super) fn name(companion: &CompanionDocument) -> String {
    format!("{}/{}", companion.kind, companion.name)
}

/// What keeps units and companions from starting, each reason once: first where a person must act.
pub(super) fn blockers(document: &PlanDocument) -> Vec<Blocker<'_>> {
    let units = by_danger(document).into_iter().map(|unit| (unit.id.clone(), unit.blocked.as_ref()));
    let companions = document.companions.iter();
    let companions = companions.map(|companion| (name(companion), companion.blocked.as_ref()));
    let mut blockers: Vec<Blocker<'_>> = Vec::new();
    for (name, blocked) in units.chain(companions) {
        let Some(blocked) = blocked else { continue };
        let alike = |known: &&mut Blocker<'_>| {
            known.blocked.by == blocked.by && known.blocked.message == blocked.message
        };
        match blockers.iter_mut().find(alike) {
            Some(known) => known.names.push(name),
            None => blockers.push(Blocker { names: vec![name], blocked }),
        }
    }
    blockers.sort_by_key(Blocker::passes);
    blockers
}

/// The reasons of a unit that its changes do not tell by themselves.
pub(super) fn reasons(unit: &UnitDocument) -> impl Iterator<Item = &str> {
    let told = |reason: &str| {
        let rest = reason.strip_prefix("and ").and_then(|rest| rest.strip_suffix(" more fields changed"));
        rest.is_some_and(|count| count.parse::<usize>().is_ok())
            || unit.changes.iter().any(|change| {
                let rest = reason.strip_prefix(&dotted(change.place()));
                rest.is_some_and(|rest| rest == " changed" || rest.starts_with(" was changed "))
            })
    };
    unit.reasons.iter().map(String::as_str).filter(move |reason| !told(reason))
}

/// Changes as drift is read: from Git to the cluster, where a plan goes the other way.
pub(super) fn reversed(changes: &[ChangeDocument]) -> Vec<ChangeDocument> {
    let reverse = |change: &ChangeDocument| ChangeDocument {
        before: change.after.clone(),
        after: change.before.clone(),
        ..change.clone()
    };
    changes.iter().map(reverse).collect()
}

/// What is to be said of a change beside its values: what it does where the unit's effect does not say so,
/// and whether the cluster had a part in it, which is `true`.
pub(super) fn remarks(
    change: &ChangeDocument,
    differences: &[Difference],
    owner: Owner,
) -> Vec<(String, bool)> {
    let effect = match owner {
        Owner::Unit => change.note.clone().or_else(|| words::field_effect(change.effect).map(str::to_owned)),
        Owner::Companion => change.note.clone(),
    };
    let secrets = hides_secrets(change, differences).then(|| words::SECRETS_INSIDE.to_owned());
    let origin = change.is_drift().then(|| words::origin(change));
    let plain = [effect, secrets].into_iter().flatten().map(|text| (clean(&text), false));
    plain.chain(origin.map(|text| (clean(&text), true))).collect()
}

/// Whose a change is.
#[derive(Clone, Copy)]
pub(super) enum Owner {
    /// A unit's, which has a job.
    Unit,
    /// A companion's.
    Companion,
}

/// Whether a change holds secrets of which nothing is to be seen in what is shown of it.
fn hides_secrets(change: &ChangeDocument, differences: &[Difference]) -> bool {
    let masked = |parts: &[super::emphasis::Part]| {
        parts.iter().map(|part| part.text.as_str()).collect::<String>().contains(MASK)
    };
    let shows = |difference: &Difference| match &difference.how {
        How::Value { before, after } => [before, after].into_iter().flatten().any(|parts| masked(parts)),
        How::Lines(lines) => lines.iter().any(|line| match line {
            Line::Same(text) => text.contains(MASK),
            Line::Gone(parts) | Line::New(parts) => masked(parts),
            Line::Folded(_) => false,
        }),
    };
    change.secret && !differences.iter().any(shows)
}
