//! Whole flows on the embedded cluster: from a commit to counting jobs, state kept all along.

mod availability;
mod failure;
mod held;
mod kinds;
mod properties;
pub mod world;

use std::time::Duration;

use flinkops::daemon::Outcome;
use flinkops::flink::kind::Kind;
use flinkops::plan::Plan;
use flinkops::plan::ledger::Reason;
use flinkops::plan::outcome::{Action, Cause};
use flinkops::sim::OperatorMode;
use flinkops::sim::api::patch::Patch;
use flinkops::sim::api::store::{DeleteOptions, WriteOptions};
use serde_json::json;
use world::{World, key};

const MODES: [OperatorMode; 2] = [OperatorMode::V1_7, OperatorMode::V1_15];
const JOBS: [&str; 5] = ["orders-ingest", "orders-enrich", "orders-sink", "delivery-times", "fraud-scores"];

fn position(log: &[String], line: &str) -> usize {
    log.iter().position(|it| it.starts_with(line)).unwrap_or_else(|| panic!("{line} is not in {log:#?}"))
}

async fn everything_runs(operator: OperatorMode) -> World {
    let mut world = World::new(operator);
    world.settle().await;
    world
}

#[tokio::test(start_paused = true)]
async fn the_first_commit_goes_in_waves_and_the_second_run_writes_nothing() {
    for mode in MODES {
        let mut world = World::new(mode);
        let log = world.settle().await;
        for (before, after) in [
            ("orders-session: creates", "delivery-times: creates"),
            ("orders-session: creates", "fraud-scores: creates"),
            ("orders-ingest: creates", "orders-enrich: creates"),
            ("orders-enrich: creates", "orders-sink: creates"),
        ] {
            assert!(position(&log, before) < position(&log, after), "{before} before {after}: {log:#?}");
        }
        assert!(JOBS.iter().all(|job| world.job(job).state == "RUNNING"));
        assert_eq!(world.settle().await, [] as [String; 0], "{mode:?}");
        assert!(world.plan().await.units.iter().all(|unit| unit.action == Action::Keep));
    }
}

