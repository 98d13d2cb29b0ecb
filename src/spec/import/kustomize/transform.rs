//! What a kustomization does to its objects: patches, labels and images; all else is refused by name.

use json_patch::Patch;
use serde_json::{Value, json};

use super::Built;
use crate::flink::pointer::At as _;
use crate::rule::RuleId;
use crate::spec::finding::Finding;
use crate::spec::import::bundle::Object;
use crate::spec::import::document::Document;
use crate::spec::import::overlay::{Change, Image, directive, with_null};
use crate::spec::node::Node;

/// The fields that are understood.
const KNOWN: [&str; 17] = [
    "apiVersion",
    "bases",
    "commonAnnotations",
    "commonLabels",
    "configMapGenerator",
    "configurations",
    "generatorOptions",
    "images",
    "kind",
    "labels",
    "metadata",
    "namespace",
    "patches",
    "patchesJson6902",
    "patchesStrategicMerge",
    "resources",
    "sortOptions",
];
/// The fields that are not, with what to do instead.
const REFUSED: [(&str, &str); 9] = [
    ("components", "write what the component does as a patch"),
    ("generators", "commit what they generate"),
    ("helmCharts", "render the chart, and commit the result"),
    ("namePrefix", "a job has one name in every environment, and each environment a namespace of its own"),
    ("nameSuffix", "a job has one name in every environment, and each environment a namespace of its own"),
    ("replacements", "write the values out, in a patch"),
    ("secretGenerator", "a secret does not belong in Git: create it in the cluster by other means"),
    ("transformers", "write what they do as a patch"),
    ("vars", "write the values out, in a patch"),
];

/// A patch in one of its two forms.
enum Form {
    /// Fields as they should be; null removes.
    Merge(Value),
    /// JSON 6902.
    Operations(Patch),
}

impl Form {
    fn of(found: &Document, item: &Node) -> Result<Self, Box<Finding>> {
        let mut value = with_null(&found.node);
        if value.is_array() {
            let read = serde_json::from_value(value).map(Self::Operations);
            return read
                .map_err(|_| Box::new(refuse(item, "a list that is no patch by operations (JSON 6902)")));
        }
        if let Some(word) = directive(&value) {
            let refused = refuse(item, &format!("the directive `{word}`"));
            return Err(Box::new(refused.hint("write the fields as they should be")));
        }
        // What says whom it is meant for.
        if let Some(fields) = value.as_object_mut() {
            fields.retain(|key, _| !["apiVersion", "kind"].contains(&key.as_str()));
        }
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("name");
        }
        Ok(Self::Merge(value))
    }

    /// What becomes of an object.
    fn apply(&self, object: &Object, result: &mut Value, item: &Node) -> Option<Finding> {
        match self {
            Self::Merge(patch) => {
                json_patch::merge(result, patch);
                // Of these kinds kustomize knows how lists are keyed, and merges them.
                (object.unit().is_none() && has_list(patch)).then(|| {
                    let message = format!("a patch of a list in {}", object.title());
                    refuse(item, &message)
                        .hint("write the whole object out in each overlay, or patch it by operations")
                })
            }
            Self::Operations(operations) => {
                if let Err(why) = json_patch::patch(result, operations) {
                    return Some(refuse(
                        item,
                        &format!("a patch that {} does not take ({why})", object.title()),
                    ));
                }
                let same = ["/kind", "/metadata/name"]
                    .iter()
                    .all(|path| result.at(path) == object.manifest.at(path));
                (!same).then(|| {
                    refuse(item, &format!("a patch that gives {} another name", object.title()))
                        .hint("a job has one name in every environment, and each environment a namespace of its own")
                })
            }
        }
    }
}

/// Which objects a patch is meant for.
struct Selector {
    kind: Option<String>,
    name: Option<String>,
}

