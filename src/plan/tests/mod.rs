//! The rules of state, each by its id, on plans of values.

mod consent;
mod dice;
mod failure;
mod ignored;
mod properties;
mod recall;
mod recovery;
mod rename;
pub mod scene;
mod stated;
mod strangers;
mod unread;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::ledger::{ANNOTATION_FREEZE, ANNOTATION_OPERATION, Marker, Reason, Savepoint};
use super::operation::{Operation, Purpose};
use super::outcome::{Action, BlockedBy, Cause, Effect, State};
use super::step;
use super::write::Write;
use crate::flink::kind::Kind;
use crate::spec::desired::{Movement, Unknown};
use crate::spec::policy::{Adopt, Ignore, Mode};
use scene::{NAMESPACE, Scene, application, key, patch_of, retired, session, session_job, settled_status};

const APP: Kind = Kind::FlinkDeployment;
const JOB: Kind = Kind::FlinkSessionJob;

fn blocked_by(scene: &Scene, name: &str) -> Option<BlockedBy> {
    scene.of(name).blocked.map(|blocked| blocked.by)
}

fn chain() -> Scene {
    Scene::new().git("ingest", application("a:1"), &[]).git("enrich", application("b:1"), &["ingest"]).git(
        "sink",
        application("c:1"),
        &["enrich"],
    )
}

fn running_chain() -> Scene {
    chain()
        .running("ingest", application("a:1"))
        .running("enrich", application("b:1"))
        .running("sink", application("c:1"))
        .recorded()
}

fn session_scene(memory: &str) -> Scene {
    Scene::new()
        .git("sessions", session(memory), &[])
        .git("clicks", session_job("savepoint"), &[])
        .git("views", session_job("savepoint"), &[])
        .running("sessions", session("1g"))
        .running("clicks", session_job("savepoint"))
        .running("views", session_job("savepoint"))
        .recorded()
}

