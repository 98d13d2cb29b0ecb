//! A real Kubernetes API server for tests: etcd and kube-apiserver as plain processes on loopback.
//!
//! Both are built from Go modules on first use and started once per test process. The Flink operator's
//! custom resource definitions come out of its Maven artifact. `FLINKOPS_TEST_REAL=off` leaves these
//! tests out on purpose; nothing else does. The real operator with real Flink beside it is in `stack`.

mod artifacts;
mod cluster;
mod daemon;
mod deploy;
mod flink;
mod kinds;
mod operator;
mod place;
mod plans;
mod rights;
mod scene;
mod server;
mod stack;

pub use cluster::Cluster;
use tokio::sync::OnceCell;

use crate::parts::Suite;

const SUITE: Suite = Suite { name: "real API server", off: "FLINKOPS_TEST_REAL" };

/// A release of the operator whose custom resource definitions are installed.
#[derive(Clone, Copy, Debug)]
pub enum Operator {
    /// The oldest one flinkops works with.
    V1_7,
    /// The newest one in the artifact repository, with `FlinkStateSnapshot`.
    V1_10,
}

/// The process's API server with these definitions; `None` when left out on purpose.
///
/// # Panics
/// When it cannot be built or started; the reason is kept, so that every test says it.
pub async fn cluster(operator: Operator) -> Option<&'static Cluster> {
    static V1_7: OnceCell<Result<Cluster, String>> = OnceCell::const_new();
    static V1_10: OnceCell<Result<Cluster, String>> = OnceCell::const_new();
    if SUITE.is_off() {
        return None;
    }
    let (cell, version) = match operator {
        Operator::V1_7 => (&V1_7, "1.7.0"),
        Operator::V1_10 => (&V1_10, "1.10.0"),
    };
    let started = cell.get_or_init(|| async { Cluster::start(version).await.map_err(|e| format!("{e:#}")) });
    match started.await {
        Ok(cluster) => Some(cluster),
        Err(error) => panic!("{error}"),
    }
}
