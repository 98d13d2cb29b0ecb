//! What a cluster held, as a file: written by `status --save`, read by `--live-file`.
//!
//! Its `items` are Kubernetes objects, flinkops' records among them, so that what `kubectl get -o json`
//! prints is read the same way. Since when each unit has read as it does is not in it: one look cannot tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::schema;
use crate::flink::kind::{Kind, ObjectKey};
use crate::flink::pointer::At as _;
use crate::flink::secret::{Seal, Secrets};
use crate::plan::live::{LiveObject, Schema, Seen};
use crate::plan::{Live, sealed};
use crate::rule::RuleId;
use crate::spec::finding::Place;
use crate::spec::served::Served;
use crate::spec::source::Limits;
use crate::spec::{Desired, Finding, yaml};

/// How a list that has everything is made, for hints.
const KUBECTL: &str = "kubectl get flinkdeployments,flinksessionjobs,configmaps -o json";

/// Nodes of one YAML document: far more than ten thousand jobs have.
const NODES: usize = 50_000_000;

/// What a cluster held, every secret in it as a keyed hash.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "flinkops.dev/snapshot/v1")]
pub struct SnapshotDocument {
    /// `flinkops.dev/snapshot/v1`.
    pub schema: &'static str,
    /// What people call the cluster.
    pub cluster: String,
    /// When it was read.
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// `name` in `flinkops.yaml`: whose records are in it.
    pub repository: String,
    /// The environment whose records are in it.
    pub environment: String,
    /// Tells which key the hashes were made with; absent where nothing is secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The schema by which the cluster serves the Flink kinds, as much of its `OpenAPI` v3 document as matters;
    /// a text says why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served: Option<Value>,
    /// Every object a plan is made from.
    #[schemars(with = "Vec<Map<String, Value>>")]
    pub items: Vec<Value>,
}

impl SnapshotDocument {
    /// The document of what was read at a time; `None` where something is secret and there is no seal.
    pub fn new(
        live: &Live,
        desired: &Desired,
        time: Timestamp,
        seal: Option<&Seal>,
        known: &Secrets,
    ) -> Option<Self> {
        let closed = sealed::close(live, seal, known)?;
        Some(Self {
            schema: schema::SNAPSHOT,
            cluster: known.scrub(&live.cluster).into_owned(),
            time,
            repository: desired.repository.clone(),
            environment: desired.environment.clone(),
            key: seal.filter(|_| closed.secretive).map(Seal::fingerprint),
            served: match &live.schema {
                Schema::Unknown => None,
                Schema::Unreadable(why) => Some(known.scrub(why).into()),
                Schema::Served(served) => Some(served.document()),
            },
            items: objects(&closed.live, desired),
        })
    }
}

/// Everything as the API server would list it: units, companions and records.
pub fn objects(live: &Live, desired: &Desired) -> Vec<Value> {
    let (repository, environment) = (&desired.repository, &desired.environment);
    let found =
        live.units.values().chain(live.companions.values()).map(|object| Value::clone(&object.whole()));
    let ledgers = live.ledgers.iter().map(|(key, ledger)| {
        versioned(ledger.to_config_map(repository, environment, key), &ledger.resource_version)
    });
    let markers = live.markers.iter().map(|(namespace, marker)| {
        versioned(marker.to_config_map(repository, namespace), &marker.resource_version)
    });
    let awaited = live.awaited.iter().filter(|(key, _)| !live.companions.contains_key(key));
    let awaited = awaited.filter_map(|(_, seen)| match seen {
        Seen::Found(object) => Some(Value::clone(&object.whole())),
        Seen::Unreadable(_) | Seen::Assumed => None,
    });
    found.chain(awaited).chain(ledgers).chain(markers).collect()
}

fn versioned(mut object: Value, version: &str) -> Value {
    object["metadata"]["resourceVersion"] = version.into();
    object
}

