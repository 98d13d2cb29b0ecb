//! The way in: one function that answers a request, called in process or by an HTTP server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::{BoxError, Router};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response, StatusCode, header};
use http_body::Body as _;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Api;
use super::journal::{Phase, Verdict};
use super::request::Call;
use super::routes;
use super::status::StatusError;

/// The connection was cut on purpose by a hook.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("connection reset by the embedded cluster")]
pub struct Dropped;

/// The largest body the API server takes.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Answers a request, after noting it and asking the hook.
pub async fn answer<B>(api: Arc<Api>, request: Request<B>) -> Result<Response<Body>, Dropped>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    let call = match Call::read(&parts) {
        Ok(call) => call,
        Err(error) => return Ok(refuse(&error)),
    };
    let Ok(body) = axum::body::to_bytes(Body::new(body), BODY_LIMIT).await else {
        return Ok(refuse(&StatusError::new(413, "RequestEntityTooLarge", "the request is too large")));
    };
    api.journal().record(call.logged().clone());
    if let Some(fault) = fault(&api, &call, Phase::Before).await {
        return fault;
    }
    let response = routes::respond(&api, &call, &body).unwrap_or_else(|error| refuse(&error));
    match fault(&api, &call, Phase::After).await {
        Some(fault) => fault,
        None => Ok(response),
    }
}

async fn fault(api: &Api, call: &Call, phase: Phase) -> Option<Result<Response<Body>, Dropped>> {
    match api.journal().ask(call.logged(), phase).await {
        Verdict::Pass => None,
        Verdict::Fail(error) => Some(Ok(refuse(&error))),
        Verdict::Busy(seconds) => Some(Ok(busy(seconds))),
        Verdict::Drop => Some(Err(Dropped)),
    }
}

fn busy(seconds: u32) -> Response<Body> {
    let mut response = Response::new(Body::from("Too many requests, please try again later.\n"));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

fn refuse(error: &StatusError) -> Response<Body> {
    routes::send(error.code, &error.to_json())
}

/// An HTTP server, until dropped.
pub struct Server {
    address: SocketAddr,
    _stop: DropGuard,
}

impl Server {
    /// Starts to listen.
    pub async fn start(api: Arc<Api>, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let router = Router::new()
            .fallback(move |request: Request<Body>| over_http(api.clone(), stopped.clone(), request));
        let serve = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(async move { serve.await });
        Ok(Self { address, _stop: stop.drop_guard() })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A cut connection is a body that breaks off; a watch ends with the server.
async fn over_http(api: Arc<Api>, stopped: CancellationToken, request: Request<Body>) -> Response<Body> {
    match answer(api, request).await {
        Err(dropped) => Response::new(Body::from_stream(stream::iter([Err::<Bytes, _>(dropped)]))),
        Ok(response) if response.body().size_hint().exact().is_some() => response,
        Ok(response) => response
            .map(|body| Body::from_stream(body.into_data_stream().take_until(stopped.cancelled_owned()))),
    }
}

/// Writes a kubeconfig for a server on this address.
pub fn kubeconfig(address: SocketAddr) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: embedded\n\
         clusters:\n- name: embedded\n  cluster: {{server: \"http://{address}\"}}\n\
         contexts:\n- name: embedded\n  context: {{cluster: embedded, user: embedded, namespace: default}}\n\
         users:\n- name: embedded\n  user: {{}}\n"
    )
}
