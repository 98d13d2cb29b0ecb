//! What Flink itself says of the jobs of a world, and the way to it that flinkops is given.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::http::{StatusCode, Uri};
use flinkops::flink::kind::Kind::{self, FlinkDeployment, FlinkSessionJob};
use flinkops::flink::rest::{JOBS, checkpoints, job_state, running};
use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::world::World;

/// What a running job began with.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    pub path: String,
    pub is_savepoint: bool,
}

impl World {
    /// What Flink says the running job was restored from; nothing when it began empty.
    pub async fn restored(&self, kind: Kind, name: &str) -> Result<Option<Restored>> {
        let (port, id) = (self.rest_port(kind, name).await?, self.job_id(kind, name).await?);
        let job = ask(port, &format!("/jobs/{id}"))?;
        ensure!(job["state"] == "RUNNING", "{name}: {}", job["state"]);
        let restored = ask(port, &checkpoints(&id))?["latest"]["restored"].take();
        if restored.is_null() {
            return Ok(None);
        }
        let path = restored["external_path"].as_str().context("a restored checkpoint has a path")?;
        let is_savepoint = restored["is_savepoint"] == true;
        Ok(Some(Restored { path: path.to_owned(), is_savepoint }))
    }

    /// The last checkpoint that Flink has completed of a job, savepoints aside.
    pub async fn checkpoint(&self, kind: Kind, name: &str) -> Result<Option<String>> {
        let (port, id) = (self.rest_port(kind, name).await?, self.job_id(kind, name).await?);
        let state = job_state(&ask(port, &checkpoints(&id))?).context("no state of a job")?;
        Ok(state.checkpoint.map(|checkpoint| checkpoint.path))
    }

    /// Fails unless Flink runs exactly the jobs that the operator knows of, and so each of them once.
    pub async fn runs_each_job_once(&self) -> Result<()> {
        let (clusters, jobs) = (self.units(FlinkDeployment).await?, self.units(FlinkSessionJob).await?);
        for cluster in clusters.iter().filter(|it| it["status"]["jobManagerDeploymentStatus"] == "READY") {
            let name = &cluster["metadata"]["name"];
            let on_it = jobs.iter().filter(|job| job["spec"]["deploymentName"] == *name);
            let told = on_it.chain([cluster]).filter(|it| it["status"]["jobStatus"]["state"] == "RUNNING");
            let told: BTreeSet<_> =
                told.filter_map(|it| it["status"]["jobStatus"]["jobId"].as_str()).collect();
            let runs = running(&ask(port(cluster)?, JOBS)?).context("no list of jobs")?;
            let runs: BTreeSet<_> = runs.iter().map(|job| job.id.as_str()).collect();
            ensure!(runs == told, "{name} runs {runs:?}, and is told to run {told:?}");
        }
        Ok(())
    }

    async fn rest_port(&self, kind: Kind, name: &str) -> Result<u16> {
        let cluster = if kind == FlinkSessionJob {
            self.field(kind, name, "/spec/deploymentName").await?
        } else {
            json!(name)
        };
        let cluster = cluster.as_str().context("the name of a cluster")?;
        port(&self.unit(FlinkDeployment, cluster).await?.with_context(|| format!("no {cluster}"))?)
    }
}

/// Serves what the JobManagers of a namespace say, each below its cluster's name, as an ingress does; answers
/// with the address in flinkops' terms.
pub async fn ingress(clusters: Api<DynamicObject>) -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let answer = async move |uri: Uri| match forward(&clusters, uri.path()).await {
        Ok((status, body)) => (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), body),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")),
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    Ok(format!("http://{address}/{{name}}"))
}

async fn forward(clusters: &Api<DynamicObject>, path: &str) -> Result<(u16, String)> {
    let (name, rest) = path.trim_start_matches('/').split_once('/').context("no cluster")?;
    let (port, rest) = (port(&serde_json::to_value(clusters.get(name).await?)?)?, format!("/{rest}"));
    tokio::task::spawn_blocking(move || get(port, &rest)).await?
}

fn port(cluster: &Value) -> Result<u16> {
    let port = cluster["spec"]["flinkConfiguration"]["rest.port"].as_str().context("a port")?;
    Ok(port.parse()?)
}

/// What a JobManager answers.
fn ask(port: u16, path: &str) -> Result<Value> {
    let (status, body) = get(port, path)?;
    ensure!(status == 200, "{path}: {status} {body}");
    serde_json::from_str(&body).with_context(|| format!("{path}: {body}"))
}

fn get(port: u16, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("{path}: {answer}") };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.with_context(|| format!("{path}: {head}"))?, body.to_owned()))
}
