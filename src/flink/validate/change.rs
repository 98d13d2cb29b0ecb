//! Rules of a FlinkDeployment's change: what cannot become what.

use super::{Checked, Violation, violation};
use crate::flink::diff::DeploymentMode;
use crate::rule::RuleId;

pub(super) fn check(checked: &Checked<'_>) -> Vec<Violation> {
    if checked.proposal.previous.is_none() {
        return Vec::new();
    }
    [role(checked), mode(checked), redeploy(checked)].into_iter().flatten().collect()
}

fn role(checked: &Checked<'_>) -> Option<Violation> {
    let message = match (checked.previous("/job").is_some(), checked.spec("/job").is_some()) {
        (false, true) => "Cannot switch from session to job cluster",
        (true, false) => "Cannot switch from job to session cluster",
        _ => return None,
    };
    Some(violation(RuleId::RoleChange, "/spec/job", message, "delete the resource and create it anew"))
}

fn mode(checked: &Checked<'_>) -> Option<Violation> {
    let before = checked.proposal.previous.map(DeploymentMode::of)?;
    let message = match (before, DeploymentMode::of(checked.proposal.spec)) {
        (DeploymentMode::Native, DeploymentMode::Standalone) => {
            "Cannot switch from native kubernetes to standalone kubernetes cluster"
        }
        (DeploymentMode::Standalone, DeploymentMode::Native) => {
            "Cannot switch from standalone kubernetes to native kubernetes cluster"
        }
        _ => return None,
    };
    Some(violation(RuleId::ModeChange, "/spec/mode", message, "delete the resource and create it anew"))
}

fn redeploy(checked: &Checked<'_>) -> Option<Violation> {
    let nonce = checked.spec("/job/savepointRedeployNonce")?;
    checked.previous("/job")?;
    let changed = checked.previous("/job/savepointRedeployNonce") != Some(nonce);
    let path = checked.text("/job/initialSavepointPath").is_some_and(|path| !path.trim().is_empty());
    let message = "InitialSavepointPath must not be empty for savepoint redeployment";
    let hint = "set spec.job.initialSavepointPath to the savepoint to restore";
    (changed && !path)
        .then(|| violation(RuleId::RedeployWithoutPath, "/spec/job/initialSavepointPath", message, hint))
}
