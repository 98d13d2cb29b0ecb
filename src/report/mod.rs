//! Plan, drift, status, graph and findings as people and scripts read them.
//!
//! A report is made in two steps. [`document`] turns a value of the planner into the document that
//! CONTRACT promises, and on the way takes every secret out of it: this is the only place where that
//! happens (S25). Everything else here writes a document down: as JSON ([`json`]), for a terminal
//! ([`text`]), for a pull request ([`markdown`]), for CI ([`sarif`], [`junit`]).
//!
//! What two forms have in common is decided once: what comes first (`digest`), how a value differs
//! (`difference`, `emphasis`), what things are called ([`words`]), and that a value cannot act
//! ([`visible`]).

pub mod diagnostics;
mod difference;
mod digest;
pub mod document;
mod emphasis;
mod forecast;
pub mod graphs;
pub mod junit;
pub mod markdown;
#[cfg(test)]
mod sample;
pub mod sarif;
#[cfg(test)]
mod secrets;
pub mod text;
pub mod visible;
pub mod words;

use serde::Serialize;

/// A document as pretty JSON with a newline at its end.
pub fn json(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("documents have string keys only");
    text.push('\n');
    text
}
