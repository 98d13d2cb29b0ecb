//! What a kustomization does to one object, and the layer of a job that does the same.

use serde_json::{Map, Value, json};

use super::job;
use crate::flink::canonical::{differences, leaves};
use crate::flink::list;
use crate::flink::pointer::dotted;
use crate::spec::edit;
use crate::spec::layers::lay;
use crate::spec::node::{Content, Mark, Node};

/// What a kustomization says of one object, in one place.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where it was found.
    pub mark: Mark,
    /// The YAML it was written as.
    pub text: Option<String>,
    /// As a merge patch with its nulls, which is what a strategic merge patch of a Flink resource is: nobody told
    /// kustomize how its lists are keyed. `None` where it is said by other means.
    pub patch: Option<Value>,
}

/// An entry of `images`.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// What is replaced.
    pub name: String,
    /// By what.
    pub new_name: Option<String>,
    /// With which tag.
    pub new_tag: Option<String>,
    /// With which digest, in place of the tag.
    pub digest: Option<String>,
}

/// A value whose nulls are kept: in a patch they remove.
pub fn with_null(node: &Node) -> Value {
    match &node.content {
        Content::Map(members) => {
            members.iter().map(|(key, member)| (key.clone(), with_null(&member.value))).collect()
        }
        Content::List(items) => items.iter().map(with_null).collect(),
        _ => node.to_value(),
    }
}

/// The name of a directive of strategic merge in a patch.
pub fn directive(value: &Value) -> Option<&str> {
    match value {
        Value::Object(fields) => {
            fields.iter().find_map(
                |(key, field)| {
                    if key.starts_with('$') { Some(key.as_str()) } else { directive(field) }
                },
            )
        }
        Value::Array(items) => items.iter().find_map(directive),
        _ => None,
    }
}

impl Image {
    /// The image in place of another; `None` where it is not the one meant.
    fn instead(&self, image: &str) -> Option<String> {
        let bare = image.split('@').next().unwrap_or_default();
        let (name, tag) = match bare.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (bare, None),
        };
        if name != self.name {
            return None;
        }
        let name = self.new_name.as_deref().unwrap_or(name);
        Some(match (&self.digest, self.new_tag.as_deref().or(tag)) {
            (Some(digest), _) => format!("{name}@{digest}"),
            (None, Some(tag)) => format!("{name}:{tag}"),
            (None, None) => name.to_owned(),
        })
    }

    /// Replaces it in `spec.image`, which kustomize leaves alone, and in the containers of pod templates.
    /// Whether it was in `spec.image`.
    pub fn replace(&self, manifest: &mut Value) -> bool {
        containers(manifest, self);
        let image = manifest.pointer_mut("/spec/image");
        let new = image.as_ref().and_then(|image| self.instead(image.as_str()?));
        let Some((image, new)) = image.zip(new) else { return false };
        *image = new.into();
        true
    }
}

fn containers(value: &mut Value, with: &Image) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                if let ("containers" | "initContainers", Some(entries)) = (key.as_str(), field.as_array_mut())
                {
                    for image in entries.iter_mut().filter_map(|entry| entry.get_mut("image")) {
                        if let Some(new) = image.as_str().and_then(|image| with.instead(image)) {
                            *image = new.into();
                        }
                    }
                }
                containers(field, with);
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(|entry| containers(entry, with)),
        _ => {}
    }
}

/// The fields of an `<environment>.yaml`, and its words.
type Layer = (Map<String, Value>, Option<String>);

/// The fields of an `<environment>.yaml` that make `result` of `base`, in the words of the only patch among the
/// changes where these say it.
///
/// # Errors
/// The fields that come out otherwise: a list from which an entry is missing cannot be written as a layer.
pub fn layer(base: &Value, result: &Value, changes: &[Change]) -> Result<Layer, Vec<String>> {
    let (from, to) = (job::fields(base), job::fields(result));
    let mut patches = changes.iter().filter_map(|change| Some((change.patch.as_ref()?, &change.text)));
    if let (Some((patch, text)), None) = (patches.next(), patches.next()) {
        // Images, labels and operations.
        let rest = delta("", &sayable(&merged(base, patch)), &sayable(result));
        let fields = job::fields(&merged(patch, &rest));
        if wrong(&from, &fields, &to).is_empty() {
            return Ok((fields, text.clone().and_then(|text| with(text, &mut Vec::new(), &rest))));
        }
    }
    let fields = delta("", &from.clone().into(), &to.clone().into());
    let fields = fields.as_object().cloned().unwrap_or_default();
    let wrong = wrong(&from, &fields, &to);
    if wrong.is_empty() { Ok((fields, None)) } else { Err(wrong) }
}

