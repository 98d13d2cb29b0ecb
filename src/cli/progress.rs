//! What `apply` does, line by line; on a terminal a last line says what is waited for.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use anstyle::Style;

use super::redact::Redactor;
use super::talk;
use crate::cluster::WriteError;
use crate::daemon::{Event, Outcome, Progress};
use crate::flink::health::Health;
use crate::plan::{Action, UnitPlan};
use crate::report::visible::clean;
use crate::report::words;

/// Names of units that the last line shows.
const NAMES: usize = 3;

/// Tells on stderr what happens.
pub(super) struct Lines {
    redactor: Redactor,
    /// Whether the last line may be rewritten.
    live: bool,
    /// The units that are not where Git wants them, with a word about each.
    waiting: Mutex<BTreeMap<String, String>>,
}

impl Lines {
    /// Begins to tell.
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { redactor, live: std::io::stderr().is_terminal(), waiting: Mutex::default() }
    }

    /// Says one thing.
    pub(super) fn say(&self, text: &str) {
        let time = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        let dim = Style::new().dimmed();
        let line = format!("{dim}{time}{dim:#}  {}\n", clean(&self.redactor.scrub(text)));
        let erase = if self.live { "\r\u{1b}[K" } else { "" };
        talk::write(&format!("{erase}{line}{}", self.last_line()));
    }

    /// Says how it ended.
    pub(super) fn end(&self, outcome: &Outcome) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let erase = if self.live { "\r\u{1b}[K" } else { "" };
        let word = match outcome {
            Outcome::Settled(_) => "Settled",
            Outcome::Blocked(_) => "A part waits for a person",
            Outcome::Failed(_) => "A part failed; what depends on it was left alone",
            Outcome::TimedOut(_) => "Gave up waiting; what was begun goes on in the cluster",
            Outcome::Interrupted(_) => "Interrupted; the next apply goes on from here",
        };
        let standing = outcome.standing().to_string();
        talk::write(&format!("{erase}{word}: {}\n", self.redactor.scrub(&standing)));
    }

    fn last_line(&self) -> String {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.live || waiting.is_empty() {
            return String::new();
        }
        let shown: Vec<String> =
            waiting.iter().take(NAMES).map(|(unit, word)| format!("{unit} ({word})")).collect();
        let more = waiting.len().saturating_sub(NAMES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let dim = Style::new().dimmed();
        format!("{dim}waits for {}{more}{dim:#}", shown.join(", "))
    }

    fn changed(&self, unit: &UnitPlan) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let health = words::health(unit.health);
        let well = matches!(unit.health, Health::Settled | Health::Suspended);
        if unit.action == Action::Keep && well {
            waiting.remove(&unit.id);
        } else {
            waiting.insert(unit.id.clone(), health.to_owned());
        }
        drop(waiting);
        match &unit.blocked {
            Some(blocked) => self.say(&format!("{}: {}", unit.id, blocked.message)),
            None => self.say(&format!("{}: {}", unit.id, unit.health_message)),
        }
    }
}

impl Progress for Lines {
    fn tell(&self, event: &Event<'_>) {
        match event {
            Event::Observed(live) => self.redactor.learn_live_now(live),
            Event::Changed(unit) => self.changed(unit),
            Event::Gone(unit) => {
                self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&unit.name);
                self.say(&format!("{}: gone", unit.name));
            }
            Event::Wrote(task) if task.event => {
                let key = task.write.key();
                let name = task
                    .unit
                    .as_ref()
                    .map_or_else(|| format!("{}/{}", key.kind, key.name), |unit| unit.name.clone());
                self.say(&format!("{name}: {}", task.message));
            }
            Event::Refused { error: WriteError::Conflict { .. }, .. } => {}
            Event::Refused { error, .. } => self.say(&format!("failed to {error}")),
            Event::WaitingForLease { holder } => self.say(&format!("waits for the lease, held by {holder}")),
            _ => {}
        }
    }
}
