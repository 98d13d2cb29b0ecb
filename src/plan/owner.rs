//! Who last wrote a field, from `metadata.managedFields`.

use jiff::Timestamp;
use serde_json::Value;

use super::live::LiveObject;
use super::outcome::Owner;
use crate::flink::canonical::unescape;

/// The manager that owns a field, the latest where several do; `None` where nobody does.
pub fn of(live: &LiveObject, path: &str) -> Option<Owner> {
    let segments: Vec<String> = path.split('/').skip(1).map(unescape).collect();
    live.managed_fields()
        .iter()
        .filter(|entry| entry.get("subresource").is_none())
        .filter(|entry| entry.get("fieldsV1").is_some_and(|fields| owns(fields, &segments)))
        .map(|entry| Owner { manager: manager(entry), time: time(entry) })
        .max_by_key(|owner| owner.time)
}

fn manager(entry: &Value) -> String {
    entry.get("manager").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn time(entry: &Value) -> Option<Timestamp> {
    entry.get("time")?.as_str()?.parse().ok()
}

/// Walks down `f:` keys. An owner of an atomic value on the way owns all below it; a configuration key
/// may be nested in the object although it is one segment here.
fn owns(fields: &Value, segments: &[String]) -> bool {
    let Some((segment, rest)) = segments.split_first() else { return true };
    let Some(map) = fields.as_object() else { return false };
    if let Some(below) = map.get(&format!("f:{segment}")) {
        let leaf = below.as_object().is_none_or(serde_json::Map::is_empty);
        return leaf || owns(below, rest);
    }
    segment.match_indices('.').any(|(dot, _)| {
        let nested: Vec<String> =
            std::iter::once(segment[dot + 1..].to_owned()).chain(rest.iter().cloned()).collect();
        map.get(&format!("f:{}", &segment[..dot])).is_some_and(|below| owns(below, &nested))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_latest_owner_of_a_nested_configuration_key_is_found() {
        let entry = |manager: &str, time: &str, fields: Value| json!({"manager": manager, "time": time, "fieldsV1": fields});
        let live = LiveObject::new(json!({"metadata": {"managedFields": [
            entry("flinkops", "2026-01-01T00:00:00Z", json!({"f:spec": {"f:image": {}, "f:job": {"f:args": {}}}})),
            entry("kubectl-edit", "2026-01-02T00:00:00Z",
                  json!({"f:spec": {"f:image": {}, "f:flinkConfiguration": {"f:a": {"f:b.c": {}}}}})),
            json!({"manager": "operator", "subresource": "status", "fieldsV1": {"f:spec": {"f:job": {}}}}),
        ]}}));
        let manager = |path| of(&live, path).map(|owner| owner.manager);
        assert_eq!(manager("/spec/image").as_deref(), Some("kubectl-edit"));
        assert_eq!(manager("/spec/flinkConfiguration/a.b.c").as_deref(), Some("kubectl-edit"));
        assert_eq!(manager("/spec/job/args").as_deref(), Some("flinkops"));
        assert_eq!(manager("/spec/job/parallelism"), None);
    }
}
