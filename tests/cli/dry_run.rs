//! `plan --dry-run server`, and what the cluster's schema says without it.

use flinkops::sim::api::status::StatusError;
use flinkops::sim::{LoggedRequest, Phase, Verb, Verdict};
use insta::assert_snapshot;

use super::world::{Repository, World};

const DRY_RUN: [&str; 3] = ["plan", "--dry-run", "server"];

/// Has the API server answer the dry run of a create so.
fn answer(world: &World, error: StatusError) {
    world.sim.on_request(move |request: LoggedRequest, _: Phase| {
        let asked = request.dry_run && request.verb == Verb::Create;
        let verdict = if asked { Verdict::Fail(error.clone()) } else { Verdict::Pass };
        async { verdict }
    });
}

fn findings(world: &World, code: i32) -> String {
    let arguments = [&DRY_RUN[..], &["--format", "json"]].concat();
    let document = world.run(&arguments).expect(code).json();
    let found = document["findings"].as_array().unwrap().iter();
    let line = |finding: &serde_json::Value| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let hint = text("hint");
        let place = format!("{}:{}:{}", text("file"), finding["line"], finding["column"]);
        let hint = if hint.is_empty() { hint } else { format!("\n  {hint}") };
        format!("{} {place} {}: {}{hint}", text("severity"), text("rule"), text("message"))
    };
    found.map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_the_api_server_accepts_is_planned_as_ever_and_nothing_is_written() {
    let world = World::new(Repository::with_jobs(&[("a", "")]));
    let plan = world.run(&["plan"]).expect(2);
    world.sim.clear_requests();
    let dry = world.run(&DRY_RUN).expect(2);
    assert_eq!(dry, plan);
    let asked: Vec<LoggedRequest> = world.sim.requests().into_iter().filter(|it| it.verb.writes()).collect();
    assert_eq!(asked.len(), 1, "{asked:#?}");
    assert!(asked[0].dry_run && asked[0].path.ends_with("/flinkdeployments"), "{asked:#?}");
    assert!(world.live("a").is_none());
}

#[test]
fn a_webhooks_words_stand_at_the_field_they_name_without_secrets() {
    let world = World::new(Repository::with_jobs(&[("a", "")]));
    world.repository.write("jobs/a/job.yaml", &job_with_secret());
    let words = "admission webhook \"validationwebhook.flink.apache.org\" denied the request: JobManager resource \
                 memory must be defined using `spec.jobManager.resource.memory` (and not hunter2hunter2)";
    answer(&world, StatusError::new(400, "BadRequest", words));
    assert_snapshot!(findings(&world, 1), @r#"error jobs/a/job.yaml:12:15 dry-run-refused: refused by the API server: admission webhook "validationwebhook.flink.apache.org" denied the request: JobManager resource memory must be defined using `spec.jobManager.resource.memory` (and not (secret))"#);
    let told = world.run(&DRY_RUN).expect(1);
    assert!(told.stderr.contains("denied the request") && !told.to_string().contains("hunter2"), "{told}");
}

fn job_with_secret() -> String {
    "kind: FlinkDeployment
spec:
  image: registry.example.com/job:1
  flinkVersion: v1_20
  serviceAccount: flink
  flinkConfiguration:
    state.savepoints.dir: s3://bucket/savepoints
    state.checkpoints.dir: s3://bucket/checkpoints
    s3.secret-key: hunter2hunter2
  jobManager:
    resource:
      memory: 1g
  taskManager: {resource: {cpu: 1, memory: 1g}}
  job: {jarURI: 'local:///job.jar', parallelism: 2, upgradeMode: savepoint}
"
    .to_owned()
}
