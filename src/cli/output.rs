//! Where data goes: stdout, or a file that is replaced as a whole.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};

/// Columns where there is no terminal to ask.
const WIDTH: usize = 80;
/// Columns beyond which lines are hard to read.
const WIDEST: usize = 120;

/// Where data goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
#[group(skip)]
pub(super) struct Flags {
    /// Write to this file, which is replaced as a whole, instead of stdout.
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
}

/// The form of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal.
    Text,
    /// For scripts.
    Json,
    /// For pull requests.
    Markdown,
}

impl Flags {
    /// Writes the data.
    pub(super) fn write(&self, text: &str) -> anyhow::Result<()> {
        match &self.output {
            Some(path) => replace(path, &anstream::adapter::strip_str(text).to_string()),
            None => print(text).context("failed to write to stdout"),
        }
    }

    /// How many columns text may have.
    pub(super) fn width(&self) -> usize {
        let terminal =
            (self.output.is_none() && io::stdout().is_terminal()).then(terminal_size::terminal_size);
        terminal.flatten().map_or(WIDTH, |(width, _)| usize::from(width.0).clamp(40, WIDEST))
    }
}

/// Prints to stdout; a reader that has seen enough is no error.
fn print(text: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Replaces a file as a whole: whoever reads it sees the old text or the new one.
pub(super) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".flinkops-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().with_context(|| format!("failed to write {}", path.display()))
}
