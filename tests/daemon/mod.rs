//! The loop, the daemon and what they hold to: against an embedded cluster.

mod applying;
mod failing;
mod following;
mod killing;
mod leading;
mod reporting;
mod restarting;
mod running;
mod starting;
mod world;
