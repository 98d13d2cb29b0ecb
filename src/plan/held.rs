//! A unit that is held after a failure (S23): what keeps it from being tried again, and until when it is waited for.
//!
//! It stays what it is. What its state needs is done all the same, and never with what Git wants of it: it starts
//! again after its session cluster's change, and is restored where it is lost.

use jiff::Timestamp;

use super::failure::{failed_at, never_settled_at};
use super::ledger::{ANNOTATION_HASH, BackTo, Held};
use super::live::LiveObject;
use super::operation::Purpose;
use super::outcome::{Blocked, BlockedBy};
use super::subject::{Subject, World};
use crate::flink::health::Health;
use crate::spec::Unit;

/// The hold that is in force: for exactly what Git wants.
pub fn of<'a>(subject: &Subject<'a>) -> Option<&'a Held> {
    let held = subject.ledger?.held.as_ref()?;
    (subject.unit.is_some() && held.hash == subject.hash).then_some(held)
}

/// Whether a live object holds what the unit was to go back to.
pub fn is_back(live: &LiveObject, back_to: &BackTo) -> bool {
    live.annotation(ANNOTATION_HASH) == Some(&back_to.hash) && live.deleting_since().is_none()
}

/// Whether the unit is held at an earlier revision, and is there.
fn is_held_back(subject: &Subject<'_>) -> bool {
    let back_to = of(subject).and_then(|held| held.back_to.as_ref());
    back_to.zip(subject.live).is_some_and(|(back_to, live)| is_back(live, back_to))
}

/// Whether the unit is held at something else than Git wants: at an earlier revision, or at what it was when its
/// change did not come about.
pub fn is_elsewhere(subject: &Subject<'_>) -> bool {
    let Some((held, live)) = of(subject).zip(subject.live) else { return false };
    let written = live.annotation(ANNOTATION_HASH).is_some_and(|hash| hash != subject.hash);
    let stays = held.back_to.is_none() && written && !subject.changes.is_empty();
    is_held_back(subject) || (stays && live.deleting_since().is_none())
}

/// The unit as it is, where that is something else than Git wants: as its revision has it if that can be read.
pub fn as_it_is<'a>(world: World<'a>, subject: &Subject<'a>) -> Option<Subject<'a>> {
    let hash = subject.live.filter(|_| is_elsewhere(subject))?.annotation(ANNOTATION_HASH)?;
    let known = Subject::of(world, &subject.key, world.desired.previous.get(&subject.key));
    let is_it = known.unit.is_some() && known.hash == hash;
    Some(if is_it { known } else { Subject::of(world, &subject.key, None::<&Unit>) })
}

/// What keeps a unit from being tried again; while it is still on its way back, that it is.
pub fn keeps(world: World<'_>, subject: &Subject<'_>) -> Option<Blocked> {
    let held = of(subject)?;
    let name = &subject.key.name;
    let retry = format!("`flinkops retry {name}` tries it again");
    let Some(back_to) = &held.back_to else {
        if comes_back(world, subject, held.since) {
            let message = format!("held: {}; is restored: {}", held.reason, subject.describe(world.now));
            return Some(Blocked::new(BlockedBy::Gate, message));
        }
        if subject.is_healthy() && !subject.held(world, 1) {
            let message =
                format!("held: {}; {}, not for long enough yet", held.reason, subject.describe(world.now));
            return Some(Blocked::new(BlockedBy::Gate, message));
        }
        return Some(Blocked::new(BlockedBy::Held, format!("held: {}; {retry}", held.reason)));
    };
    let to = back_to.revision.short();
    if !is_held_back(subject) {
        let why =
            if subject.live.is_none() { "was deleted outside flinkops" } else { "cannot be read there" };
        let message = format!("held: {}; would go back to {to}, but {why}; {retry}", held.reason);
        return Some(Blocked::new(BlockedBy::Held, message));
    }
    let well = is_well(world, subject);
    let applied = subject.ledger.and_then(|ledger| ledger.applied.first());
    let was_well = applied.filter(|it| it.hash == back_to.hash).and_then(|it| it.settled);
    let way = match was_well {
        None if !well && !fails(world, subject) => Some("goes back to"),
        Some(settled) if comes_back(world, subject, settled) => Some("is restored as it was at"),
        _ => None,
    };
    if let Some(way) = way {
        let message = format!("{way} {to}: {}", subject.describe(world.now));
        return Some(Blocked::new(BlockedBy::Gate, message));
    }
    let ill = if well || subject.is_healthy() {
        String::new()
    } else {
        format!(" ({} there too)", subject.verdict.message)
    };
    let message = format!("held at {to}: {}{ill}; {retry}", held.reason);
    Some(Blocked::new(BlockedBy::Held, message))
}

/// Whether a unit was restored after this time, and is on its way since.
fn comes_back(world: World<'_>, subject: &Subject<'_>, after: Timestamp) -> bool {
    let is_back = |purpose| matches!(purpose, Purpose::Rescue | Purpose::Restore | Purpose::Rollback);
    let mark = subject.operation.as_ref();
    let restored = mark.is_some_and(|mark| is_back(mark.purpose) && mark.since > after);
    restored && !is_well(world, subject) && !fails(world, subject)
}

/// Whether a unit is not well, and has been so for too long.
fn fails(world: World<'_>, subject: &Subject<'_>) -> bool {
    let lost = subject.holds_at(world, 1).filter(|_| subject.verdict.health == Health::Lost);
    let times = [failed_at(world, subject), never_settled_at(world, subject), lost];
    times.into_iter().flatten().any(|at| at <= world.now)
}

/// Whether a unit is well, and has been for long enough.
pub fn is_well(world: World<'_>, subject: &Subject<'_>) -> bool {
    subject.is_healthy() && subject.held(world, 1)
}

/// When a unit that is held may be well, or have got back, by the mere passing of time.
pub fn there_at(world: World<'_>, subject: &Subject<'_>) -> Option<Timestamp> {
    let mends = of(subject).is_some() && subject.is_healthy();
    let at = [subject.holds_at(world, 1), failed_at(world, subject), never_settled_at(world, subject)];
    at.into_iter().flatten().filter(|at| (mends || is_held_back(subject)) && *at > world.now).min()
}
