//! What is counted, in the words of Prometheus.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use serde::Serialize;

use crate::cluster::{WatchHealth, WriteError};
use crate::flink::health::Health;
use crate::plan::outcome::BlockedBy;
use crate::plan::{Live, Plan};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HealthLabel {
    health: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BlockedLabel {
    by: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnitLabel {
    namespace: String,
    kind: String,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabel {
    verb: String,
    result: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RevisionLabel {
    repository: String,
    environment: String,
    revision: String,
}

/// Everything `/metrics` shows.
pub struct Metrics {
    registry: Registry,
    units: Family<HealthLabel, Gauge>,
    blocked: Family<BlockedLabel, Gauge>,
    drifted: Gauge,
    suspended: Gauge,
    suspended_since: Family<UnitLabel, Gauge>,
    writes: Family<WriteLabel, Counter>,
    conflicts: Counter,
    watch_restarts: Gauge,
    applied: Family<RevisionLabel, Gauge>,
    applied_at: Gauge,
    wanted: Family<RevisionLabel, Gauge>,
    git_errors: Counter,
    git_invalid: Gauge,
    reconcile: Histogram,
    lease: Gauge,
    last_applied: Mutex<Option<String>>,
    rounds: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("flinkops"),
            units: Family::default(),
            blocked: Family::default(),
            drifted: Gauge::default(),
            suspended: Gauge::default(),
            suspended_since: Family::default(),
            writes: Family::default(),
            conflicts: Counter::default(),
            watch_restarts: Gauge::default(),
            applied: Family::default(),
            applied_at: Gauge::default(),
            wanted: Family::default(),
            git_errors: Counter::default(),
            git_invalid: Gauge::default(),
            reconcile: Histogram::new([0.001, 0.005, 0.025, 0.1, 0.5, 2.0, 10.0]),
            lease: Gauge::default(),
            last_applied: Mutex::default(),
            rounds: AtomicU64::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("units", "Units of this environment, by health", self.units.clone());
        registry.register(
            "blocked",
            "Units that want an action but may not start, by what keeps them",
            self.blocked.clone(),
        );
        registry.register("drifted", "Units that the cluster changed by itself", self.drifted.clone());
        registry.register(
            "suspended",
            "Jobs that flinkops itself keeps suspended for the moment",
            self.suspended.clone(),
        );
        registry.register(
            "suspended_since_timestamp_seconds",
            "Since when flinkops keeps a job suspended",
            self.suspended_since.clone(),
        );
        registry.register("writes", "Writes to the API server, by verb and result", self.writes.clone());
        registry.register(
            "conflicts",
            "Writes refused because the object had changed",
            self.conflicts.clone(),
        );
        registry.register(
            "watch_restarts",
            "Watches that failed and were started again",
            self.watch_restarts.clone(),
        );
        registry.register("revision_applied", "The revision last applied in full", self.applied.clone());
        registry.register(
            "revision_applied_timestamp_seconds",
            "When the revision last applied in full was first seen so",
            self.applied_at.clone(),
        );
        registry.register("revision_wanted", "The revision in force", self.wanted.clone());
        registry.register("git_errors", "Readings of Git that failed", self.git_errors.clone());
        registry.register(
            "git_invalid",
            "1 while the newest revision cannot be used",
            self.git_invalid.clone(),
        );
        registry.register("reconcile_duration_seconds", "Time of one round", self.reconcile.clone());
        registry.register("lease_held", "1 while this process may write", self.lease.clone());
    }

    /// Takes in a plan.
    pub(super) fn planned(&self, plan: &Plan, live: &Live, now: Timestamp) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        self.units.clear();
        self.blocked.clear();
        self.suspended_since.clear();
        let mut units: BTreeMap<Health, i64> = BTreeMap::new();
        let mut blocked: BTreeMap<BlockedBy, i64> = BTreeMap::new();
        let mut drifted = 0;
        let mut suspended = 0;
        for unit in &plan.units {
            *units.entry(unit.health).or_default() += 1;
            if let Some(found) = &unit.blocked {
                *blocked.entry(found.by).or_default() += 1;
            }
            drifted += i64::from(
                unit.changes.iter().any(|change| change.cause != crate::plan::outcome::Cause::Pending),
            );
            if let Some(since) = unit.suspended_by_us {
                suspended += 1;
                let label = UnitLabel {
                    namespace: unit.key.namespace.clone(),
                    kind: unit.key.kind.to_string(),
                    name: unit.key.name.clone(),
                };
                self.suspended_since.get_or_create(&label).set(since.as_second());
            }
        }
        for (health, count) in units {
            self.units.get_or_create(&HealthLabel { health: word(health) }).set(count);
        }
        for (by, count) in blocked {
            self.blocked.get_or_create(&BlockedLabel { by: word(by) }).set(count);
        }
        self.drifted.set(drifted);
        self.suspended.set(suspended);
        self.revisions(plan, live, now);
    }

    fn revisions(&self, plan: &Plan, live: &Live, now: Timestamp) {
        let label = |revision: &str| RevisionLabel {
            repository: plan.repository.clone(),
            environment: plan.environment.clone(),
            revision: revision.to_owned(),
        };
        self.wanted.clear();
        self.wanted.get_or_create(&label(plan.revision.as_str())).set(1);
        let applied = live.markers.values().find_map(|marker| marker.revisions.get(&plan.environment));
        let Some(applied) = applied else { return };
        let mut last = self.last_applied.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_deref() != Some(applied.as_str()) {
            self.applied.clear();
            self.applied.get_or_create(&label(applied.as_str())).set(1);
            self.applied_at.set(now.as_second());
            *last = Some(applied.as_str().to_owned());
        }
    }

    /// Counts a write.
    pub(super) fn wrote(&self, verb: &'static str, error: Option<&WriteError>) {
        let result = match error {
            None => "done",
            Some(WriteError::Conflict { .. }) => "conflict",
            Some(WriteError::Rejected { .. }) => "rejected",
            Some(WriteError::Forbidden { .. }) => "forbidden",
            Some(WriteError::Transient { .. }) => "failed",
            Some(WriteError::LeaseLost { .. }) => "lease-lost",
        };
        self.writes.get_or_create(&WriteLabel { verb: verb.to_owned(), result: result.to_owned() }).inc();
        if result == "conflict" {
            self.conflicts.inc();
        }
    }

    /// Takes in how long a round took.
    pub(super) fn reconciled(&self, took: Duration) {
        self.reconcile.observe(took.as_secs_f64());
    }

    /// Takes in how the watches are doing.
    pub(super) fn watching(&self, health: &WatchHealth) {
        self.watch_restarts.set(i64::try_from(health.restarts).unwrap_or(i64::MAX));
    }

    /// Counts a failure to read Git.
    pub(super) fn git_failed(&self) {
        self.git_errors.inc();
    }

    /// Says whether the newest revision can be used.
    pub(super) fn git_read(&self, usable: bool) {
        self.git_invalid.set(i64::from(!usable));
    }

    /// Says whether this process may write.
    pub(super) fn leading(&self, held: bool) {
        self.lease.set(i64::from(held));
    }

    /// How many rounds were made.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// The page.
    pub fn page(&self) -> String {
        let mut page = String::new();
        encode(&mut page, &self.registry).expect("text can always be written to a string");
        page
    }
}

/// The contract's word for something, as JSON has it.
fn word(value: impl Serialize) -> String {
    let word = serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned));
    word.expect("a word")
}
