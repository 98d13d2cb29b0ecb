//! What may stand in a `job.yaml`, in an `<environment>.yaml` beside it, and in a plain manifest.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::Value;

use super::repository::PolicyLayer;
use crate::flink::kind::Kind;

/// One Flink resource: `job.yaml`, or what differs from it in one environment.
///
/// Weakest first, these layers are merged: `defaults` of `flinkops.yaml`, `defaults` of the environment,
/// `job.yaml`, `<environment>.yaml`. Maps merge by key; lists are replaced, except those in a pod template
/// that Kubernetes keys by name (containers, volumes, env, ports, volumeMounts …); `null` removes.
#[derive(JsonSchema)]
#[schemars(rename = "JobFileFor{Spec}")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobFile<Spec> {
    /// The kind of resource. Not in an environment's file.
    pub kind: Option<Kind>,
    /// Its name in the cluster; absent: the folder's name. Not in an environment's file.
    pub name: Option<String>,
    /// Units that must be settled before this one may change: `name`, `Kind/name` or `namespace/Kind/name`.
    /// The last form may also name a resource that is only in the cluster. The cluster of a session job need
    /// not be named.
    pub depends_on: Option<Vec<String>>,
    /// Files of this folder by a short name. Each entry becomes an immutable ConfigMap
    /// `<job>-<name>-<hash>`, mounted read-only at `/opt/flink/files/<name>/` in the JobManager and the
    /// TaskManagers, so that an edit of a file upgrades the job. Not for a FlinkSessionJob.
    pub config_maps: Option<BTreeMap<String, Vec<String>>>,
    /// Labels of the resource.
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations of the resource.
    pub annotations: Option<BTreeMap<String, String>>,
    /// The operator's own spec, field for field.
    pub spec: Option<Spec>,
    /// Consent to what flinkops would otherwise refuse, for the next change only.
    pub allow: Option<Allow>,
    /// Why a live resource of someone else may be taken over.
    #[schemars(length(min = 1))]
    pub adopt: Option<String>,
    /// Why nothing may be written to this resource for now.
    #[schemars(length(min = 1))]
    pub freeze: Option<String>,
    /// The name this unit had before, so that it keeps its state under the new one.
    pub renamed_from: Option<String>,
    /// What to start from when the resource is created although an older state of it is known.
    pub on_create: Option<OnCreate>,
    /// How flinkops may act on this unit.
    pub policy: Option<PolicyLayer>,
}

/// Consent, each with its reason. It covers the change it is first used for; the next takes other words.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Allow {
    /// Why the job's state may be lost.
    #[schemars(length(min = 1))]
    pub state_loss: Option<String>,
    /// Why the resource may be deleted and created again.
    #[schemars(length(min = 1))]
    pub recreate: Option<String>,
}

/// What a created job starts from.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnCreate {
    /// Nothing, whatever is known of earlier state.
    Fresh,
}

/// A manifest of a unit, as `kubectl` takes it.
#[derive(JsonSchema)]
#[schemars(rename = "ManifestFor{Spec}")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest<Spec> {
    /// `flink.apache.org/v1beta1`.
    pub api_version: String,
    /// The kind.
    pub kind: Kind,
    /// Name, namespace, labels and annotations.
    pub metadata: Metadata,
    /// The operator's own spec.
    pub spec: Option<Spec>,
    /// Left out.
    pub status: Option<Value>,
}

/// A manifest of a companion; what else it holds is Kubernetes' to judge.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompanionManifest {
    /// API group and version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// Name, namespace, labels and annotations.
    pub metadata: Metadata,
}

/// What a manifest says of its object. Fields the API server owns are accepted and left out.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The object's name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its namespace; absent: the environment's.
    pub namespace: Option<String>,
    /// Its labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Its annotations.
    pub annotations: Option<BTreeMap<String, String>>,
    /// The API server's.
    pub creation_timestamp: Option<Value>,
    /// The API server's.
    pub generation: Option<Value>,
    /// The API server's.
    pub managed_fields: Option<Value>,
    /// The API server's.
    pub resource_version: Option<Value>,
    /// The API server's.
    pub self_link: Option<Value>,
    /// The API server's.
    pub uid: Option<Value>,
    /// The operator's.
    pub finalizers: Option<Value>,
    /// The API server's.
    pub owner_references: Option<Value>,
}
