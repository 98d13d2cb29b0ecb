//! What a plan says. Values in it are real; whoever prints them masks them first (S25).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::write::Task;
use crate::flink::health::Health;
use crate::flink::kind::{ObjectKey, Role, UnitKey};
use crate::spec::finding::{Finding, Place};
use crate::spec::source::Revision;

/// What flinkops does about a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing.
    Keep,
    /// Change it in place.
    Update,
    /// Stop its job, as Git says.
    Suspend,
    /// Start its job again.
    Resume,
    /// Delete it and create it again.
    Recreate,
    /// Bring it into being.
    Create,
    /// Remove it.
    Delete,
}

/// What an action does to the running job, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Nothing the operator acts upon.
    None,
    /// Labels and annotations.
    Metadata,
    /// A savepoint or checkpoint is triggered.
    Snapshot,
    /// Scaled in place.
    Rescale,
    /// Restarted from a savepoint taken for it.
    UpgradeFromSavepoint,
    /// Restarted from the last checkpoint.
    UpgradeFromLastState,
    /// Started again.
    Resume,
    /// Stopped.
    Suspend,
    /// A session cluster is restarted; its jobs are carried over.
    RestartCluster,
    /// A finished batch job runs again.
    Rerun,
    /// Restarted from a named savepoint.
    Restore,
    /// Deleted and created again.
    Recreate,
    /// Restarted from nothing.
    StatelessRestart,
    /// Started for the first time.
    Create,
    /// Removed.
    Delete,
}

/// What becomes of a job's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is none.
    None,
    /// It is kept.
    Kept,
    /// It cannot be told.
    Unknown,
    /// It is replaced by an older or a named savepoint.
    Replaced,
    /// It is lost.
    Dropped,
}

/// What one changed field does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FieldEffect {
    /// The operator ignores it.
    None,
    /// A label or an annotation.
    Metadata,
    /// Triggers a savepoint or checkpoint.
    Snapshot,
    /// Scales in place where the operator can.
    Rescale,
    /// Restarts the job or the cluster.
    Upgrade,
    /// `job.state` to running.
    Resume,
    /// `job.state` to suspended.
    Suspend,
    /// Restarts from `initialSavepointPath`.
    Restore,
    /// Needs the unit to be deleted and created again.
    Immutable,
}

/// Whose move made a field differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Git moved.
    Pending,
    /// The cluster moved.
    Drift,
    /// Both did.
    Both,
}

/// Who last wrote a field, from `managedFields`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// The field manager.
    pub manager: String,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// JSON pointer into the manifest; a Flink configuration key is one segment.
    pub path: String,
    /// The same place for people: an entry of a list that Kubernetes keys goes by its key, not its index.
    pub place: String,
    /// What the cluster has; `None` where it has nothing.
    pub before: Option<Value>,
    /// What Git wants; `None` where it wants nothing.
    pub after: Option<Value>,
    /// What the difference does.
    pub effect: FieldEffect,
    /// What is not plain about the effect, in words that quote no value.
    pub note: Option<String>,
    /// Whose move it was.
    pub cause: Cause,
    /// Who last wrote the live field.
    pub owner: Option<Owner>,
    /// Whether the values must not be shown.
    pub secret: bool,
}

/// What keeps an action from starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BlockedBy {
    /// Something it depends on is not settled.
    Gate,
    /// The policy, or the cluster's own: its API server would refuse the write.
    Policy,
    /// A guard against mass deletion or a foreign repository (S2, S3).
    Guard,
    /// A person must consent.
    Consent,
    /// The unit is frozen (S19).
    Frozen,
    /// Held after a failure (S23).
    Held,
    /// Outside its window.
    Window,
    /// Its session cluster is nowhere.
    MissingCluster,
    /// The live object is someone else's (S4).
    LiveConflict,
    /// The folder could not be read (S1).
    Unknown,
}

/// Why an action may not start now, for a person to act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// What keeps it.
    pub by: BlockedBy,
    /// The units it waits for.
    pub on: Vec<UnitKey>,
    /// The reason in words, with the way out.
    pub message: String,
}

impl Blocked {
    /// A reason without other units in it.
    pub fn new(by: BlockedBy, message: impl Into<String>) -> Self {
        Self { by, on: Vec::new(), message: message.into() }
    }

    /// A reason that one other unit is.
    pub fn on(by: BlockedBy, unit: UnitKey, message: impl Into<String>) -> Self {
        Self { on: vec![unit], ..Self::new(by, message) }
    }
}

