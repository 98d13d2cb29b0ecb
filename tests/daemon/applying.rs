//! `apply`: converges, plans again after a conflict, hammers nothing, and is quiet when nothing is to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flinkops::cluster::{ClusterError, Scope};
use flinkops::daemon::{Options, Outcome, Reconciler};
use flinkops::sim::api::store::WriteOptions;
use flinkops::sim::{Phase, Verb, Verdict};
use serde_json::json;

use super::world::{
    World, application_spec, chain, cluster_spec, deployment, repository, session_job, session_job_spec,
    with_config_map,
};

#[tokio::test(start_paused = true)]
async fn a_chain_is_created_in_order_and_upgraded_with_its_records() {
    let world = World::new();
    world.settle(&chain("r1", "ingest:1")).await;
    let created = |name: &str| {
        let path = format!("wrote create flink/FlinkDeployment/{name}");
        world.progress.text().lines().position(|line| line.starts_with(&path))
    };
    assert!(created("ingest") < created("enrich"), "{}", world.progress.text());
    let before = world.records(&deployment("ingest"));
    world.settle(&chain("r2", "ingest:2")).await;
    let live = world.unit(&deployment("ingest")).expect("ingest");
    assert_eq!(live.spec()["image"], "ingest:2");
    assert!(world.records(&deployment("ingest")) > before, "it went on from where it was");
}

