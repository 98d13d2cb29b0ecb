//! What `apply` takes on its command line, each flag through the program.

use serde_json::{Value, json};

use super::world::{Repository, World, job};

/// A world in which these jobs are applied.
fn applied(jobs: &[(&str, &str)]) -> World {
    let world = World::new(Repository::with_jobs(jobs));
    world.apply();
    world
}

const CLUSTER: &str = "
kind: FlinkDeployment
spec:
  image: registry.example.com/flink:1
  flinkVersion: v1_20
  serviceAccount: flink
  flinkConfiguration: {state.savepoints.dir: 's3://bucket/savepoints', state.checkpoints.dir: 's3://bucket/checkpoints'}
  jobManager: {resource: {cpu: 1, memory: 1g}}
  taskManager: {resource: {cpu: 1, memory: 1g}}
";

const SESSION_JOB: &str = "
kind: FlinkSessionJob
spec:
  deploymentName: sessions
  job: {jarURI: 'https://example.com/job.jar', parallelism: 1, upgradeMode: savepoint}
";

#[test]
fn s3_confirm_deletes_agrees_to_so_many_and_no_more() {
    let jobs = ["a", "b", "c", "d", "e"];
    let world = applied(&jobs.map(|name| (name, "")));
    for name in &jobs[1..] {
        world.repository.remove(&format!("jobs/{name}"));
    }
    world.repository.commit();
    let there = || jobs.iter().filter(|name| world.live(name).is_some()).count();
    let ran = world.run(&["apply", "--yes", "--timeout", "60s"]).expect(1);
    assert!(ran.stdout.contains("confirm with --confirm-deletes 4"), "{ran}");
    world.run(&["apply", "--yes", "--confirm-deletes", "3", "--timeout", "60s"]).expect(1);
    assert_eq!(there(), 5);
    let ran = world.run(&["apply", "--yes", "--confirm-deletes", "4", "--timeout", "60s"]).expect(0);
    assert_eq!(there(), 1, "{ran}");
}

#[test]
fn s3_a_plan_of_deletes_alone_is_confirmed_by_their_number() {
    let world = applied(&[("a", "")]);
    world.repository.remove("jobs/a");
    world.repository.commit();
    let ran = world.run(&["apply", "--yes", "--timeout", "60s"]).expect(1);
    assert!(ran.stdout.contains("no units at all any more"), "{ran}");
    assert!(world.live("a").is_some());
    world.run(&["apply", "--yes", "--confirm-deletes", "1", "--timeout", "60s"]).expect(0);
    assert!(world.live("a").is_none());
}

#[test]
fn ignore_gate_lets_the_dependents_of_one_unit_go() {
    let jobs = [("ingest", "freeze: an incident\n"), ("sink", "dependsOn: [ingest]\n")];
    let world = World::new(Repository::with_jobs(&jobs));
    let ran = world.run(&["apply", "--yes", "--timeout", "60s"]).expect(1);
    assert!(ran.stdout.contains("waits for ingest"), "{ran}");
    let ran = world.run(&["apply", "--yes", "--ignore-gate", "nowhere"]).expect(64);
    assert!(ran.stderr.contains("--ignore-gate: there is no unit `nowhere`"), "{ran}");
    assert!(world.live("sink").is_none());
    let ran = world.run(&["apply", "--yes", "--ignore-gate", "ingest", "--timeout", "60s"]).expect(1);
    assert!(world.live("sink").is_some() && world.live("ingest").is_none(), "{ran}");
}

#[test]
fn ignore_gate_does_not_start_a_session_job_before_its_cluster() {
    let world = applied(&[]);
    world.repository.write("jobs/sessions/job.yaml", &format!("{CLUSTER}freeze: an incident\n"));
    world.repository.write("jobs/one/job.yaml", SESSION_JOB);
    world.repository.commit();
    let ran = world.run(&["apply", "--yes", "--ignore-gate", "sessions", "--timeout", "60s"]).expect(1);
    assert!(world.session_job("one").is_none(), "{ran}");
}

#[test]
fn allow_dirty_applies_what_is_not_committed() {
    let world = applied(&[("a", "")]);
    world.repository.write("jobs/a/prod.yaml", "spec: {job: {parallelism: 5}}\n");
    let parallelism = || world.live("a").unwrap()["spec"]["job"]["parallelism"].clone();
    let ran = world.run(&["apply", "--yes"]).expect(64);
    assert!(ran.stderr.contains("--allow-dirty"), "{ran}");
    assert_eq!(parallelism(), 2);
    world.run(&["apply", "--yes", "--revision", "HEAD", "--timeout", "60s"]).expect(0);
    assert_eq!(parallelism(), 2, "a named commit is clean");
    world.run(&["apply", "--yes", "--allow-dirty", "--timeout", "60s"]).expect(0);
    assert_eq!(parallelism(), 5);
    assert_eq!(
        world.live("a").unwrap()["metadata"]["annotations"]["flinkops.dev/revision"],
        "working directory"
    );
}

