//! Server-side apply: a configuration is merged into the live object and what its author no longer
//! asks for is taken away.

use serde_json::{Map, Value};

use super::field_set::{FieldSet, display};
use super::managed_fields::{Author, ManagedFields};
use super::resource::Part;
use super::status::StatusError;

/// Merges the configuration into the live object. Lists are replaced whole, finalizers are joined.
pub fn merge(live: &Value, config: &Value) -> Value {
    merge_at(&[], live, config)
}

fn merge_at(path: &[&str], live: &Value, config: &Value) -> Value {
    match (live, config) {
        (Value::Object(live), Value::Object(config)) => {
            let mut merged = live.clone();
            for (key, value) in config {
                let path = [path, &[key.as_str()]].concat();
                let value = merge_at(&path, live.get(key).unwrap_or(&Value::Null), value);
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(config)) if path == ["metadata", "finalizers"] => {
            let added = config.iter().filter(|item| !live.contains(item));
            live.iter().chain(added).cloned().collect()
        }
        (Value::Array(live), Value::Array(config)) if path == ["metadata", "ownerReferences"] => {
            let kept = live.iter().filter(|it| config.iter().all(|wanted| wanted["uid"] != it["uid"]));
            kept.chain(config).cloned().collect()
        }
        _ => config.clone(),
    }
}

/// Removes what the author owned before, no longer claims, and nobody else owns.
pub fn drop_abandoned(object: &mut Value, before: &FieldSet, keep: &FieldSet) {
    for path in before.paths() {
        let abandoned = (1..=path.len()).map(|length| &path[..length]).find(|prefix| !keep.reaches(prefix));
        match abandoned {
            Some([root]) if root == "f:metadata" => remove(object, &path),
            Some(abandoned) => remove(object, abandoned),
            None => {}
        }
    }
}

fn remove(object: &mut Value, path: &[String]) {
    let Some((element, rest)) = path.split_first() else { return };
    let item = |text: &str| serde_json::from_str::<Value>(text).ok();
    match (element.split_once(':'), object) {
        (Some(("f", key)), Value::Object(map)) if rest.is_empty() => drop(map.remove(key)),
        (Some(("f", key)), Value::Object(map)) => {
            if let Some(value) = map.get_mut(key) {
                remove(value, rest);
            }
        }
        (Some(("k", text)), Value::Array(items)) => {
            let keys = item(text).unwrap_or_default();
            items.retain(|it| it["uid"] != keys["uid"]);
        }
        (Some(("v", text)), Value::Array(items)) => items.retain(|it| Some(it) != item(text).as_ref()),
        _ => {}
    }
}

/// Leaves of a configuration only what an author may set: the status on the status path, all but
/// the status elsewhere.
pub fn restrict(config: &mut Value, part: Part) {
    let Some(map) = config.as_object_mut() else { return };
    if part == Part::Status {
        let keep = ["apiVersion", "kind", "metadata", "status"];
        map.retain(|key, _| keep.contains(&key.as_str()));
        let metadata = map.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
        let identity =
            metadata.into_iter().filter(|(key, _)| !["labels", "annotations"].contains(&key.as_str()));
        map.insert("metadata".into(), Value::Object(identity.collect::<Map<_, _>>()));
    } else {
        map.remove("status");
    }
}

/// Refuses fields that others own with another value.
pub fn check_conflicts(
    managed: &ManagedFields,
    author: &Author,
    changed: &FieldSet,
) -> Result<(), StatusError> {
    let mut conflicts: Vec<(String, String)> = managed
        .conflicts(author, changed)
        .iter()
        .map(|(owner, path)| (owner.display(), display(path)))
        .collect();
    conflicts.sort();
    if conflicts.is_empty() {
        return Ok(());
    }
    let mut error = StatusError::new(409, "Conflict", conflict_message(&conflicts));
    let cause = |(owner, path): &(String, String)| serde_json::json!({"reason": "FieldManagerConflict", "message": format!("conflict with {owner}"), "field": path});
    error.details = serde_json::json!({"causes": conflicts.iter().map(cause).collect::<Vec<_>>()});
    Err(error)
}

fn conflict_message(conflicts: &[(String, String)]) -> String {
    if let [(owner, path)] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {owner}: {path}");
    }
    let mut lines = Vec::new();
    for chunk in conflicts.chunk_by(|a, b| a.0 == b.0) {
        lines.push(format!("conflicts with {}:", chunk[0].0));
        lines.extend(chunk.iter().map(|(_, path)| format!("- {path}")));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_merge_lists_are_replaced_finalizers_are_joined() {
        let live = json!({"metadata": {"finalizers": ["a"]}, "spec": {"x": 1, "args": [1, 2]}});
        let config = json!({"metadata": {"finalizers": ["b"]}, "spec": {"y": 2, "args": [3]}});
        let merged = json!({"metadata": {"finalizers": ["a", "b"]}, "spec": {"x": 1, "y": 2, "args": [3]}});
        assert_eq!(merge(&live, &config), merged);
    }

    #[test]
    fn an_abandoned_map_vanishes_unless_somebody_owns_a_part_of_it() {
        let set = |json: Value| FieldSet::from_json(&json);
        let before = set(json!({"f:spec": {"f:job": {"f:args": {}}, "f:conf": {"f:a": {}}}}));
        let keep = set(json!({"f:spec": {"f:conf": {"f:b": {}}}}));
        let mut object = json!({"spec": {"job": {"args": []}, "conf": {"a": 1, "b": 2}}});
        drop_abandoned(&mut object, &before, &keep);
        assert_eq!(object, json!({"spec": {"conf": {"b": 2}}}));
    }

    #[test]
    fn conflicts_are_told_in_the_api_servers_words() {
        let two = [
            ("\"a\" using v1".to_owned(), ".spec.x".to_owned()),
            ("\"a\" using v1".into(), ".spec.y".into()),
        ];
        assert_eq!(
            conflict_message(&two),
            "Apply failed with 2 conflicts: conflicts with \"a\" using v1:\n- .spec.x\n- .spec.y"
        );
        assert_eq!(
            conflict_message(&two[..1]),
            "Apply failed with 1 conflict: conflict with \"a\" using v1: .spec.x"
        );
    }
}
