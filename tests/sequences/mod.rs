//! The model of the Flink operator, held to what real operators were seen to do.
//!
//! Each sequence is the compact form of one that was observed: seconds since the command, the object, and
//! the fields that changed. The order must be the same and the times close.

mod application;
mod failures;
mod legacy;
mod records;
mod session;
mod snapshots;
mod stage;
mod suspended;
mod transcript;
