//! What may stand in `flinkops.yaml`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::job::Allow;
use super::operator::{
    FlinkApplicationSpec, FlinkBlueGreenDeploymentSpec, FlinkDeploymentSpec, FlinkEnvironmentSpec,
    FlinkSessionJobSpec, FlinkStateSnapshotSpec,
};
use crate::spec::lint::LevelsFile;
use crate::spec::policy::{Adopt, ClusterChange, Ignore, Mode, OnFailure};

/// A repository of Flink jobs: `flinkops.yaml` in its root.
#[derive(JsonSchema)]
#[schemars(title = "flinkops.yaml")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepositoryFile {
    /// Identifies this repository in the cluster (label `flinkops.dev/repository`); never change it.
    #[schemars(regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"))]
    #[schemars(extend("patternErrorMessage" = "letters, digits, `-`, `_` and `.`, no more than 63"))]
    pub name: String,
    /// Folders that hold job folders or manifests; absent: `jobs`.
    pub jobs: Option<Vec<String>>,
    /// The targets by name, such as `staging` and `prod`. What differs there stands in `<environment>.yaml` beside a
    /// `job.yaml`.
    #[schemars(length(min = 1))]
    pub environments: BTreeMap<String, EnvironmentFile>,
    /// Laid under every job of every environment.
    pub defaults: Option<Defaults>,
    /// Values used more than once, by name: `${values.name}` stands for one in `defaults`, in `job.yaml` and in
    /// `<environment>.yaml`. A text that is one reference takes the value with its type.
    pub values: Option<BTreeMap<String, Scalar>>,
    /// Tag or digest of images, by the image's name, wherever a unit or a companion names it.
    pub images: Option<BTreeMap<String, ImageFile>>,
    /// Kinds that job folders may contain beside ConfigMap, Service, PersistentVolumeClaim and ServiceAccount,
    /// such as `apps/v1/Deployment`. Never Secret, Namespace or a cluster-scoped kind.
    pub companions: Option<Vec<String>>,
    /// Consents to delete units that left Git.
    pub removed: Option<Vec<Removed>>,
    /// How many deletes in one plan a person has agreed to.
    pub confirm: Option<usize>,
    /// How flinkops may act, for every environment.
    pub policy: Option<PolicyLayer>,
    /// How bad the rules of the lint are, for every environment.
    pub lint: Option<LevelsFile>,
}

/// One target: a namespace of a cluster, with its values.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentFile {
    /// The namespace of everything that names none.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"))]
    #[schemars(extend("patternErrorMessage" = "lower-case letters, digits and `-`, no more than 63"))]
    pub namespace: String,
    /// Further namespaces that manifests may name.
    pub namespaces: Option<Vec<String>>,
    /// The kubeconfig context of its cluster; absent: the current one.
    #[schemars(length(min = 1))]
    pub context: Option<String>,
    /// Laid over the repository's defaults, under every job.
    pub defaults: Option<Defaults>,
    /// Laid over the repository's values.
    pub values: Option<BTreeMap<String, Scalar>>,
    /// Laid over the repository's images, an entry as a whole.
    pub images: Option<BTreeMap<String, ImageFile>>,
    /// The version of the operator that serves this environment, such as `1.15.0`: what it drops or refuses is then
    /// told without the cluster. Where the cluster is asked, its own schema decides.
    #[schemars(regex(pattern = r"^[0-9]+\.[0-9]+(\.[0-9]+)?(-[A-Za-z0-9.-]+)?$"))]
    #[schemars(extend("patternErrorMessage" = "a version such as `1.15.0`"))]
    #[schemars(example = "1.15.0")]
    pub operator_version: Option<String>,
    /// What the operator that serves this environment is configured with, and every resource so has without
    /// writing it: such as `state.savepoints.dir`, or `kubernetes.operator.user.artifacts.allowed-schemes`. Only
    /// stated here, never written to the cluster; keys may be flat or nested.
    pub operator_defaults: Option<BTreeMap<String, Value>>,
    /// How flinkops may act here.
    pub policy: Option<PolicyLayer>,
    /// How bad the rules of the lint are here.
    pub lint: Option<LevelsFile>,
}

/// A text, a number, `true` or `false`.
#[expect(missing_docs, reason = "a type says what it is")]
pub enum Scalar {
    Text(String),
    Number(f64),
    Boolean(bool),
}

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

