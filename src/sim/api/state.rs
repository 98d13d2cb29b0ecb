//! The objects as they are, the version they are at and how they came to be so.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::admission::{self, Webhook};
use super::history::{Change, ChangeKind, History};
use crate::flink::kind::ObjectKey;
use crate::sim::clock::{Clock, rfc3339};

/// Everything that changes in a store.
pub struct State {
    /// The objects.
    pub objects: BTreeMap<ObjectKey, Arc<Value>>,
    /// The version of the last change.
    pub version: u64,
    /// The last changes.
    pub history: History,
    /// What time it is.
    pub clock: Clock,
    /// The mutating webhooks, by the kind they look at.
    pub webhooks: BTreeMap<String, Webhook>,
}

impl State {
    /// Stores an object, or lets it go when the last finalizer was taken from a deleted one.
    pub fn settle(&mut self, key: &ObjectKey, object: Value) -> Arc<Value> {
        let deleted = object["metadata"].get("deletionTimestamp").is_some();
        if deleted && !has_finalizers(&object) { self.remove(key, object) } else { self.save(key, object) }
    }

    /// Deletes an object, or marks it when finalizers hold it; says what it is now and whether it is gone.
    pub fn delete(&mut self, key: &ObjectKey, object: &Arc<Value>) -> (Arc<Value>, bool) {
        if !has_finalizers(object) {
            return (self.remove(key, object.as_ref().clone()), true);
        }
        let marked = mark_deleted(object, &rfc3339(self.clock.now()));
        if marked == **object { (object.clone(), false) } else { (self.save(key, marked), false) }
    }

    fn save(&mut self, key: &ObjectKey, object: Value) -> Arc<Value> {
        let object = self.stamp(object);
        let previous = self.objects.insert(key.clone(), object.clone());
        let kind = if previous.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        self.remember(kind, key, &object, previous);
        object
    }

    fn remove(&mut self, key: &ObjectKey, object: Value) -> Arc<Value> {
        let object = self.stamp(object);
        let previous = self.objects.remove(key);
        self.remember(ChangeKind::Deleted, key, &object, previous);
        self.collect_orphans(&object["metadata"]["uid"]);
        object
    }

    /// Deletes what only the deleted object owned, as the garbage collector does.
    fn collect_orphans(&mut self, uid: &Value) {
        let owned = |object: &Value| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| owners.len() == 1 && owners[0]["uid"] == *uid)
        };
        let orphans = self.objects.iter().filter(|(_, object)| owned(object));
        let orphans: Vec<(ObjectKey, Arc<Value>)> =
            orphans.map(|(key, object)| (key.clone(), object.clone())).collect();
        for (key, object) in orphans {
            self.delete(&key, &object);
        }
    }

    fn stamp(&mut self, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        Arc::new(object)
    }

    fn remember(
        &mut self,
        kind: ChangeKind,
        key: &ObjectKey,
        object: &Arc<Value>,
        previous: Option<Arc<Value>>,
    ) {
        let (version, key, object) = (self.version, key.clone(), object.clone());
        self.history.push(Change { version, kind, key, object, previous });
    }
}

/// Whether something holds the object.
fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}

/// Sets the deletion mark, which also makes a new generation; a marked object stays as it is.
fn mark_deleted(object: &Value, now: &str) -> Value {
    let mut marked = object.clone();
    if marked["metadata"].get("deletionTimestamp").is_some() {
        return marked;
    }
    marked["metadata"]["deletionTimestamp"] = json!(now);
    marked["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    let generation = admission::generation(object);
    if generation > 0 {
        marked["metadata"]["generation"] = json!(generation + 1);
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        State {
            objects: BTreeMap::new(),
            version: 0,
            history: History::keeping(9, 0),
            clock,
            webhooks: BTreeMap::new(),
        }
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("v1", "ConfigMap", "default", name)
    }

    #[tokio::test]
    async fn what_only_the_deleted_object_owned_goes_with_it() {
        let mut state = state();
        let owner = state.settle(&key("owner"), json!({"metadata": {"name": "owner", "uid": "1"}}));
        let with_owners = |owners: Value| json!({"metadata": {"ownerReferences": owners}});
        state.settle(&key("owned"), with_owners(json!([{"uid": "1"}])));
        state.settle(&key("shared"), with_owners(json!([{"uid": "1"}, {"uid": "2"}])));
        state.delete(&key("owner"), &owner);
        let left: Vec<&str> = state.objects.keys().map(|key| key.name.as_str()).collect();
        assert_eq!(left, ["shared"]);
    }

    #[tokio::test]
    async fn a_held_object_goes_with_its_last_finalizer() {
        let mut state = state();
        let object = json!({"metadata": {"name": "a", "generation": 1, "finalizers": ["x"]}});
        let object = state.settle(&key("a"), object);
        let (marked, gone) = state.delete(&key("a"), &object);
        assert!(!gone);
        assert_eq!(marked["metadata"]["generation"], 2);
        assert_eq!(marked["metadata"]["deletionTimestamp"], "2026-01-01T00:00:00Z");
        let mut free = marked.as_ref().clone();
        free["metadata"]["finalizers"] = json!([]);
        state.settle(&key("a"), free);
        assert!(state.objects.is_empty());
    }
}
