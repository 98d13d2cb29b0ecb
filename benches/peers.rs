//! What a plan without changes costs beside the tools people use for the same question, on a real API server.
//!
//! `cargo bench --bench peers` builds etcd, kube-apiserver and kubectl from their Go modules (once; `tests/real`),
//! puts 1,000 FlinkDeployments on the server, as flinkops applies them, and then takes in turn: a bare LIST
//! of them (curl), `flinkops plan`, and `kubectl diff --server-side` over the same manifests. All three find
//! nothing to do. Prints the fastest of each, its peak memory, and the ratios; fails where `flinkops plan` is not
//! 40 times faster than `kubectl diff`. Needs GNU time, curl, and what the tests on a real API server need;
//! `FLINKOPS_TEST_REAL=off` leaves it out.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use flinkops::cluster::{Cluster as Flinkops, Scope};
use flinkops::plan::{Live, Plan, observe_once, plan, step};
use flinkops::repo::Source;
use flinkops::spec::source::Limits;
use flinkops::spec::{Desired, load};
use jiff::Timestamp;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "../tests/real/artifacts.rs"]
mod artifacts;
#[path = "../tests/real/cluster.rs"]
#[allow(dead_code, reason = "a bench needs less of it than the tests do")]
mod cluster;
#[path = "../tests/parts.rs"]
mod parts;
#[path = "../tests/real/server.rs"]
#[allow(dead_code, reason = "a bench needs less of it than the tests do")]
mod server;

const SUITE: parts::Suite = parts::Suite { name: "real API server", off: "FLINKOPS_TEST_REAL" };

const UNITS: usize = 1_000;
const ROUNDS: usize = 3;
/// LIST and plan are short: they are taken this often in a round.
const REPEATS: usize = 10;
/// `kubectl diff` takes at least so many times as long.
const LEAST: f64 = 40.0;

/// A server with the jobs on it, and the same jobs in Git.
struct World {
    cluster: cluster::Cluster,
    namespace: String,
    folder: TempDir,
    kubectl: PathBuf,
}

/// One program's fastest run, and the most memory any of its runs took.
struct Best {
    name: &'static str,
    time: Duration,
    kilobytes: u64,
}

impl World {
    async fn new() -> Result<Self> {
        let module = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/go/kubectl");
        let go_mod = include_str!("../tests/real/go/kubectl/go.mod");
        let kubectl = SUITE.go_tool(module, "k8s.io/kubernetes/cmd/kubectl", &[go_mod])?;
        let cluster = cluster::Cluster::start("1.10.0").await?;
        let namespace = cluster.namespace().await?;
        let folder = TempDir::new()?;
        cluster.write_kubeconfig(&folder.path().join("kubeconfig"), cluster::TOKEN, &namespace)?;
        let world = Self { cluster, namespace, folder, kubectl };
        world.commit()?;
        world.apply().await?;
        Ok(world)
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// Plain manifests, so that kubectl reads the very same files.
    fn commit(&self) -> Result<()> {
        let jobs = self.repository().join("jobs");
        std::fs::create_dir_all(&jobs)?;
        let flinkops = format!("name: bench\nenvironments:\n  prod: {{namespace: {}}}\n", self.namespace);
        std::fs::write(self.repository().join("flinkops.yaml"), flinkops)?;
        for i in 0..UNITS {
            std::fs::write(jobs.join(format!("job-{i:05}.yaml")), manifest(i))?;
        }
        let repository = git2::Repository::init(self.repository())?;
        let mut index = repository.index()?;
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None)?;
        index.write()?;
        let tree = repository.find_tree(index.write_tree()?)?;
        let who = git2::Signature::now("bench", "bench@example.com")?;
        repository.commit(Some("HEAD"), &who, &who, "all", &tree, &[])?;
        Ok(())
    }

    fn desired(&self) -> Result<Desired> {
        let path = self.repository();
        let source = Source::parse(path.to_str().context("a path that is not UTF-8")?)?;
        let tree = source.read(None, &Limits::default())?;
        let mut loaded = load(&tree, &Limits::default(), Some("prod"));
        let mut found = loaded.environments.values().flat_map(|desired| &desired.findings);
        ensure!(found.next().is_none(), "{:?}", loaded.findings);
        loaded.environments.remove("prod").context("the environment")
    }

    /// Writes what the planner would until nothing is left, and says as the operator would that it is done.
    async fn apply(&self) -> Result<()> {
        let desired = self.desired()?;
        let flinkops = Flinkops::new(self.cluster.admin().await?, "bench");
        loop {
            let mut live = flinkops.observe(&Scope::of(&desired)).await?;
            live.since = observe_once(&live);
            self.settle(&live).await?;
            let plan = Plan { concurrency: usize::MAX, ..plan(&desired, &live, Timestamp::now()) };
            let tasks = step(&plan);
            if tasks.is_empty() && live.units.values().all(|unit| !unit.status().is_null()) {
                return Ok(());
            }
            for task in tasks {
                flinkops.perform(&task).await?;
            }
        }
    }

