//! `flinkops status`: how every unit is doing.

use clap::Args;

use super::exit::Exit;
use super::output::{self, Format};
use super::redact::Redactor;
use super::{cluster, load, snapshot};
use crate::report::document::StatusDocument;
use crate::report::{self, markdown, text};

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    #[command(flatten)]
    target: cluster::ReadTarget,
    #[command(flatten)]
    save: snapshot::Flags,
    /// The form of the report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    output: output::Flags,
}

/// Prints the report.
pub(super) async fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let Some((reading, desired, mut look)) = flags.target.look(redactor).await? else {
        return Ok(Exit::Failed);
    };
    let known = reading.loaded.environments[&desired.environment].findings.len();
    reading.say(&desired.findings[known..], redactor);
    let found = look.plan.findings.iter().filter(|finding| !desired.findings.contains(finding));
    reading.say(&found.cloned().collect::<Vec<_>>(), redactor);
    flags.save.save(&look.live, &desired, redactor)?;
    if let Some(cluster) = &look.cluster {
        let jobs = look.plan.units.iter().filter_map(|unit| look.live.job_ref(&unit.key));
        look.live.states = cluster.ask_state(jobs.collect::<Vec<_>>()).await;
    }
    let document = StatusDocument::new(&look.plan, look.against, &look.live, &redactor.secrets());
    flags.output.write(&match flags.format {
        Format::Text => text::status(&document, flags.output.width()),
        Format::Json => report::json(&document),
        Format::Markdown => markdown::status(&document),
    })?;
    Ok(if load::has_errors(&desired.findings) { Exit::Failed } else { Exit::Done })
}
