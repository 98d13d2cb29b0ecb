//! The Flink kinds as a cluster serves them: what its API server would drop of a unit, and what it would
//! refuse, said at the line in Git.
//!
//! The API server tells what the custom resource definitions say in its `OpenAPI` v3 document of each group, the
//! operator's and Confluent's, which everyone who may log in can read. Fields that the schema does not have are
//! dropped in silence ("pruned"), unless it keeps unknown fields; values that do not fit it are refused.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::check::{Checker, nearest};
use super::desired::Unit;
use super::finding::Finding;
use super::schema::each;
use crate::flink::kind::{API_VERSION, Kind};
use crate::flink::pointer::{escape, segments, unescape};
use crate::flink::release::{OperatorVersion, Release};
use crate::flink::since::{self, Part};
use crate::rule::RuleId;

const KEEPS_UNKNOWN: &str = "x-kubernetes-preserve-unknown-fields";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";

/// What a cluster's API server says of the kinds that can be units.
#[derive(Clone, Debug, Default)]
pub struct Served {
    kinds: BTreeMap<Kind, Arc<Schema>>,
}

/// The schema of a kind.
struct Schema {
    spec: Value,
    status: Option<Value>,
    /// Compiled for the first unit that is to be written: most plans write nothing.
    checker: OnceLock<Option<Checker>>,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

impl Served {
    /// Reads the `OpenAPI` v3 document of an `apiVersion` that kinds of unit are of.
    ///
    /// # Errors
    /// Where it is no such document.
    pub fn read(document: &[u8]) -> serde_json::Result<Self> {
        let document: Document = serde_json::from_slice(document)?;
        let schemas = document.components.schemas.into_values();
        let kinds = schemas.filter_map(|schema| {
            let kind = |it: &GroupVersionKind| Kind::of(&format!("{}/{}", it.group, it.version), &it.kind);
            Some((
                schema.kinds.iter().find_map(kind)?,
                Arc::new(Schema {
                    spec: schema.properties.spec?,
                    status: schema.properties.status,
                    checker: OnceLock::new(),
                }),
            ))
        });
        Ok(Self { kinds: kinds.collect() })
    }

    /// The same with what another document says.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self { kinds: self.kinds.iter().chain(&other.kinds).map(|(kind, it)| (*kind, it.clone())).collect() }
    }

    /// Whether it was read from the same documents, without looking into them.
    pub fn is(&self, other: &Self) -> bool {
        let schemas = |it: &Self| it.kinds.values().map(Arc::as_ptr).collect::<Vec<_>>();
        schemas(self) == schemas(other)
    }

    /// The schemas of the operator's own kinds.
    fn of_operator(&self) -> impl Iterator<Item = &Schema> {
        let own = self.kinds.iter().filter(|(kind, _)| kind.api_version() == API_VERSION);
        own.map(|(_, schema)| &**schema)
    }

    /// As much of the document as was read, to be read again.
    pub fn document(&self) -> Value {
        let schema = |(kind, schema): (&Kind, &Arc<Schema>)| {
            let (group, version) = kind.api_version().split_once('/').unwrap_or_default();
            let names = json!([{"group": group, "version": version, "kind": kind.as_str()}]);
            let mut properties = json!({"spec": schema.spec});
            if let Some(status) = &schema.status {
                properties["status"] = status.clone();
            }
            let value = json!({"x-kubernetes-group-version-kind": names, "properties": properties});
            (kind.to_string(), value)
        };
        let schemas: Map<String, Value> = self.kinds.iter().map(schema).collect();
        json!({"components": {"schemas": schemas}})
    }

    /// Whether the cluster serves a kind at all, as far as the document is about it.
    pub fn serves(&self, kind: Kind) -> bool {
        kind.is_everywhere() || kind.api_version() != API_VERSION || self.kinds.contains_key(&kind)
    }

    /// The newest release of the operator that these schemas may be of.
    pub fn release(&self) -> Release {
        let statuses = || self.of_operator().filter_map(|schema| schema.status.as_ref());
        let restores = |schema: &Schema| has(&schema.spec, "/job/savepointRedeployNonce");
        if self.of_operator().next().is_some() && !self.of_operator().any(restores) {
            Release::V1_7
        } else if statuses().any(|status| has(status, "/jobStatus"))
            && !statuses().any(|status| has(status, "/jobStatus/upgradeSavepointPath"))
        {
            Release::V1_8
        } else {
            Release::default()
        }
    }

