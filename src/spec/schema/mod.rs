//! The schemas of what people write: one set, printed for editors and used by the checker.

pub mod job;
pub mod operator;
pub mod repository;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use job::{CompanionManifest, JobFile, Manifest};
use operator::{
    FlinkApplicationSpec, FlinkBlueGreenDeploymentSpec, FlinkDeploymentSpec, FlinkEnvironmentSpec,
    FlinkSessionJobSpec, FlinkStateSnapshotSpec,
};
use repository::RepositoryFile;

use crate::flink::kind::Kind;

/// The schema of `flinkops.yaml`, as committed in `schema/flinkops.schema.json`.
pub fn repository() -> Value {
    let mut generator = generator();
    let root = generator.root_schema_for::<RepositoryFile>();
    with_references(tidy(root.to_value()))
}

/// The schema of `job.yaml` and `<environment>.yaml`, as committed in `schema/job.schema.json`.
pub fn job() -> Value {
    let mut generator = generator();
    // What says no kind, as the file of an environment, may be about any.
    let all = Kind::ALL.map(|kind| job_file(kind, &mut generator).to_value());
    let mut schema = json!({ "anyOf": &all });
    for (kind, file) in Kind::ALL.into_iter().zip(all) {
        let is_it = json!({"properties": {"kind": {"const": kind.as_str()}}, "required": ["kind"]});
        schema = json!({"if": is_it, "then": file, "else": schema});
    }
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("job.yaml");
    schema["$defs"] = json!(generator.take_definitions(true));
    with_references(tidy(schema))
}

/// The type with each kind's own spec in it, as `$how` of the generator makes a schema of it.
macro_rules! of_kind {
    ($kind:expr, $generator:expr, $how:ident, $file:ident) => {
        match $kind {
            Kind::FlinkDeployment => $generator.$how::<$file<FlinkDeploymentSpec>>(),
            Kind::FlinkSessionJob => $generator.$how::<$file<FlinkSessionJobSpec>>(),
            Kind::FlinkStateSnapshot => $generator.$how::<$file<FlinkStateSnapshotSpec>>(),
            Kind::FlinkBlueGreenDeployment => $generator.$how::<$file<FlinkBlueGreenDeploymentSpec>>(),
            Kind::FlinkApplication => $generator.$how::<$file<FlinkApplicationSpec>>(),
            Kind::FlinkEnvironment => $generator.$how::<$file<FlinkEnvironmentSpec>>(),
        }
    };
}

fn job_file(kind: Kind, generator: &mut SchemaGenerator) -> Schema {
    of_kind!(kind, generator, subschema_for, JobFile)
}

/// A form that the checker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// `flinkops.yaml`.
    Repository,
    /// A `job.yaml` of this kind, or one of its environments' files.
    Job(Kind),
    /// A manifest of this kind.
    Manifest(Kind),
    /// A manifest of any other kind.
    Companion,
}

impl Form {
    /// How many there are.
    pub const COUNT: usize = 2 + 2 * Kind::ALL.len();

    /// The place of a form among all of them.
    pub const fn index(self) -> usize {
        match self {
            Self::Repository => 0,
            Self::Companion => 1,
            Self::Job(kind) => 2 + 2 * kind as usize,
            Self::Manifest(kind) => 3 + 2 * kind as usize,
        }
    }
}

/// The schema the checker compiles for a form: null is never a value there, since null members mean absent.
pub(super) fn strict(form: Form) -> Value {
    let mut generator = generator();
    let root = match form {
        Form::Repository => generator.root_schema_for::<RepositoryFile>(),
        Form::Job(kind) => of_kind!(kind, generator, root_schema_for, JobFile),
        Form::Manifest(kind) => of_kind!(kind, generator, root_schema_for, Manifest),
        Form::Companion => generator.root_schema_for::<CompanionManifest>(),
    };
    let mut schema = tidy(root.to_value());
    without_null(&mut schema);
    schema
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

/// Makes what the generator gives fit for editors and for messages.
fn tidy(mut schema: Value) -> Value {
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        for (name, definition) in definitions {
            if name.starts_with("io.k8s.") {
                kubernetes(definition);
            }
        }
    }
    each(&mut schema, &constants_to_enum);
    schema
}

