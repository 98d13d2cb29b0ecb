//! A consent in a job's file covers one change (S21).

use serde_json::{Value, json};

use super::super::ledger::{Ledger, UsedConsent};
use super::super::live::LiveObject;
use super::super::outcome::BlockedBy;
use super::scene::{Scene, application, key};
use super::{APP, blocked_by, stop_with};

fn standalone(image: &str) -> Value {
    let mut spec = application(image);
    spec["mode"] = json!("standalone");
    spec
}

/// `job` runs as it once was wanted, and its mode of deployment is to change.
fn moving(reason: &str) -> Scene {
    let scene = Scene::new().git("job", standalone("a:1"), &[]).running("job", application("a:1")).recorded();
    consenting(scene, reason)
}

fn consenting(scene: Scene, reason: &str) -> Scene {
    scene.unit(APP, "job", |unit| unit.consents.recreate = Some(reason.into()))
}

fn wanting(scene: Scene, spec: Value) -> Scene {
    scene.unit(APP, "job", |unit| unit.manifest["spec"] = spec)
}

/// Nothing but a record is to be written, and is.
fn remembered(scene: Scene) -> Scene {
    assert_eq!(scene.writes(), ["record job"]);
    scene.remembered()
}

fn message(scene: &Scene) -> String {
    scene.of("job").blocked.map_or_else(String::new, |blocked| blocked.message)
}

#[test]
fn s21_what_a_consent_is_used_for_is_on_record_before_the_write_that_needs_it() {
    let scene = remembered(moving("it has to"));
    let used = &scene.live.ledgers[&key(APP, "job")].consents["allow.recreate"];
    assert_eq!(used.reason, "it has to");
    assert_eq!(scene.writes(), ["patch job"], "the same change goes on");
}

#[test]
fn s21_the_next_change_needs_other_words() {
    let scene = remembered(moving("it has to"));
    // It is as it was to be, and then goes back.
    let scene = wanting(scene.running("job", standalone("a:1")), application("a:1"));
    assert_eq!(blocked_by(&scene, "job"), Some(BlockedBy::Consent));
    let message = message(&scene);
    assert!(message.contains("the consent allow.recreate (\"it has to\") was used for"), "{message}");
    assert!(message.ends_with("does not cover this change: give it again in other words"), "{message}");
    assert!(scene.writes().is_empty());
}

#[test]
fn s21_other_words_cover_the_next_change_and_are_bound_to_it() {
    let scene = remembered(moving("it has to"));
    let scene = wanting(scene.running("job", standalone("a:1")), application("a:1"));
    let scene = consenting(scene, "and back again");
    assert_eq!(blocked_by(&scene, "job"), None);
    let scene = remembered(scene);
    let used = &scene.live.ledgers[&key(APP, "job")].consents["allow.recreate"];
    assert_eq!(used.reason, "and back again");
}

#[test]
fn s21_s20_what_was_begun_by_consent_is_finished_for_the_next_revision() {
    let scene = remembered(moving("it has to"));
    let scene = stop_with(scene, "job", "s3://b/sp/9");
    let scene = wanting(scene, standalone("a:2"));
    assert_eq!(blocked_by(&scene, "job"), None, "{}", message(&scene));
    assert_eq!(scene.writes(), ["record job"]);
}

#[test]
fn s21_a_loss_of_state_is_consented_to_once() {
    let unwritten = |image: &str| {
        let mut spec = application(image);
        spec["job"].as_object_mut().unwrap().remove("upgradeMode");
        spec
    };
    let scene = Scene::new().git("job", unwritten("a:2"), &[]).running("job", unwritten("a:1")).recorded();
    assert_eq!(blocked_by(&scene, "job"), Some(BlockedBy::Consent));
    let scene = remembered(scene.unit(APP, "job", |unit| unit.consents.state_loss = Some("a test".into())));
    assert_eq!(scene.writes(), ["patch job"]);
    let scene = wanting(scene.running("job", unwritten("a:2")), unwritten("a:3"));
    assert_eq!(blocked_by(&scene, "job"), Some(BlockedBy::Consent));
    assert!(message(&scene).contains("was used for"), "{}", message(&scene));
}

#[test]
fn s21_s4_an_object_is_taken_over_once() {
    let scene = Scene::new().git("job", application("a:2"), &[]).stranger("job", application("a:1"), &[]);
    let scene = remembered(scene.unit(APP, "job", |unit| unit.consents.adopt = Some("ours now".into())));
    assert_eq!(scene.writes(), ["patch job"]);
    let scene = wanting(scene, application("a:3"));
    assert_eq!(blocked_by(&scene, "job"), Some(BlockedBy::LiveConflict), "again somebody else's");
    assert!(message(&scene).contains("the consent adopt (\"ours now\") was used for"), "{}", message(&scene));
}

#[test]
fn a_ledger_says_in_lines_what_people_want_to_know() {
    let scene =
        Scene::new().git("job", application("a:1"), &[]).running("job", application("a:1")).recorded();
    let mut ledger = scene.live.ledger(&key(APP, "job")).unwrap().clone();
    ledger.consent = Some(UsedConsent { uid: "u".into(), reason: "a test".into() });
    let map = ledger.to_config_map("orders", "prod", &key(APP, "job"));
    let text = map["data"]["ledger"].as_str().unwrap();
    assert!(text.contains("\"revision\": \"c0ffee\"") && !text.contains("/spec/"), "{text}");
    assert_eq!(map["data"]["fields"], ledger.fields.as_str());

    let mut read = Ledger::from_config_map(&LiveObject::new(map.clone())).unwrap().1;
    read.resource_version.clone_from(&ledger.resource_version);
    assert_eq!(read, ledger);
}
