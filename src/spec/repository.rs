//! `flinkops.yaml` as values: the repository's name, its folders, its environments.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::check::{check, nearest};
use super::companions::Allowed;
use super::desired::{OperatorStated, RemovalConsent};
use super::finding::{Finding, Place};
use super::folder::has_error;
use super::ignore;
use super::images::Images;
use super::layers;
use super::lint::Levels;
use super::names;
use super::node::{Mark, Node};
use super::policy::Policy;
use super::schema::Form;
use super::source::{Limits, SourceTree};
use super::values::{self, Values};
use super::yaml;
use crate::flink::config;
use crate::flink::kind::Kind;
use crate::flink::release::OperatorVersion;

/// The file's path.
pub const FILE: &str = "flinkops.yaml";

/// What `flinkops.yaml` says.
#[derive(Debug)]
pub struct Repository {
    /// `name`.
    pub name: String,
    /// Folders that hold job folders or manifests, without a trailing `/`; empty for the root itself.
    pub roots: Vec<String>,
    /// The environments by name.
    pub environments: BTreeMap<String, Environment>,
    /// Kinds of companion that job folders may contain.
    pub companions: Allowed,
    /// Consents to deletes.
    pub removed: Vec<RemovalConsent>,
    /// Number of deletes agreed to.
    pub confirm: Option<usize>,
    /// Its own values and images, for every environment.
    pub stated: Stated,
    /// How bad the rules of the lint are, wherever an environment does not say.
    pub levels: Levels,
}

impl Repository {
    /// That there is no environment of this name.
    pub fn unknown_environment(&self, name: &str, place: Place) -> Finding {
        let known: Vec<&str> = self.environments.keys().map(String::as_str).collect();
        let finding =
            Finding::error("unknown-environment", place, format!("there is no environment `{name}`"));
        match nearest(name, known.iter().copied()) {
            Some(near) => finding.hint(format!("did you mean `{near}`? There are {}", known.join(", "))),
            None => finding.hint(format!("there are {}", known.join(", "))),
        }
    }
}

/// The values and images that the repository or an environment states.
#[derive(Debug, Default)]
pub struct Stated {
    /// `values`.
    pub values: Values,
    /// `images`.
    pub images: Images,
    /// The values that its `defaults` refer to.
    pub used: BTreeSet<String>,
}

/// One environment, with the repository's values under its own.
#[derive(Debug)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub mark: Mark,
    /// The namespace of everything that names none.
    pub namespace: String,
    /// Where that is written.
    pub namespace_mark: Mark,
    /// Every namespace that may be used.
    pub namespaces: BTreeSet<String>,
    /// The kubeconfig context.
    pub context: Option<String>,
    /// The policy for what is not in Git any more.
    pub policy: Policy,
    /// The version of its operator, where it is stated.
    pub operator_version: Option<OperatorStated>,
    /// What its operator is configured with, as far as it is stated.
    pub operator: BTreeMap<String, String>,
    /// Its own values and images.
    pub stated: Stated,
    /// What a reference in a job stands for here.
    pub values: Values,
    /// What images are here.
    pub images: Images,
    /// Whether the defaults may hold a `${…}`.
    pub placeholders: bool,
    /// How bad the rules of the lint are here.
    pub levels: Levels,
    layers: BTreeMap<Kind, Node>,
}

impl Environment {
    /// What lies under a `job.yaml` of this kind, in the form of a `job.yaml`.
    pub fn layer(&self, kind: Kind) -> &Node {
        &self.layers[&kind]
    }
}

/// Reads `flinkops.yaml`. Any error among the findings makes the whole repository unknown.
pub fn read(tree: &SourceTree, limits: &Limits) -> (Option<Repository>, Vec<Finding>) {
    let node = match root(tree, limits) {
        Ok(node) => node,
        Err(finding) => return (None, vec![*finding]),
    };
    let mut findings = check(Form::Repository, &node);
    if has_error(&findings) {
        return (outline(&node), findings);
    }
    let placeholders = may_hold_placeholders(&tree.files[FILE]);
    if placeholders {
        findings.append(&mut values::misplaced(&node));
    }
    let mut repository = build(&node, &mut findings);
    for environment in repository.iter_mut().flat_map(|repository| repository.environments.values_mut()) {
        environment.placeholders = placeholders;
    }
    (repository, findings)
}

/// Whether a file may hold a `${…}`, told without looking at its values.
pub fn may_hold_placeholders(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.contains("${"))
}

