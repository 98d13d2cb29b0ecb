//! Documents for a terminal: readable at 80 columns and without colour.
//!
//! Styles are ANSI codes; whoever prints takes them out where they do not belong.

mod change;
mod drift;
mod explanation;
mod forecast;
mod layout;
mod page;
mod plan;
mod retry;
mod status;
mod style;

pub use drift::drift;
pub use explanation::explanation;
pub use plan::plan;
pub use retry::retry;
pub use status::status;

use super::document::FindingDocument;
use crate::spec::Severity;

/// `1 error`, `2 errors`.
pub fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// A finding in one line: `jobs/a/job.yaml:7:5: error: unknown field (try …)`.
pub fn finding_line(finding: &FindingDocument) -> String {
    let mut place = finding.file.clone();
    for at in [finding.line, finding.column].into_iter().flatten() {
        place = format!("{place}:{at}");
    }
    let hint = finding.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    format!("{place}: {severity}: {}{hint}", finding.message)
}

/// A commit's first characters; any other name of a revision as it is.
pub fn short(revision: &str) -> &str {
    let commit = revision.len() >= 40 && revision.bytes().all(|letter| letter.is_ascii_hexdigit());
    if commit { &revision[..9] } else { revision }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
