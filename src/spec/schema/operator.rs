//! The operator's `spec` of each kind, field for field, as schema only: nothing of it is ever constructed.
//!
//! Fields, types and words are those of the operator's custom resources, up to its 1.16 line. What a
//! cluster's own version does not know is reported by the plan, which sees the cluster.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};
use k8s_openapi::api::networking::v1::IngressTLS;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

/// The spec of a FlinkDeployment: an application with `job`, a session cluster without.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlinkDeploymentSpec {
    /// Container image of the JobManager and the TaskManagers.
    pub image: Option<String>,
    /// When the image is pulled: `Always`, `IfNotPresent` or `Never`.
    pub image_pull_policy: Option<String>,
    /// Service account the pods run as. The operator insists on one.
    pub service_account: Option<String>,
    /// Flink's minor version. The operator insists on one, and it must fit the image.
    pub flink_version: Option<FlinkVersion>,
    /// Whether Flink asks Kubernetes for TaskManagers itself (`native`, the default) or not. Cannot be changed in place.
    pub mode: Option<DeploymentMode>,
    /// Flink's and the operator's configuration; keys may be flat or nested.
    pub flink_configuration: Option<BTreeMap<String, Value>>,
    /// An Ingress for Flink's web interface.
    pub ingress: Option<Ingress>,
    /// Pod template under those of the JobManager and the TaskManagers.
    pub pod_template: Option<PodTemplate>,
    /// The JobManager.
    pub job_manager: Option<JobManager>,
    /// The TaskManagers.
    pub task_manager: Option<TaskManager>,
    /// Logging configuration by file.
    pub log_configuration: Option<LogConfiguration>,
    /// Any change to another number restarts the cluster.
    pub restart_nonce: Option<i64>,
    /// The job of an application. Without it this is a session cluster; it cannot come or go in place.
    pub job: Option<Job>,
}

/// The spec of a FlinkSessionJob: a job on a session cluster.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlinkSessionJobSpec {
    /// Name of the session cluster, a FlinkDeployment in the same namespace. Cannot be changed in place.
    pub deployment_name: Option<String>,
    /// The job.
    pub job: Option<Job>,
    /// Configuration of this job; keys may be flat or nested.
    pub flink_configuration: Option<BTreeMap<String, Value>>,
    /// Any change to another number restarts the job.
    pub restart_nonce: Option<i64>,
}

/// The spec of a FlinkStateSnapshot: exactly one of `savepoint` and `checkpoint`, taken once. What changes in it
/// afterwards does nothing; another snapshot has another name.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlinkStateSnapshotSpec {
    /// The job, in the same namespace.
    pub job_reference: Option<JobReference>,
    /// Takes a savepoint.
    pub savepoint: Option<Savepoint>,
    /// Takes a checkpoint: `{}`.
    pub checkpoint: Option<Checkpoint>,
    /// How often a snapshot that fails is tried again; absent: `-1`, without end.
    #[schemars(range(min = -1))]
    pub backoff_limit: Option<i64>,
}

/// The spec of a FlinkBlueGreenDeployment: a changed template starts another deployment beside the running one, which
/// takes over once it runs.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlinkBlueGreenDeploymentSpec {
    /// How the operator goes from one deployment to the other: keys such as
    /// `kubernetes.operator.bluegreen.abort.grace-period`.
    pub configuration: Option<BTreeMap<String, String>>,
    /// An Ingress that leads to whichever deployment is active.
    pub ingress: Option<Ingress>,
    /// What both deployments are made of. The operator writes the name of each, which ends in `-blue` or `-green`,
    /// for that of this resource wherever it stands in the template.
    pub template: Option<DeploymentTemplate>,
}

/// What FlinkDeployments are made of.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeploymentTemplate {
    /// Labels and annotations.
    pub metadata: Option<ObjectMeta>,
    /// The spec of a FlinkDeployment with a job.
    pub spec: Option<FlinkDeploymentSpec>,
}

/// The spec of Confluent's FlinkApplication: that of a FlinkDeployment, where it runs, and the way there.
pub struct FlinkApplicationSpec;

impl JsonSchema for FlinkApplicationSpec {
    fn schema_name() -> Cow<'static, str> {
        "FlinkApplicationSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fields = extended::<FlinkDeploymentSpec, ApplicationFields>(generator);
        let job = extended::<Job, ApplicationJobFields>(generator);
        with_property(fields, "job", job)
    }
}

