//! A daemon that runs on an embedded cluster, and a repository whose HEAD a test moves.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flinkops::cluster::{Cluster, ClusterError};
use flinkops::daemon::run::Settings;
use flinkops::daemon::{Health, Loaded, Misuse, Repository, run};
use flinkops::rule::RuleId;
use flinkops::spec::desired::Unknown;
use flinkops::spec::finding::Place;
use flinkops::spec::policy::Mode;
use flinkops::spec::source::Revision;
use flinkops::spec::{Desired, Finding};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::world::{World, repository};

/// A repository whose HEAD a test moves.
#[derive(Default)]
pub struct Shelf {
    revisions: Mutex<Vec<(Revision, Option<Loaded>)>>,
    failure: Mutex<Option<String>>,
    reached: Mutex<Vec<Instant>>,
}

impl Shelf {
    pub fn push(&self, desired: Desired) {
        let revision = desired.revision().clone();
        let loaded = Loaded { findings: Vec::new(), desired: Some(desired) };
        self.add(revision, Some(loaded));
    }

    /// A revision whose `flinkops.yaml` says no more than which environments there are.
    pub fn push_unknown(&self, revision: &str) {
        let mut desired = repository(revision, &[]);
        desired.unknown = vec![Unknown { folder: String::new(), name: None }];
        self.push(desired);
    }

    pub fn push_invalid(&self, revision: &str) {
        let finding = Finding::error(RuleId::YamlSyntax, Place::file("flinkops.yaml"), "no mapping");
        self.add(Revision::new(revision), Some(Loaded { desired: None, findings: vec![finding] }));
    }

    /// A revision that the command line does not fit.
    pub fn push_misfit(&self, revision: &str) {
        self.add(Revision::new(revision), None);
    }

    /// Has nobody reach it, for this reason, until told otherwise.
    pub fn fail(&self, reason: Option<&str>) {
        *self.failure.lock().expect("no panic") = reason.map(str::to_owned);
    }

    /// Whole seconds between one attempt to reach it and the next.
    pub fn pauses(&self) -> Vec<u64> {
        let reached = self.reached.lock().expect("no panic");
        reached.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
    }

    fn add(&self, revision: Revision, loaded: Option<Loaded>) {
        self.revisions.lock().expect("no panic").push((revision, loaded));
    }

    fn position(&self, revision: &Revision) -> Option<usize> {
        self.revisions.lock().expect("no panic").iter().position(|(known, _)| known == revision)
    }
}

impl Repository for Shelf {
    fn refresh(&self) -> anyhow::Result<Revision> {
        self.reached.lock().expect("no panic").push(Instant::now());
        if let Some(reason) = self.failure.lock().expect("no panic").clone() {
            anyhow::bail!(reason);
        }
        let revisions = self.revisions.lock().expect("no panic");
        let last = revisions.last().map(|(revision, _)| revision.clone());
        last.ok_or_else(|| anyhow::anyhow!("fetch: nothing there"))
    }

    fn load(&self, revision: &Revision) -> anyhow::Result<Loaded> {
        let at = self.position(revision).expect("a known revision");
        let loaded = self.revisions.lock().expect("no panic")[at].1.clone();
        loaded.ok_or_else(|| Misuse(anyhow::anyhow!("name one with --environment")).into())
    }

    fn descends_from(&self, new: &Revision, old: &Revision) -> bool {
        let order = (self.position(old), self.position(new));
        matches!(order, (Some(old), Some(new)) if old <= new) && !new.as_str().starts_with("rewritten")
    }

    fn parent(&self, revision: &Revision) -> Option<Revision> {
        let before = self.position(revision)?.checked_sub(1)?;
        Some(self.revisions.lock().expect("no panic")[before].0.clone())
    }

    fn folder(&self) -> Option<PathBuf> {
        None
    }
}

/// A daemon on an embedded cluster.
pub struct Running {
    pub world: World,
    pub shelf: Arc<Shelf>,
    pub health: Arc<Health>,
    shutdown: CancellationToken,
    daemon: JoinHandle<anyhow::Result<()>>,
    address: SocketAddr,
}

impl Running {
    pub async fn start(first: Option<Desired>, mode: Mode) -> Self {
        let shelf = Arc::new(Shelf::default());
        if let Some(first) = first {
            shelf.push(first);
        }
        Self::on(World::new(), shelf, mode).await
    }

    /// Starts one on a cluster that may have been somebody's before.
    pub async fn on(world: World, shelf: Arc<Shelf>, mode: Mode) -> Self {
        let cluster = world.cluster.clone();
        let connect = move |_| std::future::ready(Ok(cluster.clone()));
        Self::connecting(world, shelf, mode, connect).await
    }

    pub async fn connecting<C, F>(world: World, shelf: Arc<Shelf>, mode: Mode, connect: C) -> Self
    where
        C: Fn(Option<String>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Cluster, ClusterError>> + Send + 'static,
    {
        let (sender, address) = oneshot::channel();
        let sender = Mutex::new(Some(sender));
        let listening = move |address| {
            let sender = sender.lock().expect("no panic").take().expect("it listens once");
            sender.send(address).expect("the test waits for it");
        };
        let health = Arc::new(Health::default());
        let settings = Settings {
            mode,
            interval: Duration::from_secs(5),
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            clock: world.clock,
            progress: world.progress.clone(),
            metrics: world.metrics.clone(),
            health: health.clone(),
            listening: Some(Arc::new(listening)),
            events: true,
            mask: Arc::new(|text| text.replace("hunter2", "(secret)")),
        };
        let shutdown = CancellationToken::new();
        let daemon = tokio::spawn(run(connect, shelf.clone(), settings, shutdown.clone()));
        let address = address.await.expect("the daemon listens");
        Self { world, shelf, health, shutdown, daemon, address }
    }

    /// Waits until a line was told.
    pub async fn told(&self, part: &str) {
        let waiting = async {
            while !self.world.progress.contains(part) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(1800), waiting).await;
        assert!(waited.is_ok(), "never told `{part}`:\n{}", self.world.progress.text());
    }

    pub async fn get(&self, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.address).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    pub async fn stop(self) -> World {
        self.shutdown.cancel();
        self.daemon.await.expect("no panic").expect("a clean end");
        self.world
    }

    /// Ends it as a power cut does: nothing is finished, nothing given back. What was told and counted is
    /// forgotten.
    pub async fn kill(mut self) -> (World, Arc<Shelf>) {
        self.daemon.abort();
        assert!(self.daemon.await.is_err_and(|error| error.is_cancelled()), "it ran until now");
        self.world.progress.clear();
        self.world.metrics = Arc::default();
        (self.world, self.shelf)
    }

    /// The error it ends with by itself.
    pub async fn error(self) -> anyhow::Error {
        self.daemon.await.expect("no panic").expect_err("an error")
    }
}