    /// What shows that these schemas are of another version of the operator than this one, in words.
    pub fn contradiction(&self, version: OperatorVersion) -> Option<String> {
        let told = |schema: &Schema| {
            let parts = since::PARTS.iter().filter_map(|part| {
                Some((part.name(), part_in(&schema.spec, part)?, part.absent, part.present))
            });
            let configuration = at(&schema.spec, since::CONFIGURATION).map(|configuration| {
                let any = !configuration["additionalProperties"].is_object();
                let name = "a configuration of any shape".to_owned();
                (name, any, since::TEXT_CONFIGURATION, since::ANY_CONFIGURATION)
            });
            parts.chain(configuration).find_map(|(name, there, absent, present)| match there {
                true if version <= absent => Some(format!("a newer operator: they have {name}")),
                false if version >= present => Some(format!("an older operator: they lack {name}")),
                _ => None,
            })
        };
        self.of_operator().find_map(told)
    }

    /// The spec of a unit as the cluster would keep it, and what it would drop of it.
    pub fn keep<'u>(&self, unit: &'u Unit) -> (Cow<'u, Value>, Vec<Finding>) {
        let dropped = self.kinds.get(&unit.key.kind).map(|schema| dropped(unit.spec(), &schema.spec));
        without(unit, &dropped.unwrap_or_default(), "this cluster's operator")
    }

    /// What the cluster would refuse of a unit, where its pointer into the spec is to be `written`.
    pub fn refuse(&self, unit: &Unit, written: impl Fn(&str) -> bool) -> Vec<Finding> {
        let Some(checker) = self.kinds.get(&unit.key.kind).and_then(|schema| schema.checker()) else {
            return Vec::new();
        };
        let spec = unit.written.get("spec").unwrap_or(&unit.written);
        let refused = |finding: Finding| Finding {
            rule: RuleId::RefusedValue,
            message: format!("refused by this cluster's operator: {}", finding.message),
            ..finding.unit(&unit.key.name)
        };
        checker.findings(unit.spec(), spec, written).into_iter().map(refused).collect()
    }
}

/// The same as far as it is known of a version of the operator, where the cluster itself does not tell.
pub fn keep(unit: &Unit, version: OperatorVersion) -> (Cow<'_, Value>, Vec<Finding>) {
    let dropped = since::dropped(unit.key.kind, unit.spec(), version);
    let dropped: Vec<Dropped> = dropped.map(|pointer| Dropped { pointer, meant: None }).collect();
    without(unit, &dropped, &format!("operator {version}"))
}

fn without<'u>(unit: &'u Unit, dropped: &[Dropped], who: &str) -> (Cow<'u, Value>, Vec<Finding>) {
    if dropped.is_empty() {
        return (Cow::Borrowed(unit.spec()), Vec::new());
    }
    let mut spec = unit.spec().clone();
    for field in dropped {
        remove(&mut spec, &field.pointer);
    }
    (Cow::Owned(spec), dropped.iter().map(|field| field.finding(unit, who)).collect())
}

impl Schema {
    fn checker(&self) -> Option<&Checker> {
        let compile = || {
            let mut schema = self.spec.clone();
            each(&mut schema, &modern);
            Checker::new(schema)
        };
        self.checker.get_or_init(compile).as_ref()
    }
}

/// `OpenAPI` 3.0 spells exclusive bounds as the oldest JSON Schema did.
fn modern(schema: &mut Map<String, Value>) {
    for (exclusive, inclusive) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        match schema.remove(exclusive) {
            Some(Value::Bool(true)) => {
                schema.remove(inclusive).map(|bound| schema.insert(exclusive.to_owned(), bound));
            }
            Some(bound @ Value::Number(_)) => drop(schema.insert(exclusive.to_owned(), bound)),
            _ => {}
        }
    }
}

/// What a schema says of the field at this pointer.
fn at<'s>(schema: &'s Value, pointer: &str) -> Option<&'s Value> {
    segments(pointer).try_fold(schema, |schema, step| schema.get("properties")?.get(&*step))
}

/// Whether a schema names the field at this pointer.
fn has(schema: &Value, pointer: &str) -> bool {
    at(schema, pointer).is_some()
}

/// Whether a schema has a part that came with some version; `None` where it does not tell.
fn part_in(schema: &Value, part: &Part) -> Option<bool> {
    let (parent, name) = part.pointer.rsplit_once('/')?;
    let fields = at(schema, parent)?.get("properties")?;
    match part.value {
        None => Some(fields.get(name).is_some()),
        Some(value) => Some(fields.get(name)?.get("enum")?.as_array()?.iter().any(|known| known == value)),
    }
}

/// A field of a spec that its schema does not have.
#[derive(Debug, PartialEq, Eq)]
struct Dropped {
    /// JSON pointer into the spec.
    pointer: String,
    /// The name that the schema has in its place.
    meant: Option<String>,
}

