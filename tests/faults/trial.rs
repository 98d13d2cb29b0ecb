//! One run of a story with one trouble in it, and what must be the same at its end whatever the trouble was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flinkops::cluster::{Cluster, FlinkRest};
use flinkops::daemon::{Options, apply};
use flinkops::flink::kind::{ObjectKey, UnitKey};
use flinkops::flink::savepoint::is_checkpoint;
use flinkops::plan::ledger::Marker;
use flinkops::sim::api::status::StatusError;
use flinkops::sim::operator::JobView;
use flinkops::sim::{LoggedRequest, Phase, Sim, Verb, Verdict};
use flinkops::spec::Desired;
use flinkops::spec::source::Revision;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::stories::Story;
use crate::daemon::world::{NAMESPACE, World, ledger};

const LIMIT: Option<Duration> = Some(Duration::from_secs(24 * 3600));

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies.
    Killed,
    /// It is answered with this code.
    Refused(u16),
    /// It is answered with 429, and seconds to wait.
    Busy,
    /// The connection breaks.
    Cut,
    /// It is never answered.
    Silence,
    /// One of these in turn: 500, 429, silence, 503.
    Any,
    /// Every watch breaks off.
    WatchesCut,
    /// The same, and what happened so far is forgotten: each begins with 410 Gone.
    HistoryGone,
    /// The operator is gone for this many minutes.
    OperatorGone(u64),
    /// Nothing; whoever waits for it is told.
    Noted,
}

/// When it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Never,
    /// At this write, counted from 0.
    AtWrite(usize),
    /// At every other call of each sort, beginning with the first or the second.
    EveryOther(usize),
    /// At every so many calls, beginning with this one.
    Every(usize, usize),
    /// At every write.
    EveryWrite,
}

/// One trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub fault: Fault,
    /// Before the call takes effect or after it did.
    pub phase: Phase,
    pub when: When,
}

impl Trouble {
    pub const NONE: Self = Self { fault: Fault::Cut, phase: Phase::Before, when: When::Never };

    fn strikes(&self, call: &Call, phase: Phase) -> bool {
        let fits = match self.fault {
            Fault::Refused(409) => call.write.is_some(),
            Fault::Refused(410) => matches!(call.verb, Verb::Watch | Verb::List),
            _ => true,
        };
        fits && phase == self.phase
            && match self.when {
                When::Never => false,
                When::AtWrite(number) => call.write == Some(number),
                When::EveryOther(first) => call.of_its_sort % 2 == first,
                When::Every(calls, first) => call.number % calls == first,
                When::EveryWrite => call.write.is_some(),
            }
    }
}

/// One call, with its place among those of the run.
#[derive(Clone, Debug)]
struct Call {
    verb: Verb,
    number: usize,
    write: Option<usize>,
    of_its_sort: usize,
}

/// How a run ended.
pub struct Trial {
    /// Calls made while trouble was possible; Events do not count.
    pub calls: usize,
    pub writes: usize,
    /// How often something went wrong.
    pub struck: usize,
    /// What must not depend on any trouble.
    pub end: Value,
    /// What was told.
    pub told: String,
}

/// Stands between flinkops and the API server, and watches over the jobs.
pub struct Between {
    sim: Sim,
    trouble: Trouble,
    calls: Mutex<BTreeMap<String, usize>>,
    number: AtomicUsize,
    writes: AtomicUsize,
    struck: AtomicUsize,
    pub killed: Notify,
    jobs: Jobs,
}

impl Between {
    pub fn of(world: &World, story: &Story, trouble: Trouble) -> Arc<Self> {
        let sim = world.sim.clone();
        let jobs = Jobs {
            sim: sim.clone(),
            names: names(story),
            records: Mutex::default(),
            complaints: Mutex::default(),
        };
        Arc::new(Self {
            sim,
            trouble,
            calls: Mutex::default(),
            number: AtomicUsize::default(),
            writes: AtomicUsize::default(),
            struck: AtomicUsize::default(),
            killed: Notify::default(),
            jobs,
        })
    }

