//! The operator's language: kinds, status, defaults, configuration keys, the effect table.
//!
//! Everything here restates, as functions of values, what the Flink Kubernetes Operator does with
//! its custom resources. It knows nothing of Git, of plans or of any connection.

pub mod blue_green;
pub mod canonical;
pub mod config;
pub mod confluent;
pub mod diff;
pub mod duration;
pub mod health;
pub mod kind;
pub mod list;
pub mod options;
pub mod place;
pub mod pointer;
pub mod quantity;
pub mod release;
pub mod rest;
pub mod savepoint;
pub mod scale;
pub mod secret;
pub mod since;
pub mod snapshot;
pub mod status;
pub mod validate;
pub mod version;
