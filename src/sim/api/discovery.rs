//! What the API says it serves, in the form every kubectl understands.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Response;
use serde_json::{Value, json};

use super::openapi;
use super::resource::{RESOURCES, Resource};
use super::routes::send;
use super::scale;
use super::status::StatusError;
use super::store::Store;

/// Answers a path that names no objects.
pub fn respond(store: &Store, path: &[String]) -> Result<Response<Body>, StatusError> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let document = match path.as_slice() {
        ["healthz" | "readyz" | "livez", ..] => return Ok(Response::new(Body::from("ok"))),
        ["version"] => version(),
        ["openapi", "v3"] => openapi::index(store),
        ["openapi", "v3", folder @ ..] => {
            openapi::document(store, &folder.join("/")).ok_or_else(StatusError::no_such_path)?
        }
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups()}),
        ["api", "v1"] => resources(store, "", "v1"),
        ["apis", name] => {
            groups().into_iter().find(|group| group["name"] == *name).ok_or_else(StatusError::no_such_path)?
        }
        ["apis", group, version] if serves(group, version) => resources(store, group, version),
        _ => return Err(StatusError::no_such_path()),
    };
    Ok(send(200, &document))
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "33", "gitVersion": "v1.33.0-flinkops", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc", "platform": "embedded",
    })
}

/// Every kind this cluster serves.
pub fn served(store: &Store) -> impl Iterator<Item = &'static Resource> {
    RESOURCES.iter().filter(|resource| store.serves(resource))
}

fn serves(group: &str, version: &str) -> bool {
    RESOURCES.iter().any(|it| it.group == group && it.version == version)
}

fn groups() -> Vec<Value> {
    let named: BTreeSet<(&str, &str)> =
        RESOURCES.iter().filter(|it| !it.group.is_empty()).map(|it| (it.group, it.version)).collect();
    named.into_iter().map(group).collect()
}

fn group((name, version): (&str, &str)) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": [version], "preferredVersion": version})
}

fn resources(store: &Store, group: &str, version: &str) -> Value {
    let served = served(store).filter(|it| it.group == group && it.version == version);
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let resources: Vec<Value> = served.flat_map(entries).collect();
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
}

fn entries(resource: &Resource) -> Vec<Value> {
    let whole = json!({
        "name": resource.plural, "singularName": resource.singular(), "kind": resource.kind,
        "namespaced": resource.namespaced, "shortNames": resource.short_names,
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
    });
    let status = json!({
        "name": format!("{}/status", resource.plural), "singularName": "", "kind": resource.kind,
        "namespaced": resource.namespaced, "verbs": ["get", "patch", "update"],
    });
    let scale = json!({
        "name": format!("{}/scale", resource.plural), "singularName": "", "group": "autoscaling", "version": "v1",
        "kind": "Scale", "namespaced": resource.namespaced, "verbs": ["get", "patch", "update"],
    });
    let parts = [(true, whole), (resource.has_status, status), (scale::is_scalable(resource), scale)];
    parts.into_iter().filter(|(is_served, _)| *is_served).map(|(_, entry)| entry).collect()
}
