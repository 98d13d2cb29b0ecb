//! A snapshot: what changes in it does nothing any more, and what leaves Git keeps its savepoint, since the operator
//! would delete that with it.

use serde_json::json;

use super::outcome::{Action, Blocked, BlockedBy, Effect, FieldEffect, State, Step, StepKind};
use super::patch::Patch;
use super::record;
use super::remove::{self, Stage};
use super::subject::{Decision, Subject, World};
use super::tasks::{self, task};
use super::write::Task;
use crate::flink::kind::UnitKey;
use crate::flink::snapshot::{DISPOSES, disposed, is_over};

/// What a changed field of a snapshot does.
pub fn effect(path: &str) -> (FieldEffect, Option<String>) {
    let note = match path {
        DISPOSES => {
            "says whether the operator deletes the savepoint with it; flinkops has it keep the savepoint"
        }
        _ => "no effect: the operator takes a snapshot once, and another one has another name",
    };
    (FieldEffect::None, Some(note.into()))
}

/// A new snapshot: its job, which must have settled, runs on.
pub fn create() -> Decision {
    Decision::new(Action::Create, Effect::Snapshot, State::None)
}

/// How far a snapshot is on its way to be deleted: one whose savepoint would go with it is stuck.
pub fn stage(subject: &Subject<'_>) -> Stage {
    if !is_over(&subject.status) {
        let state = &subject.verdict.message;
        return Stage::Busy(format!("{state}: a snapshot that is deleted before it is over hangs for ever"));
    }
    match disposed(subject.live_spec(), &subject.status) {
        Some(path) => Stage::Stuck(format!("the operator would delete the savepoint {path} with it")),
        None => Stage::Disposable,
    }
}

/// What deleting it does to its savepoint: nothing, unless a person consented to the loss.
pub fn stop(world: World<'_>, subject: &Subject<'_>, consent: Option<&String>) -> Decision {
    let decision = |state| Decision::new(Action::Delete, Effect::Delete, state);
    let stage = stage(subject);
    let spares = matches!((&stage, consent), (Stage::Stuck(_), None));
    let decision = match (stage, consent) {
        (Stage::Busy(why), _) => decision(State::Kept).blocked(Blocked::new(BlockedBy::Gate, why)),
        (Stage::Stuck(_), Some(_)) => decision(State::Dropped)
            .because("its savepoint goes with it, by consent")
            .blocked(job_is_down(world, subject)),
        (Stage::Stuck(why), None) => decision(State::Kept).because(format!(
            "{why}, so disposeOnDelete is turned off first; for the savepoint to go too, consent in flinkops.yaml: \
             removed: [{{name: {}, allow: {{stateLoss: \"<why>\"}}}}]",
            subject.key.name
        )),
        _ => decision(if savepoint(subject).is_some() { State::Kept } else { State::None }),
    };
    let first = spares.then_some(StepKind::Update);
    let steps = first.into_iter().chain([StepKind::Delete, StepKind::WaitGone]);
    Decision { steps: steps.map(|what| Step { what, unit: subject.key.clone() }).collect(), ..decision }
}

/// The operator deletes a savepoint through the job that took it.
fn job_is_down(world: World<'_>, subject: &Subject<'_>) -> Option<Blocked> {
    let job = subject.key.refers_to(subject.live_spec())?;
    let live = world.live.units.get(&job);
    let runs = live.is_some_and(|live| live.operator_status().job == "RUNNING");
    let UnitKey { name, .. } = &job;
    let message = format!("the operator deletes a savepoint only while {name} runs, and would wait for ever");
    (!runs).then(|| Blocked::on(BlockedBy::Gate, job.clone(), message))
}

/// The savepoint that it led to; a checkpoint is Flink's own.
fn savepoint<'s>(subject: &'s Subject<'_>) -> Option<&'s str> {
    let is_savepoint = subject.live_spec().get("savepoint").is_some();
    subject.status.savepoint.as_deref().filter(|_| is_savepoint)
}

/// The next write on the way to its deletion: the savepoint is spared and put on record, and then it goes (S9).
pub fn remove(world: World<'_>, subject: &Subject<'_>, decision: &Decision) -> Option<Task> {
    let live = subject.live?;
    let path = savepoint(subject).filter(|_| decision.state == State::Kept);
    if let (Some(path), Stage::Stuck(_)) = (path, remove::stage(subject)) {
        let spare = Patch::of(live).set(DISPOSES, json!(false));
        return Some(task(subject, spare.write(), "Updating", format!("keeps the savepoint {path}")));
    }
    record::released(world, subject, path)
        .or_else(|| Some(task(subject, tasks::delete(subject, live), "Deleting", tasks::describe(decision))))
}