/// The one document of `flinkops.yaml`.
pub fn root(tree: &SourceTree, limits: &Limits) -> Result<Node, Box<Finding>> {
    let Some(bytes) = tree.files.get(FILE) else { return Err(Box::new(missing(tree))) };
    let mut documents = yaml::read(FILE, bytes, limits)?;
    match documents.len() {
        1 => Ok(documents.remove(0)),
        0 => Err(Box::new(
            Finding::error("missing-field", Place::file(FILE), "this file is empty").hint(EXAMPLE),
        )),
        _ => {
            let place = documents[1].mark.place();
            Err(Box::new(Finding::error("many-documents", place, "this file may hold one document only")))
        }
    }
}

const EXAMPLE: &str =
    "write at least `name: <repository>` and `environments: {<name>: {namespace: <namespace>}}`";

fn missing(tree: &SourceTree) -> Finding {
    let finding =
        Finding::error("missing-file", Place::file(FILE), "the repository has no flinkops.yaml in its root");
    match tree.files.keys().find(|path| ["flinkops.yml", "flinkops.json"].contains(&path.as_str())) {
        Some(path) => finding.hint(format!("rename {path} to {FILE}")),
        None => finding.hint(EXAMPLE),
    }
}

/// As much as is needed to name what is unknown.
fn outline(node: &Node) -> Option<Repository> {
    let mut ignored = Vec::new();
    let name = node.get("name")?.text()?.to_owned();
    let members = node.get("environments")?.members()?;
    let environments = members.iter().filter_map(|(name, member)| {
        let mut bare = Node::empty(member.value.mark.clone());
        let namespace = member.value.members()?.get("namespace")?.clone();
        namespace.value.text()?;
        bare.members_mut()?.insert("namespace".to_owned(), namespace);
        let root = Node::empty(node.mark.clone());
        Some((name.clone(), environment(name, &member.key, &bare, &root, &mut ignored)))
    });
    Some(Repository {
        name,
        roots: Vec::new(),
        environments: environments.collect(),
        companions: Allowed::default(),
        removed: Vec::new(),
        confirm: None,
        stated: Stated::default(),
        levels: Levels::default(),
    })
}

fn build(node: &Node, findings: &mut Vec<Finding>) -> Option<Repository> {
    let members = node.get("environments")?.members()?;
    let mut environments = BTreeMap::new();
    let stated = state(node, findings);
    for (name, member) in members {
        let mut made = environment(name, &member.key, &member.value, node, findings);
        made.values = stated.values.clone().into_iter().chain(made.stated.values.clone()).collect();
        made.images = stated.images.clone().under(&made.stated.images);
        environments.insert(name.clone(), made);
    }
    let (companions, mut refused) = Allowed::read(node.get("companions"));
    findings.append(&mut refused);
    Some(Repository {
        name: node.get("name")?.text()?.to_owned(),
        roots: roots(node, findings),
        environments,
        companions,
        removed: node.get("removed").map_or(&[][..], Node::items).iter().filter_map(removal).collect(),
        confirm: node
            .get("confirm")
            .and_then(|count| count.to_value().as_u64())
            .and_then(|n| n.try_into().ok()),
        stated,
        levels: Levels::read([node.get("lint"), None]),
    })
}

fn state(owner: &Node, findings: &mut Vec<Finding>) -> Stated {
    let (values, mut refused) = values::read(owner.get("values"));
    findings.append(&mut refused);
    let (images, mut refused) = Images::read(owner.get("images"));
    findings.append(&mut refused);
    let mut used = BTreeSet::new();
    if let Some(defaults) = owner.get("defaults") {
        values::used(defaults, &mut used);
    }
    Stated { values, images, used }
}

fn removal(item: &Node) -> Option<RemovalConsent> {
    let name = item.get("name")?.text()?.to_owned();
    let state_loss = item.at(&["allow", "stateLoss"]).and_then(Node::text).map(str::to_owned);
    let place = item.get("name")?.mark.place();
    Some(RemovalConsent { name, state_loss, place })
}

fn roots(node: &Node, findings: &mut Vec<Finding>) -> Vec<String> {
    let Some(listed) = node.get("jobs") else { return vec!["jobs".to_owned()] };
    let mut roots = Vec::new();
    for item in listed.items() {
        let path = item.text().unwrap_or_default();
        match folder(path) {
            Some(root) => roots.push(root),
            None => findings.push(
                Finding::error(
                    "bad-path",
                    item.mark.place(),
                    format!("`{path}` is no folder of this repository"),
                )
                .hint("write a path from the repository's root, such as `jobs`"),
            ),
        }
    }
    roots.sort();
    roots.dedup();
    roots
}

