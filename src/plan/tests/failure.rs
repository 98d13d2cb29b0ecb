//! Upgrades that fail, lost jobs, and jobs that would start from something else (S13, S16, S22, S23).

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::ledger::{Applied, Reason, Savepoint};
use super::super::operation::{NONCE, Operation, PATH, Purpose};
use super::super::outcome::{Action, BlockedBy, Effect, State};
use super::super::write::Write;
use super::super::{previous_wanted, retry, step};
use super::scene::{Scene, application, key, patch_of, session, session_job, settled_status};
use super::{APP, JOB, session_scene, stop_with};
use crate::flink::health::Health;
use crate::flink::pointer::At as _;
use crate::spec::policy::OnFailure;
use crate::spec::source::Revision;

const NO_JOB_MANAGER: &str = "back-off 10s restarting failed container";

/// `ingest` settled as `a:1`, was upgraded to `a:2` from a savepoint, and reads like this since.
fn upgraded(status: impl Fn(&mut Value)) -> Scene {
    let before = Scene::new().git("ingest", application("a:1"), &[]);
    let previous = before.desired.units.clone();
    let settled = before.running("ingest", application("a:1")).recorded();
    let (first, hash) = {
        let applied = &settled.live.ledgers[&key(APP, "ingest")].applied[0];
        (applied.clone(), applied.hash.clone())
    };
    assert!(first.settled.is_some() && !hash.is_empty());
    let mut scene = Scene::new().git("ingest", application("a:2"), &[]).running("ingest", application("a:2"));
    scene.live.ledgers = settled.live.ledgers;
    scene.desired.previous = previous;
    scene = scene.unit(APP, "ingest", |unit| unit.policy.on_failure = OnFailure::Rollback);
    let hash = first_hash(&scene);
    let mut ledger = scene.live.ledger(&key(APP, "ingest")).unwrap().clone();
    let second = Applied {
        from: Some("s3://b/sp/1".into()),
        ..Applied::new(Revision::new("bad"), &hash, 2, scene.now)
    };
    ledger.apply(second);
    scene.live.ledgers.insert(key(APP, "ingest"), ledger.into());
    scene.edit(APP, "ingest", |object| {
        object["metadata"]["annotations"]["flinkops.dev/applied-hash"] = json!(hash);
        object["status"]["jobStatus"]["upgradeSavepointPath"] = json!("s3://b/sp/1");
        status(&mut object["status"]);
    })
}

/// The hash of what Git wants of `ingest`, as a creation would write it.
fn first_hash(scene: &Scene) -> String {
    let mut alone = Scene::new();
    alone.desired = scene.desired.clone();
    let task = step(&alone.plan()).into_iter().find(|task| task.event).expect("it is created");
    let Write::Create { object } = task.write else { panic!("{task:?}") };
    object["metadata"]["annotations"]["flinkops.dev/applied-hash"].as_str().expect("a hash").to_owned()
}

