//! What one Pod of a Flink cluster would run, as a local process.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod};
use kube::ResourceExt as _;

use super::{JVM, LOGGING};
use crate::real::server::{Server, free_ports};

const TASK_MANAGER: &str = "org.apache.flink.kubernetes.taskmanager.KubernetesTaskExecutorRunner";
const SCRIPT: &str = "kubernetes-taskmanager.sh";
/// What Flink 1.17 needs of Java 17, which encloses its inner parts.
const EXPORTS: [&str; 3] =
    ["java.base/sun.net.util", "java.rmi/sun.rmi.registry", "java.security.jgss/sun.security.krb5"];
const OPENS: [&str; 12] = [
    "java.lang",
    "java.net",
    "java.io",
    "java.nio",
    "sun.nio.ch",
    "java.lang.reflect",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
];

/// Flink, for every process.
pub struct Flink {
    /// The folder of its jars.
    pub jars: PathBuf,
    /// How its processes reach the API server.
    pub kubeconfig: PathBuf,
}

/// The ports by which a cluster's processes find each other, where all of them share one host.
pub struct Ports {
    rpc: u16,
    blobs: u16,
}

impl Ports {
    pub fn free() -> Result<Self> {
        let [rpc, blobs] = free_ports()?;
        Ok(Self { rpc, blobs })
    }
}

/// A started Pod.
pub struct Process {
    pub server: Server,
    pub job_manager: bool,
    rest: u16,
}

impl Process {
    pub fn is_job_manager(pod: &Pod) -> bool {
        pod.labels().get("component").is_some_and(|component| component == "jobmanager")
    }

    /// A JobManager once its REST API answers; a TaskManager at once, since nobody asks.
    pub fn is_ready(&self) -> bool {
        !self.job_manager || TcpStream::connect(("127.0.0.1", self.rest)).is_ok()
    }
}

impl Flink {
    /// Starts a Pod's process with the settings of its cluster.
    pub fn start(&self, pod: &Pod, settings: ConfigMap, ports: &Ports) -> Result<Process> {
        let job_manager = Process::is_job_manager(pod);
        let container = pod.spec.as_ref().and_then(|spec| spec.containers.first()).context("no container")?;
        let files = settings.data.context("empty settings")?;
        let given = parse(files.get("flink-conf.yaml").context("no flink-conf.yaml")?);
        let rest = given.get("rest.port").context("the test gave its cluster no rest.port")?.parse()?;
        let server = Server::start(&pod.name_any(), |folder| {
            let (temporary, conf) = (folder.join("tmp"), folder.join("conf"));
            for folder in [&temporary, &conf] {
                std::fs::create_dir(folder)?;
            }
            for (name, text) in &files {
                std::fs::write(conf.join(name), text)?;
            }
            let mut settings = given.clone();
            settings.extend(overrides(folder, rest, ports, job_manager));
            if let Some(port) = settings.get_mut("high-availability.jobmanager.port") {
                *port = ports.rpc.to_string();
            }
            let lines: Vec<_> = settings.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
            std::fs::write(conf.join("flink-conf.yaml"), lines.concat())?;
            let main = if job_manager {
                let entry = "kubernetes.internal.jobmanager.entrypoint.class";
                settings.get(entry).context("no entry point")?.clone()
            } else {
                format!("{TASK_MANAGER} --configDir '{}' {}", conf.display(), arguments(container)?)
            };
            Ok(self.command(folder, container, &main))
        })?;
        Ok(Process { server, job_manager, rest })
    }

    fn command(&self, folder: &Path, container: &Container, main: &str) -> Command {
        // A shell reads the arguments as the one in the container would.
        let mut command = Command::new("sh");
        command.args(["-c", &format!(r#"cd "$0" && exec "$@" {main}"#)]).arg(folder);
        command.arg("java").args(JVM).arg("-Xmx256m");
        command.args(EXPORTS.map(|package| format!("--add-exports={package}=ALL-UNNAMED")));
        command.args(OPENS.map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")));
        command.arg(format!("-Djava.io.tmpdir={}", folder.join("tmp").display()));
        command.arg(format!("-Dlog4j.configurationFile={LOGGING}"));
        command.args(["-cp", &format!("{}/*", self.jars.display())]);
        for variable in container.env.iter().flatten() {
            if let Some(value) = &variable.value {
                command.env(&variable.name, value);
            }
        }
        command
            .env("FLINK_CONF_DIR", folder.join("conf"))
            .env("FLINK_LIB_DIR", folder)
            .env("FLINK_OPT_DIR", folder)
            .env("FLINK_PLUGINS_DIR", folder.join("plugins"))
            .env("KUBECONFIG", &self.kubeconfig)
            .env("_POD_IP_ADDRESS", "127.0.0.1")
            // A TaskManager does not start without.
            .env("_POD_NODE_ID", "loopback")
            .env_remove("KUBERNETES_SERVICE_HOST");
        command
    }
}

/// What differs where all Pods share one host and one user.
fn overrides(
    folder: &Path,
    rest: u16,
    ports: &Ports,
    job_manager: bool,
) -> impl Iterator<Item = (String, String)> {
    let inside = |name: &str| folder.join(name).display().to_string();
    let loopback = || "127.0.0.1".to_owned();
    let mut overrides = vec![
        ("jobmanager.rpc.address", loopback()),
        ("jobmanager.bind-host", loopback()),
        ("taskmanager.bind-host", loopback()),
        ("taskmanager.host", loopback()),
        ("rest.bind-address", loopback()),
        ("rest.bind-port", rest.to_string()),
        ("jobmanager.rpc.port", ports.rpc.to_string()),
        ("blob.server.port", ports.blobs.to_string()),
        // A TaskManager that is faster than its JobManager would wait ten seconds; only plain
        // milliseconds are understood.
        ("cluster.registration.error-delay", "300".to_owned()),
        ("process.working-dir", inside("work")),
        ("io.tmp.dirs", inside("tmp")),
        ("web.tmpdir", inside("tmp")),
    ];
    if !job_manager {
        // A JobManager refuses it.
        overrides.push(("taskmanager.rpc.port", "0".to_owned()));
    }
    overrides.into_iter().map(|(key, value)| (key.to_owned(), value))
}

fn parse(settings: &str) -> BTreeMap<String, String> {
    let entries = settings.lines().filter_map(|line| line.split_once(": "));
    entries.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// What the JobManager passes to the TaskManager's start script, for a shell.
fn arguments(container: &Container) -> Result<String> {
    let arguments = container.args.as_deref().unwrap_or_default().join(" ");
    let (_, arguments) = arguments.split_once(SCRIPT).context("no start script")?;
    Ok(arguments.to_owned())
}
