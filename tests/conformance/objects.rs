//! Creating, reading, replacing and listing.

use serde_json::{Value, json};

use super::world::{World, application, config_map, deployment, entry, fields, managers, version};

pub async fn create_fills_in_what_the_server_owns(world: &World) {
    let mut object = deployment("orders", &application());
    object["status"] = json!({"lifecycleState": "STABLE"});
    object["metadata"]["generation"] = json!(7);
    let created = world.deployments().create("fieldManager=ci", &object).await;
    assert_eq!(created.code, 201);
    let created = created.ok();
    let metadata = &created["metadata"];
    assert_eq!(metadata["generation"], 1);
    assert_eq!(metadata["namespace"], world.namespace);
    assert!(metadata["uid"].as_str().is_some_and(|uid| uid.len() == 36), "{metadata}");
    let time = metadata["creationTimestamp"].as_str().expect("a time");
    assert!(time.parse::<jiff::Timestamp>().is_ok() && time.len() == "2026-01-01T00:00:00Z".len(), "{time}");
    assert!(version(&created).parse::<u64>().is_ok());
    assert_eq!(created.get("status"), None, "status is a subresource, so a create cannot set it");
    assert_eq!(world.deployments().get("orders").await.ok(), created);
}

pub async fn create_refuses_a_name_that_exists(world: &World) {
    let object = deployment("orders", &application());
    world.deployments().create("", &object).await.ok();
    let message = world.deployments().create("", &object).await.refused(409, "AlreadyExists");
    assert_eq!(message, r#"flinkdeployments.flink.apache.org "orders" already exists"#);
}

pub async fn get_refuses_a_name_that_does_not_exist(world: &World) {
    let message = world.deployments().get("nobody").await.refused(404, "NotFound");
    assert_eq!(message, r#"flinkdeployments.flink.apache.org "nobody" not found"#);
    let message = world.config_maps().get("nobody").await.refused(404, "NotFound");
    assert_eq!(message, r#"configmaps "nobody" not found"#);
}

pub async fn create_refuses_another_namespace(world: &World) {
    let mut object = deployment("orders", &application());
    object["metadata"]["namespace"] = json!("elsewhere");
    let message = world.deployments().create("", &object).await.refused(400, "BadRequest");
    assert_eq!(
        message,
        "the namespace of the provided object does not match the namespace sent on the request"
    );
}

pub async fn create_writes_integral_numbers_without_fraction(world: &World) {
    let mut spec = application();
    spec["jobManager"]["resource"]["cpu"] = json!(1.0);
    spec["taskManager"]["resource"]["cpu"] = json!(0.5);
    world.deployments().create("", &deployment("orders", &spec)).await.ok();
    let stored = world.deployments().get("orders").await.ok();
    assert_eq!(stored["spec"]["jobManager"]["resource"]["cpu"].to_string(), "1");
    assert_eq!(stored["spec"]["taskManager"]["resource"]["cpu"].to_string(), "0.5");
}

fn misspelt() -> Value {
    let mut spec = application();
    spec["job"]["paralelism"] = json!(2);
    deployment("orders", &spec)
}

pub async fn unknown_fields_are_pruned(world: &World) {
    let created = world.deployments().create("", &misspelt()).await.ok();
    assert_eq!(created["spec"]["job"], application()["job"]);
    assert_eq!(world.deployments().get("orders").await.ok(), created);
}

pub async fn strict_validation_refuses_unknown_fields(world: &World) {
    let answer = world.deployments().create("fieldValidation=Strict", &misspelt()).await;
    let message = answer.refused(400, "BadRequest");
    assert!(message.contains(r#"strict decoding error: unknown field "spec.job.paralelism""#), "{message}");
    world.deployments().get("orders").await.refused(404, "NotFound");
}

pub async fn a_wrong_type_is_refused(world: &World) {
    let mut spec = application();
    spec["job"]["parallelism"] = json!("two");
    let answer = world.deployments().create("", &deployment("orders", &spec)).await;
    let message = answer.refused(422, "Invalid");
    assert_eq!(
        message,
        "FlinkDeployment.flink.apache.org \"orders\" is invalid: spec.job.parallelism: Invalid value: \
         \"string\": spec.job.parallelism in body must be of type integer: \"string\""
    );
}

pub async fn replace_needs_the_current_version(world: &World) {
    let first = world.deployments().create("", &deployment("orders", &application())).await.ok();
    let mut next = first.clone();
    next["spec"]["job"]["parallelism"] = json!(2);
    let second = world.deployments().replace("orders", "", &next).await.ok();
    assert_eq!(second["metadata"]["generation"], 2);
    let message = world.deployments().replace("orders", "", &next).await.refused(409, "Conflict");
    assert_eq!(
        message,
        "Operation cannot be fulfilled on flinkdeployments.flink.apache.org \"orders\": the object has been \
         modified; please apply your changes to the latest version and try again"
    );
    next["metadata"].as_object_mut().expect("metadata").remove("resourceVersion");
    world.deployments().replace("orders", "", &next).await.refused(422, "Invalid");
}

pub async fn replace_that_changes_nothing_keeps_the_version(world: &World) {
    let first = world.config_maps().create("", &config_map("ledger", &json!({"a": "1"}))).await.ok();
    let second = world.config_maps().replace("ledger", "", &first).await.ok();
    assert_eq!(version(&first), version(&second));
}

pub async fn generate_name_makes_a_name(world: &World) {
    let mut object = config_map("", &json!({}));
    object["metadata"] = json!({"generateName": "event-"});
    let names: Vec<_> = [
        world.config_maps().create("", &object).await.ok(),
        world.config_maps().create("", &object).await.ok(),
    ]
    .map(|created| created["metadata"]["name"].as_str().expect("a name").to_owned())
    .into();
    assert!(names.iter().all(|name| name.starts_with("event-") && name.len() == "event-".len() + 5));
    assert_ne!(names[0], names[1]);
}

pub async fn lists_hold_what_labels_select(world: &World) {
    for (name, labels) in [
        ("a", json!({"team": "orders", "tier": "1"})),
        ("b", json!({"team": "billing"})),
        ("c", json!({"team": "orders"})),
    ] {
        let mut object = config_map(name, &json!({}));
        object["metadata"]["labels"] = labels;
        world.config_maps().create("", &object).await.ok();
    }
    for (selector, expected) in [
        ("team%3Dorders", "a c"),
        ("team%3D%3Dorders,tier%3D1", "a"),
        ("team!%3Dorders,team", "b"),
        ("team%20in%20(orders,billing)", "a b c"),
        ("team%20notin%20(billing),team", "a c"),
        ("tier", "a"),
        ("!tier,team", "b c"),
        ("team%3Dnobody", ""),
    ] {
        let list = world.config_maps().list(&format!("labelSelector={selector}")).await.ok();
        assert_eq!(list["kind"], "ConfigMapList");
        assert!(version(&list).parse::<u64>().is_ok());
        let items = list["items"].as_array().expect("items");
        let names: Vec<_> = items.iter().filter_map(|item| item["metadata"]["name"].as_str()).collect();
        assert_eq!(names.join(" "), expected, "{selector}");
    }
    let list = world.config_maps().list("fieldSelector=metadata.name%3Db").await.ok();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
}

pub async fn lists_come_in_pages(world: &World) {
    for name in ["a", "b", "c", "d", "e"] {
        world.config_maps().create("", &config_map(name, &json!({}))).await.ok();
    }
    let (mut query, mut pages) = ("limit=2".to_owned(), Vec::new());
    loop {
        let page = world.config_maps().list(&query).await.ok();
        let names =
            page["items"].as_array().expect("items").iter().map(|item| item["metadata"]["name"].clone());
        pages.push(names.collect::<Value>());
        match page["metadata"]["continue"].as_str() {
            Some(token) => query = form_urlencoded(&[("limit", "2"), ("continue", token)]),
            None => break,
        }
    }
    assert_eq!(Value::from(pages), json!([["a", "b"], ["c", "d"], ["e"]]));
}

fn form_urlencoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub async fn names_and_labels_are_checked(world: &World) {
    let answer = world.deployments().create("", &deployment("Orders", &application())).await;
    let message = answer.refused(422, "Invalid");
    assert!(message.contains("metadata.name: Invalid value: \"Orders\""), "{message}");
    let mut object = deployment("orders", &application());
    object["metadata"]["labels"] = json!({"team": "order takers"});
    let message = world.deployments().create("", &object).await.refused(422, "Invalid");
    assert!(message.contains("metadata.labels: Invalid value: \"order takers\""), "{message}");
    let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}});
    let message = world.config_maps().create("", &nameless).await.refused(422, "Invalid");
    assert!(message.contains("name or generateName is required"), "{message}");
}

pub async fn update_managers_own_what_they_wrote(world: &World) {
    let mut object = config_map("settings", &json!({"a": "1"}));
    object["metadata"]["labels"] = json!({"team": "orders"});
    let created = world.config_maps().create("fieldManager=ci", &object).await.ok();
    assert_eq!(managers(&created), ["ci Update"]);
    let entry = entry(&created, "ci", None);
    assert_eq!(entry["apiVersion"], "v1");
    assert_eq!(entry["fieldsType"], "FieldsV1");
    assert_eq!(entry["time"], created["metadata"]["creationTimestamp"]);
    assert_eq!(
        fields(&created, "ci"),
        json!({"f:data": {".": {}, "f:a": {}}, "f:metadata": {"f:labels": {".": {}, "f:team": {}}}})
    );
}
