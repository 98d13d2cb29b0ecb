//! A job that flinkops stopped, and that the operator would not start from the savepoint on record: somebody or
//! something has moved on in between. The record is what was seen to count (S8).

use super::ledger::Ledger;
use super::outcome::{Action, Blocked, BlockedBy, Effect, State};
use super::record::is_savepoint;
use super::subject::{Decision, Subject};
use crate::flink::savepoint::normalise;

/// What the operator would do with the job instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Astray {
    /// Its status names no savepoint any more: it would start from nothing, or from what Flink discards.
    Nothing,
    /// It would start from this other one.
    Other(String),
}

/// Whether a stopped job has gone astray; with the savepoint on record.
pub fn of<'a>(subject: &Subject<'a>) -> Option<(&'a str, Astray)> {
    subject.kept_down()?;
    let path = &subject.ledger.and_then(Ledger::last_savepoint)?.path;
    if !subject.has_acted() || subject.status.lifecycle != "SUSPENDED" {
        return None;
    }
    match subject.status.savepoint.as_deref().filter(|shown| is_savepoint(shown)) {
        Some(shown) if normalise(shown) == normalise(path) => None,
        Some(shown) => Some((path, Astray::Other(shown.to_owned()))),
        None => Some((path, Astray::Nothing)),
    }
}

/// Decides about one that is to start again.
pub fn decide(subject: &Subject<'_>) -> Option<Decision> {
    let (path, astray) = of(subject)?;
    let named = subject.unit.is_some_and(|unit| unit.named_savepoint().is_some());
    let blocked = match &astray {
        Astray::Other(other) if !named => {
            let message = format!(
                "was stopped with {path}, and the operator would start it from {other}: somebody else has stopped it in \
                 between; name the one to start from in job.initialSavepointPath"
            );
            return Some(
                Decision::new(Action::Resume, Effect::Resume, State::Unknown)
                    .blocked(Blocked::new(BlockedBy::Consent, message)),
            );
        }
        _ if subject.unit.is_none() => {
            let message = format!("was stopped with {path}, which its status does not show any more");
            Some(Blocked::new(BlockedBy::Unknown, message))
        }
        _ => None,
    };
    let state = if named { State::Replaced } else { State::Kept };
    Some(Decision::anew(subject, state).blocked(blocked).because(match astray {
        Astray::Nothing => format!("its status does not show {path} any more, which it was stopped with"),
        Astray::Other(other) => format!("the operator would start it from {other}"),
    }))
}
