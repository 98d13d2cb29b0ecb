//! Reads a working directory, or any folder, as Git would commit it.
//!
//! Beside Git's own folder only what Git ignores and does not track is left out: it could never be in
//! a revision, so a working directory without changes reads exactly like its commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use git2::StatusOptions;

use super::WORKING_DIRECTORY;
use super::collect::{self, Content, Entry, Listing, Store};
use super::error::RepoError;
use super::git;
use crate::spec::source::{Limits, Origin, Revision, SourceTree};

/// Reads the folder at `path`, which may be a working directory, a folder inside one, or neither.
pub fn read(path: &Path, limits: &Limits) -> Result<SourceTree, RepoError> {
    let root = path.canonicalize().map_err(|error| RepoError::read(path, error))?;
    fs::read_dir(&root).map_err(|error| RepoError::read(path, error))?;
    let place = Place::find(&root)?;
    let disk =
        Disk { root: &root, tracked: place.as_ref().map(Place::tracked).transpose()?, place: place.as_ref() };
    let (files, refused) = collect::collect(&disk, &root, limits);
    let origin = match &place {
        Some(place) => place.origin()?,
        None => uncommitted(root.display().to_string()),
    };
    Ok(SourceTree { origin, files, refused })
}

/// Reads one file of a folder and asks Git nothing; `None` for what [`read`] would refuse or could not find.
pub fn file(path: &Path, name: &str, limits: &Limits) -> Option<SourceTree> {
    let root = path.canonicalize().ok()?;
    let disk = Disk { root: &root, tracked: None, place: None };
    let Ok(Content::Bytes(content)) = disk.read(&root.join(name), limits.file_bytes) else { return None };
    let origin = uncommitted(root.display().to_string());
    Some(SourceTree { origin, files: BTreeMap::from([(name.to_owned(), content)]), refused: Vec::new() })
}

fn uncommitted(identity: String) -> Origin {
    Origin { identity, revision: Revision::new(WORKING_DIRECTORY), committed: false }
}

/// A folder within the working directory of a Git repository.
struct Place {
    git: git2::Repository,
    /// Path from the working directory, empty for itself.
    prefix: PathBuf,
}

impl Place {
    fn find(root: &Path) -> Result<Option<Self>, RepoError> {
        let git = match git2::Repository::discover(root) {
            Ok(git) => git,
            Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(RepoError::open(root.display().to_string(), &error)),
        };
        let working = git.workdir().and_then(|folder| folder.canonicalize().ok());
        let prefix = working.and_then(|folder| root.strip_prefix(folder).ok().map(Path::to_owned));
        Ok(prefix.map(|prefix| Self { git, prefix }))
    }

    fn failed(&self, error: &git2::Error) -> RepoError {
        RepoError::open(self.git.path().display().to_string(), error)
    }

    /// The paths in Git's index, from the working directory.
    fn tracked(&self) -> Result<BTreeSet<Vec<u8>>, RepoError> {
        let index = self.git.index().map_err(|error| self.failed(&error))?;
        Ok(index.iter().map(|entry| entry.path).collect())
    }

    fn origin(&self) -> Result<Origin, RepoError> {
        let identity = git::identity(&self.git);
        let head = self.git.head().and_then(|head| head.peel_to_commit()).map(|commit| commit.id());
        match head {
            Ok(head) if self.is_clean()? => {
                Ok(Origin { identity, revision: Revision::new(head.to_string()), committed: true })
            }
            _ => Ok(uncommitted(identity)),
        }
    }

    /// Whether nothing in the folder differs from HEAD.
    fn is_clean(&self) -> Result<bool, RepoError> {
        let mut options = StatusOptions::new();
        options.include_untracked(true).include_ignored(false).disable_pathspec_match(true);
        if !self.prefix.as_os_str().is_empty() {
            options.pathspec(&self.prefix);
        }
        let statuses = self.git.statuses(Some(&mut options)).map_err(|error| self.failed(&error))?;
        Ok(statuses.is_empty())
    }
}

/// A folder on disk as a store of folders and files.
struct Disk<'a> {
    root: &'a Path,
    place: Option<&'a Place>,
    tracked: Option<BTreeSet<Vec<u8>>>,
}

impl Disk<'_> {
    /// Whether Git would never commit this.
    fn is_left_out(&self, path: &Path, is_folder: bool) -> bool {
        let (Some(place), Some(tracked)) = (self.place, &self.tracked) else { return false };
        let Ok(below) = path.strip_prefix(self.root) else { return false };
        let mut name = place.prefix.join(below).into_os_string();
        if is_folder {
            name.push("/");
        }
        let bytes = name.as_encoded_bytes();
        let known = tracked
            .range(bytes.to_vec()..)
            .next()
            .is_some_and(|first| if is_folder { first.starts_with(bytes) } else { first == bytes });
        !known && place.git.is_path_ignored(Path::new(&name)).unwrap_or(false)
    }

    fn entry(&self, entry: &fs::DirEntry) -> std::io::Result<Option<(Vec<u8>, Entry<PathBuf>)>> {
        let (name, path, kind) = (entry.file_name(), entry.path(), entry.file_type()?);
        let own = path.parent() == Some(self.root) && name == ".git";
        if own || self.is_left_out(&path, kind.is_dir()) {
            return Ok(None);
        }
        let what = if kind.is_symlink() {
            Entry::Symlink
        } else if kind.is_dir() && path.join(".git").symlink_metadata().is_ok() {
            Entry::Submodule
        } else if kind.is_dir() {
            Entry::Folder(path)
        } else if kind.is_file() {
            Entry::File(path)
        } else {
            Entry::Special
        };
        Ok(Some((name.as_encoded_bytes().to_vec(), what)))
    }
}

impl Store for Disk<'_> {
    type Handle = PathBuf;

    const UNREADABLE: &'static str = "make it readable";

    fn list(&self, folder: &PathBuf) -> Result<Listing<PathBuf>, String> {
        let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
        let entries = entries.map(|entry| self.entry(&entry?)).collect::<Result<Vec<_>, _>>();
        entries.map(|entries| entries.into_iter().flatten().collect()).map_err(|error| error.to_string())
    }

    fn read(&self, path: &PathBuf, limit: usize) -> Result<Content, String> {
        let failed = |error: std::io::Error| error.to_string();
        let seen = path.symlink_metadata().map_err(failed)?;
        let file = File::open(path).map_err(failed)?;
        let opened = file.metadata().map_err(failed)?;
        if !same_file(&seen, &opened) {
            return Err("it was replaced while it was read".into());
        }
        let mut content = Vec::new();
        file.take(limit as u64 + 1).read_to_end(&mut content).map_err(failed)?;
        Ok(if content.len() > limit { Content::TooLarge } else { Content::Bytes(content.into()) })
    }
}

/// Whether a file is still the regular file it was when its folder was listed, and no link by now.
#[cfg(unix)]
fn same_file(seen: &fs::Metadata, opened: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    seen.is_file() && (seen.dev(), seen.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
fn same_file(seen: &fs::Metadata, opened: &fs::Metadata) -> bool {
    seen.is_file() && opened.is_file()
}
