//! A repository in memory, an embedded cluster, and the loop between them; time is paused.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flinkops::cluster::Cluster;
use flinkops::daemon::{Clock, Event, Options, Outcome, Progress, apply};
use flinkops::flink::kind::{Kind, ObjectKey, UnitKey};
use flinkops::plan::forecast::End;
use flinkops::plan::ledger::Ledger;
use flinkops::plan::live::LiveObject;
use flinkops::plan::{self, Live, Plan};
use flinkops::repo::worktree;
use flinkops::sim::operator::JobView;
use flinkops::sim::{OperatorMode, Sim};
use flinkops::spec::source::{Limits, Origin, Revision, SourceTree};
use flinkops::spec::{Desired, load};
use jiff::Timestamp;
use serde_json::Value;

use crate::forecast::by_unit;
use crate::forecast::foreseen::{foresee, line};

pub const NAMESPACE: &str = "flink-staging";

/// Everything a test of a flow needs.
pub struct World {
    pub files: BTreeMap<String, String>,
    pub sim: Sim,
    pub log: Arc<Log>,
    pub history: Arc<Mutex<BTreeMap<Revision, Desired>>>,
    clock: Clock,
    commits: u32,
}

/// Remembers what the loop wrote, in words: what is told as an event, and everything.
#[derive(Default)]
pub struct Log(Mutex<Vec<String>>, Mutex<Vec<String>>);

impl Progress for Log {
    fn tell(&self, event: &Event<'_>) {
        let Event::Wrote(task) = event else { return };
        self.1.lock().unwrap().push(line(task));
        if task.event {
            let name = task.unit.as_ref().map_or_else(|| task.write.key().name, |unit| unit.name.clone());
            self.0.lock().unwrap().push(format!("{name}: {}", task.message));
        }
    }
}

impl Log {
    /// What was written since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The same with records, and what each write was.
    fn take_all(&self) -> Vec<String> {
        std::mem::take(&mut self.1.lock().unwrap())
    }
}

