//! What the operator sees of a deployed cluster and its job, and writes into the status.

use std::time::Duration;

use serde_json::json;

use super::flink::{Phase, slots};
use super::machine::Machine;
use super::spec::Recorded;
use super::status::error;
use super::subject::Subject;
use crate::flink::kind::Role;

impl Machine {
    /// Reads what Flink and the node say.
    pub(super) fn observe(&mut self, subject: &mut Subject<'_>) {
        let Some(last) = subject.status.last.clone() else { return };
        // 1.7 keeps the id of a suspended session job, and so goes on asking for it.
        let asks = !last.is_suspended() || (subject.role == Role::SessionJob && !self.mode.is_modern());
        if subject.status.reconciliation != "DEPLOYED" || !asks {
            return;
        }
        if subject.role != Role::SessionJob {
            self.observe_job_manager(subject);
        }
        if subject.role.has_job() {
            self.observe_job(subject, &last);
        }
        let settled = match subject.role {
            Role::SessionCluster => subject.status.job_manager.as_deref() == Some("READY"),
            _ => matches!(subject.status.job.as_deref(), Some("RUNNING" | "FINISHED")),
        };
        if settled {
            subject.status.stable.clone_from(&subject.status.last);
            if subject.role == Role::Application {
                let parallel = self.flink.view(&subject.key, subject.now).map(|job| job.parallelism);
                let slots = slots(&subject.configuration());
                subject.status.task_managers = parallel.map(|parallel| parallel.div_ceil(slots));
            }
        }
    }

    fn observe_job_manager(&mut self, subject: &mut Subject<'_>) {
        let was_there = !matches!(subject.status.job_manager.as_deref(), Some("MISSING" | "ERROR"));
        let state = match self.flink.phase(&subject.key, subject.now) {
            Phase::Ready => "READY",
            Phase::Listening => "DEPLOYED_NOT_READY",
            Phase::Starting => "DEPLOYING",
            Phase::Absent => {
                if was_there {
                    self.missing(subject);
                }
                // No error stays of what was stable (`clearErrorsIfDeploymentIsHealthy`).
                if subject.status.is_stable() && !subject.is_refused() {
                    subject.status.error = None;
                }
                subject.status.job = Some("RECONCILING".into());
                "MISSING"
            }
            // The words stay those of the first look.
            Phase::BackOff(..) if subject.status.job_manager.as_deref() == Some("ERROR") => "ERROR",
            Phase::BackOff(reason, words) => {
                let text = error("DeploymentFailedException", words, Some(reason), None);
                subject.status.error = Some(text);
                "ERROR"
            }
        };
        subject.status.job_manager = Some(state.into());
        if state == "READY" && !subject.is_refused() {
            subject.status.error = None;
        }
    }

    /// The Deployment of a JobManager is gone (`onMissingDeployment`).
    fn missing(&mut self, subject: &mut Subject<'_>) {
        let message = "Missing JobManager deployment";
        self.say(subject, "Warning", ("Missing", "JobManagerDeployment"), message);
        subject.status.error = Some(error("MissingJobManagerException", message, None, None));
    }

    fn observe_job(&mut self, subject: &mut Subject<'_>, last: &Recorded) {
        if subject.role == Role::Application && subject.status.job_manager.as_deref() != Some("READY") {
            subject.status.job = Some("RECONCILING".into());
            return;
        }
        let id = subject.status.job_id.clone().unwrap_or_default();
        let Some(state) = self.flink.job_state(&subject.key, &id, subject.now) else {
            return self.lost(subject, last);
        };
        let before = subject.status.job.replace(state.to_owned());
        if before.as_deref() != Some(state) {
            let message = format!("Job status changed from {} to {state}", before.unwrap_or_default());
            self.say(subject, "Normal", ("JobStatusChanged", "Job"), &message);
        }
        subject.status.told = self.flink.job(&subject.key, &id).map(|job| job.told(&subject.key.name));
        if !subject.is_refused() {
            subject.status.error = None;
        }
    }

    /// A job that Flink does not know: resubmitted if it is stateless, lost for ever if it is not.
    fn lost(&mut self, subject: &mut Subject<'_>, last: &Recorded) {
        subject.status.job = Some("RECONCILING".into());
        let modern = self.mode.is_modern();
        let message = if modern { "Job Not Found" } else { "Missing Session Job" };
        self.say(subject, "Warning", ("Missing", "Job"), message);
        let text = if modern {
            message.to_owned()
        } else {
            error("MissingSessionJobException", message, None, None)
        };
        subject.status.error = Some(text);
        if subject.upgrade_mode() == "stateless" {
            let mut suspended = last.clone();
            suspended.spec["job"]["state"] = json!("suspended");
            suspended.spec["job"]["upgradeMode"] = json!("stateless");
            subject.status.last = Some(suspended);
        }
    }
    /// A JobManager that is gone did not answer in time.
    pub(super) fn unanswered(&mut self, subject: &mut Subject<'_>) -> Duration {
        if self.is_unanswered(subject) {
            subject.status.job = Some("RECONCILING".into());
        }
        self.timings.reaction
    }
}
