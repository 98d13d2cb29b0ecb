//! flinkops keeps the Flink jobs of a Kubernetes cluster equal to a Git repository.
//!
//! ```text
//! Git ──► desired ─┐
//!                  ├─► plan ──► step ──► cluster          (apply, run)
//! cluster ► live ──┘     └────► report                    (plan, drift, validate: read-only)
//! ```
//!
//! Data walks down this list of rooms and comes back up as a report. Everything from [`spec`] on is
//! pure: values in, values out, no clock, no socket, no environment. `clippy.toml` and a test hold
//! that line.
//!
//! | room | what happens in it |
//! |---|---|
//! | [`cli`] | one file per command: its arguments and its few lines of wiring |
//! | [`daemon`] | triggers (poll, notify, watch, timer) feed one loop; leadership; web pages and metrics |
//! | [`repo`] | Git: fetch, resolve a revision, tree → [`spec::source::SourceTree`]; a working directory likewise |
//! | [`cluster`] | Kubernetes: watch → [`plan::live::Live`]; perform a [`plan::write::Write`]; the lease; events |
//! | [`sim`] | the embedded cluster: a Kubernetes API and a model of the Flink operator, in process |
//! | [`spec`] | source tree → [`spec::Desired`]: files, layers, graph, render, findings |
//! | [`plan`] | desired + live → plan → writes: diff, effect, action, gate, order |
//! | [`flink`] | the operator's language: kinds, status, defaults, configuration keys, the effect table |
//! | [`report`] | plan, drift and findings → text, JSON, Markdown, SARIF, JUnit |
//! | [`rule`] | the ids of all that can be found wrong |

pub mod cli;
pub mod cluster;
pub mod daemon;
pub mod repo;
pub mod sim;

#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod flink;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod plan;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod report;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod rule;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod spec;
