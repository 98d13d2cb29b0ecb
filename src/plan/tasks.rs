//! From a decision to the requests that may be sent for it right now.

use std::collections::BTreeMap;

use serde_json::json;

use super::astray;
use super::carry::{self, Passenger};
use super::checkpoint;
use super::decide::resume_mark;
use super::failure;
use super::fleet::Fleet;
use super::gate::{self, Gate};
use super::guard;
use super::held;
use super::ignored;
use super::live::LiveObject;
use super::operation::{NONCE, Operation, PATH, Purpose};
use super::outcome::{Action, Blocked, BlockedBy, CompanionPlan, Effect};
use super::patch::{self, Patch};
use super::record;
use super::remove::{self, Stage};
use super::rename;
use super::rescue;
use super::snapshot;
use super::subject::{Decision, Ownership, Subject, World};
use super::write::{Task, Write};
use crate::flink::health::Health;
use crate::flink::kind::Role;
use crate::spec::Unit;
use crate::spec::policy::Mode;

/// Everything decided, in the order of the subjects.
pub struct Board<'a> {
    /// Both sides and the time.
    pub world: World<'a>,
    /// The units.
    pub fleet: &'a Fleet<'a>,
    /// The decision about each.
    pub decisions: &'a [Decision],
    /// The folders whose companions are not there yet.
    pub unready: &'a BTreeMap<&'a str, &'a CompanionPlan>,
}

impl<'a> Board<'a> {
    /// What may be written for one unit right now. What Flink has just told of a job comes before what touches it.
    pub fn next(&self, index: usize, gate: &Gate) -> Vec<Task> {
        let first = |task: &Task| {
            let job = self.fleet.get(task.unit.as_ref()?).filter(|_| task.event)?;
            checkpoint::record(self.world, job)
        };
        let tasks = self.requests(index, gate);
        tasks.into_iter().map(|task| first(&task).unwrap_or(task)).collect()
    }

    fn requests(&self, index: usize, gate: &Gate) -> Vec<Task> {
        let (subject, decision) = (&self.fleet.subjects[index], &self.decisions[index]);
        if subject.ownership != Ownership::Ours && decision.action == Action::Keep
            || self.is_read_only(subject)
        {
            return Vec::new();
        }
        if self.world.desired.carried.contains(&subject.key) {
            return self.carry_back(subject, decision, gate).into_iter().collect();
        }
        if let Some(write) = rescue::unhang(self.world, subject) {
            let message = "is let go by an operator that waits for a job that is gone";
            return vec![task(subject, write, "Deleting", message)];
        }
        if let Some(back) = failure::returning(self.world, subject) {
            let open = decision.blocked.is_none() && gate.open;
            return if open { self.go_back(subject, &back).into_iter().collect() } else { Vec::new() };
        }
        if held::is_elsewhere(subject) {
            return self.stay(subject, decision, gate);
        }
        if decision.action == Action::Keep {
            let record = match decision.blocked {
                None => record::bookkeeping(self.world, subject),
                Some(_) => record::runs_again(self.world, subject),
            };
            return record.into_iter().chain(record::moved_on(self.world, subject)).collect();
        }
        if let Some(blocked) = &decision.blocked {
            return self.undo(subject, blocked.by).into_iter().collect();
        }
        if decision.action == Action::Resume {
            return self.resume(subject, subject.unit, gate).into_iter().collect();
        }
        let waits = subject.unit.is_some_and(|unit| self.unready.contains_key(unit.folder.as_str()));
        if !gate.open || waits {
            return Vec::new();
        }
        self.go(subject, decision)
    }

    fn is_read_only(&self, subject: &Subject<'_>) -> bool {
        subject.policy(self.world).mode == Mode::Report
            || subject.frozen().is_some()
            || guard::foreign(self.world, &subject.key.namespace).is_some()
    }

    /// What the state of a unit needs that is held at something else than Git wants; else its record is kept true.
    fn stay(&self, subject: &Subject<'a>, decision: &Decision, gate: &Gate) -> Vec<Task> {
        let tasks = match decision.effect {
            _ if decision.blocked.is_some() => Vec::new(),
            Effect::Restore | Effect::Recreate if gate.open => self.go(subject, decision),
            Effect::Restore | Effect::Recreate => Vec::new(),
            _ => self.carry_back(subject, decision, gate).into_iter().collect(),
        };
        if tasks.is_empty() { record::stays_back(self.world, subject).into_iter().collect() } else { tasks }
    }

