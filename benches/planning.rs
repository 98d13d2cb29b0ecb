//! What a plan costs, from a commit in Git to the writes to send, and how that grows with the number of units.
//!
//! `cargo bench --bench planning` prints each step at 10, 100, 1,000 and 10,000 units, and, measured side by
//! side in the same run, how many times dearer 10,000 units are than 1,000: at most 12 times, or it fails. So it
//! does for `flinkops validate`, where the memory for each unit has to be the same in both sizes, too.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use flinkops::flink::kind::Kind;
use flinkops::plan::ledger::{Ledger, Marker};
use flinkops::plan::live::LiveObject;
use flinkops::plan::write::Write;
use flinkops::plan::{self, Live, Plan};
use flinkops::repo::Source;
use flinkops::spec::check::check;
use flinkops::spec::schema::Form;
use flinkops::spec::source::Limits;
use flinkops::spec::{Desired, FILE, load, yaml};
use jiff::Timestamp;
use rayon::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
/// Each chain is this long: a graph with edges, as in life.
const CHAIN: usize = 5;
/// Cost may grow with the number of units, and a little for caches that are too small.
const MOST: f64 = 12.0;
/// What a process is told that is to say how much memory it takes to validate the folder that follows.
const MEMORY: &str = "--memory-of";
/// Memory for each unit may differ so much between sizes.
const FLAT: f64 = 1.25;

/// A committed repository and a cluster that holds all of it.
struct Fixture {
    source: Source,
    desired: Desired,
    live: Live,
    folder: TempDir,
}

impl Fixture {
    fn new(units: usize) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        commit(&folder, units);
        let source = Source::parse(folder.path().to_str().expect("a UTF-8 path")).expect("a path");
        let desired = read(&source);
        assert_eq!(desired.units.len(), units);
        let live = settled(&desired);
        Self { source, desired, live, folder }
    }

    fn plan(&self, desired: &Desired) -> Plan {
        plan::plan(desired, &self.live, now())
    }

    /// Git with the first `count` units changed.
    fn changed(&self, count: usize) -> Desired {
        let mut desired = self.desired.clone();
        for unit in desired.units.values_mut().take(count) {
            unit.manifest["spec"]["image"] = json!("registry.example.com/orders:2");
        }
        desired
    }
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn commit(folder: &TempDir, units: usize) {
    let repository = git2::Repository::init(folder.path()).expect("a repository");
    let mut index = repository.index().expect("an index");
    let mut add = |path: String, text: String| {
        let full = folder.path().join(&path);
        std::fs::create_dir_all(full.parent().expect("a folder")).expect("a folder");
        std::fs::write(full, text).expect("a file");
        index.add_path(path.as_ref()).expect("an entry");
    };
    add("flinkops.yaml".into(), FLINKOPS.into());
    for i in 0..units {
        add(format!("jobs/job-{i:05}/job.yaml"), job(i));
    }
    let tree = repository.find_tree(index.write_tree().expect("a tree")).expect("a tree");
    let who = git2::Signature::now("bench", "bench@example.com").expect("a signature");
    repository.commit(Some("HEAD"), &who, &who, "all", &tree, &[]).expect("a commit");
}

const FLINKOPS: &str = "name: bench
environments:
  prod: {namespace: flink}
defaults:
  FlinkDeployment:
    spec:
      flinkVersion: v1_20
      serviceAccount: flink
      flinkConfiguration:
        execution.checkpointing.interval: 1min
        execution.checkpointing.dir: s3://bucket/checkpoints
        execution.checkpointing.savepoint-dir: s3://bucket/savepoints
      jobManager: {resource: {cpu: 1, memory: 2048m}}
      taskManager: {resource: {cpu: 1, memory: 2048m}}
";

fn job(i: usize) -> String {
    let depends =
        if i.is_multiple_of(CHAIN) { String::new() } else { format!("dependsOn: [job-{:05}]\n", i - 1) };
    format!(
        "kind: FlinkDeployment\n{depends}spec:\n  image: registry.example.com/orders:1\n  job:\n    \
         jarURI: local:///opt/flink/usrlib/orders.jar\n    parallelism: {}\n    upgradeMode: savepoint\n    \
         args: [--number, \"{i}\"]\n",
        1 + i % 8
    )
}

fn read(source: &Source) -> Desired {
    let limits = Limits::default();
    let tree = source.read(Some("HEAD"), &limits).expect("a tree");
    let mut loaded = load(&tree, &limits, Some("prod"));
    let desired = loaded.environments.remove("prod").expect("the environment");
    assert!(desired.findings.is_empty(), "{:?}", desired.findings);
    desired
}

/// The cluster after all of it was applied, settled and recorded: found by planning against an empty one.
fn settled(desired: &Desired) -> Live {
    let mut live = Live::default();
    let marker = Marker {
        identity: desired.origin.identity.clone(),
        revisions: [("prod".to_owned(), desired.revision().clone())].into(),
        resource_version: "1".into(),
    };
    live.markers.insert("flink".into(), marker);
    loop {
        live.since = plan::observe_once(&live);
        let mut plan = plan::plan(desired, &live, now());
        plan.concurrency = usize::MAX;
        let tasks = plan::step(&plan);
        if tasks.is_empty() {
            return live;
        }
        for task in tasks {
            perform(&mut live, task.write);
        }
    }
}

fn perform(live: &mut Live, write: Write) {
    let (Write::Create { mut object } | Write::Replace { mut object }) = write else { panic!("{write:?}") };
    object["metadata"]["resourceVersion"] = json!("1");
    if object["kind"] == "ConfigMap" {
        let (key, ledger) = Ledger::from_config_map(&LiveObject::new(object)).expect("a ledger");
        live.ledgers.insert(key, ledger.into());
        return;
    }
    object["metadata"]["uid"] = object["metadata"]["name"].clone();
    object["metadata"]["generation"] = json!(1);
    object["status"] = status(&object["spec"]);
    let object = LiveObject::new(object);
    live.units.insert(object.unit_key().expect("a unit"), object);
}

