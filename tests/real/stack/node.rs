//! A node that runs the Pods of Flink clusters as local processes.
//!
//! A Pod that no scheduler has placed is removed at once when deleted, and anybody with the right may
//! write its status: with these two facts of the API server a loop is all that a node takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, Config, ResourceExt as _};
use serde_json::{Value, json};

use super::pod::{Flink, Ports, Process};
use crate::parts::Suite;

const PACE: Duration = Duration::from_millis(300);
/// How long a process that was asked to end is waited for, as a kubelet does.
const GRACE: Duration = Duration::from_secs(30);
/// The longest pause before a container is started again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const SUITE: &Suite = &super::FLINK;

/// A Flink cluster: namespace and name.
type ClusterName = (String, String);

/// What tests and the node tell each other.
#[derive(Default)]
pub struct Board {
    /// How often the JobManager of each cluster was started by order of the operator.
    pub starts: BTreeMap<ClusterName, usize>,
    /// The clusters whose JobManager is to end without warning.
    pub crashes: BTreeSet<ClusterName>,
}

/// Runs until the test process ends, on a thread of its own: a test's runtime ends with the test.
pub fn start(config: Config, flink: Flink) -> Arc<Mutex<Board>> {
    let board = Arc::<Mutex<Board>>::default();
    let shared = Arc::clone(&board);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let client = Client::try_from(config).expect("a working configuration");
            let (ports, pods, leaving) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
            let mut node = Node { client, flink, ports, pods, leaving, board };
            loop {
                if let Err(error) = node.step().await {
                    SUITE.say(&format!("node: {error:#}"));
                }
                tokio::time::sleep(PACE).await;
            }
        });
    });
    shared
}

struct Node {
    client: Client,
    flink: Flink,
    /// What the TaskManagers of a cluster need to find its JobManager.
    ports: BTreeMap<ClusterName, Ports>,
    pods: BTreeMap<String, Running>,
    /// What Pods that are gone still run, and until when.
    leaving: Vec<(Running, Instant)>,
    board: Arc<Mutex<Board>>,
}

/// A Pod whose process was started at least once.
struct Running {
    cluster: ClusterName,
    process: Process,
    ready: bool,
    restarts: u32,
    /// Whether it was to end.
    crashed: bool,
    /// Since when it is no more, and when it is started again.
    again: Option<Instant>,
}

impl Node {
    async fn step(&mut self) -> Result<()> {
        let pods: Api<Pod> = Api::all(self.client.clone());
        let labels = ListParams::default().labels("type=flink-native-kubernetes");
        let pods: BTreeMap<_, _> =
            pods.list(&labels).await?.into_iter().filter_map(|pod| Some((pod.uid()?, pod))).collect();
        self.end(&pods);
        self.crash();
        for (uid, pod) in pods {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
            if pod.metadata.deletion_timestamp.is_some() || ["Failed", "Succeeded"].contains(&phase) {
                continue;
            }
            // One Pod's trouble holds up no other.
            if let Err(error) = self.look_after(&uid, &pod).await {
                SUITE.say(&format!("node: {}: {error:#}", pod.name_any()));
            }
        }
        Ok(())
    }

    async fn look_after(&mut self, uid: &str, pod: &Pod) -> Result<()> {
        let Some(running) = self.pods.get_mut(uid) else {
            if let Some(process) = self.launch(pod).await? {
                let cluster = cluster(pod).context("no cluster")?;
                let running =
                    Running { cluster, process, ready: false, restarts: 0, crashed: false, again: None };
                self.pods.insert(uid.to_owned(), running);
            }
            return Ok(());
        };
        if let Some(again) = running.again {
            if Instant::now() >= again
                && let Some(process) = self.launch(pod).await?
            {
                let running = self.pods.get_mut(uid).context("a Pod that is looked after")?;
                running.process = process;
                running.again = None;
                running.restarts += 1;
            }
            return Ok(());
        }
        if let Some(status) = running.process.server.ended()? {
            if !std::mem::take(&mut running.crashed) {
                let words = running.process.server.last_words();
                SUITE.say(&format!("{} ended with {status}: {}", pod.name_any(), cause(&words)));
            }
            running.ready = false;
            if running.process.job_manager {
                // As a kubelet does: at once, then with a growing pause.
                let pause = Duration::from_secs(3) * running.restarts * running.restarts;
                running.again = Some(Instant::now() + pause.min(LONGEST_PAUSE));
                let restarts = running.restarts;
                let reason = if restarts == 0 { "ContainerCreating" } else { "CrashLoopBackOff" };
                let waiting = json!({"waiting": {"reason": reason}});
                return self.report(pod, "Running", false, restarts, &waiting).await;
            }
            let code = status.code().unwrap_or(137);
            let phase = if code == 0 { "Succeeded" } else { "Failed" };
            let terminated = json!({"terminated": {"exitCode": code}});
            return self.report(pod, phase, false, 0, &terminated).await;
        }
        if !running.ready && running.process.is_ready() {
            running.ready = true;
            let restarts = running.restarts;
            let now = jiff::Timestamp::now().to_string();
            let state = json!({"running": {"startedAt": now}});
            return self.report(pod, "Running", true, restarts, &state).await;
        }
        Ok(())
    }