/// For editors, which see `${values.replicas}` where a number goes. The checker judges what a reference stands for.
fn with_references(mut schema: Value) -> Value {
    let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) else { return schema };
    for (_, definition) in definitions.iter_mut().filter(|(name, _)| *name != "Kind") {
        each(definition, &or_reference);
    }
    definitions.insert(
        "Reference".to_owned(),
        json!({
            "description": "One of the `values` in flinkops.yaml, with its type.",
            "type": "string",
            "pattern": r"^\$\{values\.[A-Za-z][A-Za-z0-9_-]*\}$",
        }),
    );
    schema
}

fn or_reference(schema: &mut Map<String, Value>) {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let scalar = types.iter().all(|name| ["boolean", "integer", "number", "null"].contains(name));
    if !scalar && !schema.contains_key("enum") {
        return;
    }
    let about = |key: &String| ["description", "default"].contains(&key.as_str());
    let (about, judged) = std::mem::take(schema).into_iter().partition(|(key, _)| about(key));
    *schema = about;
    let judged: Map<String, Value> = judged;
    schema.insert("anyOf".into(), json!([judged, {"$ref": "#/$defs/Reference"}]));
}

/// Kubernetes' own definitions: no field is required, because a template is a part of a whole; no unknown
/// field is taken, because the API server would drop it; the descriptions are in Kubernetes' documentation.
fn kubernetes(definition: &mut Value) {
    each(definition, &|schema| {
        schema.remove("description");
        schema.remove("required");
        if schema.remove("x-kubernetes-int-or-string").is_some() {
            schema.insert("type".into(), json!(["number", "string"]));
        }
        if schema.contains_key("properties") {
            schema.insert("additionalProperties".into(), false.into());
        }
    });
}

/// `oneOf` constants become an `enum`, which messages can list.
fn constants_to_enum(schema: &mut Map<String, Value>) {
    let Some(branches) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let mut words = Vec::new();
    for branch in branches {
        match (branch.get("const"), branch.get("enum").and_then(Value::as_array)) {
            (Some(word), _) => words.push(word.clone()),
            (None, Some(more)) => words.extend(more.iter().cloned()),
            (None, None) => return,
        }
    }
    schema.remove("oneOf");
    schema.insert("type".into(), "string".into());
    schema.insert("enum".into(), Value::Array(words));
}

fn without_null(schema: &mut Value) {
    each(schema, &|schema| {
        if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".into(), only);
            }
        }
        let Some(branches) = schema.get("anyOf").and_then(Value::as_array) else { return };
        let mut real = branches.iter().filter(|branch| branch.get("type") != Some(&json!("null")));
        if let (Some(Value::Object(only)), None) = (real.next(), real.next()) {
            let only = only.clone();
            schema.remove("anyOf");
            schema.extend(only);
        }
    });
}

/// Visits every schema within a schema, the outermost last.
pub(super) fn each(schema: &mut Value, visit: &impl Fn(&mut Map<String, Value>)) {
    let Value::Object(map) = schema else { return };
    for (keyword, value) in map.iter_mut() {
        match (keyword.as_str(), value) {
            ("properties" | "$defs", Value::Object(named)) => {
                for schema in named.values_mut() {
                    each(schema, visit);
                }
            }
            ("oneOf" | "anyOf" | "allOf", Value::Array(branches)) => {
                for schema in branches {
                    each(schema, visit);
                }
            }
            ("items" | "additionalProperties" | "then" | "else", schema) => each(schema, visit),
            _ => {}
        }
    }
    visit(map);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flink::pointer::At as _;

    #[test]
    fn no_schema_used_for_checking_knows_null_or_alternatives() {
        for form in
            [Form::Repository, Form::Job(Kind::FlinkDeployment), Form::Manifest(Kind::FlinkSessionJob)]
        {
            let text = strict(form).to_string();
            for noise in ["\"null\"", "anyOf", "oneOf"] {
                assert!(!text.contains(noise), "{form:?} contains {noise}");
            }
        }
    }

    #[test]
    fn committed_schemas_carry_descriptions_of_ours_only() {
        let schema = job();
        let pod = schema.at("/$defs/io.k8s.api.core.v1.PodSpec").unwrap().to_string();
        assert!(!pod.contains("description"));
        assert!(schema.at("/$defs/Job/properties/parallelism/description").is_some());
    }
}
