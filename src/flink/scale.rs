//! Whether the operator can change a job's parallelism in place, or has to restart it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::diff::DeploymentMode;

/// Turns scaling in place off.
const IN_PLACE: &str = "kubernetes.operator.job.upgrade.inplace-scaling.enabled";

/// Says what keeps the operator from scaling in place; nothing where it can (`NativeFlinkService.scale`,
/// `StandaloneFlinkService.scale`). `deployment` is the spec of the FlinkDeployment the job runs in,
/// `configuration` what the job runs with.
pub fn obstacle(deployment: &Value, configuration: &BTreeMap<String, String>) -> Option<&'static str> {
    let is = |key: &str, value: &str| configuration.get(key).is_some_and(|it| it.eq_ignore_ascii_case(value));
    if DeploymentMode::of(deployment) == DeploymentMode::Standalone {
        return (!is("scheduler-mode", "reactive")).then_some("scheduler-mode is not REACTIVE");
    }
    let version = deployment.get("flinkVersion").and_then(Value::as_str).unwrap_or_default();
    if !is("jobmanager.scheduler", "adaptive") {
        Some("jobmanager.scheduler is not adaptive")
    } else if version < "v1_18" {
        Some("Flink can do it only from 1.18 on")
    } else if is(IN_PLACE, "false") {
        Some("it is turned off by kubernetes.operator.job.upgrade.inplace-scaling.enabled")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flink::config::flatten;

    #[test]
    fn native_needs_the_adaptive_scheduler_of_flink_1_18() {
        let of = |version: &str, configuration| {
            obstacle(&json!({"flinkVersion": version}), &flatten(&configuration)).is_none()
        };
        assert!(of("v1_18", json!({"jobmanager": {"scheduler": "Adaptive"}})));
        assert!(of("v2_0", json!({"jobmanager.scheduler": "adaptive"})));
        assert!(!of("v1_17", json!({"jobmanager.scheduler": "adaptive"})));
        assert!(!of("v1_18", json!({})));
        assert!(!of("v1_18", json!({"jobmanager.scheduler": "adaptive", IN_PLACE: false})));
    }

    #[test]
    fn standalone_needs_the_reactive_mode() {
        let of = |configuration| obstacle(&json!({"mode": "standalone"}), &flatten(&configuration)).is_none();
        assert!(of(json!({"scheduler-mode": "REACTIVE"})));
        assert!(!of(json!({"jobmanager.scheduler": "adaptive"})));
    }
}
