//! What an API server does, as functions of a client and a namespace, so that the same behaviour
//! can be asked of a real one.

use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

fn resource(kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: "flink.apache.org".into(),
        version: "v1beta1".into(),
        api_version: "flink.apache.org/v1beta1".into(),
        kind: kind.into(),
        plural: plural.into(),
    }
}

fn deployments(client: Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &resource("FlinkDeployment", "flinkdeployments"))
}

fn deployment(name: &str, spec: Value) -> DynamicObject {
    DynamicObject::new(name, &resource("FlinkDeployment", "flinkdeployments")).data(json!({"spec": spec}))
}

fn refusal(error: kube::Error) -> kube::core::Status {
    match error {
        kube::Error::Api(status) => *status,
        other => panic!("not an answer of the API: {other}"),
    }
}

pub async fn create_sets_metadata(client: Client, namespace: &str) {
    let api = deployments(client, namespace);
    let object = deployment("created", json!({"image": "flink:1.20"}));
    let made = api.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    assert!(made.metadata.uid.is_some());
    assert!(made.metadata.creation_timestamp.is_some());
    assert!(made.metadata.resource_version.is_some());
    assert_eq!(made.metadata.namespace.as_deref(), Some(namespace));
}

pub async fn create_twice_conflicts(client: Client, namespace: &str) {
    let api = deployments(client, namespace);
    let object = deployment("twice", json!({}));
    api.create(&PostParams::default(), &object).await.unwrap();
    let status = refusal(api.create(&PostParams::default(), &object).await.unwrap_err());
    assert_eq!((status.code, status.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(status.message, "flinkdeployments.flink.apache.org \"twice\" already exists");
}
