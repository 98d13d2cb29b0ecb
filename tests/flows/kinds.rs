//! Units of the rarer kinds on the embedded cluster.

use std::time::Duration;

use flinkops::flink::kind::Kind;
use flinkops::plan::outcome::{Action, BlockedBy, Effect, State};
use flinkops::rule::RuleId;
use flinkops::sim::OperatorMode;

use super::world::World;

const SNAPSHOT: &str = "kind: FlinkStateSnapshot
spec:
  jobReference: {kind: FlinkDeployment, name: orders-ingest}
  savepoint: {}
";

fn with_snapshot(world: &mut World) {
    world.files.insert("jobs/before-launch/job.yaml".to_owned(), SNAPSHOT.to_owned());
}

/// The operator deletes a savepoint with its snapshot, unless it is told not to.
#[tokio::test(start_paused = true)]
async fn a_snapshot_is_taken_once_its_job_runs_and_its_savepoint_outlives_it() {
    let mut world = World::new(OperatorMode::V1_15);
    with_snapshot(&mut world);
    world.settle().await;
    let snapshot = world.object(Kind::FlinkStateSnapshot, "before-launch").unwrap();
    assert_eq!(snapshot["status"]["state"], "COMPLETED");
    let path = snapshot["status"]["path"].as_str().unwrap().to_owned();
    let known = world.ledger(Kind::FlinkStateSnapshot, "before-launch");
    assert_eq!(known.savepoints.iter().map(|it| &it.path).collect::<Vec<_>>(), [&path], "it is on record");
    assert_eq!(world.job("orders-ingest").starts, 1, "its job runs on");

    world.remove("jobs/before-launch/");
    let log = world.settle().await;
    assert!(log[0].starts_with("before-launch: keeps the savepoint"), "{log:#?}");
    assert_eq!(world.object(Kind::FlinkStateSnapshot, "before-launch"), None);
    assert!(world.sim.operator().disk().contains_key(&path), "its savepoint is there still");
    assert!(world.ledger(Kind::FlinkStateSnapshot, "before-launch").knows(&path), "and on record");
}

#[tokio::test(start_paused = true)]
async fn a_savepoint_goes_with_its_snapshot_where_a_person_consented_once() {
    let mut world = World::new(OperatorMode::V1_15);
    with_snapshot(&mut world);
    world.settle().await;
    assert_eq!(world.sim.operator().disk().len(), 1);
    world.remove("jobs/before-launch/");
    let consent = "removed: [{name: before-launch, allow: {stateLoss: it was a rehearsal}}]\n";
    world.files.get_mut("flinkops.yaml").unwrap().push_str(consent);
    world.settle().await;
    assert!(world.sim.operator().disk().is_empty());
    // S21: another of the name is another one.
    with_snapshot(&mut world);
    world.settle().await;
    world.remove("jobs/before-launch/");
    world.settle().await;
    assert_eq!(world.sim.operator().disk().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_snapshots_does_everything_else() {
    let mut world = World::new(OperatorMode::V1_7);
    with_snapshot(&mut world);
    world.apply_for(Duration::from_secs(600)).await;
    let plan = world.plan().await;
    for unit in &plan.units {
        if unit.key.kind == Kind::FlinkStateSnapshot {
            assert_eq!(unit.blocked.as_ref().map(|it| it.by), Some(BlockedBy::Policy), "{:?}", unit.blocked);
        } else {
            assert_eq!((unit.action, unit.settled), (Action::Keep, true), "{}", unit.key);
        }
    }
    assert!(plan.findings.iter().any(|finding| finding.rule == RuleId::KindNotServed));
}

/// The fields of a FlinkDeployment, wherever it stands.
const FIELDS: &str = "image: registry.example.com/market:1.0, flinkVersion: v1_20, serviceAccount: flink,
  jobManager: {resource: {memory: 1g, cpu: 1}}, taskManager: {resource: {memory: 1g, cpu: 1}},
  flinkConfiguration: {execution.checkpointing.dir: 's3://orders/cp', execution.checkpointing.savepoint-dir: 's3://orders/sp'},
  job: {jarURI: 'local:///opt/flink/usrlib/market.jar', parallelism: 2, upgradeMode: savepoint}";

#[tokio::test(start_paused = true)]
async fn a_blue_green_deployment_goes_on_in_another_from_a_savepoint() {
    let mut world = World::new(OperatorMode::V1_15);
    let unit = format!("kind: FlinkBlueGreenDeployment\nspec: {{template: {{spec: {{{FIELDS}}}}}}}\n");
    world.files.insert("jobs/prices/job.yaml".to_owned(), unit);
    world.settle().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = world.job("prices-blue").records;
    assert!(before > 0);

    world.edit("jobs/prices/job.yaml", "market:1.0", "market:1.1");
    let unit = world.plan().await.units.into_iter().find(|unit| unit.key.name == "prices").unwrap();
    assert_eq!((unit.effect, unit.state), (Effect::UpgradeFromSavepoint, State::Kept));
    world.settle().await;
    assert!(world.object(Kind::FlinkDeployment, "prices-blue").is_none(), "the first is gone");
    let job = world.job("prices-green");
    assert!(job.state == "RUNNING" && job.records >= before, "{job:?}");
    let live = world.object(Kind::FlinkBlueGreenDeployment, "prices").unwrap();
    assert_eq!(live["status"]["blueGreenState"], "ACTIVE_GREEN");

    // S9, S17: no delete without a savepoint that counts, but by consent.
    world.remove("jobs/prices/");
    world.apply_for(Duration::from_secs(600)).await;
    assert_eq!(world.job("prices-green").state, "RUNNING");
    let consent = "removed: [{name: prices, allow: {stateLoss: prices are read anew}}]\n";
    world.files.get_mut("flinkops.yaml").unwrap().push_str(consent);
    world.settle().await;
    assert!(world.object(Kind::FlinkDeployment, "prices-green").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_application_of_confluent_follows_git_in_its_environment() {
    let mut world = World::new(OperatorMode::V1_15);
    let environment = "kind: FlinkEnvironment\nspec: {kubernetesNamespace: flink-staging}\n";
    let application = format!("kind: FlinkApplication\nspec: {{flinkEnvironment: production, {FIELDS}}}\n");
    world.files.insert("jobs/production/job.yaml".to_owned(), environment.to_owned());
    world.files.insert("jobs/prices/job.yaml".to_owned(), application);
    let log = world.settle().await;
    let at = |line: &str| log.iter().position(|it| it.starts_with(line)).unwrap();
    assert!(at("production: creates") < at("prices: creates"), "{log:#?}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = world.job("prices").records;
    world.edit("jobs/prices/job.yaml", "market:1.0", "market:1.1");
    world.settle().await;
    let job = world.job("prices");
    assert!(job.state == "RUNNING" && job.records >= before && job.starts == 2, "{job:?}");
}
