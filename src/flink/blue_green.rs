//! What a change of a `FlinkBlueGreenDeployment` means to the operator (`FlinkBlueGreenDeploymentSpecDiff`).

use serde_json::Value;

use super::canonical;
use super::diff::{DeploymentMode, DiffType, Table, reaction};
use super::release::Release;

/// What the operator does about a changed spec (its `BlueGreenDiffType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlueGreenDiffType {
    /// Nothing: the template's spec is equal.
    Ignore,
    /// The running child is changed in place, which does not restart it.
    PatchChild,
    /// A second child is started beside the running one, which it then replaces.
    Transition,
    /// The running child is suspended in place.
    Suspend,
    /// The suspended child runs again.
    Resume,
    /// A second child starts from the savepoint that the template names.
    SavepointRedeploy,
}

/// What going from one `spec` to another means; `None` where one has no `template.spec`, which the operator
/// cannot compare. Only the template's spec counts: not its metadata, `configuration` or `ingress`.
///
/// Up to 1.14 there are only `Ignore`, `PatchChild` and `Transition`.
pub fn diff_type(
    release: Release,
    mode: DeploymentMode,
    left: &Value,
    right: &Value,
) -> Option<BlueGreenDiffType> {
    let (left, right) = (template(left)?, template(right)?);
    if release >= Release::V1_15 && is_suspended(left) != is_suspended(right) {
        return Some(if is_suspended(right) {
            BlueGreenDiffType::Suspend
        } else {
            BlueGreenDiffType::Resume
        });
    }
    let table = Table::new(release, mode, left, right);
    Some(match reaction(&table.diff(left, right)) {
        DiffType::SavepointRedeploy if release >= Release::V1_15 => BlueGreenDiffType::SavepointRedeploy,
        DiffType::Ignore if is_equal(left, right) => BlueGreenDiffType::Ignore,
        DiffType::Ignore => BlueGreenDiffType::PatchChild,
        _ => BlueGreenDiffType::Transition,
    })
}

fn template(spec: &Value) -> Option<&Value> {
    spec.pointer("/template/spec").filter(|spec| spec.is_object())
}

fn is_suspended(spec: &Value) -> bool {
    spec.pointer("/job/state").is_some_and(|state| state == "suspended")
}

fn is_equal(left: &Value, right: &Value) -> bool {
    canonical::differences(&canonical::leaves(left), &canonical::leaves(right)).is_empty()
}

#[cfg(test)]
mod tests {
    use BlueGreenDiffType::{Ignore, PatchChild, Resume, SavepointRedeploy, Suspend, Transition};
    use serde_json::json;

    use super::*;

    fn base() -> Value {
        json!({"configuration": {"k": "1"}, "template": {"metadata": {"labels": {"a": "1"}}, "spec": {
            "image": "flink:1.20", "flinkVersion": "v1_20", "flinkConfiguration": {"taskmanager.numberOfTaskSlots": "2"},
            "jobManager": {"resource": {"memory": "1g"}}, "taskManager": {"resource": {"memory": "1g"}},
            "job": {"jarURI": "local:///a.jar", "parallelism": 2, "state": "running", "upgradeMode": "savepoint"}}}})
    }

    fn with(edits: &[(&str, Value)]) -> Value {
        let mut spec = base();
        for (pointer, value) in edits {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            spec.pointer_mut(parent).unwrap()[field] = value.clone();
        }
        spec
    }

    /// Each row for both modes, at each line of releases from `since` on.
    fn row(since: Release, left: &Value, right: &Value, expected: BlueGreenDiffType) {
        for release in Release::ALL.into_iter().filter(|release| *release >= since) {
            for mode in [DeploymentMode::Native, DeploymentMode::Standalone] {
                let found = diff_type(release, mode, left, right);
                assert_eq!(found, Some(expected), "{release:?} {mode:?}: {right}");
            }
        }
    }

    const SPEC: &str = "/template/spec";

    #[test]
    fn equal_templates_are_ignored() {
        row(Release::V1_8, &base(), &base(), Ignore);
        row(Release::V1_8, &base(), &with(&[("/template/metadata/labels/a", json!("2"))]), Ignore);
        row(Release::V1_8, &base(), &with(&[("/configuration/k", json!("2"))]), Ignore);
        for process in ["", "/jobManager", "/taskManager"] {
            let template = |extra: Value| with(&[(&format!("{SPEC}{process}/podTemplate"), extra)]);
            let (plain, more) =
                (json!({"spec": {"hostname": "a"}}), json!({"apiVersion": "v1", "spec": {"hostname": "a"}}));
            row(Release::V1_8, &template(plain), &template(more), Ignore);
        }
    }

    #[test]
    fn a_state_goes_before_all_else() {
        let suspended = with(&[
            ("/template/spec/job/state", json!("suspended")),
            ("/template/spec/job/parallelism", json!(9)),
            ("/template/spec/job/savepointRedeployNonce", json!(1)),
        ]);
        row(Release::V1_15, &base(), &suspended, Suspend);
        row(Release::V1_15, &suspended, &base(), Resume);
        assert_eq!(
            diff_type(
                Release::V1_8,
                DeploymentMode::Native,
                &base(),
                &with(&[("/template/spec/job/state", json!("suspended"))])
            ),
            Some(Transition)
        );
    }

    #[test]
    fn a_redeploy_nonce_goes_before_other_changes() {
        let nonce = ("/template/spec/job/savepointRedeployNonce", json!(1));
        for other in [
            nonce.clone(),
            ("/template/spec/job/jarURI", json!("local:///b.jar")),
            ("/template/spec/job/parallelism", json!(5)),
            ("/template/spec/flinkVersion", json!("v2_0")),
            ("/configuration/k", json!("2")),
        ] {
            row(Release::V1_15, &base(), &with(&[nonce.clone(), other]), SavepointRedeploy);
        }
        assert_eq!(
            diff_type(Release::V1_8, DeploymentMode::Native, &base(), &with(&[nonce])),
            Some(Transition)
        );
    }

    #[test]
    fn what_restarts_nothing_is_patched_into_the_child() {
        for edit in [
            ("/template/spec/job/upgradeMode", json!("last-state")),
            ("/template/spec/job/allowNonRestoredState", json!(true)),
            ("/template/spec/job/initialSavepointPath", json!("s3://a")),
            ("/template/spec/job/savepointTriggerNonce", json!(1)),
            ("/template/spec/flinkConfiguration/kubernetes.operator.reconcile.interval", json!("1 s")),
        ] {
            row(Release::V1_8, &base(), &with(std::slice::from_ref(&edit)), PatchChild);
            row(Release::V1_8, &base(), &with(&[edit, ("/configuration/k", json!("2"))]), PatchChild);
        }
    }

    #[test]
    fn everything_else_is_a_transition() {
        for edit in
            [("/template/spec/job/parallelism", json!(5)), ("/template/spec/flinkVersion", json!("v2_0"))]
        {
            row(Release::V1_8, &base(), &with(std::slice::from_ref(&edit)), Transition);
            row(Release::V1_8, &base(), &with(&[edit, ("/configuration/k", json!("2"))]), Transition);
        }
    }

    #[test]
    fn without_a_template_there_is_nothing_to_compare() {
        for broken in [Value::Null, json!({}), json!({"template": null}), json!({"template": {"spec": null}})]
        {
            for (left, right) in [(&broken, &base()), (&base(), &broken)] {
                assert_eq!(diff_type(Release::V1_15, DeploymentMode::Native, left, right), None, "{broken}");
            }
        }
    }
}
