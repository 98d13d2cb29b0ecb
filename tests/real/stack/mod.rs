//! The real Flink Kubernetes Operator with real Flink, as plain processes beside a real API server.
//!
//! The operator makes Deployments, kube-controller-manager makes their Pods, and [`node`] runs what a
//! Pod would hold as a Java process on loopback: no scheduler, no kubelet, no container. Go, Maven and a JDK
//! fetch and build everything on first use. `FLINKOPS_TEST_FLINK=off` leaves these tests out on purpose.

pub mod artifacts;
mod node;
mod pod;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use tokio::sync::OnceCell;

use super::SUITE;
use super::cluster::{Cluster, TOKEN};
use super::server::{Server, free_ports};
use crate::parts::Suite;

/// The tests that need Java processes; without [`SUITE`] they are left out as well.
pub const FLINK: Suite = Suite { name: "real Flink operator", off: "FLINKOPS_TEST_FLINK" };
/// The newest release of the operator that is published with all that its `lib/` needs.
const RELEASE: &str = "1.7.0";
const LOGGING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/stack/log4j2.properties");
/// Deployments become Pods, what is owned goes with its owner.
const CONTROLLERS: &str =
    "garbage-collector-controller,namespace-controller,deployment-controller,replicaset-controller";
/// One short-lived JVM among many on few cores.
const JVM: [&str; 2] = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// Everything that runs, shared by every test of the process.
pub struct Stack {
    /// The API server, which the operator has for itself.
    pub cluster: Cluster,
    controllers: Server,
    operator: Server,
    board: Arc<Mutex<node::Board>>,
}

/// The process's stack; `None` when left out on purpose.
///
/// # Panics
/// When it cannot be built or started; the reason is kept, so that every test says it.
pub async fn stack() -> Option<&'static Stack> {
    static STACK: OnceCell<Result<Stack, String>> = OnceCell::const_new();
    if SUITE.is_off() || FLINK.is_off() {
        return None;
    }
    let started = STACK.get_or_init(|| async { Stack::start().await.map_err(|error| format!("{error:#}")) });
    match started.await {
        Ok(stack) => Some(stack),
        Err(error) => panic!("{error}"),
    }
}

impl Stack {
    async fn start() -> Result<Self> {
        FLINK.run(Command::new("java").arg("-version"))?;
        let jars = artifacts::operator_jars()?;
        let cluster = Cluster::start(RELEASE).await?;
        let controllers = start_controllers(&cluster)?;
        let operator = start_operator(&cluster, &jars)?;
        let kubeconfig = operator.folder().join("kubeconfig");
        let board = node::start(cluster.config(TOKEN).await?, pod::Flink { jars, kubeconfig });
        Ok(Self { cluster, controllers, operator, board })
    }

    /// Fails when a process that should run has ended.
    pub fn check(&self) -> Result<()> {
        self.controllers.check()?;
        self.operator.check()
    }

    /// How often the JobManager of a cluster has been started, but for those times at which it had ended by itself.
    pub fn starts(&self, namespace: &str, cluster: &str) -> usize {
        let board = self.board.lock().expect("no panic under lock");
        board.starts.get(&(namespace.to_owned(), cluster.to_owned())).copied().unwrap_or_default()
    }

    /// Kills the JobManager of a cluster without warning, with every job on it.
    pub fn crash(&self, namespace: &str, cluster: &str) {
        let mut board = self.board.lock().expect("no panic under lock");
        board.crashes.insert((namespace.to_owned(), cluster.to_owned()));
    }

    /// What the operator said last.
    pub fn operator_log(&self) -> String {
        self.operator.last_words()
    }
}

fn start_controllers(cluster: &Cluster) -> Result<Server> {
    let [port] = free_ports()?;
    Server::start("kube-controller-manager", |folder| {
        let kubeconfig = folder.join("kubeconfig");
        cluster.write_kubeconfig(&kubeconfig, TOKEN, "default")?;
        let mut command = Command::new(artifacts::kube_controller_manager()?);
        command.args([
            format!("--kubeconfig={}", kubeconfig.display()),
            "--leader-elect=false".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", folder.display()),
            format!("--controllers={CONTROLLERS}"),
            "--concurrent-gc-syncs=2".to_owned(),
        ]);
        Ok(command)
    })
}

fn start_operator(cluster: &Cluster, jars: &Path) -> Result<Server> {
    Server::start("flink-operator", |folder| {
        let kubeconfig = folder.join("kubeconfig");
        cluster.write_kubeconfig(&kubeconfig, TOKEN, "default")?;
        let settings = include_str!("operator.yaml").replace("FOLDER", &folder.display().to_string());
        std::fs::write(folder.join("flink-conf.yaml"), settings)?;
        let (plugins, temporary) = (folder.join("plugins"), folder.join("tmp"));
        std::fs::create_dir(&plugins)?;
        std::fs::create_dir(&temporary)?;
        let mut command = Command::new("java");
        command
            .args(JVM)
            .arg("-Xmx384m")
            .arg(format!("-Djava.io.tmpdir={}", temporary.display()))
            .arg(format!("-Dlog4j.configurationFile={LOGGING}"))
            .args(["-cp", &format!("{}/*", jars.display())])
            .arg("org.apache.flink.kubernetes.operator.FlinkOperator")
            .env("FLINK_CONF_DIR", folder)
            .env("FLINK_PLUGINS_DIR", plugins)
            .env("OPERATOR_NAMESPACE", "default")
            .env("KUBECONFIG", kubeconfig)
            // Without it the operator looks for Flink on loopback.
            .env_remove("KUBERNETES_SERVICE_HOST");
        Ok(command)
    })
}
