//! `status` as the operator keeps it, read from and written to a resource.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::spec::Recorded;
use super::timings::Mode;
use crate::flink::kind::Role;
use crate::flink::pointer::At as _;

/// Prefix of the class names in errors.
const EXCEPTIONS: &str = "org.apache.flink.kubernetes.operator.exception.";
/// Words in an error that make a deployment without JobManager count as failed; 1.7 does not look at them.
const FATAL: [&str; 3] =
    ["Manual restore required.", "HA metadata is not available", "configmaps have been deleted"];

/// A savepoint in the legacy part of the status.
#[derive(Clone, Debug, PartialEq)]
pub struct LegacySavepoint {
    /// Its path.
    pub location: String,
    /// When it was taken, epoch milliseconds.
    pub at: i64,
    /// `UPGRADE` or `MANUAL`.
    pub trigger: &'static str,
    /// The nonce that asked for it.
    pub nonce: Option<i64>,
}

/// The operator's status of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    mode: Mode,
    role: Role,
    /// `jobStatus.state`.
    pub job: Option<String>,
    /// `jobStatus.jobId`.
    pub job_id: Option<String>,
    /// `jobStatus.jobName`, `startTime` and `updateTime`, once Flink has told.
    pub told: Option<(String, i64, i64)>,
    /// `jobStatus.upgradeSavepointPath` (1.15).
    pub upgrade_path: Option<String>,
    /// `jobStatus.savepointInfo` (1.7): the raw value.
    pub savepoint_info: Value,
    /// `error`.
    pub error: Option<String>,
    /// `observedGeneration` (1.15), or the generation in the record (1.7).
    pub generation: Option<i64>,
    /// `reconciliationStatus.state`.
    pub reconciliation: String,
    /// `reconciliationStatus.reconciliationTimestamp`.
    pub reconciled_at: i64,
    /// `reconciliationStatus.lastReconciledSpec`.
    pub last: Option<Recorded>,
    /// `reconciliationStatus.lastStableSpec`.
    pub stable: Option<Recorded>,
    /// `jobManagerDeploymentStatus`; a session job has none.
    pub job_manager: Option<String>,
    /// The `Running` condition (1.15).
    pub condition: Option<Value>,
    /// `clusterInfo`.
    pub cluster_info: Value,
    /// `taskManager.replicas` of an application.
    pub task_managers: Option<u32>,
    /// Whether the resource is being deleted and the operator has said so (1.15).
    pub deleting: bool,
}

impl Status {
    /// Reads an object's status; absent parts are as the operator begins with them.
    pub fn read(object: &Value, role: Role, mode: Mode) -> Self {
        let status = object.get("status").unwrap_or(&Value::Null);
        let text = |pointer: &str| status.at(pointer).and_then(Value::as_str).map(str::to_owned);
        let generation = status.get("observedGeneration").and_then(Value::as_i64);
        let record = |field: &str| {
            let text = text(&format!("/reconciliationStatus/{field}"))?;
            Recorded::parse(&text, generation.unwrap_or_default())
        };
        let millis = |field: &str| text(&format!("/jobStatus/{field}")).and_then(|it| it.parse().ok());
        let last = record("lastReconciledSpec");
        Self {
            mode,
            role,
            job: text("/jobStatus/state"),
            job_id: text("/jobStatus/jobId"),
            told: text("/jobStatus/jobName")
                .map(|name| (name, millis("startTime").unwrap_or(0), millis("updateTime").unwrap_or(0))),
            upgrade_path: text("/jobStatus/upgradeSavepointPath"),
            savepoint_info: status.at("/jobStatus/savepointInfo").cloned().unwrap_or(Value::Null),
            error: text("/error"),
            generation: generation.or_else(|| last.as_ref().map(|last| last.generation)),
            reconciliation: text("/reconciliationStatus/state").unwrap_or_else(|| "UPGRADING".into()),
            reconciled_at: status
                .at("/reconciliationStatus/reconciliationTimestamp")
                .and_then(Value::as_i64)
                .unwrap_or(0),
            stable: record("lastStableSpec"),
            last,
            job_manager: match role {
                Role::SessionJob => None,
                _ => text("/jobManagerDeploymentStatus").or_else(|| Some("MISSING".into())),
            },
            condition: status.at("/conditions/0").cloned(),
            cluster_info: status.get("clusterInfo").cloned().unwrap_or(Value::Null),
            task_managers: status
                .at("/taskManager/replicas")
                .and_then(Value::as_u64)
                .and_then(|it| u32::try_from(it).ok()),
            deleting: text("/lifecycleState").as_deref() == Some("DELETING"),
        }
    }

