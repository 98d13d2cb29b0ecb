//! What a spec asks of Flink, and the failures that a spec can ask of the embedded cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::flink::kind::{Kind, UnitKey};
use crate::flink::pointer::At as _;
use crate::flink::{config, duration};

/// Configuration key, known to the embedded cluster only: `fail` or `slow` savepoints.
pub const SAVEPOINT_KEY: &str = "$internal.sim.savepoint";

/// How a job's savepoints go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// As usual.
    #[default]
    Works,
    /// They take minutes.
    Slow,
    /// They fail.
    Fail,
}

/// What becomes of a JobManager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It starts.
    Starts,
    /// It never does, and nobody says so: the image is absent and may not be pulled.
    NeverStarts,
    /// Its image cannot be pulled.
    NoImage,
    /// Its process ends again and again: the application's main class or jar is missing.
    Crashes,
}

impl Fate {
    /// Reads it from a FlinkDeployment's spec.
    pub fn of(spec: &Value) -> Self {
        let has = |pointer: &str, word: &str| {
            spec.at(pointer).and_then(Value::as_str).is_some_and(|text| text.contains(word))
        };
        if has("/image", "absent") {
            return if has("/imagePullPolicy", "Never") { Self::NeverStarts } else { Self::NoImage };
        }
        if has("/job/entryClass", "Missing") || has("/job/jarURI", "missing") {
            return Self::Crashes;
        }
        Self::Starts
    }
}

/// A job as it is submitted.
#[derive(Clone, Debug)]
pub struct JobPlan {
    /// The job's id.
    pub id: String,
    /// The cluster it runs on.
    pub cluster: UnitKey,
    /// How many parallel instances.
    pub parallelism: u32,
    /// How often it takes checkpoints.
    pub checkpoint_interval: Option<Duration>,
    /// Where checkpoints go.
    pub checkpoint_directory: Option<String>,
    /// Where savepoints go.
    pub savepoint_directory: Option<String>,
    /// After how many records a batch job is done.
    pub bounded: Option<u64>,
    /// How its savepoints go.
    pub behaviour: Behaviour,
    /// After how long it runs into an error, again and again.
    pub breaks: Option<Duration>,
    /// Whether it fails before it runs.
    pub fails: bool,
    /// Whether its last checkpoint stays when it has failed.
    pub retains: bool,
    /// Whether it stays when its JobManager is told to end.
    pub outlives: bool,
}

impl JobPlan {
    /// Makes a plan from a spec with a job and its effective configuration.
    pub fn new(id: &str, cluster: &UnitKey, spec: &Value, configuration: &BTreeMap<String, String>) -> Self {
        let directory = |names| config::first(configuration, names).map(str::to_owned);
        let session_job = spec.get("deploymentName").is_some();
        let kind = if session_job { Kind::FlinkSessionJob } else { Kind::FlinkDeployment };
        Self {
            id: id.to_owned(),
            cluster: cluster.clone(),
            parallelism: parallelism(spec, configuration),
            checkpoint_interval: configuration
                .get(config::CHECKPOINT_INTERVAL)
                .and_then(|text| duration::parse(text)),
            checkpoint_directory: directory(&config::CHECKPOINT_DIR),
            savepoint_directory: directory(&config::SAVEPOINT_DIR),
            bounded: bounded(spec),
            breaks: breaks(spec),
            fails: entry_class(spec).contains("Fails"),
            retains: !session_job || config::session_job_retains(configuration),
            outlives: config::retains_checkpoints(kind, configuration),
            behaviour: match configuration.get(SAVEPOINT_KEY).map(String::as_str) {
                Some("fail") => Behaviour::Fail,
                Some("slow") => Behaviour::Slow,
                _ => Behaviour::Works,
            },
        }
    }

    /// The same job without the failures and the end that a spec can ask of the embedded cluster.
    #[must_use]
    pub fn in_earnest(self) -> Self {
        Self { bounded: None, breaks: None, fails: false, behaviour: Behaviour::Works, ..self }
    }
}

/// How parallel a spec's job runs: overrides, then task managers times slots, then the job's own number.
pub fn parallelism(spec: &Value, configuration: &BTreeMap<String, String>) -> u32 {
    let overrides = configuration.get("pipeline.jobvertex-parallelism-overrides").and_then(|text| {
        text.split([',', ';']).filter_map(|pair| pair.rsplit(':').next()?.trim().parse().ok()).max()
    });
    let number = |pointer| spec.at(pointer).and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
    let replicas = || Some(number("/taskManager/replicas")? * slots(configuration));
    overrides.or_else(replicas).or_else(|| number("/job/parallelism")).unwrap_or(1).max(1)
}

/// Whether high availability keeps the state of jobs whose cluster goes.
pub fn is_highly_available(configuration: &BTreeMap<String, String>) -> bool {
    config::first(configuration, &config::HIGH_AVAILABILITY)
        .is_some_and(|it| !it.eq_ignore_ascii_case("none"))
}

/// How many parallel instances one TaskManager takes.
pub fn slots(configuration: &BTreeMap<String, String>) -> u32 {
    configuration.get("taskmanager.numberOfTaskSlots").and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
}

/// A program that starts, and then meets what it cannot read.
fn breaks(spec: &Value) -> Option<Duration> {
    entry_class(spec).contains("Breaks").then_some(Duration::from_secs(5))
}

fn entry_class(spec: &Value) -> &str {
    spec.at("/job/entryClass").and_then(Value::as_str).unwrap_or_default()
}

fn bounded(spec: &Value) -> Option<u64> {
    let args = spec.at("/job/args")?.as_array()?;
    let at = args.iter().position(|it| it == "--bounded")?;
    args.get(at + 1)?.as_str()?.parse().ok()
}
