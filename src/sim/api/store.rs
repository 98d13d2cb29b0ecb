//! The objects of the embedded cluster: one map, one version counter, one history.
//!
//! Every write passes through one place, whoever makes it: a request over HTTP, a controller of the
//! embedded cluster, or a test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::admission::{Claim, FieldValidation, Request};
use super::history::{Change, Compacted, History};
use super::patch::Patch;
use super::resource::{Part, Resource};
use super::schema;
use super::state::State;
use super::status::StatusError;
use crate::flink::kind::{GROUP, Kind, ObjectKey};
use crate::flink::pointer::At as _;
use crate::sim::clock::{Clock, rfc3339};
use crate::sim::{OperatorMode, Options};

/// The version of the empty store, so that there are older ones that no watch can start from.
const FIRST_VERSION: u64 = 1000;

/// The objects of one embedded cluster. Clones are handles to the same objects.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    clock: Clock,
    mode: OperatorMode,
    schemas: bool,
    version: watch::Sender<u64>,
    /// Counts how often all watches were cut.
    cuts: watch::Sender<u64>,
}

/// How a write is made.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// The field manager.
    pub manager: String,
    /// What of the object is written.
    pub part: Part,
    /// Whether to do everything but store the result.
    pub dry_run: bool,
    /// What to do about unknown fields.
    pub validation: FieldValidation,
}

impl WriteOptions {
    /// A write of the object by this manager.
    pub fn by(manager: impl Into<String>) -> Self {
        Self { manager: manager.into(), ..Self::default() }
    }

    /// A write of the status by this manager.
    pub fn status_by(manager: impl Into<String>) -> Self {
        Self { part: Part::Status, ..Self::by(manager) }
    }
}

/// The outcome of a write.
#[derive(Clone, Debug)]
pub struct Written {
    /// The object as it is now.
    pub object: Arc<Value>,
    /// Whether the write made it.
    pub created: bool,
    /// What to warn the client of.
    pub warnings: Vec<String>,
}

/// Conditions of a delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// The uid the object must have.
    pub uid: Option<String>,
    /// The version the object must have.
    pub resource_version: Option<String>,
    /// Whether to do nothing but answer.
    pub dry_run: bool,
}

/// The outcome of a delete.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// The object as it is now, or last was.
    pub object: Arc<Value>,
    /// Whether it is gone; else finalizers hold it and it is marked.
    pub gone: bool,
}

struct Proposal {
    object: Value,
    claim: Option<Claim>,
}

impl Store {
    /// Makes an empty store that reads time from this clock.
    pub fn new(options: &Options, clock: Clock) -> Self {
        let history = History::keeping(options.history, FIRST_VERSION);
        let (objects, webhooks) = (BTreeMap::new(), BTreeMap::new());
        let state = State { objects, version: FIRST_VERSION, history, clock: clock.clone(), webhooks };
        let version = watch::Sender::new(state.version);
        let (mode, schemas) = (options.operator, options.schemas);
        let (state, cuts) = (Mutex::new(state), watch::Sender::new(0));
        let store = Self(Arc::new(Inner { state, clock, mode, schemas, version, cuts }));
        store.ensure_namespace("default");
        store
    }

    /// Has every write of a kind, but those of its status, pass a mutating webhook.
    pub fn set_webhook(&self, kind: &str, webhook: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.state().webhooks.insert(kind.to_owned(), Arc::new(webhook));
    }

    /// Begins with objects just as they are, version included; no watch hears of them.
    pub fn hold(&self, objects: impl IntoIterator<Item = Arc<Value>>) {
        let mut state = self.state();
        for object in objects {
            let Some(key) = ObjectKey::of(&object) else { continue };
            let version = object["metadata"]["resourceVersion"].as_str().and_then(|it| it.parse().ok());
            state.version = state.version.max(version.unwrap_or_default());
            state.objects.insert(key, object);
        }
        let version = state.version;
        state.history.begin_after(version);
    }

