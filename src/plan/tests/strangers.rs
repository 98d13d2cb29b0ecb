//! What only Flink knows to run on a session cluster (S14).

use serde_json::json;

use super::super::ledger::Reason;
use super::super::outcome::{BlockedBy, State};
use super::super::restarting;
use super::super::step;
use super::scene::Scene;
use super::{APP, JOB, key, session_scene};
use crate::flink::rest::{Checkpoint, JobState, RunningJob};

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

/// `clicks` has failed for good, and its cluster, which may still tell of its last checkpoint, is to change.
fn failed(checkpoint: Option<i64>) -> Scene {
    let mut scene = session_scene("2g")
        .unit(JOB, "views", |unit| unit.manifest["spec"]["job"]["upgradeMode"] = json!("stateless"));
    for name in ["clicks", "views"] {
        scene = scene.edit(JOB, name, |object| {
            object["status"]["jobStatus"] = json!({"state": "FAILED", "jobId": "0abc"});
        });
    }
    let checkpoint = checkpoint.map(|time| {
        let time = jiff::Timestamp::from_second(time).expect("a time");
        Checkpoint { path: "s3://b/cp/0abc/chk-7".into(), time }
    });
    let told = JobState { checkpoint, restored: None };
    scene.live.states = [(key(JOB, "clicks"), Ok(told))].into();
    scene.remembered()
}

#[test]
fn s9_s13_the_last_checkpoint_of_a_job_that_cannot_be_saved_is_on_record_before_its_cluster_goes() {
    let scene = failed(Some(1_767_268_000));
    let ledger = &scene.live.ledgers[&key(JOB, "clicks")];
    assert_eq!(ledger.savepoints[0].path, "s3://b/cp/0abc/chk-7");
    assert_eq!((ledger.savepoints[0].reason, ledger.last_savepoint()), (Reason::Checkpoint, None));
    assert!(scene.writes().contains(&"patch sessions".to_owned()), "{:?}", scene.writes());
    let gone = failed(None);
    assert!(gone.live.ledgers[&key(JOB, "clicks")].savepoints.is_empty(), "Flink tells of none");
}
