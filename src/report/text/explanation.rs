//! Rendered manifests with a comment behind each value that says where it was written.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::flink::pointer::escape;
use crate::report::document::{ExplainedObject, ExplainedValue, ExplanationDocument};
use crate::report::visible::clean;

/// Lines that are longer than this do not push the comments of all others to the right.
const WIDEST: usize = 72;

/// The manifests as YAML, comments aligned. Without the comments it is what `render` prints.
pub fn explanation(document: &ExplanationDocument) -> String {
    document.objects.iter().map(object).collect()
}

fn object(object: &ExplainedObject) -> String {
    let values = object.values.iter().map(|value| (value.path.as_str(), value)).collect();
    let mut page = Page { values, lines: Vec::new() };
    page.members("", 0, "", &object.manifest);
    let width = |(text, _): &(String, Option<String>)| text.chars().count();
    let column =
        page.lines.iter().filter(|line| line.1.is_some()).map(width).filter(|width| *width <= WIDEST);
    let column = column.max().unwrap_or_default();
    let line = |(text, comment): &(String, Option<String>)| match comment {
        Some(comment) => format!("{text:column$}  # {comment}\n"),
        None => format!("{text}\n"),
    };
    format!("---\n{}", page.lines.iter().map(line).collect::<String>())
}

struct Page<'d> {
    values: BTreeMap<&'d str, &'d ExplainedValue>,
    /// Lines with what is said of each.
    lines: Vec<(String, Option<String>)>,
}

impl Page<'_> {
    /// Writes the members of a map or a list, the first of them behind what its line begins with.
    fn members(&mut self, pointer: &str, indent: usize, begin: &str, value: &Value) {
        let mut begin = begin.to_owned();
        let mut head = |text: &str| {
            let before = if begin.is_empty() { " ".repeat(indent) } else { std::mem::take(&mut begin) };
            format!("{before}{text}")
        };
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let text = head(&format!("{}:", scalar(&Value::from(key.as_str()))));
                    let below = format!("{pointer}/{}", escape(key));
                    if is_empty(value) {
                        self.value(&below, indent, &format!("{text} "), value);
                    } else {
                        self.lines.push((text, None));
                        let deeper = if value.is_array() { 0 } else { 2 };
                        self.members(&below, indent + deeper, "", value);
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let text = head("- ");
                    let below = format!("{pointer}/{index}");
                    if is_empty(item) {
                        self.value(&below, indent, &text, item);
                    } else {
                        self.members(&below, indent + 2, &text, item);
                    }
                }
            }
            _ => {}
        }
    }

    /// Writes a value that holds no others. The lines of a text stand below the comment.
    fn value(&mut self, pointer: &str, indent: usize, begin: &str, value: &Value) {
        let written = scalar(value);
        let mut lines = written.lines();
        let first = format!("{begin}{}", lines.next().unwrap_or_default());
        self.lines.push((first, self.values.get(pointer).map(|value| comment(value))));
        let rest = lines.map(|line| if line.is_empty() { String::new() } else { " ".repeat(indent) + line });
        self.lines.extend(rest.map(|line| (line, None)));
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

fn scalar(value: &Value) -> String {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    let written =
        serde_saphyr::to_string_with_options(value, options).expect("a scalar can be written as YAML");
    written.strip_suffix('\n').unwrap_or(&written).to_owned()
}

/// `jobs/a/job.yaml:7`, in `flinkops.yaml` with the part of it, and where what it refers to is written.
fn comment(value: &ExplainedValue) -> String {
    let line = value.line.map_or_else(String::new, |line| format!(":{line}"));
    let within = if value.file.ends_with(&value.layer) { String::new() } else { format!(" {}", value.layer) };
    let reference = |reference: &crate::report::document::ReferenceDocument| {
        format!(", values.{} {}:{}", reference.name, reference.file, reference.line)
    };
    let references: String = value.references.iter().map(reference).collect();
    clean(&format!("{}{line}{within}{references}", value.file))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::spec::render::tests::value;
    use crate::spec::source::Limits;
    use crate::spec::yaml;

    fn explained(manifest: Value) -> String {
        let path = |path: &str| ExplainedValue {
            path: path.to_owned(),
            value: Value::Null,
            layer: "job.yaml".to_owned(),
            file: "jobs/a/job.yaml".to_owned(),
            line: Some(7),
            references: Vec::new(),
        };
        object(&ExplainedObject {
            api_version: String::new(),
            kind: String::new(),
            namespace: String::new(),
            name: String::new(),
            values: ["/x", "/x/a", "/x/a/0", "/x/0"].map(path).into(),
            manifest,
        })
    }

    proptest! {
        #[test]
        fn what_is_explained_reads_back_the_same(value in value()) {
            let printed = explained(json!({ "x": value }));
            let read = yaml::read("f", printed.as_bytes(), &Limits::default()).map_err(|finding| {
                TestCaseError::fail(format!("{finding:?}\n{printed}"))
            })?;
            prop_assert_eq!(&read[0].to_value()["x"], &value, "{}", printed);
        }
    }
}
