//! What only Flink knows to run on a session cluster (S14).

use serde_json::json;

use super::super::outcome::{BlockedBy, State};
use super::super::restarting;
use super::super::step;
use super::scene::Scene;
use super::{APP, JOB, key, session_scene};
use crate::flink::rest::RunningJob;

fn job(id: &str) -> RunningJob {
    RunningJob { id: id.into(), name: "adhoc".into(), state: "RUNNING".into() }
}

fn told(mut scene: Scene, answer: Result<Vec<RunningJob>, String>) -> Scene {
    scene.live.learn_jobs([(key(APP, "sessions"), answer)].into());
    scene
}

#[test]
fn s14_a_job_without_a_resource_blocks_the_change_of_its_cluster_by_name() {
    let scene = session_scene("2g")
        .edit(JOB, "clicks", |object| object["status"]["jobStatus"]["jobId"] = json!("c1"));
    let alone = told(session_scene("2g"), Ok(Vec::new()));
    assert_eq!((alone.of("sessions").blocked, alone.of("sessions").state), (None, State::Kept));
    assert_eq!(restarting(&alone.plan()).count(), 1);

    let scene = told(scene, Ok(vec![job("c1"), job("x9"), job("x8")]));
    let cluster = scene.of("sessions");
    let blocked = cluster.blocked.expect("blocked");
    assert_eq!((blocked.by, cluster.state), (BlockedBy::Consent, State::Dropped));
    assert!(blocked.message.starts_with("`adhoc` (x9, RUNNING) and 1 more"), "{}", blocked.message);
    assert_eq!(scene.writes(), Vec::<String>::new());
    assert_eq!(restarting(&scene.plan()).count(), 0);
}

#[test]
fn s14_a_flink_that_cannot_be_asked_needs_consent() {
    let scene = told(session_scene("2g"), Err("no answer within 10 s".into()));
    let cluster = scene.of("sessions");
    let blocked = cluster.blocked.expect("blocked");
    assert_eq!((blocked.by, cluster.state), (BlockedBy::Consent, State::Unknown));
    assert!(
        blocked.message.contains("no answer within 10 s") && blocked.message.contains("allow: {stateLoss")
    );
    let scene =
        scene.unit(APP, "sessions", |unit| unit.consents.state_loss = Some("nobody else is here".into()));
    let cluster = scene.of("sessions");
    assert_eq!((cluster.blocked, cluster.state), (None, State::Unknown));
    assert_eq!(scene.writes(), ["record sessions"], "S21: what the consent is used for comes first");
    let mut scene = scene;
    for task in step(&scene.plan()) {
        scene.record(&task);
    }
    assert_eq!(scene.writes(), ["patch clicks", "patch views"]);
}
