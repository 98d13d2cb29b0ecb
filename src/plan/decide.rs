//! What to do about one unit, as if it were alone: the action, its effect, what becomes of its state.

use jiff::Timestamp;

use super::astray;
use super::consent::Consent;
use super::failure;
use super::held;
use super::ignored;
use super::ledger::{Ledger, Savepoint};
use super::operation::{Operation, Purpose};
use super::outcome::{Action, Blocked, BlockedBy, Cause, Change, Effect, FieldEffect, State};
use super::remove;
use super::rename;
use super::rescue;
use super::restart::{self, Restart};
use super::snapshot;
use super::subject::{Decision, Ownership, Subject, World, clock_time};
use crate::flink::health::{Health, is_suspended};
use crate::flink::kind::Role;
use crate::flink::pointer::dotted;
use crate::spec::policy::{Adopt, Mode};
use crate::spec::{Severity, Unit};

const STOPPED_FOR_CLUSTER: &str = "was stopped while its session cluster changes";

/// Decides about one unit.
pub fn decide(world: World<'_>, subject: &Subject<'_>) -> Decision {
    if world.desired.carried.contains(&subject.key) {
        return carried(subject);
    }
    if let Some(back) = failure::returning(world, subject) {
        return forbid(world, subject, failure::go_back(subject, &back));
    }
    if let Some(decision) = rescue(world, subject).or_else(|| goes_on(subject)) {
        return forbid(world, subject, decision);
    }
    let mut decision = match (subject.unit, subject.live) {
        (Some(unit), None) => create(world, subject, unit).blocked(rename::mistake(world, unit)),
        (Some(unit), Some(live)) if live.deleting_since().is_some() => create(world, subject, unit)
            .because("the old object is being deleted")
            .blocked(remove::hangs(world, subject))
            .blocked(Blocked::new(BlockedBy::Gate, "waits until the old object is gone")),
        (Some(unit), Some(_)) => compare(world, subject, unit),
        (None, _) => remove::decide(world, subject),
    };
    if decision.action == Action::Keep {
        // One that is well after all is held no longer: the bookkeeping says so.
        let held = held::keeps(world, subject).filter(|_| !held::is_well(world, subject));
        return decision.blocked(held);
    }
    decision.blocked = held::keeps(world, subject).or(decision.blocked);
    forbid(world, subject, decision)
}

/// A job that goes on as it was once its session cluster has changed, whatever else Git wants of it.
fn carried(subject: &Subject<'_>) -> Decision {
    match subject.operation.as_ref() {
        _ if subject.kept_down().is_some() => {
            if let Some(Decision { blocked, reasons, .. }) = astray::decide(subject) {
                let message = blocked.map_or_else(|| reasons.join("; "), |blocked| blocked.message);
                return Decision::new(Action::Resume, Effect::Resume, State::Unknown)
                    .blocked(Blocked::new(BlockedBy::Consent, message));
            }
            Decision::new(Action::Resume, Effect::Resume, State::Kept).because(STOPPED_FOR_CLUSTER)
        }
        Some(operation) if operation.purpose == Purpose::Resume && is_left_over(subject) => {
            Decision::new(Action::Update, Effect::None, State::Kept)
        }
        _ => Decision::keep(),
    }
}

/// A unit that is lost; one that Git names a restore point for with a nonce of its own is restored by that.
fn rescue(world: World<'_>, subject: &Subject<'_>) -> Option<Decision> {
    let rescue = rescue::of(world, subject).filter(|_| subject.ownership == Ownership::Ours)?;
    let restores = rescue.at.changes.iter().any(|change| change.effect == FieldEffect::Restore);
    let decide = || with_reasons(rescue::decide(world, subject, &rescue), &rescue.at.changes);
    (!restores).then(decide)
}

/// A unit that is held at something else than Git wants, and starts again as it is.
fn goes_on(subject: &Subject<'_>) -> Option<Decision> {
    let decision = held::is_elsewhere(subject).then(|| carried(subject))?;
    (decision.action != Action::Keep).then_some(decision)
}

