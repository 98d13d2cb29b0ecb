//! An embedded cluster with its operator, hands to change it with, and a log of what happens.

use std::sync::Arc;
use std::time::Duration;

use flinkops::flink::kind::{API_VERSION, Kind, ObjectKey, UnitKey};
use flinkops::sim::api::patch::Patch;
use flinkops::sim::api::resource::Resource;
use flinkops::sim::api::store::{DeleteOptions, WriteOptions};
use flinkops::sim::{OperatorMode, Options, Sim};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::log::{Log, fields, push};

const STEP: Duration = Duration::from_millis(50);

/// One embedded cluster whose time is the test's.
pub struct Bench {
    pub sim: Sim,
    log: Log,
    seen: u64,
    began: Timestamp,
}

pub fn deployment(name: &str) -> ObjectKey {
    ObjectKey::new(API_VERSION, "FlinkDeployment", "default", name)
}

pub fn session_job(name: &str) -> ObjectKey {
    ObjectKey::new(API_VERSION, "FlinkSessionJob", "default", name)
}

pub fn snapshot(name: &str) -> ObjectKey {
    ObjectKey::new(API_VERSION, "FlinkStateSnapshot", "default", name)
}

pub fn unit(key: &ObjectKey) -> UnitKey {
    UnitKey::new(&key.namespace, Kind::parse(&key.kind).expect("a unit"), &key.name)
}

/// A session cluster's spec.
pub fn cluster_spec() -> Value {
    json!({
        "image": "flink:1.20.4", "flinkVersion": "v1_18", "serviceAccount": "flink",
        "flinkConfiguration": {"execution.checkpointing.interval": "5s", "taskmanager.numberOfTaskSlots": "2",
            "state.checkpoints.dir": "file:///data/checkpoints", "state.savepoints.dir": "file:///data/savepoints"},
        "jobManager": {"resource": {"cpu": 0.1, "memory": "1024m"}, "replicas": 1},
        "taskManager": {"resource": {"cpu": 0.1, "memory": "1024m"}},
    })
}

/// An application's spec.
pub fn application_spec(mode: &str) -> Value {
    let mut spec = cluster_spec();
    spec["job"] = json!({"jarURI": "local:///opt/flink/usrlib/counter.jar", "args": [], "parallelism": 1,
        "state": "running", "upgradeMode": mode});
    spec
}

/// A session job's spec on the cluster `sess`.
pub fn job_spec(mode: &str) -> Value {
    json!({"deploymentName": "sess", "job": {"jarURI": "file:///data/jars/counter.jar", "args": ["5"],
        "parallelism": 1, "state": "running", "upgradeMode": mode}})
}

impl Bench {
    pub fn new(operator: OperatorMode) -> Self {
        let start_time = Some("2026-11-21T04:00:00Z".parse().expect("a time"));
        let sim = Sim::start(Options { operator, start_time, ..Options::default() });
        let (seen, began) = (sim.store().version(), sim.now());
        Self { sim, log: Log::new(), seen, began }
    }

    /// A bench with a ready session cluster `sess` and the jobs on it running.
    pub async fn with_session(operator: OperatorMode, cluster: Value, jobs: &[(&str, Value)]) -> Self {
        let mut bench = Self::new(operator);
        bench.create(&deployment("sess"), cluster);
        bench.wait(40.0).await;
        for (name, spec) in jobs {
            bench.create(&session_job(name), spec.clone());
        }
        bench.wait(40.0).await;
        for (name, _) in jobs {
            assert_eq!(bench.state(&session_job(name)), "RUNNING", "{name} must run before the test");
        }
        bench
    }

    /// A bench with a running application `app`.
    pub async fn with_application(operator: OperatorMode, spec: Value) -> Self {
        let mut bench = Self::new(operator);
        bench.create(&deployment("app"), spec);
        bench.wait(60.0).await;
        let state = bench.state(&deployment("app"));
        assert!(["RUNNING", "FINISHED"].contains(&state.as_str()), "the application is {state}");
        bench
    }

