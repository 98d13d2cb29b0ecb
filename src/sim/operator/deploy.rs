//! How the operator deploys a cluster or submits a job, and records that it did.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::flink::{Fate, JobPlan, Phase, is_highly_available};
use super::machine::Machine;
use super::spec::{Recorded, fill};
use super::status::{LegacySavepoint, error};
use super::subject::{Step, Subject};
use crate::flink::kind::{Role, UnitKey};
use crate::flink::pointer::At as _;
use crate::flink::savepoint::LAST_STATE_DUMMY;

impl Machine {
    pub(super) fn deploy_first(&mut self, subject: &mut Subject<'_>) -> Duration {
        let path = subject.initial_path();
        let mode = if path.is_some() { "savepoint" } else { "stateless" };
        self.record(subject, "suspended", mode);
        if let Some(last) = &mut subject.status.last {
            last.first = true;
        }
        "UPGRADING".clone_into(&mut subject.status.reconciliation);
        subject.status.error = None;
        if self.mode.is_modern() {
            subject.status.upgrade_path = path;
        } else if let Some(location) = path {
            let at = subject.now.as_millisecond();
            subject.status.record_legacy(&LegacySavepoint { location, at, trigger: "UNKNOWN", nonce: None });
        }
        self.deploy(subject, Step::Deploy)
    }

    /// Whether a JobManager that is gone is deployed again (`shouldRecoverDeployment`): where its state is not lost
    /// with it.
    pub(super) fn recovers(&self, subject: &Subject<'_>, last: &Recorded) -> bool {
        let gone = subject.role != Role::SessionJob
            && subject.status.job_manager.as_deref() == Some("MISSING")
            && !last.is_suspended();
        let stateless = subject.role == Role::SessionCluster || subject.upgrade_mode() == "stateless";
        gone && (is_highly_available(&subject.configuration()) || (stateless && self.mode.is_modern()))
    }

    /// A JobManager that is gone is deployed again, with what high availability keeps.
    pub(super) fn recover(&mut self, subject: &mut Subject<'_>) -> Duration {
        self.say(subject, "Warning", ("RecoverDeployment", "Job"), "Recovering lost deployment");
        if self.flink.has_kept(&subject.key) && self.mode.is_modern() {
            subject.status.upgrade_path = Some(LAST_STATE_DUMMY.to_owned());
        }
        self.deploy(subject, Step::Recover)
    }

    /// The record does not tell of it: what was stable stays so (seen of 1.7.0).
    pub(super) fn recovered(&mut self, subject: &mut Subject<'_>) -> Duration {
        let record = subject.status.last.clone();
        let kept = self.flink.has_kept(&subject.key);
        if let Some(last) = subject.status.last.as_mut().filter(|_| subject.role == Role::Application) {
            last.spec["job"]["upgradeMode"] = json!(if kept { "last-state" } else { "stateless" });
        }
        let wait = self.deployed(subject);
        subject.status.last = record;
        wait
    }

    /// `savepointRedeployNonce`: the state is what the spec names.
    pub(super) fn redeploy(&mut self, subject: &mut Subject<'_>) -> Duration {
        subject.status.upgrade_path = subject.initial_path();
        subject.status.job_id = None;
        subject.status.job = Some("RECONCILING".into());
        self.deploy(subject, Step::Redeploy)
    }

    /// Submits the job or makes the cluster; it takes a while.
    pub(super) fn deploy(&mut self, subject: &mut Subject<'_>, step: Step) -> Duration {
        let session = subject.role == Role::SessionJob;
        if subject.role.has_job() {
            let component = if session { "Job" } else { "JobManagerDeployment" };
            self.say(subject, "Normal", ("Submit", component), "Starting deployment");
            subject.status.job_id = Some(self.job_id(subject));
        }
        if !session {
            return self.begin(subject, step, self.timings.deploy);
        }
        // 1.7 says so only of one that is submitted.
        if self.mode.is_modern() {
            subject.status.job = Some("RECONCILING".into());
        }
        let doomed = self.broken_jar(subject).is_some();
        self.begin(subject, step, if doomed { self.timings.refuse } else { self.timings.submit })
    }

