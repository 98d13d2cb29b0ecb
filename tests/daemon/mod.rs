//! The loop, the daemon and what they hold to: against an embedded cluster.

mod applying;
mod checkpoints;
mod following;
mod killing;
mod leading;
mod losing;
mod reporting;
mod restarting;
pub mod running;
mod starting;
mod strangers;
pub mod world;
