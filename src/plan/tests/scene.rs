//! Small desired and live states for the tests of this room.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub use super::super::base::settled_status;
use super::super::ledger::{LABEL_ENVIRONMENT, LABEL_MANAGED_BY, LABEL_REPOSITORY, Ledger, Marker};
use super::super::live::LiveObject;
use super::super::outcome::{Plan, UnitPlan};
use super::super::write::{Task, Write};
use super::super::{Live, observe_once, plan, step};
use crate::flink::kind::{API_VERSION, Kind, Role, UnitKey};
use crate::spec::desired::{Dependency, Movement, Why};
use crate::spec::finding::Place;
use crate::spec::node::{Mark, Node};
use crate::spec::source::{Origin, Revision};
use crate::spec::{Consents, Desired, Policy, RemovalConsent, Unit};

pub const NAMESPACE: &str = "flink";

/// One environment and its cluster.
pub struct Scene {
    pub desired: Desired,
    pub live: Live,
    pub now: Timestamp,
}

/// An application's spec that keeps state.
pub fn application(image: &str) -> Value {
    json!({
        "image": image, "flinkVersion": "v1_20",
        "flinkConfiguration": {"state.savepoints.dir": "s3://b/sp", "state.checkpoints.dir": "s3://b/cp"},
        "job": {"jarURI": "local:///a.jar", "parallelism": 2, "upgradeMode": "savepoint"},
    })
}

/// A session cluster's spec.
pub fn session(memory: &str) -> Value {
    json!({
        "image": "flink:1.20", "flinkVersion": "v1_20",
        "flinkConfiguration": {"state.savepoints.dir": "s3://b/sp", "state.checkpoints.dir": "s3://b/cp"},
        "serviceAccount": "flink",
        "jobManager": {"resource": {"memory": "1g", "cpu": 1}},
        "taskManager": {"resource": {"memory": memory, "cpu": 1}},
    })
}

/// A session job's spec on the cluster `sessions`.
pub fn session_job(mode: &str) -> Value {
    json!({
        "deploymentName": "sessions",
        "job": {"jarURI": "https://x/a.jar", "parallelism": 1, "upgradeMode": mode},
    })
}

/// Consent to the loss of a unit's state.
pub fn retired(name: &str) -> RemovalConsent {
    RemovalConsent {
        name: name.into(),
        state_loss: Some("retired".into()),
        place: Place::file("flinkops.yaml"),
    }
}

pub fn key(kind: Kind, name: &str) -> UnitKey {
    UnitKey::new(NAMESPACE, kind, name)
}

fn kind_of(spec: &Value) -> Kind {
    if spec.get("deploymentName").is_some() { Kind::FlinkSessionJob } else { Kind::FlinkDeployment }
}

impl Scene {
    pub fn new() -> Self {
        let origin = Origin {
            identity: "git.example/orders".into(),
            revision: Revision::new("c0ffee"),
            committed: true,
        };
        let desired = Desired {
            repository: "orders".into(),
            origin,
            environment: "prod".into(),
            context: None,
            namespace: NAMESPACE.into(),
            namespaces: BTreeSet::from([NAMESPACE.to_owned()]),
            units: BTreeMap::new(),
            companions: BTreeMap::new(),
            companion_kinds: BTreeSet::new(),
            unknown: Vec::new(),
            removed: Vec::new(),
            confirm_deletes: None,
            policy: Policy::default(),
            operator_version: None,
            operator: BTreeMap::new(),
            movement: Movement::Forward,
            carried: BTreeSet::new(),
            previous: BTreeMap::new(),
            findings: Vec::new(),
        };
        let marker = Marker {
            identity: "git.example/orders".into(),
            revisions: BTreeMap::new(),
            resource_version: "1".into(),
        };
        let live = Live { markers: [(NAMESPACE.into(), marker)].into(), ..Live::default() };
        Self { desired, live, now: "2026-01-01T12:00:00Z".parse().unwrap() }
    }