/// A file that cannot be compared with: what is wrong, where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read {}", self.told())]
pub struct Unusable {
    place: Place,
    message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Unusable {
    fn told(&self) -> String {
        let Place { file, line, column, .. } = &self.place;
        match line {
            0 => format!("{file}: {}", self.message),
            line => format!("{file}:{line}:{column}: {}", self.message),
        }
    }
}

impl From<Finding> for Unusable {
    fn from(Finding { place, message, hint, .. }: Finding) -> Self {
        Self { place, message, hint }
    }
}

/// A file that says what a cluster held, as it was read.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The name of the file.
    pub file: String,
    /// The cluster and when it was read, where the file says so.
    pub read: Option<(String, Timestamp)>,
    /// The repository and the environment it was made for, where it was made by flinkops.
    pub made_for: Option<(String, String)>,
    /// Which key its secrets are closed with.
    pub key: Option<String>,
    /// The schema by which the cluster serves the Flink kinds.
    pub schema: Schema,
    /// The objects.
    pub objects: Vec<LiveObject>,
}

impl Snapshot {
    /// Reads a snapshot, or what kubectl prints: a list, an object, several of either, as JSON or YAML.
    ///
    /// # Errors
    /// What is wrong, where. No value of the file is quoted.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, Unusable> {
        let mut snapshot = Self { file: file.to_owned(), ..Self::default() };
        let documents = documents(file, bytes)?;
        if documents.is_empty() {
            return Err(snapshot.wrong("the file is empty"));
        }
        let several = documents.len() > 1;
        for document in documents {
            match document.get("schema").and_then(Value::as_str) {
                Some(_) if several => return Err(snapshot.wrong("a snapshot stands alone in its file")),
                Some(name) => snapshot.open(name, &document)?,
                None => snapshot.add(document)?,
            }
        }
        Ok(snapshot)
    }

    /// What people are told was compared with.
    pub fn name(&self) -> String {
        match &self.read {
            Some((cluster, time)) => format!("{}: {cluster} at {time}", self.file),
            None => self.file.clone(),
        }
    }

    /// What to know about the file before trusting a comparison with it.
    ///
    /// # Errors
    /// Where it is full of something else.
    pub fn remarks(&self, desired: &Desired) -> Result<Vec<Finding>, Unusable> {
        let keys: Vec<ObjectKey> = self.objects.iter().map(LiveObject::object_key).collect();
        let kinds: BTreeSet<&str> = keys.iter().map(|key| key.kind.as_str()).collect();
        if self.made_for.is_none() && !kinds.is_empty() && !kinds.iter().any(|kind| is_needed(kind)) {
            let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
            return Err(self.wrong(format!("there is nothing in it to compare with, only {kinds}")));
        }
        let (ours, others): (Vec<_>, Vec<_>) =
            keys.iter().partition(|key| desired.namespaces.contains(&key.namespace));
        let mut remarks = Vec::new();
        let mut remark = |rule, message: String, hint: &str| {
            remarks.push(Finding::warning(rule, Place::file(&self.file), message).hint(hint));
        };
        for (what, count) in counts(&others) {
            let namespaces = desired.namespaces.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let hint = format!("{} is namespace {namespaces}", desired.environment);
            remark(RuleId::SnapshotNamespace, format!("{count} of {what} left out"), &hint);
        }
        let secrets = ours.iter().filter(|key| key.kind == "Secret").count();
        if secrets > 0 {
            let hint = "a plan never needs Secrets: leave them out of the file";
            remark(RuleId::SnapshotSecret, format!("{secrets} of kind Secret left out"), hint);
        }
        let missing = missing(desired, &ours);
        if self.made_for.is_none() && !missing.is_empty() {
            let message =
                format!("no {} in the file: what is not in it counts as not there", missing.join(", no "));
            remark(RuleId::SnapshotKinds, message, &format!("`{KUBECTL}` has what is always needed"));
        }
        Ok(remarks)
    }

    fn wrong(&self, message: impl Into<String>) -> Unusable {
        let hint = format!("make one with `flinkops status --save FILE` or `{KUBECTL} > FILE`");
        Unusable { place: Place::file(&self.file), message: message.into(), hint: Some(hint) }
    }

    fn open(&mut self, name: &str, document: &Value) -> Result<(), Unusable> {
        if name != schema::SNAPSHOT {
            return Err(match name.strip_prefix("flinkops.dev/snapshot/") {
                Some(version) => self.wrong(format!(
                    "this is a snapshot {version}, and this flinkops reads v1: use a newer one"
                )),
                None => self.wrong("this is a document of another kind, and no snapshot"),
            });
        }
        let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
        let field = |key: &str| text(key).ok_or_else(|| self.wrong(format!("the snapshot has no `{key}`")));
        let time = field("time")?.parse().map_err(|_| self.wrong("`time` of the snapshot is no time"))?;
        let read = (field("cluster")?, time);
        let made_for = (field("repository")?, field("environment")?);
        self.read = Some(read);
        self.made_for = Some(made_for);
        self.key = text("key");
        self.schema = match document.get("served") {
            None => Schema::Unknown,
            Some(Value::String(why)) => Schema::Unreadable(why.clone()),
            Some(served) => {
                let served = Served::read(served.to_string().as_bytes());
                Schema::Served(Arc::new(
                    served.map_err(|_| self.wrong("`served` of the snapshot is no schema"))?,
                ))
            }
        };
        let items = document.get("items").and_then(Value::as_array);
        let items = items.ok_or_else(|| self.wrong("the snapshot has no list `items`"))?;
        items.iter().try_for_each(|item| self.add_object(item.clone()))
    }

    fn add(&mut self, mut document: Value) -> Result<(), Unusable> {
        let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
        if !kind.ends_with("List") {
            return self.add_object(document);
        }
        match document.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items.into_iter().try_for_each(|item| self.add_object(item)),
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(self.wrong("`items` of the list is no list")),
        }
    }

    fn add_object(&mut self, object: Value) -> Result<(), Unusable> {
        let named = |pointer| object.at(pointer).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        let nth = self.objects.len() + 1;
        for pointer in ["/apiVersion", "/kind", "/metadata/name"] {
            if !named(pointer) {
                let field = pointer[1..].replace('/', ".");
                return Err(
                    self.wrong(format!("object {nth} has no `{field}`: this is nothing kubectl prints"))
                );
            }
        }
        self.objects.push(LiveObject::new(object));
        Ok(())
    }
}

