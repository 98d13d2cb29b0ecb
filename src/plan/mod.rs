//! The one pure decision: desired + live → [`Plan`] → writes.
//!
//! [`plan`](plan()) compares, classifies and orders; [`step`] says what may be written right now.
//! Neither knows a clock, a socket or a memory: time is an argument, and everything that must survive
//! is in the cluster ([`ledger`]). The same functions serve `plan`, `drift`, `apply`, `run` and the demo.

pub mod ledger;
pub mod live;
pub mod outcome;
pub mod write;

pub use live::Live;
pub use outcome::{Action, Blocked, Change, Effect, Plan, State, UnitPlan};
pub use write::Write;
