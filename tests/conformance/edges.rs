//! Corners that matter to one who compares, adopts and attributes.

use serde_json::{Value, json};

use super::world::{World, application, config_map, deployment, fields, managers};

pub async fn nulls_are_dropped(world: &World) {
    let mut object = world.deployments().create("", &deployment("orders", &application())).await.ok();
    object["spec"]["image"] = Value::Null;
    let replaced = world.deployments().replace("orders", "", &object).await.ok();
    assert!(replaced["spec"].get("image").is_none(), "{}", replaced["spec"]);
    let patch = json!({"spec": {"ingress": {"template": null, "className": "nginx"}}});
    let patched = world.deployments().merge("orders", "", &patch).await.ok();
    assert_eq!(patched["spec"]["ingress"], json!({"className": "nginx"}));
}

pub async fn a_replacement_names_its_object_and_version(world: &World) {
    let object = world.deployments().create("", &deployment("orders", &application())).await.ok();
    world.deployments().replace("other", "", &object).await.refused(400, "BadRequest");
    let mut stranger = object.clone();
    stranger["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000000");
    world.deployments().replace("orders", "", &stranger).await.refused(409, "Conflict");
    let mut blind = object;
    blind["metadata"]["resourceVersion"] = Value::Null;
    let message = world.deployments().replace("orders", "", &blind).await.refused(422, "Invalid");
    assert!(message.ends_with("metadata.resourceVersion: Invalid value: 0: must be specified for an update"));
}

pub async fn identity_cannot_be_patched(world: &World) {
    world.deployments().create("", &deployment("orders", &application())).await.ok();
    for (patch, code, reason) in [
        (json!({"metadata": {"uid": "another"}}), 422, "Invalid"),
        (json!({"kind": "Another"}), 422, "Invalid"),
        (json!({"metadata": {"name": "another"}}), 400, "BadRequest"),
        (json!({"metadata": {"namespace": "another"}}), 400, "BadRequest"),
    ] {
        world.deployments().merge("orders", "", &patch).await.refused(code, reason);
    }
}

pub async fn a_conflict_is_told_before_a_wrong_value(world: &World) {
    world.deployments().create("fieldManager=one", &deployment("orders", &application())).await.ok();
    let intent = deployment("orders", &json!({"image": "other", "mode": "odd"}));
    world.deployments().apply("orders", "fieldManager=two", &intent).await.refused(409, "Conflict");
    world.deployments().apply("orders", "fieldManager=two&force=true", &intent).await.refused(422, "Invalid");
}

pub async fn an_immutable_config_map_keeps_its_data(world: &World) {
    let mut object = config_map("settings", &json!({"a": "1"}));
    object["immutable"] = json!(true);
    world.config_maps().create("", &object).await.ok();
    for patch in [json!({"data": {"a": "2"}}), json!({"immutable": false})] {
        let message = world.config_maps().merge("settings", "", &patch).await.refused(422, "Invalid");
        assert!(message.ends_with("Forbidden: field is immutable when `immutable` is set"), "{message}");
    }
    world.config_maps().merge("settings", "", &json!({"metadata": {"labels": {"a": "b"}}})).await.ok();
}

pub async fn config_map_data_is_text(world: &World) {
    let answer = world.config_maps().create("", &config_map("settings", &json!({"a": 1}))).await;
    let message = answer.refused(400, "BadRequest");
    assert!(message.contains("cannot unmarshal number into Go struct field ConfigMap.data"), "{message}");
}

pub async fn finalizers_and_owners_are_owned_one_by_one(world: &World) {
    world.deployments().create("fieldManager=one", &deployment("orders", &json!({}))).await.ok();
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"});
    let patch = json!({"metadata": {"finalizers": ["flinkops.dev/a"], "ownerReferences": [owner]}});
    let patched = world.deployments().merge("orders", "fieldManager=two", &patch).await.ok();
    assert_eq!(
        fields(&patched, "two"),
        json!({"f:metadata": {
            "f:finalizers": {".": {}, "v:\"flinkops.dev/a\"": {}},
            "f:ownerReferences": {".": {}, "k:{\"uid\":\"u\"}": {}},
        }})
    );
    let mut intent = deployment("orders", &json!({}));
    intent["metadata"]["finalizers"] = json!(["flinkops.dev/b"]);
    let both = world.deployments().apply("orders", "fieldManager=three", &intent).await.ok();
    assert_eq!(both["metadata"]["finalizers"], json!(["flinkops.dev/a", "flinkops.dev/b"]));
    let apart =
        world.deployments().apply("orders", "fieldManager=three", &deployment("orders", &json!({}))).await;
    assert_eq!(apart.ok()["metadata"]["finalizers"], json!(["flinkops.dev/a"]));
    let free = json!({"metadata": {"finalizers": null}});
    world.deployments().merge("orders", "", &free).await.ok();
}

pub async fn a_scale_is_owned_only_where_the_number_was_set_before(world: &World) {
    let scale = json!({"spec": {"replicas": 3}});
    world.deployments().create("fieldManager=one", &deployment("unset", &json!({}))).await.ok();
    world.deployments().merge("unset/scale", "fieldManager=kubectl", &scale).await.ok();
    let seen = world.deployments().get("unset").await.ok();
    assert_eq!(
        (&seen["spec"], &seen["metadata"]["generation"]),
        (&json!({"taskManager": {"replicas": 3}}), &json!(2))
    );
    assert_eq!(managers(&seen), ["one Update"]);

    let set = deployment("set", &json!({"taskManager": {"replicas": 2}}));
    world.deployments().create("fieldManager=one", &set).await.ok();
    world.deployments().merge("set/scale", "fieldManager=kubectl", &scale).await.ok();
    let seen = world.deployments().get("set").await.ok();
    assert_eq!(managers(&seen), ["kubectl Update scale", "one Update"]);
}