/// One thing done on the way, for people and for the forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// POST.
    Create,
    /// Change the spec.
    Update,
    /// Take over by metadata only.
    Adopt,
    /// Stop with a savepoint.
    Suspend,
    /// Wait until a savepoint counts (S8).
    WaitSavepoint,
    /// Write the savepoint down (S9).
    Record,
    /// Start again.
    Resume,
    /// DELETE.
    Delete,
    /// Wait until it is settled.
    WaitSettled,
    /// Wait until it is gone.
    WaitGone,
}

/// A step and the unit it is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub what: StepKind,
    /// To which unit: a session cluster's change stops and starts its jobs.
    pub unit: UnitKey,
}

/// What is said about one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitPlan {
    /// The unit.
    pub key: UnitKey,
    /// Its name where that is unique, else the long form.
    pub id: String,
    /// What it is.
    pub role: Role,
    /// Where it stands in Git; `None` for one that left.
    pub source: Option<Place>,
    /// What is done.
    pub action: Action,
    /// Whether the live object is taken over (S4).
    pub adopt: bool,
    /// The strongest effect.
    pub effect: Effect,
    /// What becomes of the job's state; of a session cluster: of its jobs'.
    pub state: State,
    /// When it may go, counted from 1; `None` where nothing is done.
    pub wave: Option<usize>,
    /// What must be settled first.
    pub depends_on: Vec<UnitKey>,
    /// The live objects of other kinds that are not ready, such as `KafkaTopic/orders`: before they are, it does not
    /// change.
    pub awaits: Vec<String>,
    /// What keeps it from starting.
    pub blocked: Option<Blocked>,
    /// Why there is something to do, strongest first.
    pub reasons: Vec<String>,
    /// The way there.
    pub steps: Vec<Step>,
    /// The fields that differ.
    pub changes: Vec<Change>,
    /// How the live object is doing.
    pub health: Health,
    /// The same in words: `RESTARTING since 14:02`.
    pub health_message: String,
    /// Whether it is settled and has been for long enough for its dependents to go.
    pub settled: bool,
    /// Since when the health has been what it is.
    pub since: Option<Timestamp>,
    /// Whether it has been on its way for longer than `policy.timeout`: nothing waits its turn for it any more.
    pub overdue: bool,
    /// When it goes back to what it was, if it goes on failing until then.
    pub goes_back: Option<Timestamp>,
    /// Since when flinkops itself keeps the job suspended.
    pub suspended_by_us: Option<Timestamp>,
    /// The session cluster for whose change it is kept so.
    pub suspended_for: Option<UnitKey>,
    /// What may be written for it right now, in order; only the first is sent in one round.
    pub next: Vec<Task>,
}

impl UnitPlan {
    /// Whether nothing is done to it, nor written down about it.
    pub fn is_quiet(&self) -> bool {
        self.action == Action::Keep && self.next.is_empty()
    }
}

/// What is said about one companion.
#[derive(Clone, Debug, PartialEq)]
pub struct CompanionPlan {
    /// The object.
    pub key: ObjectKey,
    /// Its folder in Git.
    pub folder: String,
    /// Keep, create, update or delete.
    pub action: Action,
    /// Whether what needs it may go.
    pub ready: bool,
    /// What keeps it from starting.
    pub blocked: Option<Blocked>,
    /// The fields that differ.
    pub changes: Vec<Change>,
    /// What may be written for it right now.
    pub next: Vec<Task>,
}

impl CompanionPlan {
    /// Whether nothing is done to it.
    pub fn is_quiet(&self) -> bool {
        self.action == Action::Keep
    }
}

/// The whole answer for one environment.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The repository's name.
    pub repository: String,
    /// The revision planned for.
    pub revision: Revision,
    /// The environment.
    pub environment: String,
    /// The cluster's name.
    pub against: String,
    /// Every unit of Git and of ours in the cluster, sorted by key.
    pub units: Vec<UnitPlan>,
    /// Every companion with its plan, sorted by key.
    pub companions: Vec<CompanionPlan>,
    /// The units that act, by wave.
    pub waves: Vec<Vec<UnitKey>>,
    /// What Git and the comparison brought up, sorted.
    pub findings: Vec<Finding>,
    /// Records of the whole repository to write: the marker.
    pub records: Vec<Task>,
    /// When something will change by the mere passing of time: plan again then.
    pub wake: Option<Timestamp>,
    /// How many changes may be under way at once.
    pub concurrency: usize,
}

impl Plan {
    /// Whether nothing is done to any unit or companion.
    pub fn is_quiet(&self) -> bool {
        self.units.iter().all(UnitPlan::is_quiet) && self.companions.iter().all(CompanionPlan::is_quiet)
    }
}
