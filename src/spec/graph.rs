//! The dependency graph: what the words of `dependsOn` mean, and the picture of it all.

use std::collections::{BTreeMap, BTreeSet};

use super::check::nearest;
use super::desired::{Dependency, Desired, Unit, Why};
use super::finding::Finding;
use super::node::Mark;
use crate::flink::kind::{Kind, ObjectKey, Role, UnitKey};
use crate::rule::RuleId;

/// The units that can be named, the ones of broken folders included.
#[derive(Debug, Default)]
pub struct Names {
    by_name: BTreeMap<String, BTreeSet<UnitKey>>,
    /// The names of units that are in other environments only.
    elsewhere: BTreeSet<String>,
    /// Whether there are units whose name cannot be told.
    incomplete: bool,
}

impl Names {
    /// Adds a unit.
    pub fn add(&mut self, key: UnitKey) {
        self.by_name.entry(key.name.clone()).or_default().insert(key);
    }

    /// Adds the name of a unit that is in other environments only.
    pub fn add_elsewhere(&mut self, name: &str) {
        self.elsewhere.insert(name.to_owned());
    }

    /// Notes that there are units without a known name.
    pub fn incomplete(&mut self) {
        self.incomplete = true;
    }

    /// The dependencies of a unit, sorted, and a finding for each word that means none or several units.
    pub fn resolve(&self, unit: &Unit, words: &[(String, Mark)]) -> (Vec<Dependency>, Vec<Finding>) {
        let mut edges = BTreeSet::new();
        let mut findings = Vec::new();
        for (word, mark) in words {
            match self.find(&unit.key, word, mark) {
                Ok(on) => drop(edges.insert(Dependency { on, why: Why::Declared })),
                Err(finding) => findings.push(finding.unit(&unit.key.name)),
            }
        }
        let why = if unit.key.kind == Kind::FlinkSessionJob { Why::SessionCluster } else { Why::Reference };
        let named =
            unit.key.refers_to(unit.manifest.spec()).filter(|on| edges.iter().all(|edge| edge.on != *on));
        edges.extend(named.map(|on| Dependency { on, why }));
        (edges.into_iter().collect(), findings)
    }

    fn find(&self, from: &UnitKey, word: &str, mark: &Mark) -> Result<UnitKey, Box<Finding>> {
        let Some((namespace, kind, name)) = parse(word) else {
            let finding =
                Finding::error(RuleId::BadValue, mark.place(), format!("`{word}` does not name a unit"));
            return Err(Box::new(finding.hint("write `name`, `Kind/name` or `namespace/Kind/name`")));
        };
        if let (Some(namespace), Some(kind)) = (namespace, kind) {
            return Ok(UnitKey::new(namespace, kind, name));
        }
        let named = self.by_name.get(name).into_iter().flatten();
        let all: Vec<&UnitKey> = named.filter(|key| kind.is_none_or(|kind| key.kind == kind)).collect();
        let near: Vec<&UnitKey> = all.iter().copied().filter(|key| key.namespace == from.namespace).collect();
        match (near.as_slice(), all.as_slice()) {
            ([only], _) | ([], [only]) => Ok((*only).clone()),
            ([], []) if self.incomplete => {
                Ok(UnitKey::new(&from.namespace, kind.unwrap_or(Kind::FlinkDeployment), name))
            }
            ([], []) => Err(Box::new(self.dangling(word, name, mark))),
            _ => Err(Box::new(ambiguous(word, &all, mark))),
        }
    }

    fn dangling(&self, word: &str, name: &str, mark: &Mark) -> Finding {
        if self.elsewhere.contains(name) {
            let message = format!("`{word}` is in other environments only");
            let hint =
                "list this one under `environments` there, or say this dependency in the files of those";
            return Finding::error(RuleId::DanglingDependency, mark.place(), message).hint(hint);
        }
        let message = format!("`{word}` is not in this repository");
        let finding = Finding::error(RuleId::DanglingDependency, mark.place(), message);
        match nearest(name, self.by_name.keys().map(String::as_str)) {
            Some(known) => finding.hint(format!("did you mean `{known}`?")),
            None => finding.hint("a unit that is only in the cluster is named as `namespace/Kind/name`"),
        }
    }
}

fn ambiguous(word: &str, all: &[&UnitKey], mark: &Mark) -> Finding {
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    let message = format!("`{word}` may mean {}", names.join(" or "));
    let hint = format!("write the one that is meant, such as `{}`", names[0]);
    Finding::error(RuleId::AmbiguousDependency, mark.place(), message).hint(hint)
}

