//! What holds for every plan: random repositories against random clusters, without a cluster or a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flinkops::flink::kind::{Kind, Role, UnitKey};
use flinkops::plan::ledger::{
    LABEL_ENVIRONMENT, LABEL_MANAGED_BY, LABEL_REPOSITORY, Ledger, Marker, Reason, Savepoint,
};
use flinkops::plan::live::LiveObject;
use flinkops::plan::write::Task;
use flinkops::plan::{Action, Live, Plan, UnitPlan, Write, observe_once, plan, step};
use flinkops::spec::source::{Limits, Origin, Revision, SourceTree};
use flinkops::spec::{Desired, load};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

const NAMESPACE: &str = "flink";
const SAVEPOINT: &str = "s3://b/savepoint-1";
const MODES: [Option<&str>; 4] = [Some("savepoint"), Some("last-state"), Some("stateless"), None];

/// How a live object reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Settled,
    Progressing,
    Failed,
    Lost,
    Stopping,
    Stopped,
    SuspendedByPerson,
    Rejected,
    Stranger,
    Deleting,
}

use State::{
    Absent, Deleting, Failed, Lost, Progressing, Rejected, Settled, Stopped, Stopping, Stranger,
    SuspendedByPerson,
};

/// What is on record about a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    None,
    Plain,
    Final,
}

/// One unit, on both sides.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each varies by itself")]
struct Node {
    role: Role,
    depends_on: Vec<usize>,
    in_git: bool,
    changed: bool,
    moved: bool,
    consents: bool,
    mode: Option<&'static str>,
    state: State,
    record: Record,
    overdue: bool,
}

fn name(index: usize) -> String {
    format!("unit-{index}")
}

