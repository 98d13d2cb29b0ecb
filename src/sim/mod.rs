//! The embedded cluster: a Kubernetes API ([`api`]) and the controllers behind it, in process.
//!
//! [`Sim`] is what the demo, the scenario tests, the fault tests and the benchmarks run on. Nothing
//! in it knows of plans or of Git. Time is the runtime's, so a test that pauses tokio's clock pauses
//! the cluster. [`Rehearsal`] is the same without a runtime, begun from somebody's cluster as it was
//! read: what a forecast is made on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::{AbortHandle, JoinSet};

pub mod api;
pub mod clock;
mod deployments;
pub mod operator;
mod rehearsal;

pub use api::journal::{LoggedRequest, Phase, Verb, Verdict};
pub use api::store::Store;
use api::{Api, server::Server};
use clock::Clock;
use operator::Operator;

use crate::flink::kind::ObjectKey;
pub use rehearsal::Rehearsal;

/// The operator whose CRDs are installed and whose behaviour is modelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperatorMode {
    /// 1.7: string-valued configuration, no snapshots as resources, defaults written into the spec.
    V1_7,
    /// 1.15: nested configuration, `FlinkStateSnapshot`, `status.observedGeneration`.
    #[default]
    V1_15,
}

/// How an embedded cluster is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The operator's version.
    pub operator: OperatorMode,
    /// By how much the operator's latencies are multiplied: 0.1 is ten times as fast.
    pub time_scale: f64,
    /// How many changes are kept for watches.
    pub history: usize,
    /// What the cluster's clock reads at the start; the wall time when absent.
    pub start_time: Option<Timestamp>,
    /// Whether controllers run; without them nothing but requests changes the objects.
    pub controllers: bool,
    /// Whether unknown fields are dropped and wrong types refused, as the operator's CRDs have it.
    pub schemas: bool,
}

impl Default for Options {
    fn default() -> Self {
        let operator = OperatorMode::default();
        Self {
            operator,
            time_scale: 1.0,
            history: 10_000,
            start_time: None,
            controllers: true,
            schemas: true,
        }
    }
}

impl Options {
    /// A bare API without any controller.
    pub fn without_controllers() -> Self {
        Self { controllers: false, ..Self::default() }
    }
}

/// An embedded cluster. Clones are handles to the same one; it ends with the last of them.
#[derive(Clone)]
pub struct Sim {
    api: Arc<Api>,
    operator: Operator,
    running: Arc<Running>,
}

/// What ends when the last handle is dropped.
#[derive(Default)]
struct Running {
    controllers: std::sync::Mutex<JoinSet<()>>,
    operator: std::sync::Mutex<Option<AbortHandle>>,
    servers: std::sync::Mutex<Vec<Server>>,
}

impl Sim {
    /// Starts a cluster; needs a running tokio runtime.
    pub fn start(options: Options) -> Self {
        let clock = Clock::starting_at(options.start_time.unwrap_or_else(Timestamp::now));
        let store = Store::new(&options, clock);
        let operator = Operator::new(options.operator, options.time_scale);
        let (flink, clock) = (operator.clone(), store.clone());
        let services =
            Box::new(move |service: &ObjectKey, path: &str| flink.rest(service, path, clock.now()));
        let api = Arc::new(Api::new(store, services));
        let sim = Self { api, operator, running: Arc::default() };
        if options.controllers {
            lock(&sim.running.controllers).spawn(deployments::run(sim.store().clone()));
            sim.start_operator();
        }
        sim
    }

    /// The operator, and Flink behind it.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Starts the operator, again where it was stopped: it forgets what was under way.
    pub fn start_operator(&self) {
        self.stop_operator();
        let work = self.operator.clone().run(self.store().clone());
        *lock(&self.running.operator) = Some(lock(&self.running.controllers).spawn(work));
    }

    /// Kills the operator. Flink goes on.
    pub fn stop_operator(&self) {
        if let Some(task) = lock(&self.running.operator).take() {
            task.abort();
        }
    }

    /// Makes a client that calls the cluster in process. Its field manager is `unknown` where
    /// a request names none.
    pub fn client(&self) -> kube::Client {
        self.api.clone().client()
    }

    /// Serves the cluster over plain HTTP until the last handle is dropped; says on which address.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let server = Server::start(self.api.clone(), address).await?;
        let address = server.address();
        lock(&self.running.servers).push(server);
        Ok(address)
    }

    /// Writes a kubeconfig for a cluster that listens on this address.
    pub fn kubeconfig(address: SocketAddr) -> String {
        api::server::kubeconfig(address)
    }

    /// The objects, for the cluster's own controllers and for tests.
    pub fn store(&self) -> &Store {
        self.api.store()
    }

    /// The time in the cluster.
    pub fn now(&self) -> Timestamp {
        self.store().now()
    }

    /// Every request so far, oldest first. Controllers write to the store and leave no trace here.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.api.journal().requests()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.api.journal().clear();
    }

    /// Has every request pass a hook before and after it takes effect, in place of the hook before.
    pub fn on_request<F, R>(&self, hook: F)
    where
        F: Fn(LoggedRequest, Phase) -> R + Send + Sync + 'static,
        R: Future<Output = Verdict> + Send + 'static,
    {
        self.api.journal().set_hook(hook);
    }
}

/// The `OpenAPI` document in which a cluster with this operator says what fields its Flink kinds have.
pub fn flink_schema(operator: OperatorMode) -> serde_json::Value {
    let options = Options { operator, ..Options::default() };
    let store = Store::new(&options, Clock::starting_at(Timestamp::UNIX_EPOCH));
    api::flink_schema(&store)
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