/// What the operator does to a session job that was told to stop.
fn stop_with(mut scene: Scene, name: &str, path: &str) -> Scene {
    let mine = |task: &super::Task| task.event && task.unit.as_ref().is_some_and(|unit| unit.name == name);
    if !step(&scene.plan()).iter().any(mine) {
        // What a consent is used for is on record first (S21).
        for task in step(&scene.plan()) {
            scene.record(&task);
        }
    }
    let task = step(&scene.plan()).into_iter().find(mine).unwrap();
    let Write::Patch { patch, .. } = task.write else { panic!("{name} is not stopped by {:?}", task.write) };
    scene = scene.edit(task.unit.unwrap().kind, name, |object| {
        merge(object, &patch);
        object["metadata"]["generation"] = json!(2);
        object["status"] = settled_status(&object["spec"], 2);
        object["status"]["jobStatus"]["upgradeSavepointPath"] = json!(path);
    });
    scene
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

#[test]
fn what_was_applied_plans_as_nothing() {
    let scene = running_chain();
    assert!(scene.plan().units.iter().all(|unit| unit.action == Action::Keep && unit.settled));
    let once = scene.writes();
    assert_eq!(once, ["record flinkops.orders"], "the revision counts as applied");
}

#[test]
fn creates_go_in_waves_and_only_the_first_may_start() {
    let scene = chain();
    let plan = scene.plan();
    let waves: Vec<Vec<&str>> =
        plan.waves.iter().map(|wave| wave.iter().map(|key| key.name.as_str()).collect()).collect();
    assert_eq!(waves, [["ingest"], ["enrich"], ["sink"]]);
    assert_eq!(scene.writes(), ["create ingest"]);
    assert!(plan.units.iter().all(|unit| unit.blocked.is_none()), "a later wave is not blocked");
}

#[test]
fn a_dependent_waits_until_the_verdict_has_held() {
    let scene = chain().running("ingest", application("a:1")).recorded().later(SignedDuration::from_secs(3));
    assert!(scene.writes().is_empty(), "settled for three seconds only");
    let wake = scene.plan().wake.unwrap();
    assert_eq!(wake.duration_since(scene.now), SignedDuration::from_secs(7));
    assert_eq!(scene.later(SignedDuration::from_secs(7)).writes(), ["create enrich"]);
}

#[test]
fn an_unsettled_dependency_blocks_with_its_reason() {
    let scene = running_chain()
        .edit(APP, "ingest", |object| object["status"]["jobStatus"]["state"] = json!("RESTARTING"))
        .unit(APP, "enrich", |unit| unit.manifest["spec"]["image"] = json!("b:2"));
    let blocked = scene.of("enrich").blocked.unwrap();
    assert_eq!((blocked.by, blocked.message.as_str()), (BlockedBy::Gate, "waits for ingest: RESTARTING"));
    assert_eq!(blocked.on, [key(APP, "ingest")]);
    assert_eq!(scene.of("sink").blocked, None, "nothing to do, nothing blocked");
}

#[test]
fn an_upgrade_is_one_patch_with_the_resource_version() {
    let scene = running_chain().unit(APP, "ingest", |unit| unit.manifest["spec"]["image"] = json!("a:2"));
    let unit = scene.of("ingest");
    assert_eq!(
        (unit.action, unit.effect, unit.state),
        (Action::Update, Effect::UpgradeFromSavepoint, State::Kept)
    );
    assert_eq!(unit.changes.len(), 1);
    let patch = patch_of(&unit);
    assert_eq!(patch["metadata"]["resourceVersion"], "7");
    assert_eq!(patch["spec"], json!({"image": "a:2"}));
    assert_eq!(scene.writes(), ["patch ingest"]);
}

#[test]
fn a_nested_configuration_key_is_replaced_by_the_flat_one() {
    let nested = |interval: &str| {
        let mut spec = application("a:1");
        spec["flinkConfiguration"]["execution"] = json!({"checkpointing": {"interval": interval}});
        spec
    };
    let scene = Scene::new().git("a", nested("2m"), &[]).running("a", nested("1m")).recorded();
    let unit = scene.of("a");
    assert_eq!(unit.changes[0].path, "/spec/flinkConfiguration/execution.checkpointing.interval");
    let expected =
        json!({"execution": {"checkpointing": {"interval": null}}, "execution.checkpointing.interval": "2m"});
    assert_eq!(patch_of(&unit)["spec"]["flinkConfiguration"], expected);
}

#[test]
fn s1_an_unreadable_folder_is_not_a_deletion_and_stops_all_deletes() {
    let mut scene = running_chain();
    scene.desired.units.remove(&key(APP, "sink"));
    scene.desired.units.remove(&key(APP, "enrich"));
    scene.desired.unknown.push(Unknown { folder: "jobs/sink".into(), name: Some("sink".into()) });
    let sink = scene.of("sink");
    assert_eq!((sink.action, sink.blocked.unwrap().by), (Action::Keep, BlockedBy::Unknown));
    assert_eq!(blocked_by(&scene, "enrich"), Some(BlockedBy::Unknown));
    assert!(scene.writes().is_empty());
}

#[test]
fn s1_what_depends_on_a_live_unit_of_an_unreadable_folder_waits() {
    let mut scene = running_chain().unit(APP, "sink", |unit| unit.manifest["spec"]["image"] = json!("c:2"));
    scene.desired.units.remove(&key(APP, "enrich"));
    scene.desired.unknown.push(Unknown { folder: "jobs/enrich".into(), name: Some("enrich".into()) });
    assert_eq!(blocked_by(&scene, "sink"), Some(BlockedBy::Unknown));
    assert!(scene.writes().is_empty());
}

#[test]
fn s1_dependents_of_an_unreadable_folder_wait() {
    let mut scene = chain();
    scene.desired.units.remove(&key(APP, "ingest"));
    scene.desired.unknown.push(Unknown { folder: "jobs/ingest".into(), name: Some("ingest".into()) });
    let blocked = scene.of("enrich").blocked.unwrap();
    assert_eq!(
        (blocked.by, blocked.message.as_str()),
        (BlockedBy::Unknown, "waits for ingest: jobs/ingest could not be read")
    );
    assert!(scene.writes().is_empty());
}

#[test]
fn s1_a_job_of_an_unreadable_folder_is_not_stopped_for_its_cluster() {
    let mut scene = session_scene("4g");
    scene.desired.units.remove(&key(JOB, "clicks"));
    scene.desired.unknown.push(Unknown { folder: "jobs/clicks".into(), name: Some("clicks".into()) });
    assert_eq!(blocked_by(&scene, "sessions"), Some(BlockedBy::Unknown));
    assert!(!scene.writes().iter().any(|write| write.starts_with("patch")), "{:?}", scene.writes());
}

#[test]
fn s2_only_what_is_ours_is_pruned() {
    let scene = running_chain().stranger("theirs", application("x"), &[]).stranger(
        "staging",
        application("x"),
        &[("flinkops.dev/repository", "orders"), ("flinkops.dev/environment", "staging")],
    );
    assert!(!scene.plan().units.iter().any(|unit| matches!(unit.key.name.as_str(), "theirs" | "staging")));
}

#[test]
fn s2_another_repository_of_the_same_name_writes_nothing() {
    let mut scene = running_chain();
    let marker = Marker { identity: "git.example/fork".into(), ..scene.live.markers[NAMESPACE].clone() };
    scene.live.markers.insert(NAMESPACE.into(), marker);
    scene = scene.unit(APP, "ingest", |unit| unit.manifest["spec"]["image"] = json!("a:2"));
    assert_eq!(blocked_by(&scene, "ingest"), Some(BlockedBy::Guard));
    assert!(scene.writes().is_empty());
}

#[test]
fn s2_the_namespace_is_marked_before_anything_is_written() {
    let mut scene = chain();
    scene.live.markers.clear();
    assert_eq!(scene.writes(), ["record flinkops.orders"]);
}

#[test]
fn s3_no_units_a_rewritten_branch_and_many_deletes_wait_for_confirmation() {
    let mut empty = running_chain();
    empty.desired.units.clear();
    assert_eq!(blocked_by(&empty, "sink"), Some(BlockedBy::Guard));
    empty.desired.confirm_deletes = Some(3);
    assert_eq!(blocked_by(&empty, "sink"), None);

    let mut rewritten = running_chain();
    rewritten.desired.units.remove(&key(APP, "sink"));
    assert_eq!(blocked_by(&rewritten, "sink"), None);
    rewritten.desired.movement = Movement::Rewritten;
    assert_eq!(blocked_by(&rewritten, "sink"), Some(BlockedBy::Guard));

    let mut many = running_chain().git("stays", application("s"), &[]);
    many.desired.policy.prune.max_deletes = 2;
    for name in ["ingest", "enrich", "sink"] {
        many.desired.units.remove(&key(APP, name));
    }
    assert_eq!(blocked_by(&many, "sink"), Some(BlockedBy::Guard));
    many.desired.confirm_deletes = Some(2);
    assert_eq!(blocked_by(&many, "sink"), Some(BlockedBy::Guard), "two were confirmed, not three");
}

#[test]
fn s4_an_equal_object_of_nobody_is_adopted_by_metadata_only() {
    let scene = Scene::new().git("a", application("a:1"), &[]).stranger("a", application("a:1"), &[]);
    let unit = scene.of("a");
    assert_eq!((unit.action, unit.adopt, unit.effect), (Action::Update, true, Effect::Metadata));
    assert_eq!(patch_of(&unit).get("spec"), None);
}

#[test]
fn s4_a_different_or_claimed_object_needs_consent() {
    let different = Scene::new().git("a", application("a:1"), &[]).stranger("a", application("a:2"), &[]);
    assert_eq!(blocked_by(&different, "a"), Some(BlockedBy::LiveConflict));
    let consented = different.unit(APP, "a", |unit| unit.consents.adopt = Some("moved here".into()));
    assert_eq!(blocked_by(&consented, "a"), None);

    let claimed = Scene::new().git("a", application("a:1"), &[]).stranger(
        "a",
        application("a:1"),
        &[("argocd.argoproj.io/instance", "x")],
    );
    assert!(claimed.of("a").blocked.unwrap().message.contains("Argo CD"));
    let any = claimed.unit(APP, "a", |unit| unit.policy.adopt = Adopt::Any);
    assert_eq!(blocked_by(&any, "a"), None);
}

#[test]
fn s5_foreign_fields_are_removed_ignored_ones_and_foreign_labels_stay() {
    let scene = running_chain().edit(APP, "ingest", |object| {
        object["spec"]["imagePullPolicy"] = json!("Always");
        object["spec"]["taskManager"] = json!({"replicas": 3});
        object["metadata"]["labels"]["team"] = json!("x");
    });
    let scene = scene.unit(APP, "ingest", |unit| {
        let path = "/spec/taskManager/replicas".into();
        unit.policy.ignore.push(Ignore { path, reason: "scaled by an autoscaler".into(), name: None });
    });
    let unit = scene.of("ingest");
    assert_eq!(
        unit.changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(),
        ["/spec/imagePullPolicy"]
    );
    assert_eq!(unit.changes[0].cause, Cause::Drift);
    assert_eq!(patch_of(&unit)["spec"], json!({"imagePullPolicy": null}));
}

#[test]
fn pending_and_drift_are_told_apart_by_the_ledger() {
    let both = |git: &str, live: &str| {
        let scene = running_chain()
            .unit(APP, "ingest", |unit| unit.manifest["spec"]["image"] = json!(git))
            .edit(APP, "ingest", |object| object["spec"]["image"] = json!(live));
        scene.of("ingest").changes[0].cause
    };
    assert_eq!(both("a:2", "a:1"), Cause::Pending);
    assert_eq!(both("a:1", "a:2"), Cause::Drift);
    assert_eq!(both("a:2", "a:3"), Cause::Both);
}

#[test]
fn s7_a_cluster_outside_git_gates_by_its_live_state() {
    let scene = Scene::new().git("clicks", session_job("savepoint"), &[]);
    assert_eq!(blocked_by(&scene, "clicks"), Some(BlockedBy::MissingCluster));
    let scene = scene.stranger("sessions", session("1g"), &[]);
    assert_eq!(scene.writes(), ["create clicks"]);
    let down = scene
        .edit(APP, "sessions", |object| object["status"]["jobManagerDeploymentStatus"] = json!("DEPLOYING"));
    assert_eq!(blocked_by(&down, "clicks"), Some(BlockedBy::Gate));
}

#[test]
fn s8_s9_s12_a_cluster_changes_only_after_every_job_is_safe_on_record() {
    let scene = session_scene("2g");
    let cluster = scene.of("sessions");
    assert_eq!((cluster.effect, cluster.state), (Effect::RestartCluster, State::Kept));
    assert_eq!(scene.writes(), ["patch clicks", "patch views"]);

    let scene = stop_with(scene, "clicks", "s3://b/sp/1");
    assert_eq!(
        scene.writes(),
        ["record clicks", "patch views"],
        "views is told to stop, clicks is written down"
    );
    let mut scene = stop_with(scene, "views", "s3://b/sp/2");
    for task in step(&scene.plan()) {
        scene.record(&task);
    }
    assert_eq!(scene.writes(), ["patch sessions"]);
    let ledger = &scene.live.ledgers[&key(JOB, "clicks")];
    assert_eq!(ledger.last_savepoint().unwrap().reason, Reason::ClusterChange);
}

#[test]
fn s12_a_cluster_change_counts_once_however_many_jobs_stop_for_it() {
    let mut scene = session_scene("2g").git("other", application("o:2"), &[]);
    scene = scene.running("other", application("o:1"));
    scene.desired.policy.concurrency = 1;
    assert_eq!(scene.writes(), ["patch other"], "one at a time");
    scene.desired.units.remove(&key(APP, "other"));
    scene.live.units.remove(&key(APP, "other"));
    let scene = stop_with(stop_with(scene, "clicks", "s3://b/sp/1"), "views", "s3://b/sp/2");
    assert_eq!(scene.writes(), ["record clicks", "record views"]);
    let mut recorded = scene;
    for task in step(&recorded.plan()) {
        recorded.record(&task);
    }
    assert_eq!(recorded.writes(), ["patch sessions"], "the stopped jobs hold no place of their own");
}

#[test]
fn s8_an_old_path_is_no_savepoint() {
    let scene = session_scene("2g").edit(JOB, "clicks", |object| {
        object["status"]["jobStatus"]["upgradeSavepointPath"] = json!("file:///sp/old");
    });
    let scene = stop_with(scene, "clicks", "file:/sp/old");
    assert!(!scene.writes().contains(&"record clicks".to_owned()));
}

#[test]
fn s11_s12_a_savepoint_that_takes_too_long_holds_the_change_and_undoes_the_stops() {
    let scene = stop_with(session_scene("2g"), "clicks", "s3://b/sp/1");
    let mut scene = stop_with(scene, "views", "s3://b/sp/2");
    scene = scene.edit(JOB, "views", |object| object["status"]["observedGeneration"] = json!(1));
    scene.now += SignedDuration::from_hours(2);
    assert_eq!(blocked_by(&scene, "sessions"), Some(BlockedBy::Held));
    for task in step(&scene.plan()) {
        scene.record(&task);
    }
    assert!(scene.live.ledgers[&key(APP, "sessions")].held.is_some());
    let mut writes = scene.writes();
    writes.retain(|write| write.starts_with("patch"));
    assert_eq!(writes, ["patch clicks", "patch views"], "both go back to the unchanged cluster");
    assert_eq!(patch_of(&scene.of("clicks"))["spec"]["job"]["state"], "running");
}

#[test]
fn s12_a_spec_the_operator_would_refuse_stops_nobody() {
    let scene = session_scene("2 bananas");
    let blocked = scene.of("sessions").blocked.unwrap();
    assert_eq!(blocked.by, BlockedBy::Guard);
    assert!(blocked.message.contains("memory parse error"), "{}", blocked.message);
    assert!(!scene.writes().iter().any(|write| write.starts_with("patch")));
}

#[test]
fn s13_a_cluster_that_is_down_is_mended_without_waiting_for_its_jobs() {
    let scene = session_scene("2g")
        .edit(APP, "sessions", |object| object["status"]["jobManagerDeploymentStatus"] = json!("ERROR"));
    assert_eq!(scene.writes(), ["patch sessions"]);
    assert_eq!(scene.of("sessions").state, State::Unknown);
}

#[test]
fn s12_a_job_that_becomes_stateless_with_its_clusters_change_is_still_stopped_first() {
    let scene =
        session_scene("2g").unit(JOB, "views", |unit| unit.manifest["spec"] = session_job("stateless"));
    assert_eq!(scene.writes(), ["patch clicks", "patch views"]);
}

#[test]
fn s12_a_stateless_job_that_leaves_is_saved_before_its_cluster_changes() {
    let mut scene = session_scene("2g");
    for name in ["clicks", "views"] {
        scene.desired.units.remove(&key(JOB, name));
        scene = scene.edit(JOB, name, |object| {
            object["spec"]["job"]["upgradeMode"] = json!("stateless");
            object["status"] = settled_status(&object["spec"], 1);
        });
    }
    assert!(!scene.writes().contains(&"patch sessions".to_owned()));
}

#[test]
fn s11_a_delete_whose_savepoint_takes_too_long_is_held_and_the_job_runs_on() {
    let mut scene = running_chain();
    scene.desired.units.remove(&key(APP, "sink"));
    let mut scene = stop_with(scene, "sink", "s3://b/sp/9")
        .edit(APP, "sink", |object| object["status"]["observedGeneration"] = json!(1));
    scene.now += SignedDuration::from_hours(2);
    assert_eq!(blocked_by(&scene, "sink"), Some(BlockedBy::Held));
    for task in step(&scene.plan()) {
        scene.record(&task);
    }
    assert_eq!(patch_of(&scene.of("sink"))["spec"]["job"]["state"], "running");
}

#[test]
fn s13_a_job_that_was_lost_while_it_was_told_to_stop_is_not_waited_for() {
    let scene = stop_with(session_scene("2g"), "clicks", "s3://b/sp/1").edit(JOB, "clicks", |object| {
        object["status"]["observedGeneration"] = json!(1);
        object["status"]["lifecycleState"] = json!("STABLE");
        object["status"]["jobStatus"] = json!({"state": "RECONCILING"});
        object["status"]["error"] = json!("Job Not Found");
    });
    let scene = stop_with(scene, "views", "s3://b/sp/2");
    let mut scene = scene;
    for task in step(&scene.plan()) {
        scene.record(&task);
    }
    assert!(scene.writes().contains(&"patch sessions".to_owned()));
}

#[test]
fn s14_a_stranger_on_the_cluster_blocks_its_change_by_name() {
    let scene = session_scene("2g").stranger("theirs", session_job("savepoint"), &[]);
    let blocked = scene.of("sessions").blocked.unwrap();
    assert_eq!(blocked.by, BlockedBy::Policy);
    assert!(blocked.message.contains("theirs"));
    assert!(!scene.writes().iter().any(|write| write.starts_with("patch")));
}

#[test]
fn s15_a_job_settles_only_after_its_cluster_has_been_ready_for_long() {
    let scene = session_scene("1g").git("report", application("r:1"), &[]);
    let mut scene = scene.unit(APP, "report", |unit| {
        unit.depends_on.push(crate::spec::Dependency {
            on: key(JOB, "clicks"),
            why: crate::spec::desired::Why::Declared,
        });
    });
    scene = scene.later(SignedDuration::from_secs(15));
    assert!(!scene.of("clicks").settled, "the cluster has been ready for 15 s only");
    assert!(scene.later(SignedDuration::from_secs(15)).of("clicks").settled);
}

#[test]
fn s9_a_delete_stops_records_lets_go_and_deletes() {
    let mut scene = running_chain();
    scene.desired.units.remove(&key(APP, "sink"));
    let unit = scene.of("sink");
    assert_eq!((unit.action, unit.state), (Action::Delete, State::Kept));
    assert_eq!(patch_of(&unit)["spec"]["job"], json!({"state": "suspended", "upgradeMode": "savepoint"}));
    let mut scene = stop_with(scene, "sink", "s3://b/sp/9");
    assert_eq!(scene.writes(), ["record sink"]);
    for task in step(&scene.plan()) {
        scene.record(&task);
    }
    assert_eq!(scene.writes(), ["delete sink"]);
    let ledger = &scene.live.ledgers[&key(APP, "sink")];
    assert_eq!((ledger.last_savepoint().unwrap().path.as_str(), ledger.uid.as_str()), ("s3://b/sp/9", ""));
}

#[test]
fn s16_a_unit_brought_back_starts_from_its_final_savepoint() {
    let mut scene = running_chain();
    scene.live.units.remove(&key(APP, "sink"));
    let now = scene.now;
    let ledger = scene.ledger(&key(APP, "sink"));
    ledger.uid.clear();
    ledger.add_savepoint(Savepoint {
        path: "s3://b/sp/9".into(),
        time: now,
        flink_version: None,
        reason: Reason::Delete,
        last: true,
    });
    let unit = scene.of("sink");
    assert_eq!((unit.action, unit.state), (Action::Create, State::Kept));
    let Write::Create { object } = &unit.next[0].write else { panic!() };
    assert_eq!(object["spec"]["job"]["initialSavepointPath"], "s3://b/sp/9");
    assert!(object["metadata"]["annotations"][ANNOTATION_OPERATION].is_string(), "marked as ours (S19)");
    let unit = scene.unit(APP, "sink", |unit| unit.consents.fresh = true).of("sink");
    assert_eq!(unit.state, State::Dropped, "onCreate: fresh consents to an empty start");
    let Write::Create { object } = &unit.next[0].write else { panic!() };
    assert!(object["spec"]["job"]["initialSavepointPath"].is_null());
}

#[test]
fn s16_after_an_outside_delete_nothing_restarts_by_itself() {
    let mut scene = running_chain();
    scene.live.units.remove(&key(APP, "sink"));
    assert_eq!(blocked_by(&scene, "sink"), Some(BlockedBy::Consent));
    let scene = scene.unit(APP, "sink", |unit| unit.consents.state_loss = Some("test data".into()));
    assert_eq!(scene.remembered().writes(), ["create sink"]);
}

#[test]
fn s17_no_silent_stateless() {
    let without_mode = |image: &str| {
        let mut spec = application(image);
        spec["job"].as_object_mut().unwrap().remove("upgradeMode");
        spec
    };
    let scene = Scene::new().git("a", without_mode("a:2"), &[]).running("a", without_mode("a:1")).recorded();
    assert_eq!((blocked_by(&scene, "a"), scene.of("a").state), (Some(BlockedBy::Consent), State::Dropped));
    let by_words =
        scene.unit(APP, "a", |unit| unit.manifest["spec"]["job"]["upgradeMode"] = json!("stateless"));
    let unit = by_words.of("a");
    assert_eq!((unit.blocked, unit.effect, unit.state), (None, Effect::StatelessRestart, State::Dropped));
}

#[test]
fn s17_a_stateless_job_is_still_saved_before_it_is_deleted() {
    let mut stateless = application("a:1");
    stateless["job"]["upgradeMode"] = json!("stateless");
    let scene = Scene::new().git("b", application("b"), &[]).running("a", stateless);
    assert_eq!(patch_of(&scene.of("a"))["spec"]["job"]["upgradeMode"], "savepoint");
}

#[test]
fn s19_a_job_a_person_suspended_is_reported_and_not_resumed() {
    let scene = running_chain().edit(APP, "sink", |object| {
        object["spec"]["job"]["state"] = json!("suspended");
        object["status"] = settled_status(&object["spec"], 1);
    });
    let unit = scene.of("sink");
    assert_eq!((unit.action, unit.blocked.unwrap().by), (Action::Resume, BlockedBy::Policy));
    assert!(scene.writes().is_empty());
    let healed = scene.unit(APP, "sink", |unit| unit.policy.heal_suspend = true);
    assert_eq!(healed.writes(), ["patch sink"]);
}

#[test]
fn s19_a_temporary_stop_of_ours_is_no_drift() {
    let scene = stop_with(session_scene("2g"), "clicks", "s3://b/sp/1");
    let unit = scene.of("clicks");
    assert_eq!((unit.action, unit.changes.len()), (Action::Resume, 0));
    assert!(unit.suspended_by_us.is_some());
}

#[test]
fn s19_a_freeze_in_the_file_or_on_the_object_stops_every_write() {
    let change =
        |scene: Scene| scene.unit(APP, "ingest", |unit| unit.manifest["spec"]["image"] = json!("a:2"));
    let file =
        change(running_chain()).unit(APP, "ingest", |unit| unit.consents.freeze = Some("month end".into()));
    let object = change(running_chain()).edit(APP, "ingest", |object| {
        object["metadata"]["annotations"][ANNOTATION_FREEZE] = json!("month end");
    });
    for scene in [file, object] {
        let blocked = scene.of("ingest").blocked.unwrap();
        assert_eq!((blocked.by, blocked.message.as_str()), (BlockedBy::Frozen, "frozen: month end"));
        assert!(scene.writes().is_empty());
    }
}

#[test]
fn s19_a_frozen_job_keeps_its_cluster_from_changing() {
    let scene = session_scene("2g").unit(JOB, "views", |unit| unit.consents.freeze = Some("audit".into()));
    assert_eq!(blocked_by(&scene, "sessions"), Some(BlockedBy::Frozen));
    assert!(!scene.writes().iter().any(|write| write.starts_with("patch")));
}

#[test]
fn s10_a_finished_batch_is_never_stopped_around_a_cluster_change() {
    let scene = session_scene("2g")
        .edit(JOB, "clicks", |object| object["status"]["jobStatus"]["state"] = json!("FINISHED"));
    assert_eq!(scene.writes(), ["patch views"]);
    assert_eq!(scene.of("clicks").action, Action::Keep);
}

#[test]
fn s20_a_revert_in_the_middle_brings_the_jobs_back() {
    let scene = stop_with(stop_with(session_scene("2g"), "clicks", "s3://b/sp/1"), "views", "s3://b/sp/2");
    let reverted = scene.unit(APP, "sessions", |unit| unit.manifest["spec"] = session("1g"));
    let writes: Vec<String> =
        reverted.writes().into_iter().filter(|write| write.starts_with("patch")).collect();
    assert_eq!(writes, ["patch clicks", "patch views"]);
    assert!(reverted.of("clicks").next[0].message.contains("starts again"));
}

#[test]
fn s20_a_job_that_is_only_carried_starts_again_as_it_was_whatever_git_says_of_it() {
    let mut scene =
        stop_with(stop_with(session_scene("2g"), "clicks", "s3://b/sp/1"), "views", "s3://b/sp/2");
    for task in step(&scene.plan()) {
        scene.record(&task);
    }
    // The cluster has changed, the process was killed, and now it is the cluster alone that is meant.
    let scene = scene.edit(APP, "sessions", |object| object["spec"] = session("2g")).recorded();
    let mut scene = scene.unit(JOB, "clicks", |unit| unit.manifest["spec"]["job"]["parallelism"] = json!(9));
    scene.desired.units.remove(&key(JOB, "views"));
    scene.desired.carried = ["clicks", "views"].map(|name| key(JOB, name)).into();
    for name in ["clicks", "views"] {
        let unit = scene.of(name);
        assert_eq!(unit.action, Action::Resume);
        let mut patch = patch_of(&unit).clone();
        assert_eq!(patch["spec"], json!({"job": {"state": "running", "upgradeMode": "savepoint"}}), "{name}");
        let annotations = patch["metadata"]["annotations"].take();
        assert_eq!(annotations, json!({"flinkops.dev/operation": null}), "{name}");
    }
    assert!(scene.plan().records.is_empty(), "the revision does not count as applied");
}

#[test]
fn s21_a_job_that_cannot_be_saved_is_deleted_only_by_consent_in_flinkops_yaml() {
    let mut scene = running_chain().edit(APP, "sink", |object| {
        object["status"]["jobManagerDeploymentStatus"] = json!("ERROR");
    });
    scene.desired.units.remove(&key(APP, "sink"));
    assert_eq!(blocked_by(&scene, "sink"), Some(BlockedBy::Consent));
    scene.desired.removed.push(retired("sink"));
    assert_eq!((scene.of("sink").state, blocked_by(&scene, "sink")), (State::Dropped, None));
}

#[test]
fn s22_losing_the_memory_delays_and_changes_nothing() {
    let scene = chain().running("ingest", application("a:1")).recorded();
    let lasting = scene.later(SignedDuration::from_secs(20));
    assert_eq!(lasting.writes(), ["create enrich"]);
    let mut forgotten = lasting;
    forgotten.live.since = super::observe(&BTreeMap::new(), &forgotten.live, forgotten.now);
    assert!(forgotten.writes().is_empty());
    assert_eq!(forgotten.later(SignedDuration::from_secs(10)).writes(), ["create enrich"]);
}

#[test]
fn report_mode_writes_nothing_at_all() {
    let mut scene = chain();
    scene.desired.policy.mode = Mode::Report;
    for unit in scene.desired.units.values_mut() {
        unit.policy.mode = Mode::Report;
    }
    assert!(scene.writes().is_empty());
    assert_eq!(blocked_by(&scene, "ingest"), Some(BlockedBy::Policy));
}

#[test]
fn an_immutable_change_waits_for_consent_and_then_goes_by_savepoint() {
    let scene = Scene::new()
        .git("sessions", session("1g"), &[])
        .git("other", session("1g"), &[])
        .git("clicks", session_job("savepoint"), &[])
        .running("sessions", session("1g"))
        .running("other", session("1g"))
        .running("clicks", session_job("savepoint"))
        .recorded()
        .unit(JOB, "clicks", |unit| unit.manifest["spec"]["deploymentName"] = json!("other"));
    let unit = scene.of("clicks");
    assert_eq!((unit.action, unit.blocked.unwrap().by), (Action::Recreate, BlockedBy::Consent));
    let scene = scene.unit(JOB, "clicks", |unit| unit.consents.recreate = Some("moved".into())).remembered();
    let mark = patch_of(&scene.of("clicks"))["metadata"]["annotations"][ANNOTATION_OPERATION].clone();
    let mark: Operation = serde_json::from_str(mark.as_str().unwrap()).unwrap();
    assert_eq!(mark.purpose, Purpose::Recreate);
}

#[test]
fn a_change_that_never_settles_gives_its_place_up_after_the_timeout() {
    let mut scene = running_chain()
        .git("other", application("o:2"), &[])
        .running("other", application("o:1"))
        .edit(APP, "sink", |object| object["status"]["jobStatus"]["state"] = json!("RESTARTING"))
        .later(SignedDuration::from_mins(5));
    scene.desired.policy.concurrency = 1;
    assert!(scene.writes().is_empty(), "the sink is under way");
    assert_eq!(scene.later(SignedDuration::from_mins(5)).writes(), ["patch other"]);
}
