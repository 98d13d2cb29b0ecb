//! What a change of a `FlinkBlueGreenDeployment` means to the operator (`FlinkBlueGreenDeploymentSpecDiff`).

use serde_json::{Value, json};

use super::canonical;
use super::diff::{DeploymentMode, DiffType, Table, reaction};
use super::health::{Health, Verdict, describe};
use super::kind::deployment;
use super::pointer::At as _;
use super::release::Release;
use super::status::Status;

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

/// Whether the operator has taken up this spec: it notes the one that it acts upon.
pub fn has_acted(spec: &Value, status: &Status) -> bool {
    let last = status.last_reconciled.as_ref().and_then(|last| last.template.as_ref());
    last.is_some_and(|template| {
        let last = json!({ "template": template });
        let mode = DeploymentMode::of(deployment(spec));
        diff_type(Release::default(), mode, &last, spec) == Some(BlueGreenDiffType::Ignore)
    })
}

/// Whether it is between two deployments: a change by then goes into the one that is starting.
pub fn is_between(status: &Status) -> bool {
    ["TRANSITIONING", "SAVEPOINTING"].iter().any(|word| status.lifecycle.starts_with(word))
}

/// Judges one read (`BlueGreenDeploymentService`): it rests while one of its deployments is active and runs. A
/// deployment that did not become ready in time was given up, and the one before runs on (`abortDeployment`).
pub fn judge(spec: &Value, status: &Status) -> Verdict {
    let active = status.lifecycle.starts_with("ACTIVE_");
    let acted = has_acted(spec, status);
    let suspended = is_suspended(deployment(spec));
    let given_up = status.error.as_deref().is_some_and(|error| error.starts_with("Aborting deployment"));
    let health = match status.job.as_str() {
        _ if !status.present || !acted => Health::Progressing,
        "FAILING" if given_up => Health::RolledBack,
        "FAILING" | "FAILED" => Health::Failed,
        "SUSPENDED" if active && suspended => Health::Suspended,
        "RUNNING" if active && !suspended => Health::Settled,
        _ => Health::Progressing,
    };
    let message = if !status.present || (!acted && active) {
        "the operator has not acted on it yet".to_owned()
    } else {
        describe(if status.job.is_empty() { &status.lifecycle } else { &status.job }, status)
    };
    Verdict { health, message }
}

fn template(spec: &Value) -> Option<&Value> {
    spec.at("/template/spec").filter(|spec| spec.is_object())
}

fn is_suspended(spec: &Value) -> bool {
    spec.at("/job/state").is_some_and(|state| state == "suspended")
}

fn is_equal(left: &Value, right: &Value) -> bool {
    canonical::differences(&canonical::leaves(left), &canonical::leaves(right)).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use BlueGreenDiffType::{Ignore, PatchChild, Resume, SavepointRedeploy, Suspend, Transition};

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
    fn it_rests_while_one_deployment_is_active_and_runs() {
        let of = |state: &str, job: &str, last: &Value, error: Option<&str>| {
            let last = json!({ "spec": last }).to_string();
            let status = json!({"blueGreenState": state, "jobStatus": {"state": job}, "lastReconciledSpec": last, "error": error});
            judge(&base(), &Status::parse(&status)).health
        };
        assert_eq!(of("ACTIVE_BLUE", "RUNNING", &base(), None), Health::Settled);
        assert_eq!(of("ACTIVE_GREEN", "RUNNING", &base(), None), Health::Settled);
        let before = with(&[("/template/spec/image", json!("flink:1.19"))]);
        assert_eq!(of("ACTIVE_BLUE", "RUNNING", &before, None), Health::Progressing, "not seen yet");
        assert_eq!(of("TRANSITIONING_TO_GREEN", "RECONCILING", &base(), None), Health::Progressing);
        assert_eq!(of("SAVEPOINTING_BLUE", "RUNNING", &before, None), Health::Progressing);
        let aborted = Some("Aborting deployment 'a-green', rolling B/G deployment back to ACTIVE_BLUE");
        assert_eq!(of("ACTIVE_BLUE", "FAILING", &base(), aborted), Health::RolledBack);
        let swallowed =
            Some("Transition to GREEN not possible, current Flink Deployment 'a-blue' is not READY.");
        assert_eq!(of("ACTIVE_BLUE", "FAILING", &base(), swallowed), Health::Failed);
        assert_eq!(judge(&base(), &Status::default()).health, Health::Progressing);
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
