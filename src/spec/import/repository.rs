//! The repository that is written into: what its `flinkops.yaml` says, or the one that it is going to have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::bundle::Bundle;
use super::job::MODELINE;
use crate::rule::RuleId;
use crate::spec::companions::Allowed;
use crate::spec::environment::Environment;
use crate::spec::finding::Finding;
use crate::spec::names;
use crate::spec::render::yaml;
use crate::spec::repository::{self, FILE};
use crate::spec::source::{Limits, SourceTree};

/// The folder with the schemas, so that editors complete without a network.
pub const SCHEMAS: &str = ".flinkops";

/// Where to import into.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The repository as it is; empty for a new one.
    pub tree: &'a SourceTree,
    /// Bounds on what is read.
    pub limits: Limits,
    /// The name of a new repository.
    pub name: String,
    /// The environment that was asked for.
    pub environment: Option<String>,
    /// The namespace of a new environment.
    pub namespace: Option<String>,
}

/// The repository as it is going to be.
#[derive(Debug)]
pub struct Repository {
    /// The folder that takes the job folders; empty for the root.
    pub root: String,
    /// The namespace of each environment.
    pub environments: BTreeMap<String, String>,
    /// Kinds of companion.
    pub allowed: Allowed,
    /// The text of a new `flinkops.yaml`.
    pub file: Option<String>,
}

impl Repository {
    /// The repository there is, or a new one for what was found.
    ///
    /// # Errors
    /// What is wrong with its `flinkops.yaml`.
    pub fn of(target: &Target<'_>, bundle: &mut Bundle) -> Result<Self, Vec<Finding>> {
        if !target.tree.files.contains_key(FILE) {
            return Ok(Self::new(target, bundle));
        }
        let (read, findings) = repository::read(target.tree, &target.limits);
        let Some(read) = read.filter(|_| !crate::spec::folder::has_error(&findings)) else {
            return Err(findings);
        };
        let own = |one: &Environment| (one.name.clone(), one.namespace.clone());
        let environments: BTreeMap<String, String> = read.environments.values().map(own).collect();
        for (name, found) in &bundle.environments {
            bundle.findings.extend(missing(name, found.namespace.as_deref(), &environments));
        }
        bundle.environments.retain(|name, _| environments.contains_key(name));
        for places in bundle.objects.iter_mut().filter_map(|object| object.environments.as_mut()) {
            places.retain(|name| environments.contains_key(name));
        }
        bundle.objects.retain(|object| object.environments.as_ref().is_none_or(|places| !places.is_empty()));
        Ok(Self {
            root: read.roots.first().cloned().unwrap_or_default(),
            environments,
            allowed: read.companions,
            file: None,
        })
    }

    fn new(target: &Target<'_>, bundle: &mut Bundle) -> Self {
        let units = bundle.objects.iter().filter(|object| object.unit().is_some());
        let found: Vec<&str> = units.filter_map(|unit| unit.namespace()).collect();
        // The namespace most of them name.
        let usual =
            found.iter().max_by_key(|name| (found.iter().filter(|other| other == name).count(), **name));
        let usual = usual.map(|name| (*name).to_owned());
        let usual = target.namespace.clone().or(usual).unwrap_or_else(|| "default".to_owned());
        if bundle.environments.is_empty() {
            let name = target.environment.clone().unwrap_or_else(|| "prod".to_owned());
            bundle.environments.insert(name, super::bundle::Environment::default());
        }
        let namespace = |found: &Option<String>| found.clone().unwrap_or_else(|| usual.clone());
        let environments: BTreeMap<String, String> =
            bundle.environments.iter().map(|(name, one)| (name.clone(), namespace(&one.namespace))).collect();
        let overridden = bundle.environments.values().any(|one| one.namespace.is_some());
        let is_own = |namespace: &String| environments.values().any(|own| own == namespace);
        let further: BTreeSet<String> = bundle
            .objects
            .iter()
            .filter_map(|object| object.namespace().filter(|_| !overridden).map(str::to_owned))
            .filter(|namespace| !is_own(namespace))
            .collect();
        let file = Some(text(&target.name, &environments, &further));
        Self { root: "jobs".to_owned(), environments, allowed: Allowed::default(), file }
    }

    /// Whether a namespace is every environment's own, so that it goes without saying.
    pub fn is_own(&self, namespace: &str) -> bool {
        self.environments.values().any(|own| own == namespace)
    }

    /// The path of a folder's file.
    pub fn path(&self, folder: &str, file: &str) -> String {
        let parts = [self.root.as_str(), folder, file];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    /// The way from a job folder to the schema.
    pub fn schema(&self) -> String {
        let depth = self.path("folder", "file").matches('/').count();
        format!("{}{SCHEMAS}/job.schema.json", "../".repeat(depth))
    }
}

fn missing(name: &str, namespace: Option<&str>, known: &BTreeMap<String, String>) -> Option<Finding> {
    if known.contains_key(name) {
        return None;
    }
    let message = format!("flinkops.yaml has no environment `{name}`: what differs in it was not imported");
    let namespace = namespace.unwrap_or("…");
    let hint = format!("add `{name}: {{namespace: {namespace}}}` under `environments`, and import again");
    Some(
        Finding::error(RuleId::ImportEnvironment, crate::spec::finding::Place::file(FILE), message)
            .hint(hint),
    )
}

/// A `flinkops.yaml`.
pub fn text(name: &str, environments: &BTreeMap<String, String>, further: &BTreeSet<String>) -> String {
    let one = |(name, namespace): (&String, &String)| {
        let mut fields = Map::from_iter([("namespace".to_owned(), json!(namespace))]);
        if !further.is_empty() {
            fields.insert("namespaces".to_owned(), json!(further));
        }
        (name.clone(), Value::Object(fields))
    };
    let environments: Map<String, Value> = environments.iter().map(one).collect();
    let (name, environments) =
        (yaml(&json!({ "name": name })), yaml(&json!({ "environments": environments })));
    format!("{MODELINE}{SCHEMAS}/flinkops.schema.json\n{name}{environments}")
}

/// A name that a repository, an environment or a folder can have, from any other.
pub fn label(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let legal = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let name: String = lower.chars().map(legal).take(63).collect();
    let name = name.trim_matches('-').to_owned();
    names::is_label(&name).then_some(name)
}
