//! Removing a unit: what must be safe first, and how its job is stopped with a savepoint.

use std::collections::BTreeSet;

use serde_json::Value;

use super::astray;
use super::consent::Consent;
use super::guard;
use super::ignored;
use super::live::LiveObject;
use super::operation::{Purpose, savepoint_of};
use super::outcome::{Action, Blocked, BlockedBy, Effect, State, Step, StepKind};
use super::rename;
use super::snapshot;
use super::subject::{Decision, Ownership, Subject, World, clock_time};
use crate::flink::health::Health;
use crate::flink::kind::Role;
use crate::flink::pointer::At as _;
use crate::rule::RuleId;
use crate::spec::check::nearest;
use crate::spec::{Finding, RemovalConsent};

/// How far a job is on its way to be deleted with its state on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has no state, or losing it was consented to.
    Disposable,
    /// It runs and can be stopped with a savepoint.
    Stoppable,
    /// It was told to stop; the savepoint does not count yet.
    Stopping,
    /// It stopped with this savepoint.
    Stopped(String),
    /// It cannot be stopped with a savepoint; the words say why.
    Stuck(String),
    /// It cannot be stopped now, but probably soon; the words say why.
    Busy(String),
}

/// Where a live job stands.
pub fn stage(subject: &Subject<'_>) -> Stage {
    if subject.role == Role::Snapshot {
        return snapshot::stage(subject);
    }
    if let Some(why) = subject.role.unstoppable() {
        // Nothing else in such a status can be relied on: a copy may be of before the job ran.
        let has_state = subject.status.present && subject.keeps_state();
        return if has_state { Stage::Stuck(why.to_owned()) } else { Stage::Disposable };
    }
    let has_none = matches!(subject.role, Role::SessionCluster | Role::ManagedEnvironment);
    if has_none || subject.status.is_finished() || !subject.ever_ran() {
        return Stage::Disposable;
    }
    let last_mode = subject.status.last_reconciled.as_ref().and_then(|last| last.upgrade_mode.as_deref());
    let stopped_stateless = subject.verdict.health == Health::Suspended && last_mode == Some("stateless");
    if !subject.keeps_state() || stopped_stateless {
        return Stage::Disposable;
    }
    if let Some(path) = subject.live.and_then(savepoint_of) {
        return Stage::Stopped(path);
    }
    if let Some(path) = final_savepoint(subject) {
        return Stage::Stopped(path);
    }
    match subject.verdict.health {
        Health::Lost => Stage::Stuck(format!("cannot take a savepoint: {}", subject.verdict.message)),
        _ if subject.kept_down().is_some() => Stage::Stopping,
        Health::Suspended => Stage::Stuck("is suspended without a savepoint that counts".into()),
        Health::Settled if !subject.has_savepoint_dir() => {
            Stage::Stuck("has no savepoint directory (execution.checkpointing.savepoint-dir)".into())
        }
        Health::Settled => Stage::Stoppable,
        Health::Failed | Health::RolledBack => {
            Stage::Stuck(format!("cannot take a savepoint: {}", subject.verdict.message))
        }
        _ => Stage::Busy(format!("cannot take a savepoint now: {}", subject.verdict.message)),
    }
}

/// The savepoint on record that a suspended job was stopped with: what else changed in its spec since is of no
/// generation that the operator has looked at, so that its status alone does not count any more (S8, S16). One that
/// went down by its last state has run since that savepoint.
fn final_savepoint(subject: &Subject<'_>) -> Option<String> {
    let last = subject.status.last_reconciled.as_ref()?;
    if last.upgrade_mode.as_deref() != Some("savepoint") {
        return None;
    }
    let path = subject.status.savepoint.as_ref().filter(|_| subject.verdict.health == Health::Suspended)?;
    subject.ledger.is_some_and(|ledger| ledger.is_final(path)).then(|| path.clone())
}

