//! The kinds of resource flinkops looks after, and how one is named.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The API group of every custom resource of the operator.
pub const GROUP: &str = "flink.apache.org";
/// The only version the operator serves.
pub const VERSION: &str = "v1beta1";
/// `apiVersion` of every custom resource of the operator.
pub const API_VERSION: &str = "flink.apache.org/v1beta1";

/// A kind of custom resource that can be a unit.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum Kind {
    /// An application (with `spec.job`) or a session cluster (without).
    FlinkDeployment,
    /// A job submitted to a session cluster.
    FlinkSessionJob,
}

impl Kind {
    /// Every kind, in the order in which they are listed and watched.
    pub const ALL: [Self; 2] = [Self::FlinkDeployment, Self::FlinkSessionJob];

    /// The kind's name as written in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FlinkDeployment => "FlinkDeployment",
            Self::FlinkSessionJob => "FlinkSessionJob",
        }
    }

    /// The plural that the API server's paths use.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::FlinkDeployment => "flinkdeployments",
            Self::FlinkSessionJob => "flinksessionjobs",
        }
    }

    /// Reads a manifest's `kind`; `None` for a kind that is not a unit.
    pub fn parse(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
}

impl Role {
    /// Tells the role from a kind and the manifest's `spec`.
    pub fn of(kind: Kind, spec: &Value) -> Self {
        match kind {
            Kind::FlinkSessionJob => Self::SessionJob,
            Kind::FlinkDeployment if spec.get("job").is_some_and(|job| !job.is_null()) => Self::Application,
            Kind::FlinkDeployment => Self::SessionCluster,
        }
    }

    /// Whether a unit of this role runs a job of its own.
    pub fn has_job(self) -> bool {
        self != Self::SessionCluster
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

    /// The key of the FlinkDeployment that `spec.deploymentName` of this session job names.
    pub fn cluster(&self, spec: &Value) -> Option<Self> {
        let name = spec.get("deploymentName")?.as_str()?;
        (self.kind == Kind::FlinkSessionJob).then(|| Self::new(&self.namespace, Kind::FlinkDeployment, name))
    }
}

/// `namespace/Kind/name`, the long form of a unit's id.
impl fmt::Display for UnitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.kind, self.name)
    }
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
        let text = |pointer| manifest.pointer(pointer).and_then(Value::as_str);
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
        Self::new(API_VERSION, key.kind.as_str(), &key.namespace, &key.name)
    }
}
