//! `flinkops completions`: what a shell needs to complete commands and flags.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::exit::Exit;
use super::{Arguments, output};

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    /// The shell.
    shell: Shell,
    #[command(flatten)]
    output: output::Flags,
}

/// Prints the script.
pub(super) fn run(flags: &Flags) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut Arguments::command(), "flinkops", &mut script);
    flags.output.write(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
