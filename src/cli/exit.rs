//! Exit codes, and how an error is told.

use std::process::ExitCode;

use super::redact::Redactor;
use super::talk::{self, Tone};
use crate::cluster::{ClusterError, LeaseError};
use crate::repo::RepoError;
use crate::report::document::Unusable;
use crate::report::visible::clean;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or nothing to do.
    Done,
    /// 1: not done.
    Failed,
    /// 2: `plan` or `drift` found something.
    Something,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Something => 2,
        })
    }
}

/// 64: the command line does not say what to do. Nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Usage {
    /// What is wrong.
    message: String,
    /// What to write instead.
    hint: String,
}

/// The code for wrong usage (`EX_USAGE`).
const USAGE: u8 = 64;

impl Usage {
    /// An error that says what to write instead.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// Tells why arguments were refused; help and version are no refusal.
pub(super) fn refuse(error: &clap::Error) -> ExitCode {
    // A reader that went away has no use for the message either.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// Tells an error, with what to do about it. Words of a server in it do not steer the terminal.
pub(super) fn report(error: &anyhow::Error, redactor: &Redactor) -> ExitCode {
    let usage = error.downcast_ref::<Usage>();
    let text = match usage {
        Some(usage) => usage.to_string(),
        None => failed_to(error),
    };
    let shown = |text: &str| redactor.scrub(text).lines().map(clean).collect::<Vec<_>>().join("\n");
    talk::say(Tone::Error, &shown(&text));
    if let Some(hint) = hint(error) {
        talk::say(Tone::Help, &shown(&hint));
    }
    ExitCode::from(if usage.is_some() { USAGE } else { 1 })
}

/// Our own errors are fragments that follow `failed to`; context already says so.
fn failed_to(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let ours = error.is::<RepoError>() || error.is::<ClusterError>() || error.is::<LeaseError>();
    if ours { format!("failed to {text}") } else { text }
}

fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let usage = cause.downcast_ref::<Usage>().map(|usage| usage.hint.clone());
        let repo = || cause.downcast_ref::<RepoError>()?.hint().map(str::to_owned);
        let cluster = || cause.downcast_ref::<ClusterError>()?.hint();
        let file = || cause.downcast_ref::<Unusable>()?.hint.clone();
        usage.or_else(repo).or_else(cluster).or_else(file)
    })
}
