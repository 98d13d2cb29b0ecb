//! `run`: follows Git and the cluster, keeps to the last valid revision, ends cleanly, and says how it is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flinkops::daemon::run::Settings;
use flinkops::daemon::{Health, Loaded, Repository, run};
use flinkops::flink::kind::ObjectKey;
use flinkops::sim::api::store::WriteOptions;
use flinkops::spec::desired::Unknown;
use flinkops::spec::finding::Place;
use flinkops::spec::policy::Mode;
use flinkops::spec::source::Revision;
use flinkops::spec::{Desired, Finding};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::world::{
    NAMESPACE, World, application_spec, chain, cluster_spec, deployment, repository, session_job,
    session_job_spec,
};

/// A repository whose HEAD a test moves.
#[derive(Default)]
struct Shelf(Mutex<Vec<(Revision, Loaded)>>);

impl Shelf {
    fn push(&self, desired: Desired) {
        let revision = desired.revision().clone();
        let loaded = Loaded { findings: Vec::new(), desired: Some(desired) };
        self.0.lock().expect("no panic").push((revision, loaded));
    }

    /// A revision whose `flinkops.yaml` says no more than which environments there are.
    fn push_unknown(&self, revision: &str) {
        let mut desired = repository(revision, &[]);
        desired.unknown = vec![Unknown { folder: String::new(), name: None }];
        self.push(desired);
    }

    fn push_invalid(&self, revision: &str) {
        let finding = Finding::error("syntax", Place::file("flinkops.yaml"), "no mapping");
        let loaded = Loaded { desired: None, findings: vec![finding] };
        self.0.lock().expect("no panic").push((Revision::new(revision), loaded));
    }
}

impl Repository for Shelf {
    fn refresh(&self) -> anyhow::Result<Revision> {
        let revisions = self.0.lock().expect("no panic");
        revisions
            .last()
            .map(|(revision, _)| revision.clone())
            .ok_or_else(|| anyhow::anyhow!("fetch: nothing there"))
    }

    fn load(&self, revision: &Revision) -> anyhow::Result<Loaded> {
        let revisions = self.0.lock().expect("no panic");
        Ok(revisions.iter().find(|(known, _)| known == revision).expect("a known revision").1.clone())
    }

    fn descends_from(&self, new: &Revision, old: &Revision) -> bool {
        let revisions = self.0.lock().expect("no panic");
        let at = |revision| revisions.iter().position(|(known, _)| known == revision);
        at(old) <= at(new) && !new.as_str().starts_with("rewritten")
    }

    fn folder(&self) -> Option<PathBuf> {
        None
    }
}

struct Running {
    world: World,
    shelf: Arc<Shelf>,
    health: Arc<Health>,
    shutdown: CancellationToken,
    daemon: JoinHandle<anyhow::Result<()>>,
    address: SocketAddr,
}

impl Running {
    async fn start(first: Option<Desired>, mode: Mode) -> Self {
        let (world, shelf) = (World::new(), Arc::new(Shelf::default()));
        if let Some(first) = first {
            shelf.push(first);
        }
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
        };
        let shutdown = CancellationToken::new();
        let daemon = tokio::spawn(run(world.cluster.clone(), shelf.clone(), settings, shutdown.clone()));
        let address = address.await.expect("the daemon listens");
        Self { world, shelf, health, shutdown, daemon, address }
    }

    /// Waits until a line was told.
    async fn told(&self, part: &str) {
        let waiting = async {
            while !self.world.progress.contains(part) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(1800), waiting).await;
        assert!(waited.is_ok(), "never told `{part}`:\n{}", self.world.progress.text());
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.address).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    async fn stop(self) -> World {
        self.shutdown.cancel();
        self.daemon.await.expect("no panic").expect("a clean end");
        self.world
    }
}

#[tokio::test(start_paused = true)]
async fn each_revision_is_followed_and_the_end_is_clean() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    running.shelf.push(chain("r2", "ingest:2"));
    running.told("read r2").await;
    running.told("wrote patch flink/FlinkDeployment/ingest").await;
    let world = running.stop().await;
    let lease = ObjectKey::new("coordination.k8s.io/v1", "Lease", NAMESPACE, "flinkops.orders.prod");
    let lease = world.sim.store().get(&lease).expect("a lease");
    assert_eq!(lease["spec"]["holderIdentity"], "", "the lease is given back");
    assert_eq!(world.unit(&deployment("ingest")).expect("ingest").spec()["image"], "ingest:2");
}

