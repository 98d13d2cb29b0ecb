//! One writer per repository and environment: a Lease that `run` and `apply` share (S6).
//!
//! A lease is a courtesy: it keeps two writers from disturbing each other, while each write stays
//! compare-and-swap. Clocks of different machines are never compared: a holder counts as dead when its
//! record has not changed for its own duration on *our* monotonic clock.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::{Cluster, ClusterError, Resource, Scope};
use crate::plan::ledger::{LABEL_ENVIRONMENT, LABEL_MANAGED_BY, LABEL_REPOSITORY, MANAGER};
use crate::plan::live::LiveObject;
use crate::spec::Desired;

/// How long others wait after the last renewal they saw.
const DURATION: Duration = Duration::from_secs(15);
/// How often a holder renews.
const RENEW: Duration = Duration::from_secs(5);
/// After this long without a renewal a holder stops writing, well before others may begin.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often one who waits looks.
const LOOK: Duration = Duration::from_secs(2);

/// Who holds a lease, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What the holder calls itself.
    pub name: String,
    /// Since when, by the holder's clock.
    pub since: Option<Timestamp>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        self.since.map_or(Ok(()), |since| write!(f, " since {}", since.strftime("%Y-%m-%d %H:%M:%SZ")))
    }
}

/// How long to wait for a lease that someone else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Until it is free.
    Forever,
    /// Only until the holder has shown that it lives, or is found dead.
    UntilAlive,
}

/// A lease was not obtained.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LeaseError {
    /// Someone else is at it.
    #[error("take the lease {namespace}/{name}: held by {holder}")]
    Held {
        /// The lease's namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// By whom.
        holder: Holder,
    },
    /// The API server does not let us.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// Whether a lease is still ours; cheap to clone and to ask.
#[derive(Clone, Debug)]
pub struct Held(Arc<Hold>);

#[derive(Debug)]
struct Hold {
    /// When the last successful renewal was begun; `None` once it is lost or released.
    renewed: Mutex<Option<Instant>>,
    lost: Notify,
}

impl Held {
    fn new(at: Instant) -> Self {
        Self(Arc::new(Hold { renewed: Mutex::new(Some(at)), lost: Notify::new() }))
    }

    /// Whether writing is still allowed.
    pub fn is_held(&self) -> bool {
        self.renewed().is_some_and(|at| at.elapsed() < DEADLINE)
    }

    /// Waits until it is lost.
    pub async fn lost(&self) {
        loop {
            let told = self.0.lost.notified();
            let Some(at) = self.renewed().filter(|_| self.is_held()) else { return };
            tokio::select! {
                () = told => {}
                () = tokio::time::sleep_until(at + DEADLINE) => {}
            }
        }
    }

    fn renewed(&self) -> Option<Instant> {
        *self.0.renewed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, renewed: Option<Instant>) {
        *self.0.renewed.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
        if renewed.is_none() {
            self.0.lost.notify_waiters();
        }
    }
}

/// A lease that is held and renewed in the background.
///
/// [`release`](Lease::release) gives it back at once; dropping it only stops renewing, as a crash would.
pub struct Lease {
    place: Place,
    held: Held,
    renewing: JoinHandle<()>,
}

impl Lease {
    /// Takes the lease of a repository and environment.
    ///
    /// `role` says what we are (`run`, `apply`) to whoever finds the lease taken. `waiting` is told, once
    /// per holder, whom we wait for.
    pub async fn acquire(
        cluster: &Cluster,
        desired: &Desired,
        role: &str,
        patience: Patience,
        waiting: impl Fn(&Holder),
    ) -> Result<Self, LeaseError> {
        let place = Place::new(cluster, &Scope::of(desired), &desired.namespace, role).await?;
        let held = place.wait(patience, waiting).await?;
        let renewing = tokio::spawn(place.clone().renew_for_ever(held.clone()));
        Ok(Self { place, held, renewing })
    }

    /// What is asked before each write.
    pub fn held(&self) -> Held {
        self.held.clone()
    }

