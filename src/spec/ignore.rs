//! Rules that leave fields to someone else (`policy.ignore`): what is wrong with them, said where they stand.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use super::check::nearest;
use super::desired::Unit;
use super::finding::Finding;
use super::node::Node;
use super::object::RenderedCompanion;
use super::schema::{self, Form};
use crate::flink::canonical::is_keyed;
use crate::flink::kind::Kind;
use crate::flink::pointer::{At as _, segments, unescape};
use crate::rule::RuleId;

const CONFIGURATION: &str = "/spec/flinkConfiguration/";
/// What `kubectl scale` and a `HorizontalPodAutoscaler` write.
const REPLICAS: &str = "/spec/taskManager/replicas";

/// What is wrong with the paths of a policy's rules.
pub fn paths(rules: Option<&Node>) -> Vec<Finding> {
    let paths = rules.map_or(&[][..], Node::items).iter().filter_map(|rule| rule.get("path"));
    paths.filter_map(path).collect()
}

fn path(node: &Node) -> Option<Finding> {
    let text = node.text()?;
    let wrong = |message: &str, hint: &str| {
        let message = format!("`path`: {message}");
        Some(Finding::error(RuleId::BadValue, node.mark.place(), message).hint(hint))
    };
    if !text.starts_with('/') {
        return wrong("expected a JSON pointer into the manifest", "such as `/spec/image`");
    }
    let mut segments = text.split('/').skip(1);
    if segments.clone().any(str::is_empty) {
        return wrong("a JSON pointer has no empty name", "remove the `/` too many");
    }
    if segments.any(|segment| unescape(segment).matches('~').count() != segment.matches("~0").count()) {
        return wrong(
            "`~` stands alone",
            "in a JSON pointer `~` is written `~0`, and `/` within a name `~1`",
        );
    }
    if let Some(key) = text.strip_prefix(CONFIGURATION).filter(|key| key.contains('/')) {
        let hint = format!("write {CONFIGURATION}{}", key.replace('/', "."));
        return wrong("a configuration key is one name, however it is nested", &hint);
    }
    idle(text).map(|hint| {
        let message = format!("`{text}` leads to no field that flinkops writes");
        Finding::warning(RuleId::IdleIgnore, node.mark.place(), message).hint(hint)
    })
}

/// Why a path can lead nowhere, in a hint.
fn idle(path: &str) -> Option<String> {
    let segments: Vec<_> = segments(path).collect();
    let names: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    match names.as_slice() {
        ["metadata", "labels" | "annotations", ..] => return None,
        ["spec", ..] => {}
        _ => {
            return Some(
                "it writes /spec, and what Git names of /metadata/labels and /metadata/annotations".into(),
            );
        }
    }
    let wrong: Vec<Wrong<'_>> =
        MANIFESTS.iter().filter_map(|form| follow(form, form, "", &names).err()).collect();
    let all = wrong.len() == MANIFESTS.len();
    let wrong = wrong.into_iter().min_by_key(|wrong| wrong.left).filter(|_| all)?;
    if let Some(list) = wrong.list {
        return Some(format!("`{list}` counts as one value: leave it whole"));
    }
    Some(match nearest(wrong.name, wrong.known.iter().copied()) {
        Some(near) => format!("did you mean `{near}` instead of `{}`?", wrong.name),
        None => format!("there is no `{}` there", wrong.name),
    })
}

/// The manifests of each kind of unit.
static MANIFESTS: LazyLock<[Value; Kind::ALL.len()]> =
    LazyLock::new(|| Kind::ALL.map(|kind| schema::strict(Form::Manifest(kind))));

/// A name that leads to nothing of a schema's.
struct Wrong<'a> {
    name: &'a str,
    known: Vec<&'a str>,
    /// The list whose entries have no names, where it leads into one.
    list: Option<String>,
    /// How many names follow.
    left: usize,
}

/// Goes down a schema; `path` is the way so far.
fn follow<'a>(root: &'a Value, at: &'a Value, path: &str, names: &[&'a str]) -> Result<(), Wrong<'a>> {
    let at = at["$ref"].as_str().and_then(|to| root.at(to.trim_start_matches('#'))).unwrap_or(at);
    let Some((name, rest)) = names.split_first() else { return Ok(()) };
    let Some(properties) = at["properties"].as_object() else {
        return match at.get("items") {
            // An entry of a list that Kubernetes keys goes by its key or its index.
            Some(items) if is_keyed(path) => follow(root, items, &format!("{path}/{name}"), rest),
            Some(_) => Err(Wrong { name, known: Vec::new(), list: Some(path.to_owned()), left: rest.len() }),
            None => Ok(()),
        };
    };
    match properties.get(*name) {
        Some(below) => follow(root, below, &format!("{path}/{name}"), rest),
        None if at["additionalProperties"] == false => {
            let known = properties.keys().map(String::as_str).collect();
            Err(Wrong { name, known, list: None, left: rest.len() })
        }
        None => Ok(()),
    }
}

