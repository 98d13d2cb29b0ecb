//! The kinds beside Flink's own that flinkops and kubectl rely on.

use serde_json::{Value, json};

use super::world::{World, managers, version};

pub async fn discovery_names_the_kinds(world: &World) {
    let groups = world.read("/apis").await;
    let groups = groups["groups"].as_array().expect("groups");
    let flink =
        groups.iter().find(|group| group["name"] == "flink.apache.org").expect("the operator's group");
    assert_eq!(flink["preferredVersion"]["groupVersion"], "flink.apache.org/v1beta1");

    for (path, name, kind) in [
        ("/apis/flink.apache.org/v1beta1", "flinkdeployments", "FlinkDeployment"),
        ("/apis/flink.apache.org/v1beta1", "flinksessionjobs", "FlinkSessionJob"),
        ("/api/v1", "configmaps", "ConfigMap"),
        ("/api/v1", "services", "Service"),
        ("/apis/apps/v1", "deployments", "Deployment"),
        ("/apis/coordination.k8s.io/v1", "leases", "Lease"),
    ] {
        let list = world.read(path).await;
        let resources = list["resources"].as_array().expect("resources");
        let found = resources.iter().find(|resource| resource["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no {name} at {path}"));
        assert_eq!((&found["kind"], &found["namespaced"]), (&json!(kind), &json!(true)));
        let verbs = found["verbs"].as_array().expect("verbs");
        for verb in ["get", "list", "watch", "create", "update", "patch", "delete"] {
            assert!(verbs.contains(&json!(verb)), "{name}: {verb}");
        }
    }
    assert_eq!(world.read("/version").await["major"], "1");
}

pub async fn leases_are_compared_and_swapped(world: &World) {
    let leases = world.resource("/apis/coordination.k8s.io/v1", "leases");
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "flinkops.orders.prod"},
        "spec": {"holderIdentity": "one", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.123456Z"},
    });
    let first = leases.create("", &lease).await.ok();
    assert_eq!(first["spec"], lease["spec"]);
    let mut next = first.clone();
    next["spec"]["holderIdentity"] = json!("two");
    let second = leases.replace("flinkops.orders.prod", "", &next).await.ok();
    assert_ne!(version(&second), version(&first));
    leases.replace("flinkops.orders.prod", "", &next).await.refused(409, "Conflict");
}

pub async fn events_are_kept(world: &World) {
    let events = world.resource("/apis/events.k8s.io/v1", "events");
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"generateName": "orders-"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "reason": "Upgrading", "action": "patch",
        "note": "upgrades from savepoint", "reportingController": "flinkops", "reportingInstance": "one",
        "regarding": {"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "name": "orders",
                      "namespace": world.namespace},
    });
    let created = events.create("", &event).await.ok();
    let name = created["metadata"]["name"].as_str().expect("a name");
    assert_eq!(events.get(name).await.ok()["note"], event["note"]);
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}});
    assert_eq!(events.merge(name, "", &series).await.ok()["series"]["count"], 2);
}

pub async fn companions_are_applied(world: &World) {
    let template = json!({
        "metadata": {"labels": {"app": "jars"}},
        "spec": {"containers": [{"name": "nginx", "image": "nginx", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]},
    });
    for (group, version_, plural, kind, spec) in [
        (
            "/api/v1",
            "v1",
            "services",
            "Service",
            json!({"spec": {"selector": {"app": "jars"}, "ports": [{"port": 80, "protocol": "TCP"}]}}),
        ),
        ("/api/v1", "v1", "serviceaccounts", "ServiceAccount", json!({})),
        (
            "/api/v1",
            "v1",
            "persistentvolumeclaims",
            "PersistentVolumeClaim",
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
        ),
        (
            "/apis/apps/v1",
            "apps/v1",
            "deployments",
            "Deployment",
            json!({"spec": {"selector": {"matchLabels": {"app": "jars"}}, "template": template}}),
        ),
    ] {
        let mut object = json!({"apiVersion": version_, "kind": kind, "metadata": {"name": "jars", "labels": {"team": "orders"}}});
        if let Some(spec) = spec.get("spec") {
            object["spec"] = spec.clone();
        }
        let resource = world.resource(group, plural);
        let first = resource.apply("jars", "fieldManager=flinkops", &object).await.ok();
        assert_holds(&first, &object);
        assert_eq!(managers(&first), ["flinkops Apply"], "{kind}");
        let mut second = resource.apply("jars", "fieldManager=flinkops", &object).await.ok();
        // A real server counts an unchanged PersistentVolumeClaim up once.
        second["metadata"]["resourceVersion"] = json!(version(&first));
        assert_eq!(second, first, "the same intent changes nothing");
        resource.delete("jars", &json!({})).await.ok();
    }
}

/// Everything intended is there; a server may add defaults.
#[track_caller]
fn assert_holds(object: &Value, intent: &Value) {
    match (object, intent) {
        (Value::Object(object), Value::Object(intent)) => {
            for (key, intent) in intent {
                assert_holds(object.get(key).unwrap_or(&Value::Null), intent);
            }
        }
        (Value::Array(object), Value::Array(intent)) => {
            assert_eq!(object.len(), intent.len());
            object.iter().zip(intent).for_each(|(object, intent)| assert_holds(object, intent));
        }
        _ => assert_eq!(object, intent),
    }
}
