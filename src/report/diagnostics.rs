//! Findings for a terminal: file, line, column, caret and hint, as a compiler would show them.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};

use super::document::{FindingDocument, FindingsDocument, NoteDocument};
use super::text::count;
use crate::flink::secret::Secrets;
use crate::spec::{Severity, SourceTree};

/// Characters of a source line that are shown around the place.
const LINE: usize = 160;

/// Every finding with the source line it is about, and how many there are. Styled with ANSI codes.
pub fn findings(document: &FindingsDocument, tree: &SourceTree, secrets: &Secrets) -> String {
    let mut text = String::new();
    for finding in &document.findings {
        text.push_str(&one(finding, tree, secrets));
        text.push_str("\n\n");
    }
    text.push_str(&totals(document));
    text
}

/// One finding with the source line it is about.
pub fn one(finding: &FindingDocument, tree: &SourceTree, secrets: &Secrets) -> String {
    let title = level(finding.severity).primary_title(&*finding.message).id(&*finding.rule);
    let mark = finding.line.map(|line| Mark { line, column: finding.column, width: finding.width });
    let quote = mark.and_then(|mark| quote(tree, &finding.file, mark, secrets));
    let notes: Vec<_> = finding.notes.iter().map(|note| (note, quote_note(tree, note, secrets))).collect();
    let place: Element<'_> = match &quote {
        Some((line, span)) => Snippet::source(&**line)
            .line_start(finding.line.unwrap_or(1))
            .path(&*finding.file)
            .annotation(AnnotationKind::Primary.span(span.clone()))
            .into(),
        None => origin(finding).into(),
    };
    let hint = finding.hint.as_deref().map(|hint| Level::HELP.message(hint));
    let mut report = vec![title.element(place).elements(hint)];
    for (note, quote) in &notes {
        let title = Level::NOTE.secondary_title(&*note.message);
        report.push(match quote {
            Some((line, span)) => title.element(
                Snippet::source(&**line)
                    .line_start(note.line)
                    .path(&*note.file)
                    .annotation(AnnotationKind::Primary.span(span.clone())),
            ),
            None => title.element(Origin::path(&*note.file).line(note.line)),
        });
    }
    Renderer::styled().render(&report)
}

/// A place within a file.
#[derive(Clone, Copy)]
struct Mark {
    line: usize,
    column: Option<usize>,
    width: usize,
}

fn quote_note(tree: &SourceTree, note: &NoteDocument, secrets: &Secrets) -> Option<(String, Range<usize>)> {
    let mark = Mark { line: note.line, column: Some(note.column), width: note.width };
    quote(tree, &note.file, mark, secrets)
}

fn origin(finding: &FindingDocument) -> Origin<'_> {
    let origin = Origin::path(&*finding.file);
    match finding.line {
        Some(line) => origin.line(line).char_column(finding.column.unwrap_or(1)),
        None => origin,
    }
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::NOTE,
    }
}

/// The source line without its secrets, and what to underline in it.
fn quote(tree: &SourceTree, file: &str, mark: Mark, secrets: &Secrets) -> Option<(String, Range<usize>)> {
    let source = String::from_utf8_lossy(tree.files.get(file)?);
    let text = secrets.blank(source.lines().nth(mark.line.checked_sub(1)?)?);
    let column = mark.column.unwrap_or(1).saturating_sub(1);
    let width = mark.column.map_or(usize::MAX, |_| mark.width.max(1));
    Some(excerpt(&text, column, width))
}

/// The beginning of a line, far enough to hold the place, and the place in bytes.
fn excerpt(text: &str, column: usize, width: usize) -> (String, Range<usize>) {
    let shown: String = text.chars().take(column.saturating_add(LINE)).collect();
    let at = |chars: usize| shown.char_indices().nth(chars).map_or(shown.len(), |(at, _)| at);
    let start = if width == usize::MAX { shown.len() - shown.trim_start().len() } else { at(column) };
    let end = at(column.saturating_add(width));
    (shown, start..end.max(start))
}

/// One line: `2 errors, 1 warning in 12 units`.
pub fn totals(document: &FindingsDocument) -> String {
    let summary = document.summary;
    let units = count(summary.units, "unit");
    if summary.errors + summary.warnings == 0 {
        return format!("{units}, no errors\n");
    }
    format!("{}, {} in {units}\n", count(summary.errors, "error"), count(summary.warnings, "warning"))
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use insta::assert_snapshot;

    use super::*;
    use crate::report::sample;
    use crate::rule::RuleId;
    use crate::spec::Finding;
    use crate::spec::finding::Place;
    use crate::spec::source::{Origin as Source, Revision};

    fn tree(source: &str) -> SourceTree {
        let origin = Source {
            identity: "here".into(),
            revision: Revision::new("working directory"),
            committed: false,
        };
        let files = [("jobs/broken/job.yaml".to_owned(), source.as_bytes().into())].into();
        SourceTree { origin, files, refused: vec![] }
    }

    #[test]
    fn a_finding_points_at_its_place() {
        let findings = [
            sample::finding(),
            Finding::warning(RuleId::NoJobs, Place::file("flinkops.yaml"), "no job folder"),
        ];
        let document = FindingsDocument::new(&findings, 3, &Secrets::default());
        let text = super::findings(&document, &tree("job:\n  paralelism: 4\n"), &Secrets::default());
        assert_snapshot!(strip_str(&text).to_string(), @r#"
        error[unknown-field]: unknown field `paralelism`
         --> jobs/broken/job.yaml:2:3
          |
        2 |   paralelism: 4
          |   ^^^^^^^^^^
          |
          = help: did you mean `parallelism`?

        warning[no-jobs]: no job folder
        --> flinkops.yaml

        1 error, 1 warning in 3 units
        "#);
    }

    #[test]
    fn s25_a_quoted_line_hides_its_secret() {
        let place = Place { file: "jobs/broken/job.yaml".into(), line: 1, column: 16, width: 8 };
        let finding = Finding::error(RuleId::WrongType, place, "expected a string");
        let document = FindingsDocument::new(&[finding], 1, &Secrets::default());
        let text = super::findings(&document, &tree("s3.secret-key: [canary]\n"), &Secrets::default());
        assert_snapshot!(strip_str(&text).to_string(), @r#"
        error[wrong-type]: expected a string
         --> jobs/broken/job.yaml:1:16
          |
        1 | s3.secret-key: ********
          |                ^^^^^^^^

        1 error, 0 warnings in 1 unit
        "#);
    }

    #[test]
    fn a_place_outside_the_file_is_no_panic() {
        let finding = FindingDocument {
            line: Some(99),
            column: Some(99),
            ..FindingDocument::new(&sample::finding(), &Secrets::default())
        };
        assert!(one(&finding, &tree("a: b\n"), &Secrets::default()).contains("paralelism"));
        let finding = FindingDocument { line: Some(1), column: Some(99), ..finding };
        assert!(one(&finding, &tree("a: b\n"), &Secrets::default()).contains("paralelism"));
    }
}
