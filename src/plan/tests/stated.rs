//! What the environment states of its operator's own configuration counts as if each unit had written it.

use serde_json::json;

use super::super::outcome::{Action, BlockedBy, State};
use super::scene::{Scene, application, key, patch_of, session, session_job};
use super::{APP, JOB};

/// Without any folder for savepoints, except in the operator's own configuration.
fn stated(mut scene: Scene) -> Scene {
    let folders = [("state.savepoints.dir", "s3://o/sp"), ("state.checkpoints.dir", "s3://o/cp")];
    scene.desired.operator = folders.map(|(key, folder)| (key.into(), folder.into())).into();
    scene
}

#[test]
fn s8_a_job_whose_savepoints_go_where_the_operator_says_is_stopped_before_it_is_deleted() {
    let mut spec = application("a:1");
    spec.as_object_mut().unwrap().remove("flinkConfiguration");
    let scene = Scene::new().git("b", application("b:1"), &[]).running("a", spec);
    assert_eq!(scene.of("a").blocked.map(|blocked| blocked.by), Some(BlockedBy::Consent));
    let unit = stated(scene).of("a");
    assert_eq!((unit.action, unit.state, unit.blocked.clone()), (Action::Delete, State::Kept, None));
    assert_eq!(patch_of(&unit)["spec"]["job"], json!({"state": "suspended", "upgradeMode": "savepoint"}));
}

#[test]
fn s12_what_the_operator_itself_has_is_not_refused_for_want_of_it() {
    let bare = |memory: &str| {
        let mut spec = session(memory);
        spec.as_object_mut().unwrap().remove("flinkConfiguration");
        spec
    };
    let scene = Scene::new()
        .git("sessions", bare("2g"), &[])
        .git("clicks", session_job("savepoint"), &[])
        .running("sessions", bare("1g"))
        .running("clicks", session_job("savepoint"))
        .recorded();
    assert_eq!(scene.of("sessions").blocked.map(|blocked| blocked.by), Some(BlockedBy::Guard));
    assert_eq!(stated(scene).writes(), ["patch clicks"]);
}

#[test]
fn a_job_on_a_cluster_outside_git_is_judged_with_that_cluster() {
    let mut bare = session("1g");
    bare.as_object_mut().unwrap().remove("flinkConfiguration");
    let scene = Scene::new().git("clicks", session_job("savepoint"), &[]).stranger("sessions", bare, &[]);
    let plan = scene.plan();
    let rules: Vec<_> = plan.findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["checkpoint-directory", "savepoint-directory"]);
    assert!(plan.findings.iter().all(|finding| finding.place.file == "jobs/clicks/job.yaml"));
    assert_eq!((plan.units[0].action, scene.writes()), (Action::Create, vec![]));
    let mut scene = scene;
    scene.desired.units.get_mut(&key(JOB, "clicks")).unwrap().manifest["spec"]["job"]["upgradeMode"] =
        json!("stateless");
    assert_eq!(scene.writes(), ["create clicks"], "a job whose state may be lost needs no savepoint");
    assert!(scene.live.units.contains_key(&key(APP, "sessions")));
}
