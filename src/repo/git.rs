//! A repository's object database: revisions, trees and ancestry. Nothing is checked out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{ObjectType, Oid};
use sha2::{Digest as _, Sha256};

use super::access::Access;
use super::address::{Address, Remote};
use super::collect::{self, Content, Entry, Listing, Store};
use super::error::{RepoError, reason};
use super::{names, remote};
use crate::spec::source::{Limits, Origin, Revision, SourceTree};

/// The largest folder that is listed, in bytes of its tree object: some 200,000 entries.
const FOLDER_BYTES: usize = 16 << 20;

/// A Git repository on this machine: one of the user's, or our mirror of a remote.
pub struct Repository {
    git: git2::Repository,
    identity: String,
    mirror_of: Option<Remote>,
    blobs: RefCell<Blobs>,
}

impl Repository {
    /// Opens the repository that a folder belongs to, bare or not.
    pub fn open(folder: &Path) -> Result<Self, RepoError> {
        let git = git2::Repository::discover(folder)
            .map_err(|error| RepoError::open(folder.display().to_string(), &error))?;
        let identity = identity(&git);
        Ok(Self { git, identity, mirror_of: None, blobs: RefCell::default() })
    }

    /// Opens the mirror of a remote, or makes an empty one; [`Self::fetch`] fills it.
    pub fn mirror(remote: &Remote, access: &Access) -> Result<Self, RepoError> {
        let path = mirror_path(remote, access);
        let open = || match git2::Repository::open_bare(&path) {
            Err(error) if error.code() == git2::ErrorCode::NotFound => {
                private_folder(&path).map_err(|error| RepoError::read(&path, error))?;
                git2::Repository::init_bare(&path).map_err(|error| RepoError::open(&remote.url, &error))
            }
            other => other.map_err(|error| RepoError::open(path.display().to_string(), &error)),
        };
        let identity = remote.identity.clone();
        Ok(Self { git: open()?, identity, mirror_of: Some(remote.clone()), blobs: RefCell::default() })
    }

    /// Brings a mirror up to date; a local repository always is.
    pub fn fetch(&self, access: &Access) -> Result<(), RepoError> {
        self.mirror_of.as_ref().map_or(Ok(()), |from| remote::fetch(self.git.path(), from, access))
    }

    /// Identifies the repository for as long as it lives.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The working directory; `None` for a bare repository.
    pub fn working_directory(&self) -> Option<&Path> {
        self.git.workdir()
    }

    /// Where Git keeps its own files, for whoever watches them.
    pub fn git_folder(&self) -> &Path {
        self.git.path()
    }

    /// Finds a commit by branch, tag, remote branch, id or what Git takes as a revision (`HEAD~1`).
    /// A branch wins over a tag of the same name.
    pub fn resolve(&self, revision: &str) -> Result<Revision, RepoError> {
        let found = full_id(revision).map_or_else(|| self.by_name(revision), |id| self.git.find_commit(id));
        found.map(|commit| Revision::new(commit.id().to_string())).map_err(|error| RepoError::Revision {
            revision: revision.to_owned(),
            place: self.identity.clone(),
            reason: match error.code() {
                git2::ErrorCode::UnbornBranch => "there is no commit yet".into(),
                git2::ErrorCode::NotFound | git2::ErrorCode::InvalidSpec => "there is no such commit".into(),
                _ => reason(&error),
            },
            hint: self.similar_name(revision).map(|name| format!("did you mean `{name}`?")),
        })
    }

    fn by_name(&self, revision: &str) -> Result<git2::Commit<'_>, git2::Error> {
        if revision == "HEAD" {
            return self.git.head()?.peel_to_commit();
        }
        let mirrored = revision.strip_prefix("origin/").filter(|_| self.mirror_of.is_some());
        let places = ["refs/heads/", "refs/tags/", "refs/remotes/", "refs/remotes/origin/"];
        let names = places.map(|place| format!("{place}{}", mirrored.unwrap_or(revision)));
        match names.iter().find_map(|name| self.git.find_reference(name).ok()) {
            Some(reference) => reference.peel_to_commit(),
            None => self.git.revparse_single(revision)?.peel_to_commit(),
        }
    }

    fn similar_name(&self, revision: &str) -> Option<String> {
        let references = self.git.references().ok()?;
        let names = references.flatten().filter_map(|reference| Some(reference.shorthand().ok()?.to_owned()));
        let scored = names.map(|name| (strsim::jaro_winkler(&name, revision), name));
        scored
            .filter(|(score, _)| *score > 0.8)
            .max_by(|one, other| one.0.total_cmp(&other.0))
            .map(|(_, name)| name)
    }

    /// Reads the tree of a commit, or of a folder in it.
    pub fn tree(
        &self,
        revision: &Revision,
        subfolder: &str,
        limits: &Limits,
    ) -> Result<SourceTree, RepoError> {
        let root = self.folder(revision, subfolder)?;
        let objects = Objects { repository: self, fresh: RefCell::default() };
        let (files, refused) = collect::collect(&objects, &root, limits);
        let fresh = objects.fresh.into_inner();
        self.blobs.borrow_mut().turn(fresh);
        let origin = Origin { identity: self.identity.clone(), revision: revision.clone(), committed: true };
        Ok(SourceTree { origin, files, refused })
    }

    fn folder(&self, revision: &Revision, subfolder: &str) -> Result<Oid, RepoError> {
        let failed = |reason: &str| RepoError::Folder {
            folder: subfolder.to_owned(),
            revision: revision.to_string(),
            reason: reason.to_owned(),
        };
        let commit = full_id(revision.as_str()).and_then(|id| self.git.find_commit(id).ok());
        let mut tree = commit
            .ok_or_else(|| failed("there is no such commit"))?
            .tree()
            .map_err(|error| failed(&reason(&error)))?;
        for part in subfolder.split('/').filter(|part| !part.is_empty() && *part != ".") {
            names::check(part.as_bytes()).map_err(failed)?;
            let entry = tree.get_name(part).filter(|entry| entry.kind() == Some(ObjectType::Tree));
            let id = entry.ok_or_else(|| failed("there is no such folder"))?.id();
            tree = self.git.find_tree(id).map_err(|error| failed(&reason(&error)))?;
        }
        Ok(tree.id())
    }

    /// Whether one commit is another or comes after it. An unknown commit has no descendants (S3).
    pub fn descends_from(&self, new: &Revision, old: &Revision) -> bool {
        match (full_id(new.as_str()), full_id(old.as_str())) {
            (Some(new), Some(old)) if new == old => self.git.find_commit(new).is_ok(),
            (Some(new), Some(old)) => self.git.graph_descendant_of(new, old).unwrap_or(false),
            _ => false,
        }
    }
}

