//! A new name and the state that goes with it (S16, S18), and deletes that hang or were consented to (S21).

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::ledger::{ANNOTATION_OPERATION, Ledger, Reason, Savepoint};
use super::super::outcome::{Action, BlockedBy, State};
use super::super::step;
use super::super::write::Write;
use super::scene::{Scene, application, key, retired, session, session_job};
use super::{APP, JOB, blocked_by, stop_with};
use crate::flink::kind::Kind;

/// `old` runs and left Git; `new` is in Git.
fn renamed(said: Option<&str>) -> Scene {
    let scene =
        Scene::new().git("old", application("a:1"), &[]).running("old", application("a:1")).recorded();
    let mut scene = scene.git("new", application("a:1"), &[]);
    scene.desired.units.remove(&key(APP, "old"));
    scene.unit(APP, "new", |unit| unit.consents.renamed_from = said.map(str::to_owned))
}

fn remember(scene: &mut Scene) {
    for task in step(&scene.plan()) {
        scene.record(&task);
    }
}

fn savepoint(scene: &Scene, version: Option<&str>) -> Savepoint {
    Savepoint {
        path: "s3://b/sp/9".into(),
        time: scene.now,
        flink_version: version.map(str::to_owned),
        reason: Reason::Delete,
        last: true,
    }
}

#[test]
fn s18_a_renamed_job_is_stopped_recorded_and_deleted_before_its_new_self_starts_from_that() {
    let scene = renamed(Some("old"));
    let (old, new) = (scene.of("old"), scene.of("new"));
    assert_eq!(
        (old.action, old.state, old.reasons[0].as_str()),
        (Action::Delete, State::Kept, "is called new now")
    );
    assert_eq!((new.action, new.state, new.blocked.clone()), (Action::Create, State::Kept, None));
    assert_eq!(scene.writes(), ["patch old"]);
    let mut scene = stop_with(scene, "old", "s3://b/sp/9");
    assert_eq!(scene.writes(), ["record old"]);
    remember(&mut scene);
    assert_eq!(scene.writes(), ["delete old"]);
    scene.live.units.remove(&key(APP, "old"));
    assert_eq!(scene.writes(), ["create new"]);
    let Write::Create { object } = &scene.of("new").next[0].write else { panic!() };
    assert_eq!(object["spec"]["job"]["initialSavepointPath"], "s3://b/sp/9");

    let mut scene = scene.running("new", application("a:1"));
    remember(&mut scene);
    assert!(scene.live.ledgers[&key(APP, "old")].last_savepoint().is_none(), "it has run since");
    assert!(scene.of("new").next.is_empty(), "noted once");
    scene.live.units.remove(&key(APP, "new"));
    assert_eq!(blocked_by(&scene, "new"), Some(BlockedBy::Consent), "deleted by someone, after it ran");
}

#[test]
fn s18_a_rename_taken_back_in_the_middle_runs_neither_side_by_side_nor_from_a_savepoint_of_before() {
    let mut scene = stop_with(renamed(Some("old")), "old", "s3://b/sp/9");
    remember(&mut scene);
    scene.live.units.remove(&key(APP, "old"));
    let Write::Create { object } = &scene.of("new").next[0].write else { panic!() };
    let mark = object["metadata"]["annotations"][ANNOTATION_OPERATION].clone();
    let scene = scene.running("new", application("a:1")).edit(APP, "new", |object| {
        object["metadata"]["annotations"][ANNOTATION_OPERATION] = mark;
    });
    // The branch is reset before anybody saw the new one run.
    let mut scene = scene.git("old", application("a:1"), &[]);
    scene.desired.units.remove(&key(APP, "new"));
    let blocked = scene.of("old").blocked.expect("the new one has its state");
    assert_eq!(blocked.by, BlockedBy::Guard);
    assert!(blocked.message.ends_with("write renamedFrom: new"), "{}", blocked.message);
    assert_eq!(scene.writes(), ["record new"], "that the savepoint is no end any more");
    remember(&mut scene);
    assert_eq!(blocked_by(&scene, "old"), Some(BlockedBy::Guard));
    assert_eq!(blocked_by(&scene, "new"), Some(BlockedBy::Guard), "until somebody says what is meant");
    assert!(scene.writes().is_empty());
    let scene = scene.unit(APP, "old", |unit| unit.consents.renamed_from = Some("new".into()));
    assert_eq!(scene.writes(), ["patch new"], "it goes back to its old name with its state");
}

#[test]
fn s18_a_delete_and_a_create_that_look_alike_wait_for_a_word() {
    let scene = renamed(None);
    assert_eq!(
        (blocked_by(&scene, "old"), blocked_by(&scene, "new")),
        (Some(BlockedBy::Guard), Some(BlockedBy::Guard))
    );
    assert!(scene.of("new").blocked.unwrap().message.contains("renamedFrom: old"));
    assert!(scene.writes().is_empty());
    assert_eq!(blocked_by(&renamed(Some("odl")), "new"), Some(BlockedBy::Guard), "a name that nobody had");
    let change = |edit: &dyn Fn(&mut Value)| {
        let mut scene = renamed(None).unit(APP, "new", |unit| edit(&mut unit.manifest["spec"])).writes();
        scene.sort();
        scene
    };
    let none: [&str; 0] = [];
    assert_eq!(change(&|spec| spec["image"] = json!("a:2")), none, "renamed and upgraded at once");
    let both = ["create new", "patch old"];
    assert_eq!(change(&|spec| spec["job"]["jarURI"] = json!("local:///b.jar")), both, "another program");
    assert_eq!(change(&|spec| spec["job"]["args"] = json!(["b"])), both, "another use of it");
    let mut fresh = renamed(None).unit(APP, "new", |unit| unit.consents.fresh = true).writes();
    fresh.sort();
    assert_eq!(fresh, both, "said to begin with nothing");
}

