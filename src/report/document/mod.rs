//! The JSON documents of the contract: built from the planner's values, free of secrets.

mod change;
mod explanation;
mod findings;
mod forecast;
mod graph;
mod plan;
mod retry;
mod snapshot;
mod status;

#[cfg(test)]
mod tests;

pub use change::{ChangeDocument, OwnerDocument};
pub use explanation::{ExplainedObject, ExplainedValue, ExplanationDocument, ReferenceDocument};
pub use findings::{FindingDocument, FindingsDocument, FindingsSummary, NoteDocument};
pub use forecast::{
    ForecastDocument, ForecastSummary, HappeningDocument, SpanDocument, UnitForecastDocument,
};
pub use graph::{EdgeDocument, GraphDocument, NodeDocument, WhyDocument};
pub use plan::{
    Against, AgainstKind, BlockedDocument, CompanionDocument, PlanDocument, PlanSummary, SourceDocument,
    StepDocument, UnitDocument,
};
pub use retry::{RetriedDocument, RetryDocument};
pub use snapshot::{Snapshot, SnapshotDocument, Unusable, objects};
pub use status::{SavepointDocument, StatusDocument, StatusSummary, UnitStatus};

/// A document's `schema`: which document it is and in which version.
pub mod schema {
    /// What a plan carries.
    pub const PLAN: &str = "flinkops.dev/plan/v1";
    /// What a drift report carries.
    pub const DRIFT: &str = "flinkops.dev/drift/v1";
    /// What a status report carries.
    pub const STATUS: &str = "flinkops.dev/status/v1";
    /// What `retry` says carries.
    pub const RETRY: &str = "flinkops.dev/retry/v1";
    /// What a graph carries.
    pub const GRAPH: &str = "flinkops.dev/graph/v1";
    /// What a snapshot file carries.
    pub const SNAPSHOT: &str = "flinkops.dev/snapshot/v1";
    /// What `render --explain` says carries.
    pub const EXPLANATION: &str = "flinkops.dev/explanation/v1";
    /// What findings carry.
    pub const FINDINGS: &str = "flinkops.dev/findings/v1";
}
