//! The status subresource.

use serde_json::json;

use super::world::{World, application, deployment, entry, fields, managers, version};

pub async fn status_is_written_apart(world: &World) {
    let created = world.deployments().create("", &deployment("orders", &application())).await.ok();
    let both = json!({"spec": {"image": "flink:next"}, "status": {"lifecycleState": "STABLE"}});

    let by_status = world.deployments().merge("orders/status", "", &both).await.ok();
    assert_eq!(by_status["status"], json!({"lifecycleState": "STABLE"}));
    assert_eq!(by_status["spec"], created["spec"], "a status write leaves the spec alone");
    assert_eq!(by_status["metadata"]["generation"], 1);
    assert_ne!(version(&by_status), version(&created));

    let other = json!({"spec": {"image": "flink:next"}, "status": {"lifecycleState": "FAILED"}});
    let by_main = world.deployments().merge("orders", "", &other).await.ok();
    assert_eq!(by_main["status"], json!({"lifecycleState": "STABLE"}), "and the other way round");
    assert_eq!(by_main["spec"]["image"], "flink:next");

    let stale =
        json!({"metadata": {"resourceVersion": version(&created)}, "status": {"lifecycleState": "FAILED"}});
    world.deployments().merge("orders/status", "", &stale).await.refused(409, "Conflict");
}

pub async fn status_has_its_own_managed_fields(world: &World) {
    world.deployments().create("fieldManager=ci", &deployment("orders", &application())).await.ok();
    let patch = json!({"status": {"lifecycleState": "STABLE"}});
    let patched = world.deployments().merge("orders/status", "fieldManager=ci", &patch).await.ok();
    assert_eq!(managers(&patched), ["ci Update", "ci Update status"]);
    assert!(fields(&patched, "ci").get("f:status").is_none());
    assert_eq!(
        entry(&patched, "ci", Some("status"))["fieldsV1"],
        json!({"f:status": {".": {}, "f:lifecycleState": {}}})
    );
}
