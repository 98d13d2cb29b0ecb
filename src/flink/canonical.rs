//! The canonical form of a spec: two specs are equal to the operator exactly if their leaves are.
//!
//! The operator compares typed Java objects, so an absent field equals its Java default, `1` equals
//! `1.0`, and a nested configuration equals a flat one (reference: `ReflectiveDiffBuilder`,
//! `AbstractFlinkSpec`). The leaves of the canonical form are also what is shown, hashed and recorded.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::config;

/// The leaves of a spec by JSON pointer, `/spec` included: scalars and whole lists.
///
/// A Flink configuration key is one segment, whatever its nesting in the manifest.
pub fn leaves(spec: &Value) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    let Some(spec) = spec.as_object() else { return out };
    for (field, value) in spec {
        let path = format!("/spec/{}", escape(field));
        match field.as_str() {
            "flinkConfiguration" => {
                for (key, text) in config::flatten(value) {
                    out.insert(format!("{path}/{}", escape(&key)), Value::String(text));
                }
            }
            "podTemplate" => collect(&path, &pod_template(value), &mut out),
            "jobManager" | "taskManager" => collect(&path, &process(value), &mut out),
            _ => collect(&path, value, &mut out),
        }
    }
    fill_defaults(spec, &mut out);
    out
}

/// Escapes one segment of a JSON pointer.
pub fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// Undoes [`escape`].
pub fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

fn collect(path: &str, value: &Value, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (key, value) in map {
                collect(&format!("{path}/{}", escape(key)), value, out);
            }
        }
        value => {
            out.insert(path.to_owned(), number(value));
        }
    }
}

/// Java defaults of `JobSpec` and `JobManagerSpec`, which an absent field equals.
fn fill_defaults(spec: &Map<String, Value>, out: &mut BTreeMap<String, Value>) {
    let mut default = |path: &str, value: Value| {
        out.entry(path.to_owned()).or_insert(value);
    };
    if spec.get("job").is_some_and(Value::is_object) {
        default("/spec/job/args", json!([]));
        default("/spec/job/parallelism", json!(0));
        default("/spec/job/state", json!("running"));
        default("/spec/job/upgradeMode", json!("stateless"));
    }
    if spec.get("jobManager").is_some_and(Value::is_object) {
        default("/spec/jobManager/replicas", json!(1));
    }
}

fn process(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(template) = value.get_mut("podTemplate") {
        *template = pod_template(template);
    }
    value
}

/// A pod template without what the operator does not read (`apiVersion`, `kind`, `status`), and with
/// its quantities as numbers.
fn pod_template(value: &Value) -> Value {
    let mut template = value.clone();
    if let Some(map) = template.as_object_mut() {
        for field in ["apiVersion", "kind", "status"] {
            map.remove(field);
        }
    }
    quantities(&mut template);
    template
}

fn quantities(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), &mut *value) {
                    ("requests" | "limits", Value::Object(resources)) => {
                        resources.values_mut().for_each(quantity);
                    }
                    ("sizeLimit", value) => quantity(value),
                    (_, value) => quantities(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(quantities),
        _ => {}
    }
}

fn quantity(value: &mut Value) {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return,
    };
    if let Some(amount) = parse_quantity(&text) {
        *value = number(&json!(amount));
    }
}

/// The amount a Kubernetes quantity stands for; `None` where it is none.
pub fn parse_quantity(text: &str) -> Option<f64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c)).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(split);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        exponent => return exponent.starts_with(['e', 'E']).then(|| text.parse().ok())?,
    };
    Some(digits.parse::<f64>().ok()? * factor)
}

/// Numbers compare by value: `1.0` becomes `1`, in lists too.
fn number(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "bounded by the guard")]
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => json!(float as i64),
            _ => value.clone(),
        },
        Value::Array(list) => list.iter().map(number).collect(),
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), number(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: &Value, right: &Value) {
        assert_eq!(leaves(left), leaves(right));
    }

    #[test]
    fn absent_equals_the_java_default() {
        same(
            &json!({"job": {"jarURI": "x"}, "jobManager": {}}),
            &json!({"job": {"jarURI": "x", "args": [], "state": "running", "upgradeMode": "stateless",
                    "parallelism": 0, "entryClass": null}, "jobManager": {"replicas": 1}, "flinkConfiguration": {}}),
        );
    }

    #[test]
    fn numbers_and_quantities_compare_by_value() {
        same(
            &json!({"taskManager": {"resource": {"cpu": 1}, "podTemplate": {"apiVersion": "v1", "spec": {"containers":
                [{"resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}}}]}}}}),
            &json!({"taskManager": {"resource": {"cpu": 1.0}, "podTemplate": {"spec": {"containers":
                [{"resources": {"limits": {"cpu": 1, "memory": "1024Mi"}}}]}}}}),
        );
    }

    #[test]
    fn memory_of_a_resource_is_a_plain_string() {
        let of = |memory| leaves(&json!({"taskManager": {"resource": {"memory": memory}}}));
        assert_ne!(of("2g"), of("2048m"));
    }

    #[test]
    fn a_configuration_key_is_one_segment() {
        let leaves = leaves(&json!({"flinkConfiguration": {"a": {"b/c": 1}}}));
        assert_eq!(leaves.keys().collect::<Vec<_>>(), ["/spec/flinkConfiguration/a.b~1c"]);
    }

    #[test]
    fn quantities_parse() {
        assert_eq!(parse_quantity("1500m"), Some(1.5));
        assert_eq!(parse_quantity("1e3"), Some(1000.0));
        assert_eq!(parse_quantity("2Gi"), Some(2_147_483_648.0));
        assert_eq!(parse_quantity("lots"), None);
    }
}
