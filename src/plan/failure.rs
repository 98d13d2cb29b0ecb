//! An upgrade that does not work out (S23): what counts as one, what the unit goes back to, and what it waits
//! for once it is there. Nothing is remembered but what the ledger says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::fields;
use super::held;
use super::ledger::{ANNOTATION_HASH, Applied, BackTo, Held, Ledger};
use super::live::{Live, LiveObject};
use super::operation::{NONCE, Operation, Purpose};
use super::outcome::{Action, Blocked, BlockedBy, Effect, FieldEffect, State};
use super::restart::{self, Restart};
use super::subject::{Decision, Subject, World};
use crate::flink::config;
use crate::flink::health::{self, Health};
use crate::flink::kind::{Role, UnitKey};
use crate::flink::pointer::At as _;
use crate::flink::release::Release;
use crate::spec::policy::OnFailure;
use crate::spec::source::Revision;
use crate::spec::{Desired, Unit};

/// How a unit goes back to what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The old spec is put back: what the upgrade stopped with is still what the operator starts from.
    Revert,
    /// The same, and the operator is told by a nonce to restore this savepoint.
    Redeploy(String),
    /// Deleted and created again, from this savepoint where there is one.
    Recreate(Option<String>),
}

/// A unit on its way back.
pub struct Return<'a> {
    /// The unit as it was.
    pub to: Subject<'a>,
    /// How it gets there.
    pub way: Way,
    /// Where that is, on record.
    pub record: &'a BackTo,
}

/// Why the upgrade to what Git wants counts as failed; `None` where it does not, or may still settle.
///
/// Only an upgrade can fail: there is an earlier version that settled, and this one never has. A lost job is
/// none, it is rescued.
pub fn of(world: World<'_>, subject: &Subject<'_>) -> Option<String> {
    let upgrade = upgrade(subject)?;
    let health = subject.verdict.health;
    let message = &subject.verdict.message;
    let what = if failed_at(world, subject).is_some_and(|at| at <= world.now) {
        message.clone()
    } else if never_settled_at(world, subject)? <= world.now
        && !matches!(health, Health::Settled | Health::Lost)
    {
        format!("not within policy.timeout ({:#}), {message}", subject.policy(world).timeout)
    } else {
        return None;
    };
    Some(format!("{} did not settle: {what}", upgrade.revision.short()))
}

/// When something may count as failed by the mere passing of time.
pub fn wake(world: World<'_>, subject: &Subject<'_>) -> Option<Timestamp> {
    upgrade(subject)?;
    let failed = failed_at(world, subject);
    failed.into_iter().chain(never_settled_at(world, subject)).filter(|at| *at > world.now).min()
}

/// When a failure that is seen now will have lasted, or come back, for long enough to count (S22).
pub fn failed_at(world: World<'_>, subject: &Subject<'_>) -> Option<Timestamp> {
    let since = world.live.since.get(&subject.key)?.failing?;
    let at = since.checked_add(subject.policy(world).failure()).ok();
    at.filter(|_| subject.verdict.health.is_failure())
}

/// When an upgrade that the operator has acted on will have had its time (`policy.timeout`).
pub fn never_settled_at(world: World<'_>, subject: &Subject<'_>) -> Option<Timestamp> {
    let since = world.live.since.get(&subject.key)?.generation_at;
    let acted = subject.has_acted() && since > Timestamp::MIN;
    since.checked_add(subject.policy(world).timeout).ok().filter(|_| acted)
}

/// The record of an upgrade that was written and has not settled.
fn upgrade<'a>(subject: &Subject<'a>) -> Option<&'a Applied> {
    let (unit, live) = (subject.unit?, subject.live?);
    let ours = live.annotation(ANNOTATION_HASH) == Some(&subject.hash) && live.deleting_since().is_none();
    let stands =
        ours && subject.changes.is_empty() && subject.kept_down().is_none() && unit.key == subject.key;
    let applied = subject.ledger?.applied.first().filter(|applied| applied.hash == subject.hash)?;
    (stands && applied.settled.is_none() && last_settled(subject).is_some()).then_some(applied)
}

/// The last revision of another content that settled.
fn last_settled<'a>(subject: &Subject<'a>) -> Option<&'a Applied> {
    let applied = subject.ledger?.applied.iter();
    applied.skip(1).find(|applied| applied.settled.is_some() && applied.hash != subject.hash)
}

