//! What time it is in an embedded cluster: the runtime's, so that a test that pauses tokio pauses the
//! cluster too, or one that is turned by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells what time it is in the embedded cluster. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    base: Timestamp,
    passed: Passed,
}

#[derive(Clone, Debug)]
enum Passed {
    Since(Instant),
    Nanoseconds(Arc<AtomicI64>),
}

/// Turns a clock that does not run by itself.
#[derive(Debug)]
pub struct Hand(Clock);

impl Clock {
    /// Starts a clock that reads `base` now and goes with the runtime.
    pub fn starting_at(base: Timestamp) -> Self {
        Self { base, passed: Passed::Since(Instant::now()) }
    }

    /// A clock that reads `base` until its hand is turned.
    pub fn by_hand(base: Timestamp) -> (Self, Hand) {
        let clock = Self { base, passed: Passed::Nanoseconds(Arc::default()) };
        (clock.clone(), Hand(clock))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        let passed = match &self.passed {
            Passed::Since(instant) => SignedDuration::try_from(instant.elapsed()).unwrap_or_default(),
            Passed::Nanoseconds(passed) => SignedDuration::from_nanos(passed.load(Ordering::Relaxed)),
        };
        self.base.saturating_add(passed).unwrap_or(self.base)
    }

    /// The time at which the clock was started.
    pub fn base(&self) -> Timestamp {
        self.base
    }
}

impl Hand {
    /// Turns the clock to a time; never back.
    pub fn turn_to(&self, at: Timestamp) {
        if let Passed::Nanoseconds(passed) = &self.0.passed {
            let nanoseconds = i64::try_from(at.duration_since(self.0.base).as_nanos()).unwrap_or(i64::MAX);
            passed.fetch_max(nanoseconds, Ordering::Relaxed);
        }
    }
}

/// Writes a time the way `metav1.Time` does: whole seconds.
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_by_hand_stands_still_until_it_is_turned_and_never_goes_back() {
        let base: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let (clock, hand) = Clock::by_hand(base);
        let later = base + SignedDuration::from_secs(90);
        assert_eq!(clock.now(), base);
        hand.turn_to(later);
        hand.turn_to(base);
        assert_eq!((clock.now(), clock.base()), (later, base));
    }
}
