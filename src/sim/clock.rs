//! Wall time made from the runtime's time, so that a test that pauses tokio pauses the cluster too.

use jiff::Timestamp;
use tokio::time::Instant;

/// Tells what time it is in the embedded cluster.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Timestamp,
    started: Instant,
}

impl Clock {
    /// Starts a clock that reads `base` now.
    pub fn starting_at(base: Timestamp) -> Self {
        Self { base, started: Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.base.saturating_add(self.started.elapsed()).unwrap_or(self.base)
    }

    /// The time at which the clock was started.
    pub fn base(&self) -> Timestamp {
        self.base
    }
}

/// Writes a time the way `metav1.Time` does: whole seconds.
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
