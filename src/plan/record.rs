//! What is written down, and when: savepoints before the step that needs them, the rest afterwards.

use std::collections::BTreeSet;

use super::checkpoint;
use super::consent::{self, Consent};
use super::failure::{self, Return};
use super::fields::FieldHashes;
use super::gate;
use super::held;
use super::ignored;
use super::ledger::{ANNOTATION_HASH, Applied, Held, Ledger, Marker, Reason, Savepoint, UsedConsent};
use super::live::LiveObject;
use super::operation::{Purpose, savepoint_of};
use super::remove::{self, Stage};
use super::rename;
use super::restarted;
use super::subject::{Subject, World};
use super::write::{Task, Write};
use crate::flink::health::Health;
use crate::flink::kind::UnitKey;
use crate::flink::savepoint::{LAST_STATE_DUMMY, is_checkpoint};

/// The bookkeeping a unit needs that is as Git wants it; `None` where the record is up to date.
pub fn bookkeeping(world: World<'_>, subject: &Subject<'_>) -> Option<Task> {
    let live = subject.live?;
    subject.unit?;
    let mut ledger = subject.ledger.cloned().unwrap_or_default();
    live.uid().clone_into(&mut ledger.uid);
    ledger.others.clear();
    ledger.depends_on =
        gate::edges(subject).into_iter().map(|(on, _)| on.to_string()).collect::<BTreeSet<_>>();
    if ledger.applied.first().is_none_or(|applied| applied.hash != subject.hash) {
        ledger.fields = FieldHashes::of(&subject.wanted);
        let from = ledger.last_savepoint().map(|savepoint| savepoint.path.clone());
        let revision = world.desired.revision().clone();
        let applied = Applied::new(revision, &subject.hash, live.generation(), world.now);
        ledger.apply(Applied { from, ..applied });
    }
    savepoints(world, subject, &mut ledger);
    checkpoint::forget(subject, &mut ledger);
    checkpoint::note(world, subject, &mut ledger);
    let applied = subject.ledger != Some(&ledger);
    let settled = note_settled(world, subject, &mut ledger);
    if settled {
        restarted::note(subject, &mut ledger);
        consent::settled(subject, &mut ledger);
    }
    if settled || ledger.held.as_ref().is_some_and(|held| held.hash != subject.hash) {
        ledger.held = None;
    } else if ledger.held.is_none() {
        // What the upgrade was stopped with is in the same record (S9).
        ledger.held = failure::hold(world, subject);
    }
    let message = match &ledger.held {
        Some(_) => "holds the change",
        None if applied => "applied",
        None => "settled",
    };
    task(world, subject, &ledger, message)
}

/// Notes that what was applied last has settled; answers whether it is so now.
fn note_settled(world: World<'_>, subject: &Subject<'_>, ledger: &mut Ledger) -> bool {
    let settled = held::is_well(world, subject);
    if let Some(applied) = ledger.applied.first_mut().filter(|applied| settled && applied.settled.is_none()) {
        applied.settled = Some(world.now);
    }
    settled
}

/// Notes, before a unit goes back, that what it goes back to is what was applied last: so it is neither
/// pending nor drift.
pub fn goes_back(world: World<'_>, subject: &Subject<'_>, back: &Return<'_>) -> Option<Task> {
    let mut ledger = subject.ledger?.clone();
    if ledger.applied.first().is_none_or(|applied| applied.hash != back.record.hash) {
        ledger.fields = FieldHashes::of(&back.to.wanted);
        let generation = subject.live.map_or(0, LiveObject::generation);
        let (revision, hash) = (back.record.revision.clone(), &back.record.hash);
        let from = back.record.from.clone();
        ledger.apply(Applied { from, ..Applied::new(revision, hash, generation, world.now) });
    }
    task(world, subject, &ledger, "goes back")
}

