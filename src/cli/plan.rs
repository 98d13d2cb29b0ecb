//! `flinkops plan`: what would happen. Needs the rights to get, list and watch, or with `--base` or
//! `--live-file` no cluster.

use clap::Args;
use jiff::Timestamp;

use super::cluster::{Look, ReadTarget};
use super::dry_run::{self, DryRun};
use super::exit::Exit;
use super::load::Reading;
use super::only;
use super::output::{self, Format};
use super::redact::Redactor;
use crate::plan::base;
use crate::report::document::{AgainstKind, PlanDocument};
use crate::report::{self, markdown, text};
use crate::spec::Desired;

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
    let seen = match &flags.base {
        Some(base) => compare(flags, base, redactor)?,
        None => look(&flags.target, flags.dry_run, redactor).await?,
    };
    let Some(seen) = seen else { return Ok(Exit::Failed) };
    let mut document = seen.document(flags.format, redactor);
    if let Some(forecast) = seen.look.forecast(&seen.desired) {
        document = document.with_forecast(&forecast, &seen.look.plan, &redactor.secrets());
    }
    flags.output.write(&match flags.format {
        Format::Text => text::plan(&document, flags.output.width()),
        Format::Json => report::json(&document),
        Format::Markdown => markdown::plan(&document),
    })?;
    // The process ends here: taking both sides apart would only take time.
    std::mem::forget(seen);
    Ok(if document.has_errors() {
        Exit::Failed
    } else if document.is_empty() {
        Exit::Done
    } else {
        Exit::Something
    })
}

/// Both sides, as they were read.
pub(super) struct Seen {
    reading: Reading,
    desired: Desired,
    look: Look,
}

/// Reads both sides and plans; `None` where the repository is too broken, after saying why.
pub(super) async fn look(
    target: &ReadTarget,
    dry_run: Option<DryRun>,
    redactor: &Redactor,
) -> anyhow::Result<Option<Seen>> {
    let Some((reading, desired, mut look)) = target.look(redactor).await? else { return Ok(None) };
    if let (Some(_), Some(cluster)) = (dry_run, &look.cluster) {
        let mut said = dry_run::ask(cluster, target.only(), &look.live, &desired).await?;
        look.plan.findings.append(&mut said);
        look.plan.findings.sort();
    }
    Ok(Some(Seen { reading, desired, look }))
}

/// The same from one revision to another.
fn compare(flags: &Flags, revision: &str, redactor: &Redactor) -> anyhow::Result<Option<Seen>> {
    let target = &flags.target;
    let Some((reading, desired)) = target.repository().read_one(redactor)? else { return Ok(None) };
    let Some(from) = reading.base(revision, &desired, redactor)? else { return Ok(None) };
    let time = Timestamp::now();
    let live = base::before(&desired, &from, time);
    let plan = base::plan(&desired, &live, time);
    let chosen = target.only().choose(&plan, &desired)?;
    let plan = only::narrow(plan, chosen.as_ref());
    let look = Look { cluster: None, against: AgainstKind::Revision, live, plan, chosen, time };
    Ok(Some(Seen { reading, desired, look }))
}

impl Seen {
    /// The plan as a document; for a terminal its findings are said beside it.
    pub(super) fn document(&self, format: Format, redactor: &Redactor) -> PlanDocument {
        if format == Format::Text {
            self.reading.say(&self.look.plan.findings, redactor);
        }
        PlanDocument::new(&self.look.plan, self.look.against, &redactor.secrets())
    }
}
