//! `import` and `init` as commands, on an embedded cluster.

use serde_json::{Value, json};

use super::world::{Ran, Repository, World, job};

/// A world whose cluster holds two jobs that somebody applied by hand.
fn world() -> World {
    let world = World::new(Repository::with_jobs(&[("orders", "labels: {team: a}\n"), ("prices", "")]));
    world.apply();
    world.sim.stop_operator();
    for name in ["orders", "prices"] {
        let gone = json!({"flinkops.dev/repository": null, "flinkops.dev/environment": null,
            "app.kubernetes.io/managed-by": null});
        let noise = json!({"flinkops.dev/applied-hash": null, "flinkops.dev/source": null, "flinkops.dev/revision": null,
            "kubectl.kubernetes.io/last-applied-configuration": "{\"canary\": 1}"});
        world.edit(name, &json!({"metadata": {"labels": gone, "annotations": noise}}));
    }
    world.edit(
        "prices",
        &json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "prices"}}, "spec": {
            "flinkConfiguration": {"s3.secret-key": "canary-import"},
            "job": {"args": [], "state": "running"},
            "podTemplate": {"spec": {"containers": [], "volumes": [{"name": "sql", "configMap": {"name": "sql"}}]}}}}),
    );
    for path in ["jobs", "flinkops.yaml"] {
        let path = world.repository.path().join(path);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }
    world
}

fn read(world: &World, path: &str) -> String {
    std::fs::read_to_string(world.repository.path().join(path)).unwrap_or_default()
}

/// What a plan says of each unit: nothing but that it is taken over.
fn plan(world: &World) -> Value {
    world.run(&["plan", "--format", "json"]).expect(2).json()
}

