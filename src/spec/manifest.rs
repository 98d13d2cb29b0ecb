//! A plain Kubernetes manifest, taken as it is: checked, and told apart into unit and companion.

use std::collections::BTreeSet;

use super::annotations;
use super::check::check;
use super::companions::Allowed;
use super::finding::Finding;
use super::folder::bad_name;
use super::node::Node;
use super::schema::Form;
use crate::flink::kind::Kind;
use crate::rule::RuleId;

/// A manifest before its namespace is known.
#[derive(Debug)]
pub struct Manifest {
    /// The kind, where it is a unit.
    pub unit: Option<Kind>,
    /// `metadata.name`.
    pub name: String,
    /// The whole document.
    pub node: Node,
    /// The environments it is in; `None` for every one.
    pub environments: Option<BTreeSet<String>>,
}

/// Reads one document; without a manifest there is an error among the findings.
pub fn read(document: &Node, allowed: &Allowed) -> (Option<Manifest>, Vec<Finding>) {
    let text = |key| document.get(key).and_then(Node::text);
    let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else {
        return (None, check(Form::Companion, document));
    };
    let unit = Kind::of(version, kind);
    let form = unit.map_or(Form::Companion, Form::Manifest);
    if unit.is_none()
        && let Err((message, hint)) = allowed.permit(version, kind)
    {
        let place = document.get("kind").unwrap_or(document).mark.place();
        return (None, vec![Finding::error(RuleId::CompanionKind, place, message).hint(hint)]);
    }
    let mut findings = check(form, document);
    let Some(name) = document.at(&["metadata", "name"]) else { return (None, findings) };
    let text = name.text().unwrap_or_default().to_owned();
    if let Some(kind) = unit {
        findings.extend(bad_name(kind, &text, &name.mark));
    }
    let environments = annotations::environments(document)
        .map(|named| named.into_iter().map(|(environment, _)| environment).collect());
    (Some(Manifest { unit, name: text, node: document.clone(), environments }), findings)
}
