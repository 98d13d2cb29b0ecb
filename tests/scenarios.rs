//! Scenarios of the planner: a folder named by a sentence holds a repository in `git/`, what the cluster
//! holds in `live.yaml` (absent: nothing), and what comes of it: `plan.txt` (80 columns), `plan.md`,
//! `plan.json`, `writes.txt`, the requests of this round in order, and where the cluster has drifted `drift.txt`,
//! `drift.md` and `drift.json`; where a checkpoint of a job was seen, what `status` says of it, `status.txt` and
//! `status.json`. `UPDATE_SCENARIOS=1` writes these.
//!
//! A document of `live.yaml` is laid over what Git renders for that object, so it says only what differs:
//!
//! - the object is flinkops' own, as of generation 1 and settled; `metadata`, `spec` and `status` are laid
//!   over that (merge patch; `status: null` is no status, `x-labels: none` takes the labels of flinkops off);
//! - its ledger says that this spec and Git's labels and annotations were applied last; `x-applied` is laid over the spec for what was, where
//!   that is something else, `x-ledger` over the ledger (`none`: there is no ledger);
//! - `before/` beside `git/` is the repository at the revision before, where a unit goes back to it (`held` in its
//!   `x-ledger`);
//! - `x-written: true` marks the object with the hash that the ledger has, as each write of flinkops does;
//! - an object that is not in Git names its `kind`, and stands there whole;
//! - the namespace is marked as this repository's, unless a marker is among the objects;
//! - an object that a job waits for says its `apiVersion`;
//! - `x-operator: "1.7"` (or `"1.15"`) alone is no object: the cluster serves that operator's schema, and
//!   `x-operator: unreadable` does not let it be read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flinkops::cluster::{Scope, gather};
use flinkops::flink::kind::{Kind, ObjectKey};
use flinkops::flink::secret::{Seal, Secrets};
use flinkops::plan::ledger::{
    ANNOTATION_HASH, LABEL_ENVIRONMENT, LABEL_MANAGED_BY, LABEL_RECORD, LABEL_REPOSITORY, Ledger, MANAGER,
    Marker,
};
use flinkops::plan::live::{LiveObject, Schema, Seen};
use flinkops::plan::write::Task;
use flinkops::plan::{Live, Plan, Write, observe_once, plan, sealed, step};
use flinkops::report::document::{
    AgainstKind, PlanDocument, Snapshot, SnapshotDocument, StatusDocument, objects,
};
use flinkops::report::{json, markdown, text};
use flinkops::sim::{OperatorMode, flink_schema};
use flinkops::spec::policy::Mode;
use flinkops::spec::served::Served;
use flinkops::spec::source::{Limits, Origin, Revision, SourceTree};
use flinkops::spec::{Desired, load};
use jiff::Timestamp;
use serde_json::{Value, json};

const IDENTITY: &str = "git.example.com/orders";
pub const NOW: &str = "2026-01-01T12:00:00Z";
/// The revision before.
const APPLIED: &str = "deca000000000000000000000000000000000000";
const BEFORE: &str = "2025-12-31T12:00:00Z";

/// The folders.
pub fn scenarios() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut all: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

fn files(folder: &Path, below: &Path, found: &mut BTreeMap<String, Arc<[u8]>>) {
    for path in fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files(folder, &path, found);
        } else {
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read(&path).unwrap().into());
        }
    }
}

/// What Git wants, and what it wanted before of what is to go back to that.
pub fn desired(scenario: &Path) -> Desired {
    let mut desired = read(&scenario.join("git"), "c0ffee0000000000000000000000000000000000");
    let before = scenario.join("before");
    if before.is_dir() {
        desired.previous = read(&before, APPLIED).units;
    }
    desired
}

fn read(folder: &Path, revision: &str) -> Desired {
    let origin = Origin { identity: IDENTITY.into(), revision: Revision::new(revision), committed: true };
    let mut tree = SourceTree { origin, files: BTreeMap::new(), refused: Vec::new() };
    files(folder, folder, &mut tree.files);
    let mut loaded = load(&tree, &Limits::default(), Some("prod"));
    loaded
        .environments
        .remove("prod")
        .unwrap_or_else(|| panic!("{}: {:#?}", folder.display(), loaded.findings))
}

/// What the cluster holds.
pub fn live(desired: &Desired, scenario: &Path) -> Live {
    Cluster::read(desired, &scenario.join("live.yaml"))
}

