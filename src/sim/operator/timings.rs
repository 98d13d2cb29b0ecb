//! How long things take: one table of what was observed, per operator, divided by the demo's scale.

use std::time::Duration;

use crate::flink::release::Release;

/// Which operator is modelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// 1.7.0: no `observedGeneration`, no snapshot resources, no `savepointRedeployNonce`.
    V1_7,
    /// 1.15.0.
    #[default]
    V1_15,
}

impl Mode {
    /// Whether the operator has `observedGeneration`, conditions and snapshot resources.
    pub fn is_modern(self) -> bool {
        self == Self::V1_15
    }

    /// The line of releases it belongs to.
    pub fn release(self) -> Release {
        if self.is_modern() { Release::V1_15 } else { Release::V1_7 }
    }
}

/// The latencies of the operator and of Flink, ready to be added to a time.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// From a change of an object to the operator's reconciliation.
    pub reaction: Duration,
    /// Between two looks at something that works.
    pub reconcile: Duration,
    /// Between two looks at a JobManager that starts.
    pub progress: Duration,
    /// From the decision to stop a job to its savepoint.
    pub savepoint: Duration,
    /// The same for a job configured to be slow.
    pub slow_savepoint: Duration,
    /// From the decision to remove a session cluster to its JobManager's end.
    pub kill: Duration,
    /// From the decision to remove a cluster to its being gone.
    pub remove: Duration,
    /// From the decision to deploy a cluster to the deployment's existence.
    pub deploy: Duration,
    /// From there to an open port.
    pub port: Duration,
    /// From there to a REST API that answers.
    pub ready: Duration,
    /// From a ready cluster, or a submission, to a running job.
    pub job: Duration,
    /// By how much longer a cluster's first job takes.
    pub task_manager: Duration,
    /// How long a submission takes.
    pub submit: Duration,
    /// How long a refused submission takes.
    pub refuse: Duration,
    /// How long a JobManager that is gone is waited for.
    pub timeout: Duration,
    /// For how long a first deployment that is begun again is not on record.
    pub blink: Duration,
    /// How long a cancellation takes.
    pub cancel: Duration,
    /// First pause after a failed reconciliation; grows by half each time.
    pub retry: Duration,
    /// From a deployment that cannot start to the node's saying so.
    pub back_off: Duration,
    /// How much faster than in reality everything goes.
    pub scale: f64,
}

/// The observed milliseconds: (1.7.0 with processes as pods, 1.15.0 on a node).
const TABLE: [(u64, u64); 19] = [
    (50, 100),          // reaction
    (2_000, 15_000),    // reconcile
    (500, 2_000),       // progress
    (200, 300),         // savepoint
    (300_000, 300_000), // slow savepoint
    (100, 300),         // kill
    (900, 1_900),       // remove
    (300, 450),         // deploy
    (2_700, 6_500),     // port
    (3_800, 20_000),    // ready
    (2_000, 2_000),     // job
    (3_000, 0),         // task manager
    (800, 800),         // submit
    (100, 100),         // refuse
    (300, 12_000),      // timeout
    (50, 50),           // blink
    (400, 2_000),       // cancel
    (5_000, 5_000),     // retry
    (10_000, 20_000),   // back-off
];

impl Timings {
    /// What was observed, made faster by `scale`.
    pub fn observed(mode: Mode, scale: f64) -> Self {
        let mut rows = TABLE.into_iter().map(|(old, new)| if mode.is_modern() { new } else { old });
        let mut next = || {
            let millis = rows.next().expect("the table has a row per field");
            Duration::from_millis(millis).div_f64(scale)
        };
        Self {
            reaction: next(),
            reconcile: next(),
            progress: next(),
            savepoint: next(),
            slow_savepoint: next(),
            kill: next(),
            remove: next(),
            deploy: next(),
            port: next(),
            ready: next(),
            job: next(),
            task_manager: next(),
            submit: next(),
            refuse: next(),
            timeout: next(),
            blink: next(),
            cancel: next(),
            retry: next(),
            back_off: next(),
            scale,
        }
    }

    /// The pause after the `attempt`-th failure in a row: 5, 5, 7.5, 11.25 … seconds.
    pub fn pause(&self, attempt: u32) -> Duration {
        let growth = 1.5_f64.powi(i32::try_from(attempt.saturating_sub(2).min(10)).unwrap_or(10));
        self.retry.mul_f64(growth)
    }

    /// A duration from a configuration, made faster like everything else.
    pub fn scaled(&self, duration: Duration) -> Duration {
        duration.div_f64(self.scale)
    }
}
