//! What goes on while something goes wrong: every flow that stops, starts, moves or removes a job.

use flinkops::daemon::Outcome;
use flinkops::flink::kind::{Kind, UnitKey};
use flinkops::sim::OperatorMode;
use flinkops::spec::Desired;
use flinkops::spec::policy::{ClusterChange, OnFailure};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::daemon::world::{
    World, application_spec, cluster_spec, deployment, repository, session_job, session_job_spec,
    with_config_map,
};

/// A flow.
pub struct Story {
    pub name: &'static str,
    /// The operator it goes on with.
    pub operator: OperatorMode,
    /// What is there, brought about without any trouble, one revision after the other; it may be one that fails.
    pub before: Vec<Desired>,
    /// Whether Flink may be asked.
    pub asks: bool,
    /// What happens then, by nobody's hand.
    pub happens: fn(&World),
    /// What is wanted then, one revision after the other.
    pub wanted: Vec<Desired>,
    /// The revisions among those that do not work out.
    pub fails: &'static [&'static str],
    /// Jobs that are one and the same under several names.
    pub same: Vec<Vec<UnitKey>>,
}

impl Story {
    /// Whether a revision ended as it was to.
    pub fn is_as_told<E>(&self, desired: &Desired, outcome: &Result<Outcome, E>) -> bool {
        match outcome {
            Ok(Outcome::Blocked(_)) => self.fails.contains(&desired.revision().as_str()),
            Ok(Outcome::Settled(_)) => !self.fails.contains(&desired.revision().as_str()),
            _ => false,
        }
    }
}

type Entry = (UnitKey, Value, Vec<UnitKey>);

fn application(name: &str, image: &str) -> Entry {
    (deployment(name), application_spec(image), vec![])
}

fn cluster(memory: &str) -> Entry {
    (deployment("sessions"), cluster_spec(memory), vec![])
}

fn job(name: &str, parallelism: i64) -> Entry {
    (session_job(name), session_job_spec("sessions", parallelism), vec![])
}

fn suspended(mut entry: Entry) -> Entry {
    entry.1["job"]["state"] = json!("suspended");
    entry
}

/// Every change of a field that cannot be changed in place is consented to.
fn at(revision: &str, units: &[Entry]) -> Desired {
    let mut desired = repository(revision, units);
    for unit in desired.units.values_mut() {
        unit.consents.recreate = Some("it has to".into());
    }
    desired
}

fn renamed(mut desired: Desired, to: &UnitKey, from: &str) -> Desired {
    desired.units.get_mut(to).expect("a unit").consents.renamed_from = Some(from.into());
    desired
}

fn story(name: &'static str, before: impl Into<Option<Desired>>, wanted: Vec<Desired>) -> Story {
    let (operator, before) = (OperatorMode::default(), before.into().into_iter().collect());
    Story { name, operator, before, asks: false, happens: |_| {}, wanted, fails: &[], same: Vec::new() }
}

/// The same on operator 1.7.
fn on_1_7(name: &'static str, mut story: Story) -> Story {
    for unit in story.before.iter_mut().chain(&mut story.wanted).flat_map(|it| it.units.values_mut()) {
        if unit.key.kind == Kind::FlinkDeployment {
            unit.manifest["spec"]["flinkVersion"] = json!("v1_17");
        }
    }
    Story { name, operator: OperatorMode::V1_7, ..story }
}

/// Everything is new, and comes in waves.
pub fn create() -> Story {
    let units = [cluster("1024m"), job("one", 1), application("ingest", "ingest:1")];
    let wanted = with_config_map(at("r1", &units), "ingest", "queries", "select 1");
    story("create", None, vec![wanted])
}

/// A job and what depends on it, both changed; with a file that changes as well.
pub fn upgrade() -> Story {
    let chain = |revision: &str, image: &str, text: &str| {
        let mut enrich = application("enrich", image);
        enrich.2 = vec![deployment("ingest")];
        with_config_map(at(revision, &[application("ingest", image), enrich]), "ingest", "queries", text)
    };
    story("upgrade of a chain", chain("r1", "app:1", "select 1"), vec![chain("r2", "app:2", "select 2")])
}

