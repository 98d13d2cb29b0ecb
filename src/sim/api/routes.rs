//! From a request to an answer: which operation of the store a verb on a path means.

use axum::body::Body;
use http::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::Api;
use super::journal::Verb;
use super::patch::{PATCH_TYPES, Patch, read_body};
use super::request::{Call, Target};
use super::resource::{Part, Resource};
use super::selector::Selector;
use super::status::StatusError;
use super::store::{DeleteOptions, Store, Written};
use super::{discovery, event_view, scale, table, watch};
use crate::flink::kind::{GROUP, ObjectKey};
use crate::flink::pointer::At as _;

type Answer = Result<Response<Body>, StatusError>;

/// Answers a request.
pub fn respond(api: &Api, call: &Call, body: &[u8]) -> Answer {
    let store = api.store();
    if call.media_type.contains("protobuf") {
        return Err(StatusError::unsupported_media_type("application/json, application/yaml"));
    }
    match &call.target {
        Target::Service { key, path } => {
            let answer = (api.services())(key, path);
            let nobody = || {
                StatusError::new(
                    503,
                    "ServiceUnavailable",
                    format!("no endpoints available for service \"{}\"", key.name),
                )
            };
            Ok(send(200, &answer.ok_or_else(nobody)?))
        }
        Target::Discovery => discovery::respond(store, &call.path),
        Target::Collection { resource, .. } | Target::Object { resource, .. } if !store.serves(resource) => {
            Err(StatusError::no_such_path())
        }
        Target::Collection { resource, namespace } => {
            let namespace = namespace.as_deref();
            match call.verb {
                Verb::Watch => watch::respond(store, call, resource, namespace),
                Verb::Create => create(store, call, &resource.key(namespace.unwrap_or_default(), ""), body),
                _ => list(store, call, resource, namespace),
            }
        }
        Target::Object { resource, namespace, name, part: Part::Scale } => {
            on_scale(store, call, (resource, &resource.key(namespace, name)), body)
        }
        Target::Object { resource, namespace, name, .. } => {
            let key = resource.stored().key(namespace, name);
            on_object(store, call, (resource, &key), body)
        }
    }
}