    /// How many writes were made.
    pub fn made(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    fn count(&self, request: &LoggedRequest) -> Call {
        let sort = format!("{:?} {}", request.verb, request.path);
        let mut sorts = self.calls.lock().expect("no panic");
        let of_its_sort = sorts.entry(sort).or_default();
        *of_its_sort += 1;
        Call {
            verb: request.verb,
            number: self.number.fetch_add(1, Ordering::SeqCst),
            write: request.is_write().then(|| self.writes.fetch_add(1, Ordering::SeqCst)),
            of_its_sort: *of_its_sort - 1,
        }
    }

    async fn strike(&self, call: &Call, phase: Phase) -> Verdict {
        self.jobs.look();
        let once = matches!(self.trouble.when, When::AtWrite(_));
        let spent = once && self.struck.load(Ordering::SeqCst) > 0;
        if spent || !self.trouble.strikes(call, phase) {
            return Verdict::Pass;
        }
        let before = self.struck.fetch_add(1, Ordering::SeqCst);
        let fault = match self.trouble.fault {
            Fault::Any => [Fault::Refused(500), Fault::Busy, Fault::Silence, Fault::Refused(503)]
                [(before + call.number) % 4],
            fault => fault,
        };
        match fault {
            Fault::Any => unreachable!("one of them in turn"),
            Fault::Noted => {
                self.killed.notify_one();
                Verdict::Pass
            }
            Fault::Killed => {
                self.killed.notify_one();
                std::future::pending().await
            }
            Fault::Silence => std::future::pending().await,
            Fault::Busy => Verdict::Busy(7),
            Fault::Refused(410) => Verdict::Fail(StatusError::expired(1, 2)),
            Fault::Refused(code) => Verdict::code(code),
            Fault::Cut => Verdict::Drop,
            Fault::WatchesCut => {
                self.sim.store().cut_watches();
                Verdict::Pass
            }
            Fault::HistoryGone => {
                self.sim.store().compact();
                self.sim.store().cut_watches();
                Verdict::Pass
            }
            Fault::OperatorGone(minutes) => {
                self.sim.stop_operator();
                let sim = self.sim.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(minutes * 60)).await;
                    sim.start_operator();
                });
                Verdict::Pass
            }
        }
    }
}

/// Looks at the jobs at every call: none ever counts less than it did, unless it goes back to before a version that
/// ran and failed (S23), and no two that are one run at once.
struct Jobs {
    sim: Sim,
    /// Each job, under all its names.
    names: Vec<Vec<UnitKey>>,
    records: Mutex<BTreeMap<UnitKey, u64>>,
    complaints: Mutex<BTreeSet<String>>,
}

impl Jobs {
    fn look(&self) {
        let now = self.sim.now();
        for names in &self.names {
            let jobs: Vec<_> =
                names.iter().filter_map(|key| Some((key, self.sim.operator().job(key, now)?))).collect();
            if jobs.iter().filter(|(_, job)| job.state == "RUNNING").count() > 1 {
                self.complain(format!("{names:?} run side by side"));
            }
            let Some((key, job)) = jobs.iter().max_by_key(|(_, job)| job.records) else { continue };
            let mut records = self.records.lock().expect("no panic");
            let before = records.insert(names[0].clone(), job.records).unwrap_or_default();
            if job.records < before && !self.goes_back(key, job) {
                self.complain(format!("{key} counted {before}, and then {}", job.records));
            }
        }
    }

    /// Whether a job is held at what it was, from the savepoint that it was then stopped with, or was brought back from
    /// its last checkpoint.
    fn goes_back(&self, key: &UnitKey, job: &JobView) -> bool {
        // What high availability brings back counts again from its last checkpoint (S15).
        if job.restored_from.as_deref().is_some_and(is_checkpoint) {
            return true;
        }

        let held = ledger(&self.sim, key).and_then(|ledger| ledger.held);
        held.and_then(|held| held.back_to).is_some_and(|to| to.from.is_some())
    }

