//! Dependencies on live objects that are no units: how they are written, and which cannot be.

use super::desired::Awaited;
use super::environment::Environment;
use super::finding::Finding;
use super::node::{Mark, Node};
use crate::rule::RuleId;

use crate::flink::kind::{Kind, ObjectKey};

/// Whether a word names a live object: `group/version/Kind/name`, for the annotation of a plain manifest.
pub fn is_object(word: &str) -> bool {
    word.split('/').count() == 4 && word.split('/').all(|part| !part.is_empty())
}

/// The object that a word names, in the namespace of the unit.
pub fn of_word<'n>(word: &str, mark: &'n Mark, namespace: &str) -> (Awaited, &'n Mark) {
    let mut parts = word.rsplitn(3, '/');
    let (name, kind, version) = (parts.next(), parts.next(), parts.next());
    let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
    let object = ObjectKey::new(text(version), text(kind), namespace, text(name));
    (Awaited { object, condition: None }, mark)
}

/// The object that an entry of `dependsOn` describes, in the namespace of the job unless it says another.
pub fn of_map<'n>(item: &'n Node, namespace: &str) -> (Awaited, &'n Mark) {
    let text = |key| item.get(key).and_then(Node::text);
    let part = |key| text(key).unwrap_or_default().to_owned();
    let namespace = text("namespace").unwrap_or(namespace);
    let object = ObjectKey::new(part("apiVersion"), part("kind"), namespace, part("name"));
    (Awaited { object, condition: text("condition").map(str::to_owned) }, &item.mark)
}

/// Why an object cannot be waited for.
pub fn refusal(awaited: &Awaited, mark: &Mark, environment: &Environment) -> Option<Finding> {
    let ObjectKey { api_version, kind, namespace, name, .. } = &awaited.object;
    let unit = Kind::of(api_version, kind);
    let (rule, message, hint) = if unit.is_some() {
        let hint = format!("write `{namespace}/{kind}/{name}`");
        (RuleId::AwaitedKind, format!("a {kind} is a unit, and units are waited for by name"), hint)
    } else if (api_version.as_str(), kind.as_str()) == ("v1", "Secret") {
        let hint = "wait for what makes the Secret, such as an ExternalSecret".to_owned();
        (RuleId::AwaitedKind, "a Secret is never read".to_owned(), hint)
    } else if !environment.namespaces.contains(namespace) {
        let name = &environment.name;
        let hint = format!("list it under `environments.{name}.namespaces` in flinkops.yaml");
        (
            RuleId::ForeignNamespace,
            format!("`{namespace}` is not a namespace of the environment {name}"),
            hint,
        )
    } else {
        return None;
    };
    Some(Finding::error(rule, mark.place(), message).hint(hint))
}