    /// A session job of 1.15 keeps its id until it is stopped, an application only what high availability
    /// keeps; with 1.7 it is the other way round, and a session job's id ends in the generation.
    fn job_id(&mut self, subject: &Subject<'_>) -> String {
        let last_state = self.restore_path(subject).as_deref() == Some(LAST_STATE_DUMMY);
        let keeps = last_state || (subject.role == Role::SessionJob) == self.mode.is_modern();
        if let Some(known) = subject.status.job_id.clone().filter(|_| keeps) {
            return known;
        }
        let id = self.flink.new_id();
        let old_session_job = subject.role == Role::SessionJob && !self.mode.is_modern();
        if old_session_job { format!("{}{:016x}", &id[..16], subject.generation()) } else { id }
    }

    pub(super) fn deployed(&mut self, subject: &mut Subject<'_>) -> Duration {
        let flat = subject.configuration();
        let fate = self.fate(subject);
        if subject.role != Role::SessionJob {
            let high = is_highly_available(&flat);
            self.flink.start_cluster(&subject.key, fate, high, subject.now);
            subject.status.job_manager = Some("DEPLOYING".into());
        }
        if subject.role.has_job() {
            // A JobManager that does not start takes no job.
            if fate == Fate::Starts
                && let Err(message) = self.submit(subject, &flat)
            {
                return self.failed_to_deploy(subject, &message);
            }
            subject.status.job = Some("RECONCILING".into());
        }
        self.memory_of(subject).attempts = 0;
        subject.status.error = None;
        let mode = subject.status.last.as_ref().map_or("stateless", Recorded::upgrade_mode).to_owned();
        self.record(subject, "running", &mode);
        "DEPLOYED".clone_into(&mut subject.status.reconciliation);
        if subject.role == Role::SessionJob { self.timings.reconcile } else { self.timings.progress }
    }

    /// What a redeployment brings counts as stable at once.
    pub(super) fn redeployed(&mut self, subject: &mut Subject<'_>) -> Duration {
        if let Some(last) = &mut subject.status.last {
            last.spec["job"]["upgradeMode"] = json!("savepoint");
        }
        let wait = self.deployed(subject);
        if subject.status.error.is_none() {
            subject.status.stable.clone_from(&subject.status.last);
        }
        wait
    }

    /// What the job starts from. 1.7 does not say in the status that it is what high availability keeps.
    fn restore_path(&self, subject: &Subject<'_>) -> Option<String> {
        match subject.status.last.as_ref().map_or("stateless", Recorded::upgrade_mode) {
            "stateless" => None,
            "last-state" if !self.mode.is_modern() && self.flink.has_kept(&subject.key) => {
                Some(LAST_STATE_DUMMY.to_owned())
            }
            _ => subject.status.restore_path(),
        }
    }

    /// What becomes of the cluster: an application ends at once where its savepoint is not there. Seen of 1.7.0: its
    /// JobManager becomes ready, the job `INITIALIZING`, and the process ends, until the node's back-off makes an `ERROR`
    /// of it (`DeploymentFailedException`). No word of the savepoint is in the status.
    fn fate(&self, subject: &Subject<'_>) -> Fate {
        if subject.role == Role::SessionJob {
            return Fate::Starts;
        }
        let path = self.restore_path(subject).filter(|path| path != LAST_STATE_DUMMY);
        let gone = path.is_some_and(|path| !self.flink.has(&path, subject.now));
        if gone {
            Fate::Crashes
        } else if self.flink.is_rehearsal() {
            Fate::Starts
        } else {
            Fate::of(subject.spec())
        }
    }

