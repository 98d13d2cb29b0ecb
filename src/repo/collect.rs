//! The walk that both readers share, so that a revision and a working directory are refused alike.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::names;
use crate::rule::RuleId;
use crate::spec::finding::{Finding, Place};
use crate::spec::source::{Limits, WHOLE};

/// What an entry of a folder is.
pub(super) enum Entry<H> {
    /// Another folder.
    Folder(H),
    /// A regular file.
    File(H),
    /// A symbolic link.
    Symlink,
    /// Another Git repository.
    Submodule,
    /// A socket, a pipe, a device, a mode Git does not know.
    Special,
}

/// What reading a file brought.
pub(super) enum Content {
    /// All of it.
    Bytes(Arc<[u8]>),
    /// It is larger than asked for.
    TooLarge,
}

/// A folder's entries in any order, each with the bytes of its name.
pub(super) type Listing<H> = Vec<(Vec<u8>, Entry<H>)>;

/// Something that holds folders and files. Errors are reasons for people.
pub(super) trait Store {
    /// Names a folder or a file.
    type Handle;

    /// What to do about one that cannot be read.
    const UNREADABLE: &'static str;

    /// Lists a folder of at most so many entries.
    fn list(&self, folder: &Self::Handle) -> Result<Listing<Self::Handle>, String>;

    /// Reads a file of at most so many bytes.
    fn read(&self, file: &Self::Handle, limit: usize) -> Result<Content, String>;
}

/// Files and refusals of one walk.
pub(super) type Collected = (BTreeMap<String, Arc<[u8]>>, Vec<Finding>);

/// Walks everything below a folder, in the order of the names.
pub(super) fn collect<S: Store>(store: &S, root: &S::Handle, limits: &Limits) -> Collected {
    let mut walk = Walk {
        store,
        limits,
        files: BTreeMap::new(),
        refused: Vec::new(),
        entries: 0,
        bytes: 0,
        stopped: false,
    };
    walk.folder(root, "", 0);
    walk.refused.sort();
    (walk.files, walk.refused)
}

struct Walk<'a, S> {
    store: &'a S,
    limits: &'a Limits,
    files: BTreeMap<String, Arc<[u8]>>,
    refused: Vec<Finding>,
    entries: usize,
    bytes: usize,
    stopped: bool,
}

impl<S: Store> Walk<'_, S> {
    fn folder(&mut self, handle: &S::Handle, path: &str, depth: usize) {
        let mut entries = match self.store.list(handle) {
            Ok(entries) => entries,
            Err(reason) => return self.refuse(RuleId::Unreadable, path, &reason, S::UNREADABLE),
        };
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut seen = BTreeSet::new();
        for (name, entry) in entries {
            self.entry(path, &name, entry, depth, seen.contains(&name));
            seen.insert(name);
            if self.stopped {
                return;
            }
        }
    }

    fn entry(&mut self, folder: &str, name: &[u8], entry: Entry<S::Handle>, depth: usize, twice: bool) {
        self.entries += 1;
        if self.entries > self.limits.files {
            let limit = self.limits.files;
            return self.stop(RuleId::TooManyFiles, format!("there are more than {limit} files and folders"));
        }
        let path = join(folder, &String::from_utf8_lossy(name));
        match names::check(name) {
            Err(reason) => self.refuse(RuleId::OddPath, &path, reason, "rename it"),
            Ok(_) if twice => {
                self.refuse(RuleId::OddPath, &path, "the name is there twice", "keep one of them");
            }
            Ok(_) => self.plain_entry(path, entry, depth),
        }
    }

    fn plain_entry(&mut self, path: String, entry: Entry<S::Handle>, depth: usize) {
        match entry {
            Entry::Symlink => self.refuse(
                RuleId::Symlink,
                &path,
                "it is a symbolic link, and those are never followed",
                "commit the file itself in its place",
            ),
            Entry::Submodule => self.refuse(
                RuleId::Submodule,
                &path,
                "it is another Git repository, and those are not read",
                "commit the files themselves in its place",
            ),
            Entry::Special => {
                self.refuse(RuleId::SpecialFile, &path, "it is neither a file nor a folder", "remove it");
            }
            Entry::Folder(_) if depth >= self.limits.path_depth => {
                let reason = format!("it is more than {} folders deep", self.limits.path_depth);
                self.refuse(RuleId::PathTooDeep, &path, &reason, "move it up");
            }
            Entry::Folder(handle) => self.folder(&handle, &path, depth + 1),
            Entry::File(handle) => self.file(path, &handle),
        }
    }

    fn file(&mut self, path: String, handle: &S::Handle) {
        match self.store.read(handle, self.limits.file_bytes) {
            Err(reason) => self.refuse(RuleId::Unreadable, &path, &reason, S::UNREADABLE),
            Ok(Content::TooLarge) => {
                let reason = format!("it is larger than {} bytes", self.limits.file_bytes);
                self.refuse(RuleId::FileTooLarge, &path, &reason, "keep large files in a store of their own");
            }
            Ok(Content::Bytes(content)) => {
                self.bytes += content.len();
                if self.bytes > self.limits.total_bytes {
                    let limit = self.limits.total_bytes;
                    return self.stop(
                        RuleId::TotalTooLarge,
                        format!("all files together are larger than {limit} bytes"),
                    );
                }
                self.files.insert(path, content);
            }
        }
    }

    fn refuse(&mut self, rule: RuleId, path: &str, reason: &str, hint: &str) {
        let path = if path.is_empty() { WHOLE.to_owned() } else { printable(path) };
        let message = format!("`{path}` is refused: {reason}");
        self.refused.push(Finding::error(rule, Place::file(path), message).hint(hint));
    }

    /// Ends the walk: what was not seen cannot be placed, so the tree as a whole is incomplete.
    fn stop(&mut self, rule: RuleId, message: String) {
        self.stopped = true;
        let hint = "keep the jobs in a repository, or a folder, of their own";
        self.refused.push(Finding::error(rule, Place::file(WHOLE), message).hint(hint));
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A path that does nothing to a terminal.
fn printable(path: &str) -> String {
    path.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
