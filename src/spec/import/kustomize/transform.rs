//! What a kustomization does to its objects: patches and images; all else is refused by name.

use serde_json::Value;

use super::Built;
use crate::rule::RuleId;
use crate::spec::finding::Finding;
use crate::spec::import::document::Document;
use crate::spec::import::overlay::{self, Image, PatchDocument, directive, with_null};
use crate::spec::node::Node;

/// The fields that are understood.
const KNOWN: [&str; 9] = [
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "bases",
    "patches",
    "patchesStrategicMerge",
    "images",
    "namespace",
];
/// The fields that are not, with what to do instead.
const REFUSED: [(&str, &str); 14] = [
    ("commonAnnotations", "write them under `defaults.annotations` of the environment in flinkops.yaml"),
    ("commonLabels", "write them under `defaults.labels` of the environment in flinkops.yaml"),
    ("components", "write what the component does as a patch"),
    ("configMapGenerator", "put the files beside job.yaml, and list them there under `configMaps`"),
    ("generators", "commit what they generate"),
    ("helmCharts", "render the chart, and commit the result"),
    ("labels", "write them under `defaults.labels` of the environment in flinkops.yaml"),
    ("namePrefix", "a job has one name in every environment, and each environment a namespace of its own"),
    ("nameSuffix", "a job has one name in every environment, and each environment a namespace of its own"),
    ("patchesJson6902", "write it as a patch with the fields themselves (`spec: …`)"),
    ("replacements", "write the values out, in a patch"),
    ("secretGenerator", "a secret does not belong in Git: create it in the cluster by other means"),
    ("transformers", "write what they do as a patch"),
    ("vars", "write the values out, in a patch"),
];

/// Applies one patch to what it is meant for.
pub fn apply(found: &Document, target: Option<&Node>, item: &Node, built: &mut Built) {
    let value = with_null(&found.node);
    if let Some(word) = directive(&value) {
        built.refused.push(
            refuse(item, &format!("the directive `{word}`")).hint("write the fields as they should be"),
        );
        return;
    }
    let text = |node: Option<&Node>, key: &str| {
        node.and_then(|node| node.get(key)).and_then(Node::text).map(str::to_owned)
    };
    let odd = |name: &str| !["kind", "name", "group", "version", "namespace"].contains(&name);
    let names = target.and_then(Node::members).into_iter().flatten();
    let name = match target {
        Some(_) => text(target, "name"),
        None => Some(found.at(&["metadata", "name"]).to_owned()),
    };
    let pattern = name.as_ref().is_some_and(|name| {
        name.contains(|letter: char| !letter.is_ascii_alphanumeric() && !"-.".contains(letter))
    });
    if let Some((key, _)) = names.map(|(key, member)| (key.as_str(), member)).find(|(key, _)| odd(key)) {
        built.refused.push(refuse(item, &format!("a patch that selects by `{key}`")).hint("name the object"));
        return;
    }
    if pattern {
        built.refused.push(
            refuse(item, "a patch that selects by a pattern").hint("name each object in a patch of its own"),
        );
        return;
    }
    let kind = text(target, "kind").or_else(|| target.is_none().then(|| found.at(&["kind"]).to_owned()));
    let mut any = false;
    for (object, patches, value_now) in &mut built.objects {
        let meant = kind.as_ref().is_none_or(|kind| object.at("/kind") == kind)
            && name.as_ref().is_none_or(|name| object.name() == name);
        if !meant {
            continue;
        }
        any = true;
        let mut patch = value.clone();
        if let Some(fields) = patch.as_object_mut() {
            fields.retain(|key, _| !["apiVersion", "kind"].contains(&key.as_str()));
        }
        if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("name");
        }
        *value_now = overlay::merged(value_now, &patch);
        patches.push(PatchDocument { node: found.node.clone(), text: found.text.clone() });
        if object.unit().is_none() && has_list(&patch) {
            // Of these kinds kustomize knows how lists are keyed, and merges them.
            let message = format!("a patch of a list in {}", object.title());
            built.refused.push(refuse(item, &message).hint("write the whole object out in each overlay"));
        }
    }
    if !any {
        built.refused.push(refuse(item, "a patch of something that is not among the resources"));
    }
}

fn has_list(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().any(has_list),
        other => other.is_array(),
    }
}

/// Replaces an image, and says where kustomize would not have.
pub fn image(item: &Node, built: &mut Built) {
    let text = |key: &str| {
        item.get(key).map(Node::to_value).and_then(|value| match value {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    let image = Image {
        name: text("name").unwrap_or_default(),
        new_name: text("newName"),
        new_tag: text("newTag"),
        digest: text("digest"),
    };
    for (object, _, value) in &mut built.objects {
        if image.replace(value) && object.unit().is_some() {
            let message = format!(
                "kustomize left spec.image of {} as it was, in spite of this entry: here it is replaced",
                object.title()
            );
            let finding = Finding::warning(RuleId::ImportImage, item.mark.place(), message);
            built.said.push(finding.hint("the plan shows another image than runs; remove it from <environment>.yaml if that is not meant"));
        }
    }
}

/// Refuses fields that are not understood.
pub fn unknown(node: &Node, refused: &mut Vec<Finding>) {
    for (key, member) in node.members().into_iter().flatten() {
        let empty =
            member.value.is_null() || (member.value.items().is_empty() && member.value.to_value().is_array());
        if KNOWN.contains(&key.as_str()) || empty {
            continue;
        }
        let hint = REFUSED
            .iter()
            .find(|(name, _)| name == key)
            .map_or("write what it does as a patch", |(_, hint)| hint);
        let finding =
            Finding::error(RuleId::ImportKustomize, member.key.place(), message(&format!("`{key}`")));
        refused.push(finding.hint(hint));
    }
}

/// Says what cannot become a layer.
pub fn refuse(item: &Node, what: &str) -> Finding {
    Finding::error(RuleId::ImportKustomize, item.mark.place(), message(what))
}

fn message(what: &str) -> String {
    format!("{what} cannot become a layer: nothing of this overlay was taken over but its namespace")
}
