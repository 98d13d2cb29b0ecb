//! `flinkops status`: how every unit is doing.

use clap::Args;

use super::exit::Exit;
use super::output::{self, Format};
use super::redact::Redactor;
use super::{cluster, load, only};
use crate::report::document::StatusDocument;
use crate::report::{self, markdown, text};

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    #[command(flatten)]
    repository: load::Flags,
    #[command(flatten)]
    cluster: cluster::Flags,
    #[command(flatten)]
    only: only::Flags,
    /// The form of the report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    output: output::Flags,
}

/// Prints the report.
pub(super) async fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let reading = flags.repository.read(redactor)?;
    let Some(mut desired) = reading.desired(&flags.repository, redactor)? else { return Ok(Exit::Failed) };
    let cluster = flags.cluster.connect(desired.context.as_deref(), redactor).await?;
    let look = cluster::look(&cluster, &reading, &mut desired, redactor).await?;
    let plan = match flags.only.choose(&look.plan, &desired)? {
        Some(chosen) => chosen.restrict(look.plan),
        None => look.plan,
    };
    let document = StatusDocument::new(&plan, &look.live, &redactor.secrets());
    flags.output.write(&match flags.format {
        Format::Text => text::status(&document, flags.output.width()),
        Format::Json => report::json(&document),
        Format::Markdown => markdown::status(&document),
    })?;
    Ok(if load::has_errors(&desired.findings) { Exit::Failed } else { Exit::Done })
}
