//! One unit seen from both sides: all that is known of it before anything is decided.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::cause;
use super::compare::Comparison;
use super::consent::Consent;
use super::fields::Fields;
use super::ledger::{ANNOTATION_FREEZE, LABEL_ENVIRONMENT, LABEL_REPOSITORY, Ledger, Savepoint};
use super::live::{Live, LiveObject};
use super::operation::{Operation, Purpose, savepoint_of};
use super::outcome::{Action, Blocked, Change, Effect, FieldEffect, State, Step, StepKind};
use super::rescue;
use super::restarted;
use crate::flink::blue_green;
use crate::flink::config::{self, SAVEPOINT_DIR};
use crate::flink::health::{self, Health, Verdict};
use crate::flink::kind::{Kind, Role, UnitKey, maker};
use crate::flink::pointer::At as _;
use crate::flink::release::Release;
use crate::flink::savepoint::is_readable;
use crate::flink::snapshot::is_over;
use crate::flink::status::Status;
use crate::spec::{Desired, Finding, Policy, Unit};

/// How many times longer a session cluster must have been ready before its jobs count as settled (S15).
pub const CLUSTER_SETTLE: i32 = 3;

/// Both sides, and the time.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// What Git wants.
    pub desired: &'a Desired,
    /// What the cluster holds.
    pub live: &'a Live,
    /// The time of the plan.
    pub now: Timestamp,
}

/// Whose a live object is (S2, S4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It carries our labels.
    Ours,
    /// Nobody claims it.
    Nobody,
    /// Somebody else does; the words say who.
    Other(String),
}

/// What was decided about a unit, filled in step by step.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What is done.
    pub action: Action,
    /// Whether the live object is taken over.
    pub adopt: bool,
    /// The strongest effect.
    pub effect: Effect,
    /// What becomes of the state.
    pub state: State,
    /// What keeps it from starting.
    pub blocked: Option<Blocked>,
    /// The consents of the job's file that it makes use of (S21).
    pub consents: Vec<Consent>,
    /// Why there is something to do.
    pub reasons: Vec<String>,
    /// The way there.
    pub steps: Vec<Step>,
}

impl Decision {
    /// An action that may start as far as the unit itself is concerned.
    pub fn new(action: Action, effect: Effect, state: State) -> Self {
        Self {
            action,
            adopt: false,
            effect,
            state,
            blocked: None,
            consents: Vec::new(),
            reasons: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// The unit is deleted as it is, to be created again.
    pub fn anew(subject: &Subject<'_>, state: State) -> Self {
        let steps = [StepKind::Delete, StepKind::WaitGone];
        let steps = steps.map(|what| Step { what, unit: subject.key.clone() }).into();
        Self { steps, ..Self::new(Action::Recreate, Effect::Recreate, state) }
    }

    /// Nothing to do.
    pub fn keep() -> Self {
        Self::new(Action::Keep, Effect::None, State::Kept)
    }

    /// Adds a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reasons.push(reason.into());
        self
    }

    /// Adds what keeps it from starting, unless something else already does.
    #[must_use]
    pub fn blocked(mut self, blocked: impl Into<Option<Blocked>>) -> Self {
        self.blocked = self.blocked.or(blocked.into());
        self
    }

    /// Adds that a consent is needed; `missing` says why, and how to give it.
    #[must_use]
    pub fn needs(mut self, consent: Consent, subject: &Subject<'_>, missing: &str) -> Self {
        self.consents.push(consent);
        self.blocked(consent.lack(subject, missing))
    }
}

/// One unit of Git, of ours in the cluster, or both.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Its key.
    pub key: UnitKey,
    /// What it is, in Git where it is there.
    pub role: Role,
    /// As Git wants it.
    pub unit: Option<&'a Unit>,
    /// As the cluster has it.
    pub live: Option<&'a LiveObject>,
    /// What was recorded about it.
    pub ledger: Option<&'a Ledger>,
    /// The live status.
    pub status: Status,
    /// How the live object is doing.
    pub verdict: Verdict,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The mark of a temporary write of ours.
    pub operation: Option<Operation>,
    /// Whose the live object is.
    pub ownership: Ownership,
    /// What Git wants, leaf by leaf, without what the cluster would drop of it.
    pub wanted: Fields,
    /// The rendered hash.
    pub hash: String,
    /// The fields that differ.
    pub changes: Vec<Change>,
    /// What the cluster would drop of it or refuse.
    pub findings: Vec<Finding>,
    /// The cluster of a session job, in Git where it is there, else live.
    pub cluster_spec: Option<&'a Value>,
    /// What the environment of a Confluent application lays over it, where that is known.
    pub laid_over: Option<&'a Value>,
    /// What the operator is configured with, as far as Git states it.
    pub operator: &'a BTreeMap<String, String>,
}

