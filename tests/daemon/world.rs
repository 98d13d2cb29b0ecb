//! An embedded cluster, and repositories made of a few words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flinkops::cluster::Cluster;
use flinkops::daemon::{Clock, Event, Metrics, Options, Outcome, Progress, apply};
use flinkops::flink::kind::{API_VERSION, Kind, ObjectKey, Role, UnitKey};
use flinkops::plan::ledger::Ledger;
use flinkops::plan::live::LiveObject;
use flinkops::sim::operator::JobView;
use flinkops::sim::{LoggedRequest, OperatorMode, Options as SimOptions, Sim};
use flinkops::spec::desired::{Dependency, Movement, Why};
use flinkops::spec::finding::Place;
use flinkops::spec::node::{Mark, Node};
use flinkops::spec::source::{Origin, Revision};
use flinkops::spec::{Companion, Consents, Desired, Policy, Unit};
use serde_json::{Value, json};

pub const NAMESPACE: &str = "flink";

/// One embedded cluster, and what is told about it.
pub struct World {
    pub sim: Sim,
    pub cluster: Cluster,
    pub clock: Clock,
    pub progress: Arc<Lines>,
    pub metrics: Arc<Metrics>,
}

impl World {
    pub fn new() -> Self {
        Self::with(OperatorMode::default())
    }

    pub fn with(operator: OperatorMode) -> Self {
        Self::of(SimOptions { operator, ..SimOptions::default() })
    }

    /// A cluster made otherwise.
    pub fn of(options: SimOptions) -> Self {
        let sim = Sim::start(options);
        Self {
            cluster: Cluster::new(sim.client(), "embedded"),
            clock: Clock::starting_at(sim.now()),
            progress: Arc::default(),
            metrics: Arc::default(),
            sim,
        }
    }

    pub fn options(&self) -> Options {
        Options {
            clock: self.clock,
            progress: self.progress.clone(),
            metrics: self.metrics.clone(),
            ..Options::default()
        }
    }

    pub async fn apply(&self, desired: &Desired) -> Outcome {
        let limit = Some(Duration::from_secs(3600));
        apply(&self.cluster, desired, self.options(), limit).await.expect("the embedded cluster answers")
    }

    /// Applies and insists that all went well.
    pub async fn settle(&self, desired: &Desired) {
        let outcome = self.apply(desired).await;
        assert!(outcome.is_settled(), "{outcome:?}\n{}", self.progress.text());
    }

    pub fn unit(&self, key: &UnitKey) -> Option<LiveObject> {
        self.sim.store().get(&key.into()).map(|object| LiveObject::new((*object).clone()))
    }

    /// The unit's job as Flink shows it.
    pub fn job(&self, key: &UnitKey) -> Option<JobView> {
        self.sim.operator().job(key, self.sim.now())
    }

    /// The records that a unit's job has counted, as far as state was kept.
    pub fn records(&self, key: &UnitKey) -> u64 {
        self.job(key).map_or(0, |job| job.records)
    }

    pub fn ledger(&self, key: &UnitKey) -> Option<Ledger> {
        ledger(&self.sim, key)
    }

    pub fn writes(&self) -> Vec<LoggedRequest> {
        self.sim.requests().into_iter().filter(LoggedRequest::is_write).collect()
    }
}

/// What is on record of a unit.
pub fn ledger(sim: &Sim, key: &UnitKey) -> Option<Ledger> {
    let name = Ledger::name("orders", "prod", key);
    let object = sim.store().get(&ObjectKey::new("v1", "ConfigMap", NAMESPACE, name))?;
    Ledger::from_config_map(&LiveObject::new((*object).clone())).map(|(_, ledger)| ledger)
}

/// Remembers what was told, a line each.
#[derive(Default)]
pub struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub fn text(&self) -> String {
        self.0.lock().expect("no panic while telling").join("\n")
    }

    pub fn clear(&self) {
        self.0.lock().expect("no panic while telling").clear();
    }

    /// How often a line holds this.
    pub fn count(&self, part: &str) -> usize {
        self.text().lines().filter(|line| line.contains(part)).count()
    }

    pub fn contains(&self, part: &str) -> bool {
        self.text().contains(part)
    }
}

impl Progress for Lines {
    fn tell(&self, event: &Event<'_>) {
        let line = match event {
            Event::Found(finding) => format!("found {}: {}", finding.rule, finding.message),
            Event::Planned(plan) => format!("planned {}", plan.revision),
            Event::Changed(unit) => {
                let blocked = unit.blocked.as_ref().map(|blocked| format!(" [{}]", blocked.message));
                let blocked = blocked.unwrap_or_default();
                format!("{}: {:?} {:?} {}{blocked}", unit.id, unit.action, unit.health, unit.health_message)
            }
            Event::Wrote(task) => {
                format!("wrote {} {}: {}", task.write.verb(), task.write.key(), task.message)
            }
            Event::Refused { error, .. } => format!("refused: {error}"),
            Event::Quiet(standing) => format!("quiet: {standing}"),
            Event::Invalid { revision, in_force, .. } => format!("invalid {revision}, in force {in_force:?}"),
            Event::Read { revision, .. } => format!("read {revision}"),
            Event::GitFailed { message } => format!("git failed: {message}"),
            Event::Recalled { revision } => format!("recalled {revision}"),
            Event::StartFailed { message } => format!("start failed: {message}"),
            Event::WaitingForLease { holder } => format!("waiting for lease: {holder}"),
            Event::Gone(key) => format!("gone {key}"),
            Event::FlinkSilent { unit, message } => format!("Flink is silent on {unit}: {message}"),
            _ => return,
        };
        self.0.lock().expect("no panic while telling").push(line);
    }
}

