//! The few styles there are. None of them carries meaning alone.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

use crate::plan::outcome::{Action, Effect, State};

/// Titles.
pub(super) const BOLD: Style = Style::new().bold();
/// What is beside the point.
pub(super) const DIM: Style = Style::new().dimmed();
/// What loses something, or failed.
pub(super) const RED: Style = AnsiColor::Red.on_default().bold();
/// What waits, restarts, or differs.
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();
/// What comes into being, or is well.
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
/// What was.
pub(super) const GONE: Style = AnsiColor::Red.on_default();
/// What will be.
pub(super) const NEW: Style = AnsiColor::Green.on_default();
/// As it is.
pub(super) const PLAIN: Style = Style::new();

/// Text in a style.
pub(super) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The style of what happens to a unit: red for what it may not survive, yellow for what interrupts it.
pub(super) fn of_effect(effect: Effect, state: State) -> Style {
    match effect {
        _ if state == State::Dropped => RED,
        Effect::Delete | Effect::Recreate | Effect::StatelessRestart => RED,
        Effect::UpgradeFromSavepoint
        | Effect::UpgradeFromLastState
        | Effect::Suspend
        | Effect::RestartCluster
        | Effect::Rerun
        | Effect::Restore => YELLOW,
        Effect::None
        | Effect::Metadata
        | Effect::Snapshot
        | Effect::Rescale
        | Effect::Resume
        | Effect::Create => GREEN,
    }
}

/// The style of an action on a companion, which has no job.
pub(super) fn of_action(action: Action) -> Style {
    match action {
        Action::Keep => DIM,
        Action::Create | Action::Resume => GREEN,
        Action::Update | Action::Suspend => YELLOW,
        Action::Recreate | Action::Delete => RED,
    }
}

/// The style of a job's state.
pub(super) fn of_state(state: State) -> Style {
    match state {
        State::Dropped => RED,
        State::Unknown | State::Replaced => YELLOW,
        State::Kept | State::None => PLAIN,
    }
}