/// What forbids any write to the unit, whatever the action.
fn forbid(world: World<'_>, subject: &Subject<'_>, decision: Decision) -> Decision {
    let frozen = subject.frozen().map(|why| Blocked::new(BlockedBy::Frozen, format!("frozen: {why}")));
    let refused = subject.findings.iter().find(|finding| finding.severity == Severity::Error);
    let refused = refused.map(|finding| Blocked::new(BlockedBy::Policy, &finding.message));
    let report = (subject.policy(world).mode == Mode::Report)
        .then(|| Blocked::new(BlockedBy::Policy, "policy.mode is report: nothing is written"));
    decision.blocked(frozen).blocked(refused).blocked(report)
}

fn create(world: World<'_>, subject: &Subject<'_>, unit: &Unit) -> Decision {
    let from_git = unit.named_savepoint();
    let stopped = rename::origin(world, subject);
    let vanished = subject.live.is_none() && subject.ledger.is_some_and(|ledger| !ledger.uid.is_empty());
    let decision = |state| Decision::new(Action::Create, Effect::Create, state);
    match subject.role {
        Role::SessionCluster | Role::ManagedEnvironment => return decision(State::None),
        Role::Snapshot => return snapshot::create(),
        Role::Application | Role::SessionJob | Role::BlueGreen | Role::ManagedApplication => {}
    }
    let old = rename::leaving(world, unit).filter(|_| from_git.is_none() && !unit.consents.fresh);
    if let Some(old) = old {
        let name = &old.key.name;
        let reason = format!("was {name}, and goes on from the savepoint that {name} is stopped with");
        return decision(rename::state(&old)).because(reason);
    }
    match (from_git, stopped) {
        (Some(path), _) => decision(State::Replaced).because(format!("starts from {path}, as Git says")),
        (None, Some(savepoint)) if unit.consents.fresh => decision(State::Dropped)
            .because(format!("starts from nothing, as onCreate says, and not from {}", savepoint.path)),
        (None, Some(savepoint)) => decision(State::Kept)
            .because(format!("starts from {}, the savepoint it was stopped with", savepoint.path))
            .blocked(rename::taken(world, subject, savepoint))
            .blocked(unreadable(subject, savepoint)),
        (None, None) if vanished && subject.keeps_state() && !subject.is_stateless_by_words() => {
            let message = format!(
                "was deleted outside flinkops, and its last state is not known to be complete{}: name a savepoint \
                 in job.initialSavepointPath, or consent to an empty start with onCreate: fresh",
                subject.ledger.map_or_else(String::new, |ledger| history(ledger, world.now)),
            );
            let decision = decision(State::Dropped).because("deleted outside flinkops");
            if unit.consents.fresh { decision } else { decision.needs(Consent::StateLoss, subject, &message) }
        }
        (None, None) => decision(State::None),
    }
}

/// The newest savepoint on record, with its age, and a younger checkpoint: neither is the end of the state (S16).
fn history(ledger: &Ledger, now: Timestamp) -> String {
    let savepoint = ledger.savepoints.first().map(|savepoint| {
        format!(
            "the newest savepoint on record, {}, is of {}",
            savepoint.path,
            clock_time(savepoint.time, now)
        )
    });
    let checkpoint = ledger.checkpoint.as_ref().map(|checkpoint| {
        let time = clock_time(checkpoint.time, now);
        format!("the newest checkpoint seen, {}, is of {time} and may be gone", checkpoint.path)
    });
    let known: Vec<String> = savepoint.into_iter().chain(checkpoint).collect();
    if known.is_empty() { String::new() } else { format!(" ({})", known.join("; ")) }
}

