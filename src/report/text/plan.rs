//! A plan, or what drifted, for a terminal.

use super::style::{BOLD, DIM, RED, YELLOW, of_action, of_state, paint};
use super::{clean, count, value, wrap};
use crate::plan::outcome::{Action, Cause, Effect};
use crate::report::document::{
    AgainstKind, BlockedDocument, ChangeDocument, CompanionDocument, PlanDocument, UnitDocument,
};
use crate::report::words;

/// The plan at this width. One line where there is nothing to do.
pub fn plan(document: &PlanDocument, width: usize) -> String {
    let title = title(document);
    if document.is_empty() {
        let units = count(document.units.len(), "unit");
        return format!("{title}: nothing to do, {units} as in Git{}\n", unsettled(document));
    }
    let mut page = Page { text: format!("{}\n{}\n", paint(BOLD, title), totals(document)), width };
    page.companions(&document.companions);
    for (index, wave) in document.waves.iter().enumerate() {
        page.section(&format!("Wave {}", index + 1));
        for unit in wave.iter().filter_map(|id| find(document, id)) {
            page.unit(unit);
        }
    }
    let rest: Vec<_> = document.units.iter().filter(|unit| unit.wave.is_none() && !unit.is_quiet()).collect();
    if !rest.is_empty() {
        page.section("Held back");
        for unit in rest {
            page.unit(unit);
        }
    }
    page.text
}

/// What drifted, at this width. One line where nothing did.
pub fn drift(document: &PlanDocument, width: usize) -> String {
    let title = title(document);
    if document.units.is_empty() && document.companions.is_empty() {
        return format!("{title}: no drift\n");
    }
    let what = count(document.units.len() + document.companions.len(), "object");
    let mut page =
        Page { text: format!("{}\n{what} drifted (in Git → in the cluster)\n", paint(BOLD, title)), width };
    for unit in &document.units {
        let since = unit.since.map_or_else(String::new, |since| format!(" since {since}"));
        page.section(&format!("{} {}{since}", unit.kind, unit.id));
        page.changes(&reversed(&unit.changes));
        page.blocked(unit.blocked.as_ref());
    }
    for companion in &document.companions {
        page.section(&format!("{} {}", companion.kind, companion.name));
        page.changes(&reversed(&companion.changes));
    }
    page.text
}

/// Drift reads from Git to the cluster; a plan the other way round.
fn reversed(changes: &[ChangeDocument]) -> Vec<ChangeDocument> {
    let reverse = |change: &ChangeDocument| ChangeDocument {
        before: change.after.clone(),
        after: change.before.clone(),
        ..change.clone()
    };
    changes.iter().map(reverse).collect()
}

fn find<'d>(document: &'d PlanDocument, id: &str) -> Option<&'d UnitDocument> {
    document.units.iter().find(|unit| unit.id == *id)
}

/// `orders 3f1c8a2b9 → prod (cluster prod-eu)`.
fn title(document: &PlanDocument) -> String {
    let against = document.against.kind.word();
    let revision = super::short(&document.revision);
    let PlanDocument { repository, environment, against: to, .. } = document;
    let name = if to.kind == AgainstKind::Revision { super::short(&to.name) } else { &to.name };
    format!("{repository} {revision} → {environment} ({against} {})", clean(name))
}

/// `1 create, 2 update, 40 keep; 1 blocked, 1 drifted; STATE LOST in 1`.
fn totals(document: &PlanDocument) -> String {
    let summary = &document.summary;
    let of = |counts: &[(usize, &str)]| {
        let told = counts.iter().filter(|(count, _)| *count > 0);
        told.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
    };
    let actions = of(&[
        (summary.create, "create"),
        (summary.update, "update"),
        (summary.suspend, "suspend"),
        (summary.resume, "resume"),
        (summary.recreate, "recreate"),
        (summary.delete, "delete"),
        (summary.keep, "keep"),
    ]);
    let remarks = of(&[(summary.blocked, "blocked"), (summary.drifted, "drifted")]);
    let lost = match summary.state_dropped {
        0 => String::new(),
        units => format!("; {}", paint(RED, format!("STATE LOST in {units}"))),
    };
    if remarks.is_empty() { format!("{actions}{lost}") } else { format!("{actions}; {remarks}{lost}") }
}

