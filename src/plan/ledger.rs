//! What flinkops writes down in the cluster because it must survive: one ConfigMap per unit, one
//! marker per namespace.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fields::FieldHashes;
use super::live::LiveObject;
use crate::flink::kind::{Kind, UnitKey};
use crate::flink::savepoint::normalise;
use crate::spec::source::Revision;

/// Label: who manages the object.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`LABEL_MANAGED_BY`], and the field manager of every write.
pub const MANAGER: &str = "flinkops";
/// Label: `name` of the repository an object belongs to.
pub const LABEL_REPOSITORY: &str = "flinkops.dev/repository";
/// Label: the environment an object belongs to.
pub const LABEL_ENVIRONMENT: &str = "flinkops.dev/environment";
/// Label on the records themselves: `ledger` or `marker`.
pub const LABEL_RECORD: &str = "flinkops.dev/record";
/// Annotation: the folder in Git.
pub const ANNOTATION_SOURCE: &str = "flinkops.dev/source";
/// Annotation: the commit that last changed the object.
pub const ANNOTATION_REVISION: &str = "flinkops.dev/revision";
/// Annotation: hash of the rendered manifest last applied.
pub const ANNOTATION_HASH: &str = "flinkops.dev/applied-hash";
/// Annotation: a temporary write of ours, while it is under way (S19).
pub const ANNOTATION_OPERATION: &str = "flinkops.dev/operation";
/// Annotation a person sets on an object to stop every write to it (S19).
pub const ANNOTATION_FREEZE: &str = "flinkops.dev/freeze";

/// Why a savepoint was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The job was suspended as Git says.
    Suspend,
    /// The job's session cluster changed.
    ClusterChange,
    /// The unit left Git.
    Delete,
    /// The unit was deleted and created again.
    Recreate,
    /// The operator took it during an upgrade.
    Upgrade,
    /// A FlinkStateSnapshot asked for it.
    Snapshot,
    /// It is no savepoint, but the last checkpoint of a job that is no more, which Flink retained.
    Checkpoint,
}

/// A savepoint flinkops knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Savepoint {
    /// Where it is.
    pub path: String,
    /// When it was first seen.
    pub time: Timestamp,
    /// `spec.flinkVersion` of the cluster that took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flink_version: Option<String>,
    /// Why it was taken.
    pub reason: Reason,
    /// Whether the job stopped with it and has not run since: the only kind that restores by itself (S16).
    #[serde(default, rename = "final", skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

/// The newest checkpoint that Flink told of while the job ran. Flink deletes it once newer ones are complete, so it
/// may be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Where it is, or was.
    pub path: String,
    /// When it was begun.
    pub time: Timestamp,
    /// `spec.flinkVersion` of the cluster that took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flink_version: Option<String>,
    /// When Flink told of it.
    pub seen: Timestamp,
}

impl Checkpoint {
    /// The same as something to restore.
    pub fn to_savepoint(&self) -> Savepoint {
        let Self { path, time, flink_version, .. } = self.clone();
        Savepoint { path, time, flink_version, reason: Reason::Checkpoint, last: false }
    }
}

/// The run of an application's job that the operator began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When the operator deployed it.
    pub deployed: Timestamp,
    /// When its job began, as Flink says.
    pub started: Timestamp,
}

/// What was applied last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The commit.
    pub revision: Revision,
    /// When it was seen in the cluster.
    pub time: Timestamp,
    /// Hash of the rendered manifest.
    pub hash: String,
    /// The generation the object had then.
    pub generation: i64,
    /// When it was first seen to have settled: what a later one that fails goes back to (S23).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Timestamp>,
    /// The savepoint that the revision before was stopped with and this one started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl Applied {
    /// A revision as it is applied now, of which nothing is known yet.
    pub fn new(revision: Revision, hash: &str, generation: i64, now: Timestamp) -> Self {
        Self { revision, time: now, hash: hash.to_owned(), generation, settled: None, from: None }
    }
}

/// A rendered hash that did not work out (S23).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The hash; another one is tried.
    pub hash: String,
    /// What went wrong.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// What the unit goes back to; absent where it is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<BackTo>,
}

/// The revision that a unit goes back to, and stays at while it is held (S23).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackTo {
    /// The revision: the last one that settled.
    pub revision: Revision,
    /// Hash of the unit as it was rendered there.
    pub hash: String,
    /// The savepoint to restore, since the new version ran; absent where the new version never did, and putting
    /// the old spec back is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// A consent of `flinkops.yaml`, bound to the object it was used for (S21).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsedConsent {
    /// Uid of the object that was deleted.
    pub uid: String,
    /// The reason that was given.
    pub reason: String,
}

