//! No request lasts for ever, and how long the API server asks to be left alone is not lost.
//!
//! kube itself sets no limit, and reads `Retry-After` only where it sends a request again by itself.

use std::io;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::BoxError;

/// After this long without the first word of an answer a request is given up, be it a read, a write or the
/// beginning of a watch. Whether a write was done is found out by the next plan.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same client with these limits.
pub(super) fn patient(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| ask(client.clone(), request));
    Client::new(service, namespace)
}

async fn ask(client: Client, request: Request<Body>) -> Result<Response<Body>, BoxError> {
    let exchange = async {
        let answer = client.send(request).await?;
        let busy = matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let pause = answer.headers().get(RETRY_AFTER).filter(|_| busy).and_then(seconds);
        match pause {
            Some(seconds) => explained(answer, seconds).await,
            None => Ok(answer),
        }
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await;
    answer.map_err(|_| {
        let message = format!("no answer within {} s", PATIENCE.as_secs());
        BoxError::from(io::Error::new(io::ErrorKind::TimedOut, message))
    })?
}

fn seconds(header: &HeaderValue) -> Option<u32> {
    header.to_str().ok()?.trim().parse().ok()
}

/// Puts the pause where a `Status` has it; a server that is too busy answers with a mere sentence.
async fn explained(answer: Response<Body>, seconds: u32) -> Result<Response<Body>, BoxError> {
    let (mut head, body) = answer.into_parts();
    let body = body.collect_bytes().await?;
    let told = serde_json::from_slice(&body).ok().filter(|told: &Value| told["kind"] == "Status");
    let mut status = told.unwrap_or_else(|| {
        let message = String::from_utf8_lossy(&body);
        let reason = head.status.canonical_reason().unwrap_or_default().replace(' ', "");
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message.trim(), "reason": reason, "code": head.status.as_u16(),
        })
    });
    if status["details"]["retryAfterSeconds"].is_null() {
        status["details"]["retryAfterSeconds"] = json!(seconds);
    }
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Response::from_parts(head, Body::from(status.to_string().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answering(answer: impl Fn() -> Response<Body> + Send + Sync + 'static) -> Client {
        let service = tower::service_fn(move |_: Request<Body>| {
            let answer = answer();
            async { Ok::<_, io::Error>(answer) }
        });
        patient(Client::new(service, "default"))
    }

    fn question() -> Request<Vec<u8>> {
        Request::get("/version").body(Vec::new()).expect("a path")
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_not_answered_is_given_up() {
        let silent =
            tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, io::Error>>());
        let client = patient(Client::new(silent, "default"));
        let error = client.request::<Value>(question()).await.expect_err("no answer");
        assert_eq!(super::super::error::innermost(&error), "no answer within 30 s");
    }

    #[tokio::test]
    async fn the_pause_a_busy_server_asks_for_is_read_from_the_header() {
        for text in [
            "Too many requests, please try again later.",
            r#"{"kind": "Status", "code": 429, "message": "x"}"#,
        ] {
            let client = answering(move || {
                let answer = Response::builder().status(429).header(RETRY_AFTER, "7");
                answer.body(Body::from(text.as_bytes().to_vec())).expect("an answer")
            });
            let error = client.request::<Value>(question()).await.expect_err("busy");
            let kube::Error::Api(status) = error else { panic!("{error}") };
            assert_eq!(status.code, 429);
            assert_eq!(status.details.expect("details").retry_after_seconds, 7);
        }
    }
}
