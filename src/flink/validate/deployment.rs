//! Rules of a FlinkDeployment.

use super::{
    Checked, Violation, autoscaler, change, cluster_name, ingress, job, key_pointer, resources, violation,
};
use crate::flink::version::FlinkVersion;
use crate::rule::RuleId;

/// The oldest release of Flink that the operator still runs.
const OLDEST: FlinkVersion = FlinkVersion::new(1, 15);
const FORBIDDEN: [&str; 3] =
    ["kubernetes.namespace", "kubernetes.cluster-id", "high-availability.cluster-id"];
const LOG_FILES: [&str; 2] = ["log4j-console.properties", "logback-console.xml"];
const ROLLBACK: &str = "kubernetes.operator.deployment.rollback.enabled";
const HEALTH_CHECK: &str = "kubernetes.operator.cluster.health-check.enabled";
const RECOVERY: &str = "kubernetes.operator.jm-deployment-recovery.enabled";

pub(super) fn check(checked: &Checked<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    found.extend(cluster_name(checked.proposal.name, "/metadata/name"));
    found.extend(flink_version(checked));
    found.extend(forbidden_keys(checked));
    found.extend(rollback(checked));
    found.extend(health_check(checked));
    found.extend(ingress::check(checked));
    found.extend(log_configuration(checked));
    found.extend(job::check(checked));
    found.extend(resources::job_manager(checked));
    found.extend(resources::task_manager(checked));
    found.extend(change::check(checked));
    found.extend(service_account(checked));
    found.extend(autoscaler::check(checked));
    found
}

fn flink_version(checked: &Checked<'_>) -> Option<Violation> {
    let pointer = "/spec/flinkVersion";
    let Some(version) = checked.text("/flinkVersion") else {
        let hint = "set spec.flinkVersion, for instance v1_20";
        return Some(violation(RuleId::FlinkVersion, pointer, "Flink Version must be defined.", hint));
    };
    if !is_supported(version) {
        let message = format!("Flink version {version} is not supported by this operator version");
        return Some(violation(RuleId::FlinkVersion, pointer, message, "use v1_15 or newer"));
    }
    version_after_last_state(checked, version)
}

fn is_supported(version: &str) -> bool {
    FlinkVersion::parse(version).is_some_and(|version| version >= OLDEST)
}

fn version_after_last_state(checked: &Checked<'_>, version: &str) -> Option<Violation> {
    let was = |pointer, value| checked.previous(pointer).is_some_and(|it| it == value);
    let forbidden = checked.has_stateful_job()
        && was("/job/state", "suspended")
        && was("/job/upgradeMode", "last-state")
        && !was("/flinkVersion", version);
    let message = "Changing flinkVersion after last-state suspend is not allowed. Restore your cluster with the current flinkVersion and perform the version upgrade afterwards.";
    let hint = "resume with the old flinkVersion first, then change it";
    forbidden.then(|| violation(RuleId::FlinkVersionAfterLastState, "/spec/flinkVersion", message, hint))
}

fn forbidden_keys(checked: &Checked<'_>) -> Option<Violation> {
    let key = FORBIDDEN.into_iter().find(|key| checked.configuration.contains_key(*key))?;
    let message = format!("Forbidden Flink config key: {key}");
    Some(violation(RuleId::ForbiddenKey, key_pointer(key), message, "remove the key: the operator sets it"))
}

fn rollback(checked: &Checked<'_>) -> Option<Violation> {
    let missing = checked.is_on(ROLLBACK, false) && !checked.has_high_availability();
    let hint = "set high-availability.type: kubernetes, or turn the rollback off";
    missing.then(|| {
        violation(
            RuleId::RollbackWithoutHa,
            key_pointer(ROLLBACK),
            "HA must be enabled for rollback support.",
            hint,
        )
    })
}

fn health_check(checked: &Checked<'_>) -> Option<Violation> {
    let missing = checked.is_on(HEALTH_CHECK, false) && !checked.is_on(RECOVERY, true);
    missing.then(|| {
        let message = format!(
            "Deployment recovery ({RECOVERY}) must be enabled for job health check ({HEALTH_CHECK}) support."
        );
        violation(
            RuleId::HealthCheckWithoutRecovery,
            key_pointer(HEALTH_CHECK),
            message,
            "turn the recovery on",
        )
    })
}

fn log_configuration(checked: &Checked<'_>) -> Option<Violation> {
    let files = checked.spec("/logConfiguration")?.as_object()?;
    let file = files.keys().find(|key| !LOG_FILES.contains(&key.as_str()))?;
    let message = format!("Invalid log config key: {file}. Allowed keys are [{}]", LOG_FILES.join(", "));
    let pointer = format!("/spec/logConfiguration/{}", crate::flink::pointer::escape(file));
    Some(violation(RuleId::LogConfiguration, pointer, message, "rename the key"))
}

fn service_account(checked: &Checked<'_>) -> Option<Violation> {
    let message = "spec.serviceAccount must be defined. If you use helm, its value should be the same with the name of jobServiceAccount.";
    let hint = "set spec.serviceAccount, usually flink";
    checked
        .text("/serviceAccount")
        .is_none()
        .then(|| violation(RuleId::ServiceAccount, "/spec/serviceAccount", message, hint))
}
