//! The command line: one file per command, each with its arguments and its few lines of wiring.
//!
//! Arguments come in two stages. What was typed is a clap struct; what it means (`load`, `cluster`,
//! `output`) is worked out once, here, so that no other room knows of flags. Data goes to stdout or
//! `--output`, talk to stderr, and nothing leaves that has not passed `redact` (S25).

mod apply;
mod cluster;
mod completions;
pub mod demo;
mod drift;
mod dry_run;
mod exit;
mod graph;
mod import;
mod init;
mod load;
mod logging;
mod only;
mod output;
mod plan;
mod progress;
mod redact;
mod render;
mod restore;
mod retry;
mod run;
pub mod schema;
mod signals;
mod snapshot;
mod status;
mod talk;
mod validate;
mod write_files;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::{Exit, Usage};
use redact::Redactor;

/// Keeps the Flink jobs of a Kubernetes cluster equal to a Git repository.
#[derive(Debug, Parser)]
#[command(name = "flinkops", version, about, max_term_width = 100)]
#[command(after_help = "Exit codes: `plan` and `drift` 0 nothing, 2 something, 1 error; \
    everything else 0 or 1; wrong usage 64.")]
struct Arguments {
    #[command(flatten)]
    logging: logging::Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a repository; needs no cluster.
    Validate(validate::Flags),
    /// Print the manifests of an environment; secret values are masked.
    Render(render::Flags),
    /// Say what would happen, and to which job.
    Plan(plan::Flags),
    /// Make the cluster equal to Git once, and wait until it has settled.
    Apply(apply::Flags),
    /// Keep the cluster equal to Git until told to stop.
    Run(run::Flags),
    /// Say what the cluster changed by itself.
    Drift(drift::Flags),
    /// Try again what is held after a failure.
    Retry(retry::Flags),
    /// Write into a job's file that it is to be restored from a savepoint, to be committed.
    Restore(restore::Flags),
    /// Print what depends on what.
    Graph(graph::Flags),
    /// Say how every unit is doing.
    Status(status::Flags),
    /// Begin a repository: flinkops.yaml, a first job, and what continuous integration needs.
    Init(init::Flags),
    /// Make job folders of what exists: of a cluster, or of a folder of manifests, kustomizations or Terraform.
    Import(import::Flags),
    /// Print the JSON Schema of a file or of an output.
    Schema(schema::Flags),
    /// Print shell completions.
    Completions(completions::Flags),
    /// Play the whole path from Git to running jobs on an embedded cluster; needs nothing else.
    Demo(demo::Flags),
}

/// Runs the program on the process's own arguments.
pub fn main() -> ExitCode {
    let redactor = Redactor::default();
    redactor.guard_panics();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::refuse(&error),
    };
    logging::start(&arguments.logging, &arguments.command, &redactor);
    match dispatch(arguments.command, &redactor) {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error, &redactor),
    }
}

fn dispatch(command: Command, redactor: &Redactor) -> anyhow::Result<Exit> {
    match command {
        Command::Validate(flags) => validate::run(&flags, redactor),
        Command::Render(flags) => render::run(&flags, redactor),
        Command::Graph(flags) => graph::run(&flags, redactor),
        Command::Schema(flags) => schema::run(&flags),
        Command::Init(flags) => init::run(&flags),
        Command::Completions(flags) => completions::run(&flags),
        Command::Demo(flags) => wait(demo::run(&flags, redactor)),
        Command::Import(flags) => wait(import::run(&flags, redactor)),
        Command::Plan(flags) => wait(plan::run(&flags, redactor)),
        Command::Drift(flags) => wait(drift::run(&flags, redactor)),
        Command::Status(flags) => wait(status::run(&flags, redactor)),
        Command::Restore(flags) => wait(restore::run(&flags, redactor)),
        Command::Retry(flags) => wait(retry::run(&flags, redactor)),
        Command::Apply(flags) => wait(apply::run(&flags, redactor)),
        Command::Run(flags) => wait(run::run(&flags, redactor)),
    }
}

/// Reads a duration such as `90s`, `10m` or `1h 30m`.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let duration: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    let positive = std::time::Duration::try_from(duration).ok().filter(|duration| !duration.is_zero());
    positive.ok_or_else(|| "must be more than nothing".to_owned())
}

/// Runs a command that talks to a cluster.
fn wait(command: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(command);
    // A read of Git that hangs must not keep a finished command from ending.
    runtime.shutdown_background();
    result
}
