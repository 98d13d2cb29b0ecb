//! Documents for a pull request: totals, a table ordered by danger, details folded.
//!
//! A comment is cut below what code hosts take, the least dangerous first, and says so (`comment`).
//! Whatever comes from a repository or a cluster is escaped, so that it can only be read (`escape`).

mod comment;
mod diff;
mod drift;
mod escape;
mod forecast;
mod plan;
mod waves;

pub use drift::drift;
pub use plan::plan;

use comment::Comment;
use escape::{code, prose};

use super::document::{
    AgainstKind, FindingDocument, FindingsDocument, GraphDocument, PlanDocument, StatusDocument, UnitStatus,
};
use super::text::{count, short};
use super::words;
use crate::spec::Severity;

/// Findings.
pub fn findings(document: &FindingsDocument) -> String {
    let summary = document.summary;
    let mut comment = Comment::new("validate", &[], "flinkops validate");
    let totals = format!(
        "{}, {} in {}\n",
        count(summary.errors, "error"),
        count(summary.warnings, "warning"),
        count(summary.units, "unit")
    );
    comment.push(&totals);
    list_findings(&mut comment, &document.findings);
    comment.finish("flinkops validate")
}

/// How every unit is doing.
pub fn status(document: &StatusDocument) -> String {
    let StatusDocument { repository, revision, environment, summary, .. } = document;
    let title =
        format!("flinkops status: {} {} → {}", prose(repository), code(short(revision)), prose(environment));
    let mut comment = Comment::new("status", &[repository, environment], &title);
    comment.push(&format!("{} of {} settled\n", summary.settled, count(summary.units, "unit")));
    let head = "\n| unit | health | revision | message |\n|---|---|---|---|\n";
    let mut units: Vec<&UnitStatus> = document.units.iter().collect();
    units.sort_by_key(|unit| (unit.settled, unit.blocked.is_none()));
    comment.last_list("unit", head, units.into_iter().map(status_row));
    comment.finish("flinkops status")
}

fn status_row(unit: &UnitStatus) -> String {
    let revision = unit.revision.as_deref().map_or_else(String::new, |revision| code(short(revision)));
    let message = prose(unit.blocked.as_deref().unwrap_or(&unit.message));
    let health = words::health(unit.health);
    format!("| {} | {health} | {revision} | {message} |\n", code(&unit.id))
}

/// A graph, as a Mermaid diagram that code hosts draw.
pub fn graph(document: &GraphDocument) -> String {
    format!("```mermaid\n{}```\n", super::graphs::mermaid(document))
}

/// `orders 3f1c8a2b9 → prod (cluster prod-eu)`.
fn title(command: &str, document: &PlanDocument) -> String {
    let PlanDocument { repository, revision, environment, against, .. } = document;
    let against = match against.kind {
        AgainstKind::Cluster => format!("cluster {}", prose(&against.name)),
        AgainstKind::Revision => format!("against {}", code(short(&against.name))),
        AgainstKind::File => format!("file {}", code(&against.name)),
    };
    format!(
        "flinkops {command}: {} {} → {} ({against})",
        prose(repository),
        code(short(revision)),
        prose(environment)
    )
}

/// One line per finding, the worst first.
fn list_findings(comment: &mut Comment, findings: &[FindingDocument]) {
    let mut findings: Vec<&FindingDocument> = findings.iter().collect();
    findings.sort_by_key(|finding| match finding.severity {
        Severity::Error => 0,
        Severity::Warning => 1,
        Severity::Info => 2,
    });
    comment.list("finding", "\n", findings.into_iter().map(finding_row));
}

fn finding_row(finding: &FindingDocument) -> String {
    let severity = match finding.severity {
        Severity::Error => "**error**",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let hint = finding.hint.as_ref().map_or_else(String::new, |hint| format!(" ({})", prose(hint)));
    let place = [finding.line, finding.column].into_iter().flatten();
    let place = place.fold(finding.file.clone(), |place, at| format!("{place}:{at}"));
    format!("- {severity} in {}: {}{hint}\n", code(&place), prose(&finding.message))
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
