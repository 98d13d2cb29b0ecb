//! `demo`: the whole path from Git to running jobs, on an embedded cluster, in five acts.

mod line;
mod repository;
mod stage;
mod story;
mod voice;

use std::net::SocketAddr;

use anyhow::Context;
use clap::Args;
use tokio_util::sync::CancellationToken;

pub use line::{Audience, Count, Line, Said};
pub use repository::{DemoRepository, ENVIRONMENT};
pub use stage::Stage;
pub use story::{NAMESPACE, play};

use super::exit::Exit;
use super::redact::Redactor;
use super::signals;
use crate::sim::Sim;
use voice::Voice;

/// How much faster than a real one the embedded cluster is: its operator takes a seventh of the time.
const SCALE: f64 = 0.15;

/// What was typed.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Keep the embedded cluster on a loopback port, for kubectl and the other commands, until interrupted.
    #[arg(long)]
    serve: bool,
    /// Where it is kept; loopback only, since nobody is asked for a password.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", requires = "serve", value_parser = loopback)]
    listen: SocketAddr,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "expected an address such as 127.0.0.1:8080".to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err("only a loopback address is served".to_owned()) }
}

/// Plays; with `--serve`, stays until interrupted.
pub(super) async fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let shutdown = CancellationToken::new();
    signals::cancel_on_signal(shutdown.clone())?;
    let repository = DemoRepository::new()?;
    let voice = Voice::new(redactor.clone());
    let mut stage = Stage::new(SCALE, Box::new(move |said| voice.speak(said))).knowing(redactor.clone());
    if flags.serve {
        serve(&stage, flags.listen, &repository).await?;
    }
    let played = tokio::select! {
        played = play(&mut stage, &repository) => Some(played),
        () = shutdown.cancelled() => None,
    };
    if let Some(played) = played {
        played?;
        if flags.serve {
            stage.say(Line::Aside("The cluster and the daemon go on until you press Ctrl-C.".into()));
            stage.follow_until(shutdown.cancelled()).await?;
        }
    }
    stage.close().await?;
    Ok(Exit::Done)
}

/// Serves the cluster and says how to reach it.
async fn serve(stage: &Stage, address: SocketAddr, repository: &DemoRepository) -> anyhow::Result<()> {
    let address = stage.listen(address).await?;
    let path = repository.kubeconfig_path();
    std::fs::write(&path, Sim::kubeconfig(address))
        .with_context(|| format!("failed to write {}", path.display()))?;
    let (kubeconfig, repository) = (path.display(), repository.path().display());
    let words = [
        format!("The embedded cluster listens on {address}. From a second terminal:"),
        format!("  export KUBECONFIG={kubeconfig}"),
        format!("  kubectl --namespace {NAMESPACE} get flinkdeployments,flinksessionjobs"),
        format!("  flinkops status --repo {repository} --environment {ENVIRONMENT}"),
    ];
    for line in words {
        stage.say(Line::Aside(line));
    }
    Ok(())
}
