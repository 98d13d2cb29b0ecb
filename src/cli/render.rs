//! `flinkops render`: the manifests of an environment, secrets masked (S25).

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::exit::{Exit, Usage};
use super::redact::Redactor;
use super::{load, output};
use crate::flink::secret;
use crate::report::{self, document::ExplanationDocument};
use crate::spec::Desired;
use crate::spec::explain::explain;
use crate::spec::source::Limits;

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    #[command(flatten)]
    repository: load::Flags,
    /// Only the folders and units of these names.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Say behind each value in which layer, file and line it is written.
    #[arg(long)]
    explain: bool,
    /// The form of the manifests.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    output: output::Flags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// YAML documents.
    Text,
    /// One list.
    Json,
    /// YAML documents in a code block.
    Markdown,
}

/// Prints the companions, then the units.
pub(super) fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let Some((reading, mut desired)) = flags.repository.read_one(redactor)? else { return Ok(Exit::Failed) };
    reading.say(&desired.findings, redactor);
    choose(&mut desired, &flags.only)?;
    let text = if flags.explain {
        let sources = explain(&reading.tree, &Limits::default(), &desired.environment);
        let document = ExplanationDocument::new(&desired, &sources);
        let text = report::text::explanation(&document);
        formatted(flags.format, text, || report::json(&document))
    } else {
        mask(&mut desired);
        let list = || json!({"apiVersion": "v1", "kind": "List", "items": items(&desired)});
        formatted(flags.format, crate::spec::render(&desired), || report::json(&list()))
    };
    flags.output.write(&text)?;
    Ok(if load::has_errors(&desired.findings) { Exit::Failed } else { Exit::Done })
}

fn formatted(format: Format, yaml: String, json: impl FnOnce() -> String) -> String {
    match format {
        Format::Text => yaml,
        Format::Json => json(),
        Format::Markdown => format!("```yaml\n{yaml}```\n"),
    }
}

/// Leaves what was asked for.
fn choose(desired: &mut Desired, only: &[String]) -> Result<(), Usage> {
    if only.is_empty() {
        return Ok(());
    }
    let is = |wanted: &String, name: &str, folder: &str| {
        wanted == name || wanted == folder || Some(wanted.as_str()) == folder.rsplit('/').next()
    };
    let known = |wanted: &String| desired.units.values().any(|unit| is(wanted, &unit.key.name, &unit.folder));
    if let Some(unknown) = only.iter().find(|wanted| !known(wanted)) {
        let message = format!("--only: there is no unit or folder `{unknown}`");
        return Err(Usage::new(message, "`flinkops graph` lists them"));
    }
    let chosen = |name: &str, folder: &str| only.iter().any(|wanted| is(wanted, name, folder));
    desired.units.retain(|key, unit| chosen(&key.name, &unit.folder));
    desired.companions.retain(|key, companion| chosen(&key.name, &companion.folder));
    Ok(())
}

fn mask(desired: &mut Desired) {
    let units = desired.units.values_mut().map(|unit| &mut unit.manifest);
    let companions = desired.companions.values_mut().map(|companion| &mut companion.manifest);
    for manifest in units.chain(companions) {
        *manifest = secret::mask("", manifest).into();
    }
}

fn items(desired: &Desired) -> Vec<&Value> {
    let companions = desired.companions.values().map(|companion| &companion.manifest);
    companions.chain(desired.units.values().map(|unit| &unit.manifest)).map(|manifest| &**manifest).collect()
}