    fn go(&self, subject: &Subject<'a>, decision: &Decision) -> Vec<Task> {
        if let Some(record) = record::consented(self.world, subject, &decision.consents) {
            return vec![record];
        }
        if let (Effect::Restore | Effect::Recreate, Some(rescue)) =
            (decision.effect, rescue::of(self.world, subject))
            && let Some(task) = self.rescue(subject, decision, &rescue)
        {
            return vec![task];
        }
        if let (Action::Recreate, Some((path, _))) = (decision.action, astray::of(subject))
            && !subject.is_leaving()
        {
            return self.let_go(subject, decision, path).into_iter().collect();
        }
        match (decision.action, subject.unit) {
            (Action::Create, Some(unit)) => vec![self.create(subject, unit)],
            (Action::Delete | Action::Recreate, _) => self.remove(subject, decision).into_iter().collect(),
            _ if carry::restarts_cluster(decision) => self.change_cluster(subject, decision),
            _ => self.update(subject, decision).into_iter().collect(),
        }
    }

    fn create(&self, subject: &Subject<'a>, unit: &Unit) -> Task {
        let revision = self.world.desired.revision();
        let mut object = patch::manifest(self.world.desired, unit, revision, &subject.hash);
        let restores = unit.named_savepoint().is_none() && !unit.consents.fresh;
        let stopped = rename::origin(self.world, subject).filter(|_| restores);
        let mut message = "creates".to_owned();
        if let Some(savepoint) = stopped.filter(|_| subject.role.is_operable()) {
            let operation = Operation {
                restored_from: Some(savepoint.path.clone()),
                ..Operation::new(Purpose::Restore, &subject.hash, self.world.now)
            };
            patch::set(&mut object, PATH, json!(savepoint.path));
            patch::mark(&mut object, &operation);
            message = format!("creates from savepoint {}", savepoint.path);
        }
        let others = ignored::inherited(self.world, subject);
        if !others.is_empty() {
            ignored::restore(&mut object, &others);
            message = format!("{message}, with {} as others left it", ignored::names(&others));
        }
        task(subject, Write::Create { object }, "Creating", message)
    }

    fn update(&self, subject: &Subject<'_>, decision: &Decision) -> Option<Task> {
        let (unit, live) = (subject.unit?, subject.live?);
        let stop = decision.action == Action::Suspend;
        let operation = stop.then(|| Operation::stop(Purpose::Suspend, &subject.hash, live, self.world.now));
        let patch = Patch::of(live).changes(unit, live, &subject.changes);
        let patch =
            if stop { patch.mark(operation.as_ref()) } else { finish(patch, subject, unit, decision.effect) };
        let patch = patch.provenance(unit, self.world.desired.revision(), &subject.hash);
        let reason = match (decision.action, decision.adopt) {
            (Action::Suspend, _) => "Suspending",
            (_, true) => "Adopting",
            _ => "Updating",
        };
        Some(task(subject, patch.write(), reason, describe(decision)))
    }

    /// S12: every job is safe before the cluster is touched.
    fn change_cluster(&self, cluster: &Subject<'_>, decision: &Decision) -> Vec<Task> {
        let jobs = self.fleet.jobs(&cluster.key);
        let passengers: Vec<_> = if carry::is_down(cluster) {
            Vec::new()
        } else {
            jobs.map(|job| (job, carry::passenger(self.world, cluster, job))).collect()
        };
        let unsafe_yet = |passenger: &Passenger| {
            matches!(
                passenger,
                Passenger::Stop | Passenger::Stopping | Passenger::Stopped(_) | Passenger::Busy(_)
            )
        };
        if passengers.iter().any(|(_, passenger)| unsafe_yet(passenger)) {
            return passengers
                .iter()
                .filter_map(|(job, passenger)| self.carry(cluster, job, passenger))
                .collect();
        }
        // What is on record of those that are not saved, should they not come back (S9).
        let last = |(job, passenger): &(&Subject<'_>, Passenger)| match passenger {
            Passenger::Dead => Some((record::retained(self.world, job)?, false)),
            Passenger::Recovers => Some((checkpoint::record(self.world, job)?, self.notes_by_itself(job))),
            _ => None,
        };
        let last: Vec<_> = passengers.iter().filter_map(last).collect();
        if !last.is_empty() {
            return last.into_iter().filter(|(_, noted)| !noted).map(|(task, _)| task).collect();
        }
        self.update(cluster, decision).into_iter().collect()
    }

    /// Whether what Flink told of a job is written down for its own sake.
    fn notes_by_itself(&self, job: &Subject<'_>) -> bool {
        let rests = |i: usize| {
            let Decision { action, blocked, .. } = &self.decisions[i];
            *action == Action::Keep && blocked.is_none()
        };
        self.fleet.position(&job.key).is_some_and(rests) && !self.is_read_only(job)
    }

