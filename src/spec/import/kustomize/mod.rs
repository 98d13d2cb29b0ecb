//! Kustomizations as layers: what they patch in an environment becomes its `<environment>.yaml`. What cannot be
//! one is refused by name, and then nothing of that overlay is taken.

mod environments;
mod generate;
mod transform;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::bundle::{Bundle, Object};
use super::document::{self, Document};
use super::overlay::Change;
use super::repository::label;
use crate::rule::RuleId;
use crate::spec::finding::Finding;
use crate::spec::layout::base_name;
use crate::spec::node::Node;
use crate::spec::source::{Limits, SourceTree};
use transform::{apply, image, labels, refuse, unknown};

/// What the file is called.
const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// How many kustomizations are built: each may name others many times over.
const STEPS: usize = 10_000;

/// One kustomization.
struct Kustomization {
    path: String,
    folder: String,
    node: Node,
}

impl Kustomization {
    fn resources(&self) -> Vec<&Node> {
        ["resources", "bases"].into_iter().flat_map(|field| self.node.list(field)).collect()
    }
}

/// What one builds, and whatever is wrong with it.
#[derive(Default)]
struct Built {
    objects: Vec<(Object, Vec<Change>, Value)>,
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
    built: BTreeSet<String>,
    steps: usize,
}

impl<'a> Reader<'a> {
    /// Finds every kustomization.
    pub fn new(tree: &'a SourceTree, limits: &'a Limits) -> Self {
        let (all, used, built) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let mut reader = Self { tree, limits, all, used, built, steps: 0 };
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
        environments::collect(environments, bundle);
        while let Some(unbuilt) = self.all.keys().find(|folder| !self.built.contains(*folder)).cloned() {
            bundle.findings.extend(self.build(&unbuilt, &mut Vec::new()).refused);
        }
    }

    /// The folders of other kustomizations that one builds upon.
    fn bases(&self, one: &Kustomization) -> Vec<String> {
        let paths = one.resources().into_iter().filter_map(|item| join(&one.folder, item.text()?));
        paths.filter(|path| self.all.contains_key(path)).collect()
    }

    fn build(&mut self, folder: &str, above: &mut Vec<String>) -> Built {
        let mut built = Built::default();
        self.built.insert(folder.to_owned());
        self.steps += 1;
        let node = &self.all[folder].node;
        if let Some(first) = above.iter().position(|other| other == folder) {
            built.refused.push(circle(node, above[first..].iter().map(String::as_str).chain([folder])));
            return built;
        }
        if self.steps > STEPS {
            built.refused.push(refuse(node, "a kustomization that builds upon very many others"));
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
        for item in one.node.list("configMapGenerator") {
            match self.config_map(&one, item) {
                Ok(object) => built.objects.push((object.clone(), Vec::new(), object.manifest)),
                Err(finding) => built.refused.push(*finding),
            }
        }
        // In kustomize's own order.
        self.patches(&one, &["patchesStrategicMerge", "patches"], &mut built);
        labels(&one.node, &mut built);
        self.patches(&one, &["patchesJson6902"], &mut built);
        let knows = self.knows_images(&one, &mut built);
        for item in one.node.list("images") {
            image(item, knows, &mut built);
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

    /// Whether kustomize is told that `spec.image` is an image.
    fn knows_images(&mut self, one: &Kustomization, built: &mut Built) -> bool {
        let mut knows = false;
        for item in one.node.list("configurations") {
            let path = item.text().and_then(|text| join(&one.folder, text));
            let Some(Ok(documents)) = path.and_then(|path| self.documents(&path)) else {
                built.refused.push(refuse(item, "a file of `configurations` that cannot be read"));
                continue;
            };
            for (key, member) in documents.iter().filter_map(|document| document.node.members()).flatten() {
                let is_image = |entry: &Node| entry.get("path").and_then(Node::text) == Some("spec/image");
                match key.as_str() {
                    "images" if member.value.items().iter().all(is_image) => knows = true,
                    // Which fields name objects counts where names change, and what changes them is refused.
                    "nameReference" => {}
                    other => {
                        let what = format!("`{other}` of `configurations`");
                        built.refused.push(refuse(&member.value, &what));
                    }
                }
            }
        }
        knows
    }

    fn documents(&mut self, path: &str) -> Option<Result<Vec<Document>, Box<Finding>>> {
        let bytes = self.tree.files.get(path)?;
        self.used.insert(path.to_owned());
        Some(document::read(path, bytes, self.limits))
    }

    fn patches(&mut self, one: &Kustomization, fields: &[&str], built: &mut Built) {
        for item in fields.iter().flat_map(|field| one.node.list(field)) {
            let said = item.text().or_else(|| item.get("path").or_else(|| item.get("patch"))?.text());
            match said {
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
            apply(&found, target, item, built);
        }
    }
}

/// That kustomizations build upon each other, by their folders.
fn circle<'f>(node: &Node, folders: impl Iterator<Item = &'f str>) -> Finding {
    let folders: Vec<&str> = folders.map(|folder| if folder.is_empty() { "." } else { folder }).collect();
    let message = format!("kustomizations build upon each other in a circle: {}", folders.join(" → "));
    Finding::error(RuleId::ImportKustomize, node.mark.place(), message)
        .hint("take one of them out of `resources`")
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
