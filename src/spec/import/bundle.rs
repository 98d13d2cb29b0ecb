//! What a source of manifests gives, whoever read it, before it is known which files it becomes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::document::Document;
use crate::flink::kind::Kind;
use crate::flink::pointer::At as _;
use crate::spec::finding::{Finding, Place};
use crate::spec::node::Node;

/// One object on its way.
#[derive(Clone, Debug)]
pub struct Object {
    /// Where it was found.
    pub place: Place,
    /// The whole manifest with its places, where the source is YAML.
    pub node: Option<Node>,
    /// The whole manifest.
    pub manifest: Value,
    /// The YAML it was written as.
    pub text: Option<String>,
    /// The environments it is in; `None` for every one.
    pub environments: Option<BTreeSet<String>>,
    /// Whether its texts mean what they say: nothing that was written for people stands for anything else.
    pub literal: bool,
}

/// What differs from an object in one environment.
#[derive(Clone, Debug)]
pub struct Patch {
    /// Where it was found.
    pub place: Place,
    /// `labels`, `annotations` and `spec`, as an `<environment>.yaml` has them; null removes.
    pub fields: Map<String, Value>,
    /// The manifest it was written as.
    pub text: Option<String>,
    /// What the unit is with it.
    pub result: Value,
}

/// One environment of the source.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Its namespace, where the source says.
    pub namespace: Option<String>,
    /// What differs in it, by kind and name of the unit.
    pub patches: BTreeMap<(Kind, String), Patch>,
}

/// Everything a source gives.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// The objects in the order in which they were found.
    pub objects: Vec<Object>,
    /// The environments, where the source knows of any.
    pub environments: BTreeMap<String, Environment>,
    /// What is to be said of it.
    pub findings: Vec<Finding>,
}

impl Bundle {
    /// Leaves out the units that are not named, but for the session clusters that named ones run on.
    pub fn keep(&mut self, names: &[String]) {
        let is_named = |object: &Object| names.iter().any(|name| name == object.name());
        let clusters: Vec<String> = self
            .objects
            .iter()
            .filter(|one| is_named(one))
            .map(|one| one.at("/spec/deploymentName").to_owned())
            .collect();
        let kept = |object: &Object| {
            object.unit().is_none() || is_named(object) || clusters.iter().any(|name| name == object.name())
        };
        self.objects.retain(kept);
    }
}

impl Object {
    /// A document as it is.
    pub fn of(document: &Document) -> Self {
        Self {
            place: document.place(),
            node: Some(document.node.clone()),
            manifest: document.value(),
            text: document.text.clone(),
            environments: None,
            literal: false,
        }
    }

    /// A manifest of which there are no words of its own.
    pub fn bare(place: Place, manifest: Value, literal: bool) -> Self {
        Self { place, node: None, manifest, text: None, environments: None, literal }
    }

    /// The text at a JSON pointer; empty where there is none.
    pub fn at(&self, pointer: &str) -> &str {
        self.manifest.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.at("/metadata/name")
    }

    /// `metadata.namespace`.
    pub fn namespace(&self) -> Option<&str> {
        Some(self.at("/metadata/namespace")).filter(|namespace| !namespace.is_empty())
    }

    /// The kind, where it is a unit's.
    pub fn unit(&self) -> Option<Kind> {
        Kind::of(self.at("/apiVersion"), self.at("/kind"))
    }

    /// Whether it is in an environment.
    pub fn is_in(&self, environment: &str) -> bool {
        self.environments.as_ref().is_none_or(|environments| environments.contains(environment))
    }

    /// `FlinkDeployment orders`, for messages.
    pub fn title(&self) -> String {
        format!("{} {}", self.at("/kind"), self.name())
    }

    /// The items of a `List`, each as if written by itself; else the object.
    pub fn items(self) -> Vec<Self> {
        if !self.at("/kind").ends_with("List") {
            return vec![self];
        }
        let Some(items) = self.manifest["items"].as_array() else { return vec![self] };
        let item = |item: &Value| Self::bare(self.place.clone(), item.clone(), self.literal);
        items.iter().map(item).collect()
    }
}