/// Whether the job of the live spec ran, as far as the status tells; what cannot be told is taken to have run.
///
/// While it says `UPGRADING` the new version is not deployed yet, and `jobStatus` speaks of the old one.
fn ran(subject: &Subject<'_>) -> bool {
    let status = &subject.status;
    let unseen = matches!(status.job.as_str(), "" | "RECONCILING" | "INITIALIZING" | "CREATED");
    let never = match status.lifecycle.as_str() {
        "UPGRADING" => true,
        "DEPLOYED" => unseen,
        _ => false,
    };
    subject.has_acted() && subject.role.has_job() && (!never || was_stable(subject))
}

/// Whether the operator has seen the spec it acted upon last run: it keeps the last one that did.
fn was_stable(subject: &Subject<'_>) -> bool {
    let spec = |field: &str| {
        let text = subject.live?.status().get("reconciliationStatus")?.get(field)?.as_str()?;
        let mut value: Value = serde_json::from_str(text).ok()?;
        let mut spec = value.get_mut("spec").map(Value::take).unwrap_or(value);
        let job = spec.get_mut("job").and_then(Value::as_object_mut);
        // How the job was stopped is written into the record, too.
        job?.retain(|field, _| field != "state" && field != "upgradeMode");
        Some(spec)
    };
    spec("lastReconciledSpec").is_some_and(|last| spec("lastStableSpec") == Some(last))
}

/// What is to be put on record of a failure: held as it is, or to go back.
pub fn hold(world: World<'_>, subject: &Subject<'_>) -> Option<Held> {
    let reason = of(world, subject)?;
    let goes_back = subject.policy(world).on_failure == OnFailure::Rollback || strands(world, subject);
    let (back_to, reason) = match goes_back.then(|| back_to(subject)).flatten() {
        Some(Ok(back_to)) => (Some(back_to), reason),
        Some(Err(why)) => (None, format!("{reason}; {why}")),
        None => (None, reason),
    };
    Some(Held { hash: subject.hash.clone(), reason, since: world.now, back_to })
}

/// S12: a session cluster whose new spec the operator refuses goes back in any case, while jobs are stopped for
/// it.
fn strands(world: World<'_>, subject: &Subject<'_>) -> bool {
    let is_stranded = |(key, live): (&UnitKey, &LiveObject)| {
        let mark = Operation::of(live).filter(|mark| mark.purpose == Purpose::ClusterChange);
        mark.is_some() && key.cluster(live.spec()).as_ref() == Some(&subject.key)
    };
    subject.verdict.health == Health::Rejected
        && subject.role == Role::SessionCluster
        && world.live.units.iter().any(is_stranded)
}

/// What the unit goes back to; the words say why it is left as it is instead.
fn back_to(subject: &Subject<'_>) -> Option<Result<BackTo, String>> {
    let last = last_settled(subject)?;
    let from = upgrade(subject)?.from.clone().filter(|_| ran(subject));
    if let (Some(path), true) = (&from, claims(subject)) {
        let why = format!("it has claimed {path}, which is no restore point any more: it stays as it is");
        return Some(Err(why));
    }
    Some(Ok(BackTo { revision: last.revision.clone(), hash: last.hash.clone(), from }))
}

/// Whether the job, once it has run, owns the savepoint it started from and may have deleted it.
pub fn claims(subject: &Subject<'_>) -> bool {
    let mode = ["execution.state-recovery.claim-mode", "execution.savepoint-restore-mode"];
    config::first(&subject.configuration(), &mode).is_some_and(|mode| mode.eq_ignore_ascii_case("CLAIM"))
}

/// When a unit goes back whose upgrade fails, if it goes on failing until then.
pub fn goes_back_at(world: World<'_>, subject: &Subject<'_>) -> Option<Timestamp> {
    let wants = subject.policy(world).on_failure == OnFailure::Rollback;
    failed_at(world, subject).filter(|_| wants && upgrade(subject).is_some() && held::of(subject).is_none())
}

/// Whether a unit of this folder may still go back to what it was, and to the ConfigMaps it had then (S24).
pub fn may_need(subject: &Subject<'_>, folder: &str) -> bool {
    let unit = subject.unit.filter(|unit| unit.folder == folder);
    let applied = subject.ledger.and_then(|ledger| ledger.applied.first());
    let settled = applied.is_some_and(|it| it.hash == subject.hash && it.settled.is_some());
    unit.is_some_and(|unit| unit.policy.on_failure == OnFailure::Rollback) && !settled
}

