//! Makes every Deployment available a moment after it was written, as if its pods had started.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::api::resource::Resource;
use super::api::store::{Store, WriteOptions};
use super::clock::rfc3339;

/// How long pods take to start.
pub const STARTUP: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub async fn run(store: Store) {
    let mut version = store.subscribe();
    loop {
        version.borrow_and_update();
        let pending = pending(&store);
        if pending.is_empty() {
            if version.changed().await.is_err() {
                return;
            }
            continue;
        }
        tokio::time::sleep(STARTUP).await;
        for object in &pending {
            make_available(&store, object);
        }
    }
}

/// The Deployments whose pods are starting.
pub fn pending(store: &Store) -> Vec<Arc<Value>> {
    let Some(deployments) = Resource::by_kind("apps/v1", "Deployment") else { return Vec::new() };
    let (objects, _) = store.list(deployments, None);
    objects.into_iter().filter(|object| is_pending(object)).collect()
}

fn is_pending(object: &Value) -> bool {
    let generation = &object["metadata"]["generation"];
    object["metadata"].get("deletionTimestamp").is_none()
        && object["status"]["observedGeneration"] != *generation
}

/// Writes that the pods of a Deployment have started.
pub fn make_available(store: &Store, object: &Arc<Value>) {
    let replicas = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let now = rfc3339(store.now());
    let status = json!({
        "observedGeneration": object["metadata"]["generation"],
        "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
        "conditions": [
            condition("Available", "MinimumReplicasAvailable", "Deployment has minimum availability.", &now),
            condition("Progressing", "NewReplicaSetAvailable", "ReplicaSet has successfully progressed.", &now),
        ],
    });
    if let Some(key) = crate::flink::kind::ObjectKey::of(object) {
        // A Deployment that was deleted in the meantime needs no status.
        let _ =
            store.edit(&key, &WriteOptions::status_by("deployment-controller"), |it| it["status"] = status);
    }
}

fn condition(kind: &str, reason: &str, message: &str, now: &str) -> Value {
    json!({
        "type": kind, "status": "True", "reason": reason, "message": message,
        "lastTransitionTime": now, "lastUpdateTime": now,
    })
}
