//! How every unit is doing, as a document.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::plan::{Against, AgainstKind};
use super::schema;
use crate::flink::health::Health;
use crate::flink::rest::JobState;
use crate::flink::secret::{Secrets, scrub_credentials};
use crate::plan::Live;
use crate::plan::ledger::{Reason, Savepoint};
use crate::plan::outcome::{Action, Plan, UnitPlan};

/// How every unit is doing.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "flinkops.dev/status/v1")]
pub struct StatusDocument {
    /// `flinkops.dev/status/v1`.
    pub schema: &'static str,
    /// `name` in `flinkops.yaml`.
    pub repository: String,
    /// What Git is at.
    pub revision: String,
    /// The environment.
    pub environment: String,
    /// The cluster.
    pub against: Against,
    /// How many of each sort.
    pub summary: StatusSummary,
    /// Every unit.
    pub units: Vec<UnitStatus>,
}

/// How many units of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusSummary {
    /// Units in all.
    pub units: usize,
    /// Units that are where Git wants them.
    pub settled: usize,
    /// Units with an action that may not start now.
    pub blocked: usize,
    /// Units that are failed, lost, rejected or rolled back.
    pub failed: usize,
}

/// How one unit is doing.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnitStatus {
    /// Its name where that is unique, else `namespace/Kind/name`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Whether it is where its spec wants it, for long enough.
    pub settled: bool,
    /// How it is doing.
    pub health: Health,
    /// The same in words.
    pub message: String,
    /// What flinkops would do about it now.
    pub action: Action,
    /// Why it may not do that now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// The revision applied last; null where none was.
    pub revision: Option<String>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub applied: Option<Timestamp>,
    /// The savepoints flinkops knows, newest first.
    pub savepoints: Vec<SavepointDocument>,
    /// The newest checkpoint that was seen while the job ran: Flink may have deleted it since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<SeenDocument>,
    /// What Flink itself tells of the job's state; absent where it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink: Option<FlinkDocument>,
}

/// What Flink itself tells of a job's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlinkDocument {
    /// What the job was restored from; null for an empty start, and where it is not known.
    pub restored_from: Option<String>,
    /// Its newest completed checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointDocument>,
    /// Why nothing of this is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// A checkpoint that a job has completed.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointDocument {
    /// Where it is.
    pub path: String,
    /// When it was begun.
    #[schemars(with = "String")]
    pub time: Timestamp,
}

/// A checkpoint on record.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenDocument {
    /// Where it was.
    pub path: String,
    /// When it was begun.
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// When Flink told of it.
    #[schemars(with = "String")]
    pub seen: Timestamp,
}

/// A savepoint on record.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavepointDocument {
    /// Where it is.
    pub path: String,
    /// When it was first seen.
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// The Flink version that took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink_version: Option<String>,
    /// Why it was taken.
    #[schemars(with = "String")]
    pub reason: Reason,
    /// Whether the job stopped with it and has not run since: it restores by itself.
    #[serde(rename = "final", skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

impl StatusDocument {
    /// The document of a plan and the records it was made from.
    pub fn new(plan: &Plan, against: AgainstKind, live: &Live, secrets: &Secrets) -> Self {
        let units: Vec<UnitStatus> =
            plan.units.iter().map(|unit| UnitStatus::new(unit, live, secrets)).collect();
        Self {
            schema: schema::STATUS,
            repository: plan.repository.clone(),
            revision: plan.revision.to_string(),
            environment: plan.environment.clone(),
            against: Against { kind: against, name: scrub_credentials(&plan.against) },
            summary: StatusSummary::of(&units),
            units,
        }
    }
}

impl StatusSummary {
    fn of(units: &[UnitStatus]) -> Self {
        let count = |test: fn(&UnitStatus) -> bool| units.iter().filter(|unit| test(unit)).count();
        Self {
            units: units.len(),
            settled: count(|unit| unit.settled),
            blocked: count(|unit| unit.blocked.is_some()),
            failed: count(|unit| {
                matches!(unit.health, Health::Failed | Health::Lost | Health::Rejected | Health::RolledBack)
            }),
        }
    }
}

impl UnitStatus {
    fn new(unit: &UnitPlan, live: &Live, secrets: &Secrets) -> Self {
        let ledger = live.ledger(&unit.key);
        let applied = ledger.and_then(|ledger| ledger.applied.first());
        let savepoints = ledger.map_or(&[][..], |ledger| &ledger.savepoints);
        Self {
            id: unit.id.clone(),
            name: unit.key.name.clone(),
            kind: unit.key.kind.as_str(),
            namespace: unit.key.namespace.clone(),
            settled: unit.settled,
            health: unit.health,
            message: secrets.scrub(&unit.health_message).into_owned(),
            action: unit.action,
            blocked: unit.blocked.as_ref().map(|blocked| secrets.scrub(&blocked.message).into_owned()),
            revision: applied.map(|applied| applied.revision.to_string()),
            applied: applied.map(|applied| applied.time),
            savepoints: savepoints
                .iter()
                .map(|savepoint| SavepointDocument::new(savepoint, secrets))
                .collect(),
            checkpoint: ledger.and_then(|ledger| ledger.checkpoint.as_ref()).map(|it| SeenDocument {
                path: secrets.scrub(&it.path).into_owned(),
                time: it.time,
                seen: it.seen,
            }),
            flink: live.states.get(&unit.key).map(|told| FlinkDocument::new(told, secrets)),
        }
    }
}

impl FlinkDocument {
    fn new(told: &Result<JobState, String>, secrets: &Secrets) -> Self {
        let scrub = |text: &String| secrets.scrub(text).into_owned();
        match told {
            Ok(JobState { checkpoint, restored }) => Self {
                restored_from: restored.as_ref().map(scrub),
                checkpoint: checkpoint
                    .as_ref()
                    .map(|it| CheckpointDocument { path: scrub(&it.path), time: it.time }),
                unknown: None,
            },
            Err(why) => Self { unknown: Some(scrub(why)), ..Self::default() },
        }
    }
}

impl SavepointDocument {
    fn new(savepoint: &Savepoint, secrets: &Secrets) -> Self {
        Self {
            path: secrets.scrub(&savepoint.path).into_owned(),
            time: savepoint.time,
            flink_version: savepoint.flink_version.clone(),
            reason: savepoint.reason,
            last: savepoint.last,
        }
    }
}