/// A consent of the job's own file, bound to the change it was first used for (S21).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentFor {
    /// The rendered hash it was used for.
    #[serde(rename = "for")]
    pub hash: String,
    /// The reason that was given.
    pub reason: String,
    /// When it was first used.
    #[serde(default)]
    pub time: Timestamp,
    /// Whether that change has settled since: then it covers nothing any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// The record of one unit. It outlives the unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// The last revisions applied, newest first, at most [`Ledger::REVISIONS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<Applied>,
    /// A hash of each field last applied, by JSON pointer: tells pending from drift. No values, and of a field
    /// with a secret in it not even a hash (S25). It is nothing to read, and so stands by itself in a record.
    #[serde(skip)]
    pub fields: FieldHashes,
    /// Savepoints, newest first, at most [`Ledger::SAVEPOINTS`]; a final one is never dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub savepoints: Vec<Savepoint>,
    /// The newest checkpoint seen while the job runs: nothing but a way out where no savepoint is on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// The run that the operator began, of an application without high availability: another one was begun by
    /// Kubernetes, from what was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// What the unit depended on, so that deletes can go against it: `namespace/Kind/name`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub depends_on: BTreeSet<String>,
    /// Uid of the live object the record speaks of; empty once flinkops itself has let it go, so that
    /// an object deleted by someone else can be told apart (S16).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The consent to lose the state that a delete made use of (S21).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<UsedConsent>,
    /// The consents of the job's own file that were used, by field (S21).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub consents: BTreeMap<String, ConsentFor>,
    /// What others made of the fields that policy leaves to them, while the unit is deleted to be created
    /// again (S5): values by path, null for a field they removed. None of them is secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, Value>,
    /// Why nothing is tried again for the time being (S23).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// The ConfigMap's version this was read from; empty for one that is not in the cluster yet.
    #[serde(skip)]
    pub resource_version: String,
}

impl Ledger {
    /// How many revisions are kept.
    pub const REVISIONS: usize = 5;
    /// How many savepoints are kept.
    pub const SAVEPOINTS: usize = 10;
    const KEY: &'static str = "ledger";
    const FIELDS: &'static str = "fields";

    /// Adds what is applied now, and forgets the oldest, but never the last one that settled.
    pub fn apply(&mut self, applied: Applied) {
        self.applied.insert(0, applied);
        if self.applied.len() > Self::REVISIONS {
            let settled = self.applied.iter().position(|applied| applied.settled.is_some());
            let oldest = self.applied.len() - 1;
            self.applied.remove(if settled == Some(oldest) { oldest - 1 } else { oldest });
        }
    }

    /// Makes the savepoint at this path the only final one, adding it where it is not on record.
    pub fn set_final(&mut self, path: &str, add: impl FnOnce() -> Savepoint) {
        self.clear_final();
        match self.savepoints.iter_mut().find(|known| normalise(&known.path) == normalise(path)) {
            Some(known) => known.last = true,
            None => self.add_savepoint(add()),
        }
    }

    /// Adds a savepoint unless it is known, and forgets the oldest that are not final. A checkpoint that is no younger
    /// is forgotten as well: Flink discards those of a job that it stops with a savepoint.
    pub fn add_savepoint(&mut self, savepoint: Savepoint) {
        self.checkpoint.take_if(|checkpoint| checkpoint.time <= savepoint.time);
        let path = normalise(&savepoint.path);
        self.savepoints.retain(|known| normalise(&known.path) != path);
        self.savepoints.insert(0, savepoint);
        while self.savepoints.len() > Self::SAVEPOINTS {
            let oldest = self.savepoints.iter().rposition(|savepoint| !savepoint.last);
            self.savepoints.remove(oldest.unwrap_or(Self::SAVEPOINTS));
        }
    }

    /// Makes every savepoint history: the unit runs again, or another one is its last.
    pub fn clear_final(&mut self) {
        for savepoint in &mut self.savepoints {
            savepoint.last = false;
        }
    }

    /// Whether a savepoint at this path is on record.
    pub fn knows(&self, path: &str) -> bool {
        self.savepoints.iter().any(|known| normalise(&known.path) == normalise(path))
    }

