//! One repository, one session cluster, and what Flink itself says about the jobs on it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use flinkops::flink::kind::{Kind, UnitKey};
use flinkops::plan::ledger::Ledger;
use flinkops::plan::live::LiveObject;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::{Value, json};

use super::trace::{self, Recorder};
use crate::real::deploy::WRITER;
use crate::real::place::Place;
use crate::real::server::free_ports;
use crate::real::stack::{FLINK, Stack, artifacts};

/// Given to the whole of one `apply`; reached only when something hangs.
const TIMEOUT: &str = "10m";
const REPOSITORY: &str = "
name: orders
environments: {test: {namespace: NAMESPACE}}
policy: {settle: 2s}
";

/// What Git says of the session cluster and the jobs on it.
#[derive(Clone)]
pub struct Wish {
    /// The TaskManager's memory, which restarts the cluster.
    pub memory: &'static str,
    pub jobs: Vec<Job>,
}

/// A stateful job.
#[derive(Clone)]
pub struct Job {
    pub name: &'static str,
    pub parallelism: u32,
    pub upgrade_mode: &'static str,
}

/// The end of one `apply`.
pub struct Applied {
    pub success: bool,
    /// Everything it wrote.
    pub said: String,
}

/// What a running job began with.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    pub path: String,
    pub is_savepoint: bool,
}

pub struct World {
    stack: &'static Stack,
    place: Place,
    recorder: Recorder,
    rest: u16,
    jar: String,
}

impl World {
    pub async fn new(stack: &'static Stack) -> Result<Self> {
        let place = Place::new(&stack.cluster).await?;
        let recorder = Recorder::start(|kind| place.objects(kind));
        let [rest] = free_ports()?;
        let jar = artifacts::example_jar()?.display().to_string();
        Ok(Self { stack, place, recorder, rest, jar })
    }

    /// Commits a wish.
    pub fn commit(&self, wish: &Wish) -> Result<()> {
        let state = self.place.folder().display();
        let cluster = json!({
            "kind": "FlinkDeployment",
            "spec": {
                "image": "flink:1.17", "flinkVersion": "v1_17", "serviceAccount": "flink",
                "flinkConfiguration": {
                    "rest.port": self.rest.to_string(),
                    "taskmanager.numberOfTaskSlots": "4",
                    // Flink answers from what it knew when somebody last asked, for three seconds. An
                    // operator that asks right after us then takes the last checkpoint but one for the
                    // savepoint that the job was stopped with.
                    "web.refresh-interval": "1",
                    "state.savepoints.dir": format!("file://{state}/savepoints"),
                    "state.checkpoints.dir": format!("file://{state}/checkpoints"),
                },
                "jobManager": {"resource": {"memory": "1024m", "cpu": 0.5}},
                "taskManager": {"resource": {"memory": wish.memory, "cpu": 0.5}},
            },
        });
        let mut files = vec![
            ("flinkops.yaml".to_owned(), REPOSITORY.to_owned()),
            ("jobs/sessions/job.yaml".to_owned(), cluster.to_string()),
        ];
        for job in &wish.jobs {
            let manifest = json!({
                "kind": "FlinkSessionJob",
                "spec": {"deploymentName": "sessions", "job": {
                    "jarURI": format!("file://{}", self.jar),
                    "entryClass": "org.apache.flink.streaming.examples.statemachine.StateMachineExample",
                    "args": ["--rps", "10"],
                    "parallelism": job.parallelism, "upgradeMode": job.upgrade_mode, "state": "running",
                }},
            });
            files.push((format!("jobs/{}/job.yaml", job.name), manifest.to_string()));
        }
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.place.commit(&files)
    }

    /// What a plan says of a unit.
    pub fn planned(&self, name: &str) -> Result<Value> {
        let (_, plan) = self.place.read("plan")?;
        let units = plan["units"].as_array().context("units")?;
        units.iter().find(|unit| unit["name"] == name).cloned().with_context(|| format!("no word of {name}"))
    }

    /// Applies HEAD, as somebody at a terminal would.
    pub async fn apply(&self) -> Result<Applied> {
        let arguments = ["apply", "--repo", self.place.repository(), "--revision", "HEAD"];
        let mut command = self.place.flinkops(WRITER, &arguments);
        command.args(["--yes", "--timeout", TIMEOUT]);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        self.stack.check()?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Ok(Applied { success: output.status.success(), said })
    }

    /// Applies HEAD; fails with what everybody said unless all of it has settled.
    pub async fn settle(&self) -> Result<()> {
        let applied = self.apply().await?;
        let Applied { success, said } = applied;
        ensure!(success, "apply failed:\n{said}\n{}", self.stack.operator_log());
        Ok(())
    }

    /// The live session job, or nothing.
    pub async fn job(&self, name: &str) -> Result<Option<Value>> {
        let object = self.place.objects(Kind::FlinkSessionJob).get_opt(name).await?;
        Ok(object.map(serde_json::to_value).transpose()?)
    }

    /// The id that Flink runs a job under.
    pub async fn job_id(&self, name: &str) -> Result<String> {
        let job = self.job(name).await?.with_context(|| format!("no job {name}"))?;
        let id = job.pointer("/status/jobStatus/jobId").and_then(Value::as_str);
        Ok(id.with_context(|| format!("{name} has no id: {job}"))?.to_owned())
    }

    /// What Flink says the running job was restored from; nothing when it began empty.
    pub async fn restored(&self, name: &str) -> Result<Option<Restored>> {
        let id = self.job_id(name).await?;
        let job = self.ask(&format!("/jobs/{id}"))?;
        ensure!(job["state"] == "RUNNING", "{name}: {}", job["state"]);
        let restored = self.ask(&format!("/jobs/{id}/checkpoints"))?["latest"]["restored"].take();
        if restored.is_null() {
            return Ok(None);
        }
        let path = restored["external_path"].as_str().context("a restored checkpoint has a path")?;
        let is_savepoint = restored["is_savepoint"] == true;
        Ok(Some(Restored { path: path.to_owned(), is_savepoint }))
    }

    /// What flinkops has on record of a job.
    pub async fn ledger(&self, name: &str) -> Result<Ledger> {
        let unit = UnitKey::new(&self.place.namespace, Kind::FlinkSessionJob, name);
        let maps: Api<ConfigMap> = Api::namespaced(self.place.admin.clone(), &self.place.namespace);
        let map = maps.get(&Ledger::name("orders", "test", &unit)).await?;
        let ledger = Ledger::from_config_map(&LiveObject::new(serde_json::to_value(map)?));
        Ok(ledger.context("not a ledger")?.1)
    }

    /// Prints what was done and how the operator went about it.
    pub fn done(&self, what: &str, start: Instant) {
        FLINK.say(&format!("{what}: {:.1?}", start.elapsed()));
        println!("{what}:\n{}", trace::show(&self.recorder.take()));
    }

    fn ask(&self, path: &str) -> Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.rest))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("{path}: {answer}") };
        ensure!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        serde_json::from_str(body).with_context(|| format!("{path}: {body}"))
    }
}
