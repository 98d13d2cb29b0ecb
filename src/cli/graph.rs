//! `flinkops graph`: what depends on what.

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::redact::Redactor;
use super::{load, output};
use crate::report::document::GraphDocument;
use crate::report::{self, graphs, markdown};

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    #[command(flatten)]
    repository: load::Flags,
    /// The form of the graph.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    output: output::Flags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line per unit and per edge.
    Text,
    /// For scripts.
    Json,
    /// For Graphviz.
    Dot,
    /// For Mermaid.
    Mermaid,
    /// Mermaid in a code block, for pull requests.
    Markdown,
}

/// Prints the graph.
pub(super) fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let Some((reading, desired)) = flags.repository.read_one(redactor)? else { return Ok(Exit::Failed) };
    reading.say(&desired.findings, redactor);
    let document = GraphDocument::new(&desired);
    let text = match flags.format {
        Format::Text => graphs::text(&document),
        Format::Json => report::json(&document),
        Format::Dot => graphs::dot(&document),
        Format::Mermaid => graphs::mermaid(&document),
        Format::Markdown => markdown::graph(&document),
    };
    flags.output.write(&text)?;
    Ok(if load::has_errors(&desired.findings) { Exit::Failed } else { Exit::Done })
}