impl<'a> Subject<'a> {
    /// Looks at one unit from both sides.
    pub fn new(world: World<'a>, key: &UnitKey) -> Self {
        Self::of(world, key, world.desired.units.get(key))
    }

    /// The same, with something else in the place of what Git wants.
    pub fn of(world: World<'a>, key: &UnitKey, unit: Option<&'a Unit>) -> Self {
        let live = world.live.units.get(key);
        let ledger = world.live.ledger(key);
        let spec = unit.map(Unit::spec).or(live.map(LiveObject::spec)).unwrap_or(&Value::Null);
        let status = live.map(LiveObject::operator_status).cloned().unwrap_or_default();
        let mut subject = Self {
            key: key.clone(),
            role: Role::of(key.kind, spec),
            unit,
            live,
            ledger,
            verdict: verdict(key.kind, live, &status),
            status,
            since: world.live.since.get(key).map(|since| since.at),
            operation: live.and_then(Operation::of),
            ownership: live.map_or(Ownership::Ours, |live| ownership(world.desired, live)),
            wanted: Fields::new(),
            hash: String::new(),
            changes: Vec::new(),
            findings: Vec::new(),
            cluster_spec: key.cluster(spec).and_then(|cluster| spec_of(world, &cluster)),
            laid_over: key
                .refers_to(spec)
                .filter(|on| on.kind == Kind::FlinkEnvironment)
                .and_then(|environment| spec_of(world, &environment)?.at("/flinkApplicationDefaults/spec")),
            operator: &world.desired.operator,
        };
        subject.want(world);
        let (changes, findings) = subject.compare();
        subject.changes = changes;
        subject.findings.extend(findings);
        subject.findings.extend(unit.and_then(|unit| cause::scaled(unit, &subject.changes)));
        subject.findings.extend(restarted::finding(world, &subject));
        subject.refuse(world);
        if let Some((verdict, since)) = rescue::under_way(world, &subject) {
            (subject.verdict, subject.since) = (verdict, since);
        }
        subject
    }

    fn compare(&self) -> (Vec<Change>, Vec<Finding>) {
        let (Some(unit), Some(live)) = (self.unit, self.live) else { return Default::default() };
        Comparison {
            unit,
            wanted: &self.wanted,
            hash: &self.hash,
            live,
            status: &self.status,
            ledger: self.ledger,
            operation: self.operation.as_ref(),
            cluster: self.cluster_spec,
            operator: self.operator,
        }
        .changes()
    }

