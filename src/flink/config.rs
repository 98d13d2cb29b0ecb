//! `flinkConfiguration` as the operator reads it: one flat map of strings.

use std::collections::BTreeMap;

use serde_json::Value;

/// Keys that name the folder savepoints go to, newest name first.
pub const SAVEPOINT_DIR: [&str; 2] = ["execution.checkpointing.savepoint-dir", "state.savepoints.dir"];
/// Keys that name the folder checkpoints go to, newest name first.
pub const CHECKPOINT_DIR: [&str; 2] = ["execution.checkpointing.dir", "state.checkpoints.dir"];
/// The key that turns periodic checkpoints on.
pub const CHECKPOINT_INTERVAL: &str = "execution.checkpointing.interval";
/// Keys that name the kind of high availability, newest name first.
pub const HIGH_AVAILABILITY: [&str; 2] = ["high-availability.type", "high-availability"];

/// Flattens a configuration the way the operator's `ConfigObjectNode` does: nested maps joined by `.`,
/// lists by `;`, scalars as text. Empty maps and lists contribute no key.
pub fn flatten(configuration: &Value) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    collect("", configuration, &mut flat);
    flat
}

fn collect(prefix: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                collect(&key, value, flat);
            }
        }
        Value::Array(list) if list.is_empty() => {}
        Value::Null if prefix.is_empty() => {}
        value => {
            flat.insert(prefix.to_owned(), text(value));
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    }
}

/// The first of several names of one option that is set to something.
pub fn first<'a>(flat: &'a BTreeMap<String, String>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| flat.get(*name)).map(String::as_str).filter(|value| !value.is_empty())
}

/// The configuration a job runs with: its cluster's, overridden by its own.
pub fn effective(cluster: Option<&Value>, own: &Value) -> BTreeMap<String, String> {
    let of = |spec: &Value| spec.get("flinkConfiguration").map(flatten).unwrap_or_default();
    let mut flat = cluster.map(of).unwrap_or_default();
    flat.extend(of(own));
    flat
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_and_flat_are_one() {
        let nested = json!({"a": {"b": 1, "c": [1, "2"]}, "d": true, "e": null, "f": {}, "g": []});
        let flat = flatten(&nested);
        assert_eq!(
            flat.into_iter().collect::<Vec<_>>(),
            [("a.b", "1"), ("a.c", "1;2"), ("d", "true"), ("e", "null")].map(|(k, v)| (k.into(), v.into()))
        );
    }

    #[test]
    fn absent_and_empty_are_one() {
        assert!(flatten(&Value::Null).is_empty() && flatten(&json!({})).is_empty());
    }

    #[test]
    fn a_job_overrides_its_cluster() {
        let cluster = json!({"flinkConfiguration": {"state.savepoints.dir": "s3://a", "x": "1"}});
        let job = json!({"flinkConfiguration": {"state": {"savepoints": {"dir": "s3://b"}}}});
        let flat = effective(Some(&cluster), &job);
        assert_eq!(first(&flat, &SAVEPOINT_DIR), Some("s3://b"));
        assert_eq!(flat["x"], "1");
    }
}
