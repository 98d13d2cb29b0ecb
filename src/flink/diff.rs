//! The operator's own table of what a changed field means to it.
//!
//! Restates the `@SpecDiff` annotations of `FlinkDeploymentSpec`, `JobSpec` and `TaskManagerSpec`
//! (package `org.apache.flink.kubernetes.operator.api.spec`).

use serde_json::Value;

use super::canonical;

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
    /// JSON pointer into the manifest, as [`canonical::leaves`] makes it.
    pub path: String,
    /// The left value.
    pub before: Option<Value>,
    /// The right value.
    pub after: Option<Value>,
    /// What it means to the operator.
    pub kind: DiffType,
}

/// Every leaf that differs between two specs, by path, with the operator's reaction to it.
pub fn diff(mode: DeploymentMode, left: &Value, right: &Value) -> Vec<FieldDiff> {
    let mut right = canonical::leaves(right);
    let mut diffs = Vec::new();
    let mut push = |path: String, before: Option<Value>, after: Option<Value>| {
        let kind = classify(mode, &path, after.as_ref());
        diffs.push(FieldDiff { path, before, after, kind });
    };
    for (path, before) in canonical::leaves(left) {
        match right.remove(&path) {
            Some(after) if after == before => {}
            after => push(path, Some(before), after),
        }
    }
    for (path, after) in right {
        push(path, None, Some(after));
    }
    diffs.sort_by(|a, b| a.path.cmp(&b.path));
    diffs
}

/// The operator's reaction to a set of differences: the strongest, [`DiffType::Ignore`] for none.
pub fn reaction(diffs: &[FieldDiff]) -> DiffType {
    diffs.iter().map(|diff| diff.kind).max().unwrap_or(DiffType::Ignore)
}

/// What a change of one field, to `after`, means to the operator.
pub fn classify(mode: DeploymentMode, path: &str, after: Option<&Value>) -> DiffType {
    let standalone = mode == DeploymentMode::Standalone;
    if let Some(key) = path.strip_prefix("/spec/flinkConfiguration/") {
        return classify_key(standalone, &canonical::unescape(key));
    }
    match path {
        "/spec/job/savepointTriggerNonce"
        | "/spec/job/checkpointTriggerNonce"
        | "/spec/job/initialSavepointPath"
        | "/spec/job/upgradeMode"
        | "/spec/job/allowNonRestoredState"
        | "/spec/job/autoscalerResetNonce" => DiffType::Ignore,
        "/spec/restartNonce" | "/spec/job/savepointRedeployNonce" if after.is_none() => DiffType::Ignore,
        "/spec/job/savepointRedeployNonce" => DiffType::SavepointRedeploy,
        "/spec/job/parallelism" | "/spec/taskManager/replicas" if standalone => DiffType::Scale,
        _ => DiffType::Upgrade,
    }
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
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "literals read better by value")]
    fn reaction_to(mode: DeploymentMode, left: Value, right: Value) -> DiffType {
        reaction(&diff(mode, &left, &right))
    }

    #[test]
    fn equal_specs_have_no_difference() {
        let spec = json!({"job": {"jarURI": "a", "parallelism": 2}, "flinkConfiguration": {"a": {"b": 1}}});
        let respelt =
            json!({"job": {"jarURI": "a", "parallelism": 2, "args": []}, "flinkConfiguration": {"a.b": "1"}});
        assert!(diff(DeploymentMode::Native, &spec, &respelt).is_empty());
    }

    #[test]
    fn what_the_operator_ignores() {
        let left = json!({"job": {}});
        let right = json!({
            "job": {"upgradeMode": "last-state", "allowNonRestoredState": true, "initialSavepointPath": "x",
                    "savepointTriggerNonce": 123},
            "flinkConfiguration": {"kubernetes.operator.reconcile.interval": "1 s", "parallelism.default": 2,
                    "job": {"autoscaler": {"metrics": {"window": "1m"}}}},
        });
        let diffs = diff(DeploymentMode::Native, &left, &right);
        assert_eq!((diffs.len(), reaction(&diffs)), (7, DiffType::Ignore));
    }

    #[test]
    fn parallelism_depends_on_the_mode() {
        let of = |n| json!({"job": {"parallelism": n}});
        assert_eq!(reaction_to(DeploymentMode::Native, of(1), of(2)), DiffType::Upgrade);
        assert_eq!(reaction_to(DeploymentMode::Standalone, of(1), of(2)), DiffType::Scale);
    }

    #[test]
    fn overrides_depend_on_the_mode() {
        let of = |v: &str| json!({"flinkConfiguration": {"pipeline.jobvertex-parallelism-overrides": v}});
        assert_eq!(reaction_to(DeploymentMode::Native, of("a:1"), of("a:2")), DiffType::Scale);
        assert_eq!(reaction_to(DeploymentMode::Standalone, of("a:1"), of("a:2")), DiffType::Upgrade);
    }

    #[test]
    fn a_nonce_set_to_null_is_nothing() {
        let with = json!({"restartNonce": 1, "job": {"savepointRedeployNonce": 2}});
        let without = json!({"job": {}});
        assert_eq!(reaction_to(DeploymentMode::Native, with.clone(), without.clone()), DiffType::Ignore);
        assert_eq!(reaction_to(DeploymentMode::Native, without, with), DiffType::SavepointRedeploy);
    }

    #[test]
    fn everything_else_restarts() {
        for (left, right) in [
            (json!({"image": "a"}), json!({"image": "b"})),
            (
                json!({"ingress": {"template": "x"}}),
                json!({"ingress": {"template": "x", "labels": {"a": "b"}}}),
            ),
            (
                json!({"jobManager": {"resource": {"memory": "1g"}}}),
                json!({"jobManager": {"resource": {"memory": "2g"}}}),
            ),
            (json!({"job": {"state": "running"}}), json!({"job": {"state": "suspended"}})),
            (json!({"flinkConfiguration": {"a": 1}}), json!({})),
        ] {
            assert_eq!(reaction_to(DeploymentMode::Native, left, right), DiffType::Upgrade);
        }
    }
}
