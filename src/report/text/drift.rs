//! What drifted, for a terminal: who, since when, what, and what flinkops will do about it.

use super::change;
use super::count;
use super::page::Page;
use super::plan::title;
use super::style::{BOLD, DIM, GREEN, RED, YELLOW, paint};
use crate::report::digest::{self, Owner};
use crate::report::document::PlanDocument;
use crate::report::visible::{clean, visible};
use crate::report::words;

/// What drifted, at this width. One line where nothing did.
pub fn drift(document: &PlanDocument, width: usize) -> String {
    let mut page = Page::new(width);
    let title = title(document);
    if document.units.is_empty() && document.companions.is_empty() {
        page.prose(0, &format!("{title}: no drift"));
        return page.text;
    }
    page.prose(0, &paint(BOLD, title));
    page.prose(0, &format!("{} (in Git → in the cluster)", paint(YELLOW, totals(document))));
    for unit in digest::by_danger(document) {
        let since = unit.since.map_or_else(String::new, |since| paint(DIM, format!("  since {since}")));
        page.begin();
        page.prose(0, &format!("{} {}{since}", unit.kind, paint(BOLD, visible(&unit.id))));
        page.lines(4, change::lines(&digest::reversed(&unit.changes), Owner::Unit, width.saturating_sub(4)));
        let answer = words::answer(unit.action, unit.blocked.as_ref(), Some(unit));
        let style = match &unit.blocked {
            Some(_) => YELLOW,
            None if digest::is_dangerous(unit) => RED,
            None => GREEN,
        };
        page.prose(4, &format!("{} {}", paint(style, "flinkops:"), clean(&answer)));
    }
    for companion in &document.companions {
        page.begin();
        page.prose(0, &format!("{} {}", visible(&companion.kind), paint(BOLD, visible(&companion.name))));
        page.lines(
            4,
            change::lines(&digest::reversed(&companion.changes), Owner::Companion, width.saturating_sub(4)),
        );
        let answer = words::answer(companion.action, companion.blocked.as_ref(), None);
        page.prose(4, &format!("{} {}", paint(GREEN, "flinkops:"), clean(&answer)));
    }
    page.text
}

/// `2 objects drifted in 3 fields`.
fn totals(document: &PlanDocument) -> String {
    let units = document.units.iter().map(|unit| &unit.changes);
    let fields: usize =
        units.chain(document.companions.iter().map(|companion| &companion.changes)).map(Vec::len).sum();
    let objects = document.units.len() + document.companions.len();
    format!("{} drifted in {}", count(objects, "object"), count(fields, "field"))
}
