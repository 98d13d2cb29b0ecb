//! What the cluster holds, as a value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::ledger::{Ledger, Marker};
use crate::flink::kind::{Kind, ObjectKey, UnitKey, deployment};
use crate::flink::pointer::At as _;
use crate::flink::rest::{JobState, RunningJob};
use crate::flink::status::Status;
use crate::spec::served::Served;

/// One object as the API server returned it.
#[derive(Clone, Debug)]
pub struct LiveObject {
    object: Arc<Value>,
    read: Arc<Read>,
}

/// What is read from an object when it is first asked for.
#[derive(Debug, Default)]
struct Read {
    /// Every plan asks for it several times.
    status: OnceLock<Status>,
    /// `metadata.managedFields` as they came, where they are kept apart from the object.
    apart: Option<Box<RawValue>>,
    managed_fields: OnceLock<Vec<Value>>,
}

impl LiveObject {
    /// Wraps a whole object, `managedFields` included.
    pub fn new(object: Value) -> Self {
        Arc::new(object).into()
    }

    /// The same object, with `managedFields` that nobody has read yet.
    #[must_use]
    pub fn with_managed_fields(self, apart: Option<Box<RawValue>>) -> Self {
        Self { read: Arc::new(Read { apart, ..Read::default() }), ..self }
    }

    /// The object as an API server would return it, `managedFields` included.
    pub fn whole(&self) -> Arc<Value> {
        if self.read.apart.is_none() {
            return self.object.clone();
        }
        let mut object = Value::clone(&self.object);
        object["metadata"]["managedFields"] = self.managed_fields().into();
        Arc::new(object)
    }

    /// The object, with or without its `managedFields`, shared.
    pub fn shared(&self) -> Arc<Value> {
        self.object.clone()
    }

    /// The object, with or without its `managedFields`.
    pub fn value(&self) -> &Value {
        &self.object
    }

    fn text(&self, pointer: &str) -> &str {
        self.object.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn map(&self, pointer: &str) -> Option<&Map<String, Value>> {
        self.object.at(pointer).and_then(Value::as_object)
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// `metadata.namespace`.
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// `metadata.uid`.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// `metadata.resourceVersion`, the token of compare-and-swap.
    pub fn resource_version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    /// `metadata.generation`; 0 where the object has none.
    pub fn generation(&self) -> i64 {
        self.object.at("/metadata/generation").and_then(Value::as_i64).unwrap_or_default()
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.map("/metadata/labels")?.get(key)?.as_str()
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.map("/metadata/annotations")?.get(key)?.as_str()
    }

    /// Every label.
    pub fn labels(&self) -> Option<&Map<String, Value>> {
        self.map("/metadata/labels")
    }

    /// Every annotation.
    pub fn annotations(&self) -> Option<&Map<String, Value>> {
        self.map("/metadata/annotations")
    }

    /// Since when the object is being deleted.
    pub fn deleting_since(&self) -> Option<Timestamp> {
        self.text("/metadata/deletionTimestamp").parse().ok()
    }

    /// `spec`, or null.
    pub fn spec(&self) -> &Value {
        self.object.get("spec").unwrap_or(&Value::Null)
    }

    /// The spec of the FlinkDeployment that it is, or has as its template.
    pub fn deployment(&self) -> &Value {
        deployment(self.spec())
    }

    /// `status`, or null for an object the operator has not touched.
    pub fn status(&self) -> &Value {
        self.object.get("status").unwrap_or(&Value::Null)
    }

    /// What the operator says in [`Self::status`].
    pub fn operator_status(&self) -> &Status {
        self.read.status.get_or_init(|| Status::parse(self.status()))
    }

    /// The entries of `metadata.managedFields`.
    pub fn managed_fields(&self) -> &[Value] {
        match &self.read.apart {
            None => {
                let inside = self.object.at("/metadata/managedFields").and_then(Value::as_array);
                inside.map_or(&[], Vec::as_slice)
            }
            Some(apart) => {
                let read = || serde_json::from_str(apart.get()).unwrap_or_default();
                self.read.managed_fields.get_or_init(read)
            }
        }
    }

    /// The unit this object is, if it is of a kind that can be one.
    pub fn unit_key(&self) -> Option<UnitKey> {
        let (version, kind) = (self.text("/apiVersion"), self.text("/kind"));
        let kind = if version.is_empty() { Kind::parse(kind) } else { Kind::of(version, kind) }?;
        Some(UnitKey::new(self.namespace(), kind, self.name()))
    }

    /// The object's key.
    pub fn object_key(&self) -> ObjectKey {
        ObjectKey::new(self.text("/apiVersion"), self.text("/kind"), self.namespace(), self.name())
    }
}

impl From<Arc<Value>> for LiveObject {
    fn from(object: Arc<Value>) -> Self {
        Self { object, read: Arc::default() }
    }
}

impl PartialEq for LiveObject {
    fn eq(&self, other: &Self) -> bool {
        self.object == other.object && self.managed_fields() == other.managed_fields()
    }
}

/// Since when a unit has read as it reads now (S22).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// What is remembered: health and the generation it was seen at, as one opaque word.
    pub verdict: String,
    /// Since when. A report, which reads once and writes nothing, may put the distant past here.
    pub at: Timestamp,
    /// The generation it was seen at.
    pub generation: i64,
    /// Since when that has been the generation, however it read.
    pub generation_at: Timestamp,
    /// Since when it has failed at this generation. An operator that tries again and again takes an error back
    /// each time: only a verdict that it is well ends this.
    pub failing: Option<Timestamp>,
    /// What it said when it was last seen to fail at this generation.
    pub failure: Option<String>,
}

/// Everything the plan is made from, beside Git.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Every FlinkDeployment and FlinkSessionJob of the namespaces, ours and others'; of rarer kinds ours, and what
    /// Git wants.
    pub units: BTreeMap<UnitKey, LiveObject>,
    /// Kinds of unit that could not be read.
    pub unread: BTreeMap<Kind, Unread>,
    /// Objects of the watched companion kinds.
    pub companions: BTreeMap<ObjectKey, LiveObject>,
    /// The objects that units wait for, as far as they were found; what is not here does not exist.
    pub awaited: BTreeMap<ObjectKey, Seen>,
    /// What flinkops recorded about units of this repository and environment, units that are gone included.
    pub ledgers: BTreeMap<UnitKey, Arc<Ledger>>,
    /// The marker of each namespace that has one for this repository's name (S2).
    pub markers: BTreeMap<String, Marker>,
    /// Since when each unit has read as it does (S22).
    pub since: BTreeMap<UnitKey, Since>,
    /// A name for the cluster, for people: the context, or the server.
    pub cluster: String,
    /// What the cluster's schema of the Flink kinds is.
    pub schema: Schema,
    /// What else session clusters run, as far as Flink itself was asked (S14).
    pub strangers: BTreeMap<UnitKey, Strangers>,
    /// What Flink tells of the state of jobs, as far as it was asked.
    pub states: JobStates,
}