    /// Gives the lease back, so that the next one need not wait.
    pub async fn release(self) {
        self.renewing.abort();
        if self.held.is_held() {
            self.held.set(None);
            match tokio::time::timeout(RENEW, self.place.give_back()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!("failed to release the lease: {error}"),
                Err(_) => tracing::debug!("failed to release the lease in time"),
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// Where the lease is, and who we are.
#[derive(Clone)]
struct Place {
    cluster: Cluster,
    resource: Resource,
    namespace: String,
    name: String,
    labels: Value,
    identity: String,
}

impl Place {
    async fn new(
        cluster: &Cluster,
        scope: &Scope,
        namespace: &str,
        role: &str,
    ) -> Result<Self, ClusterError> {
        let resource = cluster.resource("coordination.k8s.io/v1", "Lease").await?;
        Ok(Self {
            cluster: cluster.clone(),
            resource,
            namespace: namespace.to_owned(),
            name: format!("flinkops.{}.{}", scope.repository, scope.environment),
            labels: json!({
                LABEL_MANAGED_BY: MANAGER,
                LABEL_REPOSITORY: scope.repository,
                LABEL_ENVIRONMENT: scope.environment,
            }),
            identity: identity(role),
        })
    }

    async fn wait(&self, patience: Patience, waiting: impl Fn(&Holder)) -> Result<Held, LeaseError> {
        let mut seen: Option<Seen> = None;
        loop {
            let begun = Instant::now();
            let current = self.read().await?;
            let record = current.as_ref().map(Record::of);
            let other = record.filter(|record| !record.holder.name.is_empty());
            let free = match (&other, &seen) {
                (None, _) => true,
                (Some(other), Some(seen)) if seen.version == other.version => {
                    seen.at.elapsed() >= other.duration
                }
                (Some(other), before) => {
                    let alive = before.as_ref().is_some_and(|before| before.holder == other.holder.name);
                    if alive && patience == Patience::UntilAlive {
                        return Err(self.held_by(other.holder.clone()));
                    }
                    if !alive {
                        waiting(&other.holder);
                    }
                    seen = Some(Seen::new(other));
                    false
                }
            };
            if free && self.write(current.as_ref(), &self.identity).await? {
                return Ok(Held::new(begun));
            }
            sleep(LOOK).await;
        }
    }

    fn held_by(&self, holder: Holder) -> LeaseError {
        LeaseError::Held { namespace: self.namespace.clone(), name: self.name.clone(), holder }
    }

    async fn renew_for_ever(self, held: Held) {
        while held.is_held() {
            sleep(RENEW.min(DEADLINE)).await;
            self.renew(&held).await;
        }
        held.set(None);
        tracing::error!(
            lease = self.name,
            namespace = self.namespace,
            "the lease is lost; nothing more is written"
        );
    }

    /// Renews, trying again every second until it succeeds or the deadline passes.
    async fn renew(&self, held: &Held) {
        let mut failure = None;
        while held.is_held() {
            let begun = Instant::now();
            let attempt = tokio::time::timeout(RENEW, self.renew_once()).await;
            match attempt {
                Ok(Ok(true)) => return held.set(Some(begun)),
                Ok(Ok(false)) => return held.set(None),
                Ok(Err(error)) if failure.as_ref() == Some(&error) => {}
                Ok(Err(error)) => {
                    tracing::warn!("failed to renew the lease: {error}; trying again");
                    failure = Some(error);
                }
                Err(_) => tracing::warn!("failed to renew the lease: no answer within {} s", RENEW.as_secs()),
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Whether the lease is still ours after it.
    async fn renew_once(&self) -> Result<bool, ClusterError> {
        let current = self.read().await?;
        let ours = current.as_ref().is_some_and(|object| Record::of(object).holder.name == self.identity);
        // A conflict means that someone wrote in between: look again rather than give up.
        Ok(ours && (self.write(current.as_ref(), &self.identity).await? || self.is_ours().await?))
    }

    async fn is_ours(&self) -> Result<bool, ClusterError> {
        Ok(self.read().await?.is_some_and(|object| Record::of(&object).holder.name == self.identity))
    }

    async fn give_back(&self) -> Result<(), ClusterError> {
        loop {
            let current = self.read().await?;
            let ours = current.as_ref().is_some_and(|object| Record::of(object).holder.name == self.identity);
            // After a conflict it may still be ours: others would wait for it to run out.
            if !ours || self.write(current.as_ref(), "").await? {
                return Ok(());
            }
        }
    }

    async fn read(&self) -> Result<Option<LiveObject>, ClusterError> {
        let key = crate::flink::kind::ObjectKey::new(
            "coordination.k8s.io/v1",
            "Lease",
            &self.namespace,
            &self.name,
        );
        self.cluster.fetch(&key).await
    }

    /// Writes the record by compare-and-swap; whether it went through.
    async fn write(&self, current: Option<&LiveObject>, holder: &str) -> Result<bool, ClusterError> {
        let object = self.record(current, holder);
        let body = object.to_string().into_bytes();
        let path = self.resource.path(&self.namespace);
        let post = kube::core::params::PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..kube::core::params::PostParams::default()
        };
        let (verb, answer) = match current {
            None => {
                ("create", self.cluster.request::<Value>(path, |request| request.create(&post, body)).await)
            }
            Some(_) => (
                "update",
                self.cluster.request(path, |request| request.replace(&self.name, &post, body)).await,
            ),
        };
        match answer {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(ClusterError::of(&self.cluster, verb, &self.resource, &self.namespace, &error)),
        }
    }

    fn record(&self, current: Option<&LiveObject>, holder: &str) -> Value {
        let now = format!("{:.6}", Timestamp::now());
        let before = current.map(Record::of);
        let same = before.as_ref().is_some_and(|before| before.holder.name == holder);
        let transitions = before.as_ref().map_or(0, |before| before.transitions + i64::from(!same));
        let acquired = current
            .filter(|_| same)
            .and_then(|object| object.spec().get("acquireTime").cloned())
            .unwrap_or_else(|| json!(now));
        let mut metadata = json!({"name": self.name, "namespace": self.namespace, "labels": self.labels});
        if let Some(current) = current {
            metadata["resourceVersion"] = json!(current.resource_version());
        }
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": DURATION.as_secs(),
                "acquireTime": acquired,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        })
    }
}

/// What a Lease says.
struct Record {
    holder: Holder,
    duration: Duration,
    transitions: i64,
    version: String,
}

impl Record {
    fn of(object: &LiveObject) -> Self {
        let spec = object.spec();
        let text = |key: &str| spec.get(key).and_then(Value::as_str).unwrap_or_default();
        let seconds = spec.get("leaseDurationSeconds").and_then(Value::as_u64).unwrap_or(DURATION.as_secs());
        Self {
            holder: Holder {
                name: text("holderIdentity").to_owned(),
                since: text("acquireTime").parse().ok(),
            },
            duration: Duration::from_secs(seconds),
            transitions: spec.get("leaseTransitions").and_then(Value::as_i64).unwrap_or_default(),
            version: object.resource_version().to_owned(),
        }
    }
}

/// A holder's record when it was first seen so.
struct Seen {
    holder: String,
    version: String,
    at: Instant,
}

impl Seen {
    fn new(record: &Record) -> Self {
        Self { holder: record.holder.name.clone(), version: record.version.clone(), at: Instant::now() }
    }
}

/// A name that people recognise and that no other process has: the role, the host and the process.
fn identity(role: &str) -> String {
    use std::hash::{BuildHasher, Hasher};
    let host = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    let host =
        host.or_else(|| std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned()));
    // The standard library's hasher is seeded at random: enough to tell two processes apart.
    let unique = std::hash::RandomState::new().build_hasher().finish() & 0xffff_ffff;
    format!("{role}@{}/{unique:08x}", host.unwrap_or_else(|| "unknown".to_owned()))
}
