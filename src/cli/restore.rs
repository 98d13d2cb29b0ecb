//! `flinkops restore`: writes into a job's file that it is to be restored from a savepoint, for the user to
//! commit.

use std::path::Path;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::cluster;
use super::exit::{Exit, Usage};
use super::redact::Redactor;
use super::talk::{self, Tone};
use crate::flink::kind::UnitKey;
use crate::flink::pointer::At as _;
use crate::plan::Live;
use crate::spec::node::Node;
use crate::spec::source::Limits;
use crate::spec::{Desired, Unit, edit, load};

const PATH: [&str; 3] = ["spec", "job", "initialSavepointPath"];
const NONCE: [&str; 3] = ["spec", "job", "savepointRedeployNonce"];

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    /// The job, by name.
    #[arg(value_name = "JOB")]
    job: String,
    /// The savepoint, instead of the youngest on record.
    #[arg(long, value_name = "PATH")]
    savepoint: Option<String>,
    #[command(flatten)]
    target: cluster::Target,
}

/// Edits the job's file in the working directory.
pub(super) async fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let Some((reading, mut desired)) = flags.target.repository.read_one(redactor)? else {
        return Ok(Exit::Failed);
    };
    let folder = reading.source.folder().filter(|_| flags.target.repository.revision().is_none());
    let Some(folder) = folder else {
        return Err(Usage::new("restore writes into a working directory", "name a folder with --repo").into());
    };
    let cluster = flags.target.connect(&desired, redactor).await?;
    let live = flags.target.look(&cluster, &reading, &mut desired, redactor).await?.live;
    let unit = flags.unit(&desired)?;
    let Some(savepoint) = flags.savepoint.clone().or_else(|| on_record(&live, &unit.key, redactor)) else {
        talk::say(Tone::Error, &format!("no savepoint of {} is on record", unit.key.name));
        talk::say(Tone::Help, "name one with --savepoint");
        return Ok(Exit::Failed);
    };
    let mut fields = vec![(PATH, json!(savepoint))];
    match crate::plan::restores(&desired, &live, &unit.key) {
        Some(true) => fields.push((NONCE, json!(nonce(unit, &live)))),
        Some(false) => {}
        None => {
            talk::say(
                Tone::Error,
                "this cluster's operator restores a savepoint only where it creates a job",
            );
            talk::say(
                Tone::Help,
                "take the folder out of Git, apply, and bring it back with job.initialSavepointPath",
            );
            return Ok(Exit::Failed);
        }
    }
    let several = load(&reading.tree, &Limits::default(), None).environments.len() > 1;
    let file = file(unit, &desired, several);
    match write(&folder.join(&file), &file, unit, &fields) {
        Ok(()) => {}
        Err(Refused::Io(error)) => return Err(error),
        Err(Refused::Shape(why)) => {
            talk::say(Tone::Error, &why);
            return Ok(Exit::Failed);
        }
    }
    for (path, value) in &fields {
        talk::write(&format!("{file}: {}: {}\n", path.join("."), redactor.scrub(&value.to_string())));
    }
    talk::write(&format!("Commit it, and {} is restored from there.\n", unit.key.name));
    Ok(Exit::Done)
}

impl Flags {
    fn unit<'a>(&self, desired: &'a Desired) -> Result<&'a Unit, Usage> {
        let is_it = |unit: &&Unit| unit.key.name == self.job || unit.key.to_string() == self.job;
        let mut found = desired.units.values().filter(|unit| unit.role.has_job()).filter(is_it);
        match (found.next(), found.next()) {
            (Some(unit), None) => Ok(unit),
            (Some(unit), Some(_)) => {
                let hint = format!("name one in full: {}", unit.key);
                Err(Usage::new(format!("several jobs are called `{}`", self.job), hint))
            }
            (None, _) => {
                let hint = "`flinkops status` lists the units by name";
                Err(Usage::new(format!("there is no job `{}`", self.job), hint))
            }
        }
    }
}

/// The youngest savepoint on record, or the last checkpoint that was seen where there is none; of a checkpoint it
/// is said that it may be gone.
fn on_record(live: &Live, unit: &UnitKey, redactor: &Redactor) -> Option<String> {
    let ledger = live.ledger(unit)?;
    let savepoint = ledger.savepoints.first().map(|savepoint| savepoint.path.clone());
    let checkpoint = ledger.checkpoint.as_ref();
    if let Some(seen) = checkpoint {
        let what = format!("the checkpoint {} was seen at {}", redactor.scrub(&seen.path), seen.seen);
        talk::say(Tone::Warning, &format!("{what}: Flink may have deleted it since"));
        if savepoint.is_some() {
            talk::say(
                Tone::Help,
                "it is younger than the savepoint; to restore it, name it with --savepoint",
            );
        }
    }
    savepoint.or_else(|| Some(checkpoint?.path.clone()))
}

/// A nonce that is another than any before it.
fn nonce(unit: &Unit, live: &Live) -> i64 {
    let known = |spec: &Value| spec.at("/job/savepointRedeployNonce").and_then(Value::as_i64);
    let in_cluster = live.units.get(&unit.key).and_then(|live| known(live.spec()));
    known(unit.spec()).max(in_cluster).map_or(1, |nonce| nonce.saturating_add(1))
}

/// The file to write to: the one that names a savepoint already; a savepoint is one environment's.
fn file(unit: &Unit, desired: &Desired, several: bool) -> String {
    let named = unit.written.at(&PATH).map(|node| node.mark.file.to_string());
    let job = &unit.place.file;
    let own = format!("{}/{}.yaml", unit.folder, desired.environment);
    let layered = job.rsplit('/').next().is_some_and(|name| name.starts_with("job."));
    named.unwrap_or(if several && layered { own } else { job.clone() })
}

enum Refused {
    Io(anyhow::Error),
    Shape(String),
}

fn write(path: &Path, file: &str, unit: &Unit, fields: &[([&str; 3], Value)]) -> Result<(), Refused> {
    let io = |error: std::io::Error| {
        Refused::Io(anyhow::Error::new(error).context(format!("failed to edit {}", path.display())))
    };
    let mut text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "spec: {}\n".to_owned(),
        text => text.map_err(io)?,
    };
    let is_it = |node: &Node| match node.get("apiVersion") {
        Some(_) => node.at(&["metadata", "name"]).and_then(Node::text) == Some(&unit.key.name),
        None => true,
    };
    for (at, value) in fields {
        text = edit::set(file, &text, is_it, at, value).map_err(Refused::Shape)?;
    }
    std::fs::write(path, text).context("failed to write").map_err(Refused::Io)
}
