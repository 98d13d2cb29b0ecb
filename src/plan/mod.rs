//! The one pure decision: desired + live → [`Plan`] → writes.
//!
//! [`plan()`] compares, classifies and orders; [`step`] says what may be written right now. Neither
//! knows a clock, a socket or a memory: time is an argument, and everything that must survive is in the
//! cluster ([`ledger`]). The same functions serve `plan`, `drift`, `apply`, `run` and the demo.
//!
//! ```text
//! subject   one unit seen from both sides        fields, compare, element, effect, cause, owner, ignored, schema
//! decide    what to do about it, as if alone     restart, remove, rename, carry, consent, guard
//! gate      who waits for whom                   companion
//! awaited   whether a live object of another kind is ready
//! failure   an upgrade that does not work out
//! held      what is held after one
//! astray    a stopped job that would start from something else
//! recovery  a job that is left to high availability
//! rescue    a job that is lost
//! restarted a job that nobody began anew
//! checkpoint the newest checkpoint of a job that runs
//! snapshot  a snapshot and its savepoint
//! tasks     what may be written right now        bring_back, patch, record, operation
//! base      the same between two revisions, without a cluster
//! recall    which revision was in force last, as far as the cluster tells
//! sealed    the cluster without its secrets, for a file
//! ```

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::flink::health::Health;
use crate::flink::kind::UnitKey;
use crate::spec::Desired;
use crate::spec::each::each;

mod astray;
mod awaited;
pub mod base;
mod bring_back;
mod carry;
mod cause;
mod companion;
mod compare;
mod consent;
mod decide;
mod effect;
mod element;
mod failure;
mod fields;
mod fleet;
mod gate;
mod guard;
mod held;
mod ignored;
mod owner;
mod patch;
mod recall;
mod record;
mod recovery;
mod remove;
mod rename;
mod rescue;
mod restart;
mod restarted;
mod schema;
pub mod sealed;
mod snapshot;
mod subject;
mod tasks;

pub mod checkpoint;
pub mod forecast;
pub mod ledger;
pub mod live;
pub mod operation;
pub mod outcome;
pub mod write;

pub use failure::wanted as previous_wanted;
use fleet::Fleet;
pub use guard::movement;
pub use live::Live;
use live::Since;
pub use outcome::{Action, Blocked, Change, Effect, Plan, State, UnitPlan};
use outcome::{CompanionPlan, Step, StepKind};
pub use recall::last_in_force;
use subject::{CLUSTER_SETTLE, Decision, Ownership, Subject, World};
use tasks::Board;
use write::Task;
pub use write::Write;

#[cfg(test)]
mod tests;

/// Remembers since when each unit has read as it does (S22). Losing `previous` delays decisions, and
/// changes none.
pub fn observe(previous: &BTreeMap<UnitKey, Since>, live: &Live, now: Timestamp) -> BTreeMap<UnitKey, Since> {
    let read = |(key, object): (&UnitKey, &live::LiveObject)| {
        let role = crate::flink::kind::Role::of(key.kind, object.spec());
        let status = object.operator_status();
        let verdict = crate::flink::health::judge(role, object.generation(), object.spec(), status);
        let generation = object.generation();
        let before = previous.get(key).filter(|since| since.generation == generation);
        let failing = match verdict.health {
            Health::Settled | Health::Suspended => None,
            health if health.is_failure() => before.and_then(|since| since.failing).or(Some(now)),
            _ => before.and_then(|since| since.failing),
        };
        let failure = if verdict.health.is_failure() {
            Some(verdict.message)
        } else {
            failing.and(before.and_then(|since| since.failure.clone()))
        };
        let verdict = format!("{:?} at generation {generation}", verdict.health);
        let generation_at = before.map_or(now, |since| since.generation_at);
        let at = before.filter(|since| since.verdict == verdict).map_or(now, |since| since.at);
        (key.clone(), Since { verdict, at, generation, generation_at, failing, failure })
    };
    live.units.iter().map(read).collect()
}

/// The same for a report, which reads once: whatever is read has held for ever.
pub fn observe_once(live: &Live) -> BTreeMap<UnitKey, Since> {
    observe(&BTreeMap::new(), live, Timestamp::MIN)
}

/// Takes away what keeps a unit from being tried again (S23), and says what it was; `None` where nothing does.
pub fn retry(desired: &Desired, live: &Live, unit: &UnitKey) -> Option<(ledger::Held, write::Task)> {
    record::retried(World { desired, live, now: Timestamp::MIN }, unit)
}

/// The session clusters that a plan is about to restart: what else runs on them is asked of Flink, and planned
/// again with its answers ([`Live::learn_jobs`], S14).
pub fn restarting(plan: &Plan) -> impl Iterator<Item = &UnitPlan> {
    plan.units.iter().filter(|unit| unit.effect == Effect::RestartCluster && unit.blocked.is_none())
}

/// The jobs on those clusters: while they are there, Flink still tells of the state of each
/// ([`Live::states`], S13).
pub fn about_to_restart(plan: &Plan, live: &Live) -> Vec<live::JobRef> {
    let clusters: BTreeSet<UnitKey> = restarting(plan).map(|unit| unit.key.clone()).collect();
    live.jobs_on(&clusters).collect()
}

