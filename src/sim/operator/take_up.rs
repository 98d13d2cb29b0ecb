//! How a resource that was deployed before anybody looked is taken up: its status says what runs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::flink::{Fate, JobPlan, Phase, is_highly_available};
use super::machine::Machine;
use super::spec::Recorded;
use super::subject::Subject;
use crate::flink::config;
use crate::flink::kind::Role;
use crate::flink::savepoint::LAST_STATE_DUMMY;

/// How long something has run that may have run for ever: long enough for checkpoints.
const LONG: Duration = Duration::from_secs(24 * 3600);

impl Machine {
    /// Gives Flink what the status of a resource says runs. `cluster` is the session job's.
    pub fn take_up(&mut self, object: &Value, cluster: Option<&Value>, now: Timestamp) {
        let Some(subject) = self.subject(object, cluster, now) else { return };
        if subject.is_refused() && subject.status.generation != Some(subject.generation()) {
            self.refused.insert(subject.object_key(), subject.generation());
        }
        let Some(last) = subject.status.last.clone() else { return };
        let cluster_spec = cluster.and_then(|it| it.get("spec"));
        let flat = config::layered(&self.defaults, cluster_spec, &last.spec);
        if subject.role != Role::SessionJob {
            self.take_up_cluster(&subject, &flat);
        }
        if subject.role.has_job() {
            self.take_up_job(&subject, &last, &flat);
        }
        if let Some(path) = subject.status.restore_path().filter(|path| path != LAST_STATE_DUMMY) {
            self.flink.add_snapshot(&path, &subject.key, 0, !path.contains("/chk-"));
        }
    }

    fn take_up_cluster(&mut self, subject: &Subject<'_>, flat: &BTreeMap<String, String>) {
        let (age, fate) = match subject.status.job_manager.as_deref() {
            Some("READY") => (LONG, Fate::Starts),
            Some("DEPLOYED_NOT_READY") => (self.timings.port, Fate::Starts),
            Some("DEPLOYING") => (Duration::ZERO, Fate::Starts),
            Some("ERROR") => (LONG, Fate::Crashes),
            _ => return,
        };
        self.flink.take_up_cluster(&subject.key, subject.now - age, fate, is_highly_available(flat));
    }

    fn take_up_job(&mut self, subject: &Subject<'_>, last: &Recorded, flat: &BTreeMap<String, String>) {
        let status = &subject.status;
        let cluster = subject.cluster_key();
        let id = status.job_id.clone().unwrap_or_default();
        let plan = || self.job_plan(&id, &cluster, &last.spec, flat);
        if subject.role == Role::SessionJob && last.is_suspended() && status.job_is("FINISHED") {
            // Flink knows it for as long as its cluster lives.
            let (plan, now) = (plan(), subject.now);
            self.flink.take_up_job(&subject.key, plan, "FINISHED", status.told.clone(), now);
            return;
        }
        if last.is_suspended() || status.reconciliation != "DEPLOYED" {
            if is_highly_available(flat) && status.restore_path().as_deref() == Some(LAST_STATE_DUMMY) {
                let plan = plan();
                self.flink.take_up_kept(&subject.key, plan);
            }
            return;
        }
        let Some(started) = self.started(subject) else { return };
        let state = status.job.as_deref().unwrap_or_default();
        let plan: JobPlan = plan();
        self.flink.take_up_job(&subject.key, plan, state, status.told.clone(), started);
    }

    /// When the job of a deployed resource began to run, or will; `None` for one that Flink does not know.
    fn started(&self, subject: &Subject<'_>) -> Option<Timestamp> {
        let (status, now) = (&subject.status, subject.now);
        if matches!(
            status.job.as_deref(),
            Some("RUNNING" | "RESTARTING" | "FINISHED" | "FAILED" | "CANCELED")
        ) {
            let told = status.told.as_ref().and_then(|told| Timestamp::from_millisecond(told.1).ok());
            return Some(told.filter(|at| *at < now).unwrap_or(now - LONG));
        }
        let phase = match subject.role {
            // Whether it is still being submitted or lost, only the error tells.
            Role::SessionJob if status.error.is_some() => return None,
            Role::SessionJob => self.flink.phase(&subject.cluster_key(), now),
            _ => self.flink.phase(&subject.key, now),
        };
        match (subject.role, phase) {
            (_, Phase::Ready) => Some(now + self.timings.job),
            (Role::Application, Phase::Starting | Phase::Listening) => Some(now + self.timings.ready),
            _ => None,
        }
    }
}
