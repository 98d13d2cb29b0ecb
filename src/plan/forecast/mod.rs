//! The forecast: the planner run on a model of the operator until nothing is left to do.
//!
//! What a plan says it would do is worth as much as the same decisions made again and again against what
//! comes of them. Here they are: plan, step, hand the writes to a [`Model`], let its time pass, read it
//! back. What happens is written down as data; nothing is decided here.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::outcome::{Action, Blocked, Plan};
use super::write::Task;
use super::{Live, observe, observe_once, plan, step};
use crate::flink::health::Health;
use crate::flink::kind::{ObjectKey, UnitKey};
use crate::spec::Desired;

mod account;
mod concern;

use account::Account;
pub use concern::concern;

/// Nothing that happens by itself takes longer than this to show.
const QUIET: SignedDuration = SignedDuration::from_mins(10);
/// So many units are planned for, all rounds together, before the forecast is cut short.
const EFFORT: usize = 50_000;

/// A cluster that does what is asked of it, as an operator would, in a time of its own.
pub trait Model {
    /// The time there.
    fn now(&self) -> Timestamp;
    /// What it holds now. `since` is the caller's to keep.
    fn live(&mut self) -> &mut Live;
    /// Performs a write; the error is the API server's refusal.
    fn perform(&mut self, task: &Task) -> Result<(), String>;
    /// Lets time pass until something changes that a plan can see, or until then; answers whether it did.
    fn advance(&mut self, until: Timestamp) -> bool;
    /// What Flink did since the last call: only the `Job…`, `Cluster…` and `Savepoint…` of [`What`].
    fn deeds(&mut self) -> Vec<(UnitKey, What)>;
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// flinkops applies a companion.
    Applied,
    /// flinkops deletes a companion.
    Pruned,
    /// flinkops creates a unit.
    Created,
    /// flinkops takes a unit over as it is.
    Adopted,
    /// flinkops changes a unit.
    Updated,
    /// flinkops has a job stopped with a savepoint.
    Suspended,
    /// flinkops has a job started again.
    Resumed,
    /// flinkops deletes a unit.
    Deleted,
    /// flinkops writes a savepoint down.
    Recorded,
    /// The API server refuses a write.
    Refused,
    /// Flink takes a savepoint.
    SavepointTaken,
    /// A job stops.
    JobStopped,
    /// A job starts from nothing.
    JobStarted,
    /// A job starts from earlier state.
    JobRestored,
    /// A session cluster stops.
    ClusterStopped,
    /// A session cluster starts.
    ClusterStarted,
    /// A unit is where Git wants it, and stays there.
    Settled,
    /// A unit is gone.
    Gone,
    /// A unit fails, is lost, or its spec is refused.
    Failed,
}

/// One thing that happens, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// How long after the beginning. The model's pace is not the user's cluster's: only the order counts.
    pub at: SignedDuration,
    /// To what.
    pub object: ObjectKey,
    /// The same as a unit; `None` for a companion.
    pub unit: Option<UnitKey>,
    /// What.
    pub what: What,
    /// Why, for people; empty where it follows from the step before.
    pub why: String,
}

/// From one step to another, as positions in [`Forecast::steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The step at which it begins.
    pub from: usize,
    /// The step at which it ends; `None` where it does not.
    pub to: Option<usize>,
}

/// What comes of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitForecast {
    /// The unit.
    pub key: UnitKey,
    /// How many times its job, or its session cluster, stops and starts again.
    pub restarts: usize,
    /// How many savepoints of it are taken.
    pub savepoints: usize,
    /// While its job, or its session cluster, does not run.
    pub down: Vec<Span>,
    /// What it waited for before anything was done to it, in the order of the keys.
    pub waits_for: BTreeSet<UnitKey>,
    /// How it ends.
    pub ends: Ending,
    /// How it is in the end, in words; what keeps it, where it is blocked.
    pub message: String,
}

/// How a unit ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Where Git wants it.
    Settled,
    /// No longer in the cluster.
    Gone,
    /// Somewhere on the way, since the forecast was cut short.
    UnderWay,
    /// Waiting for something that does not come by itself.
    Blocked,
    /// Not as it should be, and nothing is done about it.
    Failed,
}