#[test]
fn s18_only_takes_along_what_a_unit_was_called_before() {
    let world = applied(&[("ingest", ""), ("old", "")]);
    world.repository.remove("jobs/old");
    world.repository.write("jobs/new/job.yaml", &job("renamedFrom: old\n"));
    world.repository.write("jobs/ingest/prod.yaml", "spec: {job: {parallelism: 5}}\n");
    world.repository.commit();
    let plan = world.run(&["plan", "--only", "new", "--format", "json"]).expect(2).json();
    assert_eq!((&plan["summary"]["create"], &plan["summary"]["delete"]), (&json!(1), &json!(1)), "{plan}");
    let ran = world.run(&["apply", "--yes", "--only", "new", "--timeout", "60s"]).expect(0);
    assert!(world.live("old").is_none(), "{ran}");
    let path = &world.live("new").unwrap()["spec"]["job"]["initialSavepointPath"];
    assert!(path.is_string(), "it goes on with its state: {ran}");
    assert_eq!(world.live("ingest").unwrap()["spec"]["job"]["parallelism"], 2, "{ran}");
}

/// Whatever else Git says of a job that is carried over waits: a change, a dependency that changes too, that
/// the job is gone.
#[test]
fn only_carries_the_jobs_of_a_session_cluster_over_unchanged() {
    let world = applied(&[("ingest", "")]);
    world.repository.write("jobs/sessions/job.yaml", CLUSTER);
    for (name, extra) in [("one", "dependsOn: [ingest]\n"), ("two", "")] {
        world.repository.write(&format!("jobs/{name}/job.yaml"), &format!("{SESSION_JOB}{extra}"));
    }
    world.repository.commit();
    world.apply();
    let job = |name: &str| world.session_job(name).unwrap();
    let before = ["one", "two"].map(job);
    world.repository.write("jobs/sessions/job.yaml", &CLUSTER.replace("flink:1", "flink:2"));
    world.repository.write("jobs/ingest/prod.yaml", "spec: {job: {parallelism: 5}}\n");
    world.repository.write("jobs/one/prod.yaml", "spec: {job: {parallelism: 3}}\n");
    world.repository.remove("jobs/two");
    world.repository.commit();
    let ran = world.run(&["apply", "--yes", "--only", "sessions", "--timeout", "60s"]).expect(0);
    assert!(ran.stderr.contains("one: stops with a savepoint, since sessions changes"), "{ran}");
    assert_eq!(world.live("sessions").unwrap()["spec"]["image"], "registry.example.com/flink:2");
    assert_eq!(world.live("ingest").unwrap()["spec"]["job"]["parallelism"], 2);
    for (name, before) in ["one", "two"].into_iter().zip(before) {
        let mut after = job(name);
        // To be running is what an absent state means.
        assert_eq!(after["spec"]["job"].as_object_mut().unwrap().remove("state"), Some(json!("running")));
        assert_eq!(after["spec"], before["spec"], "{name}: {ran}");
        for annotation in ["flinkops.dev/revision", "flinkops.dev/applied-hash", "flinkops.dev/operation"] {
            let of = |object: &Value| object["metadata"]["annotations"].get(annotation).cloned();
            assert_eq!(of(&after), of(&before), "{name}: {annotation}");
        }
        let status = |object: &Value, field: &str| object["status"]["jobStatus"][field].clone();
        assert_eq!(status(&after, "state"), "RUNNING", "{name}: {ran}");
        assert_ne!(status(&after, "jobId"), status(&before, "jobId"), "{name} was started again");
    }
    let plan = world.run(&["plan", "--format", "json"]).expect(2).json();
    assert_eq!((&plan["summary"]["update"], &plan["summary"]["delete"]), (&json!(2), &json!(1)), "{plan}");
    let changes =
        plan["units"].as_array().unwrap().iter().flat_map(|unit| unit["changes"].as_array().unwrap());
    assert!(changes.clone().all(|change| change["cause"] == "pending"), "{plan}");
    world.apply();
    assert_eq!(job("one")["spec"]["job"]["parallelism"], 3);
    assert!(world.session_job("two").is_none());
}
