//! The forecast: the planner run on a model of the operator until nothing is left to do.
//!
//! What a plan says it would do is worth as much as the same decisions made again and again against what
//! comes of them. Here they are (`course`): plan, step, hand the writes to a [`Model`], let its time pass, read
//! it back. What happens is written down as data (`account`); nothing is decided here. Only what a change is
//! about is looked at (`concern`), and of that only what has changed since (`part`).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::Live;
use super::outcome::{Action, CompanionPlan, Plan, UnitPlan};
use super::write::Task;
use crate::flink::health::Health;
use crate::flink::kind::{ObjectKey, UnitKey};
use crate::spec::Desired;

mod account;
mod concern;
mod course;
mod part;

pub use concern::concern;
use course::Course;

/// Nothing that happens by itself takes longer than this to show.
const QUIET: SignedDuration = SignedDuration::from_mins(10);
/// So many units are planned for, all rounds together, before the forecast is cut short.
const EFFORT: usize = 1_000_000;

/// A cluster that does what is asked of it, as an operator would, in a time of its own.
pub trait Model {
    /// The time there.
    fn now(&self) -> Timestamp;
    /// What it holds now. `since` is the caller's to keep.
    fn live(&mut self) -> &mut Live;
    /// Performs a write; the error is the API server's refusal.
    fn perform(&mut self, task: &Task) -> Result<(), String>;
    /// Lets time pass until something changes that a plan can see, or until then; answers with what did.
    fn advance(&mut self, until: Timestamp) -> BTreeSet<ObjectKey>;
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
    Course::begin(desired, model, narrow, EFFORT).run()
}

/// Whether nothing is left to do or to wait for.
fn is_done(plan: &Plan) -> bool {
    is_applied(plan) && plan.companions.iter().all(|it| it.ready) && plan.units.iter().all(|it| it.settled)
}

/// Whether nothing is left to do.
fn is_applied(plan: &Plan) -> bool {
    let quiet = |it: &CompanionPlan| it.action == Action::Keep && it.blocked.is_none();
    plan.companions.iter().all(quiet) && plan.units.iter().all(is_kept)
}

fn is_kept(unit: &UnitPlan) -> bool {
    unit.action == Action::Keep && unit.blocked.is_none() && unit.next.is_empty()
}

/// Whether a unit is where Git wants it, and nothing is left to do about it.
fn is_quiet(unit: &UnitPlan) -> bool {
    is_kept(unit) && unit.settled
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
