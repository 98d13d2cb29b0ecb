//! The scale subresource, through which `kubectl scale` and autoscalers write one number.

use serde_json::{Value, json};

use super::resource::Resource;
use crate::flink::pointer::At as _;

/// Where a kind keeps what the subresource shows, as JSON pointers.
struct Paths {
    spec: &'static [&'static str],
    status: &'static str,
    selector: &'static str,
}

fn paths(resource: &Resource) -> Option<Paths> {
    match resource.kind {
        "FlinkDeployment" => Some(Paths {
            spec: &["spec", "taskManager", "replicas"],
            status: "/status/taskManager/replicas",
            selector: "/status/taskManager/labelSelector",
        }),
        "Deployment" => Some(Paths {
            spec: &["spec", "replicas"],
            status: "/status/replicas",
            selector: "/status/selector",
        }),
        _ => None,
    }
}

/// Whether objects of this kind can be scaled.
pub fn is_scalable(resource: &Resource) -> bool {
    paths(resource).is_some()
}

/// Whether the object names a number at all.
pub fn is_set(resource: &Resource, object: &Value) -> bool {
    paths(resource).is_some_and(|paths| !paths.spec.iter().fold(object, |value, key| &value[*key]).is_null())
}

/// The object as the subresource shows it.
pub fn present(resource: &Resource, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let identity = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let identity: serde_json::Map<_, _> =
        identity.into_iter().map(|key| (key.to_owned(), metadata[key].clone())).collect();
    let Some(paths) = paths(resource) else { return Value::Null };
    let wanted = paths.spec.iter().fold(object, |value, key| &value[*key]);
    let number = |value: Option<&Value>| value.and_then(Value::as_i64).unwrap_or_default();
    let mut status = json!({"replicas": number(object.at(paths.status))});
    if let Some(selector) = object.at(paths.selector).and_then(Value::as_str) {
        status["selector"] = json!(selector);
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": identity,
        "spec": {"replicas": number(Some(wanted))}, "status": status,
    })
}

/// Writes the number that a Scale asks for into the object it is of.
pub fn accept(resource: &Resource, object: &mut Value, scale: &Value) {
    let Some(paths) = paths(resource) else { return };
    let wanted = paths.spec.iter().fold(&mut *object, |value, key| &mut value[*key]);
    *wanted = scale["spec"]["replicas"].clone();
    object["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_shows_and_sets_the_number_where_the_kind_keeps_it() {
        let resource = Resource::by_kind("flink.apache.org/v1beta1", "FlinkDeployment").unwrap();
        let mut object = json!({"metadata": {"name": "a", "resourceVersion": "5"}, "spec": {"image": "i"},
            "status": {"taskManager": {"replicas": 2, "labelSelector": "app=a"}}});
        let mut scale = present(resource, &object);
        assert_eq!(scale["spec"]["replicas"], 0);
        assert_eq!(scale["status"], json!({"replicas": 2, "selector": "app=a"}));
        scale["spec"]["replicas"] = json!(3);
        accept(resource, &mut object, &scale);
        assert_eq!(object["spec"], json!({"image": "i", "taskManager": {"replicas": 3}}));
    }
}
