//! What has been read of a cluster, by feed; knows which of two versions is newer, and what matters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::scope::{Feed, Scope};
use crate::flink::kind::{ObjectKey, UnitKey};
use crate::plan::Live;
use crate::plan::ledger::{LABEL_RECORD, Ledger, Marker};
use crate::plan::live::{LiveObject, Seen, Unread};

/// One thing a feed said.
pub(super) enum Said {
    /// A complete list begins.
    Begin,
    /// An object of that list.
    Listed(Entry),
    /// The list is complete.
    End,
    /// An object changed.
    Applied(LiveObject),
    /// An object is gone.
    Deleted(LiveObject),
}

impl Said {
    /// The same of an object that is waited for, with no more of it than its metadata and its conditions; `None` for
    /// another object of its kind.
    fn only_conditions(self, scope: &Scope) -> Option<Self> {
        let conditions = |object: LiveObject| {
            let key = object.object_key();
            scope.awaited.contains(&key).then(|| conditions(&object))
        };
        Some(match self {
            Self::Listed(entry) => Self::Listed(conditions(entry.object)?.into()),
            Self::Applied(object) => Self::Applied(conditions(object)?),
            Self::Deleted(object) => Self::Deleted(conditions(object)?),
            Self::Begin | Self::End => self,
        })
    }
}

fn conditions(object: &LiveObject) -> LiveObject {
    let all = object.value();
    let kept = ["name", "namespace", "uid", "resourceVersion", "generation", "deletionTimestamp"];
    let metadata: serde_json::Map<String, Value> = kept
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), all["metadata"].get(key)?.clone())))
        .collect();
    let mut status = serde_json::Map::new();
    for key in ["conditions", "observedGeneration"] {
        status.extend(object.status().get(key).map(|value| (key.to_owned(), value.clone())));
    }
    LiveObject::new(json!({
        "apiVersion": all["apiVersion"], "kind": all["kind"], "metadata": metadata, "status": status,
    }))
}

/// Everything read so far.
#[derive(Default)]
pub(super) struct Store {
    feeds: BTreeMap<Feed, Contents>,
}

#[derive(Default)]
struct Contents {
    synced: bool,
    /// The newest version the feed itself has told of: it will not tell of anything up to it again.
    seen: u64,
    objects: BTreeMap<String, Entry>,
    /// A list that is still coming in.
    coming: Option<BTreeMap<String, Entry>>,
    /// Names written by ourselves while a list comes in, which may not know of them.
    written: BTreeSet<String>,
    /// Why it cannot be read, for what may fail.
    unreadable: Option<Unread>,
}

/// An object, and what it says where it is a record.
#[derive(Clone)]
pub(super) struct Entry {
    object: LiveObject,
    version: u64,
    record: Option<Record>,
}

/// A record of ours, parsed once.
#[derive(Clone)]
enum Record {
    Ledger(UnitKey, Arc<Ledger>),
    Marker(Marker),
    /// A record of a later version of flinkops, or a damaged one.
    Unreadable,
}

impl From<LiveObject> for Entry {
    fn from(object: LiveObject) -> Self {
        let record = object.label(LABEL_RECORD).map(|_| {
            Ledger::from_config_map(&object)
                .map(|(unit, ledger)| Record::Ledger(unit, ledger.into()))
                .or_else(|| Marker::from_config_map(&object).map(Record::Marker))
                .unwrap_or(Record::Unreadable)
        });
        Self { version: version(&object), object, record }
    }
}

/// A resourceVersion as a number, which is how the API server orders them; 0 for anything else.
fn version(object: &LiveObject) -> u64 {
    object.resource_version().parse().unwrap_or_default()
}

impl Store {
    /// Follows exactly these feeds from now on; forgets what others said.
    pub(super) fn retain(&mut self, feeds: &BTreeSet<Feed>) {
        self.feeds.retain(|feed, _| feeds.contains(feed));
        for feed in feeds {
            self.feeds.entry(feed.clone()).or_default();
        }
    }

