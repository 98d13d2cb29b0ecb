//! The requests that bring an earlier state of a unit back: its last version (S23), or its last savepoint (S13).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::failure::{Return, Way};
use super::held;
use super::ignored;
use super::ledger::BackTo;
use super::operation::{NONCE, Operation, PATH, Purpose};
use super::outcome::{Action, Effect};
use super::patch::{self, Patch};
use super::record;
use super::rescue::Rescue;
use super::subject::{Decision, Subject};
use super::tasks::{Board, delete, describe, finish, task};
use super::write::{Task, Write};

impl<'a> Board<'a> {
    /// The unit becomes what it was, one write at a time; each is found to be done by the next plan.
    pub fn go_back(&self, subject: &Subject<'a>, back: &Return<'a>) -> Option<Task> {
        if let Some(noted) = record::goes_back(self.world, subject, back) {
            return Some(noted);
        }
        let message = format!("goes back to {}", back.record.revision.short());
        let Some(live) = subject.live else {
            return Some(task(subject, self.create_as_it_was(subject, back)?, "RollingBack", message));
        };
        let unit = back.to.unit?;
        if let Way::Recreate(savepoint) = &back.way {
            let live = Some(live).filter(|live| live.deleting_since().is_none())?;
            let released = record::let_go_back(self.world, subject, savepoint.as_deref());
            return released.or_else(|| Some(task(subject, delete(subject, live), "Deleting", message)));
        }
        let change = Patch::of(live).changes(unit, live, &back.to.changes);
        let change = finish(change, subject, unit, Effect::Restore);
        let change = change.provenance(unit, &back.record.revision, &back.record.hash);
        let savepoint = match &back.way {
            Way::Redeploy(savepoint) => Some(savepoint),
            _ => None,
        };
        let mark = self.mark(Purpose::Rollback, &back.record.hash, savepoint);
        let change = self.restore(change, savepoint).mark(Some(&mark));
        Some(task(subject, change.write(), "RollingBack", message))
    }

    fn create_as_it_was(&self, subject: &Subject<'a>, back: &Return<'a>) -> Option<Write> {
        let Way::Recreate(savepoint) = &back.way else { return None };
        let BackTo { revision, hash, .. } = back.record;
        let mut object = patch::manifest(self.world.desired, back.to.unit?, revision, hash);
        if let Some(savepoint) = savepoint {
            patch::set(&mut object, PATH, json!(savepoint));
        }
        // S5: what is left to others comes back with it.
        ignored::restore(&mut object, &ignored::inherited(self.world, subject));
        patch::mark(&mut object, &self.mark(Purpose::Rollback, &back.record.hash, savepoint.as_ref()));
        Some(Write::Create { object })
    }

    /// A lost job is restored in place, or let go and created again from its savepoint.
    pub fn rescue(&self, subject: &Subject<'_>, decision: &Decision, rescue: &Rescue<'_>) -> Option<Task> {
        let (live, savepoint) = (subject.live?, rescue.from.as_ref()?);
        if decision.action == Action::Recreate {
            return self.let_go(subject, decision, savepoint);
        }
        let mut change = Patch::of(live);
        if let Some(unit) = rescue.at.unit {
            change = change.changes(unit, live, &rescue.at.changes);
            change = finish(change, subject, unit, Effect::Restore);
            if !held::is_elsewhere(subject) {
                change = change.provenance(unit, self.world.desired.revision(), &subject.hash);
            }
        }
        // Of a unit that is held, too, it leads to what Git wants by now: a consent is to that.
        let mark = self.mark(Purpose::Rescue, &subject.hash, Some(savepoint));
        let change = self.restore(change, Some(savepoint)).mark(Some(&mark));
        Some(task(subject, change.write(), "Restoring", describe(decision)))
    }

    /// Deletes a unit that is created again from this savepoint, once that is on record (S9).
    pub fn let_go(&self, subject: &Subject<'_>, decision: &Decision, savepoint: &str) -> Option<Task> {
        let live = subject.live?;
        let released = record::let_go_back(self.world, subject, Some(savepoint));
        released.or_else(|| Some(task(subject, delete(subject, live), "Deleting", describe(decision))))
    }

    fn mark(&self, purpose: Purpose, target: &str, savepoint: Option<&String>) -> Operation {
        let restored_from = savepoint.cloned();
        Operation { restored_from, ..Operation::new(purpose, target, self.world.now) }
    }

    /// Has the operator restore a savepoint. A nonce must be another than any before it, so it is the time.
    fn restore(&self, change: Patch, savepoint: Option<&String>) -> Patch {
        match savepoint {
            Some(savepoint) => change.set(PATH, json!(savepoint)).set(NONCE, nonce(self.world.now)),
            None => change,
        }
    }
}

fn nonce(now: Timestamp) -> Value {
    json!(now.as_second())
}