    /// The policy in force: the unit's, or the environment's for one that left Git.
    pub fn policy<'b>(&self, world: World<'b>) -> &'b Policy
    where
        'a: 'b,
    {
        self.unit.map_or(&world.desired.policy, |unit| &unit.policy)
    }

    /// The live spec, of a blue/green deployment that of its template; null where there is none.
    pub fn live_spec(&self) -> &'a Value {
        self.live.map_or(&Value::Null, LiveObject::deployment)
    }

    /// The spec that matters for the job's state: the live one, since that is what runs.
    fn running_spec(&self) -> &'a Value {
        self.live.map(LiveObject::deployment).or(self.unit.map(Unit::deployment)).unwrap_or(&Value::Null)
    }

    /// `job.upgradeMode` as Git writes it; `None` where it is not written.
    pub fn written_mode(&self) -> Option<&'a str> {
        let spec = self.unit.map_or(self.live_spec(), Unit::deployment);
        spec.at("/job/upgradeMode").and_then(Value::as_str)
    }

    /// Whether the job is upgraded without its state although its own file does not say so.
    pub fn is_made_stateless(&self) -> bool {
        let laid = self.laid_over.and_then(|over| over.at("/job/upgradeMode")).and_then(Value::as_str);
        laid == Some("stateless") && !self.is_stateless_by_words()
    }

    /// Whether the file consents in words to stateless upgrades (S17).
    pub fn is_stateless_by_words(&self) -> bool {
        self.written_mode() == Some("stateless")
    }

    /// Whether the live spec says stateless, in words or by the operator's default.
    pub fn runs_stateless(&self) -> bool {
        let mode = self.live_spec().at("/job/upgradeMode").and_then(Value::as_str);
        matches!(mode, None | Some("stateless"))
    }

    /// Whether the live object is to be deleted, for good or to be created anew.
    pub fn is_leaving(&self) -> bool {
        self.unit.is_none() || self.changes.iter().any(|change| change.effect == FieldEffect::Immutable)
    }

    /// Whether the job keeps checkpoints or savepoints: by its upgrade mode or its configuration.
    pub fn keeps_state(&self) -> bool {
        let spec = self.running_spec();
        // What its environment lays under it is not in its own spec.
        self.role == Role::ManagedApplication || config::keeps_state(spec, &self.effective(spec))
    }

    /// Whether a savepoint has somewhere to go.
    pub fn has_savepoint_dir(&self) -> bool {
        config::first(&self.effective(self.running_spec()), &SAVEPOINT_DIR).is_some()
    }

    /// What the job runs with once Git's wish is done.
    pub fn configuration(&self) -> BTreeMap<String, String> {
        self.effective(self.unit.map_or(self.live_spec(), Unit::deployment))
    }

    fn effective(&self, spec: &Value) -> BTreeMap<String, String> {
        config::layered(self.operator, self.cluster_spec, spec)
    }

    /// Whether the live job ever ran, as far as its status tells.
    pub fn ever_ran(&self) -> bool {
        self.status.last_reconciled.is_some()
    }

    /// Whether the live spec says suspended.
    pub fn is_suspended(&self) -> bool {
        health::is_suspended(self.live_spec())
    }

    /// Whether the operator has taken up the live spec.
    pub fn has_acted(&self) -> bool {
        let Some(live) = self.live else { return false };
        match self.role {
            Role::Snapshot => is_over(&self.status),
            Role::BlueGreen => blue_green::has_acted(live.spec(), &self.status),
            _ => self.status.generation == Some(live.generation()),
        }
    }

    /// The operator's release, or the newest that it may be: by the schema it serves, else as Git states it, and by the
    /// unit's status.
    pub fn release(&self, world: World<'_>) -> Release {
        let served = world.live.schema.served().map(crate::spec::served::Served::release);
        served.unwrap_or_else(|| world.desired.release()).min(Release::of(&self.status))
    }

    /// The Flink that took a savepoint, and the one it is for, where that one does not read it (S16).
    pub fn unreadable<'s>(&'s self, savepoint: &'s Savepoint) -> Option<(&'s str, &'s str)> {
        let spec = self.cluster_spec.unwrap_or(self.unit.map_or(self.live_spec(), Unit::deployment));
        let (taken, version) = (savepoint.flink_version.as_deref()?, spec.get("flinkVersion")?.as_str()?);
        (!is_readable(taken, version)).then_some((taken, version))
    }

    /// The mark of a job that flinkops itself keeps suspended for the time being.
    pub fn kept_down(&self) -> Option<&Operation> {
        self.operation.as_ref().filter(|operation| self.is_suspended() && operation.is_temporary_stop())
    }

    /// The session cluster for whose change flinkops keeps the job suspended.
    pub fn kept_down_for(&self) -> Option<UnitKey> {
        let operation = self.kept_down()?;
        self.key.cluster(self.live_spec()).filter(|_| operation.purpose == Purpose::ClusterChange)
    }

    /// Why a write is forbidden by a freeze, in the file or on the object (S19).
    pub fn frozen(&self) -> Option<String> {
        let file = self.unit.and_then(|unit| unit.consents.freeze.clone());
        file.or_else(|| self.live?.annotation(ANNOTATION_FREEZE).map(str::to_owned))
    }

    /// Whether the verdict has held for long enough to count, `factor` times the policy's while (S22).
    pub fn held(&self, world: World<'_>, factor: i32) -> bool {
        self.holds_at(world, factor).is_none_or(|at| at <= world.now)
    }

    /// When the verdict will have held for long enough; `None` for the distant past.
    pub fn holds_at(&self, world: World<'_>, factor: i32) -> Option<Timestamp> {
        let settle = self.unit.map_or(&world.desired.policy, |unit| &unit.policy).settle * factor;
        match self.since {
            Some(since) => since.checked_add(settle).ok(),
            None => world.now.checked_add(settle).ok(),
        }
    }

    /// When a stop of ours, whose savepoint does not count yet, will have taken too long (S11).
    pub fn stop_deadline(&self, world: World<'_>) -> Option<Timestamp> {
        let operation = self.kept_down()?;
        // One that is being deleted has taken its savepoint, and is not told to run again.
        let deleted = |live: &LiveObject| live.deleting_since().is_some();
        let stopped = self.live.is_some_and(|live| deleted(live) || savepoint_of(live).is_some());
        let limit = operation.since.checked_add(self.policy(world).savepoint_timeout).ok();
        limit.filter(|_| !stopped)
    }

    /// Whether a stop of ours has taken longer than it may.
    pub fn is_stop_overdue(&self, world: World<'_>) -> bool {
        self.stop_deadline(world).is_some_and(|deadline| deadline <= world.now)
    }

    /// When a unit that is on its way will have been so for too long (`policy.timeout`).
    pub fn overdue_at(&self, world: World<'_>) -> Option<Timestamp> {
        let timeout = self.policy(world).timeout;
        let since = self.since.filter(|_| self.verdict.health == Health::Progressing)?;
        since.checked_add(timeout).ok().filter(|_| since > Timestamp::MIN)
    }

    /// When an object that was told to go will have been there for too long (`policy.timeout`).
    pub fn hangs_at(&self, world: World<'_>) -> Option<Timestamp> {
        self.live?.deleting_since()?.checked_add(self.policy(world).timeout).ok()
    }

    /// Whether the verdict, as it is, would let dependents go.
    pub fn is_healthy(&self) -> bool {
        matches!(self.verdict.health, Health::Settled | Health::Suspended)
            && !self.operation.as_ref().is_some_and(Operation::is_temporary_stop)
    }

    /// How the unit is doing, with since when: `RESTARTING since 14:02`.
    pub fn describe(&self, now: Timestamp) -> String {
        match self.since {
            Some(at) if at > Timestamp::MIN && self.verdict.health != Health::Missing => {
                format!("{} since {}", self.verdict.message, clock_time(at, now))
            }
            _ => self.verdict.message.clone(),
        }
    }
}

