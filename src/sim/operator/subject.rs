//! One resource at one time, and what the operator remembers of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::effect::Effect;
use super::status::Status;
use super::timings::Mode;
use super::upgrade::Stop;
use crate::flink::config;
use crate::flink::kind::{Kind, ObjectKey, Role, UnitKey};
use crate::flink::pointer::At as _;

/// One thing the operator does that takes time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The job is being stopped.
    Stop(Stop),
    /// The cluster has been told to end, and still answers.
    Kill,
    /// The cluster is being removed.
    Remove,
    /// The cluster is being deployed, or the job submitted.
    Deploy,
    /// The same, for a `savepointRedeployNonce`.
    Redeploy,
    /// The same, for a JobManager that is gone.
    Recover,
    /// A JobManager that is gone is asked for a job.
    Ask,
    /// The resource is being cleaned up.
    CleanUp,
}

/// What is under way for one resource, and lost when the operator restarts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub step: Step,
    pub until: Timestamp,
    /// Something changed in the meantime: another look follows at once.
    pub woken: bool,
}

/// What the operator remembers of one resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub work: Option<Work>,
    /// Failed deployments in a row.
    pub attempts: u32,
    /// Since when, and how often, each event was recorded.
    pub said: BTreeMap<String, (Timestamp, u32)>,
    /// The generation whose changes were announced.
    pub announced: i64,
}

/// One resource at one time, with what is being written about it.
pub(super) struct Subject<'a> {
    pub object: &'a Value,
    pub cluster: Option<&'a Value>,
    /// What the operator itself is configured with.
    pub operator: Arc<BTreeMap<String, String>>,
    pub key: UnitKey,
    pub role: Role,
    pub status: Status,
    /// The status as it was read or last written.
    pub written: Status,
    pub now: Timestamp,
    pub effects: Vec<Effect>,
}

impl<'a> Subject<'a> {
    pub fn new(
        object: &'a Value,
        cluster: Option<&'a Value>,
        mode: Mode,
        operator: Arc<BTreeMap<String, String>>,
        now: Timestamp,
    ) -> Option<Self> {
        let key = unit_key(object)?;
        let role = Role::of(key.kind, &object["spec"]);
        let status = Status::read(object, role, mode);
        let (written, effects) = (status.clone(), Vec::new());
        Some(Self { object, cluster, operator, key, role, status, written, now, effects })
    }

    pub fn object_key(&self) -> ObjectKey {
        (&self.key).into()
    }

    pub fn spec(&self) -> &Value {
        self.object.get("spec").unwrap_or(&Value::Null)
    }

    pub fn generation(&self) -> i64 {
        self.object["metadata"]["generation"].as_i64().unwrap_or_default()
    }

    pub fn cluster_key(&self) -> UnitKey {
        self.key.cluster(self.spec()).unwrap_or_else(|| self.key.clone())
    }

    /// `job.upgradeMode` of the spec.
    pub fn upgrade_mode(&self) -> &str {
        self.spec().at("/job/upgradeMode").and_then(Value::as_str).unwrap_or("stateless")
    }

    /// `job.initialSavepointPath` of the spec.
    pub fn initial_path(&self) -> Option<String> {
        self.spec().at("/job/initialSavepointPath").and_then(Value::as_str).map(str::to_owned)
    }

    /// Whether the status carries an error about the spec.
    pub fn is_refused(&self) -> bool {
        self.status.error.as_deref().is_some_and(|it| it.contains("ValidationException"))
    }

    pub fn wants_suspended(&self) -> bool {
        self.spec().at("/job/state") == Some(&json!("suspended"))
    }

    pub fn configuration(&self) -> BTreeMap<String, String> {
        config::layered(&self.operator, self.cluster.and_then(|it| it.get("spec")), self.spec())
    }
}

/// Whether anything holds the object.
pub(super) fn has_finalizer(object: &Value) -> bool {
    object.at("/metadata/finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

/// The kinds that have clusters and jobs.
const TENDED: [Kind; 2] = [Kind::FlinkDeployment, Kind::FlinkSessionJob];

/// The key of a FlinkDeployment or FlinkSessionJob.
pub fn unit_key(object: &Value) -> Option<UnitKey> {
    let text = |pointer: &str| object.at(pointer).and_then(Value::as_str);
    let kind = Kind::parse(text("/kind")?).filter(|kind| TENDED.contains(kind))?;
    Some(UnitKey::new(text("/metadata/namespace")?, kind, text("/metadata/name")?))
}
