//! An embedded cluster with its operator, what one does to it by hand, and a record of what follows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flinkops::flink::kind::{API_VERSION, Kind, ObjectKey, UnitKey};
use flinkops::sim::api::history::Change;
use flinkops::sim::api::patch::Patch;
use flinkops::sim::api::store::{DeleteOptions, WriteOptions};
use flinkops::sim::operator::{JobView, Snapshot};
use flinkops::sim::{OperatorMode, Options, Sim};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::transcript::{Atom, Recorder, compare};

/// One state of an object that was seen, and when.
pub type Seen = (f64, String, Value);

#[derive(Default)]
struct Record {
    mark: Option<Instant>,
    atoms: Vec<Atom>,
    seen: Vec<Seen>,
}

impl Record {
    fn seconds(&self) -> f64 {
        self.mark.map_or(0.0, |mark| mark.elapsed().as_secs_f64())
    }

    fn add(&mut self, recorder: &mut Recorder, change: &Change) {
        let seconds = self.seconds();
        self.atoms.extend(recorder.record(change, seconds));
        self.seen.push((seconds, change.key.name.clone(), (*change.object).clone()));
    }
}

pub struct Stage {
    pub sim: Sim,
    modern: bool,
    record: Arc<Mutex<Record>>,
    recording: JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.recording.abort();
    }
}

impl Stage {
    pub fn new(operator: OperatorMode) -> Self {
        let start_time = Some("2026-01-01T00:00:00Z".parse().unwrap());
        let sim = Sim::start(Options { operator, start_time, ..Options::default() });
        let record: Arc<Mutex<Record>> = Arc::default();
        let recording = tokio::spawn(follow(sim.clone(), sim.store().version(), record.clone()));
        Self { sim, modern: operator == OperatorMode::V1_15, record, recording }
    }

    pub fn modern() -> Self {
        Self::new(OperatorMode::V1_15)
    }

    /// Counts seconds from now on, and forgets what happened before.
    pub fn mark(&self) {
        let mut record = self.record.lock().unwrap();
        *record = Record { mark: Some(Instant::now()), ..Record::default() };
    }

    pub async fn run(&self, seconds: f64) {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    }

    /// Lets this many seconds after the mark go by, then compares everything that happened since.
    pub async fn expect(&self, until: f64, expected: &str) {
        let left = until - self.record.lock().unwrap().seconds();
        self.run(left.max(0.0)).await;
        // A clone, since a comparison that fails must not poison the lock.
        let atoms = self.record.lock().unwrap().atoms.clone();
        compare(&atoms, expected);
    }

    /// The states of an object since the mark.
    pub fn seen(&self, name: &str) -> Vec<Seen> {
        let record = self.record.lock().unwrap();
        record.seen.iter().filter(|(_, it, _)| it == name).cloned().collect()
    }

    /// The reasons of the events about an object since the mark.
    pub fn events(&self, name: &str) -> Vec<String> {
        let record = self.record.lock().unwrap();
        let about = |atom: &&Atom| atom.name == name && atom.text.starts_with('!');
        record.atoms.iter().filter(about).map(|atom| atom.text[1..].to_owned()).collect()
    }

    pub fn create(&self, mut object: Value) {
        object["apiVersion"] = json!(API_VERSION);
        object["metadata"]["namespace"] = json!("default");
        let key = ObjectKey::of(&object).unwrap();
        self.sim.store().create(&key, object, &WriteOptions::by("kubectl")).unwrap();
    }

    /// A session cluster; `patch` is merged into its spec.
    pub fn session(&self, name: &str, patch: Value) {
        let mut spec = self.deployment();
        merge(&mut spec, patch);
        self.create(json!({"kind": "FlinkDeployment", "metadata": {"name": name}, "spec": spec}));
    }

    /// An application that keeps its state by savepoints.
    pub fn application(&self, name: &str, patch: Value) {
        let mut spec = self.deployment();
        spec["job"] =
            json!({"jarURI": "local:///opt/flink/job.jar", "parallelism": 1, "upgradeMode": "savepoint"});
        merge(&mut spec, patch);
        self.create(json!({"kind": "FlinkDeployment", "metadata": {"name": name}, "spec": spec}));
    }

    /// A session job that keeps its state by savepoints.
    pub fn session_job(&self, name: &str, cluster: &str, patch: Value) {
        let mut spec = json!({"deploymentName": cluster, "job": {
            "jarURI": "file:///jobs/counter.jar", "args": ["5"], "state": "running", "parallelism": 1,
            "upgradeMode": "savepoint"}});
        merge(&mut spec, patch);
        self.create(json!({"kind": "FlinkSessionJob", "metadata": {"name": name}, "spec": spec}));
    }

    fn deployment(&self) -> Value {
        json!({
            "image": "flink:1.20", "flinkVersion": if self.modern { "v1_20" } else { "v1_17" },
            "serviceAccount": "flink",
            "flinkConfiguration": {
                "execution.checkpointing.interval": "5s", "state.checkpoints.dir": "file:///data/checkpoints",
                "state.savepoints.dir": "file:///data/savepoints"},
            "jobManager": {"replicas": 1, "resource": {"cpu": 1, "memory": "1024m"}},
            "taskManager": {"resource": {"cpu": 1, "memory": "1024m"}},
        })
    }

    /// Merges a patch into a spec, as kubectl does.
    pub fn patch(&self, kind: Kind, name: &str, spec: Value) {
        let patch = Patch::Merge(Value::Object([("spec".to_owned(), spec)].into_iter().collect()));
        self.sim.store().patch(&key(kind, name), &patch, &WriteOptions::by("kubectl-patch")).unwrap();
    }

    pub fn delete(&self, key: &ObjectKey) {
        self.sim.store().delete(key, &DeleteOptions::default()).unwrap();
    }

    pub fn object(&self, kind: Kind, name: &str) -> Option<Arc<Value>> {
        self.sim.store().get(&key(kind, name))
    }

    /// A field of an object as text; empty where it is absent.
    pub fn text(&self, kind: Kind, name: &str, pointer: &str) -> String {
        let object = self.object(kind, name).unwrap_or_else(|| panic!("no {name}"));
        object
            .pointer(pointer)
            .map_or_else(String::new, |it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
    }

    pub fn job(&self, kind: Kind, name: &str) -> JobView {
        self.try_job(kind, name).unwrap_or_else(|| panic!("Flink knows no job of {name}"))
    }

    pub fn try_job(&self, kind: Kind, name: &str) -> Option<JobView> {
        self.sim.operator().job(&unit(kind, name), self.sim.now())
    }

    pub fn disk(&self) -> BTreeMap<String, Snapshot> {
        self.sim.operator().disk()
    }
}

pub fn unit(kind: Kind, name: &str) -> UnitKey {
    UnitKey::new("default", kind, name)
}

pub fn key(kind: Kind, name: &str) -> ObjectKey {
    (&unit(kind, name)).into()
}

fn merge(into: &mut Value, patch: Value) {
    match patch {
        Value::Object(fields) if into.is_object() => {
            fields.into_iter().for_each(|(field, value)| merge(&mut into[field], value));
        }
        value => *into = value,
    }
}

async fn follow(sim: Sim, mut seen: u64, record: Arc<Mutex<Record>>) {
    let store = sim.store().clone();
    let (mut version, mut recorder) = (store.subscribe(), Recorder::default());
    loop {
        version.borrow_and_update();
        for change in store.changes_since(seen).unwrap() {
            seen = change.version;
            record.lock().unwrap().add(&mut recorder, &change);
        }
        if version.changed().await.is_err() {
            return;
        }
    }
}
