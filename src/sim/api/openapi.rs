//! The `OpenAPI` v3 documents, as little as kubectl asks for before it edits or applies: which kinds
//! know which parameters, and what the Flink kinds' fields are.

use serde_json::{Map, Value, json};

use super::discovery::served;
use super::resource::Resource;
use super::schema;
use super::store::Store;

/// The list of documents, one per group and version.
pub fn index(store: &Store) -> Value {
    let folders = served(store).map(|resource| {
        let folder = folder(resource);
        (folder.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{folder}")}))
    });
    json!({"paths": folders.collect::<Map<_, _>>()})
}

/// The document of one group and version, named as in a path: `apis/apps/v1`.
pub fn document(store: &Store, wanted: &str) -> Option<Value> {
    let resources: Vec<&Resource> = served(store).filter(|resource| folder(resource) == wanted).collect();
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for resource in &resources {
        let scope = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
        paths.insert(format!("/{wanted}/{scope}{}/{{name}}", resource.plural), operations(resource));
        schemas.insert(schema_name(resource), described(store, resource));
    }
    let info = json!({"title": "flinkops embedded cluster", "version": "v1"});
    let document =
        json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}});
    (!resources.is_empty()).then_some(document)
}

fn folder(resource: &Resource) -> String {
    let root = if resource.group.is_empty() { "api" } else { "apis" };
    format!("{root}/{}", resource.api_version())
}

fn schema_name(resource: &Resource) -> String {
    let group: Vec<&str> = resource.group.split('.').filter(|it| !it.is_empty()).rev().collect();
    let group = if group.is_empty() { "core".to_owned() } else { group.join(".") };
    format!("{group}.{}.{}", resource.version, resource.kind)
}

fn kind_of(resource: &Resource) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": resource.kind})
}

fn operations(resource: &Resource) -> Value {
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let parameters = ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter);
    let reference = json!({"$ref": format!("#/components/schemas/{}", schema_name(resource))});
    let answer =
        json!({"200": {"description": "OK", "content": {"application/json": {"schema": reference}}}});
    let operation = |action: &str| {
        json!({
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind_of(resource),
            "parameters": parameters, "responses": answer,
        })
    };
    json!({"get": operation("get"), "put": operation("put"), "patch": operation("patch")})
}

fn described(store: &Store, resource: &Resource) -> Value {
    let open = || json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let mut schema = schema::of_kind(resource.kind, store.operator_mode()).cloned().unwrap_or_else(open);
    schema["x-kubernetes-group-version-kind"] = json!([kind_of(resource)]);
    schema
}
