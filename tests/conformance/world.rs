//! A namespace of an API server and the plain requests that the cases make in it.

use flinkops::sim::Sim;
use futures::{AsyncBufReadExt as _, StreamExt as _, stream::BoxStream};
use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::time::Duration;

/// How long an expected watch event may take before the case fails.
const EVENT: Duration = Duration::from_secs(120);

/// Where a case runs: one API server and an empty namespace.
pub struct World {
    client: Client,
    pub namespace: String,
    /// Kept alive as long as the world.
    _embedded: Option<Sim>,
}

impl World {
    pub fn new(client: Client, namespace: impl Into<String>, embedded: Option<Sim>) -> Self {
        Self { client, namespace: namespace.into(), _embedded: embedded }
    }

    pub fn deployments(&self) -> Resource<'_> {
        self.resource("/apis/flink.apache.org/v1beta1", "flinkdeployments")
    }

    pub fn config_maps(&self) -> Resource<'_> {
        self.resource("/api/v1", "configmaps")
    }

    /// Reads a path of the API server that belongs to no namespace.
    pub async fn read(&self, path: &str) -> Value {
        self.send(Method::GET, path, "application/json", None).await.ok()
    }

    pub fn resource(&self, group: &str, plural: &str) -> Resource<'_> {
        Resource { world: self, path: format!("{group}/namespaces/{}/{plural}", self.namespace) }
    }

    async fn send(&self, method: Method, path: &str, content_type: &str, body: Option<Value>) -> Answer {
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .body(Body::from(body));
        let response = self.client.send(request.expect("a well-formed request")).await.expect("an answer");
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await.expect("a whole answer");
        Answer { code, body: serde_json::from_slice(&bytes).expect("an answer in JSON") }
    }
}

/// One kind of object in the world's namespace.
pub struct Resource<'a> {
    world: &'a World,
    path: String,
}

impl Resource<'_> {
    pub async fn create(&self, query: &str, object: &Value) -> Answer {
        self.send(Method::POST, "", query, "application/json", Some(object)).await
    }

    pub async fn get(&self, name: &str) -> Answer {
        self.send(Method::GET, name, "", "application/json", None).await
    }

    pub async fn list(&self, query: &str) -> Answer {
        self.send(Method::GET, "", query, "application/json", None).await
    }

    pub async fn replace(&self, name: &str, query: &str, object: &Value) -> Answer {
        self.send(Method::PUT, name, query, "application/json", Some(object)).await
    }

    /// Sends a JSON merge patch; `name` may end with `/status`.
    pub async fn merge(&self, name: &str, query: &str, patch: &Value) -> Answer {
        self.send(Method::PATCH, name, query, "application/merge-patch+json", Some(patch)).await
    }

    /// Sends a strategic merge patch, as `kubectl edit` does for built-in kinds.
    pub async fn strategic_merge(&self, name: &str, patch: &Value) -> Answer {
        self.send(Method::PATCH, name, "", "application/strategic-merge-patch+json", Some(patch)).await
    }

    /// Sends a server-side apply.
    pub async fn apply(&self, name: &str, query: &str, object: &Value) -> Answer {
        self.send(Method::PATCH, name, query, "application/apply-patch+yaml", Some(object)).await
    }

    pub async fn delete(&self, name: &str, options: &Value) -> Answer {
        self.send(Method::DELETE, name, "", "application/json", Some(options)).await
    }

    pub async fn watch(&self, query: &str) -> Watch {
        let uri = format!("{}?watch=1&{query}", self.path);
        let request = Request::get(uri).body(Vec::new()).expect("a well-formed request");
        let stream = self.world.client.request_stream(request).await.expect("a watch");
        Watch(Box::pin(
            stream.lines().map(|line| {
                serde_json::from_str(&line.expect("an unbroken stream")).expect("an event in JSON")
            }),
        ))
    }

    async fn send(
        &self,
        method: Method,
        name: &str,
        query: &str,
        kind: &str,
        body: Option<&Value>,
    ) -> Answer {
        let name = if name.is_empty() { String::new() } else { format!("/{name}") };
        let path = format!("{}{name}?{query}", self.path);
        self.world.send(method, &path, kind, body.cloned()).await
    }
}

