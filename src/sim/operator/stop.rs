//! How the operator stops a job or a cluster for a change, and brings a suspended one back.

use std::time::Duration;

use serde_json::Value;

use super::machine::Machine;
use super::snapshots::upgrade_snapshot;
use super::spec::Recorded;
use super::status::{LegacySavepoint, error};
use super::subject::{Step, Subject};
use super::upgrade::Stop;
use crate::flink::kind::Role;
use crate::flink::savepoint::LAST_STATE_DUMMY;

impl Machine {
    /// The job is stopped; a suspended one rests, any other is deployed anew.
    pub(super) fn stopped(&mut self, subject: &mut Subject<'_>, stop: Stop) -> Duration {
        let path = match self.stop(subject, stop) {
            Ok(path) => path,
            Err(message) => {
                let cause = format!("java.lang.Exception: {message}");
                let text = error("UpgradeFailureException", "Savepoint Error", None, Some(&cause));
                subject.status.error = Some(text);
                return self.timings.reconcile;
            }
        };
        if stop == Stop::Redeploy {
            return self.redeploy(subject);
        }
        self.keep_upgrade_path(subject, path);
        subject.status.error = None;
        subject.status.job = Some("FINISHED".into());
        let mode = stop.mode(subject.upgrade_mode()).to_owned();
        self.record(subject, "suspended", &mode);
        if subject.role == Role::SessionJob && self.mode.is_modern() {
            subject.status.job_id = None;
        }
        if subject.wants_suspended() {
            return self.rest(subject);
        }
        "UPGRADING".clone_into(&mut subject.status.reconciliation);
        if subject.role == Role::Application && !stop.removes_cluster() {
            return self.begin(subject, Step::Remove, self.timings.remove);
        }
        self.timings.reaction
    }

    fn stop(&mut self, subject: &mut Subject<'_>, stop: Stop) -> Result<Option<String>, String> {
        let (key, now) = (subject.key.clone(), subject.now);
        if matches!(stop, Stop::Stateless | Stop::Redeploy) {
            self.flink.cancel(&key, now);
            subject.status.upgrade_path = None;
            subject.status.savepoint_info = Value::Null;
        }
        if subject.role == Role::Application && stop.removes_cluster() {
            self.flink.stop_cluster(&key, stop != Stop::LastState, now);
            subject.status.job_manager = Some("MISSING".into());
        }
        match stop {
            Stop::Savepoint => {
                let path = self.flink.stop_with_savepoint(&key, now)?;
                self.keep_upgrade_savepoint(subject, &path);
                Ok(Some(path))
            }
            Stop::Cancel => Ok(self.flink.cancel(&key, now)),
            Stop::Stateless | Stop::Redeploy => Ok(None),
            Stop::LastState => Ok(Some(LAST_STATE_DUMMY.to_owned())),
            Stop::Nothing | Stop::NeverRan => {
                Ok(subject.status.restore_path().or_else(|| self.flink.last_checkpoint(&key, now)))
            }
        }
    }

    fn keep_upgrade_path(&mut self, subject: &mut Subject<'_>, path: Option<String>) {
        let Some(location) = path else { return };
        if self.mode.is_modern() {
            subject.status.upgrade_path = Some(location);
        } else if location != LAST_STATE_DUMMY && subject.status.restore_path().as_ref() != Some(&location) {
            let at = subject.now.as_millisecond();
            subject.status.record_legacy(&LegacySavepoint { location, at, trigger: "UNKNOWN", nonce: None });
        }
    }

    pub(super) fn keep_upgrade_savepoint(&mut self, subject: &mut Subject<'_>, path: &str) {
        let at = subject.now.as_millisecond();
        if self.mode.is_modern() {
            subject.effects.extend(upgrade_snapshot(&subject.key, path, subject.now));
        } else {
            let location = path.to_owned();
            subject.status.record_legacy(&LegacySavepoint { location, at, trigger: "UPGRADE", nonce: None });
        }
    }

    /// A suspended job counts as stable.
    fn rest(&mut self, subject: &mut Subject<'_>) -> Duration {
        subject.status.stable.clone_from(&subject.status.last);
        "DEPLOYED".clone_into(&mut subject.status.reconciliation);
        if subject.role == Role::Application {
            subject.status.task_managers = Some(0);
        }
        self.timings.reconcile
    }

    /// The session cluster is down, with every job on it.
    pub(super) fn killed(&mut self, subject: &mut Subject<'_>) -> Duration {
        self.flink.stop_cluster(&subject.key, false, subject.now);
        self.begin(subject, Step::Remove, self.timings.remove)
    }

    /// The cluster is gone.
    pub(super) fn removed(&mut self, subject: &mut Subject<'_>) -> Duration {
        if subject.role == Role::SessionCluster {
            subject.status.job = Some("FINISHED".into());
            self.record(subject, "", "");
            "UPGRADING".clone_into(&mut subject.status.reconciliation);
        } else {
            self.flink.stop_cluster(&subject.key, false, subject.now);
        }
        subject.status.job_manager = Some("MISSING".into());
        self.deploy(subject, Step::Deploy)
    }

    /// A job that was suspended starts from what it was suspended with, unless the new spec says stateless.
    pub(super) fn resume(&mut self, subject: &mut Subject<'_>, last: &Recorded) -> Duration {
        let stateless = subject.upgrade_mode() == "stateless";
        let mode = if stateless { "stateless" } else { last.upgrade_mode() }.to_owned();
        if stateless {
            subject.status.upgrade_path = None;
            subject.status.savepoint_info = Value::Null;
        }
        self.record(subject, "suspended", &mode);
        subject.status.error = None;
        "UPGRADING".clone_into(&mut subject.status.reconciliation);
        if subject.role == Role::Application && subject.status.job_manager.as_deref() != Some("MISSING") {
            return self.begin(subject, Step::Remove, self.timings.remove);
        }
        self.deploy(subject, Step::Deploy)
    }
}
