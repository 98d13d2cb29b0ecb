//! Checks a [`Node`] against a schema and says every mistake at its place, in a person's words.

use std::sync::OnceLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::Value;

use super::finding::{Finding, Place};
use super::node::{Content, Node};
use super::schema::{self, Form};
use super::values;
use crate::flink::pointer::At as _;
use crate::rule::RuleId;

/// Every mistake of a value, as findings. What stands where a text refers to a value is judged with it.
pub fn check(form: Form, node: &Node) -> Vec<Finding> {
    let value = node.to_value();
    let written = |pointer: &str| value.at(pointer).and_then(Value::as_str);
    checker(form).findings(&value, node, |pointer| !written(pointer).is_some_and(values::refers))
}

/// The mistakes at the pointers where values were put in.
pub fn check_at(form: Form, node: &Node, chosen: impl Fn(&str) -> bool) -> Vec<Finding> {
    checker(form).findings(&node.to_value(), node, chosen)
}

/// The name most like the one written, if any is like it at all.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let folded = fold(written);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &fold(name)), name))
        .filter(|(distance, name)| *distance <= name.len().max(written.len()) / 3)
        .min()
        .map(|(_, name)| name)
}

/// A schema that explains what does not fit it.
pub(super) struct Checker {
    schema: Value,
    validator: Validator,
}

impl Checker {
    fn of(form: Form) -> Self {
        Self::new(schema::strict(form)).expect("our own schemas are schemas")
    }

    /// Compiles a schema; `None` for one that is none.
    pub(super) fn new(schema: Value) -> Option<Self> {
        let validator = jsonschema::validator_for(&schema).ok()?;
        Some(Self { schema, validator })
    }

    /// Every mistake of a value, said where it is written, but those at pointers that do not `matter`.
    pub(super) fn findings(
        &self,
        value: &Value,
        written: &Node,
        matters: impl Fn(&str) -> bool,
    ) -> Vec<Finding> {
        let errors = self.validator.iter_errors(value);
        let errors = errors.filter(|error| matters(error.instance_path().as_str()));
        errors.flat_map(|error| self.explain(written, &error)).collect()
    }

    fn explain(&self, root: &Node, error: &ValidationError<'_>) -> Vec<Finding> {
        let path: Vec<String> = error.instance_path().iter().map(segment).collect();
        let node = root.nearest(path.iter().map(String::as_str));
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                unexpected.iter().map(|name| self.unknown_field(node, name, error)).collect()
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let message = format!("the field `{name}` is missing");
                let place = path.last().map_or(node.mark.place(), |_| owner(root, &path));
                vec![Finding::error(RuleId::MissingField, place, message)]
            }
            _ => vec![self.bad_value(node, path.last(), error)],
        }
    }

    fn unknown_field(&self, node: &Node, name: &str, error: &ValidationError<'_>) -> Finding {
        let place = node.key_mark(name).place();
        let finding = Finding::error(RuleId::UnknownField, place, format!("unknown field `{name}`"));
        let known = self.sibling(error, "properties").and_then(Value::as_object);
        let names: Vec<&str> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        match nearest(name, names.iter().copied()) {
            Some(known) => finding.hint(format!("did you mean `{known}`?")),
            None if names.len() <= 16 => finding.hint(format!("known here: {}", list(&names))),
            None => finding,
        }
    }

    fn bad_value(&self, node: &Node, name: Option<&String>, error: &ValidationError<'_>) -> Finding {
        let place = node.mark.place();
        let name = name.map_or_else(String::new, |name| format!("`{name}`: "));
        match error.kind() {
            ValidationErrorKind::Type { kind } => {
                let example = self.sibling(error, "examples").and_then(|examples| examples[0].as_str());
                let finding = wrong_type(node, place, &name, kind);
                match example {
                    Some(example) => finding.hint(format!("such as `{example}`")),
                    None => finding,
                }
            }
            ValidationErrorKind::Enum { options } => wrong_word(node, place, &name, options),
            ValidationErrorKind::Pattern { .. } => {
                let rule = self
                    .sibling(error, "patternErrorMessage")
                    .and_then(Value::as_str)
                    .unwrap_or("another form");
                Finding::error(RuleId::BadValue, place, format!("{name}expected {rule}"))
            }
            ValidationErrorKind::MinLength { .. }
            | ValidationErrorKind::MinProperties { .. }
            | ValidationErrorKind::MinItems { .. } => {
                Finding::error(RuleId::BadValue, place, format!("{name}must not be empty"))
            }
            ValidationErrorKind::Minimum { limit } => {
                Finding::error(RuleId::BadValue, place, format!("{name}must be at least {limit}"))
            }
            ValidationErrorKind::Maximum { limit } => {
                Finding::error(RuleId::BadValue, place, format!("{name}must be at most {limit}"))
            }
            other => Finding::error(
                RuleId::BadValue,
                place,
                format!("{name}breaks the rule `{}`", other.keyword()),
            ),
        }
    }

    /// A keyword beside the one that failed.
    fn sibling(&self, error: &ValidationError<'_>, keyword: &str) -> Option<&Value> {
        let (parent, _) = error.schema_path().as_str().rsplit_once('/')?;
        self.schema.at(parent)?.get(keyword)
    }
}