fn status(spec: &Value) -> Value {
    let last = json!({"spec": spec, "resource_metadata": {"firstDeployment": false}}).to_string();
    json!({
        "observedGeneration": 1, "lifecycleState": "STABLE", "jobManagerDeploymentStatus": "READY",
        "jobStatus": {"state": "RUNNING"},
        "reconciliationStatus": {"state": "DEPLOYED", "lastReconciledSpec": last, "lastStableSpec": last},
    })
}

fn measure(criterion: &mut Criterion, fixtures: &[Fixture]) {
    let mut group = criterion.benchmark_group("planning");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for fixture in fixtures {
        let units = fixture.desired.units.len();
        group.bench_function(BenchmarkId::new("read from Git", units), |b| b.iter(|| read(&fixture.source)));
        group.bench_function(BenchmarkId::new("validate", units), |b| b.iter(|| validate(fixture)));
        for (name, count) in [("no change", 0), ("one change", 1), ("all changed", units)] {
            let desired = fixture.changed(count);
            group.bench_function(BenchmarkId::new(name, units), |b| {
                b.iter(|| plan::step(&fixture.plan(black_box(&desired))));
            });
        }
    }
    group.finish();
}

fn read_and_plan(fixture: &Fixture) {
    let desired = read(&fixture.source);
    black_box(plan::step(&fixture.plan(&desired)));
}

/// What `flinkops validate` does: reads every file from Git, renders every environment, and lints it.
fn validate(fixture: &Fixture) {
    assert_eq!(validate_source(&fixture.source), fixture.desired.units.len());
}

fn validate_source(source: &Source) -> usize {
    let limits = Limits::default();
    let tree = source.read(Some("HEAD"), &limits).expect("a tree");
    let loaded = load(&tree, &limits, None);
    let units: usize = loaded.environments.values().map(|desired| desired.units.len()).sum();
    assert_eq!(loaded.findings.len(), units, "each job has the one remark of savepoint-without-ha");
    black_box(loaded);
    units
}

/// As much of it as is reading: Git's objects, their YAML with places, and the types of its fields; on as many
/// processors.
fn read_files(fixture: &Fixture) {
    let limits = Limits::default();
    let tree = fixture.source.read(Some("HEAD"), &limits).expect("a tree");
    tree.files.par_iter().for_each(|(path, bytes)| {
        let form = if path == FILE { Form::Repository } else { Form::Job(Kind::FlinkDeployment) };
        for document in yaml::read(path, bytes, &limits).expect("YAML") {
            assert!(check(form, &document).is_empty(), "{path}");
            black_box(document);
        }
    });
}

/// Does one thing to one fixture and another to another, in turn, and compares the fastest of each.
fn ratio(below: (fn(&Fixture), &Fixture), above: (fn(&Fixture), &Fixture)) -> f64 {
    let once = |(what, fixture): (fn(&Fixture), &Fixture)| {
        let begun = Instant::now();
        what(fixture);
        begun.elapsed()
    };
    let pairs: Vec<(Duration, Duration)> = (0..5).map(|_| (once(below), once(above))).collect();
    let below = pairs.iter().map(|pair| pair.0).min().expect("five pairs");
    let above = pairs.iter().map(|pair| pair.1).min().expect("five pairs");
    above.as_secs_f64() / below.as_secs_f64()
}

/// Kibibytes that a process of its own takes at its peak to validate; `None` where the system does not tell.
fn memory(fixture: &Fixture) -> Option<f64> {
    let this = std::env::current_exe().ok()?;
    let told = Command::new(this).arg(MEMORY).arg(fixture.folder.path()).output().ok()?;
    String::from_utf8(told.stdout).ok()?.trim().parse().ok()
}

/// What such a process does.
fn tell_memory(folder: &str) {
    validate_source(&Source::parse(folder).expect("a path"));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.and_then(|peak| peak.split_whitespace().next()).unwrap_or_default());
}

/// Kibibytes for each further unit between two sizes.
fn memory_of_one(below: &Fixture, above: &Fixture) -> Option<f64> {
    let count = |fixture: &Fixture| u32::try_from(fixture.desired.units.len()).expect("few units");
    Some((memory(above)? - memory(below)?) / f64::from(count(above) - count(below)))
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, folder] = arguments.as_slice()
        && flag == MEMORY
    {
        return tell_memory(folder);
    }
    let fixtures: Vec<Fixture> = SIZES.iter().map(|&units| Fixture::new(units)).collect();
    let (tiny, small, large) = (&fixtures[0], &fixtures[2], &fixtures[3]);
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion, &fixtures);
    criterion.final_summary();
    let growth = ratio((read_and_plan, small), (read_and_plan, large));
    println!("10,000 units cost {growth:.1} times 1,000 units, reading from Git included (at most {MOST})");
    assert!(growth <= MOST, "planning grows worse than linearly");
    let growth = ratio((validate, small), (validate, large));
    println!("validating 10,000 units costs {growth:.1} times 1,000 units (at most {MOST})");
    assert!(growth <= MOST, "validating grows worse than linearly");
    let share = ratio((validate, small), (read_files, small));
    println!("reading is {:.0} % of validating 1,000 units", share * 100.0);
    if let (Some(few), Some(many)) = (memory_of_one(tiny, small), memory_of_one(small, large)) {
        println!("validating takes {few:.1} KiB for each of 1,000 units, {many:.1} KiB for each of 10,000");
        assert!(many <= few * FLAT, "memory grows worse than linearly");
    }
}
