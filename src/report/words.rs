//! The words for actions, effects and states, for people.

use crate::flink::health::Health;
use crate::plan::outcome::{Action, BlockedBy, Effect, State, StepKind};

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

/// `a, b and 3 more`.
pub(super) fn some(names: &[impl AsRef<str>], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