fn unsettled(document: &PlanDocument) -> String {
    let names: Vec<&str> =
        document.units.iter().filter(|unit| !unit.settled).map(|unit| unit.id.as_str()).collect();
    if names.is_empty() { String::new() } else { format!("; not settled: {}", words::some(&names, 5)) }
}

/// The text so far.
struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        self.text.push_str(&" ".repeat(indent));
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Wraps prose under a hanging indent.
    fn prose(&mut self, indent: usize, text: &str) {
        for (index, line) in wrap(&clean(text), self.width.saturating_sub(indent)).iter().enumerate() {
            self.line(if index == 0 { indent } else { indent + 2 }, line);
        }
    }

    fn section(&mut self, title: &str) {
        self.text.push('\n');
        self.line(0, &paint(BOLD, title));
    }

    fn unit(&mut self, unit: &UnitDocument) {
        self.head(unit);
        for reason in &unit.reasons {
            self.prose(6, reason);
        }
        self.changes(&unit.changes);
        self.steps(unit);
        self.blocked(unit.blocked.as_ref());
    }

    /// `  ~ orders-enrich  update: restarts from a savepoint, state kept`.
    fn head(&mut self, unit: &UnitDocument) {
        let style = of_action(unit.action);
        let name = paint(BOLD, &unit.id);
        let mark = paint(style, words::glyph(unit.action));
        let action = paint(style, words::action(unit.action));
        let state = words::state(unit.state)
            .map_or_else(String::new, |words| format!(", {}", paint(of_state(unit.state), words)));
        let text = match unit.action {
            _ if unit.adopt && unit.effect == Effect::Metadata => {
                format!("{action}: taken over as it is{state}")
            }
            _ if unit.adopt => {
                format!("{action}: taken over, {}{state}", words::effect(unit.effect, unit.state))
            }
            Action::Keep if unit.effect == Effect::None => action,
            _ => format!("{action}: {}{state}", words::effect(unit.effect, unit.state)),
        };
        self.line(2, &format!("{mark} {name}  {text}"));
    }

    fn changes(&mut self, changes: &[ChangeDocument]) {
        for change in changes {
            for line in value::lines(change, self.width.saturating_sub(6)) {
                self.line(6, &line);
            }
            if let Some(origin) = origin(change) {
                for line in wrap(&origin, self.width.saturating_sub(8)) {
                    self.line(8, &paint(YELLOW, line));
                }
            }
            if let Some(note) = &change.note {
                for line in wrap(&clean(note), self.width.saturating_sub(8)) {
                    self.line(8, &paint(DIM, line));
                }
            }
        }
    }

    fn steps(&mut self, unit: &UnitDocument) {
        if unit.steps.len() > 2 {
            let steps: Vec<String> =
                unit.steps.iter().map(|step| format!("{} {}", words::step(step.what), step.unit)).collect();
            self.prose(6, &format!("steps: {}", steps.join("; ")));
        }
    }

    fn blocked(&mut self, blocked: Option<&BlockedDocument>) {
        if let Some(blocked) = blocked {
            let (by, message) = (words::blocked(blocked.by), &blocked.message);
            // `frozen: the reason` says by itself what keeps it.
            let text = match message.strip_prefix(by) {
                Some(rest) if rest.starts_with(':') => format!("! blocked: {message}"),
                _ => format!("! blocked ({by}): {message}"),
            };
            self.prose(6, &text);
        }
    }

    fn companions(&mut self, companions: &[CompanionDocument]) {
        if companions.is_empty() {
            return;
        }
        self.section("Companions");
        for companion in companions {
            let style = of_action(companion.action);
            let mark = paint(style, words::glyph(companion.action));
            let action = paint(style, words::action(companion.action));
            let folder = paint(DIM, format!("({})", companion.folder));
            self.line(2, &format!("{mark} {}/{}  {action} {folder}", companion.kind, companion.name));
            self.changes(&companion.changes);
            self.blocked(companion.blocked.as_ref());
        }
    }
}

/// Who made a field drift, and when.
fn origin(change: &ChangeDocument) -> Option<String> {
    let by = change.owner.as_ref().map_or_else(String::new, |owner| {
        let time = owner.time.map_or_else(String::new, |time| format!(" at {time}"));
        format!(" by {}{time}", clean(&owner.manager))
    });
    match change.cause {
        Cause::Pending => None,
        Cause::Drift => Some(format!("drift: changed in the cluster{by}")),
        Cause::Both => Some(format!("drift: changed in the cluster{by}, and in Git")),
    }
}