    fn complain(&self, complaint: String) {
        self.complaints.lock().expect("no panic").insert(complaint);
    }
}

/// Runs in a time of its own: nothing that one run leaves behind goes on in the next.
pub fn run_alone<T>(run: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().expect("a runtime").block_on(run)
}

/// Lives through a story with one trouble in it.
pub async fn live_through(story: &Story, trouble: Trouble) -> Trial {
    let world = World::with(story.operator);
    let earlier = story.before.iter().chain(&story.wanted);
    let earlier: BTreeMap<Revision, Desired> =
        earlier.map(|desired| (desired.revision().clone(), desired.clone())).collect();
    let earlier = Arc::new(move |revision: &Revision| earlier.get(revision).cloned());
    let options = || Options { history: Some(earlier.clone()), ..world.options() };
    for before in &story.before {
        let outcome = apply(&world.cluster, before, options(), LIMIT).await;
        assert!(story.is_as_told(before, &outcome), "{}: {outcome:?}\n{}", story.name, world.progress.text());
        world.progress.clear();
    }
    (story.happens)(&world);
    // The operator has seen it before anything else is wanted.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let between = Between::of(&world, story, trouble);
    stand_between(&world, &between);
    for desired in &story.wanted {
        let desired = &patient(desired);
        // A process that begins knows nothing, not even what the API serves.
        let process = async || {
            let way = story.asks.then_some(FlinkRest::Proxy);
            let cluster = Cluster::new(world.sim.client(), "embedded").with_flink(way);
            apply(&cluster, desired, options(), LIMIT).await
        };
        let first = tokio::select! {
            outcome = process() => Some(outcome),
            () = between.killed.notified() => None,
        };
        let outcome = match first {
            Some(outcome) => outcome,
            None => process().await,
        };
        between.jobs.look();
        let told = world.progress.text();
        let revision = desired.revision();
        let as_told = story.is_as_told(desired, &outcome);
        assert!(as_told, "{}: {trouble:?} at {revision}: {outcome:?}\n{told}", story.name);
    }
    let complaints = complaints(&between);
    let told = world.progress.text();
    assert!(complaints.is_empty(), "{}: {trouble:?}: {complaints:#?}\n{told}", story.name);
    Trial {
        calls: between.number.load(Ordering::SeqCst),
        writes: between.made(),
        struck: between.struck.load(Ordering::SeqCst),
        end: end(&world, story),
        told,
    }
}

/// The same, where nothing counts as failed because its operator was away for long.
fn patient(desired: &Desired) -> Desired {
    let mut desired = desired.clone();
    let policies = desired.units.values_mut().map(|unit| &mut unit.policy).chain([&mut desired.policy]);
    policies.for_each(|policy| policy.timeout = SignedDuration::from_hours(2));
    desired
}

/// What was seen of the jobs that must not be.
pub fn complaints(between: &Between) -> BTreeSet<String> {
    between.jobs.look();
    between.jobs.complaints.lock().expect("no panic").clone()
}

pub fn stand_between(world: &World, between: &Arc<Between>) {
    // It knows the cluster, which would never end if it kept it itself.
    let between = Arc::downgrade(between);
    // Which call is at its end is told by its path: of each there is one at a time.
    let under_way: Arc<Mutex<BTreeMap<String, Call>>> = Arc::default();
    world.sim.on_request(move |request, phase| {
        let (between, under_way) = (between.upgrade().expect("a run goes on"), under_way.clone());
        async move {
            // Events are told in the background, and nobody depends on them; the lease has tests of its own.
            if request.path.contains("/events") || request.path.contains("/leases") {
                return Verdict::Pass;
            }
            let name = format!("{:?} {}", request.verb, request.path);
            let call = match phase {
                Phase::Before => {
                    let call = between.count(&request);
                    under_way.lock().expect("no panic").insert(name, call.clone());
                    call
                }
                Phase::After => under_way.lock().expect("no panic").remove(&name).expect("a call"),
            };
            between.strike(&call, phase).await
        }
    });
}