    fn carry(&self, cluster: &Subject<'_>, job: &Subject<'_>, passenger: &Passenger) -> Option<Task> {
        match passenger {
            Passenger::Stop => {
                let mark = carry::mark(job, cluster, self.world.now)?;
                let message = format!("stops with a savepoint, since {} changes", cluster.key.name);
                Some(task(job, stop(job, &mark)?, "Suspending", message))
            }
            Passenger::Stopped(path) => record::stopped(self.world, job, path),
            _ => None,
        }
    }

    fn remove(&self, subject: &Subject<'_>, decision: &Decision) -> Option<Task> {
        let live = subject.live.filter(|live| live.deleting_since().is_none())?;
        if let Some(record) = record::moved_on(self.world, subject) {
            return Some(record);
        }
        if subject.role == Role::Snapshot {
            return snapshot::remove(self.world, subject, decision);
        }
        let stage = remove::stage(subject);
        let path = match &stage {
            Stage::Stoppable => {
                let mark =
                    Operation::stop(remove::purpose(decision.action), &subject.hash, live, self.world.now);
                let message = "stops with a savepoint, to be deleted";
                return Some(task(subject, stop(subject, &mark)?, "Suspending", message));
            }
            Stage::Stopping | Stage::Busy(_) => return None,
            Stage::Stopped(path) => Some(path.as_str()),
            Stage::Disposable | Stage::Stuck(_) => None,
        };
        record::released(self.world, subject, path)
            .or_else(|| Some(task(subject, delete(subject, live), "Deleting", describe(decision))))
    }

    /// A job that flinkops stopped starts again: as Git wants it, or as it was where Git does not matter.
    fn resume(&self, subject: &Subject<'a>, unit: Option<&Unit>, gate: &Gate) -> Option<Task> {
        match unit {
            Some(unit) if gate.open => self.start(subject, unit),
            None if gate.open => self.revert(subject),
            _ => self.put_back(subject, gate.blocked.as_ref().map(|blocked| blocked.by)),
        }
    }

    fn start(&self, subject: &Subject<'a>, unit: &Unit) -> Option<Task> {
        let live = subject.live?;
        let mark = resume_mark(subject, self.world.now).filter(|_| subject.operation.is_some());
        let mut patch = Patch::of(live).changes(unit, live, &subject.changes);
        patch = patch.mark(mark.as_ref());
        if subject.role.is_operable() {
            patch = patch.raw(unit, "/spec/job/state");
        }
        if mark.is_none() && subject.role.is_operable() {
            patch = patch.raw(unit, "/spec/job/upgradeMode");
        }
        let patch = patch.provenance(unit, self.world.desired.revision(), &subject.hash);
        Some(task(subject, patch.write(), "Resuming", "starts again from its savepoint"))
    }