    /// Whether every feed has been read completely at least once.
    pub(super) fn synced(&self) -> bool {
        self.feeds.values().all(|contents| contents.synced)
    }

    /// Takes in what a feed says; answers whether it matters to the plan.
    pub(super) fn hear(&mut self, feed: &Feed, said: Said, scope: &Scope) -> bool {
        let Some(contents) = self.feeds.get_mut(feed) else { return false };
        let said = if feed.awaited { said.only_conditions(scope) } else { Some(said) };
        let Some(said) = said else { return false };
        let is_unit = |object: &LiveObject| {
            feed.unit().is_some() && object.unit_key().is_some_and(|unit| scope.counts(&unit, object))
        };
        let matters = |object: &LiveObject| feed.awaited || is_unit(object) || scope.concerns(object);
        match said {
            Said::Begin => {
                contents.coming = Some(BTreeMap::new());
                contents.written.clear();
                false
            }
            Said::Listed(entry) => {
                let coming = contents.coming.get_or_insert_default();
                coming.insert(entry.object.name().to_owned(), entry);
                false
            }
            Said::End => contents.finish_list(),
            Said::Applied(object) => contents.applied(object).is_some_and(|object| matters(&object)),
            Said::Deleted(object) => contents.deleted(&object) && matters(&object),
        }
    }

    /// Notes why what may fail cannot be read; answers whether that is news. What was listed once stands:
    /// a watch that goes on after a failure does not list again.
    pub(super) fn unreadable(&mut self, feed: &Feed, why: Unread) -> bool {
        let Some(contents) = self.feeds.get_mut(feed) else { return false };
        if contents.synced && contents.unreadable.is_none() {
            return false;
        }
        let news = contents.unreadable.as_ref() != Some(&why) || !contents.synced;
        contents.unreadable = Some(why);
        contents.synced = true;
        news
    }

    /// Takes in the API server's answer to a write of our own, unless the feed has told of it already.
    pub(super) fn put(&mut self, object: LiveObject) -> bool {
        let Some(contents) = self.feeds.get_mut(&Feed::of(&object.object_key())) else { return false };
        let version = version(&object);
        let known = contents.objects.get(object.name()).is_some_and(|entry| entry.version >= version);
        if version <= contents.seen || known {
            return false;
        }
        contents.written.insert(object.name().to_owned());
        contents.objects.insert(object.name().to_owned(), Entry::from(object));
        true
    }

    /// Takes out an object that the API server says is gone.
    pub(super) fn forget(&mut self, key: &ObjectKey, uid: Option<&str>) -> bool {
        let Some(contents) = self.feeds.get_mut(&Feed::of(key)) else { return false };
        let same = |entry: &Entry| uid.is_none_or(|uid| entry.object.uid() == uid);
        let gone = contents.objects.get(&key.name).is_some_and(same);
        gone && contents.objects.remove(&key.name).is_some()
    }

    /// The units on record that are in the cluster, as far as is known.
    pub(super) fn recorded(&self) -> impl Iterator<Item = UnitKey> {
        let entries = self.feeds.values().flat_map(|contents| contents.objects.values());
        entries.filter_map(|entry| match &entry.record {
            Some(Record::Ledger(unit, ledger)) if !ledger.uid.is_empty() => Some(unit.clone()),
            _ => None,
        })
    }

    /// Everything that matters, once all of it is known.
    pub(super) fn live(&self, scope: &Scope, cluster: &str) -> Option<Live> {
        self.synced().then(|| {
            let mut live = Live { cluster: cluster.to_owned(), ..Live::default() };
            for (feed, contents) in &self.feeds {
                if feed.awaited {
                    live.awaited.extend(contents.seen_of(feed, scope));
                    continue;
                }
                if let (Some(kind), Some(why)) = (feed.unit(), &contents.unreadable) {
                    live.unread.insert(kind, why.clone());
                }
                for entry in contents.objects.values() {
                    entry.add_to(&mut live, feed, scope);
                }
            }
            live
        })
    }
}

