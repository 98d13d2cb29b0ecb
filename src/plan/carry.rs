//! A session cluster's change takes its jobs with it, so they are carried over: stopped with a
//! savepoint, written down, and started again when the cluster is ready (S8, S9, S12 to S14).

use super::consent::Consent;
use super::guard;
use super::live::Strangers;
use super::operation::{Operation, Purpose};
use super::outcome::{Action, Blocked, BlockedBy, Effect, State, Step, StepKind};
use super::recovery;
use super::remove::{self, Stage};
use super::subject::{Decision, Ownership, Subject, World};
use crate::flink::health::Health;
use crate::flink::kind::Role;
use crate::flink::rest::RunningJob;
use crate::flink::validate::{Proposal, validate};
use crate::spec::Unit;

/// What a job on a changing session cluster needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passenger {
    /// Nothing: it is finished, suspended already, or has never run.
    Nothing,
    /// It restarts with the cluster from nothing, as its file says.
    Stateless,
    /// High availability brings it back from its last checkpoint, as its policy has it (S15).
    Recovers,
    /// It cannot be saved any more; it is not waited for (S13).
    Dead,
    /// It must be stopped with a savepoint.
    Stop,
    /// It was told to stop.
    Stopping,
    /// It stopped with this savepoint, which is not on record yet.
    Stopped(String),
    /// It stopped, and its savepoint is on record.
    Safe,
    /// It is somebody else's (S14).
    Stranger,
    /// It cannot be stopped now; the words say why.
    Busy(String),
    /// It cannot be stopped with a savepoint at all; the words say why.
    Stuck(String),
}

/// What this job needs while its cluster changes.
pub fn passenger(world: World<'_>, cluster: &Subject<'_>, job: &Subject<'_>) -> Passenger {
    if job.ownership != Ownership::Ours {
        return Passenger::Stranger;
    }
    if job.live.is_some_and(|live| live.deleting_since().is_some()) {
        return Passenger::Busy("is being deleted".into());
    }
    let ours = job.operation.as_ref().is_some_and(Operation::is_temporary_stop);
    if job.is_suspended() && !ours && job.verdict.health == Health::Suspended {
        return Passenger::Nothing;
    }
    // The operator starts a lost job again only if the live spec says stateless, whatever Git says by now.
    // One that is about to be removed is saved first, and must not be lost in between.
    let may_die = job.is_stateless_by_words() && job.runs_stateless() && !job.is_leaving();
    if !ours && may_die && job.ever_ran() {
        return if job.status.is_finished() { Passenger::Nothing } else { Passenger::Stateless };
    }
    if !ours && recovery::of(world, cluster, job).is_some_and(|recovers| recovers.is_ok()) {
        return Passenger::Recovers;
    }
    match remove::stage(job) {
        Stage::Disposable if job.ever_ran() && !job.status.is_finished() => Passenger::Stateless,
        Stage::Disposable => Passenger::Nothing,
        Stage::Stoppable => Passenger::Stop,
        Stage::Stopping => Passenger::Stopping,
        Stage::Stopped(path) => match job.ledger {
            Some(ledger) if ledger.is_final(&path) => Passenger::Safe,
            _ => Passenger::Stopped(path),
        },
        Stage::Busy(why) => Passenger::Busy(why),
        Stage::Stuck(why) if job.verdict.health == Health::Settled => Passenger::Stuck(why),
        Stage::Stuck(_) => Passenger::Dead,
    }
}

/// Whether this decision restarts a live session cluster.
pub fn restarts_cluster(decision: &Decision) -> bool {
    decision.action == Action::Update && decision.effect == Effect::RestartCluster
}