/// Decides about a unit that Git does not show: it left, or cannot be read.
pub fn decide(world: World<'_>, subject: &Subject<'_>) -> Decision {
    if subject.live.is_none() || subject.ownership != Ownership::Ours {
        return Decision::keep();
    }
    if let Some(unknown) = guard::unread(world, subject) {
        return shelter(subject, &unknown.folder);
    }
    let (consent, used_up) = consent(world, subject);
    let why = rename::after(world, &subject.key).next();
    let why = why.map_or_else(|| "left Git".into(), |unit| format!("is called {} now", unit.key.name));
    let mut decision = ignored::carry_over(world, subject, stop(world, subject, consent).because(why));
    decision.blocked = hangs(world, subject).or(decision.blocked);
    if used_up {
        decision = decision.because(
            "the consent in flinkops.yaml was used for an earlier one of this name: give another reason for this one",
        );
    }
    decision.action = Action::Delete;
    decision.effect = Effect::Delete;
    if !world.desired.policy.prune.enabled {
        decision =
            decision.blocked(Blocked::new(BlockedBy::Policy, "left Git; policy.prune is off, so it stays"));
    }
    decision
}

/// The consent in `flinkops.yaml` to lose this unit's state, and whether there was one that is used up: it
/// covers the object it was first used for, and no later one of the name (S21).
pub fn consent<'a>(world: World<'a>, subject: &Subject<'_>) -> (Option<&'a String>, bool) {
    let removed = world.desired.removed.iter().find(|removed| removed.name == subject.key.name);
    let given = removed.and_then(|removed| removed.state_loss.as_ref());
    let used = subject.ledger.and_then(|ledger| ledger.consent.as_ref());
    let uid = subject.live.map(LiveObject::uid);
    let used_up = used.is_some_and(|used| Some(&used.reason) == given && Some(used.uid.as_str()) != uid);
    (given.filter(|_| !used_up), used_up)
}

/// Consents in `flinkops.yaml` that name nothing: no unit of Git, of the cluster or on record (S21).
pub fn unmatched(world: World<'_>) -> Vec<Finding> {
    let World { desired, live, .. } = world;
    let mut names: BTreeSet<&str> = desired.units.keys().map(|key| key.name.as_str()).collect();
    for unknown in &desired.unknown {
        let Some(name) = &unknown.name else { return Vec::new() };
        names.insert(name);
    }
    names.extend(live.units.keys().chain(live.ledgers.keys()).map(|key| key.name.as_str()));
    let idle = desired.removed.iter().filter(|removed| !names.contains(removed.name.as_str()));
    let finding = |removed: &RemovalConsent| {
        let message =
            format!("{} never had a unit `{}` that could be removed", desired.environment, removed.name);
        let hint = nearest(&removed.name, names.iter().copied())
            .map_or_else(|| "remove this entry".to_owned(), |near| format!("did you mean `{near}`?"));
        Finding::info(RuleId::UnmatchedRemoval, removed.place.clone(), message).hint(hint)
    };
    idle.map(finding).collect()
}

/// What keeps an object that was told to go for longer than `policy.timeout`.
pub fn hangs(world: World<'_>, subject: &Subject<'_>) -> Option<Blocked> {
    let live = subject.live.filter(|_| subject.hangs_at(world).is_some_and(|at| at <= world.now))?;
    let finalizers = live.value().at("/metadata/finalizers").and_then(Value::as_array);
    let finalizers: Vec<&str> = finalizers.into_iter().flatten().filter_map(Value::as_str).collect();
    let since = live.deleting_since().map_or_else(String::new, |since| clock_time(since, world.now));
    let held = if finalizers.is_empty() { String::new() } else { format!(" ({})", finalizers.join(", ")) };
    let message = format!("told to go at {since}, and still there{held}: {}", holder(subject, live));
    Some(Blocked::new(BlockedBy::Gate, message))
}

/// What the operator waits for before it lets an object go (its `cleanup`), as far as the status tells.
fn holder(subject: &Subject<'_>, live: &LiveObject) -> String {
    let snapshot = live.status().at("/jobStatus/savepointInfo/triggerId").and_then(Value::as_str);
    if snapshot.is_some_and(|id| !id.is_empty()) {
        return "a savepoint of it is in progress".into();
    }
    if let Some(error) = &subject.status.error {
        return format!("the operator says {error}");
    }
    match subject.role {
        Role::SessionJob if subject.status.job == "RECONCILING" => {
            "its job is lost, and the operator waits for it; what is on record is kept, so the finalizer may be removed \
             by hand"
                .into()
        }
        Role::SessionCluster => "the operator waits for jobs that still run on it, of this repository or not".into(),
        _ => "the operator has not let it go".into(),
    }
}

