//! A savepoint is written into a job's file for the user to commit, and then restored.

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
