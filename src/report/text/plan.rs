//! A plan for a terminal: totals, then what is dangerous, what is blocked, and the waves in order.

use super::change;
use super::forecast::forecast;
use super::layout::columns;
use super::page::{Page, Row};
use super::style::{BOLD, DIM, PLAIN, RED, YELLOW, of_action, of_effect, of_state, paint};
use super::{count, short};
use crate::plan::outcome::Action;
use crate::report::digest::{self, Owner};
use crate::report::document::{AgainstKind, CompanionDocument, PlanDocument, UnitDocument};
use crate::report::visible::{clean, visible};
use crate::report::words;

/// The plan at this width. One line where there is nothing to do.
pub fn plan(document: &PlanDocument, width: usize) -> String {
    let mut page = Page::new(width);
    let title = title(document);
    if document.is_empty() {
        let units = count(document.units.len(), "unit");
        page.prose(0, &format!("{title}: nothing to do, {units} as in Git{}", unsettled(document)));
        return page.text;
    }
    page.prose(0, &paint(BOLD, title));
    totals(&mut page, document);
    dangerous(&mut page, document);
    blocked(&mut page, document);
    companions(&mut page, &document.companions);
    for (index, wave) in document.waves.iter().enumerate() {
        let found = wave.iter().filter_map(|id| document.units.iter().find(|unit| unit.id == *id));
        units(&mut page, &format!("Wave {}", index + 1), found.collect());
    }
    let held = document.units.iter().filter(|unit| unit.wave.is_none() && !unit.is_quiet());
    units(&mut page, "Held back", held.collect());
    forecast(&mut page, document);
    page.text
}

/// `orders 3f1c8a2b9 → prod (cluster prod-eu)`.
pub(super) fn title(document: &PlanDocument) -> String {
    let PlanDocument { repository, revision, environment, against, .. } = document;
    let name = if against.kind == AgainstKind::Revision { short(&against.name) } else { &against.name };
    let against = against.kind.word();
    clean(&format!("{repository} {} → {environment} ({against} {name})", short(revision)))
}

/// `1 create, 2 update, 40 keep; 1 blocked, 1 drifted; STATE LOST in 1`, each part on a line where all are
/// too long for one.
fn totals(page: &mut Page, document: &PlanDocument) {
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
        units => format!("STATE LOST in {units}"),
    };
    let styled = [(actions, PLAIN), (remarks, YELLOW), (lost, RED)];
    let told = styled.iter().filter(|(text, _)| !text.is_empty());
    let told: Vec<String> = told.map(|(text, style)| paint(*style, text)).collect();
    let line = told.join("; ");
    if columns(&line) <= page.width {
        page.lines(0, [line]);
        return;
    }
    for part in &told {
        page.prose(0, part);
    }
}

fn unsettled(document: &PlanDocument) -> String {
    let names: Vec<&str> =
        document.units.iter().filter(|unit| !unit.settled).map(|unit| unit.id.as_str()).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("; not settled: {}", clean(&words::some(&names, 5)))
    }
}

/// A list of the units to look at twice, unless they all stand at the top of the first wave anyway.
fn dangerous(page: &mut Page, document: &PlanDocument) {
    let mut units = digest::by_danger(document);
    units.retain(|unit| digest::is_dangerous(unit));
    if units.iter().any(|unit| unit.wave != Some(1)) {
        let rows: Vec<Row> = units.into_iter().map(row).collect();
        page.table("Dangerous", &rows, |_, _| {});
    }
}

/// What keeps whom from starting, each reason once.
fn blocked(page: &mut Page, document: &PlanDocument) {
    let blockers = digest::blockers(document);
    if !blockers.is_empty() {
        page.section("Blocked");
    }
    for blocker in &blockers {
        let names = clean(&words::some(&blocker.names, 8));
        let style = if blocker.passes() { PLAIN } else { YELLOW };
        let message = clean(&words::because(blocker.blocked));
        page.prose(2, &format!("{} {} {message}", paint(BOLD, "!"), paint(style, names)));
    }
}

/// The units of a wave, the most dangerous first, each with what changes and how.
fn units(page: &mut Page, title: &str, mut units: Vec<&UnitDocument>) {
    units.sort_by_key(|unit| digest::danger(unit));
    let rows: Vec<Row> = units.iter().map(|unit| row(unit)).collect();
    page.table(title, &rows, |page, index| {
        let unit = units[index];
        for reason in digest::reasons(unit) {
            page.prose(6, &clean(reason));
        }
        page.lines(6, change::lines(&unit.changes, Owner::Unit, page.width.saturating_sub(6)));
        if unit.steps.len() > 2 {
            page.prose(6, &clean(&format!("steps: {}", words::steps(&unit.steps))));
        }
    });
}

/// `~ orders-enrich  update  restarts from a savepoint  state kept`.
pub(super) fn row(unit: &UnitDocument) -> Row {
    let style = of_effect(unit.effect, unit.state);
    let state = words::state(unit.state).map_or_else(String::new, |state| paint(of_state(unit.state), state));
    let blocked = if unit.blocked.is_some() { paint(YELLOW, "blocked") } else { String::new() };
    let style = if unit.action == Action::Keep { DIM } else { style };
    Row {
        mark: paint(style, words::glyph(unit.action)),
        name: paint(BOLD, visible(&unit.id)),
        cells: vec![paint(style, words::action(unit.action)), words::what(unit), state, blocked],
    }
}

fn companions(page: &mut Page, companions: &[CompanionDocument]) {
    let row = |companion: &CompanionDocument| {
        let style = of_action(companion.action);
        let blocked = if companion.blocked.is_some() { paint(YELLOW, "blocked") } else { String::new() };
        Row {
            mark: paint(style, words::glyph(companion.action)),
            name: paint(BOLD, visible(&digest::name(companion))),
            cells: vec![
                paint(style, words::action(companion.action)),
                paint(DIM, format!("in {}", visible(&companion.folder))),
                blocked,
            ],
        }
    };
    let rows: Vec<Row> = companions.iter().map(row).collect();
    page.table("Companions", &rows, |page, index| {
        page.lines(
            6,
            change::lines(&companions[index].changes, Owner::Companion, page.width.saturating_sub(6)),
        );
    });
}