/// S16: a savepoint is read by the Flink version that took it, and by later ones.
fn unreadable(subject: &Subject<'_>, savepoint: &Savepoint) -> Option<Blocked> {
    let (taken, version) = subject.unreadable(savepoint)?;
    let message = format!(
        "the savepoint {} was taken by Flink {taken}, and {version} does not read it: go to {taken} or later, name \
         another in job.initialSavepointPath, or consent to an empty start with onCreate: fresh",
        savepoint.path
    );
    Some(Blocked::new(BlockedBy::Consent, message))
}

fn compare(world: World<'_>, subject: &Subject<'_>, unit: &Unit) -> Decision {
    if subject.ownership != Ownership::Ours {
        return adopt(world, subject, unit);
    }
    let decision = match subject.kept_down() {
        Some(operation) => resume(world, subject, unit, operation),
        None if subject.changes.is_empty() && !is_left_over(subject) => return Decision::keep(),
        None => update(world, subject, unit),
    };
    with_reasons(decision, &subject.changes)
}

/// A mark that has served its purpose and waits to be cleared.
fn is_left_over(subject: &Subject<'_>) -> bool {
    let purpose = subject.operation.as_ref().map(|operation| operation.purpose);
    let running = subject.verdict.health == Health::Settled;
    match purpose {
        Some(Purpose::Resume) => running,
        Some(Purpose::Restore | Purpose::Rollback | Purpose::Rescue) | None => false,
        Some(_) => !subject.is_suspended(),
    }
}

fn with_reasons(mut decision: Decision, changes: &[Change]) -> Decision {
    let mut by_strength: Vec<&Change> = changes.iter().collect();
    by_strength.sort_by(|a, b| b.effect.cmp(&a.effect).then_with(|| a.path.cmp(&b.path)));
    decision.reasons.extend(by_strength.into_iter().take(5).map(reason));
    if changes.len() > 5 {
        decision.reasons.push(format!("and {} more fields changed", changes.len() - 5));
    }
    decision
}

fn reason(change: &Change) -> String {
    let field = dotted(&change.place);
    match (change.cause, change.owner.as_ref()) {
        (Cause::Drift | Cause::Both, Some(owner)) => format!("{field} was changed by {}", owner.manager),
        (Cause::Drift | Cause::Both, None) => format!("{field} was changed in the cluster"),
        (Cause::Pending, _) => format!("{field} changed"),
    }
}

/// S4: an object nobody claims is adopted where its spec is equal; everything else needs consent.
fn adopt(world: World<'_>, subject: &Subject<'_>, unit: &Unit) -> Decision {
    let equal = subject.changes.iter().all(|change| change.effect == FieldEffect::Metadata);
    let by_policy = subject.policy(world).adopt == Adopt::Any;
    let consented = Consent::Adopt.given(subject).is_some();
    let mut decision = if equal {
        Decision::new(Action::Update, Effect::Metadata, State::Kept)
    } else {
        update(world, subject, unit)
    };
    decision.adopt = true;
    decision.reasons.insert(0, "in the cluster already, and not of this repository".into());
    let conflict = match &subject.ownership {
        _ if by_policy || consented => None,
        Ownership::Other(owner) => {
            Some(format!("belongs to {owner}; to take it over write adopt: \"<why>\""))
        }
        _ if !equal => Some(
            "is in the cluster with another spec; to take it over write adopt: \"<why>\" in its file"
                .to_owned(),
        ),
        _ => None,
    };
    if consented && !by_policy {
        decision.consents.push(Consent::Adopt);
    }
    let conflict = conflict.and_then(|message| Consent::Adopt.lack(subject, &message));
    decision.blocked(conflict.map(|conflict| Blocked { by: BlockedBy::LiveConflict, ..conflict }))
}