    fn schema_of(&self, kind: &str) -> Option<&'static Value> {
        self.0.schemas.then(|| schema::of_kind(kind, self.0.mode)).flatten()
    }

    /// The time in the embedded cluster.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Whose CRDs are installed.
    pub fn operator_mode(&self) -> OperatorMode {
        self.0.mode
    }

    /// Whether this cluster serves the kind.
    pub fn serves(&self, resource: &Resource) -> bool {
        let kind = Kind::of(&resource.api_version(), resource.kind);
        kind.is_none_or(Kind::is_everywhere) || self.0.mode == OperatorMode::V1_15
    }

    /// The version of the last change.
    pub fn version(&self) -> u64 {
        self.state().version
    }

    /// Follows the version of the last change, to wait for the next.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// The changes after a version.
    pub fn changes_since(&self, version: u64) -> Result<Vec<Change>, Compacted> {
        self.state().history.since(version)
    }

    /// Cuts the connection of every watch, as the end of a proxy on the way does.
    pub fn cut_watches(&self) {
        self.0.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Follows how often all watches were cut.
    pub fn subscribe_cuts(&self) -> watch::Receiver<u64> {
        self.0.cuts.subscribe()
    }

    /// Forgets all history, as the API server's storage does every few minutes.
    pub fn compact(&self) {
        self.state().history.compact();
    }

    /// Reads one object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Value>> {
        self.state().objects.get(key).cloned()
    }

    /// Reads every object of a kind, of one namespace or of all, and the version they were read at.
    pub fn list(&self, resource: &'static Resource, namespace: Option<&str>) -> (Vec<Arc<Value>>, u64) {
        let state = self.state();
        let first = resource.key(namespace.unwrap_or_default(), "");
        let wanted = |key: &ObjectKey| {
            key.kind == first.kind
                && key.api_version == first.api_version
                && namespace.is_none_or(|namespace| key.namespace == namespace)
        };
        let range = state.objects.range(first.clone()..).take_while(|(key, _)| wanted(key));
        (range.map(|(_, object)| object.clone()).collect(), state.version)
    }

    /// Stores an object just as it is, ownership, uid, status and all, with a new version: to start
    /// from a recorded one.
    pub fn load(&self, object: Value) -> Result<Arc<Value>, StatusError> {
        let named =
            ObjectKey::of(&object).ok_or_else(|| StatusError::bad_request("the object has no full name"))?;
        let key = resource_of(&named)?.stored().key(&named.namespace, &named.name);
        let mut state = self.state();
        let object = state.settle(&key, object);
        self.announce(&state);
        drop(state);
        self.ensure_namespace(&key.namespace);
        Ok(object)
    }

    /// Creates an object.
    pub fn create(
        &self,
        key: &ObjectKey,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, StatusError> {
        let resource = resource_of(key)?;
        self.write(key, options, |old| match old {
            Some(_) => Err(StatusError::already_exists(resource, &key.name)),
            None => Ok(Proposal { object, claim: None }),
        })
    }

    /// Replaces an object; its `metadata.resourceVersion`, where given, must be the current one.
    pub fn replace(
        &self,
        key: &ObjectKey,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, StatusError> {
        let resource = resource_of(key)?;
        let version = object.at("/metadata/resourceVersion").and_then(Value::as_str);
        if resource.group == GROUP && version.is_none_or(str::is_empty) {
            return Err(StatusError::version_required(resource, &key.name));
        }
        let name = object.at("/metadata/name").and_then(Value::as_str).unwrap_or(&key.name);
        if name != key.name {
            return Err(StatusError::other_name(name, &key.name));
        }
        let expected = object.at("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
        self.write(key, options, |old| {
            let old = old.ok_or_else(|| StatusError::not_found(resource, &key.name))?;
            check_uid(resource, old, expected.as_deref())?;
            Ok(Proposal { object, claim: None })
        })
    }

    /// Reads, changes and writes an object in one step that nobody can come between.
    pub fn edit(
        &self,
        key: &ObjectKey,
        options: &WriteOptions,
        change: impl FnOnce(&mut Value),
    ) -> Result<Written, StatusError> {
        let resource = resource_of(key)?;
        self.write(key, options, |old| {
            let mut object = old.cloned().ok_or_else(|| StatusError::not_found(resource, &key.name))?;
            change(&mut object);
            Ok(Proposal { object, claim: None })
        })
    }

    /// Patches an object; a server-side apply may create it.
    pub fn patch(
        &self,
        key: &ObjectKey,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Written, StatusError> {
        let resource = resource_of(key)?;
        let schema = self.schema_of(resource.kind);
        self.write(key, options, |old| match (patch, old) {
            (Patch::Apply { config, force }, _) => {
                let (object, fields) = super::patch::applied(old, config, schema, options.part)?;
                Ok(Proposal { object, claim: Some(Claim { fields, force: *force }) })
            }
            (_, None) => Err(StatusError::not_found(resource, &key.name)),
            (_, Some(old)) => Ok(Proposal { object: patch.patched(old)?, claim: None }),
        })
    }

    /// Deletes an object, or marks it when finalizers hold it.
    pub fn delete(&self, key: &ObjectKey, options: &DeleteOptions) -> Result<Deleted, StatusError> {
        let resource = resource_of(key)?;
        let mut state = self.state();
        let object =
            state.objects.get(key).cloned().ok_or_else(|| StatusError::not_found(resource, &key.name))?;
        check_preconditions(resource, &object, options)?;
        if options.dry_run {
            return Ok(Deleted { object, gone: true });
        }
        let (object, gone) = state.delete(key, &object);
        self.announce(&state);
        Ok(Deleted { object, gone })
    }

    fn write(
        &self,
        key: &ObjectKey,
        options: &WriteOptions,
        propose: impl FnOnce(Option<&Value>) -> Result<Proposal, StatusError>,
    ) -> Result<Written, StatusError> {
        let now = rfc3339(self.now());
        let mut state = self.state();
        let old = state.objects.get(key).cloned();
        let proposal = propose(old.as_deref())?;
        let request = Request {
            resource: resource_of(key)?,
            key,
            manager: &options.manager,
            part: options.part,
            validation: options.validation,
            schema: self.schema_of(&key.kind),
            webhook: state.webhooks.get(&key.kind).cloned(),
            now: &now,
            new_uid: &new_uid(&self.0.clock, state.version),
        };
        let admitted = request.admit(old.as_deref(), proposal.object, proposal.claim)?;
        let created = old.is_none();
        let unchanged = old.as_ref().filter(|old| ***old == admitted.object).cloned();
        let object = match unchanged {
            Some(old) => old,
            None if options.dry_run => Arc::new(admitted.object),
            None => state.settle(key, admitted.object),
        };
        self.announce(&state);
        drop(state);
        if created && !options.dry_run {
            self.ensure_namespace(&key.namespace);
        }
        Ok(Written { object, created, warnings: admitted.warnings })
    }

    /// Makes the namespace that something was written to.
    fn ensure_namespace(&self, name: &str) {
        let key = ObjectKey::new("v1", "Namespace", "", name);
        if name.is_empty() || self.get(&key).is_some() {
            return;
        }
        let labels = json!({"kubernetes.io/metadata.name": name});
        let namespace = json!({"metadata": {"name": name, "labels": labels}, "status": {"phase": "Active"}});
        // Somebody else may make it in the meantime, which is as good.
        let _ = self.create(&key, namespace, &WriteOptions::by("kube-apiserver"));
    }

    fn announce(&self, state: &State) {
        self.0.version.send_if_modified(|version| std::mem::replace(version, state.version) != state.version);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn resource_of(key: &ObjectKey) -> Result<&'static Resource, StatusError> {
    Resource::by_kind(&key.api_version, &key.kind).ok_or_else(StatusError::no_such_path)
}

fn check_uid(resource: &Resource, object: &Value, expected: Option<&str>) -> Result<(), StatusError> {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let Some(expected) = expected.filter(|expected| !expected.is_empty() && *expected != uid) else {
        return Ok(());
    };
    let why = format!(
        "StorageError: invalid object, Code: 4, AdditionalErrorMsg: Precondition failed: \
         UID in precondition: {expected}, UID in object meta: {uid}"
    );
    Err(StatusError::conflict(resource, object["metadata"]["name"].as_str().unwrap_or_default(), &why))
}

fn check_preconditions(
    resource: &Resource,
    object: &Value,
    options: &DeleteOptions,
) -> Result<(), StatusError> {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    let is = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
    let why = match (&options.uid, &options.resource_version) {
        (Some(uid), _) if *uid != is("uid") => format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
             deleted and then recreated",
            is("uid")
        ),
        (_, Some(version)) if *version != is("resourceVersion") => format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). \
             The object might have been modified",
            is("resourceVersion")
        ),
        _ => return Ok(()),
    };
    Err(StatusError::conflict(resource, name, &why))
}

/// Uids are different for every object and every cluster, and the same for the same run.
fn new_uid(clock: &Clock, version: u64) -> String {
    let digest = Sha256::digest(format!("{}/{version}", clock.base()));
    let hex = digest.iter().take(16).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}
