//! Which part of a cluster one environment is about.

use std::collections::BTreeSet;

use super::Resource;
use crate::flink::kind::{Kind, ObjectKey, UnitKey};
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
    /// The units in Git of kinds that not every cluster serves, and those that they depend on: only such kinds are
    /// read, and these matter even where someone else owns them (S4).
    pub rare: BTreeSet<UnitKey>,
    /// Further such kinds, of which records tell that there is one.
    pub recorded: BTreeSet<Kind>,
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
            rare: rare(desired).filter(|key| !key.kind.is_everywhere()).cloned().collect(),
            recorded: BTreeSet::new(),
        }
    }

    /// The same with the kinds of what is on record.
    pub(super) fn with_recorded(&self, units: impl Iterator<Item = UnitKey>) -> Self {
        let kinds = units.map(|unit| unit.kind).filter(|kind| !kind.is_everywhere());
        Self { recorded: kinds.collect(), ..self.clone() }
    }

    fn reads(&self, kind: Kind) -> bool {
        kind.is_everywhere()
            || self.recorded.contains(&kind)
            || self.rare.iter().any(|unit| unit.kind == kind)
    }

    /// The groups of the kinds that are read, each by its `apiVersion`.
    pub(super) fn groups(&self) -> BTreeSet<&'static str> {
        Kind::ALL.into_iter().filter(|kind| self.reads(*kind)).map(Kind::api_version).collect()
    }

    /// Everything that is listed or watched: one entry per kind and namespace, and another where its objects are
    /// waited for.
    pub(super) fn feeds(&self) -> BTreeSet<Feed> {
        let mut kinds: BTreeSet<(String, String)> = self.companion_kinds.clone();
        let flink = Kind::ALL.into_iter().filter(|kind| self.reads(*kind));
        kinds.extend(flink.map(|kind| (kind.api_version().to_owned(), kind.to_string())));
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

    /// Whether a unit matters: of a kind that not every cluster serves only ours, and what Git wants.
    pub(super) fn counts(&self, unit: &UnitKey, object: &LiveObject) -> bool {
        unit.kind.is_everywhere() || self.owns_repository(object) || self.rare.contains(unit)
    }
}

/// The units in Git, and those that they depend on, which may be elsewhere.
fn rare(desired: &Desired) -> impl Iterator<Item = &UnitKey> {
    let on = desired.units.values().flat_map(|unit| &unit.depends_on).map(|edge| &edge.on);
    desired.units.keys().chain(on)
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

    /// The kind of unit that it is about.
    pub(super) fn unit(&self) -> Option<Kind> {
        Kind::of(&self.api_version, &self.kind).filter(|_| !self.awaited)
    }

    /// Whether what it tells may be impossible to read, and which kinds are to be read is known late: nothing else
    /// is kept from being read for it.
    pub(super) fn may_fail(&self) -> bool {
        self.awaited || self.unit().is_some_and(|kind| !kind.is_everywhere())
    }

    pub(super) fn is_config_map(&self) -> bool {
        self.api_version == "v1" && self.kind == "ConfigMap"
    }

    /// The path of the collection.
    pub(super) fn path(&self, resource: &Resource) -> String {
        resource.path(&self.namespace)
    }
}