impl World {
    /// An empty cluster and the example repository.
    pub fn new(operator: OperatorMode) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let tree = worktree::read(&root, &Limits::default()).unwrap();
        // An old operator has no name for a new Flink.
        let version = if operator == OperatorMode::V1_7 { "v1_17" } else { "v1_20" };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace("v1_20", version);
        let files = tree.files.iter().map(|(path, bytes)| (path.clone(), text(bytes))).collect();
        Self::with(files, operator)
    }

    /// An empty cluster and this repository.
    pub fn with(files: BTreeMap<String, String>, operator: OperatorMode) -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let sim =
            Sim::start(flinkops::sim::Options { operator, start_time: Some(start), ..Default::default() });
        Self {
            files,
            sim,
            log: Arc::default(),
            history: Arc::default(),
            clock: Clock::starting_at(start),
            commits: 0,
        }
    }

    /// Replaces text in a file, which must be there.
    pub fn edit(&mut self, path: &str, from: &str, to: &str) {
        let text = self.files.get_mut(path).unwrap_or_else(|| panic!("no {path}"));
        assert!(text.contains(from), "{path} does not say {from}");
        *text = text.replace(from, to);
    }

    /// Takes a folder out; gives back what was in it.
    pub fn remove(&mut self, folder: &str) -> BTreeMap<String, String> {
        let (gone, kept) =
            std::mem::take(&mut self.files).into_iter().partition(|(path, _)| path.starts_with(folder));
        let gone: BTreeMap<String, String> = gone;
        self.files = kept;
        assert!(!gone.is_empty(), "no {folder}");
        gone
    }

    /// Reads what is committed now.
    pub fn desired(&mut self) -> Desired {
        self.commits += 1;
        let origin = Origin {
            identity: "git.example/orders".into(),
            revision: Revision::new(format!("{:040x}", self.commits)),
            committed: true,
        };
        let files =
            self.files.iter().map(|(path, text)| (path.clone(), Arc::from(text.as_bytes()))).collect();
        let tree = SourceTree { origin, files, refused: Vec::new() };
        let mut loaded = load(&tree, &Limits::default(), Some("staging"));
        let found = loaded.environments.remove("staging");
        let desired = found.unwrap_or_else(|| panic!("{:#?}", loaded.findings));
        self.history.lock().unwrap().insert(desired.revision().clone(), desired.clone());
        desired
    }

    pub fn cluster(&self) -> Cluster {
        Cluster::new(self.sim.client(), "embedded")
    }

    pub fn options(&self) -> Options {
        let history = self.history.clone();
        let read = move |revision: &Revision| history.lock().unwrap().get(revision).cloned();
        Options {
            clock: self.clock,
            progress: self.log.clone(),
            history: Some(Arc::new(read)),
            ..Options::default()
        }
    }

    /// Applies what is committed now, with a new process, until nothing moves any more.
    pub async fn apply(&mut self) -> Outcome {
        let desired = self.desired();
        self.apply_revision(&desired).await
    }

    /// The same, given up after a while.
    pub async fn apply_for(&mut self, patience: Duration) -> Outcome {
        let desired = self.desired();
        apply(&self.cluster(), &desired, self.options(), Some(patience)).await.unwrap()
    }

    async fn apply_revision(&self, desired: &Desired) -> Outcome {
        apply(&self.cluster(), desired, self.options(), Some(Duration::from_secs(3600))).await.unwrap()
    }

    /// The same, which must end with everything settled, and go as foreseen.
    pub async fn settle(&mut self) -> Vec<String> {
        self.log.take_all();
        let desired = self.desired();
        let live = self.live(&desired).await;
        let (forecast, foreseen) = foresee(&desired, &live, self.sim.now());
        let outcome = self.apply_revision(&desired).await;
        let (lines, all) = (self.log.take(), self.log.take_all());
        assert!(matches!(outcome, Outcome::Settled(_)), "{outcome:#?}\n{lines:#?}");
        // What does not depend on each other goes at each operator's pace.
        assert_eq!((forecast.end, by_unit(&foreseen)), (End::Settled, by_unit(&all)), "it goes as foreseen");
        lines
    }

    /// Plans as a report does: read once.
    pub async fn plan(&mut self) -> Plan {
        let desired = self.desired();
        let mut live = self.live(&desired).await;
        live.since = plan::observe_once(&live);
        plan::plan(&desired, &live, self.clock.now())
    }

    async fn live(&self, desired: &Desired) -> Live {
        self.cluster().observe(&flinkops::cluster::Scope::of(desired)).await.unwrap()
    }

    pub fn job(&self, name: &str) -> JobView {
        self.try_job(name).unwrap_or_else(|| panic!("Flink knows no job of {name}"))
    }

    pub fn try_job(&self, name: &str) -> Option<JobView> {
        let colours = ["", "-blue", "-green"].map(|colour| format!("{name}{colour}"));
        let keys = Kind::ALL.iter().flat_map(|kind| colours.iter().map(|name| key(*kind, name)));
        keys.into_iter().find_map(|key| self.sim.operator().job(&key, self.sim.now()))
    }

    pub fn object(&self, kind: Kind, name: &str) -> Option<Value> {
        self.sim.store().get(&ObjectKey::from(&key(kind, name))).map(|object| (*object).clone())
    }

    pub fn ledger(&self, kind: Kind, name: &str) -> Ledger {
        let unit = key(kind, name);
        let key = ObjectKey::new("v1", "ConfigMap", NAMESPACE, Ledger::name("orders", "staging", &unit));
        let object = self.sim.store().get(&key).unwrap_or_else(|| panic!("no ledger of {name}"));
        Ledger::from_config_map(&LiveObject::new((*object).clone())).unwrap().1
    }
}

pub fn key(kind: Kind, name: &str) -> UnitKey {
    UnitKey::new(NAMESPACE, kind, name)
}
