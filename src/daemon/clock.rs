//! What time it is, in a way that tests can pause.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Maps the runtime's time to the calendar's.
///
/// A paused runtime pauses it too, and nobody who sets the system's clock can turn it back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    instant: Instant,
    timestamp: Timestamp,
}

impl Clock {
    /// A clock that shows the system's time now, and runs with the runtime from here on.
    pub fn system() -> Self {
        Self::starting_at(Timestamp::now())
    }

    /// A clock that shows this time now.
    pub fn starting_at(timestamp: Timestamp) -> Self {
        Self { instant: Instant::now(), timestamp }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.instant.elapsed()).unwrap_or(SignedDuration::MAX);
        self.timestamp.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// The moment at which this clock will show that time; now, for one that has passed.
    pub fn instant(&self, at: Timestamp) -> Instant {
        let ahead = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        // Far beyond any run, and still something a timer can hold.
        Instant::now() + ahead.min(Duration::from_secs(365 * 24 * 3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_runs_with_the_runtime() {
        let begin: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let clock = Clock::starting_at(begin);
        assert_eq!(clock.now(), begin);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now(), begin + SignedDuration::from_secs(90));
        assert_eq!(
            clock.instant(begin + SignedDuration::from_secs(100)),
            Instant::now() + Duration::from_secs(10)
        );
        assert_eq!(clock.instant(begin), Instant::now(), "the past is now");
    }
}
