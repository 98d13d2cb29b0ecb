//! The example repository is what it says it is.

use std::path::{Path, PathBuf};

use flinkops::flink::kind::Role;
use flinkops::plan::{Action, Live, plan};
use flinkops::repo::worktree;
use flinkops::sim::OperatorMode;
use flinkops::spec::source::Limits;
use flinkops::spec::{Desired, load};
use jiff::Timestamp;

use crate::flows::world::World;

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

/// The repositories of `examples/patterns`.
fn patterns() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/patterns");
    let mut all: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    assert!(all.len() >= 2);
    all
}

#[test]
fn every_pattern_is_free_of_findings_and_plans_its_first_wave() {
    for pattern in patterns() {
        let tree = worktree::read(&pattern, &Limits::default()).unwrap();
        let loaded = load(&tree, &Limits::default(), None);
        assert_eq!(loaded.findings, [], "{}", pattern.display());
        for desired in loaded.environments.values() {
            let plan = plan(desired, &Live::default(), Timestamp::UNIX_EPOCH);
            assert!(!plan.units.is_empty(), "{}", pattern.display());
            for unit in &plan.units {
                assert_eq!((unit.action, &unit.blocked), (Action::Create, &None), "{}", unit.key);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_pattern_runs_on_the_embedded_cluster() {
    for pattern in patterns() {
        let tree = worktree::read(&pattern, &Limits::default()).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let files = tree.files.iter().map(|(path, bytes)| (path.clone(), text(bytes))).collect();
        let mut world = World::with(files, OperatorMode::V1_15);
        world.settle().await;
        let units = world.plan().await.units;
        assert!(
            units.iter().all(|unit| unit.action == Action::Keep && unit.settled),
            "{}",
            pattern.display()
        );
        let jobs: Vec<_> = units.iter().filter(|unit| unit.role.has_job()).collect();
        assert!(!jobs.is_empty(), "{}", pattern.display());
        assert!(
            jobs.iter().all(|unit| world.job(&unit.key.name).state == "RUNNING"),
            "{}",
            pattern.display()
        );
    }
}
