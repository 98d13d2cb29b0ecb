//! Who owns which field: the entries of `metadata.managedFields` and how a write changes them.

use serde_json::{Map, Value, json};

use super::field_set::{Changes, FieldSet, Path};
use super::resource::Part;
use crate::flink::pointer::At as _;

/// Who writes, and how: what tells one entry from another.
#[derive(Clone, Debug, PartialEq)]
pub struct Author {
    /// The field manager.
    pub manager: String,
    /// Whether by server-side apply; every other write is an `Update`.
    pub applies: bool,
    /// The version the object was written in.
    pub api_version: String,
    /// Through which part of the resource.
    pub part: Part,
}

impl Author {
    fn operation(&self) -> &'static str {
        if self.applies { "Apply" } else { "Update" }
    }

    fn subresource(&self) -> &'static str {
        self.part.as_str()
    }

    /// The author as conflict messages name it.
    pub fn display(&self) -> String {
        let subresource = match self.part {
            Part::Whole => String::new(),
            part => format!(" with subresource {:?}", part.as_str()),
        };
        let version = if self.applies { String::new() } else { format!(" using {}", self.api_version) };
        format!("{:?}{subresource}{version}", self.manager)
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Whose it is.
    pub author: Author,
    /// When it was last written; empty where that was never noted.
    pub time: String,
    /// What is owned.
    pub fields: FieldSet,
}

impl Entry {
    fn from_json(entry: &Value) -> Self {
        let text = |key| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let author = Author {
            manager: text("manager").to_owned(),
            applies: text("operation") == "Apply",
            api_version: text("apiVersion").to_owned(),
            part: Part::parse(text("subresource")).unwrap_or_default(),
        };
        Self { author, time: text("time").to_owned(), fields: FieldSet::from_json(&entry["fieldsV1"]) }
    }

    fn to_json(&self) -> Value {
        let mut entry = json!({
            "manager": self.author.manager, "operation": self.author.operation(),
            "apiVersion": self.author.api_version,
            "fieldsType": "FieldsV1", "fieldsV1": self.fields.to_json(),
        });
        if !self.time.is_empty() {
            entry["time"] = json!(self.time);
        }
        if self.author.part != Part::Whole {
            entry["subresource"] = json!(self.author.part.as_str());
        }
        entry
    }
}

/// Every entry of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ManagedFields(Vec<Entry>);

impl ManagedFields {
    /// Reads an object's entries.
    pub fn of(object: Option<&Value>) -> Self {
        let entries = object.and_then(|it| it.at("/metadata/managedFields")).and_then(Value::as_array);
        Self(entries.into_iter().flatten().map(Entry::from_json).collect())
    }

    /// Writes the entries into an object, in the API server's order.
    pub fn write_into(mut self, object: &mut Value) {
        self.0.retain(|entry| !entry.fields.is_empty());
        self.0.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
        let entries: Vec<Value> = self.0.iter().map(Entry::to_json).collect();
        let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
        let Some(metadata) = metadata else { return };
        set_or_remove(metadata, "managedFields", entries);
    }

    /// What the author owned so far.
    pub fn owned_by(&self, author: &Author) -> FieldSet {
        self.0
            .iter()
            .find(|entry| same(&entry.author, author))
            .map(|entry| entry.fields.clone())
            .unwrap_or_default()
    }

    /// What anybody else, or the author by another kind of write, owns.
    pub fn owned_by_others(&self, author: &Author) -> FieldSet {
        let others = self.0.iter().filter(|entry| !same(&entry.author, author));
        others.fold(FieldSet::default(), |all, entry| all.union(&entry.fields))
    }

    /// The fields among `changed` that others own, with their owners.
    pub fn conflicts(&self, author: &Author, changed: &FieldSet) -> Vec<(Author, Path)> {
        let others = self.0.iter().filter(|entry| !same(&entry.author, author));
        let conflicting = |entry: &Entry| {
            let paths = entry.fields.intersection(changed).paths();
            paths.into_iter().map(|path| (entry.author.clone(), path)).collect::<Vec<_>>()
        };
        others.flat_map(conflicting).collect()
    }

    /// Records a create, a replacement or a patch: what changed is now the author's alone.
    pub fn record_update(&mut self, author: &Author, changes: &Changes, time: &str) {
        self.take_from_everybody(changes);
        if !changes.changed.is_empty() {
            let fields = self.owned_by(author).union(&changes.changed);
            self.put(author, fields, time);
        }
    }