/// Adds to a cluster's decision what becomes of its jobs, and what of them stands in its way.
pub fn decide(
    world: World<'_>,
    cluster: &Subject<'_>,
    jobs: &[&Subject<'_>],
    decision: Decision,
) -> Decision {
    let mut decision = decision.blocked(refusal(world, cluster, jobs));
    // A cluster that is down carries nobody: its change is the way out (S13).
    let down = is_down(cluster);
    for job in jobs {
        let passenger = passenger(world, cluster, job);
        decision.state = decision.state.max(fate(job, &passenger, down));
        decision.reasons.extend(way(world, cluster, job, &passenger).filter(|_| !down));
        if passenger == Passenger::Dead {
            let (name, message) = (&job.key.name, &job.verdict.message);
            decision.reasons.push(format!("{name} cannot be saved and is not waited for: {message}"));
        }
        if !down {
            decision = decision.blocked(obstacle(world, job, &passenger));
        }
    }
    decision.steps = steps(world, cluster, if down { &[] } else { jobs });
    if down { decision } else { strangers(world, cluster, decision) }
}

/// S14: jobs on the cluster that are nobody's resource would be lost with it. Only Flink knows of them.
fn strangers(world: World<'_>, cluster: &Subject<'_>, mut decision: Decision) -> Decision {
    let (state, what) = match world.live.strangers.get(&cluster.key) {
        None => return decision,
        Some(Strangers::Unknown(why)) => {
            (State::Unknown, format!("Flink cannot be asked what else runs on this cluster: {why}"))
        }
        Some(Strangers::Run(jobs)) => {
            let Some(RunningJob { id, name, state }) = jobs.first() else { return decision };
            let more = if jobs.len() > 1 { format!(" and {} more", jobs.len() - 1) } else { String::new() };
            let message = format!(
                "`{name}` ({id}, {state}){more} on this cluster, the job of no resource, would be lost"
            );
            (State::Dropped, message)
        }
    };
    decision.state = decision.state.max(state);
    let missing =
        format!("{what}; to change it all the same write allow: {{stateLoss: \"<why>\"}} in its file");
    decision.because(what).needs(Consent::StateLoss, cluster, &missing)
}

/// What is to be said of the way a job takes, where its policy leaves it to high availability (S15).
fn way(world: World<'_>, cluster: &Subject<'_>, job: &Subject<'_>, passenger: &Passenger) -> Option<String> {
    let name = &job.key.name;
    match (recovery::of(world, cluster, job)?, passenger) {
        (Ok(()), Passenger::Recovers) => Some(format!(
            "{name} is left to high availability, which brings it back from its last checkpoint, as its policy has it"
        )),
        (Err(why), passenger) if is_carried(passenger) => {
            Some(format!("{name} is stopped with a savepoint, although its policy says ha: {why}"))
        }
        _ => None,
    }
}

/// The way of all together, from where each job stands.
fn steps(world: World<'_>, cluster: &Subject<'_>, jobs: &[&Subject<'_>]) -> Vec<Step> {
    let jobs: Vec<_> = jobs.iter().map(|job| (&job.key, passenger(world, cluster, job))).collect();
    let each = |what: StepKind, still_to_do: fn(&Passenger) -> bool| {
        let jobs = jobs.iter().filter(move |(_, passenger)| still_to_do(passenger));
        jobs.map(move |(key, _)| Step { what, unit: (*key).clone() })
    };
    let own = |what| Step { what, unit: cluster.key.clone() };
    each(StepKind::Suspend, |job| matches!(job, Passenger::Stop | Passenger::Busy(_)))
        .chain(each(StepKind::WaitSavepoint, |job| {
            matches!(job, Passenger::Stop | Passenger::Busy(_) | Passenger::Stopping)
        }))
        .chain(each(StepKind::Record, |job| is_carried(job) && *job != Passenger::Safe))
        .chain([own(StepKind::Update), own(StepKind::WaitSettled)])
        .chain(each(StepKind::Resume, is_carried))
        .chain(each(StepKind::WaitSettled, |job| is_carried(job) || *job == Passenger::Recovers))
        .collect()
}

/// S12: before the first job stops, the cluster's new spec and each resume must pass the operator's rules.
fn refusal(world: World<'_>, cluster: &Subject<'_>, jobs: &[&Subject<'_>]) -> Option<Blocked> {
    let wanted = cluster.unit.map(Unit::spec);
    std::iter::once(cluster).chain(jobs.iter().copied()).find_map(|subject| {
        let proposal = Proposal {
            kind: subject.key.kind,
            name: &subject.key.name,
            spec: subject.unit?.spec(),
            previous: Some(subject.live_spec()).filter(|_| subject.ever_ran()),
            operator: subject.operator,
            cluster: wanted.filter(|_| subject.role == Role::SessionJob),
            release: subject.release(world),
        };
        let violation = validate(&proposal).into_iter().next()?;
        let message = format!("the operator would refuse {}: {}", subject.key.name, violation.message);
        Some(Blocked::new(BlockedBy::Guard, message))
    })
}

/// Whether the cluster's JobManager is gone or broken, so that no job on it can be asked anything.
pub fn is_down(cluster: &Subject<'_>) -> bool {
    matches!(cluster.verdict.health, Health::Failed) || cluster.status.job_manager == "ERROR"
}

fn is_carried(passenger: &Passenger) -> bool {
    matches!(
        passenger,
        Passenger::Stop | Passenger::Stopping | Passenger::Stopped(_) | Passenger::Safe | Passenger::Busy(_)
    )
}

fn fate(job: &Subject<'_>, passenger: &Passenger, down: bool) -> State {
    match passenger {
        Passenger::Stateless if job.keeps_state() => State::Dropped,
        Passenger::Stateless | Passenger::Nothing => State::None,
        Passenger::Safe => State::Kept,
        _ if down => State::Unknown,
        Passenger::Dead | Passenger::Stranger => State::Unknown,
        _ => State::Kept,
    }
}

fn obstacle(world: World<'_>, job: &Subject<'_>, passenger: &Passenger) -> Option<Blocked> {
    let name = &job.key.name;
    let with = |by, message: String| Some(Blocked::on(by, job.key.clone(), message));
    if let (Some(why), true) = (job.frozen(), is_carried(passenger)) {
        return with(BlockedBy::Frozen, format!("{name} is frozen and would have to stop: {why}"));
    }
    if let (Some(unknown), Passenger::Stop) = (guard::unread(world, job), passenger) {
        let message = format!("{name} would have to stop, but {} could not be read", unknown.folder);
        return with(BlockedBy::Unknown, message);
    }
    match passenger {
        Passenger::Stranger => with(
            BlockedBy::Policy,
            format!("{name} runs on this cluster and is not of this repository: it would be lost"),
        ),
        Passenger::Busy(why) => with(BlockedBy::Gate, format!("waits for {name}: {why}")),
        Passenger::Stuck(why) => with(BlockedBy::Consent, format!("{name} {why}, and would lose its state")),
        Passenger::Stopping if job.is_stop_overdue(world) => {
            with(BlockedBy::Held, format!("{name} took no savepoint within policy.savepointTimeout"))
        }
        _ => None,
    }
}

/// The mark for a job that stops for its cluster.
pub fn mark(job: &Subject<'_>, cluster: &Subject<'_>, now: jiff::Timestamp) -> Option<Operation> {
    Some(Operation::stop(Purpose::ClusterChange, &cluster.hash, job.live?, now))
}
