//! Kustomizations as layers: what they patch in an environment becomes its `<environment>.yaml`. What cannot be
//! one is refused by name, and then nothing of that overlay is taken.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::bundle::{Bundle, Environment, Object, Patch};
use super::document::{self, Document};
use super::overlay::{self, Image, PatchDocument, directive, layer, with_null};
use super::repository::label;
use crate::spec::finding::Finding;
use crate::spec::layout::base_name;
use crate::spec::node::Node;
use crate::spec::source::{Limits, SourceTree};

/// What the file is called.
const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
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

/// One kustomization.
struct Kustomization {
    path: String,
    folder: String,
    node: Node,
}

impl Kustomization {
    fn resources(&self) -> Vec<&Node> {
        let lists = ["resources", "bases"].into_iter().filter_map(|field| self.node.get(field));
        lists.flat_map(Node::items).collect()
    }
}

/// What one builds, and whatever is wrong with it.
#[derive(Default)]
struct Built {
    objects: Vec<(Object, Vec<PatchDocument>, Value)>,
    namespace: Option<String>,
    refused: Vec<Finding>,
    said: Vec<Finding>,
}

/// Reads what kustomizations say, and which files they speak for.
pub struct Reader<'a> {
    tree: &'a SourceTree,
    limits: &'a Limits,
    all: BTreeMap<String, Kustomization>,
    used: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    /// Finds every kustomization.
    pub fn new(tree: &'a SourceTree, limits: &'a Limits) -> Self {
        let mut reader = Self { tree, limits, all: BTreeMap::new(), used: BTreeSet::new() };
        for path in tree.files.keys().filter(|path| FILES.contains(&base_name(path))) {
            reader.used.insert(path.clone());
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            let read = document::read(path, &tree.files[path], limits);
            if let Some(node) = read.ok().and_then(|read| read.into_iter().next()).map(|found| found.node) {
                reader.all.insert(folder.clone(), Kustomization { path: path.clone(), folder, node });
            }
        }
        reader
    }

    /// The files that are part of a kustomization.
    pub fn used(&self) -> &BTreeSet<String> {
        &self.used
    }

    /// Builds every kustomization that no other one uses, as an environment.
    pub fn read(&mut self, only: Option<&str>, bundle: &mut Bundle) {
        let within: BTreeSet<String> = self.all.values().flat_map(|one| self.bases(one)).collect();
        let roots: Vec<String> =
            self.all.keys().filter(|folder| !within.contains(*folder)).cloned().collect();
        let mut environments: BTreeMap<String, Built> = BTreeMap::new();
        for root in roots {
            let plain = self.bases(&self.all[&root]).is_empty();
            let own = label(base_name(&root)).filter(|name| name != "job" && !plain);
            let name = own.or(only.map(str::to_owned)).unwrap_or_else(|| "prod".to_owned());
            let built = self.build(&root, &mut Vec::new());
            let into = environments.entry(name).or_default();
            into.objects.extend(built.objects);
            into.namespace = into.namespace.take().or(built.namespace);
            into.refused.extend(built.refused);
            into.said.extend(built.said);
        }
        collect(environments, bundle);
    }

    /// The folders of other kustomizations that one builds upon.
    fn bases(&self, one: &Kustomization) -> Vec<String> {
        let paths = one.resources().into_iter().filter_map(|item| join(&one.folder, item.text()?));
        paths.filter(|path| self.all.contains_key(path)).collect()
    }
    fn build(&mut self, folder: &str, above: &mut Vec<String>) -> Built {
        let mut built = Built::default();
        if above.iter().any(|other| other == folder) {
            return built;
        }
        let one = Kustomization {
            path: self.all[folder].path.clone(),
            folder: folder.to_owned(),
            node: self.all[folder].node.clone(),
        };
        above.push(folder.to_owned());
        for item in one.resources() {
            self.resource(&one, item, &mut built, above);
        }
        above.pop();
        unknown(&one.node, &mut built.refused);
        self.patches(&one, &mut built);
        for item in one.node.get("images").map_or(&[][..], Node::items) {
            image(item, &mut built);
        }
        let namespace = one.node.get("namespace").and_then(Node::text);
        built.namespace = namespace.map(str::to_owned).or(built.namespace);
        built
    }

    fn resource(&mut self, one: &Kustomization, item: &Node, built: &mut Built, above: &mut Vec<String>) {
        let text = item.text().unwrap_or_default();
        let Some(path) = join(&one.folder, text).filter(|_| !text.contains("://") && !text.contains("?ref="))
        else {
            let finding = refuse(item, &format!("the resource `{text}`, which is not in this folder,"));
            built.refused.push(finding.hint("import from a folder that holds it, or copy it"));
            return;
        };
        if self.all.contains_key(&path) {
            let below = self.build(&path, above);
            built.objects.extend(below.objects);
            built.namespace = below.namespace.or(built.namespace.take());
            built.refused.extend(below.refused);
            built.said.extend(below.said);
            return;
        }
        match self.documents(&path) {
            Some(Ok(documents)) => {
                let objects = documents.iter().map(Object::of).flat_map(Object::items);
                built.objects.extend(objects.map(|one| (one.clone(), Vec::new(), one.manifest)));
            }
            Some(Err(finding)) => built.refused.push(*finding),
            None => built.refused.push(refuse(item, &format!("the resource `{text}`, which is not there,"))),
        }
    }

    fn documents(&mut self, path: &str) -> Option<Result<Vec<Document>, Box<Finding>>> {
        let bytes = self.tree.files.get(path)?;
        self.used.insert(path.to_owned());
        Some(document::read(path, bytes, self.limits))
    }

    fn patches(&mut self, one: &Kustomization, built: &mut Built) {
        for item in one.node.get("patchesStrategicMerge").map_or(&[][..], Node::items) {
            let text = item.text().unwrap_or_default();
            self.patch(one, item, text, None, built);
        }
        for item in one.node.get("patches").map_or(&[][..], Node::items) {
            match item.get("path").or_else(|| item.get("patch")).and_then(Node::text) {
                Some(text) => self.patch(one, item, text, item.get("target"), built),
                None => built.refused.push(refuse(item, "this patch names no file and holds none")),
            }
        }
    }

    /// A patch from a file, or from the text itself.
    fn patch(
        &mut self,
        one: &Kustomization,
        item: &Node,
        text: &str,
        target: Option<&Node>,
        built: &mut Built,
    ) {
        let file = join(&one.folder, text).filter(|path| self.tree.files.contains_key(path));
        if file.is_none() && !text.contains([':', '\n']) {
            built.refused.push(refuse(item, &format!("the patch `{text}`, which is not there,")));
            return;
        }
        let read = match file.as_deref().and_then(|path| self.documents(path)) {
            Some(read) => read,
            None => document::read(&one.path, text.as_bytes(), self.limits),
        };
        let place = if file.is_some() { None } else { Some(item.mark.clone()) };
        for mut found in read.unwrap_or_default() {
            if let Some(mark) = &place {
                found.node.mark = mark.clone();
            }
            if found.node.members().is_none() {
                let hint = "write it as a patch with the fields themselves (`spec: …`)";
                built.refused.push(refuse(item, "a patch by operations (JSON 6902)").hint(hint));
                continue;
            }
            apply(&found, target, item, built);
        }
    }
}

