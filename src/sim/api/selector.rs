//! Label and field selectors.

use serde_json::Value;

use super::resource::Resource;
use super::status::StatusError;
use crate::flink::kind::GROUP;
use crate::flink::pointer::At as _;

/// Chooses objects of one kind.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, String, bool)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

impl Selector {
    /// Reads the `labelSelector` and `fieldSelector` of a query.
    pub fn read(resource: &Resource, labels: &str, fields: &str) -> Result<Self, StatusError> {
        let labels =
            split_outside_parentheses(labels).into_iter().map(requirement).collect::<Result<_, _>>()?;
        let fields = fields.split(',').filter(|term| !term.is_empty());
        let fields = fields.map(|term| field_term(resource, term)).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    /// Whether the object is chosen.
    pub fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"].get(key).and_then(Value::as_str);
        let labels = self.labels.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => {
                label(key).is_some_and(|it| values.iter().any(|value| value == it))
            }
            Requirement::NotIn(key, values) => {
                label(key).is_none_or(|it| values.iter().all(|value| value != it))
            }
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Missing(key) => label(key).is_none(),
        });
        labels && self.fields.iter().all(|(path, wanted, equal)| (field(object, path) == *wanted) == *equal)
    }
}

fn field(object: &Value, path: &str) -> String {
    let pointer = format!("/{}", path.replace('.', "/"));
    match object.at(&pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn field_term(resource: &Resource, term: &str) -> Result<(String, String, bool), StatusError> {
    let (path, value, equal) = if let Some((path, value)) = term.split_once("!=") {
        (path, value, false)
    } else if let Some((path, value)) = term.split_once('=') {
        (path, value.trim_start_matches('='), true)
    } else {
        return Err(StatusError::bad_request(format!("invalid field selector: {term}")));
    };
    if resource.group == GROUP && !["metadata.name", "metadata.namespace"].contains(&path) {
        return Err(StatusError::bad_request(format!("field label not supported: {path}")));
    }
    Ok((path.to_owned(), value.to_owned(), equal))
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let terms = text.split(|c| {
        depth = match c {
            '(' => depth + 1,
            ')' => depth.saturating_sub(1),
            _ => depth,
        };
        c == ',' && depth == 0
    });
    terms.map(str::trim).filter(|term| !term.is_empty()).collect()
}

fn requirement(term: &str) -> Result<Requirement, StatusError> {
    let set = |rest: &str| {
        rest.trim()
            .trim_start_matches('(')
            .trim_end_matches(')')
            .split(',')
            .map(|it| it.trim().to_owned())
            .collect()
    };
    let key = |text: &str| text.trim().to_owned();
    let words = term.split_whitespace().nth(1).unwrap_or_default();
    Ok(if words.starts_with("notin") {
        let (left, right) = term.split_once("notin").unwrap_or_default();
        Requirement::NotIn(key(left), set(right))
    } else if words.starts_with("in") {
        let (left, right) = term.split_once(" in").unwrap_or_default();
        Requirement::In(key(left), set(right))
    } else if let Some((left, right)) = term.split_once("!=") {
        Requirement::NotIn(key(left), vec![key(right)])
    } else if let Some((left, right)) = term.split_once('=') {
        Requirement::In(key(left), vec![key(right.trim_start_matches('='))])
    } else if let Some(missing) = term.strip_prefix('!') {
        Requirement::Missing(key(missing))
    } else if words.is_empty() {
        Requirement::Exists(key(term))
    } else {
        return Err(StatusError::bad_request(format!("unable to parse requirement: {term}")));
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chosen(labels: &str, fields: &str) -> bool {
        let resource = Resource::by_kind("v1", "ConfigMap").unwrap();
        let object = json!({"metadata": {"name": "a", "labels": {"app": "x", "tier": "front"}}});
        Selector::read(resource, labels, fields).unwrap().matches(&object)
    }

    #[test]
    fn labels_choose_by_every_form() {
        for yes in [
            "",
            "app=x",
            "app==x,tier=front",
            "app in (x,y)",
            "app notin (z)",
            "app",
            "!other",
            "app!=z",
            "a!=b",
        ] {
            assert!(chosen(yes, ""), "{yes}");
        }
        for no in ["app=y", "app in (y, z)", "app notin (x, y)", "other", "!app", "app!=x", "app=x,tier=back"]
        {
            assert!(!chosen(no, ""), "{no}");
        }
    }

    #[test]
    fn fields_choose_by_path() {
        assert!(chosen("", "metadata.name=a"));
        assert!(!chosen("", "metadata.name!=a"));
        assert!(!chosen("", "metadata.name=b"));
    }

    #[test]
    fn custom_resources_select_by_name_only() {
        let flink = Resource::by_kind("flink.apache.org/v1beta1", "FlinkDeployment").unwrap();
        let error = Selector::read(flink, "", "spec.image=x").unwrap_err();
        assert_eq!(error.message, "field label not supported: spec.image");
    }
}