/// A session cluster changes under two jobs with state, one of which changes as well.
pub fn cluster_change() -> Story {
    let all = |revision: &str, memory: &str, parallelism: i64| {
        at(revision, &[cluster(memory), job("one", 1), job("two", parallelism)])
    };
    story("session cluster change", all("r1", "1024m", 1), vec![all("r2", "2048m", 2)])
}

/// Jobs leave Git, one with its cluster, and come back.
pub fn delete() -> Story {
    let all =
        |revision: &str| at(revision, &[cluster("1024m"), job("one", 1), application("keep", "keep:1")]);
    let alone = at("r2", &[application("keep", "keep:1")]);
    story("delete and bring back", all("r1"), vec![alone, all("r3")])
}

/// A job goes from one mode of deployment to another.
pub fn recreate() -> Story {
    let mut standalone = application("moved", "moved:1");
    standalone.1["mode"] = json!("standalone");
    let before = at("r1", &[application("moved", "moved:1")]);
    story("recreate", before, vec![at("r2", &[standalone])])
}

/// A job gets a new name.
pub fn rename() -> Story {
    let (old, new) = (deployment("old"), deployment("new"));
    let before = at("r1", &[application("old", "app:1")]);
    let wanted = renamed(at("r2", &[application("new", "app:1")]), &new, "old");
    Story { same: vec![vec![old, new]], ..story("rename", before, vec![wanted]) }
}

/// An application becomes a job on a session cluster.
pub fn move_to_cluster() -> Story {
    let (old, new) = (deployment("mover"), session_job("mover"));
    let before = at("r1", &[cluster("1024m"), application("mover", "app:1")]);
    let wanted = renamed(at("r2", &[cluster("1024m"), job("mover", 1)]), &new, "mover");
    Story { same: vec![vec![old, new]], ..story("move to a session cluster", before, vec![wanted]) }
}

/// A job rests, and goes on.
pub fn suspend() -> Story {
    let both = |revision: &str, entries: [Entry; 2]| at(revision, &[entries[0].clone(), entries[1].clone()]);
    let running = || [application("paused", "app:1"), application("other", "app:1")];
    let resting = [suspended(application("paused", "app:1")), application("other", "app:1")];
    story("suspend and resume", both("r1", running()), vec![both("r2", resting), both("r3", running())])
}

/// Jobs whose newest checkpoint is put on record before they are stopped.
pub fn checkpoints() -> Story {
    let at = |revision: &str, image: &str, parallelism: i64| {
        let mut entries = [cluster("1024m"), job("one", parallelism), application("ingest", image)];
        for (_, spec, _) in &mut entries[1..] {
            spec["flinkConfiguration"]["execution.checkpointing.interval"] = json!("10 s");
        }
        at(revision, &entries)
    };
    let before = at("r1", "ingest:1", 1);
    Story { asks: true, ..story("upgrade with checkpoints on record", before, vec![at("r2", "ingest:2", 2)]) }
}

/// Files beside a job come, change and go.
pub fn companions() -> Story {
    let plain = |revision: &str| at(revision, &[application("ingest", "ingest:1")]);
    let with = |revision: &str, text: &str| with_config_map(plain(revision), "ingest", "queries", text);
    story("companions", plain("r1"), vec![with("r2", "select 1"), with("r3", "select 2"), plain("r4")])
}

/// The same change on an operator that tells its savepoints elsewhere.
pub fn cluster_change_1_7() -> Story {
    on_1_7("session cluster change on 1.7", cluster_change())
}

/// A session cluster with high availability changes, to which one of its jobs is left and the other is not.
pub fn cluster_change_ha() -> Story {
    let at = |revision: &str, memory: &str| {
        let mut entries = [cluster(memory), job("one", 1), job("two", 1)];
        let more = [
            ("high-availability.type", "kubernetes"),
            ("high-availability.storageDir", "s3://b/ha"),
            ("execution.checkpointing.interval", "10 s"),
        ];
        for (key, value) in more {
            entries[0].1["flinkConfiguration"][key] = json!(value);
        }
        let mut desired = at(revision, &entries);
        desired.units.get_mut(&session_job("one")).expect("a unit").policy.cluster_change = ClusterChange::Ha;
        desired
    };
    story("session cluster change left to high availability", at("r1", "1024m"), vec![at("r2", "2048m")])
}

