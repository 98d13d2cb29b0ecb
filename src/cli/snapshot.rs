//! `--live-file` and `--save`: a cluster as a file, and the key that closes its secrets.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;

use super::exit::Usage;
use super::output;
use super::redact::Redactor;
use crate::cluster::{Scope, gather};
use crate::flink::secret::{Seal, Secrets};
use crate::plan::live::LiveObject;
use crate::plan::{Live, sealed};
use crate::report;
use crate::report::document::{Snapshot, SnapshotDocument};
use crate::spec::Desired;

/// The variable with the key for the secrets of a snapshot.
const KEY: &str = "FLINKOPS_SNAPSHOT_KEY";
/// How to get one.
const KEY_HINT: &str = "make a key with `openssl rand -hex 32` and keep it where you keep passwords";

/// Where to keep what was read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
#[group(skip)]
pub(super) struct Flags {
    /// Also write what was read to this file, for --live-file. Secrets are written as hashes with the key
    /// in `FLINKOPS_SNAPSHOT_KEY`.
    #[arg(long, value_name = "FILE", conflicts_with = "live_file")]
    save: Option<PathBuf>,
}

impl Flags {
    /// Writes the snapshot, if one is wanted.
    pub(super) fn save(&self, live: &Live, desired: &Desired, redactor: &Redactor) -> anyhow::Result<()> {
        let Some(path) = &self.save else { return Ok(()) };
        let seal = seal(redactor)?;
        let known = redactor.secrets();
        let snapshot = SnapshotDocument::new(live, desired, now(), seal.as_ref(), &known);
        let snapshot = snapshot.ok_or_else(|| {
            Usage::new(format!("the cluster holds secret values, and {KEY} is not set"), KEY_HINT)
        })?;
        output::replace(path, &report::json(&snapshot))
    }
}

/// The time in whole seconds, as people write it.
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).expect("it was a time before")
}

/// Reads what a cluster held, and when that was, where the file says so. What there is to know about the
/// file becomes a finding.
pub(super) fn read(
    path: &Path,
    desired: &mut Desired,
    redactor: &Redactor,
) -> anyhow::Result<(Live, Option<Timestamp>)> {
    let (file, bytes) = bytes(path)?;
    let snapshot = Snapshot::read(&file, &bytes)?;
    redactor.add(Secrets::of(snapshot.objects.iter().map(LiveObject::shared)));
    check(&snapshot, desired)?;
    let remarks = snapshot.remarks(desired)?;
    desired.findings.extend(remarks);
    let mut live = gather(&Scope::of(desired), &snapshot.name(), snapshot.objects);
    live.schema = snapshot.schema;
    if let Some(key) = &snapshot.key {
        live = sealed::open(live, desired, &matching(seal(redactor)?, key, &file)?);
    }
    Ok((live, snapshot.read.map(|(_, time)| time)))
}

fn bytes(path: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("failed to read standard input")?;
        return Ok(("standard input".to_owned(), bytes));
    }
    let file = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {file}"))?;
    Ok((file, bytes))
}

/// The records in a snapshot are those of one environment; another's would look like none.
fn check(snapshot: &Snapshot, desired: &Desired) -> Result<(), Usage> {
    let wanted = (desired.repository.clone(), desired.environment.clone());
    match &snapshot.made_for {
        Some(made_for) if *made_for != wanted => Err(Usage::new(
            format!(
                "{} is of {} in {}, and not of {} in {}",
                snapshot.file, made_for.0, made_for.1, wanted.0, wanted.1
            ),
            "name the environment it was made for with --environment, or make another snapshot",
        )),
        _ => Ok(()),
    }
}

fn seal(redactor: &Redactor) -> Result<Option<Seal>, Usage> {
    let Some(key) = std::env::var(KEY).ok().filter(|key| !key.is_empty()) else { return Ok(None) };
    let mut secrets = Secrets::default();
    secrets.add(&key);
    redactor.add(secrets);
    let short = || Usage::new(format!("{KEY} has fewer than {} characters", Seal::SHORTEST_KEY), KEY_HINT);
    Seal::new(&key).map(Some).ok_or_else(short)
}

fn matching(seal: Option<Seal>, key: &str, file: &str) -> Result<Seal, Usage> {
    let hint = "set it to the key that the snapshot was made with";
    let seal = seal
        .ok_or_else(|| Usage::new(format!("{file} holds hashes of secrets, and {KEY} is not set"), hint))?;
    let same = seal.fingerprint() == key;
    same.then_some(seal).ok_or_else(|| Usage::new(format!("{file} was made with another {KEY}"), hint))
}