/// Applies one patch to what it is meant for.
fn apply(found: &Document, target: Option<&Node>, item: &Node, built: &mut Built) {
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
        if object.unit().is_none() {
            let message =
                format!("a patch of the companion {}, which is the same everywhere,", object.title());
            built.refused.push(refuse(item, &message).hint("give it another name for each environment"));
        }
    }
    if !any {
        built.refused.push(refuse(item, "a patch of something that is not among the resources"));
    }
}

fn image(item: &Node, built: &mut Built) {
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
            let finding = Finding::warning("import-image", item.mark.place(), message);
            built.said.push(finding.hint("the plan shows another image than runs; remove it from <environment>.yaml if that is not meant"));
        }
    }
}

fn unknown(node: &Node, refused: &mut Vec<Finding>) {
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
        let finding = Finding::error("import-kustomize", member.key.place(), message(&format!("`{key}`")));
        refused.push(finding.hint(hint));
    }
}

fn refuse(item: &Node, what: &str) -> Finding {
    Finding::error("import-kustomize", item.mark.place(), message(what))
}

fn message(what: &str) -> String {
    format!("{what} cannot become a layer: nothing of this overlay was taken over but its namespace")
}

/// Everything that is in all environments, with what differs in each.
fn collect(environments: BTreeMap<String, Built>, bundle: &mut Bundle) {
    let key =
        |object: &Object| (object.place.clone(), object.at("/kind").to_owned(), object.name().to_owned());
    let mut seen: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (name, built) in &environments {
        for (object, ..) in &built.objects {
            seen.entry(key(object)).or_default().insert(name.clone());
        }
    }
    let everywhere = environments.len();
    let names = environments.values().filter(|one| one.namespace.is_some()).count();
    let mut taken = BTreeSet::new();
    for (name, built) in environments {
        let mut environment = Environment { namespace: built.namespace, patches: BTreeMap::new() };
        let sound = built.refused.is_empty();
        bundle.findings.extend(built.refused);
        bundle.findings.extend(if sound { built.said } else { Vec::new() });
        for (mut object, patches, result) in built.objects {
            let places = &seen[&key(&object)];
            if places.len() < everywhere {
                bundle.findings.extend(taken.insert(key(&object)).then(|| partial(&object, places)));
                continue;
            }
            if names == everywhere
                && let Some(metadata) = object.manifest.get_mut("metadata").and_then(Value::as_object_mut)
            {
                metadata.remove("namespace");
            }
            if let Some(kind) = object.unit().filter(|_| sound) {
                match difference(&object, &patches, &result) {
                    Ok(Some(patch)) => {
                        bundle.findings.extend(without_comments(&object, &patches, &patch));
                        environment.patches.insert((kind, object.name().to_owned()), patch);
                    }
                    Ok(None) => {}
                    Err(finding) => bundle.findings.push(*finding),
                }
            }
            if taken.insert(key(&object)) {
                bundle.objects.push(object);
            }
        }
        bundle.environments.insert(name, environment);
    }
}