/// What a FlinkApplication has beside a FlinkDeployment's fields.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationFields {
    /// Name of the FlinkEnvironment in which it runs. Cannot be changed in place.
    pub flink_environment: Option<String>,
    /// The way to Confluent Manager; absent: the default one.
    pub cmf_rest_class_ref: Option<ClassReference>,
}

/// What the job of a FlinkApplication has beside a FlinkDeployment's fields.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationJobFields {
    /// The savepoint it starts from, as Confluent Manager knows it.
    pub start_from_savepoint: Option<StartFromSavepoint>,
}

/// A savepoint as Confluent Manager knows it.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartFromSavepoint {
    /// Its name.
    pub savepoint_name: Option<String>,
    /// Its id.
    pub uid: Option<String>,
    /// Where it is.
    pub initial_savepoint_path: Option<String>,
    /// Whether state that no operator of the new job claims may be dropped.
    pub allow_non_restored_state: Option<bool>,
    /// Another number restarts the job from it, whatever state it has.
    pub savepoint_redeploy_nonce: Option<i64>,
}

/// A CMFRestClass.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClassReference {
    /// Its name.
    pub name: Option<String>,
    /// Its namespace; absent: that of the resource.
    pub namespace: Option<String>,
}

/// The spec of Confluent's FlinkEnvironment.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlinkEnvironmentSpec {
    /// The namespace in which its applications run.
    pub kubernetes_namespace: Option<String>,
    /// The cluster in which they run; absent: that of Confluent Manager.
    pub kubernetes_cluster_name: Option<String>,
    /// What lies over each application of it: Confluent Manager lets this win over the application's own.
    pub flink_application_defaults: Option<BTreeMap<String, Value>>,
    /// The same for compute pools.
    pub compute_pool_defaults: Option<BTreeMap<String, Value>>,
    /// The same for statements.
    pub statement_defaults: Option<BTreeMap<String, Value>>,
    /// Names of secrets by the ids of connections.
    pub secrets: Option<BTreeMap<String, String>>,
    /// The way to Confluent Manager; absent: the default one.
    pub cmf_rest_class_ref: Option<ClassReference>,
}

/// The schema of one type with the fields of another.
fn extended<Base: JsonSchema, More: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let (base, more) = (Base::json_schema(generator), More::json_schema(generator));
    let fields = more.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    fields.into_iter().fold(base, |schema, (name, field)| with_property(schema, &name, field))
}

fn with_property(mut schema: Schema, name: &str, field: impl Into<Value>) -> Schema {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(name.to_owned(), field.into());
    }
    schema
}

/// The job that a snapshot is taken of.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobReference {
    /// Its kind.
    pub kind: Option<JobKind>,
    /// Its name.
    pub name: Option<String>,
}

/// A kind of which the operator takes snapshots.
#[derive(JsonSchema)]
pub enum JobKind {
    /// An application.
    FlinkDeployment,
    /// A job on a session cluster.
    FlinkSessionJob,
}

/// A savepoint to take, or one that is there.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Savepoint {
    /// The folder it goes to; absent: the job's savepoint directory. With `alreadyExists`, where it is.
    pub path: Option<String>,
    /// Its format; absent: `CANONICAL`.
    pub format_type: Option<SavepointFormat>,
    /// Whether the operator deletes its data with the resource; absent: `true`. flinkops turns it off before it
    /// deletes the resource, unless the loss is consented to.
    pub dispose_on_delete: Option<bool>,
    /// Whether it was taken before, and is only to be known by this name.
    pub already_exists: Option<bool>,
}

/// The format of a savepoint.
#[derive(JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SavepointFormat {
    /// The same for every state backend.
    Canonical,
    /// That of the state backend: faster.
    Native,
    /// Not known.
    Unknown,
}

/// A checkpoint has nothing to say.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {}

