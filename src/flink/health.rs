//! How a resource is doing, told from all of its signals together: no single field will do.

use serde::Serialize;
use serde_json::Value;

use super::kind::{Role, deployment};
use super::pointer::At as _;
use super::status::Status;
use super::{blue_green, config, confluent, snapshot};

/// With this, which is the default, the operator starts what has high availability again by itself.
const RECOVERY: &str = "kubernetes.operator.jm-deployment-recovery.enabled";

/// How a unit is doing, as one word of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// The operator has acted and the job is where its spec wants it.
    Settled,
    /// On its way.
    Progressing,
    /// Suspended as its spec says.
    Suspended,
    /// Failed, with a name.
    Failed,
    /// A session job that its cluster lost, or an application whose JobManager is gone for good.
    Lost,
    /// The operator refuses the spec.
    Rejected,
    /// The operator went back to an older spec.
    RolledBack,
    /// Not in the cluster.
    Missing,
}

impl Health {
    /// Whether the operator, or Flink, says that what the spec asks for does not work.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Rejected | Self::RolledBack)
    }
}

/// A verdict with its reason, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The word.
    pub health: Health,
    /// The reason: what the operator shows, in its own terms.
    pub message: String,
}

/// Judges one read of a live object. A verdict counts only once it has held for a while (S22).
pub fn judge(role: Role, generation: i64, spec: &Value, status: &Status) -> Verdict {
    let verdict = |health, message: String| Verdict { health, message };
    match role {
        Role::Snapshot => return snapshot::judge(status),
        Role::BlueGreen => return blue_green::judge(spec, status),
        Role::ManagedApplication | Role::ManagedEnvironment => {
            return confluent::judge(role, generation, spec, status);
        }
        Role::Application | Role::SessionCluster | Role::SessionJob => {}
    }
    if let Some(refusal) = rejection(generation, status) {
        return verdict(Health::Rejected, refusal);
    }
    let wants_suspended = role.has_job() && is_suspended(spec);
    if !status.present {
        return if wants_suspended {
            // A resource created suspended is never touched by the operator: it has no status at all.
            verdict(Health::Suspended, "created suspended".into())
        } else {
            verdict(Health::Progressing, "the operator has not acted on it yet".into())
        };
    }
    if is_lost(role, spec, status) {
        // The operator waits for a job that is gone, and acts on no generation any more.
        let word = if role == Role::Application { "JobManager MISSING" } else { "RECONCILING" };
        return verdict(Health::Lost, describe(word, status));
    }
    if wants_suspended && status.lifecycle == "SUSPENDED" {
        // Whatever the generation: what else changes in the spec is looked at only once it shall run again.
        return verdict(Health::Suspended, "suspended".into());
    }
    if status.generation == Some(generation) && has_no_cluster(role, spec, status) {
        let message = describe("JobManager MISSING", status);
        return verdict(
            Health::Failed,
            format!("{message}: nobody starts it again until its spec changes (restartNonce)"),
        );
    }
    if status.generation != Some(generation) {
        if let Some(error) = status.error.as_deref().filter(|_| has_no_savepoint(status)) {
            let message = format!("no savepoint could be taken for the change, the job runs on: {error}");
            return verdict(Health::Failed, message);
        }
        if let Some(why) = restore_failure(status) {
            return verdict(Health::Failed, format!("could not be restored: {why}"));
        }
        let mut message = format!("the operator has not acted on generation {generation} yet");
        if let Some(error) =
            status.error.as_deref().filter(|_| status.error_type == "ReconciliationException")
        {
            // It tries to, again and again.
            message = format!("{message}: {}", error.lines().next().unwrap_or_default());
        }
        return verdict(Health::Progressing, message);
    }
    if wants_suspended {
        return verdict(Health::Progressing, describe("being suspended", status));
    }
    judge_running(role, status)
}

/// Whether a spec says `job.state: suspended`.
pub fn is_suspended(spec: &Value) -> bool {
    deployment(spec).at("/job/state").and_then(Value::as_str) == Some("suspended")
}

