//! All that one environment should hold, at one revision.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde_json::Value;

use super::finding::{Finding, Place};
use super::node::Node;
use super::policy::Policy;
use super::source::{Origin, Revision};
use crate::flink::kind::{ObjectKey, Role, UnitKey, deployment};
use crate::flink::pointer::At as _;
use crate::flink::release::{OperatorVersion, Release};

/// A person's consent to something flinkops would otherwise refuse; the text says why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consents {
    /// `allow.stateLoss`: the next change may drop the job's state.
    pub state_loss: Option<String>,
    /// `allow.recreate`: the unit may be deleted and created again.
    pub recreate: Option<String>,
    /// `adopt`: a live object of someone else may be taken over (S4).
    pub adopt: Option<String>,
    /// `freeze`: nothing is written to this unit (S19).
    pub freeze: Option<String>,
    /// `renamedFrom`: the name this unit had before (S18).
    pub renamed_from: Option<String>,
    /// `onCreate: fresh`: a creation starts from nothing, whatever earlier state is known (S16).
    pub fresh: bool,
}

/// Why one unit must be settled before another may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// `dependsOn` says so.
    Declared,
    /// A session job needs its cluster.
    SessionCluster,
    /// Its spec names the other, as a snapshot its job.
    Reference,
}

/// An edge of the graph: the unit waits for `on`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// The unit to wait for. It need not be in Git: a session job's cluster may live elsewhere (S7).
    pub on: UnitKey,
    /// Where the edge comes from.
    pub why: Why,
}

/// A live object of any kind that must be ready before a unit may change. It is only ever read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Awaited {
    /// The object.
    pub object: ObjectKey,
    /// The condition that must be true; `None`: `Ready` or `Available`.
    pub condition: Option<String>,
}

impl Awaited {
    /// What people call it: `KafkaTopic/orders`, or `Service/orders in kafka` where it is elsewhere.
    pub fn name(&self, from: &UnitKey) -> String {
        let ObjectKey { kind, name, namespace, .. } = &self.object;
        if *namespace == from.namespace {
            format!("{kind}/{name}")
        } else {
            format!("{kind}/{name} in {namespace}")
        }
    }
}

/// A rendered manifest. Clones share it until one of them is changed.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedManifest(Arc<Value>);

impl RenderedManifest {
    /// The rendered `spec`; null where there is none.
    pub fn spec(&self) -> &Value {
        self.get("spec").unwrap_or(&Value::Null)
    }

    /// The same manifest, shared.
    pub fn shared(&self) -> Arc<Value> {
        self.0.clone()
    }
}

impl From<Value> for RenderedManifest {
    fn from(manifest: Value) -> Self {
        Self(Arc::new(manifest))
    }
}

impl Deref for RenderedManifest {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl DerefMut for RenderedManifest {
    fn deref_mut(&mut self) -> &mut Value {
        Arc::make_mut(&mut self.0)
    }
}

/// One Flink resource as Git wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// Its name in the cluster.
    pub key: UnitKey,
    /// What it is to the operator.
    pub role: Role,
    /// The folder it comes from, from the repository's root.
    pub folder: String,
    /// Where it begins in Git.
    pub place: Place,
    /// The rendered manifest: `apiVersion`, `kind`, `metadata` with name, namespace, labels and
    /// annotations, and `spec`. Labels and annotations of flinkops' own are not in it: the plan adds them.
    pub manifest: RenderedManifest,
    /// The same, each value with the place in Git it comes from.
    pub written: Arc<Node>,
    /// What must be settled first, sorted.
    pub depends_on: Vec<Dependency>,
    /// What else must be ready first, sorted.
    pub awaits: Vec<Awaited>,
    /// What a person consented to in the unit's file.
    pub consents: Consents,
    /// The policy in force for this unit.
    pub policy: Policy,
}

impl Unit {
    /// The rendered `spec`; an empty object where there is none.
    pub fn spec(&self) -> &Value {
        self.manifest.spec()
    }

    /// The spec of the FlinkDeployment that it is, or has as its template.
    pub fn deployment(&self) -> &Value {
        deployment(self.spec())
    }

