//! The model of the Flink Kubernetes Operator, and of Flink behind it.
//!
//! `machine` decides as a function of values; `agenda` feeds it what changes in the store and what is
//! due, and carries out what it says. The sequences it must reproduce were observed on real operators, in
//! both modes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

mod agenda;
mod change;
mod cleanup;
mod deploy;
mod effect;
mod flink;
mod machine;
mod observe;
mod parents;
mod snapshots;
mod spec;
mod status;
mod stop;
mod subject;
mod take_up;
mod timings;
mod upgrade;

pub(super) use agenda::Agenda;
pub use effect::MANAGER;
pub(super) use flink::Deed;
pub use flink::{Behaviour, JobView, SAVEPOINT_KEY, Snapshot};
use machine::Machine;
use timings::Mode;

use super::OperatorMode;
use super::api::store::Store;
use crate::flink::kind::{ObjectKey, UnitKey};

/// The operator of one embedded cluster. Clones are handles to the same one.
#[derive(Clone)]
pub struct Operator(Arc<Mutex<Machine>>);

impl Operator {
    /// An operator that makes everything `1 / scale` times as fast as observed.
    pub fn new(mode: OperatorMode, scale: f64) -> Self {
        let mode = match mode {
            OperatorMode::V1_7 => Mode::V1_7,
            OperatorMode::V1_15 => Mode::V1_15,
        };
        Self(Arc::new(Mutex::new(Machine::new(mode, 1.0 / scale.max(1e-6)))))
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An operator of somebody's cluster as it may be: all goes well, and Flink keeps an account.
    pub(super) fn rehearsing(mode: OperatorMode) -> Self {
        let operator = Self::new(mode, 1.0);
        operator.machine().flink.rehearse();
        operator
    }

    /// Lays options under those of every resource, as the operator's own configuration does.
    pub fn configure(&self, defaults: &BTreeMap<String, String>) {
        let own = &mut self.machine().defaults;
        Arc::make_mut(own).extend(defaults.clone());
    }

    /// What Flink did since the last call; nothing unless it keeps an account.
    pub(super) fn take_deeds(&self) -> Vec<(UnitKey, Deed)> {
        self.machine().flink.take_deeds()
    }

    /// What a person sees of a unit's job in Flink.
    pub fn job(&self, unit: &UnitKey, now: Timestamp) -> Option<JobView> {
        self.machine().flink.view(unit, now)
    }

    /// What Flink's REST API answers behind this Service, where a JobManager listens.
    pub(super) fn rest(&self, service: &ObjectKey, path: &str, now: Timestamp) -> Option<Value> {
        self.machine().flink.rest(service, path, now)
    }

    /// Submits a job to a session cluster without a resource, as one does with Flink's own command line.
    pub fn submit(&self, cluster: &UnitKey, name: &str, now: Timestamp) {
        self.machine().flink.submit_by_hand(cluster, name, now);
    }

    /// The savepoints and retained checkpoints on disk.
    pub fn disk(&self) -> BTreeMap<String, Snapshot> {
        self.machine().flink.disk().clone()
    }

    /// Puts a savepoint of a unit on disk, as if it had been taken elsewhere.
    pub fn keep_savepoint(&self, unit: &UnitKey, path: &str, records: u64) {
        self.machine().flink.add_snapshot(path, unit, records, true);
    }

    /// Deletes a savepoint or a retained checkpoint from disk, as a person may.
    pub fn lose_snapshot(&self, path: &str) {
        self.machine().flink.dispose(path);
    }

    /// Decides how a unit's savepoints go from now on.
    pub fn set_behaviour(&self, unit: &UnitKey, behaviour: Behaviour) {
        self.machine().flink.set_behaviour(unit, behaviour);
    }

    /// Makes a running job restart over and over, or lets it run again.
    pub fn set_restarting(&self, unit: &UnitKey, restarting: bool, now: Timestamp) {
        self.machine().flink.set_restarting(unit, restarting, now);
    }

    /// Has a job fail for good.
    pub fn fail_job(&self, unit: &UnitKey, now: Timestamp) {
        self.machine().flink.fail(unit, now);
    }

    /// Kills a cluster's JobManager; Kubernetes starts it again at once.
    pub fn crash_job_manager(&self, cluster: &UnitKey, now: Timestamp) {
        self.machine().flink.crash_job_manager(cluster, now);
    }

    /// Has a cluster's JobManager be gone for good, as by `kubectl delete deployment`.
    pub fn lose_job_manager(&self, cluster: &UnitKey, now: Timestamp) {
        self.machine().flink.stop_cluster(cluster, false, now);
    }

    /// Takes up every resource of a store where its status says it stands: Flink then runs what was
    /// running elsewhere. What Flink knows of these resources already is forgotten.
    pub fn take_up(&self, store: &Store) {
        let mut agenda = Agenda::new(store.clone(), self.clone()).taking_up();
        agenda.list();
        agenda.meet_all();
    }

    /// Works until it is dropped. What was under way is forgotten, as by a restart of the real one.
    pub async fn run(self, store: Store) {
        self.machine().restart();
        Agenda::new(store, self).run().await;
    }
}