/// The events of a watch, in order.
pub struct Watch(BoxStream<'static, Value>);

impl Watch {
    /// The next event's type and object; fails when none comes.
    pub async fn next(&mut self) -> (String, Value) {
        let event = tokio::time::timeout(EVENT, self.0.next()).await.expect("an event in time");
        let mut event = event.expect("an event before the end of the watch");
        let kind = event["type"].as_str().expect("a type").to_owned();
        (kind, event["object"].take())
    }

    /// The next event as `TYPE name`.
    pub async fn next_brief(&mut self) -> String {
        let (kind, object) = self.next().await;
        format!("{kind} {}", object["metadata"]["name"].as_str().unwrap_or_default())
    }

    /// Whether the server has ended the watch.
    pub async fn ended(&mut self) -> bool {
        tokio::time::timeout(EVENT, self.0.next()).await.expect("an end in time").is_none()
    }
}

/// What the API server said.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub body: Value,
}

impl Answer {
    /// The object of an answer that must be a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.code < 300, "refused with {}: {}", self.code, self.body);
        self.body
    }

    /// The message of an answer that must be this refusal.
    #[track_caller]
    pub fn refused(&self, code: u16, reason: &str) -> String {
        let said = (self.code, self.body["reason"].as_str().unwrap_or_default());
        assert_eq!(said, (code, reason), "{}", self.body);
        assert_eq!(self.body["kind"], "Status");
        assert_eq!(self.body["code"], code);
        self.body["message"].as_str().expect("a message").to_owned()
    }
}

/// A `FlinkDeployment` that every release's definition takes.
pub fn deployment(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
           "metadata": {"name": name}, "spec": spec})
}

/// A plausible application's spec.
pub fn application() -> Value {
    json!({
        "image": "flink:1.20", "flinkVersion": "v1_17", "serviceAccount": "flink",
        "flinkConfiguration": {"taskmanager.numberOfTaskSlots": "2", "state.savepoints.dir": "file:///savepoints"},
        "jobManager": {"resource": {"memory": "1024m", "cpu": 1}},
        "taskManager": {"resource": {"memory": "1024m", "cpu": 1}},
        "job": {"jarURI": "local:///opt/job.jar", "parallelism": 1, "upgradeMode": "savepoint"},
    })
}

/// A `ConfigMap` with this data.
pub fn config_map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// `metadata.resourceVersion`, which every stored object has.
#[track_caller]
pub fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().expect("a resourceVersion")
}

/// The managers of an object as `manager operation [subresource]`, sorted.
pub fn managers(object: &Value) -> Vec<String> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let line =
        |entry| [text(entry, "manager"), text(entry, "operation"), text(entry, "subresource")].join(" ");
    let mut lines: Vec<_> = entries(object).iter().map(|entry| line(entry).trim_end().to_owned()).collect();
    lines.sort();
    lines
}

/// The `fieldsV1` of one manager's entry on the main resource.
#[track_caller]
pub fn fields(object: &Value, manager: &str) -> Value {
    entry(object, manager, None)["fieldsV1"].clone()
}

/// One manager's entry in `managedFields`, for the main resource or a subresource.
#[track_caller]
pub fn entry<'a>(object: &'a Value, manager: &str, subresource: Option<&str>) -> &'a Value {
    let wanted = |entry: &&Value| {
        entry["manager"] == manager && entry.get("subresource").and_then(Value::as_str) == subresource
    };
    let found = entries(object).iter().find(wanted);
    found.unwrap_or_else(|| panic!("no entry of {manager}: {:?}", entries(object)))
}

fn entries(object: &Value) -> &[Value] {
    object["metadata"]["managedFields"].as_array().map_or(&[], Vec::as_slice)
}