/// Every job of a story, under all its names.
fn names(story: &Story) -> Vec<Vec<UnitKey>> {
    let known: BTreeSet<&UnitKey> = story.same.iter().flatten().collect();
    let others = keys(story).into_iter().filter(|key| !known.contains(key)).map(|key| vec![key]);
    story.same.iter().cloned().chain(others).collect()
}

fn keys(story: &Story) -> BTreeSet<UnitKey> {
    let all = story.before.iter().chain(&story.wanted);
    all.flat_map(|desired| desired.units.keys().cloned()).collect()
}

/// What must be the same at the end: specs, marks, what each job came from, how often it was started, how
/// many savepoints there are, what is written down, companions.
pub fn end(world: &World, story: &Story) -> Value {
    let object = |name: &str| world.sim.store().get(&ObjectKey::new("v1", "ConfigMap", NAMESPACE, name));
    let units: Vec<Value> = keys(story).iter().map(|key| unit(world, story, key)).collect();
    json!({
        "units": units,
        "queries": object("queries").map(|object| object["data"].clone()),
        "marker": object(&Marker::name("orders")).expect("a marker")["data"],
    })
}

fn unit(world: &World, story: &Story, key: &UnitKey) -> Value {
    let live = world.unit(key);
    let ledger = world.ledger(key);
    let job = world.job(key);
    let disk = world.sim.operator().disk();
    let taken = disk.values().filter(|snapshot| snapshot.savepoint && snapshot.unit == *key).count();
    let same = story.same.iter().find(|names| names.contains(key)).cloned().unwrap_or(vec![key.clone()]);
    let on_record: Vec<String> = same
        .iter()
        .filter_map(|key| world.ledger(key))
        .flat_map(|ledger| ledger.savepoints)
        .map(|savepoint| savepoint.path)
        .collect();
    let restored = job.as_ref().and_then(|job| job.restored_from.clone());
    let marks = |live: &flinkops::plan::live::LiveObject| {
        live.annotations().into_iter().flat_map(|map| map.keys().cloned()).collect::<Vec<_>>()
    };
    json!({
        "unit": key.to_string(),
        "spec": live.as_ref().map(|live| without_paths(live.spec())),
        "annotations": live.as_ref().map(marks),
        "restored": restored.is_some(),
        "restored from one on record": restored.is_none_or(|path| on_record.contains(&path)),
        "starts": job.map(|job| job.starts),
        "savepoints taken": taken,
        "savepoints on record that are on disk": on_record.iter().filter(|path| disk.contains_key(*path)).count(),
        "ledger": ledger.map(|ledger| json!({
            "applied": ledger.applied.iter().map(|it| json!([it.revision.as_str(), it.hash])).collect::<Vec<_>>(),
            "savepoints": ledger.savepoints.iter().map(|it| format!("{:?} {}", it.reason, it.last)).collect::<Vec<_>>(),
            "held": ledger.held.map(|held| json!([held.hash, held.back_to.map(|to| to.hash)])),
            "fields": ledger.fields.as_str(),
        })),
    })
}

/// Names of savepoints count the operator's deeds, which is of no interest.
fn without_paths(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(job) = spec.get_mut("job").and_then(Value::as_object_mut) {
        let path = job.remove("initialSavepointPath");
        let nonce = job.remove("savepointRedeployNonce");
        job.insert("redeployed".into(), json!(nonce.is_some_and(|nonce| !nonce.is_null())));
        job.insert("restored".into(), json!(path.is_some_and(|path| !path.is_null())));
    }
    spec
}
