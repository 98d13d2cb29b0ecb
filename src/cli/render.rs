//! `flinkops render`: the manifests of an environment, secrets masked (S25).

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::exit::{Exit, Usage};
use super::redact::Redactor;
use super::{load, output};
use crate::flink::secret;
use crate::report;
use crate::spec::Desired;
use crate::spec::node::{Content, Node};
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
    /// Say for each value of a unit from which file and line it comes.
    #[arg(long, conflicts_with = "format")]
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
    mask(&mut desired);
    let text = match flags.format {
        _ if flags.explain => explain(&reading, &desired),
        Format::Text => crate::spec::render(&desired),
        Format::Json => report::json(&json!({"apiVersion": "v1", "kind": "List", "items": items(&desired)})),
        Format::Markdown => format!("```yaml\n{}```\n", crate::spec::render(&desired)),
    };
    flags.output.write(&text)?;
    Ok(if load::has_errors(&desired.findings) { Exit::Failed } else { Exit::Done })
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
        *manifest = secret::mask("", manifest);
    }
}

fn items(desired: &Desired) -> Vec<&Value> {
    let companions = desired.companions.values().map(|companion| &companion.manifest);
    companions.chain(desired.units.values().map(|unit| &unit.manifest)).collect()
}

/// `path: value  # file:line`, a line per value.
fn explain(reading: &load::Reading, masked: &Desired) -> String {
    let nodes = crate::spec::explain(&reading.tree, &Limits::default(), &masked.environment);
    let mut text = String::new();
    for (key, unit) in &masked.units {
        let Some(node) = nodes.get(key) else { continue };
        let _ = writeln!(text, "# {key}");
        lines(&mut text, "", node, &unit.manifest);
    }
    text
}

fn lines(text: &mut String, pointer: &str, node: &Node, shown: &Value) {
    let below = |segment: &str| format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"));
    match &node.content {
        Content::Map(members) if !members.is_empty() => {
            for (key, member) in members {
                lines(text, &below(key), &member.value, shown);
            }
        }
        Content::List(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                lines(text, &below(&index.to_string()), item, shown);
            }
        }
        _ => {
            let value = shown.pointer(pointer).map_or_else(|| "(removed)".to_owned(), ToString::to_string);
            let place = node.mark.place();
            let _ = writeln!(text, "{pointer}: {value}  # {}:{}", place.file, place.line);
        }
    }
}