/// Rules that name a unit which is not there.
pub fn names(rules: Option<&Node>, units: &BTreeSet<&str>) -> Vec<Finding> {
    let written = rules.map_or(&[][..], Node::items).iter().filter_map(|rule| rule.get("name"));
    let written = written.filter_map(|node| Some((node, node.text()?)));
    let idle = written.filter(|(_, name)| !units.contains(name));
    idle.map(|(node, name)| {
        let finding =
            Finding::warning(RuleId::IdleIgnore, node.mark.place(), format!("there is no unit `{name}`"));
        match nearest(name, units.iter().copied()) {
            Some(near) => finding.hint(format!("did you mean `{near}`?")),
            None => finding,
        }
    })
    .collect()
}

/// Says of an autoscaler in Git which rule it needs: flinkops would undo what it writes.
pub fn autoscaler(companion: &RenderedCompanion, unit: &Unit) -> Option<Finding> {
    let target = companion.manifest.at(&["spec", "scaleTargetRef"])?;
    let is = |field: &str, wanted: &str| target.get(field).and_then(Node::text) == Some(wanted);
    let scales = companion.key.kind == "HorizontalPodAutoscaler"
        && companion.key.namespace == unit.key.namespace
        && is("kind", unit.key.kind.as_str())
        && is("name", &unit.key.name);
    if !scales || unit.policy.ignores(&unit.key.name, REPLICAS) {
        return None;
    }
    let name = &unit.key.name;
    let message = format!("flinkops would undo what this autoscaler writes to `{name}`");
    let finding = Finding::warning(RuleId::AutoscalerWithoutIgnore, target.mark.place(), message);
    Some(finding.hint(format!(
        "leave it the field: policy: {{ignore: [{{path: {REPLICAS}, name: {name}, reason: \"<why>\"}}]}}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::source::Limits;
    use crate::spec::yaml;

    fn said(path: &str) -> String {
        let text = format!("- {{path: '{path}', reason: x}}\n");
        let read = yaml::read("flinkops.yaml", text.as_bytes(), &Limits::default()).unwrap();
        let line = |found: &Finding| {
            let hint = found.hint.as_deref().unwrap_or_default();
            format!("{}:{} {}: {} ({hint})", found.place.line, found.place.column, found.rule, found.message)
        };
        paths(Some(&read[0])).iter().map(line).collect()
    }

    #[test]
    fn paths_that_may_lead_somewhere_are_fine() {
        for path in [
            "/spec/taskManager/replicas",
            "/spec/deploymentName",
            "/spec/flinkConfiguration/state.backend.type",
            "/spec/flinkConfiguration",
            "/spec/podTemplate/spec/containers/flink-main-container/image",
            "/spec/podTemplate/spec/containers/0/env",
            "/spec/podTemplate/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
            "/metadata/annotations/example.com~1note~0",
            "/metadata/labels",
            "/spec",
        ] {
            assert_eq!(said(path), "", "{path}");
        }
    }

    #[test]
    fn paths_that_cannot_be_are_told_with_the_right_one() {
        assert_eq!(
            said("spec.image"),
            "1:10 bad-value: `path`: expected a JSON pointer into the manifest (such as `/spec/image`)"
        );
        assert!(said("/spec//image").contains("a JSON pointer has no empty name"));
        assert!(said("/spec/").contains("a JSON pointer has no empty name"));
        assert!(said("/metadata/labels/a~b").contains("`~` stands alone"));
        assert!(
            said("/spec/flinkConfiguration/state/backend")
                .contains("(write /spec/flinkConfiguration/state.backend)")
        );
        assert_eq!(
            said("/spec/taskManger/replicas"),
            "1:10 idle-ignore: `/spec/taskManger/replicas` leads to no field that flinkops writes (did you mean \
             `taskManager` instead of `taskManger`?)"
        );
        assert!(said("/spec/podTemplate/spec/containers/0/imge").contains("did you mean `image`"));
        assert!(said("/status/lifecycleState").contains("idle-ignore"));
        for (path, list) in [
            ("/spec/job/args/0", "/spec/job/args"),
            ("/spec/ingress/tls/0/hosts", "/spec/ingress/tls"),
            ("/spec/podTemplate/spec/tolerations/0/key", "/spec/podTemplate/spec/tolerations"),
            ("/spec/podTemplate/spec/containers/0/args/1", "/spec/podTemplate/spec/containers/0/args"),
        ] {
            assert!(
                said(path).contains(&format!("(`{list}` counts as one value: leave it whole)")),
                "{path}"
            );
        }
    }

    #[test]
    fn a_unit_that_is_not_there_is_named() {
        let text =
            "- {path: /spec/image, reason: x, name: ingst}\n- {path: /spec/image, reason: x, name: sink}\n";
        let read = yaml::read("flinkops.yaml", text.as_bytes(), &Limits::default()).unwrap();
        let found = names(Some(&read[0]), &BTreeSet::from(["ingest", "sink"]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "there is no unit `ingst`");
        assert_eq!(found[0].hint.as_deref(), Some("did you mean `ingest`?"));
    }
}
