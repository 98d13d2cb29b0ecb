//! Rules of a FlinkSessionJob.

use super::{Checked, Violation, autoscaler, cluster_name, jar, job, violation};
use crate::flink::release::Release;
use crate::rule::RuleId;

pub(super) fn check(checked: &Checked<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let cluster = checked.text("/deploymentName").unwrap_or_default();
    found.extend(cluster_name(cluster, "/spec/deploymentName"));
    found.extend(job_missing(checked));
    found.extend(cluster_changed(checked));
    found.extend(jar::check(checked));
    found.extend(on_cluster(checked));
    found.extend(last_state(checked));
    found
}

fn job_missing(checked: &Checked<'_>) -> Option<Violation> {
    let missing = checked.spec("/job").is_none();
    missing.then(|| {
        violation(RuleId::JobMissing, "/spec/job", "The job spec should not be empty", "add spec.job")
    })
}

fn cluster_changed(checked: &Checked<'_>) -> Option<Violation> {
    let before = checked.previous("/deploymentName")?;
    let changed = checked.spec("/deploymentName") != Some(before);
    let hint = "delete the job and create it on the other cluster";
    changed.then(|| {
        violation(
            RuleId::DeploymentNameChange,
            "/spec/deploymentName",
            "The deploymentName can't be changed",
            hint,
        )
    })
}

fn on_cluster(checked: &Checked<'_>) -> Vec<Violation> {
    let Some(cluster) = checked.proposal.cluster else { return Vec::new() };
    let mut found = Vec::new();
    if cluster.get("job").is_some_and(|job| !job.is_null()) {
        let message = "Can not submit session job to application cluster";
        let hint = "name a FlinkDeployment without spec.job";
        found.push(violation(RuleId::ApplicationCluster, "/spec/deploymentName", message, hint));
    }
    found.extend(job::check(checked));
    found.extend(autoscaler::check(checked));
    found
}

/// Before 1.10 there was no last state of a session job (`validateNotLastStateUpgradeMode`).
fn last_state(checked: &Checked<'_>) -> Option<Violation> {
    let refused =
        checked.proposal.release < Release::V1_10 && checked.text("/job/upgradeMode") == Some("last-state");
    let message = "The LAST_STATE upgrade mode is not supported in session job now.";
    let hint = "write upgradeMode: savepoint, or upgrade the operator to 1.10 or later";
    refused.then(|| violation(RuleId::SessionJobLastState, "/spec/job/upgradeMode", message, hint))
}
