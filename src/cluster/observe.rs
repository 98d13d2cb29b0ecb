//! Reads the cluster once: every list in parallel, page by page.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use kube::core::params::ListParams;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::task::JoinSet;

use super::scope::{Feed, Scope};
use super::store::{Entry, Said, Store, with_kind};
use super::{Cluster, ClusterError, Resource, patience};
use crate::plan::Live;
use crate::plan::ledger::Ledger;
use crate::plan::live::{LiveObject, Schema, Seen};
use crate::spec::each::each;

/// Objects per page: enough for most namespaces. The first page comes from the API server's memory; where nothing of the
/// kind was written for some minutes, 1.34 reads every other one from etcd, for which it takes three times as long.
pub(super) const PAGE: u32 = 5_000;

/// A page: its objects, not read yet, and where the next one begins.
#[derive(Deserialize)]
struct Page<'p> {
    #[serde(default)]
    metadata: PageMeta,
    #[serde(default, borrow)]
    items: Option<Vec<&'p RawValue>>,
}

#[derive(Default, Deserialize)]
struct PageMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// An object whose `managedFields` stay as they were written: they are a third of it, and few are asked for.
struct Item {
    object: Map<String, Value>,
    managed_fields: Option<Box<RawValue>>,
}

struct Metadata {
    rest: Map<String, Value>,
    managed_fields: Option<Box<RawValue>>,
}

/// Reads a map, and its member of this name as something else than a value. A flattened struct would read everything
/// twice.
struct Apart<T>(&'static str, PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Apart<T> {
    type Value = (Map<String, Value>, Option<T>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let (mut rest, mut apart) = (Map::new(), None);
        while let Some(key) = from.next_key::<String>()? {
            if key == self.0 {
                apart = Some(from.next_value()?);
            } else {
                rest.insert(key, from.next_value()?);
            }
        }
        Ok((rest, apart))
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (rest, managed_fields) = from.deserialize_map(Apart("managedFields", PhantomData))?;
        Ok(Self { rest, managed_fields })
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        const METADATA: &str = "metadata";
        let (mut object, metadata) = from.deserialize_map(Apart::<Metadata>(METADATA, PhantomData))?;
        let Metadata { rest, managed_fields } = metadata.ok_or_else(|| D::Error::missing_field(METADATA))?;
        object.insert(METADATA.to_owned(), Value::Object(rest));
        Ok(Self { object, managed_fields })
    }
}

impl Item {
    fn object(self, feed: &Feed) -> LiveObject {
        with_kind(Value::Object(self.object), feed).with_managed_fields(self.managed_fields)
    }
}

/// What was listed of a cluster, before it is known which of it matters.
#[derive(Debug)]
pub struct Listed {
    cluster: String,
    objects: Vec<LiveObject>,
    schema: Schema,
    /// The groups that the schema was asked for.
    groups: BTreeSet<&'static str>,
}

impl Cluster {
    /// Reads everything an environment's plan is made from. Needs the right to list.
    ///
    /// `Live::since` is left empty: one look cannot tell how long anything has been so.
    pub async fn observe(&self, scope: &Scope) -> Result<Live, ClusterError> {
        Ok(self.list(scope).await?.within(self, scope).await)
    }

    /// Lists what a scope is about. Which companions it names does not matter yet.
    pub async fn list(&self, scope: &Scope) -> Result<Listed, ClusterError> {
        // Each list is a task of its own, so that reading one page does not keep the next from coming in.
        let lists = self.lists(scope, |feed| !feed.may_fail());
        let groups = scope.groups();
        let (objects, schema) = futures::join!(all(lists), self.schema(&groups));
        Ok(Listed { cluster: self.name.clone(), objects: objects?, schema, groups })
    }

    fn lists(&self, scope: &Scope, wanted: impl Fn(&Feed) -> bool) -> Lists {
        let mut lists = JoinSet::new();
        for feed in scope.feeds().into_iter().filter(wanted) {
            let (cluster, scope) = (self.clone(), scope.clone());
            lists.spawn(async move {
                let list = cluster.list_feed(&feed, &scope).await;
                (feed, list)
            });
        }
        lists
    }

    /// Lists one kind in one namespace, whoever its objects belong to.
    pub async fn objects(
        &self,
        (api_version, kind): (&str, &str),
        namespace: &str,
        selector: Option<String>,
    ) -> Result<Vec<LiveObject>, ClusterError> {
        let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
        let feed = Feed { api_version, kind, namespace: namespace.to_owned(), awaited: false };
        self.pages(&feed, selector).await
    }

