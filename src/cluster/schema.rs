//! Asks the API server once how it serves the Flink kinds, and afterwards only whether that has changed.
//!
//! The documents are its `OpenAPI` v3 of the operator's group, and of Confluent's where units are of that. The role
//! `system:discovery` lets everyone read them who may log in: no right on custom resource definitions is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Request, StatusCode};
use kube::client::Body;

use super::Cluster;
use super::error::innermost;
use crate::flink::kind::API_VERSION;
use crate::plan::live::Schema;
use crate::spec::served::Served;

/// What was read last of each group, with the tag by which the API server knows it again.
#[derive(Default)]
pub(super) struct Known(tokio::sync::Mutex<BTreeMap<&'static str, (HeaderValue, Arc<Served>)>>);

/// Why there is no schema.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// The reason in words, without secrets.
    pub(super) why: String,
    /// Whether it may be readable later.
    pub(super) passes: bool,
}

impl Cluster {
    /// The schema for a plan of units of these groups; one that cannot be read keeps nobody from planning.
    pub(super) async fn schema(&self, groups: &BTreeSet<&'static str>) -> Schema {
        match self.served(groups).await {
            Ok(served) => Schema::Served(served),
            Err(Unreadable { why, .. }) => Schema::Unreadable(why),
        }
    }

    /// How the API server serves the kinds of these groups, each by its `apiVersion`.
    pub(super) async fn served(&self, groups: &BTreeSet<&'static str>) -> Result<Arc<Served>, Unreadable> {
        let mut served = self.group(API_VERSION).await?;
        for group in groups.iter().filter(|group| **group != API_VERSION) {
            served = Arc::new(served.with(&*self.group(group).await?));
        }
        Ok(served)
    }

    async fn group(&self, group: &'static str) -> Result<Arc<Served>, Unreadable> {
        let mut known = self.schema.0.lock().await;
        let tag = known.get(group).map(|(tag, _)| tag);
        let answer = self.client.send(question(group, tag)).await;
        let answer = answer.map_err(|error| self.unreadable(&innermost(&error), true))?;
        let (head, body) = answer.into_parts();
        if let (StatusCode::NOT_MODIFIED, Some((_, served))) = (head.status, known.get(group)) {
            return Ok(served.clone());
        }
        if head.status == StatusCode::NOT_FOUND && group != API_VERSION {
            // That the cluster does not serve them is told where they are listed.
            return Ok(Arc::default());
        }
        if head.status != StatusCode::OK {
            let passes = head.status.is_server_error() || head.status == StatusCode::TOO_MANY_REQUESTS;
            return Err(self.unreadable(&format!("the API server answers {}", head.status), passes));
        }
        let body = body.collect_bytes().await;
        let body = body.map_err(|error| self.unreadable(&innermost(&error), true))?;
        let served = Served::read(&body);
        let served = Arc::new(served.map_err(|error| self.unreadable(&error.to_string(), false))?);
        match head.headers.get(ETAG) {
            Some(tag) => drop(known.insert(group, (tag.clone(), served.clone()))),
            None => drop(known.remove(group)),
        }
        Ok(served)
    }

    fn unreadable(&self, why: &str, passes: bool) -> Unreadable {
        Unreadable { why: self.masked(why), passes }
    }
}

fn question(group: &str, tag: Option<&HeaderValue>) -> Request<Body> {
    let mut request = Request::get(format!("/openapi/v3/apis/{group}"));
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
    use crate::flink::kind::CONFLUENT;

    type Asked = Arc<Mutex<Vec<(String, Option<HeaderValue>)>>>;

    /// Answers as scripted; remembers what it was asked, and by which tag.
    fn cluster(answers: Vec<Response<Body>>) -> (Cluster, Asked) {
        let (asked, answers) = (Asked::default(), Mutex::new(answers.into_iter()));
        let questions = asked.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let group = request.uri().path().strip_prefix("/openapi/v3/apis/").unwrap().to_owned();
            questions.lock().unwrap().push((group, request.headers().get(IF_NONE_MATCH).cloned()));
            let answer = answers.lock().unwrap().next().expect("one answer more");
            async { Ok::<_, std::io::Error>(answer) }
        });
        (Cluster::new(Client::new(service, "default"), "test"), asked)
    }

    fn answer(status: u16, text: &'static str) -> Response<Body> {
        let response = Response::builder().status(status).header(ETAG, "\"tag\"");
        response.body(Body::from(text.as_bytes().to_vec())).unwrap()
    }

    const NOTHING: &str = r#"{"components": {}}"#;
    const APPLICATION: &str = r#"{"components": {"schemas": {"a": {"properties": {"spec": {}},
        "x-kubernetes-group-version-kind":
            [{"group": "platform.confluent.io", "version": "v1beta1", "kind": "FlinkApplication"}]}}}}"#;

    #[tokio::test]
    async fn it_is_read_once_and_then_only_asked_whether_it_changed() {
        let (cluster, asked) = cluster(vec![answer(200, NOTHING), answer(304, "")]);
        let first = cluster.served(&BTreeSet::new()).await.expect("a schema");
        let second = cluster.clone().served(&[API_VERSION].into()).await.expect("the same");
        assert!(Arc::ptr_eq(&first, &second));
        let tag = Some(HeaderValue::from_static("\"tag\""));
        assert_eq!(*asked.lock().unwrap(), [(API_VERSION.to_owned(), None), (API_VERSION.to_owned(), tag)]);
    }

    #[tokio::test]
    async fn what_confluent_serves_is_asked_for_where_units_are_of_it() {
        let answers = [(200, NOTHING), (404, ""), (304, ""), (200, APPLICATION), (304, ""), (304, "")];
        let (cluster, asked) = cluster(answers.map(|(status, text)| answer(status, text)).into());
        let served = async || cluster.served(&[API_VERSION, CONFLUENT].into()).await.expect("a schema");
        let (nothing, applications, again) = (served().await, served().await, served().await);
        assert!(!nothing.is(&applications) && applications.is(&again));
        assert!(applications.document()["components"]["schemas"]["FlinkApplication"].is_object());
        let groups: Vec<String> = asked.lock().unwrap().iter().map(|(group, _)| group.clone()).collect();
        assert_eq!(groups, [API_VERSION, CONFLUENT].repeat(3));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_said_and_whether_it_passes() {
        let answers = vec![answer(403, "no"), answer(503, "later"), answer(404, ""), answer(200, "<html>")];
        let (cluster, _) = cluster(answers);
        let groups = BTreeSet::new();
        let why = cluster.served(&groups).await.expect_err("forbidden");
        assert_eq!((why.why.as_str(), why.passes), ("the API server answers 403 Forbidden", false));
        assert!(cluster.served(&groups).await.expect_err("unavailable").passes);
        assert!(!cluster.served(&groups).await.expect_err("no operator").passes);
        assert!(matches!(cluster.schema(&groups).await, Schema::Unreadable(_)), "no JSON");
    }
}
