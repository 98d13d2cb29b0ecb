//! `run`: follows Git and the cluster, keeps to the last valid revision, ends cleanly, and says how it is.

use std::time::Duration;

use flinkops::flink::kind::ObjectKey;
use flinkops::sim::LoggedRequest;
use flinkops::sim::api::store::WriteOptions;
use flinkops::spec::Awaited;
use flinkops::spec::desired::Unknown;
use flinkops::spec::policy::Mode;
use serde_json::json;

use super::running::Running;
use super::world::{
    NAMESPACE, application_spec, chain, cluster_spec, deployment, repository, session_job, session_job_spec,
};

#[tokio::test(start_paused = true)]
async fn each_revision_is_followed_and_the_end_is_clean() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    running.shelf.push(chain("r2", "ingest:2"));
    running.told("read r2").await;
    running.told("wrote patch flink/FlinkDeployment/ingest").await;
    let world = running.stop().await;
    let lease = ObjectKey::new("coordination.k8s.io/v1", "Lease", NAMESPACE, "flinkops.orders.prod");
    let lease = world.sim.store().get(&lease).expect("a lease");
    assert_eq!(lease["spec"]["holderIdentity"], "", "the lease is given back");
    assert_eq!(world.unit(&deployment("ingest")).expect("ingest").spec()["image"], "ingest:2");
}

#[tokio::test(start_paused = true)]
async fn what_the_clusters_operator_refuses_is_told_once_and_holds_back_no_other_job() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    running.world.sim.clear_requests();
    let mut refused = chain("r2", "ingest:2");
    let enrich = refused.units.get_mut(&deployment("enrich")).expect("a unit");
    enrich.manifest["spec"]["flinkVersion"] = json!("v2_4");
    running.shelf.push(refused);
    running.told("wrote patch flink/FlinkDeployment/ingest").await;
    running.told("[refused by this cluster's operator").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let told = running.world.progress.count("found refused-value: refused by this cluster's operator");
    assert_eq!(told, 1, "{}", running.world.progress.text());
    let world = running.stop().await;
    assert_eq!(world.unit(&deployment("enrich")).expect("enrich").spec()["flinkVersion"], "v1_20");
    let schema = |request: &LoggedRequest| request.path.starts_with("/openapi/");
    let asked = world.sim.requests().iter().filter(|request| schema(request)).count();
    assert_eq!(asked, 1, "again for a revision, and never while nothing changes");
}

#[tokio::test(start_paused = true)]
async fn a_hand_edit_is_healed() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    let key = (&deployment("ingest")).into();
    let edit = |object: &mut serde_json::Value| object["spec"]["image"] = json!("by-hand");
    running.world.sim.store().edit(&key, &WriteOptions::by("kubectl-edit"), edit).expect("an edit");
    running.told("wrote patch flink/FlinkDeployment/ingest").await;
    let world = running.stop().await;
    assert_eq!(world.unit(&deployment("ingest")).expect("ingest").spec()["image"], "ingest:1");
}

/// Without its watch it would see the object only by chance: nothing else happens in Git or in the cluster.
#[tokio::test(start_paused = true)]
async fn a_job_goes_on_when_the_live_object_it_waits_for_becomes_ready() {
    let mut desired = chain("r1", "ingest:1");
    let object = ObjectKey::new("apps/v1", "Deployment", NAMESPACE, "schema-registry");
    let enrich = desired.units.get_mut(&deployment("enrich")).expect("a unit");
    enrich.awaits = vec![Awaited { object: object.clone(), condition: None }];
    let running = Running::start(Some(desired), Mode::Enforce).await;
    let store = running.world.sim.store();
    running.told("waits for Deployment/schema-registry: does not exist").await;
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert!(running.world.unit(&deployment("enrich")).is_none(), "{}", running.world.progress.text());
    running.world.sim.clear_requests();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let asked =
        |part: &str| running.world.sim.requests().iter().filter(|one| one.path.contains(part)).count();
    assert_eq!(asked("deployments/schema-registry"), 0, "it is watched, not asked for");
    let registry = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "schema-registry", "namespace": NAMESPACE}, "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}}});
    store.create(&object, registry, &WriteOptions::by("kubectl")).expect("created");
    running.told("wrote create flink/FlinkDeployment/enrich").await;
    running.told("quiet: 2 settled").await;
    let world = running.stop().await;
    assert!(world.unit(&deployment("enrich")).is_some());
}

