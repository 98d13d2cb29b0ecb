//! The commands that need only a repository.

use insta::assert_snapshot;

use super::world::Repository;

fn broken() -> Repository {
    let repository = Repository::with_jobs(&[("good", ""), ("sink", "dependsOn: [good]\n")]);
    repository.write("jobs/bad/job.yaml", "kind: FlinkDeployment\nspec:\n  imge: x\n");
    repository
}

#[test]
fn validate_shows_each_mistake_at_its_place() {
    assert_snapshot!(broken().run(&["validate"]), @r#"
    exit 1
    --- stdout
    error[unknown-field]: unknown field `imge`
     --> jobs/bad/job.yaml:3:3
      |
    3 |   imge: x
      |   ^^^^
      |
      = help: did you mean `image`?

    1 error, 0 warnings in 2 units
    --- stderr
    "#);
}

#[test]
fn validate_for_machines() {
    let repository = broken();
    assert_snapshot!(repository.run(&["validate", "--format", "json"]), @r#"
    exit 1
    --- stdout
    {
      "schema": "flinkops.dev/findings/v1",
      "summary": {
        "errors": 1,
        "warnings": 0,
        "units": 2
      },
      "findings": [
        {
          "rule": "unknown-field",
          "severity": "error",
          "message": "unknown field `imge`",
          "hint": "did you mean `image`?",
          "file": "jobs/bad/job.yaml",
          "line": 3,
          "column": 3,
          "unit": "bad"
        }
      ]
    }
    --- stderr
    "#);
    let sarif = repository.run(&["validate", "--format", "sarif"]).expect(1).json();
    assert_eq!(sarif.pointer("/runs/0/results/0/level").unwrap(), "error");
    let junit = repository.run(&["validate", "--format", "junit"]).expect(1);
    assert!(junit.stdout.contains("<failure"), "{junit}");
}

#[test]
fn validate_is_quiet_about_what_is_well() {
    let repository = Repository::with_jobs(&[("good", "")]);
    assert_snapshot!(repository.run(&["validate", "--deny", "warnings"]), @r#"
    exit 0
    --- stdout
    1 unit, no errors
    --- stderr
    "#);
}

#[test]
fn one_broken_folder_leaves_the_graph_of_the_others() {
    let repository = broken();
    let ran = repository.run(&["graph"]).expect(1);
    assert_snapshot!(ran.stdout, @r#"
    good (FlinkDeployment)
    sink (FlinkDeployment)
      after good
    "#);
    let dot = repository.run(&["graph", "--format", "dot"]).expect(1);
    assert_snapshot!(dot.stdout, @r#"
    digraph flinkops {
      rankdir=LR;
      node [shape=box];
      "good" [label="good\nFlinkDeployment"];
      "sink" [label="sink\nFlinkDeployment"];
      "good" -> "sink";
    }
    "#);
    let json = repository.run(&["graph", "--format", "json"]).expect(1).json();
    assert_eq!(json["edges"][0], serde_json::json!({"from": "sink", "to": "good", "why": "declared"}));
}

#[test]
fn render_masks_and_explains() {
    let repository = Repository::with_jobs(&[("good", "")]);
    repository.write("jobs/good/prod.yaml", "spec: {flinkConfiguration: {s3.secret-key: canary}}\n");
    let ran = repository.run(&["render"]).expect(0);
    assert!(ran.stdout.contains("s3.secret-key: (secret)") && !ran.stdout.contains("canary"), "{ran}");
    let ran = repository.run(&["render", "--explain"]).expect(0);
    let line = ran.stdout.lines().find(|line| line.contains("s3.secret-key")).unwrap();
    assert!(line.contains("s3.secret-key: (secret) ") && line.ends_with("# jobs/good/prod.yaml:1"), "{ran}");
    let ran = repository.run(&["render", "--explain", "--format", "json"]).expect(0);
    let values = ran.json()["objects"][0]["values"].clone();
    let path = "/spec/flinkConfiguration/s3.secret-key";
    let value = values.as_array().unwrap().iter().find(|value| value["path"] == path).unwrap();
    let expected = serde_json::json!({"path": path, "value": "(secret)", "layer": "prod.yaml",
        "file": "jobs/good/prod.yaml", "line": 1});
    assert_eq!(*value, expected);
    let ran = repository.run(&["render", "--only", "nothing"]).expect(64);
    assert!(ran.stderr.contains("no unit or folder `nothing`"), "{ran}");
}

#[test]
fn a_revision_is_read_as_it_was() {
    let repository = Repository::with_jobs(&[("good", "")]);
    repository.write("jobs/late/job.yaml", "kind: [");
    repository.run(&["validate"]).expect(1);
    repository.run(&["validate", "--revision", "HEAD"]).expect(0);
    let ran = repository.run(&["validate", "--revision", "nowhere"]).expect(1);
    assert!(ran.stderr.contains("failed to find revision `nowhere`"), "{ran}");
}

/// Four jobs, and a branch that changes each in another way.
fn branched() -> Repository {
    let repository = Repository::with_jobs(&[("gone", ""), ("kept", ""), ("loses", ""), ("upgraded", "")]);
    git2::Repository::open(repository.path())
        .and_then(|git| {
            let head = git.head()?.peel_to_commit()?;
            git.branch("base", &head, false).map(|_| ())
        })
        .unwrap();
    let edit = |name: &str, from: &str, to: &str| {
        let path = format!("jobs/{name}/job.yaml");
        let text = std::fs::read_to_string(repository.path().join(&path)).unwrap();
        assert!(text.contains(from));
        repository.write(&path, &text.replace(from, to));
    };
    edit("upgraded", "job:1", "job:2");
    edit("loses", "job:1", "job:2");
    edit("loses", "upgradeMode: savepoint", "upgradeMode: stateless");
    repository.write(
        "jobs/new/job.yaml",
        "kind: FlinkSessionJob\nspec: {deploymentName: elsewhere, job: {jarURI: 'https://x/a.jar', parallelism: 1}}\n",
    );
    repository.remove("jobs/gone");
    repository
}

#[test]
fn a_plan_between_two_revisions_needs_no_cluster() {
    let repository = branched();
    let plan = repository.run(&["plan", "--base", "base"]).expect(2);
    let base = git2::Repository::open(repository.path()).unwrap().revparse_single("base").unwrap().id();
    assert_snapshot!(plan.to_string().replace(&base.to_string()[..9], "[base]"), @r#"
    exit 2
    --- stdout
    orders working directory → prod (revision [base])
    1 create, 2 update, 1 delete, 1 keep; STATE LOST in 1

    Wave 1
      ~ loses     update  restarts from nothing      STATE LOST
          spec.image
            - registry.example.com/job:1
            + registry.example.com/job:2
          spec.job.upgradeMode  savepoint → stateless
            counts when the job is restarted
      - gone      delete  is removed                 state unknown
          left Git
          steps: suspend gone; wait for the savepoint of gone; record the
            savepoint of gone; delete gone; wait until gone: gone
      ~ upgraded  update  restarts from a savepoint  state unknown
          spec.image  registry.example.com/job:1 → registry.example.com/job:2
      + new       create  starts for the first time

    Forecast
       1. gone: stopped with a savepoint
       2. loses: changed, restarted from nothing
       3. upgraded: changed, savepoint taken, restarted with its state
       4. new: created, started
       5. gone: deleted
      2 units restart, once each, 2 savepoints are taken
    --- stderr
    "#);
    let plan = repository.run(&["plan", "--base", "base", "--format", "json"]).expect(2).json();
    assert_eq!(plan["against"], serde_json::json!({"kind": "revision", "name": base.to_string()}));
    let states = plan["units"].as_array().unwrap().iter();
    let states: Vec<_> = states.map(|unit| (unit["name"].as_str(), unit["state"].as_str())).collect();
    let expected = [
        ("gone", "unknown"),
        ("kept", "kept"),
        ("loses", "dropped"),
        ("upgraded", "unknown"),
        ("new", "none"),
    ];
    assert_eq!(states, expected.map(|(name, state)| (Some(name), Some(state))));
}

#[test]
fn a_plan_between_equal_revisions_has_nothing_to_do() {
    let repository = branched();
    repository.run(&["plan", "--base", "base", "--revision", "base"]).expect(0);
    let ran = repository.run(&["plan", "--base", "nowhere"]).expect(1);
    assert!(ran.stderr.contains("nowhere"), "{ran}");
    repository.run(&["plan", "--base", "base", "--context", "prod"]).expect(64);
}

#[test]
fn what_a_base_cannot_be_read_of_is_said_and_counts_as_new() {
    let repository = broken();
    repository.commit();
    repository.write("jobs/bad/job.yaml", "kind: FlinkSessionJob\nspec: {deploymentName: x, job: {jarURI: 'https://x/a.jar', parallelism: 1}}\n");
    let ran = repository.run(&["plan", "--base", "HEAD"]);
    assert!(ran.stderr.contains("unknown field `imge`"), "{ran}");
    assert!(ran.stdout.contains("+ bad"), "{ran}");
}