/// A refused spec: its generation stays ahead, with a validation error (a new resource: never any generation).
fn rejection(generation: i64, status: &Status) -> Option<String> {
    let refused = status.error_type == "ValidationException" && status.generation != Some(generation);
    refused.then(|| format!("the operator refuses the spec: {}", status.error.as_deref().unwrap_or_default()))
}

/// A change for which the operator could not stop the job with a savepoint: it tries again and again.
fn has_no_savepoint(status: &Status) -> bool {
    let told = status.error.as_deref().is_some_and(|error| error.contains("Savepoint"));
    told && matches!(status.error_type.as_str(), "UpgradeFailureException" | "ReconciliationException")
}

/// A session cluster that was deployed and has no JobManager any more: 1.7.0 does nothing about it until the spec
/// changes, and says nothing either.
fn has_no_cluster(role: Role, spec: &Value, status: &Status) -> bool {
    let missing = status.job_manager == "MISSING" && status.reconciliation == "DEPLOYED";
    role == Role::SessionCluster && missing && !is_recovered(spec)
}

/// What Flink says of a restore point that is gone (`AbstractFsCheckpointStorageAccess`), or not of this job
/// (`Checkpoints`): trying again does not mend it.
fn restore_failure(status: &Status) -> Option<&str> {
    const WORDS: [&str; 3] = [
        "Cannot find checkpoint or savepoint",
        "Cannot find meta data file",
        "Failed to rollback to checkpoint/savepoint",
    ];
    let error = status.error.as_deref().filter(|_| status.error_type == "ReconciliationException")?;
    let at = WORDS.iter().find_map(|words| error.find(words))?;
    error[at..].lines().next()
}

fn judge_running(role: Role, status: &Status) -> Verdict {
    let health = match (status.lifecycle.as_str(), status.job.as_str(), status.job_manager.as_str()) {
        ("ROLLED_BACK", ..) => Health::RolledBack,
        (_, _, "ERROR") | ("FAILED", ..) | (_, "FAILED", _) => Health::Failed,
        ("STABLE", _, "READY") if role == Role::SessionCluster => Health::Settled,
        _ if role == Role::SessionCluster => Health::Progressing,
        _ if status.is_finished() => Health::Settled,
        ("STABLE", "RUNNING", "READY") if role == Role::Application => Health::Settled,
        ("STABLE", "RUNNING", _) if role == Role::SessionJob => Health::Settled,
        ("UPGRADING", ..) if status.error_type == "ReconciliationException" => Health::Failed,
        _ => Health::Progressing,
    };
    let word = if role == Role::SessionCluster { &status.job_manager } else { &status.job };
    Verdict { health, message: describe(if word.is_empty() { &status.lifecycle } else { word }, status) }
}

fn is_lost(role: Role, spec: &Value, status: &Status) -> bool {
    match role {
        Role::SessionJob => is_lost_by_cluster(status),
        Role::Application => {
            let stays_away = !is_recovered(spec) || is_given_up(status);
            has_no_job_manager(status) && stays_away && !is_to_be_redeployed(spec, status)
        }
        _ => false,
    }
}

/// An application that should run and has no JobManager any more. No error tells: of one that was stable the operator
/// takes its `MissingJobManagerException` back in the same breath (`clearErrorsIfDeploymentIsHealthy`), and what it
/// says once the spec changes comes and goes with every look (seen of 1.7.0).
fn has_no_job_manager(status: &Status) -> bool {
    let running =
        status.last_reconciled.as_ref().and_then(|last| last.job_state.as_deref()) == Some("running");
    running && status.job_manager == "MISSING" && status.reconciliation == "DEPLOYED"
}

/// Whether the operator was told by a nonce to restore a job, and has not begun with it: the JobManager goes for that.
fn is_to_be_redeployed(spec: &Value, status: &Status) -> bool {
    let told = spec.at("/job/savepointRedeployNonce").and_then(Value::as_i64);
    told.is_some() && told != status.last_reconciled.as_ref().and_then(|last| last.redeploy_nonce)
}

/// Whether the operator says that it cannot restore an application by itself.
pub fn is_given_up(status: &Status) -> bool {
    status.error.as_deref().is_some_and(|error| error.contains("Manual restore required"))
}

