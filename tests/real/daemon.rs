//! The daemon as deployed, from Git to the real API server, seen through the commands of the others.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use flinkops::flink::kind::Kind;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::deploy::{READER, WRITER};
use super::operator::Operator;
use super::place::Place;
use super::rights::LIFE;
use super::server::free_ports;
use super::{Operator as Release, cluster};

/// Reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// The daemon, as the container would run it, with its web pages at this port.
pub fn command(place: &Place, port: u16) -> Result<Command> {
    let flink = "http://{name}-rest.{namespace}:8081";
    let settings = [
        ("REPOSITORY", place.repository().to_owned()),
        ("REVISION", "HEAD".to_owned()),
        ("ENVIRONMENT", "test".to_owned()),
        ("MODE", "enforce".to_owned()),
        ("INTERVAL", "1s".to_owned()),
        ("0.0.0.0:8080", format!("127.0.0.1:{port}")),
        (flink, place.flink_rest.clone().unwrap_or_else(|| flink.to_owned())),
    ];
    let filled_in = |argument: &String| {
        settings.iter().fold(argument.clone(), |argument, (name, value)| {
            argument.replace(&format!("$({name})"), value).replace(&format!("={name}"), &format!("={value}"))
        })
    };
    let arguments: Vec<String> = deployed_arguments()?.iter().map(filled_in).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Ok(place.flinkops(WRITER, &arguments))
}

struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    fn start(place: &Place) -> Result<Self> {
        let [port] = free_ports()?;
        let child = command(place, port)?.stderr(Stdio::null()).stdout(Stdio::null()).spawn()?;
        Ok(Self { child, port })
    }

    /// What one of the web pages says.
    fn page(&self, path: &str) -> Result<String> {
        use std::io::{Read as _, Write as _};
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Ends it as Kubernetes does.
    async fn stop(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        ensure!(Command::new("kill").args(["-TERM", &pid]).status()?.success(), "no such process");
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the daemon ended with {status}");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the daemon did not end")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn deployed_arguments() -> Result<Vec<String>> {
    let text = include_str!("../../deploy/base/deployment.yaml");
    let deployment = Deployment::deserialize(serde_yaml::Deserializer::from_str(text))?;
    let pod = deployment.spec.and_then(|spec| spec.template.spec).context("a pod")?;
    pod.containers.into_iter().next().and_then(|container| container.args).context("arguments")
}

fn orders(place: &Place) -> Api<DynamicObject> {
    place.objects(Kind::FlinkDeployment)
}

async fn parallelism(place: &Place) -> Result<Value> {
    Ok(orders(place).get("orders").await?.data["spec"]["job"]["parallelism"].clone())
}

async fn until(what: &str, condition: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    let mut last = String::new();
    while start.elapsed() < PATIENCE {
        match condition().await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => last = format!("{error:#}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("waited {PATIENCE:?} for {what}: {last}")
}

async fn until_settled(place: &Place, units: usize) -> Result<()> {
    until("everything to be settled", async || {
        let (_, status) = place.read("status")?;
        let list = status["units"].as_array().context("units")?;
        Ok(list.len() == units
            && list.iter().all(|unit| unit["settled"] == true)
            && place.read("plan")?.0 == 0)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn git_becomes_the_cluster_and_drift_has_a_name() {
    let Some(cluster) = cluster(Release::V1_10).await else { return };
    let place = Place::new(cluster).await.expect("a place");
    let _operator = Operator::start(&place.admin, &place.namespace);
    if let Err(error) = live(&place).await {
        panic!("{error:#}");
    }
}

async fn live(place: &Place) -> Result<()> {
    place.commit(LIFE[0].files)?;
    let daemon = Daemon::start(place)?;
    until("the daemon to be ready", async || Ok(daemon.page("/readyz")?.starts_with("HTTP/1.1 200"))).await?;
    ensure!(daemon.page("/healthz")?.starts_with("HTTP/1.1 200"), "not healthy");
    until_settled(place, 3).await?;
    equals_git(place).await?;

    // Somebody else changes a field while nobody looks.
    daemon.stop().await?;
    let edit = Patch::Merge(json!({"spec": {"job": {"parallelism": 7}}}));
    let manager = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    let edited = orders(place).patch("orders", &manager, &edit).await?;
    names_the_drift(place, &edited)?;

    // The next daemon puts it back, and follows Git.
    let daemon = Daemon::start(place)?;
    until("the drift to be healed", async || Ok(parallelism(place).await? == json!(1))).await?;
    until_settled(place, 3).await?;
    place.commit(LIFE[1].files)?;
    until("the next revision", async || Ok(parallelism(place).await? == json!(2))).await?;
    until_settled(place, 3).await?;
    place.commit(LIFE[2].files)?;
    until("what left Git to be gone", async || Ok(orders(place).get_opt("orders").await?.is_none())).await?;
    until_settled(place, 1).await?;
    daemon.stop().await
}

/// Every unit that Git renders is in the cluster, field for field.
async fn equals_git(place: &Place) -> Result<()> {
    let arguments = ["render", "--repo", place.repository(), "--revision", "HEAD"];
    let rendered = place.flinkops(READER, &arguments).output()?.stdout;
    let rendered = String::from_utf8(rendered)?;
    let mut seen = 0;
    for document in serde_yaml::Deserializer::from_str(&rendered) {
        let manifest = Value::deserialize(document)?;
        if manifest["kind"] == Kind::FlinkDeployment.as_str() {
            let name = manifest["metadata"]["name"].as_str().context("a name")?;
            let live = orders(place).get(name).await?;
            ensure!(live.data["spec"] == manifest["spec"], "{name}: {} is not {manifest}", live.data["spec"]);
            seen += 1;
        }
    }
    ensure!(seen == 2, "{seen} FlinkDeployments in\n{rendered}");
    Ok(())
}

fn names_the_drift(place: &Place, edited: &DynamicObject) -> Result<()> {
    let (code, drift) = place.read("drift")?;
    ensure!(code == 2, "exit code {code}: {drift}");
    let units = drift["units"].as_array().context("units")?;
    let unit = units.iter().find(|unit| unit["name"] == "orders").context("no word of `orders`")?;
    let entries = edited.metadata.managed_fields.as_deref().unwrap_or_default();
    let entry =
        entries.iter().find(|entry| entry.manager.as_deref() == Some("kubectl-edit")).context("no entry")?;
    ensure!(
        unit["changes"]
            == json!([{
                "path": "/spec/job/parallelism", "before": 7, "after": 1, "effect": "upgrade", "cause": "drift",
                "owner": {"manager": "kubectl-edit", "time": serde_json::to_value(&entry.time)?},
            }]),
        "{unit:#}"
    );
    Ok(())
}