/// Whether a savepoint that Git names is restored only with a new `savepointRedeployNonce`; `None` where the
/// operator of a job that is there restores none.
pub fn restores(desired: &Desired, live: &Live, unit: &UnitKey) -> Option<bool> {
    let world = World { desired, live, now: Timestamp::MIN };
    let subject = Subject::new(world, unit);
    let starts_anew = subject.live.is_none() || subject.verdict.health == Health::Lost;
    if starts_anew { Some(false) } else { failure::knows_nonce(world, &subject).then_some(true) }
}

/// Says what flinkops would do to make the cluster equal to Git, and why.
pub fn plan(desired: &Desired, live: &Live, now: Timestamp) -> Plan {
    let world = World { desired, live, now };
    let fleet = Fleet::new(world);
    let decisions = decisions(world, &fleet);
    let settled = gate::settled(world, &fleet, &decisions);
    let companions = companion::plan(world, &fleet.subjects);
    let board =
        Board { world, fleet: &fleet, decisions: &decisions, unready: &companion::unready(&companions) };
    let units = unit_plans(&board, &settled);
    let complete = is_complete(desired, &units, &companions);
    Plan {
        repository: desired.repository.clone(),
        revision: desired.revision().clone(),
        environment: desired.environment.clone(),
        against: live.cluster.clone(),
        waves: by_wave(&units),
        findings: schema::findings(world, &fleet),
        records: record::markers(world, complete),
        wake: wake(world, &fleet, settled.wake),
        concurrency: desired.policy.concurrency,
        units,
        companions,
    }
}

/// What is said about each unit of Git and of ours; strangers only stand in others' way.
fn unit_plans(board: &Board<'_>, settled: &gate::Settled) -> Vec<UnitPlan> {
    let gates = gate::gates(board.world, board.fleet, board.decisions, settled);
    let waves = gate::waves(board.fleet, board.decisions);
    let ids = ids(board.fleet);
    let ours = board.fleet.subjects.iter().enumerate().filter(|(_, subject)| is_ours(subject));
    each(ours.collect(), |(i, subject)| {
        let gate = &gates[&subject.key];
        let mut unit = unit_plan(board.world, subject, &board.decisions[i], ids[&subject.key].clone());
        unit.wave = waves.get(&subject.key).copied();
        unit.settled = settled.units.contains(&subject.key);
        unit.next = board.next(i, gate);
        if unit.action != Action::Keep {
            let companion = subject.unit.and_then(|unit| board.unready.get(unit.folder.as_str()));
            let companion = companion.and_then(|plan| plan.blocked.clone());
            let waits = || board.way_back(i, gate).or_else(|| gate.blocked.clone());
            unit.blocked = unit.blocked.or_else(waits).or(companion);
        }
        unit
    })
}

/// The requests to send right now, records and companions first, then units by wave.
///
/// Everything in it was computed from one reading of the cluster and may be sent in order; the first
/// refusal ends the round, and the plan is made again.
pub fn step(plan: &Plan) -> Vec<Task> {
    let pins = plan.records.iter().filter(|task| matches!(task.write, Write::Create { .. }));
    let mut tasks: Vec<Task> = pins.cloned().collect();
    if !tasks.is_empty() {
        return tasks;
    }
    tasks.extend(plan.records.iter().cloned());
    tasks.extend(plan.companions.iter().flat_map(|companion| companion.next.iter().cloned()));
    let under_way = under_way(plan);
    let mut slots = plan.concurrency.max(1).saturating_sub(under_way.len());
    let mut units: Vec<&UnitPlan> = plan.units.iter().filter(|unit| !unit.next.is_empty()).collect();
    units.sort_by(|a, b| a.wave.cmp(&b.wave).then_with(|| a.key.cmp(&b.key)));
    for unit in units {
        if begins(unit, &under_way) {
            if slots == 0 {
                continue;
            }
            slots -= 1;
        }
        tasks.extend(unit.next.iter().cloned());
    }
    tasks
}

/// Whose changes were made and have not settled yet; one that failed, or never settles, holds no place. Jobs that
/// are stopped for their session cluster are all one change, the cluster's (S12).
fn under_way(plan: &Plan) -> BTreeSet<&UnitKey> {
    fn of(unit: &UnitPlan) -> Option<&UnitKey> {
        let settling = unit.action == Action::Keep && unit.health == Health::Progressing && !unit.overdue;
        let own = (unit.suspended_by_us.is_some() || settling).then_some(&unit.key);
        unit.suspended_for.as_ref().or(own)
    }
    plan.units.iter().filter_map(of).collect()
}

/// Whether a unit wants to begin a change, for which there must be a place.
fn begins(unit: &UnitPlan, under_way: &BTreeSet<&UnitKey>) -> bool {
    unit.action != Action::Keep && unit.suspended_by_us.is_none() && !under_way.contains(&unit.key)
}