impl Selector {
    fn of(found: &Document, target: Option<&Node>, item: &Node) -> Result<Self, Box<Finding>> {
        let Some(target) = target else {
            if found.node.members().is_none() {
                let refused = refuse(item, "a patch by operations without a target");
                return Err(Box::new(refused.hint("name the object under `target`")));
            }
            let own = |path: &[&str]| Some(found.at(path).to_owned());
            return Ok(Self { kind: own(&["kind"]), name: own(&["metadata", "name"]) });
        };
        let known = ["kind", "name", "group", "version", "namespace"];
        let odd = |key: &&String| !known.contains(&key.as_str());
        if let Some(key) = target.members().into_iter().flatten().map(|(key, _)| key).find(odd) {
            let refused = refuse(item, &format!("a patch that selects by `{key}`"));
            return Err(Box::new(refused.hint("name the object")));
        }
        let text = |key: &str| target.get(key).and_then(Node::text).map(str::to_owned);
        let name = text("name").filter(|name| name != ".*");
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
        if name.as_ref().is_some_and(|name| !name.chars().all(plain)) {
            let refused = refuse(item, "a patch that selects by a pattern");
            return Err(Box::new(refused.hint("name each object in a patch of its own")));
        }
        Ok(Self { kind: text("kind"), name })
    }

    fn selects(&self, object: &Object) -> bool {
        self.kind.as_ref().is_none_or(|kind| object.at("/kind") == kind)
            && self.name.as_ref().is_none_or(|name| object.name() == name)
    }
}

/// Applies one patch to what it is meant for.
pub fn apply(found: &Document, target: Option<&Node>, item: &Node, built: &mut Built) {
    let (form, selector) = match (Form::of(found, item), Selector::of(found, target, item)) {
        (Ok(form), Ok(selector)) => (form, selector),
        (Err(finding), _) | (_, Err(finding)) => return built.refused.push(*finding),
    };
    let mut any = false;
    for (object, changes, result) in built.objects.iter_mut().filter(|(object, ..)| selector.selects(object))
    {
        any = true;
        built.refused.extend(form.apply(object, result, item));
        let patch = match &form {
            Form::Merge(patch) => Some(patch.clone()),
            Form::Operations(_) => None,
        };
        changes.push(Change { mark: found.node.mark.clone(), text: found.text.clone(), patch });
    }
    if !any {
        built.refused.push(refuse(item, "a patch of something that is not among the resources"));
    }
}

/// Puts labels and annotations on every object.
pub fn labels(node: &Node, built: &mut Built) {
    for item in node.list("labels") {
        let has = |key: &str| item.get(key).is_some_and(|flag| flag.to_value() == json!(true));
        let reach = match (has("includeSelectors"), has("includeTemplates")) {
            (true, _) => Reach::Selectors,
            (false, true) => Reach::Templates,
            (false, false) => Reach::Metadata,
        };
        if item.get("fields").is_some() {
            built.refused.push(refuse(item, "labels in further `fields`").hint("write them as a patch"));
        } else if let Some(pairs) = item.get("pairs") {
            put("labels", pairs, reach, built);
        }
    }
    for (field, part, reach) in
        [("commonLabels", "labels", Reach::Selectors), ("commonAnnotations", "annotations", Reach::Templates)]
    {
        if let Some(pairs) = node.get(field) {
            put(part, pairs, reach, built);
        }
    }
}

/// Where else than on the objects kustomize puts labels and annotations; a Flink resource has no such place.
#[derive(Clone, Copy, PartialEq)]
enum Reach {
    Metadata,
    /// In the pod templates of the kinds that it knows, too.
    Templates,
    /// In these, and in selectors.
    Selectors,
}

fn put(part: &str, pairs: &Node, reach: Reach, built: &mut Built) {
    let labels = pairs.to_value();
    for (object, changes, result) in &mut built.objects {
        let has = |path: &str| result.at(path).is_some();
        let pods = ["/spec/template", "/spec/jobTemplate", "/spec/podSelector", "/spec/selector/matchLabels"];
        if object.unit().is_none() && reach != Reach::Metadata && pods.into_iter().any(has) {
            let message = format!("{} was left without these, which go into its pods, too", object.title());
            built.said.push(Finding::warning(RuleId::ImportKustomize, pairs.mark.place(), message));
            continue;
        }
        let mut patch = json!({"metadata": {part: labels}});
        if reach == Reach::Selectors && object.at("/kind") == "Service" {
            patch["spec"] = json!({"selector": labels});
        }
        json_patch::merge(result, &patch);
        changes.push(Change { mark: pairs.mark.clone(), text: None, patch: None });
    }
}

fn has_list(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().any(has_list),
        other => other.is_array(),
    }
}

/// Replaces an image, and says where kustomize would not have.
pub fn image(item: &Node, knows: bool, built: &mut Built) {
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
        if image.replace(value) && object.unit().is_some() && !knows {
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
