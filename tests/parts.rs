//! What tests need beside Rust: built or fetched on first use, once per user, and kept outside the checkout.
//!
//! It lies in `$FLINKOPS_TEST_CACHE`, `$XDG_CACHE_HOME/flinkops` or `~/.cache/flinkops`. A missing
//! prerequisite is a failure that names it; a suite is left out by its own variable only.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// A suite that needs more than Rust.
pub struct Suite {
    /// What its tests are on, for people.
    pub name: &'static str,
    /// The variable that leaves it out when it is `off`.
    pub off: &'static str,
}

impl Suite {
    /// Whether it is left out on purpose; then it says so.
    pub fn is_off(&self) -> bool {
        let off = std::env::var(self.off).is_ok_and(|value| value == "off");
        if off {
            let thread = std::thread::current();
            self.say(&format!("{}: left out by {}=off", thread.name().unwrap_or("a test"), self.off));
        }
        off
    }

    /// Builds a package of the Go module in a folder; other `sources` (`go.mod` at least, whose `go.sum`
    /// pins every byte) build anew.
    pub fn go_tool(&self, folder: &str, package: &str, sources: &[&str]) -> Result<PathBuf> {
        let module = Path::new(folder).file_name().context("a Go module's folder")?.to_string_lossy();
        let name = format!("{module}-{}", fingerprint(&sources.concat()));
        let built = self.part(&name, |built| {
            self.run(
                Command::new("go")
                    .args(["build", "-C", folder, "-mod=readonly", "-ldflags=-s -w", "-o"])
                    .arg(built.join(&*module))
                    .arg(package)
                    .env("GOWORK", "off"),
            )
        })?;
        Ok(built.join(&*module))
    }

    /// Returns the cache's folder `name`, which `build` fills when it is not there yet.
    ///
    /// Test processes that need the same part at the same time wait for one of them; a build that was
    /// cut short leaves nothing that a later one could take for finished.
    pub fn part(&self, name: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let cache = cache_folder()?;
        let (folder, partial) = (cache.join(name), cache.join(format!("{name}.partial")));
        if folder.is_dir() {
            return Ok(folder);
        }
        fs::create_dir_all(&cache).with_context(|| format!("failed to create {}", cache.display()))?;
        let lock = File::create(cache.join(format!("{name}.lock")))?;
        if lock.try_lock().is_err() {
            self.say(&format!("waiting for another process that builds {name}"));
            lock.lock()?;
        }
        if folder.is_dir() {
            return Ok(folder);
        }
        let _ = fs::remove_dir_all(&partial);
        fs::create_dir(&partial)?;
        let start = Instant::now();
        self.say(&format!("building {name} into {} (once; this can take minutes)", cache.display()));
        build(&partial)
            .with_context(|| format!("failed to build {name} for the tests on a {}", self.name))?;
        fs::rename(&partial, &folder)?;
        self.say(&format!("built {name} in {:.0?}", start.elapsed()));
        Ok(folder)
    }

    /// Runs a program to its end; what it said is in the error.
    pub fn run(&self, command: &mut Command) -> Result<()> {
        let program = command.get_program().to_string_lossy().into_owned();
        let output = match command.output() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(self.missing(&program)),
            output => output.with_context(|| format!("failed to start `{program}`"))?,
        };
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            bail!("`{program}` ended with {}:\n{}", output.status, String::from_utf8_lossy(&said).trim());
        }
        Ok(())
    }

    /// Says what a program is needed for and how to do without.
    fn missing(&self, program: &str) -> String {
        let (what, why) = match program {
            "go" => ("Go 1.24 or newer", "builds what they talk to"),
            "mvn" => ("Maven", "fetches the Flink operator"),
            _ => ("a JDK 17 or newer", "unpacks or runs the Flink operator"),
        };
        let Self { name, off } = self;
        format!(
            "`{program}` was not found: the tests on a {name} need {what}, which {why}. \
             Install it, or set {off}=off to leave these tests out on purpose"
        )
    }

    /// Writes a line past the test runner's capture, since a first build keeps a person waiting.
    pub fn say(&self, line: &str) {
        let _ = writeln!(io::stderr(), "[{}] {line}", self.name);
    }
}

/// A short name for what is made from a text.
pub fn fingerprint(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).iter().take(6).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn cache_folder() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("FLINKOPS_TEST_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("flinkops")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/flinkops")))
        .context("none of FLINKOPS_TEST_CACHE, XDG_CACHE_HOME and HOME says where to keep built test parts")
}
