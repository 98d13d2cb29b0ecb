//! The words for actions, effects and states, for people.

use super::document::{BlockedDocument, ChangeDocument, StepDocument, UnitDocument};
use crate::flink::health::Health;
use crate::plan::outcome::{Action, BlockedBy, Cause, Effect, FieldEffect, State, StepKind};

/// What stands in the place of an absent value.
pub(super) const NOTHING: &str = "(none)";
/// Said of a change whose secret parts may differ too.
pub(super) const SECRETS_INSIDE: &str = "holds secrets, which are compared and not shown";

/// One sign per action, so that a list can be skimmed without colour.
pub(super) fn glyph(action: Action) -> &'static str {
    match action {
        Action::Keep => "=",
        Action::Update => "~",
        Action::Suspend => "#",
        Action::Resume => ">",
        Action::Recreate => "±",
        Action::Create => "+",
        Action::Delete => "-",
    }
}

/// The action as the contract writes it.
pub(super) fn action(action: Action) -> &'static str {
    match action {
        Action::Keep => "keep",
        Action::Update => "update",
        Action::Suspend => "suspend",
        Action::Resume => "resume",
        Action::Recreate => "recreate",
        Action::Create => "create",
        Action::Delete => "delete",
    }
}

/// What happens to the job.
pub(super) fn effect(effect: Effect, state: State) -> &'static str {
    match (effect, state) {
        (Effect::Create, State::Kept | State::Replaced) => "starts from a savepoint",
        (Effect::Create, State::Dropped) => "starts from nothing",
        (effect, _) => plain_effect(effect),
    }
}

fn plain_effect(effect: Effect) -> &'static str {
    match effect {
        Effect::None => "the running job does not notice",
        Effect::Metadata => "only labels and annotations",
        Effect::Snapshot => "takes a snapshot",
        Effect::Rescale => "rescales in place",
        Effect::UpgradeFromSavepoint => "restarts from a savepoint",
        Effect::UpgradeFromLastState => "restarts from its last checkpoint",
        Effect::Resume => "starts again",
        Effect::Suspend => "stops",
        Effect::RestartCluster => "restarts the cluster and its jobs",
        Effect::Rerun => "runs again from the start",
        Effect::Restore => "restarts from the named savepoint",
        Effect::Recreate => "is deleted and created again",
        Effect::StatelessRestart => "restarts from nothing",
        Effect::Create => "starts for the first time",
        Effect::Delete => "is removed",
    }
}

/// What becomes of the state; nothing where there is none.
pub(super) fn state(state: State) -> Option<&'static str> {
    match state {
        State::None => None,
        State::Kept => Some("state kept"),
        State::Unknown => Some("state unknown"),
        State::Replaced => Some("state replaced by another savepoint"),
        State::Dropped => Some("STATE LOST"),
    }
}

/// What is done about a unit and what that does to its job: `update: restarts from a savepoint`.
pub(super) fn what(unit: &UnitDocument) -> String {
    let effect = effect(unit.effect, unit.state);
    match unit.action {
        _ if unit.adopt && unit.effect <= Effect::Metadata => "taken over as it is".to_owned(),
        _ if unit.adopt => format!("taken over, {effect}"),
        Action::Keep if unit.effect == Effect::None => "left alone".to_owned(),
        _ => effect.to_owned(),
    }
}

/// What one field does, where the unit's effect does not say so anyway.
pub(super) fn field_effect(effect: FieldEffect) -> Option<&'static str> {
    match effect {
        FieldEffect::None => Some("without effect on the job"),
        FieldEffect::Snapshot => Some("takes a snapshot"),
        FieldEffect::Rescale => Some("rescales in place where the operator can"),
        FieldEffect::Restore => Some("restarts from the named savepoint"),
        FieldEffect::Immutable => Some("cannot be changed in place"),
        FieldEffect::Metadata | FieldEffect::Upgrade | FieldEffect::Resume | FieldEffect::Suspend => None,
    }
}

/// Who moved a field away from Git, and when: `changed in the cluster by kubectl-edit at 2026-…`.
pub(super) fn origin(change: &ChangeDocument) -> String {
    let by = change.owner.as_ref().map_or_else(String::new, |owner| {
        let time = owner.time.map_or_else(String::new, |time| format!(" at {time}"));
        format!(" by {}{time}", owner.manager)
    });
    match change.cause {
        Cause::Pending => "changed in Git".to_owned(),
        Cause::Drift => format!("drift: changed in the cluster{by}"),
        Cause::Both => format!("drift: changed in the cluster{by}, and in Git"),
    }
}

/// What keeps an action from starting.
pub(super) fn blocked(by: BlockedBy) -> &'static str {
    match by {
        BlockedBy::Gate => "gate",
        BlockedBy::Policy => "policy",
        BlockedBy::Guard => "guard",
        BlockedBy::Consent => "consent",
        BlockedBy::Frozen => "frozen",
        BlockedBy::Held => "held",
        BlockedBy::Window => "window",
        BlockedBy::MissingCluster => "missing cluster",
        BlockedBy::LiveConflict => "live conflict",
        BlockedBy::Unknown => "unknown",
    }
}

/// How a unit is doing.
pub fn health(health: Health) -> &'static str {
    match health {
        Health::Settled => "settled",
        Health::Progressing => "progressing",
        Health::Suspended => "suspended",
        Health::Failed => "failed",
        Health::Lost => "lost",
        Health::Rejected => "rejected",
        Health::RolledBack => "rolled back",
        Health::Missing => "missing",
    }
}

/// A step as an order.
pub(super) fn step(step: StepKind) -> &'static str {
    match step {
        StepKind::Create => "create",
        StepKind::Update => "update",
        StepKind::Adopt => "take over",
        StepKind::Suspend => "suspend",
        StepKind::WaitSavepoint => "wait for the savepoint of",
        StepKind::Record => "record the savepoint of",
        StepKind::Resume => "resume",
        StepKind::Delete => "delete",
        StepKind::WaitSettled => "wait until settled:",
        StepKind::WaitGone => "wait until gone:",
    }
}

/// What keeps some from starting, after their names: `(consent): would lose its state …`.
pub(super) fn because(blocked: &BlockedDocument) -> String {
    let by = self::blocked(blocked.by);
    // `frozen: the reason` says by itself what it is.
    match blocked.message.strip_prefix(by) {
        Some(rest) if rest.starts_with(':') => format!("({by}){rest}"),
        _ => format!("({by}): {}", blocked.message),
    }
}

/// What flinkops does about what it found in the cluster: `will update it: restarts from a savepoint`.
pub(super) fn answer(
    action: Action,
    blocked: Option<&BlockedDocument>,
    unit: Option<&UnitDocument>,
) -> String {
    if let Some(blocked) = blocked {
        return format!("leaves it for now {}", because(blocked));
    }
    let does = match action {
        Action::Keep => return "leaves it as it is".to_owned(),
        action => format!("will {} it", self::action(action)),
    };
    let Some(unit) = unit else { return does };
    let state = state(unit.state).map_or_else(String::new, |state| format!(", {state}"));
    format!("{does}: {}{state}", what(unit))
}

/// Steps as orders, one after the other.
pub(super) fn steps(steps: &[StepDocument]) -> String {
    let order = |step: &StepDocument| format!("{} {}", self::step(step.what), step.unit);
    steps.iter().map(order).collect::<Vec<_>>().join("; ")
}

/// `a, b and 3 more`.
pub(super) fn some(names: &[impl AsRef<str>], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
