//! What the stack needs beside the API server: kube-controller-manager, the operator with its Flink, and a job.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::FLINK;
use crate::parts::fingerprint;
use crate::real::artifacts::{MODULES, copy_artifact};

/// The kube-controller-manager binary.
pub fn kube_controller_manager() -> Result<PathBuf> {
    let folder = format!("{MODULES}/kube-controller-manager");
    let sources = [include_str!("../go/kube-controller-manager/go.mod")];
    FLINK.go_tool(&folder, "k8s.io/kubernetes/cmd/kube-controller-manager", &sources)
}

/// The folder of the operator's jars, which are a whole Flink as well.
pub fn operator_jars() -> Result<PathBuf> {
    let project = include_str!("pom.xml");
    FLINK.part(&format!("operator-{}", fingerprint(project)), |folder| {
        std::fs::write(folder.join("pom.xml"), project)?;
        FLINK.run(
            Command::new("mvn")
                .args(["--quiet", "--batch-mode", "dependency:copy-dependencies"])
                .arg(format!("-DoutputDirectory={}", folder.display()))
                .current_dir(folder),
        )
    })
}

/// A jar with `StateMachineExample`, a job with keyed state that enables checkpoints by itself.
pub fn example_jar() -> Result<PathBuf> {
    // The examples of the Flink that runs it, 1.17.1, are not published; this one runs on it.
    let (artifact, version) = ("flink-examples-streaming", "1.18.1");
    let folder = FLINK.part(&format!("{artifact}-{version}"), |folder| {
        copy_artifact(&FLINK, &format!("{artifact}:{version}"), folder)
    })?;
    Ok(folder.join(format!("{artifact}-{version}.jar")))
}
