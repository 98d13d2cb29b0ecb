//! The kinds of resource flinkops looks after, and how one is named.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pointer::At as _;

/// The API group of every custom resource of the operator.
pub const GROUP: &str = "flink.apache.org";
/// The only version the operator serves.
pub const VERSION: &str = "v1beta1";
/// `apiVersion` of every custom resource of the operator.
pub const API_VERSION: &str = "flink.apache.org/v1beta1";

/// `apiVersion` of the resources by which Confluent for Kubernetes speaks to Confluent Manager.
pub const CONFLUENT: &str = "platform.confluent.io/v1beta1";
const NEEDS_CONFLUENT: &str = "install Confluent for Kubernetes with its custom resource definitions";

/// A kind of custom resource that can be a unit.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum Kind {
    /// An application (with `spec.job`) or a session cluster (without).
    FlinkDeployment,
    /// A job submitted to a session cluster.
    FlinkSessionJob,
    /// A savepoint or a checkpoint of a job, taken once.
    FlinkStateSnapshot,
    /// An application of which a changed version starts beside the running one, and takes over.
    FlinkBlueGreenDeployment,
    /// An application that Confluent Manager for Apache Flink runs, by way of Confluent for Kubernetes.
    FlinkApplication,
    /// Where Confluent Manager runs applications.
    FlinkEnvironment,
}

/// All that sets one kind apart from another, but for what the operator makes of its fields.
struct Facts {
    name: &'static str,
    plural: &'static str,
    api_version: &'static str,
    /// Whether every cluster with an operator serves it. What is not everywhere is read only where Git has one,
    /// or had one before: nobody needs a right, or a definition, for what he does not use.
    everywhere: bool,
    /// What people call one, for a folder.
    word: &'static str,
    /// What a cluster needs that does not serve it.
    since: &'static str,
    /// The fields of its spec; of what may have any, none are listed.
    fields: Option<&'static [&'static str]>,
}

impl Kind {
    /// Every kind, in the order in which they are listed and watched.
    pub const ALL: [Self; 6] = [
        Self::FlinkDeployment,
        Self::FlinkSessionJob,
        Self::FlinkStateSnapshot,
        Self::FlinkBlueGreenDeployment,
        Self::FlinkApplication,
        Self::FlinkEnvironment,
    ];

    const fn facts(self) -> Facts {
        let facts = Facts {
            name: "",
            plural: "",
            api_version: API_VERSION,
            everywhere: true,
            word: "deployment",
            since: "",
            fields: None,
        };
        match self {
            Self::FlinkDeployment => Facts { name: "FlinkDeployment", plural: "flinkdeployments", ..facts },
            Self::FlinkSessionJob => Facts {
                name: "FlinkSessionJob",
                plural: "flinksessionjobs",
                word: "session-job",
                fields: Some(&["deploymentName", "job", "flinkConfiguration", "restartNonce"]),
                ..facts
            },
            Self::FlinkStateSnapshot => Facts {
                name: "FlinkStateSnapshot",
                plural: "flinkstatesnapshots",
                word: "snapshot",
                everywhere: false,
                since: "upgrade the operator and its custom resource definitions to 1.10 or later",
                fields: Some(&["jobReference", "savepoint", "checkpoint", "backoffLimit"]),
                ..facts
            },
            Self::FlinkBlueGreenDeployment => Facts {
                name: "FlinkBlueGreenDeployment",
                plural: "flinkbluegreendeployments",
                everywhere: false,
                word: "blue-green",
                since: "upgrade the operator and its custom resource definitions to 1.14 or later",
                ..facts
            },
            Self::FlinkApplication => Facts {
                name: "FlinkApplication",
                plural: "flinkapplications",
                api_version: CONFLUENT,
                everywhere: false,
                word: "application",
                since: NEEDS_CONFLUENT,
                ..facts
            },
            Self::FlinkEnvironment => Facts {
                name: "FlinkEnvironment",
                plural: "flinkenvironments",
                api_version: CONFLUENT,
                everywhere: false,
                word: "environment",
                since: NEEDS_CONFLUENT,
                fields: Some(&[
                    "kubernetesNamespace",
                    "kubernetesClusterName",
                    "flinkApplicationDefaults",
                    "computePoolDefaults",
                    "statementDefaults",
                    "secrets",
                    "cmfRestClassRef",
                ]),
            },
        }
    }

