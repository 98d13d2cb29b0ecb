//! What the operator says about a resource, read once from wherever its version keeps it.

use serde::Deserialize;
use serde_json::Value;

use super::pointer::At as _;

/// The spec the operator acted upon last, from the JSON string it keeps in the status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LastReconciled {
    /// `job.state` of that spec; during an upgrade the operator writes `suspended` here by itself.
    pub job_state: Option<String>,
    /// The upgrade mode that was really used, which need not be the one in the resource.
    pub upgrade_mode: Option<String>,
    /// `job.savepointRedeployNonce` of that spec: the last restore that the operator was told and has begun.
    pub redeploy_nonce: Option<i64>,
    /// The generation of that spec, on operators that keep it here (before 1.8).
    pub generation: Option<i64>,
    /// The template of a blue/green deployment in it.
    pub template: Option<Value>,
}

/// `status` of a unit, across operator versions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Whether the operator has written any status at all.
    pub present: bool,
    /// The generation the operator has acted upon.
    pub generation: Option<i64>,
    /// `lifecycleState`, such as `STABLE`; of a snapshot its `state`, such as `COMPLETED`;
    /// of a blue/green deployment its `blueGreenState`.
    pub lifecycle: String,
    /// How Confluent for Kubernetes says it is doing (`cfkInternalState`, such as `CREATED`).
    pub internal: String,
    /// Whether Confluent Manager has it (`cmfSync.status`, such as `Created`).
    pub sync: String,
    /// `jobStatus.state`, such as `RUNNING`.
    pub job: String,
    /// `jobManagerDeploymentStatus`, such as `READY`.
    pub job_manager: String,
    /// `reconciliationStatus.state`, such as `DEPLOYED`.
    pub reconciliation: String,
    /// The type of `error`, the last part of the Java class; empty for plain text.
    pub error_type: String,
    /// The message of `error`.
    pub error: Option<String>,
    /// The spec acted upon last.
    pub last_reconciled: Option<LastReconciled>,
    /// The path the next stateful restore would use, wherever this version keeps it; what a snapshot led to.
    pub savepoint: Option<String>,
    /// Whether that is what the operator stopped the job with, and not one taken while it went on.
    pub savepoint_is_final: bool,
}

impl Status {
    /// Reads a status value; null gives the empty status.
    pub fn parse(status: &Value) -> Self {
        let text = |pointer: &str| status.at(pointer).and_then(Value::as_str).map(str::to_owned);
        let last = text("/reconciliationStatus/lastReconciledSpec").or_else(|| text("/lastReconciledSpec"));
        let last_reconciled = last.and_then(|spec| LastReconciled::parse(&spec));
        let (error_type, error) = parse_error(text("/error").or_else(|| text("/cmfSync/errorMessage")));
        let trigger = text("/jobStatus/savepointInfo/lastSavepoint/triggerType");
        let upgrade = text("/jobStatus/upgradeSavepointPath").is_some_and(|path| !path.is_empty());
        Self {
            savepoint_is_final: upgrade || trigger.as_deref() == Some("UPGRADE"),
            present: status.as_object().is_some_and(|map| !map.is_empty()),
            generation: status
                .get("observedGeneration")
                .and_then(Value::as_i64)
                .or_else(|| last_reconciled.as_ref()?.generation),
            lifecycle: ["/lifecycleState", "/blueGreenState", "/state"]
                .into_iter()
                .find_map(text)
                .unwrap_or_default(),
            internal: text("/cfkInternalState").unwrap_or_default(),
            sync: text("/cmfSync/status").unwrap_or_default(),
            job: text("/jobStatus/state").unwrap_or_default(),
            job_manager: text("/jobManagerDeploymentStatus").unwrap_or_default(),
            reconciliation: text("/reconciliationStatus/state").unwrap_or_default(),
            error_type,
            error,
            last_reconciled,
            savepoint: text("/jobStatus/upgradeSavepointPath")
                .or_else(|| text("/jobStatus/savepointInfo/lastSavepoint/location"))
                .or_else(|| text("/path"))
                .filter(|path| !path.is_empty()),
        }
    }

