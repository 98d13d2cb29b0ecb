//! `flinkops drift`: what the cluster changed by itself.

use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::output::{self, Format};
use super::redact::Redactor;
use super::{cluster, plan};
use crate::report::document::PlanDocument;
use crate::report::{self, markdown, text};

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    #[command(flatten)]
    target: cluster::ReadTarget,
    /// Which drift makes the exit code 2.
    #[arg(long, value_enum, default_value_t = FailOn::Any, value_name = "WHAT")]
    fail_on: FailOn,
    /// The form of the report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    output: output::Flags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Labels and annotations as well.
    Any,
    /// Only what is below `/spec`.
    Spec,
}

/// Prints the report.
pub(super) async fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let Some(seen) = plan::look(&flags.target, None, redactor).await? else { return Ok(Exit::Failed) };
    let document = seen.document(flags.format, redactor).into_drift();
    flags.output.write(&match flags.format {
        Format::Text => text::drift(&document, flags.output.width()),
        Format::Json => report::json(&document),
        Format::Markdown => markdown::drift(&document),
    })?;
    Ok(if document.has_errors() {
        Exit::Failed
    } else if counts(&document, flags.fail_on) {
        Exit::Something
    } else {
        Exit::Done
    })
}

fn counts(document: &PlanDocument, fail_on: FailOn) -> bool {
    let units = document.units.iter().flat_map(|unit| &unit.changes);
    let mut changes = units.chain(document.companions.iter().flat_map(|companion| &companion.changes));
    match fail_on {
        FailOn::Any => changes.next().is_some(),
        FailOn::Spec => changes.any(|change| !change.path.starts_with("/metadata/")),
    }
}
