//! The Git repository of the demo: `examples/`, carried in the binary, in a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use git2::{IndexAddOption, RepositoryInitOptions, Signature};
use tempfile::TempDir;

use crate::spec::source::Revision;

/// The name of the environment that is played.
pub const ENVIRONMENT: &str = "staging";

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../examples/", $path)))),*]
    };
}

/// Every file of `examples/`; a test holds the list complete.
const FILES: &[(&str, &str)] = files![
    "README.md",
    "flinkops.yaml",
    "jobs/delivery-times/job.yaml",
    "jobs/delivery-times/prod.yaml",
    "jobs/delivery-times/staging.yaml",
    "jobs/fraud-scores/job.yaml",
    "jobs/fraud-scores/prod.yaml",
    "jobs/fraud-scores/staging.yaml",
    "jobs/orders-enrich/enrich.sql",
    "jobs/orders-enrich/job.yaml",
    "jobs/orders-enrich/prod.yaml",
    "jobs/orders-ingest/job.yaml",
    "jobs/orders-ingest/staging.yaml",
    "jobs/orders-session/jar-server.yaml",
    "jobs/orders-session/job.yaml",
    "jobs/orders-session/staging.yaml",
    "jobs/orders-sink/job.yaml",
];

/// A repository in a temporary folder, which goes with it.
pub struct DemoRepository {
    folder: TempDir,
    git: git2::Repository,
}

impl DemoRepository {
    /// Writes the files, with nothing committed yet.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("flinkops-demo-").tempdir()?;
        let git =
            git2::Repository::init_opts(folder.path(), RepositoryInitOptions::new().initial_head("main"))?;
        let repository = Self { folder, git };
        for (path, content) in FILES {
            let file = repository.path().join(path);
            fs::create_dir_all(file.parent().unwrap_or(repository.path()))?;
            fs::write(file, content)?;
        }
        // The embedded cluster goes through its day faster than a real one.
        repository.edit("flinkops.yaml", "settle: 5s", "settle: 500ms")?;
        Ok(repository)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the kubeconfig goes: out of Git's sight.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.git.path().join("demo-kubeconfig")
    }

    /// Replaces a text in a file.
    pub fn edit(&self, path: &str, from: &str, to: &str) -> anyhow::Result<()> {
        let file = self.path().join(path);
        let text = fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
        ensure!(text.matches(from).count() == 1, "failed to find `{from}` in {path} exactly once");
        fs::write(&file, text.replace(from, to))
            .with_context(|| format!("failed to write {}", file.display()))
    }

    /// Removes a folder.
    pub fn remove(&self, path: &str) -> anyhow::Result<()> {
        let folder = self.path().join(path);
        fs::remove_dir_all(&folder).with_context(|| format!("failed to remove {}", folder.display()))
    }

    /// Commits everything as it is.
    pub fn commit(&self, message: &str) -> anyhow::Result<Revision> {
        let mut index = self.git.index()?;
        index.add_all(["*"], IndexAddOption::DEFAULT, None)?;
        index.update_all(["*"], None)?;
        index.write()?;
        let tree = self.git.find_tree(index.write_tree()?)?;
        let parent = self.git.head().ok().map(|head| head.peel_to_commit()).transpose()?;
        let who = Signature::now("flinkops demo", "demo@flinkops.invalid")?;
        let parents: Vec<_> = parent.iter().collect();
        let id = self.git.commit(Some("HEAD"), &who, &who, message, &tree, &parents)?;
        Ok(Revision::new(id.to_string()))
    }

    /// Reverts the last commit; answers with the subject as well.
    pub fn revert(&self) -> anyhow::Result<(Revision, String)> {
        let last = self.git.head()?.peel_to_commit()?;
        let subject = format!("Revert \"{}\"", last.summary().ok().flatten().unwrap_or_default());
        self.git.revert(&last, None)?;
        let revision = self.commit(&subject)?;
        self.git.cleanup_state()?;
        Ok((revision, subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files below a folder, relative to the root.
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn the_binary_carries_every_example() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut found = Vec::new();
        walk(&root, &root, &mut found);
        // Patterns are repositories of their own.
        found.retain(|path| !path.starts_with("patterns/"));
        found.sort();
        let carried: Vec<_> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(carried, found);
    }

    #[test]
    fn a_revert_brings_a_folder_back() {
        let repository = DemoRepository::new().unwrap();
        let first = repository.commit("first").unwrap();
        repository.remove("jobs/orders-sink").unwrap();
        let second = repository.commit("second").unwrap();
        let (third, _) = repository.revert().unwrap();
        assert!(repository.path().join("jobs/orders-sink/job.yaml").exists());
        let tree = |revision: &Revision| {
            repository.git.find_commit(revision.as_str().parse().unwrap()).unwrap().tree_id()
        };
        assert_eq!(tree(&first), tree(&third));
        assert_ne!(tree(&first), tree(&second));
    }
}