/// Whether a kind is among those of [`KUBECTL`].
fn is_needed(kind: &str) -> bool {
    kind == "ConfigMap" || Kind::parse(kind).is_some()
}

/// How many objects there are of each other namespace.
fn counts(keys: &[&ObjectKey]) -> BTreeMap<String, String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for key in keys {
        *counts.entry(&key.namespace).or_default() += 1;
    }
    let of = |namespace: &str| match namespace {
        "" => "no namespace".to_owned(),
        namespace => format!("namespace {namespace}"),
    };
    let objects = |count| if count == 1 { "1 object".to_owned() } else { format!("{count} objects") };
    counts.into_iter().map(|(namespace, count)| (of(namespace), objects(count))).collect()
}

/// The kinds a plan needs of which there is none. Every namespace of a real cluster has a ConfigMap.
fn missing(desired: &Desired, keys: &[&ObjectKey]) -> Vec<String> {
    let has = |kind: &str| keys.iter().any(|key| key.kind == kind);
    let mut missing: BTreeSet<&str> = desired.companions.keys().map(|key| key.kind.as_str()).collect();
    missing.insert("ConfigMap");
    let units: BTreeSet<Kind> = desired.units.keys().map(|unit| unit.kind).collect();
    let none = !Kind::ALL.iter().any(|kind| has(kind.as_str()));
    for kind in Kind::ALL {
        let needed = if kind.is_everywhere() { none } else { units.contains(&kind) };
        if needed {
            missing.insert(kind.as_str());
        }
    }
    missing.into_iter().filter(|kind| !has(kind)).map(str::to_owned).collect()
}

/// The documents of a file.
fn documents(file: &str, bytes: &[u8]) -> Result<Vec<Value>, Unusable> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        let limits = Limits { yaml_nodes: NODES, ..Limits::default() };
        let nodes = yaml::read(file, bytes, &limits).map_err(|found| Unusable::from(*found))?;
        return Ok(nodes.iter().map(crate::spec::node::Node::to_value).collect());
    }
    let documents = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    documents.collect::<Result<_, _>>().map_err(|error| {
        let place = Place { file: file.to_owned(), line: error.line(), column: error.column(), width: 1 };
        // What it says of syntax quotes nothing of the file.
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        Unusable { place, message: format!("this is not JSON: {what}"), hint: None }
    })
}