#[test]
fn s25_a_cluster_becomes_a_repository_that_changes_nothing_and_holds_no_secret() {
    let world = world();
    let ran: Ran = world.run(&["import", "--namespace", "flink", "--name", "orders"]).expect(1);
    assert!(!ran.to_string().contains("canary"), "{ran}");
    insta::assert_snapshot!(ran.stderr, @r#"
    note[import-others]: left out what other tools wrote: kubectl.kubernetes.io/last-applied-configuration
    --> flink/FlinkDeployment/orders

    note[import-others]: left out what other tools wrote: kubectl.kubernetes.io/last-applied-configuration, meta.helm.sh/release-name
    --> flink/FlinkDeployment/prices

    warning[import-config-map]: FlinkDeployment prices names the ConfigMap sql, which was not imported
    --> flink/FlinkDeployment/prices
     = help: import again with --config-maps, or keep it elsewhere

    warning[import-owner]: Helm looks after FlinkDeployment prices
    --> flink/FlinkDeployment/prices
     = help: flinkops leaves it alone until its marks are gone, or job.yaml says `adopt: "<why>"`

    error[import-secret]: FlinkDeployment prices: spec.flinkConfiguration.s3.secret-key holds a secret, and was not written
    --> flink/FlinkDeployment/prices
     = help: put it into a Secret and name that in the pod template (`secretKeyRef`, or a volume), or configure it in the operator; until then `policy.ignore` leaves it as it is in the cluster, and a job created anew lacks it

    1 error, 2 warnings in 2 units
    Next: read the files, commit them, and see with `flinkops plan` that nothing would change.
    "#);
    insta::assert_snapshot!(ran.stdout, @r#"
    wrote .flinkops/flinkops.schema.json
    wrote .flinkops/job.schema.json
    wrote flinkops.yaml
    wrote jobs/orders/job.yaml
    wrote jobs/prices/job.yaml
    "#);
    insta::assert_snapshot!(read(&world, "jobs/prices/job.yaml"), @r#"
    # yaml-language-server: $schema=../../.flinkops/job.schema.json
    kind: FlinkDeployment
    policy:
      ignore:
      - path: /spec/flinkConfiguration/s3.secret-key
        reason: "holds a secret, which does not belong in Git: import left it to the cluster"
    spec:
      flinkConfiguration:
        state.checkpoints.dir: s3://bucket/checkpoints
        state.savepoints.dir: s3://bucket/savepoints
      flinkVersion: v1_20
      image: registry.example.com/job:1
      job:
        jarURI: local:///job.jar
        parallelism: 2
        upgradeMode: savepoint
      jobManager:
        resource:
          cpu: 1
          memory: 1g
      podTemplate:
        spec:
          volumes:
          - configMap:
              name: sql
            name: sql
      serviceAccount: flink
      taskManager:
        resource:
          cpu: 1
          memory: 1g
    "#);
    insta::assert_snapshot!(read(&world, "flinkops.yaml"), @r#"
    # yaml-language-server: $schema=.flinkops/flinkops.schema.json
    name: orders
    environments:
      prod:
        namespace: flink
    "#);
    let files = || {
        let files = ["flinkops.yaml", "jobs/orders/job.yaml", "jobs/prices/job.yaml"];
        files.map(|path| read(&world, path))
    };
    let (before, plan) = (files(), plan(&world));
    assert!(!before.concat().contains("canary"));
    for unit in plan["units"].as_array().unwrap() {
        let own = |change: &Value| change["path"].as_str().unwrap().starts_with("/metadata/labels/");
        assert!(unit["changes"].as_array().unwrap().iter().all(own), "{unit:#}");
        assert_eq!(unit["adopt"], true, "{unit:#}");
    }
    assert_eq!(plan["findings"], json!([]));
    world.run(&["import"]).expect(1);
    assert_eq!(files(), before, "the second time");
    world.run(&["validate"]).expect(0);
}

#[test]
fn nothing_is_replaced_unless_it_is_asked_for() {
    let world = world();
    world.run(&["import", "--namespace", "flink", "--only", "orders"]).expect(0);
    assert_eq!(read(&world, "jobs/prices/job.yaml"), "");
    let mine = read(&world, "jobs/orders/job.yaml").replace("parallelism: 2", "parallelism: 3");
    world.repository.write("jobs/orders/job.yaml", &mine);
    let ran = world.run(&["import", "--only", "orders"]).expect(1);
    assert!(ran.stderr.contains("nothing was written: jobs/orders/job.yaml would be replaced"), "{ran}");
    assert_eq!(read(&world, "jobs/orders/job.yaml"), mine);
    let shown = world.run(&["import", "--only", "orders", "--dry-run"]).expect(0);
    assert!(shown.stdout.contains("-    parallelism: 3\n+    parallelism: 2\n"), "{shown}");
    assert_eq!(read(&world, "jobs/orders/job.yaml"), mine);
    world.run(&["import", "--only", "orders", "--force"]).expect(0);
    assert!(read(&world, "jobs/orders/job.yaml").contains("parallelism: 2"));
}

#[test]
fn a_second_environment_says_only_what_differs() {
    let world = world();
    world.repository.write(
        "flinkops.yaml",
        "name: orders\nenvironments: {prod: {namespace: flink}, staging: {namespace: staging}}\n",
    );
    let mine = job("labels: {team: a}\n");
    world.repository.write("jobs/orders/job.yaml", &mine);
    let import = ["import", "--environment", "prod", "--only", "orders"];
    assert_eq!(world.run(&import).expect(0).stdout, "");
    let live = json!({"spec": {"job": {"parallelism": 4}, "flinkConfiguration": {"a": "${HOME}", "b.token": "canary-b"}}});
    world.edit("orders", &live);
    let ran = world.run(&import).expect(1);
    assert!(!ran.to_string().contains("canary") && ran.stderr.contains("b.token holds a secret"), "{ran}");
    insta::assert_snapshot!(read(&world, "jobs/orders/prod.yaml"), @r#"
    # yaml-language-server: $schema=../../.flinkops/job.schema.json
    policy:
      ignore:
      - path: /spec/flinkConfiguration/b.token
        reason: "holds a secret, which does not belong in Git: import left it to the cluster"
    spec:
      flinkConfiguration:
        a: $${HOME}
      job:
        parallelism: 4
    "#);
    assert_eq!(read(&world, "jobs/orders/job.yaml"), mine);
    let plan = world.run(&["plan", "--environment", "prod", "--format", "json"]).expect(2).json();
    let changes =
        plan["units"].as_array().unwrap().iter().flat_map(|unit| unit["changes"].as_array().unwrap());
    let paths: Vec<&str> = changes.map(|change| change["path"].as_str().unwrap()).collect();
    assert!(!paths.is_empty() && paths.iter().all(|path| path.starts_with("/metadata/labels/")), "{paths:?}");
    assert_eq!(world.run(&import).expect(0).stdout, "", "the second time");
    world.edit("orders", &json!({"spec": {"job": {"parallelism": 5}}}));
    let ran = world.run(&import).expect(1);
    assert!(ran.stderr.contains("jobs/orders/prod.yaml is there already: spec.job.parallelism"), "{ran}");
}

#[test]
fn nothing_is_written_through_a_link() {
    let world = world();
    let outside = tempfile::TempDir::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), world.repository.path().join("jobs")).unwrap();
    let ran = world.run(&["import", "--namespace", "flink", "--only", "orders"]).expect(1);
    assert!(ran.stderr.contains("is a link"), "{ran}");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn an_environment_that_is_not_there_is_wrong_usage() {
    let world = World::new(Repository::with_jobs(&[("orders", "")]));
    world.run(&["import", "--environment", "staging"]).expect(64);
    world.run(&["import", "k8s", "--config-maps"]).expect(64);
}
