//! Asks the API server once how it serves the Flink kinds, and afterwards only whether that has changed.
//!
//! The document is its `OpenAPI` v3 of the operator's group, which the role `system:discovery` lets everyone
//! read who may log in: no right on custom resource definitions is needed.

use std::sync::Arc;

use http::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Request, StatusCode};
use kube::client::Body;

use super::Cluster;
use super::error::innermost;
use crate::flink::kind::API_VERSION;
use crate::plan::live::Schema;
use crate::spec::served::Served;

/// What was read last, with the tag by which the API server knows it again.
#[derive(Default)]
pub(super) struct Known(tokio::sync::Mutex<Option<(HeaderValue, Arc<Served>)>>);

/// Why there is no schema.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// The reason in words, without secrets.
    pub(super) why: String,
    /// Whether it may be readable later.
    pub(super) passes: bool,
}

impl Cluster {
    /// The schema for a plan; one that cannot be read keeps nobody from planning.
    pub(super) async fn schema(&self) -> Schema {
        match self.served().await {
            Ok(served) => Schema::Served(served),
            Err(Unreadable { why, .. }) => Schema::Unreadable(why),
        }
    }

    /// How the API server serves the Flink kinds.
    pub(super) async fn served(&self) -> Result<Arc<Served>, Unreadable> {
        let mut known = self.schema.0.lock().await;
        let tag = known.as_ref().map(|(tag, _)| tag);
        let answer = self.client.send(question(tag)).await;
        let answer = answer.map_err(|error| self.unreadable(&innermost(&error), true))?;
        let (head, body) = answer.into_parts();
        if let (StatusCode::NOT_MODIFIED, Some((_, served))) = (head.status, &*known) {
            return Ok(served.clone());
        }
        if head.status != StatusCode::OK {
            let passes = head.status.is_server_error() || head.status == StatusCode::TOO_MANY_REQUESTS;
            return Err(self.unreadable(&format!("the API server answers {}", head.status), passes));
        }
        let body = body.collect_bytes().await;
        let body = body.map_err(|error| self.unreadable(&innermost(&error), true))?;
        let served = Served::read(&body);
        let served = Arc::new(served.map_err(|error| self.unreadable(&error.to_string(), false))?);
        *known = head.headers.get(ETAG).map(|tag| (tag.clone(), served.clone()));
        Ok(served)
    }

    fn unreadable(&self, why: &str, passes: bool) -> Unreadable {
        Unreadable { why: self.masked(why), passes }
    }
}

fn question(tag: Option<&HeaderValue>) -> Request<Body> {
    let mut request = Request::get(format!("/openapi/v3/apis/{API_VERSION}"));
    request = request.header(ACCEPT, "application/json");
    if let Some(tag) = tag {
        request = request.header(IF_NONE_MATCH, tag);
    }
    request.body(Body::empty()).expect("a path and headers that are constant or came from a server")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http::Response;
    use kube::Client;

    use super::*;

    /// Answers as scripted; remembers by which tag it was asked.
    fn cluster(answers: Vec<Response<Body>>) -> (Cluster, Arc<Mutex<Vec<Option<HeaderValue>>>>) {
        let (asked, answers) = (Arc::<Mutex<Vec<_>>>::default(), Mutex::new(answers.into_iter()));
        let tags = asked.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            assert_eq!(request.uri().path(), "/openapi/v3/apis/flink.apache.org/v1beta1");
            tags.lock().unwrap().push(request.headers().get(IF_NONE_MATCH).cloned());
            let answer = answers.lock().unwrap().next().expect("one answer more");
            async { Ok::<_, std::io::Error>(answer) }
        });
        (Cluster::new(Client::new(service, "default"), "test"), asked)
    }

    fn answer(status: u16, text: &'static str) -> Response<Body> {
        let response = Response::builder().status(status).header(ETAG, "\"tag\"");
        response.body(Body::from(text.as_bytes().to_vec())).unwrap()
    }

    #[tokio::test]
    async fn it_is_read_once_and_then_only_asked_whether_it_changed() {
        let (cluster, asked) = cluster(vec![answer(200, r#"{"components": {}}"#), answer(304, "")]);
        let first = cluster.served().await.expect("a schema");
        let second = cluster.clone().served().await.expect("the same");
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*asked.lock().unwrap(), [None, Some(HeaderValue::from_static("\"tag\""))]);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_said_and_whether_it_passes() {
        let answers = vec![answer(403, "no"), answer(503, "later"), answer(200, "<html>")];
        let (cluster, _) = cluster(answers);
        let why = cluster.served().await.expect_err("forbidden");
        assert_eq!((why.why.as_str(), why.passes), ("the API server answers 403 Forbidden", false));
        assert!(cluster.served().await.expect_err("unavailable").passes);
        assert!(matches!(cluster.schema().await, Schema::Unreadable(_)), "no JSON");
    }
}