#[test]
fn s18_a_rename_is_no_loss_to_the_guard_against_deletes() {
    let mut scene = renamed(Some("old"));
    scene.desired.policy.prune.max_deletes = 0;
    assert_eq!(scene.writes(), ["patch old"]);
}

#[test]
fn s18_a_move_between_an_application_and_a_session_cluster_keeps_the_state() {
    let scene = Scene::new()
        .git("sessions", session("1g"), &[])
        .running("sessions", session("1g"))
        .git("clicks", application("a:1"), &[])
        .running("clicks", application("a:1"))
        .recorded();
    let mut scene = scene.git("clicks", session_job("savepoint"), &[]);
    scene.desired.units.remove(&key(APP, "clicks"));
    let scene = scene.unit(JOB, "clicks", |unit| unit.consents.renamed_from = Some("clicks".into()));
    assert_eq!(scene.writes(), ["patch clicks"]);
    let mut scene = stop_with(scene, "clicks", "s3://b/sp/9");
    remember(&mut scene);
    scene.live.units.remove(&key(APP, "clicks"));
    let plan = scene.plan();
    let Write::Create { object } = &step(&plan)[0].write else { panic!() };
    assert_eq!(
        (&object["kind"], &object["spec"]["job"]["initialSavepointPath"]),
        (&json!("FlinkSessionJob"), &json!("s3://b/sp/9"))
    );
}

#[test]
fn s18_a_name_that_is_taken_or_claimed_twice_is_a_mistake() {
    let scene = renamed(Some("old")).git("other", application("a:1"), &[]);
    let scene = scene.unit(APP, "other", |unit| unit.consents.renamed_from = Some("old".into()));
    assert_eq!(blocked_by(&scene, "new"), Some(BlockedBy::Policy));
    assert_eq!(blocked_by(&scene, "other"), Some(BlockedBy::Policy));
    let scene = renamed(Some("old")).git("old", application("a:1"), &[]);
    assert!(scene.of("new").blocked.unwrap().message.contains("in Git still"));
    assert!(scene.writes().is_empty());
}

#[test]
fn s16_a_savepoint_is_not_given_to_an_older_flink() {
    let taken_by = |version: &str| {
        let mut scene = Scene::new().git("a", application("a:1"), &[]);
        let mut ledger = Ledger::default();
        ledger.add_savepoint(savepoint(&scene, Some(version)));
        scene.live.ledgers.insert(key(APP, "a"), ledger.into());
        blocked_by(&scene, "a")
    };
    assert_eq!((taken_by("v1_19"), taken_by("v1_20")), (None, None));
    assert_eq!((taken_by("v2_0"), taken_by("v1_21")), (Some(BlockedBy::Consent), Some(BlockedBy::Consent)));
}

#[test]
fn s16_the_age_of_what_is_left_is_told() {
    let mut scene = Scene::new().git("a", application("a:1"), &[]);
    let mut ledger = Ledger { uid: "gone".into(), ..Ledger::default() };
    ledger.add_savepoint(Savepoint { last: false, ..savepoint(&scene, None) });
    scene.live.ledgers.insert(key(APP, "a"), ledger.into());
    scene.now += SignedDuration::from_hours(48);
    let message = scene.of("a").blocked.unwrap().message;
    assert!(message.contains("s3://b/sp/9, is of 2026-01-01 12:00 UTC"), "{message}");
}

#[test]
fn s21_a_consent_covers_the_object_it_was_first_used_for() {
    let broken = |mut scene: Scene, uid: &str| {
        scene = scene.running("a", application("a:1")).edit(Kind::FlinkDeployment, "a", |object| {
            object["metadata"]["uid"] = json!(uid);
            object["status"]["jobManagerDeploymentStatus"] = json!("ERROR");
        });
        scene
    };
    let mut scene = broken(Scene::new().git("b", application("b:1"), &[]), "first");
    scene.desired.removed.push(retired("a"));
    assert_eq!(scene.writes(), ["record a", "create b"]);
    remember(&mut scene);
    assert_eq!(scene.writes(), ["delete a", "create b"]);
    let mut scene = broken(scene, "second");
    assert_eq!(blocked_by(&scene, "a"), Some(BlockedBy::Consent));
    scene.desired.removed[0].state_loss = Some("retired for good".into());
    assert_eq!(blocked_by(&scene, "a"), None);
}

#[test]
fn a_delete_that_hangs_is_told_with_what_holds_it() {
    let mut scene = Scene::new()
        .git("sessions", session("1g"), &[])
        .running("sessions", session("1g"))
        .running("clicks", session_job("savepoint"))
        .edit(JOB, "clicks", |object| {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T12:00:00Z");
            object["metadata"]["finalizers"] = json!(["flinksessionjobs.flink.apache.org/finalizer"]);
            object["status"]["jobStatus"]["state"] = json!("RECONCILING");
        });
    let told = |scene: &Scene| scene.of("clicks").blocked.map_or_else(String::new, |blocked| blocked.message);
    assert!(!told(&scene).contains("finalizer"), "not yet");
    assert_eq!(scene.plan().wake, Some("2026-01-01T12:10:00Z".parse().unwrap()), "woken to tell it");
    scene.now += SignedDuration::from_mins(10);
    let message = told(&scene);
    assert!(message.contains("flinksessionjobs.flink.apache.org/finalizer"), "{message}");
    assert!(message.contains("its job is lost"), "{message}");
    let scene = scene.edit(JOB, "clicks", |object| {
        object["status"]["jobStatus"]["savepointInfo"] = json!({"triggerId": "a1"});
    });
    assert!(told(&scene).contains("a savepoint of it is in progress"));
}