/// A job that goes back where a version does not work out; `class` is what that version runs.
fn guarded(revision: &str, entry: Entry, class: &str) -> Desired {
    let (key, mut spec, on) = entry;
    spec["job"]["entryClass"] = json!(class);
    let mut desired = at(revision, &[cluster("1024m"), (key, spec, on)]);
    for unit in desired.units.values_mut() {
        unit.policy.on_failure = OnFailure::Rollback;
        unit.policy.settle = SignedDuration::from_secs(20);
    }
    desired
}

/// A session job whose new version starts and breaks goes back to what it was.
pub fn rollback() -> Story {
    let at = |revision: &str, class: &str| guarded(revision, job("one", 1), class);
    Story { fails: &["r2"], ..story("rollback", at("r1", "One"), vec![at("r2", "OneBreaks")]) }
}

/// An application whose new version never starts goes back to what it was, and is mended.
pub fn revert() -> Story {
    let at = |revision: &str, class: &str| guarded(revision, application("ingest", "ingest:1"), class);
    let wanted = vec![at("r2", "IngestMissing"), at("r3", "IngestAgain")];
    Story { fails: &["r2"], ..story("revert of what never ran", at("r1", "Ingest"), wanted) }
}

/// The same on an operator that restores nothing in place: what ran is deleted and created again.
pub fn rollback_1_7() -> Story {
    on_1_7("rollback on 1.7", rollback())
}

/// An application without high availability loses its JobManager, and policy has it restored from the savepoint
/// that it was stopped with before.
pub fn lost_job_manager() -> Story {
    let at = |revision: &str, image: &str, repair: bool| {
        let mut desired = at(revision, &[application("ingest", image)]);
        desired.units.values_mut().for_each(|unit| unit.policy.repair = repair);
        desired
    };
    let lose: fn(&World) = |world| {
        world.sim.operator().lose_job_manager(&deployment("ingest"), world.sim.now());
    };
    let before = vec![at("r1", "ingest:1", false), at("r2", "ingest:2", false)];
    Story { before, happens: lose, ..story("lost JobManager", None, vec![at("r3", "ingest:2", true)]) }
}

/// The same on an operator that restores nothing in place.
pub fn lost_job_manager_1_7() -> Story {
    on_1_7("lost JobManager on 1.7", lost_job_manager())
}

/// A session cluster loses its job, and policy has it restored from the savepoint it was stopped with before.
pub fn rescue() -> Story {
    let at = |revision: &str, parallelism: i64, repair: bool| {
        let mut desired = at(revision, &[cluster("1024m"), job("one", parallelism)]);
        desired.units.values_mut().for_each(|unit| unit.policy.repair = repair);
        desired
    };
    let lose: fn(&World) = |world| {
        world.sim.operator().crash_job_manager(&deployment("sessions"), world.sim.now());
    };
    let before = vec![at("r1", 1, false), at("r2", 2, false)];
    Story { before, happens: lose, ..story("rescue", None, vec![at("r3", 2, true)]) }
}

/// The same on an operator that restores nothing in place, and never lets go of a lost job by itself.
pub fn rescue_1_7() -> Story {
    on_1_7("rescue on 1.7", rescue())
}

/// A job that is held at what it was is lost with its session cluster, and policy has it restored as it was.
pub fn rescue_while_held() -> Story {
    let at = |revision: &str, class: &str, repair: bool| {
        let mut desired = guarded(revision, job("one", 1), class);
        desired.units.values_mut().for_each(|unit| unit.policy.repair = repair);
        desired
    };
    let lose: fn(&World) = |world| {
        world.sim.operator().crash_job_manager(&deployment("sessions"), world.sim.now());
    };
    let before = vec![at("r1", "One", false), at("r2", "OneBreaks", false)];
    let wanted = vec![at("r3", "OneBreaks", true)];
    Story { before, happens: lose, fails: &["r2", "r3"], ..story("rescue of what is held", None, wanted) }
}

/// The same on an operator that restores nothing in place: it is created again as it was.
pub fn rescue_while_held_1_7() -> Story {
    on_1_7("rescue of what is held on 1.7", rescue_while_held())
}
