//! What the operator refuses: its validation rules as a function of values.
//!
//! Restates `DefaultValidator` and `AutoscalerValidator` of operator 1.15.0, in their order and in
//! their words, as far as the rules are facts of the spec: no host name is resolved here. What only earlier
//! releases refused comes after.

mod autoscaler;
mod blue_green;
mod change;
mod confluent;
mod deployment;
mod ingress;
mod jar;
mod job;
mod periods;
mod resources;
mod session_job;
mod snapshot;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use super::config;
use super::kind::Kind;
use super::pointer::At as _;
use super::release::Release;
use crate::rule::RuleId;

/// Operator option: the schemes a session job's `jarURI` may have. Only the operator's own value counts.
pub const ALLOWED_SCHEMES: &str = "kubernetes.operator.user.artifacts.allowed-schemes";

/// A spec as it is about to be given to the operator, with all that its rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Proposal<'a> {
    /// The resource's kind.
    pub kind: Kind,
    /// `metadata.name`.
    pub name: &'a str,
    /// The new `spec`.
    pub spec: &'a Value,
    /// The spec inside `lastReconciledSpec`, whose `job.state` and `job.upgradeMode` are what was really
    /// done; `None` before the first deployment.
    pub previous: Option<&'a Value>,
    /// The operator's own configuration: defaults for every resource. Where it does not say
    /// [`ALLOWED_SCHEMES`], the scheme of a `jarURI` is not judged.
    pub operator: &'a BTreeMap<String, String>,
    /// The spec of the session job's cluster, where it is known.
    pub cluster: Option<&'a Value>,
    /// The operator's release, or the newest that it may be.
    pub release: Release,
}

/// One reason for which the operator refuses a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// A stable id of the rule.
    pub rule: RuleId,
    /// JSON pointer into the manifest.
    pub pointer: String,
    /// The operator's message.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

/// Lists every violated rule, in the operator's order: the first one is what the operator would say.
pub fn validate(proposal: &Proposal<'_>) -> Vec<Violation> {
    let checked = Checked::of(proposal);
    match proposal.kind {
        Kind::FlinkDeployment => deployment::check(&checked),
        Kind::FlinkSessionJob => session_job::check(&checked),
        Kind::FlinkStateSnapshot => snapshot::check(&checked),
        Kind::FlinkBlueGreenDeployment => blue_green::check(&checked),
        Kind::FlinkApplication | Kind::FlinkEnvironment => confluent::check(&checked),
    }
}

/// A proposal with its effective configuration.
struct Checked<'a> {
    proposal: &'a Proposal<'a>,
    configuration: BTreeMap<String, String>,
}

impl<'a> Checked<'a> {
    fn of(proposal: &'a Proposal<'a>) -> Self {
        let configuration = config::layered(proposal.operator, proposal.cluster, proposal.spec);
        Self { proposal, configuration }
    }

    fn spec(&self, pointer: &str) -> Option<&'a Value> {
        self.proposal.spec.at(pointer).filter(|value| !value.is_null())
    }

    fn text(&self, pointer: &str) -> Option<&'a str> {
        self.spec(pointer).and_then(Value::as_str)
    }

    fn previous(&self, pointer: &str) -> Option<&'a Value> {
        self.proposal.previous?.at(pointer).filter(|value| !value.is_null())
    }

    fn is_on(&self, key: &str, default: bool) -> bool {
        self.configuration.get(key).map_or(default, |value| value.eq_ignore_ascii_case("true"))
    }

    fn has_high_availability(&self) -> bool {
        config::has_high_availability(&self.configuration)
    }

    fn has_stateful_job(&self) -> bool {
        self.spec("/job").is_some() && self.text("/job/upgradeMode").is_some_and(|mode| mode != "stateless")
    }
}

fn violation(
    rule: RuleId,
    pointer: impl Into<String>,
    message: impl Into<String>,
    hint: &'static str,
) -> Violation {
    Violation { rule, pointer: pointer.into(), message: message.into(), hint }
}

/// Pointer to one key of the configuration.
fn key_pointer(key: &str) -> String {
    format!("/spec/flinkConfiguration/{}", super::pointer::escape(key))
}

/// Rule shared by FlinkDeployments and the cluster a session job names.
fn cluster_name(name: &str, pointer: &str) -> Option<Violation> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let valid = name.len() <= 45
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(inner);
    (!valid).then(|| {
        let message = format!(
            "The FlinkDeployment name: {name} is invalid, must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123'), and the length must be no more than 45 characters."
        );
        violation(RuleId::Name, pointer, message, "shorten or respell the name")
    })
}