fn failed(status: &mut Value) {
    status["lifecycleState"] = json!("DEPLOYED");
    status["jobManagerDeploymentStatus"] = json!("ERROR");
    status["jobStatus"]["state"] = json!("RECONCILING");
    status["error"] = json!(NO_JOB_MANAGER);
    status["reconciliationStatus"]["lastStableSpec"] = json!(r#"{"spec":{"job":{"parallelism":1}}}"#);
}

/// Performs the records of one round.
fn recorded(mut scene: Scene) -> Scene {
    for task in step(&scene.plan()) {
        scene.record(&task);
    }
    scene
}

fn held(scene: &Scene) -> Option<&super::super::ledger::Held> {
    scene.live.ledgers[&key(APP, "ingest")].held.as_ref()
}

#[test]
fn s23_what_never_ran_is_put_back_with_a_mark_and_no_nonce() {
    let scene = recorded(upgraded(failed));
    let back_to = held(&scene).expect("it is held").back_to.clone().expect("it goes back");
    assert_eq!((back_to.revision.as_str(), back_to.from), ("c0ffee", None));
    let wanted = previous_wanted(&scene.desired, &scene.live);
    assert_eq!(wanted.into_iter().collect::<Vec<_>>(), [(key(APP, "ingest"), Revision::new("c0ffee"))]);
    let scene = recorded(scene);
    let unit = scene.of("ingest");
    assert_eq!(
        (unit.action, unit.effect, unit.state),
        (Action::Update, Effect::UpgradeFromSavepoint, State::Kept)
    );
    let patch = patch_of(&unit);
    assert_eq!(patch["spec"], json!({"image": "a:1"}));
    let mark: Operation =
        serde_json::from_str(patch["metadata"]["annotations"]["flinkops.dev/operation"].as_str().unwrap())
            .unwrap();
    assert_eq!((mark.purpose, mark.target, mark.restored_from), (Purpose::Rollback, back_to.hash, None));
}

#[test]
fn s23_what_the_operator_saw_run_has_run_however_it_looks_now() {
    let ran = |status: &mut Value| {
        let last = status["reconciliationStatus"]["lastReconciledSpec"].clone();
        failed(status);
        status["reconciliationStatus"]["lastStableSpec"] = last;
    };
    let scene = recorded(upgraded(ran));
    assert_eq!(held(&scene).unwrap().back_to.as_ref().unwrap().from.as_deref(), Some("s3://b/sp/1"));
}

#[test]
fn s23_what_ran_is_restored_from_the_savepoint_before_it() {
    let ran = |status: &mut Value| {
        status["jobStatus"]["state"] = json!("FAILED");
        status["lifecycleState"] = json!("FAILED");
    };
    let scene = recorded(recorded(upgraded(ran)));
    let unit = scene.of("ingest");
    assert_eq!((unit.effect, unit.state), (Effect::Restore, State::Replaced));
    let patch = patch_of(&unit);
    assert_eq!(patch.at(PATH), Some(&json!("s3://b/sp/1")));
    assert_eq!(patch.at(NONCE), Some(&json!(scene.now.as_second())));
}

#[test]
fn s23_a_nonce_of_gits_own_is_left_alone_so_the_unit_is_made_anew() {
    let ran = |status: &mut Value| status["jobStatus"]["state"] = json!("FAILED");
    let mut scene = recorded(upgraded(ran));
    for unit in scene.desired.previous.values_mut() {
        unit.manifest["spec"]["job"]["savepointRedeployNonce"] = json!(3);
    }
    let mut scene = scene;
    assert_eq!(scene.of("ingest").blocked.unwrap().by, BlockedBy::Held, "it is not what was applied");
    let hash = {
        let mut alone = Scene::new();
        alone.desired.units = scene.desired.previous.clone();
        first_hash(&alone)
    };
    let mut ledger = scene.live.ledger(&key(APP, "ingest")).unwrap().clone();
    ledger.held.as_mut().unwrap().back_to.as_mut().unwrap().hash = hash;
    scene.live.ledgers.insert(key(APP, "ingest"), ledger.into());
    assert_eq!(scene.of("ingest").action, Action::Recreate);
    let scene = recorded(recorded(scene));
    assert_eq!(
        scene.writes(),
        ["delete ingest"],
        "once the savepoint is on record as what it starts from (S9)"
    );
    let ledger = &scene.live.ledgers[&key(APP, "ingest")];
    assert!(ledger.uid.is_empty() && ledger.is_final("s3://b/sp/1") && ledger.held.is_some());
}

#[test]
fn s23_a_savepoint_that_the_new_version_claimed_is_no_restore_point() {
    let ran = |status: &mut Value| status["jobStatus"]["state"] = json!("FAILED");
    let claims = |spec: &mut Value| {
        spec["flinkConfiguration"]["execution.savepoint-restore-mode"] = json!("CLAIM");
    };
    let scene = upgraded(ran).unit(APP, "ingest", |unit| claims(&mut unit.manifest["spec"]));
    let scene = scene.edit(APP, "ingest", |object| claims(&mut object["spec"]));
    let hash = first_hash(&scene);
    let mut scene = scene.edit(APP, "ingest", |object| {
        object["metadata"]["annotations"]["flinkops.dev/applied-hash"] = json!(hash);
    });
    scene.ledger(&key(APP, "ingest")).applied[0].hash = hash;
    let scene = recorded(scene);
    let held = held(&scene).expect("it is held");
    assert_eq!(held.back_to, None);
    assert!(held.reason.contains("claimed s3://b/sp/1"), "{}", held.reason);
}

#[test]
fn s23_the_operators_own_rollback_is_named_and_the_unit_held_as_it_is() {
    let scene = upgraded(|status| status["lifecycleState"] = json!("ROLLED_BACK"));
    let scene = recorded(scene.unit(APP, "ingest", |unit| unit.policy.on_failure = OnFailure::Stop));
    let held = held(&scene).expect("it is held");
    assert_eq!((&held.back_to, held.reason.contains("ROLLED_BACK")), (&None, true), "{}", held.reason);
    let blocked = scene.of("ingest").blocked.expect("it is blocked");
    assert!(blocked.message.contains("flinkops retry ingest"), "{}", blocked.message);
    let (was, task) = retry(&scene.desired, &scene.live, &key(APP, "ingest")).expect("it is held");
    assert!(was.reason.contains("ROLLED_BACK") && matches!(task.write, Write::Replace { .. }));
}

#[test]
fn s23_what_is_held_as_it_is_and_gets_well_is_waited_for_and_then_held_no_longer() {
    let stop = |scene: Scene| scene.unit(APP, "ingest", |unit| unit.policy.on_failure = OnFailure::Stop);
    let scene = recorded(stop(upgraded(failed)));
    assert_eq!(scene.of("ingest").blocked.expect("it is held").by, BlockedBy::Held);
    let well = settled_status(&application("a:2"), 1);
    let mut scene = scene.edit(APP, "ingest", |object| object["status"] = well);
    // A process that has only begun: what it reads has held for no time yet.
    scene.live.since = super::super::observe(&[].into(), &scene.live, scene.now);
    let plan = scene.plan();
    let unit = &plan.units[0];
    let blocked = unit.blocked.as_ref().expect("not for long enough");
    assert_eq!((unit.action, blocked.by, unit.settled), (Action::Keep, BlockedBy::Gate, false));
    assert!(blocked.message.contains("not for long enough yet"), "{}", blocked.message);
    let settle = scene.desired.policy.settle;
    assert_eq!(plan.wake, scene.now.checked_add(settle).ok(), "and looked at again then");
    let scene = recorded(scene.later(settle));
    assert_eq!((held(&scene), scene.of("ingest").blocked), (None, None));
}

#[test]
fn s22_s23_never_settled_counts_from_our_write_and_losing_the_memory_only_delays_it() {
    let restarts = |status: &mut Value| {
        status["lifecycleState"] = json!("DEPLOYED");
        status["jobStatus"]["state"] = json!("RESTARTING");
    };
    let minutes = SignedDuration::from_mins;
    let scene = upgraded(restarts).later(minutes(4)).later(minutes(5));
    assert!(held(&recorded(scene)).is_none());
    // It may look well in between: what counts is that it never was for long enough.
    let scene = upgraded(restarts).later(minutes(4)).edit(APP, "ingest", |object| {
        object["status"]["jobStatus"]["state"] = json!("RUNNING");
        object["status"]["lifecycleState"] = json!("STABLE");
    });
    let scene = scene.later(SignedDuration::from_secs(5)).edit(APP, "ingest", |o| restarts(&mut o["status"]));
    let scene = recorded(scene.later(minutes(7)));
    assert!(held(&scene).expect("it is held").reason.contains("not within policy.timeout"));
    let mut forgetful = upgraded(restarts).later(minutes(9));
    forgetful.live.since.clear();
    let forgetful = recorded(forgetful.later(minutes(9)));
    assert!(held(&forgetful).is_none(), "a new process has not watched it for as long");
    assert!(held(&recorded(forgetful.later(minutes(1)))).is_some());
}

#[test]
fn s22_what_the_operator_has_not_tried_again_yet_is_no_failure_however_short_the_settle_time() {
    let busy = |status: &mut Value| status["lifecycleState"] = json!("DEPLOYED");
    let second = SignedDuration::from_secs(1);
    let scene = upgraded(busy).unit(APP, "ingest", |unit| unit.policy.settle = second);
    let scene = scene.later(second).edit(APP, "ingest", |object| failed(&mut object["status"]));
    let scene = recorded(scene.later(9 * second));
    assert!(held(&scene).is_none(), "{:?}", held(&scene));
    assert_eq!(scene.plan().wake, scene.now.checked_add(second).ok(), "and looked at again then");
    assert!(held(&recorded(scene.later(second))).is_some());
}

#[test]
fn s23_an_operator_that_is_away_is_no_failure_of_the_version() {
    let away = |status: &mut Value| status["observedGeneration"] = json!(0);
    let scene = upgraded(away).later(SignedDuration::from_hours(3)).later(SignedDuration::from_hours(3));
    assert!(held(&recorded(scene)).is_none());
}

#[test]
fn s23_a_unit_that_is_well_after_all_is_held_no_longer() {
    let scene =
        recorded(upgraded(failed).unit(APP, "ingest", |unit| unit.policy.on_failure = OnFailure::Stop));
    assert!(held(&scene).is_some());
    let scene = scene.edit(APP, "ingest", |object| {
        object["status"] = settled_status(&object["spec"], 1);
    });
    let scene = recorded(scene);
    assert!(held(&scene).is_none() && scene.live.ledgers[&key(APP, "ingest")].applied[0].settled.is_some());
}

#[test]
fn s12_a_refused_cluster_goes_back_whatever_the_policy_and_its_jobs_start_again() {
    let mut scene = recorded(session_scene("2g"));
    scene.desired.previous = session_scene("1g").desired.units;
    for (name, path) in [("clicks", "s3://b/sp/1"), ("views", "s3://b/sp/2")] {
        scene = stop_with(scene, name, path);
    }
    let scene = recorded(scene);
    let patch = patch_of(&scene.of("sessions")).clone();
    let scene = scene.edit(APP, "sessions", |object| {
        super::merge(object, &patch);
        object["metadata"]["generation"] = json!(2);
        object["status"]["error"] = json!(r#"{"type":"x.ValidationException","message":"no"}"#);
    });
    let scene = recorded(recorded(scene));
    let back_to = scene.live.ledgers[&key(APP, "sessions")].held.as_ref().unwrap().back_to.clone();
    assert!(back_to.is_some());
    let scene = recorded(scene);
    let unit = scene.of("sessions");
    assert_eq!(patch_of(&unit)["spec"]["taskManager"]["resource"]["memory"], "1g");
    let patch = patch_of(&unit).clone();
    let scene = scene.edit(APP, "sessions", |object| {
        super::merge(object, &patch);
        object["metadata"]["generation"] = json!(3);
        object["status"] = settled_status(&object["spec"], 3);
    });
    let mut writes = scene.writes();
    writes.retain(|write| write.starts_with("patch"));
    assert_eq!(writes, ["patch clicks", "patch views"]);
    assert_eq!(patch_of(&scene.of("clicks"))["spec"]["job"]["state"], "running");
}

/// A session job whose cluster lost it; a savepoint of it is on record.
fn lost() -> Scene {
    let mut scene = session_scene("1g").edit(JOB, "clicks", |object| {
        object["status"]["jobStatus"] = json!({"state": "RECONCILING", "jobId": "0abc"});
        object["status"]["error"] = json!("Job Not Found");
    });
    let savepoint = Savepoint {
        path: "s3://b/sp/5".into(),
        time: scene.now,
        flink_version: Some("v1_20".into()),
        reason: Reason::ClusterChange,
        last: false,
    };
    scene.ledger(&key(JOB, "clicks")).add_savepoint(savepoint);
    scene
}

#[test]
fn s13_s16_a_lost_job_waits_for_a_word_and_is_told_what_it_would_get() {
    let unit = lost().of("clicks");
    assert_eq!((unit.action, unit.state), (Action::Update, State::Replaced));
    let blocked = unit.blocked.unwrap();
    assert_eq!(blocked.by, BlockedBy::Consent);
    for words in ["s3://b/sp/5", "policy.repair", "stateLoss", "s3://b/cp/0abc"] {
        assert!(blocked.message.contains(words), "{words}: {}", blocked.message);
    }
    assert!(unit.next.is_empty());
}

#[test]
fn s13_a_lost_job_is_restored_once_and_never_by_stateless() {
    let scene = lost().unit(JOB, "clicks", |unit| unit.policy.repair = true);
    let patch = patch_of(&scene.of("clicks")).clone();
    assert_eq!(patch.at(PATH), Some(&json!("s3://b/sp/5")));
    assert_eq!(patch.at("/spec/job/upgradeMode"), None);
    let scene = scene.edit(JOB, "clicks", |object| {
        super::merge(object, &patch);
        object["metadata"]["generation"] = json!(2);
    });
    let unit = scene.of("clicks");
    assert_eq!((unit.action, unit.changes.len()), (Action::Keep, 0), "S19: our own fields are no drift");
    assert!(unit.next.iter().all(|task| !task.event), "the operator has not acted on it yet");
    assert_eq!(unit.health, Health::Progressing, "{}: it waits for the operator alone", unit.health_message);
    assert_eq!(unit.health_message, "the operator has not acted on generation 2 yet");
}

#[test]
fn s13_an_application_that_high_availability_brings_back_is_left_to_its_operator() {
    let gone = |object: &mut Value| {
        object["status"]["jobStatus"]["state"] = json!("RECONCILING");
        object["status"]["jobManagerDeploymentStatus"] = json!("MISSING");
    };
    let scene =
        Scene::new().git("ingest", application("a:1"), &[]).running("ingest", application("a:1")).recorded();
    let mut scene = scene.edit(APP, "ingest", gone).unit(APP, "ingest", |unit| unit.policy.repair = true);
    let (path, time, reason) = ("s3://b/sp/5".to_owned(), scene.now, Reason::Upgrade);
    let known = Savepoint { path, time, flink_version: Some("v1_20".into()), reason, last: false };
    scene.ledger(&key(APP, "ingest")).add_savepoint(known);
    let unit = scene.of("ingest");
    assert_eq!((unit.action, unit.effect, unit.health), (Action::Update, Effect::Restore, Health::Lost));
    assert_eq!(patch_of(&unit).at(PATH), Some(&json!("s3://b/sp/5")));
    // As it is stated of the operator's own configuration.
    scene.desired.operator = [("high-availability.type".to_owned(), "kubernetes".to_owned())].into();
    let unit = scene.of("ingest");
    assert_eq!((unit.action, unit.next.iter().filter(|task| task.event).count()), (Action::Keep, 0));
}

#[test]
fn s23_what_is_held_as_it_was_and_lost_is_never_created_again_as_what_it_is_held_for() {
    let before =
        Scene::new().git("ingest", application("a:1"), &[]).running("ingest", application("a:1")).recorded();
    let previous = before.desired.units.clone();
    let was = first_hash(&before);
    let mut scene = before.git("ingest", application("a:2"), &[]).edit(APP, "ingest", |object| {
        object["metadata"]["annotations"]["flinkops.dev/applied-hash"] = json!(was);
        object["status"]["jobStatus"]["state"] = json!("RECONCILING");
        object["status"]["jobManagerDeploymentStatus"] = json!("MISSING");
    });
    scene.desired.previous = previous;
    let mut scene = scene.unit(APP, "ingest", |unit| unit.policy.repair = true);
    let (hash, since) = (first_hash(&scene), scene.now);
    let (path, time, reason) = ("s3://b/sp/5".to_owned(), scene.now, Reason::Upgrade);
    let ledger = scene.ledger(&key(APP, "ingest"));
    ledger.add_savepoint(Savepoint { path, time, flink_version: Some("v1_20".into()), reason, last: false });
    let reason = "its savepoint failed".to_owned();
    ledger.held = Some(super::super::ledger::Held { hash, reason, since, back_to: None });
    let unit = scene.of("ingest");
    let restored = patch_of(&unit);
    assert_eq!((unit.action, &unit.blocked), (Action::Update, &None), "it is restored in place");
    assert_eq!((restored.at(PATH), restored.at("/spec/image")), (Some(&json!("s3://b/sp/5")), None));

    let mut scene = scene.unit(APP, "ingest", |unit| {
        unit.manifest["spec"]["job"]["savepointRedeployNonce"] = json!(3);
    });
    let hash = first_hash(&scene);
    scene.ledger(&key(APP, "ingest")).held.as_mut().unwrap().hash = hash;
    let unit = scene.of("ingest");
    let blocked = unit.blocked.expect("it would have to be deleted first");
    assert_eq!((unit.action, blocked.by), (Action::Recreate, BlockedBy::Held), "{}", blocked.message);
    assert!(unit.next.is_empty() && blocked.message.contains("flinkops retry ingest"), "{}", blocked.message);

    // Gone all the same, it waits for a word.
    scene.live.units.remove(&key(APP, "ingest"));
    scene.ledger(&key(APP, "ingest")).uid.clear();
    let blocked = scene.of("ingest").blocked.expect("it is held");
    assert!(blocked.message.contains("its savepoint failed"), "{}", blocked.message);
}

#[test]
fn s13_a_job_that_is_lost_once_more_after_its_rescue_is_rescued_once_more() {
    // The last one was changed since by somebody who may, which the operator does not look at.
    for generation in [2, 3] {
        let scene = lost().unit(JOB, "clicks", |unit| unit.policy.repair = true);
        let first = patch_of(&scene.of("clicks")).clone();
        let mut scene = scene.edit(JOB, "clicks", |object| {
            super::merge(object, &first);
            let mut status = settled_status(&object["spec"], 2);
            status["jobStatus"] = object["status"]["jobStatus"].clone();
            status["error"] = object["status"]["error"].clone();
            object["status"] = status;
            object["metadata"]["generation"] = json!(generation);
        });
        scene.now += SignedDuration::from_hours(1);
        let unit = scene.of("clicks");
        assert_eq!((unit.action, unit.effect, unit.health), (Action::Update, Effect::Restore, Health::Lost));
        let second = patch_of(&unit);
        assert_eq!(second.at(PATH).or(first.at(PATH)), Some(&json!("s3://b/sp/5")));
        assert!(second.at(NONCE).is_some_and(|nonce| Some(nonce) != first.at(NONCE)), "{second}");
    }
}

/// `clicks` after its first rescue, as the operator has it once it is well again.
fn rescued(scene: Scene, patch: &Value) -> Scene {
    let mut scene = scene.edit(JOB, "clicks", |object| {
        super::merge(object, patch);
        object["metadata"]["generation"] = json!(2);
        object["status"] = settled_status(&object["spec"], 2);
    });
    scene.now += SignedDuration::from_hours(1);
    scene
}

fn lost_again(scene: Scene) -> Scene {
    let mut scene = scene.edit(JOB, "clicks", |object| {
        object["status"]["jobStatus"]["state"] = json!("RECONCILING");
        object["status"]["error"] = json!("Job Not Found");
    });
    scene.now += SignedDuration::from_hours(1);
    scene
}

#[test]
fn s21_s13_a_consent_to_one_rescue_does_not_cover_the_next_loss_at_the_same_hash() {
    let says = |scene: Scene, why: &str| {
        scene.unit(JOB, "clicks", |unit| unit.consents.state_loss = Some(why.to_owned()))
    };
    let scene = recorded(says(lost(), "a test"));
    let patch = patch_of(&scene.of("clicks")).clone();
    let unwatched = lost_again(rescued(says(lost(), "a test"), &patch));
    let mut unwatched = says(unwatched, "a test");
    unwatched.live.ledgers = scene.live.ledgers.clone();
    let watched = recorded(rescued(scene, &patch));
    assert!(watched.live.ledgers[&key(JOB, "clicks")].consents["allow.stateLoss"].done);
    // Somebody took our mark away: the record tells all the same.
    let watched = lost_again(watched).edit(JOB, "clicks", |object| {
        object["metadata"]["annotations"].as_object_mut().unwrap().remove("flinkops.dev/operation");
    });
    for scene in [watched, unwatched] {
        let unit = scene.of("clicks");
        let blocked = unit.blocked.expect("it needs a word");
        assert_eq!((unit.health, blocked.by), (Health::Lost, BlockedBy::Consent), "{}", blocked.message);
        assert!(blocked.message.contains("(\"a test\") was used for"), "{}", blocked.message);
        let scene = recorded(says(scene, "once more"));
        let patch = patch_of(&scene.of("clicks")).clone();
        assert!(patch.at(NONCE).is_some(), "{patch}");
    }
}

#[test]
fn s16_s19_a_restore_point_that_is_new_in_git_goes_before_that_of_a_rescue() {
    let repaired = lost().unit(JOB, "clicks", |unit| unit.policy.repair = true);
    let patch = patch_of(&repaired.of("clicks")).clone();
    let scene = recorded(rescued(repaired, &patch));
    let scene = scene.unit(JOB, "clicks", |unit| {
        unit.manifest["spec"]["job"]["initialSavepointPath"] = json!("s3://b/sp/mine");
        unit.manifest["spec"]["job"]["savepointRedeployNonce"] = json!(1);
    });
    let unit = scene.of("clicks");
    assert_eq!((unit.effect, unit.state), (Effect::Restore, State::Replaced));
    let patch = patch_of(&unit);
    assert_eq!((patch.at(PATH), patch.at(NONCE)), (Some(&json!("s3://b/sp/mine")), Some(&json!(1))));
    assert_eq!(patch.at("/metadata/annotations/flinkops.dev~1operation"), Some(&Value::Null));
}

#[test]
fn s19_a_restore_point_that_git_named_long_ago_does_not_disturb_a_rescue() {
    let old = json!("s3://b/sp/old");
    let scene = lost().unit(JOB, "clicks", |unit| {
        unit.policy.repair = true;
        unit.manifest["spec"]["job"]["initialSavepointPath"] = old.clone();
    });
    let mut scene =
        scene.edit(JOB, "clicks", |object| object["spec"]["job"]["initialSavepointPath"] = old.clone());
    let hash = super::super::fields::field_hash(PATH, &old);
    let fields = &mut scene.ledger(&key(JOB, "clicks")).fields;
    let others = fields.iter().map(|(path, hash)| (path.into_owned(), hash.to_owned()));
    *fields = others.chain([(PATH.to_owned(), hash)]).collect();
    let patch = patch_of(&scene.of("clicks")).clone();
    assert_eq!(patch.at(PATH), Some(&json!("s3://b/sp/5")));
    let scene = scene.edit(JOB, "clicks", |object| {
        super::merge(object, &patch);
        object["metadata"]["generation"] = json!(2);
    });
    assert!(scene.of("clicks").changes.is_empty(), "the operator may not have looked at it yet");
}

#[test]
fn s21_a_consent_to_a_stateless_restart_does_not_cover_the_next_one_at_the_same_hash() {
    let unwritten = |image: &str| {
        let mut spec = application(image);
        spec["job"].as_object_mut().unwrap().remove("upgradeMode");
        spec
    };
    let scene =
        Scene::new().git("ingest", unwritten("a:2"), &[]).running("ingest", unwritten("a:1")).recorded();
    let scene = recorded(scene.unit(APP, "ingest", |unit| unit.consents.state_loss = Some("a test".into())));
    assert_eq!(scene.writes(), ["patch ingest"]);
    let scene = recorded(scene.running("ingest", unwritten("a:2")));
    // Somebody changes it by hand; to change it back restarts it once more.
    let scene = scene.running("ingest", unwritten("a:3"));
    let unit = scene.of("ingest");
    assert_eq!((unit.effect, unit.state), (Effect::StatelessRestart, State::Dropped));
    assert_eq!(unit.blocked.map(|blocked| blocked.by), Some(BlockedBy::Consent));
}

#[test]
fn s13_an_older_flink_does_not_read_the_savepoint_of_a_newer() {
    let mut scene = lost().unit(JOB, "clicks", |unit| unit.policy.repair = true);
    let older = |spec: &mut Value| spec["flinkVersion"] = json!("v1_19");
    scene = scene.unit(APP, "sessions", |unit| older(&mut unit.manifest["spec"]));
    scene = scene.edit(APP, "sessions", |object| older(&mut object["spec"]));
    let blocked = scene.of("clicks").blocked.unwrap();
    assert!(blocked.message.contains("does not read"), "{}", blocked.message);
}

/// Both jobs were stopped for their cluster, which has changed; `clicks` reads like this since.
fn stopped_and(status: impl Fn(&mut Value)) -> Scene {
    let mut scene = session_scene("2g");
    for (name, path) in [("clicks", "s3://b/sp/1"), ("views", "s3://b/sp/2")] {
        scene = stop_with(scene, name, path);
    }
    let scene = recorded(scene).edit(APP, "sessions", |object| {
        object["spec"] = session("2g");
        object["status"] = settled_status(&object["spec"], 1);
    });
    scene.edit(JOB, "clicks", |object| status(&mut object["status"]["jobStatus"]))
}

#[test]
fn s8_a_job_whose_status_forgot_its_savepoint_is_made_anew_from_the_one_on_record() {
    for astray in [
        |job: &mut Value| drop(job.as_object_mut().unwrap().remove("upgradeSavepointPath")),
        |job: &mut Value| job["upgradeSavepointPath"] = json!("s3://b/cp/0abc/chk-7"),
    ] {
        let scene = stopped_and(astray);
        let (clicks, views) = (scene.of("clicks"), scene.of("views"));
        assert_eq!(
            (clicks.action, clicks.state, views.action),
            (Action::Recreate, State::Kept, Action::Resume)
        );
        let scene = recorded(scene);
        let task = &scene.of("clicks").next[0];
        assert!(matches!(task.write, Write::Delete { .. }), "{task:?}");
        let mut scene = scene;
        scene.live.units.remove(&key(JOB, "clicks"));
        let unit = scene.of("clicks");
        let [super::super::write::Task { write: Write::Create { object }, .. }] = &unit.next[..] else {
            panic!()
        };
        assert_eq!(object.at(PATH), Some(&json!("s3://b/sp/1")));
    }
}

#[test]
fn s8_a_job_that_somebody_stopped_anew_waits_for_a_word() {
    let astray = |job: &mut Value| job["upgradeSavepointPath"] = json!("s3://b/sp/theirs");
    let scene = stopped_and(astray);
    let unit = scene.of("clicks");
    assert_eq!((unit.action, unit.next.len()), (Action::Resume, 0));
    let blocked = unit.blocked.unwrap();
    assert_eq!(blocked.by, BlockedBy::Consent);
    assert!(blocked.message.contains("s3://b/sp/1") && blocked.message.contains("s3://b/sp/theirs"));
    let named = scene.unit(JOB, "clicks", |unit| {
        unit.manifest["spec"] = session_job("savepoint");
        unit.manifest["spec"]["job"]["initialSavepointPath"] = json!("s3://b/sp/theirs");
    });
    let unit = named.of("clicks");
    assert_eq!((unit.action, unit.state, unit.blocked), (Action::Recreate, State::Replaced, None));
}