    /// Puts a unit into Git.
    #[expect(clippy::needless_pass_by_value, reason = "literals read better by value")]
    pub fn git(mut self, name: &str, spec: Value, depends_on: &[&str]) -> Self {
        let key = key(kind_of(&spec), name);
        let mut edges: Vec<Dependency> = depends_on
            .iter()
            .map(|on| Dependency { on: self::key(Kind::FlinkDeployment, on), why: Why::Declared })
            .collect();
        edges.extend(key.cluster(&spec).map(|on| Dependency { on, why: Why::SessionCluster }));
        let file = format!("jobs/{name}/job.yaml");
        let manifest = json!({"apiVersion": API_VERSION, "kind": key.kind.as_str(),
                "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec});
        let unit = Unit {
            role: Role::of(key.kind, &spec),
            folder: format!("jobs/{name}"),
            place: Place::file(&file),
            written: Arc::new(Node::of(&manifest, &Mark::of_file(&file))),
            manifest: manifest.into(),
            depends_on: edges,
            awaits: Vec::new(),
            consents: Consents::default(),
            policy: self.desired.policy.clone(),
            key: key.clone(),
        };
        self.desired.units.insert(key, unit);
        self
    }

    /// Puts a live object of ours into the cluster, settled, with its ledger as of that spec.
    pub fn running(self, name: &str, spec: Value) -> Self {
        let status = settled_status(&spec, 1);
        self.object(
            name,
            spec,
            status,
            &[(LABEL_REPOSITORY, "orders"), (LABEL_ENVIRONMENT, "prod"), (LABEL_MANAGED_BY, "flinkops")],
        )
    }

    /// The same of nobody in particular.
    pub fn stranger(self, name: &str, spec: Value, labels: &[(&str, &str)]) -> Self {
        let status = settled_status(&spec, 1);
        self.object(name, spec, status, labels)
    }

    #[expect(clippy::needless_pass_by_value, reason = "literals read better by value")]
    fn object(mut self, name: &str, spec: Value, status: Value, labels: &[(&str, &str)]) -> Self {
        let key = key(kind_of(&spec), name);
        let labels: BTreeMap<_, _> = labels.iter().copied().collect();
        let object = json!({
            "apiVersion": API_VERSION, "kind": key.kind.as_str(),
            "metadata": {"name": name, "namespace": NAMESPACE, "uid": format!("uid-{name}"), "resourceVersion": "7",
                "generation": 1, "labels": labels, "annotations": {"flinkops.dev/source": format!("jobs/{name}")}},
            "spec": spec, "status": status,
        });
        self.live.units.insert(key, LiveObject::new(object));
        self
    }

    /// What is recorded about a unit, to be changed.
    pub fn ledger(&mut self, unit: &UnitKey) -> &mut Ledger {
        Arc::make_mut(self.live.ledgers.get_mut(unit).unwrap())
    }

    /// Records, for every live unit that is in Git, that its live spec was applied.
    pub fn recorded(mut self) -> Self {
        let before = std::mem::take(&mut self.desired.units);
        for (key, live) in self.live.units.clone() {
            let Some(unit) = before.get(&key) else { continue };
            let mut unit = unit.clone();
            unit.manifest["spec"] = live.spec().clone();
            self.desired.units.insert(key, unit);
        }
        for task in self.plan().units.iter().flat_map(|unit| unit.next.clone()) {
            self.record(&task);
        }
        self.desired.units = before;
        self
    }

    /// Writes down all that is to be written down now.
    pub fn remembered(mut self) -> Self {
        for task in step(&self.plan()) {
            self.record(&task);
        }
        self
    }

    /// Performs a write of a record.
    pub fn record(&mut self, task: &Task) {
        let (Write::Create { object } | Write::Replace { object }) = &task.write else { return };
        let mut object = object.clone();
        object["metadata"]["resourceVersion"] = json!("8");
        if let Some((key, ledger)) = Ledger::from_config_map(&LiveObject::new(object)) {
            self.live.ledgers.insert(key, ledger.into());
        }
    }

    /// Changes a live object.
    pub fn edit(mut self, kind: Kind, name: &str, edit: impl FnOnce(&mut Value)) -> Self {
        let key = key(kind, name);
        let mut object = self.live.units[&key].value().clone();
        edit(&mut object);
        self.live.units.insert(key, LiveObject::new(object));
        self
    }

    /// Changes a unit in Git.
    pub fn unit(mut self, kind: Kind, name: &str, edit: impl FnOnce(&mut Unit)) -> Self {
        edit(self.desired.units.get_mut(&key(kind, name)).unwrap());
        self
    }

    pub fn plan(&self) -> Plan {
        let mut live = self.live.clone();
        if live.since.is_empty() {
            live.since = observe_once(&live);
        }
        plan(&self.desired, &live, self.now)
    }

    pub fn of(&self, name: &str) -> UnitPlan {
        self.plan()
            .units
            .into_iter()
            .find(|unit| unit.key.name == name)
            .unwrap_or_else(|| panic!("no plan for {name}"))
    }

    /// The writes of this round, each as `verb name`, records as `record name`.
    pub fn writes(&self) -> Vec<String> {
        step(&self.plan()).iter().map(name_of).collect()
    }

    /// Moves time on, remembering what was read until then.
    pub fn later(mut self, by: SignedDuration) -> Self {
        self.live.since = super::super::observe(&self.live.since, &self.live, self.now);
        self.now += by;
        self
    }
}

fn name_of(task: &Task) -> String {
    let name = task.unit.as_ref().map_or_else(|| task.write.key().name, |unit| unit.name.clone());
    match task.write {
        Write::Create { .. } | Write::Replace { .. } if !task.event => format!("record {name}"),
        _ => format!("{} {name}", task.write.verb()),
    }
}

/// The one patch for a unit.
pub fn patch_of(unit: &UnitPlan) -> &Value {
    match &unit.next[..] {
        [Task { write: Write::Patch { patch, .. }, .. }] => patch,
        other => panic!("expected one patch, found {other:?}"),
    }
}
