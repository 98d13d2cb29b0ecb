//! The newest checkpoint of a job that runs (S9, S13): when Flink is asked for it, and what stays of it on record.
//!
//! One is on record per job, and only where Flink retains it. While the job runs, Flink deletes it as soon as newer
//! ones are complete (`execution.checkpointing.num-retained`), so it may be gone: a savepoint is preferred to it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::failure;
use super::ledger::{Checkpoint, Ledger};
use super::live::{JobRef, Live, LiveObject};
use super::outcome::{Action, BlockedBy, Effect, Plan, UnitPlan};
use super::record;
use super::restarted;
use super::subject::{Subject, World};
use super::write::{Task, Write};
use crate::flink::config::{self, retains_checkpoints};
use crate::flink::health::Health;
use crate::flink::kind::UnitKey;
use crate::flink::pointer::At as _;
use crate::spec::{Desired, Unit};

/// What was seen so short a time ago is not asked for again before the job is touched.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// How often Flink is asked while nothing is done: no path is written down more often.
const PACE: SignedDuration = SignedDuration::from_hours(1);

/// The jobs of which Flink is asked before these requests are sent, since they stop them. `asked` says when it
/// was asked last.
pub fn before(
    desired: &Desired,
    live: &Live,
    (plan, tasks): (&Plan, &[Task]),
    asked: &BTreeMap<UnitKey, Timestamp>,
    now: Timestamp,
) -> Vec<JobRef> {
    let stopped: BTreeSet<&UnitKey> =
        tasks.iter().filter(|task| stops(plan, task)).flat_map(|task| &task.unit).collect();
    let due = |key: &&UnitKey| due_at(live, key, asked, FRESH).is_none_or(|at| at <= now);
    let of = |key: &UnitKey| told_of(desired, live, key);
    stopped.into_iter().filter(due).filter_map(of).collect()
}

/// Whether a request stops a job that may be running.
fn stops(plan: &Plan, task: &Task) -> bool {
    let unit = plan.units.iter().find(|unit| Some(&unit.key) == task.unit.as_ref());
    let touches = matches!(task.write, Write::Patch { .. } | Write::Delete { .. });
    let restarts = |unit: &UnitPlan| unit.action != Action::Keep && unit.effect > Effect::Rescale;
    touches && task.event && unit.is_some_and(|unit| task.reason == "Suspending" || restarts(unit))
}

/// The jobs of which Flink is asked while nothing is to be done, each with when: those that run as Git wants, or as
/// they are held.
pub fn at_leisure(
    desired: &Desired,
    live: &Live,
    plan: &Plan,
    asked: &BTreeMap<UnitKey, Timestamp>,
    now: Timestamp,
) -> Vec<(Timestamp, JobRef)> {
    let held = |unit: &UnitPlan| unit.blocked.as_ref().is_some_and(|blocked| blocked.by == BlockedBy::Held);
    let quiet = |unit: &UnitPlan| unit.is_quiet() || (held(unit) && unit.next.is_empty());
    let rests = plan.units.iter().filter(|unit| quiet(unit) && unit.health == Health::Settled);
    let jobs = rests.filter_map(|unit| {
        let at = due_at(live, &unit.key, asked, PACE).unwrap_or(now);
        Some((at, told_of(desired, live, &unit.key)?))
    });
    jobs.collect()
}

/// When Flink is to be asked again; `None` where it never was.
fn due_at(
    live: &Live,
    unit: &UnitKey,
    asked: &BTreeMap<UnitKey, Timestamp>,
    pace: SignedDuration,
) -> Option<Timestamp> {
    let seen = live.ledger(unit).and_then(|ledger| Some(ledger.checkpoint.as_ref()?.seen));
    let last = seen.into_iter().chain(asked.get(unit).copied()).max()?;
    last.checked_add(pace).ok()
}

/// The job of a unit, if it runs and Flink retains its checkpoints.
fn told_of(desired: &Desired, live: &Live, unit: &UnitKey) -> Option<JobRef> {
    let object = live.units.get(unit)?;
    let cluster = unit.cluster(object.spec());
    let cluster = cluster.and_then(|cluster| live.units.get(&cluster)).map(LiveObject::spec);
    let configuration = config::layered(&desired.operator, cluster, object.spec());
    let written = desired.units.get(unit).map_or(object.spec(), Unit::spec);
    let stateless = written.at("/job/upgradeMode").is_some_and(|mode| mode == "stateless");
    let kept =
        config::keeps_state(object.spec(), &configuration) && retains_checkpoints(unit.kind, &configuration);
    let runs = object.operator_status().job == "RUNNING";
    (runs && kept && !stateless).then(|| live.job_ref(unit)).flatten()
}

/// Takes in what Flink has just told of a job that runs.
pub fn note(world: World<'_>, subject: &Subject<'_>, ledger: &mut Ledger) {
    let Some(Ok(told)) = world.live.states.get(&subject.key) else { return };
    // What was seen before a restart by itself is what may be wanted back.
    if ledger.checkpoint.is_some() && restarted::since(subject).is_some() {
        return;
    }
    let retained = is_retained(subject) && subject.status.job == "RUNNING";
    let Some(checkpoint) = told.checkpoint.as_ref().filter(|_| retained) else { return };
    let fresh = |known: &Checkpoint| world.now.duration_since(known.seen) < FRESH;
    let known = ledger.checkpoint.as_ref().is_some_and(|known| known.path == checkpoint.path || fresh(known));
    // A savepoint that is younger is the better one: it stays.
    let better = ledger.savepoints.first().is_some_and(|known| known.time >= checkpoint.time);
    if !known && !better {
        let flink_version = record::flink_version(world, subject);
        let (path, time) = (checkpoint.path.clone(), checkpoint.time);
        ledger.checkpoint = Some(Checkpoint { path, time, flink_version, seen: world.now });
    }
}

/// Forgets the one on record where the job went back to something else since, or its upgrade has come about: then
/// it belongs to a run that is over. What the job was restored from is its way back.
pub fn forget(subject: &Subject<'_>, ledger: &mut Ledger) {
    let Some(Checkpoint { path, seen, .. }) = &ledger.checkpoint else { return };
    let mark = subject.operation.as_ref();
    let from = mark.and_then(|mark| Some((mark.restored_from.as_ref()?, mark.since)));
    let replaced = match from {
        Some((from, _)) if from == path => return,
        Some((_, since)) => since >= *seen,
        None => false,
    };
    let upgraded = ledger.applied.first().is_some_and(|it| it.settled.is_some() && it.time >= *seen);
    if replaced || upgraded {
        ledger.checkpoint = None;
    }
}

/// The record to write before a job is touched of which Flink has just told.
pub fn record(world: World<'_>, subject: &Subject<'_>) -> Option<Task> {
    world.live.states.get(&subject.key)?;
    let mut ledger = subject.ledger.cloned().unwrap_or_default();
    note(world, subject, &mut ledger);
    let path = ledger.checkpoint.as_ref()?.path.clone();
    record::task(world, subject, &ledger, &format!("records its newest checkpoint, {path}"))
}

/// The checkpoint on record that a job which is lost may be restored from.
pub fn of_lost<'a>(subject: &Subject<'a>) -> Option<&'a Checkpoint> {
    let checkpoint = subject.ledger?.checkpoint.as_ref()?;
    let retained = is_retained(subject) && !failure::claims(subject);
    retained.then_some(checkpoint)
}

fn is_retained(subject: &Subject<'_>) -> bool {
    retains_checkpoints(subject.key.kind, &subject.configuration())
}
