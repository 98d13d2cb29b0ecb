//! What drifted, for an issue or a message: who, since when, what, and what flinkops will do about it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::comment::Comment;
use super::escape::{code, prose};
use super::{diff, list_findings, title};
use crate::flink::pointer::dotted;
use crate::report::digest::{self, Owner};
use crate::report::document::{ChangeDocument, PlanDocument};
use crate::report::text::count;
use crate::report::words;

const TABLE: &str = "\n| | object | fields | by | since | flinkops |\n|---|---|---|---|---|---|\n";
/// Fields and people that are named in a row.
const NAMED: usize = 3;

/// What drifted: a row for each object, the one whose healing costs most first, and folded what differs.
pub fn drift(document: &PlanDocument) -> String {
    let names = [document.repository.as_str(), document.environment.as_str()];
    let mut comment = Comment::new("drift", &names, &title("drift", document));
    let objects = objects(document);
    if objects.is_empty() {
        comment.push("No drift.\n");
    } else {
        let fields = objects.iter().map(|object| object.changes.len()).sum();
        let totals =
            format!("**{} drifted in {}**\n", count(objects.len(), "object"), count(fields, "field"));
        comment.push(&totals);
    }
    list_findings(&mut comment, &document.findings);
    comment.list("row", TABLE, objects.iter().map(Object::row));
    let head = "\nWhat differs, from Git (`-`) to the cluster (`+`):\n";
    comment.last_list("diff", head, objects.iter().map(Object::fold));
    comment.finish("flinkops drift")
}

/// A unit or a companion that drifted.
struct Object<'d> {
    owner: Owner,
    dangerous: bool,
    name: String,
    changes: &'d [ChangeDocument],
    since: Option<Timestamp>,
    answer: String,
}

fn objects(document: &PlanDocument) -> Vec<Object<'_>> {
    let units = digest::by_danger(document).into_iter().map(|unit| Object {
        owner: Owner::Unit,
        dangerous: digest::is_dangerous(unit),
        name: unit.id.clone(),
        changes: &unit.changes,
        since: unit.since,
        answer: words::answer(unit.action, unit.blocked.as_ref(), Some(unit)),
    });
    let companions = document.companions.iter().map(|companion| Object {
        owner: Owner::Companion,
        dangerous: false,
        name: digest::name(companion),
        changes: &companion.changes,
        since: companion.changes.iter().filter_map(|change| change.owner.as_ref()?.time).min(),
        answer: words::answer(companion.action, companion.blocked.as_ref(), None),
    });
    units.chain(companions).collect()
}

impl Object<'_> {
    fn row(&self) -> String {
        let danger = if self.dangerous { "⚠" } else { "" };
        let fields: Vec<String> = self.changes.iter().map(|change| dotted(change.place())).collect();
        let by: BTreeSet<&str> =
            self.changes.iter().filter_map(|change| Some(change.owner.as_ref()?.manager.as_str())).collect();
        let by: Vec<&str> = by.into_iter().collect();
        let since = self.since.map_or_else(String::new, |since| since.to_string());
        format!(
            "| {danger} | {} | {} | {} | {since} | {} |\n",
            code(&self.name),
            code(&words::some(&fields, NAMED)),
            prose(&words::some(&by, NAMED)),
            prose(&self.answer)
        )
    }

    fn fold(&self) -> String {
        diff::fold(&code(&self.name), &[], &digest::reversed(self.changes), self.owner)
    }
}
