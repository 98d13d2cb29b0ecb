//! The operator's own table of what a changed field means to it.
//!
//! Restates the `@SpecDiff` annotations of `FlinkDeploymentSpec`, `JobSpec` and `TaskManagerSpec`
//! (package `org.apache.flink.kubernetes.operator.api.spec`), which are the same in every release but for
//! what [`Release`] says.

use serde_json::Value;

use super::canonical::{self, Leaves};
use super::pointer::unescape;
use super::release::Release;

/// How strongly the operator reacts, weakest first (its `DiffType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiffType {
    /// Not at all.
    Ignore,
    /// It scales in place where it can, else it upgrades.
    Scale,
    /// It restarts the job or the cluster.
    Upgrade,
    /// It restarts from `initialSavepointPath`.
    SavepointRedeploy,
}

/// How a cluster is deployed (`spec.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeploymentMode {
    /// Flink asks Kubernetes for its TaskManagers.
    #[default]
    Native,
    /// The operator makes them.
    Standalone,
}

impl DeploymentMode {
    /// Reads `spec.mode` of a FlinkDeployment; a session job takes its cluster's.
    pub fn of(deployment_spec: &Value) -> Self {
        match deployment_spec.get("mode").and_then(Value::as_str) {
            Some("standalone") => Self::Standalone,
            _ => Self::Native,
        }
    }
}

/// A leaf that differs between two specs.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldDiff {
    /// The leaf's path, as [`canonical::leaves`] makes it.
    pub path: String,
    /// The left value.
    pub before: Option<Value>,
    /// The right value.
    pub after: Option<Value>,
    /// What it means to the operator.
    pub kind: DiffType,
}

/// The table for one comparison.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The operator's release.
    pub release: Release,
    /// How the cluster is deployed.
    pub mode: DeploymentMode,
    /// Whether one side has no `job`, and whether one has no `taskManager`: such a field is one difference.
    whole: [bool; 2],
}

impl Table {
    /// The table for going from one spec to another.
    pub fn new(release: Release, mode: DeploymentMode, left: &Value, right: &Value) -> Self {
        let absent = |spec: &Value, field: &str| spec.get(field).is_none_or(Value::is_null);
        Self { release, mode, whole: ENTERED.map(|field| absent(left, field) || absent(right, field)) }
    }

    /// What a change of one leaf, to `after`, means to the operator; `None` where it sees no difference.
    pub fn classify(&self, path: &str, after: Option<&Value>) -> Option<DiffType> {
        let standalone = self.mode == DeploymentMode::Standalone;
        if let Some(key) = path.strip_prefix("/spec/flinkConfiguration/") {
            return Some(classify_key(standalone, &unescape(key)));
        }
        if ENTERED
            .iter()
            .zip(self.whole)
            .any(|(field, whole)| whole && self.field(path) == format!("/spec/{field}"))
        {
            return Some(DiffType::Upgrade);
        }
        let nonces = self.release >= Release::V1_8;
        Some(match path {
            "/spec/job/savepointTriggerNonce"
            | "/spec/job/checkpointTriggerNonce"
            | "/spec/job/initialSavepointPath"
            | "/spec/job/upgradeMode"
            | "/spec/job/allowNonRestoredState"
            | "/spec/job/autoscalerResetNonce" => DiffType::Ignore,
            "/spec/restartNonce" if nonces && after.is_none() => return None,
            "/spec/job/savepointRedeployNonce" if !nonces || after.is_none() => return None,
            "/spec/job/savepointRedeployNonce" => DiffType::SavepointRedeploy,
            "/spec/job/parallelism" | "/spec/taskManager/replicas" if standalone => DiffType::Scale,
            _ => DiffType::Upgrade,
        })
    }

    /// The field that the operator compares as one, and counts as one difference, for a leaf below it.
    pub fn field<'p>(&self, path: &'p str) -> &'p str {
        if path.starts_with("/spec/flinkConfiguration/") {
            return path;
        }
        let entered = ENTERED.iter().zip(self.whole).any(|(field, whole)| {
            !whole
                && path
                    .strip_prefix("/spec/")
                    .and_then(|it| it.strip_prefix(field))
                    .is_some_and(|it| it.starts_with('/'))
        });
        let segments = if entered { 3 } else { 2 };
        path.match_indices('/').nth(segments).map_or(path, |(end, _)| &path[..end])
    }

    /// Every leaf in which two specs differ to the operator, by path, with its reaction.
    pub fn diff(&self, left: &Value, right: &Value) -> Vec<FieldDiff> {
        let (left, right): (Leaves, Leaves) = (canonical::leaves(left), canonical::leaves(right));
        canonical::differences(&left, &right)
            .into_iter()
            .filter_map(|(path, before, after)| {
                let kind = self.classify(path, after)?;
                Some(FieldDiff {
                    path: path.to_owned(),
                    before: before.cloned(),
                    after: after.cloned(),
                    kind,
                })
            })
            .collect()
    }
}

/// The fields the operator compares field by field.
const ENTERED: [&str; 2] = ["job", "taskManager"];

/// The operator's reaction to a set of differences: the strongest, [`DiffType::Ignore`] for none.
pub fn reaction(diffs: &[FieldDiff]) -> DiffType {
    diffs.iter().map(|diff| diff.kind).max().unwrap_or(DiffType::Ignore)
}

/// Configuration keys by prefix, first match wins; the prefixes have no trailing dot in the operator either.
fn classify_key(standalone: bool, key: &str) -> DiffType {
    let ignored = ["job.autoscaler", "parallelism.default", "kubernetes.operator"];
    if ignored.iter().any(|prefix| key.starts_with(prefix)) {
        DiffType::Ignore
    } else if !standalone && key.starts_with("pipeline.jobvertex-parallelism-overrides") {
        DiffType::Scale
    } else {
        DiffType::Upgrade
    }
}

#[cfg(test)]
mod tests;
