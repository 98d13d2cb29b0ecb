//! What the real API server needs: its binaries, and the Flink operator's custom resource definitions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::SUITE;
use crate::parts::Suite;

/// Where the Go modules lie whose packages are built.
pub const MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/go");

/// The etcd binary.
pub fn etcd() -> Result<PathBuf> {
    let folder = format!("{MODULES}/etcd");
    SUITE.go_tool(&folder, "go.etcd.io/etcd/server/v3", &[include_str!("go/etcd/go.mod")])
}

/// The kube-apiserver binary.
pub fn kube_apiserver() -> Result<PathBuf> {
    let folder = format!("{MODULES}/kubernetes");
    SUITE.go_tool(&folder, "k8s.io/kubernetes/cmd/kube-apiserver", &[include_str!("go/kubernetes/go.mod")])
}

/// The operator's custom resource definitions of one release, as YAML texts.
pub fn operator_crds(version: &str) -> Result<Vec<String>> {
    let folder = SUITE.part(&format!("operator-crds-{version}"), |folder| fetch_crds(version, folder))?;
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder.join("META-INF/fabric8"))? {
        let path = entry?.path();
        // Beside each lies an obsolete `-v1beta1.yml`, which no API server takes any more.
        if path.to_str().is_some_and(|name| name.ends_with("-v1.yml")) {
            texts.push(fs::read_to_string(path)?);
        }
    }
    if texts.is_empty() {
        bail!("operator API {version} holds no custom resource definitions under META-INF/fabric8");
    }
    Ok(texts)
}

fn fetch_crds(version: &str, folder: &Path) -> Result<()> {
    copy_artifact(&SUITE, &format!("flink-kubernetes-operator-api:{version}"), folder)?;
    let jar = format!("flink-kubernetes-operator-api-{version}.jar");
    SUITE.run(Command::new("jar").args(["xf", &jar, "META-INF/fabric8"]).current_dir(folder))
}

/// Fetches one artifact of Flink, `name:version`, into a folder.
pub fn copy_artifact(suite: &Suite, artifact: &str, folder: &Path) -> Result<()> {
    let artifact = format!("org.apache.flink:{artifact}:jar");
    suite.run(
        Command::new("mvn")
            .args(["--quiet", "--batch-mode", "dependency:copy"])
            .args([format!("-Dartifact={artifact}"), format!("-DoutputDirectory={}", folder.display())])
            .current_dir(folder),
    )
}
