//! A plan, and a drift report, as a document.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::change::ChangeDocument;
use super::findings::FindingDocument;
use super::forecast::ForecastDocument;
use super::schema;
use crate::flink::health::Health;
use crate::flink::kind::UnitKey;
use crate::flink::secret::{Secrets, scrub_credentials};
use crate::plan::forecast::Forecast;
use crate::plan::outcome::{
    Action, Blocked, BlockedBy, Cause, CompanionPlan, Effect, Plan, State, StepKind, UnitPlan,
};
use crate::spec::Severity;

/// What would happen to every unit, or what drifted.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "flinkops.dev/plan/v1 and flinkops.dev/drift/v1")]
pub struct PlanDocument {
    /// `flinkops.dev/plan/v1` or `flinkops.dev/drift/v1`.
    pub schema: &'static str,
    /// `name` in `flinkops.yaml`.
    pub repository: String,
    /// The commit planned for, or `working directory`.
    pub revision: String,
    /// The environment.
    pub environment: String,
    /// What Git is compared with.
    pub against: Against,
    /// How many units of each sort.
    pub summary: PlanSummary,
    /// The units that act, by wave.
    pub waves: Vec<Vec<String>>,
    /// Every unit; in a drift report those that drifted.
    pub units: Vec<UnitDocument>,
    /// Companions with something to do or in the way; in a drift report those that drifted.
    pub companions: Vec<CompanionDocument>,
    /// What Git and the comparison brought up.
    pub findings: Vec<FindingDocument>,
    /// What happens if the plan is carried out; absent where there is nothing to do, and in a drift report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<ForecastDocument>,
}

/// What Git is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Against {
    /// What sort of thing.
    pub kind: AgainstKind,
    /// Its name: a cluster's, a commit, a file.
    pub name: String,
}

/// What sort of thing Git is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AgainstKind {
    /// A cluster.
    Cluster,
    /// Another revision.
    Revision,
    /// A snapshot file.
    File,
}

impl AgainstKind {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Revision => "revision",
            Self::File => "file",
        }
    }
}

/// How many units of each sort; the actions add up to the number of units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanSummary {
    /// Units that are brought into being.
    pub create: usize,
    /// Units that are changed in place.
    pub update: usize,
    /// Units that are removed.
    pub delete: usize,
    /// Units that are deleted and created again.
    pub recreate: usize,
    /// Units that are stopped.
    pub suspend: usize,
    /// Units that are started again.
    pub resume: usize,
    /// Units with nothing to do.
    pub keep: usize,
    /// Units whose action may not start now.
    pub blocked: usize,
    /// Units that the cluster changed by itself.
    pub drifted: usize,
    /// Units whose state would be lost.
    pub state_dropped: usize,
}

/// What is said about one unit.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnitDocument {
    /// Its name where that is unique, else `namespace/Kind/name`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Where it stands in Git; null for one that left.
    pub source: Option<SourceDocument>,
    /// What is done.
    pub action: Action,
    /// Whether the live object is taken over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub adopt: bool,
    /// The strongest effect on the job.
    pub effect: Effect,
    /// What becomes of the job's state; of a session cluster: of its jobs'.
    pub state: State,
    /// When it may go, counted from 1; null where nothing is done.
    pub wave: Option<usize>,
    /// What must be settled first.
    pub depends_on: Vec<String>,
    /// Live objects of other kinds that are not ready, such as `KafkaTopic/orders`: it does not change before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub awaits: Vec<String>,
    /// What keeps the action from starting now.
    pub blocked: Option<BlockedDocument>,
    /// Why there is something to do.
    pub reasons: Vec<String>,
    /// The way there.
    pub steps: Vec<StepDocument>,
    /// The fields that differ.
    pub changes: Vec<ChangeDocument>,
    /// Whether it is settled, so that its dependents may go.
    pub settled: bool,
    /// How the live object is doing.
    pub health: Health,
    /// The same in words.
    pub message: String,
    /// In a drift report: since when it differs, as far as `managedFields` can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

/// A place in Git.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceDocument {
    /// Path from the repository's root.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
}

/// Why an action may not start now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BlockedDocument {
    /// What keeps it.
    pub by: BlockedBy,
    /// The units it waits for.
    pub on: Vec<String>,
    /// The reason in words, with the way out.
    pub message: String,
}

/// One step on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StepDocument {
    /// What is done.
    #[serde(rename = "do")]
    pub what: StepKind,
    /// To which unit.
    pub unit: String,
}

/// What is said about one companion.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompanionDocument {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its folder in Git.
    pub folder: String,
    /// What is done.
    pub action: Action,
    /// What keeps the action from starting now.
    pub blocked: Option<BlockedDocument>,
    /// The fields that differ.
    pub changes: Vec<ChangeDocument>,
}

impl PlanDocument {
    /// The document of a plan.
    pub fn new(plan: &Plan, against: AgainstKind, secrets: &Secrets) -> Self {
        let writer = Writer { ids: ids(plan), secrets };
        Self {
            schema: schema::PLAN,
            repository: plan.repository.clone(),
            revision: plan.revision.to_string(),
            environment: plan.environment.clone(),
            against: Against { kind: against, name: scrub_credentials(&plan.against) },
            summary: PlanSummary::of(&plan.units),
            waves: plan.waves.iter().map(|wave| writer.names(wave)).collect(),
            units: plan.units.iter().map(|unit| writer.unit(unit)).collect(),
            companions: plan
                .companions
                .iter()
                .filter(|companion| companion.action != Action::Keep || companion.blocked.is_some())
                .map(|companion| writer.companion(companion))
                .collect(),
            findings: plan.findings.iter().map(|finding| FindingDocument::new(finding, secrets)).collect(),
            forecast: None,
        }
    }