fn on_object(store: &Store, call: &Call, at: (&'static Resource, &ObjectKey), body: &[u8]) -> Answer {
    let (resource, key) = at;
    match call.verb {
        Verb::Get => {
            let object = store.get(key).ok_or_else(|| StatusError::not_found(resource, &key.name))?;
            Ok(send(200, &shown(call, resource, object.as_ref().clone(), store)))
        }
        Verb::Update => {
            let object = event_view::accept(resource, read_body(body)?);
            check_named(resource, &object)?;
            Ok(written(resource, &store.replace(key, object, &call.write_options())?))
        }
        Verb::Patch => patch(store, call, at, body),
        _ => delete(store, call, at, body),
    }
}

fn on_scale(store: &Store, call: &Call, at: (&'static Resource, &ObjectKey), body: &[u8]) -> Answer {
    let (resource, key) = at;
    let object = store.get(key).ok_or_else(|| StatusError::not_found(resource, &key.name))?;
    let now = scale::present(resource, &object);
    let wanted = match call.verb {
        Verb::Get if resource.group == GROUP && !scale::is_set(resource, &object) => {
            let message = "Internal error occurred: the spec replicas field \".spec.taskManager.replicas\" does not exist";
            return Err(StatusError::new(500, "InternalError", message));
        }
        Verb::Get => return Ok(send(200, &now)),
        Verb::Update => read_body(body)?,
        Verb::Patch => Patch::read(&call.media_type, body, call.flag("force"))?.patched(&now)?,
        _ => return Err(StatusError::method_not_allowed()),
    };
    let edit = |object: &mut Value| scale::accept(resource, object, &wanted);
    let written = store.edit(key, &call.write_options(), edit)?;
    Ok(send(200, &scale::present(resource, &written.object)))
}

fn shown(call: &Call, resource: &Resource, object: Value, store: &Store) -> Value {
    let object = event_view::present(resource, object);
    if !call.table {
        return object;
    }
    let version = object["metadata"]["resourceVersion"].clone();
    table::of(resource, &[&object], call.parameter("includeObject"), store.now()).at_version(&version)
}

fn list(store: &Store, call: &Call, resource: &'static Resource, namespace: Option<&str>) -> Answer {
    let selector =
        Selector::read(resource, call.parameter("labelSelector"), call.parameter("fieldSelector"))?;
    check_version(call)?;
    let (objects, version) = store.list(resource.stored(), namespace);
    let after = call.parameter("continue");
    let mut chosen: Vec<Value> = objects
        .iter()
        .filter(|object| selector.matches(object) && (after.is_empty() || position(object).as_str() > after))
        .map(|object| event_view::present(resource, object.as_ref().clone()))
        .collect();
    let limit = call.parameter("limit").parse().unwrap_or(0);
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if limit > 0 && chosen.len() > limit {
        metadata["remainingItemCount"] = json!(chosen.len() - limit);
        chosen.truncate(limit);
        metadata["continue"] = json!(chosen.last().map(position));
    }
    if call.table {
        let rows: Vec<&Value> = chosen.iter().collect();
        let mut table = table::of(resource, &rows, call.parameter("includeObject"), store.now()).into_json();
        table["metadata"] = metadata;
        return Ok(send(200, &table));
    }
    let kind = format!("{}List", resource.kind);
    Ok(send(
        200,
        &json!({"apiVersion": resource.api_version(), "kind": kind, "metadata": metadata, "items": chosen}),
    ))
}

fn check_version(call: &Call) -> Result<(), StatusError> {
    let asked = call.parameter("resourceVersion");
    if asked.is_empty() || asked.parse::<u64>().is_ok() {
        return Ok(());
    }
    let why = format!("invalid resource version: resourceVersion: Invalid value: {asked:?}: not a number");
    Err(StatusError::bad_request(why))
}

/// Where an object stands in a list, as an opaque token to go on from.
fn position(object: &Value) -> String {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    format!("{}\u{1}{}", text("namespace"), text("name"))
}

fn create(store: &Store, call: &Call, collection: &ObjectKey, body: &[u8]) -> Answer {
    let Target::Collection { resource, .. } = &call.target else { return Err(StatusError::no_such_path()) };
    let mut object = event_view::accept(resource, read_body(body)?);
    if let (None, Some(prefix)) =
        (object["metadata"]["name"].as_str(), object["metadata"]["generateName"].as_str())
    {
        let name = format!("{prefix}{:05x}", store.version());
        object["metadata"]["name"] = json!(name);
    }
    check_named(resource, &object)?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let key = resource.stored().key(&collection.namespace, &name);
    Ok(written(resource, &store.create(&key, object, &call.write_options())?))
}

fn patch(store: &Store, call: &Call, at: (&'static Resource, &ObjectKey), body: &[u8]) -> Answer {
    let (resource, key) = at;
    if call.media_type.starts_with("application/strategic-merge-patch") && resource.group == GROUP {
        return Err(StatusError::unsupported_media_type(PATCH_TYPES));
    }
    let patch = match Patch::read(&call.media_type, body, call.flag("force"))? {
        Patch::Merge(patch) => Patch::Merge(event_view::accept(resource, patch)),
        Patch::Apply { .. } if call.parameter("fieldManager").is_empty() => return Err(manager_required()),
        other => other,
    };
    Ok(written(resource, &store.patch(key, &patch, &call.write_options())?))
}

/// A custom resource must say what it is; built-in kinds are known by their path.
fn check_named(resource: &Resource, object: &Value) -> Result<(), StatusError> {
    if resource.group != GROUP || object["kind"].is_string() {
        return Ok(());
    }
    let kind = resource.kind;
    let message = format!(
        "the object provided is unrecognized (must be of type {kind}): Object 'Kind' is missing in '{object}'"
    );
    Err(StatusError::bad_request(message))
}

fn manager_required() -> StatusError {
    let message =
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
    StatusError::new(422, "Invalid", message)
}

fn delete(store: &Store, call: &Call, at: (&'static Resource, &ObjectKey), body: &[u8]) -> Answer {
    let (resource, key) = at;
    let asked = if body.is_empty() { Value::Null } else { read_body(body)? };
    let text = |pointer: &str| asked.at(pointer).and_then(Value::as_str).map(str::to_owned);
    let options = DeleteOptions {
        uid: text("/preconditions/uid"),
        resource_version: text("/preconditions/resourceVersion"),
        dry_run: call.logged().dry_run || asked["dryRun"] == json!(["All"]),
    };
    let deleted = store.delete(key, &options)?;
    let answer = if deleted.gone {
        success(resource, &deleted.object)
    } else {
        event_view::present(resource, deleted.object.as_ref().clone())
    };
    Ok(send(200, &answer))
}

fn success(resource: &Resource, object: &Value) -> Value {
    let mut details = json!({"name": object["metadata"]["name"], "kind": resource.plural, "uid": object["metadata"]["uid"]});
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

fn written(resource: &Resource, written: &Written) -> Response<Body> {
    let code = if written.created { 201 } else { 200 };
    let mut response = send(code, &event_view::present(resource, written.object.as_ref().clone()));
    for warning in &written.warnings {
        let line = format!("299 - \"{}\"", warning.replace('\\', "\\\\").replace('"', "\\\""));
        if let Ok(line) = line.parse() {
            response.headers_mut().append(header::WARNING, line);
        }
    }
    response
}

/// Makes a JSON answer.
pub fn send(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