/// A job that waits for a Deployment nobody has in Git yet: it goes on its own once the Deployment is available.
#[tokio::test(start_paused = true)]
async fn a_job_starts_once_the_live_object_it_waits_for_is_ready() {
    let mut world = World::new(OperatorMode::V1_15);
    let awaits = "{apiVersion: apps/v1, kind: Deployment, name: schema-registry}";
    world.edit("jobs/orders-sink/job.yaml", "[orders-enrich]", &format!("[orders-enrich, {awaits}]"));
    let unserved =
        "dependsOn: [{apiVersion: kafka.strimzi.io/v1beta2, kind: KafkaTopic, name: orders}]\nspec:";
    world.edit("jobs/orders-ingest/job.yaml", "spec:", unserved);
    let blocked = |plan: &Plan, name: &str| {
        let unit = plan.units.iter().find(|unit| unit.key.name == name).unwrap();
        unit.blocked.as_ref().map(|blocked| blocked.message.clone()).unwrap_or_default()
    };
    let plan = world.plan().await;
    let message =
        "waits for KafkaTopic/orders: the cluster does not serve KafkaTopic of kafka.strimzi.io/v1beta2";
    assert_eq!(blocked(&plan, "orders-ingest"), message);
    assert!(blocked(&plan, "orders-sink").starts_with("waits for"), "{}", blocked(&plan, "orders-sink"));
    world.edit("jobs/orders-ingest/job.yaml", unserved, "spec:");

    let outcome = world.apply_for(Duration::from_secs(600)).await;
    assert!(matches!(outcome, Outcome::TimedOut(_)), "{outcome:#?}");
    assert!(world.try_job("orders-sink").is_none() && world.job("orders-enrich").state == "RUNNING");
    assert_eq!(
        blocked(&world.plan().await, "orders-sink"),
        "waits for Deployment/schema-registry: does not exist"
    );

    let (client, namespace) = (world.cluster().client().clone(), world::NAMESPACE);
    let later = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(120)).await;
        let deployments: kube::Api<k8s_openapi::api::apps::v1::Deployment> =
            kube::Api::namespaced(client, namespace);
        let object = json!({"metadata": {"name": "schema-registry"}, "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}}});
        deployments
            .create(&kube::api::PostParams::default(), &serde_json::from_value(object).unwrap())
            .await
            .unwrap();
    });
    // One process, which waits: its watch tells it of the Deployment, and of its condition.
    let outcome = world.apply().await;
    later.await.unwrap();
    assert!(outcome.is_settled(), "{outcome:#?}");
    assert_eq!(world.job("orders-sink").state, "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_upgrade_and_a_cluster_change_keep_every_jobs_state() {
    for mode in MODES {
        let mut world = everything_runs(mode).await;
        let before = JOBS.map(|job| world.job(job).records);
        world.edit("jobs/orders-ingest/job.yaml", "image:", "imagePullPolicy: Always\n  image:");
        world.edit("jobs/orders-session/job.yaml", "spec:", "spec:\n  restartNonce: 1");
        let log = world.settle().await;
        for job in ["delivery-times", "fraud-scores"] {
            let stops = position(&log, &format!("{job}: stops with a savepoint"));
            let changes = position(&log, "orders-session: restarts the session cluster");
            let resumes = position(&log, &format!("{job}: starts again"));
            assert!(stops < changes && changes < resumes, "{log:#?}");
            let view = world.job(job);
            let ledger = world.ledger(Kind::FlinkSessionJob, job);
            let savepoint = &ledger.savepoints[0];
            assert_eq!(
                view.restored_from.as_deref(),
                Some(savepoint.path.as_str()),
                "restored from the one on record"
            );
            assert_eq!((savepoint.reason, savepoint.last), (Reason::ClusterChange, false));
        }
        assert!(world.job("orders-ingest").restored_from.is_some());
        for (job, before) in JOBS.iter().zip(before) {
            assert!(world.job(job).records > before, "{job} counts on in {mode:?}");
        }
        assert_eq!(world.job("orders-sink").starts, 1, "what nothing changed is left alone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hand_edit_is_drift_by_whom_and_is_healed() {
    let mut world = everything_runs(OperatorMode::V1_15).await;
    let sink = (&key(Kind::FlinkDeployment, "orders-sink")).into();
    let patch = Patch::Merge(json!({"spec": {"job": {"parallelism": 7}}}));
    world.sim.store().patch(&sink, &patch, &WriteOptions::by("kubectl-edit")).unwrap();
    let plan = world.plan().await;
    let unit = plan.units.iter().find(|unit| unit.key.name == "orders-sink").unwrap();
    let change = &unit.changes[0];
    assert_eq!((change.path.as_str(), change.cause), ("/spec/job/parallelism", Cause::Drift));
    assert_eq!(change.owner.as_ref().unwrap().manager, "kubectl-edit");
    world.settle().await;
    let object = world.object(Kind::FlinkDeployment, "orders-sink").unwrap();
    assert_ne!(object["spec"]["job"]["parallelism"], 7);
    assert!(world.job("orders-sink").restored_from.is_some(), "healed with its state");
}

#[tokio::test(start_paused = true)]
async fn a_folder_deleted_and_brought_back_resumes_from_its_final_savepoint() {
    for mode in MODES {
        for (job, kind) in [("orders-sink", Kind::FlinkDeployment), ("fraud-scores", Kind::FlinkSessionJob)] {
            let mut world = everything_runs(mode).await;
            let before = world.job(job).records;
            let folder = world.remove(&format!("jobs/{job}/"));
            let log = world.settle().await;
            assert!(
                position(&log, &format!("{job}: stops with a savepoint"))
                    < position(&log, &format!("{job}: deletes"))
            );
            assert!(world.object(kind, job).is_none() && world.try_job(job).is_none());
            let savepoint = world.ledger(kind, job).last_savepoint().cloned().unwrap();
            assert_eq!(savepoint.reason, Reason::Delete);
            world.files.extend(folder);
            world.settle().await;
            let view = world.job(job);
            assert_eq!(view.restored_from.as_deref(), Some(savepoint.path.as_str()), "{mode:?} {job}");
            assert!(view.records > before);
            assert!(
                world.ledger(kind, job).last_savepoint().is_none(),
                "a job that runs has no final savepoint"
            );
            assert_eq!(world.settle().await, [] as [String; 0]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_suspended_in_git_rests_and_resumes_with_its_state() {
    for mode in MODES {
        let mut world = everything_runs(mode).await;
        let before = world.job("delivery-times").records;
        world.edit("jobs/delivery-times/job.yaml", "job:", "job:\n    state: suspended");
        assert_eq!(world.settle().await.len(), 1);
        assert_eq!(world.settle().await, [] as [String; 0], "suspended is settled");
        let savepoint =
            world.ledger(Kind::FlinkSessionJob, "delivery-times").last_savepoint().cloned().unwrap();
        assert_eq!(savepoint.reason, Reason::Suspend);
        world.edit("jobs/delivery-times/job.yaml", "job:\n    state: suspended", "job:");
        world.settle().await;
        assert!(world.job("delivery-times").records > before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_spec_the_operator_refuses_is_named_and_stops_only_its_dependents() {
    let mut world = everything_runs(OperatorMode::V1_15).await;
    world.edit("jobs/orders-enrich/job.yaml", "spec:", "spec:\n  jobManager: {replicas: 2}");
    world.edit("jobs/orders-sink/job.yaml", "spec:", "spec:\n  restartNonce: 1");
    world.edit("jobs/fraud-scores/job.yaml", "spec:", "spec:\n  restartNonce: 1");
    let outcome = world.apply().await;
    assert!(!matches!(outcome, flinkops::daemon::Outcome::Settled(_)));
    let log = world.log.take();
    assert!(log.iter().any(|line| line.starts_with("fraud-scores: upgrades")), "{log:#?}");
    assert!(!log.iter().any(|line| line.starts_with("orders-sink:")), "{log:#?}");
}

#[tokio::test(start_paused = true)]
async fn s1_a_broken_folder_holds_back_what_depends_on_it_and_nothing_else() {
    let mut world = everything_runs(OperatorMode::V1_15).await;
    world.edit("jobs/orders-enrich/job.yaml", "spec:", "spec:\n  imagee: x");
    world.edit("jobs/orders-sink/job.yaml", "spec:", "spec:\n  restartNonce: 1");
    world.edit("jobs/fraud-scores/job.yaml", "spec:", "spec:\n  restartNonce: 1");
    world.apply().await;
    assert_eq!(world.log.take().len(), 1, "only fraud-scores");
    assert_eq!(world.job("fraud-scores").starts, 2);
}

#[tokio::test(start_paused = true)]
async fn an_object_deleted_by_hand_is_not_started_from_nothing() {
    let mut world = everything_runs(OperatorMode::V1_15).await;
    let sink = (&key(Kind::FlinkDeployment, "orders-sink")).into();
    world.sim.store().delete(&sink, &DeleteOptions::default()).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    assert!(world.object(Kind::FlinkDeployment, "orders-sink").is_none());
    let outcome = world.apply().await;
    assert!(!matches!(outcome, flinkops::daemon::Outcome::Settled(_)), "{outcome:?}");
    assert!(world.object(Kind::FlinkDeployment, "orders-sink").is_none(), "S16");
}

#[tokio::test(start_paused = true)]
async fn what_a_webhook_makes_of_a_value_is_found_and_not_fought() {
    let mut world = everything_runs(OperatorMode::V1_15).await;
    world.sim.store().set_webhook("FlinkDeployment", |object| {
        let image = object["spec"]["image"].as_str().unwrap_or_default().to_owned();
        if let Some(name) = image.strip_prefix("registry.example.com/") {
            object["spec"]["image"] = json!(format!("mirror.example.com/{name}"));
        }
    });
    world.edit("jobs/orders-sink/job.yaml", "spec:", "spec:\n  restartNonce: 1");
    world.edit("jobs/orders-ingest/job.yaml", "ingest:1.4.1", "ingest:1.5.0");
    let log = world.settle().await;
    assert_eq!(log.len(), 2, "one write each: {log:#?}");
    let image = |world: &World, name: &str| {
        world.object(Kind::FlinkDeployment, name).unwrap()["spec"]["image"].as_str().unwrap().to_owned()
    };
    assert_eq!(image(&world, "orders-ingest"), "mirror.example.com/orders/ingest:1.5.0");
    for _ in 0..2 {
        assert_eq!(world.settle().await, [] as [String; 0], "it is not written again");
    }
    let plan = world.plan().await;
    assert!(plan.units.iter().all(|unit| unit.action == Action::Keep), "{:#?}", plan.units);
    let found: Vec<_> =
        plan.findings.iter().map(|found| (found.rule.as_str(), found.unit.as_deref().unwrap())).collect();
    assert_eq!(found, [("changed-by-cluster", "orders-ingest"), ("changed-by-cluster", "orders-sink")]);
    let file = |at: usize| plan.findings[at].place.file.as_str();
    assert_eq!((file(0), file(1)), ("jobs/orders-ingest/job.yaml", "jobs/orders-sink/job.yaml"));
    // Another change goes through, and says nothing of the image.
    world.edit("jobs/orders-ingest/job.yaml", "spec:", "spec:\n  restartNonce: 1");
    let plan = world.plan().await;
    let ingest = plan.units.iter().find(|unit| unit.key.name == "orders-ingest").unwrap();
    let paths: Vec<_> = ingest.changes.iter().map(|change| (change.path.as_str(), change.cause)).collect();
    assert_eq!(paths, [("/spec/restartNonce", Cause::Pending)]);
    assert_eq!(world.settle().await.len(), 1);
    // What a person makes of it is a person's.
    let sink = (&key(Kind::FlinkDeployment, "orders-sink")).into();
    let patch = Patch::Merge(json!({"spec": {"image": "example.com/other:1"}}));
    world.sim.store().patch(&sink, &patch, &WriteOptions::by("kubectl-edit")).unwrap();
    let plan = world.plan().await;
    let sink = plan.units.iter().find(|unit| unit.key.name == "orders-sink").unwrap();
    assert_eq!((sink.changes[0].path.as_str(), sink.changes[0].cause), ("/spec/image", Cause::Drift));
}

/// An operator looks at no change of a suspended job, and a savepoint on record stays what it is.
#[tokio::test(start_paused = true)]
async fn s8_s16_a_suspended_job_that_was_changed_settles_and_leaves_with_its_savepoint() {
    for mode in MODES {
        let mut world = everything_runs(mode).await;
        world.edit("jobs/delivery-times/job.yaml", "job:", "job:\n    state: suspended");
        world.settle().await;
        let ledger = world.ledger(Kind::FlinkSessionJob, "delivery-times");
        let stopped = ledger.last_savepoint().expect("a final savepoint").path.clone();
        world.edit("jobs/delivery-times/job.yaml", "parallelism: 1", "parallelism: 2");
        world.settle().await;
        let folder = world.remove("jobs/delivery-times");
        world.settle().await;
        assert!(world.object(Kind::FlinkSessionJob, "delivery-times").is_none(), "{mode:?}");
        let ledger = world.ledger(Kind::FlinkSessionJob, "delivery-times");
        assert_eq!(ledger.last_savepoint().map(|savepoint| savepoint.path.as_str()), Some(stopped.as_str()));
        world.files.extend(folder);
        world.edit("jobs/delivery-times/job.yaml", "state: suspended", "state: running");
        world.settle().await;
        assert_eq!(world.job("delivery-times").restored_from, Some(stopped), "{mode:?}");
    }
}
