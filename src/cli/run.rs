//! `flinkops run`: the daemon.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::redact::Redactor;
use super::{cluster, load, signals};
use crate::daemon::{self, Checkout, Event, Log, Misuse, Progress};
use crate::spec::policy::Mode;
use crate::spec::source::{Limits, SourceTree};

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    #[command(flatten)]
    repository: load::Flags,
    #[command(flatten)]
    cluster: cluster::Flags,
    /// Whether the cluster is changed at all.
    #[arg(long, value_enum, default_value_t = ModeFlag::Enforce)]
    mode: ModeFlag,
    /// How often Git is read, besides whatever else says that it moved.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = super::duration)]
    interval: Duration,
    /// Where `/healthz`, `/readyz` and `/metrics` are, such as 0.0.0.0:8080.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeFlag {
    /// The cluster follows Git; drift is healed.
    Enforce,
    /// Nothing is written.
    Report,
}

/// Runs until told to stop. Only what was typed can be wrong: everything else is tried until it works.
pub(super) async fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let shutdown = CancellationToken::new();
    signals::cancel_on_signal(shutdown.clone())?;
    let checkout = flags.checkout(redactor)?;
    flags.repository.check()?;
    flags.cluster.check()?;
    let masking = redactor.clone();
    let settings = daemon::run::Settings {
        mode: match flags.mode {
            ModeFlag::Enforce => Mode::Enforce,
            ModeFlag::Report => Mode::Report,
        },
        interval: flags.interval,
        listen: flags.listen,
        progress: Arc::new(Learning(redactor.clone())),
        listening: Some(Arc::new(|address| tracing::info!("web pages on http://{address}"))),
        mask: Arc::new(move |text| masking.scrub(text).into_owned()),
        ..daemon::run::Settings::default()
    };
    let connect =
        |context: Option<String>| async move { flags.cluster.connect(context.as_deref(), redactor).await };
    daemon::run(connect, Arc::new(checkout), settings, shutdown).await?;
    Ok(Exit::Done)
}

impl Flags {
    /// What the daemon follows. Every revision it reads teaches the redactor its secrets first.
    fn checkout(&self, redactor: &Redactor) -> anyhow::Result<Checkout> {
        let source = self.repository.source(redactor)?;
        let revision = self.repository.revision().unwrap_or("HEAD").to_owned();
        let (environment, redactor) = (self.repository.environment().map(str::to_owned), redactor.clone());
        let loader = move |tree: &SourceTree| {
            let loaded = crate::spec::load(tree, &Limits::default(), environment.as_deref());
            redactor.learn_sources(tree, &loaded.findings);
            let desired = load::choose(&loaded).map_err(|error| Misuse(error.into()))?.cloned();
            if let Some(desired) = &desired {
                redactor.learn_desired(desired);
            }
            Ok(daemon::Loaded { desired, findings: loaded.findings })
        };
        Ok(Checkout::new(source, revision, Arc::new(loader)))
    }
}

/// Logs, and learns the secrets of a plan before any word of it is told.
struct Learning(Redactor);

impl Progress for Learning {
    fn tell(&self, event: &Event<'_>) {
        match event {
            Event::Observed(live) => self.0.learn_live(live),
            Event::Planned(plan) => self.0.learn_plan(plan),
            _ => {}
        }
        Log.tell(event);
    }
}
