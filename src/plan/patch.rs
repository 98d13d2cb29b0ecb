//! Manifests to create and merge patches to send: exactly the differences shown, nothing else.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::fields::own_labels;
use super::ignored;
use super::ledger::{ANNOTATION_HASH, ANNOTATION_OPERATION, ANNOTATION_REVISION, ANNOTATION_SOURCE};
use super::live::LiveObject;
use super::operation::Operation;
use super::outcome::Change;
use super::write::Write;
use crate::flink::canonical::configuration_key;
use crate::flink::config::spelling;
use crate::flink::pointer::{At as _, escape, segments, unescape};
use crate::spec::source::Revision;
use crate::spec::{Desired, Unit};

/// A merge patch under construction.
pub struct Patch {
    key: crate::flink::kind::ObjectKey,
    body: Value,
}

impl Patch {
    /// Starts from the live object the plan was made from; the API server refuses it for any other.
    pub fn of(live: &LiveObject) -> Self {
        let body = json!({"metadata": {"resourceVersion": live.resource_version()}});
        Self { key: live.object_key(), body }
    }

    /// Sets a value, or removes it with null.
    #[must_use]
    pub fn set(mut self, path: &str, value: Value) -> Self {
        let segments: Vec<_> = segments(path).collect();
        put(&mut self.body, &segments, value);
        self
    }

    /// Sets or clears the mark of a temporary write.
    #[must_use]
    pub fn mark(self, operation: Option<&Operation>) -> Self {
        let value = operation.map_or(Value::Null, |operation| json!(operation.to_text()));
        self.set(&format!("/metadata/annotations/{}", escape(ANNOTATION_OPERATION)), value)
    }

    /// Brings every change to what the unit wants.
    #[must_use]
    pub fn changes(mut self, unit: &Unit, live: &LiveObject, changes: &[Change]) -> Self {
        for change in changes {
            self = if let Some((map, key)) = configuration_key(&change.path) {
                self.configuration((map, &key), unit, live, change)
            } else if change.path.starts_with("/metadata/") {
                self.set(&change.path, change.after.clone().unwrap_or(Value::Null))
            } else {
                let (path, mut value) = raw(&unit.manifest, &change.path);
                if value.is_array() {
                    ignored::keep(unit, live, &path, &mut value);
                }
                self.set(&path, value)
            };
        }
        self
    }

    /// Sets a field to what Git has there, or removes it.
    #[must_use]
    pub fn raw(self, unit: &Unit, path: &str) -> Self {
        let (path, value) = raw(&unit.manifest, path);
        self.set(&path, value)
    }

    /// Says which commit made the change, and whose the object is.
    #[must_use]
    pub fn provenance(mut self, unit: &Unit, revision: &Revision, hash: &str) -> Self {
        for (key, value) in provenance(unit, revision, hash) {
            self = self.set(&format!("/metadata/annotations/{}", escape(key)), json!(value));
        }
        self
    }

    /// Finishes the patch.
    pub fn write(self) -> Write {
        Write::Patch { key: self.key, patch: self.body }
    }

    /// A configuration key is written flat. Where the live object spells it nested, that spelling goes.
    fn configuration(
        mut self,
        (map, key): (&str, &str),
        unit: &Unit,
        live: &LiveObject,
        change: &Change,
    ) -> Self {
        let live_configuration = live.value().at(map).unwrap_or(&Value::Null);
        if let Some(path) = spelling(live_configuration, key).filter(|path| path.len() > 1) {
            let path: Vec<_> = path.iter().map(|segment| escape(segment)).collect();
            self = self.set(&format!("{map}/{}", path.join("/")), Value::Null);
        }
        let git = unit.manifest.at(map).and_then(|map| map.get(key));
        let value = git.or(change.after.as_ref()).cloned().unwrap_or(Value::Null);
        self.set(&format!("{map}/{}", escape(key)), value)
    }
}

/// The object to create for a unit, with whose it is and where it came from: of which revision it is.
pub fn manifest(desired: &Desired, unit: &Unit, revision: &Revision, hash: &str) -> Value {
    let mut object = Value::clone(&unit.manifest);
    for (key, value) in own_labels(desired) {
        put(&mut object, &["metadata".into(), "labels".into(), key.into()], json!(value));
    }
    for (key, value) in provenance(unit, revision, hash) {
        put(&mut object, &["metadata".into(), "annotations".into(), key.into()], json!(value));
    }
    object
}

/// Adds the mark of a temporary write to an object that is about to be created.
pub fn mark(object: &mut Value, operation: &Operation) {
    put(
        object,
        &["metadata".into(), "annotations".into(), ANNOTATION_OPERATION.into()],
        json!(operation.to_text()),
    );
}

/// Sets a value deep inside an object that is about to be created.
pub fn set(object: &mut Value, path: &str, value: Value) {
    let segments: Vec<_> = segments(path).collect();
    put(object, &segments, value);
}

fn provenance<'a>(unit: &'a Unit, revision: &'a Revision, hash: &'a str) -> [(&'static str, &'a str); 3] {
    [(ANNOTATION_SOURCE, &unit.folder), (ANNOTATION_REVISION, revision.as_str()), (ANNOTATION_HASH, hash)]
}

/// What Git has at a pointer, as it is spelt there; where a map on the way is gone in Git, that map is
/// removed as a whole, since an empty one may mean something else. A list can only be written whole.
fn raw(manifest: &Value, path: &str) -> (String, Value) {
    let mut at = manifest;
    let mut walked = String::new();
    for segment in path.split('/').skip(1) {
        if at.is_array() {
            break;
        }
        walked = format!("{walked}/{segment}");
        match at.get(&*unescape(segment)) {
            Some(value) if !value.is_null() => at = value,
            _ => return (walked, Value::Null),
        }
    }
    (walked, at.clone())
}

fn put(object: &mut Value, segments: &[Cow<'_, str>], value: Value) {
    let Some((segment, rest)) = segments.split_first() else {
        *object = value;
        return;
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let map = object.as_object_mut().expect("made an object just above");
    put(map.entry(segment.as_ref()).or_insert(Value::Null), rest, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_is_gone_in_git_is_removed_whole() {
        let manifest = json!({"spec": {"job": {"args": ["a"]}}});
        assert_eq!(raw(&manifest, "/spec/ingress/template"), ("/spec/ingress".into(), Value::Null));
        assert_eq!(raw(&manifest, "/spec/job/args"), ("/spec/job/args".into(), json!(["a"])));
    }

    #[test]
    fn a_list_is_written_whole() {
        let manifest = json!({"spec": {"containers": [{"name": "a", "env": [{"name": "A"}]}]}});
        let whole = ("/spec/containers".into(), manifest["spec"]["containers"].clone());
        for path in ["/spec/containers", "/spec/containers/0/env/0", "/spec/containers/4"] {
            assert_eq!(raw(&manifest, path), whole, "{path}");
        }
    }
}
