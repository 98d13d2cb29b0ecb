//! What holds for any repository and any history of commits, hand edits and crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flinkops::daemon::Outcome;
use flinkops::flink::kind::Kind;
use flinkops::plan::outcome::Action;
use flinkops::sim::api::patch::Patch;
use flinkops::sim::api::store::WriteOptions;
use flinkops::sim::{OperatorMode, Phase, Verdict};
use proptest::prelude::*;
use serde_json::json;

use super::world::{World, key};

/// A job folder, as far as it varies.
#[derive(Clone, Debug)]
struct Job {
    kind: JobKind,
    image: u8,
    mode: &'static str,
    suspended: bool,
    depends_on: BTreeSet<usize>,
    present: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JobKind {
    Application,
    Cluster,
    OnCluster,
}

/// Unit 0 is the session cluster; what is on it comes and goes with it.
fn kind(index: usize) -> JobKind {
    match index {
        0 => JobKind::Cluster,
        index if index.is_multiple_of(2) => JobKind::OnCluster,
        _ => JobKind::Application,
    }
}

fn name(index: usize) -> String {
    format!("unit-{index}")
}

fn job(index: usize) -> impl Strategy<Value = Job> {
    let mode = prop_oneof![4 => Just("savepoint"), 1 => Just("last-state"), 1 => Just("stateless")];
    let on = prop::collection::btree_set(0..index.max(1), 0..=2);
    (0..3u8, mode, prop::bool::weighted(0.15), on, prop::bool::weighted(0.85)).prop_map(
        move |(image, mode, suspended, on, present)| Job {
            kind: kind(index),
            image,
            mode,
            suspended,
            depends_on: on.into_iter().filter(|on| *on < index && *on != 0).collect(),
            present: present || index == 0,
        },
    )
}

fn commit() -> impl Strategy<Value = Vec<Job>> {
    (0..6usize).map(job).collect::<Vec<_>>()
}

const FLINKOPS: &str = "name: orders
environments: {staging: {namespace: flink-staging}}
defaults:
  spec: {flinkConfiguration: {execution.checkpointing.interval: 60 s, state.checkpoints.dir: s3://b/cp, state.savepoints.dir: s3://b/sp}}
  FlinkDeployment:
    spec: {serviceAccount: flink, jobManager: {resource: {cpu: 1, memory: 1g}}, taskManager: {resource: {cpu: 1, memory: 1g}}}
policy: {settle: 5s, prune: {maxDeletes: 100}}
";

/// What Git says, with a consent to the end of these.
fn files(jobs: &[Job], mode: OperatorMode, given_up: &BTreeSet<usize>) -> BTreeMap<String, String> {
    let version = if mode == OperatorMode::V1_7 { "v1_17" } else { "v1_20" };
    let present = |index: &usize| jobs[*index].present;
    let consent =
        |index: &usize| format!("{{name: {}, allow: {{stateLoss: stopped for good}}}}", name(*index));
    let removed: Vec<String> = given_up.iter().filter(|index| !present(index)).map(consent).collect();
    let flinkops = format!("{FLINKOPS}removed: [{}]\n", removed.join(", "));
    let mut files = BTreeMap::from([("flinkops.yaml".to_owned(), flinkops)]);
    for (index, job) in jobs.iter().enumerate().filter(|(_, job)| job.present) {
        let depends: Vec<String> =
            job.depends_on.iter().filter(|on| present(on)).map(|on| name(*on)).collect();
        let kind = if job.kind == JobKind::OnCluster { "FlinkSessionJob" } else { "FlinkDeployment" };
        let mut text = format!("kind: {kind}\ndependsOn: [{}]\nspec:\n", depends.join(", "));
        match job.kind {
            JobKind::OnCluster => text += "  deploymentName: unit-0\n",
            _ => writeln!(text, "  image: example/app:{}\n  flinkVersion: {version}", job.image).unwrap(),
        }
        if job.kind != JobKind::Cluster {
            let state = if job.suspended { "suspended" } else { "running" };
            // Operator 1.7 refuses the last state of a session job.
            let none =
                mode == OperatorMode::V1_7 && job.kind == JobKind::OnCluster && job.mode == "last-state";
            let upgrade = if none { "savepoint" } else { job.mode };
            writeln!(
                text,
                "  job: {{jarURI: \"https://x/app-{index}-{}.jar\", parallelism: 2, upgradeMode: {}, state: {state}}}",
                job.image, upgrade
            ).unwrap();
        }
        files.insert(format!("jobs/{}/job.yaml", name(index)), text);
    }
    files
}

/// Dies after this many writes; `None` lives.
async fn run(world: &mut World, dies_after: Option<usize>) {
    if let Some(count) = dies_after {
        let left = Arc::new(AtomicUsize::new(count));
        let stop = tokio_util::sync::CancellationToken::new();
        let (at, stopper) = (left.clone(), stop.clone());
        world.sim.on_request(move |request, phase| {
            if request.method != "GET" && phase == Phase::After && at.fetch_sub(1, Ordering::SeqCst) == 1 {
                stopper.cancel();
            }
            std::future::ready(Verdict::Pass)
        });
        let options = world.options();
        let desired = world.desired();
        let cluster = world.cluster();
        let applying = flinkops::daemon::apply(&cluster, &desired, options, None);
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            _ = applying => {}
        }
        world.sim.on_request(|_, _| std::future::ready(Verdict::Pass));
    }
    let outcome = world.apply().await;
    assert!(matches!(outcome, Outcome::Settled(_)), "{outcome:#?}\n{:#?}", world.log.take());
    world.log.take();
}

/// What every job that restarts by savepoint has counted. One that goes by its last checkpoint may count a
/// little again, and is held to that by the tests of the model.
fn counts(world: &World, jobs: &[Job]) -> BTreeMap<String, u64> {
    let stateful = |job: &Job| job.present && job.kind != JobKind::Cluster && job.mode == "savepoint";
    let count = |index: usize| Some((name(index), world.try_job(&name(index))?.records));
    (0..jobs.len()).filter(|index| stateful(&jobs[*index])).filter_map(count).collect()
}

/// Somebody edits a live object.
fn meddle(world: &World, index: usize) {
    let (kind, path) = match kind(index) {
        JobKind::OnCluster => (Kind::FlinkSessionJob, json!({"spec": {"job": {"parallelism": 3}}})),
        JobKind::Application => (Kind::FlinkDeployment, json!({"spec": {"job": {"parallelism": 3}}})),
        JobKind::Cluster => {
            (Kind::FlinkDeployment, json!({"spec": {"restartNonce": 9}, "metadata": {"labels": {"x": "y"}}}))
        }
    };
    // A unit that is not there cannot be edited. One edited cluster would take its jobs with it at once,
    // before anybody could save them: that is the operator's doing, and not tried here.
    if kind == Kind::FlinkDeployment && index == 0 {
        return;
    }
    let _ = world.sim.store().patch(
        &(&key(kind, &name(index))).into(),
        &Patch::Merge(path),
        &WriteOptions::by("someone"),
    );
}

async fn history(mode: OperatorMode, commits: Vec<(Vec<Job>, Option<usize>, usize)>) {
    let mut world = World::with(BTreeMap::new(), mode);
    let mut before = BTreeMap::new();
    let mut kept: BTreeSet<String> = BTreeSet::new();
    let mut given_up = BTreeSet::new();
    for (jobs, dies_after, edited) in commits {
        // A job that went down by its last state has no savepoint: it leaves Git with a consent only.
        for (index, job) in jobs.iter().enumerate().filter(|(_, job)| job.present) {
            if !job.suspended {
                given_up.remove(&index);
            } else if job.mode == "last-state" {
                given_up.insert(index);
            }
        }
        world.files = files(&jobs, mode, &given_up);
        run(&mut world, dies_after).await;
        let after = counts(&world, &jobs);
        for (name, count) in before.iter().filter(|(name, _)| kept.contains(*name)) {
            let now = after.get(name).copied();
            assert!(now.is_none_or(|now| now >= *count), "{name} had counted {count} and now {now:?}");
        }
        let plan = world.plan().await;
        let acting: Vec<_> = plan.units.iter().filter(|unit| unit.action != Action::Keep).collect();
        assert!(acting.is_empty(), "what was just applied plans as nothing: {acting:#?}");
        world.settle().await;
        kept = after.keys().cloned().collect();
        before = after;
        meddle(&world, edited);
    }
}

fn step() -> impl Strategy<Value = (Vec<Job>, Option<usize>, usize)> {
    (commit(), prop::option::weighted(0.5, 1..12usize), 0..6usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    /// Every history converges, plans as nothing afterwards, and no job that keeps state counts from zero again.
    #[test]
    fn any_history_converges_and_keeps_state(
        old in any::<bool>(),
        commits in prop::collection::vec(step(), 1..4),
    ) {
        let mode = if old { OperatorMode::V1_7 } else { OperatorMode::V1_15 };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(history(mode, commits));
    }
}
