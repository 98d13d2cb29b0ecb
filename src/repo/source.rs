//! The one door for `cli` and `daemon`: a path or an address, read at a revision.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::access::Access;
use super::address::Address;
use super::error::RepoError;
use super::git::Repository;
use super::worktree;
use crate::spec::source::{Limits, Revision, SourceTree};

/// Where the job folders come from. Every call may block on disk or network.
pub struct Source {
    address: Address,
    access: Access,
    repository: Mutex<Option<Repository>>,
}

impl Source {
    /// Takes a path or an address; see [`Address::parse`].
    pub fn parse(given: &str) -> Result<Self, RepoError> {
        Ok(Self {
            address: Address::parse(given)?,
            access: Access::from_environment(),
            repository: Mutex::default(),
        })
    }

    /// Sets how a remote is reached.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Reads a revision. Without one: a path is read as it is on disk, everything else at HEAD.
    ///
    /// A remote is fetched before the first reading; after that, [`Self::fetch`] decides.
    pub fn read(&self, revision: Option<&str>, limits: &Limits) -> Result<SourceTree, RepoError> {
        match (&self.address, revision) {
            (Address::Folder(path), None) if !is_bare(path) => worktree::read(path, limits),
            _ => self.with_repository(|repository| {
                let revision = repository.resolve(revision.unwrap_or("HEAD"))?;
                repository.tree(&revision, &self.subfolder(repository)?, limits)
            }),
        }
    }

    /// Reads one file of a working directory alone, as it is on disk: what it holds is known long before
    /// [`Self::read`] is done, which has the last word on it. `None` wherever that takes more.
    pub fn glance(&self, revision: Option<&str>, name: &str, limits: &Limits) -> Option<SourceTree> {
        match (&self.address, revision) {
            (Address::Folder(path), None) => worktree::file(path, name, limits),
            _ => None,
        }
    }

    /// The commit that HEAD is at; of a remote: its default branch.
    pub fn head(&self) -> Result<Revision, RepoError> {
        self.resolve("HEAD")
    }

    /// Finds a commit by name; see [`Repository::resolve`].
    pub fn resolve(&self, revision: &str) -> Result<Revision, RepoError> {
        self.with_repository(|repository| repository.resolve(revision))
    }

    /// Brings the mirror of a remote up to date; does nothing for a repository on this machine.
    pub fn fetch(&self) -> Result<(), RepoError> {
        self.with(|repository, first| if first { Ok(()) } else { repository.fetch(&self.access) })
    }

    /// Whether one commit is another or comes after it; not, where either cannot be found (S3).
    pub fn descends_from(&self, new: &Revision, old: &Revision) -> bool {
        self.with_repository(|repository| Ok(repository.descends_from(new, old))).unwrap_or(false)
    }

    /// The folder to watch for changes, where the repository is on this machine.
    pub fn folder(&self) -> Option<&Path> {
        match &self.address {
            Address::Folder(path) | Address::Local(path) => Some(path),
            Address::Remote(_) => None,
        }
    }

    /// The folder's path from the root of its repository, `/`-separated.
    fn subfolder(&self, repository: &Repository) -> Result<String, RepoError> {
        let (Address::Folder(path) | Address::Local(path)) = &self.address else { return Ok(String::new()) };
        let Some(working) = repository.working_directory() else { return Ok(String::new()) };
        let canonical = |path: &Path| path.canonicalize().map_err(|error| RepoError::read(path, error));
        let (root, path) = (canonical(working)?, canonical(path)?);
        let below = path.strip_prefix(root).map(PathBuf::from).unwrap_or_default();
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        Ok(parts.join("/"))
    }

    fn with_repository<T>(
        &self,
        work: impl FnOnce(&Repository) -> Result<T, RepoError>,
    ) -> Result<T, RepoError> {
        self.with(|repository, _| work(repository))
    }

    /// Opens the repository on first use, which for a remote means to fetch it.
    fn with<T>(&self, work: impl FnOnce(&Repository, bool) -> Result<T, RepoError>) -> Result<T, RepoError> {
        let mut slot = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let first = slot.is_none();
        let repository = match slot.take() {
            Some(repository) => repository,
            None => self.open()?,
        };
        work(slot.insert(repository), first)
    }

    fn open(&self) -> Result<Repository, RepoError> {
        match &self.address {
            Address::Folder(path) | Address::Local(path) => Repository::open(path),
            Address::Remote(remote) => {
                let repository = Repository::mirror(remote, &self.access)?;
                repository.fetch(&self.access)?;
                Ok(repository)
            }
        }
    }
}

/// The address as one may show it.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Folder(path) | Address::Local(path) => path.display().fmt(f),
            Address::Remote(remote) => f.write_str(&remote.url),
        }
    }
}

/// Whether the folder is a bare repository, which has no working directory to read.
fn is_bare(path: &Path) -> bool {
    git2::Repository::open(path).is_ok_and(|repository| repository.is_bare())
}
