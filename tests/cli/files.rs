//! A cluster as a file: `status --save`, and `--live-file` with it or with what kubectl prints.

use std::io::Write as _;
use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::world::{Ran, Repository, World};

const KEY: (&str, &str) = ("FLINKOPS_SNAPSHOT_KEY", "0123456789abcdef0123456789abcdef");

fn world() -> World {
    let world = World::new(Repository::with_jobs(&[("a", ""), ("b", "dependsOn: [a]\n")]));
    world.repository.write(
        "jobs/a/prod.yaml",
        "spec:\n  flinkConfiguration: {s3.secret-key: canary-config}\n  job: {args: [--password, canary-argument]}\n",
    );
    world.repository.commit();
    world
}

/// Calls the binary with the key for snapshots.
fn keyed(world: &World, arguments: &[&str]) -> Ran {
    let mut command = world.command(arguments);
    command.env(KEY.0, KEY.1);
    world.repository.ran(command)
}

fn file(world: &World, name: &str) -> String {
    std::fs::read_to_string(world.repository.path().join(name)).unwrap()
}

/// What `kubectl get … -o json` prints of the embedded cluster.
fn kubectl(world: &World) -> Value {
    let kinds = [("flink.apache.org/v1beta1", "FlinkDeployment"), ("v1", "ConfigMap")];
    let items: Vec<Value> = kinds.iter().flat_map(|(version, kind)| world.list(version, kind)).collect();
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items})
}

/// A plan without what it was compared with.
fn bare(ran: &Ran) -> Value {
    let mut plan = ran.json();
    plan["against"].take();
    plan
}

#[test]
fn s25_a_plan_against_a_file_is_the_plan_against_the_cluster() {
    let world = world();
    world.apply();
    // Nothing moves between two looks.
    world.sim.stop_operator();
    world.edit("b", &json!({"spec": {"job": {"parallelism": 9}}}));
    world.repository.write(
        "jobs/a/prod.yaml",
        "spec:\n  flinkConfiguration: {s3.secret-key: canary-other}\n  job: {args: [--password, canary-argument]}\n",
    );
    world.repository.commit();
    keyed(&world, &["status", "--save", ".home/live.json"]).expect(0);
    let saved = file(&world, ".home/live.json");
    assert!(!saved.contains("canary"), "{saved}");
    world.repository.write(".home/list.json", &kubectl(&world).to_string());
    for command in ["plan", "drift"] {
        let live = world.run(&[command, "--format", "json"]).expect(2);
        let saved = keyed(&world, &[command, "--format", "json", "--live-file", ".home/live.json"]).expect(2);
        assert_eq!(bare(&saved), bare(&live), "{command}");
        assert_eq!(saved.json()["against"]["kind"], "file");
        let listed = world.run(&[command, "--format", "json", "--live-file", ".home/list.json"]).expect(2);
        assert_eq!(bare(&listed), bare(&live), "{command}");
        assert_eq!(listed.json()["against"], json!({"kind": "file", "name": ".home/list.json"}));
        for ran in [live, saved, listed] {
            assert!(!ran.to_string().contains("canary"), "{ran}");
        }
    }
    let plan = keyed(&world, &["plan", "--format", "json", "--live-file", ".home/live.json"]).json();
    let changes = plan["units"][0]["changes"].as_array().unwrap();
    let paths: Vec<&Value> = changes.iter().map(|change| &change["path"]).collect();
    assert_eq!(paths, ["/spec/flinkConfiguration/s3.secret-key"], "one secret differs, the other does not");
    assert_eq!((&changes[0]["before"], &changes[0]["cause"]), (&json!("(secret)"), &json!("pending")));
    let status = keyed(&world, &["status", "--live-file", ".home/live.json"]).expect(0);
    assert!(status.stdout.contains("(file .home/live.json: embedded at 20"), "{status}");
}

