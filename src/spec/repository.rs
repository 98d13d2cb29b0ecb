//! `flinkops.yaml` as values: the repository's name, its folders, its environments.

use std::collections::BTreeMap;

use super::check::{check, nearest};
use super::companions::Allowed;
use super::desired::RemovalConsent;
use super::environment::{Environment, Stated, environment, state};
use super::finding::{Finding, Place};
use super::folder::has_error;
use super::lint::Levels;
use super::node::Node;
use super::schema::Form;
use super::source::{Limits, SourceTree};
use super::values;
use super::yaml;
use crate::rule::RuleId;

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
            Finding::error(RuleId::UnknownEnvironment, place, format!("there is no environment `{name}`"));
        match nearest(name, known.iter().copied()) {
            Some(near) => finding.hint(format!("did you mean `{near}`? There are {}", known.join(", "))),
            None => finding.hint(format!("there are {}", known.join(", "))),
        }
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
            Finding::error(RuleId::MissingField, Place::file(FILE), "this file is empty").hint(EXAMPLE),
        )),
        _ => {
            let place = documents[1].mark.place();
            let message = "this file may hold one document only";
            Err(Box::new(
                Finding::error(RuleId::ManyDocuments, place, message)
                    .hint("a repository has one name: remove the others, or merge them into one"),
            ))
        }
    }
}

const EXAMPLE: &str =
    "write at least `name: <repository>` and `environments: {<name>: {namespace: <namespace>}}`";

fn missing(tree: &SourceTree) -> Finding {
    let finding = Finding::error(
        RuleId::MissingFile,
        Place::file(FILE),
        "the repository has no flinkops.yaml in its root",
    );
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
        removed: node.list("removed").iter().filter_map(removal).collect(),
        confirm: node
            .get("confirm")
            .and_then(|count| count.to_value().as_u64())
            .and_then(|n| n.try_into().ok()),
        stated,
        levels: Levels::read([node.get("lint"), None]),
    })
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
                    RuleId::BadPath,
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
