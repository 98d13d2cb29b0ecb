//! The same repository on the embedded cluster: what the model of the operator says should have happened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use flinkops::cluster::{Cluster, FlinkRest};
use flinkops::daemon::{Clock, History, Options, apply};
use flinkops::flink::kind::{API_VERSION, ObjectKey, UnitKey};
use flinkops::sim::api::history::ChangeKind;
use flinkops::sim::{OperatorMode, Sim};
use flinkops::spec::source::{Limits, Origin, Revision, SourceTree};
use flinkops::spec::{Desired, load};
use jiff::Timestamp;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::trace::{State, Trace};
use super::world::{EXAMPLE, TOO_MANY};

/// Longer than anything takes; time is paused.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// Longer than a checkpoint, or a look of the operator's, is away.
const A_WHILE: Duration = Duration::from_secs(60);

/// An embedded cluster with operator 1.7, on a runtime of its own whose time is paused.
pub struct Model {
    runtime: Option<Runtime>,
    sim: Sim,
    clock: Clock,
    /// The version up to which changes were read.
    seen: u64,
    /// What Git said with each commit.
    commits: Arc<Mutex<BTreeMap<Revision, Desired>>>,
    trace: Trace,
}

impl Model {
    /// An empty cluster.
    pub fn new() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build()?;
        let start: Timestamp = "2026-01-01T00:00:00Z".parse()?;
        let options = flinkops::sim::Options {
            operator: OperatorMode::V1_7,
            start_time: Some(start),
            ..flinkops::sim::Options::default()
        };
        let (sim, clock) = runtime.block_on(async { (Sim::start(options), Clock::starting_at(start)) });
        let seen = sim.store().version();
        Ok(Self { runtime: Some(runtime), sim, clock, seen, commits: Arc::default(), trace: Trace::new() })
    }

    /// Applies these files until nothing moves; answers whether all settled, and how the operator went about
    /// it. Each unit begins with the state it had at the end of the last call. The jobs of the `doomed` fail
    /// once they have run anew.
    pub fn apply(&mut self, files: &[(String, String)], doomed: &[UnitKey]) -> Result<(bool, Trace)> {
        let count = self.commits.lock().expect("no panic under lock").len();
        let revision = Revision::new(format!("{:040x}", count + 1));
        let origin =
            Origin { identity: "git.example/orders".into(), revision: revision.clone(), committed: true };
        let files = files.iter().map(|(path, text)| {
            let fails = text.contains(&format!(r#""parallelism":{TOO_MANY}"#));
            // The model divides no state, and must be told: Flink takes no such job.
            let text = if fails { text.replace(EXAMPLE, "org.example.Missing") } else { text.clone() };
            (path.clone(), Arc::from(text.as_bytes()))
        });
        let files = files.collect();
        let tree = SourceTree { origin, files, refused: Vec::new() };
        let mut loaded = load(&tree, &Limits::default(), Some("test"));
        let desired = loaded.environments.remove("test").context("no environment")?;
        let commits = Arc::clone(&self.commits);
        commits.lock().expect("no panic under lock").insert(revision, desired.clone());
        let history: History =
            Arc::new(move |revision| commits.lock().expect("no panic under lock").get(revision).cloned());
        let runtime = self.runtime.as_ref().context("a runtime")?;
        let outcome = runtime.block_on(async {
            let mut dooms: JoinSet<()> =
                doomed.iter().map(|unit| doom(self.sim.clone(), unit.clone())).collect();
            let cluster = Cluster::new(self.sim.client(), "embedded").with_flink(Some(FlinkRest::Proxy));
            let options = Options { clock: self.clock, history: Some(history), ..Options::default() };
            let outcome = apply(&cluster, &desired, options, Some(TIMEOUT)).await?;
            let late = dooms.len() - std::iter::from_fn(|| dooms.try_join_next()).count();
            ensure!(late == 0, "{late} jobs were to fail, and never ran anew");
            Ok(outcome)
        })?;
        Ok((outcome.is_settled(), self.read()))
    }

    /// Has something happen that nobody asked for, and the operator see it; answers how it went about that.
    pub fn suffer(&mut self, happens: impl FnOnce(&Sim)) -> Result<Trace> {
        let runtime = self.runtime.as_ref().context("a runtime")?;
        runtime.block_on(async {
            // Long enough for a checkpoint before, and for several looks after.
            tokio::time::sleep(A_WHILE).await;
            happens(&self.sim);
            tokio::time::sleep(A_WHILE).await;
        });
        Ok(self.read())
    }

    fn read(&mut self) -> Trace {
        for change in self.sim.store().changes_since(self.seen).expect("little happens") {
            self.seen = change.version;
            if change.key.api_version != API_VERSION {
                continue;
            }
            let state = match change.kind {
                ChangeKind::Deleted => State::Gone,
                _ => State::of(&change.object),
            };
            self.trace.note(&change.key.name, state);
        }
        self.trace.take()
    }
}

/// Waits until a job has been started anew and the operator has seen it run, and has it fail.
async fn doom(sim: Sim, unit: UnitKey) {
    let starts = |sim: &Sim| sim.operator().job(&unit, sim.now()).map_or(0, |job| job.starts);
    let before = starts(&sim);
    let seen = |sim: &Sim| sim.store().get(&ObjectKey::from(&unit)).map(|it| State::of(&it));
    while starts(&sim) == before || !seen(&sim).is_some_and(|state| state.runs()) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sim.operator().fail_job(&unit, sim.now());
}

impl Drop for Model {
    fn drop(&mut self) {
        // One that waits must not be dropped within another runtime.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}