#[test]
fn standard_input_is_a_file_too() {
    let world = world();
    world.apply();
    let mut command = world.command(&["plan", "--live-file", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(kubectl(&world).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("(file standard input): nothing to do"), "{text}");
}

#[test]
fn s25_secrets_are_saved_with_a_good_key_and_read_with_the_same() {
    let world = world();
    world.apply();
    let save = ["status", "--save", ".home/live.json"];
    let ran = world.run(&save).expect(64);
    assert!(ran.stderr.contains("FLINKOPS_SNAPSHOT_KEY is not set"), "{ran}");
    assert!(!world.repository.path().join(".home/live.json").exists());
    let with = |key: &str, arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env(KEY.0, key);
        world.repository.ran(command)
    };
    let ran = with("short", &save).expect(64);
    assert!(ran.stderr.contains("fewer than 32 characters"), "{ran}");
    with(KEY.1, &save).expect(0);
    let plan = ["plan", "--live-file", ".home/live.json"];
    assert!(world.run(&plan).expect(64).stderr.contains("FLINKOPS_SNAPSHOT_KEY is not set"));
    let other = "another key of a good length ...".repeat(2);
    assert!(with(&other, &plan).expect(64).stderr.contains("made with another FLINKOPS_SNAPSHOT_KEY"));
    with(KEY.1, &plan).expect(0);
}

#[test]
fn a_cluster_without_secrets_needs_no_key() {
    let world = World::new(Repository::with_jobs(&[("a", "")]));
    world.apply();
    world.run(&["status", "--save", ".home/live.json"]).expect(0);
    world.run(&["plan", "--live-file", ".home/live.json"]).expect(0);
    let again = file(&world, ".home/live.json");
    world.run(&["status", "--save", ".home/live.json"]).expect(0);
    let untimed = |text: &str| text.lines().filter(|line| !line.starts_with("  \"time\"")).count();
    assert_eq!(untimed(&file(&world, ".home/live.json")), untimed(&again));
    let schema: Value = serde_json::from_str(&world.run(&["schema", "snapshot"]).stdout).unwrap();
    let saved: Value = serde_json::from_str(&again).unwrap();
    jsonschema::validate(&schema, &saved).unwrap();
}

#[test]
fn a_file_that_is_no_snapshot_is_refused_at_its_place() {
    let repository = Repository::with_jobs(&[("a", "")]);
    let snapshot = |from: &str, to: &str| {
        let text = json!({
            "schema": "flinkops.dev/snapshot/v1", "cluster": "c", "time": "2026-01-01T00:00:00Z",
            "repository": "orders", "environment": "prod", "items": [],
        });
        let text = text.to_string();
        assert!(text.contains(from));
        text.replace(from, to)
    };
    let files = [
        String::new(),
        "{\"kind\": \"List\",\n \"items\": [".to_owned(),
        "{\"a\": 1,}".to_owned(),
        "error: the server doesn't have a resource type".to_owned(),
        "a: [".to_owned(),
        "[]".to_owned(),
        r#"{"kind": "List", "items": {}}"#.to_owned(),
        r#"{"kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod"}]}"#.to_owned(),
        r#"{"schema": "flinkops.dev/plan/v1"}"#.to_owned(),
        snapshot("snapshot/v1", "snapshot/v2"),
        snapshot("\"prod\"", "\"staging\""),
        snapshot("2026-01-01T00:00:00Z", "yesterday"),
        snapshot("\"items\"", "\"things\""),
    ];
    let told: Vec<String> = files
        .iter()
        .map(|text| {
            repository.write("live", text);
            let ran = repository.run(&["plan", "--live-file", "live"]);
            assert_eq!(ran.stdout, "", "{ran}");
            format!("file `{text}` {:?} {}", ran.code.unwrap(), ran.stderr)
        })
        .collect();
    assert_snapshot!(told.join("\n"), @r#"
    file `` 1 error: failed to read live: the file is empty
    help: make one with `flinkops status --save FILE` or `kubectl get flinkdeployments,flinksessionjobs,configmaps -o json > FILE`

    file `{"kind": "List",
     "items": [` 1 error: failed to read live:2:11: this is not JSON: EOF while parsing a list

    file `{"a": 1,}` 1 error: failed to read live:1:9: this is not JSON: trailing comma

    file `error: the server doesn't have a resource type` 1 error: failed to read live: object 1 has no `apiVersion`: this is nothing kubectl prints
    help: make one with `flinkops status --save FILE` or `kubectl get flinkdeployments,flinksessionjobs,configmaps -o json > FILE`

    file `a: [` 1 error: failed to read live:1:4: not YAML: unclosed bracket '['
    help: check the indentation and the quotes around here

    file `[]` 1 error: failed to read live: object 1 has no `apiVersion`: this is nothing kubectl prints
    help: make one with `flinkops status --save FILE` or `kubectl get flinkdeployments,flinksessionjobs,configmaps -o json > FILE`

    file `{"kind": "List", "items": {}}` 1 error: failed to read live: `items` of the list is no list
    help: make one with `flinkops status --save FILE` or `kubectl get flinkdeployments,flinksessionjobs,configmaps -o json > FILE`

    file `{"kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod"}]}` 1 error: failed to read live: object 1 has no `metadata.name`: this is nothing kubectl prints
    help: make one with `flinkops status --save FILE` or `kubectl get flinkdeployments,flinksessionjobs,configmaps -o json > FILE`

    file `{"schema": "flinkops.dev/plan/v1"}` 1 error: failed to read live: this is a document of another kind, and no snapshot
    help: make one with `flinkops status --save FILE` or `kubectl get flinkdeployments,flinksessionjobs,configmaps -o json > FILE`

    file `{"cluster":"c","environment":"prod","items":[],"repository":"orders","schema":"flinkops.dev/snapshot/v2","time":"2026-01-01T00:00:00Z"}` 1 error: failed to read live: this is a snapshot v2, and this flinkops reads v1: use a newer one
    help: make one with `flinkops status --save FILE` or `kubectl get flinkdeployments,flinksessionjobs,configmaps -o json > FILE`

    file `{"cluster":"c","environment":"staging","items":[],"repository":"orders","schema":"flinkops.dev/snapshot/v1","time":"2026-01-01T00:00:00Z"}` 64 error: live is of orders in staging, and not of orders in prod
    help: name the environment it was made for with --environment, or make another snapshot

    file `{"cluster":"c","environment":"prod","items":[],"repository":"orders","schema":"flinkops.dev/snapshot/v1","time":"yesterday"}` 1 error: failed to read live: `time` of the snapshot is no time
    help: make one with `flinkops status --save FILE` or `kubectl get flinkdeployments,flinksessionjobs,configmaps -o json > FILE`

    file `{"cluster":"c","environment":"prod","things":[],"repository":"orders","schema":"flinkops.dev/snapshot/v1","time":"2026-01-01T00:00:00Z"}` 1 error: failed to read live: the snapshot has no list `items`
    help: make one with `flinkops status --save FILE` or `kubectl get flinkdeployments,flinksessionjobs,configmaps -o json > FILE`
    "#);
    repository.run(&["plan", "--live-file", "nowhere"]).expect(1);
}

#[test]
fn one_thing_is_compared_with_at_a_time() {
    let repository = Repository::with_jobs(&[("a", "")]);
    for other in [["--kubeconfig", "x"], ["--context", "x"], ["--base", "HEAD"]] {
        for command in ["plan", "drift", "status"] {
            repository.run(&[command, "--live-file", "x", other[0], other[1]]).expect(64);
        }
    }
    repository.run(&["status", "--live-file", "x", "--save", "y"]).expect(64);
}
