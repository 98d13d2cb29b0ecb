//! How bad each rule is, as `lint` of `flinkops.yaml` and of an environment says.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{RULES, Rule, rule};
use crate::rule::RuleId;
use crate::spec::finding::Severity;
use crate::spec::node::Node;

/// The severities in force where they are not the rules' own; `None` is off.
#[derive(Clone, Debug, Default)]
pub struct Levels(BTreeMap<RuleId, Option<Severity>>);

impl Levels {
    /// Reads `lint`, weakest layer first. What the schema refuses changes nothing.
    pub fn read(layers: [Option<&Node>; 2]) -> Self {
        let mut levels = Self::default();
        for (id, member) in layers.into_iter().flatten().filter_map(Node::members).flatten() {
            let level = match member.value.text() {
                Some("off") => None,
                Some("info") => Some(Severity::Info),
                Some("warning") => Some(Severity::Warning),
                Some("error") => Some(Severity::Error),
                _ => continue,
            };
            levels.0.extend(rule(id).map(|rule| (rule.id, level)));
        }
        levels
    }

    /// The severity of a rule; `None` where it is off.
    pub fn of(&self, rule: &Rule) -> Option<Severity> {
        self.0.get(&rule.id).copied().unwrap_or(Some(rule.severity))
    }
}

/// The schema of `lint`: each rule by its id.
pub struct LevelsFile;

impl JsonSchema for LevelsFile {
    fn schema_name() -> Cow<'static, str> {
        "Lint".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let property = |rule: &Rule| {
            let description = format!("{}; absent: `{}`.", rule.about, word(rule.severity));
            let words = ["off", "info", "warning", "error"];
            (rule.id.to_string(), json!({"type": "string", "enum": words, "description": description}))
        };
        let properties: Map<String, Value> = RULES.iter().map(property).collect();
        let schema = json!({
            "description": "How bad a rule's findings are: `off`, `info`, `warning` or `error`, by the rule's id. What \
                            an error is found in is not applied.",
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        schema.try_into().expect("an object is a schema")
    }
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
