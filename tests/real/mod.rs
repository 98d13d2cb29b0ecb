//! A real Kubernetes API server for tests: etcd and kube-apiserver as plain processes on loopback.
//!
//! Both are built from Go modules on first use, into `$FLINKOPS_TEST_CACHE`, `$XDG_CACHE_HOME/flinkops`
//! or `~/.cache/flinkops`, and started once per test process. The Flink operator's custom resource
//! definitions come out of its Maven artifact. `FLINKOPS_TEST_REAL=off` leaves these tests out on
//! purpose; nothing else does: a missing prerequisite is a failure that names it.

mod artifacts;
mod cluster;
mod daemon;
mod deploy;
mod operator;
mod rights;
mod scene;
mod server;

pub use cluster::Cluster;
use tokio::sync::OnceCell;

/// The variable that leaves the tests on a real API server out when it is `off`.
pub const OFF: &str = "FLINKOPS_TEST_REAL";

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
    if std::env::var(OFF).is_ok_and(|value| value == "off") {
        artifacts::say(&format!("{}: left out by {OFF}=off", test_name()));
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

fn test_name() -> String {
    std::thread::current().name().unwrap_or("a test").to_owned()
}
