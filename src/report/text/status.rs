//! How every unit is doing, for a terminal.

use std::fmt::Write as _;

use super::style::{BOLD, DIM, GREEN, RED, YELLOW, paint};
use super::{clean, count, short, wrap};
use crate::flink::health::Health;
use crate::report::document::{StatusDocument, UnitStatus};
use crate::report::words;

/// One line of totals, then a line or more per unit.
pub fn status(document: &StatusDocument, width: usize) -> String {
    let StatusDocument { repository, revision, environment, summary, .. } = document;
    let title = format!("{repository} {} → {environment}", short(revision));
    let against = document.against.kind.word();
    let mut text = paint(BOLD, format!("{title} ({against} {})", clean(&document.against.name)));
    let _ = write!(text, "\n{} of {} settled", summary.settled, count(summary.units, "unit"));
    for (number, what) in [(summary.failed, "failed"), (summary.blocked, "blocked")] {
        if number > 0 {
            let _ = write!(text, ", {number} {what}");
        }
    }
    text.push('\n');
    let longest = document.units.iter().map(|unit| unit.id.chars().count()).max().unwrap_or_default().min(40);
    for unit in &document.units {
        unit_lines(&mut text, unit, longest, width);
    }
    text
}

fn unit_lines(text: &mut String, unit: &UnitStatus, longest: usize, width: usize) {
    let mark = if unit.settled { "=" } else { "!" };
    let health = paint(style(unit.health), words::health(unit.health));
    let applied = unit.revision.as_deref().map_or_else(String::new, |revision| {
        let time = unit
            .applied
            .map_or_else(String::new, |time| format!(" at {}", time.strftime("%Y-%m-%dT%H:%M:%SZ")));
        paint(DIM, format!("  {}{time}", short(revision)))
    });
    let _ = writeln!(text, "{mark} {:longest$}  {health}{applied}", unit.id);
    let mut remark = |label: &str, words: &str| {
        for line in wrap(&clean(&format!("{label}{words}")), width.saturating_sub(6)) {
            let _ = writeln!(text, "      {line}");
        }
    };
    if !unit.settled && unit.message != words::health(unit.health) {
        remark("", &unit.message);
    }
    if let Some(blocked) = &unit.blocked {
        remark("blocked: ", blocked);
    }
    if let Some(savepoint) = unit.savepoints.iter().find(|savepoint| savepoint.last) {
        remark("stopped with ", &savepoint.path);
    }
}

fn style(health: Health) -> anstyle::Style {
    match health {
        Health::Settled => GREEN,
        Health::Progressing | Health::Suspended | Health::Missing => YELLOW,
        Health::Failed | Health::Lost | Health::Rejected | Health::RolledBack => RED,
    }
}
