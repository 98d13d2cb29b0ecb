//! Session jobs that are left to their cluster's high availability (S15).

use serde_json::{Value, json};

use super::scene::{Scene, key, session, session_job};
use super::{APP, JOB};
use crate::plan::outcome::{Action, Effect, State, StepKind};
use crate::spec::policy::ClusterChange;

const CONFIGURATION: &str = "/flinkConfiguration";

/// A session cluster with high availability.
fn available(memory: &str) -> Value {
    let mut spec = session(memory);
    let more = json!({"high-availability.type": "kubernetes", "high-availability.storageDir": "s3://b/ha",
        "execution.checkpointing.interval": "60 s"});
    super::merge(spec.pointer_mut(CONFIGURATION).unwrap(), &more);
    spec
}

/// The cluster changes, and policy has `clicks` left to high availability; both as `before` has the cluster.
fn changing(before: impl Fn(&mut Value), wanted: impl Fn(&mut Value)) -> Scene {
    let (mut live, mut git) = (available("1g"), available("2g"));
    before(&mut live);
    before(&mut git);
    wanted(&mut git);
    let scene = Scene::new().git("sessions", git, &[]).git("clicks", session_job("savepoint"), &[]);
    let scene = scene.running("sessions", live).running("clicks", session_job("savepoint")).recorded();
    scene.unit(JOB, "clicks", |unit| unit.policy.cluster_change = ClusterChange::Ha)
}

fn set(spec: &mut Value, key: &str, value: Value) {
    spec["flinkConfiguration"][key] = value;
}

#[test]
fn s15_a_job_whose_policy_says_so_is_left_to_high_availability() {
    let scene = changing(|_| {}, |_| {});
    let unit = scene.of("sessions");
    assert_eq!((unit.effect, unit.state, unit.blocked), (Effect::RestartCluster, State::Kept, None));
    let steps: Vec<_> = unit.steps.iter().map(|step| (step.what, step.unit.name.as_str())).collect();
    let expected = [
        (StepKind::Update, "sessions"),
        (StepKind::WaitSettled, "sessions"),
        (StepKind::WaitSettled, "clicks"),
    ];
    assert_eq!(steps, expected);
    assert!(unit.reasons.iter().any(|it| it.starts_with("clicks is left to high availability")));
    assert_eq!(scene.writes(), ["patch sessions"]);
    assert_eq!(scene.of("clicks").action, Action::Keep);
    let by_savepoint =
        scene.unit(JOB, "clicks", |unit| unit.policy.cluster_change = ClusterChange::Savepoint);
    assert_eq!(by_savepoint.writes(), ["patch clicks"]);
}

#[test]
fn s15_where_high_availability_cannot_be_relied_on_a_savepoint_is_taken_and_the_plan_says_why() {
    let none = |_: &mut Value| {};
    let unset = |key: &'static str| move |spec: &mut Value| set(spec, key, json!(""));
    let to = |key: &'static str, value: &'static str| move |spec: &mut Value| set(spec, key, json!(value));
    let version = |spec: &mut Value| spec["flinkVersion"] = json!("v2_0");
    for (scene, why) in [
        (
            changing(unset("high-availability.type"), to("high-availability.type", "kubernetes")),
            "high-availability.type is not set in sessions as it is",
        ),
        (
            changing(none, unset("high-availability.type")),
            "high-availability.type is not set in sessions any more",
        ),
        (
            changing(none, to("high-availability.type", "zookeeper")),
            "high-availability.type is zookeeper, not kubernetes, in sessions any more",
        ),
        (
            changing(to("high-availability.storageDir", ""), none),
            "high-availability.storageDir is not set in sessions as it is",
        ),
        (
            changing(none, to("high-availability.storageDir", "s3://b/elsewhere")),
            "high-availability.storageDir changes in sessions",
        ),
        (
            changing(none, to("high-availability.cluster-id", "other")),
            "high-availability.cluster-id changes in sessions",
        ),
        (changing(none, version), "sessions goes to another Flink version"),
        (
            changing(unset("execution.checkpointing.interval"), none),
            "execution.checkpointing.interval is not set",
        ),
        (
            changing(none, none)
                .unit(JOB, "clicks", |unit| unit.manifest["spec"]["job"]["parallelism"] = json!(3)),
            "its own spec changes as well",
        ),
        (
            changing(none, none)
                .edit(APP, "sessions", |object| object["status"]["observedGeneration"] = json!(0)),
            "the operator has not acted on sessions yet",
        ),
    ] {
        let reasons = scene.of("sessions").reasons;
        let said = format!("clicks is stopped with a savepoint, although its policy says ha: {why}");
        assert!(reasons.iter().any(|reason| reason.starts_with(&said)), "{why}: {reasons:#?}");
        let first = scene.writes();
        assert!(first.iter().all(|write| write == "patch clicks"), "S9, {why}: {first:?}");
    }
}

#[test]
fn s9_s15_the_newest_checkpoint_of_a_job_that_is_not_saved_is_on_record_before_its_cluster_changes() {
    use crate::flink::rest::{Checkpoint, JobState};
    let mut scene = changing(|_| {}, |_| {});
    let checkpoint = Some(Checkpoint { path: "s3://b/cp/1/chk-7".into(), time: scene.now });
    let told = JobState { checkpoint, ..JobState::default() };
    scene.live.states.insert(key(JOB, "clicks"), Ok(told));
    assert_eq!(scene.writes(), ["record clicks"]);
    let scene = scene.remembered();
    let ledger = &scene.live.ledgers[&key(JOB, "clicks")];
    assert_eq!(ledger.checkpoint.as_ref().map(|it| it.path.as_str()), Some("s3://b/cp/1/chk-7"));
    assert_eq!(scene.writes(), ["patch sessions"]);
}