fn decisions(world: World<'_>, fleet: &Fleet<'_>) -> Vec<Decision> {
    let decide = |subject: &Subject<'_>| {
        let decision = decide::decide(world, subject);
        if carry::restarts_cluster(&decision) && failure::returning(world, subject).is_none() {
            let jobs: Vec<_> = fleet.jobs(&subject.key).collect();
            carry::decide(world, subject, &jobs, decision)
        } else {
            with_steps(subject, decision)
        }
    };
    let mut decisions: Vec<Decision> = fleet.subjects.iter().map(decide).collect();
    guard::apply(world, &fleet.subjects, &mut decisions);
    decisions
}

/// The way of an action that concerns only the unit itself.
fn with_steps(subject: &Subject<'_>, mut decision: Decision) -> Decision {
    let by_savepoint = subject.role.is_operable() && subject.written_mode() == Some("savepoint");
    let first: &[StepKind] = match decision.action {
        Action::Keep | Action::Delete => return decision,
        Action::Create | Action::Recreate => &[StepKind::Create],
        Action::Suspend if by_savepoint => &[StepKind::Suspend, StepKind::WaitSavepoint, StepKind::Record],
        Action::Suspend => &[StepKind::Suspend],
        Action::Resume => &[StepKind::Resume],
        Action::Update if decision.adopt && decision.effect == Effect::Metadata => &[StepKind::Adopt],
        Action::Update => &[StepKind::Update],
    };
    let steps = first.iter().chain(&[StepKind::WaitSettled]);
    decision.steps.extend(steps.map(|&what| Step { what, unit: subject.key.clone() }));
    decision
}

fn unit_plan(world: World<'_>, subject: &Subject<'_>, decision: &Decision, id: String) -> UnitPlan {
    UnitPlan {
        key: subject.key.clone(),
        id,
        role: subject.role,
        source: subject.unit.map(|unit| unit.place.clone()),
        action: decision.action,
        adopt: decision.adopt,
        effect: decision.effect,
        state: decision.state,
        wave: None,
        depends_on: gate::edges(subject).into_iter().map(|(on, _)| on).collect(),
        awaits: subject.unit.map(|unit| awaited::unready(world.live, unit)).unwrap_or_default(),
        blocked: decision.blocked.clone(),
        reasons: decision.reasons.clone(),
        steps: decision.steps.clone(),
        changes: subject.changes.clone(),
        health: subject.verdict.health,
        health_message: subject.describe(world.now),
        settled: false,
        since: subject.since.filter(|since| *since > Timestamp::MIN),
        overdue: subject.overdue_at(world).is_some_and(|at| at <= world.now),
        goes_back: failure::goes_back_at(world, subject),
        suspended_by_us: subject.kept_down().map(|operation| operation.since),
        suspended_for: subject.kept_down_for(),
        next: Vec::new(),
    }
}

/// Names are unique within Git and what is ours, or else the long form tells units apart.
fn ids(fleet: &Fleet<'_>) -> BTreeMap<UnitKey, String> {
    let subjects = || fleet.subjects.iter().filter(|subject| is_ours(subject));
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for subject in subjects() {
        *names.entry(&subject.key.name).or_default() += 1;
    }
    let id = |key: &UnitKey| if names[key.name.as_str()] == 1 { key.name.clone() } else { key.to_string() };
    subjects().map(|subject| (subject.key.clone(), id(&subject.key))).collect()
}

fn by_wave(units: &[UnitPlan]) -> Vec<Vec<UnitKey>> {
    let mut waves: BTreeMap<usize, Vec<UnitKey>> = BTreeMap::new();
    for unit in units {
        if let Some(wave) = unit.wave {
            waves.entry(wave).or_default().push(unit.key.clone());
        }
    }
    waves.into_values().collect()
}

/// Whether the cluster is all that Git wants, so that the revision counts as applied.
fn is_complete(desired: &Desired, units: &[UnitPlan], companions: &[CompanionPlan]) -> bool {
    let done = |unit: &UnitPlan| unit.is_quiet() && unit.blocked.is_none();
    desired.unknown.is_empty()
        && desired.carried.is_empty()
        && units.iter().all(done)
        && companions.iter().all(CompanionPlan::is_quiet)
}

fn wake(world: World<'_>, fleet: &Fleet<'_>, settled: Option<Timestamp>) -> Option<Timestamp> {
    let times = fleet.subjects.iter().flat_map(|subject| {
        let cluster = subject.kept_down().and_then(|_| fleet.cluster(subject));
        let ready = cluster.and_then(|cluster| cluster.holds_at(world, CLUSTER_SETTLE));
        let failure = failure::wake(world, subject).into_iter().chain(held::there_at(world, subject)).min();
        let lost = rescue::wake(world, subject).or_else(|| rescue::unhang_at(world, subject));
        [
            subject.stop_deadline(world),
            subject.overdue_at(world),
            subject.hangs_at(world),
            ready,
            failure,
            lost,
        ]
    });
    settled.into_iter().chain(times.flatten()).filter(|at| *at > world.now).min()
}

/// Whether a live unit is this repository's and environment's.
fn is_ours(subject: &Subject<'_>) -> bool {
    subject.unit.is_some() || (subject.live.is_some() && subject.ownership == Ownership::Ours)
}
