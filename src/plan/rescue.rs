//! A stateful job that is lost, by its session cluster or with its JobManager: what it is restored from, and how
//! (S13). Nobody else does it: the operator waits for a job that is gone, and would start it only from nothing.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::checkpoint;
use super::consent::Consent;
use super::failure::takes_nonce;
use super::held;
use super::ledger::{Checkpoint, Savepoint};
use super::live::LiveObject;
use super::operation::{NONCE, Operation, PATH, Purpose};
use super::outcome::{Action, Blocked, BlockedBy, Effect, State};
use super::patch::Patch;
use super::subject::{Decision, Subject, World, clock_time};
use super::write::Write;
use crate::flink::config::{self, CHECKPOINT_DIR};
use crate::flink::health::{self, Health, Verdict};
use crate::flink::kind::{Kind, Role, finalizer};
use crate::flink::pointer::At as _;
use crate::flink::savepoint::normalise;

/// How a lost job is brought back.
#[derive(Clone, Debug)]
pub struct Rescue<'a> {
    /// What it is brought back as: as Git wants it, or as it is held (S23).
    pub at: Subject<'a>,
    /// The savepoint, where one is known.
    pub from: Option<String>,
    /// Whether a person wrote that down for it.
    named: bool,
    /// Whether the operator restores it in place; else the resource is deleted and created again.
    pub in_place: bool,
}

/// What is to be done about a lost job; `None` where there is none, or the operator was told already.
pub fn of<'a>(world: World<'a>, subject: &Subject<'a>) -> Option<Rescue<'a>> {
    let (unit, live) = (subject.unit?, subject.live?);
    if !is_lost(subject) || live.deleting_since().is_some() || subject.kept_down().is_some() {
        return None;
    }
    let held = held::as_it_is(world, subject);
    if held.is_none() && held::of(subject).is_some() {
        return None;
    }
    let named = named(subject).filter(|_| held.is_none());
    // Where it was told to begin once, and could not, it begins only with another one.
    let at = held.unwrap_or_else(|| subject.clone());
    if at.is_stateless_by_words() || comes_back(&at) || (begins(subject).is_some() && named.is_none()) {
        return None;
    }
    let in_place = takes_nonce(world, subject, at.unit.unwrap_or(unit));
    let from = named.clone().or_else(|| Some(known(&at)?.path));
    Some(Rescue { named: named.is_some(), from, in_place, at })
}

/// Whether the operator brings an application back by itself: with high availability that is its own, which it was
/// not seen to fail with.
fn comes_back(subject: &Subject<'_>) -> bool {
    let available = config::has_high_availability(&subject.configuration());
    subject.role == Role::Application && available && !health::is_given_up(&subject.status)
}

/// Whether a job is lost, or was when the operator was told to restore it, which fails.
fn is_lost(subject: &Subject<'_>) -> bool {
    match subject.verdict.health {
        Health::Lost => true,
        Health::Failed => begins(subject).is_some(),
        _ => false,
    }
}

/// The mark on a job that the operator was told to restore and has not begun with. The nonce tells: a mark stays after
/// a rescue, and the job may be lost once more.
fn begins<'s>(subject: &'s Subject<'_>) -> Option<&'s Operation> {
    let mark = subject.operation.as_ref();
    let mark = mark.filter(|mark| matches!(mark.purpose, Purpose::Rescue | Purpose::Rollback))?;
    let told = subject.live?.value().at(NONCE).and_then(Value::as_i64)?;
    let begun = subject.status.last_reconciled.as_ref().and_then(|last| last.redeploy_nonce);
    (begun != Some(told)).then_some(mark)
}