/// Whether the operator starts an application without a JobManager again by itself (`shouldRecoverDeployment`).
fn is_recovered(spec: &Value) -> bool {
    let configuration = config::effective(None, spec);
    let is_off = configuration.get(RECOVERY).is_some_and(|it| it.eq_ignore_ascii_case("false"));
    config::has_high_availability(&configuration) && !is_off
}

/// A session job that should run and that Flink does not know: `Job Not Found` since 1.8,
/// `MissingSessionJobException` before. 1.7 says so of a suspended one as well, once its cluster has restarted.
fn is_lost_by_cluster(status: &Status) -> bool {
    let missing = status.error_type == "MissingSessionJobException"
        || status.error.as_deref().is_some_and(|error| error.starts_with("Job Not Found"));
    missing && status.job == "RECONCILING" && matches!(status.lifecycle.as_str(), "STABLE" | "DEPLOYED")
}

pub(super) fn describe(word: &str, status: &Status) -> String {
    let steady = status.lifecycle.is_empty() || status.lifecycle == "STABLE" || word == status.lifecycle;
    let mut text = if steady { word.to_owned() } else { format!("{word} ({})", status.lifecycle) };
    if let Some(error) = &status.error {
        text.push_str(": ");
        text.push_str(error.lines().next().unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "literals read better by value")]
    fn health(role: Role, generation: i64, status: Value) -> Health {
        judge(role, generation, &json!({"job": {"state": "running"}}), &Status::parse(&status)).health
    }

    /// The truth table of DESIGN §6: each row was seen on a real operator.
    #[test]
    fn the_gate_reads_every_signal() {
        let stable = |job: &str, jm: &str, generation: i64, error: Option<&str>| {
            json!({"observedGeneration": generation, "lifecycleState": "STABLE", "jobStatus": {"state": job},
                   "jobManagerDeploymentStatus": jm, "error": error})
        };
        let missing = |reconciliation: &str| {
            let mut status = stable("RECONCILING", "MISSING", 2, None);
            status["reconciliationStatus"] = json!({"state": reconciliation});
            status
        };
        let refused = Some(r#"{"type":"x.ValidationException","message":"no"}"#);
        let stuck = Some(r#"{"type":"x.UpgradeFailureException","message":"Savepoint Error"}"#);
        for (role, generation, status, expected) in [
            (Role::Application, 2, stable("RUNNING", "READY", 2, None), Health::Settled),
            (Role::Application, 3, stable("RUNNING", "READY", 2, None), Health::Progressing),
            (Role::Application, 3, stable("RUNNING", "READY", 2, refused), Health::Rejected),
            (Role::Application, 2, stable("RUNNING", "READY", 2, refused), Health::Settled),
            (Role::Application, 3, stable("RUNNING", "READY", 2, stuck), Health::Failed),
            (Role::Application, 2, stable("RUNNING", "READY", 2, stuck), Health::Settled),
            (Role::Application, 2, stable("RECONCILING", "DEPLOYING", 2, None), Health::Progressing),
            (Role::Application, 2, stable("RECONCILING", "ERROR", 2, None), Health::Failed),
            (Role::SessionCluster, 2, missing("DEPLOYED"), Health::Failed),
            (Role::SessionCluster, 3, missing("DEPLOYED"), Health::Progressing),
            (Role::SessionCluster, 2, missing("UPGRADING"), Health::Progressing),
            (Role::Application, 2, missing("UPGRADING"), Health::Progressing),
            (Role::Application, 2, stable("FINISHED", "READY", 2, None), Health::Settled),
            (Role::Application, 2, stable("RESTARTING", "READY", 2, None), Health::Progressing),
            (Role::SessionCluster, 2, stable("FINISHED", "READY", 2, None), Health::Settled),
            (Role::SessionCluster, 2, stable("", "DEPLOYING", 2, None), Health::Progressing),
            (Role::SessionJob, 2, stable("RECONCILING", "", 2, Some("Job Not Found")), Health::Lost),
            (Role::SessionJob, 2, stable("RUNNING", "", 2, None), Health::Settled),
            (Role::SessionJob, 1, Value::Null, Health::Progressing),
        ] {
            assert_eq!(health(role, generation, status.clone()), expected, "{role:?} {generation} {status}");
        }
    }

    #[test]
    fn s13_an_application_without_a_job_manager_is_lost_unless_the_operator_brings_it_back() {
        const GIVEN_UP: &str = r#"{"type":"x.UpgradeFailureException","message":"HA data is not available. Manual restore required."}"#;
        let last =
            |state: &str| format!(r#"{{"spec":{{"job":{{"state":"{state}","upgradeMode":"savepoint"}}}}}}"#);
        let status = |generation: i64, lifecycle: &str, last: &str, error: Option<&str>| {
            json!({"observedGeneration": generation, "lifecycleState": lifecycle, "error": error,
                   "jobStatus": {"state": "RECONCILING"}, "jobManagerDeploymentStatus": "MISSING",
                   "reconciliationStatus": {"state": "DEPLOYED", "lastReconciledSpec": last}})
        };
        let judge = |configuration: Value, status: &Value| {
            let spec = json!({"job": {"state": "running"}, "flinkConfiguration": configuration});
            judge(Role::Application, 2, &spec, &Status::parse(status)).health
        };
        let ha = json!({"high-availability.type": "kubernetes"});
        let off = json!({"high-availability": {"type": "kubernetes"}, super::RECOVERY: "false"});
        let gone = status(2, "STABLE", &last("running"), None);
        assert_eq!(judge(Value::Null, &gone), Health::Lost);
        assert_eq!(judge(ha.clone(), &gone), Health::Progressing, "high availability brings it back");
        assert_eq!(judge(off, &gone), Health::Lost);
        let refused = status(1, "FAILED", &last("running"), Some(GIVEN_UP));
        assert_eq!(judge(ha, &refused), Health::Lost, "its metadata is gone as well");
        let stopped = status(2, "UPGRADING", &last("suspended"), None);
        assert_eq!(judge(Value::Null, &stopped), Health::Progressing, "between two versions");
    }

    #[test]
    fn a_change_of_a_suspended_job_is_not_waited_for() {
        let suspended = json!({"job": {"state": "suspended", "parallelism": 2}});
        let status = Status::parse(&json!({"observedGeneration": 2, "lifecycleState": "SUSPENDED"}));
        assert_eq!(judge(Role::SessionJob, 3, &suspended, &status).health, Health::Suspended);
        let running = json!({"job": {"state": "running"}});
        assert_eq!(judge(Role::SessionJob, 3, &running, &status).health, Health::Progressing);
        let status = Status::parse(&json!({"observedGeneration": 2, "lifecycleState": "STABLE"}));
        assert_eq!(judge(Role::SessionJob, 3, &suspended, &status).health, Health::Progressing);
    }

    #[test]
    fn a_suspended_job_is_not_lost_with_its_cluster() {
        let missing = r#"{"type":"x.MissingSessionJobException","message":"Missing Session Job"}"#;
        let status = |lifecycle: &str| {
            Status::parse(&json!({"observedGeneration": 2, "lifecycleState": lifecycle, "error": missing,
                "jobStatus": {"state": "RECONCILING"}}))
        };
        let [suspended, running] = ["suspended", "running"].map(|state| json!({"job": {"state": state}}));
        let health = |generation, spec, lifecycle| {
            judge(Role::SessionJob, generation, spec, &status(lifecycle)).health
        };
        assert_eq!(health(2, &suspended, "SUSPENDED"), Health::Suspended);
        assert_eq!(health(3, &running, "SUSPENDED"), Health::Progressing, "told to run again");
        assert_eq!(health(2, &running, "STABLE"), Health::Lost);
        assert_eq!(health(2, &running, "DEPLOYED"), Health::Lost, "it had never been stable");
    }

    #[test]
    fn a_resource_created_suspended_has_no_status_and_is_settled() {
        let spec = json!({"job": {"state": "suspended"}});
        assert_eq!(judge(Role::Application, 1, &spec, &Status::default()).health, Health::Suspended);
    }
}