fn full_id(text: &str) -> Option<Oid> {
    (text.len() == 40).then(|| Oid::from_str(text).ok()).flatten()
}

/// What identifies a repository of the user's: its origin, where that says so, else where it is.
pub(super) fn identity(git: &git2::Repository) -> String {
    let origin = git.find_remote("origin").ok().and_then(|origin| origin.url().map(str::to_owned).ok());
    let origin = origin.and_then(|url| Address::parse(&url).ok());
    let base = git.workdir().unwrap_or_else(|| git.path());
    let place = match origin {
        Some(Address::Remote(remote)) => return remote.identity,
        Some(Address::Folder(path) | Address::Local(path)) => base.join(path).canonicalize().ok(),
        None => None,
    };
    // Every working directory of one repository has the same common folder.
    let own =
        || if git.commondir().ends_with(".git") { git.commondir().parent() } else { Some(git.commondir()) };
    let place = place.or_else(|| own()?.canonicalize().ok());
    place.as_deref().unwrap_or(base).display().to_string()
}

fn mirror_path(remote: &Remote, access: &Access) -> PathBuf {
    let digest = Sha256::digest(remote.url.as_bytes());
    let short = u64::from_be_bytes(*digest.first_chunk().expect("SHA-256 is longer than eight bytes"));
    let name = remote.identity.rsplit('/').next().unwrap_or_default();
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    access.cache_folder().join(format!("{name}-{short:016x}.git"))
}

/// Makes a folder that no other user can look into.
fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Contents of files by their id, kept from one revision to the next: the last two trees' worth.
#[derive(Default)]
struct Blobs {
    last: HashMap<Oid, Arc<[u8]>>,
    before: HashMap<Oid, Arc<[u8]>>,
}

impl Blobs {
    fn get(&self, id: Oid) -> Option<Arc<[u8]>> {
        self.last.get(&id).or_else(|| self.before.get(&id)).cloned()
    }

    fn turn(&mut self, fresh: HashMap<Oid, Arc<[u8]>>) {
        self.before = std::mem::replace(&mut self.last, fresh);
    }
}

/// The objects of a repository as a store of folders and files.
struct Objects<'a> {
    repository: &'a Repository,
    fresh: RefCell<HashMap<Oid, Arc<[u8]>>>,
}

impl Objects<'_> {
    /// The size of an object, after making sure that it is what the entry said.
    fn size(&self, id: Oid, kind: ObjectType) -> Result<usize, String> {
        let header = self.repository.git.odb().and_then(|odb| odb.read_header(id));
        match header.map_err(|error| reason(&error))? {
            (size, found) if found == kind => Ok(size),
            _ => Err(format!("the object is not a {kind}")),
        }
    }

    fn blob(&self, id: Oid, limit: usize) -> Result<Content, String> {
        if self.size(id, ObjectType::Blob)? > limit {
            return Ok(Content::TooLarge);
        }
        if let Some(known) = self.repository.blobs.borrow().get(id) {
            return Ok(Content::Bytes(known));
        }
        let odb = self.repository.git.odb().map_err(|error| reason(&error))?;
        let object = odb.read(id).map_err(|error| reason(&error))?;
        Ok(Content::Bytes(object.data().into()))
    }
}

impl Store for Objects<'_> {
    type Handle = Oid;

    const UNREADABLE: &'static str = "fetch the repository anew: this copy of it is damaged, or lacks a part";

    fn list(&self, folder: &Oid) -> Result<Listing<Oid>, String> {
        if self.size(*folder, ObjectType::Tree)? > FOLDER_BYTES {
            return Err("the folder has too many entries".into());
        }
        let tree = self.repository.git.find_tree(*folder).map_err(|error| reason(&error))?;
        Ok(tree.iter().map(|entry| (entry.name_bytes().to_vec(), kind_of(&entry))).collect())
    }

    fn read(&self, file: &Oid, limit: usize) -> Result<Content, String> {
        let content = self.blob(*file, limit)?;
        if let Content::Bytes(bytes) = &content {
            self.fresh.borrow_mut().insert(*file, Arc::clone(bytes));
        }
        Ok(content)
    }
}

fn kind_of(entry: &git2::TreeEntry<'_>) -> Entry<Oid> {
    match entry.filemode_raw() & 0o170_000 {
        0o040_000 => Entry::Folder(entry.id()),
        0o100_000 => Entry::File(entry.id()),
        0o120_000 => Entry::Symlink,
        0o160_000 => Entry::Submodule,
        _ => Entry::Special,
    }
}
