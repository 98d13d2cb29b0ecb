//! Reading repositories: the same tree, and the same refusals, from a working directory and from Git.

mod hostile;
mod remotes;
mod revisions;
pub mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flinkops::spec::source::{Limits, SourceTree};
use git2::{Oid, Signature, Time};
use tempfile::TempDir;

/// A Git repository in a temporary folder, with a working directory.
pub struct Sandbox {
    folder: TempDir,
    pub git: git2::Repository,
}

impl Sandbox {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = git2::RepositoryInitOptions::new();
        options.initial_head("main");
        let git = git2::Repository::init_opts(folder.path(), &options).unwrap();
        Self { folder, git }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn text(&self) -> &str {
        self.path().to_str().unwrap()
    }

    pub fn write(&self, path: &str, content: &str) -> PathBuf {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    /// Commits the working directory as it is.
    pub fn commit(&self, message: &str) -> String {
        let mut index = self.git.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
        index.update_all(["*"], None).unwrap();
        index.write().unwrap();
        self.commit_tree(index.write_tree().unwrap(), message)
    }

    /// Commits a tree that no working directory could hold.
    pub fn commit_tree(&self, tree: Oid, message: &str) -> String {
        let who = Signature::new("test", "test@example.com", &Time::new(1_700_000_000, 0)).unwrap();
        let tree = self.git.find_tree(tree).unwrap();
        let parent = self.git.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        self.git.commit(Some("HEAD"), &who, &who, message, &tree, &parents).unwrap().to_string()
    }

    /// Writes a tree object byte by byte, past every check of libgit2.
    pub fn raw_tree(&self, entries: &[(&str, &[u8], Oid)]) -> Oid {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend([mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat());
        }
        self.git.odb().unwrap().write(git2::ObjectType::Tree, &raw).unwrap()
    }

    /// The same of files in folders, by path, mode and id.
    pub fn nested_tree(&self, entries: &[(&str, &str, Oid)]) -> Oid {
        let mut below: BTreeMap<&str, Vec<(&str, &str, Oid)>> = BTreeMap::new();
        let mut written = Vec::new();
        for &(path, mode, id) in entries {
            match path.split_once('/') {
                Some((name, rest)) => below.entry(name).or_default().push((rest, mode, id)),
                None => written.push((mode, path.as_bytes(), id)),
            }
        }
        let folders =
            below.iter().map(|(name, entries)| ("40000", name.as_bytes(), self.nested_tree(entries)));
        written.extend(folders);
        self.raw_tree(&written)
    }

    pub fn blob(&self, content: &str) -> Oid {
        self.git.blob(content.as_bytes()).unwrap()
    }
}

/// Small enough to be reached by a test.
pub fn small() -> Limits {
    Limits { file_bytes: 100, files: 12, total_bytes: 300, path_depth: 3, ..Limits::default() }
}

/// The refusals of a tree as `rule path`.
pub fn refused(tree: &SourceTree) -> Vec<String> {
    tree.refused.iter().map(|finding| format!("{} {}", finding.rule, finding.place.file)).collect()
}

pub fn paths(tree: &SourceTree) -> Vec<&str> {
    tree.files.keys().map(String::as_str).collect()
}
