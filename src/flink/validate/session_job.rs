//! Rules of a FlinkSessionJob.

use url::{Host, Url};

use super::{ALLOWED_SCHEMES, Checked, Violation, autoscaler, cluster_name, job, violation};
use crate::flink::release::Release;
use crate::rule::RuleId;

/// Operator option: whether jars come from anywhere but the operator's own host and private networks. Only the operator's
/// own value counts.
const RESTRICTED: &str = "kubernetes.operator.user.artifacts.disallow-restricted-hosts";

pub(super) fn check(checked: &Checked<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let cluster = checked.text("/deploymentName").unwrap_or_default();
    found.extend(cluster_name(cluster, "/spec/deploymentName"));
    found.extend(job_missing(checked));
    found.extend(cluster_changed(checked));
    found.extend(jar(checked));
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

/// The operator judges it from 1.15 on.
fn jar(checked: &Checked<'_>) -> Option<Violation> {
    if checked.proposal.release < Release::V1_15 {
        return None;
    }
    let uri = checked.text("/job/jarURI")?;
    let refuse = |message: String, hint| Some(violation(RuleId::JarUri, "/spec/job/jarURI", message, hint));
    let (scheme, restricted) = match Url::parse(uri) {
        Ok(parsed) => (parsed.scheme().to_owned(), restricted(&parsed)),
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            return refuse("jarURI must include a scheme".into(), "write it like https://host/job.jar");
        }
        Err(error) => {
            return refuse(
                format!("jarURI is not a valid URI: {error}"),
                "write it like https://host/job.jar",
            );
        }
    };
    let is_judged =
        checked.proposal.operator.get(RESTRICTED).is_none_or(|it| !it.eq_ignore_ascii_case("false"));
    if let Some(host) = restricted.filter(|_| is_judged) {
        let message = format!("jarURI host '{host}' resolves to a restricted address");
        return refuse(message, "serve the jar from a host that is not the operator's own, nor private");
    }
    let allowed = checked.proposal.operator.get(ALLOWED_SCHEMES)?;
    let mut allowed: Vec<&str> = allowed.split([';', ',']).map(str::trim).collect();
    allowed.sort_unstable();
    if allowed.iter().any(|it| it.eq_ignore_ascii_case(&scheme)) {
        return None;
    }
    let message = format!(
        "jarURI scheme '{scheme}' is not in the allowlist [{}]. Configure '{ALLOWED_SCHEMES}' to extend the allowlist.",
        allowed.join(", ")
    );
    refuse(message, "serve the jar by an allowed scheme, or extend the operator's allowlist")
}

/// The host of an address over HTTP, where it is plain that the operator does not fetch from it: no name is resolved
/// but `localhost`.
fn restricted(uri: &Url) -> Option<String> {
    let is_restricted = match uri.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => {
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
        }
        Host::Ipv6(ip) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local()
        }
    };
    let by_http = ["http", "https"].contains(&uri.scheme());
    (by_http && is_restricted).then(|| uri.host_str().unwrap_or_default().to_owned())
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
