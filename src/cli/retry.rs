//! `flinkops retry`: lets units that are held after a failure be tried again (S23).

use clap::{Args, ValueEnum};

use super::cluster;
use super::exit::{Exit, Usage};
use super::output;
use super::redact::Redactor;
use super::talk;
use crate::cluster::{Cluster, Holder, Lease, LeaseError, Patience, Scope, WriteError};
use crate::flink::kind::UnitKey;
use crate::plan::{self, Plan};
use crate::report;
use crate::report::document::{RetriedDocument, RetryDocument};
use crate::report::visible::clean;
use crate::spec::Desired;

/// How often a hold is read anew that somebody else wrote to in between.
const ATTEMPTS: usize = 5;

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    /// The units, by name.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    target: cluster::Target,
    /// The form of what is told.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    output: output::Flags,
}

/// The form of what is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal.
    Text,
    /// For scripts.
    Json,
}

/// Takes the holds away; `run`, or the next `apply`, tries what Git says again.
pub(super) async fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let Some((reading, mut desired)) = flags.target.repository.read_one(redactor)? else {
        return Ok(Exit::Failed);
    };
    let cluster = flags.target.connect(&desired, redactor).await?;
    let plan = flags.target.look(&cluster, &reading, &mut desired, redactor).await?.plan;
    let chosen = flags.choose(&plan)?;
    let lease = lease(&cluster, &desired).await?;
    let guarded = lease.as_ref().map_or_else(|| cluster.clone(), |lease| cluster.guarded(lease.held()));
    let retried = retry_all(&guarded, &desired, &chosen, redactor).await;
    if let Some(lease) = lease {
        lease.release().await;
    }
    let document = RetryDocument::new(&desired, retried?);
    flags.output.write(&match flags.format {
        Format::Text => report::text::retry(&document),
        Format::Json => report::json(&document),
    })?;
    Ok(Exit::Done)
}

impl Flags {
    fn choose(&self, plan: &Plan) -> Result<Vec<(String, UnitKey)>, Usage> {
        let mut chosen = Vec::new();
        for name in &self.names {
            let found = plan.units.iter().filter(|unit| unit.id == *name || unit.key.name == *name);
            let before = chosen.len();
            chosen.extend(found.map(|unit| (unit.id.clone(), unit.key.clone())));
            if chosen.len() == before {
                let hint = "`flinkops status` lists the units by name";
                return Err(Usage::new(format!("there is no unit `{name}`"), hint));
            }
        }
        chosen.sort();
        chosen.dedup();
        Ok(chosen)
    }
}

/// The lease, as `apply` takes it. A daemon that holds it is no obstacle: what is taken away is one record,
/// compare-and-swap, and it is the daemon that shall see it.
async fn lease(cluster: &Cluster, desired: &Desired) -> anyhow::Result<Option<Lease>> {
    let waiting = |holder: &Holder| say(&format!("waits for the lease, held by {holder}"));
    match Lease::acquire(cluster, desired, "retry", Patience::UntilAlive, waiting).await {
        Ok(lease) => Ok(Some(lease)),
        Err(LeaseError::Held { holder, .. }) if holder.name.starts_with("run@") => {
            say(&format!("{holder} tries it again"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn say(text: &str) {
    talk::write(&format!("{}\n", clean(text)));
}

async fn retry_all(
    cluster: &Cluster,
    desired: &Desired,
    chosen: &[(String, UnitKey)],
    redactor: &Redactor,
) -> anyhow::Result<Vec<RetriedDocument>> {
    let mut retried = Vec::new();
    for (id, key) in chosen {
        let held = retry(cluster, desired, key).await?;
        retried.push(RetriedDocument::new(id, key, held.as_ref(), &redactor.secrets()));
    }
    Ok(retried)
}

/// Takes the hold of one unit away; answers what it was.
async fn retry(
    cluster: &Cluster,
    desired: &Desired,
    key: &UnitKey,
) -> anyhow::Result<Option<plan::ledger::Held>> {
    for attempt in 1.. {
        let live = cluster.observe(&Scope::of(desired)).await?;
        let Some((held, task)) = plan::retry(desired, &live, key) else { return Ok(None) };
        match cluster.perform(&task).await {
            Ok(_) => return Ok(Some(held)),
            Err(WriteError::Conflict { .. }) if attempt < ATTEMPTS => {}
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("the last attempt returns")
}