/// The verdict on a job that the operator was told to restore and has not begun with, and since when it holds. While the
/// operator is away the status still says lost; where it tries and fails, the status says so only now and then.
pub fn under_way(world: World<'_>, subject: &Subject<'_>) -> Option<(Verdict, Option<Timestamp>)> {
    let as_wanted = subject.changes.is_empty() || held::is_elsewhere(subject);
    let mark = begins(subject).filter(|_| as_wanted)?;
    let Verdict { health, message } = &subject.verdict;
    let seen = world.live.since.get(&subject.key);
    let failing = seen.and_then(|since| since.failing);
    if *health == Health::Failed || (failing.is_some() && *health != Health::Settled) {
        let why = seen.and_then(|since| since.failure.as_ref()).unwrap_or(message);
        let from = mark.restored_from.as_deref().filter(|path| !why.contains(path));
        let told = from.map_or_else(String::new, |path| format!(" (it was told to restore {path})"));
        let verdict = Verdict { health: Health::Failed, message: format!("{why}{told}") };
        return Some((verdict, failing.or(subject.since)));
    }
    let generation = subject.live?.generation();
    let message = format!("the operator has not acted on generation {generation} yet");
    let verdict = Verdict { health: Health::Progressing, message };
    (*health == Health::Lost).then_some((verdict, subject.since))
}

/// A restore point that a person wrote down for it: `initialSavepointPath` in Git, which the live job does not
/// have yet.
fn named(subject: &Subject<'_>) -> Option<String> {
    let change = subject.changes.iter().find(|change| change.path == PATH)?;
    change.after.as_ref()?.as_str().map(str::to_owned)
}

/// The youngest restore point on record, unless the job claimed it as it started from it (S23). The checkpoint that
/// was seen while it ran is one only where there is no other: Flink may have deleted it since.
fn known(subject: &Subject<'_>) -> Option<Savepoint> {
    let started_from = subject.status.savepoint.as_deref().map(normalise);
    let claimed = |savepoint: &&Savepoint| {
        super::failure::claims(subject) && Some(normalise(&savepoint.path)) == started_from
    };
    let savepoint = subject.ledger?.savepoints.iter().find(|savepoint| !claimed(savepoint));
    savepoint.cloned().or_else(|| Some(checkpoint::of_lost(subject)?.to_savepoint()))
}

/// What is to be said of the checkpoint that was seen while a lost job ran, beside what it is restored from.
fn fleeting(subject: &Subject<'_>, from: &str, now: Timestamp) -> Option<String> {
    let Checkpoint { path, time, seen, .. } = checkpoint::of_lost(subject)?;
    let (time, seen) = (clock_time(*time, now), clock_time(*seen, now));
    Some(if path == from {
        format!(
            "that checkpoint of {time} is the newest that Flink told of, at {seen}, and may be gone by now"
        )
    } else {
        format!(
            "a younger checkpoint of {time}, {path}, may still be there: job.initialSavepointPath may name it instead"
        )
    })
}

/// Decides about a lost job.
pub fn decide(world: World<'_>, subject: &Subject<'_>, rescue: &Rescue<'_>) -> Decision {
    let state = if rescue.from.is_some() { State::Replaced } else { State::Unknown };
    let held = held::of(subject).filter(|_| !rescue.named);
    let decision = if rescue.in_place {
        Decision::new(Action::Update, Effect::Restore, state)
    } else {
        Decision::anew(subject, state)
    };
    let decision = match &rescue.from {
        Some(path) => {
            let decision = decision.because(format!("is lost, and is restored from {path}"));
            // To name another one for what is held would try again what it is held for.
            let hint = fleeting(&rescue.at, path, world.now).filter(|_| held.is_none());
            hint.into_iter().fold(decision, Decision::because)
        }
        None => decision.because("is lost"),
    };
    let early = (!subject.held(world, 1)).then(|| {
        Blocked::new(BlockedBy::Gate, format!("{}, not for long enough yet", subject.describe(world.now)))
    });
    let stays = held.map(|held| format!("stays held: {}", held.reason));
    let decision = stays.into_iter().fold(decision.blocked(early), Decision::because);
    consented(world, subject, rescue, decision).blocked(unknown(subject, rescue))
}

