//! The stable ids of everything that can be found wrong: one table, so that no finding carries an id that is not here.
//!
//! Tests walk it: each id is shown, in its exact words, by a scenario (`tests/diagnostics.rs`).

use std::cmp::Ordering;
use std::fmt;

/// Makes the enum of the ids and what leads from one to its text.
macro_rules! rule_ids {
    ($($(#[doc = $about:literal])+ $name:ident = $id:literal,)+) => {
        /// What a finding is about, by an id in kebab case that never changes its meaning; sorted by that id.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum RuleId {
            $($(#[doc = $about])+ $name,)+
        }

        impl RuleId {
            /// Every id.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The id as people write it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)+
                }
            }
        }
    };
}

rule_ids! {
    // A repository as its files are read (`repo`).
    /// A symbolic link.
    Symlink = "symlink",
    /// Another Git repository inside.
    Submodule = "submodule",
    /// Neither a file nor a folder.
    SpecialFile = "special-file",
    /// A name that does not mean the same everywhere, or leads elsewhere.
    OddPath = "odd-path",
    /// A folder too many below one another.
    PathTooDeep = "path-too-deep",
    /// A file over the limit.
    FileTooLarge = "file-too-large",
    /// More files and folders than the limit.
    TooManyFiles = "too-many-files",
    /// More bytes than the limit.
    TotalTooLarge = "total-too-large",
    /// A file or folder that cannot be read.
    Unreadable = "unreadable",

    // YAML.
    /// A file that is not UTF-8 text.
    NotText = "not-text",
    /// Not YAML, or YAML that is not read.
    YamlSyntax = "yaml-syntax",
    /// Maps and lists too deep in one another.
    YamlTooDeep = "yaml-too-deep",
    /// Too many values once aliases are expanded.
    YamlTooLarge = "yaml-too-large",
    /// A key that is there twice.
    DuplicateKey = "duplicate-key",
    /// A file of several documents that may hold one.
    ManyDocuments = "many-documents",

    // Form: what a schema says.
    /// No `flinkops.yaml`.
    MissingFile = "missing-file",
    /// A field that has to be there.
    MissingField = "missing-field",
    /// A field that is not known.
    UnknownField = "unknown-field",
    /// A value of another type.
    WrongType = "wrong-type",
    /// A value that cannot be.
    BadValue = "bad-value",
    /// A name that Kubernetes or flinkops does not take.
    BadName = "bad-name",
    /// A folder that cannot be one of the repository's.
    BadPath = "bad-path",

    // Folders, layers and values.
    /// A folder for jobs that is not there or holds none.
    NoJobs = "no-jobs",
    /// A file that nothing reads, or that lies where it is not read.
    StrayFile = "stray-file",
    /// An environment that is not in `flinkops.yaml`.
    UnknownEnvironment = "unknown-environment",
    /// A placeholder that nobody replaces.
    UnresolvedPlaceholder = "unresolved-placeholder",
    /// A reference to a value that is not there.
    UnknownValue = "unknown-value",
    /// A value that nothing refers to.
    UnusedValue = "unused-value",
    /// An image in `images` that no job has.
    UnusedImage = "unused-image",
    /// A file for a ConfigMap that is not there or cannot be in one.
    ConfigMapFile = "config-map-file",
    /// A ConfigMap that cannot be mounted.
    ConfigMapMount = "config-map-mount",
    /// A ConfigMap over the limit of Kubernetes.
    ConfigMapTooLarge = "config-map-too-large",

    // Objects and what they have to do with one another.
    /// A label or annotation that flinkops writes itself.
    ReservedName = "reserved-name",
    /// An environment that would make another kind of a job.
    RenamedKind = "renamed-kind",
    /// A kind that may not lie beside a job.
    CompanionKind = "companion-kind",
    /// A namespace that is not the environment's.
    ForeignNamespace = "foreign-namespace",
    /// One name used twice.
    DuplicateName = "duplicate-name",
    /// One object of two environments.
    SharedObject = "shared-object",
    /// A dependency on what is not there.
    DanglingDependency = "dangling-dependency",
    /// A dependency that several units could be meant by.
    AmbiguousDependency = "ambiguous-dependency",
    /// Dependencies in a circle.
    DependencyCycle = "dependency-cycle",
    /// A kind that cannot be waited for.
    AwaitedKind = "awaited-kind",
    /// Two that would put the old version back.
    TwoRollbacks = "two-rollbacks",
    /// A job left to high availability that its cluster has not.
    HaWithoutHa = "ha-without-ha",
    /// A rule of `policy.ignore` that applies to nothing.
    IdleIgnore = "idle-ignore",
    /// An autoscaler whose work flinkops would undo.
    AutoscalerWithoutIgnore = "autoscaler-without-ignore",

    // What the operator refuses (`flink::validate`), or cannot run.
    /// A name that the operator refuses.
    Name = "name",
    /// No Flink version, or one that is too old.
    FlinkVersion = "flink-version",
    /// A configuration key that the operator sets itself.
    ForbiddenKey = "forbidden-key",
    /// A rollback that needs high availability.
    RollbackWithoutHa = "rollback-without-ha",
    /// A health check that needs the recovery of deployments.
    HealthCheckWithoutRecovery = "health-check-without-recovery",
    /// An ingress without a template, or with one that is no address.
    IngressTemplate = "ingress-template",
    /// A file that Flink does not log by.
    LogConfiguration = "log-configuration",
    /// No service account.
    ServiceAccount = "service-account",
    /// No folder for checkpoints.
    CheckpointDirectory = "checkpoint-directory",
    /// No folder for the savepoints of upgrades.
    SavepointDirectory = "savepoint-directory",
    /// No folder for savepoints, with a greatest age of checkpoints.
    SavepointDirectoryForMaxAge = "savepoint-directory-for-max-age",
    /// No folder for savepoints that are asked for.
    SavepointDirectoryForNonce = "savepoint-directory-for-nonce",
    /// No folder for periodic savepoints.
    SavepointDirectoryForPeriodic = "savepoint-directory-for-periodic",
    /// No parallelism.
    Parallelism = "parallelism",
    /// Replicas of an application's TaskManagers that cannot be.
    TaskManagerReplicas = "task-manager-replicas",
    /// Replicas of a session cluster's TaskManagers that cannot be.
    TaskManagerReplicasPositive = "task-manager-replicas-positive",
    /// Replicas of the JobManager that cannot be.
    JobManagerReplicas = "job-manager-replicas",
    /// Standby JobManagers that need high availability.
    StandbyWithoutHa = "standby-without-ha",
    /// No memory.
    Memory = "memory",
    /// A size that is none.
    Size = "size",
    /// Requests and limits that cannot be.
    Requirements = "requirements",
    /// An option of the autoscaler that cannot be.
    Autoscaler = "autoscaler",
    /// A window of the autoscaler that is too short.
    AutoscalerWindow = "autoscaler-window",
    /// A session job without a job.
    JobMissing = "job-missing",
    /// A jar that the operator would not fetch.
    JarUri = "jar-uri",
    /// A session job on an application.
    ApplicationCluster = "application-cluster",
    /// A session job with `last-state` on an old operator.
    SessionJobLastState = "session-job-last-state",
    /// A snapshot of no job.
    SnapshotJob = "snapshot-job",
    /// A snapshot that is neither savepoint nor checkpoint, or both.
    SnapshotKind = "snapshot-kind",
    /// A savepoint that has nowhere to go to.
    SnapshotPath = "snapshot-path",
    /// A checkpoint of a Flink that takes none when it is told to.
    SnapshotCheckpoint = "snapshot-checkpoint",
    /// A blue-green deployment without a job.
    BlueGreenTemplate = "blue-green-template",
    /// A field that Confluent Manager needs.
    ConfluentField = "confluent-field",
    /// A change from an application to a session cluster, or back.
    RoleChange = "role-change",
    /// A change of the mode.
    ModeChange = "mode-change",
    /// A redeployment without the savepoint to start from.
    RedeployWithoutPath = "redeploy-without-path",
    /// Another Flink version after a stop with `last-state`.
    FlinkVersionAfterLastState = "flink-version-after-last-state",
    /// A change of a session job's cluster.
    DeploymentNameChange = "deployment-name-change",
    /// A configuration key that is a part of another, for Flink 2.
    OverlappingKeys = "overlapping-keys",
    /// A job that keeps state and could not be stopped with a savepoint.
    Unstoppable = "unstoppable",
    /// A value that the cluster's operator, or its version, does not take.
    RefusedValue = "refused-value",

    // The lint's own: each has a page in `docs/rules/`, a severity of its own and a near miss.
    /// An image that moves.
    FloatingImage = "floating-image",
    /// A jar that can change.
    FloatingJar = "floating-jar",
    /// A SNAPSHOT build.
    SnapshotJar = "snapshot-jar",
    /// A jar that the operator cannot fetch.
    UnfetchableJar = "unfetchable-jar",
    /// An official image of another Flink.
    ImageVersion = "image-version",
    /// `stateless` although the job keeps state.
    StateDropped = "state-dropped",
    /// State in a folder that goes with its pod.
    FileState = "file-state",
    /// `savepoint` without high availability.
    SavepointWithoutHa = "savepoint-without-ha",
    /// `last-state` without high availability.
    LastStateWithoutHa = "last-state-without-ha",
    /// A session job whose last checkpoint goes with its cluster.
    UnretainedCheckpoint = "unretained-checkpoint",
    /// A text that the operator rewrites.
    BlueGreenName = "blue-green-name",
    /// A field that the operator drops.
    DroppedField = "dropped-field",
    /// A configuration key by its old name.
    DeprecatedKey = "deprecated-key",
    /// A configuration key that nobody reads.
    UnknownKey = "unknown-key",
    /// An autoscaler's key with its old prefix.
    OldAutoscalerKey = "old-autoscaler-key",
    /// A secret that stands in Git.
    PlaintextSecret = "plaintext-secret",
    /// A parallelism that does not count.
    ParallelismIgnored = "parallelism-ignored",
    /// `allowNonRestoredState` left on.
    NonRestoredState = "non-restored-state",
    /// A value that counts once, left behind.
    OneShotValue = "one-shot-value",
    /// A `flinkops: ignore` that does nothing.
    IgnoreComment = "ignore-comment",

    // A plan: what Git wants, beside the cluster.
    /// A consent to a delete that names nothing.
    UnmatchedRemoval = "unmatched-removal",
    /// A kind that the cluster does not serve, or not to flinkops.
    KindNotServed = "kind-not-served",
    /// The operator's schema cannot be read.
    SchemaNotReadable = "schema-not-readable",
    /// The operator is another than Git says.
    OperatorVersion = "operator-version",
    /// Something in the cluster changes what is written.
    ChangedByCluster = "changed-by-cluster",
    /// Something in the cluster scales a unit.
    ScaledInCluster = "scaled-in-cluster",
    /// A job began anew without its operator.
    RestartedByItself = "restarted-by-itself",
    /// The API server refuses a write.
    DryRunRefused = "dry-run-refused",
    /// A right for the dry run is lacking.
    DryRunForbidden = "dry-run-forbidden",
    /// The dry run says nothing.
    DryRunFailed = "dry-run-failed",

    // A cluster as a file.
    /// Kinds that are not in the file.
    SnapshotKinds = "snapshot-kinds",
    /// Objects in the file of other namespaces.
    SnapshotNamespace = "snapshot-namespace",
    /// Secrets in the file.
    SnapshotSecret = "snapshot-secret",

    // Import.
    /// Nothing to import.
    ImportNothing = "import-nothing",
    /// A file that is no manifest.
    ImportPassedOver = "import-passed-over",
    /// An object that is there twice, and differs.
    ImportTwice = "import-twice",
    /// A unit that the repository has already, and otherwise.
    ImportKnown = "import-known",
    /// What comes out is not what went in.
    ImportDiffers = "import-differs",
    /// A kind that may not lie beside a job.
    ImportLeftBehind = "import-left-behind",
    /// Comments that are lost.
    ImportComments = "import-comments",
    /// A secret that is not written.
    ImportSecret = "import-secret",
    /// An environment that the repository lacks.
    ImportEnvironment = "import-environment",
    /// A unit of some overlays only, of which one is refused.
    ImportPartial = "import-partial",
    /// A part of a kustomization that no layer can say.
    ImportKustomize = "import-kustomize",
    /// An image that kustomize left as it was.
    ImportImage = "import-image",
    /// A part of a Terraform file that is not worked out.
    ImportTerraform = "import-terraform",
    /// A value that Terraform might be given another of.
    ImportVariable = "import-variable",
    /// Another tool looks after a unit.
    ImportOwner = "import-owner",
    /// What other tools wrote, left out.
    ImportOthers = "import-others",
    /// A unit that another one makes.
    ImportMade = "import-made",
    /// A unit that is being deleted, or changed by flinkops.
    ImportUnsettled = "import-unsettled",
    /// A unit that keeps state and is upgraded without it.
    ImportStateless = "import-stateless",
    /// A ConfigMap that is named and not imported.
    ImportConfigMap = "import-config-map",
}

impl Ord for RuleId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for RuleId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
