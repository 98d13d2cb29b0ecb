//! The commands that talk to a cluster.

use insta::assert_snapshot;
use serde_json::json;

use super::world::{Daemon, Repository, World};

fn chain() -> World {
    World::new(Repository::with_jobs(&[("ingest", ""), ("sink", "dependsOn: [ingest]\n")]))
}

/// Commits and times differ from run to run.
fn steady(text: &str) -> String {
    let commit = |word: &str| word.len() == 9 && word.bytes().all(|letter| letter.is_ascii_hexdigit());
    let time = |word: &str| word.len() >= 20 && word.starts_with("20") && word.ends_with('Z');
    let steady = |word: &str| match word.trim_end_matches(['\n', ',', ')']) {
        bare if commit(bare) => word.replace(bare, "[commit]"),
        bare if time(bare) => word.replace(bare, "[time]"),
        _ => word.to_owned(),
    };
    text.split_inclusive([' ', '\n'])
        .map(|word| {
            let end = word.trim_end_matches([' ', '\n']).len();
            steady(&word[..end]) + &word[end..]
        })
        .collect()
}

#[test]
fn from_plan_to_apply_to_nothing_to_do() {
    let world = chain();
    let plan = world.run(&["plan"]).expect(2);
    assert_snapshot!(steady(&plan.to_string()), @r#"
    exit 2
    --- stdout
    orders [commit] → prod (cluster embedded)
    2 create

    Wave 1
      + ingest  create  starts for the first time

    Wave 2
      + sink  create  starts for the first time

    Forecast
       1. ingest: created, started
       2. sink: created, started
      nothing restarts, no savepoint is taken
    --- stderr
    "#);
    let applied = world.apply();
    assert!(applied.stderr.contains("Settled: 2 settled"), "{applied}");
    let plan = world.run(&["plan"]).expect(0);
    assert_snapshot!(steady(&plan.to_string()), @r#"
    exit 0
    --- stdout
    orders [commit] → prod (cluster embedded): nothing to do, 2 units as in Git
    --- stderr
    "#);
    let status = world.run(&["status"]).expect(0);
    assert_snapshot!(steady(&status.stdout), @r#"
    orders [commit] → prod (cluster embedded)
    2 of 2 units settled
    = ingest  settled  [commit] at [time]
    = sink    settled  [commit] at [time]
    "#);
}

#[test]
fn drift_is_told_with_field_and_manager_and_healed() {
    let world = chain();
    world.apply();
    assert_snapshot!(steady(&world.run(&["drift"]).expect(0).to_string()), @r#"
    exit 0
    --- stdout
    orders [commit] → prod (cluster embedded): no drift
    --- stderr
    "#);
    world.edit("sink", &json!({"spec": {"job": {"parallelism": 7}}}));
    // From which of the two depends on how far the operator is with the edit.
    let drift = steady(&world.run(&["drift"]).expect(2).to_string());
    assert_snapshot!(drift.replace("its last checkpoint", "a savepoint"), @r#"
    exit 2
    --- stdout
    orders [commit] → prod (cluster embedded)
    1 object drifted in 1 field (in Git → in the cluster)

    FlinkDeployment sink  since [time]
        spec.job.parallelism  2 → 7
          drift: changed in the cluster by kubectl-edit at [time]
        flinkops: will update it: restarts from a savepoint, state kept
    --- stderr
    "#);
    let drift = world.run(&["drift", "--format", "json"]).expect(2).json();
    assert_eq!(drift["schema"], "flinkops.dev/drift/v1");
    assert!(drift["units"][0]["since"].is_string(), "{drift}");
    world.apply();
    assert_eq!(world.live("sink").unwrap()["spec"]["job"]["parallelism"], 2);
    world.run(&["drift"]).expect(0);
}

#[test]
fn metadata_drift_counts_only_where_any_does() {
    let world = World::new(Repository::with_jobs(&[("a", "labels: {team: orders}\n")]));
    world.apply();
    world.edit("a", &json!({"metadata": {"labels": {"team": "other"}}}));
    world.run(&["drift"]).expect(2);
    world.run(&["drift", "--fail-on", "spec"]).expect(0);
}

#[test]
fn only_writes_what_it_names_and_what_that_needs() {
    let world = World::new(Repository::with_jobs(&[
        ("ingest", ""),
        ("sink", "dependsOn: [ingest]\n"),
        ("other", ""),
    ]));
    let plan = world.run(&["plan", "--only", "sink", "--format", "json"]).expect(2).json();
    assert_eq!(plan["waves"], json!([["ingest"], ["sink"]]));
    world.run(&["apply", "--yes", "--only", "sink", "--timeout", "60s"]).expect(0);
    assert!(world.live("ingest").is_some() && world.live("sink").is_some() && world.live("other").is_none());
    let ran = world.run(&["plan", "--only", "nothing"]).expect(64);
    assert!(ran.stderr.contains("there is no unit `nothing`"), "{ran}");
}

#[test]
fn a_folder_that_left_is_deleted_after_its_savepoint_and_others_stay() {
    let world = chain();
    world.apply();
    world.repository.remove("jobs/sink");
    world.repository.commit();
    let plan = world.run(&["plan", "--format", "json"]).expect(2).json();
    assert_eq!(plan["summary"]["delete"], 1);
    assert_eq!(plan["summary"]["stateDropped"], 0);
    world.apply();
    assert!(world.live("sink").is_none() && world.live("ingest").is_some());
}

#[test]
fn one_broken_folder_stops_neither_plan_nor_apply_of_the_others() {
    let world = chain();
    world.repository.write("jobs/bad/job.yaml", "kind: FlinkDeployment\nspec:\n  imge: x\n");
    world.repository.commit();
    let plan = world.run(&["plan", "--format", "json"]).expect(1).json();
    assert_eq!(plan["summary"]["create"], 2);
    assert_eq!(plan["findings"][0]["rule"], "unknown-field");
    let applied = world.run(&["apply", "--yes", "--timeout", "60s"]).expect(1);
    assert!(applied.stderr.contains("unknown field `imge`"), "{applied}");
    assert!(world.live("sink").is_some());
}

#[test]
fn an_apply_that_runs_out_of_time_says_what_it_waits_for() {
    let world = chain();
    let ran = world.run(&["apply", "--yes", "--timeout", "1ms"]).expect(1);
    assert!(ran.stderr.contains("Gave up waiting"), "{ran}");
}

#[test]
fn the_daemon_follows_git_and_ends_when_asked() {
    let world = chain();
    let mut command = world.command(&["run", "--interval", "1s"]);
    command.stderr(std::process::Stdio::null());
    let mut daemon = Daemon::start(command);
    let settled = || world.run(&["status", "--format", "json"]).json()["summary"]["settled"] == 2;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(240);
    while !settled() {
        assert!(std::time::Instant::now() < deadline, "{}", world.run(&["status"]));
    }
    assert!(daemon.stop());
}
