//! Builds and fetches what the real API server needs, once per user, and tells what is missing.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::OFF;

/// Where the Go modules lie whose `tool` is built; their `go.sum` pins every byte.
const MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/go");

/// The etcd binary.
pub fn etcd() -> Result<PathBuf> {
    go_tool("etcd", "go.etcd.io/etcd/server/v3", include_str!("go/etcd/go.mod"))
}

/// The kube-apiserver binary.
pub fn kube_apiserver() -> Result<PathBuf> {
    go_tool("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", include_str!("go/kubernetes/go.mod"))
}

/// The operator's custom resource definitions of one release, as YAML texts.
pub fn operator_crds(version: &str) -> Result<Vec<String>> {
    let folder = part(&format!("operator-crds-{version}"), |folder| fetch_crds(version, folder))?;
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
    let artifact = format!("org.apache.flink:flink-kubernetes-operator-api:{version}:jar");
    run(Command::new("mvn")
        .args(["--quiet", "--batch-mode", "dependency:copy"])
        .args([format!("-Dartifact={artifact}"), format!("-DoutputDirectory={}", folder.display())])
        .current_dir(folder))?;
    let jar = format!("flink-kubernetes-operator-api-{version}.jar");
    run(Command::new("jar").args(["xf", &jar, "META-INF/fabric8"]).current_dir(folder))
}

/// Builds the package of a Go module beside this file; a changed `go.mod` builds anew.
fn go_tool(module: &str, package: &str, go_mod: &str) -> Result<PathBuf> {
    let name = format!("{module}-{}", fingerprint(go_mod));
    let folder = part(&name, |folder| {
        run(Command::new("go")
            .args(["build", "-C", &format!("{MODULES}/{module}"), "-mod=readonly", "-ldflags=-s -w", "-o"])
            .arg(folder.join(module))
            .arg(package)
            .env("GOWORK", "off"))
    })?;
    Ok(folder.join(module))
}

fn fingerprint(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).iter().take(6).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Returns the cache's folder `name`, which `build` fills when it is not there yet.
///
/// Test processes that need the same part at the same time wait for one of them; a build that was
/// cut short leaves nothing that a later one could take for finished.
fn part(name: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = cache_folder()?;
    let (folder, partial) = (cache.join(name), cache.join(format!("{name}.partial")));
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(&cache).with_context(|| format!("failed to create {}", cache.display()))?;
    let lock = File::create(cache.join(format!("{name}.lock")))?;
    if lock.try_lock().is_err() {
        say(&format!("waiting for another process that builds {name}"));
        lock.lock()?;
    }
    if folder.is_dir() {
        return Ok(folder);
    }
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir(&partial)?;
    let start = Instant::now();
    say(&format!("building {name} into {} (once; this can take minutes)", cache.display()));
    build(&partial).with_context(|| format!("failed to build {name} for the tests on a real API server"))?;
    fs::rename(&partial, &folder)?;
    say(&format!("built {name} in {:.0?}", start.elapsed()));
    Ok(folder)
}

fn cache_folder() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("FLINKOPS_TEST_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("flinkops")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/flinkops")))
        .context("none of FLINKOPS_TEST_CACHE, XDG_CACHE_HOME and HOME says where to keep built test parts")
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(missing(&program)),
        output => output.with_context(|| format!("failed to start `{program}`"))?,
    };
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("`{program}` ended with {}:\n{}", output.status, String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

/// Says what a program is needed for and how to do without.
fn missing(program: &str) -> String {
    let (what, why) = match program {
        "go" => ("Go 1.24 or newer", "builds etcd and kube-apiserver from their modules"),
        "mvn" => ("Maven", "fetches the Flink operator's custom resource definitions"),
        _ => ("a JDK 17 or newer", "unpacks the Flink operator's custom resource definitions"),
    };
    format!(
        "`{program}` was not found: the tests on a real API server need {what}, which {why}. \
         Install it, or set {OFF}=off to leave these tests out on purpose"
    )
}

/// Writes a line past the test runner's capture, since a first build keeps a person waiting.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "[real API server] {line}");
}
