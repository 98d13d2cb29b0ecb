//! A unit that had another name before (S18): its old self is stopped, recorded and deleted as any unit that
//! leaves, and only then the new one is created, from that savepoint. The two never run side by side.

use super::ledger::{Ledger, Savepoint};
use super::live::{Live, LiveObject};
use super::operation::Operation;
use super::outcome::{Action, Blocked, BlockedBy, State};
use super::remove::{self, Stage};
use super::subject::{Decision, Ownership, Subject, World, ownership};
use crate::flink::canonical::{differences, leaves};
use crate::flink::kind::{Kind, Role, UnitKey};
use crate::flink::savepoint::normalise;
use crate::spec::{Desired, Unit};

/// Who a unit was before, as far as the cluster or its records know: of its own kind, else of the other.
pub fn before(world: World<'_>, unit: &Unit) -> Option<UnitKey> {
    old_self(world.desired, world.live, unit)
}

/// The same, at no time in particular.
pub fn old_self(desired: &Desired, live: &Live, unit: &Unit) -> Option<UnitKey> {
    let keys = namesakes(unit)?;
    let gone = |key: &&UnitKey| **key != unit.key && !desired.units.contains_key(*key);
    let is_live = |key: &&UnitKey| {
        live.units.get(*key).is_some_and(|object| {
            Role::of(key.kind, object.spec()).is_operable() && ownership(desired, object) == Ownership::Ours
        })
    };
    let recorded = |key: &&UnitKey| !live.units.contains_key(*key) && live.ledgers.contains_key(*key);
    let mut known = keys.iter().filter(gone);
    known.clone().find(is_live).or_else(|| known.find(recorded)).cloned()
}

/// Everything that `renamedFrom` may mean.
fn namesakes(unit: &Unit) -> Option<[UnitKey; 2]> {
    let name = unit.consents.renamed_from.as_ref().filter(|_| unit.role.is_operable())?;
    let other = match unit.key.kind {
        Kind::FlinkSessionJob => Kind::FlinkDeployment,
        _ => Kind::FlinkSessionJob,
    };
    Some([unit.key.kind, other].map(|kind| UnitKey::new(&unit.key.namespace, kind, name)))
}

/// The units, not in the cluster yet, that one which leaves is to become.
pub fn after<'a>(world: World<'a>, key: &UnitKey) -> impl Iterator<Item = &'a Unit> {
    let units = world.desired.units.values().filter(move |unit| !world.live.units.contains_key(&unit.key));
    units.filter(move |unit| before(world, unit).as_ref() == Some(key))
}

/// The old self of a unit that is to be created, while it is still in the cluster.
pub fn leaving<'a>(world: World<'a>, unit: &Unit) -> Option<Subject<'a>> {
    let old = before(world, unit)?;
    world.live.units.contains_key(&old).then(|| Subject::new(world, &old))
}

/// The savepoint that a unit starts from by itself: its own final one (S16) or that of the unit it was (S18),
/// whichever is the younger.
///
/// One that vanished from the cluster has run since it was renamed, and starts from no savepoint of before.
pub fn origin<'a>(world: World<'a>, subject: &Subject<'a>) -> Option<&'a Savepoint> {
    let own = subject.ledger.and_then(Ledger::last_savepoint);
    let vanished = subject.ledger.is_some_and(|ledger| !ledger.uid.is_empty());
    let old = subject.unit.filter(|_| !vanished).and_then(|unit| before(world, unit));
    let inherited = old.and_then(|old| world.live.ledger(&old)?.last_savepoint());
    own.into_iter().chain(inherited).max_by_key(|savepoint| savepoint.time)
}

/// Whose final savepoint a live unit was created from, be it in Git or not.
pub fn predecessor(world: World<'_>, subject: &Subject<'_>) -> Option<UnitKey> {
    let path = subject.operation.as_ref()?.restored_from.as_ref()?;
    let mut ledgers = world.live.ledgers.iter().filter(|(key, _)| **key != subject.key);
    ledgers.find(|(_, ledger)| ledger.is_final(path)).map(|(key, _)| key.clone())
}

/// Who goes on from a savepoint already, and so must be gone before another may.
pub fn taken(world: World<'_>, subject: &Subject<'_>, savepoint: &Savepoint) -> Option<Blocked> {
    let path = normalise(&savepoint.path);
    let goes_on = |live: &LiveObject| {
        let from = Operation::of(live).and_then(|operation| operation.restored_from);
        from.is_some_and(|from| normalise(&from) == path)
    };
    let (heir, _) = world.live.units.iter().find(|(key, live)| **key != subject.key && goes_on(live))?;
    let name = &heir.name;
    let message = format!(
        "{name} went on from {} already, and two of one job are not to run side by side: to go back to this name with \
         its state write renamedFrom: {name}",
        savepoint.path
    );
    Some(Blocked::on(BlockedBy::Guard, heir.clone(), message))
}

