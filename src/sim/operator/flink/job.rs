//! One simulated job: what it has counted and where its checkpoints are, at any time one asks about.

use std::time::Duration;

use jiff::Timestamp;

use super::plan::JobPlan;
use super::respell;
use crate::sim::operator::timings::Timings;

/// Records that one parallel instance counts in a second.
const RECORDS_PER_SECOND: f64 = 100.0;

/// What a person sees of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// Records counted since the job first began, as far as state was kept.
    pub records: u64,
    /// Flink's word for its state.
    pub state: &'static str,
    /// Where its state came from; `None` for an empty start.
    pub restored_from: Option<String>,
    /// How many parallel instances count.
    pub parallelism: u32,
    /// How often this unit's job was started.
    pub starts: u32,
}

/// What Flink tells of a job: its name, when it began, and since when it is as it is.
pub type Told = (String, i64, i64);

/// A job that Flink knows.
#[derive(Clone, Debug)]
pub struct Job {
    /// What was submitted.
    pub plan: JobPlan,
    /// Where its state came from.
    pub restored_from: Option<String>,
    /// What that state had counted.
    pub restored_records: u64,
    started: Timestamp,
    /// Counting goes on from `base` at `since`.
    base: u64,
    since: Timestamp,
    interval: Option<Duration>,
    rate: f64,
    end: Option<(&'static str, u64, Timestamp)>,
    restarting: bool,
    breaks_at: Option<Timestamp>,
    told: Option<Told>,
}

impl Job {
    pub(super) fn new(
        plan: JobPlan,
        records: u64,
        from: Option<String>,
        start: Timestamp,
        timings: &Timings,
    ) -> Self {
        Self {
            restored_from: from,
            restored_records: records,
            started: start,
            base: records,
            since: start,
            interval: plan.checkpoint_interval.map(|it| timings.scaled(it)).filter(|it| !it.is_zero()),
            rate: RECORDS_PER_SECOND * timings.scale,
            end: plan.fails.then_some(("FAILED", records, start)),
            restarting: false,
            breaks_at: plan.breaks.map(|after| start + timings.scaled(after)),
            told: None,
            plan,
        }
    }

    /// A job that was there before anybody looked, in this state.
    pub(super) fn found(
        plan: JobPlan,
        state: &str,
        told: Option<Told>,
        started: Timestamp,
        timings: &Timings,
    ) -> Self {
        const ENDS: [&str; 3] = ["FINISHED", "FAILED", "CANCELED"];
        let end = ENDS.into_iter().find(|end| *end == state).map(|end| (end, 0, started));
        Self { end, restarting: state == "RESTARTING", told, ..Self::new(plan, 0, None, started, timings) }
    }

    /// What Flink tells of the job of this name.
    pub fn told(&self, name: &str) -> Told {
        let started = self.started.as_millisecond();
        self.told.clone().unwrap_or_else(|| (name.to_owned(), started, started))
    }

    /// How many records the job has counted.
    pub fn records(&self, now: Timestamp) -> u64 {
        let now = self.breaks_at.map_or(now, |at| at.min(now));
        if let Some((_, records, _)) = self.end {
            return records;
        }
        let counted = if self.restarting { self.base } else { self.base + self.counted(now) };
        self.plan.bounded.map_or(counted, |bound| counted.min(bound))
    }

    fn counted(&self, now: Timestamp) -> u64 {
        let seconds = seconds_between(self.since, now);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "never negative, far from full"
        )]
        let counted = (seconds * self.rate * f64::from(self.plan.parallelism)) as u64;
        counted
    }

    /// Flink's word for its state.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self.end {
            Some((state, ..)) => state,
            None if now < self.started => "CREATED",
            None if self.is_finished(now) => "FINISHED",
            None if self.restarting || self.breaks_at.is_some_and(|at| at <= now) => "RESTARTING",
            None => "RUNNING",
        }
    }

    fn is_finished(&self, now: Timestamp) -> bool {
        self.plan.bounded.is_some_and(|bound| self.records(now) >= bound)
    }

    /// Whether the job is still doing something.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.end.is_none() && !self.is_finished(now)
    }

    /// Ends a job that is live; answers whether it was.
    pub(super) fn end(&mut self, state: &'static str, now: Timestamp) -> bool {
        let live = self.is_live(now);
        if live {
            self.end = Some((state, self.records(now), now));
        }
        live
    }

    pub(super) fn rescale(&mut self, parallelism: u32, now: Timestamp) {
        (self.base, self.since) = (self.records(now), now.max(self.started));
        self.plan.parallelism = parallelism;
    }

    pub(super) fn set_restarting(&mut self, restarting: bool, now: Timestamp) {
        (self.base, self.since) = (self.records(now), now.max(self.started));
        self.restarting = restarting;
    }

    fn until(&self, now: Timestamp) -> Timestamp {
        self.end.map_or(now, |(.., at)| at)
    }

    /// How many checkpoints the job has completed.
    fn checkpoints(&self, now: Timestamp) -> u64 {
        let Some(interval) = self.interval else { return 0 };
        let counted = seconds_between(self.started, self.until(now)) / interval.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "never negative, far from full"
        )]
        let counted = counted as u64;
        counted
    }

    /// The number of the last completed checkpoint, and when that was.
    fn checkpoint(&self, now: Timestamp) -> Option<(u64, Timestamp)> {
        let count = self.checkpoints(now);
        let interval = self.interval.filter(|_| count > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "a count of checkpoints")]
        let at = self.started + interval.mul_f64(count as f64);
        Some((count, at))
    }

    /// The last completed checkpoint: its number, where it lies, and since when.
    pub fn last_checkpoint(&self, now: Timestamp) -> Option<(u64, String, Timestamp)> {
        let (number, at) = self.checkpoint(now)?;
        Some((number, self.path_of(number)?, at))
    }

    /// What the last checkpoint has counted; what the job was restored with before the first one.
    pub fn checkpointed(&self, now: Timestamp) -> u64 {
        let Some((_, at)) = self.checkpoint(now) else { return self.restored_records };
        let running = Self { end: None, ..self.clone() };
        running.records(at).min(self.records(now))
    }

    /// Where the last completed checkpoint lies.
    pub fn last_checkpoint_path(&self, now: Timestamp) -> Option<String> {
        self.last_checkpoint(now).map(|(_, path, _)| path)
    }

    /// Where a checkpoint taken now would lie.
    pub fn checkpoint_path(&self, now: Timestamp) -> Option<String> {
        self.path_of(self.checkpoints(now) + 1)
    }

    fn path_of(&self, number: u64) -> Option<String> {
        let directory = self.plan.checkpoint_directory.as_deref()?;
        Some(format!("{}/{}/chk-{number}", respell(directory), self.plan.id))
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}
