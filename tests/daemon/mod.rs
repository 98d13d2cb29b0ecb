//! The loop, the daemon and what they hold to: against an embedded cluster with a simple operator.

mod applying;
mod following;
mod killing;
mod leading;
mod operator;
mod world;
