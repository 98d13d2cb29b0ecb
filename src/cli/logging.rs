//! Logs: to stderr, as loud as asked, without secrets at any level.

use std::io::{self, Write};

use clap::{ArgAction, Args, ValueEnum};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

use super::Command;
use super::redact::Redactor;

/// How loud, and in which form.
#[derive(Debug, Args)]
#[command(next_help_heading = "Talk")]
#[group(skip)]
pub(super) struct Flags {
    /// Say more; twice and three times for still more.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
    /// Say only what went wrong.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// The form of log lines.
    #[arg(long, global = true, value_enum, default_value_t = Form::Text, value_name = "FORM")]
    log_format: Form,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Flags {
    fn level(&self, command: &Command) -> Level {
        let usual = u8::from(matches!(command, Command::Run(_)));
        match self.verbose + usual {
            _ if self.quiet => Level::ERROR,
            0 => Level::WARN,
            1 => Level::INFO,
            2 => Level::DEBUG,
            _ => Level::TRACE,
        }
    }
}

/// Sets the process's logging up. Libraries speak at level info at most: below, they print whole
/// requests.
pub(super) fn start(flags: &Flags, command: &Command, redactor: &Redactor) {
    let level = flags.level(command);
    let filter = Targets::new().with_default(level.min(Level::INFO)).with_target("flinkops", level);
    let writer = Stderr(redactor.clone());
    let colour = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer = match flags.log_format {
        Form::Text => layer.with_ansi(colour).with_target(false).boxed(),
        Form::Json => layer.with_ansi(false).json().boxed(),
    };
    // Fails only where a subscriber is set already, and then that one stays.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}

/// Stderr, with every secret taken out of a line before it is written.
struct Stderr(Redactor);

impl<'w> MakeWriter<'w> for Stderr {
    type Writer = Line<'w>;

    fn make_writer(&'w self) -> Line<'w> {
        Line { redactor: &self.0, text: Vec::new() }
    }
}

/// One line of the log. It is written when it is complete, so that a secret cannot fall between two parts.
struct Line<'w> {
    redactor: &'w Redactor,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        // Nobody need be listening.
        let _ = io::stderr().lock().write_all(self.redactor.scrub(&text).as_bytes());
    }
}