impl Dropped {
    fn finding(&self, unit: &Unit, who: &str) -> Finding {
        let (parent, name) = self.pointer.rsplit_once('/').unwrap_or_default();
        let segments: Vec<_> = segments(parent).collect();
        let spec = unit.written.get("spec").unwrap_or(&unit.written);
        let place = spec.nearest(segments.iter().map(AsRef::as_ref)).key_mark(&unescape(name)).place();
        let message = format!("`{}` is dropped by {who}, which does not know it", unescape(name));
        let hint = match &self.meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "remove it, or upgrade the operator and its custom resource definitions".to_owned(),
        };
        Finding::warning(RuleId::DroppedField, place, message).hint(hint).unit(&unit.key.name)
    }
}

fn dropped(spec: &Value, schema: &Value) -> Vec<Dropped> {
    let mut fields = Vec::new();
    collect("", spec, schema, &mut fields);
    fields
}

fn collect(pointer: &str, value: &Value, schema: &Value, fields: &mut Vec<Dropped>) {
    match value {
        Value::Object(map) if !is_open(schema) => {
            for (key, child) in map.iter().filter(|(_, child)| !child.is_null()) {
                let pointer = format!("{pointer}/{}", escape(key));
                match of_member(schema, key) {
                    Member::Known(schema) => collect(&pointer, child, schema, fields),
                    Member::Kept => {}
                    Member::Unknown => {
                        let known = schema["properties"].as_object().into_iter().flatten();
                        let meant = nearest(key, known.map(|(name, _)| name.as_str())).map(str::to_owned);
                        fields.push(Dropped { pointer, meant });
                    }
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(&format!("{pointer}/{index}"), item, &schema["items"], fields);
            }
        }
        _ => {}
    }
}

/// Whether a schema says nothing of members: what it refers to elsewhere is not followed.
fn is_open(schema: &Value) -> bool {
    let says = |keyword: &str| schema.get(keyword).is_some();
    !says("properties") && !says("additionalProperties") && (!says("type") || schema[KEEPS_UNKNOWN] == true)
}

enum Member<'s> {
    Known(&'s Value),
    Kept,
    Unknown,
}

fn of_member<'s>(schema: &'s Value, key: &str) -> Member<'s> {
    let embedded = schema[EMBEDDED] == true && ["apiVersion", "kind", "metadata"].contains(&key);
    match (schema["properties"].get(key), schema.get("additionalProperties")) {
        (Some(schema), _) | (None, Some(schema @ Value::Object(_))) => Member::Known(schema),
        (None, Some(Value::Bool(true))) => Member::Kept,
        _ if embedded || schema[KEEPS_UNKNOWN] == true => Member::Kept,
        _ => Member::Unknown,
    }
}

/// Takes a member out of its map.
fn remove(value: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    if let Some(map) = value.pointer_mut(parent).and_then(Value::as_object_mut) {
        map.remove(&*unescape(name));
    }
}

/// As much of the document as is looked at.
#[derive(Deserialize)]
struct Document {
    components: Components,
}

#[derive(Deserialize)]
struct Components {
    #[serde(default)]
    schemas: BTreeMap<String, OfKind>,
}

#[derive(Deserialize)]
struct OfKind {
    #[serde(default, rename = "x-kubernetes-group-version-kind")]
    kinds: Vec<GroupVersionKind>,
    #[serde(default)]
    properties: Properties,
}

#[derive(Default, Deserialize)]
struct Properties {
    spec: Option<Value>,
    status: Option<Value>,
}

#[derive(Deserialize)]
struct GroupVersionKind {
    group: String,
    version: String,
    kind: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flink::kind::{GROUP, VERSION};

    fn pointers(spec: &Value, schema: &Value) -> Vec<String> {
        dropped(spec, schema).into_iter().map(|field| field.pointer).collect()
    }

    #[test]
    fn unknown_fields_are_found_at_any_depth_and_in_lists() {
        let schema = json!({"type": "object", "properties": {
            "job": {"type": "object", "properties": {"state": {"type": "string"}}},
            "tls": {"type": "array", "items": {"type": "object", "properties": {"hosts": {"type": "array"}}}},
            "empty": {"type": "object"},
        }});
        let spec = json!({
            "job": {"state": "running", "stat": "x", "gone": null},
            "tls": [{"hosts": ["a"]}, {"a/b": 1}], "empty": {"x": 1}, "new": {"below": 1},
        });
        assert_eq!(pointers(&spec, &schema), ["/empty/x", "/job/stat", "/new", "/tls/1/a~1b"]);
        assert_eq!(dropped(&spec, &schema)[1].meant.as_deref(), Some("state"));
    }