#[tokio::test(start_paused = true)]
async fn a_hand_edit_is_healed() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    let key = (&deployment("ingest")).into();
    let edit = |object: &mut serde_json::Value| object["spec"]["image"] = json!("by-hand");
    running.world.sim.store().edit(&key, &WriteOptions::by("kubectl-edit"), edit).expect("an edit");
    running.told("wrote patch flink/FlinkDeployment/ingest").await;
    let world = running.stop().await;
    assert_eq!(world.unit(&deployment("ingest")).expect("ingest").spec()["image"], "ingest:1");
}

#[tokio::test(start_paused = true)]
async fn in_report_mode_nothing_is_written() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Report).await;
    running.told("planned r1").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(running.get("/readyz").await.starts_with("HTTP/1.1 200"));
    let world = running.stop().await;
    assert_eq!(world.writes(), []);
}

#[tokio::test(start_paused = true)]
async fn s20_while_head_is_invalid_the_last_valid_revision_stays_in_force() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    running.shelf.push_unknown("r1+");
    running.told("invalid r1+, in force Some(Revision(\"r1\"))").await;
    running.shelf.push_invalid("r2");
    running.told("invalid r2, in force Some(Revision(\"r1\"))").await;
    assert!(running.health.text().contains("revision r2 cannot be used: flinkops.yaml: no mapping"));
    assert!(running.world.metrics.page().contains("flinkops_git_invalid 1"));
    let key = (&deployment("ingest")).into();
    let edit = |object: &mut serde_json::Value| object["spec"]["image"] = json!("by-hand");
    running.world.sim.store().edit(&key, &WriteOptions::by("kubectl-edit"), edit).expect("an edit");
    running.told("wrote patch flink/FlinkDeployment/ingest").await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn s20_a_job_stopped_for_its_cluster_starts_again_though_its_folder_broke() {
    let at = |revision: &str, memory: &str| {
        let job = (session_job("job"), session_job_spec("sessions", 1), vec![]);
        repository(revision, &[(deployment("sessions"), cluster_spec(memory), vec![]), job])
    };
    let running = Running::start(Some(at("r1", "1024m")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    running.shelf.push(at("r2", "2048m"));
    running.told("wrote patch flink/FlinkSessionJob/job: stops").await;
    let mut broken = at("r3", "2048m");
    broken.units.remove(&session_job("job"));
    broken.unknown = vec![Unknown { folder: "jobs/job".into(), name: Some("job".into()) }];
    running.shelf.push(broken);
    running.told("wrote patch flink/FlinkSessionJob/job: starts again").await;
    let world = running.stop().await;
    assert_eq!(world.unit(&session_job("job")).expect("job").spec()["job"]["state"], "running");
}

#[tokio::test(start_paused = true)]
async fn s3_a_rewritten_branch_deletes_nothing() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    let ingest = (deployment("ingest"), application_spec("ingest:1"), vec![]);
    running.shelf.push(repository("rewritten", &[ingest]));
    running.told("read rewritten").await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let world = running.stop().await;
    assert!(world.unit(&deployment("enrich")).is_some(), "{}", world.progress.text());
}

#[tokio::test(start_paused = true)]
async fn ready_means_that_git_and_the_cluster_were_read() {
    let running = Running::start(None, Mode::Enforce).await;
    running.told("git failed: fetch: nothing there").await;
    let answer = running.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("git: not read yet\ngit error: fetch: nothing there"), "{answer}");
    assert!(running.get("/healthz").await.starts_with("HTTP/1.1 200"));
    running.shelf.push(chain("r1", "ingest:1"));
    running.told("quiet: 2 settled").await;
    let answer = running.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("git: r1\ncluster: synced\nlease: held"), "{answer}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_metrics_tell_what_goes_on() {
    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    let page = running.get("/metrics").await;
    for line in [
        r#"flinkops_units{health="settled"} 2"#,
        r#"flinkops_writes_total{verb="create",result="done"}"#,
        r#"flinkops_revision_applied{repository="orders",environment="prod",revision="r1"} 1"#,
        r#"flinkops_revision_wanted{repository="orders",environment="prod",revision="r1"} 1"#,
        "flinkops_revision_applied_timestamp_seconds 1",
        "flinkops_conflicts_total 0",
        "flinkops_suspended 0",
        "flinkops_watch_restarts 0",
        "flinkops_git_errors_total 0",
        "flinkops_lease_held 1",
        "flinkops_reconcile_duration_seconds_bucket",
    ] {
        assert!(page.contains(line), "no `{line}` in\n{page}");
    }
    running.stop().await;
}