    /// The kind's name as written in a manifest.
    pub const fn as_str(self) -> &'static str {
        self.facts().name
    }

    /// The plural that the API server's paths use.
    pub const fn plural(self) -> &'static str {
        self.facts().plural
    }

    /// `apiVersion`, as written in a manifest.
    pub const fn api_version(self) -> &'static str {
        self.facts().api_version
    }

    /// Whether every cluster with an operator serves it.
    pub const fn is_everywhere(self) -> bool {
        self.facts().everywhere
    }

    /// What people call one.
    pub const fn word(self) -> &'static str {
        self.facts().word
    }

    /// What to do about a cluster that does not serve it.
    pub const fn since(self) -> &'static str {
        self.facts().since
    }

    /// Whether a spec of this kind has a field of this name.
    pub fn has_field(self, field: &str) -> bool {
        self.facts().fields.is_none_or(|fields| fields.contains(&field))
    }

    /// Reads a `kind` alone, where nobody says whose; `None` for a kind that is not a unit.
    pub fn parse(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == kind)
    }

    /// Reads a manifest's `apiVersion` and `kind`; `None` for a kind that is not a unit.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        Self::parse(kind).filter(|known| known.api_version() == api_version)
    }

    /// The names of a group's kinds, for people: `FlinkDeployment, FlinkSessionJob and …`.
    pub fn names_in(group: &str) -> String {
        let of_group = |kind: &Self| kind.api_version().split_once('/').is_some_and(|(its, _)| its == group);
        let mut names: Vec<&str> = Self::ALL.into_iter().filter(of_group).map(Self::as_str).collect();
        match names.pop() {
            Some(last) if !names.is_empty() => format!("{} and {last}", names.join(", ")),
            only => only.unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The spec of the FlinkDeployment that a spec is, or holds as its template.
pub fn deployment(spec: &Value) -> &Value {
    spec.at("/template/spec").unwrap_or(spec)
}

/// What leads, within a manifest of a kind, to that which has the fields of a FlinkDeployment: a template, or defaults
/// for others; empty where the manifest itself has them.
pub const fn template(kind: Kind) -> &'static str {
    match kind {
        Kind::FlinkBlueGreenDeployment => "/spec/template",
        Kind::FlinkEnvironment => "/spec/flinkApplicationDefaults",
        _ => "",
    }
}

/// The spec of that, out of the spec of its manifest; null where there is none.
pub fn templated(kind: Kind, spec: &Value) -> &Value {
    match template(kind).strip_prefix("/spec") {
        Some(pointer) => spec.at(&format!("{pointer}/spec")).unwrap_or(&Value::Null),
        None => spec,
    }
}

/// The finalizer that the operator puts on its resources of a kind.
pub fn finalizer(kind: &str) -> String {
    format!("{}s.{GROUP}/finalizer", kind.to_lowercase())
}

/// What a unit is to the operator: its kind, with the two faces of a FlinkDeployment told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Role {
    /// A FlinkDeployment with `spec.job`: one cluster for one job.
    Application,
    /// A FlinkDeployment without `spec.job`.
    SessionCluster,
    /// A FlinkSessionJob.
    SessionJob,
    /// A FlinkStateSnapshot.
    Snapshot,
    /// A FlinkBlueGreenDeployment.
    BlueGreen,
    /// A FlinkApplication of Confluent's.
    ManagedApplication,
    /// A FlinkEnvironment of Confluent's.
    ManagedEnvironment,
}

impl Role {
    /// Tells the role from a kind and the manifest's `spec`.
    pub fn of(kind: Kind, spec: &Value) -> Self {
        match kind {
            Kind::FlinkSessionJob => Self::SessionJob,
            Kind::FlinkStateSnapshot => Self::Snapshot,
            Kind::FlinkBlueGreenDeployment => Self::BlueGreen,
            Kind::FlinkApplication => Self::ManagedApplication,
            Kind::FlinkEnvironment => Self::ManagedEnvironment,
            Kind::FlinkDeployment if spec.get("job").is_some_and(|job| !job.is_null()) => Self::Application,
            Kind::FlinkDeployment => Self::SessionCluster,
        }
    }