    /// Records a server-side apply: the author owns exactly what the configuration claims.
    pub fn record_apply(&mut self, author: &Author, claimed: FieldSet, changes: &Changes, time: &str) {
        let before = self.owned_by(author);
        self.take_from_everybody(changes);
        let untouched = before == claimed && changes.changed.is_empty() && changes.removed.is_empty();
        let since = self.0.iter().find(|entry| same(&entry.author, author)).map(|entry| entry.time.clone());
        match since.filter(|_| untouched) {
            Some(since) => self.put(author, claimed, &since),
            None => self.put(author, claimed, time),
        }
    }

    fn take_from_everybody(&mut self, changes: &Changes) {
        for entry in &mut self.0 {
            entry.fields = entry.fields.difference(&changes.changed).difference(&changes.removed);
        }
    }

    fn put(&mut self, author: &Author, fields: FieldSet, time: &str) {
        self.0.retain(|entry| !same(&entry.author, author));
        self.0.push(Entry { author: author.clone(), time: time.to_owned(), fields });
    }
}

/// Appliers keep one entry whatever version they apply.
fn same(a: &Author, b: &Author) -> bool {
    let version = a.applies || a.api_version == b.api_version;
    a.manager == b.manager && a.applies == b.applies && a.part == b.part && version
}

fn sort_key(entry: &Entry) -> (&str, &str, &str, &str, &str) {
    let author = &entry.author;
    (author.operation(), &entry.time, &author.manager, &author.api_version, author.subresource())
}

fn set_or_remove(map: &mut Map<String, Value>, key: &str, items: Vec<Value>) {
    if items.is_empty() {
        map.remove(key);
    } else {
        map.insert(key.to_owned(), Value::Array(items));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(manager: &str, applies: bool) -> Author {
        Author { manager: manager.into(), applies, api_version: "v1".into(), part: Part::Whole }
    }

    fn fields(json: &Value) -> FieldSet {
        FieldSet::from_json(json)
    }

    #[test]
    fn an_update_takes_the_touched_fields_from_their_owner() {
        let mut managed = ManagedFields::default();
        let old = json!({"spec": {"a": 1, "b": 1}});
        managed.record_update(&author("one", false), &Changes::between(None, &old), "t1");
        let new = json!({"spec": {"a": 2, "b": 1}});
        managed.record_update(&author("two", false), &Changes::between(Some(&old), &new), "t2");
        assert_eq!(managed.owned_by(&author("one", false)), fields(&json!({"f:spec": {".": {}, "f:b": {}}})));
        assert_eq!(managed.owned_by(&author("two", false)), fields(&json!({"f:spec": {"f:a": {}}})));
    }

    #[test]
    fn applying_the_same_again_keeps_the_time() {
        let mut managed = ManagedFields::default();
        let claimed = fields(&json!({"f:spec": {"f:a": {}}}));
        managed.record_apply(&author("one", true), claimed.clone(), &Changes::default(), "t1");
        managed.record_apply(&author("one", true), claimed, &Changes::default(), "t2");
        assert_eq!(managed.0[0].time, "t1");
    }

    #[test]
    fn authors_read_like_the_api_servers() {
        assert_eq!(author("flinkops", true).display(), r#""flinkops""#);
        assert_eq!(author("kubectl-patch", false).display(), r#""kubectl-patch" using v1"#);
    }

    #[test]
    fn entries_survive_the_way_through_an_object() {
        let mut managed = ManagedFields::default();
        let by = Author { part: Part::Status, ..author("operator", false) };
        managed.record_update(
            &by,
            &Changes::between(None, &json!({"status": {"x": 1}})),
            "2026-01-01T00:00:00Z",
        );
        let mut object = json!({"metadata": {}});
        managed.clone().write_into(&mut object);
        assert_eq!(object["metadata"]["managedFields"][0]["subresource"], "status");
        assert_eq!(ManagedFields::of(Some(&object)), managed);
    }

    #[test]
    fn an_entry_without_a_time_gets_none() {
        let entry = json!({"manager": "one", "operation": "Update", "fieldsV1": {"f:spec": {"f:a": {}}}});
        let mut object = json!({"metadata": {"managedFields": [entry]}});
        ManagedFields::of(Some(&object)).write_into(&mut object);
        assert_eq!(object["metadata"]["managedFields"][0].get("time"), None);
    }
}
