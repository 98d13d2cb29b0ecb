//! A stand-in for the Flink operator: what is applied runs at once, what is suspended has its savepoint.
//!
//! It does nothing that takes time or can fail; the operator's model has its own tests.

use flinkops::flink::kind::{CONFLUENT, Kind};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Acts in one namespace until it is dropped.
pub struct Operator {
    _tasks: JoinSet<()>,
}

impl Operator {
    pub fn start(client: &Client, namespace: &str) -> Self {
        let mut tasks = JoinSet::new();
        // Where a kind is not served, its watch is only tried again and again.
        for kind in Kind::ALL {
            tasks.spawn(act(objects(client, namespace, kind)));
        }
        Self { _tasks: tasks }
    }
}

/// The objects of a kind in a namespace.
pub fn objects(client: &Client, namespace: &str, kind: Kind) -> Api<DynamicObject> {
    let (group, version) = kind.api_version().split_once('/').expect("a group");
    let names = GroupVersionKind::gvk(group, version, kind.as_str());
    let resource = ApiResource::from_gvk_with_plural(&names, kind.plural());
    Api::namespaced_with(client.clone(), namespace, &resource)
}

async fn act(objects: Api<DynamicObject>) {
    let changes = watcher(objects.clone(), watcher::Config::default()).default_backoff().applied_objects();
    let mut changes = std::pin::pin!(changes.into_stream());
    while let Some(change) = changes.next().await {
        let Ok(object) = change else { continue };
        let status = status(&object);
        if object.data.get("status") != Some(&status) {
            let patch = Patch::Merge(json!({"status": status}));
            let _ = objects.patch_status(&object.name_any(), &PatchParams::default(), &patch).await;
        }
    }
}

/// The status of an object whose every wish has come true.
fn status(object: &DynamicObject) -> Value {
    let (spec, generation) = (&object.data["spec"], object.metadata.generation.unwrap_or_default());
    let kind = object.types.as_ref().and_then(|types| Kind::parse(&types.kind));
    if kind == Some(Kind::FlinkStateSnapshot) {
        let path = format!("file:/savepoints/{}", object.name_any());
        return json!({"state": "COMPLETED", "path": path, "failures": 0});
    }
    let reconciled = json!({"spec": spec, "resource_metadata": {"metadata": {"generation": generation}}});
    let mut status = json!({
        "lifecycleState": "STABLE",
        "observedGeneration": generation,
        "reconciliationStatus": {"state": "DEPLOYED", "lastReconciledSpec": reconciled.to_string()},
    });
    if kind == Some(Kind::FlinkDeployment) {
        status["jobManagerDeploymentStatus"] = json!("READY");
    }
    if kind.is_some_and(|kind| kind.api_version() == CONFLUENT) {
        status["cfkInternalState"] = json!("CREATED");
        status["cmfSync"] = json!({"status": "Created"});
    }
    if spec["job"]["state"] == "suspended" {
        let path = format!("file:/savepoints/{}-{generation}", object.name_any());
        status["lifecycleState"] = json!("SUSPENDED");
        status["jobStatus"] = json!({"state": "FINISHED", "upgradeSavepointPath": path});
    } else if spec.get("job").is_some() {
        status["jobStatus"] = json!({"state": "RUNNING"});
    }
    status
}
