//! Sets of field paths, in the form `managedFields` writes them.
//!
//! Maps are granular per key and lists are one leaf each, except `metadata.finalizers`, which the
//! API server keeps as a set of its values, and `metadata.ownerReferences`, which it keys by uid.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Field paths, as a tree: `f:spec` → `f:image`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldSet {
    member: bool,
    children: BTreeMap<String, FieldSet>,
}

/// One path, element by element, such as `["f:spec", "f:image"]`.
pub type Path = Vec<String>;

impl FieldSet {
    /// Reads a `fieldsV1`.
    pub fn from_json(fields: &Value) -> Self {
        let Some(map) = fields.as_object() else { return Self::default() };
        let named = map.iter().filter(|(key, _)| *key != ".");
        let children = named.map(|(key, value)| (key.clone(), Self::from_json(value))).collect();
        Self { member: map.is_empty() || map.contains_key("."), children }
    }

    /// Writes a `fieldsV1`.
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".into(), Value::Object(Map::new()));
        }
        map.extend(self.children.iter().map(|(key, child)| (key.clone(), child.to_json())));
        Value::Object(map)
    }

    /// Whether no path is in the set.
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Adds a path.
    pub fn insert(&mut self, path: &[String]) {
        let mut node = self;
        for element in path {
            node = node.children.entry(element.clone()).or_default();
        }
        node.member = true;
    }

    /// Every path of the set, in order.
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, at: &mut Path, paths: &mut Vec<Path>) {
        if self.member {
            paths.push(at.clone());
        }
        for (element, child) in &self.children {
            at.push(element.clone());
            child.collect(at, paths);
            at.pop();
        }
    }

    /// Whether the path itself is in the set, or one below it.
    pub fn reaches(&self, path: &[String]) -> bool {
        let mut node = self;
        path.iter().all(|element| node.children.get(element).map(|child| node = child).is_some())
    }

    fn contains(&self, path: &[String]) -> bool {
        let mut node = self;
        let found = path.iter().all(|element| node.children.get(element).map(|child| node = child).is_some());
        found && node.member
    }

    /// The paths that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        other.paths().iter().for_each(|path| union.insert(path));
        union
    }

    /// The paths that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.filter(|path| other.contains(path))
    }

    /// The paths that are not in the other set.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.filter(|path| !other.contains(path))
    }

    /// The paths that pass.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&[String]) -> bool) -> Self {
        let mut kept = Self::default();
        self.paths().iter().filter(|path| keep(path)).for_each(|path| kept.insert(path));
        kept
    }
}

/// The name of an owner reference among its siblings.
fn by_uid(reference: &Value) -> String {
    format!("k:{}", serde_json::json!({"uid": reference["uid"]}))
}

/// The parts of a value that are fields of their own; `None` for a leaf.
pub fn elements<'a>(path: &[String], value: &'a Value) -> Option<BTreeMap<String, &'a Value>> {
    match value {
        Value::Object(_) if path.len() == 3 && path[1] == "f:ownerReferences" => None,
        Value::Array(items) if path == ["f:metadata", "f:ownerReferences"] => {
            Some(items.iter().map(|item| (by_uid(item), item)).collect())
        }
        Value::Object(map) => Some(map.iter().map(|(key, value)| (format!("f:{key}"), value)).collect()),
        Value::Array(items) if path == ["f:metadata", "f:finalizers"] => {
            Some(items.iter().map(|item| (format!("v:{item}"), item)).collect())
        }
        _ => None,
    }
}

/// What differs between two objects.
#[derive(Debug, Default)]
pub struct Changes {
    /// Fields that are new or have another value.
    pub changed: FieldSet,
    /// Fields that are gone.
    pub removed: FieldSet,
}

impl Changes {
    /// Compares two objects field by field; metadata that nobody owns is left out.
    pub fn between(old: Option<&Value>, new: &Value) -> Self {
        let mut changes = Self::default();
        let empty = Value::Object(Map::new());
        changes.walk(&mut Vec::new(), Some(old.unwrap_or(&empty)), Some(new));
        Self { changed: owned_only(&changes.changed), removed: owned_only(&changes.removed) }
    }

