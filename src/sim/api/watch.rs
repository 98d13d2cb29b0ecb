//! Watches: the history as a stream of JSON lines, with bookmarks, a time limit and 410.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::{Response, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::history::{Change, ChangeKind};
use super::request::Call;
use super::resource::Resource;
use super::selector::Selector;
use super::server::Dropped;
use super::status::StatusError;
use super::store::Store;
use super::{event_view, table};

/// How often a quiet watch hears that it is up to date.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long before the end of a watch its last bookmark comes.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
/// How long a watch lasts that does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);

struct Watch {
    store: Store,
    resource: &'static Resource,
    namespace: Option<String>,
    selector: Selector,
    tables: Option<String>,
    bookmarks: bool,
    cursor: u64,
    changed: tokio::sync::watch::Receiver<u64>,
    cut: tokio::sync::watch::Receiver<u64>,
    lines: VecDeque<Bytes>,
    next_bookmark: Instant,
    deadline: Instant,
    ended: bool,
}

/// Starts a watch.
pub fn respond(
    store: &Store,
    call: &Call,
    resource: &'static Resource,
    namespace: Option<&str>,
) -> Result<Response<Body>, StatusError> {
    let watch = Watch::start(store, call, resource, namespace)?;
    let lines = stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((line, watch))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}

impl Watch {
    fn start(
        store: &Store,
        call: &Call,
        resource: &'static Resource,
        namespace: Option<&str>,
    ) -> Result<Self, StatusError> {
        let timeout = call.parameter("timeoutSeconds").parse().map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        let deadline = Instant::now() + timeout;
        let mut watch = Self {
            store: store.clone(),
            resource,
            namespace: namespace.map(str::to_owned),
            selector: Selector::read(
                resource,
                call.parameter("labelSelector"),
                call.parameter("fieldSelector"),
            )?,
            tables: call.table.then(|| call.parameter("includeObject").to_owned()),
            bookmarks: call.flag("allowWatchBookmarks"),
            cursor: 0,
            changed: store.subscribe(),
            cut: store.subscribe_cuts(),
            lines: VecDeque::new(),
            next_bookmark: deadline,
            deadline,
            ended: false,
        };
        watch.schedule_bookmark();
        watch.begin(call)?;
        Ok(watch)
    }

    fn begin(&mut self, call: &Call) -> Result<(), StatusError> {
        let asked = call.parameter("resourceVersion");
        let streams_list = call.flag("sendInitialEvents");
        if streams_list || matches!(asked, "" | "0") {
            let (objects, version) = self.store.list(self.resource.stored(), self.namespace.as_deref());
            self.cursor = version;
            let chosen = objects.iter().filter(|object| self.selector.matches(object));
            self.lines = chosen.map(|object| self.line(ChangeKind::Added, object)).collect();
            if streams_list && self.bookmarks {
                self.bookmark(&json!({"k8s.io/initial-events-end": "true"}));
            }
            return Ok(());
        }
        let invalid = |_| StatusError::bad_request(format!("invalid resource version {asked:?}"));
        self.cursor = asked.parse().map_err(invalid)?;
        Ok(())
    }

    /// The next line; an error where the connection is cut in the middle.
    async fn next(&mut self) -> Option<Result<Bytes, Dropped>> {
        loop {
            self.changed.borrow_and_update();
            self.read_changes();
            if let Some(line) = self.lines.pop_front() {
                return Some(Ok(line));
            }
            if self.ended {
                return None;
            }
            tokio::select! {
                alive = self.changed.changed() => alive.ok()?,
                alive = self.cut.changed() => {
                    alive.ok()?;
                    self.ended = true;
                    return Some(Err(Dropped));
                }
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.bookmark(&Value::Null);
                    self.schedule_bookmark();
                }
                () = tokio::time::sleep_until(self.deadline) => return None,
            }
        }
    }

    fn schedule_bookmark(&mut self) {
        let now = Instant::now();
        let last = self.deadline.checked_sub(BOOKMARK_BEFORE_END).filter(|last| *last > now);
        let regular = now + BOOKMARK_EVERY;
        self.next_bookmark = last.map_or(self.deadline + BOOKMARK_EVERY, |last| last.min(regular));
    }

    fn read_changes(&mut self) {
        match self.store.changes_since(self.cursor) {
            _ if self.ended => {}
            Ok(changes) => changes.iter().for_each(|change| self.take(change)),
            Err(compacted) => {
                let error = StatusError::expired(self.cursor, compacted.oldest).to_json();
                self.lines.push_back(encode("ERROR", &error));
                self.ended = true;
            }
        }
    }

    fn take(&mut self, change: &Change) {
        self.cursor = change.version;
        let stored = self.resource.stored();
        let elsewhere = self.namespace.as_ref().is_some_and(|namespace| *namespace != change.key.namespace);
        if change.key.kind != stored.kind || change.key.api_version != stored.api_version() || elsewhere {
            return;
        }
        let was = change.previous.as_ref().is_some_and(|object| self.selector.matches(object));
        let is = change.kind != ChangeKind::Deleted && self.selector.matches(&change.object);
        let kind = match (was, is) {
            (false, true) => ChangeKind::Added,
            (true, true) => ChangeKind::Modified,
            (true, false) => ChangeKind::Deleted,
            (false, false) => return,
        };
        self.lines.push_back(self.line(kind, &change.object));
    }

    fn line(&self, kind: ChangeKind, object: &Value) -> Bytes {
        let object = event_view::present(self.resource, object.clone());
        let Some(include) = &self.tables else { return encode(kind.as_str(), &object) };
        let version = object["metadata"]["resourceVersion"].clone();
        let table = table::of(self.resource, &[&object], include, self.store.now()).at_version(&version);
        encode(kind.as_str(), &table)
    }

    fn bookmark(&mut self, annotations: &Value) {
        let mut metadata = json!({"resourceVersion": self.cursor.to_string(), "creationTimestamp": null});
        if !annotations.is_null() {
            metadata["annotations"] = annotations.clone();
        }
        let resource = self.resource;
        let object =
            json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata});
        self.lines.push_back(encode("BOOKMARK", &object));
    }
}

fn encode(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"))
}