#[tokio::test(start_paused = true)]
async fn a_session_clusters_change_carries_its_jobs_over() {
    let world = World::new();
    let at = |revision: &str, memory: &str| {
        let sessions = deployment("sessions");
        let jobs = ["a", "b"].map(|name| (session_job(name), session_job_spec("sessions", 1), vec![]));
        let [a, b] = jobs;
        repository(revision, &[(sessions, cluster_spec(memory), vec![]), a, b])
    };
    world.settle(&at("r1", "1024m")).await;
    let before = world.records(&session_job("a"));
    world.settle(&at("r2", "2048m")).await;
    assert!(world.records(&session_job("a")) > before, "{}", world.progress.text());
    assert!(world.ledger(&session_job("a")).is_some_and(|ledger| !ledger.savepoints.is_empty()));
    assert_eq!(world.unit(&session_job("a")).expect("a").spec()["job"]["state"], "running");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_left_git_is_deleted_with_a_savepoint_and_comes_back_from_it() {
    let world = World::new();
    world.settle(&chain("r1", "ingest:1")).await;
    let before = world.records(&deployment("enrich"));
    let alone = repository("r2", &[(deployment("ingest"), application_spec("ingest:1"), vec![])]);
    world.settle(&alone).await;
    assert!(world.unit(&deployment("enrich")).is_none());
    let ledger = world.ledger(&deployment("enrich")).expect("the ledger outlives the unit");
    assert!(ledger.last_savepoint().is_some());
    world.settle(&chain("r3", "ingest:1")).await;
    assert!(world.records(&deployment("enrich")) > before, "{}", world.progress.text());
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_with_nothing_to_do_makes_no_api_call() {
    let world = World::new();
    let desired = with_config_map(chain("r1", "ingest:1"), "ingest", "queries", "select 1");
    world.settle(&desired).await;
    let mut reconciler = Reconciler::new(&world.cluster, &desired, world.options());
    reconciler.watch().synced().await.expect("the embedded cluster answers");
    while reconciler.round(&desired).await.expect("synced").again {}
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.sim.clear_requests();
    for _ in 0..5 {
        let round = reconciler.round(&desired).await.expect("synced");
        assert_eq!((round.wrote, round.again), (0, false));
    }
    assert_eq!(world.sim.requests(), []);
}

#[tokio::test(start_paused = true)]
async fn config_maps_of_others_wake_nobody() {
    let world = World::new();
    let desired = with_config_map(chain("r1", "ingest:1"), "ingest", "queries", "select 1");
    world.settle(&desired).await;
    let mut reconciler = Reconciler::new(&world.cluster, &desired, world.options());
    reconciler.watch().synced().await.expect("the embedded cluster answers");
    tokio::time::sleep(Duration::from_secs(1)).await;
    reconciler.watch().mark_seen();
    let client = world.sim.client();
    let maps: kube::Api<k8s_openapi::api::core::v1::ConfigMap> = kube::Api::namespaced(client, "flink");
    let create =
        |name: &str| serde_json::from_value(json!({"metadata": {"name": name}})).expect("a ConfigMap");
    maps.create(&kube::api::PostParams::default(), &create("leader-election")).await.expect("created");
    let woken = tokio::time::timeout(Duration::from_secs(5), reconciler.watch().changed()).await;
    assert!(woken.is_err(), "a stranger's ConfigMap woke the loop");
    maps.delete("queries", &kube::api::DeleteParams::default()).await.expect("deleted");
    let woken = tokio::time::timeout(Duration::from_secs(5), reconciler.watch().changed()).await;
    assert!(woken.is_ok(), "our own did not");
}

#[tokio::test(start_paused = true)]
async fn an_edit_in_between_is_a_conflict_and_the_plan_is_made_again() {
    let world = World::new();
    world.settle(&chain("r1", "ingest:1")).await;
    let store = world.sim.store().clone();
    let conflicts = Arc::new(AtomicUsize::new(0));
    let counted = conflicts.clone();
    world.sim.on_request(move |request, phase| {
        let (store, counted) = (store.clone(), counted.clone());
        async move {
            let ours = request.verb == Verb::Patch && request.path.ends_with("/flinkdeployments/ingest");
            if ours && phase == Phase::Before && counted.fetch_add(1, Ordering::SeqCst) < 2 {
                let key = (&deployment("ingest")).into();
                store
                    .edit(&key, &WriteOptions::by("kubectl-edit"), |object| {
                        object["metadata"]["annotations"]["example.com/touched"] =
                            json!(counted.load(Ordering::SeqCst).to_string());
                    })
                    .expect("an edit");
            }
            Verdict::Pass
        }
    });
    world.settle(&chain("r2", "ingest:2")).await;
    assert_eq!(world.unit(&deployment("ingest")).expect("ingest").spec()["image"], "ingest:2");
    assert!(world.metrics.page().contains("flinkops_conflicts_total 2"), "{}", world.metrics.page());
}

#[tokio::test(start_paused = true)]
async fn what_the_api_server_refuses_is_reported_and_not_hammered() {
    let world = World::new();
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    world.sim.on_request(move |request, phase| {
        let ours = request.verb == Verb::Create && request.path.ends_with("/flinkdeployments");
        if ours && phase == Phase::Before {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        async move { if ours { Verdict::code(422) } else { Verdict::Pass } }
    });
    let outcome = world.apply(&chain("r1", "ingest:1")).await;
    let Outcome::Failed(standing) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(standing.failed[0].on, "ingest");
    assert!(standing.failed[0].message.contains("injected fault 422"), "{standing}");
    assert_eq!(tries.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_passing_trouble_is_waited_out() {
    let world = World::new();
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    world.sim.on_request(move |request, phase| {
        let fault = request.is_write()
            && phase == Phase::Before
            && counted.fetch_add(1, Ordering::SeqCst).is_multiple_of(3);
        async move { if fault { Verdict::code(503) } else { Verdict::Pass } }
    });
    world.settle(&chain("r1", "ingest:1")).await;
}

#[tokio::test(start_paused = true)]
async fn history_that_is_gone_is_listed_again() {
    let world = World::new();
    let desired = chain("r1", "ingest:1");
    world.settle(&desired).await;
    let mut reconciler = Reconciler::new(&world.cluster, &desired, world.options());
    reconciler.watch().synced().await.expect("the embedded cluster answers");
    // The server ends each watch after a while; when it begins again, what happened meanwhile is forgotten.
    let store = world.sim.store().clone();
    let done = Arc::new(AtomicUsize::new(0));
    world.sim.on_request(move |request, phase| {
        let begins = request.verb == Verb::Watch && request.path.contains("flinkdeployments");
        if begins && phase == Phase::Before && done.fetch_add(1, Ordering::SeqCst) == 0 {
            let edit = |object: &mut serde_json::Value| object["spec"]["image"] = json!("edited");
            let key = (&deployment("ingest")).into();
            store.edit(&key, &WriteOptions::by("kubectl-edit"), edit).expect("an edit");
            store.compact();
        }
        async { Verdict::Pass }
    });
    tokio::time::sleep(Duration::from_secs(300)).await;
    let health = reconciler.watch().health();
    assert!(health.restarts > 0 && health.failures.is_empty(), "{health:?}");
    let live = reconciler.watch().live().expect("synced");
    assert_eq!(live.units[&deployment("ingest")].spec()["image"], "edited");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_the_operator_says_so() {
    let world = World::new();
    world.sim.on_request(|request, _| async move {
        if request.path.contains("flink.apache.org") { Verdict::code(404) } else { Verdict::Pass }
    });
    let desired = chain("r1", "ingest:1");
    let error = world.cluster.observe(&Scope::of(&desired)).await.expect_err("no such kind");
    assert!(matches!(error, ClusterError::OperatorMissing { .. }));
    assert!(error.to_string().contains("the Flink Kubernetes Operator is not installed"), "{error}");
    let options = Options { progress: world.progress.clone(), ..world.options() };
    let applied = flinkops::daemon::apply(&world.cluster, &desired, options, None).await;
    assert!(matches!(applied, Err(ClusterError::OperatorMissing { .. })), "{applied:?}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_named_with_the_rule_that_grants_it() {
    let world = World::new();
    world.sim.on_request(|request, _| async move {
        if request.path.contains("flinksessionjobs") { Verdict::code(403) } else { Verdict::Pass }
    });
    let error = world.cluster.observe(&Scope::of(&chain("r1", "a"))).await.expect_err("forbidden");
    let hint = error.hint().expect("a hint");
    assert_eq!(
        error.to_string(),
        "list flinksessionjobs in namespace flink: the cluster's RBAC does not allow it"
    );
    assert!(
        hint.contains(r#"{apiGroups: ["flink.apache.org"], resources: [flinksessionjobs], verbs: [list]}"#),
        "{hint}"
    );
}

#[tokio::test(start_paused = true)]
async fn every_action_leaves_an_event_on_its_object() {
    let world = World::new();
    world.settle(&chain("r1", "ingest:1")).await;
    let events = world.sim.requests().into_iter().filter(|request| request.path.ends_with("/events"));
    assert_eq!(events.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn s25_what_an_event_says_passes_the_mask_before_it_is_cut() {
    let world = World::new();
    world.settle(&chain("r1", "ingest:1")).await;
    world.cluster.set_mask(Arc::new(|text| text.replace("image", "(secret)")));
    world.settle(&chain("r2", "ingest:2")).await;
    let (events, _) = world.sim.store().list(&flinkops::sim::api::resource::CORE_EVENT, None);
    let ours = events.iter().filter(|event| event["reportingComponent"] == "flinkops");
    let said: Vec<&str> = ours.filter_map(|event| event["message"].as_str()).collect();
    assert!(said.contains(&"upgrades from savepoint: spec.(secret) changed"), "{said:?}");
}
