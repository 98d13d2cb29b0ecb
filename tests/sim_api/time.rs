//! The cluster's time is the runtime's.

use std::time::Duration;

use flinkops::sim::{Options, Sim};
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::PostParams;
use kube::runtime::wait::{await_condition, conditions};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn the_clock_moves_with_the_runtime() {
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    let sim = Sim::start(Options { start_time: Some(start), ..Options::without_controllers() });
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(sim.now().duration_since(start), SignedDuration::from_hours(1));
    let made = super::create(&Api::namespaced(sim.client(), "default"), "a").await;
    let created = made.metadata.creation_timestamp.unwrap().0;
    assert_eq!(created.to_string(), "2026-01-01T01:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_becomes_available_and_again_after_each_change() {
    let sim = Sim::start(Options::default());
    let deployments: Api<Deployment> = Api::namespaced(sim.client(), "default");
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "jars"},
        "spec": {"selector": {"matchLabels": {"app": "jars"}}, "template": {"metadata": {"labels": {"app": "jars"}}}},
    }))
    .unwrap();
    let made = deployments.create(&PostParams::default(), &deployment).await.unwrap();
    assert!(made.status.is_none());
    await_condition(deployments.clone(), "jars", conditions::is_deployment_completed()).await.unwrap();

    let patch = kube::api::Patch::Merge(json!({"spec": {"replicas": 3}}));
    deployments.patch("jars", &kube::api::PatchParams::default(), &patch).await.unwrap();
    let settled = |it: Option<&Deployment>| {
        it.and_then(|it| it.status.as_ref()).is_some_and(|it| it.available_replicas == Some(3))
    };
    let seen = await_condition(deployments, "jars", settled).await.unwrap().unwrap();
    assert_eq!(seen.status.unwrap().observed_generation, Some(2));
}