/// As much of a manifest as a layer can say.
fn sayable(manifest: &Value) -> Value {
    let metadata = &manifest["metadata"];
    json!({
        "metadata": {"labels": metadata["labels"], "annotations": metadata["annotations"]},
        "spec": manifest["spec"],
    })
}

/// A text with further fields set; `None` where it is written so that they cannot be set alone.
fn with<'v>(text: String, path: &mut Vec<&'v str>, rest: &'v Value) -> Option<String> {
    let Value::Object(fields) = rest else {
        return edit::set("patch", &text, |_| true, path, rest).ok();
    };
    fields.iter().try_fold(text, |text, (key, value)| {
        path.push(key);
        let text = with(text, path, value);
        path.pop();
        text
    })
}

/// The manifest with a patch.
fn merged(base: &Value, patch: &Value) -> Value {
    let mut result = base.clone();
    json_patch::merge(&mut result, patch);
    result
}

/// The fields that a layer does not bring to what they should be.
fn wrong(base: &Map<String, Value>, layer: &Map<String, Value>, wanted: &Map<String, Value>) -> Vec<String> {
    let node = |fields: &Map<String, Value>| Node::of(&Value::Object(fields.clone()), &Mark::of_file(""));
    let mut laid = node(base);
    lay(&mut laid, &node(layer));
    let laid = laid.to_value();
    let wanted = Value::Object(wanted.clone());
    let (left, right) = (leaves(&laid["spec"]), leaves(&wanted["spec"]));
    let mut found: Vec<String> = differences(&left, &right).iter().map(|(path, ..)| dotted(path)).collect();
    let parts = ["labels", "annotations", "dependsOn"];
    found.extend(
        parts.iter().filter(|part| laid.get(**part) != wanted.get(**part)).map(|part| (*part).to_owned()),
    );
    found
}

/// What to lay over one value to get another; of a list that Kubernetes keys the entries that differ.
fn delta(list: &str, from: &Value, to: &Value) -> Value {
    match (from, to) {
        (Value::Object(before), Value::Object(after)) => {
            let gone =
                before.keys().filter(|key| !after.contains_key(*key)).map(|key| (key.clone(), Value::Null));
            let other = after.iter().filter(|(key, value)| before.get(*key) != Some(*value));
            let other = other.map(|(key, value)| {
                (
                    key.clone(),
                    before.get(key).map_or_else(|| value.clone(), |before| delta(key, before, value)),
                )
            });
            gone.chain(other).collect()
        }
        (Value::Array(before), Value::Array(after)) => match list::key(list) {
            Some(key) => after.iter().filter_map(|entry| changed(key, before, entry)).collect(),
            None => to.clone(),
        },
        _ => to.clone(),
    }
}

/// What to say of an entry of a keyed list; nothing where it is as it was.
fn changed(key: &str, before: &[Value], entry: &Value) -> Option<Value> {
    let Some(old) = before.iter().find(|old| old.get(key).is_some() && old.get(key) == entry.get(key)) else {
        return Some(entry.clone());
    };
    if old == entry {
        return None;
    }
    let mut said = delta("", old, entry);
    said[key] = entry[key].clone();
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_replaced_as_kustomize_replaces_it_and_in_the_spec_too() {
        let image = |name: &str| Image {
            name: "registry:5000/a".to_owned(),
            new_name: Some(name.to_owned()),
            new_tag: Some("2".to_owned()),
            digest: None,
        };
        let mut manifest = json!({"spec": {"image": "registry:5000/a:1", "podTemplate": {"spec": {"containers":
            [{"name": "c", "image": "registry:5000/a"}, {"name": "d", "image": "registry:5000/ab:1"}]}}}});
        assert!(image("b").replace(&mut manifest));
        assert_eq!(
            manifest,
            json!({"spec": {"image": "b:2", "podTemplate": {"spec": {"containers":
                [{"name": "c", "image": "b:2"}, {"name": "d", "image": "registry:5000/ab:1"}]}}}})
        );
        assert!(!image("c").replace(&mut manifest));
    }

    #[test]
    fn a_list_from_which_an_entry_is_missing_is_no_layer() {
        let pod = |names: &[&str]| {
            let containers: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
            json!({"spec": {"podTemplate": {"spec": {"containers": containers}}}})
        };
        assert_eq!(
            layer(&pod(&["a", "b"]), &pod(&["a"]), &[]),
            Err(vec!["spec.podTemplate.spec.containers.b.name".to_owned()])
        );
        assert!(layer(&pod(&["a"]), &pod(&["a", "b"]), &[]).is_ok());
    }
}
