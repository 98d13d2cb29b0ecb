//! A diagnostic: what is wrong, where in Git, and what to do about it.

use crate::rule::RuleId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Legal, and probably not meant.
    Warning,
    /// The folder cannot be used as it is.
    Error,
}

/// A place in a file; lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Path from the repository's root.
    pub file: String,
    /// Line, or 0 where the whole file is meant.
    pub line: usize,
    /// Column, or 0 where the whole line is meant.
    pub column: usize,
    /// Characters to underline from there on; at least 1 where there is a column.
    pub width: usize,
}

impl Place {
    /// The file as a whole.
    pub fn file(path: impl Into<String>) -> Self {
        Self { file: path.into(), line: 0, column: 0, width: 0 }
    }
}

/// One mistake or remark. `rule` is a stable id in kebab case.
///
/// The message never contains a secret value and, like every error of ours, starts in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where, first, so that findings sort by place.
    pub place: Place,
    /// How bad.
    pub severity: Severity,
    /// Stable id, such as `unknown-field`.
    pub rule: RuleId,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where something can be said.
    pub hint: Option<String>,
    /// The unit's name, where the finding belongs to one.
    pub unit: Option<String>,
    /// Other places that have to do with it.
    pub notes: Vec<Note>,
}

/// What another place has to do with a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Where.
    pub place: Place,
    /// What is there.
    pub message: String,
}

impl Finding {
    /// An error at a place.
    pub fn error(rule: RuleId, place: Place, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { place, severity: Severity::Error, rule, message, hint: None, unit: None, notes: Vec::new() }
    }

    /// A warning at a place.
    pub fn warning(rule: RuleId, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, place, message) }
    }

    /// A remark at a place.
    pub fn info(rule: RuleId, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Info, ..Self::error(rule, place, message) }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the unit it belongs to.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }
}