/// What the cluster holds, from the shorthand above.
struct Cluster<'a> {
    desired: &'a Desired,
    live: Live,
}

impl<'a> Cluster<'a> {
    fn read(desired: &'a Desired, path: &Path) -> Live {
        let mut cluster = Self { desired, live: Live { cluster: "prod-eu".into(), ..Live::default() } };
        let Ok(text) = fs::read_to_string(path) else { return cluster.live };
        cluster.mark(IDENTITY);
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        for (index, document) in documents.iter().enumerate() {
            match document.get("x-operator") {
                Some(operator) => cluster.live.schema = schema(operator.as_str().unwrap()),
                None => cluster.add(document, 100 + index),
            }
        }
        cluster.live.since = observe_once(&cluster.live);
        cluster.live
    }

    fn mark(&mut self, identity: &str) {
        let revisions = [("prod".to_owned(), self.desired.revision().clone())].into();
        let marker = Marker { identity: identity.into(), revisions, resource_version: "99".into() };
        self.live.markers.insert(self.desired.namespace.clone(), marker);
    }

    fn add(&mut self, document: &Value, version: usize) {
        let mut object = self.base(document);
        let metadata = json!({"uid": format!("uid-{version}"), "resourceVersion": version.to_string()});
        merge(&mut object["metadata"], &metadata);
        merge(&mut object, document);
        let labels = document.get("x-labels").is_none_or(|labels| labels != "none");
        let own = object["metadata"]["labels"].as_object_mut().unwrap();
        own.retain(|label, _| labels || label == LABEL_RECORD);
        object.as_object_mut().unwrap().retain(|key, _| !key.starts_with("x-"));
        if document.get("status").is_none() || document["status"].is_object() {
            let mut status = settled(&object);
            merge(&mut status, &document["status"]);
            object["status"] = status;
            complete(&mut object, &document["x-applied"]);
        }
        let object = LiveObject::new(object);
        if let Some((unit, ledger)) = Ledger::from_config_map(&object) {
            self.live.ledgers.insert(unit, ledger.into());
        } else if let Some(marker) = Marker::from_config_map(&object) {
            self.live.markers.insert(object.namespace().to_owned(), marker);
        } else if let Some(key) = object.unit_key() {
            self.record(&object, document);
            let ledger = self.live.ledgers.get(&key).filter(|_| document["x-written"] == true);
            let object = ledger.map_or(object.clone(), |ledger| written(&object, ledger));
            self.live.units.insert(key, object);
        } else if self.is_awaited(&object) {
            self.live.awaited.insert(object.object_key(), Seen::Found(object));
        } else {
            self.live.companions.insert(object.object_key(), object);
        }
    }

    fn is_awaited(&self, object: &LiveObject) -> bool {
        let mut awaited = self.desired.units.values().flat_map(|unit| &unit.awaits);
        awaited.any(|awaited| awaited.object == object.object_key())
    }

