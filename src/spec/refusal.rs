//! What the operator would refuse, said at the line in Git that causes it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::finding::{Finding, Place};
use super::node::Node;
use super::object::RenderedUnit;
use crate::flink::canonical::unescape;
use crate::flink::kind::UnitKey;
use crate::flink::validate::{Proposal, Violation, validate};

/// Rules that the operator's own configuration can satisfy: it lies under that of every resource.
const CONFIGURABLE: [&str; 9] = [
    "checkpoint-directory",
    "jar-uri",
    "memory",
    "rollback-without-ha",
    "savepoint-directory",
    "savepoint-directory-for-max-age",
    "savepoint-directory-for-nonce",
    "savepoint-directory-for-periodic",
    "standby-without-ha",
];

/// The spec of each unit of an environment that is known so far.
pub type Specs = BTreeMap<UnitKey, Value>;

/// Everything for which the operator would refuse a unit if it were new.
pub fn findings(unit: &RenderedUnit, specs: &Specs) -> Vec<Finding> {
    let Some(spec) = specs.get(&unit.key) else { return Vec::new() };
    let cluster = unit.key.cluster(spec).and_then(|key| specs.get(&key));
    let proposal = Proposal {
        kind: unit.key.kind,
        name: &unit.key.name,
        spec,
        previous: None,
        operator: &BTreeMap::new(),
        cluster,
    };
    validate(&proposal).iter().map(|violation| finding(unit, violation)).collect()
}

fn finding(unit: &RenderedUnit, violation: &Violation) -> Finding {
    let Violation { rule, pointer, message, hint } = violation;
    let place = place(&unit.manifest, pointer);
    let finding = if CONFIGURABLE.contains(rule) {
        let message = format!("refused unless the operator's own configuration says otherwise: {message}");
        Finding::warning(rule, place, message)
    } else {
        Finding::error(rule, place, format!("refused by the operator: {message}"))
    };
    finding.hint(*hint).unit(&unit.key.name)
}

/// Where a value is written: itself, or the key of a whole map; where it is missing, the key it should
/// be under.
fn place(manifest: &Node, pointer: &str) -> Place {
    let (mut node, mut key) = (manifest, &manifest.mark);
    for segment in pointer.split('/').skip(1).map(unescape) {
        let mut rest = segment.as_str();
        while !rest.is_empty() {
            let Some((name, below)) = step(node, rest) else { return key.place() };
            let Some(next) = node.get(name) else { return key.place() };
            (node, key, rest) = (next, node.key_mark(name), below);
        }
    }
    if node.members().is_some() { key.place() } else { node.mark.place() }
}

/// The member that a name leads to, and what is left of the name: a key of Flink's configuration may be
/// nested at any of its dots.
fn step<'a>(node: &'a Node, name: &'a str) -> Option<(&'a str, &'a str)> {
    if node.get(name).is_some() {
        return Some((name, ""));
    }
    let mut dots = name.match_indices('.').map(|(at, _)| (&name[..at], &name[at + 1..]));
    dots.find(|(head, _)| node.get(head).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::source::Limits;
    use crate::spec::yaml;

    #[test]
    fn a_violation_stands_where_its_value_or_the_nearest_key_is() {
        let text = "spec:\n  flinkConfiguration:\n    kubernetes.operator:\n      cluster: {health-check.enabled: true}\n  job:\n    parallelism: 0\n";
        let read = yaml::read("job.yaml", text.as_bytes(), &Limits::default()).unwrap();
        let node = &read[0];
        let at = |pointer: &str| {
            let place = place(node, pointer);
            (place.line, place.column)
        };
        assert_eq!(at("/spec/job/parallelism"), (6, 18));
        assert_eq!(at("/spec/job/jarURI"), (5, 3));
        assert_eq!(at("/spec/flinkVersion"), (1, 1));
        assert_eq!(at("/spec/flinkConfiguration"), (2, 3));
        let key = "/spec/flinkConfiguration/kubernetes.operator.cluster.health-check.enabled";
        assert_eq!(at(key), (4, 39));
        assert_eq!(at("/spec/flinkConfiguration/kubernetes.namespace"), (2, 3));
    }
}