/// One that has to be created again as it was needs the revision it was of, on record: once it is gone, nothing else
/// tells what it was, and it would be created as what it is held for.
fn unknown(subject: &Subject<'_>, rescue: &Rescue<'_>) -> Option<Blocked> {
    let unrecorded = held::of(subject).is_some_and(|held| held.back_to.is_none());
    let missing = !rescue.in_place && (unrecorded || rescue.at.unit.is_none());
    let message = format!(
        "is lost, and what it is held at is not on record or cannot be read, so that it could not be created again: \
         `flinkops retry {}` lets it go on as Git wants it",
        subject.key.name
    );
    missing.then(|| Blocked::new(BlockedBy::Held, message))
}

/// Adds whose word is missing: what the job counted since the savepoint is gone with it.
fn consented(world: World<'_>, subject: &Subject<'_>, rescue: &Rescue<'_>, decision: Decision) -> Decision {
    if rescue.named {
        return decision;
    }
    let blocked = |message| decision.clone().blocked(Blocked::new(BlockedBy::Consent, message));
    let retained = retained(&rescue.at);
    let Some(savepoint) = known(&rescue.at) else {
        return blocked(format!(
            "is lost, and no restore point of it is on record: name one in job.initialSavepointPath{retained}"
        ));
    };
    let Savepoint { path, time, .. } = &savepoint;
    if let Some((taken, version)) = rescue.at.unreadable(&savepoint) {
        return blocked(format!(
            "is lost, and {path} was taken by Flink {taken}, which {version} does not read: name another restore \
             point in job.initialSavepointPath{retained}"
        ));
    }
    if subject.policy(world).repair {
        return decision;
    }
    let missing = format!(
        "is lost, and would be restored from {path} of {}, without what came after: write allow: {{stateLoss: \"<why>\"}} \
         in its file or set policy.repair, or name a later restore point in job.initialSavepointPath{retained}",
        clock_time(*time, world.now)
    );
    decision.needs(Consent::StateLoss, subject, &missing)
}

/// Where the last checkpoint of the lost job lies, if the job retains them.
fn retained(subject: &Subject<'_>) -> String {
    let configuration = subject.configuration();
    let directory = config::first(&configuration, &CHECKPOINT_DIR);
    let id = subject.live.and_then(|live| live.status().at("/jobStatus/jobId")?.as_str());
    directory.zip(id).map_or_else(String::new, |(directory, id)| {
        format!(" (a checkpoint that it retained is below {}/{id})", directory.trim_end_matches('/'))
    })
}

/// When a job that reads as lost will have done so for long enough.
pub fn wake(world: World<'_>, subject: &Subject<'_>) -> Option<Timestamp> {
    let at = subject.holds_at(world, 1).filter(|_| subject.verdict.health == Health::Lost);
    at.filter(|at| *at > world.now)
}

/// Operators before 1.8 ask Flink again and again to cancel a lost job, and never let its resource go. What we
/// deleted to create it again, with its savepoint on record, they are told to let go.
pub fn unhang(world: World<'_>, subject: &Subject<'_>) -> Option<Write> {
    let live = subject.live?;
    let finalizer = finalizer(Kind::FlinkSessionJob.as_str());
    let since = live.deleting_since()?.checked_add(subject.policy(world).settle).ok()?;
    let ours =
        subject.ledger.is_some_and(|ledger| ledger.uid.is_empty() && ledger.last_savepoint().is_some());
    let verdict = health::judge(Role::SessionJob, live.generation(), live.spec(), &subject.status);
    let lost = subject.role == Role::SessionJob && verdict.health == Health::Lost;
    if subject.unit.is_none() || !ours || !lost || since > world.now {
        return None;
    }
    let finalizers = live.value().at("/metadata/finalizers")?.as_array()?;
    let others: Vec<_> = finalizers.iter().filter(|it| it.as_str() != Some(&finalizer)).collect();
    (others.len() < finalizers.len())
        .then(|| Patch::of(live).set("/metadata/finalizers", json!(others)).write())
}

/// When [`unhang`] may have something to do.
pub fn unhang_at(world: World<'_>, subject: &Subject<'_>) -> Option<Timestamp> {
    let since = subject.live.and_then(LiveObject::deleting_since)?;
    let lost = subject.role == Role::SessionJob && subject.unit.is_some();
    since.checked_add(subject.policy(world).settle).ok().filter(|at| lost && *at > world.now)
}
