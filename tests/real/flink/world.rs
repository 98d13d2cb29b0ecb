//! One repository, one namespace with real Flink in it, and what is done to both.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use flinkops::flink::kind::{Kind, UnitKey};
use flinkops::plan::ledger::{LABEL_RECORD, Ledger, Marker};
use flinkops::plan::live::LiveObject;
use flinkops::sim::Sim;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::asked::ingress;
use super::hand::{Hand, TIMEOUT};
use super::model::Model;
use super::trace::{Recorder, Trace, agree};
use crate::real::place::Place;
use crate::real::server::free_ports;
use crate::real::stack::{FLINK, Stack, artifacts};

/// The class of a job with keyed state that enables checkpoints by itself.
pub const EXAMPLE: &str = "org.apache.flink.streaming.examples.statemachine.StateMachineExample";

/// More parallel instances than Flink divides the state of a small job among: one that is to restore it fails.
pub const TOO_MANY: u32 = 200;

/// How it ended that HEAD was carried out.
pub struct Applied {
    pub success: bool,
    /// Everything that was said of it.
    pub said: String,
}

/// A repository and its namespace. What Git says is an object of manifests by folder.
pub struct World {
    pub stack: &'static Stack,
    pub place: Place,
    pub recorder: Recorder,
    /// What was told so far, for people.
    pub told: Mutex<Told>,
    model: Arc<Mutex<Model>>,
    policy: Value,
    stated: Mutex<Value>,
    jar: String,
}

/// How much of a story was told.
#[derive(Clone, Copy, Default)]
pub struct Told {
    pub changes: usize,
    pub kills: usize,
}

impl World {
    pub async fn new(stack: &'static Stack, policy: Value) -> Result<Self> {
        let mut place = Place::new(&stack.cluster).await?;
        place.flink_rest = Some(ingress(place.objects(Kind::FlinkDeployment)).await?);
        let recorder = Recorder::start(|kind| place.objects(kind));
        let jar = artifacts::example_jar()?.display().to_string();
        let model = tokio::task::spawn_blocking(Model::new).await??;
        let model = Arc::new(Mutex::new(model));
        Ok(Self {
            stack,
            place,
            recorder,
            told: Mutex::default(),
            model,
            policy,
            stated: json!({}).into(),
            jar,
        })
    }