    async fn list_feed(&self, feed: &Feed, scope: &Scope) -> Result<Vec<LiveObject>, ClusterError> {
        self.pages(feed, scope.selector(feed)).await
    }

    async fn pages(&self, feed: &Feed, selector: Option<String>) -> Result<Vec<LiveObject>, ClusterError> {
        let resource = self.resource(&feed.api_version, &feed.kind).await?;
        let failed = |error| ClusterError::of(self, "list", &resource, &feed.namespace, &error);
        let mut parameters = ListParams { label_selector: selector, ..ListParams::default() }.limit(PAGE);
        let mut objects = Vec::new();
        loop {
            let page = patience::again(|| self.page(feed, &resource, &parameters)).await;
            let page = match page {
                // The list went on for longer than the API server remembers: begin again.
                Err(kube::Error::Api(status))
                    if status.code == 410 && parameters.continue_token.is_some() =>
                {
                    parameters.continue_token = None;
                    objects.clear();
                    continue;
                }
                page => page.map_err(failed)?,
            };
            let of = feed.clone();
            let page = tokio::task::spawn_blocking(move || read(&page, &of)).await.expect(NEVER);
            let (next, mut read) = page.map_err(|error| failed(kube::Error::SerdeError(error)))?;
            objects.append(&mut read);
            if next.is_none() {
                return Ok(objects);
            }
            parameters.continue_token = next;
        }
    }

    async fn page(
        &self,
        feed: &Feed,
        resource: &Resource,
        parameters: &ListParams,
    ) -> Result<Vec<u8>, kube::Error> {
        self.request_bytes(feed.path(resource), |request| request.list(parameters)).await
    }
}

/// The objects of a page, and where the page after it begins, if there is one.
fn read(page: &[u8], feed: &Feed) -> Result<(Option<String>, Vec<LiveObject>), serde_json::Error> {
    let page: Page<'_> = serde_json::from_slice(page)?;
    let item = |item: &RawValue| Ok(serde_json::from_str::<Item>(item.get())?.object(feed));
    let objects = each(page.items.unwrap_or_default(), item).into_iter().collect::<Result<_, _>>()?;
    Ok((page.metadata.next.filter(|token| !token.is_empty()), objects))
}

impl Listed {
    /// What it means within a scope. What units wait for, and of which rarer kinds there are units, only Git and the
    /// records say: it is listed now, and where it cannot be, that concerns those units and is no failure.
    pub async fn within(mut self, cluster: &Cluster, scope: &Scope) -> Live {
        let scope = &recorded(scope, &self.objects);
        let mut lists = cluster.lists(scope, Feed::may_fail);
        let mut unreadable = Vec::new();
        while let Some(list) = lists.join_next().await {
            match list.expect(NEVER) {
                (_, Ok(mut objects)) => self.objects.append(&mut objects),
                (feed, Err(error)) => unreadable.push((feed, error.unread())),
            }
        }
        let mut live = place(scope, &self.cluster, self.objects);
        for key in &scope.awaited {
            if let Some((_, unread)) = unreadable.iter().find(|(feed, _)| *feed == Feed::awaiting(key)) {
                live.awaited.insert(key.clone(), Seen::Unreadable(unread.why.clone()));
            }
        }
        let kinds = unreadable.iter().filter_map(|(feed, unread)| Some((feed.unit()?, unread.clone())));
        live.unread.extend(kinds);
        // A group that is not the operator's own is asked for once it is known that there are units of it.
        let groups = scope.groups();
        let schema = if groups == self.groups { self.schema } else { cluster.schema(&groups).await };
        Live { schema, ..live }
    }
}

type Lists = JoinSet<(Feed, Result<Vec<LiveObject>, ClusterError>)>;

const NEVER: &str = "a list neither panics nor is cancelled";

/// Everything that was listed. The first failure ends the others.
async fn all(mut lists: Lists) -> Result<Vec<LiveObject>, ClusterError> {
    let mut objects = Vec::new();
    while let Some(list) = lists.join_next().await {
        objects.append(&mut list.expect(NEVER).1?);
    }
    Ok(objects)
}

