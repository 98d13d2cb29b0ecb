//! A repository on disk, and the `flinkops` command let loose on it with the rights of `deploy/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result};
use flinkops::flink::kind::{GROUP, Kind, VERSION};
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::Value;
use tempfile::TempDir;

use super::deploy::{self, READER, WRITER};

/// A repository, and a namespace for what it says.
pub struct Place {
    folder: TempDir,
    repository: String,
    pub namespace: String,
    pub admin: Client,
    /// How commands ask Flink itself, if they do.
    pub flink_rest: Option<String>,
}

impl Place {
    pub async fn new(cluster: &super::Cluster) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let repository = folder.path().join("repository").to_str().context("an ordinary path")?.to_owned();
        let namespace = cluster.namespace().await?;
        let admin = cluster.admin().await?;
        let place = Self { folder, repository, namespace, admin, flink_rest: None };
        for account in [WRITER, READER] {
            let rules = deploy::rules(account);
            let token = deploy::install(cluster, &place.namespace, account, &rules).await?;
            cluster.write_kubeconfig(&place.kubeconfig(account), &token, &place.namespace)?;
        }
        git2::Repository::init(&place.repository)?;
        Ok(place)
    }

    /// The folder of everything, gone with the place.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The repository's folder.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Commits exactly these files, in which `NAMESPACE` stands for the place's.
    pub fn commit(&self, files: &[(&str, &str)]) -> Result<()> {
        let repository = git2::Repository::open(&self.repository)?;
        let mut index = repository.index()?;
        index.clear()?;
        for (path, text) in files {
            let file = Path::new(&self.repository).join(path);
            std::fs::create_dir_all(file.parent().context("a folder")?)?;
            std::fs::write(&file, text.replace("NAMESPACE", &self.namespace))?;
            index.add_path(Path::new(path))?;
        }
        let tree = repository.find_tree(index.write_tree()?)?;
        index.write()?;
        let author = git2::Signature::now("somebody", "somebody@example.com")?;
        let parent = repository.head().ok().map(|head| head.peel_to_commit()).transpose()?;
        let parents: Vec<_> = parent.iter().collect();
        repository.commit(Some("HEAD"), &author, &author, "a change", &tree, &parents)?;
        Ok(())
    }

    /// The command with the rights of an account.
    pub fn flinkops(&self, account: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flinkops"));
        command.args(arguments).env("KUBECONFIG", self.kubeconfig(account));
        command.envs(self.flink_rest.iter().map(|way| ("FLINKOPS_FLINK_REST", way)));
        command
    }

    /// Runs a command of the read-only account on HEAD; answers with its exit code and JSON.
    pub fn read(&self, command: &str) -> Result<(i32, Value)> {
        let arguments = [command, "--repo", &self.repository, "--revision", "HEAD", "--format", "json"];
        let Output { status, stdout, stderr } = self.flinkops(READER, &arguments).output()?;
        let said = String::from_utf8_lossy(&stderr);
        let document =
            serde_json::from_slice(&stdout).with_context(|| format!("{command}: {status}\n{said}"))?;
        Ok((status.code().context("an exit code")?, document))
    }

    /// The administrator's view of the units of a kind.
    pub fn objects(&self, kind: Kind) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(GROUP, VERSION, kind.as_str()),
            kind.plural(),
        );
        Api::namespaced_with(self.admin.clone(), &self.namespace, &resource)
    }

    fn kubeconfig(&self, account: &str) -> PathBuf {
        self.folder.path().join(account)
    }
}
