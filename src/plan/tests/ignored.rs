//! What others made of fields that policy leaves to them, over a deletion that is followed by a creation (S5).

use serde_json::{Value, json};

use super::super::outcome::{Action, BlockedBy};
use super::super::step;
use super::super::write::Write;
use super::scene::{Scene, application, key, session_job};
use super::{APP, JOB, blocked_by, stop_with};
use crate::spec::policy::Ignore;

fn rules(paths: &[&str]) -> Vec<Ignore> {
    let rule = |path: &&str| Ignore { path: (*path).into(), reason: "others know better".into(), name: None };
    paths.iter().map(rule).collect()
}

fn with(mut spec: Value, fields: &Value) -> Value {
    super::merge(&mut spec, fields);
    spec
}

fn pod(variable: &str) -> Value {
    json!({"podTemplate": {"spec": {"containers": [{"name": "main", "env": [{"name": "LEVEL", "value": variable}]}]}}})
}

/// `a` runs, in a mode that Git has changed, with fields that others have changed.
fn scene(rules: &[Ignore], git: &Value, live: &Value) -> Scene {
    let before = with(application("a:1"), git);
    let scene = Scene::new().git("a", before.clone(), &[]).running("a", before.clone()).recorded();
    let scene = scene.edit(APP, "a", |object| super::merge(&mut object["spec"], live));
    scene.unit(APP, "a", |unit| {
        unit.manifest["spec"]["mode"] = json!("standalone");
        unit.policy.ignore = rules.to_vec();
        unit.consents.recreate = Some("it has to".into());
    })
}

fn remember(scene: &mut Scene) {
    for task in step(&scene.plan()) {
        scene.record(&task);
    }
}

/// Stops, records and deletes `name`; the scene before the creation.
fn deleted(scene: Scene, name: &str) -> Scene {
    let mut scene = stop_with(scene, name, "s3://b/sp/9");
    assert_eq!(scene.writes(), [format!("record {name}")]);
    remember(&mut scene);
    assert_eq!(scene.writes(), [format!("delete {name}")]);
    scene.live.units.retain(|key, _| key.name != name);
    scene
}

fn created(scene: &Scene, name: &str) -> Value {
    assert_eq!(scene.writes(), [format!("create {name}")]);
    let Write::Create { object } = &scene.of(name).next[0].write else { panic!() };
    object.clone()
}

#[test]
fn s5_what_others_own_is_kept_over_a_recreate_and_forgotten_once_it_is_there_again() {
    let ours = json!({
        "taskManager": {"replicas": 1}, "jobManager": {"replicas": 2}, "imagePullPolicy": "Always",
        "flinkConfiguration": {"a": {"b": "git"}},
    });
    let theirs = json!({
        "taskManager": {"replicas": 3}, "jobManager": {"replicas": null}, "flinkConfiguration": {"a": {"b": "others"}},
    });
    let rules = rules(&[
        "/spec/taskManager/replicas",
        "/spec/jobManager/replicas",
        "/spec/flinkConfiguration/a.b",
        "/spec/imagePullPolicy",
        "/spec/podTemplate/spec/containers/main/env",
        "/metadata/annotations",
    ]);
    let scene = scene(&rules, &with(ours, &pod("INFO")), &with(theirs, &pod("DEBUG")));
    let scene = scene.edit(APP, "a", |object| object["metadata"]["annotations"]["team"] = json!("x"));
    let unit = scene.of("a");
    assert_eq!(unit.action, Action::Recreate);
    assert!(
        unit.reasons
            .iter()
            .any(|reason| reason.starts_with("keeps ") && reason.contains("spec.taskManager.replicas")),
        "{:?}",
        unit.reasons
    );
    let scene = deleted(scene, "a");
    let kept = &scene.live.ledgers[&key(APP, "a")].others;
    assert_eq!(kept.get("/spec/jobManager/replicas"), Some(&Value::Null), "{kept:?}");
    let object = created(&scene, "a");
    let spec = &object["spec"];
    assert_eq!(spec["taskManager"]["replicas"], 3);
    assert_eq!(spec["jobManager"], json!({}));
    assert_eq!(spec["imagePullPolicy"], "Always", "as Git has it, and nobody changed it");
    assert_eq!(spec["flinkConfiguration"]["a"], json!({"b": "others"}), "in Git's spelling");
    assert_eq!(spec["flinkConfiguration"].get("a.b"), None);
    assert_eq!(spec["podTemplate"]["spec"]["containers"], pod("DEBUG")["podTemplate"]["spec"]["containers"]);
    assert_eq!(object["metadata"]["annotations"]["team"], "x");

    let spec = object["spec"].clone();
    let mut scene = scene
        .running("a", spec)
        .edit(APP, "a", |live| live["metadata"]["annotations"] = object["metadata"]["annotations"].clone());
    assert_eq!(scene.of("a").changes, []);
    remember(&mut scene);
    assert!(scene.live.ledgers[&key(APP, "a")].others.is_empty());
}

#[test]
fn s5_a_rule_that_is_gone_by_then_gives_the_field_back_to_git() {
    let one = rules(&["/spec/taskManager/replicas"]);
    let scene =
        scene(&one, &json!({"taskManager": {"replicas": 1}}), &json!({"taskManager": {"replicas": 3}}));
    let scene = deleted(scene, "a").unit(APP, "a", |unit| unit.policy.ignore.clear());
    assert_eq!(created(&scene, "a")["spec"]["taskManager"]["replicas"], 1);
}

#[test]
fn s5_what_others_own_goes_with_a_job_to_its_new_name_and_kind_as_far_as_that_has_it() {
    let before = with(application("a:1"), &json!({"taskManager": {"replicas": 1}}));
    let scene = Scene::new().git("old", before.clone(), &[]).running("old", before).recorded();
    let scene = scene.edit(APP, "old", |object| {
        super::merge(
            &mut object["spec"],
            &json!({"taskManager": {"replicas": 3}, "job": {"parallelism": 7}}),
        );
    });
    let mut scene =
        scene.running("sessions", super::session("1g")).git("sessions", super::session("1g"), &[]);
    scene.desired.units.remove(&key(APP, "old"));
    let scene = scene.git("new", session_job("savepoint"), &[]).unit(JOB, "new", |unit| {
        unit.policy.ignore = rules(&["/spec/taskManager/replicas", "/spec/job/parallelism"]);
        unit.consents.renamed_from = Some("old".into());
    });
    let mut scene = scene;
    remember(&mut scene);
    let scene = deleted(scene, "old");
    let spec = created(&scene, "new")["spec"].clone();
    assert_eq!((&spec["job"]["parallelism"], spec.get("taskManager")), (&json!(7), None));
}

#[test]
fn s5_s25_a_secret_of_others_is_not_written_down_and_blocks_instead() {
    let rule = rules(&["/spec/flinkConfiguration"]);
    let scene = scene(&rule, &json!({}), &json!({"flinkConfiguration": {"s3.secret-key": "hunter2"}}));
    assert_eq!(blocked_by(&scene, "a"), Some(BlockedBy::Policy));
    let message = scene.of("a").blocked.unwrap().message;
    assert!(
        message.contains("spec.flinkConfiguration.s3.secret-key") && !message.contains("hunter2"),
        "{message}"
    );
    assert_eq!(scene.writes(), Vec::<String>::new());
}
