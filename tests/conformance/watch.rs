//! Watches: where they start, what they say and how they end.

use serde_json::{Value, json};

use super::world::{World, config_map, deployment, version};

async fn create(world: &World, name: &str) -> Value {
    world.deployments().create("", &deployment(name, &json!({"image": "a"}))).await.ok()
}

pub async fn a_watch_goes_on_from_a_version(world: &World) {
    create(world, "before").await;
    let list = world.deployments().list("").await.ok();
    create(world, "orders").await;
    world.deployments().merge("orders", "", &json!({"spec": {"image": "b"}})).await.ok();
    world.deployments().delete("orders", &json!({})).await.ok();

    let mut watch = world.deployments().watch(&format!("resourceVersion={}", version(&list))).await;
    let (kind, added) = watch.next().await;
    assert_eq!((kind.as_str(), &added["spec"]["image"]), ("ADDED", &json!("a")));
    let (kind, modified) = watch.next().await;
    assert_eq!((kind.as_str(), &modified["spec"]["image"]), ("MODIFIED", &json!("b")));
    let (kind, deleted) = watch.next().await;
    assert_eq!((kind.as_str(), &deleted["spec"]["image"]), ("DELETED", &json!("b")));
    let versions =
        [&list, &added, &modified, &deleted].map(|object| version(object).parse::<u64>().expect("a number"));
    assert!(versions.is_sorted_by(|a, b| a < b), "a deletion has a version of its own: {versions:?}");

    create(world, "later").await;
    assert_eq!(watch.next_brief().await, "ADDED later");
}

pub async fn a_watch_without_version_starts_with_what_is_there(world: &World) {
    create(world, "one").await;
    create(world, "two").await;
    for query in ["", "resourceVersion=0"] {
        let mut watch = world.deployments().watch(query).await;
        let mut first = [watch.next_brief().await, watch.next_brief().await];
        first.sort();
        assert_eq!(first, ["ADDED one", "ADDED two"], "{query}");
    }
}

pub async fn a_watch_of_a_selection_deletes_what_leaves_it(world: &World) {
    let list = world.config_maps().list("").await.ok();
    let query = format!("resourceVersion={}&labelSelector=team%3Dorders", version(&list));
    let mut watch = world.config_maps().watch(&query).await;
    let maps = world.config_maps();
    maps.create("", &config_map("settings", &json!({}))).await.ok();
    for team in ["orders", "billing", "orders"] {
        maps.merge("settings", "", &json!({"metadata": {"labels": {"team": team}}})).await.ok();
    }
    for kind in ["ADDED", "DELETED", "ADDED"] {
        assert_eq!(watch.next_brief().await, format!("{kind} settings"));
    }
}

pub async fn a_watch_sends_bookmarks(world: &World) {
    let created = create(world, "orders").await;
    // A server sends one before it ends a watch, whatever its usual interval.
    let query = format!("resourceVersion={}&allowWatchBookmarks=true&timeoutSeconds=5", version(&created));
    let mut watch = world.deployments().watch(&query).await;
    let (kind, bookmark) = watch.next().await;
    assert_eq!(kind, "BOOKMARK");
    assert_eq!(bookmark["kind"], "FlinkDeployment");
    let (seen, start) = (version(&bookmark).parse::<u64>().expect("a number"), version(&created));
    assert!(seen >= start.parse().expect("a number"), "{bookmark}");
    create(world, "later").await;
    let mut again = world.deployments().watch(&format!("resourceVersion={seen}")).await;
    assert_eq!(again.next_brief().await, "ADDED later");
}

pub async fn a_watch_ends_after_its_timeout(world: &World) {
    let created = create(world, "orders").await;
    let query = format!("resourceVersion={}&timeoutSeconds=1", version(&created));
    assert!(world.deployments().watch(&query).await.ended().await);
}

pub async fn a_watch_from_a_compacted_version_is_gone(world: &World) {
    create(world, "orders").await;
    let mut watch = world.deployments().watch("resourceVersion=1").await;
    let (kind, status) = watch.next().await;
    assert_eq!(kind, "ERROR");
    assert_eq!(status["kind"], "Status");
    assert_eq!((&status["code"], &status["reason"]), (&json!(410), &json!("Expired")));
    let message = status["message"].as_str().expect("a message");
    assert!(message.starts_with("too old resource version: 1 ("), "{message}");
    assert!(watch.ended().await);
}