/// A job that flinkops itself stopped for a while.
fn resume(world: World<'_>, subject: &Subject<'_>, unit: &Unit, operation: &Operation) -> Decision {
    if is_suspended(unit.deployment()) {
        return Decision::new(Action::Update, Effect::None, State::Kept).because("suspended in Git as well");
    }
    let why = match operation.purpose {
        Purpose::Delete => "was stopped to be deleted, and is in Git again",
        Purpose::Recreate => "was stopped to be created anew",
        _ => STOPPED_FOR_CLUSTER,
    };
    if subject.is_leaving() {
        return recreate(world, subject);
    }
    if let Some(decision) = astray::decide(subject) {
        return decision.because(why);
    }
    Decision::new(Action::Resume, Effect::Resume, State::Kept).because(why)
}

fn recreate(world: World<'_>, subject: &Subject<'_>) -> Decision {
    let message = "changes a field that the operator cannot change in place: the unit would be deleted and created \
                   again from its savepoint; consent with allow.recreate";
    let mut decision = remove::stop(world, subject, Consent::StateLoss.given(subject));
    decision.action = Action::Recreate;
    decision.effect = Effect::Recreate;
    let decision = ignored::carry_over(world, subject, decision);
    decision.needs(Consent::Recreate, subject, message)
}

fn update(world: World<'_>, subject: &Subject<'_>, unit: &Unit) -> Decision {
    let strongest = subject.changes.iter().map(|change| change.effect).max().unwrap_or(FieldEffect::None);
    let state = |wanted| subject.changes.iter().find(|change| change.effect == wanted);
    if strongest == FieldEffect::Immutable {
        return recreate(world, subject);
    }
    if strongest == FieldEffect::Restore {
        return Decision::new(Action::Update, Effect::Restore, State::Replaced);
    }
    if state(FieldEffect::Suspend).is_some() {
        let restart = Restart { reason: None, ..restart::of(subject) };
        return restart.decision(Action::Suspend, Effect::Suspend, subject);
    }
    if let Some(change) = state(FieldEffect::Resume) {
        return wake_up(subject, unit, change);
    }
    let effect = match strongest {
        FieldEffect::None => Effect::None,
        FieldEffect::Metadata => Effect::Metadata,
        FieldEffect::Snapshot => Effect::Snapshot,
        FieldEffect::Rescale => Effect::Rescale,
        _ if is_suspended(subject.live_spec()) => {
            return Decision::new(Action::Update, Effect::None, State::Kept)
                .because("is suspended: this counts when it starts again");
        }
        _ => {
            let restart = restart::of(subject);
            let effect = restart.effect;
            return restart.decision(Action::Update, effect, subject);
        }
    };
    Decision::new(Action::Update, effect, State::Kept)
}

/// Git says running and the job is suspended: by Git once, by a person (S19), or created so.
fn wake_up(subject: &Subject<'_>, unit: &Unit, change: &Change) -> Decision {
    let by_person =
        change.cause != Cause::Pending && subject.operation.is_none() && !unit.policy.heal_suspend;
    let who = change.owner.as_ref().map_or("someone", |owner| owner.manager.as_str());
    let blocked = by_person.then(|| {
        let message =
            format!("suspended by {who}, not by flinkops: resume it by hand, or set policy.healSuspend");
        Blocked::new(BlockedBy::Policy, message)
    });
    // The mode recorded at the suspend decides, unless the new spec says stateless: then nothing is restored.
    let stateless = !matches!(subject.written_mode(), Some("savepoint" | "last-state"));
    let state = match (stateless, subject.ever_ran() && subject.keeps_state()) {
        (_, false) => State::None,
        (true, true) if subject.is_stateless_by_words() => State::Dropped,
        _ => State::Kept,
    };
    Decision::new(Action::Resume, Effect::Resume, state).blocked(blocked)
}

/// The mode a job is resumed with: the one that restores, where Git's would not (S17).
pub fn resume_mark(subject: &Subject<'_>, now: jiff::Timestamp) -> Option<Operation> {
    let restores = matches!(subject.written_mode(), Some("savepoint" | "last-state"));
    (!restores).then(|| Operation {
        upgrade_mode: subject.written_mode().map(str::to_owned),
        ..Operation::new(Purpose::Resume, &subject.hash, now)
    })
}
