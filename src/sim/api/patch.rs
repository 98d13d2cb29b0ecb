//! The patch formats. A strategic merge patch is treated as a merge patch: lists are replaced whole,
//! where the real API server would merge the built-in kinds' lists by their keys.

use serde_json::Value;

use super::apply;
use super::field_set::{FieldSet, claimed};
use super::resource::Part;
use super::schema;
use super::status::StatusError;
use crate::flink::pointer::At as _;

/// The media types of patches that every kind takes.
pub const PATCH_TYPES: &str =
    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

/// A patch, ready to be made.
#[derive(Clone, Debug)]
pub enum Patch {
    /// RFC 7386.
    Merge(Value),
    /// RFC 6902.
    Json(json_patch::Patch),
    /// Server-side apply.
    Apply {
        /// What the author wants.
        config: Value,
        /// Whether to take fields from their owners.
        force: bool,
    },
}

impl Patch {
    /// Reads a patch by its media type.
    pub fn read(media_type: &str, body: &[u8], force: bool) -> Result<Self, StatusError> {
        match media_type {
            "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
                Ok(Self::Merge(read_body(body)?))
            }
            "application/json-patch+json" => {
                let patch = serde_json::from_slice(body);
                patch.map(Self::Json).map_err(|error| StatusError::bad_request(error.to_string()))
            }
            "application/apply-patch+yaml" => Ok(Self::Apply { config: read_body(body)?, force }),
            _ => Err(StatusError::unsupported_media_type(PATCH_TYPES)),
        }
    }

    /// The object with the patch made. A server-side apply is not made here: see [`applied`].
    pub fn patched(&self, old: &Value) -> Result<Value, StatusError> {
        let mut object = old.clone();
        match self {
            Self::Merge(patch) => json_patch::merge(&mut object, patch),
            Self::Json(patch) => json_patch::patch(&mut object, patch).map_err(|error| {
                StatusError::new(
                    422,
                    "Invalid",
                    format!("the server rejected our request due to an error in our request: {error}"),
                )
            })?,
            Self::Apply { config, .. } => object = apply::merge(old, config),
        }
        Ok(object)
    }
}

/// Merges an applied configuration and says what it claims.
pub fn applied(
    old: Option<&Value>,
    config: &Value,
    schema: Option<&Value>,
    part: Part,
) -> Result<(Value, FieldSet), StatusError> {
    if !config["metadata"]["managedFields"].is_null() {
        return Err(StatusError::bad_request("metadata.managedFields must be nil"));
    }
    let mut config = config.clone();
    if let Some(problem) = schema.and_then(|schema| untyped(&mut config, schema)) {
        let message = format!("failed to create typed patch object ({}): {problem}", reference(&config));
        return Err(StatusError::new(500, "", message));
    }
    apply::restrict(&mut config, part);
    let fields = claimed(&config);
    let object = old.map_or_else(|| config.clone(), |old| apply::merge(old, &config));
    Ok((object, fields))
}

/// Why a configuration does not fit the schema.
fn untyped(config: &mut Value, schema: &Value) -> Option<String> {
    if let Some(field) = schema::prune(config, schema).first() {
        return Some(format!(".{field}: field not declared in schema"));
    }
    let causes = schema::check(config, schema);
    let cause = causes.iter().find(|cause| cause.reason == "FieldValueTypeInvalid")?;
    Some(format!(".{}: {}", cause.field, cause.message))
}

fn reference(object: &Value) -> String {
    let text = |pointer: &str| object.at(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = text("/metadata/name");
    format!("{}/{name}; {}, Kind={}", text("/metadata/namespace"), text("/apiVersion"), text("/kind"))
}

/// Reads a JSON or YAML body. Whole numbers lose their fraction, as in the API server's JSON.
pub fn read_body(body: &[u8]) -> Result<Value, StatusError> {
    let value = serde_json::from_slice(body).or_else(|_| serde_yaml::from_slice(body));
    let value = value
        .map_err(|error| StatusError::bad_request(format!("the object provided is unrecognized: {error}")))?;
    Ok(whole_numbers(value))
}

fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, whole_numbers(value))).collect(),
        Value::Array(items) => items.into_iter().map(whole_numbers).collect(),
        Value::Number(number) => Value::Number(whole_number(number)),
        other => other,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the guard leaves only whole numbers that fit")]
fn whole_number(number: serde_json::Number) -> serde_json::Number {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => (float as i64).into(),
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_floats_come_back_as_integers() {
        assert_eq!(read_body(br#"{"cpu": 1.0, "half": 0.5}"#).unwrap(), json!({"cpu": 1, "half": 0.5}));
    }

    #[test]
    fn yaml_is_read_as_well() {
        assert_eq!(read_body(b"a:\n  b: [1]\n").unwrap(), json!({"a": {"b": [1]}}));
    }

    #[test]
    fn a_failed_test_operation_refuses_the_patch() {
        let body = br#"[{"op": "test", "path": "/metadata/generation", "value": 2}]"#;
        let patch = Patch::read("application/json-patch+json", body, false).unwrap();
        assert_eq!(patch.patched(&json!({"metadata": {"generation": 1}})).unwrap_err().code, 422);
    }
}
