//! The cluster over a socket, as kubectl and other processes see it.

use flinkops::sim::Sim;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::WatchParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Discovery};
use serde_json::Value;

use super::{cluster, create};

async fn connect(sim: &Sim) -> Client {
    let address = sim.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&Sim::kubeconfig(address)).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

async fn read(client: &Client, path: &str, accept: &str) -> Value {
    let request = http::Request::get(path).header("accept", accept).body(Vec::new()).unwrap();
    client.request(request).await.unwrap()
}

#[tokio::test]
async fn the_kubeconfig_leads_to_the_same_objects() {
    let (sim, maps) = cluster();
    create(&maps, "inside").await;
    let client = connect(&sim).await;
    let outside: Api<ConfigMap> = Api::default_namespaced(client);
    create(&outside, "outside").await;
    assert!(outside.get_opt("inside").await.unwrap().is_some());
    assert!(maps.get_opt("outside").await.unwrap().is_some());
}

#[tokio::test]
async fn the_socket_and_its_watches_end_with_the_last_handle() {
    let (sim, _) = cluster();
    let client = connect(&sim).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let mut events = maps.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    drop(sim);
    assert!(events.try_next().await.unwrap().is_none(), "the watch has ended");
    while maps.list(&kube::api::ListParams::default()).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_served_kind_is_discovered() {
    let (sim, _) = cluster();
    let discovery = Discovery::new(connect(&sim).await).run().await.unwrap();
    let flink = discovery.get("flink.apache.org").unwrap().recommended_resources();
    let mut kinds: Vec<&str> = flink.iter().map(|(resource, _)| resource.kind.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        ["FlinkBlueGreenDeployment", "FlinkDeployment", "FlinkSessionJob", "FlinkStateSnapshot"]
    );
}

#[tokio::test]
async fn kubectl_gets_its_table() {
    let (sim, maps) = cluster();
    create(&maps, "settings").await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let client = connect(&sim).await;
    let table = read(&client, "/api/v1/namespaces/default/configmaps", accept).await;
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["rows"][0]["cells"][0], "settings");
    assert_eq!(table["rows"][0]["object"]["metadata"]["name"], "settings");
}

#[tokio::test]
async fn kubectl_learns_that_fields_are_validated_here() {
    let (sim, _) = cluster();
    let client = connect(&sim).await;
    let index = read(&client, "/openapi/v3", "application/json").await;
    let url = index["paths"]["apis/flink.apache.org/v1beta1"]["serverRelativeURL"].as_str().unwrap();
    let document = read(&client, url, "application/json").await;
    let objects = "/apis/flink.apache.org/v1beta1/namespaces/{namespace}/flinkdeployments/{name}";
    let patch = &document["paths"][objects]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "FlinkDeployment");
    let parameters = patch["parameters"].as_array().unwrap();
    assert!(parameters.iter().any(|parameter| parameter["name"] == "fieldValidation"));
}
