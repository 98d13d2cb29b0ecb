//! Deletion: finalizers and preconditions.

use serde_json::{Value, json};

use super::world::{World, application, deployment, version};

async fn create(world: &World, finalizers: &Value) -> Value {
    let mut object = deployment("orders", &application());
    object["metadata"]["finalizers"] = finalizers.clone();
    world.deployments().create("", &object).await.ok()
}

pub async fn delete_removes_at_once(world: &World) {
    let created = create(world, &json!([])).await;
    let answer = world.deployments().delete("orders", &json!({})).await.ok();
    assert_eq!((&answer["kind"], &answer["status"]), (&json!("Status"), &json!("Success")));
    assert_eq!(answer["details"]["uid"], created["metadata"]["uid"]);
    world.deployments().get("orders").await.refused(404, "NotFound");
}

pub async fn delete_waits_for_finalizers(world: &World) {
    let created = create(world, &json!(["flinkops.dev/one", "flinkops.dev/two"])).await;
    let mut watch = world.deployments().watch(&format!("resourceVersion={}", version(&created))).await;
    let marked = world.deployments().delete("orders", &json!({})).await.ok();
    assert_eq!(marked["kind"], "FlinkDeployment");
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(marked["metadata"]["generation"], 2);
    let again = world.deployments().delete("orders", &json!({})).await.ok();
    assert_eq!(again, marked, "a second delete changes nothing");

    let patch = json!({"metadata": {"finalizers": ["flinkops.dev/two"]}});
    let left = world.deployments().merge("orders", "", &patch).await.ok();
    assert_eq!(left["metadata"]["generation"], 2);
    let patch = json!({"metadata": {"finalizers": null}});
    world.deployments().merge("orders", "", &patch).await.ok();
    world.deployments().get("orders").await.refused(404, "NotFound");
    for kind in ["MODIFIED", "MODIFIED", "DELETED"] {
        assert_eq!(watch.next_brief().await, format!("{kind} orders"));
    }
}

pub async fn delete_checks_its_preconditions(world: &World) {
    let created = create(world, &json!([])).await;
    let (uid, version) = (&created["metadata"]["uid"], version(&created));
    let other = "00000000-0000-0000-0000-000000000000";
    let delete = async |preconditions: Value| {
        world.deployments().delete("orders", &json!({"preconditions": preconditions})).await
    };
    let message = delete(json!({"uid": other})).await.refused(409, "Conflict");
    assert!(message.contains(&format!("the UID in the precondition ({other}) does not match")), "{message}");
    let message = delete(json!({"uid": uid, "resourceVersion": "1"})).await.refused(409, "Conflict");
    assert!(message.contains("the ResourceVersion in the precondition (1) does not match"), "{message}");
    assert_eq!(world.deployments().get("orders").await.ok(), created);
    delete(json!({"uid": uid, "resourceVersion": version})).await.ok();
    world.deployments().get("orders").await.refused(404, "NotFound");
}

pub async fn delete_refuses_a_missing_object(world: &World) {
    let message = world.deployments().delete("nobody", &json!({})).await.refused(404, "NotFound");
    assert_eq!(message, r#"flinkdeployments.flink.apache.org "nobody" not found"#);
}

pub async fn no_finalizer_is_added_to_a_deleting_object(world: &World) {
    create(world, &json!(["flinkops.dev/one"])).await;
    world.deployments().delete("orders", &json!({})).await.ok();
    let patch = json!({"metadata": {"finalizers": ["flinkops.dev/one", "flinkops.dev/two"]}});
    world.deployments().merge("orders", "", &patch).await.refused(422, "Invalid");
}