    /// The restore point that Git names: `job.initialSavepointPath`.
    pub fn named_savepoint(&self) -> Option<&str> {
        self.deployment().at("/job/initialSavepointPath")?.as_str()
    }
}

/// Another object of a job folder, applied before the folder's units (S24).
#[derive(Clone, Debug, PartialEq)]
pub struct Companion {
    /// Its name in the cluster.
    pub key: ObjectKey,
    /// The folder it comes from.
    pub folder: String,
    /// Where it begins in Git.
    pub place: Place,
    /// The rendered manifest, namespace included.
    pub manifest: RenderedManifest,
}

/// A part of the repository that could not be read: what is in the cluster because of it stays as it is (S1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    /// The folder, or the whole root as an empty string.
    pub folder: String,
    /// The name its unit would most probably have, where it can be told.
    pub name: Option<String>,
}

/// A consent, in `flinkops.yaml`, to delete a unit that left Git (S21).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalConsent {
    /// The unit's name.
    pub name: String,
    /// Why its state may be lost.
    pub state_loss: Option<String>,
    /// Where it is named.
    pub place: Place,
}

/// The version of an environment's operator, as `flinkops.yaml` states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorStated {
    /// The version.
    pub version: OperatorVersion,
    /// Where it is stated.
    pub place: Place,
}

/// How the revision relates to the one applied last (S3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Movement {
    /// A descendant of it, the same, or nothing was applied before.
    #[default]
    Forward,
    /// Not a descendant: the branch was reset or rewritten.
    Rewritten,
}

/// Everything Git wants of one environment.
#[derive(Clone, Debug)]
pub struct Desired {
    /// `name` in `flinkops.yaml`.
    pub repository: String,
    /// Where it was read from.
    pub origin: Origin,
    /// The environment's name.
    pub environment: String,
    /// The kubeconfig context the environment names, if any.
    pub context: Option<String>,
    /// The namespace of everything that names none.
    pub namespace: String,
    /// Every namespace the environment may use, `namespace` included.
    pub namespaces: BTreeSet<String>,
    /// The units by key.
    pub units: BTreeMap<UnitKey, Unit>,
    /// The other objects by key.
    pub companions: BTreeMap<ObjectKey, Companion>,
    /// Kinds of companion that are watched in the cluster: `(apiVersion, kind)`.
    pub companion_kinds: BTreeSet<(String, String)>,
    /// What could not be read. While this is not empty nothing is deleted (S1).
    pub unknown: Vec<Unknown>,
    /// Consents to deletes.
    pub removed: Vec<RemovalConsent>,
    /// `confirm` of `flinkops.yaml`: the number of deletes a person agreed to (S3).
    pub confirm_deletes: Option<usize>,
    /// The environment's policy, for what is not in Git any more.
    pub policy: Policy,
    /// The version of this environment's operator, where Git states it: for what is judged without the cluster.
    pub operator_version: Option<OperatorStated>,
    /// What the operator of this environment is configured with, as far as Git states it: it lies under the
    /// configuration of every unit.
    pub operator: BTreeMap<String, String>,
    /// How the revision relates to the one applied last. The loader says forward; whoever holds the
    /// repository and the cluster's marker corrects it.
    pub movement: Movement,
    /// Jobs that are only stopped and started again as they are, for their session cluster's sake: what Git
    /// wants of them otherwise waits. The loader names none; whoever writes a part of the units does.
    pub carried: BTreeSet<UnitKey>,
    /// Units as an earlier revision has them, which go back to it (S23). The loader reads none; whoever holds
    /// the repository and the cluster's records does.
    pub previous: BTreeMap<UnitKey, Unit>,
    /// Everything found while reading, sorted; but what the lint says and is no error, and what the stated version
    /// of the operator refuses, is among [`Loaded::findings`](super::Loaded::findings) only: it is for whoever
    /// validates.
    pub findings: Vec<Finding>,
}

impl Desired {
    /// The release of its operator as far as Git states it: the newest, where it does not.
    pub fn release(&self) -> Release {
        self.operator_version.as_ref().map(|stated| stated.version.into()).unwrap_or_default()
    }

    /// The revision this is.
    pub fn revision(&self) -> &Revision {
        &self.origin.revision
    }
}
