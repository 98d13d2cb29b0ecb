//! Keeps reading the cluster: one watch per kind and namespace, all feeding one store.
//!
//! While nothing changes, the watches are the only connection: no call is made beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::core::DynamicObject;
use kube::runtime::watcher::{self, Config, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use tokio::sync::{Notify, watch as channel};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::observe::PAGE;
use super::scope::{Feed, Scope};
use super::store::{Said, Store, with_kind};
use super::{Cluster, ClusterError, Resource};
use crate::flink::kind::ObjectKey;
use crate::plan::Live;
use crate::plan::live::{LiveObject, Schema};

/// How long a failure speaks for a feed; the longest pause between two attempts is shorter.
const FAILING: Duration = Duration::from_secs(45);

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A cluster that is being watched.
///
/// Dropping it ends the watches.
pub struct Watch {
    cluster: Cluster,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    feeds: BTreeMap<(Feed, Option<String>), AbortHandle>,
    changes: channel::Receiver<u64>,
}

struct Shared {
    state: Mutex<State>,
    changes: channel::Sender<u64>,
    /// Asks for the schema again.
    asks: Notify,
}

struct State {
    store: Store,
    scope: Scope,
    /// `None` until the API server has answered for the first time.
    schema: Option<Schema>,
    failures: BTreeMap<Feed, (Instant, ClusterError)>,
    restarts: u64,
}

/// How the watches are doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchHealth {
    /// Whether everything has been read completely once.
    pub synced: bool,
    /// What fails at present.
    pub failures: Vec<ClusterError>,
    /// How often a watch failed and was started again.
    pub restarts: u64,
}

/// Knows how the watches are doing, without holding them open.
#[derive(Clone)]
pub struct Probe(Arc<Shared>);

impl Probe {
    /// How the watches are doing now.
    pub fn health(&self) -> WatchHealth {
        self.0.health()
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.health().fmt(f)
    }
}

impl Cluster {
    /// Begins to watch everything in the scope. Must be called within a tokio runtime.
    pub fn watch(&self, scope: &Scope) -> Watch {
        let (sender, changes) = channel::channel(0);
        let state = State {
            store: Store::default(),
            scope: scope.clone(),
            schema: None,
            failures: BTreeMap::new(),
            restarts: 0,
        };
        let (state, asks) = (Mutex::new(state), Notify::new());
        let shared = Arc::new(Shared { state, changes: sender, asks });
        let mut tasks = JoinSet::new();
        tasks.spawn(keep_schema(self.clone(), shared.clone()));
        let mut watch = Watch { cluster: self.clone(), shared, tasks, feeds: BTreeMap::new(), changes };
        watch.rescope(scope);
        watch
    }
}

impl Watch {
    /// Everything the plan is made from; `None` until each kind has been read completely.
    pub fn live(&self) -> Option<Live> {
        let state = self.shared.lock();
        let schema = state.schema.clone()?;
        let live = state.store.live(&state.scope, &self.cluster.name)?;
        Some(Live { schema, ..live })
    }