/// Lets a unit go that is created again as it was, from this savepoint: its absence is our doing, and the
/// savepoint is what it starts from (S16).
pub fn let_go_back(world: World<'_>, subject: &Subject<'_>, path: Option<&str>) -> Option<Task> {
    let mut ledger = subject.ledger?.clone();
    ledger.uid.clear();
    ledger.others = ignored::luggage(world, subject);
    ledger.clear_final();
    if let Some(path) = path {
        let checkpoint = ledger.checkpoint.take().filter(|checkpoint| checkpoint.path == path);
        ledger.set_final(path, || match checkpoint {
            Some(checkpoint) => Savepoint { last: true, ..checkpoint.to_savepoint() },
            None => savepoint(world, subject, path, Reason::Upgrade, true),
        });
    }
    task(world, subject, &ledger, "lets it go, to go back")
}

/// The bookkeeping of a unit that is held at an earlier revision.
pub fn stays_back(world: World<'_>, subject: &Subject<'_>) -> Option<Task> {
    let (live, mut ledger) = (subject.live?, subject.ledger?.clone());
    live.uid().clone_into(&mut ledger.uid);
    ledger.others.clear();
    if is_running(subject) {
        ledger.clear_final();
    }
    checkpoint::forget(subject, &mut ledger);
    checkpoint::note(world, subject, &mut ledger);
    let is_known =
        ledger.applied.first().is_some_and(|it| live.annotation(ANNOTATION_HASH) == Some(&it.hash));
    if is_known && note_settled(world, subject, &mut ledger) {
        consent::settled(subject, &mut ledger);
    }
    let restored = subject.operation.as_ref().is_some_and(|mark| mark.purpose == Purpose::Rescue);
    task(world, subject, &ledger, if restored { "is restored, and stays held" } else { "went back" })
}

/// What is noted of a unit that cannot be read, or is held: once its job runs again, no savepoint is its last (S16).
pub fn runs_again(world: World<'_>, subject: &Subject<'_>) -> Option<Task> {
    let mut ledger = subject.ledger.filter(|_| is_running(subject))?.clone();
    subject.live?.uid().clone_into(&mut ledger.uid);
    ledger.clear_final();
    task(world, subject, &ledger, "runs again")
}

/// What is noted of the unit that this one was: now that it runs under its new name, the savepoint it went on
/// from is no end of the old one's any more (S16, S18).
pub fn moved_on(world: World<'_>, subject: &Subject<'_>) -> Option<Task> {
    let by_name = || subject.unit.and_then(|unit| rename::before(world, unit));
    let old =
        is_running(subject).then(|| by_name().or_else(|| rename::predecessor(world, subject))).flatten()?;
    let known = world.live.ledger(&old).filter(|_| !world.live.units.contains_key(&old))?;
    let mut ledger = known.clone();
    ledger.clear_final();
    ledger.others.clear();
    let object = ledger.to_config_map(&world.desired.repository, &world.desired.environment, &old);
    (ledger != *known).then(|| Task {
        unit: Some(subject.key.clone()),
        write: create_or_replace(object, &ledger.resource_version),
        reason: "Recorded",
        message: format!("runs on as {}", subject.key.name),
        event: false,
    })
}

fn is_running(subject: &Subject<'_>) -> bool {
    subject.verdict.health == Health::Settled && !subject.is_suspended()
}

/// Keeps the list of savepoints true: a job that runs has none that is final, one that Git stopped has.
fn savepoints(world: World<'_>, subject: &Subject<'_>, ledger: &mut Ledger) {
    if is_running(subject) {
        ledger.clear_final();
    }
    // The operator writes it down as soon as it has acted, whether or not the new version ever runs.
    let seen = subject.status.savepoint.as_deref().filter(|path| is_savepoint(path));
    let seen = seen.filter(|path| subject.has_acted() && !subject.is_suspended() && !ledger.knows(path));
    if let Some(path) = seen {
        let reason = if subject.role.has_job() { Reason::Upgrade } else { Reason::Snapshot };
        ledger.add_savepoint(savepoint(world, subject, path, reason, false));
        let applied = ledger.applied.first_mut().filter(|_| subject.status.savepoint_is_final);
        if let Some(applied) = applied.filter(|it| it.from.is_none() && it.settled.is_none()) {
            applied.from = Some(path.to_owned());
        }
    }
    let stopped = subject.live.filter(|_| subject.role.is_operable()).and_then(savepoint_of);
    let by_git = subject.operation.as_ref().is_none_or(|operation| operation.purpose == Purpose::Suspend);
    if let Some(path) = stopped.filter(|path| by_git && !ledger.is_final(path)) {
        ledger.add_savepoint(savepoint(world, subject, &path, Reason::Suspend, true));
    }
}

