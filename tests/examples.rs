//! The example repository is what it says it is.

use std::path::Path;

use flinkops::flink::kind::Role;
use flinkops::repo::worktree;
use flinkops::spec::source::Limits;
use flinkops::spec::{Desired, load};

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
