//! A repository's files as a value: what the loader reads, whoever fetched them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::finding::Finding;

/// The revision of a tree that is no commit.
pub const WORKING_DIRECTORY: &str = "working directory";

/// The path of a refusal that is about the tree as a whole.
pub const WHOLE: &str = ".";

/// A Git commit id, or the name of a state that is no commit (a working directory).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision(String);

impl Revision {
    /// Takes a full commit id, or another name for a state of the repository.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first nine characters, for people.
    pub fn short(&self) -> &str {
        self.0.get(..9).unwrap_or(&self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a source tree came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Identifies the repository for as long as it lives, without credentials: the remote's
    /// `host/path` where there is one, else the absolute path. Pinned in the cluster (S2).
    pub identity: String,
    /// The commit, or [`Revision`] `working directory`.
    pub revision: Revision,
    /// Whether the tree is exactly a commit (a working directory with changes, or no repository, is not).
    pub committed: bool,
}

/// The regular files of one state of a repository, by path.
///
/// Paths are relative to the repository's root, `/`-separated, without `.` or `..`. Whatever could
/// not be taken as such (a symlink, an odd name, a file over a limit) is not here but in `refused`.
#[derive(Clone, Debug)]
pub struct SourceTree {
    /// Where the tree came from.
    pub origin: Origin,
    /// Contents by path.
    pub files: BTreeMap<String, Arc<[u8]>>,
    /// What was refused while reading, each naming the path. A refusal inside a job folder makes the
    /// units of that folder unknown (S1); one of the [`WHOLE`] makes the tree incomplete.
    pub refused: Vec<Finding>,
}

/// Bounds on what is read, against hostile or mistaken input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub file_bytes: usize,
    /// Number of files.
    pub files: usize,
    /// Bytes of all files together.
    pub total_bytes: usize,
    /// Folders below one another.
    pub path_depth: usize,
    /// Maps and lists below one another in one YAML document. The reader descends with the call stack, and
    /// a thread's two megabytes hold about 50 levels of an unoptimised build; manifests need about 15.
    pub yaml_depth: usize,
    /// Nodes of one YAML document after its aliases are expanded.
    pub yaml_nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 1 << 20,
            files: 100_000,
            total_bytes: 256 << 20,
            path_depth: 32,
            yaml_depth: 32,
            yaml_nodes: 100_000,
        }
    }
}