    pub fn create(&self, key: &ObjectKey, spec: Value) {
        let object = json!({"apiVersion": key.api_version, "kind": key.kind,
            "metadata": {"name": key.name, "namespace": key.namespace}, "spec": spec});
        self.sim.store().create(key, object, &WriteOptions::by("test")).expect("the object is new");
    }

    pub fn patch(&self, key: &ObjectKey, patch: Value) {
        let options = WriteOptions::by("test");
        self.sim.store().patch(key, &Patch::Merge(patch), &options).expect("the patch is accepted");
    }

    pub fn delete(&self, key: &ObjectKey) {
        self.sim.store().delete(key, &DeleteOptions::default()).expect("the object exists");
    }

    pub fn object(&self, key: &ObjectKey) -> Value {
        self.sim.store().get(key).map_or(Value::Null, |object| (*object).clone())
    }

    pub fn exists(&self, key: &ObjectKey) -> bool {
        self.sim.store().get(key).is_some()
    }

    /// `jobStatus.state`.
    pub fn state(&self, key: &ObjectKey) -> String {
        self.text(key, "/status/jobStatus/state")
    }

    pub fn text(&self, key: &ObjectKey, pointer: &str) -> String {
        self.object(key).pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// `observedGeneration`; 0 where there is none.
    pub fn observed(&self, key: &ObjectKey) -> i64 {
        self.object(key).pointer("/status/observedGeneration").and_then(Value::as_i64).unwrap_or_default()
    }

    /// The names of the snapshots there are.
    pub fn snapshots(&self) -> Vec<String> {
        let resource = Resource::by_kind(API_VERSION, "FlinkStateSnapshot").expect("a served kind");
        let (objects, _) = self.sim.store().list(resource, None);
        objects.iter().filter_map(|it| Some(it["metadata"]["name"].as_str()?.to_owned())).collect()
    }

    /// The messages of an object's events with a reason.
    pub fn said(&self, name: &str, reason: &str) -> Vec<String> {
        let resource = Resource::by_kind("v1", "Event").expect("a served kind");
        let (events, _) = self.sim.store().list(resource, None);
        let about =
            |event: &&Arc<Value>| event["involvedObject"]["name"] == name && event["reason"] == reason;
        events.iter().filter(about).filter_map(|it| Some(it["message"].as_str()?.to_owned())).collect()
    }

    /// Begins the log anew: what follows is counted from here.
    pub fn mark(&mut self) {
        self.log.clear();
        (self.seen, self.began) = (self.sim.store().version(), self.sim.now());
    }

    /// Lets time pass, and writes down what changes.
    pub async fn wait(&mut self, seconds: f64) {
        let until = self.sim.now() + Duration::from_secs_f64(seconds);
        while self.sim.now() < until {
            tokio::time::sleep(STEP).await;
            self.read_changes();
        }
    }

    fn read_changes(&mut self) {
        let at = self.sim.now().duration_since(self.began).as_secs_f64();
        let changes = self.sim.store().changes_since(self.seen).expect("the history is long enough");
        self.seen = self.sim.store().version();
        for change in changes {
            if change.key.kind == "Event" {
                let text = |field: &str| change.object[field].as_str().unwrap_or_default().to_owned();
                let name = change.object["involvedObject"]["name"].as_str().unwrap_or_default();
                let value = format!("{}/{}", text("type"), text("reason"));
                push(&mut self.log, format!("{name} event"), at, value);
                continue;
            }
            let name = trim(&change.key);
            let before = change.previous.as_deref().map(fields);
            for (field, value) in fields(&change.object) {
                let same = match &before {
                    Some(before) => before.iter().any(|(name, old)| *name == field && *old == value),
                    None => field == "err",
                };
                if !same {
                    push(&mut self.log, format!("{name} {field}"), at, value);
                }
            }
            if change.kind.as_str() == "DELETED" {
                push(&mut self.log, format!("{name} gone"), at, "yes".into());
            }
        }
    }

    /// What happened since [`Self::mark`].
    pub fn log(&self) -> &Log {
        &self.log
    }
}

/// An object's name; of a snapshot without the time in it.
fn trim(key: &ObjectKey) -> &str {
    match key.kind.as_str() {
        "FlinkStateSnapshot" => key.name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-'),
        _ => &key.name,
    }
}
