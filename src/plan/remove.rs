//! Removing a unit: what must be safe first, and how its job is stopped with a savepoint.

use super::guard;
use super::operation::{Purpose, savepoint_of};
use super::outcome::{Action, Blocked, BlockedBy, Effect, State, Step, StepKind};
use super::rename;
use super::subject::{Decision, Ownership, Subject, World};
use crate::flink::health::Health;
use crate::flink::kind::Role;

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
    if subject.role == Role::SessionCluster || subject.status.is_finished() || !subject.ever_ran() {
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

/// Decides about a unit that Git does not show: it left, or cannot be read.
pub fn decide(world: World<'_>, subject: &Subject<'_>) -> Decision {
    if subject.live.is_none() || subject.ownership != Ownership::Ours {
        return Decision::keep();
    }
    if let Some(unknown) = guard::unread(world, subject) {
        return shelter(subject, &unknown.folder);
    }
    let consent = world.desired.removed.iter().find(|removed| removed.name == subject.key.name);
    let why = rename::after(world, &subject.key).next();
    let why = why.map_or_else(|| "left Git".into(), |unit| format!("is called {} now", unit.key.name));
    let mut decision =
        stop(world, subject, consent.and_then(|removed| removed.state_loss.as_ref())).because(why);
    decision.action = Action::Delete;
    decision.effect = Effect::Delete;
    if !world.desired.policy.prune.enabled {
        decision =
            decision.blocked(Blocked::new(BlockedBy::Policy, "left Git; policy.prune is off, so it stays"));
    }
    decision
}

/// S1: a unit whose folder could not be read is unknown, not gone, and nothing is written to it. Except that
/// a job which flinkops itself stopped does not stay so: it goes back as it was (S20).
fn shelter(subject: &Subject<'_>, folder: &str) -> Decision {
    let deleting = subject.live.is_some_and(|live| live.deleting_since().is_some());
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
    let decision = |state| Decision::new(Action::Delete, Effect::Delete, state);
    let stage = stage(subject);
    let mut decision = match &stage {
        Stage::Disposable => decision(State::None),
        Stage::Stopping if subject.is_stop_overdue(world) => {
            let message = "took no savepoint within policy.savepointTimeout, and runs on";
            decision(State::Kept).blocked(Blocked::new(BlockedBy::Held, message))
        }
        Stage::Stoppable | Stage::Stopping | Stage::Stopped(_) => decision(State::Kept),
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