    /// The same document with what happens if the plan is carried out.
    #[must_use]
    pub fn with_forecast(self, forecast: &Forecast, plan: &Plan, secrets: &Secrets) -> Self {
        Self { forecast: Some(ForecastDocument::new(forecast, plan, secrets)), ..self }
    }

    /// The same document reduced to what the cluster changed by itself.
    #[must_use]
    pub fn into_drift(mut self) -> Self {
        self.schema = schema::DRIFT;
        self.forecast = None;
        for unit in &mut self.units {
            unit.changes.retain(ChangeDocument::is_drift);
            unit.since = unit.changes.iter().filter_map(ChangeDocument::time).min();
        }
        self.units.retain(|unit| !unit.changes.is_empty());
        for companion in &mut self.companions {
            companion.changes.retain(ChangeDocument::is_drift);
        }
        self.companions.retain(|companion| !companion.changes.is_empty());
        self
    }

    /// Whether a part could not be read.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Whether there is nothing to do and nothing in the way.
    pub fn is_empty(&self) -> bool {
        self.units.iter().all(UnitDocument::is_quiet) && self.companions.is_empty()
    }
}

impl UnitDocument {
    /// Whether there is nothing to say about it.
    pub fn is_quiet(&self) -> bool {
        self.action == Action::Keep && !self.adopt && self.blocked.is_none() && self.changes.is_empty()
    }
}

impl ChangeDocument {
    /// Whether the cluster had a part in it.
    pub fn is_drift(&self) -> bool {
        self.cause != Cause::Pending
    }

    fn time(&self) -> Option<Timestamp> {
        self.owner.as_ref()?.time
    }
}

impl PlanSummary {
    fn of(units: &[UnitPlan]) -> Self {
        let mut summary = Self::default();
        for unit in units {
            *summary.slot(unit.action) += 1;
            summary.blocked += usize::from(unit.blocked.is_some());
            summary.state_dropped += usize::from(unit.state == State::Dropped);
            summary.drifted += usize::from(unit.changes.iter().any(|change| change.cause != Cause::Pending));
        }
        summary
    }

    fn slot(&mut self, action: Action) -> &mut usize {
        match action {
            Action::Keep => &mut self.keep,
            Action::Update => &mut self.update,
            Action::Suspend => &mut self.suspend,
            Action::Resume => &mut self.resume,
            Action::Recreate => &mut self.recreate,
            Action::Create => &mut self.create,
            Action::Delete => &mut self.delete,
        }
    }
}

/// The ids of a plan's units.
fn ids(plan: &Plan) -> BTreeMap<&UnitKey, &str> {
    plan.units.iter().map(|unit| (&unit.key, unit.id.as_str())).collect()
}

struct Writer<'p> {
    ids: BTreeMap<&'p UnitKey, &'p str>,
    secrets: &'p Secrets,
}

impl Writer<'_> {
    fn name(&self, key: &UnitKey) -> String {
        self.ids.get(key).map_or_else(|| key.to_string(), |id| (*id).to_owned())
    }

    fn names(&self, keys: &[UnitKey]) -> Vec<String> {
        keys.iter().map(|key| self.name(key)).collect()
    }

    fn text(&self, text: &str) -> String {
        self.secrets.scrub(text).into_owned()
    }

    fn unit(&self, unit: &UnitPlan) -> UnitDocument {
        UnitDocument {
            id: unit.id.clone(),
            name: unit.key.name.clone(),
            kind: unit.key.kind.as_str(),
            namespace: unit.key.namespace.clone(),
            source: unit
                .source
                .as_ref()
                .map(|place| SourceDocument { file: place.file.clone(), line: place.line }),
            action: unit.action,
            adopt: unit.adopt,
            effect: unit.effect,
            state: unit.state,
            wave: unit.wave,
            depends_on: self.names(&unit.depends_on),
            awaits: unit.awaits.clone(),
            blocked: self.blocked(unit.blocked.as_ref()),
            reasons: unit.reasons.iter().map(|reason| self.text(reason)).collect(),
            steps: unit
                .steps
                .iter()
                .map(|step| StepDocument { what: step.what, unit: self.name(&step.unit) })
                .collect(),
            changes: unit.changes.iter().map(|change| ChangeDocument::new(change, self.secrets)).collect(),
            settled: unit.settled,
            health: unit.health,
            message: self.text(&unit.health_message),
            since: None,
        }
    }

    fn companion(&self, companion: &CompanionPlan) -> CompanionDocument {
        CompanionDocument {
            name: companion.key.name.clone(),
            kind: companion.key.kind.clone(),
            namespace: companion.key.namespace.clone(),
            folder: companion.folder.clone(),
            action: companion.action,
            blocked: self.blocked(companion.blocked.as_ref()),
            changes: companion
                .changes
                .iter()
                .map(|change| ChangeDocument::new(change, self.secrets))
                .collect(),
        }
    }

    fn blocked(&self, blocked: Option<&Blocked>) -> Option<BlockedDocument> {
        blocked.map(|blocked| BlockedDocument {
            by: blocked.by,
            on: self.names(&blocked.on),
            message: self.text(&blocked.message),
        })
    }
}