/// What becomes of the state of a unit whose old self is still to be stopped.
pub fn state(old: &Subject<'_>) -> State {
    match remove::stage(old) {
        Stage::Disposable => State::None,
        Stage::Stuck(_) => State::Dropped,
        _ => State::Kept,
    }
}

/// What is wrong with a `renamedFrom` that has something to do yet.
pub fn mistake(world: World<'_>, unit: &Unit) -> Option<Blocked> {
    let keys = namesakes(unit)?;
    let name = &keys[0].name;
    let message = if let Some(old) = before(world, unit) {
        let other = after(world, &old).find(|other| other.key != unit.key)?;
        format!(
            "renamedFrom: {name} stands in the file of {} too: only one can go on from it",
            other.key.name
        )
    } else {
        let stays = |key: &&UnitKey| **key != unit.key && world.desired.units.contains_key(*key);
        keys.iter().find(stays)?;
        format!("renamedFrom: {name}, which is in Git still: remove its folder, or this field")
    };
    Some(Blocked::new(BlockedBy::Policy, message))
}

/// What stands in the way of a delete and a create that look like one job with a new name.
pub fn unsaid(world: World<'_>, subjects: &[Subject<'_>], decisions: &mut [Decision]) {
    let old: Vec<usize> = (0..subjects.len())
        .filter(|&i| {
            decisions[i].action == Action::Delete
                && leaves_git(&subjects[i])
                && after(world, &subjects[i].key).next().is_none()
        })
        .collect();
    if old.is_empty() {
        return;
    }
    for new in 0..subjects.len() {
        let unit = arrives(world, &subjects[new]).filter(|_| decisions[new].action == Action::Create);
        let Some(unit) = unit else { continue };
        let is_twin = |&&old: &&usize| {
            subjects[old].key.namespace == unit.key.namespace
                && is_near(subjects[old].live_spec(), unit.deployment())
        };
        let Some(&old) = old.iter().find(is_twin) else { continue };
        let (left, came) = (&subjects[old].key.name, &unit.key.name);
        let hint = format!(
            "write renamedFrom: {left} in the file of {came} to go on with its state, or onCreate: fresh to begin with nothing"
        );
        block(&mut decisions[old], format!("looks like {came}, which came in its place: {hint}"));
        block(&mut decisions[new], format!("looks like {left}, which left Git: {hint}"));
    }
}

/// A unit with a job that is new, and whose file does not say what it starts from.
fn arrives<'a>(world: World<'a>, subject: &Subject<'a>) -> Option<&'a Unit> {
    let unit = subject.unit.filter(|unit| unit.role.has_job() && subject.live.is_none())?;
    let said = unit.consents.fresh || before(world, unit).is_some();
    (!said && unit.named_savepoint().is_none() && origin(world, subject).is_none()).then_some(unit)
}

/// A unit with state to lose that left Git, before anything was done about it.
fn leaves_git(subject: &Subject<'_>) -> bool {
    let begun =
        subject.kept_down().is_some() || subject.live.is_none_or(|live| live.deleting_since().is_some());
    !begun
        && subject.unit.is_none()
        && subject.ownership == Ownership::Ours
        && subject.role.has_job()
        && remove::stage(subject) != Stage::Disposable
}

fn block(decision: &mut Decision, message: String) {
    decision.blocked = decision.blocked.take().or_else(|| Some(Blocked::new(BlockedBy::Guard, message)));
}

/// Whether two specs run the same program, of whatever version, and differ in two fields at most.
fn is_near(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    const PASSING: [&str; 3] = ["/spec/job/state", "/spec/job/upgradeMode", "/spec/job/initialSavepointPath"];
    const PROGRAM: [&str; 3] = ["/spec/job/jarURI", "/spec/job/entryClass", "/spec/job/args"];
    let image = |spec: &serde_json::Value| {
        let image = spec.get("image")?.as_str()?.split('@').next()?.to_owned();
        let tag = image.rfind(':').filter(|at| !image[*at..].contains('/'));
        Some(tag.map_or(image.clone(), |at| image[..at].to_owned()))
    };
    if image(one) != image(other) {
        return false;
    }
    let (one, other) = (leaves(one), leaves(other));
    let differ = differences(&one, &other);
    let differ: Vec<&str> =
        differ.iter().map(|(path, ..)| *path).filter(|path| !PASSING.contains(path)).collect();
    differ.len() <= 2 && !differ.iter().any(|path| PROGRAM.iter().any(|program| path.starts_with(program)))
}
