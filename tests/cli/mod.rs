//! The program itself: whole outputs and exit codes, of the built binary.

mod canary;
mod ci;
mod cluster;
mod colour;
mod concurrency;
mod dry_run;
mod files;
mod flags;
mod import;
mod init;
mod repository;
mod restore;
mod retry;
mod running;
mod ssh;
mod terminal;
mod usage;
pub mod world;