pub fn deployment(name: &str) -> UnitKey {
    UnitKey::new(NAMESPACE, Kind::FlinkDeployment, name)
}

pub fn session_job(name: &str) -> UnitKey {
    UnitKey::new(NAMESPACE, Kind::FlinkSessionJob, name)
}

pub fn application_spec(image: &str) -> Value {
    json!({
        "image": image, "flinkVersion": "v1_20", "serviceAccount": "flink",
        "flinkConfiguration": {"state.checkpoints.dir": "s3://b/cp", "state.savepoints.dir": "s3://b/sp"},
        "jobManager": {"resource": {"memory": "1024m", "cpu": 1}},
        "taskManager": {"resource": {"memory": "1024m", "cpu": 1}},
        "job": {"jarURI": "local:///opt/a.jar", "parallelism": 1, "upgradeMode": "savepoint", "state": "running"},
    })
}

pub fn cluster_spec(memory: &str) -> Value {
    let mut spec = application_spec("flink:1.20");
    spec.as_object_mut().expect("an object").remove("job");
    spec["taskManager"]["resource"]["memory"] = json!(memory);
    spec
}

pub fn session_job_spec(cluster: &str, parallelism: i64) -> Value {
    json!({
        "deploymentName": cluster,
        "job": {"jarURI": "https://jars.example.com/a.jar", "parallelism": parallelism, "upgradeMode": "savepoint", "state": "running"},
    })
}

fn unit(key: &UnitKey, spec: &Value, depends_on: &[UnitKey], policy: &Policy) -> Unit {
    let declared = depends_on.iter().map(|on| Dependency { on: on.clone(), why: Why::Declared });
    let cluster = key.cluster(spec).map(|on| Dependency { on, why: Why::SessionCluster });
    let folder = format!("jobs/{}", key.name);
    let file = format!("{folder}/job.yaml");
    let manifest = json!({
        "apiVersion": API_VERSION, "kind": key.kind.as_str(),
        "metadata": {"name": key.name, "namespace": key.namespace}, "spec": spec,
    });
    Unit {
        key: key.clone(),
        role: Role::of(key.kind, spec),
        place: Place::file(&file),
        folder,
        written: Arc::new(Node::of(&manifest, &Mark::of_file(&file))),
        manifest: manifest.into(),
        depends_on: declared.chain(cluster).collect(),
        awaits: Vec::new(),
        consents: Consents::default(),
        policy: policy.clone(),
    }
}

/// A repository `orders` with an environment `prod`, at a revision.
pub fn repository(revision: &str, units: &[(UnitKey, Value, Vec<UnitKey>)]) -> Desired {
    let policy = Policy::default();
    let units: BTreeMap<UnitKey, Unit> = units
        .iter()
        .map(|(key, spec, depends_on)| (key.clone(), unit(key, spec, depends_on, &policy)))
        .collect();
    Desired {
        repository: "orders".into(),
        origin: Origin {
            identity: "example.com/orders".into(),
            revision: Revision::new(revision),
            committed: true,
        },
        environment: "prod".into(),
        context: None,
        namespace: NAMESPACE.into(),
        namespaces: BTreeSet::from([NAMESPACE.to_owned()]),
        units,
        companions: BTreeMap::new(),
        companion_kinds: BTreeSet::from([("v1".to_owned(), "ConfigMap".to_owned())]),
        unknown: Vec::new(),
        removed: Vec::new(),
        confirm_deletes: None,
        policy,
        operator_version: None,
        operator: BTreeMap::new(),
        movement: Movement::Forward,
        carried: BTreeSet::new(),
        previous: BTreeMap::new(),
        findings: Vec::new(),
    }
}

/// Adds a ConfigMap to a unit's folder.
pub fn with_config_map(mut desired: Desired, unit: &str, name: &str, text: &str) -> Desired {
    let key = ObjectKey::new("v1", "ConfigMap", NAMESPACE, name);
    let folder = format!("jobs/{unit}");
    let companion = Companion {
        key: key.clone(),
        place: Place::file(format!("{folder}/{name}.yaml")),
        folder,
        manifest: json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": NAMESPACE}, "data": {"text": text},
        })
        .into(),
    };
    desired.companions.insert(key, companion);
    desired
}

/// A chain of two applications.
pub fn chain(revision: &str, image: &str) -> Desired {
    let (ingest, enrich) = (deployment("ingest"), deployment("enrich"));
    repository(
        revision,
        &[
            (ingest.clone(), application_spec(image), vec![]),
            (enrich, application_spec("enrich:1"), vec![ingest]),
        ],
    )
}
