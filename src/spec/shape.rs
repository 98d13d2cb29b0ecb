//! What a manifest looks like on its way to the cluster: head and metadata, and sizes as the operator types them.

use super::annotations;
use super::layers;
use super::node::{Content, Mark, Member, Node};
use crate::flink::kind::Kind;

/// The whole manifest of a unit. `said` holds `spec`; `about` holds labels and annotations.
pub(super) fn whole(kind: Kind, name: &str, namespace: &str, mark: &Mark, said: &Node, about: &Node) -> Node {
    let text = |text: &str| Node::text_at(mark.clone(), text);
    let mut metadata = Node::map(mark.clone(), [("name", text(name)), ("namespace", text(namespace))]);
    copy(about, &mut metadata, &["labels", "annotations"]);
    let head =
        [("apiVersion", text(kind.api_version())), ("kind", text(kind.as_str())), ("metadata", metadata)];
    let mut manifest = Node::map(mark.clone(), head);
    copy(said, &mut manifest, &["spec"]);
    if let Some(members) = manifest.members_mut() {
        let spec = || Member::new(mark.clone(), Node::empty(mark.clone()));
        members.entry("spec".to_owned()).or_insert_with(spec);
    }
    manifest
}

fn copy(from: &Node, to: &mut Node, keys: &[&str]) {
    let (Some(from), Some(to)) = (from.members(), to.members_mut()) else { return };
    for key in keys {
        if let Some(member) = from.get(*key).filter(|member| !member.value.is_null()) {
            to.insert((*key).to_owned(), member.clone());
        }
    }
}

/// The manifest of a companion with its namespace, without what the API server owns.
pub(super) fn in_namespace(node: &Node, namespace: &str) -> Node {
    let mut manifest = node.clone();
    annotations::without_environments(&mut manifest);
    let Some(members) = manifest.members_mut() else { return manifest };
    members.remove("status");
    if let Some(metadata) = members.get_mut("metadata").and_then(|member| member.value.members_mut()) {
        metadata.retain(|key, _| ["name", "labels", "annotations"].contains(&key.as_str()));
        let value = Node::text_at(node.mark.clone(), namespace);
        metadata.insert("namespace".to_owned(), Member::new(node.mark.clone(), value));
    }
    manifest
}

/// `resource` is a number and two texts to the operator's API; people write either for both.
pub(super) fn sizes_as_the_operator_types_them(manifest: &mut Node) {
    let manifest = layers::holder(manifest);
    for part in ["jobManager", "taskManager"] {
        let path = ["spec", part, "resource"];
        let found = path.iter().try_fold(&mut *manifest, |node, key| {
            node.members_mut()?.get_mut(*key).map(|member| &mut member.value)
        });
        let Some(members) = found.and_then(Node::members_mut) else { continue };
        for (key, member) in members {
            let content = &mut member.value.content;
            match content {
                Content::Text(text) if key == "cpu" => {
                    let number = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
                    *content = number.map_or(content.clone(), Content::Number);
                }
                Content::Number(number) if key != "cpu" => *content = Content::Text(number.to_string()),
                _ => {}
            }
        }
    }
}