#[tokio::test(start_paused = true)]
async fn s20_while_head_is_invalid_the_last_valid_revision_stays_in_force() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    running.shelf.push_unknown("r1+");
    running.told("invalid r1+, in force Some(Revision(\"r1\"))").await;
    running.shelf.push_invalid("r2");
    running.told("invalid r2, in force Some(Revision(\"r1\"))").await;
    assert!(running.health.text().contains("revision r2 cannot be used: flinkops.yaml: no mapping"));
    assert!(running.world.metrics.page().contains("flinkops_git_invalid 1"));
    let key = (&deployment("ingest")).into();
    let edit = |object: &mut serde_json::Value| object["spec"]["image"] = json!("by-hand");
    running.world.sim.store().edit(&key, &WriteOptions::by("kubectl-edit"), edit).expect("an edit");
    running.told("wrote patch flink/FlinkDeployment/ingest").await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn s20_a_job_stopped_for_its_cluster_starts_again_though_its_folder_broke() {
    let at = |revision: &str, memory: &str| {
        let job = (session_job("job"), session_job_spec("sessions", 1), vec![]);
        repository(revision, &[(deployment("sessions"), cluster_spec(memory), vec![]), job])
    };
    let running = Running::start(Some(at("r1", "1024m")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    running.shelf.push(at("r2", "2048m"));
    running.told("wrote patch flink/FlinkSessionJob/job: stops").await;
    let mut broken = at("r3", "2048m");
    broken.units.remove(&session_job("job"));
    broken.unknown = vec![Unknown { folder: "jobs/job".into(), name: Some("job".into()) }];
    running.shelf.push(broken);
    running.told("wrote patch flink/FlinkSessionJob/job: starts again").await;
    let world = running.stop().await;
    assert_eq!(world.unit(&session_job("job")).expect("job").spec()["job"]["state"], "running");
}

#[tokio::test(start_paused = true)]
async fn s3_a_rewritten_branch_deletes_nothing() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    let ingest = (deployment("ingest"), application_spec("ingest:1"), vec![]);
    running.shelf.push(repository("rewritten", &[ingest]));
    running.told("read rewritten").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let world = running.stop().await;
    assert!(world.unit(&deployment("enrich")).is_some(), "{}", world.progress.text());
}

#[tokio::test(start_paused = true)]
async fn ready_means_that_git_and_the_cluster_were_read() {
    let running = Running::start(None, Mode::Enforce).await;
    running.told("git failed: fetch: nothing there").await;
    let answer = running.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("git: not read yet\ngit error: fetch: nothing there"), "{answer}");
    assert!(running.get("/healthz").await.starts_with("HTTP/1.1 200"));
    running.shelf.push(chain("r1", "ingest:1"));
    running.told("quiet: 2 settled").await;
    let answer = running.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("git: r1\ncluster: synced\nlease: held"), "{answer}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_metrics_tell_what_goes_on() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    let page = running.get("/metrics").await;
    for line in [
        r#"flinkops_units{health="settled"} 2"#,
        r#"flinkops_writes_total{verb="create",result="done"}"#,
        r#"flinkops_revision_applied{repository="orders",environment="prod",revision="r1"} 1"#,
        r#"flinkops_revision_wanted{repository="orders",environment="prod",revision="r1"} 1"#,
        "flinkops_revision_applied_timestamp_seconds 1",
        "flinkops_conflicts_total 0",
        "flinkops_suspended 0",
        "flinkops_watch_restarts 0",
        "flinkops_git_errors_total 0",
        "flinkops_lease_held 1",
        "flinkops_reconcile_duration_seconds_bucket",
    ] {
        assert!(page.contains(line), "no `{line}` in\n{page}");
    }
    running.stop().await;
}
