//! `/healthz`, `/readyz` and `/metrics`: what a cluster and a person on call ask a daemon.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Metrics;
use crate::cluster::{Mask, Probe};
use crate::spec::Finding;
use crate::spec::source::Revision;

/// What the daemon knows about itself.
#[derive(Debug, Default)]
pub struct Health(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    revision: Option<Revision>,
    git_error: Option<String>,
    invalid: Option<String>,
    start_error: Option<String>,
    watch: Option<Probe>,
    waiting_for: Option<String>,
    leading: bool,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn git_read(&self, revision: &Revision) {
        let mut inner = self.lock();
        inner.revision = Some(revision.clone());
        inner.invalid = None;
    }

    pub(super) fn recalled(&self, revision: &Revision) {
        self.lock().revision.get_or_insert_with(|| revision.clone());
    }

    pub(super) fn git_invalid(&self, revision: &Revision, findings: &[Finding]) {
        let first = findings.first().map(|found| format!("{}: {}", found.place.file, found.message));
        let why = first.unwrap_or_else(|| "it holds nothing usable".to_owned());
        self.lock().invalid = Some(format!("revision {} cannot be used: {why}", revision.short()));
    }

    pub(super) fn git_failed(&self, message: String) {
        self.lock().git_error = Some(message);
    }

    pub(super) fn git_reachable(&self) {
        self.lock().git_error = None;
    }

    pub(super) fn start_failed(&self, message: Option<String>) {
        self.lock().start_error = message;
    }

    pub(super) fn watching(&self, watch: Probe) {
        self.lock().watch = Some(watch);
    }

    pub(super) fn leading(&self, leading: bool, waiting_for: Option<String>) {
        let mut inner = self.lock();
        inner.leading = leading;
        inner.waiting_for = waiting_for;
    }

    /// Whether the daemon can do its work: Git was read at least once, and the cluster is known.
    pub fn is_ready(&self) -> bool {
        let inner = self.lock();
        let watch = inner.watch.as_ref().map(Probe::health);
        inner.revision.is_some() && watch.is_some_and(|watch| watch.synced && watch.failures.is_empty())
    }

    /// The same for people, a line per part. Whoever shows it takes out what is secret.
    pub fn text(&self) -> String {
        let inner = self.lock();
        let watch = inner.watch.as_ref().map(Probe::health).unwrap_or_default();
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name}: {value}");
        };
        line("git", inner.revision.as_ref().map_or("not read yet", Revision::short));
        inner.git_error.iter().for_each(|error| line("git error", error));
        inner.invalid.iter().for_each(|invalid| line("git invalid", invalid));
        line("cluster", if watch.synced { "synced" } else { "not synced yet" });
        inner.start_error.iter().for_each(|error| line("cluster error", &format!("failed to {error}")));
        for failure in &watch.failures {
            line("cluster error", &format!("failed to {failure}"));
        }
        match &inner.waiting_for {
            Some(holder) => line("lease", &format!("waiting for {holder}")),
            None => line("lease", if inner.leading { "held" } else { "not held" }),
        }
        text
    }
}

type Shared = (Arc<Health>, Arc<Metrics>, Mask);

/// The pages; `mask` takes out of a text what is secret (S25).
pub(super) fn router(health: Arc<Health>, metrics: Arc<Metrics>, mask: Mask) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(page))
        .with_state((health, metrics, mask))
}

async fn ready(State((health, _, mask)): State<Shared>) -> impl IntoResponse {
    let status = if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, mask(&health.text()))
}

async fn page(State((_, metrics, _)): State<Shared>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.page())
}

/// Serves the pages until told to stop; answers with the address it listens on.
pub(super) async fn listen(
    address: SocketAddr,
    pages: Router,
    shutdown: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    tokio::spawn(async move {
        let served = serve(listener, pages).with_graceful_shutdown(shutdown.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!("the web pages ended: {error}");
        }
    });
    Ok(bound)
}