fn checker(form: Form) -> &'static Checker {
    static CHECKERS: [OnceLock<Checker>; Form::COUNT] = [const { OnceLock::new() }; Form::COUNT];
    CHECKERS[form.index()].get_or_init(|| Checker::of(form))
}

fn segment(segment: LocationSegment<'_>) -> String {
    match segment {
        LocationSegment::Property(name) => name.to_string(),
        LocationSegment::Index(index) => index.to_string(),
    }
}

/// The key under which the value at a path stands.
fn owner(root: &Node, path: &[String]) -> Place {
    let Some((last, parents)) = path.split_last() else { return root.mark.place() };
    root.nearest(parents.iter().map(String::as_str)).key_mark(last).place()
}

fn wrong_type(node: &Node, place: Place, name: &str, kind: &TypeKind) -> Finding {
    let wanted: Vec<JsonType> = match kind {
        TypeKind::Single(one) => vec![*one],
        TypeKind::Multiple(set) => set.iter().collect(),
    };
    let words: Vec<&str> = wanted.iter().map(|kind| noun(*kind)).collect();
    let message = format!("{name}expected {}, found {}", words.join(" or "), found(node));
    let finding = Finding::error(RuleId::WrongType, place, message);
    match (&node.content, wanted.as_slice()) {
        (Content::Number(_) | Content::Bool(_), [JsonType::String]) => finding.hint("write it in quotes"),
        (Content::Text(text), [JsonType::Integer | JsonType::Number]) if text.parse::<f64>().is_ok() => {
            finding.hint("write it without quotes")
        }
        (Content::Text(_) | Content::Map(_), [JsonType::Array]) => finding.hint("write a list: `[…]`"),
        _ => finding,
    }
}

fn wrong_word(node: &Node, place: Place, name: &str, options: &Value) -> Finding {
    let words: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(written) = node.text() else {
        let message = format!("{name}expected one of {}, found {}", list(&words), found(node));
        return Finding::error(RuleId::WrongType, place, message);
    };
    let finding =
        Finding::error(RuleId::BadValue, place, format!("{name}`{written}` is not one of {}", list(&words)));
    match nearest(&written.replace('.', "_"), words.iter().copied()) {
        Some(word) => finding.hint(format!("did you mean `{word}`?")),
        None => finding,
    }
}

fn noun(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Null => "nothing",
        JsonType::Boolean => "`true` or `false`",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "text",
        JsonType::Array => "a list",
        JsonType::Object => "a map",
    }
}

fn found(node: &Node) -> &'static str {
    match &node.content {
        Content::Null => "nothing",
        Content::Bool(_) => "a boolean",
        Content::Number(_) => "a number",
        Content::Text(_) => "text",
        Content::List(_) => "a list",
        Content::Map(_) => "a map",
    }
}

fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flink::kind::Kind;
    use crate::spec::source::Limits;
    use crate::spec::yaml;

    fn findings(form: Form, text: &str) -> Vec<String> {
        let node = yaml::read("f", text.as_bytes(), &Limits::default()).unwrap().remove(0);
        let mut found = check(form, &node);
        found.sort();
        let line = |finding: &Finding| {
            let Place { line, column, width, .. } = finding.place;
            let hint = finding.hint.as_deref().map_or_else(String::new, |hint| format!(" ({hint})"));
            format!("{line}:{column}+{width} {}: {}{hint}", finding.rule, finding.message)
        };
        found.iter().map(line).collect()
    }

    #[test]
    fn a_misspelt_field_is_found_at_its_key_with_the_right_one() {
        assert_eq!(
            findings(Form::Job(Kind::FlinkDeployment), "spec:\n  job:\n    paralelism: 4\n"),
            ["3:5+10 unknown-field: unknown field `paralelism` (did you mean `parallelism`?)"]
        );
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let text = "kind: FlinkDeploymnt\nspec:\n  image: 3\n  flinkVersion: v1.17\n  job: {parallelism: '4', \
                    upgradeMode: statefull, args: x}\n  logConfiguration: {log4j.properties: x}\n";
        assert_eq!(
            findings(Form::Job(Kind::FlinkDeployment), text),
            [
                "1:7+14 bad-value: `kind`: `FlinkDeploymnt` is not one of `FlinkDeployment`, `FlinkSessionJob`, `FlinkStateSnapshot`, `FlinkBlueGreenDeployment`, `FlinkApplication`, `FlinkEnvironment` (did you mean `FlinkDeployment`?)",
                "3:10+1 wrong-type: `image`: expected text, found a number (write it in quotes)",
                "4:17+5 bad-value: `flinkVersion`: `v1.17` is not one of `v1_15`, `v1_16`, `v1_17`, `v1_18`, `v1_19`, `v1_20`, `v2_0`, `v2_1`, `v2_2`, `v2_3`, `v2_4` (did you mean `v1_17`?)",
                "5:22+3 wrong-type: `parallelism`: expected a whole number, found text (write it without quotes)",
                "5:40+9 bad-value: `upgradeMode`: `statefull` is not one of `savepoint`, `last-state`, `stateless`",
                "5:57+1 wrong-type: `args`: expected a list, found text (write a list: `[…]`)",
                "6:22+16 unknown-field: unknown field `log4j.properties` (did you mean `log4j-console.properties`?)",
            ]
        );
    }

    #[test]
    fn null_means_absent_and_quantities_are_text_or_numbers() {
        let text = "spec:\n  image: null\n  jobManager: {resource: {cpu: '1', memory: 2048}}\n  podTemplate:\n    \
                    spec: {containers: [{name: a, resources: {limits: {cpu: 1, memory: 1Gi}}}]}\n";
        assert_eq!(findings(Form::Job(Kind::FlinkDeployment), text), [""; 0]);
    }

    #[test]
    fn pod_templates_are_checked_by_kubernetes_own_schema() {
        let text = "spec:\n  podTemplate:\n    spec:\n      volumes:\n      - name: a\n        \
                    persistenceVolumeClaim: {claimName: x}\n";
        let found = findings(Form::Job(Kind::FlinkDeployment), text);
        assert_eq!(
            found,
            [
                "6:9+22 unknown-field: unknown field `persistenceVolumeClaim` (did you mean `persistentVolumeClaim`?)"
            ]
        );
    }

    #[test]
    fn required_fields_are_named_where_they_are_missing() {
        let text = "jobs: [jobs]\nenvironments:\n  prod: {context: x}\n";
        assert_eq!(
            findings(Form::Repository, text),
            [
                "1:1+1 missing-field: the field `name` is missing",
                "3:3+4 missing-field: the field `namespace` is missing",
            ]
        );
    }
}
