//! Lays one value over another, as the layers of a job are: maps merge by key, lists are replaced except
//! where Kubernetes keys them, null removes.

use std::sync::Arc;

use super::finding::Finding;
use super::node::{Content, Member, Members, Node};
use crate::flink::kind::Kind;
use crate::flink::list;
use crate::rule::RuleId;

/// The name of the field that holds Flink's configuration.
pub const CONFIGURATION: &str = "flinkConfiguration";
const BLUE_GREEN: &str = Kind::FlinkBlueGreenDeployment.as_str();

/// Lays `strong` over `weak`.
pub fn lay(weak: &mut Node, strong: &Node) {
    Layer { keyed: false, list: "" }.lay(weak, strong);
}

#[derive(Clone, Copy)]
struct Layer<'a> {
    /// Whether this is a part where lists may be keyed.
    keyed: bool,
    /// The name under which the value stands.
    list: &'a str,
}

impl<'a> Layer<'a> {
    fn below(self, key: &'a str) -> Self {
        Self { keyed: self.keyed || key == "podTemplate" || key == "policy", list: key }
    }

    fn lay(self, weak: &mut Node, strong: &Node) {
        match (&mut weak.content, &strong.content) {
            (Content::Map(under), Content::Map(over)) => {
                self.members(Arc::make_mut(under), over);
                weak.mark = strong.mark.clone();
            }
            (Content::List(under), Content::List(over)) => match self.key() {
                Some(key) => self.items(Arc::make_mut(under), over, key),
                None => *weak = without_null(strong),
            },
            _ => *weak = without_null(strong),
        }
    }

    fn members(self, under: &mut Members, over: &Members) {
        for (key, member) in over {
            if member.value.is_null() {
                self.remove(under, key);
            } else if let Some(known) = under.get_mut(key) {
                known.key = member.key.clone();
                self.below(key).lay(&mut known.value, &member.value);
            } else {
                let value = without_null(&member.value);
                under.insert(key.clone(), Member::new(member.key.clone(), value));
            }
        }
    }

    /// In Flink's flat configuration a key that is not there itself stands for all below it.
    fn remove(self, under: &mut Members, key: &str) {
        if under.remove(key).is_none() && self.list == CONFIGURATION {
            let prefix = format!("{key}.");
            under.retain(|name, _| !name.starts_with(&prefix));
        }
    }

    fn items(self, under: &mut Vec<Node>, over: &[Node], key: &str) {
        for item in over {
            let content = |node: &Node, key| node.get(key).map(|value| value.content.clone());
            let same = |known: &&mut Node| {
                let equal = |key| content(known, key) == content(item, key);
                // Rules for two units do not become one.
                known.get(key).is_some() && equal(key) && (self.list != "ignore" || equal("name"))
            };
            match under.iter_mut().find(same) {
                Some(known) => Self { list: "", ..self }.lay(known, item),
                None => under.push(without_null(item)),
            }
        }
    }

    fn key(self) -> Option<&'static str> {
        match self.list {
            _ if !self.keyed => None,
            // Of a policy.
            "ignore" => Some("path"),
            list => list::key(list),
        }
    }
}

fn without_null(node: &Node) -> Node {
    if !has_null(node) {
        return node.clone();
    }
    let content = match &node.content {
        Content::List(items) => Content::List(Arc::new(items.iter().map(without_null).collect())),
        Content::Map(members) => {
            let kept = members.iter().filter(|(_, member)| !member.value.is_null());
            let kept = kept.map(|(key, member)| {
                (key.clone(), Member::new(member.key.clone(), without_null(&member.value)))
            });
            Content::Map(Arc::new(kept.collect()))
        }
        other => other.clone(),
    };
    Node { mark: node.mark.clone(), content }
}

/// Whether any map in it has a member that is null.
fn has_null(node: &Node) -> bool {
    match &node.content {
        Content::List(items) => items.iter().any(has_null),
        Content::Map(members) => {
            members.values().any(|member| member.value.is_null() || has_null(&member.value))
        }
        _ => false,
    }
}

/// What holds the `spec` of a FlinkDeployment: a layer or a manifest, or the template of a blue/green deployment.
pub fn holder(layer: &mut Node) -> &mut Node {
    let is_template = layer.at(&["spec", "template", "spec"]).is_some()
        && layer.get("kind").and_then(Node::text).is_none_or(|kind| kind == BLUE_GREEN);
    let way: &[&str] = if is_template { &["spec", "template"] } else { &[] };
    layer.at_mut(way).expect("it was just looked at")
}

