//! Words to a person, on stderr.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Something went wrong.
    Error,
    /// Something is not as it should be.
    Warning,
    /// What to do about it.
    Help,
}

/// Says one thing.
pub(super) fn say(tone: Tone, text: &str) {
    let (word, style) = match tone {
        Tone::Error => ("error", AnsiColor::Red.on_default().bold()),
        Tone::Warning => ("warning", AnsiColor::Yellow.on_default().bold()),
        Tone::Help => ("help", Style::new().bold()),
    };
    write(&format!("{style}{word}{style:#}: {text}\n"));
}

/// Writes as it is; styles go where the terminal does not want them. Nobody need be listening.
pub(super) fn write(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}
