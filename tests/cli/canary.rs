//! S25: known secrets are planted wherever one can hide, and no output of any command at any loudness
//! holds one.

use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use super::world::{Daemon, Ran, Repository, World};

/// Every planted secret begins with this.
const CANARY: &str = "canary-";

const JOB: &str = r"
  podTemplate:
    spec:
      containers:
      - name: flink-main-container
        env:
        - {name: DB_PASSWORD, value: canary-env}
        - name: DATABASE
          value: jdbc:postgresql://svc:canary-jdbc@db/orders
";

fn repository() -> Repository {
    let repository = Repository::with_jobs(&[("a", JOB), ("b", "dependsOn: [a]\n")]);
    repository.write(
        "jobs/a/prod.yaml",
        "spec:\n  flinkConfiguration:\n    s3.secret-key: canary-config\n    fs.azure.sas: canary-sas\n  \
         job: {args: [--password, canary-argument, --token=canary-option]}\n",
    );
    repository.write("jobs/a/q.sql", "CREATE TABLE t (x INT) WITH ('password' = 'canary-sql');\n");
    repository.write("jobs/b/prod.yaml", "configMaps: {}\n");
    repository.commit();
    repository
}

/// Another hand: the live object has secrets that Git does not know, and an annotation of kubectl.
fn meddle(world: &World) {
    world.edit(
        "a",
        &json!({
            "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration":
                r#"{"spec":{"flinkConfiguration":{"s3.secret-key":"canary-applied"}}}"#}},
            "spec": {"flinkConfiguration": {"s3.secret-key": "canary-live", "x.token": "canary-added"},
                     "job": {"args": ["--password", "canary-live-argument"], "parallelism": 9}},
        }),
    );
}

fn look(ran: &Ran, arguments: &[&str]) {
    for (name, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        if let Some(at) = text.find(CANARY) {
            let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
            let line = text[start..].lines().next().unwrap_or_default();
            panic!("{arguments:?} says a secret on {name}: {line}");
        }
    }
}

/// Calls a command at trace level and searches what it says.
fn quiet(world: &World, arguments: &[&str]) -> Ran {
    let mut all = arguments.to_vec();
    all.push("-vvv");
    let ran = world.run(&all);
    look(&ran, &all);
    ran
}

#[test]
fn s25_no_command_says_a_secret() {
    let world = World::new(repository());
    for command in ["validate", "render", "graph", "plan", "status", "drift"] {
        for format in ["text", "json", "markdown"] {
            quiet(&world, &[command, "--format", format]);
        }
    }
    for format in ["sarif", "junit"] {
        quiet(&world, &["validate", "--format", format]);
    }
    quiet(&world, &["render", "--explain"]);
    let applied = quiet(&world, &["apply", "--yes", "--timeout", "60s"]);
    assert_eq!(applied.code, Some(0), "{applied}");
    assert_eq!(world.live("a").unwrap()["spec"]["flinkConfiguration"]["s3.secret-key"], "canary-config");
    meddle(&world);
    for command in ["plan", "drift", "status"] {
        for format in ["text", "json", "markdown"] {
            let ran = quiet(&world, &[command, "--format", format]);
            assert!(command == "status" || ran.stdout.contains("s3.secret-key"), "{ran}");
        }
    }
    quiet(&world, &["apply", "--yes", "--log-format", "json", "--timeout", "60s"]);
    let events = world.sim.requests().into_iter().filter(|request| request.path.contains("/events"));
    for event in events {
        let text = format!("{event:?}");
        assert!(!text.contains(CANARY), "an Event says a secret: {text}");
    }
}

#[test]
fn s25_a_file_that_does_not_parse_is_quoted_without_its_secrets() {
    let world = World::new(repository());
    world.repository.write(
        "jobs/broken/job.yaml",
        "kind: FlinkDeployment\nspec:\n  flinkConfiguration:\n    s3.secret-key: [canary-list]\n  \
         podTemplate: {spec: {containers: [{name: x, env: [{name: API_KEY, value: {a: canary-map}}]}]}}\n  \
         job: canary-not-secret-but-near\n  password: canary-unknown\n",
    );
    world.repository.write("jobs/torn/job.yaml", "spec:\n  password: canary-torn\n  : : [\n");
    for format in ["text", "json", "markdown", "sarif", "junit"] {
        let ran = world.run(&["validate", "--format", format, "-vvv"]).expect(1);
        let text = ran.to_string().replace("canary-not-secret-but-near", "");
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[test]
fn s25_the_repository_s_address_is_told_without_its_credentials() {
    let repository = repository();
    let address = "http://user:canary-url@127.0.0.1:9/orders.git";
    for command in ["validate", "plan"] {
        let ran = repository.run(&[command, "--repo", address, "-vvv"]).expect(1);
        look(&ran, &[command]);
        assert!(ran.stderr.contains("127.0.0.1:9/orders.git"), "{ran}");
    }
    let mut command = repository.command(&["validate", "--repo", "http://127.0.0.1:9/orders.git", "-vvv"]);
    let output = command.env("FLINKOPS_GIT_TOKEN", "canary-token").output().unwrap();
    assert!(!format!("{output:?}").contains(CANARY), "{output:?}");
}

#[test]
fn s25_the_daemon_logs_no_secret() {
    let world = World::new(repository());
    let log = world.repository.path().join(".home/log");
    let file = std::fs::File::create(&log).unwrap();
    let mut command = world.command(&["run", "--interval", "1s", "--listen", "127.0.0.1:0", "-vvv"]);
    command.stderr(Stdio::from(file));
    let mut daemon = Daemon::start(command);
    wait_for(&log, |log| log.contains("2 settled"));
    meddle(&world);
    let live = || world.live("a").unwrap()["spec"]["job"]["parallelism"].clone();
    wait_for(&log, |_| live() == 2);
    assert!(daemon.stop());
    let text = std::fs::read_to_string(&log).unwrap();
    let told = text.lines().find(|line| line.contains(CANARY));
    assert!(told.is_none(), "{told:?}");
}

fn wait_for(log: &Path, met: impl Fn(&str) -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let text = std::fs::read_to_string(log).unwrap();
        if met(&text) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{text}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
