//! Guards against deleting too much: unreadable folders, foreign repositories, mass deletion (S1 to S3).

use super::ledger::ANNOTATION_SOURCE;
use super::live::Live;
use super::outcome::{Action, Blocked, BlockedBy};
use super::rename;
use super::subject::{Decision, Subject, World};
use crate::spec::Desired;
use crate::spec::desired::{Movement, Unknown};
use crate::spec::source::{Revision, WORKING_DIRECTORY};

/// How the revision relates to the one the marker says was applied last (S3); `descends` says whether the
/// first of two commits comes after the second.
pub fn movement(
    desired: &Desired,
    live: &Live,
    descends: impl FnOnce(&Revision, &Revision) -> bool,
) -> Movement {
    let (marker, new) = (live.markers.get(&desired.namespace), desired.revision());
    let Some(last) = marker.and_then(|marker| marker.revisions.get(&desired.environment)) else {
        return desired.movement;
    };
    // A working directory has no place in the history.
    let committed = desired.origin.committed && last.as_str() != WORKING_DIRECTORY;
    if !committed || last == new || descends(new, last) { Movement::Forward } else { Movement::Rewritten }
}

/// Blocks what the guards forbid.
pub fn apply(world: World<'_>, subjects: &[Subject<'_>], decisions: &mut [Decision]) {
    rename::unsaid(world, subjects, decisions);
    // One that goes on under another name is not lost.
    let is_counted = |(subject, decision): &(&Subject<'_>, &Decision)| {
        decision.action == Action::Delete
            && decision.blocked.is_none()
            && rename::after(world, &subject.key).next().is_none()
    };
    let count = subjects.iter().zip(decisions.iter()).filter(is_counted).count();
    let reason = against_deletes(world, count);
    for (subject, decision) in subjects.iter().zip(decisions.iter_mut()) {
        if let Some(message) = foreign(world, &subject.key.namespace) {
            if decision.action != Action::Keep {
                decision.blocked = Some(guard(message));
            }
        } else if decision.action == Action::Delete {
            decision.blocked = decision.blocked.take().or_else(|| reason.clone());
        }
    }
}

fn guard(message: String) -> Blocked {
    Blocked::new(BlockedBy::Guard, message)
}

/// The folder of a live unit that is not among Git's because that folder could not be read.
pub fn unread<'a>(world: World<'a>, subject: &Subject<'_>) -> Option<&'a Unknown> {
    let source = subject.live.and_then(|live| live.annotation(ANNOTATION_SOURCE));
    world.desired.unknown.iter().filter(|_| subject.unit.is_none()).find(|unknown| {
        Some(unknown.folder.as_str()) == source || unknown.name.as_deref() == Some(&subject.key.name)
    })
}

/// Why no unit may be deleted in this plan.
fn against_deletes(world: World<'_>, count: usize) -> Option<Blocked> {
    let desired = world.desired;
    if let Some(unknown) = desired.unknown.first() {
        let folder = if unknown.folder.is_empty() { "the repository" } else { &unknown.folder };
        let message = format!("nothing is deleted while {folder} cannot be read");
        return Some(Blocked::new(BlockedBy::Unknown, message));
    }
    if desired.confirm_deletes.is_some_and(|confirmed| count <= confirmed) {
        return None;
    }
    let confirm = format!("confirm with --confirm-deletes {count}, or `confirm: {count}` in flinkops.yaml");
    let max = desired.policy.prune.max_deletes;
    if desired.units.is_empty() {
        Some(guard(format!("the environment has no units at all any more; {confirm}")))
    } else if desired.movement == Movement::Rewritten {
        Some(guard(format!("the branch was rewritten since the last apply; {confirm}")))
    } else if count > max {
        Some(guard(format!(
            "{count} units would be deleted, more than policy.prune.maxDeletes ({max}); {confirm}"
        )))
    } else {
        None
    }
}

/// S2: the namespace is pinned to another repository of the same name.
pub fn foreign(world: World<'_>, namespace: &str) -> Option<String> {
    let marker = world.live.markers.get(namespace)?;
    let ours = &world.desired.origin.identity;
    (marker.identity != *ours).then(|| {
        format!(
            "namespace {namespace} belongs to the repository `{}` at {}, and this one is {ours}; give this one \
             another name in flinkops.yaml, or delete ConfigMap {} if the repository has moved",
            world.desired.repository,
            marker.identity,
            super::ledger::Marker::name(&world.desired.repository),
        )
    })
}
