//! What a Flink kind's fields are, as the CRD of each operator version has them: unknown fields are
//! pruned, wrong types refused.
//!
//! The tables below say no more than that; the meaning of the fields is told elsewhere. Pod templates
//! and the status are taken as they come, which is laxer than the CRDs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::status::Cause;
use crate::sim::OperatorMode;

/// The schema of a kind's whole object, if it has one.
pub fn of_kind(kind: &str, mode: OperatorMode) -> Option<&'static Value> {
    // Every write asks for one.
    static OLD: LazyLock<Schemas> = LazyLock::new(|| schemas(OperatorMode::V1_7));
    static NEW: LazyLock<Schemas> = LazyLock::new(|| schemas(OperatorMode::V1_15));
    let known = match mode {
        OperatorMode::V1_7 => &OLD,
        OperatorMode::V1_15 => &NEW,
    };
    known.get(kind)
}

type Schemas = BTreeMap<&'static str, Value>;

fn schemas(mode: OperatorMode) -> Schemas {
    let any = json!({});
    let whole = |spec: Value| {
        object(json!({"apiVersion": any, "kind": any, "metadata": any, "status": status(mode), "spec": spec}))
    };
    let blue_green = object(json!({
        "configuration": string_map(), "ingress": anything(),
        "template": object(json!({"metadata": anything(), "spec": deployment(mode)})),
    }));
    BTreeMap::from([
        ("FlinkDeployment", whole(deployment(mode))),
        ("FlinkSessionJob", whole(session_job(mode))),
        ("FlinkStateSnapshot", whole(snapshot())),
        ("FlinkBlueGreenDeployment", whole(blue_green)),
    ])
}

fn object(properties: Value) -> Value {
    let mut object = json!({"type": "object"});
    object["properties"] = properties;
    object
}

/// A map of whatever there is.
fn anything() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// Anything, of which an operator names where it says what a job is restored from.
fn status(mode: OperatorMode) -> Value {
    let named = match mode {
        OperatorMode::V1_7 => "savepointInfo",
        OperatorMode::V1_15 => "upgradeSavepointPath",
    };
    let (mut job, mut status) = (anything(), anything());
    job["properties"][named] = json!({});
    status["properties"]["jobStatus"] = job;
    status
}

fn one_of(allowed: &[&str]) -> Value {
    json!({"type": "string", "enum": allowed})
}

fn string_map() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "string"}})
}

fn configuration(mode: OperatorMode) -> Value {
    match mode {
        OperatorMode::V1_7 => string_map(),
        OperatorMode::V1_15 => json!({"x-kubernetes-preserve-unknown-fields": true}),
    }
}

fn deployment(mode: OperatorMode) -> Value {
    let newest = match mode {
        OperatorMode::V1_7 => 7,
        OperatorMode::V1_15 => FLINK_VERSIONS.len(),
    };
    object(json!({
        "image": {"type": "string"}, "imagePullPolicy": {"type": "string"},
        "serviceAccount": {"type": "string"}, "flinkVersion": one_of(&FLINK_VERSIONS[..newest]),
        "flinkConfiguration": configuration(mode), "ingress": ingress(mode), "podTemplate": anything(),
        "jobManager": component(), "taskManager": component(), "logConfiguration": string_map(),
        "restartNonce": {"type": "integer"}, "mode": one_of(&["native", "standalone"]), "job": job(mode),
    }))
}

const FLINK_VERSIONS: [&str; 11] =
    ["v1_13", "v1_14", "v1_15", "v1_16", "v1_17", "v1_18", "v1_19", "v1_20", "v2_0", "v2_1", "v2_2"];

fn component() -> Value {
    let text = json!({"type": "string"});
    object(json!({
        "resource": object(json!({"cpu": {"type": "number"}, "memory": text, "ephemeralStorage": text})),
        "replicas": {"type": "integer"}, "podTemplate": anything(),
    }))
}

fn ingress(mode: OperatorMode) -> Value {
    let mut ingress = object(json!({
        "template": {"type": "string"}, "className": {"type": "string"}, "annotations": string_map(),
    }));
    if mode == OperatorMode::V1_15 {
        ingress["properties"]["labels"] = string_map();
        ingress["properties"]["tls"] = json!({"type": "array"});
    }
    ingress
}

fn job(mode: OperatorMode) -> Value {
    let (text, number) = (json!({"type": "string"}), json!({"type": "integer"}));
    let mut job = object(json!({
        "jarURI": text, "parallelism": number, "entryClass": text, "initialSavepointPath": text,
        "args": {"type": "array", "items": text}, "state": one_of(&["running", "suspended"]),
        "savepointTriggerNonce": number, "checkpointTriggerNonce": number,
        "upgradeMode": one_of(&["savepoint", "last-state", "stateless"]),
        "allowNonRestoredState": {"type": "boolean"},
    }));
    if mode == OperatorMode::V1_15 {
        job["properties"]["savepointRedeployNonce"] = number.clone();
        job["properties"]["autoscalerResetNonce"] = number;
    }
    job
}

fn session_job(mode: OperatorMode) -> Value {
    object(json!({
        "deploymentName": {"type": "string"}, "job": job(mode), "restartNonce": {"type": "integer"},
        "flinkConfiguration": configuration(mode),
    }))
}