    async fn settle(&self, live: &Live) -> Result<()> {
        let kind = GroupVersionKind::gvk("flink.apache.org", "v1beta1", "FlinkDeployment");
        let resource = ApiResource::from_gvk_with_plural(&kind, "flinkdeployments");
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.cluster.admin().await?, &self.namespace, &resource);
        for unit in live.units.values().filter(|unit| unit.status().is_null()) {
            let status = json!({"status": status(unit.spec(), unit.generation())});
            api.patch_status(unit.name(), &PatchParams::default(), &Patch::Merge(status)).await?;
        }
        Ok(())
    }

    fn list(&self) -> Command {
        let (url, authority) = self.cluster.address();
        let path = format!("/apis/flink.apache.org/v1beta1/namespaces/{}/flinkdeployments", self.namespace);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--cacert"]).arg(authority);
        curl.arg("--header").arg(format!("authorization: Bearer {}", cluster::TOKEN));
        curl.arg(format!("{url}{path}"));
        curl
    }

    fn flinkops(&self) -> Command {
        let mut flinkops = Command::new(env!("CARGO_BIN_EXE_flinkops"));
        flinkops.arg("plan").arg("--repo").arg(self.repository());
        flinkops.arg("--kubeconfig").arg(self.folder.path().join("kubeconfig"));
        flinkops
    }

    fn kubectl(&self) -> Command {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.arg("--kubeconfig").arg(self.folder.path().join("kubeconfig"));
        kubectl.args(["diff", "--server-side", "--filename"]).arg(self.repository().join("jobs"));
        kubectl
    }
}

impl Best {
    fn new(name: &'static str) -> Self {
        Self { name, time: Duration::MAX, kilobytes: 0 }
    }

    /// Runs the program once under GNU time. It must find nothing to do.
    fn take(&mut self, command: &Command, scratch: &Path) -> Result<()> {
        let report = scratch.join("time");
        let mut timed = Command::new("/usr/bin/time");
        timed
            .args(["--format=%M", "--output"])
            .arg(&report)
            .arg(command.get_program())
            .args(command.get_args());
        timed.env("HOME", scratch).env_remove("KUBECONFIG").stdin(Stdio::null());
        timed.stdout(Stdio::null()).stderr(Stdio::piped());
        let begun = Instant::now();
        let output = timed.output().context("failed to start GNU time as /usr/bin/time")?;
        self.time = self.time.min(begun.elapsed());
        if !output.status.success() {
            bail!("{} ended with {}: {}", self.name, output.status, String::from_utf8_lossy(&output.stderr));
        }
        let report = std::fs::read_to_string(&report)?;
        self.kilobytes = self.kilobytes.max(report.trim().parse()?);
        Ok(())
    }
}

fn manifest(i: usize) -> String {
    format!(
        "apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {{name: job-{i:05}}}
spec:
  image: registry.example.com/orders:1
  flinkVersion: v1_20
  serviceAccount: flink
  flinkConfiguration:
    execution.checkpointing.interval: 1min
    execution.checkpointing.dir: s3://bucket/checkpoints
    execution.checkpointing.savepoint-dir: s3://bucket/savepoints
    taskmanager.numberOfTaskSlots: \"2\"
  podTemplate:
    spec:
      containers:
      - name: flink-main-container
        env: [{{name: LOG_LEVEL, value: INFO}}, {{name: NUMBER, value: \"{i}\"}}]
        volumeMounts: [{{name: scratch, mountPath: /scratch}}]
      volumes: [{{name: scratch, emptyDir: {{}}}}]
  jobManager: {{replicas: 1, resource: {{cpu: 1, memory: 2048m}}}}
  taskManager: {{resource: {{cpu: 1, memory: 2048m}}}}
  job:
    jarURI: local:///opt/flink/usrlib/orders.jar
    parallelism: 2
    upgradeMode: savepoint
    state: running
    args: [--number, \"{i}\"]
"
    )
}

fn status(spec: &Value, generation: i64) -> Value {
    let last = json!({"spec": spec, "resource_metadata": {"firstDeployment": false}}).to_string();
    json!({
        "observedGeneration": generation, "lifecycleState": "STABLE", "jobManagerDeploymentStatus": "READY",
        "jobStatus": {"state": "RUNNING"},
        "reconciliationStatus": {"state": "DEPLOYED", "lastReconciledSpec": last, "lastStableSpec": last},
    })
}

fn report(list: &Best, ours: &Best, kubectl: &Best) {
    println!("{UNITS} FlinkDeployments, nothing to do; fastest of {ROUNDS} rounds\n");
    println!("| | time | times LIST | peak memory |\n|---|---|---|---|");
    for best in [list, ours, kubectl] {
        let (seconds, memory) = (best.time.as_secs_f64(), best.kilobytes / 1024);
        let ratio = seconds / list.time.as_secs_f64();
        println!("| {} | {seconds:.2} s | {ratio:.1} | {memory} MiB |", best.name);
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    if SUITE.is_off() {
        return Ok(());
    }
    let world = World::new().await?;
    let scratch = world.folder.path();
    let mut list = Best::new("LIST (curl)");
    let mut ours = Best::new("flinkops plan");
    let mut kubectl = Best::new("kubectl diff --server-side");
    for _ in 0..ROUNDS {
        for _ in 0..REPEATS {
            list.take(&world.list(), scratch)?;
            ours.take(&world.flinkops(), scratch)?;
        }
        kubectl.take(&world.kubectl(), scratch)?;
    }
    report(&list, &ours, &kubectl);
    let ratio = kubectl.time.as_secs_f64() / ours.time.as_secs_f64();
    println!("\nflinkops plan is {ratio:.0} times faster than kubectl diff (at least {LEAST})");
    ensure!(ratio >= LEAST, "kubectl diff takes only {ratio:.1} times as long");
    Ok(())
}
