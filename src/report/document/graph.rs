//! What depends on what, as a document.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::schema;
use crate::flink::kind::{Kind, ObjectKey, UnitKey};
use crate::spec::Desired;
use crate::spec::desired::Why;

/// What depends on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "flinkops.dev/graph/v1")]
pub struct GraphDocument {
    /// `flinkops.dev/graph/v1`.
    pub schema: &'static str,
    /// `name` in `flinkops.yaml`.
    pub repository: String,
    /// The environment.
    pub environment: String,
    /// Units, then companions, then what is only depended upon.
    pub nodes: Vec<NodeDocument>,
    /// Who waits for whom.
    pub edges: Vec<EdgeDocument>,
}

/// A unit, a companion, or a live cluster outside of Git.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeDocument {
    /// What edges call it: its name where that is unique, else `namespace/Kind/name`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Whether it is in the cluster only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
}

/// `from` depends on `to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EdgeDocument {
    /// Who waits.
    pub from: String,
    /// For whom.
    pub to: String,
    /// Where the edge comes from.
    pub why: WhyDocument,
}

/// Where an edge comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhyDocument {
    /// `dependsOn` says so.
    Declared,
    /// A session job needs its cluster.
    SessionCluster,
    /// Its spec names the other, as a snapshot its job.
    Reference,
    /// A unit needs the other objects of its folder.
    Companion,
}

impl From<Why> for WhyDocument {
    fn from(why: Why) -> Self {
        match why {
            Why::Declared => Self::Declared,
            Why::SessionCluster => Self::SessionCluster,
            Why::Reference => Self::Reference,
        }
    }
}

impl GraphDocument {
    /// The graph of everything Git wants of one environment.
    pub fn new(desired: &Desired) -> Self {
        let external = external(desired);
        let names = Names::new(desired, &external);
        Self {
            schema: schema::GRAPH,
            repository: desired.repository.clone(),
            environment: desired.environment.clone(),
            nodes: nodes(desired, &external, &names),
            edges: edges(desired, &names),
        }
    }
}

/// Units that are depended upon and are not in Git.
fn external(desired: &Desired) -> BTreeSet<UnitKey> {
    let wanted = desired.units.values().flat_map(|unit| &unit.depends_on).map(|dependency| &dependency.on);
    wanted.filter(|key| !desired.units.contains_key(*key)).cloned().collect()
}

/// Live objects of other kinds that units wait for.
fn awaited(desired: &Desired) -> impl Iterator<Item = &ObjectKey> {
    desired.units.values().flat_map(|unit| &unit.awaits).map(|awaited| &awaited.object)
}

fn nodes(desired: &Desired, external: &BTreeSet<UnitKey>, names: &Names) -> Vec<NodeDocument> {
    let node = |key: ObjectKey, external: bool| NodeDocument {
        id: names.of(&key),
        name: key.name,
        kind: key.kind,
        namespace: key.namespace,
        external,
    };
    let units = desired.units.keys().map(|key| node(key.into(), false));
    let companions = desired.companions.keys().map(|key| node(key.clone(), false));
    let external = external.iter().map(|key| node(key.into(), true));
    let awaited = names.awaited.iter().map(|key| node(key.clone(), true));
    units.chain(companions).chain(external).chain(awaited).collect()
}

fn edges(desired: &Desired, names: &Names) -> Vec<EdgeDocument> {
    let mut by_folder: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for companion in desired.companions.values() {
        by_folder.entry(&companion.folder).or_default().push(names.of(&companion.key));
    }
    let mut edges = Vec::new();
    for unit in desired.units.values() {
        let from = names.of(&(&unit.key).into());
        let edge = |to: String, why| EdgeDocument { from: from.clone(), to, why };
        let declared = unit.depends_on.iter().map(|to| edge(names.of(&(&to.on).into()), to.why.into()));
        let awaited = unit.awaits.iter().map(|it| edge(names.of(&it.object), WhyDocument::Declared));
        let companions = by_folder.get(unit.folder.as_str()).into_iter().flatten();
        let companions = companions.map(|to| edge(to.clone(), WhyDocument::Companion));
        edges.extend(declared.chain(awaited).chain(companions));
    }
    edges
}

/// Short names where they are unique: a unit's among units, as in a plan; a companion's among all.
struct Names {
    units: BTreeMap<String, usize>,
    all: BTreeMap<String, usize>,
    /// Live objects of other kinds, which are called by their kind, too.
    awaited: BTreeSet<ObjectKey>,
}

impl Names {
    fn new(desired: &Desired, external: &BTreeSet<UnitKey>) -> Self {
        let units = count(desired.units.keys().chain(external).map(|key| &key.name));
        let others: BTreeSet<&ObjectKey> = desired.companions.keys().chain(awaited(desired)).collect();
        let mut all = count(others.into_iter().map(|key| &key.name));
        for (name, times) in &units {
            *all.entry(name.clone()).or_default() += times;
        }
        let awaited =
            awaited(desired).filter(|key| !desired.companions.contains_key(*key)).cloned().collect();
        Self { units, all, awaited }
    }

    fn of(&self, key: &ObjectKey) -> String {
        let count = if Kind::parse(&key.kind).is_some() { &self.units } else { &self.all };
        match count.get(&key.name) {
            Some(1) if self.awaited.contains(key) => format!("{}/{}", key.kind, key.name),
            Some(1) => key.name.clone(),
            _ => format!("{}/{}/{}", key.namespace, key.kind, key.name),
        }
    }
}

fn count<'n>(names: impl Iterator<Item = &'n String>) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for name in names {
        *count.entry(name.clone()).or_default() += 1;
    }
    count
}