    /// The cluster that a job goes back to as it was: what it was stopped for does not come about (S12), or
    /// its gate is not going to open, since what it waits for cannot be read (S20).
    fn home(&self, subject: &Subject<'a>, by: Option<BlockedBy>) -> Option<&Subject<'a>> {
        let position = self.fleet.position(&subject.key.cluster(subject.live_spec())?)?;
        let (cluster, decision) = (&self.fleet.subjects[position], &self.decisions[position]);
        let rests = decision.action == Action::Keep && decision.blocked.is_none();
        let given_up = !rests || subject.unit.is_none() || by == Some(BlockedBy::Unknown);
        (given_up && gate::stays(cluster, decision)).then_some(cluster)
    }

    fn put_back(&self, subject: &Subject<'a>, by: Option<BlockedBy>) -> Option<Task> {
        let ready = gate::takes_back(self.world, self.home(subject, by)?);
        ready.then(|| self.revert(subject)).flatten()
    }

    /// What a stopped job waits for that goes back by itself: no person need do anything.
    pub fn way_back(&self, index: usize, gate: &Gate) -> Option<Blocked> {
        let (subject, decision) = (&self.fleet.subjects[index], &self.decisions[index]);
        let resumes = decision.action == Action::Resume && decision.blocked.is_none() && !gate.open;
        let by = gate.blocked.as_ref().map(|blocked| blocked.by);
        let cluster = self.home(subject, by).filter(|_| resumes && !self.is_read_only(subject))?;
        let message = format!("goes back as it was, as soon as {} can take it", cluster.key.name);
        let comes = matches!(cluster.verdict.health, Health::Settled | Health::Progressing);
        comes.then(|| Blocked::new(BlockedBy::Gate, message))
    }

    /// The cluster has changed, and the job goes on as it was: only that was meant.
    fn carry_back(&self, subject: &Subject<'a>, decision: &Decision, gate: &Gate) -> Option<Task> {
        let mode = &subject.operation.as_ref()?.upgrade_mode;
        match decision.action {
            Action::Resume => self.resume(subject, None, gate),
            Action::Update => {
                let patch = Patch::of(subject.live?).set("/spec/job/upgradeMode", json!(mode)).mark(None);
                Some(task(subject, patch.write(), "Resuming", "has its own upgrade mode again"))
            }
            _ => None,
        }
    }

    /// Undoes a stop of ours: the spec that was there runs again, from the savepoint if one was taken.
    fn revert(&self, subject: &Subject<'_>) -> Option<Task> {
        let (operation, live) = (subject.kept_down()?, subject.live?);
        let restores = matches!(operation.upgrade_mode.as_deref(), Some("savepoint" | "last-state"));
        let mark = (!restores).then(|| Operation {
            upgrade_mode: operation.upgrade_mode.clone(),
            ..Operation::new(Purpose::Resume, &subject.hash, self.world.now)
        });
        let mut patch = Patch::of(live).set("/spec/job/state", json!("running")).mark(mark.as_ref());
        if restores {
            patch = patch.set("/spec/job/upgradeMode", json!(operation.upgrade_mode));
        }
        Some(task(subject, patch.write(), "Resuming", "starts again as it was".to_owned()))
    }

    /// What is done although the action is blocked: the failure is written down, and stops are undone.
    fn undo(&self, subject: &Subject<'a>, by: BlockedBy) -> Option<Task> {
        if by != BlockedBy::Held {
            let purpose = subject.operation.as_ref().map(|operation| operation.purpose);
            return self.put_back(subject, Some(by)).filter(|_| purpose == Some(Purpose::ClusterChange));
        }
        let held = subject.ledger.and_then(|ledger| ledger.held.as_ref());
        if held.is_none_or(|held| held.hash != subject.hash) {
            return record::held(
                self.world,
                subject,
                "a job took no savepoint within policy.savepointTimeout",
            );
        }
        self.revert(subject)
    }
}

/// Clears what a mark of ours left behind, once it has served its purpose.
pub fn finish(patch: Patch, subject: &Subject<'_>, unit: &Unit, effect: Effect) -> Patch {
    let Some(operation) = &subject.operation else { return patch };
    match operation.purpose {
        // The savepoint it was created from stays named until the job restarts anyway.
        Purpose::Restore | Purpose::Rollback | Purpose::Rescue if effect <= Effect::Metadata => patch,
        Purpose::Restore => patch.raw(unit, PATH).mark(None),
        Purpose::Rollback | Purpose::Rescue if operation.restored_from.is_some() => {
            patch.raw(unit, PATH).raw(unit, NONCE).mark(None)
        }
        Purpose::Rollback | Purpose::Rescue | Purpose::Suspend => patch.mark(None),
        Purpose::Resume => patch.raw(unit, "/spec/job/upgradeMode").mark(None),
        _ => patch.raw(unit, "/spec/job/state").raw(unit, "/spec/job/upgradeMode").mark(None),
    }
}

/// Deletes exactly what the plan saw.
pub fn delete(subject: &Subject<'_>, live: &LiveObject) -> Write {
    Write::Delete {
        key: (&subject.key).into(),
        uid: live.uid().to_owned(),
        resource_version: live.resource_version().to_owned(),
    }
}

/// S8: a stop of our own always takes a savepoint.
fn stop(job: &Subject<'_>, mark: &Operation) -> Option<Write> {
    let patch = Patch::of(job.live?)
        .set("/spec/job/state", json!("suspended"))
        .set("/spec/job/upgradeMode", json!("savepoint"))
        .mark(Some(mark));
    Some(patch.write())
}

/// A write worth an Event.
pub fn task(subject: &Subject<'_>, write: Write, reason: &'static str, message: impl Into<String>) -> Task {
    Task { unit: Some(subject.key.clone()), write, reason, message: message.into(), event: true }
}

/// What a decision does, in words.
pub fn describe(decision: &Decision) -> String {
    let verb = match decision.action {
        Action::Suspend => "suspends",
        Action::Delete => "deletes",
        Action::Recreate => "deletes, to create it again",
        _ => match decision.effect {
            Effect::None | Effect::Metadata | Effect::Snapshot => "updates",
            Effect::Rescale => "rescales",
            Effect::UpgradeFromSavepoint => "upgrades from savepoint",
            Effect::UpgradeFromLastState => "upgrades from last state",
            Effect::RestartCluster => "restarts the session cluster",
            Effect::Rerun => "runs again",
            Effect::Restore => "restores from the named savepoint",
            Effect::StatelessRestart => "restarts without state",
            _ => "changes",
        },
    };
    match decision.reasons.first() {
        Some(reason) => format!("{verb}: {reason}"),
        None => verb.to_owned(),
    }
}