fn node(index: usize) -> impl Strategy<Value = Node> {
    let role = prop_oneof![2 => Just(Role::Application), 2 => Just(Role::SessionJob), 1 => Just(Role::SessionCluster)];
    let state = prop_oneof![
        1 => Just(Absent), 6 => Just(Settled), 1 => Just(Progressing), 1 => Just(Failed), 1 => Just(Lost),
        2 => Just(Stopping), 3 => Just(Stopped), 1 => Just(SuspendedByPerson), 1 => Just(Rejected),
        1 => Just(Stranger), 1 => Just(Deleting),
    ];
    let record = prop_oneof![Just(Record::None), Just(Record::Plain), Just(Record::Final)];
    let on = prop::collection::btree_set(0..index.max(1), 0..=2);
    let flags =
        (any::<bool>(), prop::bool::weighted(0.3), prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    (role, prop::sample::select(&MODES[..]), state, record, on, prop::bool::weighted(0.8), flags).prop_map(
        move |(role, mode, state, record, on, in_git, (changed, consents, moved, overdue))| {
            let role = if index == 0 { Role::SessionCluster } else { role };
            let state = match (role, state) {
                (Role::SessionCluster, Stopping | Stopped | SuspendedByPerson) => Settled,
                (Role::SessionCluster | Role::Application, Lost) => Failed,
                (_, state) => state,
            };
            let depends_on = on.into_iter().filter(|on| *on < index).collect();
            Node { role, depends_on, in_git, changed, moved, consents, mode, state, record, overdue }
        },
    )
}

/// Six to ten units; an index is the place in the list.
fn nodes() -> impl Strategy<Value = Vec<Node>> {
    (6..=10usize).prop_flat_map(|count| (0..count).map(node).collect::<Vec<_>>())
}

/// The cluster of a session job: the nearest before it.
fn cluster_of(nodes: &[Node], index: usize) -> usize {
    (0..index).rev().find(|&before| nodes[before].role == Role::SessionCluster).unwrap_or(0)
}

fn file(nodes: &[Node], index: usize) -> String {
    let node = &nodes[index];
    let on = node.depends_on.iter().filter(|on| nodes[**on].in_git).map(|on| name(*on));
    let on = on.collect::<Vec<_>>().join(", ");
    let allow = if node.consents { "allow: {stateLoss: why not, recreate: why not}\n" } else { "" };
    let mode = node.mode.map_or(String::new(), |mode| format!(", upgradeMode: {mode}"));
    let (kind, spec) = match node.role {
        Role::SessionCluster => ("FlinkDeployment", "image: flink:1.20".to_owned()),
        Role::Application => {
            ("FlinkDeployment", format!("image: a:2, job: {{jarURI: local:///a.jar, parallelism: 1{mode}}}"))
        }
        _ => {
            let cluster = name(cluster_of(nodes, index));
            (
                "FlinkSessionJob",
                format!(
                    "deploymentName: {cluster}, job: {{jarURI: 'https://j/2.jar', parallelism: 1{mode}}}"
                ),
            )
        }
    };
    format!("kind: {kind}\ndependsOn: [{on}]\n{allow}spec: {{{spec}}}\n")
}

const FLINKOPS: &str = "name: r
environments: {prod: {namespace: flink}}
policy: {prune: {maxDeletes: 100}, concurrency: 100}
defaults:
  FlinkDeployment:
    spec:
      flinkVersion: v1_20
      serviceAccount: flink
      jobManager: {resource: {cpu: 1, memory: 1g}}
      taskManager: {resource: {cpu: 1, memory: 2g}}
      flinkConfiguration: {state.checkpoints.dir: s3://b/cp, state.savepoints.dir: s3://b/sp}
";

fn files(nodes: &[Node]) -> BTreeMap<String, String> {
    let consents = nodes.iter().enumerate().filter(|(_, node)| node.consents && !node.in_git);
    let removed: Vec<String> = consents
        .map(|(index, _)| format!("{{name: {}, allow: {{stateLoss: why not}}}}", name(index)))
        .collect();
    let flinkops = format!("{FLINKOPS}removed: [{}]\n", removed.join(", "));
    let mut files = BTreeMap::from([("flinkops.yaml".to_owned(), flinkops)]);
    for index in (0..nodes.len()).filter(|&index| nodes[index].in_git) {
        files.insert(path(index), file(nodes, index));
    }
    files
}

fn path(index: usize) -> String {
    format!("jobs/{}/job.yaml", name(index))
}

fn desired(files: BTreeMap<String, String>) -> Desired {
    let origin = Origin { identity: "git/r".into(), revision: Revision::new("c0ffee"), committed: true };
    let files = files.into_iter().map(|(path, text)| (path, Arc::from(text.into_bytes()))).collect();
    let mut loaded =
        load(&SourceTree { origin, files, refused: Vec::new() }, &Limits::default(), Some("prod"));
    loaded.environments.remove("prod").unwrap_or_else(|| panic!("{:#?}", loaded.findings))
}

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn key(nodes: &[Node], index: usize) -> UnitKey {
    let kind =
        if nodes[index].role == Role::SessionJob { Kind::FlinkSessionJob } else { Kind::FlinkDeployment };
    UnitKey::new(NAMESPACE, kind, name(index))
}

/// The live spec: what Git renders, or what is before that.
fn live_spec(nodes: &[Node], index: usize, rendered: &Value) -> Value {
    let node = &nodes[index];
    let mut spec = rendered["spec"].clone();
    if node.changed {
        match node.role {
            Role::SessionCluster => spec["taskManager"]["resource"]["memory"] = json!("9g"),
            Role::Application => spec["image"] = json!("a:1"),
            _ => spec["job"]["jarURI"] = json!("https://j/1.jar"),
        }
    }
    if node.role == Role::SessionJob && node.moved {
        spec["deploymentName"] = json!(name(0));
    }
    if matches!(node.state, Stopping | Stopped | SuspendedByPerson) {
        spec["job"]["state"] = json!("suspended");
    }
    if matches!(node.state, Stopping | Stopped) {
        spec["job"]["upgradeMode"] = json!("savepoint");
    }
    spec
}

/// Where each state shows in the status of generation 2.
fn status(node: &Node, spec: &Value) -> Value {
    let down = matches!(node.state, Stopped | SuspendedByPerson);
    let mode = spec["job"]["upgradeMode"].as_str().unwrap_or("stateless");
    let last =
        json!({"spec": {"job": {"state": if down { "suspended" } else { "running" }, "upgradeMode": mode}}});
    let (lifecycle, job, manager) = match node.state {
        Stopped | SuspendedByPerson => ("SUSPENDED", "FINISHED", "MISSING"),
        Progressing => ("DEPLOYED", "RECONCILING", "DEPLOYING"),
        Failed => ("FAILED", "FAILED", "ERROR"),
        Lost => ("STABLE", "RECONCILING", ""),
        _ => ("STABLE", "RUNNING", "READY"),
    };
    let behind = matches!(node.state, Stopping | Rejected);
    let mut status = json!({
        "observedGeneration": if behind { 1 } else { 2 },
        "lifecycleState": lifecycle,
        "jobStatus": {"state": job, "upgradeSavepointPath": if down { SAVEPOINT } else { "s3://b/savepoint-0" }},
        "reconciliationStatus": {"state": "DEPLOYED", "lastReconciledSpec": last.to_string()},
        "jobManagerDeploymentStatus": manager,
    });
    match node.state {
        Lost => status["error"] = json!("Job Not Found"),
        Rejected => status["error"] = json!(r#"{"type":"x.ValidationException","message":"no"}"#),
        _ => {}
    }
    status
}

fn object(nodes: &[Node], index: usize, rendered: &Value) -> LiveObject {
    let node = &nodes[index];
    let spec = live_spec(nodes, index, rendered);
    let mut object = rendered.clone();
    let ours = json!({LABEL_MANAGED_BY: "flinkops", LABEL_REPOSITORY: "r", LABEL_ENVIRONMENT: "prod"});
    object["metadata"] = json!({
        "name": name(index), "namespace": NAMESPACE, "generation": 2, "uid": format!("uid-{index}"),
        "resourceVersion": format!("10{index}"),
        "labels": if node.state == Stranger { json!({}) } else { ours },
        "annotations": {"flinkops.dev/source": format!("jobs/{}", name(index))},
    });
    if matches!(node.state, Stopping | Stopped) {
        let purpose = if node.in_git { "cluster-change" } else { "delete" };
        let since = if node.overdue { "2026-01-01T10:00:00Z" } else { "2026-01-01T11:59:00Z" };
        let mark =
            json!({"for": purpose, "since": since, "before": "s3://b/savepoint-0", "upgradeMode": node.mode});
        object["metadata"]["annotations"]["flinkops.dev/operation"] = json!(mark.to_string());
    }
    if node.state == Deleting {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T11:59:00Z");
    }
    object["status"] = status(node, &spec);
    object["spec"] = spec;
    LiveObject::new(object)
}

fn ledger(node: &Node, index: usize) -> Ledger {
    let savepoint = Savepoint {
        path: SAVEPOINT.into(),
        time: now(),
        flink_version: None,
        reason: Reason::Delete,
        last: node.record == Record::Final,
    };
    let uid = if node.record == Record::Final { String::new() } else { format!("uid-{index}") };
    Ledger { savepoints: vec![savepoint], uid, resource_version: "9".into(), ..Ledger::default() }
}

/// The cluster, with what Git would render if all units were in it as a base.
fn live(nodes: &[Node]) -> Live {
    let everything: Vec<Node> = nodes.iter().map(|node| Node { in_git: true, ..node.clone() }).collect();
    let all = desired(files(&everything));
    let marker =
        Marker { identity: "git/r".into(), revisions: BTreeMap::new(), resource_version: "1".into() };
    let mut live = Live { markers: [(NAMESPACE.to_owned(), marker)].into(), ..Live::default() };
    for (index, node) in nodes.iter().enumerate() {
        let key = key(nodes, index);
        if node.state != Absent {
            live.units.insert(key.clone(), object(nodes, index, &all.units[&key].manifest));
        }
        if node.record != Record::None {
            live.ledgers.insert(key, ledger(node, index).into());
        }
    }
    live.since = observe_once(&live);
    live
}

/// What a unit in Git waits for.
fn dependencies(nodes: &[Node], index: usize) -> BTreeSet<usize> {
    let declared = nodes[index].depends_on.iter().copied().filter(|on| nodes[*on].in_git);
    let cluster = (nodes[index].role == Role::SessionJob).then(|| cluster_of(nodes, index));
    declared.chain(cluster).collect()
}

/// Whether a unit lets its dependents go, told without the planner.
fn lets_go(nodes: &[Node], index: usize) -> bool {
    let node = &nodes[index];
    let moved = node.role == Role::SessionJob && node.moved && cluster_of(nodes, index) != 0;
    let as_in_git = match node.state {
        Settled => node.in_git && !node.changed && !moved,
        // Whose nobody's it is: somebody else looks after it.
        Stranger => !node.in_git,
        _ => false,
    };
    let runs = |cluster: usize| matches!(nodes[cluster].state, Settled | Stranger);
    as_in_git && (node.role != Role::SessionJob || runs(live_cluster(nodes, index)))
}

/// The cluster a session job is on.
fn live_cluster(nodes: &[Node], index: usize) -> usize {
    if nodes[index].moved { 0 } else { cluster_of(nodes, index) }
}

/// Whether nothing more can or need be saved of a job before its object goes: it is down with its
/// savepoint on record, or a person stopped it without one on purpose.
fn is_safe(node: &Node) -> bool {
    match node.state {
        Stopped => node.record == Record::Final,
        SuspendedByPerson => match node.mode {
            Some("savepoint") => node.record == Record::Final,
            Some("last-state") => false,
            _ => true,
        },
        _ => false,
    }
}

fn is_record(task: &Task) -> bool {
    !task.event
}

fn spec_of(task: &Task) -> Option<&Value> {
    match &task.write {
        Write::Patch { patch, .. } => patch.get("spec"),
        _ => None,
    }
}

fn is_stop(task: &Task) -> bool {
    spec_of(task).is_some_and(|spec| spec.pointer("/job/state") == Some(&json!("suspended")))
}

fn index_of(nodes: &[Node], task: &Task) -> Option<usize> {
    let unit = task.unit.as_ref()?;
    (0..nodes.len()).find(|&index| key(nodes, index) == *unit)
}

/// No unit is written to while something it depends on is not settled; what flinkops stopped may go back.
fn check_order(nodes: &[Node], task: &Task) {
    let Some(index) = index_of(nodes, task) else { return };
    let node = &nodes[index];
    if is_record(task) || is_stop(task) || !node.in_git || task.message == "starts again as it was" {
        return;
    }
    for on in dependencies(nodes, index) {
        assert!(lets_go(nodes, on), "{} goes before {}: {task:#?}", name(index), name(on));
    }
}

/// Nothing that keeps state is deleted, and no cluster restarted under it, without its savepoint on record.
fn check_state(nodes: &[Node], task: &Task) {
    let Some(index) = index_of(nodes, task) else { return };
    let node = &nodes[index];
    if matches!(task.write, Write::Delete { .. }) && node.role != Role::SessionCluster {
        assert!(is_safe(node) || node.consents, "{task:#?}");
    }
    if node.role != Role::SessionCluster || spec_of(task).is_none() || node.state == Failed {
        return;
    }
    for (job, on) in nodes.iter().enumerate().filter(|(_, job)| job.role == Role::SessionJob) {
        if live_cluster(nodes, job) != index || on.state == Absent {
            continue;
        }
        let stateless = on.mode == Some("stateless") && !matches!(on.state, Stranger | Deleting);
        let dead = matches!(on.state, Lost | Failed | SuspendedByPerson);
        assert!(stateless || dead || is_safe(on), "{} restarts under {}: {task:#?}", name(index), name(job));
    }
}

/// Every request says which object it was computed from.
fn check_precondition(task: &Task, live: &Live) {
    let version = |object: &Value| object.pointer("/metadata/resourceVersion").is_some_and(Value::is_string);
    let unit = task.unit.as_ref().and_then(|unit| live.units.get(unit));
    match &task.write {
        Write::Patch { patch, .. } => {
            assert_eq!(patch["metadata"]["resourceVersion"], unit.unwrap().resource_version());
        }
        Write::Delete { uid, resource_version, .. } => {
            assert_eq!(
                (uid.as_str(), resource_version.as_str()),
                (unit.unwrap().uid(), unit.unwrap().resource_version())
            );
        }
        Write::Replace { object } => assert!(version(object)),
        Write::Create { object } => assert!(!version(object)),
        Write::Apply { .. } => {}
    }
}

/// Everything that could be affected if a unit could not be read: what depends on it, its jobs and its
/// cluster with what depends on that. What becomes of a cluster is told with what becomes of its jobs.
fn neighbours(nodes: &[Node], lost: usize) -> BTreeSet<usize> {
    // What is deleted no more goes on standing in the way of what waits for its end.
    let mut near: BTreeSet<usize> = (0..nodes.len()).filter(|&index| !nodes[index].in_git).collect();
    near.insert(lost);
    if nodes[lost].role == Role::SessionJob {
        near.extend([cluster_of(nodes, lost), live_cluster(nodes, lost)]);
    }
    for _ in nodes {
        for index in 0..nodes.len() {
            let on_it = nodes[index].role == Role::SessionJob && near.contains(&live_cluster(nodes, index));
            if on_it || dependencies(nodes, index).iter().any(|on| near.contains(on)) {
                near.insert(index);
                if nodes[index].role == Role::SessionJob {
                    near.insert(live_cluster(nodes, index));
                }
            }
        }
    }
    near
}

fn find<'p>(plan: &'p Plan, key: &UnitKey) -> Option<&'p UnitPlan> {
    plan.units.iter().find(|unit| unit.key == *key)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_unsafe_is_ever_written(nodes in nodes()) {
        let (desired, live) = (desired(files(&nodes)), live(&nodes));
        prop_assert_eq!(desired.units.len(), nodes.iter().filter(|node| node.in_git).count());
        for task in step(&plan(&desired, &live, now())) {
            check_order(&nodes, &task);
            check_state(&nodes, &task);
            check_precondition(&task, &live);
        }
    }

    #[test]
    fn the_order_of_depends_on_never_matters(nodes in nodes()) {
        let live = live(&nodes);
        let straight = plan(&desired(files(&nodes)), &live, now());
        let mut reversed = nodes;
        for node in &mut reversed {
            node.depends_on.reverse();
        }
        let reversed = plan(&desired(files(&reversed)), &live, now());
        prop_assert_eq!(step(&straight), step(&reversed));
        prop_assert_eq!(straight.waves, reversed.waves);
        prop_assert_eq!(straight.units, reversed.units);
    }

    #[test]
    fn s1_a_folder_that_cannot_be_read_changes_only_what_needs_it(nodes in nodes(), lost in 0..10usize) {
        let mut nodes = nodes;
        let lost = lost % nodes.len();
        nodes[lost].in_git = true;
        let live = live(&nodes);
        let before = plan(&desired(files(&nodes)), &live, now());
        let mut broken = files(&nodes);
        broken.insert(path(lost), "kind: [".to_owned());
        let after = plan(&desired(broken), &live, now());
        let near = neighbours(&nodes, lost);
        for index in 0..nodes.len() {
            let key = key(&nodes, index);
            let (Some(before), after) = (find(&before, &key), find(&after, &key)) else { continue };
            if before.action == Action::Delete {
                prop_assert!(after.unwrap().blocked.is_some(), "{} would be deleted", name(index));
            } else if !near.contains(&index) {
                let after = after.unwrap();
                prop_assert_eq!(
                    (before.action, before.effect, before.state, &before.blocked, &before.changes, &before.next),
                    (after.action, after.effect, after.state, &after.blocked, &after.changes, &after.next)
                );
            }
        }
        // What flinkops itself has stopped goes back as it was (S20); records are its own.
        let ours = matches!(nodes[lost].state, Stopping | Stopped);
        let allowed = |task: &Task| !task.event || ours && task.reason == "Resuming";
        let written = step(&after).into_iter().filter(|task| index_of(&nodes, task) == Some(lost));
        let written = written.filter(|task| !allowed(task)).collect::<Vec<_>>();
        prop_assert!(written.is_empty(), "an unknown unit is written to: {written:#?}");
    }
}
