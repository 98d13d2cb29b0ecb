//! What may stand in a `job.yaml`, in an `<environment>.yaml` beside it, and in a plain manifest.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

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
    /// The environments that it and all else in its folder is in; absent: every one. Not in an environment's file.
    #[schemars(length(min = 1))]
    pub environments: Option<Vec<String>>,
    /// What must be settled before this one may change: units as `name`, `Kind/name` or `namespace/Kind/name`,
    /// the last also for a unit that is only in the cluster; and any other live object, which is only read, also as
    /// `group/version/Kind/name`. The
    /// cluster of a session job need not be named.
    pub depends_on: Option<Vec<DependsOn>>,
    /// Files of this folder by a short name. Each entry becomes an immutable ConfigMap
    /// `<job>-<name>-<hash>`, mounted read-only at `/opt/flink/files/<name>/` in the JobManager and the
    /// TaskManagers, so that an edit of a file upgrades the job. Not for a FlinkSessionJob.
    pub config_maps: Option<BTreeMap<String, Vec<String>>>,
    /// Files of this folder with Flink's logging configuration: their text becomes `spec.logConfiguration`, so that
    /// an edit of a file upgrades the job. Not for a FlinkSessionJob.
    pub log_configuration: Option<LogFiles>,
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

/// The file of each logging configuration that Flink's image reads.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogFiles {
    /// The file for Log4j 2.
    #[serde(rename = "log4j-console.properties")]
    pub log4j: Option<String>,
    /// The file for Logback.
    #[serde(rename = "logback-console.xml")]
    pub logback: Option<String>,
}

/// A unit by its name, or a live object.
pub struct DependsOn;

impl JsonSchema for DependsOn {
    fn schema_name() -> Cow<'static, str> {
        "DependsOn".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // What is said of a map does not concern a text: no alternatives, whose messages help nobody.
        let mut schema = AwaitedObject::json_schema(generator);
        schema.insert("type".to_owned(), json!(["string", "object"]));
        schema
    }
}

/// A unit by its name; or any live object that must be ready first, such as the topic a job reads. It is only read.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwaitedObject {
    /// API group and version, such as `kafka.strimzi.io/v1beta2`.
    #[schemars(length(min = 1))]
    pub api_version: String,
    /// Its kind, such as `KafkaTopic`.
    #[schemars(length(min = 1))]
    pub kind: String,
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its namespace, one of the environment's; absent: that of the job.
    pub namespace: Option<String>,
    /// The condition in its status that must be true; absent: `Ready` or `Available`.
    #[schemars(length(min = 1))]
    pub condition: Option<String>,
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