    /// Whether a unit of this role runs a job of its own.
    pub fn has_job(self) -> bool {
        self.is_operable() || matches!(self, Self::BlueGreen | Self::ManagedApplication)
    }

    /// Whether flinkops can stop its job with a savepoint that counts (S8), and start it from one.
    pub fn is_operable(self) -> bool {
        matches!(self, Self::Application | Self::SessionJob)
    }

    /// Why no stop of its job leads to a savepoint that counts (S8).
    pub fn unstoppable(self) -> Option<&'static str> {
        match self {
            Self::BlueGreen => Some(
                "its status names no savepoint, so that flinkops cannot stop its job with one that counts",
            ),
            Self::ManagedApplication => Some(
                "its status is what Confluent Manager copied at some time, so that flinkops cannot tell whether a stop \
                 led to a savepoint",
            ),
            _ => None,
        }
    }
}

/// Names one unit within a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnitKey {
    /// The Kubernetes namespace.
    pub namespace: String,
    /// The resource's kind.
    pub kind: Kind,
    /// `metadata.name`.
    pub name: String,
}

impl UnitKey {
    /// Makes a key from its parts.
    pub fn new(namespace: impl Into<String>, kind: Kind, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), kind, name: name.into() }
    }

    /// `FlinkDeployment orders`, for messages.
    pub fn title(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }

    /// The key of the FlinkDeployment that `spec.deploymentName` of this session job names.
    pub fn cluster(&self, spec: &Value) -> Option<Self> {
        let name = spec.get("deploymentName")?.as_str()?;
        (self.kind == Kind::FlinkSessionJob).then(|| Self::new(&self.namespace, Kind::FlinkDeployment, name))
    }

    /// The key of another unit that this one's `spec` names and that must be there first: a session job's cluster,
    /// the job of a snapshot.
    pub fn refers_to(&self, spec: &Value) -> Option<Self> {
        let text = |pointer: &str| spec.at(pointer).and_then(Value::as_str);
        match self.kind {
            Kind::FlinkDeployment | Kind::FlinkBlueGreenDeployment | Kind::FlinkEnvironment => None,
            Kind::FlinkSessionJob => self.cluster(spec),
            Kind::FlinkApplication => {
                Some(Self::new(&self.namespace, Kind::FlinkEnvironment, text("/flinkEnvironment")?))
            }
            Kind::FlinkStateSnapshot => {
                let kind = Kind::parse(text("/jobReference/kind")?)?;
                Some(Self::new(&self.namespace, kind, text("/jobReference/name")?))
            }
        }
    }
}

/// `namespace/Kind/name`, the long form of a unit's id.
impl fmt::Display for UnitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.kind, self.name)
    }
}

/// The unit that made an object and is going to make it again, by its owner references: the deployments of a blue/green
/// one are in nobody's files.
pub fn maker(object: &Value) -> Option<UnitKey> {
    let owners = object.at("/metadata/ownerReferences").and_then(Value::as_array);
    let unit = |owner: &Value| {
        let text = |field: &str| owner[field].as_str();
        let namespace = object.at("/metadata/namespace").and_then(Value::as_str);
        Some(UnitKey::new(namespace?, Kind::of(text("apiVersion")?, text("kind")?)?, text("name")?))
    };
    owners.into_iter().flatten().find_map(unit)
}

/// Names any Kubernetes object, for companions and records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// `apiVersion`, as in a manifest.
    pub api_version: String,
    /// The object's kind.
    pub kind: String,
    /// The Kubernetes namespace.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectKey {
    /// Makes a key from its parts.
    pub fn new(
        api_version: impl Into<String>,
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// Reads the key of a manifest that carries its namespace.
    pub fn of(manifest: &Value) -> Option<Self> {
        let text = |pointer| manifest.at(pointer).and_then(Value::as_str);
        Some(Self::new(
            text("/apiVersion")?,
            text("/kind")?,
            text("/metadata/namespace")?,
            text("/metadata/name")?,
        ))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.kind, self.name)
    }
}

impl From<&UnitKey> for ObjectKey {
    fn from(key: &UnitKey) -> Self {
        Self::new(key.kind.api_version(), key.kind.as_str(), &key.namespace, &key.name)
    }
}