    /// Has Git say from the next commit on that the operator is configured so, true or not.
    pub fn state(&self, defaults: Value) {
        *self.stated.lock().expect("no panic under lock") = defaults;
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
                // What stands still for a minute, on a busy machine, is not dead.
                "heartbeat.timeout": "600000",
                "akka.ask.timeout": "1 min",
                "state.savepoints.dir": format!("file://{state}/savepoints"),
                "state.checkpoints.dir": format!("file://{state}/checkpoints"),
                // What the program says itself, for those who cannot read it.
                "execution.checkpointing.interval": "2 s",
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

    /// The same with what Kubernetes needs to bring its job back, and soon.
    pub fn highly_available(&self) -> Result<Value> {
        let mut application = self.application()?;
        let state = self.place.folder().display();
        let configuration = &mut application["spec"]["flinkConfiguration"];
        configuration["high-availability.type"] = json!("kubernetes");
        configuration["high-availability.storageDir"] = json!(format!("file://{state}/ha"));
        for (what, time) in [("lease-duration", "3 s"), ("renew-deadline", "3 s"), ("retry-period", "1 s")] {
            configuration[format!("high-availability.kubernetes.leader-election.{what}")] = json!(time);
        }
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
        let environment = json!({
            "namespace": self.place.namespace, "operatorDefaults": *self.stated.lock().expect("no panic under lock"),
        });
        let repository =
            json!({"name": "orders", "environments": {"test": environment}, "policy": self.policy});
        let jobs = wish.as_object().context("manifests by folder")?.iter();
        let jobs = jobs.map(|(folder, manifest)| (format!("jobs/{folder}/job.yaml"), manifest.to_string()));
        let files: Vec<_> =
            std::iter::once(("flinkops.yaml".to_owned(), repository.to_string())).chain(jobs).collect();
        let texts: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.place.commit(&texts)?;
        Ok(files)
    }

    /// Has HEAD carried out to the end, with this many units there then.
    pub async fn carry_out(&self, by: Hand, units: usize) -> Result<Applied> {
        loop {
            let mut hand = by.start(&self.place)?;
            if by == Hand::Run {
                let pace = Duration::from_millis(500);
                hand.until("everything is settled", pace, async || self.is_settled(units).await).await?;
                hand.terminate()?;
            }
            let success = hand.ended().await?.success();
            self.stack.check()?;
            let said = hand.said()?;
            // As whoever finds it cut short does: on a machine that stands still for longer than a lease lasts.
            if !success && said.contains("the lease is lost") {
                FLINK.say("flinkops was kept from renewing its lease for too long, and is begun again");
                continue;
            }
            return Ok(Applied { success, said });
        }
    }

    /// Whether all of HEAD is in the cluster, as the commands of others have it, and for long enough to be on record:
    /// a change goes back to what is.
    async fn is_settled(&self, units: usize) -> Result<bool> {
        let (_, status) = self.place.read("status")?;
        let list = status["units"].as_array().context("units")?;
        let settled = list.len() == units && list.iter().all(|unit| unit["settled"] == true);
        if !settled || self.place.read("plan")?.0 != 0 {
            return Ok(false);
        }
        let maps: Api<ConfigMap> = Api::namespaced(self.place.admin.clone(), &self.place.namespace);
        for map in maps.list(&ListParams::default().labels(&format!("{LABEL_RECORD}=ledger"))).await? {
            let ledger = Ledger::from_config_map(&LiveObject::new(serde_json::to_value(map)?));
            let (_, ledger) = ledger.context("not a ledger")?;
            let newest = ledger.applied.first().filter(|_| !ledger.uid.is_empty());
            if newest.is_some_and(|applied| applied.settled.is_none()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has HEAD carried out, and that killed without warning as soon as it has come to a moment.
    pub async fn kill_when(
        &self,
        by: Hand,
        moment: &str,
        reached: impl AsyncFn(&Self) -> Result<bool>,
    ) -> Result<()> {
        let mut hand = by.start(&self.place)?;
        hand.until(moment, Duration::from_millis(5), async || reached(self).await).await?;
        self.told.lock().expect("no panic under lock").kills += 1;
        hand.kill()
    }

    /// Waits for something in the cluster or in Flink. What cannot be told right now may be told the next time.
    pub async fn until(&self, what: &str, reached: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        let mut trouble = None;
        loop {
            self.stack.check()?;
            match reached().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => trouble = Some(error),
            }
            ensure!(start.elapsed() < TIMEOUT, "waited {TIMEOUT:?} until {what}: {trouble:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Has a job fail for good: something lies where its next checkpoints belong. For one whose cluster starts
    /// nothing again by itself.
    pub async fn fail(&self, kind: Kind, name: &str) -> Result<()> {
        self.until("there is a checkpoint", async || Ok(self.checkpoint(kind, name).await?.is_some()))
            .await?;
        let folder = self.place.folder().join("checkpoints").join(self.job_id(kind, name).await?);
        let number = |entry: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
            entry.ok()?.file_name().to_str()?.strip_prefix("chk-")?.parse().ok()
        };
        let newest = std::fs::read_dir(&folder)?.filter_map(number).max().context("no checkpoint on disk")?;
        for number in newest + 1..newest + 50 {
            let checkpoint = folder.join(format!("chk-{number}"));
            std::fs::create_dir_all(&checkpoint)?;
            std::fs::write(checkpoint.join("_metadata"), "not one of Flink's")?;
        }
        self.until("it has failed", async || Ok(self.recorder.job(name).as_deref() == Some("FAILED"))).await
    }

    /// Kills the JobManager of a session cluster, which loses these jobs.
    pub async fn crash(&self, cluster: &str, jobs: &[&str]) -> Result<()> {
        self.stack.crash(&self.place.namespace, cluster);
        self.misses(cluster, jobs).await
    }

    /// Waits until the operator has found out that a session cluster has lost these jobs, and runs again itself.
    pub async fn misses(&self, cluster: &str, jobs: &[&str]) -> Result<()> {
        for job in jobs {
            self.until("the operator misses a job", async || {
                let error = self.field(Kind::FlinkSessionJob, job, "/status/error").await?;
                let missed = error.as_str().is_some_and(|error| error.contains("MissingSessionJobException"));
                Ok(missed && self.recorder.job(job).as_deref() == Some("RECONCILING"))
            })
            .await?;
        }
        self.until("its cluster is there again", async || Ok(self.recorder.runs(cluster))).await
    }

    /// Deletes the Deployment of a cluster's JobManager, which is told to end then.
    pub async fn delete_deployment(&self, cluster: &str) -> Result<()> {
        let deployments: Api<Deployment> = Api::namespaced(self.place.admin.clone(), &self.place.namespace);
        deployments.delete(cluster, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Changes a unit's spec by somebody's hand.
    pub async fn edit(&self, kind: Kind, name: &str, spec: &Value) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.place.objects(kind).patch(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Whether any checkpoint of a job is on disk.
    pub async fn keeps_checkpoint(&self, kind: Kind, name: &str) -> Result<bool> {
        let folder = self.place.folder().join("checkpoints").join(self.job_id(kind, name).await?);
        let whole = |entry: std::fs::DirEntry| entry.path().join("_metadata").is_file();
        Ok(std::fs::read_dir(folder)?.filter_map(Result::ok).any(whole))
    }

    /// Has the same happen to the model. How an operator comes to see what nobody told it is left out of both
    /// traces: that depends on when it looks.
    pub async fn likewise(&self, happens: impl FnOnce(&Sim) + Send + 'static) -> Result<()> {
        self.suffered(happens).await.map(drop)
    }

    /// The same where Kubernetes tells it at once: both operators go through the same states.
    pub async fn alike(&self, what: &str, happens: impl FnOnce(&Sim) + Send + 'static) -> Result<()> {
        let (real, model) = self.suffered(happens).await?;
        println!("{what}:\n{real}");
        agree(what, &real, &model)?;
        FLINK.say(&format!("{what}: {} states as the model has them", real.states()));
        Ok(())
    }

    async fn suffered(&self, happens: impl FnOnce(&Sim) + Send + 'static) -> Result<(Trace, Trace)> {
        let model = Arc::clone(&self.model);
        let real = self.recorder.take();
        let suffer = move || model.lock().expect("no panic under lock").suffer(happens);
        Ok((real, tokio::task::spawn_blocking(suffer).await??))
    }

    /// Takes away the lease of one that was killed, as time would.
    pub async fn expire_lease(&self) -> Result<()> {
        let leases: Api<Lease> = Api::namespaced(self.place.admin.clone(), &self.place.namespace);
        leases.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
        Ok(())
    }

    /// What the model makes of these files: whether all settles, and how. The jobs of the `doomed` fail as soon
    /// as they have run anew.
    pub async fn rehearse(
        &self,
        files: Vec<(String, String)>,
        doomed: Vec<UnitKey>,
    ) -> Result<(bool, Trace)> {
        let model = Arc::clone(&self.model);
        let rehearse = move || model.lock().expect("no panic under lock").apply(&files, &doomed);
        tokio::task::spawn_blocking(rehearse).await?
    }

    /// A unit of the world's.
    pub fn key(&self, kind: Kind, name: &str) -> UnitKey {
        UnitKey::new(&self.place.namespace, kind, name)
    }

    /// Every live unit of a kind.
    pub async fn units(&self, kind: Kind) -> Result<Vec<Value>> {
        let objects = self.place.objects(kind).list(&ListParams::default()).await?;
        Ok(objects.items.into_iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
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

    /// What flinkops has on record of a unit, if anything.
    pub async fn ledger(&self, kind: Kind, name: &str) -> Result<Option<Ledger>> {
        let unit = self.key(kind, name);
        let maps: Api<ConfigMap> = Api::namespaced(self.place.admin.clone(), &self.place.namespace);
        let Some(map) = maps.get_opt(&Ledger::name("orders", "test", &unit)).await? else { return Ok(None) };
        let ledger = Ledger::from_config_map(&LiveObject::new(serde_json::to_value(map)?));
        Ok(Some(ledger.context("not a ledger")?.1))
    }

    /// Whether the namespace is marked as this repository's.
    pub async fn is_marked(&self) -> Result<bool> {
        let maps: Api<ConfigMap> = Api::namespaced(self.place.admin.clone(), &self.place.namespace);
        Ok(maps.get_opt(&Marker::name("orders")).await?.is_some())
    }

    /// How many savepoints lie on disk.
    pub fn savepoints(&self) -> usize {
        std::fs::read_dir(self.place.folder().join("savepoints")).map_or(0, Iterator::count)
    }
}
