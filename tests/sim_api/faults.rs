//! The log of requests and the hook that injects faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flinkops::sim::{Phase, Verb, Verdict};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::{cluster, config_map};

#[tokio::test]
async fn requests_are_logged_with_verb_manager_and_whether_they_write() {
    let (sim, maps) = cluster();
    maps.create(&PostParams { dry_run: true, ..PostParams::default() }, &config_map("settings"))
        .await
        .unwrap();
    maps.create(
        &PostParams { field_manager: Some("one".into()), ..PostParams::default() },
        &config_map("settings"),
    )
    .await
    .unwrap();
    maps.list(&kube::api::ListParams::default()).await.unwrap();
    let requests = sim.requests();
    let brief: Vec<_> = requests.iter().map(|it| (it.verb, it.is_write(), it.manager.as_str())).collect();
    assert_eq!(
        brief,
        [(Verb::Create, false, "unknown"), (Verb::Create, true, "one"), (Verb::List, false, "unknown")]
    );
    assert_eq!(requests[0].path, "/api/v1/namespaces/default/configmaps");
    sim.clear_requests();
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn a_fault_before_keeps_the_request_from_taking_effect_and_one_after_does_not() {
    let (sim, maps) = cluster();
    for (when, stored) in [(Phase::Before, false), (Phase::After, true)] {
        sim.on_request(move |_, phase| async move {
            if phase == when { Verdict::code(500) } else { Verdict::Pass }
        });
        let error = maps.create(&PostParams::default(), &config_map("settings")).await.unwrap_err();
        assert!(matches!(&error, kube::Error::Api(status) if status.code == 500), "{error}");
        sim.on_request(|_, _| async { Verdict::Pass });
        assert_eq!(maps.get_opt("settings").await.unwrap().is_some(), stored);
    }
}

#[tokio::test]
async fn a_dropped_connection_is_an_error_without_an_answer() {
    let (sim, maps) = cluster();
    sim.on_request(|request, phase| async move {
        if request.is_write() && phase == Phase::After { Verdict::Drop } else { Verdict::Pass }
    });
    let error = maps.create(&PostParams::default(), &config_map("settings")).await.unwrap_err();
    assert!(!matches!(error, kube::Error::Api(_)), "{error}");
    assert!(maps.get_opt("settings").await.unwrap().is_some(), "the request took effect");
}

#[tokio::test]
async fn a_dropped_connection_over_a_socket_is_an_error_too() {
    let (sim, _) = cluster();
    let address = sim.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let maps: Api<ConfigMap> = Api::namespaced(kube::Client::try_from(config).unwrap(), "default");
    sim.on_request(|_, _| async { Verdict::Drop });
    let error = maps.create(&PostParams::default(), &config_map("settings")).await.unwrap_err();
    assert!(!matches!(error, kube::Error::Api(_)), "{error}");
}

#[tokio::test]
async fn a_blocking_hook_holds_the_request_until_it_is_let_go() {
    let (sim, maps) = cluster();
    maps.create(&PostParams::default(), &config_map("settings")).await.unwrap();
    let held = Arc::new(tokio::sync::Notify::new());
    let (gate, reached) = (held.clone(), Arc::new(AtomicBool::new(false)));
    let seen = reached.clone();
    sim.on_request(move |request, phase| {
        let (gate, seen) = (gate.clone(), seen.clone());
        async move {
            if request.verb == Verb::Patch && phase == Phase::Before {
                seen.store(true, Ordering::SeqCst);
                gate.notified().await;
            }
            Verdict::Pass
        }
    });
    let patch = Patch::Merge(json!({"data": {"a": "1"}}));
    let (parameters, patched) = (PatchParams::default(), maps.clone());
    let write = tokio::spawn(async move { patched.patch("settings", &parameters, &patch).await });
    while !reached.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    assert!(maps.get("settings").await.unwrap().data.is_none(), "held back");
    held.notify_one();
    assert!(write.await.unwrap().unwrap().data.is_some());
}