    /// Waits until something that matters has changed since the last call.
    pub async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.follow_recorded();
    }

    /// Marks everything up to now as seen: [`Watch::changed`] then waits for what comes after.
    pub fn mark_seen(&mut self) {
        self.changes.mark_unchanged();
    }

    /// Waits for the first complete reading; fails on what only a person can mend.
    pub async fn synced(&mut self) -> Result<(), ClusterError> {
        loop {
            self.mark_seen();
            let health = self.health();
            if health.synced && !self.follow_recorded() {
                return Ok(());
            }
            if let Some(error) = health.failures.into_iter().find(ClusterError::is_permanent) {
                return Err(error);
            }
            self.changed().await;
        }
    }

    /// Begins to follow the kinds of units on record that are not followed yet; answers whether there are any.
    fn follow_recorded(&mut self) -> bool {
        let state = self.shared.lock();
        let scope = state.scope.with_recorded(state.store.recorded());
        let more = scope.feeds() != state.scope.feeds();
        drop(state);
        if more {
            self.rescope(&scope);
        }
        more
    }

    /// How the watches are doing.
    pub fn health(&self) -> WatchHealth {
        self.shared.health()
    }

    /// Something to ask later, from elsewhere, how the watches are doing.
    pub fn probe(&self) -> Probe {
        Probe(self.shared.clone())
    }

    /// Follows another scope: watches begin and end as needed, those that serve both go on. What is planned
    /// next may be new to the cluster's schema, which is asked for again.
    pub fn rescope(&mut self, scope: &Scope) {
        let scope = scope.with_recorded(self.shared.lock().store.recorded());
        let wanted = scope.feeds();
        let selected: BTreeSet<_> = wanted.iter().map(|feed| (feed.clone(), scope.selector(feed))).collect();
        self.feeds.retain(|key, task| {
            let wanted = selected.contains(key);
            if !wanted {
                task.abort();
            }
            wanted
        });
        let going: BTreeSet<Feed> = self.feeds.keys().map(|(feed, _)| feed.clone()).collect();
        self.shared.rescope(scope, &going, &wanted);
        self.shared.asks.notify_one();
        for (feed, selector) in selected {
            let (cluster, shared) = (self.cluster.clone(), self.shared.clone());
            let tasks = &mut self.tasks;
            self.feeds
                .entry((feed.clone(), selector.clone()))
                .or_insert_with(|| tasks.spawn(follow(cluster, shared, feed, selector)));
        }
    }

    /// Takes in the API server's answer to a write of our own, so that the next plan sees it.
    pub fn put(&self, object: LiveObject) {
        if self.shared.lock().store.put(object) {
            self.shared.wake();
        }
    }

    /// Takes out an object that the API server says is gone.
    pub fn forget(&self, key: &ObjectKey, uid: Option<&str>) {
        if self.shared.lock().store.forget(key, uid) {
            self.shared.wake();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what the feeds `going` on have said, and waits for the others that are wanted.
    fn rescope(&self, scope: Scope, going: &BTreeSet<Feed>, wanted: &BTreeSet<Feed>) {
        let mut state = self.lock();
        state.store.retain(going);
        state.store.retain(wanted);
        state.failures.retain(|feed, _| wanted.contains(feed));
        state.scope = scope;
        drop(state);
        self.wake();
    }

    fn wake(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn health(&self) -> WatchHealth {
        let state = self.lock();
        let failures = state.failures.values().filter(|(at, _)| at.elapsed() < FAILING);
        WatchHealth {
            synced: state.store.synced() && state.schema.is_some(),
            failures: failures.map(|(_, error)| error.clone()).collect(),
            restarts: state.restarts,
        }
    }

    fn hear(&self, feed: &Feed, said: Said) {
        let matters = {
            let mut state = self.lock();
            let State { store, scope, failures, .. } = &mut *state;
            if failures.remove(feed).is_some() && failures.is_empty() {
                tracing::info!("the cluster is read again");
            }
            store.hear(feed, said, scope)
        };
        if matters {
            self.wake();
        }
    }

    fn learn(&self, schema: Schema) {
        let mut state = self.lock();
        let news = match (&state.schema, &schema) {
            (Some(Schema::Served(old)), Schema::Served(new)) => !old.is(new),
            (Some(Schema::Unreadable(old)), Schema::Unreadable(new)) => old != new,
            _ => true,
        };
        state.schema = Some(schema);
        drop(state);
        if news {
            self.wake();
        }
    }

    fn failed(&self, feed: &Feed, error: ClusterError) {
        let mut state = self.lock();
        // What may fail keeps nothing else from being read.
        if feed.may_fail() {
            let news = state.store.unreadable(feed, error.unread());
            drop(state);
            if news {
                tracing::warn!(
                    kind = feed.kind,
                    namespace = feed.namespace,
                    "failed to {error}; trying again"
                );
                self.wake();
            }
            return;
        }
        // What several feeds have in common, or one has again, is said once.
        if state.failures.values().all(|(_, known)| *known != error) {
            tracing::warn!(kind = feed.kind, namespace = feed.namespace, "failed to {error}; trying again");
        }
        state.restarts += 1;
        state.failures.insert(feed.clone(), (Instant::now(), error));
        drop(state);
        self.wake();
    }
}

/// Reads the schema whenever it is asked for, and again while it cannot be read for the time being.
async fn keep_schema(cluster: Cluster, shared: Arc<Shared>) {
    loop {
        shared.asks.notified().await;
        let mut pauses = watcher::DefaultBackoff::default();
        loop {
            let groups = shared.lock().scope.groups();
            let (schema, again) = match cluster.served(&groups).await {
                Ok(served) => (Schema::Served(served), false),
                Err(unreadable) => (Schema::Unreadable(unreadable.why), unreadable.passes),
            };
            shared.learn(schema);
            if !again {
                break;
            }
            tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
        }
    }
}

/// Follows one kind in one namespace for ever.
async fn follow(cluster: Cluster, shared: Arc<Shared>, feed: Feed, selector: Option<String>) {
    let resource = find(&cluster, &shared, &feed).await;
    let config = Config { label_selector: selector, page_size: Some(PAGE), ..Config::default() };
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), &feed.namespace, &resource.0);
    let mut events = watch_objects(api, config).default_backoff().boxed();
    while let Some(event) = events.next().await {
        match event.map(|event| said(event, &feed)) {
            Ok(Some(said)) => shared.hear(&feed, said),
            Ok(None) => tracing::warn!(kind = feed.kind, "an object could not be read"),
            Err(error) => shared.failed(&feed, named(&cluster, &resource, &feed, &error)),
        }
    }
}

async fn find(cluster: &Cluster, shared: &Shared, feed: &Feed) -> Resource {
    let mut pauses = watcher::DefaultBackoff::default();
    loop {
        match cluster.resource(&feed.api_version, &feed.kind).await {
            Ok(resource) => return resource,
            Err(error) => shared.failed(feed, error),
        }
        tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
    }
}

fn said(event: Event<DynamicObject>, feed: &Feed) -> Option<Said> {
    let read =
        |object: DynamicObject| serde_json::to_value(object).ok().map(|object| with_kind(object, feed));
    Some(match event {
        Event::Init => Said::Begin,
        Event::InitApply(object) => Said::Listed(read(object)?.into()),
        Event::InitDone => Said::End,
        Event::Apply(object) => Said::Applied(read(object)?),
        Event::Delete(object) => Said::Deleted(read(object)?),
    })
}

fn named(cluster: &Cluster, resource: &Resource, feed: &Feed, error: &watcher::Error) -> ClusterError {
    let of = |verb, error: &kube::Error| ClusterError::of(cluster, verb, resource, &feed.namespace, error);
    match error {
        watcher::Error::InitialListFailed(error) => of("list", error),
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => of("watch", error),
        watcher::Error::WatchError(status) => of("watch", &kube::Error::Api(status.clone())),
        watcher::Error::NoResourceVersion => ClusterError::Api {
            what: format!("watch {} in namespace {}", resource.plural(), feed.namespace),
            message: "the API server names no resourceVersion".to_owned(),
        },
    }
}
