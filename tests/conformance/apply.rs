//! Server-side apply and the ownership of fields.

use serde_json::{Value, json};

use super::world::{Answer, World, application, config_map, deployment, entry, fields, managers, version};

async fn apply(world: &World, manager: &str, spec: &Value) -> Answer {
    let query = format!("fieldManager={manager}");
    world.deployments().apply("orders", &query, &deployment("orders", spec)).await
}

async fn force(world: &World, manager: &str, spec: &Value) -> Value {
    let query = format!("fieldManager={manager}&force=true");
    world.deployments().apply("orders", &query, &deployment("orders", spec)).await.ok()
}

pub async fn apply_creates_and_owns(world: &World) {
    let answer = apply(world, "one", &json!({"image": "a", "job": {"args": ["x", "y"]}})).await;
    assert_eq!(answer.code, 201);
    let created = answer.ok();
    assert_eq!(created["metadata"]["generation"], 1);
    assert_eq!(managers(&created), ["one Apply"]);
    assert_eq!(fields(&created, "one"), json!({"f:spec": {"f:image": {}, "f:job": {"f:args": {}}}}));
    let entry = entry(&created, "one", None);
    assert_eq!(entry["apiVersion"], "flink.apache.org/v1beta1");
    assert_eq!(entry["time"], created["metadata"]["creationTimestamp"]);
}

