//! How every unit is doing, for a terminal.

use std::fmt::Write as _;

use super::layout::{pad, wrap};
use super::style::{BOLD, DIM, GREEN, RED, YELLOW, paint};
use super::{count, short};
use crate::flink::health::Health;
use crate::report::document::{StatusDocument, UnitStatus};
use crate::report::visible::{clean, visible};
use crate::report::words;

/// One line of totals, then a line or more per unit.
pub fn status(document: &StatusDocument, width: usize) -> String {
    let StatusDocument { repository, revision, environment, summary, .. } = document;
    let (against, name) = (document.against.kind.word(), &document.against.name);
    let title = format!("{repository} {} → {environment} ({against} {name})", short(revision));
    let mut text = paint(BOLD, clean(&title));
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
    let _ = writeln!(text, "{mark} {}  {health}{applied}", pad(&visible(&unit.id), longest));
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
    let told = unit.flink.as_ref().is_some_and(|flink| flink.checkpoint.is_some());
    if let Some(seen) = unit.checkpoint.as_ref().filter(|_| !told) {
        let at = |time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let words =
            format!("{} of {}, seen at {}: it may be gone by now", seen.path, at(seen.time), at(seen.seen));
        remark("last checkpoint seen ", &words);
    }
    if let Some(flink) = &unit.flink {
        match (&flink.unknown, &flink.restored_from) {
            (Some(why), _) => remark("restored from: not known, ", why),
            (None, Some(path)) => remark("restored from ", path),
            (None, None) => remark("restored from nothing: ", "it started empty"),
        }
        if let Some(checkpoint) = &flink.checkpoint {
            let time = checkpoint.time.strftime("%Y-%m-%dT%H:%M:%SZ");
            remark("newest checkpoint ", &format!("{} of {time}", checkpoint.path));
        }
    }
}

fn style(health: Health) -> anstyle::Style {
    match health {
        Health::Settled => GREEN,
        Health::Progressing | Health::Suspended | Health::Missing => YELLOW,
        Health::Failed | Health::Lost | Health::Rejected | Health::RolledBack => RED,
    }
}