    /// The status object.
    pub fn to_json(&self, name: &str) -> Value {
        let mut status = json!({
            "lifecycleState": self.lifecycle(),
            "jobStatus": self.job_json(),
            "reconciliationStatus": {
                "state": self.reconciliation,
                "reconciliationTimestamp": self.reconciled_at,
            },
        });
        let record = |record: &Option<Recorded>| record.as_ref().map(|it| json!(it.to_text(self.mode)));
        set(&mut status["reconciliationStatus"], "lastReconciledSpec", record(&self.last));
        set(&mut status["reconciliationStatus"], "lastStableSpec", record(&self.stable));
        set(&mut status, "error", self.error.clone().map(Value::from));
        set(&mut status, "jobManagerDeploymentStatus", self.job_manager.clone().map(Value::from));
        if self.mode.is_modern() {
            set(&mut status, "observedGeneration", self.generation.map(Value::from));
            let conditions: Vec<_> = self.condition.iter().collect();
            set(&mut status, "conditions", (self.role != Role::SessionJob).then(|| json!(conditions)));
        }
        if self.role != Role::SessionJob {
            set(&mut status, "clusterInfo", Some(self.cluster_info.clone()).filter(Value::is_object));
            let selector =
                |count| if count > 0 { format!("component=taskmanager,app={name}") } else { String::new() };
            let managers =
                self.task_managers.map(|it| json!({"labelSelector": selector(it), "replicas": it}));
            set(&mut status, "taskManager", managers);
        }
        status
    }

    fn job_json(&self) -> Value {
        let mut job = json!({"checkpointInfo": {"lastPeriodicCheckpointTimestamp": 0}});
        let empty = || json!({"lastPeriodicSavepointTimestamp": 0, "savepointHistory": []});
        let info = Some(self.savepoint_info.clone()).filter(Value::is_object).unwrap_or_else(empty);
        set(&mut job, "savepointInfo", Some(info));
        set(&mut job, "state", self.job.clone().map(Value::from));
        set(&mut job, "jobId", self.job_id.clone().map(Value::from));
        set(&mut job, "upgradeSavepointPath", self.upgrade_path.clone().map(Value::from));
        if let Some((name, start, update)) = &self.told {
            set(&mut job, "jobName", Some(json!(name)));
            set(&mut job, "startTime", Some(json!(start.to_string())));
            set(&mut job, "updateTime", Some(json!(update.to_string())));
        }
        job
    }