    fn walk(&mut self, path: &mut Path, old: Option<&Value>, new: Option<&Value>) {
        if old == new {
            return;
        }
        let before = old.and_then(|value| elements(path, value));
        let after = new.and_then(|value| elements(path, value));
        match (old, new) {
            (_, None) => self.removed.insert(path),
            (Some(_), Some(_)) if before.is_some() && after.is_some() => {}
            _ => self.changed.insert(path),
        }
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            path.push(key.clone());
            self.walk(path, before.get(key).copied(), after.get(key).copied());
            path.pop();
        }
    }
}

/// The fields an applied configuration lays claim to. A map is claimed by its keys; a map under a
/// key that no schema declares (below `flinkConfiguration`) is claimed itself as well.
pub fn claimed(config: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    claim(&mut set, &mut Vec::new(), config);
    owned_only(&set)
}

fn claim(set: &mut FieldSet, path: &mut Path, value: &Value) {
    let children = elements(path, value).filter(|children| !children.is_empty());
    let free_form = path.len() > 2 && path[..2] == ["f:spec", "f:flinkConfiguration"];
    if children.is_none() || free_form {
        set.insert(path);
    }
    for (key, child) in children.unwrap_or_default() {
        path.push(key);
        claim(set, path, child);
        path.pop();
    }
}

fn owned_only(set: &FieldSet) -> FieldSet {
    const SERVER_OWNED: [&str; 7] = [
        "f:name",
        "f:namespace",
        "f:uid",
        "f:creationTimestamp",
        "f:generation",
        "f:managedFields",
        "f:resourceVersion",
    ];
    set.filter(|path| match path {
        [] => false,
        [root] => !["f:apiVersion", "f:kind", "f:metadata"].contains(&root.as_str()),
        [root, field, ..] => root != "f:metadata" || !SERVER_OWNED.contains(&field.as_str()),
    })
}

/// Writes a path as conflict messages do: `.spec.image`.
pub fn display(path: &[String]) -> String {
    path.iter().fold(String::new(), |mut text, element| {
        let _ = match element.split_once(':') {
            Some(("v", value)) => write!(text, "[={value}]"),
            Some(("k", keys)) => write!(text, "[{keys}]"),
            Some((_, key)) => write!(text, ".{key}"),
            None => write!(text, "{element}"),
        };
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn creating_claims_every_map_and_leaf_but_not_what_the_server_sets() {
        let object = json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "a", "labels": {"x": "y"},
            "finalizers": ["f/g"]}, "spec": {"image": "i", "args": [1, 2], "empty": {}}});
        let expected = json!({
            "f:metadata": {"f:labels": {".": {}, "f:x": {}}, "f:finalizers": {".": {}, "v:\"f/g\"": {}}},
            "f:spec": {".": {}, "f:image": {}, "f:args": {}, "f:empty": {}}});
        assert_eq!(Changes::between(None, &object).changed.to_json(), expected);
    }

    #[test]
    fn a_change_names_exactly_the_touched_leaves() {
        let old = json!({"spec": {"image": "a", "gone": {"x": 1}, "same": [1]}});
        let new = json!({"spec": {"image": "b", "same": [1], "more": 1}});
        let changes = Changes::between(Some(&old), &new);
        assert_eq!(changes.changed.to_json(), json!({"f:spec": {"f:image": {}, "f:more": {}}}));
        assert_eq!(changes.removed.to_json(), json!({"f:spec": {"f:gone": {".": {}, "f:x": {}}}}));
    }

    #[test]
    fn an_applied_map_is_claimed_by_its_keys_and_free_form_maps_by_themselves_too() {
        let config = json!({"spec": {"flinkConfiguration": {"a.b": "1", "nested": {"x": true}}, "job": {}}});
        let expected = json!({"f:spec": {"f:job": {},
            "f:flinkConfiguration": {"f:a.b": {}, "f:nested": {".": {}, "f:x": {}}}}});
        assert_eq!(claimed(&config).to_json(), expected);
    }

    #[test]
    fn json_and_back() {
        let fields = json!({"f:spec": {".": {}, "f:a": {}, "f:b": {"f:c": {}}}});
        assert_eq!(FieldSet::from_json(&fields).to_json(), fields);
    }

    #[test]
    fn paths_read_like_the_api_servers() {
        let path = ["f:metadata", "f:finalizers", "v:\"a\""].map(String::from);
        assert_eq!(display(&path), r#".metadata.finalizers[="a"]"#);
    }
}
