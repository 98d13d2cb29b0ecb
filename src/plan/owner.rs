//! Who owns a field, from `metadata.managedFields`. Clusters may strip them, and times may be missing.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use super::ledger::MANAGER;
use super::live::LiveObject;
use super::outcome::Owner;
use crate::flink::pointer::segments;

/// Under these names the operator writes: its client's, and its controllers' where it applies server-side.
const OPERATOR: [&str; 6] = [
    "fabric8-kubernetes-client",
    "flink-kubernetes-operator",
    "flinkdeploymentcontroller",
    "flinksessionjobcontroller",
    "flinkstatesnapshotcontroller",
    "flinkbluegreendeploymentcontroller",
];

/// Everyone who owns a field: several, where they applied the same value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners(Vec<Owner>);

impl Owners {
    /// Reads them. What the status subresource writes is no part of what Git wants.
    pub fn of(live: &LiveObject, path: &str) -> Self {
        let segments: Vec<_> = segments(path).collect();
        let entries = live.managed_fields().iter();
        let owners = entries
            .filter(|entry| entry.get("subresource").is_none_or(|part| part != "status"))
            .filter(|entry| entry.get("fieldsV1").is_some_and(|fields| owns(fields, &segments)))
            .map(|entry| Owner { manager: manager(entry), time: time(entry) });
        Self(owners.collect())
    }

    /// Whether nobody does, or it cannot be told.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether flinkops is one of them.
    pub fn ours(&self) -> bool {
        self.0.iter().any(is_ours)
    }

    /// Whether there are some, and none but flinkops.
    pub fn are_ours(&self) -> bool {
        !self.is_empty() && self.0.iter().all(is_ours)
    }

    /// Whether there are some, and none but the operator.
    pub fn are_operator(&self) -> bool {
        !self.is_empty() && self.0.iter().all(is_operator)
    }

    /// Whether there are some, and none but flinkops and the operator.
    pub fn are_machinery(&self) -> bool {
        !self.is_empty() && self.0.iter().all(|owner| is_ours(owner) || is_operator(owner))
    }

    /// The one who wrote last.
    pub fn latest(&self) -> Option<Owner> {
        self.0.iter().max_by_key(|owner| owner.time).cloned()
    }

    /// The one besides flinkops who wrote last.
    pub fn latest_other(&self) -> Option<Owner> {
        self.0.iter().filter(|owner| !is_ours(owner)).max_by_key(|owner| owner.time).cloned()
    }
}

fn is_ours(owner: &Owner) -> bool {
    owner.manager == MANAGER
}

fn is_operator(owner: &Owner) -> bool {
    OPERATOR.contains(&owner.manager.as_str())
}

fn manager(entry: &Value) -> String {
    entry.get("manager").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn time(entry: &Value) -> Option<Timestamp> {
    entry.get("time")?.as_str()?.parse().ok()
}

/// Walks down `f:` keys. An owner of an atomic value on the way owns all below it; a configuration key
/// may be nested in the object although it is one segment here.
fn owns(fields: &Value, segments: &[Cow<'_, str>]) -> bool {
    let Some((segment, rest)) = segments.split_first() else { return true };
    let Some(map) = fields.as_object() else { return false };
    if let Some(below) = map.get(&format!("f:{segment}")) {
        let leaf = below.as_object().is_none_or(serde_json::Map::is_empty);
        return leaf || owns(below, rest);
    }
    segment.match_indices('.').any(|(dot, _)| {
        let nested: Vec<_> =
            std::iter::once(Cow::Borrowed(&segment[dot + 1..])).chain(rest.iter().cloned()).collect();
        map.get(&format!("f:{}", &segment[..dot])).is_some_and(|below| owns(below, &nested))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "literals read better by value")]
    fn object(entries: Value) -> LiveObject {
        LiveObject::new(json!({"metadata": {"managedFields": entries}}))
    }

    fn manager(live: &LiveObject, path: &str) -> Option<String> {
        Owners::of(live, path).latest().map(|owner| owner.manager)
    }

    #[test]
    fn the_latest_owner_of_a_nested_configuration_key_is_found() {
        let live = object(json!([
            {"manager": "flinkops", "time": "2026-01-01T00:00:00Z",
             "fieldsV1": {"f:spec": {"f:image": {}, "f:job": {"f:args": {}}}}},
            {"manager": "kubectl-edit", "time": "2026-01-02T00:00:00Z",
             "fieldsV1": {"f:spec": {"f:image": {}, "f:flinkConfiguration": {"f:a": {"f:b.c": {}}}}}},
        ]));
        assert_eq!(manager(&live, "/spec/image").as_deref(), Some("kubectl-edit"));
        assert_eq!(manager(&live, "/spec/flinkConfiguration/a.b.c").as_deref(), Some("kubectl-edit"));
        assert_eq!(manager(&live, "/spec/job/args").as_deref(), Some("flinkops"));
        assert_eq!(manager(&live, "/spec/job/args/0").as_deref(), Some("flinkops"), "lists are atomic");
        assert_eq!(manager(&live, "/spec/job/parallelism"), None);
        assert_eq!(manager(&live, "/spec/imagePullPolicy"), None);
    }

    #[test]
    fn a_field_may_have_several_owners_and_an_entry_no_time() {
        let fields = json!({"f:spec": {"f:image": {}}});
        let live = object(json!([
            {"manager": "helm", "operation": "Apply", "fieldsV1": fields},
            {"manager": "flinkops", "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields},
            {"manager": "broken", "time": "yesterday", "fieldsV1": fields},
        ]));
        let owners = Owners::of(&live, "/spec/image");
        assert_eq!(owners.latest().unwrap().manager, "flinkops");
        assert!(owners.ours() && !owners.are_machinery());
        assert_eq!(owners.latest_other().unwrap().time, None);
    }

    #[test]
    fn the_scale_subresource_owns_and_the_status_does_not() {
        let fields = json!({"f:spec": {"f:taskManager": {"f:replicas": {}}}});
        let live = object(json!([
            {"manager": "kubectl", "subresource": "scale", "fieldsV1": fields},
            {"manager": "operator", "subresource": "status", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields},
        ]));
        assert_eq!(manager(&live, "/spec/taskManager/replicas").as_deref(), Some("kubectl"));
    }

    #[test]
    fn a_cluster_may_strip_them_all() {
        for live in
            [LiveObject::new(json!({"metadata": {}})), object(json!([])), object(json!([{"manager": "x"}]))]
        {
            assert!(Owners::of(&live, "/spec/image").is_empty());
        }
    }
}