/// Whether a restore path is a savepoint and not a checkpoint, which its job will delete.
pub fn is_savepoint(path: &str) -> bool {
    path != LAST_STATE_DUMMY && !is_checkpoint(path)
}

fn savepoint(world: World<'_>, subject: &Subject<'_>, path: &str, reason: Reason, last: bool) -> Savepoint {
    let path = path.to_owned();
    Savepoint { path, time: world.now, flink_version: flink_version(world, subject), reason, last }
}

/// The Flink that the job runs on, or ran on as it was stopped: that of its cluster as it is, and not as Git wants it.
pub fn flink_version(world: World<'_>, subject: &Subject<'_>) -> Option<String> {
    let cluster = subject.key.cluster(subject.live_spec());
    let spec = cluster.map_or(Some(subject.live_spec()), |on| Some(world.live.units.get(&on)?.spec()));
    Some(spec?.get("flinkVersion")?.as_str()?.to_owned())
}

/// Records the last checkpoint of a job that cannot be saved any more, before its cluster goes, which alone still
/// tells of it (S9, S13).
pub fn retained(world: World<'_>, subject: &Subject<'_>) -> Option<Task> {
    let told = world.live.states.get(&subject.key)?.as_ref().ok()?;
    let checkpoint = told.checkpoint.as_ref()?;
    let mut ledger = subject.ledger.cloned().unwrap_or_default();
    let newest = ledger.savepoints.first().is_none_or(|known| known.time < checkpoint.time);
    if newest && !ledger.knows(&checkpoint.path) {
        let point = savepoint(world, subject, &checkpoint.path, Reason::Checkpoint, false);
        ledger.add_savepoint(Savepoint { time: checkpoint.time, ..point });
    }
    task(world, subject, &ledger, &format!("records its last checkpoint, {}", checkpoint.path))
}

/// Records the savepoint a job was stopped with, before anything that would lose it (S9).
pub fn stopped(world: World<'_>, subject: &Subject<'_>, path: &str) -> Option<Task> {
    let reason = match subject.operation.as_ref().map(|operation| operation.purpose) {
        Some(Purpose::ClusterChange) => Reason::ClusterChange,
        Some(Purpose::Delete) => Reason::Delete,
        Some(Purpose::Recreate) => Reason::Recreate,
        _ => Reason::Suspend,
    };
    let mut ledger = subject.ledger.cloned().unwrap_or_default();
    if !ledger.is_final(path) {
        ledger.clear_final();
        ledger.add_savepoint(savepoint(world, subject, path, reason, true));
    }
    task(world, subject, &ledger, &format!("records savepoint {path}"))
}

/// Binds the consents of the job's file to this change, before the first write that needs them (S21).
pub fn consented(world: World<'_>, subject: &Subject<'_>, consents: &[Consent]) -> Option<Task> {
    let mut ledger = subject.ledger.cloned().unwrap_or_default();
    consent::note(subject, consents, world.now, &mut ledger);
    let known = subject.ledger.map_or(ledger.consents.is_empty(), |known| known.consents == ledger.consents);
    task(world, subject, &ledger, "notes what the consent is used for").filter(|_| !known)
}