/// A path from the root without `.`; `None` for one that leads out.
fn folder(path: &str) -> Option<String> {
    if path.is_empty() || path.starts_with('/') || path.contains('\\') {
        return None;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    (!parts.contains(&"..")).then(|| parts.join("/"))
}

fn environment(
    name: &str,
    mark: &Mark,
    node: &Node,
    root: &Node,
    findings: &mut Vec<Finding>,
) -> Environment {
    if !names::is_label(name) || name == "job" {
        let message = format!("`{name}` cannot be the name of an environment");
        let rule = if name == "job" { "`job.yaml` is taken" } else { names::LABEL };
        findings.push(Finding::error("bad-name", mark.place(), message).hint(rule));
    }
    let namespace = node.get("namespace").and_then(Node::text).unwrap_or_default().to_owned();
    let namespace_mark = node.get("namespace").map_or(mark, |namespace| &namespace.mark).clone();
    let mut namespaces = BTreeSet::from([namespace.clone()]);
    for item in node.get("namespaces").map_or(&[][..], Node::items) {
        let listed = item.text().unwrap_or_default();
        if !names::is_label(listed) {
            let message = format!("`{listed}` cannot be the name of a namespace");
            findings.push(Finding::error("bad-name", item.mark.place(), message).hint(names::LABEL));
        }
        namespaces.insert(listed.to_owned());
    }
    let layers: BTreeMap<Kind, Node> =
        Kind::ALL.into_iter().map(|kind| (kind, layer(kind, root, node, findings))).collect();
    let (policy, mut refused) = policy(layers[&Kind::FlinkDeployment].get("policy"));
    findings.append(&mut refused);
    let context = node.get("context").and_then(Node::text).map(str::to_owned);
    let operator = node.get("operatorDefaults").map(|stated| config::flatten(&stated.to_value()));
    let stated = state(node, findings);
    Environment {
        name: name.to_owned(),
        mark: mark.clone(),
        namespace,
        namespace_mark,
        namespaces,
        context,
        policy,
        operator_version: node.get("operatorVersion").and_then(operator_version),
        operator: operator.unwrap_or_default(),
        stated,
        values: Values::new(),
        images: Images::default(),
        placeholders: false,
        levels: Levels::read([root.get("lint"), node.get("lint")]),
        layers,
    }
}

fn operator_version(stated: &Node) -> Option<OperatorStated> {
    let version = OperatorVersion::parse(stated.text()?)?;
    Some(OperatorStated { version, place: stated.mark.place() })
}

/// `defaults` and `policy` of the repository and the environment as one layer under a job of this kind.
fn layer(kind: Kind, root: &Node, environment: &Node, findings: &mut Vec<Finding>) -> Node {
    let mut base = Node::empty(root.mark.clone());
    for owner in [root, environment] {
        for part in [owner.at(&["defaults"]), owner.at(&["defaults", kind.as_str()])].into_iter().flatten() {
            let mut part = part.clone();
            if let Some(members) = part.members_mut() {
                members.retain(|key, _| ["labels", "annotations", "spec"].contains(&key.as_str()));
            }
            keep_fields_of(kind, &mut part);
            findings.append(&mut layers::flatten(&mut part));
            layers::lay(&mut base, &part);
        }
        if let Some(policy) = owner.get("policy") {
            layers::lay(&mut base, &policy.clone().wrap("policy"));
        }
    }
    base
}

/// The common defaults may hold fields that a kind does not have.
fn keep_fields_of(kind: Kind, part: &mut Node) {
    let spec = part.members_mut().and_then(|members| members.get_mut("spec"));
    let members = spec.and_then(|spec| spec.value.members_mut());
    if let Some(members) = members {
        members.retain(|key, _| kind.has_field(key));
    }
}

/// A policy from its merged layers, with findings for what the schema cannot see.
pub fn policy(node: Option<&Node>) -> (Policy, Vec<Finding>) {
    let Some(node) = node else { return (Policy::default(), Vec::new()) };
    let mut findings = Vec::new();
    for name in ["settle", "timeout", "savepointTimeout"] {
        let Some(value) = node.get(name) else { continue };
        let parsed = value.text().and_then(|text| text.parse::<SignedDuration>().ok());
        if parsed.is_none_or(|duration| duration.is_negative()) {
            let message = format!("`{name}`: this is not a duration");
            findings.push(
                Finding::error("bad-value", value.mark.place(), message).hint("such as `30s`, `10m` or `1h`"),
            );
        }
    }
    findings.append(&mut ignore::paths(node.get("ignore")));
    if has_error(&findings) {
        return (Policy::default(), findings);
    }
    let Ok(policy) = serde_json::from_value(node.to_value()) else {
        let message = "this policy holds a number that is too large";
        return (Policy::default(), vec![Finding::error("bad-value", node.mark.place(), message)]);
    };
    (policy, findings)
}