pub async fn apply_conflicts_and_forces(world: &World) {
    apply(world, "one", &json!({"image": "a", "serviceAccount": "flink"})).await.ok();
    let answer = apply(world, "two", &json!({"image": "b"})).await;
    let message = answer.refused(409, "Conflict");
    assert_eq!(message, r#"Apply failed with 1 conflict: conflict with "one": .spec.image"#);
    assert_eq!(
        answer.body["details"]["causes"],
        json!([{"reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".spec.image"}])
    );
    let answer = apply(world, "two", &json!({"image": "b", "serviceAccount": "other"})).await;
    let message = answer.refused(409, "Conflict");
    assert_eq!(
        message,
        "Apply failed with 2 conflicts: conflicts with \"one\":\n- .spec.image\n- .spec.serviceAccount"
    );

    let forced = force(world, "two", &json!({"image": "b"})).await;
    assert_eq!(forced["spec"], json!({"image": "b", "serviceAccount": "flink"}));
    assert_eq!(fields(&forced, "one"), json!({"f:spec": {"f:serviceAccount": {}}}));
    assert_eq!(fields(&forced, "two"), json!({"f:spec": {"f:image": {}}}));
}

pub async fn apply_shares_equal_values(world: &World) {
    apply(world, "one", &json!({"image": "a", "serviceAccount": "flink"})).await.ok();
    let shared = apply(world, "two", &json!({"image": "a"})).await.ok();
    assert_eq!(managers(&shared), ["one Apply", "two Apply"]);
    let dropped = apply(world, "one", &json!({"serviceAccount": "flink"})).await.ok();
    assert_eq!(dropped["spec"], json!({"image": "a", "serviceAccount": "flink"}), "two still owns the image");
    assert_eq!(fields(&dropped, "one"), json!({"f:spec": {"f:serviceAccount": {}}}));
}

pub async fn apply_removes_what_it_no_longer_names(world: &World) {
    apply(world, "one", &json!({"image": "a", "job": {"jarURI": "local:///a.jar", "args": ["x"]}}))
        .await
        .ok();
    let applied = apply(world, "one", &json!({"image": "a", "job": {"jarURI": "local:///a.jar"}})).await.ok();
    assert_eq!(applied["spec"], json!({"image": "a", "job": {"jarURI": "local:///a.jar"}}));
    assert_eq!(applied["metadata"]["generation"], 2);
}

pub async fn apply_owns_each_configuration_key(world: &World) {
    apply(world, "one", &json!({"flinkConfiguration": {"a.b": "1", "c.d": "2"}})).await.ok();
    let both = apply(world, "two", &json!({"flinkConfiguration": {"e.f": "3"}})).await.ok();
    assert_eq!(both["spec"]["flinkConfiguration"], json!({"a.b": "1", "c.d": "2", "e.f": "3"}));
    assert_eq!(fields(&both, "two"), json!({"f:spec": {"f:flinkConfiguration": {"f:e.f": {}}}}));
    let answer = apply(world, "two", &json!({"flinkConfiguration": {"a.b": "9", "e.f": "3"}})).await;
    let message = answer.refused(409, "Conflict");
    assert_eq!(message, r#"Apply failed with 1 conflict: conflict with "one": .spec.flinkConfiguration.a.b"#);
    let less = apply(world, "one", &json!({"flinkConfiguration": {"a.b": "1"}})).await.ok();
    assert_eq!(less["spec"]["flinkConfiguration"], json!({"a.b": "1", "e.f": "3"}));
}

pub async fn apply_conflicts_with_an_update(world: &World) {
    apply(world, "one", &json!({"image": "a", "serviceAccount": "flink"})).await.ok();
    let edit = json!({"spec": {"image": "b"}});
    let edited = world.deployments().merge("orders", "fieldManager=kubectl-edit", &edit).await.ok();
    assert_eq!(managers(&edited), ["kubectl-edit Update", "one Apply"]);
    assert_eq!(fields(&edited, "one"), json!({"f:spec": {"f:serviceAccount": {}}}));
    let answer = apply(world, "one", &json!({"image": "a", "serviceAccount": "flink"})).await;
    let message = answer.refused(409, "Conflict");
    assert_eq!(
        message,
        "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using flink.apache.org/v1beta1: .spec.image"
    );
}

pub async fn apply_again_changes_nothing(world: &World) {
    let spec = application();
    let first = apply(world, "one", &spec).await.ok();
    let second = apply(world, "one", &spec).await;
    assert_eq!(second.code, 200);
    assert_eq!(second.ok(), first);
}

pub async fn apply_refuses_undeclared_fields(world: &World) {
    let answer = apply(world, "one", &json!({"image": "a", "bogus": 1})).await;
    assert_eq!(untyped(&answer), ".spec.bogus: field not declared in schema");
    world.deployments().get("orders").await.refused(404, "NotFound");
}

pub async fn apply_refuses_a_wrong_type(world: &World) {
    let answer = apply(world, "one", &json!({"job": {"parallelism": "two"}})).await;
    assert!(untyped(&answer).starts_with(".spec.job.parallelism: "), "{answer:?}");
}

/// What does not fit the schema: a mistake of the author, although the API server calls it its own.
#[track_caller]
fn untyped(answer: &Answer) -> &str {
    assert_eq!(answer.code, 500, "{answer:?}");
    let message = answer.body["message"].as_str().expect("a message");
    let start =
        "failed to create typed patch object (/orders; flink.apache.org/v1beta1, Kind=FlinkDeployment): ";
    message.strip_prefix(start).unwrap_or_else(|| panic!("{message}"))
}

pub async fn apply_of_a_config_map_owns_each_key(world: &World) {
    let settings = |data: Value| config_map("settings", &data);
    let maps = world.config_maps();
    maps.apply("settings", "fieldManager=one", &settings(json!({"a": "1", "b": "2"}))).await.ok();
    maps.apply("settings", "fieldManager=two", &settings(json!({"c": "3"}))).await.ok();
    let less = maps.apply("settings", "fieldManager=one", &settings(json!({"a": "1"}))).await.ok();
    assert_eq!(less["data"], json!({"a": "1", "c": "3"}));
    let answer = maps.apply("settings", "fieldManager=two", &settings(json!({"a": "9", "c": "3"}))).await;
    assert_eq!(
        answer.refused(409, "Conflict"),
        r#"Apply failed with 1 conflict: conflict with "one": .data.a"#
    );
}

pub async fn apply_with_a_stale_version_conflicts(world: &World) {
    let first = apply(world, "one", &json!({"image": "a"})).await.ok();
    apply(world, "one", &json!({"image": "b"})).await.ok();
    let mut intent = deployment("orders", &json!({"image": "c"}));
    intent["metadata"]["resourceVersion"] = json!(version(&first));
    let answer = world.deployments().apply("orders", "fieldManager=one", &intent).await;
    answer.refused(409, "Conflict");
}
