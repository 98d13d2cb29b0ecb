//! The example repository is what it says it is.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use flinkops::flink::kind::{Kind, Role};
use flinkops::plan::{Action, Live, plan};
use flinkops::repo::worktree;
use flinkops::sim::OperatorMode;
use flinkops::spec::source::{Limits, SourceTree};
use flinkops::spec::{Desired, load};
use jiff::Timestamp;

use crate::flows::world::{World, key};

fn environment(name: &str) -> Desired {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let tree = worktree::read(&root, &Limits::default()).unwrap();
    let mut loaded = load(&tree, &Limits::default(), None);
    assert_eq!(loaded.findings, [], "the examples are free of findings");
    assert_eq!(loaded.repository.as_deref(), Some("orders"));
    loaded.environments.remove(name).unwrap()
}

#[test]
fn every_environment_holds_six_units_and_the_jar_server() {
    for name in ["staging", "prod"] {
        let desired = environment(name);
        let roles: Vec<_> = desired.units.values().map(|unit| (unit.key.name.as_str(), unit.role)).collect();
        let expected = [
            ("orders-enrich", Role::Application),
            ("orders-ingest", Role::Application),
            ("orders-session", Role::SessionCluster),
            ("orders-sink", Role::Application),
            ("delivery-times", Role::SessionJob),
            ("fraud-scores", Role::SessionJob),
        ];
        assert_eq!(roles, expected, "{name}");
        let kinds: Vec<_> = desired.companions.keys().map(|key| key.kind.as_str()).collect();
        assert_eq!(kinds, ["Deployment", "ConfigMap", "ConfigMap", "Service"], "{name}");
        assert!(desired.unknown.is_empty());
    }
}

#[test]
fn every_job_keeps_its_state_and_knows_where() {
    for name in ["staging", "prod"] {
        for unit in environment(name).units.values() {
            let spec = unit.spec();
            let configuration = &spec["flinkConfiguration"];
            for key in ["execution.checkpointing.dir", "execution.checkpointing.savepoint-dir"] {
                let folder = configuration[key].as_str().unwrap();
                assert!(folder.starts_with(&format!("s3://orders-{name}/")), "{}: {folder}", unit.key);
            }
            if unit.role.has_job() {
                assert_eq!(spec["job"]["upgradeMode"], "savepoint", "{}", unit.key);
            }
        }
    }
}

#[test]
fn environments_differ_where_their_files_say_so() {
    let parallelism = |name: &str, unit: &str| {
        let desired = environment(name);
        let unit = desired.units.values().find(|found| found.key.name == unit).unwrap().clone();
        unit.spec()["job"]["parallelism"].as_i64()
    };
    assert_eq!(parallelism("staging", "orders-ingest"), Some(1));
    assert_eq!(parallelism("prod", "orders-ingest"), Some(4));
    assert_eq!(parallelism("prod", "orders-enrich"), Some(8));
}

/// The repositories of `examples/patterns`, each with what it is read to.
fn patterns() -> impl Iterator<Item = (String, SourceTree)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/patterns");
    folders(&root).into_iter().map(move |name| {
        let tree = worktree::read(&root.join(&name), &Limits::default()).unwrap();
        (name, tree)
    })
}

fn folders(root: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap());
    let all: BTreeSet<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert!(!all.is_empty());
    all
}

#[test]
fn every_pattern_is_free_of_findings_and_plans_its_first_wave() {
    for (name, tree) in patterns() {
        let loaded = load(&tree, &Limits::default(), None);
        assert_eq!(loaded.findings, [], "{name}");
        assert_eq!(loaded.repository.as_deref(), Some(name.as_str()));
        for desired in loaded.environments.values() {
            let plan = plan(desired, &Live::default(), Timestamp::UNIX_EPOCH);
            assert!(!plan.units.is_empty(), "{name}");
            for unit in &plan.units {
                assert_eq!((unit.action, &unit.blocked), (Action::Create, &None), "{}", unit.key);
            }
        }
    }
}

/// What lies in the bucket before a pattern is applied: whose savepoint, and its path.
const SAVEPOINTS: [(&str, &str, &str); 1] =
    [("savepoints", "prices", "s3://orders-staging/savepoints/savepoint-5dee4d-76b1ff1a6cb1")];
const RECORDS: u64 = 1_000_000;

/// The embedded cluster before a pattern is applied.
fn world_for(name: &str, tree: &SourceTree) -> World {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let files = tree.files.iter().map(|(path, bytes)| (path.clone(), text(bytes))).collect();
    let world = World::with(files, OperatorMode::V1_15);
    for (_, job, path) in SAVEPOINTS.iter().filter(|(pattern, ..)| *pattern == name) {
        world.sim.operator().keep_savepoint(&key(Kind::FlinkDeployment, job), path, RECORDS);
    }
    world
}

#[tokio::test(start_paused = true)]
async fn every_pattern_runs_on_the_embedded_cluster() {
    for (name, tree) in patterns() {
        let mut world = world_for(&name, &tree);
        world.settle().await;
        let units = world.plan().await.units;
        assert!(units.iter().all(|unit| unit.action == Action::Keep && unit.settled), "{name}");
        let jobs: Vec<_> = units.iter().filter(|unit| unit.role.has_job()).collect();
        assert!(!jobs.is_empty(), "{name}");
        assert!(jobs.iter().all(|unit| world.job(&unit.key.name).state == "RUNNING"), "{name}");
        assert_eq!(world.settle().await, [] as [&str; 0], "{name} is at rest");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_starts_from_the_savepoint_it_names_and_another_nonce_takes_one_while_it_runs() {
    let (name, tree) = patterns().find(|(name, _)| name == "savepoints").unwrap();
    let mut world = world_for(&name, &tree);
    world.settle().await;
    assert!(world.job("prices-next").records >= RECORDS);
    assert_eq!(world.job("prices").restored_from, None);
    assert_eq!(world.sim.operator().disk().len(), SAVEPOINTS.len(), "the first nonce takes none");

    world.edit("jobs/prices/job.yaml", "savepointTriggerNonce: 1", "savepointTriggerNonce: 2");
    world.settle().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.sim.operator().disk().len(), SAVEPOINTS.len() + 1);
    assert_eq!(world.job("prices").starts, 1, "it runs on");
}

/// The page leads to each folder, and to none that is not there.
#[test]
fn the_page_of_patterns_leads_to_each_of_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/patterns.md")).unwrap();
    let linked: BTreeSet<String> = page
        .split("](../examples/patterns/")
        .skip(1)
        .map(|rest| rest.split_once(')').unwrap().0.to_owned())
        .collect();
    assert_eq!(linked, folders(&root.join("examples/patterns")));
}