    /// `lifecycleState`, computed as `CommonStatus.getLifecycleState` does.
    pub fn lifecycle(&self) -> &'static str {
        if self.deleting {
            return "DELETING";
        }
        let Some(last) = &self.last else {
            return if self.error.is_some() { "FAILED" } else { "CREATED" };
        };
        match self.reconciliation.as_str() {
            "UPGRADING" => return "UPGRADING",
            "ROLLING_BACK" => return "ROLLING_BACK",
            _ => {}
        }
        let is_fatal =
            || FATAL.iter().any(|it| self.error.as_deref().is_some_and(|error| error.contains(it)));
        let without_manager = matches!(self.job_manager.as_deref(), Some("MISSING" | "ERROR"));
        let given_up = || self.mode.is_modern() && without_manager && is_fatal();
        if last.is_suspended() {
            "SUSPENDED"
        } else if self.job.as_deref() == Some("FAILED") || given_up() {
            "FAILED"
        } else if self.is_stable() {
            "STABLE"
        } else {
            "DEPLOYED"
        }
    }

    /// Whether what was deployed last has run as it should (`isLastReconciledSpecStable`).
    pub fn is_stable(&self) -> bool {
        let text = |record: &Option<Recorded>| record.as_ref().map(|record| record.to_text(self.mode));
        self.stable.is_some() && text(&self.stable) == text(&self.last)
    }

    /// The path a restore by savepoint would use, wherever this operator keeps it.
    pub fn restore_path(&self) -> Option<String> {
        let legacy = || self.savepoint_info.at("/lastSavepoint/location")?.as_str().map(str::to_owned);
        self.upgrade_path.clone().or_else(legacy)
    }

    /// Keeps a savepoint in the legacy part.
    pub fn record_legacy(&mut self, savepoint: &LegacySavepoint) {
        let entry = json!({"location": savepoint.location, "timeStamp": savepoint.at, "formatType": "CANONICAL",
            "triggerType": savepoint.trigger, "triggerNonce": savepoint.nonce});
        let mut history = self.savepoint_info.at("/savepointHistory").cloned().unwrap_or(json!([]));
        if let Some(history) = history.as_array_mut() {
            history.push(entry.clone());
        }
        self.savepoint_info =
            json!({"lastPeriodicSavepointTimestamp": 0, "savepointHistory": history, "lastSavepoint": entry});
    }

    /// Whether the job state says so.
    pub fn job_is(&self, state: &str) -> bool {
        self.job.as_deref() == Some(state)
    }

    /// Whether the job came to an end that Flink will not undo.
    pub fn is_terminal(&self) -> bool {
        matches!(self.job.as_deref(), Some("FINISHED" | "FAILED" | "CANCELED"))
    }

    /// The condition that the rest asks for, where it is another; its time changes only with its reason.
    pub fn next_condition(&self, now: Timestamp) -> Option<Value> {
        if !self.mode.is_modern() || self.last.is_none() {
            return None;
        }
        let (reason, message, holds) = self.running()?;
        if self.condition.as_ref().is_some_and(|it| it["reason"] == json!(reason)) {
            return None;
        }
        Some(json!({"type": "Running", "status": if holds { "True" } else { "False" },
            "reason": reason, "message": message, "lastTransitionTime": now.to_string()}))
    }

    fn running(&self) -> Option<(String, String, bool)> {
        if self.role == Role::Application {
            let state = self.job.as_deref()?;
            let reason = format!("{}{}", &state[..1], state[1..].to_lowercase());
            return Some((reason, format!("Job status {state}"), state == "RUNNING"));
        }
        let (reason, message) = match self.job_manager.as_deref()? {
            "READY" => ("JobManagerReady", "JobManager is running and ready to receive REST API calls"),
            "DEPLOYED_NOT_READY" => {
                ("DeployedNotReady", "JobManager is running but not ready yet to receive REST API calls")
            }
            "DEPLOYING" => ("JobManagerIsDeploying", "JobManager process is starting up"),
            "ERROR" => ("Error", "JobManager deployment failed"),
            _ => return None,
        };
        Some((reason.into(), message.into(), reason == "JobManagerReady"))
    }
}

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    if let Some(value) = value {
        object[field] = value;
    }
}

/// An error as the operator writes it: a JSON string.
pub fn error(class: &str, message: &str, reason: Option<&str>, cause: Option<&str>) -> String {
    let class = if class.contains('.') { class.to_owned() } else { format!("{EXCEPTIONS}{class}") };
    let metadata = reason.map_or(json!({}), |reason| json!({"reason": reason}));
    let causes: Vec<_> = cause
        .iter()
        .filter_map(|cause| cause.split_once(": "))
        .map(|(class, message)| json!({"type": class, "message": message, "additionalMetadata": {}}))
        .collect();
    json!({"type": class, "message": message, "additionalMetadata": metadata, "throwableList": causes})
        .to_string()
}
