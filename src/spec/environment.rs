//! An environment of `flinkops.yaml` as values: its namespaces, its operator, and what lies under every job there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::desired::OperatorStated;
use super::finding::Finding;
use super::folder::has_error;
use super::ignore;
use super::images::Images;
use super::layers;
use super::lint::Levels;
use super::names;
use super::node::{Mark, Node};
use super::policy::Policy;
use super::values::{self, Values};
use crate::flink::config;
use crate::flink::kind::Kind;
use crate::flink::release::OperatorVersion;
use crate::rule::RuleId;

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

pub(super) fn state(owner: &Node, findings: &mut Vec<Finding>) -> Stated {
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

pub(super) fn environment(
    name: &str,
    mark: &Mark,
    node: &Node,
    root: &Node,
    findings: &mut Vec<Finding>,
) -> Environment {
    if !names::is_label(name) || name == "job" {
        let message = format!("`{name}` cannot be the name of an environment");
        let rule = if name == "job" { "`job.yaml` is taken" } else { names::LABEL };
        findings.push(Finding::error(RuleId::BadName, mark.place(), message).hint(rule));
    }
    let namespace = node.get("namespace").and_then(Node::text).unwrap_or_default().to_owned();
    let namespace_mark = node.get("namespace").map_or(mark, |namespace| &namespace.mark).clone();
    let mut namespaces = BTreeSet::from([namespace.clone()]);
    for item in node.list("namespaces") {
        let listed = item.text().unwrap_or_default();
        if !names::is_label(listed) {
            let message = format!("`{listed}` cannot be the name of a namespace");
            findings.push(Finding::error(RuleId::BadName, item.mark.place(), message).hint(names::LABEL));
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
        let common = owner.at(&["defaults"]).map(|part| common(kind, part));
        let own = owner.at(&["defaults", kind.as_str()]).cloned();
        for mut part in [common, own].into_iter().flatten() {
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

/// The common defaults for a kind: their `spec` is that of a FlinkDeployment, wherever the kind has one.
fn common(kind: Kind, part: &Node) -> Node {
    let mut part = part.clone();
    if let (Kind::FlinkBlueGreenDeployment, Some(members)) = (kind, part.members_mut())
        && let Some(spec) = members.get_mut("spec")
    {
        spec.value = spec.value.clone().wrap("spec").wrap("template");
    }
    part
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
                Finding::error(RuleId::BadValue, value.mark.place(), message)
                    .hint("such as `30s`, `10m` or `1h`"),
            );
        }
    }
    findings.append(&mut ignore::paths(node.get("ignore")));
    if has_error(&findings) {
        return (Policy::default(), findings);
    }
    let Ok(policy) = serde_json::from_value(node.to_value()) else {
        let message = "this policy holds a number that is too large";
        return (Policy::default(), vec![Finding::error(RuleId::BadValue, node.mark.place(), message)]);
    };
    (policy, findings)
}
