//! One repository, one namespace with real Flink in it, and what Flink itself says about the jobs there.

use std::io::{Read as _, Seek as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use flinkops::flink::kind::{Kind, UnitKey};
use flinkops::plan::ledger::Ledger;
use flinkops::plan::live::LiveObject;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use super::model::Model;
use super::trace::{Recorder, Trace};
use crate::real::deploy::WRITER;
use crate::real::place::Place;
use crate::real::server::free_ports;
use crate::real::stack::{Stack, artifacts};

/// Given to the whole of one `apply`; reached only when something hangs.
const TIMEOUT: &str = "20m";
/// The class of a job with keyed state that enables checkpoints by itself.
pub const EXAMPLE: &str = "org.apache.flink.streaming.examples.statemachine.StateMachineExample";

/// More parallel instances than Flink divides the state of a small job among: one that is to restore it fails.
pub const TOO_MANY: u32 = 200;

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

/// A repository and its namespace. What Git says is an object of manifests by folder.
pub struct World {
    pub stack: &'static Stack,
    pub place: Place,
    pub recorder: Recorder,
    model: Arc<Mutex<Model>>,
    policy: Value,
    jar: String,
}

impl World {
    pub async fn new(stack: &'static Stack, policy: Value) -> Result<Self> {
        let place = Place::new(&stack.cluster).await?;
        let recorder = Recorder::start(|kind| place.objects(kind));
        let jar = artifacts::example_jar()?.display().to_string();
        let model = tokio::task::spawn_blocking(Model::new).await??;
        let model = Arc::new(Mutex::new(model));
        Ok(Self { stack, place, recorder, model, policy, jar })
    }

    /// A session cluster, with this much memory for a TaskManager.
    pub fn cluster(&self, memory: &str) -> Result<Value> {
        let state = self.place.folder().display();
        let [rest] = free_ports()?;
        Ok(json!({"kind": "FlinkDeployment", "spec": {
            "image": "flink:1.17", "flinkVersion": "v1_17", "serviceAccount": "flink",
            "flinkConfiguration": {
                "rest.port": rest.to_string(),
                "taskmanager.numberOfTaskSlots": "6",
                // Flink answers from what it knew when somebody last asked, for three seconds. An
                // operator that asks right after us then takes the last checkpoint but one for the
                // savepoint that the job was stopped with.
                "web.refresh-interval": "1",
                "state.savepoints.dir": format!("file://{state}/savepoints"),
                "state.checkpoints.dir": format!("file://{state}/checkpoints"),
            },
            "jobManager": {"resource": {"memory": "1024m", "cpu": 0.5}},
            "taskManager": {"resource": {"memory": memory, "cpu": 0.5}},
        }}))
    }

    /// An application with a stateful job.
    pub fn application(&self) -> Result<Value> {
        let mut application = self.cluster("1024m")?;
        application["spec"]["job"] = self.job("local");
        Ok(application)
    }

    /// A stateful job on the session cluster of this name.
    pub fn session_job(&self, cluster: &str) -> Value {
        json!({"kind": "FlinkSessionJob", "spec": {"deploymentName": cluster, "job": self.job("file")}})
    }

    fn job(&self, scheme: &str) -> Value {
        json!({
            "jarURI": format!("{scheme}://{}", self.jar), "entryClass": EXAMPLE, "args": ["--rps", "10"],
            "parallelism": 1, "upgradeMode": "savepoint", "state": "running",
        })
    }

    /// Commits exactly these manifests; answers with the files.
    pub fn commit(&self, wish: &Value) -> Result<Vec<(String, String)>> {
        let repository = json!({
            "name": "orders", "environments": {"test": {"namespace": self.place.namespace}}, "policy": self.policy,
        });
        let jobs = wish.as_object().context("manifests by folder")?.iter();
        let jobs = jobs.map(|(folder, manifest)| (format!("jobs/{folder}/job.yaml"), manifest.to_string()));
        let files: Vec<_> =
            std::iter::once(("flinkops.yaml".to_owned(), repository.to_string())).chain(jobs).collect();
        let texts: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.place.commit(&texts)?;
        Ok(files)
    }

    /// Applies HEAD, as somebody at a terminal would.
    pub async fn apply(&self) -> Result<Applied> {
        let mut command = self.command();
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        self.stack.check()?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Ok(Applied { success: output.status.success(), said })
    }

    /// Begins to apply HEAD and kills it without warning as soon as it has come to a moment.
    pub async fn kill_when(&self, moment: &str, reached: impl AsyncFn(&Self) -> Result<bool>) -> Result<()> {
        let mut said = tempfile::tempfile()?;
        let mut child = self.command().stdout(said.try_clone()?).stderr(said.try_clone()?).spawn()?;
        // What cannot be told right now, by a server that is busy, may be told the next time.
        let mut trouble = None;
        let ended = loop {
            if let Some(status) = child.try_wait()? {
                let mut text = String::new();
                said.rewind()?;
                said.read_to_string(&mut text)?;
                break Err(anyhow::anyhow!("ended with {status} before {moment} ({trouble:?}):\n{text}"));
            }
            match reached(self).await {
                Ok(true) => break Ok(()),
                Ok(false) => {}
                Err(error) => trouble = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        child.kill()?;
        child.wait()?;
        ended
    }

    /// Takes away the lease of one that was killed, as time would.
    pub async fn expire_lease(&self) -> Result<()> {
        let leases: Api<Lease> = Api::namespaced(self.place.admin.clone(), &self.place.namespace);
        leases.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
        Ok(())
    }

    fn command(&self) -> Command {
        let arguments = ["apply", "--repo", self.place.repository(), "--revision", "HEAD"];
        let mut command = self.place.flinkops(WRITER, &arguments);
        command.args(["--yes", "--timeout", TIMEOUT]);
        command
    }

    /// What the model makes of these files: whether all settles, and how.
    pub async fn rehearse(&self, files: Vec<(String, String)>) -> Result<(bool, Trace)> {
        let model = Arc::clone(&self.model);
        tokio::task::spawn_blocking(move || model.lock().expect("no panic under lock").apply(&files)).await?
    }

    /// The live unit, or nothing.
    pub async fn unit(&self, kind: Kind, name: &str) -> Result<Option<Value>> {
        let object = self.place.objects(kind).get_opt(name).await?;
        Ok(object.map(serde_json::to_value).transpose()?)
    }

    /// A field of a unit that must be there; null where it has no such field.
    pub async fn field(&self, kind: Kind, name: &str, pointer: &str) -> Result<Value> {
        let unit = self.unit(kind, name).await?.with_context(|| format!("no {name}"))?;
        Ok(unit.pointer(pointer).cloned().unwrap_or_default())
    }

    /// The id that Flink runs a job under.
    pub async fn job_id(&self, kind: Kind, name: &str) -> Result<String> {
        let id = self.field(kind, name, "/status/jobStatus/jobId").await?;
        Ok(id.as_str().with_context(|| format!("{name} has no id"))?.to_owned())
    }

    /// What Flink says the running job was restored from; nothing when it began empty.
    pub async fn restored(&self, kind: Kind, name: &str) -> Result<Option<Restored>> {
        let id = self.job_id(kind, name).await?;
        let cluster = match kind {
            Kind::FlinkSessionJob => self.field(kind, name, "/spec/deploymentName").await?,
            _ => json!(name),
        };
        let cluster = cluster.as_str().context("the name of a cluster")?;
        let port = self.field(Kind::FlinkDeployment, cluster, "/spec/flinkConfiguration/rest.port").await?;
        let port = port.as_str().context("a port")?.parse()?;
        let job = ask(port, &format!("/jobs/{id}"))?;
        ensure!(job["state"] == "RUNNING", "{name}: {}", job["state"]);
        let restored = ask(port, &format!("/jobs/{id}/checkpoints"))?["latest"]["restored"].take();
        if restored.is_null() {
            return Ok(None);
        }
        let path = restored["external_path"].as_str().context("a restored checkpoint has a path")?;
        let is_savepoint = restored["is_savepoint"] == true;
        Ok(Some(Restored { path: path.to_owned(), is_savepoint }))
    }

    /// What flinkops has on record of a unit, if anything.
    pub async fn ledger(&self, kind: Kind, name: &str) -> Result<Option<Ledger>> {
        let unit = UnitKey::new(&self.place.namespace, kind, name);
        let maps: Api<ConfigMap> = Api::namespaced(self.place.admin.clone(), &self.place.namespace);
        let Some(map) = maps.get_opt(&Ledger::name("orders", "test", &unit)).await? else { return Ok(None) };
        let ledger = Ledger::from_config_map(&LiveObject::new(serde_json::to_value(map)?));
        Ok(Some(ledger.context("not a ledger")?.1))
    }

    /// How many savepoints lie on disk.
    pub fn savepoints(&self) -> usize {
        std::fs::read_dir(self.place.folder().join("savepoints")).map_or(0, Iterator::count)
    }
}

/// What a JobManager answers.
fn ask(port: u16, path: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("{path}: {answer}") };
    ensure!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    serde_json::from_str(body).with_context(|| format!("{path}: {body}"))
}
