//! The rule of secrets: what is in Git is known to everyone who can read it, for ever.

use serde_json::Value;

use super::{Remark, Subject, pod_templates};
use crate::flink::pointer::{At as _, segments};
use crate::flink::secret;
use crate::flink::secret::scrub_credentials;

/// Configuration keys that speak of secrets and hold none: names of Kubernetes Secrets, and how delegation
/// tokens are had.
const ABOUT: [&str; 5] = [
    "kubernetes.env.secretKeyRef",
    "kubernetes.secrets",
    "security.delegation.token",
    "security.kerberos.",
    "security.redaction.",
];

/// Last words of a name that lead to a secret and are none.
const LEADS_TO: [&str; 13] = [
    "arn", "class", "enabled", "endpoint", "file", "interval", "name", "path", "provider", "ref", "type",
    "uri", "url",
];

pub(super) fn plaintext(subject: &Subject<'_>) -> Vec<Remark> {
    let mut found = Vec::new();
    let mut look = |pointer: &str, value: &Value, hint: &str| {
        for place in secret::places(&format!("/spec{pointer}"), value) {
            let Some(name) = value.at(&place).and_then(|it| plain(&place, it, value)) else { continue };
            let message = format!("{name} stands in Git in plain text");
            found.push(Remark::at(format!("/spec{pointer}{place}"), message, hint));
        }
    };
    if let Some(configuration) = subject.at("/flinkConfiguration") {
        look(
            "/flinkConfiguration",
            configuration,
            "keep it in a Kubernetes Secret, and give it to the pods by podTemplate: a variable with valueFrom.secretKeyRef, or a mounted file",
        );
    }
    if let Some(arguments) = subject.at("/job/args") {
        look(
            "/job/args",
            arguments,
            "let the program read it from a variable or a file that a Kubernetes Secret fills",
        );
    }
    for (pointer, pod) in pod_templates(subject.spec) {
        for (container, value) in super::containers(pod) {
            if let Some(variables) = value.get("env") {
                look(
                    &format!("{pointer}{container}/env"),
                    variables,
                    "keep it in a Kubernetes Secret: valueFrom: {secretKeyRef: {name: …, key: …}}",
                );
            }
        }
    }
    found
}

/// What to call the secret at a place; `None` for what only looks like one.
fn plain(place: &str, leaf: &Value, within: &Value) -> Option<String> {
    let segments: Vec<_> = segments(place).collect();
    let (last, parents) = segments.split_last()?;
    let text = leaf.as_str()?;
    if !holds_secret(text) {
        return None;
    }
    match within {
        Value::Object(_) => {
            let key = segments.join(".");
            (!ABOUT.iter().any(|prefix| key.starts_with(prefix)) && !leads(&key)).then(|| format!("`{key}`"))
        }
        _ if parents.is_empty() => Some("a secret among the arguments".to_owned()),
        _ if last == "value" => {
            let name = within.at(&format!("/{}/name", parents[0]))?.as_str()?;
            (!leads(name)).then(|| format!("the variable `{name}`"))
        }
        _ => None,
    }
}

fn leads(name: &str) -> bool {
    let last = name.rsplit(['.', '-', '_']).next().unwrap_or_default();
    LEADS_TO.iter().any(|word| last.eq_ignore_ascii_case(word))
}

/// Whether a text can be a secret: not a switch, a number, a place or a reference.
fn holds_secret(text: &str) -> bool {
    let text = text.trim();
    let is_number = || text.chars().next().is_some_and(|first| first.is_ascii_digit()) && text.len() < 8;
    let is_place = || text.starts_with('/') || text.starts_with("file:");
    let is_address = || text.contains("://") && scrub_credentials(text) == text;
    let is_reference = || text.contains("$(") || text.contains("${");
    !(text.is_empty()
        || text.eq_ignore_ascii_case("true")
        || text.eq_ignore_ascii_case("false")
        || is_number()
        || is_place()
        || is_address()
        || is_reference())
}
