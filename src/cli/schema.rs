//! `flinkops schema`: the JSON Schemas of what is read and of what is written.

use clap::{Args, ValueEnum};
use schemars::schema_for;
use serde_json::Value;

use super::exit::Exit;
use super::output;
use crate::report;
use crate::report::document::{
    ExplanationDocument, FindingsDocument, GraphDocument, PlanDocument, RetryDocument, SnapshotDocument,
    StatusDocument,
};
use crate::spec::schema;

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    /// What is described.
    #[arg(value_enum, default_value_t = Subject::Job)]
    subject: Subject,
    #[command(flatten)]
    output: output::Flags,
}

/// What is described by a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// `job.yaml`
    Job,
    /// `flinkops.yaml`
    Flinkops,
    /// Output of `plan` and `drift`
    Plan,
    /// Output of `validate`
    Findings,
    /// Output of `status`
    Status,
    /// Output of `graph`
    Graph,
    /// Output of `retry`
    Retry,
    /// Output of `render --explain`
    Explanation,
    /// File of `status --save`
    Snapshot,
}

impl Subject {
    /// Its name, as in `schema/<name>.schema.json`.
    pub fn name(self) -> String {
        self.to_possible_value().expect("no variant is skipped").get_name().to_owned()
    }

    /// The schema.
    pub fn schema(self) -> Value {
        match self {
            Self::Job => schema::job(),
            Self::Flinkops => schema::repository(),
            Self::Plan => schema_for!(PlanDocument).to_value(),
            Self::Findings => schema_for!(FindingsDocument).to_value(),
            Self::Status => schema_for!(StatusDocument).to_value(),
            Self::Graph => schema_for!(GraphDocument).to_value(),
            Self::Explanation => schema_for!(ExplanationDocument).to_value(),
            Self::Retry => schema_for!(RetryDocument).to_value(),
            Self::Snapshot => schema_for!(SnapshotDocument).to_value(),
        }
    }
}

/// Prints a schema.
pub(super) fn run(flags: &Flags) -> anyhow::Result<Exit> {
    flags.output.write(&report::json(&flags.subject.schema()))?;
    Ok(Exit::Done)
}
