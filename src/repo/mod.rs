//! Git: a revision, or a working directory, becomes a [`crate::spec::SourceTree`].
//!
//! Nothing is ever checked out: a revision is read straight from the object database, so a symbolic
//! link or a `..` in it leads nowhere. A working directory is read through the same collector, with
//! the same refusals by name.
//!
//! | module | its one job |
//! |---|---|
//! | [`source`] | the one door for `cli` and `daemon`: a path or an address, read at a revision |
//! | [`address`] | which addresses are taken, and what identifies a repository |
//! | [`git`] | a repository's object database: revisions, trees, ancestry, the mirror of a remote |
//! | [`worktree`] | a working directory |
//! | [`access`] | credentials, and what is never told to anyone |
//! | `collect` | the walk both readers share: limits and refusals |
//! | `names` | which names of files and folders are taken |
//! | `remote` | fetching: credentials, host keys, redirects |
//! | `known_hosts` | whether an SSH host is the one it was |
//!
//! Everything here blocks: callers in async code use `spawn_blocking`.

pub mod access;
pub mod address;
mod collect;
mod error;
pub mod git;
mod known_hosts;
mod names;
mod remote;
pub mod source;
pub mod worktree;

pub use access::{Access, Secret};
pub use address::Address;
pub use error::{RepoError, redact};
pub use git::Repository;
pub use source::Source;

pub use crate::spec::source::WORKING_DIRECTORY;
