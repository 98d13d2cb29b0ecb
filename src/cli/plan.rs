//! `flinkops plan`: what would happen. Needs the rights to get, list and watch, or with `--base` or
//! `--live-file` no cluster.

use clap::Args;
use jiff::Timestamp;

use super::cluster::ReadTarget;
use super::dry_run::{self, DryRun};
use super::exit::Exit;
use super::load::Reading;
use super::output::{self, Format};
use super::redact::Redactor;
use crate::plan::{self, Plan};
use crate::report::document::{AgainstKind, PlanDocument};
use crate::report::{self, markdown, text};

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    #[command(flatten)]
    target: ReadTarget,
    /// Compare with this commit, branch or tag, and not with a cluster.
    #[arg(long, value_name = "REV", conflicts_with_all = ["kubeconfig", "context", "live_file"])]
    base: Option<String>,
    /// Also ask the API server to judge what would be written first; needs the rights to write it.
    #[arg(long, value_enum, value_name = "WHERE", conflicts_with_all = ["base", "live_file"])]
    dry_run: Option<DryRun>,
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
        None => document(&flags.target, flags.dry_run, flags.format, redactor).await?,
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
    target: &ReadTarget,
    dry_run: Option<DryRun>,
    format: Format,
    redactor: &Redactor,
) -> anyhow::Result<Option<PlanDocument>> {
    let Some((reading, mut desired)) = target.repository().read_one(redactor)? else { return Ok(None) };
    let mut look = target.look(&reading, &mut desired, redactor).await?;
    if let (Some(_), Some(cluster)) = (dry_run, &look.cluster) {
        let mut said = dry_run::ask(cluster, target.only(), &look.live, &desired).await?;
        look.plan.findings.append(&mut said);
        look.plan.findings.sort();
    }
    Ok(Some(shown(&look.plan, look.against, &reading, format, redactor)))
}

/// The plan from one revision to another.
fn compare(flags: &Flags, base: &str, redactor: &Redactor) -> anyhow::Result<Option<PlanDocument>> {
    let target = &flags.target;
    let Some((reading, desired)) = target.repository().read_one(redactor)? else { return Ok(None) };
    let Some(base) = reading.base(base, &desired, redactor)? else { return Ok(None) };
    let plan = target.only().narrow(plan::base::plan(&desired, &base, Timestamp::now()), &desired)?;
    Ok(Some(shown(&plan, AgainstKind::Revision, &reading, flags.format, redactor)))
}

/// What is shown of a plan, and said beside it.
fn shown(
    plan: &Plan,
    against: AgainstKind,
    reading: &Reading,
    format: Format,
    redactor: &Redactor,
) -> PlanDocument {
    if format == Format::Text {
        reading.say(&plan.findings, redactor);
    }
    PlanDocument::new(plan, against, &redactor.secrets())
}
