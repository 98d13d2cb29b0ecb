//! A plan for a pull request.

use super::comment::Comment;
use super::escape::{code, prose};
use super::forecast::forecast;
use super::{diff, list_findings, title, waves};
use crate::plan::outcome::State;
use crate::report::digest::{self, Blocker, Owner};
use crate::report::document::{CompanionDocument, PlanDocument, UnitDocument};
use crate::report::text::count;
use crate::report::words;

/// Units that are named with what blocks them.
const NAMED: usize = 8;
const TABLE: &str = "\n| | unit | action | what happens | state | wave | |\n|---|---|---|---|---|---|---|\n";

/// A plan: totals, what could not be read, the units that act, what blocks them, and folded all details.
pub fn plan(document: &PlanDocument) -> String {
    let names = [document.repository.as_str(), document.environment.as_str()];
    let mut comment = Comment::new("plan", &names, &title("plan", document));
    comment.push(&totals(document));
    list_findings(&mut comment, &document.findings);
    let rows: Vec<Row<'_>> = rows(document);
    comment.list("row", TABLE, rows.iter().map(Row::line));
    let blockers = digest::blockers(document);
    comment.list("blocking reason", "\n**Blocked**\n\n", blockers.iter().map(blocker_line));
    forecast(&mut comment, document);
    comment.list("diagram", "", waves::fold(document).into_iter());
    let told: Vec<&Row<'_>> = rows.iter().filter(|row| row.has_details()).collect();
    comment.last_list("diff", "", told.into_iter().map(Row::fold));
    comment.finish("flinkops plan")
}

/// One line: how many units of each sort, and what is bad about it.
fn totals(document: &PlanDocument) -> String {
    if document.is_empty() {
        return format!("Nothing to do, {} as in Git.\n", count(document.units.len(), "unit"));
    }
    let summary = &document.summary;
    let counts = [
        (summary.create, "to create"),
        (summary.update, "to update"),
        (summary.suspend, "to suspend"),
        (summary.resume, "to resume"),
        (summary.recreate, "to recreate"),
        (summary.delete, "to delete"),
        (summary.keep, "unchanged"),
    ];
    let told = counts.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told.map(|(count, what)| format!("{count} {what}")).collect();
    let remarks = [
        (summary.state_dropped, "⚠ **", "would lose state**"),
        (summary.blocked, "", "blocked"),
        (summary.drifted, "", "drifted"),
    ];
    let remarks = remarks.iter().filter(|(count, ..)| *count > 0);
    let remarks: Vec<String> =
        remarks.map(|(count, before, what)| format!(" · {before}{count} {what}")).collect();
    format!("**{}**{}\n", told.join(", "), remarks.concat())
}

/// A line of the table, and what is folded below.
enum Row<'d> {
    Unit(&'d UnitDocument),
    Companion(&'d CompanionDocument),
}

/// The units, the most dangerous first, and then the companions.
fn rows(document: &PlanDocument) -> Vec<Row<'_>> {
    let units = digest::by_danger(document).into_iter().map(Row::Unit);
    units.chain(document.companions.iter().map(Row::Companion)).collect()
}

impl Row<'_> {
    fn line(&self) -> String {
        match self {
            Self::Unit(unit) => format!(
                "| {}`{}` | {} | {} | {} | {} | {} | {} |\n",
                if digest::is_dangerous(unit) { "⚠ " } else { "" },
                words::glyph(unit.action),
                code(&unit.id),
                words::action(unit.action),
                words::what(unit),
                state(unit.state),
                unit.wave.map_or_else(String::new, |wave| wave.to_string()),
                if unit.blocked.is_some() { "blocked" } else { "" },
            ),
            Self::Companion(companion) => format!(
                "| `{}` | {} | {} | companion | | | {} |\n",
                words::glyph(companion.action),
                code(&digest::name(companion)),
                words::action(companion.action),
                if companion.blocked.is_some() { "blocked" } else { "" },
            ),
        }
    }

    fn has_details(&self) -> bool {
        match self {
            Self::Unit(unit) => !unit.changes.is_empty() || !sentences(unit).is_empty(),
            Self::Companion(companion) => !companion.changes.is_empty(),
        }
    }

    fn fold(&self) -> String {
        match self {
            Self::Unit(unit) => {
                let action = words::action(unit.action);
                let summary = format!("{} {action}: {}", code(&unit.id), words::what(unit));
                diff::fold(&summary, &sentences(unit), &unit.changes, Owner::Unit)
            }
            Self::Companion(companion) => {
                let summary =
                    format!("{} {}", code(&digest::name(companion)), words::action(companion.action));
                diff::fold(&summary, &[], &companion.changes, Owner::Companion)
            }
        }
    }
}

/// What is to be said of a unit beside its changes.
fn sentences(unit: &UnitDocument) -> Vec<String> {
    let mut sentences: Vec<String> = digest::reasons(unit).map(str::to_owned).collect();
    if unit.steps.len() > 2 {
        sentences.push(format!("steps: {}", words::steps(&unit.steps)));
    }
    sentences
}

fn state(state: State) -> String {
    match (state, words::state(state)) {
        (State::Dropped, Some(words)) => format!("**{words}**"),
        (_, words) => words.unwrap_or_default().to_owned(),
    }
}

fn blocker_line(blocker: &Blocker<'_>) -> String {
    let names: Vec<String> = blocker.names.iter().take(NAMED).map(|name| code(name)).collect();
    let more = match blocker.names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("- {}{more} {}\n", names.join(", "), prose(&words::because(blocker.blocked)))
}
