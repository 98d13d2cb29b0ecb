//! An in-process Kubernetes API for the kinds flinkops meets, faithful where flinkops looks.
//!
//! Verdict on taking a crate instead: `kube-fake-client` 0.3 is a test double for older `kube` and
//! `k8s-openapi` releases, without watches from a version, 410, dry run or listening; nothing else
//! kept offers server-side apply with real ownership.
//!
//! ```text
//! HTTP or kube::Client ──► server ──► journal (log, faults) ──► routes ──► store ──► history ──► watch
//!                                                                 │          │
//!                                                        discovery, table   admission, apply, managed_fields
//! ```
//!
//! Known to differ from the real one: any namespace exists as soon as something is written to it, and
//! deleting it leaves its objects; lists are atomic everywhere but for finalizers and owners; built-in
//! kinds get no defaults and next to no validation; pod templates and the status of Flink kinds are not
//! pruned; `managedFields` that a client sends are ignored; bodies are JSON or YAML, so kubectl's own
//! generators (`kubectl create configmap`), which send protobuf, are refused where `kubectl apply` and
//! `kubectl create -f` work; there is no authentication and no authorisation.

use std::sync::Arc;

pub mod admission;
pub mod apply;
mod discovery;
mod event_view;
pub mod field_set;
pub mod history;
pub mod journal;
pub mod managed_fields;
mod openapi;
pub mod patch;
mod request;
pub mod resource;
mod routes;
mod scale;
pub mod schema;
mod selector;
pub mod server;
mod state;
pub mod status;
pub mod store;
mod table;
mod validation;
mod watch;

use journal::Journal;
use serde_json::Value;
use store::Store;

use crate::flink::kind::ObjectKey;

/// The `OpenAPI` document of the operator's group.
pub fn flink_schema(store: &Store) -> serde_json::Value {
    let group = format!("apis/{}", crate::flink::kind::API_VERSION);
    openapi::document(store, &group).expect("the Flink kinds are always served")
}

/// The API: the objects and the record of what was asked.
pub struct Api {
    store: Store,
    journal: Journal,
    services: Services,
}

/// Answers a GET of a path at a port of a Service, behind the API server's proxy; `None` where nobody listens.
pub type Services = Box<dyn Fn(&ObjectKey, &str) -> Option<Value> + Send + Sync>;

impl Api {
    /// Serves these objects.
    pub fn new(store: Store, services: Services) -> Self {
        Self { store, journal: Journal::default(), services }
    }

    /// What listens behind Services.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The objects.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What was asked.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Makes a client that calls the API without a socket.
    pub fn client(self: Arc<Self>) -> kube::Client {
        let service = tower::service_fn(move |request| server::answer(self.clone(), request));
        kube::Client::new(service, "default")
    }
}