/// A time for people: the hour today, else the date too. Always UTC.
pub fn clock_time(at: Timestamp, now: Timestamp) -> String {
    let recent = now.duration_since(at) < SignedDuration::from_hours(18);
    at.strftime(if recent { "%H:%M:%S UTC" } else { "%Y-%m-%d %H:%M UTC" }).to_string()
}

fn spec_of<'a>(world: World<'a>, key: &UnitKey) -> Option<&'a Value> {
    let git = world.desired.units.get(key).map(Unit::spec);
    git.or_else(|| world.live.units.get(key).map(LiveObject::spec))
}

fn verdict(kind: Kind, live: Option<&LiveObject>, status: &Status) -> Verdict {
    let Some(live) = live else {
        return Verdict { health: Health::Missing, message: "not in the cluster".into() };
    };
    if live.deleting_since().is_some() {
        return Verdict { health: Health::Progressing, message: "being deleted".into() };
    }
    health::judge(Role::of(kind, live.spec()), live.generation(), live.spec(), status)
}

/// Marks that other tools leave on what they manage.
const OTHERS: [(&str, &str); 6] = [
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
    ("meta.helm.sh/release-name", "Helm"),
    ("platform.confluent.io/cmf-managed", "Confluent Manager"),
];

/// Whose a live object is, by its labels, annotations and owners.
pub fn ownership(desired: &Desired, live: &LiveObject) -> Ownership {
    let label = |key| live.label(key);
    match (label(LABEL_REPOSITORY), label(LABEL_ENVIRONMENT)) {
        (Some(repository), Some(environment))
            if repository == desired.repository && environment == desired.environment =>
        {
            Ownership::Ours
        }
        (Some(repository), environment) => Ownership::Other(format!(
            "flinkops repository `{repository}`, environment `{}`",
            environment.unwrap_or("unknown")
        )),
        (None, _) => {
            let marked = OTHERS.iter().find(|(mark, _)| live.label(mark).or(live.annotation(mark)).is_some());
            let maker = || Some(maker(live.value())?.title());
            let owner = marked.map(|(_, tool)| (*tool).to_owned()).or_else(maker);
            owner.map_or(Ownership::Nobody, Ownership::Other)
        }
    }
}
