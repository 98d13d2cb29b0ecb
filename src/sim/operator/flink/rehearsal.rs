//! A Flink that begins in the middle: clusters and jobs that were running before anybody looked, and an
//! account of what is done to them from then on.

use jiff::Timestamp;

use super::job::{Job, Told};
use super::plan::{Fate, JobPlan};
use super::{Cluster, Flink, Kept};
use crate::flink::kind::UnitKey;

/// Something Flink did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A cluster was started.
    ClusterStarted,
    /// A cluster was stopped, with every job on it.
    ClusterStopped,
    /// A job was started, from this path where there is one.
    JobStarted(Option<String>),
    /// A job was stopped.
    JobStopped,
    /// A savepoint was taken.
    Savepoint,
}

impl Flink {
    /// Keeps an account of what it does, and believes whatever it is told: every image starts, every JAR
    /// and every path is there.
    pub fn rehearse(&mut self) {
        self.deeds = Some(Vec::new());
    }

    /// Whether failures that a spec asks of the embedded cluster are left out.
    pub fn is_rehearsal(&self) -> bool {
        self.deeds.is_some()
    }

    /// What was done since the last call.
    pub fn take_deeds(&mut self) -> Vec<(UnitKey, Deed)> {
        self.deeds.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn note(&mut self, unit: &UnitKey, deed: Deed) {
        if let Some(deeds) = &mut self.deeds {
            deeds.push((unit.clone(), deed));
        }
    }

    /// A cluster that has been there since `started`.
    pub fn take_up_cluster(
        &mut self,
        key: &UnitKey,
        started: Timestamp,
        fate: Fate,
        high_availability: bool,
    ) {
        self.clusters.insert(key.clone(), Cluster { started, fate, high_availability });
    }

    /// A job in this state, of which Flink has told this much.
    pub fn take_up_job(
        &mut self,
        unit: &UnitKey,
        plan: JobPlan,
        state: &str,
        told: Option<Told>,
        started: Timestamp,
    ) {
        let job = Job::found(plan, state, told, started, &self.timings);
        self.starts.insert(unit.clone(), 1);
        self.jobs.insert(unit.clone(), job);
    }

    /// What high availability keeps of an application that does not run.
    pub fn take_up_kept(&mut self, unit: &UnitKey, plan: JobPlan) {
        let kept = Kept { plan, records: 0, path: None };
        self.kept.entry(unit.clone()).or_default().insert(unit.clone(), kept);
    }
}
