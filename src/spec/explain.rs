//! Where each value of what is rendered was written: layer, file and line.

use std::collections::BTreeMap;

use super::finding::Place;
use super::layout::base_name;
use super::load::{Loaded, start};
use super::loading::Loading;
use super::node::{Content, Mark, Node};
use super::object::Rendered;
use super::repository::{FILE, root};
use super::source::{Limits, SourceTree};
use super::values::Put;
use crate::flink::kind::ObjectKey;
use crate::flink::pointer::escape;

/// Where one value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's name, such as `prod.yaml`; within `flinkops.yaml` the path of what says it, such as
    /// `environments.prod.defaults`.
    pub layer: String,
    /// The line.
    pub place: Place,
    /// The values that were put in there by reference, each with its place.
    pub values: Vec<(String, Place)>,
}

/// The sources of every value of an object by JSON pointer; empty maps and lists are values.
pub type Sources = BTreeMap<String, Source>;

/// Explains everything that an environment renders, broken folders left out.
pub fn explain(tree: &SourceTree, limits: &Limits, environment: &str) -> BTreeMap<ObjectKey, Sources> {
    let parts = root(tree, limits).map(|root| Parts::of(&root)).unwrap_or_default();
    let (loadings, _) = start(tree, limits, Some(environment), &mut Loaded::default());
    let sound = loadings.values().flat_map(Loading::sound);
    sound.flat_map(|rendered| objects(rendered, &parts)).collect()
}

fn objects(rendered: &Rendered, parts: &Parts) -> Vec<(ObjectKey, Sources)> {
    let units = rendered.units.iter().map(|unit| (ObjectKey::from(&unit.key), &*unit.written));
    let companions = rendered.companions.iter().map(|one| (one.key.clone(), &one.manifest));
    let sources = |(key, manifest): (ObjectKey, &Node)| {
        let mut sources = Sources::new();
        collect("", manifest, &mut |pointer, mark| {
            let source = parts.source(mark, &rendered.values);
            sources.insert(pointer.to_owned(), source);
        });
        (key, sources)
    };
    units.chain(companions).map(sources).collect()
}

/// Visits what holds no further values.
fn collect(pointer: &str, node: &Node, visit: &mut impl FnMut(&str, &Mark)) {
    match &node.content {
        Content::Map(members) if !members.is_empty() => {
            for (key, member) in members.iter() {
                collect(&format!("{pointer}/{}", escape(key)), &member.value, visit);
            }
        }
        Content::List(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                collect(&format!("{pointer}/{index}"), item, visit);
            }
        }
        _ => visit(pointer, &node.mark),
    }
}

/// Which part of `flinkops.yaml` stands at a line and column.
#[derive(Default)]
struct Parts(BTreeMap<(u32, u32), String>);

impl Parts {
    fn of(root: &Node) -> Self {
        let mut parts = Self::default();
        for (key, member) in root.members().into_iter().flatten() {
            if key != "environments" {
                parts.add(key, &member.value);
                continue;
            }
            for (name, environment) in member.value.members().into_iter().flatten() {
                for (key, member) in environment.value.members().into_iter().flatten() {
                    parts.add(&format!("environments.{name}.{key}"), &member.value);
                }
            }
        }
        parts
    }

    fn add(&mut self, name: &str, node: &Node) {
        self.0.insert((node.mark.line, node.mark.column), name.to_owned());
        match &node.content {
            Content::Map(members) => members.values().for_each(|member| self.add(name, &member.value)),
            Content::List(items) => items.iter().for_each(|item| self.add(name, item)),
            _ => {}
        }
    }

    fn source(&self, mark: &Mark, values: &[Put]) -> Source {
        let place = mark.place();
        let layer = match self.0.get(&(mark.line, mark.column)) {
            Some(part) if place.file == FILE => part.clone(),
            _ => base_name(&place.file).to_owned(),
        };
        let mut values: Vec<(String, Place)> = values
            .iter()
            .filter(|put| put.at == *mark)
            .map(|put| (put.name.clone(), put.written.place()))
            .collect();
        values.dedup();
        Source { layer, place, values }
    }
}