    #[test]
    fn what_keeps_unknown_fields_is_respected() {
        let keeps = json!({"type": "object", KEEPS_UNKNOWN: true});
        let some = json!({"type": "object", KEEPS_UNKNOWN: true,
            "properties": {"known": {"type": "object", "properties": {"a": {}}}}});
        let map =
            json!({"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {}}}});
        let whole = json!({"type": "object", EMBEDDED: true, "properties": {"spec": {"type": "object"}}});
        let referred = json!({"allOf": [{"$ref": "#/x"}]});
        assert!(pointers(&json!({"a": {"b": 1}}), &keeps).is_empty());
        assert_eq!(pointers(&json!({"x": 1, "known": {"a": 1, "b": 2}}), &some), ["/known/b"]);
        assert_eq!(pointers(&json!({"x": {"a": 1, "b": 2}}), &map), ["/x/b"]);
        assert_eq!(pointers(&json!({"kind": "Pod", "status": {}}), &whole), ["/status"]);
        assert!(pointers(&json!({"a": 1}), &referred).is_empty());
    }

    #[test]
    fn schemas_tell_the_newest_release_they_may_be_of() {
        let release = |job: &Value, status: Option<&Value>| {
            let kind = json!([{"group": GROUP, "version": VERSION, "kind": "FlinkSessionJob"}]);
            let mut properties = json!({"spec": {"properties": {"job": {"properties": job}}}});
            if let Some(status) = status {
                properties["status"] = json!({"properties": {"jobStatus": {"properties": status}}});
            }
            let schema = json!({"x-kubernetes-group-version-kind": kind, "properties": properties});
            let document = json!({"components": {"schemas": {"a": schema}}});
            let served = Served::read(document.to_string().as_bytes()).unwrap();
            let again = Served::read(served.document().to_string().as_bytes()).unwrap();
            assert_eq!(served.release(), again.release());
            served.release()
        };
        let (nonce, path) = (json!({"savepointRedeployNonce": {}}), json!({"upgradeSavepointPath": {}}));
        assert_eq!(release(&json!({}), Some(&json!({}))), Release::V1_7);
        assert_eq!(release(&nonce, Some(&json!({"savepointInfo": {}}))), Release::V1_8);
        assert_eq!(release(&nonce, Some(&path)), Release::default());
        assert_eq!(release(&nonce, None), Release::default(), "kept in a file by an earlier flinkops");
        assert_eq!(Served::read(b"{\"components\": {}}").unwrap().release(), Release::default());
    }

    /// The schema of a FlinkDeployment as a version of the operator serves it, as far as versions differ in it.
    fn serves(version: OperatorVersion) -> Served {
        let mut spec = json!({"type": "object", "properties": {
            "flinkVersion": {"type": "string", "enum": ["v1_19"]}, "flinkConfiguration": {KEEPS_UNKNOWN: true},
            "ingress": {"properties": {}}, "job": {"properties": {}},
            "jobManager": {"properties": {}}, "taskManager": {"properties": {}},
        }});
        if version < since::ANY_CONFIGURATION {
            spec["properties"]["flinkConfiguration"] = json!({"additionalProperties": {"type": "string"}});
        }
        for part in since::PARTS.iter().filter(|part| part.absent < version) {
            let (parent, name) = part.pointer.rsplit_once('/').unwrap();
            match part.value {
                Some(value) => {
                    let known = spec.pointer_mut("/properties/flinkVersion/enum").unwrap();
                    known.as_array_mut().unwrap().push(json!(value));
                }
                None => spec["properties"][&parent[1..]]["properties"][name] = json!({}),
            }
        }
        let schema = Schema { spec, status: None, checker: OnceLock::new() };
        Served { kinds: [(Kind::FlinkDeployment, Arc::new(schema))].into() }
    }

    #[test]
    fn schemas_contradict_versions_that_they_cannot_be_of_and_no_other() {
        let version = |minor| OperatorVersion::new(1, minor);
        for served in 7..=17 {
            assert_eq!(serves(version(served)).contradiction(version(served)), None, "1.{served}");
        }
        let told = |served, stated| serves(version(served)).contradiction(version(stated));
        assert_eq!(
            told(15, 10).as_deref(),
            Some("a newer operator: they have `spec.job.autoscalerResetNonce`")
        );
        assert_eq!(told(15, 16).as_deref(), Some("an older operator: they lack `spec.jobManager.resources`"));
        assert_eq!(
            told(7, 8).as_deref(),
            Some("an older operator: they lack `spec.job.savepointRedeployNonce`")
        );
        assert_eq!(
            told(12, 13).as_deref(),
            Some("an older operator: they lack `v2_1` of `spec.flinkVersion`")
        );
        assert_eq!(told(14, 15), None, "nothing tells these apart");
        assert_eq!(Served::default().contradiction(version(7)), None);
    }

    #[test]
    fn exclusive_bounds_are_understood() {
        let mut schema = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 0,
            "exclusiveMinimum": true, "maximum": 9, "exclusiveMaximum": false}}});
        each(&mut schema, &modern);
        assert_eq!(
            schema["properties"]["n"],
            json!({"type": "integer", "exclusiveMinimum": 0, "maximum": 9})
        );
    }
}
