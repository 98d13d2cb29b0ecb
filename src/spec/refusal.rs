//! What the operator would refuse, said at the line in Git that causes it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::finding::Finding;
use super::object::RenderedUnit;
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
    let place = unit.manifest.place_of(pointer);
    let finding = if CONFIGURABLE.contains(rule) {
        let message = format!("refused unless the operator's own configuration says otherwise: {message}");
        Finding::warning(rule, place, message)
    } else {
        Finding::error(rule, place, format!("refused by the operator: {message}"))
    };
    finding.hint(*hint).unit(&unit.key.name)
}
