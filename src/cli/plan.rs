//! `flinkops plan`: what would happen. Needs the rights to get, list and watch, or with `--base` no cluster.

use clap::Args;
use jiff::Timestamp;

use super::exit::Exit;
use super::load::Reading;
use super::output::{self, Format};
use super::redact::Redactor;
use super::{cluster, load, only};
use crate::plan::{self, Plan};
use crate::report::document::{AgainstKind, PlanDocument};
use crate::report::{self, markdown, text};
use crate::spec::Desired;

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
    /// Compare with this commit, branch or tag, and not with a cluster.
    #[arg(long, value_name = "REV", conflicts_with_all = ["kubeconfig", "context"])]
    base: Option<String>,
    /// The form of the plan.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    output: output::Flags,
}

/// Prints the plan.
pub(super) async fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let document = match &flags.base {
        Some(base) => compare(flags, base, redactor)?,
        None => document(&flags.repository, &flags.cluster, &flags.only, flags.format, redactor).await?,
    };
    let Some(document) = document else { return Ok(Exit::Failed) };
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
    finish(look.plan, &desired, (&reading, only, format), AgainstKind::Cluster, redactor).map(Some)
}

/// The plan from one revision to another.
fn compare(flags: &Flags, base: &str, redactor: &Redactor) -> anyhow::Result<Option<PlanDocument>> {
    let reading = flags.repository.read(redactor)?;
    let Some(desired) = reading.desired(&flags.repository, redactor)? else { return Ok(None) };
    let Some(base) = reading.base(base, &desired, redactor)? else { return Ok(None) };
    let plan = plan::base::plan(&desired, &base, Timestamp::now());
    finish(plan, &desired, (&reading, &flags.only, flags.format), AgainstKind::Revision, redactor).map(Some)
}

/// What is shown of a plan, and said beside it.
fn finish(
    plan: Plan,
    desired: &Desired,
    (reading, only, format): (&Reading, &only::Flags, Format),
    against: AgainstKind,
    redactor: &Redactor,
) -> anyhow::Result<PlanDocument> {
    let plan = match only.choose(&plan, desired)? {
        Some(chosen) => chosen.restrict(plan),
        None => plan,
    };
    if format == Format::Text {
        reading.say(&plan.findings, redactor);
    }
    Ok(PlanDocument::new(&plan, against, &redactor.secrets()))
}