fn snapshot() -> Value {
    let text = json!({"type": "string"});
    object(json!({
        "jobReference": object(json!({"kind": one_of(&["FlinkDeployment", "FlinkSessionJob"]), "name": text})),
        "savepoint": object(json!({
            "path": text, "formatType": one_of(&["CANONICAL", "NATIVE", "UNKNOWN"]),
            "disposeOnDelete": {"type": "boolean"}, "alreadyExists": {"type": "boolean"},
        })),
        "checkpoint": {"type": "object"}, "backoffLimit": {"type": "integer"},
    }))
}

/// Removes nulls and fields the schema does not have, and names the latter, dotted.
pub fn prune(value: &mut Value, schema: &Value) -> Vec<String> {
    let mut pruned = Vec::new();
    prune_at("", value, schema, &mut pruned);
    pruned
}

fn prune_at(path: &str, value: &mut Value, schema: &Value, pruned: &mut Vec<String>) {
    let (Some(map), Some(properties)) = (value.as_object_mut(), schema["properties"].as_object()) else {
        return;
    };
    let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
    map.retain(|key, value| {
        let path = join(path, key);
        match properties.get(key) {
            Some(schema) => prune_at(&path, value, schema, pruned),
            None if open => {}
            None => pruned.push(path),
        }
        (open || properties.contains_key(key)) && !value.is_null()
    });
}

/// Says which values are of the wrong type or not among the allowed ones.
pub fn check(value: &Value, schema: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check_at("", value, schema, &mut causes);
    causes
}

fn check_at(path: &str, value: &Value, schema: &Value, causes: &mut Vec<Cause>) {
    if let Some(wanted) = schema["type"].as_str().filter(|wanted| !has_type(value, wanted)) {
        let why = format!("{path} in body must be of type {wanted}: \"{}\"", type_name(value));
        let cause = Cause::invalid(path, &json!(type_name(value)), &why);
        causes.push(Cause { reason: "FieldValueTypeInvalid", ..cause });
        return;
    }
    if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        causes.push(Cause::unsupported(path, value, allowed));
    }
    for (key, child) in value.as_object().into_iter().flatten() {
        let schema = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
        check_at(&join(path, key), child, schema, causes);
    }
    for (index, child) in value.as_array().into_iter().flatten().enumerate() {
        check_at(&format!("{path}[{index}]"), child, &schema["items"], causes);
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn has_type(value: &Value, wanted: &str) -> bool {
    type_name(value) == wanted || (wanted == "number" && value.is_number())
}

/// The JSON type of a value, as schemas name it.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pruned(mode: OperatorMode, mut object: Value) -> (Vec<String>, Value) {
        let names = prune(&mut object, of_kind("FlinkDeployment", mode).unwrap());
        (names, object)
    }

    #[test]
    fn unknown_fields_go_and_configuration_stays() {
        let spec = json!({"spec": {"job": {"paralelism": 1, "parallelism": 2}, "flinkConfiguration": {"any.key": "x"}}});
        let (names, object) = pruned(OperatorMode::V1_15, spec);
        assert_eq!(names, ["spec.job.paralelism"]);
        assert_eq!(
            object,
            json!({"spec": {"job": {"parallelism": 2}, "flinkConfiguration": {"any.key": "x"}}})
        );
    }

    #[test]
    fn nulls_are_dropped_where_the_schema_knows_the_field() {
        let spec = json!({"spec": {"image": null, "flinkConfiguration": {"a": null}}});
        let (names, object) = pruned(OperatorMode::V1_15, spec);
        assert!(names.is_empty());
        assert_eq!(object, json!({"spec": {"flinkConfiguration": {"a": null}}}));
    }

    #[test]
    fn an_old_operator_does_not_have_the_redeploy_nonce() {
        let spec = json!({"spec": {"job": {"savepointRedeployNonce": 1}}});
        assert_eq!(pruned(OperatorMode::V1_7, spec.clone()).0, ["spec.job.savepointRedeployNonce"]);
        assert!(pruned(OperatorMode::V1_15, spec).0.is_empty());
    }

    #[test]
    fn wrong_types_are_told_in_the_api_servers_words() {
        let schema = of_kind("FlinkDeployment", OperatorMode::V1_7).unwrap();
        let object = json!({"spec": {"job": {"parallelism": "x", "upgradeMode": "never"},
            "flinkConfiguration": {"taskmanager.numberOfTaskSlots": 2}}});
        let causes = check(&object, schema);
        let lines: Vec<String> = causes.iter().map(|it| format!("{}: {}", it.field, it.message)).collect();
        assert_eq!(
            lines,
            [
                r#"spec.flinkConfiguration.taskmanager.numberOfTaskSlots: Invalid value: "integer": spec.flinkConfiguration.taskmanager.numberOfTaskSlots in body must be of type string: "integer""#,
                r#"spec.job.parallelism: Invalid value: "string": spec.job.parallelism in body must be of type integer: "string""#,
                r#"spec.job.upgradeMode: Unsupported value: "never": supported values: "savepoint", "last-state", "stateless""#,
            ]
        );
    }
}
