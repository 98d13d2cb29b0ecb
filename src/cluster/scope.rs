//! Which part of a cluster one environment is about.

use std::collections::BTreeSet;

use super::Resource;
use crate::flink::kind::{API_VERSION, Kind, ObjectKey};
use crate::plan::ledger::{LABEL_ENVIRONMENT, LABEL_MANAGED_BY, LABEL_REPOSITORY, MANAGER};
use crate::plan::live::LiveObject;
use crate::spec::Desired;

/// What is read, and which of it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// `name` of the repository.
    pub repository: String,
    /// The environment.
    pub environment: String,
    /// Its namespaces.
    pub namespaces: BTreeSet<String>,
    /// Kinds of companion to read: `(apiVersion, kind)`.
    pub companion_kinds: BTreeSet<(String, String)>,
    /// The companions in Git: these matter even where someone else owns them (S4).
    pub companions: BTreeSet<ObjectKey>,
    /// Objects of any kind that units wait for: only their conditions matter.
    pub awaited: BTreeSet<ObjectKey>,
}

impl Scope {
    /// The scope of everything Git wants, and of everything flinkops may have left behind.
    pub fn of(desired: &Desired) -> Self {
        Self {
            repository: desired.repository.clone(),
            environment: desired.environment.clone(),
            namespaces: desired.namespaces.clone(),
            companion_kinds: desired.companion_kinds.clone(),
            companions: desired.companions.keys().cloned().collect(),
            awaited: desired
                .units
                .values()
                .flat_map(|unit| &unit.awaits)
                .map(|awaited| awaited.object.clone())
                .collect(),
        }
    }

    /// Everything that is listed or watched: one entry per kind and namespace, and another where its objects are
    /// waited for.
    pub(super) fn feeds(&self) -> BTreeSet<Feed> {
        let mut kinds: BTreeSet<(String, String)> = self.companion_kinds.clone();
        kinds.extend(Kind::ALL.map(|kind| (API_VERSION.to_owned(), kind.to_string())));
        kinds.insert(("v1".to_owned(), "ConfigMap".to_owned()));
        kinds
            .iter()
            .flat_map(|(api_version, kind)| {
                self.namespaces.iter().map(|namespace| Feed {
                    api_version: api_version.clone(),
                    kind: kind.clone(),
                    namespace: namespace.clone(),
                    awaited: false,
                })
            })
            .chain(self.awaited.iter().map(Feed::awaiting))
            .collect()
    }

    /// Restricts a feed to our own records where nothing else of its kind matters.
    pub(super) fn selector(&self, feed: &Feed) -> Option<String> {
        if feed.awaited {
            return None;
        }
        let companions = self.companion_kinds.contains(&(feed.api_version.clone(), feed.kind.clone()));
        (feed.is_config_map() && !companions)
            .then(|| format!("{LABEL_MANAGED_BY}={MANAGER},{LABEL_REPOSITORY}={}", self.repository))
    }

    /// Whether an object was written for this repository and environment.
    pub fn owns(&self, object: &LiveObject) -> bool {
        self.owns_repository(object) && object.label(LABEL_ENVIRONMENT) == Some(&self.environment)
    }

    /// Whether an object was written for this repository, whatever the environment.
    pub(super) fn owns_repository(&self, object: &LiveObject) -> bool {
        object.label(LABEL_MANAGED_BY) == Some(MANAGER)
            && object.label(LABEL_REPOSITORY) == Some(&self.repository)
    }

    /// Whether an object is ours, or one that Git wants.
    pub(super) fn concerns(&self, object: &LiveObject) -> bool {
        self.owns_repository(object) || self.companions.contains(&object.object_key())
    }
}

/// One kind in one namespace: what one LIST or one watch is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Feed {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) namespace: String,
    /// Whether units wait for objects of it: it tells of nothing else, and it may be impossible to read.
    pub(super) awaited: bool,
}

impl Feed {
    pub(super) fn of(key: &ObjectKey) -> Self {
        Self {
            api_version: key.api_version.clone(),
            kind: key.kind.clone(),
            namespace: key.namespace.clone(),
            awaited: false,
        }
    }

    /// The feed that tells of an object that is waited for.
    pub(super) fn awaiting(key: &ObjectKey) -> Self {
        Self { awaited: true, ..Self::of(key) }
    }

    pub(super) fn is_flink(&self) -> bool {
        self.api_version == API_VERSION && Kind::parse(&self.kind).is_some()
    }

    pub(super) fn is_config_map(&self) -> bool {
        self.api_version == "v1" && self.kind == "ConfigMap"
    }

    /// The path of the collection.
    pub(super) fn path(&self, resource: &Resource) -> String {
        resource.path(&self.namespace)
    }
}