/// What Flink tells of the state of jobs, or why it could not be asked.
pub type JobStates = BTreeMap<UnitKey, Result<JobState, String>>;

/// A job as Flink knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRef {
    /// The unit.
    pub unit: UnitKey,
    /// The cluster it runs on: its own, for an application.
    pub cluster: UnitKey,
    /// Flink's id of the job.
    pub id: String,
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The reason in words.
    pub why: String,
    /// Whether the cluster serves its kind at all, as far as it said so.
    pub served: bool,
}

/// What was seen of an object that a unit waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// It exists: its metadata and the conditions in its status, nothing else of it.
    Found(LiveObject),
    /// It could not be read; the words say why.
    Unreadable(String),
    /// There is no cluster to ask: it counts as ready.
    Assumed,
}

/// What Flink says of the jobs on a session cluster that are no resource's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strangers {
    /// There are these.
    Run(Vec<RunningJob>),
    /// Flink could not be asked; the words say why.
    Unknown(String),
}

impl Live {
    /// What flinkops recorded about a unit.
    pub fn ledger(&self, unit: &UnitKey) -> Option<&Ledger> {
        self.ledgers.get(unit).map(Arc::as_ref)
    }

    /// The job of a unit, as far as the operator tells which that is.
    pub fn job_ref(&self, unit: &UnitKey) -> Option<JobRef> {
        let live = self.units.get(unit)?;
        let id = live.status().at("/jobStatus/jobId")?.as_str()?.to_owned();
        let cluster = unit.cluster(live.spec()).unwrap_or_else(|| unit.clone());
        Some(JobRef { unit: unit.clone(), cluster, id })
    }

    /// The session jobs on these clusters.
    pub fn jobs_on<'a>(&'a self, clusters: &'a BTreeSet<UnitKey>) -> impl Iterator<Item = JobRef> + 'a {
        let jobs = self.units.keys().filter_map(|unit| self.job_ref(unit));
        jobs.filter(|job| job.cluster != job.unit && clusters.contains(&job.cluster))
    }

    /// Takes in what Flink runs on session clusters, or why it could not be asked.
    pub fn learn_jobs(&mut self, answers: BTreeMap<UnitKey, Result<Vec<RunningJob>, String>>) {
        if answers.is_empty() {
            self.strangers.clear();
            return;
        }
        let ids = self.units.values().filter_map(|live| live.status().at("/jobStatus/jobId")?.as_str());
        let ids: BTreeSet<&str> = ids.collect();
        let strangers = |jobs: Vec<RunningJob>| {
            Strangers::Run(jobs.into_iter().filter(|job| !ids.contains(job.id.as_str())).collect())
        };
        let learn = |(cluster, answer): (UnitKey, Result<_, _>)| {
            (cluster, answer.map_or_else(Strangers::Unknown, strangers))
        };
        self.strangers = answers.into_iter().map(learn).collect();
    }
}

/// What is known of the schema by which a cluster keeps, drops and refuses what is written to it.
#[derive(Clone, Debug, Default)]
pub enum Schema {
    /// Nothing: nobody asked, or there is no cluster.
    #[default]
    Unknown,
    /// It could not be read; the words say why.
    Unreadable(String),
    /// It was read.
    Served(Arc<Served>),
}

impl Schema {
    /// The schema, where it was read.
    pub fn served(&self) -> Option<&Served> {
        match self {
            Self::Served(served) => Some(served),
            Self::Unknown | Self::Unreadable(_) => None,
        }
    }
}
