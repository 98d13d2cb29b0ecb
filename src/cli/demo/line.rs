//! What the demo has to say, as values: a person reads them, a test checks them.

use std::time::Duration;

use crate::flink::health::Health;
use crate::flink::kind::UnitKey;
use crate::report::document::PlanDocument;
use crate::spec::source::Revision;

/// Something said, and when, counted from the beginning.
#[derive(Clone, Debug)]
pub struct Said {
    /// When.
    pub at: Duration,
    /// What.
    pub line: Line,
}

/// One thing the demo says.
#[derive(Clone, Debug)]
pub enum Line {
    /// An act begins.
    Act {
        /// Counted from 1.
        number: usize,
        /// What it shows.
        title: &'static str,
    },
    /// A word to the audience.
    Aside(String),
    /// Git moved.
    Committed {
        /// The commit.
        revision: Revision,
        /// The first line of its message.
        subject: String,
    },
    /// The daemon planned. Told once per act.
    Planned(Box<PlanDocument>),
    /// The daemon found drift.
    Drifted(Box<PlanDocument>),
    /// The daemon wrote something.
    Wrote {
        /// What it is about.
        unit: String,
        /// Why, as in the Kubernetes Event.
        reason: &'static str,
        /// The same in words.
        message: String,
    },
    /// A unit is not what it was.
    Stands {
        /// The unit.
        key: UnitKey,
        /// How it is doing.
        health: Health,
        /// The same in words.
        message: String,
        /// How many records its job has counted.
        records: Option<u64>,
    },
    /// A unit is gone.
    Gone(UnitKey),
    /// A savepoint is on record for a unit.
    Recorded {
        /// The unit.
        key: UnitKey,
        /// The savepoint.
        path: String,
    },
    /// How many records each job has counted; told again and again.
    Counts(Vec<Count>),
    /// Everything is as Git wants it.
    Quiet {
        /// How long it took since the commit, or the edit.
        took: Duration,
        /// What each job has counted by then.
        counts: Vec<Count>,
    },
}

/// What one job has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The job.
    pub key: UnitKey,
    /// Flink's word for its state.
    pub state: &'static str,
    /// Its records.
    pub records: u64,
    /// The savepoint it began from, if from one.
    pub from: Option<String>,
}

/// Whoever listens.
pub type Audience = Box<dyn Fn(&Said) + Send + Sync>;