/// S1: a unit whose folder could not be read is unknown, not gone, and nothing is written to it. Except that
/// a job which flinkops itself stopped does not stay so: it goes back as it was (S20).
fn shelter(subject: &Subject<'_>, folder: &str) -> Decision {
    let deleting = subject.live.is_some_and(|live| live.deleting_since().is_some());
    if let Some(decision) = astray::decide(subject).filter(|_| !deleting) {
        return Decision { action: Action::Keep, ..decision };
    }
    if subject.kept_down().is_some() && !deleting {
        return Decision::new(Action::Resume, Effect::Resume, State::Kept).because(format!(
            "was stopped by flinkops, and {folder} could not be read: it goes back as it was"
        ));
    }
    let message = format!("{folder} could not be read, so nothing is written");
    Decision::keep().blocked(Blocked::new(BlockedBy::Unknown, message))
}

/// What stopping the unit for good does to its state, and what keeps it from being done.
pub fn stop(world: World<'_>, subject: &Subject<'_>, consent: Option<&String>) -> Decision {
    if subject.role == Role::Snapshot {
        return snapshot::stop(world, subject, consent);
    }
    let decision = |state| Decision::new(Action::Delete, Effect::Delete, state);
    let stage = stage(subject);
    let mut decision = match &stage {
        Stage::Disposable => decision(State::None),
        Stage::Stopping if subject.is_stop_overdue(world) => {
            let message = "took no savepoint within policy.savepointTimeout, and runs on";
            decision(State::Kept).blocked(Blocked::new(BlockedBy::Held, message))
        }
        Stage::Stoppable | Stage::Stopping | Stage::Stopped(_) => decision(State::Kept),
        Stage::Stuck(why) if subject.unit.is_some() => {
            let missing = format!("{why}; consent to the loss in its file: allow: {{stateLoss: \"<why>\"}}");
            decision(State::Dropped).needs(Consent::StateLoss, subject, &missing)
        }
        Stage::Stuck(_) if consent.is_some() => decision(State::Dropped),
        Stage::Stuck(why) => decision(State::Dropped).blocked(Blocked::new(
            BlockedBy::Consent,
            format!("{why}; consent to the loss in flinkops.yaml: removed: [{{name: {}, allow: {{stateLoss: \"<why>\"}}}}]", subject.key.name),
        )),
        Stage::Busy(why) => decision(State::Kept).blocked(Blocked::new(BlockedBy::Gate, why)),
    };
    decision.steps = steps(subject, &stage);
    decision
}

/// The way to the deletion, from where the unit stands.
fn steps(subject: &Subject<'_>, stage: &Stage) -> Vec<Step> {
    let kinds: &[StepKind] = match stage {
        Stage::Stoppable | Stage::Busy(_) => &[
            StepKind::Suspend,
            StepKind::WaitSavepoint,
            StepKind::Record,
            StepKind::Delete,
            StepKind::WaitGone,
        ],
        Stage::Stopping => &[StepKind::WaitSavepoint, StepKind::Record, StepKind::Delete, StepKind::WaitGone],
        Stage::Stopped(path) if !subject.ledger.is_some_and(|ledger| ledger.is_final(path)) => {
            &[StepKind::Record, StepKind::Delete, StepKind::WaitGone]
        }
        Stage::Stopped(_) | Stage::Disposable | Stage::Stuck(_) => &[StepKind::Delete, StepKind::WaitGone],
    };
    kinds.iter().map(|&what| Step { what, unit: subject.key.clone() }).collect()
}

/// Why a job is stopped on the way to its deletion.
pub fn purpose(action: Action) -> Purpose {
    if action == Action::Recreate { Purpose::Recreate } else { Purpose::Delete }
}