/// The revisions from which units are needed as they were: those that are still to go back, and those that are lost
/// there.
pub fn wanted(desired: &Desired, live: &Live) -> BTreeMap<UnitKey, Revision> {
    let rests = |live: &LiveObject, back_to: &BackTo| {
        let Some(key) = live.unit_key().filter(|_| held::is_back(live, back_to)) else { return false };
        let role = Role::of(key.kind, live.spec());
        health::judge(role, live.generation(), live.spec(), live.operator_status()).health != Health::Lost
    };
    let wanted = desired.units.values().filter_map(|unit| {
        let held = live.ledger(&unit.key)?.held.as_ref()?;
        let back_to = held.back_to.as_ref()?;
        let rests = live.units.get(&unit.key).is_some_and(|live| rests(live, back_to));
        let stands = held.hash == fields::hash(&fields::wanted(desired, unit, unit.spec()));
        (stands && !rests).then(|| (unit.key.clone(), back_to.revision.clone()))
    });
    wanted.collect()
}

/// The way back of a unit that is not there yet; `None` too where the earlier revision is not at hand.
pub fn returning<'a>(world: World<'a>, subject: &Subject<'a>) -> Option<Return<'a>> {
    let record = held::of(subject)?.back_to.as_ref()?;
    match subject.live {
        Some(live) if held::is_back(live, record) => return None,
        // Gone by somebody else's hand: not for us to bring back (S16).
        None if !subject.ledger?.uid.is_empty() => return None,
        _ => {}
    }
    let to = Subject::of(world, &subject.key, world.desired.previous.get(&subject.key));
    let (unit, from) = (to.unit.filter(|_| to.hash == record.hash)?, record.from.clone());
    let immutable = to.changes.iter().any(|change| change.effect == FieldEffect::Immutable);
    let gone = subject.live.is_none_or(|live| live.deleting_since().is_some());
    // What it was let go with, be it for a rescue, is what it starts from.
    let last = || subject.ledger.and_then(Ledger::last_savepoint).map(|savepoint| savepoint.path.clone());
    let way = match from {
        from if gone => Way::Recreate(last().or(from).or_else(|| last_path(subject))),
        from if immutable => Way::Recreate(from.or_else(|| last_path(subject))),
        None => Way::Revert,
        Some(path) if takes_nonce(world, subject, unit) => Way::Redeploy(path),
        from => Way::Recreate(from),
    };
    Some(Return { to, way, record })
}

/// The savepoint that the upgrade stopped the old version with.
fn last_path(subject: &Subject<'_>) -> Option<String> {
    subject.ledger?.applied.iter().find_map(|applied| applied.from.clone())
}

/// Whether the operator restores a named savepoint in place. Where Git itself has a nonce, ours could not be
/// taken away again: going back to Git's would restore once more.
pub fn takes_nonce(world: World<'_>, subject: &Subject<'_>, unit: &Unit) -> bool {
    let in_git = |unit: &Unit| unit.manifest.at(NONCE).is_some_and(|nonce| !nonce.is_null());
    knows_nonce(world, subject) && !in_git(unit) && !subject.unit.is_some_and(in_git)
}

/// Whether the operator has `savepointRedeployNonce`.
pub fn knows_nonce(world: World<'_>, subject: &Subject<'_>) -> bool {
    subject.release(world) >= Release::V1_8
}

/// Decides about a unit that goes back.
pub fn go_back(subject: &Subject<'_>, back: &Return<'_>) -> Decision {
    let decision = match back.way {
        Way::Redeploy(_) => Decision::new(Action::Update, Effect::Restore, State::Replaced),
        Way::Recreate(_) => recreate(subject),
        Way::Revert if !subject.has_acted() => Decision::new(Action::Update, Effect::None, State::Kept),
        Way::Revert => revert(&back.to),
    };
    let reason = held::of(subject).map_or_else(String::new, |held| format!(": {}", held.reason));
    decision.because(format!("goes back to {}{reason}", back.record.revision.short()))
}

fn revert(to: &Subject<'_>) -> Decision {
    if matches!(to.written_mode(), Some("savepoint" | "last-state")) {
        return Decision::new(Action::Update, Effect::UpgradeFromSavepoint, State::Kept);
    }
    // What was consented to once is not consented to for this.
    let Restart { effect, state, needs, blocked, .. } = restart::of(to);
    let missing = needs.map(|(_, missing)| Blocked::new(BlockedBy::Consent, missing));
    Decision::new(Action::Update, effect, state).blocked(blocked).blocked(missing)
}

fn recreate(subject: &Subject<'_>) -> Decision {
    let Some(live) = subject.live else {
        return Decision::new(Action::Create, Effect::Create, State::Replaced);
    };
    let deleting = live.deleting_since().is_some();
    Decision::anew(subject, State::Replaced)
        .blocked(deleting.then(|| Blocked::new(BlockedBy::Gate, "waits until the old object is gone")))
}