    /// The object as flinkops would have applied it from this very revision.
    fn base(&self, document: &Value) -> Value {
        let (kind, name) = (&document["kind"], &document["metadata"]["name"]);
        let api_version = Kind::parse(kind.as_str().unwrap()).map_or("v1", Kind::api_version);
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {
            "name": name, "namespace": self.desired.namespace, "generation": 1,
            "labels": {LABEL_MANAGED_BY: MANAGER, LABEL_REPOSITORY: self.desired.repository, LABEL_ENVIRONMENT: self.desired.environment},
            "annotations": {"flinkops.dev/source": format!("jobs/{}", name.as_str().unwrap())},
        }});
        let is_it = |manifest: &Value| manifest["kind"] == *kind && manifest["metadata"]["name"] == *name;
        if let Some(unit) = self.desired.units.values().find(|unit| is_it(&unit.manifest)) {
            merge(&mut object, &unit.manifest);
            object["metadata"]["annotations"]["flinkops.dev/source"] = json!(unit.folder);
        }
        let mut desired = self.desired.clone();
        desired.policy.mode = Mode::Enforce;
        let companions = plan(&desired, &Live::default(), Timestamp::MIN).companions;
        for task in companions.iter().flat_map(|companion| &companion.next) {
            match &task.write {
                Write::Apply { object: applied, .. } if is_it(applied) => merge(&mut object, applied),
                _ => {}
            }
        }
        object
    }

    /// Lets the planner itself write the ledger of what was applied last.
    fn record(&mut self, object: &LiveObject, document: &Value) {
        if document.get("x-ledger").is_some_and(|ledger| ledger == "none") || document["x-labels"] == "none" {
            return;
        }
        let key = object.unit_key().unwrap();
        let mut applied = object.value().clone();
        merge(&mut applied["spec"], &document["x-applied"]);
        applied["status"] = settled(&applied);
        let annotations = applied["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.retain(|key, _| key == "flinkops.dev/source");
        let mut desired = self.desired.clone();
        desired.policy.mode = Mode::Enforce;
        desired.origin.revision = Revision::new(APPLIED);
        desired.units.retain(|other, _| *other == key);
        let unit = desired.units.remove(&key);
        let mut ledger = Ledger::default();
        if let Some(mut unit) = unit {
            for kind in ["labels", "annotations"] {
                merge(&mut applied["metadata"][kind], &unit.manifest["metadata"][kind]);
            }
            unit.manifest["spec"] = applied["spec"].clone();
            unit.policy.mode = Mode::Enforce;
            unit.consents.freeze = None;
            desired.units.insert(key.clone(), unit);
            ledger = self.written(&desired, LiveObject::new(applied));
        } else {
            object.uid().clone_into(&mut ledger.uid);
        }
        let mut value = serde_json::to_value(&ledger).unwrap();
        merge(&mut value, &document["x-ledger"]);
        ledger = Ledger { fields: ledger.fields, ..serde_json::from_value(value).unwrap() };
        ledger.resource_version = format!("9{}", object.resource_version());
        self.live.ledgers.insert(key, ledger.into());
    }

    fn written(&self, desired: &Desired, applied: LiveObject) -> Ledger {
        let mut live = Live { markers: self.live.markers.clone(), ..Live::default() };
        for marker in live.markers.values_mut() {
            marker.identity = IDENTITY.into();
        }
        live.units.insert(applied.unit_key().unwrap(), applied);
        live.since = observe_once(&live);
        let plan = plan(desired, &live, BEFORE.parse().unwrap());
        match &plan.units[0].next[..] {
            [Task { write: Write::Create { object }, .. }] => {
                Ledger::from_config_map(&LiveObject::new(object.clone())).unwrap().1
            }
            other => panic!("{:?} {other:#?}", plan.units[0].changes),
        }
    }
}

/// The object with the mark of what its ledger says was written last.
fn written(object: &LiveObject, ledger: &Ledger) -> LiveObject {
    let mut object = object.value().clone();
    object["metadata"]["annotations"][ANNOTATION_HASH] = json!(ledger.applied[0].hash);
    LiveObject::new(object)
}

