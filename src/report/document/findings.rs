//! What was found wrong in Git, as a document.

use schemars::JsonSchema;
use serde::Serialize;

use super::schema;
use crate::flink::secret::Secrets;
use crate::spec::finding::Note;
use crate::spec::{Finding, Severity};

/// Findings with their count.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "flinkops.dev/findings/v1")]
pub struct FindingsDocument {
    /// `flinkops.dev/findings/v1`.
    pub schema: &'static str,
    /// How many.
    pub summary: FindingsSummary,
    /// By place.
    pub findings: Vec<FindingDocument>,
}

/// How many findings there are, and in how many units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FindingsSummary {
    /// Findings of severity `error`.
    pub errors: usize,
    /// Findings of severity `warning`.
    pub warnings: usize,
    /// Units that were read.
    pub units: usize,
}

/// One mistake or remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FindingDocument {
    /// Stable id in kebab case.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Path from the repository's root.
    pub file: String,
    /// Line, from 1; left out where the whole file is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in characters, from 1; left out where the whole line is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Characters meant from there on.
    #[serde(skip)]
    pub width: usize,
    /// The unit it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Other places that have to do with it, such as where a value is written that a reference stands for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<NoteDocument>,
}

/// What another place has to do with a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NoteDocument {
    /// What is there.
    pub message: String,
    /// Path from the repository's root.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters meant from there on.
    #[serde(skip)]
    pub width: usize,
}

impl FindingsDocument {
    /// The document for these findings about so many units.
    pub fn new(findings: &[Finding], units: usize, secrets: &Secrets) -> Self {
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        Self {
            schema: schema::FINDINGS,
            summary: FindingsSummary {
                errors: count(Severity::Error),
                warnings: count(Severity::Warning),
                units,
            },
            findings: findings.iter().map(|finding| FindingDocument::new(finding, secrets)).collect(),
        }
    }
}

impl FindingDocument {
    /// Masks one finding.
    pub fn new(finding: &Finding, secrets: &Secrets) -> Self {
        let known = |number: usize| (number > 0).then_some(number);
        Self {
            rule: finding.rule.to_string(),
            severity: finding.severity,
            message: secrets.scrub(&finding.message).into_owned(),
            hint: finding.hint.as_ref().map(|hint| secrets.scrub(hint).into_owned()),
            file: finding.place.file.clone(),
            line: known(finding.place.line),
            column: known(finding.place.column),
            width: finding.place.width,
            unit: finding.unit.clone(),
            notes: finding.notes.iter().map(|note| NoteDocument::new(note, secrets)).collect(),
        }
    }
}

impl NoteDocument {
    fn new(note: &Note, secrets: &Secrets) -> Self {
        let place = &note.place;
        Self {
            message: secrets.scrub(&note.message).into_owned(),
            file: place.file.clone(),
            line: place.line,
            column: place.column,
            width: place.width,
        }
    }
}