    /// Whether the job came to its own end and was not stopped: a batch that is done (S10).
    pub fn is_finished(&self) -> bool {
        let stopped =
            self.last_reconciled.as_ref().is_some_and(|last| last.job_state.as_deref() == Some("suspended"));
        self.job == "FINISHED" && !stopped && matches!(self.lifecycle.as_str(), "STABLE" | "DEPLOYED")
    }
}

impl LastReconciled {
    fn parse(text: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_str(text).ok()?;
        let (job, template) = stored.spec.map_or((stored.job, None), |spec| (spec.job, spec.template));
        let job = template.as_ref().and_then(|template| template.at("/spec/job")).unwrap_or(&job);
        let text = |field: &str| job.get(field).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            job_state: text("state"),
            upgrade_mode: text("upgradeMode"),
            redeploy_nonce: job.get("savepointRedeployNonce").and_then(Value::as_i64),
            generation: stored.resource_metadata.at("/metadata/generation").and_then(Value::as_i64),
            template: template.clone(),
        })
    }
}

/// As much of the stored spec as is needed: it is read for every resource, and most of it is not looked at.
#[derive(Deserialize)]
struct Stored {
    spec: Option<StoredSpec>,
    /// Very old operators store the bare spec.
    #[serde(default)]
    job: Value,
    #[serde(default)]
    resource_metadata: Value,
}

#[derive(Deserialize)]
struct StoredSpec {
    #[serde(default)]
    job: Value,
    template: Option<Value>,
}

/// The operator writes errors as a JSON string, and a lost job's as plain text. Some have no message: a Pod that
/// cannot start may have no more than a reason.
fn parse_error(error: Option<String>) -> (String, Option<String>) {
    let Some(text) = error.filter(|text| !text.is_empty()) else { return Default::default() };
    let Ok(Value::Object(fields)) = serde_json::from_str(&text) else { return (String::new(), Some(text)) };
    let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let class = field("type").rsplit('.').next().unwrap_or_default().to_owned();
    let reason = fields.get("additionalMetadata").and_then(|metadata| metadata["reason"].as_str());
    let words = [field("message"), reason.unwrap_or_default(), &class];
    let message = words.into_iter().find(|words| !words.is_empty()).unwrap_or("an error without a message");
    let message = message.to_owned();
    (class, Some(message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn generation_is_found_in_old_and_new_statuses() {
        let old = json!({"reconciliationStatus": {"lastReconciledSpec":
            r#"{"spec":{"job":{"state":"running","upgradeMode":"savepoint"}},"resource_metadata":{"metadata":{"generation":2}}}"#}});
        let status = Status::parse(&old);
        assert_eq!(status.generation, Some(2));
        assert_eq!(status.last_reconciled.unwrap().upgrade_mode.as_deref(), Some("savepoint"));
        assert_eq!(Status::parse(&json!({"observedGeneration": 3})).generation, Some(3));
        assert!(!Status::parse(&Value::Null).present);
    }

    #[test]
    fn errors_are_read_as_json_and_as_text() {
        let status = Status::parse(&json!({"error": r#"{"type":"a.b.ValidationException","message":"no"}"#}));
        assert_eq!(
            (status.error_type.as_str(), status.error.as_deref()),
            ("ValidationException", Some("no"))
        );
        let status = Status::parse(&json!({"error":
            r#"{"type":"x.DeploymentFailedException","message":null,"additionalMetadata":{"reason":"CrashLoopBackOff"}}"#}));
        assert_eq!(status.error.as_deref(), Some("CrashLoopBackOff"));
        let status = Status::parse(&json!({"error": "Job Not Found"}));
        assert_eq!((status.error_type.as_str(), status.error.as_deref()), ("", Some("Job Not Found")));
    }
}
