//! The program itself: whole outputs and exit codes, of the built binary.

mod canary;
mod cluster;
mod repository;
mod usage;
mod world;