fn schema(operator: &str) -> Schema {
    let mode = match operator {
        "1.7" => OperatorMode::V1_7,
        "1.15" => OperatorMode::V1_15,
        why => return Schema::Unreadable(format!("it is {why}")),
    };
    let document = serde_json::to_vec(&flink_schema(mode)).unwrap();
    Schema::Served(Arc::new(Served::read(&document).unwrap()))
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else { return };
    if !target.is_object() {
        *target = json!({});
    }
    let map = target.as_object_mut().unwrap();
    for (key, value) in patch {
        match value {
            Value::Null => {
                map.remove(key);
            }
            Value::Object(_) => merge(map.entry(key).or_insert(Value::Null), value),
            _ => {
                map.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The status of an object that is where its spec wants it, on a present operator.
fn settled(object: &Value) -> Value {
    let spec = &object["spec"];
    if object["kind"] == "FlinkStateSnapshot" {
        return json!({"state": "COMPLETED", "path": "s3://orders/savepoints/savepoint-1", "failures": 0});
    }
    if object["kind"] == "FlinkBlueGreenDeployment" {
        let suspended = spec["template"]["spec"]["job"]["state"] == "suspended";
        let job = if suspended { "SUSPENDED" } else { "RUNNING" };
        let last = json!({ "spec": spec }).to_string();
        return json!({"blueGreenState": "ACTIVE_BLUE", "jobStatus": {"state": job}, "lastReconciledSpec": last});
    }
    let job = object["kind"] == "FlinkSessionJob" || spec["job"].is_object();
    let suspended = spec["job"]["state"] == "suspended";
    let state = if suspended { "suspended" } else { "running" };
    let mode = spec["job"]["upgradeMode"].as_str().unwrap_or("stateless");
    let reconciled = json!({"spec": {"job": job.then(|| json!({"state": state, "upgradeMode": mode}))}});
    let mut status = json!({
        "observedGeneration": object["metadata"]["generation"],
        "lifecycleState": if suspended { "SUSPENDED" } else { "STABLE" },
        "jobStatus": {"state": if suspended || !job { "FINISHED" } else { "RUNNING" }},
        "reconciliationStatus": {"state": "DEPLOYED", "lastReconciledSpec": reconciled.to_string()},
    });
    if object["apiVersion"] == "platform.confluent.io/v1beta1" {
        status["cmfSync"] = json!({"status": "Created"});
        status["cfkInternalState"] = json!("CREATED");
    }
    if object["kind"] == "FlinkDeployment" {
        status["jobManagerDeploymentStatus"] = json!(if suspended { "MISSING" } else { "READY" });
    }
    if Kind::parse(object["kind"].as_str().unwrap()).is_some() { status } else { json!({}) }
}

/// Fills in what the operator keeps beside what is said: its finalizer, and the whole of the spec that it acted
/// upon last, which is the one applied before where it has not acted on the present one.
fn complete(object: &mut Value, applied: &Value) {
    let Some(text) = object.pointer("/status/reconciliationStatus/lastReconciledSpec") else { return };
    let mut last: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    let recorded = last.pointer("/resource_metadata/metadata/generation");
    let seen =
        object["status"].get("observedGeneration").or(recorded) == object["metadata"].get("generation");
    let mut spec = object["spec"].clone();
    if !seen {
        merge(&mut spec, applied);
    }
    merge(&mut spec, &last["spec"]);
    if !seen && object["status"]["jobStatus"]["state"] == "RUNNING" {
        spec["job"]["state"] = json!("running");
    }
    last["spec"] = spec;
    object["status"]["reconciliationStatus"]["lastReconciledSpec"] = json!(last.to_string());
    if object["status"]["lifecycleState"] == "STABLE" && seen {
        object["status"]["reconciliationStatus"]["lastStableSpec"] = json!(last.to_string());
    }
    let kind = object["kind"].as_str().unwrap().to_lowercase();
    object["metadata"]["finalizers"] = json!([format!("{kind}s.flink.apache.org/finalizer")]);
}

/// Each request as its verb, object and reason, and then its body; records keep to the first line.
fn writes(plan: &Plan) -> String {
    let mut text = String::new();
    for task in step(plan) {
        let ObjectKey { kind, name, .. } = task.write.key();
        if task.event {
            writeln!(text, "{} {kind}/{name}: {}", task.write.verb(), task.message).unwrap();
        } else {
            let unit = task.unit.map_or(name, |unit| format!("{}/{}", unit.kind, unit.name));
            writeln!(text, "record {unit}: {}", task.message).unwrap();
            continue;
        }
        let body = match task.write {
            Write::Create { object } | Write::Replace { object } => object,
            Write::Apply { object, force } => json!({"force": force, "object": object}),
            Write::Patch { patch, .. } => patch,
            Write::Delete { uid, resource_version, .. } => {
                json!({"uid": uid, "resourceVersion": resource_version})
            }
        };
        for line in serde_yaml::to_string(&body).unwrap().lines() {
            writeln!(text, "  {line}").unwrap();
        }
    }
    text
}

/// The secrets of both sides.
fn known(desired: &Desired, live: &Live) -> Secrets {
    let git = desired.units.values().map(|unit| &*unit.manifest);
    let git = git.chain(desired.companions.values().map(|companion| &*companion.manifest));
    let objects = live.units.values().chain(live.companions.values()).map(LiveObject::value);
    Secrets::collect(git.chain(objects))
}

/// Every file that a scenario should have, with its text; empty for one it should not have.
fn outputs(scenario: &Path) -> [(&'static str, String); 9] {
    let desired = desired(scenario);
    let live = live(&desired, scenario);
    let plan = plan(&desired, &live, NOW.parse().unwrap());
    let document = PlanDocument::new(&plan, AgainstKind::Cluster, &known(&desired, &live));
    let bare = |text: String| anstream::adapter::strip_str(&text).to_string();
    let plans = [bare(text::plan(&document, 80)), markdown::plan(&document), json(&document)];
    let document = document.into_drift();
    let drifts = if document.is_empty() {
        Default::default()
    } else {
        [bare(text::drift(&document, 80)), markdown::drift(&document), json(&document)]
    };
    let seen = live.ledgers.values().any(|ledger| ledger.checkpoint.is_some());
    let statuses = if seen {
        let document = StatusDocument::new(&plan, AgainstKind::Cluster, &live, &known(&desired, &live));
        [bare(text::status(&document, 80)), json(&document)]
    } else {
        Default::default()
    };
    // S25: this password is in Git and in the cluster, and reaches nothing but the request itself.
    let told = plans.iter().chain(&drifts).chain(&statuses).any(|text| text.contains("hunter2"));
    assert!(!told, "{}", scenario.display());
    let ([text, markdown, json], [drift_text, drift_markdown, drift_json]) = (plans, drifts);
    let [status_text, status_json] = statuses;
    [
        ("plan.txt", text),
        ("plan.md", markdown),
        ("plan.json", json),
        ("writes.txt", writes(&plan)),
        ("drift.txt", drift_text),
        ("drift.md", drift_markdown),
        ("drift.json", drift_json),
        ("status.txt", status_text),
        ("status.json", status_json),
    ]
}

/// The same plan from a file: units, actions and changes are those of the cluster itself.
fn from_file(desired: &Desired, live: &Live, known: &Secrets, file: &str) -> PlanDocument {
    let snapshot = Snapshot::read("live.json", file.as_bytes()).unwrap();
    assert_eq!(snapshot.remarks(desired).unwrap(), []);
    let mut read = gather(&Scope::of(desired), &live.cluster, snapshot.objects);
    read.schema = snapshot.schema;
    if let Some(key) = &snapshot.key {
        assert_eq!(*key, seal().fingerprint());
        assert!(!file.contains("hunter2"), "{file}");
        read = sealed::open(read, desired, &seal());
    }
    read.since = observe_once(&read);
    PlanDocument::new(&plan(desired, &read, NOW.parse().unwrap()), AgainstKind::Cluster, known)
}

fn seal() -> Seal {
    Seal::new("0123456789abcdef0123456789abcdef").unwrap()
}

#[test]
fn s25_planning_against_a_file_is_planning_against_the_cluster() {
    let mut closed = 0;
    for scenario in scenarios() {
        let desired = desired(&scenario);
        let live = Cluster::read(&desired, &scenario.join("live.yaml"));
        let known = known(&desired, &live);
        let expected =
            PlanDocument::new(&plan(&desired, &live, NOW.parse().unwrap()), AgainstKind::Cluster, &known);
        let time = BEFORE.parse().unwrap();
        let snapshot = SnapshotDocument::new(&live, &desired, time, Some(&seal()), &known).unwrap();
        closed += usize::from(snapshot.key.is_some());
        assert_eq!(from_file(&desired, &live, &known, &json(&snapshot)), expected, "{}", scenario.display());
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects(&live, &desired)});
        assert_eq!(from_list(&desired, &live, &known, &list), expected, "{}", scenario.display());
    }
    assert!(closed > 0, "no scenario has a secret");
}

/// The same from what kubectl prints, which tells all but the schema.
fn from_list(desired: &Desired, live: &Live, known: &Secrets, list: &Value) -> PlanDocument {
    let snapshot = Snapshot::read("live.yaml", serde_yaml::to_string(list).unwrap().as_bytes()).unwrap();
    let mut read = gather(&Scope::of(desired), &live.cluster, snapshot.objects);
    read.schema = live.schema.clone();
    read.since = observe_once(&read);
    PlanDocument::new(&plan(desired, &read, NOW.parse().unwrap()), AgainstKind::Cluster, known)
}

#[test]
fn every_scenario_is_planned_as_written_down() {
    let update = std::env::var_os("UPDATE_SCENARIOS").is_some();
    let scenarios = scenarios();
    assert!(scenarios.len() >= 25, "only {} scenarios", scenarios.len());
    let (mut wrong, mut drifted) = (Vec::new(), 0);
    for scenario in scenarios {
        let outputs = outputs(&scenario);
        drifted += usize::from(outputs.iter().any(|(name, text)| *name == "drift.txt" && !text.is_empty()));
        for (name, actual) in outputs {
            let expected = scenario.join(name);
            if update && actual.is_empty() && (name.starts_with("drift") || name.starts_with("status")) {
                let _ = fs::remove_file(&expected);
            } else if update {
                fs::write(&expected, &actual).unwrap();
            } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
                wrong.push(format!("{}:\n{actual}", expected.display()));
            }
        }
    }
    assert!(drifted >= 5, "only {drifted} scenarios drift");
    assert!(wrong.is_empty(), "UPDATE_SCENARIOS=1 takes these over:\n{}", wrong.join("\n"));
}