/// A scope with the kinds of the units that records among these objects tell of.
fn recorded(scope: &Scope, objects: &[LiveObject]) -> Scope {
    // The store is going to read all of them: here only those that add a kind are.
    let adds = |object: &&LiveObject| Ledger::unit(object).is_some_and(|unit| !unit.kind.is_everywhere());
    let records = objects.iter().filter(|object| scope.owns(object)).filter(adds);
    let records = records.filter_map(Ledger::from_config_map).filter(|(_, ledger)| !ledger.uid.is_empty());
    scope.with_recorded(records.map(|(unit, _)| unit))
}

/// What objects mean within a scope, whoever listed them; those out of it are left out.
pub fn gather(scope: &Scope, cluster: &str, objects: impl IntoIterator<Item = LiveObject>) -> Live {
    let objects: Vec<LiveObject> = objects.into_iter().collect();
    place(&recorded(scope, &objects), cluster, objects)
}

/// The same within a scope that knows of the records.
fn place(scope: &Scope, cluster: &str, objects: Vec<LiveObject>) -> Live {
    let feeds = scope.feeds();
    let mut store = Store::default();
    store.retain(&feeds);
    // What takes time to read of a record or a status is read on all processors.
    for (key, entry) in each(objects, |object| {
        object.operator_status();
        (object.object_key(), Entry::from(object))
    }) {
        if scope.awaited.contains(&key) {
            store.hear(&Feed::awaiting(&key), Said::Listed(entry.clone()), scope);
        }
        store.hear(&Feed::of(&key), Said::Listed(entry), scope);
    }
    for feed in &feeds {
        store.hear(feed, Said::End, scope);
    }
    store.live(scope, cluster).expect("every feed has just been listed")
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use serde_json::json;

    use super::*;
    use crate::flink::kind::API_VERSION;

    /// A cluster that gives these answers in turn, each to a request that goes on from where it says.
    fn answering(answers: Vec<(&'static str, u16, Value)>) -> Cluster {
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        let answer = move |request: Request<Body>| {
            let (from, status, body) = answers.lock().unwrap().pop_front().expect("no further request");
            let query = request.uri().query().unwrap_or_default().to_owned();
            assert!(
                query.contains("limit=5000") && query.contains("continue=") != from.is_empty(),
                "{query}"
            );
            assert!(query.contains(from), "{query}");
            let answer = Response::builder().status(status).body(Body::from(body.to_string().into_bytes()));
            async move { Ok::<_, Infallible>(answer.unwrap()) }
        };
        Cluster::new(Client::new(tower::service_fn(answer), "ns"), "test")
    }

    fn page(names: &[&str], next: &str) -> Value {
        let item = |name: &&str| json!({"metadata": {"name": name, "managedFields": [{"manager": "m"}]}, "spec": {}});
        json!({"metadata": {"continue": next}, "items": names.iter().map(item).collect::<Vec<_>>()})
    }

    async fn names(cluster: &Cluster) -> Vec<String> {
        let objects = cluster.objects((API_VERSION, "FlinkDeployment"), "ns", None).await.expect("a list");
        objects.iter().map(|object| format!("{}/{}", object.object_key().kind, object.name())).collect()
    }

    #[tokio::test]
    async fn a_list_goes_on_until_there_is_no_further_page() {
        let cluster = answering(vec![
            ("", 200, page(&["a", "b"], "two")),
            ("continue=two", 200, page(&["c"], "three")),
            ("continue=three", 200, page(&[], "")),
        ]);
        assert_eq!(names(&cluster).await, ["FlinkDeployment/a", "FlinkDeployment/b", "FlinkDeployment/c"]);
    }

    #[tokio::test]
    async fn a_list_that_took_too_long_begins_again() {
        let expired = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "too old",
                             "reason": "Expired", "code": 410});
        let cluster = answering(vec![
            ("", 200, page(&["a", "b"], "two")),
            ("continue=two", 410, expired),
            ("", 200, page(&["a"], "")),
        ]);
        assert_eq!(names(&cluster).await, ["FlinkDeployment/a"]);
    }

    #[tokio::test]
    async fn what_is_no_list_is_refused() {
        let cluster = answering(vec![("", 200, json!({"items": [{"spec": {}}]}))]);
        let refused = cluster.objects((API_VERSION, "FlinkDeployment"), "ns", None).await;
        assert!(refused.is_err(), "{refused:?}");
    }
}
