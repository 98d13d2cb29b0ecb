//! A simple operator: does at once what a spec says, and knows which records each job has counted.
//!
//! Enough for what the daemon must get right; how the real operator behaves in every corner is the
//! business of the embedded cluster's own model and its tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use flinkops::flink::kind::{API_VERSION, Kind, ObjectKey, UnitKey};
use flinkops::sim::Store;
use flinkops::sim::api::resource::Resource;
use flinkops::sim::api::store::WriteOptions;
use serde_json::{Value, json};

/// What the operator takes for anything it does.
const WORK: Duration = Duration::from_secs(2);
/// Records that a job counts each time it runs.
const RECORDS: u64 = 100;

#[derive(Clone, Default)]
pub struct Operator(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Records counted by each job that is there, by uid.
    counted: BTreeMap<String, u64>,
    /// Records in each savepoint.
    savepoints: BTreeMap<String, u64>,
    /// The session clusters' generations that their jobs run on, by job uid.
    homes: BTreeMap<String, i64>,
}

impl Operator {
    /// The records a job has counted.
    pub fn counted(&self, uid: &str) -> u64 {
        self.lock().counted.get(uid).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic within the operator")
    }

    pub async fn run(self, store: Store) {
        let mut versions = store.subscribe();
        loop {
            tokio::time::sleep(WORK).await;
            for kind in Kind::ALL {
                for object in all(&store, kind) {
                    self.reconcile(&store, kind, &object);
                }
            }
            if versions.changed().await.is_err() {
                return;
            }
        }
    }

    fn reconcile(&self, store: &Store, kind: Kind, object: &Value) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let generation = object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
        if object.pointer("/status/observedGeneration").and_then(Value::as_i64) == Some(generation) {
            return;
        }
        let key = UnitKey::new(text("/metadata/namespace"), kind, text("/metadata/name"));
        let status = match object.pointer("/spec/job") {
            None => json!({"jobManagerDeploymentStatus": "READY"}),
            Some(_) if text("/spec/job/state") == "suspended" => self.stop(object, &key),
            Some(_) => self.start(store, object, &key),
        };
        let suspended = text("/spec/job/state") == "suspended";
        let last =
            json!({"spec": object["spec"], "resource_metadata": {"metadata": {"generation": generation}}});
        let write = |status: Value, lifecycle: &str| {
            let key = ObjectKey::from(&key);
            let written = store.edit(&key, &WriteOptions::status_by("operator"), |object| {
                object["status"] = status;
                object["status"]["observedGeneration"] = json!(generation);
                object["status"]["lifecycleState"] = json!(lifecycle);
                object["status"]["reconciliationStatus"] =
                    json!({"state": "DEPLOYED", "lastReconciledSpec": last.to_string()});
            });
            written.expect("a status");
        };
        write(status, if suspended { "SUSPENDED" } else { "STABLE" });
        if kind == Kind::FlinkDeployment && object.pointer("/spec/job").is_none() {
            self.lose_jobs(store, &key, generation);
        }
    }

    fn stop(&self, object: &Value, key: &UnitKey) -> Value {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let mut state = self.lock();
        let counted = state.counted.get(uid).copied().unwrap_or_default();
        let path = format!("s3://b/sp/{}-{counted}-{}", key.name, state.savepoints.len());
        state.savepoints.insert(path.clone(), counted);
        let manager = if key.kind == Kind::FlinkDeployment { "MISSING" } else { "" };
        json!({
            "jobStatus": {"state": "FINISHED", "upgradeSavepointPath": path},
            "jobManagerDeploymentStatus": manager,
        })
    }

    /// Starts, or upgrades by savepoint: a job of ours that was running goes on from where it was.
    fn start(&self, store: &Store, object: &Value, key: &UnitKey) -> Value {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (uid, mode) = (text("/metadata/uid").to_owned(), text("/spec/job/upgradeMode"));
        let mut state = self.lock();
        let path = if object.get("status").is_some_and(|status| status.get("jobStatus").is_some()) {
            text("/status/jobStatus/upgradeSavepointPath").to_owned()
        } else {
            text("/spec/job/initialSavepointPath").to_owned()
        };
        let stopped = text("/status/lifecycleState") == "SUSPENDED";
        let before = match (mode, stopped) {
            ("stateless", _) => 0,
            (_, false) if state.counted.contains_key(&uid) => state.counted[&uid],
            _ => state.savepoints.get(&path).copied().unwrap_or_default(),
        };
        let upgraded = format!("s3://b/sp/{}-upgrade-{before}-{}", key.name, state.savepoints.len());
        state.savepoints.insert(upgraded.clone(), before);
        state.counted.insert(uid.clone(), before + RECORDS);
        if let Some(home) = key.cluster(&object["spec"]) {
            let home = store.get(&(&home).into());
            let generation =
                home.and_then(|home| home["metadata"]["generation"].as_i64()).unwrap_or_default();
            state.homes.insert(uid, generation);
        }
        json!({"jobStatus": {"state": "RUNNING", "upgradeSavepointPath": upgraded}, "jobManagerDeploymentStatus": "READY"})
    }

    /// Whoever still runs on a session cluster when it changes is lost, with all that it counted.
    fn lose_jobs(&self, store: &Store, cluster: &UnitKey, generation: i64) {
        let mut state = self.lock();
        for job in all(store, Kind::FlinkSessionJob) {
            let on = job.pointer("/spec/deploymentName").and_then(Value::as_str) == Some(&cluster.name);
            let running = job.pointer("/status/jobStatus/state").and_then(Value::as_str) == Some("RUNNING");
            let uid = job["metadata"]["uid"].as_str().unwrap_or_default();
            if on && running && state.homes.get(uid).is_some_and(|home| *home != generation) {
                state.counted.insert(uid.to_owned(), 0);
            }
        }
    }
}

fn all(store: &Store, kind: Kind) -> Vec<Value> {
    let resource = Resource::by_kind(API_VERSION, kind.as_str()).expect("a Flink kind");
    store.list(resource, None).0.iter().map(|object| (**object).clone()).collect()
}