    /// Asks what the Pods that are gone ran to end. A JobManager then suspends its jobs, which takes those
    /// checkpoints away that are not to be retained: one that is killed leaves them.
    fn end(&mut self, pods: &BTreeMap<String, Pod>) {
        let gone: Vec<_> = self.pods.keys().filter(|uid| !pods.contains_key(*uid)).cloned().collect();
        for running in gone.iter().filter_map(|uid| self.pods.remove(uid)) {
            running.process.server.terminate();
            self.leaving.push((running, Instant::now() + GRACE));
        }
        let lives = |running: &Running| running.process.server.ended().is_ok_and(|ended| ended.is_none());
        self.leaving.retain(|(running, until)| Instant::now() < *until && lives(running));
    }

    /// Kills the JobManagers that are to crash; Kubernetes will start them again.
    fn crash(&mut self) {
        let crashes = std::mem::take(&mut self.board.lock().expect("no panic under lock").crashes);
        for running in self.pods.values_mut() {
            if running.process.job_manager && crashes.contains(&running.cluster) {
                running.process.server.kill();
                running.crashed = true;
            }
        }
    }

    /// Starts a Pod's process; not yet where its settings are still to be written, or gone already, or where
    /// the JobManager before it still listens: they have one host.
    async fn launch(&mut self, pod: &Pod) -> Result<Option<Process>> {
        let key = cluster(pod).context("no cluster")?;
        let holds = |it: &Running| it.process.job_manager && it.cluster == key;
        if self.leaving.iter().any(|(running, _)| holds(running)) {
            return Ok(None);
        }
        let settings = Api::namespaced(self.client.clone(), &key.0);
        let Some(settings) = settings.get_opt(&format!("flink-config-{}", key.1)).await? else {
            return Ok(None);
        };
        // A container that is started again is where it was, and nobody asked for that.
        let is_new = !pod.uid().is_some_and(|uid| self.pods.contains_key(&uid));
        if is_new && Process::is_job_manager(pod) {
            self.ports.insert(key.clone(), Ports::free()?);
            *self.board.lock().expect("no panic under lock").starts.entry(key.clone()).or_default() += 1;
        }
        let ports = self.ports.get(&key).context("its JobManager was never started")?;
        self.flink.start(pod, settings, ports).map(Some)
    }

    async fn report(&self, pod: &Pod, phase: &str, ready: bool, restarts: u32, state: &Value) -> Result<()> {
        let container = pod.spec.as_ref().and_then(|spec| spec.containers.first()).context("no container")?;
        let condition = |(name, holds): (&str, bool)| {
            let word = if holds { "True" } else { "False" };
            json!({"type": name, "status": word})
        };
        // A JobManager knows its TaskManager only once that was scheduled.
        let conditions =
            [("PodScheduled", true), ("Initialized", true), ("ContainersReady", ready), ("Ready", ready)];
        let address = "127.0.0.1";
        let status = json!({"status": {
            "phase": phase,
            "podIP": address, "podIPs": [{"ip": address}], "hostIP": address,
            "conditions": conditions.map(condition),
            "containerStatuses": [{
                "name": container.name, "image": container.image, "imageID": "",
                "ready": ready, "started": ready, "restartCount": restarts, "state": state,
            }],
        }});
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let written =
            pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Strategic(status)).await;
        match written {
            // It was deleted in between.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            written => Ok(written.map(drop)?),
        }
    }
}

/// The innermost cause in a Java process's last words; all of them where they name none.
fn cause(words: &str) -> &str {
    words.lines().rev().find(|line| line.starts_with("Caused by: ")).unwrap_or(words)
}

fn cluster(pod: &Pod) -> Option<ClusterName> {
    Some((pod.namespace()?, pod.labels().get("app")?.clone()))
}
