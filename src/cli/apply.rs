//! `flinkops apply`: makes the cluster equal to Git once, and waits until it has settled.

use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::cluster::Look;
use super::exit::{Exit, Usage};
use super::only::Chosen;
use super::output::{self, Format};
use super::progress::Lines;
use super::redact::Redactor;
use super::{cluster, load, signals, talk};
use crate::cluster::{Cluster, Lease, Patience};
use crate::daemon::{self, History, Only, Options, Outcome};
use crate::flink::kind::UnitKey;
use crate::plan::Plan;
use crate::report::document::PlanDocument;
use crate::report::{self, markdown, text};
use crate::spec::Desired;
use crate::spec::desired::Why;

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    #[command(flatten)]
    target: cluster::Target,
    /// Do not ask; needed where there is no terminal.
    #[arg(short, long)]
    yes: bool,
    /// Give up waiting after this long, such as 30m; what was begun goes on in the cluster.
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    timeout: Option<Duration>,
    /// Changes under way at once, instead of the policy's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: Option<u16>,
    /// Agree to this many deletes, where the policy holds them back.
    #[arg(long, value_name = "N")]
    confirm_deletes: Option<usize>,
    /// Do not wait for this unit where another declares to depend on it.
    #[arg(long, value_name = "NAME")]
    ignore_gate: Vec<String>,
    /// Apply a working directory with changes that are not committed.
    #[arg(long)]
    allow_dirty: bool,
    /// The form of the plan that is shown first.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    output: output::Flags,
}

/// Shows the plan, asks, applies, and tells how it went.
pub(super) async fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !flags.yes && !can_ask {
        return Err(Usage::new("there is no terminal to ask on", "agree beforehand with --yes").into());
    }
    let Some((reading, mut desired)) = flags.target.repository.read_one(redactor)? else {
        return Ok(Exit::Failed);
    };
    flags.adjust(&mut desired)?;
    let cluster = flags.target.connect(&desired, redactor).await?;
    let look = flags.target.look(&cluster, &reading, &mut desired, redactor).await?;
    reading.say(&look.plan.findings, redactor);
    flags.show(&look, &desired, redactor)?;
    let Look { plan, chosen, .. } = look;
    let quiet = crate::plan::step(&plan).is_empty() && plan.units.iter().all(|unit| unit.settled);
    let broken = load::has_errors(&plan.findings);
    if quiet {
        return Ok(if broken || has_blocked(&plan) { Exit::Failed } else { Exit::Done });
    }
    if !flags.yes && !agreed()? {
        talk::write("Nothing was done.\n");
        return Ok(Exit::Failed);
    }
    let history = reading.history(&desired, redactor);
    let outcome = flags.apply(&cluster, &desired, (chosen, history), redactor).await?;
    Ok(if outcome.is_settled() && !broken { Exit::Done } else { Exit::Failed })
}

fn has_blocked(plan: &Plan) -> bool {
    plan.units.iter().any(|unit| unit.blocked.is_some())
        || plan.companions.iter().any(|companion| companion.blocked.is_some())
}

fn agreed() -> io::Result<bool> {
    talk::write("Apply this plan? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

impl Flags {
    /// What the flags change about what Git wants.
    fn adjust(&self, desired: &mut Desired) -> Result<(), Usage> {
        if !desired.origin.committed && !self.allow_dirty {
            return Err(Usage::new(
                "the working directory has changes that are not committed",
                "commit them, name a commit with --revision, or add --allow-dirty",
            ));
        }
        if let Some(concurrency) = self.concurrency {
            desired.policy.concurrency = usize::from(concurrency);
        }
        desired.confirm_deletes = self.confirm_deletes.or(desired.confirm_deletes);
        self.ignore_gate.iter().try_for_each(|name| ignore_gate(desired, name))
    }

    /// The plan, and for who is going to be asked what comes of it.
    fn show(&self, look: &Look, desired: &Desired, redactor: &Redactor) -> anyhow::Result<()> {
        let secrets = redactor.secrets();
        let mut document = PlanDocument::new(&look.plan, look.against, &secrets);
        let forecast = if self.yes { None } else { look.forecast(desired) };
        if let Some(forecast) = forecast {
            document = document.with_forecast(&forecast, &look.plan, &secrets);
        }
        self.output.write(&match self.format {
            Format::Text => text::plan(&document, self.output.width()),
            Format::Json => report::json(&document),
            Format::Markdown => markdown::plan(&document),
        })
    }

    async fn apply(
        &self,
        cluster: &Cluster,
        desired: &Desired,
        (chosen, history): (Option<Chosen>, History),
        redactor: &Redactor,
    ) -> anyhow::Result<Outcome> {
        let shutdown = CancellationToken::new();
        signals::cancel_on_signal(shutdown.clone())?;
        let lines = Arc::new(Lines::new(redactor.clone()));
        let waiting = lines.clone();
        let lease = tokio::select! {
            lease = Lease::acquire(cluster, desired, "apply", Patience::UntilAlive, |holder| {
                waiting.say(&format!("waits for the lease, held by {holder}"));
            }) => lease?,
            () = shutdown.cancelled() => return Ok(Outcome::Interrupted(daemon::Standing::default())),
        };
        let options = Options {
            only: chosen.map(|chosen| Only {
                units: chosen.units,
                folders: chosen.folders,
                carried: chosen.carried,
            }),
            progress: lines.clone(),
            history: Some(history),
            shutdown,
            ..Options::default()
        };
        let guarded = cluster.guarded(lease.held());
        let outcome = daemon::apply(&guarded, desired, options, self.timeout).await;
        lease.release().await;
        let outcome = outcome?;
        lines.end(&outcome);
        Ok(outcome)
    }
}

/// Forgets that anything declares to depend on a unit. A session job still waits for its cluster.
fn ignore_gate(desired: &mut Desired, name: &str) -> Result<(), Usage> {
    let named = |key: &UnitKey| key.name == name || key.to_string() == name;
    let before: BTreeSet<&UnitKey> = desired.units.keys().filter(|key| named(key)).collect();
    if before.is_empty() {
        let message = format!("--ignore-gate: there is no unit `{name}`");
        return Err(Usage::new(message, "`flinkops graph` lists the units by name"));
    }
    for unit in desired.units.values_mut() {
        unit.depends_on.retain(|dependency| dependency.why != Why::Declared || !named(&dependency.on));
    }
    Ok(())
}