impl Contents {
    /// What is known of the objects that are waited for.
    fn seen_of(&self, feed: &Feed, scope: &Scope) -> Vec<(ObjectKey, Seen)> {
        let of_feed = scope.awaited.iter().filter(|key| Feed::awaiting(key) == *feed);
        let seen = |key: &ObjectKey| match (&self.unreadable, self.objects.get(&key.name)) {
            (Some(unread), _) => Some((key.clone(), Seen::Unreadable(unread.why.clone()))),
            (None, Some(entry)) => Some((key.clone(), Seen::Found(entry.object.clone()))),
            (None, None) => None,
        };
        of_feed.filter_map(seen).collect()
    }

    fn finish_list(&mut self) -> bool {
        let mut list = self.coming.take().unwrap_or_default();
        self.seen = list.values().map(|entry| entry.version).max().unwrap_or_default();
        for name in std::mem::take(&mut self.written) {
            let Some(ours) = self.objects.get(&name) else { continue };
            if list.get(&name).is_none_or(|listed| listed.version < ours.version) {
                list.insert(name, ours.clone());
            }
        }
        self.objects = list;
        self.synced = true;
        self.unreadable = None;
        true
    }

    /// The object, if it is news.
    fn applied(&mut self, object: LiveObject) -> Option<LiveObject> {
        let entry = Entry::from(object.clone());
        self.seen = self.seen.max(entry.version);
        let known = self.objects.get(object.name());
        if known.is_some_and(|known| known.version >= entry.version && entry.version > 0) {
            return None;
        }
        self.objects.insert(object.name().to_owned(), entry);
        Some(object)
    }

    fn deleted(&mut self, object: &LiveObject) -> bool {
        let version = version(object);
        self.seen = self.seen.max(version);
        let newer =
            self.objects.get(object.name()).is_some_and(|known| known.version > version && version > 0);
        !newer && self.objects.remove(object.name()).is_some()
    }
}

impl Entry {
    fn add_to(&self, live: &mut Live, feed: &Feed, scope: &Scope) {
        match &self.record {
            Some(Record::Ledger(unit, ledger)) if scope.owns(&self.object) => {
                live.ledgers.insert(unit.clone(), ledger.clone());
            }
            Some(Record::Marker(marker)) if scope.owns_repository(&self.object) => {
                live.markers.insert(self.object.namespace().to_owned(), marker.clone());
            }
            None if feed.unit().is_some() => {
                if let Some(key) = self.object.unit_key().filter(|key| scope.counts(key, &self.object)) {
                    live.units.insert(key, self.object.clone());
                }
            }
            None if scope.owns(&self.object) || scope.companions.contains(&self.object.object_key()) => {
                live.companions.insert(self.object.object_key(), self.object.clone());
            }
            Some(_) | None => {}
        }
    }
}

