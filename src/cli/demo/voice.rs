//! How the demo reads: a line per thing that happens, on a terminal with the counters below.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};

use super::line::{Count, Line, Said};
use crate::cli::redact::Redactor;
use crate::flink::health::Health;
use crate::report::text;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// The width where there is no terminal to say.
const WIDTH: usize = 100;
/// How far plans and counters are indented.
const INDENT: usize = 8;

/// Prints what is said to standard output.
pub(super) struct Voice {
    redactor: Redactor,
    live: bool,
    width: usize,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Whether the counters stand in the last line.
    counters: bool,
    /// What was said of each unit since it was last written.
    said: BTreeMap<String, BTreeSet<String>>,
}

impl Voice {
    /// Speaks to a terminal with the counters in its last line, to anything else in plain lines.
    pub(super) fn new(redactor: Redactor) -> Self {
        let live = std::io::stdout().is_terminal();
        let terminal = terminal_size::terminal_size().filter(|_| live);
        let width = terminal.map_or(WIDTH, |(width, _)| usize::from(width.0).clamp(40, WIDTH));
        Self { redactor, live, width, memory: Mutex::default() }
    }

    /// Prints one thing.
    pub(super) fn speak(&self, said: &Said) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = matches!(said.line, Line::Counts(_));
        if !memory.is_news(&said.line) || (counters && !self.live) {
            return;
        }
        let erase = if std::mem::replace(&mut memory.counters, counters) { "\r\x1b[2K" } else { "" };
        let text = render(said, self.width);
        let mut out = anstream::stdout().lock();
        // A closed pipe is no reason to stop the play.
        let _ = write!(out, "{erase}{}", self.redactor.scrub(&text)).and_then(|()| out.flush());
    }
}

impl Memory {
    /// Whether a line says more of a unit than was said since it was last written. That the operator has
    /// yet to act on a write goes without saying.
    fn is_news(&mut self, line: &Line) -> bool {
        match line {
            Line::Wrote { unit, .. } => {
                self.said.insert(unit.clone(), BTreeSet::new());
                true
            }
            Line::Stands { key, health, message, .. } => {
                let said = self.said.entry(key.name.clone()).or_default();
                let first = said.is_empty();
                said.insert(brief(message).to_owned()) && !(first && *health == Health::Progressing)
            }
            _ => true,
        }
    }
}

/// A message about a unit without the time, which stands in front of the line.
fn brief(message: &str) -> &str {
    let message = message.split(" since ").next().unwrap_or(message);
    // What is waited for says for itself how it is doing.
    if message.starts_with("waits for ") { message.split(':').next().unwrap_or(message) } else { message }
}

/// What is said, as text with a newline at its end.
fn render(said: &Said, width: usize) -> String {
    let time = format!("{DIM}{:5.1}s{DIM:#}  ", said.at.as_secs_f64());
    match &said.line {
        Line::Act { number, title } => format!("\n{BOLD}{number}. {title}{BOLD:#}\n\n"),
        Line::Aside(text) => format!("{time}{text}\n"),
        Line::Committed { revision, subject } => {
            format!("{time}{YELLOW}commit {}{YELLOW:#} {subject}\n", revision.short())
        }
        Line::Planned(plan) => indented(&text::plan(plan, width - INDENT)),
        Line::Drifted(plan) => indented(&text::drift(plan, width - INDENT)),
        Line::Wrote { unit, message, .. } => format!("{time}{unit:<16} {DIM}→{DIM:#} {message}\n"),
        Line::Stands { key, health, message, records } => {
            let style = of_health(*health);
            let records =
                records.map_or_else(String::new, |records| format!("  {} records", grouped(records)));
            format!("{time}{:<16} {style}{}{style:#}{records}\n", key.name, brief(message))
        }
        Line::Gone(key) => format!("{time}{:<16} gone\n", key.name),
        Line::Recorded { key, path } => format!("{time}{:<16} on record: {path}\n", key.name),
        Line::Quiet { took, counts } => {
            let table = table(counts);
            format!("{time}{GREEN}as Git wants it{GREEN:#}, after {:.1} s\n{table}", took.as_secs_f64())
        }
        Line::Counts(counts) => format!("{DIM}{}{DIM:#}", counters(counts, width)),
    }
}

fn of_health(health: Health) -> Style {
    match health {
        Health::Settled => GREEN,
        Health::Progressing | Health::Suspended | Health::Missing => YELLOW,
        Health::Failed | Health::Lost | Health::Rejected | Health::RolledBack => RED,
    }
}

fn indented(page: &str) -> String {
    let lines =
        page.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("        {line}\n") });
    format!("\n{}\n", lines.collect::<String>())
}

/// As many counters as fit into one line.
fn counters(counts: &[Count], width: usize) -> String {
    let mut line = " ".repeat(INDENT - 3);
    for count in counts {
        let part = format!("   {} {}", count.key.name, grouped(count.records));
        // One column is left free, or the terminal begins a new line.
        if line.len() + part.len() >= width {
            break;
        }
        line.push_str(&part);
    }
    line
}

fn table(counts: &[Count]) -> String {
    let mut table = String::new();
    for count in counts {
        let (name, records) = (&count.key.name, grouped(count.records));
        let _ = writeln!(table, "        {name:<16} {:<9} {records:>10} records", count.state);
    }
    table
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let head = digits.len() % 3;
    let groups = digits.as_bytes()[head..].chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let first = (head > 0).then(|| digits[..head].to_owned());
    first.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let table = [(0, "0"), (12, "12"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in table {
            assert_eq!(grouped(number), text);
        }
    }
}
