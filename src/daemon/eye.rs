//! When Flink itself is asked for the newest checkpoint of jobs that run: before one is stopped, and at a slow pace
//! while nothing else is to be done. What is remembered here only keeps it from being asked more often.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::progress::{Event, Progress};
use crate::cluster::Cluster;
use crate::flink::kind::UnitKey;
use crate::plan::live::{JobRef, JobStates};
use crate::plan::write::Task;
use crate::plan::{Live, Plan, checkpoint};
use crate::spec::Desired;

/// How many jobs are asked about at leisure before a pause.
const BATCH: usize = 16;
const PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// What is asked, and when.
#[derive(Debug, Default)]
pub(super) struct Eye {
    asked: BTreeMap<UnitKey, Timestamp>,
    /// Why Flink could not be asked, so that it is told once.
    silent: BTreeMap<UnitKey, String>,
    next: Vec<JobRef>,
    wake: Option<Timestamp>,
    pause: Option<Timestamp>,
    told: JobStates,
}

impl Eye {
    /// What was told at leisure, and is to be planned with.
    pub(super) fn take(&mut self) -> JobStates {
        std::mem::take(&mut self.told)
    }

    /// Asks about the jobs that are about to be stopped.
    pub(super) async fn before(
        &mut self,
        cluster: &Cluster,
        desired: &Desired,
        live: &Live,
        (plan, tasks): (&Plan, &[Task]),
        now: Timestamp,
    ) -> JobStates {
        let jobs = checkpoint::before(desired, live, (plan, tasks), &self.asked, now);
        if jobs.is_empty() {
            return JobStates::new();
        }
        cluster.ask_state(jobs).await
    }

    /// Decides what is asked while nothing is to be done.
    pub(super) fn at_leisure(&mut self, desired: &Desired, live: &Live, plan: &Plan, now: Timestamp) {
        let mut jobs = checkpoint::at_leisure(desired, live, plan, &self.asked, now);
        jobs.sort_by_key(|(at, _)| *at);
        let due = jobs.iter().take_while(|(at, _)| *at <= now).count();
        let pauses = self.pause.filter(|at| *at > now);
        let batch = if pauses.is_some() { 0 } else { due.min(BATCH) };
        self.wake = match pauses {
            Some(at) if due > 0 => Some(at),
            _ => jobs.get(due).map(|(at, _)| *at),
        };
        self.next = jobs.into_iter().take(batch).map(|(_, job)| job).collect();
    }

    /// Nothing is asked now.
    pub(super) fn rest(&mut self) {
        self.next.clear();
        self.wake = None;
    }

    /// When something is to be asked next.
    pub(super) fn wake(&self) -> Option<Timestamp> {
        self.wake
    }

    /// Asks what is to be asked at leisure; never ends where that is nothing. Given up halfway it is tried again
    /// after a pause.
    pub(super) async fn look(&mut self, cluster: &Cluster, now: Timestamp) -> JobStates {
        if self.next.is_empty() {
            std::future::pending::<()>().await;
        }
        self.pause = now.checked_add(PAUSE).ok();
        cluster.ask_state(std::mem::take(&mut self.next)).await
    }

    /// Takes in what was told at leisure.
    pub(super) fn rested(&mut self, told: JobStates, now: Timestamp, progress: &dyn Progress) {
        self.learn(&told, now, progress);
        self.told = told;
        self.rest();
    }

    /// Remembers who was asked, and tells who did not answer.
    pub(super) fn learn(&mut self, told: &JobStates, now: Timestamp, progress: &dyn Progress) {
        for (unit, answer) in told {
            self.asked.insert(unit.clone(), now);
            match answer {
                Ok(_) => drop(self.silent.remove(unit)),
                Err(why) if self.silent.get(unit) != Some(why) => {
                    progress.tell(&Event::FlinkSilent { unit, message: why });
                    self.silent.insert(unit.clone(), why.clone());
                }
                Err(_) => {}
            }
        }
    }
}
