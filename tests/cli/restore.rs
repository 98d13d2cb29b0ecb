//! A savepoint is written into a job's file for the user to commit, and then restored.

use flinkops::flink::kind::ObjectKey;
use flinkops::sim::api::store::WriteOptions;
use serde_json::{Value, json};

use super::world::{Repository, World, job};

#[test]
fn a_savepoint_on_record_is_written_into_the_file_and_restored_once_committed() {
    let world = World::new(Repository::with_jobs(&[("ingest", "# ours\n")]));
    let refused = world.run(&["restore", "ingest"]).expect(1);
    assert!(refused.stderr.contains("no savepoint of ingest is on record"), "{refused}");
    world.apply();
    let write = |text: &str| {
        world.repository.write("jobs/ingest/job.yaml", text);
        world.repository.commit();
        world.apply();
    };
    write(&job("# ours\n").replace("parallelism: 2", "parallelism: 3"));
    let status = world.run(&["status", "--format", "json"]).expect(0).json();
    let savepoint = status["units"][0]["savepoints"][0]["path"].as_str().expect("the upgrade's").to_owned();

    let said = world.run(&["restore", "ingest"]).expect(0);
    assert!(said.stderr.contains("jobs/ingest/job.yaml: spec.job.initialSavepointPath"), "{said}");
    let file = world.repository.path().join("jobs/ingest/job.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("# ours") && text.contains(&savepoint), "{text}");
    assert!(text.contains("savepointRedeployNonce: 1"), "{text}");
    world.repository.commit();
    let plan = world.run(&["plan", "--format", "json"]).expect(2).json();
    assert_eq!(
        (&plan["units"][0]["effect"], &plan["units"][0]["state"]),
        (&"restore".into(), &"replaced".into())
    );
    world.apply();

    // Another one, at the same places.
    world.run(&["restore", "ingest", "--savepoint", "s3://bucket/savepoints/other one"]).expect(0);
    let again = std::fs::read_to_string(&file).unwrap();
    assert!(again.contains("\"s3://bucket/savepoints/other one\"") && again.contains("Nonce: 2"), "{again}");
    assert!(!again.contains(&savepoint), "{again}");
}

#[test]
fn what_is_no_job_and_no_working_directory_is_wrong_usage() {
    let world = World::new(Repository::with_jobs(&[("ingest", "")]));
    world.run(&["restore", "nobody", "--savepoint", "s3://b/sp"]).expect(64);
    let elsewhere = ["restore", "ingest", "--revision", "HEAD", "--savepoint", "s3://b/sp"];
    let refused = world.run(&elsewhere).expect(64);
    assert!(refused.stderr.contains("working directory"), "{refused}");
}

#[test]
fn s9_without_a_savepoint_the_checkpoint_that_was_seen_is_taken_and_said_to_be_perhaps_gone() {
    const PATH: &str = "s3://bucket/checkpoints/0abc/chk-7";
    let world = World::new(Repository::with_jobs(&[("ingest", "")]));
    world.apply();
    let maps = world.list("v1", "ConfigMap");
    let mut names = maps.iter().filter_map(|map| map["metadata"]["name"].as_str());
    let name = names.find(|name| name.ends_with(".flinkdeployment.ingest")).expect("a ledger");
    let see = |map: &mut Value| {
        let mut ledger: Value = serde_json::from_str(map["data"]["ledger"].as_str().unwrap()).unwrap();
        let (time, seen) = ("2026-01-01T11:30:00Z", "2026-01-01T11:31:00Z");
        ledger["checkpoint"] = json!({"path": PATH, "time": time, "seen": seen});
        map["data"]["ledger"] = json!(ledger.to_string());
    };
    let key = ObjectKey::new("v1", "ConfigMap", "flink", name);
    world.sim.store().edit(&key, &WriteOptions::by("flinkops"), see).expect("it is there");
    let status = world.run(&["status"]).expect(0);
    assert!(status.stdout.contains("last checkpoint seen"), "{status}");
    let said = world.run(&["restore", "ingest"]).expect(0);
    assert!(said.stderr.contains("Flink may have deleted it since"), "{said}");
    assert!(said.stderr.contains(&format!("spec.job.initialSavepointPath: \"{PATH}\"")), "{said}");
}