/// Makes `flinkConfiguration` of a layer's `spec` flat, because to Flink flat and nested are one and only
/// flat keys can be laid over each other. Says which key is given twice.
pub fn flatten(layer: &mut Node) -> Vec<Finding> {
    let layer = holder(layer);
    let spec = layer.members_mut().and_then(|members| members.get_mut("spec"));
    let configuration = spec
        .and_then(|spec| spec.value.members_mut())
        .and_then(|members| members.get_mut(CONFIGURATION))
        .and_then(|member| member.value.members_mut());
    let Some(members) = configuration else { return Vec::new() };
    let mut flat = Members::new();
    let mut twice = Vec::new();
    collect("", std::mem::take(members), &mut flat, &mut twice);
    *members = flat;
    twice
}

fn collect(prefix: &str, members: Members, flat: &mut Members, twice: &mut Vec<Finding>) {
    for (key, member) in members {
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match member.value.content {
            Content::Map(inner) => collect(&path, Arc::unwrap_or_clone(inner), flat, twice),
            content => {
                let value = Node { mark: member.value.mark, content };
                let place = member.key.place();
                if flat.insert(path.clone(), Member::new(member.key, value)).is_some() {
                    let message = format!("`{path}` is given twice, flat and nested");
                    twice.push(
                        Finding::error(RuleId::DuplicateKey, place, message).hint("remove one of them"),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::source::Limits;
    use crate::spec::yaml;
    use serde_json::json;

    fn read(text: &str) -> Node {
        yaml::read("f", text.as_bytes(), &Limits::default()).unwrap().remove(0)
    }

    fn laid(weak: &str, strong: &str) -> serde_json::Value {
        let (mut weak, mut strong) = (read(weak), read(strong));
        assert_eq!(flatten(&mut weak), []);
        assert_eq!(flatten(&mut strong), []);
        lay(&mut weak, &strong);
        weak.to_value()
    }

    #[test]
    fn maps_merge_lists_are_replaced_and_null_removes() {
        assert_eq!(
            laid(
                "{a: {b: 1, c: 2, d: {e: 1}}, l: [1, 2]}",
                "{a: {b: 3, c: null, d: null, n: {o: null}}, l: [3]}"
            ),
            json!({"a": {"b": 3, "n": {}}, "l": [3]})
        );
    }

    #[test]
    fn lists_of_a_pod_template_merge_by_their_key() {
        let weak = "{podTemplate: {spec: {tolerations: [{key: a}], containers: [{name: x, args: [a], env: [{name: E, value: '1'}, \
                    {name: F, value: '2'}], ports: [{containerPort: 80, name: web}]}]}}, env: [{name: x}]}";
        let strong = "{podTemplate: {spec: {tolerations: [{key: b}], containers: [{name: y}, {name: x, args: [b], env: [{name: E, value: '9'}], \
                      ports: [{containerPort: 80, protocol: TCP}]}]}}, env: [{name: y}]}";
        assert_eq!(
            laid(weak, strong),
            json!({"env": [{"name": "y"}], "podTemplate": {"spec": {"tolerations": [{"key": "b"}], "containers": [
                {"name": "x", "args": ["b"], "env": [{"name": "E", "value": "9"}, {"name": "F", "value": "2"}],
                 "ports": [{"containerPort": 80, "name": "web", "protocol": "TCP"}]},
                {"name": "y"}]}}})
        );
    }

    #[test]
    fn flat_and_nested_configuration_are_one() {
        assert_eq!(
            laid(
                "spec: {flinkConfiguration: {state: {backend: rocksdb, checkpoints: {dir: a}}, s3.endpoint: x}}",
                "spec: {flinkConfiguration: {state.checkpoints.dir: b, s3: null, state: {backend: null}}}"
            ),
            json!({"spec": {"flinkConfiguration": {"state.checkpoints.dir": "b"}}})
        );
    }

    #[test]
    fn rules_of_a_policy_merge_by_path_and_unit() {
        assert_eq!(
            laid(
                "policy: {ignore: [{path: /spec/image, reason: a}, {path: /spec/image, name: x, reason: b}]}",
                "policy: {ignore: [{path: /spec/image, name: y, reason: c}, {path: /spec/image, reason: d}]}",
            ),
            json!({"policy": {"ignore": [
                {"path": "/spec/image", "reason": "d"}, {"path": "/spec/image", "name": "x", "reason": "b"},
                {"path": "/spec/image", "name": "y", "reason": "c"}]}})
        );
    }

    #[test]
    fn a_configuration_key_given_flat_and_nested_is_an_error() {
        let mut layer = read("spec: {flinkConfiguration: {a.b: 1, a: {b: 2}}}");
        let found = flatten(&mut layer);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "`a.b` is given twice, flat and nested");
    }

    #[test]
    fn every_value_keeps_its_place() {
        let mut weak = read("{a: {b: 1, c: 2}}");
        let mut strong = read("a:\n  b: 3\n");
        strong.mark.file = "g".into();
        lay(&mut weak, &strong);
        assert_eq!(weak.at(&["a", "b"]).unwrap().mark.line, 2);
        assert_eq!(weak.at(&["a", "c"]).unwrap().mark.line, 1);
    }
}