    fn submit(&mut self, subject: &Subject<'_>, flat: &BTreeMap<String, String>) -> Result<(), String> {
        let cluster = subject.cluster_key();
        if subject.role == Role::SessionJob {
            if let Some(message) = self.broken_jar(subject) {
                return Err(message);
            }
            if self.flink.phase(&cluster, subject.now) != Phase::Ready {
                return Err(format!(
                    "java.net.ConnectException: Connection refused: {}-rest:8081",
                    cluster.name
                ));
            }
        }
        let id = subject.status.job_id.clone().unwrap_or_default();
        let plan = self.job_plan(&id, &cluster, subject.spec(), flat);
        let path = self.restore_path(subject);
        if path.as_deref() == Some(LAST_STATE_DUMMY) {
            if self.flink.submit_kept(&subject.key, plan, subject.now) {
                return Ok(());
            }
            return Err("HA metadata is not available to restore from. Manual restore required.".into());
        }
        // What was stopped with its state has it somewhere, also where its status does not tell where.
        let keeps = subject.status.last.as_ref().is_some_and(|last| last.upgrade_mode() != "stateless");
        let somewhere = (keeps && self.flink.is_rehearsal()).then(|| "somewhere".to_owned());
        self.flink.submit(&subject.key, plan, path.or(somewhere).as_deref(), subject.now)
    }

    /// A job as this spec submits it.
    pub(super) fn job_plan(
        &self,
        id: &str,
        cluster: &UnitKey,
        spec: &Value,
        flat: &BTreeMap<String, String>,
    ) -> JobPlan {
        let plan = JobPlan::new(id, cluster, spec, flat);
        if self.flink.is_rehearsal() { plan.in_earnest() } else { plan }
    }

    fn broken_jar(&self, subject: &Subject<'_>) -> Option<String> {
        broken_jar(subject.spec()).filter(|_| !self.flink.is_rehearsal())
    }

    /// A submission that fails is tried again and again; its error comes and goes.
    ///
    /// Seen of 1.7.0 with Flink 1.17 and a savepoint that is not there: the text, a stack trace, is cut off after 2048
    /// characters, before it names the savepoint; what is left says `Could not execute application`.
    fn failed_to_deploy(&mut self, subject: &mut Subject<'_>, message: &str) -> Duration {
        let words = message.split_once(": ").map_or(message, |(_, words)| words).to_owned();
        self.say(subject, "Warning", ("Error", "Job"), &words);
        subject.status.error = Some(error("ReconciliationException", message, None, Some(message)));
        let attempts = &mut self.memory_of(subject).attempts;
        *attempts += 1;
        let attempts = *attempts;
        self.timings.pause(attempts)
    }

    /// Writes down that this generation is acted upon, with the state and mode as they really are.
    pub(super) fn record(&mut self, subject: &mut Subject<'_>, state: &str, mode: &str) {
        let mut spec = fill(subject.key.kind, subject.spec(), self.mode);
        if subject.role.has_job() {
            spec["job"]["state"] = json!(state);
            spec["job"]["upgradeMode"] = json!(mode);
        }
        let generation = subject.generation();
        // A record is the first deployment's until the job is deployed anew.
        let deployed = state == "running" || subject.wants_suspended();
        let first = deployed && subject.status.last.as_ref().is_some_and(|last| last.first);
        subject.status.last = Some(Recorded { spec, generation, first });
        subject.status.generation = Some(generation);
        subject.status.reconciled_at = subject.now.as_millisecond();
    }

    pub(super) fn pace(&self, subject: &Subject<'_>) -> Duration {
        let starting = subject.role != Role::SessionJob
            && !matches!(subject.status.job_manager.as_deref(), Some("READY" | "ERROR" | "MISSING"));
        let waking = subject.role == Role::Application
            && !subject.status.job_is("RUNNING")
            && !subject.status.is_terminal();
        if starting || waking { self.timings.progress } else { self.timings.reconcile }
    }
}

/// What Flink says of a session job whose JAR is not there, or whose program throws.
fn broken_jar(spec: &Value) -> Option<String> {
    let text = |field: &str| spec.at(field).and_then(Value::as_str).unwrap_or_default();
    let jar = text("/job/jarURI");
    if jar.contains("missing") {
        return Some(format!("java.io.FileNotFoundException: {jar} (No such file or directory)"));
    }
    text("/job/entryClass").contains("Missing").then(|| {
        "java.util.concurrent.ExecutionException: org.apache.flink.runtime.rest.util.RestClientException: \
         [Could not execute application.]"
            .to_owned()
    })
}