/// What runs, and how it is upgraded.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Job {
    /// Where the JAR is: `local://` inside the image for an application, a URL for a session job.
    #[serde(rename = "jarURI")]
    pub jar_uri: Option<String>,
    /// Main class; absent: the one the JAR names.
    pub entry_class: Option<String>,
    /// Arguments of the main method.
    pub args: Option<Vec<String>>,
    /// Parallelism of the job. `taskManager.replicas` overrides it.
    pub parallelism: Option<u32>,
    /// Whether the job should run.
    pub state: Option<JobState>,
    /// How state goes through an upgrade. Absent means `stateless` to the operator, which drops it.
    pub upgrade_mode: Option<UpgradeMode>,
    /// Whether state that no operator of the new job claims may be dropped.
    pub allow_non_restored_state: Option<bool>,
    /// Savepoint for the first start, or for `savepointRedeployNonce`.
    pub initial_savepoint_path: Option<String>,
    /// Another number takes a savepoint.
    pub savepoint_trigger_nonce: Option<i64>,
    /// Another number takes a checkpoint.
    pub checkpoint_trigger_nonce: Option<i64>,
    /// Another number restarts the job from `initialSavepointPath`, whatever state it has.
    pub savepoint_redeploy_nonce: Option<i64>,
    /// Another number clears what the autoscaler has learnt.
    pub autoscaler_reset_nonce: Option<i64>,
}

/// The JobManager of a FlinkDeployment.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobManager {
    /// Its size.
    pub resource: Option<Resource>,
    /// Its size as Kubernetes writes it; operators before 1.16 drop this field.
    pub resources: Option<ResourceRequirements>,
    /// How many; more than one needs high availability. Absent: one.
    pub replicas: Option<u32>,
    /// Its own pod template, over the common one.
    pub pod_template: Option<PodTemplate>,
}

/// The TaskManagers of a FlinkDeployment.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskManager {
    /// The size of each.
    pub resource: Option<Resource>,
    /// The size of each as Kubernetes writes it; operators before 1.16 drop this field.
    pub resources: Option<ResourceRequirements>,
    /// How many. Where this is set, the job's parallelism follows from it.
    pub replicas: Option<u32>,
    /// Their own pod template, over the common one.
    pub pod_template: Option<PodTemplate>,
}

/// The size of a process.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resource {
    /// Cores, such as `0.5`.
    pub cpu: Option<Quantity>,
    /// Memory, such as `2048m` (mebibytes) or `2g`.
    pub memory: Option<Quantity>,
    /// Local disk, such as `10g`.
    pub ephemeral_storage: Option<Quantity>,
}

/// An Ingress for Flink's web interface.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ingress {
    /// Host or path, with `{{name}}` and `{{namespace}}` replaced by the operator.
    pub template: Option<String>,
    /// Class of the ingress controller.
    pub class_name: Option<String>,
    /// Annotations of the Ingress.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Labels of the Ingress.
    pub labels: Option<BTreeMap<String, String>>,
    /// TLS sections of the Ingress.
    pub tls: Option<Vec<IngressTLS>>,
}

/// A pod template as Kubernetes writes it. Flink's own container is `flink-main-container`.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodTemplate {
    /// Ignored by the operator.
    pub api_version: Option<String>,
    /// Ignored by the operator.
    pub kind: Option<String>,
    /// Labels and annotations of the pods.
    pub metadata: Option<ObjectMeta>,
    /// What Flink's pods have beside Flink.
    pub spec: Option<PodSpec>,
}

/// Logging configuration, as the text of either file.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogConfiguration {
    /// For Log4j 2.
    #[serde(rename = "log4j-console.properties")]
    pub log4j: Option<String>,
    /// For Logback.
    #[serde(rename = "logback-console.xml")]
    pub logback: Option<String>,
}

/// A minor version of Flink that the operator supports.
#[derive(JsonSchema)]
#[expect(missing_docs, reason = "a version says what it is")]
#[expect(non_camel_case_types, reason = "these are the operator's own words")]
pub enum FlinkVersion {
    v1_15,
    v1_16,
    v1_17,
    v1_18,
    v1_19,
    v1_20,
    v2_0,
    v2_1,
    v2_2,
    v2_3,
    v2_4,
}

/// Who asks for TaskManagers.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentMode {
    /// Flink asks Kubernetes.
    Native,
    /// The operator starts a fixed number.
    Standalone,
}

/// Whether a job should run.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// It runs.
    Running,
    /// It is stopped and keeps its state.
    Suspended,
}

/// How state goes through an upgrade.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeMode {
    /// A savepoint is taken before and restored after.
    Savepoint,
    /// The last checkpoint is restored.
    LastState,
    /// State is dropped.
    Stateless,
}