fn parse(word: &str) -> Option<(Option<&str>, Option<Kind>, &str)> {
    let parts: Vec<&str> = word.split('/').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return None;
    }
    match parts.as_slice() {
        [name] => Some((None, None, name)),
        [kind, name] => Some((None, Some(Kind::parse(kind)?), name)),
        [namespace, kind, name] => Some((Some(namespace), Some(Kind::parse(kind)?), name)),
        _ => None,
    }
}

/// What a node of the picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeRole {
    /// A unit of the repository.
    Unit(Role),
    /// A unit that others depend on and that is not in the repository, or could not be read.
    Outside,
    /// Another object of a job folder.
    Companion,
}

/// A node of the picture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GraphNode {
    /// Its name where that is unique among the units, else the long form.
    pub id: String,
    /// The object.
    pub key: ObjectKey,
    /// What it is.
    pub role: NodeRole,
}

/// Why one node comes after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeWhy {
    /// `dependsOn` says so.
    Declared,
    /// A session job needs its cluster.
    SessionCluster,
    /// Its spec names the other, as a snapshot its job.
    Reference,
    /// The companions of a folder come before its units.
    Companion,
}

impl EdgeWhy {
    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::SessionCluster => "session-cluster",
            Self::Reference => "reference",
            Self::Companion => "companion",
        }
    }
}

/// An edge of the picture: `from` depends on `to`; both are ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GraphEdge {
    /// The one that waits.
    pub from: String,
    /// The one it waits for.
    pub to: String,
    /// Why.
    pub why: EdgeWhy,
}

/// The picture of an environment, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// Units, what they depend on, and companions.
    pub nodes: Vec<GraphNode>,
    /// Who waits for whom.
    pub edges: Vec<GraphEdge>,
}

/// Draws the graph of an environment.
pub fn graph(desired: &Desired) -> Graph {
    let mut roles: BTreeMap<ObjectKey, NodeRole> = BTreeMap::new();
    let mut edges: BTreeSet<(ObjectKey, ObjectKey, EdgeWhy)> = BTreeSet::new();
    let mut by_folder: BTreeMap<&str, Vec<&ObjectKey>> = BTreeMap::new();
    for companion in desired.companions.values() {
        roles.insert(companion.key.clone(), NodeRole::Companion);
        by_folder.entry(&companion.folder).or_default().push(&companion.key);
    }
    for unit in desired.units.values() {
        let from = ObjectKey::from(&unit.key);
        for edge in &unit.depends_on {
            let to = ObjectKey::from(&edge.on);
            roles.entry(to.clone()).or_insert(NodeRole::Outside);
            edges.insert((from.clone(), to, why(edge.why)));
        }
        for awaited in &unit.awaits {
            roles.entry(awaited.object.clone()).or_insert(NodeRole::Outside);
            edges.insert((from.clone(), awaited.object.clone(), EdgeWhy::Declared));
        }
        for companion in by_folder.get(unit.folder.as_str()).into_iter().flatten() {
            edges.insert((from.clone(), (*companion).clone(), EdgeWhy::Companion));
        }
        roles.insert(from, NodeRole::Unit(unit.role));
    }
    named(&roles, &edges)
}

fn why(why: Why) -> EdgeWhy {
    match why {
        Why::Declared => EdgeWhy::Declared,
        Why::SessionCluster => EdgeWhy::SessionCluster,
        Why::Reference => EdgeWhy::Reference,
    }
}

fn named(roles: &BTreeMap<ObjectKey, NodeRole>, edges: &BTreeSet<(ObjectKey, ObjectKey, EdgeWhy)>) -> Graph {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for key in roles.keys() {
        *count.entry(key.name.clone()).or_default() += 1;
    }
    let id = |key: &ObjectKey| if count[&key.name] == 1 { key.name.clone() } else { key.to_string() };
    let mut edges: Vec<GraphEdge> =
        edges.iter().map(|(from, to, why)| GraphEdge { from: id(from), to: id(to), why: *why }).collect();
    edges.sort();
    let mut nodes: Vec<GraphNode> =
        roles.iter().map(|(key, role)| GraphNode { id: id(key), key: key.clone(), role: *role }).collect();
    nodes.sort();
    Graph { nodes, edges }
}
