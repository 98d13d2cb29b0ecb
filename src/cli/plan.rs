//! `flinkops plan`: what would happen. Needs the rights to get, list and watch.

use clap::Args;

use super::exit::Exit;
use super::output::{self, Format};
use super::redact::Redactor;
use super::{cluster, load, only};
use crate::report::document::{AgainstKind, PlanDocument};
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
    /// The form of the plan.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    output: output::Flags,
}

/// Prints the plan.
pub(super) async fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let Some(document) =
        document(&flags.repository, &flags.cluster, &flags.only, flags.format, redactor).await?
    else {
        return Ok(Exit::Failed);
    };
    flags.output.write(&match flags.format {
        Format::Text => text::plan(&document, flags.output.width()),
        Format::Json => report::json(&document),
        Format::Markdown => markdown::plan(&document),
    })?;
    Ok(if document.has_errors() {
        Exit::Failed
    } else if document.is_empty() {
        Exit::Done
    } else {
        Exit::Something
    })
}

/// The plan as a document; `None` where the repository is too broken, after saying why.
pub(super) async fn document(
    repository: &load::Flags,
    cluster: &cluster::Flags,
    only: &only::Flags,
    format: Format,
    redactor: &Redactor,
) -> anyhow::Result<Option<PlanDocument>> {
    let reading = repository.read(redactor)?;
    let Some(mut desired) = reading.desired(repository, redactor)? else { return Ok(None) };
    let cluster = cluster.connect(desired.context.as_deref(), redactor).await?;
    let look = cluster::look(&cluster, &reading, &mut desired, redactor).await?;
    let plan = match only.choose(&look.plan, &desired)? {
        Some(chosen) => chosen.restrict(look.plan),
        None => look.plan,
    };
    if format == Format::Text {
        reading.say(&plan.findings, redactor);
    }
    Ok(Some(PlanDocument::new(&plan, AgainstKind::Cluster, &redactor.secrets())))
}