/// Several patches are one layer, which has none of their words.
fn without_comments(object: &Object, patches: &[PatchDocument], patch: &Patch) -> Option<Finding> {
    let said = patches.iter().any(|one| one.text.as_ref().is_some_and(|text| text.contains('#')));
    let message = format!("the comments of what is patched of {} could not be taken over", object.title());
    (said && patch.text.is_none()).then(|| Finding::warning("import-comments", patch.place.clone(), message))
}

fn partial(object: &Object, places: &BTreeSet<String>) -> Finding {
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let message = format!("{} is only in {}: it was not imported", object.title(), places.join(", "));
    let finding = Finding::error("import-partial", object.place.clone(), message);
    finding
        .hint("a repository has the same jobs in every environment; keep this one in a repository of its own")
}

fn difference(
    object: &Object,
    patches: &[PatchDocument],
    result: &Value,
) -> Result<Option<Patch>, Box<Finding>> {
    let mut result = result.clone();
    let namespace = object.manifest["metadata"].get("namespace").cloned();
    if let Some(metadata) = result.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("namespace");
        metadata.extend(namespace.map(|namespace| ("namespace".to_owned(), namespace)));
    }
    if result == object.manifest {
        return Ok(None);
    }
    let patches: Vec<&PatchDocument> = patches.iter().collect();
    let place = patches.first().map_or_else(|| object.place.clone(), |patch| patch.node.mark.place());
    match layer(&object.manifest, &result, &patches) {
        Ok((fields, text)) => Ok(Some(Patch { place, fields, text, result })),
        Err(fields) => {
            let message = format!(
                "{}: the patch takes entries away from a list, and layers only add to it: {}",
                object.title(),
                fields.join(", ")
            );
            let hint = "take these entries out of job.yaml, and write them in every <environment>.yaml that has them";
            Err(Box::new(Finding::error("import-kustomize", place, message).hint(hint)))
        }
    }
}

/// A path below the root from another folder; `None` where it leads out.
pub fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.trim_end_matches('/').split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