/// Which version of an image is meant; what is left out stays as it is written.
#[derive(JsonSchema)]
#[schemars(rename = "Image", extend("minProperties" = 1))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageFile {
    /// The tag, such as `1.5.0`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"))]
    #[schemars(extend("patternErrorMessage" = "letters, digits, `-`, `_` and `.`, no more than 128"))]
    pub tag: Option<String>,
    /// The digest, such as `sha256:` and 64 hexadecimal digits.
    #[schemars(regex(pattern = r"^[A-Za-z0-9]+([+._-][A-Za-z0-9]+)*:[0-9a-fA-F]{32,}$"))]
    #[schemars(extend("patternErrorMessage" = "`sha256:` and 64 hexadecimal digits"))]
    pub digest: Option<String>,
    /// Another image in its place, such as the same one in this environment's registry.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
}

/// What jobs have in common. Applies to `job.yaml` files; plain manifests are taken as they are.
///
/// A field that a kind does not have is not applied to it, and `spec.job` to no FlinkDeployment that has none of its
/// own: that is a session cluster.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    /// Labels of every unit.
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations of every unit.
    pub annotations: Option<BTreeMap<String, String>>,
    /// For every unit, as far as its kind has the field.
    pub spec: Option<FlinkDeploymentSpec>,
    /// For FlinkDeployments only; laid over the common part.
    #[serde(rename = "FlinkDeployment")]
    pub deployment: Option<KindDefaults<FlinkDeploymentSpec>>,
    /// For FlinkSessionJobs only; laid over the common part.
    #[serde(rename = "FlinkSessionJob")]
    pub session_job: Option<KindDefaults<FlinkSessionJobSpec>>,
    /// For FlinkStateSnapshots only; laid over the common part.
    #[serde(rename = "FlinkStateSnapshot")]
    pub snapshot: Option<KindDefaults<FlinkStateSnapshotSpec>>,
    /// For FlinkBlueGreenDeployments only; laid over the common part, whose `spec` is that of the template.
    #[serde(rename = "FlinkBlueGreenDeployment")]
    pub blue_green: Option<KindDefaults<FlinkBlueGreenDeploymentSpec>>,
    /// For Confluent's FlinkApplications only; laid over the common part.
    #[serde(rename = "FlinkApplication")]
    pub application: Option<KindDefaults<FlinkApplicationSpec>>,
    /// For Confluent's FlinkEnvironments only; laid over the common part.
    #[serde(rename = "FlinkEnvironment")]
    pub environment: Option<KindDefaults<FlinkEnvironmentSpec>>,
}

/// What the jobs of one kind have in common.
#[derive(JsonSchema)]
#[schemars(rename = "DefaultsFor{Spec}")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KindDefaults<Spec> {
    /// Labels of every unit of this kind.
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations of every unit of this kind.
    pub annotations: Option<BTreeMap<String, String>>,
    /// The operator's own spec.
    pub spec: Option<Spec>,
}

/// Consent to delete one unit that left Git.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Removed {
    /// The unit's name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What may happen to it.
    pub allow: Option<Allow>,
}

/// How flinkops may act. Set in `flinkops.yaml`, in an environment and in a job, weakest first; entries of
/// `ignore` are merged by `path` and `name`.
#[derive(JsonSchema)]
#[schemars(rename = "Policy")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyLayer {
    /// Whether the cluster is changed at all; absent: `enforce`.
    pub mode: Option<Mode>,
    /// How units that left Git are removed.
    pub prune: Option<PruneLayer>,
    /// Changes under way at once; absent: 4.
    #[schemars(range(min = 1))]
    pub concurrency: Option<usize>,
    /// How long a verdict must hold before it counts; absent: `10s`. Three times that for session jobs after
    /// their cluster.
    #[schemars(example = "10s")]
    pub settle: Option<String>,
    /// From our write to settled; absent: `10m`.
    #[schemars(example = "10m")]
    pub timeout: Option<String>,
    /// How long a savepoint may take; absent: `1h`.
    #[schemars(example = "1h")]
    pub savepoint_timeout: Option<String>,
    /// What happens when an upgrade does not settle; absent: `stop`.
    pub on_failure: Option<OnFailure>,
    /// Whether lost jobs are rescued without asking; absent: `false`.
    pub repair: Option<bool>,
    /// How a session job gets over a change of its session cluster; absent: `savepoint`. With `ha` it is left to
    /// Kubernetes high availability wherever that can be relied on.
    pub cluster_change: Option<ClusterChange>,
    /// Whether a job that a person suspended is resumed; absent: `false`.
    pub heal_suspend: Option<bool>,
    /// Which live objects of others may be taken over; absent: `equal`.
    pub adopt: Option<Adopt>,
    /// Fields left to someone else.
    pub ignore: Option<Vec<Ignore>>,
}

/// How units that left Git are removed.
#[derive(JsonSchema)]
#[schemars(rename = "Prune")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PruneLayer {
    /// Whether anything is removed at all; absent: `true`.
    pub enabled: Option<bool>,
    /// Deletes in one plan beyond which all of them wait to be confirmed; absent: 3.
    pub max_deletes: Option<usize>,
}
