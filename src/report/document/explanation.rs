//! Where each rendered value was written, as a document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::schema;
use crate::flink::kind::ObjectKey;
use crate::flink::pointer::At as _;
use crate::flink::secret;
use crate::spec::Desired;
use crate::spec::explain::{Source, Sources};

/// What an environment renders, each value with where it was written.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "flinkops.dev/explanation/v1")]
pub struct ExplanationDocument {
    /// `flinkops.dev/explanation/v1`.
    pub schema: &'static str,
    /// The environment.
    pub environment: String,
    /// Folder by folder, companions before units.
    pub objects: Vec<ExplainedObject>,
}

/// One rendered object.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedObject {
    /// Its API group and version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Every value in it, by path.
    pub values: Vec<ExplainedValue>,
    /// The object itself, without its secrets.
    #[serde(skip)]
    #[schemars(skip)]
    pub manifest: Value,
}

/// One value and where it was written.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ExplainedValue {
    /// A JSON pointer into the manifest; a key of Flink's configuration is one segment.
    pub path: String,
    /// The value, `(secret)` where it is one.
    pub value: Value,
    /// The file's name, such as `prod.yaml`; within `flinkops.yaml` the path of what says it, such as
    /// `environments.prod.defaults`.
    pub layer: String,
    /// Path from the repository's root.
    pub file: String,
    /// Line, from 1; left out where the file as a whole says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The values that the line refers to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<ReferenceDocument>,
}

/// A value that a line refers to as `${values.name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReferenceDocument {
    /// Its name.
    pub name: String,
    /// The file that says it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
}

impl ExplanationDocument {
    /// Says of everything in `desired` where it was written.
    pub fn new(desired: &Desired, sources: &BTreeMap<ObjectKey, Sources>) -> Self {
        let units = desired.units.values();
        let units = units.map(|unit| (&unit.folder, 1, ObjectKey::from(&unit.key), &*unit.manifest));
        let companions = desired.companions.values();
        let companions = companions.map(|one| (&one.folder, 0, one.key.clone(), &*one.manifest));
        let mut all: Vec<_> = companions.chain(units).collect();
        all.sort_by_key(|(folder, unit, key, _)| ((*folder).clone(), *unit, key.to_string()));
        let none = Sources::new();
        let object = |(_, _, key, manifest): (_, _, ObjectKey, &Value)| {
            ExplainedObject::new(&key, manifest, sources.get(&key).unwrap_or(&none))
        };
        let objects = all.into_iter().map(object).collect();
        Self { schema: schema::EXPLANATION, environment: desired.environment.clone(), objects }
    }
}

impl ExplainedObject {
    fn new(key: &ObjectKey, manifest: &Value, sources: &Sources) -> Self {
        let manifest = secret::mask("", manifest);
        let value = |(pointer, source): (&String, &Source)| {
            Some(ExplainedValue::new(pointer, manifest.at(pointer)?, source))
        };
        Self {
            api_version: key.api_version.clone(),
            kind: key.kind.clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            values: sources.iter().filter_map(value).collect(),
            manifest,
        }
    }
}

impl ExplainedValue {
    fn new(pointer: &str, value: &Value, source: &Source) -> Self {
        let reference = |(name, place): &(String, crate::spec::finding::Place)| ReferenceDocument {
            name: name.clone(),
            file: place.file.clone(),
            line: place.line,
        };
        Self {
            path: pointer.to_owned(),
            value: value.clone(),
            layer: source.layer.clone(),
            file: source.place.file.clone(),
            line: (source.place.line > 0).then_some(source.place.line),
            references: source.values.iter().map(reference).collect(),
        }
    }
}
