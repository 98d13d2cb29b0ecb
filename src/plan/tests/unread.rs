//! What becomes of jobs that flinkops stopped, when a folder cannot be read any more (S20).

use super::super::outcome::UnitPlan;
use super::*;
use crate::spec::desired::{Dependency, Why};

/// Takes a unit's folder away, as a mistake in it does.
fn unread(mut scene: Scene, kind: Kind, name: &str) -> Scene {
    scene.desired.units.remove(&key(kind, name)).unwrap();
    scene.desired.unknown.push(Unknown { folder: format!("jobs/{name}"), name: Some(name.to_owned()) });
    scene
}

/// Both jobs stopped for the change of their cluster, and on record.
fn stopped() -> Scene {
    let mut scene =
        stop_with(stop_with(session_scene("2g"), "clicks", "s3://b/sp/1"), "views", "s3://b/sp/2");
    for task in step(&scene.plan()) {
        scene.record(&task);
    }
    scene
}

/// The cluster changed, and is ready again.
fn changed(scene: Scene) -> Scene {
    scene.edit(APP, "sessions", |object| {
        object["spec"] = session("2g");
        object["status"] = settled_status(&object["spec"], 1);
    })
}

fn goes_back(unit: &UnitPlan) -> bool {
    unit.action == Action::Resume
        && patch_of(unit)["spec"]["job"]["state"] == "running"
        && patch_of(unit)["metadata"]["annotations"][ANNOTATION_OPERATION].is_null()
        && unit.next[0].message.contains("as it was")
}

#[test]
fn s20_a_clusters_change_is_finished_though_the_folder_of_a_stopped_job_broke() {
    let scene = unread(stopped(), JOB, "clicks");
    assert_eq!(scene.writes(), ["patch sessions"], "it stands still already, so nothing is lost by going on");
    let clicks = scene.of("clicks");
    assert_eq!((clicks.action, clicks.blocked), (Action::Resume, None));
    let scene = changed(scene);
    assert!(goes_back(&scene.of("clicks")), "{:?}", scene.of("clicks"));
    assert!(scene.writes().contains(&"patch views".to_owned()), "{:?}", scene.writes());
}

#[test]
fn s20_a_job_whose_folder_broke_waits_while_its_cluster_restarts() {
    let scene = changed(unread(stopped(), JOB, "clicks"))
        .edit(APP, "sessions", |object| object["status"]["jobManagerDeploymentStatus"] = json!("DEPLOYING"));
    assert_eq!(scene.of("clicks").next, []);
}

#[test]
fn s20_jobs_go_back_to_an_unchanged_cluster_whose_folder_broke() {
    let scene = unread(stopped(), APP, "sessions");
    assert_eq!(scene.writes(), ["patch clicks", "patch views"]);
    assert!(goes_back(&scene.of("clicks")), "{:?}", scene.of("clicks"));
}

#[test]
fn s20_jobs_go_back_once_a_cluster_whose_folder_broke_has_been_ready_for_a_while() {
    let scene = changed(unread(stopped(), APP, "sessions")).later(SignedDuration::from_secs(29));
    assert_eq!(scene.writes(), [""; 0]);
    let waits = scene.of("clicks").blocked.unwrap();
    assert_eq!(
        (waits.by, waits.message.as_str()),
        (BlockedBy::Gate, "goes back as it was, as soon as sessions can take it")
    );
    let wake = scene.plan().wake.unwrap();
    assert_eq!(wake, scene.now + SignedDuration::from_secs(1));
    assert_eq!(scene.later(SignedDuration::from_secs(1)).writes(), ["patch clicks", "patch views"]);
}

#[test]
fn s20_a_job_goes_back_though_another_it_depends_on_cannot_be_read() {
    let depends = |scene: Scene| {
        scene.unit(JOB, "views", |unit| {
            let on = key(APP, "tables");
            unit.depends_on.insert(0, Dependency { on, why: Why::Declared });
        })
    };
    let scene =
        depends(stopped().git("tables", application("t:1"), &[]).running("tables", application("t:1")));
    let scene = unread(changed(scene), APP, "tables");
    assert!(goes_back(&scene.of("views")), "{:?}", scene.of("views"));
}

#[test]
fn s20_a_job_stopped_to_leave_runs_on_once_its_folder_is_back_and_broken() {
    let mut scene = running_chain();
    let sink = scene.desired.units.remove(&key(APP, "sink")).unwrap();
    let mut scene = stop_with(scene, "sink", "s3://b/sp/9");
    scene.desired.units.insert(sink.key.clone(), sink);
    let scene = unread(scene, APP, "sink");
    assert!(goes_back(&scene.of("sink")), "{:?}", scene.of("sink"));
}

#[test]
fn s16_the_savepoint_of_a_job_that_went_back_is_history() {
    let scene = changed(unread(stopped(), JOB, "clicks"));
    assert!(scene.live.ledgers[&key(JOB, "clicks")].last_savepoint().is_some());
    let clicks = scene.of("clicks");
    let patch = patch_of(&clicks);
    let mut scene = scene.edit(JOB, "clicks", |object| {
        merge(object, patch);
        object["status"] = settled_status(&object["spec"], 2);
    });
    assert!(scene.writes().contains(&"record clicks".to_owned()));
    for task in step(&scene.plan()) {
        scene.record(&task);
    }
    assert_eq!(scene.live.ledgers[&key(JOB, "clicks")].last_savepoint(), None);
    assert_eq!(blocked_by(&scene, "clicks"), Some(BlockedBy::Unknown));
    assert_eq!(scene.of("clicks").next, []);
}

#[test]
fn s19_a_frozen_job_does_not_go_back() {
    let scene = unread(stopped(), APP, "sessions").edit(JOB, "clicks", |object| {
        object["metadata"]["annotations"][ANNOTATION_FREEZE] = json!("being looked at");
    });
    assert_eq!(scene.writes(), ["patch views"]);
    let scene = unread(scene, JOB, "clicks");
    assert_eq!(blocked_by(&scene, "clicks"), Some(BlockedBy::Frozen));
    assert_eq!(scene.writes(), ["patch views"]);
}
