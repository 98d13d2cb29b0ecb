//! `flinkops validate`: parse and check, without a cluster.

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::redact::Redactor;
use super::{load, output};
use crate::report::document::FindingsDocument;
use crate::report::{self, diagnostics, junit, markdown, sarif};

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    #[command(flatten)]
    repository: load::Flags,
    /// Which remarks make it fail too.
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
    /// The form of the findings.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    output: output::Flags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Deny {
    /// Findings of severity `warning`.
    Warnings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal.
    Text,
    /// For scripts.
    Json,
    /// For pull requests.
    Markdown,
    /// For code scanning.
    Sarif,
    /// For test reports.
    Junit,
}

/// Prints what is wrong; fails where something is.
pub(super) fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let reading = flags.repository.read(redactor)?;
    let secrets = redactor.secrets();
    let document = FindingsDocument::new(&reading.loaded.findings, reading.units(), &secrets);
    let text = match flags.format {
        Format::Text => diagnostics::findings(&document, &reading.tree, &secrets),
        Format::Json => report::json(&document),
        Format::Markdown => markdown::findings(&document),
        Format::Sarif => sarif::findings(&document),
        Format::Junit => junit::findings(&document),
    };
    flags.output.write(&text)?;
    let denied = flags.deny == Some(Deny::Warnings) && document.summary.warnings > 0;
    Ok(if document.summary.errors > 0 || denied { Exit::Failed } else { Exit::Done })
}