/// Lets a unit go, before it is deleted: from here on its absence is our doing.
pub fn released(world: World<'_>, subject: &Subject<'_>, path: Option<&str>) -> Option<Task> {
    let mut ledger = subject.ledger.cloned().unwrap_or_default();
    ledger.uid.clear();
    ledger.held = None;
    ledger.others = ignored::luggage(world, subject);
    let stuck = matches!(remove::stage(subject), Stage::Stuck(_)) && subject.unit.is_none();
    if let (Some(reason), Some(live), true) = (remove::consent(world, subject).0, subject.live, stuck) {
        ledger.consent = Some(UsedConsent { uid: live.uid().to_owned(), reason: reason.clone() });
    }
    if let Some(path) = path.filter(|path| !subject.role.has_job() && !ledger.knows(path)) {
        ledger.add_savepoint(savepoint(world, subject, path, Reason::Snapshot, false));
    } else if let Some(path) = path.filter(|path| subject.role.has_job() && !ledger.is_final(path)) {
        let reason = subject.operation.as_ref().map_or(Reason::Delete, |operation| match operation.purpose {
            Purpose::Recreate => Reason::Recreate,
            _ => Reason::Delete,
        });
        ledger.clear_final();
        ledger.add_savepoint(savepoint(world, subject, path, reason, true));
    }
    if path.is_none() {
        ledger.clear_final();
        ledger.checkpoint = None;
    }
    let message = path.map_or("lets it go".into(), |path| format!("lets it go, with savepoint {path}"));
    task(world, subject, &ledger, &message)
}

/// Holds a unit at its hash after a failure (S23).
pub fn held(world: World<'_>, subject: &Subject<'_>, reason: &str) -> Option<Task> {
    let mut ledger = subject.ledger.cloned().unwrap_or_default();
    let (hash, reason) = (subject.hash.clone(), reason.to_owned());
    ledger.held = Some(Held { hash, reason, since: world.now, back_to: None });
    task(world, subject, &ledger, "holds the change")
}

/// Takes the hold of a unit away.
pub fn retried(world: World<'_>, unit: &UnitKey) -> Option<(Held, Task)> {
    let mut ledger = world.live.ledger(unit)?.clone();
    let held = ledger.held.take()?;
    Some((held, task(world, &Subject::new(world, unit), &ledger, "tries the change again")?))
}

/// A write of the ledger, unless it says so already.
pub fn task(world: World<'_>, subject: &Subject<'_>, ledger: &Ledger, message: &str) -> Option<Task> {
    if subject.ledger == Some(ledger) {
        return None;
    }
    let desired = world.desired;
    let object = ledger.to_config_map(&desired.repository, &desired.environment, &subject.key);
    Some(Task {
        unit: Some(subject.key.clone()),
        write: create_or_replace(object, &ledger.resource_version),
        reason: "Recorded",
        message: message.to_owned(),
        event: false,
    })
}

fn create_or_replace(mut object: serde_json::Value, resource_version: &str) -> Write {
    if resource_version.is_empty() {
        return Write::Create { object };
    }
    object["metadata"]["resourceVersion"] = serde_json::json!(resource_version);
    Write::Replace { object }
}

/// The markers to write: pins the repository where it is not yet (S2), and the revision once all of it
/// is applied (S3).
pub fn markers(world: World<'_>, complete: bool) -> Vec<Task> {
    let desired = world.desired;
    let namespaces: BTreeSet<&String> = desired
        .units
        .keys()
        .map(|key| &key.namespace)
        .chain(desired.companions.keys().map(|key| &key.namespace))
        .chain(world.live.markers.keys())
        .collect();
    namespaces.into_iter().filter_map(|namespace| marker(world, namespace, complete)).collect()
}

fn marker(world: World<'_>, namespace: &str, complete: bool) -> Option<Task> {
    let desired = world.desired;
    let known = world.live.markers.get(namespace);
    if known.is_some_and(|marker| marker.identity != desired.origin.identity) {
        return None;
    }
    let mut marker = known.cloned().unwrap_or(Marker {
        identity: desired.origin.identity.clone(),
        revisions: std::collections::BTreeMap::new(),
        resource_version: String::new(),
    });
    if complete {
        marker.revisions.insert(desired.environment.clone(), desired.revision().clone());
    }
    if known == Some(&marker) {
        return None;
    }
    let object = marker.to_config_map(&desired.repository, namespace);
    Some(Task {
        unit: None,
        write: create_or_replace(object, &marker.resource_version),
        reason: "Recorded",
        message: match known {
            None => format!("marks namespace {namespace} as this repository's"),
            Some(_) => format!("notes in namespace {namespace} that the revision is applied in full"),
        },
        event: false,
    })
}
