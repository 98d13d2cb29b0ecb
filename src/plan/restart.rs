//! What a restart of a job or a cluster makes of the state, and whose consent it needs (S10, S17).

use super::consent::Consent;
use super::outcome::{Action, Blocked, BlockedBy, Effect, State};
use super::subject::{Decision, Subject};
use crate::flink::blue_green::is_between;
use crate::flink::config::LAST_STATE_FALLBACK;
use crate::flink::health::Health;
use crate::flink::kind::Role;

/// How a unit is restarted.
pub struct Restart {
    /// What it does to the job.
    pub effect: Effect,
    /// What becomes of the state.
    pub state: State,
    /// Why it is not what the upgrade mode says.
    pub reason: Option<String>,
    /// The consent it needs, and the words for one that is missing.
    pub needs: Option<(Consent, &'static str)>,
    /// What no consent helps against.
    pub blocked: Option<Blocked>,
}

impl Restart {
    fn new(effect: Effect, state: State) -> Self {
        Self { effect, state, reason: None, needs: None, blocked: None }
    }

    fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    fn refused(self, message: &str) -> Self {
        Self { blocked: Some(Blocked::new(BlockedBy::Consent, message)), ..self }
    }

    fn needs(self, consent: Consent, missing: &'static str) -> Self {
        Self { needs: Some((consent, missing)), ..self }
    }

    /// The decision about a unit whose restart this is.
    pub fn decision(self, action: Action, effect: Effect, subject: &Subject<'_>) -> Decision {
        let decision = Decision::new(action, effect, self.state).blocked(self.blocked);
        let decision = match self.needs {
            Some((consent, missing)) => decision.needs(consent, subject, missing),
            None => decision,
        };
        self.reason.into_iter().fold(decision, Decision::because)
    }
}

/// What a restart of this unit would be.
pub fn of(subject: &Subject<'_>) -> Restart {
    if subject.role == Role::SessionCluster {
        return Restart::new(Effect::RestartCluster, State::None);
    }
    if subject.status.is_finished() {
        return Restart::new(Effect::Rerun, State::None);
    }
    if subject.verdict.health == Health::Lost && !subject.is_stateless_by_words() {
        let message = "is lost: the operator waits for a job that is gone and does not act on changes; name a restore \
                       point in job.initialSavepointPath with a new job.savepointRedeployNonce";
        return Restart::new(Effect::UpgradeFromSavepoint, State::Unknown).refused(message);
    }
    if subject.role == Role::BlueGreen && is_between(&subject.status) {
        let message = format!(
            "{}: a change now would go into the deployment that is starting",
            subject.verdict.message
        );
        let blocked = Some(Blocked::new(BlockedBy::Gate, message));
        return Restart { blocked, ..Restart::new(Effect::UpgradeFromSavepoint, State::Kept) };
    }
    let stateless = |state| Restart::new(Effect::StatelessRestart, state);
    if subject.is_made_stateless() {
        let message = "would lose its state: its FlinkEnvironment lays upgradeMode: stateless over it; consent with \
                       allow.stateLoss, or take that out of the environment";
        return stateless(State::Dropped).needs(Consent::StateLoss, message);
    }
    match subject.written_mode() {
        // Of a blue/green deployment a savepoint is taken in either mode.
        Some("savepoint" | "last-state") if subject.role == Role::BlueGreen => beside(subject),
        Some("savepoint") => from_savepoint(subject),
        Some("last-state") => from_last_state(subject),
        Some(_) => stateless(if subject.keeps_state() { State::Dropped } else { State::None }),
        None if subject.keeps_state() => {
            let message = "would lose its state: job.upgradeMode is not written, so the operator restarts it stateless \
                           although it keeps checkpoints; write savepoint, last-state, or stateless to consent";
            stateless(State::Dropped).needs(Consent::StateLoss, message)
        }
        None => stateless(State::None),
    }
}

/// The next deployment starts from a savepoint of the one that runs on beside it; where that does not run, the
/// operator gives the change up for good (`checkAndInitiateDeployment`).
fn beside(subject: &Subject<'_>) -> Restart {
    let restart = Restart::new(Effect::UpgradeFromSavepoint, State::Kept);
    let starting =
        subject.status.lifecycle.is_empty() || subject.status.lifecycle.starts_with("INITIALIZING");
    if starting || subject.status.job == "RUNNING" || subject.verdict.health.is_failure() {
        return restart;
    }
    let message =
        format!("{}: the operator gives up a change of one that does not run", subject.verdict.message);
    Restart { blocked: Some(Blocked::new(BlockedBy::Gate, message)), ..restart }
}

/// A savepoint can be taken only of a job that runs (`AbstractJobReconciler.getJobUpgrade`).
fn from_savepoint(subject: &Subject<'_>) -> Restart {
    let restart = Restart::new(Effect::UpgradeFromSavepoint, State::Kept);
    let job = &subject.status.job;
    if is_running(subject) {
        return restart;
    }
    let fallback =
        subject.configuration().get(LAST_STATE_FALLBACK).is_none_or(|it| !it.eq_ignore_ascii_case("false"));
    if fallback || changes_version(subject) {
        Restart::new(Effect::UpgradeFromLastState, State::Kept)
            .because(format!("the job is {job}: the operator takes its last state, not a savepoint"))
    } else {
        restart.because(format!(
            "the job is {job}: the operator waits until it runs, as {LAST_STATE_FALLBACK} is off"
        ))
    }
}

/// The last state of one Flink version is not read by another.
fn from_last_state(subject: &Subject<'_>) -> Restart {
    if changes_version(subject) && is_running(subject) && subject.has_savepoint_dir() {
        return Restart::new(Effect::UpgradeFromSavepoint, State::Kept)
            .because("goes to another Flink version: the operator takes a savepoint, not the last state");
    }
    Restart::new(Effect::UpgradeFromLastState, State::Kept)
}

fn changes_version(subject: &Subject<'_>) -> bool {
    subject.changes.iter().any(|change| change.path.ends_with("/spec/flinkVersion"))
}

/// Whether the job runs, as far as its status tells.
fn is_running(subject: &Subject<'_>) -> bool {
    matches!(subject.status.job.as_str(), "RUNNING" | "")
}