/// Completes an object of a list, which the API server returns without its kind.
pub(super) fn with_kind(mut object: Value, feed: &Feed) -> LiveObject {
    if let Some(map) = object.as_object_mut() {
        map.entry("apiVersion").or_insert_with(|| feed.api_version.clone().into());
        map.entry("kind").or_insert_with(|| feed.kind.clone().into());
    }
    LiveObject::new(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flink::kind::{API_VERSION, Kind};
    use crate::plan::ledger::{LABEL_ENVIRONMENT, LABEL_MANAGED_BY, LABEL_REPOSITORY, MANAGER};

    fn scope() -> Scope {
        Scope {
            repository: "orders".into(),
            environment: "prod".into(),
            namespaces: ["ns".to_owned()].into(),
            companion_kinds: [("v1".to_owned(), "ConfigMap".to_owned())].into(),
            companions: BTreeSet::new(),
            awaited: BTreeSet::new(),
            rare: BTreeSet::new(),
            recorded: BTreeSet::new(),
        }
    }

    fn feed(api_version: &str, kind: &str) -> Feed {
        Feed { api_version: api_version.into(), kind: kind.into(), namespace: "ns".into(), awaited: false }
    }

    fn deployments() -> Feed {
        feed(API_VERSION, "FlinkDeployment")
    }

    fn job(name: &str, version: u64) -> LiveObject {
        LiveObject::new(json!({
            "apiVersion": API_VERSION, "kind": "FlinkDeployment",
            "metadata": {"name": name, "namespace": "ns", "uid": format!("u-{name}"), "resourceVersion": version.to_string()},
        }))
    }

    fn config_map(name: &str, version: u64, ours: bool) -> LiveObject {
        let labels = if ours {
            json!({LABEL_MANAGED_BY: MANAGER, LABEL_REPOSITORY: "orders", LABEL_ENVIRONMENT: "prod"})
        } else {
            json!({})
        };
        LiveObject::new(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "ns", "labels": labels, "resourceVersion": version.to_string()},
        }))
    }

    /// A store whose feeds have all been listed, the deployments with these objects.
    fn listed(objects: &[LiveObject]) -> Store {
        let mut store = Store::default();
        store.retain(&scope().feeds());
        for feed in scope().feeds() {
            store.hear(&feed, Said::Begin, &scope());
            if feed == deployments() {
                for object in objects {
                    store.hear(&feed, Said::Listed(object.clone().into()), &scope());
                }
            }
            store.hear(&feed, Said::End, &scope());
        }
        store
    }

    fn version_of(store: &Store, name: &str) -> Option<String> {
        let live = store.live(&scope(), "c").expect("synced");
        let key = UnitKey::new("ns", Kind::FlinkDeployment, name);
        live.units.get(&key).map(|object| object.resource_version().to_owned())
    }

    #[test]
    fn nothing_is_known_until_every_feed_is_listed() {
        let mut store = Store::default();
        store.retain(&scope().feeds());
        store.hear(&deployments(), Said::Begin, &scope());
        store.hear(&deployments(), Said::End, &scope());
        assert!(store.live(&scope(), "c").is_none());
        assert!(listed(&[]).live(&scope(), "c").is_some());
    }

    #[test]
    fn an_older_event_never_undoes_our_own_write() {
        let mut store = listed(&[job("a", 9)]);
        assert!(store.put(job("a", 12)));
        assert!(!store.hear(&deployments(), Said::Applied(job("a", 10)), &scope()));
        assert_eq!(version_of(&store, "a").as_deref(), Some("12"));
        assert!(!store.hear(&deployments(), Said::Applied(job("a", 12)), &scope()), "no news");
        assert!(store.hear(&deployments(), Said::Applied(job("a", 101)), &scope()), "compared as numbers");
    }

    #[test]
    fn a_late_answer_does_not_bring_back_what_the_feed_saw_deleted() {
        let mut store = listed(&[job("a", 9)]);
        store.hear(&deployments(), Said::Applied(job("a", 10)), &scope());
        assert!(store.hear(&deployments(), Said::Deleted(job("a", 11)), &scope()));
        assert!(!store.put(job("a", 10)));
        assert_eq!(version_of(&store, "a"), None);
    }

    #[test]
    fn a_new_list_replaces_everything_but_what_was_written_meanwhile() {
        let mut store = listed(&[job("a", 9), job("b", 9)]);
        store.hear(&deployments(), Said::Begin, &scope());
        store.hear(&deployments(), Said::Listed(job("a", 20).into()), &scope());
        store.put(job("c", 21));
        assert_eq!(
            version_of(&store, "b").as_deref(),
            Some("9"),
            "the old list stands until the new one is complete"
        );
        store.hear(&deployments(), Said::End, &scope());
        let versions = ["a", "b", "c"].map(|name| version_of(&store, name));
        assert_eq!(versions, [Some("20".into()), None, Some("21".into())]);
    }

    #[test]
    fn a_restored_etcd_with_lower_versions_is_believed() {
        let mut store = listed(&[job("a", 900)]);
        store.hear(&deployments(), Said::Begin, &scope());
        store.hear(&deployments(), Said::Listed(job("a", 12).into()), &scope());
        store.hear(&deployments(), Said::End, &scope());
        assert_eq!(version_of(&store, "a").as_deref(), Some("12"));
        assert!(store.hear(&deployments(), Said::Applied(job("a", 13)), &scope()));
    }

    #[test]
    fn companions_of_strangers_do_not_matter_until_git_wants_them() {
        let mut store = listed(&[]);
        let config_maps = feed("v1", "ConfigMap");
        assert!(!store.hear(&config_maps, Said::Applied(config_map("ha", 5, false)), &scope()));
        assert!(store.hear(&config_maps, Said::Applied(config_map("ours", 6, true)), &scope()));
        let names = |scope: &Scope| -> Vec<String> {
            let live = store.live(scope, "c").expect("synced");
            live.companions.into_keys().map(|key| key.name).collect()
        };
        assert_eq!(names(&scope()), ["ours"]);
        let wanted = Scope { companions: [config_map("ha", 5, false).object_key()].into(), ..scope() };
        assert_eq!(names(&wanted), ["ha", "ours"]);
    }

    #[test]
    fn what_is_waited_for_is_seen_by_its_conditions_and_holds_nothing_else_up() {
        let topic = |name: &str, version: u64| {
            LiveObject::new(json!({
                "apiVersion": "kafka.strimzi.io/v1beta2", "kind": "KafkaTopic",
                "metadata": {"name": name, "namespace": "ns", "resourceVersion": version.to_string(), "labels": {"a": "b"}},
                "spec": {"secret": "canary"}, "status": {"conditions": [{"type": "Ready", "status": "True"}], "x": 1},
            }))
        };
        let key = topic("orders", 1).object_key();
        let scope = Scope { awaited: [key.clone()].into(), ..scope() };
        let mut store = listed(&[]);
        store.retain(&scope.feeds());
        let feed = Feed::awaiting(&key);
        assert!(store.live(&scope, "c").is_none(), "nothing is known of it yet");
        let unread = |why: &str| Unread { why: why.to_owned(), served: true };
        assert!(store.unreadable(&feed, unread("why")) && !store.unreadable(&feed, unread("why")));
        let seen = |store: &Store| store.live(&scope, "c").expect("synced").awaited.remove(&key);
        assert_eq!(seen(&store), Some(Seen::Unreadable("why".into())));
        store.hear(&feed, Said::Begin, &scope);
        store.hear(&feed, Said::Listed(topic("other", 4).into()), &scope);
        store.hear(&feed, Said::End, &scope);
        assert_eq!(seen(&store), None, "it does not exist");
        assert!(!store.unreadable(&feed, unread("the watch broke")) && seen(&store).is_none());
        assert!(!store.hear(&feed, Said::Applied(topic("other", 5)), &scope));
        assert!(store.hear(&feed, Said::Applied(topic("orders", 6)), &scope));
        let Some(Seen::Found(object)) = seen(&store) else { panic!("it exists") };
        assert!(!object.value().to_string().contains("canary"));
        assert_eq!(object.status(), &json!({"conditions": [{"type": "Ready", "status": "True"}]}));
        assert!(store.hear(&feed, Said::Deleted(topic("orders", 7)), &scope));
        assert_eq!(seen(&store), None);
    }

    #[test]
    fn forgetting_is_bound_to_the_uid() {
        let mut store = listed(&[job("a", 9)]);
        let key = job("a", 9).object_key();
        assert!(!store.forget(&key, Some("another")));
        assert!(store.forget(&key, Some("u-a")));
    }
}
