//! A consent in a job's own file covers one change: the one it was first used for (S21).
//!
//! What it was used for is the unit's rendered hash, and it is in the ledger before the write that needed it.
//! The next change that needs one is covered by other words only: whoever wrote the first did not know it. That
//! may be one at the same hash: a job that is lost once more, a field that is changed by hand once more.

use jiff::Timestamp;

use super::held;
use super::ledger::{ConsentFor, Ledger};
use super::operation::Purpose;
use super::outcome::{Blocked, BlockedBy};
use super::subject::Subject;
use crate::spec::Consents;

/// A consent that a job's file may give, by its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consent {
    /// `allow.stateLoss`.
    StateLoss,
    /// `allow.recreate`.
    Recreate,
    /// `adopt`.
    Adopt,
}

impl Consent {
    /// The field in `job.yaml`, which is its name in the ledger too.
    pub fn field(self) -> &'static str {
        match self {
            Self::StateLoss => "allow.stateLoss",
            Self::Recreate => "allow.recreate",
            Self::Adopt => "adopt",
        }
    }

    fn of(self, consents: &Consents) -> Option<&String> {
        match self {
            Self::StateLoss => consents.state_loss.as_ref(),
            Self::Recreate => consents.recreate.as_ref(),
            Self::Adopt => consents.adopt.as_ref(),
        }
    }

    /// The reason that is given for what is to be done to this unit now.
    pub fn given<'a>(self, subject: &Subject<'a>) -> Option<&'a String> {
        let reason = self.written(subject)?;
        self.spent(subject).is_none().then_some(reason)
    }

    /// Why it is not given: `missing`, or that what is written was used for something else.
    pub fn lack(self, subject: &Subject<'_>, missing: &str) -> Option<Blocked> {
        if self.given(subject).is_some() {
            return None;
        }
        let message = match self.spent(subject) {
            Some(used) => format!(
                "{missing}; the consent {} (\"{}\") was used for {} and does not cover this change: give it again in \
                 other words",
                self.field(),
                used.reason,
                used.hash.get(..8).unwrap_or(&used.hash)
            ),
            None => missing.to_owned(),
        };
        Some(Blocked::new(BlockedBy::Consent, message))
    }

    fn written<'a>(self, subject: &Subject<'a>) -> Option<&'a String> {
        self.of(&subject.unit?.consents)
    }

    /// What the words that are written were used for, where that is another change than this. One that was
    /// begun for an earlier revision is finished for the next.
    fn spent<'a>(self, subject: &Subject<'a>) -> Option<&'a ConsentFor> {
        let used = subject.ledger.and_then(|ledger| ledger.consents.get(self.field()))?;
        let under_way = subject.kept_down().is_some_and(|operation| operation.target == used.hash);
        let other = used.hash != subject.hash && !under_way;
        let spent = other || used.done || was_restored(subject, used);
        (spent && self.written(subject) == Some(&used.reason)).then_some(used)
    }
}

/// Whether the job was restored by this consent. Its mark tells also where nobody was there to see it settle.
fn was_restored(subject: &Subject<'_>, used: &ConsentFor) -> bool {
    subject.operation.as_ref().filter(|mark| mark.since >= used.time).is_some_and(|mark| match mark.purpose {
        Purpose::Rescue | Purpose::Restore => mark.target == used.hash,
        // Created again as it is held.
        Purpose::Rollback => is_of_hold(subject, used),
        _ => false,
    })
}

/// Whether it was used while the unit is held: for its rescue, and not for the change that it is held for.
fn is_of_hold(subject: &Subject<'_>, used: &ConsentFor) -> bool {
    held::of(subject).is_some_and(|held| held.hash == used.hash && used.time >= held.since)
}

/// The record with what is about to be used; the same where it says so already.
pub fn note(subject: &Subject<'_>, consents: &[Consent], now: Timestamp, ledger: &mut Ledger) {
    for consent in consents {
        let Some(reason) = consent.given(subject) else { continue };
        let known = ledger.consents.get(consent.field());
        if known.is_none_or(|known| known.reason != *reason) {
            let (hash, reason) = (subject.hash.clone(), reason.clone());
            let used = ConsentFor { hash, reason, time: now, done: false };
            ledger.consents.insert(consent.field().to_owned(), used);
        }
    }
}

/// Notes that what the unit is now has settled: what was used for it is used up. Where it is held, that is what was
/// used for its rescue.
pub fn settled(subject: &Subject<'_>, ledger: &mut Ledger) {
    let is_held = held::is_elsewhere(subject);
    let covers = |used: &&mut ConsentFor| {
        if is_held { is_of_hold(subject, used) } else { used.hash == subject.hash }
    };
    for used in ledger.consents.values_mut().filter(covers) {
        used.done = true;
    }
}
