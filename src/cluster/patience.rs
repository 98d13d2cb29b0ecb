//! No request lasts for ever, and how long the API server asks to be left alone is not lost. What is read once is
//! asked for again where the API server was only too busy.
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

/// How many times more a question is asked that the API server could not answer just then.
const AGAIN: u32 = 3;

/// Asks, and again after one, two and four seconds, or as long as the API server wants to be left alone, while
/// it answers that it is busy or in trouble. For what nobody else asks again: watches and writes have their own
/// pauses.
pub(super) async fn again<T, F>(ask: impl Fn() -> F) -> Result<T, kube::Error>
where
    F: Future<Output = Result<T, kube::Error>>,
{
    for pause in (0..AGAIN).map(|time| Duration::from_secs(1 << time)) {
        match ask().await {
            Err(kube::Error::Api(status)) if matches!(status.code, 429 | 500..) => {
                let wanted = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
                tokio::time::sleep(pause.max(Duration::from_secs(wanted.into())).min(PATIENCE)).await;
            }
            answer => return answer,
        }
    }
    ask().await
}

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
    use std::sync::atomic::{AtomicUsize, Ordering};

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

    #[tokio::test(start_paused = true)]
    async fn a_question_is_asked_again_while_the_server_is_in_trouble() {
        async fn asked(answers: &'static [(u16, &'static str)]) -> (usize, u64, Option<u16>) {
            let (begun, times) = (tokio::time::Instant::now(), std::sync::Arc::new(AtomicUsize::new(0)));
            let count = times.clone();
            let client = answering(move || {
                let (code, pause) = answers[count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
                let answer = Response::builder().status(code).header(RETRY_AFTER, pause);
                let text = json!({"kind": "Status", "code": code, "message": "x"}).to_string();
                answer.body(Body::from(text.into_bytes())).expect("an answer")
            });
            let answer = again(|| client.request::<Value>(question())).await;
            let code = answer.err().map(|error| match error {
                kube::Error::Api(status) => status.code,
                other => panic!("{other}"),
            });
            (times.load(Ordering::SeqCst), begun.elapsed().as_secs(), code)
        }
        assert_eq!(asked(&[(429, "7"), (200, "")]).await, (2, 7, None));
        assert_eq!(asked(&[(500, ""), (503, ""), (200, "")]).await, (3, 3, None));
        assert_eq!(asked(&[(500, "")]).await, (4, 7, Some(500)), "it is no use");
        assert_eq!(asked(&[(403, "")]).await, (1, 0, Some(403)), "it would be no use");
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
