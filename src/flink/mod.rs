//! The operator's language: kinds, status, defaults, configuration keys, the effect table.
//!
//! Everything here restates, as functions of values, what the Flink Kubernetes Operator does with
//! its custom resources. It knows nothing of Git, of plans or of any connection.

pub mod canonical;
pub mod config;
pub mod diff;
pub mod duration;
pub mod health;
pub mod kind;
pub mod savepoint;
pub mod secret;
pub mod status;
pub mod validate;
