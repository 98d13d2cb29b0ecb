//! JSON merge patches, generations and dry runs.

use serde_json::{Value, json};

use super::world::{World, application, config_map, deployment, fields, managers, version};

async fn orders(world: &World) -> Value {
    let object = deployment("orders", &application());
    world.deployments().create("fieldManager=ci", &object).await.ok()
}

pub async fn merge_patch_changes_sets_and_removes(world: &World) {
    orders(world).await;
    let patch = json!({
        "metadata": {"labels": {"team": "orders"}},
        "spec": {"image": "flink:next", "serviceAccount": null, "job": {"parallelism": 3},
                 "flinkConfiguration": {"state.savepoints.dir": null, "a.b": "c"}},
    });
    let patched = world.deployments().merge("orders", "", &patch).await.ok();
    let mut expected = application();
    expected["image"] = json!("flink:next");
    expected["job"]["parallelism"] = json!(3);
    expected["flinkConfiguration"] = json!({"taskmanager.numberOfTaskSlots": "2", "a.b": "c"});
    expected.as_object_mut().expect("a spec").remove("serviceAccount");
    assert_eq!(patched["spec"], expected);
    assert_eq!(patched["metadata"]["labels"], json!({"team": "orders"}));
    assert_eq!(patched["metadata"]["generation"], 2);
    assert_eq!(world.deployments().get("orders").await.ok(), patched);
}

pub async fn merge_patch_replaces_lists(world: &World) {
    orders(world).await;
    for args in [json!(["a", "b"]), json!(["b"])] {
        let patch = json!({"spec": {"job": {"args": args}}});
        let patched = world.deployments().merge("orders", "", &patch).await.ok();
        assert_eq!(patched["spec"]["job"]["args"], args);
    }
}

pub async fn merge_patch_with_a_stale_version_conflicts(world: &World) {
    let created = orders(world).await;
    let patch =
        |image: &str| json!({"metadata": {"resourceVersion": version(&created)}, "spec": {"image": image}});
    let patched = world.deployments().merge("orders", "", &patch("flink:a")).await.ok();
    assert_ne!(version(&patched), version(&created));
    let message = world.deployments().merge("orders", "", &patch("flink:b")).await.refused(409, "Conflict");
    assert_eq!(
        message,
        "Operation cannot be fulfilled on flinkdeployments.flink.apache.org \"orders\": the object has been \
         modified; please apply your changes to the latest version and try again"
    );
    assert_eq!(world.deployments().get("orders").await.ok(), patched);
}

pub async fn merge_patch_that_changes_nothing_keeps_the_version(world: &World) {
    let created = orders(world).await;
    let patch = json!({"spec": {"image": created["spec"]["image"]}});
    let patched = world.deployments().merge("orders", "fieldManager=ci", &patch).await.ok();
    assert_eq!(patched, created);
}

pub async fn merge_patch_refuses_a_missing_object(world: &World) {
    let message = world.deployments().merge("nobody", "", &json!({})).await.refused(404, "NotFound");
    assert_eq!(message, r#"flinkdeployments.flink.apache.org "nobody" not found"#);
}

pub async fn merge_patch_prunes_unknown_fields(world: &World) {
    let created = orders(world).await;
    let patch = json!({"spec": {"job": {"paralelism": 2}}});
    let patched = world.deployments().merge("orders", "", &patch).await.ok();
    assert_eq!(version(&patched), version(&created));
    let answer = world.deployments().merge("orders", "fieldValidation=Strict", &patch).await;
    // The whole refusal differs between servers; the field is what a person needs.
    assert!(answer.code >= 400 && answer.body.to_string().contains("spec.job.paralelism"), "{answer:?}");
}

pub async fn merge_patch_moves_ownership(world: &World) {
    orders(world).await;
    let patch = json!({"spec": {"flinkConfiguration": {"taskmanager.numberOfTaskSlots": "4"}}});
    let patched = world.deployments().merge("orders", "fieldManager=kubectl-edit", &patch).await.ok();
    assert_eq!(managers(&patched), ["ci Update", "kubectl-edit Update"]);
    assert_eq!(
        fields(&patched, "kubectl-edit"),
        json!({"f:spec": {"f:flinkConfiguration": {"f:taskmanager.numberOfTaskSlots": {}}}})
    );
    let left = fields(&patched, "ci")["f:spec"]["f:flinkConfiguration"].clone();
    assert_eq!(left, json!({".": {}, "f:state.savepoints.dir": {}}));
}

pub async fn strategic_merge_patch_is_for_built_in_kinds(world: &World) {
    orders(world).await;
    let patch = json!({"spec": {"image": "flink:next"}});
    world.deployments().strategic_merge("orders", &patch).await.refused(415, "UnsupportedMediaType");
    world.config_maps().create("", &config_map("settings", &json!({"a": "1", "b": "2"}))).await.ok();
    let patch = json!({"data": {"a": null, "c": "3"}});
    let patched = world.config_maps().strategic_merge("settings", &patch).await.ok();
    assert_eq!(patched["data"], json!({"b": "2", "c": "3"}));
}

pub async fn generation_counts_spec_changes_only(world: &World) {
    orders(world).await;
    for (name, patch, generation) in [
        ("orders", json!({"metadata": {"labels": {"a": "b"}}}), 1),
        ("orders", json!({"metadata": {"annotations": {"a": "b"}, "finalizers": ["flinkops.dev/test"]}}), 1),
        ("orders/status", json!({"status": {"lifecycleState": "STABLE"}}), 1),
        ("orders", json!({"spec": {"job": {"parallelism": 2}}}), 2),
        ("orders", json!({"spec": {"job": {"parallelism": 2}}}), 2),
        ("orders", json!({"spec": {"job": {"parallelism": 1}}}), 3),
        ("orders", json!({"metadata": {"finalizers": null}}), 3),
    ] {
        let patched = world.deployments().merge(name, "", &patch).await.ok();
        assert_eq!(patched["metadata"]["generation"], generation, "{patch}");
    }
    let config_map = world.config_maps().create("", &config_map("settings", &json!({}))).await.ok();
    assert_eq!(config_map["metadata"].get("generation"), None);
}

pub async fn dry_run_writes_nothing(world: &World) {
    let object = deployment("orders", &application());
    let shown = world.deployments().create("dryRun=All", &object).await.ok();
    assert_eq!(shown["spec"], object["spec"]);
    world.deployments().get("orders").await.refused(404, "NotFound");
    let stored = orders(world).await;
    let patch = json!({"spec": {"image": "flink:next"}});
    let shown = world.deployments().merge("orders", "dryRun=All", &patch).await.ok();
    assert_eq!(shown["spec"]["image"], "flink:next");
    let mut intent = object.clone();
    intent["spec"]["image"] = json!("flink:next");
    let shown =
        world.deployments().apply("orders", "fieldManager=x&force=true&dryRun=All", &intent).await.ok();
    assert_eq!(shown["spec"]["image"], "flink:next");
    world.deployments().delete("orders", &json!({"dryRun": ["All"]})).await.ok();
    assert_eq!(world.deployments().get("orders").await.ok(), stored);
    let mut stale = patch;
    stale["metadata"] = json!({"resourceVersion": "1"});
    world.deployments().merge("orders", "dryRun=All", &stale).await.refused(409, "Conflict");
}