    /// Whether the final savepoint on record is the one at this path (S9).
    pub fn is_final(&self, path: &str) -> bool {
        self.last_savepoint().is_some_and(|known| normalise(&known.path) == normalise(path))
    }

    /// The savepoint a stopped unit would start from by itself (S16).
    pub fn last_savepoint(&self) -> Option<&Savepoint> {
        self.savepoints.iter().find(|savepoint| savepoint.last)
    }

    /// The name of the ConfigMap that holds a unit's ledger.
    pub fn name(repository: &str, environment: &str, unit: &UnitKey) -> String {
        format!("flinkops.{repository}.{environment}.{}.{}", unit.kind.as_str().to_lowercase(), unit.name)
    }

    /// The ConfigMap to write: what people may want to know, and the hashes of fields beside it.
    pub fn to_config_map(&self, repository: &str, environment: &str, unit: &UnitKey) -> Value {
        const WRITABLE: &str = "a ledger holds only strings, numbers and lists";
        let text = serde_json::to_string_pretty(self).expect(WRITABLE);
        let mut data = json!({"kind": unit.kind.as_str(), "name": unit.name, Self::KEY: text});
        if !self.fields.is_empty() {
            data[Self::FIELDS] = json!(self.fields.as_str());
        }
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": Self::name(repository, environment, unit),
                "namespace": unit.namespace,
                "labels": {
                    LABEL_MANAGED_BY: MANAGER,
                    LABEL_REPOSITORY: repository,
                    LABEL_ENVIRONMENT: environment,
                    LABEL_RECORD: "ledger",
                },
            },
            "data": data,
        })
    }

    /// Tells whose ledger a ConfigMap is, and reads nothing else of it.
    pub fn unit(object: &LiveObject) -> Option<UnitKey> {
        let data = object.value().get("data")?;
        let text = |key: &str| data.get(key).and_then(Value::as_str);
        Some(UnitKey::new(object.namespace(), Kind::parse(text("kind")?)?, text("name")?))
    }

    /// Reads a ConfigMap; `None` where it is not a ledger, or not one this version understands.
    pub fn from_config_map(object: &LiveObject) -> Option<(UnitKey, Self)> {
        let key = Self::unit(object)?;
        let data = object.value().get("data")?;
        let text = |key: &str| data.get(key).and_then(Value::as_str);
        let record = text(Self::KEY)?;
        // Written as JSON, of which a thousand are read in no time; a person may have made YAML of it.
        let json = serde_json::from_str(record).ok();
        let mut ledger: Self = json.or_else(|| serde_saphyr::from_str(record).ok())?;
        if let Some(fields) = text(Self::FIELDS) {
            ledger.fields = FieldHashes::new(fields);
        }
        object.resource_version().clone_into(&mut ledger.resource_version);
        Some((key, ledger))
    }
}

/// Pins the identity of the repository that may prune in a namespace (S2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// [`crate::spec::source::Origin::identity`] of the repository.
    pub identity: String,
    /// The last revision that was applied in full, per environment.
    pub revisions: BTreeMap<String, Revision>,
    /// The ConfigMap's version this was read from; empty for one that is not in the cluster yet.
    pub resource_version: String,
}

impl Marker {
    /// The name of the marker's ConfigMap.
    pub fn name(repository: &str) -> String {
        format!("flinkops.{repository}")
    }

    /// The ConfigMap to write.
    pub fn to_config_map(&self, repository: &str, namespace: &str) -> Value {
        let mut data = serde_json::Map::new();
        data.insert("identity".into(), json!(self.identity));
        for (environment, revision) in &self.revisions {
            data.insert(format!("revision.{environment}"), json!(revision.as_str()));
        }
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": Self::name(repository),
                "namespace": namespace,
                "labels": {LABEL_MANAGED_BY: MANAGER, LABEL_REPOSITORY: repository, LABEL_RECORD: "marker"},
            },
            "data": data,
        })
    }

    /// Reads a ConfigMap; `None` where it is not a marker.
    pub fn from_config_map(object: &LiveObject) -> Option<Self> {
        let data = object.value().get("data")?.as_object()?;
        Some(Self {
            identity: data.get("identity")?.as_str()?.to_owned(),
            revisions: data
                .iter()
                .filter_map(|(key, value)| {
                    Some((key.strip_prefix("revision.")?.to_owned(), Revision::new(value.as_str()?)))
                })
                .collect(),
            resource_version: object.resource_version().to_owned(),
        })
    }
}
