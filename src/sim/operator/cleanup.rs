//! What the operator does before it lets a resource go.

use std::time::Duration;

use serde_json::json;

use super::effect::Effect;
use super::machine::Machine;
use super::spec::Recorded;
use super::subject::{Step, Subject, Work, has_finalizer};
use crate::flink::kind::Role;

impl Machine {
    pub(super) fn clean_up(&mut self, subject: &mut Subject<'_>, jobs: &[String]) -> Option<Duration> {
        if !has_finalizer(subject.object) {
            return None;
        }
        if let Some(Work { step: Step::CleanUp, until, .. }) = self.memory_of(subject).work {
            if subject.now < until {
                return Some(until.duration_since(subject.now).unsigned_abs());
            }
            return self.cleaned_up(subject);
        }
        self.say(subject, "Normal", ("Cleanup", "Operator"), &format!("Cleaning up {}", subject.key.kind));
        match subject.role {
            Role::SessionCluster if !jobs.is_empty() => {
                let message = format!("The session jobs [{}] should be deleted first", jobs.join(", "));
                self.say(subject, "Warning", ("CleanupFailed", "Operator"), &message);
                subject.status.deleting = self.mode.is_modern() && subject.status.last.is_some();
                Some(self.timings.reconcile)
            }
            Role::SessionCluster => Some(self.begin(subject, Step::CleanUp, self.timings.remove)),
            _ => self.clean_up_job(subject),
        }
    }

    fn clean_up_job(&mut self, subject: &mut Subject<'_>) -> Option<Duration> {
        let session = subject.role == Role::SessionJob;
        let suspended = subject.status.last.as_ref().is_none_or(Recorded::is_suspended);
        let id = subject.status.job_id.clone().unwrap_or_default();
        let lost = self.flink.job_state(&subject.key, &id, subject.now).is_none();
        if session && lost && !suspended && !self.mode.is_modern() && subject.cluster.is_some() {
            // 1.7 asks Flink to cancel a job that is gone, again and again.
            return Some(self.timings.reconcile);
        }
        // What is over needs no cancelling: seen on 1.7 of a job that had failed.
        if suspended || (session && (lost || subject.status.is_terminal())) {
            return self.let_go(subject);
        }
        let on_deletion = subject
            .configuration()
            .get("kubernetes.operator.job.savepoint-on-deletion")
            .is_some_and(|it| it == "true");
        if on_deletion && let Ok(path) = self.flink.savepoint(&subject.key, subject.now) {
            self.keep_upgrade_savepoint(subject, &path);
        }
        if !session {
            return Some(self.begin(subject, Step::CleanUp, self.timings.remove));
        }
        subject.status.job = Some("CANCELLING".into());
        subject.status.deleting = self.mode.is_modern();
        Some(self.begin(subject, Step::CleanUp, self.timings.cancel))
    }

    fn cleaned_up(&mut self, subject: &mut Subject<'_>) -> Option<Duration> {
        if subject.role == Role::SessionJob {
            self.say(subject, "Normal", ("Cleanup", "Operator"), "Cleaning up FlinkSessionJob");
            let words = "Job status changed from CANCELLING to CANCELED";
            self.say(subject, "Normal", ("JobStatusChanged", "Job"), words);
        }
        self.let_go(subject)
    }

    fn let_go(&mut self, subject: &mut Subject<'_>) -> Option<Duration> {
        self.flink.cancel(&subject.key, subject.now);
        if subject.role != Role::SessionJob {
            self.flink.stop_cluster(&subject.key, true, subject.now);
        }
        self.flink.forget(&subject.key);
        let finalizers = json!({"metadata": {"finalizers": null}});
        subject.effects.push(Effect::Merge { key: subject.object_key(), patch: finalizers });
        subject.status = subject.written.clone();
        None
    }
}
