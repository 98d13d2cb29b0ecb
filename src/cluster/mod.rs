//! Kubernetes: watch → [`Live`](crate::plan::Live); perform a [`Task`](crate::plan::write::Task); the lease; events.
//!
//! Nothing here decides. [`observe`](Cluster::observe) reads once (a report's rights suffice: get, list,
//! watch; [`gather`] takes what was listed elsewhere), [`watch`](Cluster::watch) keeps reading,
//! [`perform`](Cluster::perform) sends exactly the request that the plan made and says what became of it,
//! [`dry_run`](Cluster::dry_run) what would. Bodies of requests are never logged.

mod connect;
mod dry_run;
mod error;
mod events;
mod flink;
mod lease;
mod observe;
mod patience;
mod perform;
mod resource;
mod schema;
mod scope;
mod store;
mod watch;

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, RwLock};

use futures::{AsyncBufRead as _, AsyncBufReadExt as _};
use kube::Client;
use kube::core::Request;
use serde::de::DeserializeOwned;

pub use error::{ClusterError, FieldCause, WriteError};
pub use events::Events;
pub use flink::FlinkRest;
pub use lease::{Held, Holder, Lease, LeaseError, Patience};
pub use observe::{Listed, gather};
pub use resource::Resource;
pub use scope::Scope;
pub use watch::{Probe, Watch, WatchHealth};

/// Replaces what is secret in a text that came from the API server.
pub type Mask = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// One Kubernetes API server, spoken to as `flinkops`.
///
/// Cheap to clone: clones share the connection, the discovered kinds and the schema.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    name: String,
    discovered: Arc<resource::Discovered>,
    schema: Arc<schema::Known>,
    mask: Arc<RwLock<Option<Mask>>>,
    lease: Option<Held>,
    flink: Option<FlinkRest>,
}

impl Cluster {
    /// Speaks through a client that someone else made; `name` is what people call the cluster.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client: patience::patient(client),
            name: name.into(),
            discovered: Arc::default(),
            schema: Arc::default(),
            mask: Arc::default(),
            lease: None,
            flink: None,
        }
    }

    /// What people call the cluster: the context, or the server's address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The connection itself.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Says how secrets are taken out of the API server's messages and out of Events (S25); clones follow.
    pub fn set_mask(&self, mask: Mask) {
        *self.mask.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(mask);
    }

    /// The same cluster, which writes only while the lease is held (S6).
    #[must_use]
    pub fn guarded(&self, lease: Held) -> Self {
        Self { lease: Some(lease), ..self.clone() }
    }

    /// Takes out of a text what is secret.
    pub(crate) fn masked(&self, text: &str) -> String {
        let mask = self.mask.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        mask.map_or_else(|| text.to_owned(), |mask| mask(text))
    }

    /// Sends a request that is built from a path and parameters.
    async fn request<T: DeserializeOwned>(
        &self,
        path: String,
        build: impl FnOnce(Request) -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, kube::Error> {
        let request = build(Request::new(path)).map_err(kube::Error::BuildRequest)?;
        self.client.request(request).await
    }

    /// The same, with the answer as it is: it may be large, and is copied no more often than it has to be.
    async fn request_bytes(
        &self,
        path: String,
        build: impl FnOnce(Request) -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Vec<u8>, kube::Error> {
        let request = build(Request::new(path)).map_err(kube::Error::BuildRequest)?;
        let mut answer = pin!(self.client.request_stream(request).await?);
        let mut bytes = Vec::new();
        loop {
            let chunk = answer.fill_buf().await.map_err(|error| kube::Error::Service(error.into()))?;
            if chunk.is_empty() {
                return Ok(bytes);
            }
            if bytes.capacity() - bytes.len() < chunk.len() {
                bytes.reserve(if bytes.is_empty() { chunk.len() } else { LARGE.max(chunk.len()) });
            }
            bytes.extend_from_slice(chunk);
            let taken = chunk.len();
            answer.as_mut().consume(taken);
        }
    }
}

/// Room for an answer that does not come in one piece, in bytes: most lists. What of it stays unused costs nothing.
const LARGE: usize = 16 << 20;

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("name", &self.name).finish_non_exhaustive()
    }
}