/// Why a forecast ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Everything is where Git wants it.
    Settled,
    /// A part waits for something that does not come by itself.
    Blocked,
    /// It goes on for longer than was looked ahead.
    Cut,
}

/// What happens if the plan is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Everything that happens, in order.
    pub steps: Vec<Happening>,
    /// What comes of each unit to which something happens or that does not settle, sorted by key.
    pub units: Vec<UnitForecast>,
    /// Why it ends there.
    pub end: End,
}

/// Carries the plan out on a model, and what it plans then, until nothing is left or nothing more happens.
///
/// `narrow` reduces each plan to the units that are meant; without any restriction it gives the plan back.
pub fn forecast(desired: &Desired, model: &mut dyn Model, narrow: &dyn Fn(Plan) -> Plan) -> Forecast {
    look_ahead(desired, model, narrow, EFFORT)
}

fn look_ahead(
    desired: &Desired,
    model: &mut dyn Model,
    narrow: &dyn Fn(Plan) -> Plan,
    mut effort: usize,
) -> Forecast {
    let begun = model.now();
    let mut account = Account::beginning(begun);
    let mut refused: BTreeSet<ObjectKey> = BTreeSet::new();
    let mut idle_since = begun;
    loop {
        let now = model.now();
        let live = model.live();
        live.since = observe(&live.since, live, now);
        let plan = narrow(plan(desired, live, now));
        account.observe(&plan, live, now);
        effort = effort.saturating_sub(plan.units.len().max(1));
        let mut tasks = step(&plan);
        tasks.retain(|task| !refused.contains(&task.write.key()));
        if !tasks.is_empty() && effort > 0 {
            idle_since = now;
            refused.extend(perform(&tasks, model, &mut account));
            continue;
        }
        let end = match () {
            () if effort == 0 => End::Cut,
            () if is_done(&plan) => End::Settled,
            () if now.duration_since(idle_since) <= patience(desired)
                && goes_on(&plan, model, &mut account) =>
            {
                continue;
            }
            () => End::Blocked,
        };
        // The model's times of day mean nothing to anybody: in words everything has been so for ever.
        let live = model.live();
        live.since = observe_once(live);
        let timeless = narrow(super::plan(desired, live, now));
        return account.close(&plan, &timeless, end);
    }
}

/// Performs writes in order up to the first that is refused, and answers with that one's object.
fn perform(tasks: &[Task], model: &mut dyn Model, account: &mut Account) -> Option<ObjectKey> {
    tasks.iter().find_map(|task| {
        let now = model.now();
        let last = |live: &Live| live.ledgers.get(task.unit.as_ref()?)?.last_savepoint().cloned();
        let before = last(model.live());
        let result = model.perform(task);
        let after = last(model.live());
        account.wrote(task, &result, after.is_some() && after != before, now);
        result.err().map(|_| task.write.key())
    })
}

/// Lets time pass; answers whether another plan may say something new.
fn goes_on(plan: &Plan, model: &mut dyn Model, account: &mut Account) -> bool {
    let until = plan.wake.unwrap_or(model.now() + QUIET);
    let happened = model.advance(until);
    let now = model.now();
    for (unit, what) in model.deeds() {
        account.did(&unit, what, now);
    }
    happened || plan.wake.is_some()
}

/// Whether nothing is left to do.
fn is_done(plan: &Plan) -> bool {
    let quiet = |action, blocked: &Option<Blocked>| action == Action::Keep && blocked.is_none();
    plan.records.is_empty()
        && plan.companions.iter().all(|it| quiet(it.action, &it.blocked) && it.ready)
        && plan.units.iter().all(|it| quiet(it.action, &it.blocked) && it.next.is_empty() && it.settled)
}

/// For how long things may go on without leading to another write: longer than any deadline of the policy.
fn patience(desired: &Desired) -> SignedDuration {
    let policies = desired.units.values().map(|unit| &unit.policy).chain([&desired.policy]);
    let longest = policies.map(|policy| policy.savepoint_timeout + policy.timeout).max();
    longest.unwrap_or_default() + QUIET
}

/// Whether a person has to look at it.
fn is_bad(health: Health) -> bool {
    matches!(health, Health::Failed | Health::Lost | Health::Rejected | Health::RolledBack)
}

#[cfg(test)]
mod tests;
