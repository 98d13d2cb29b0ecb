//! What one changed field does to the running job, and in words what is not plain about it (DESIGN: what a
//! change does). The words quote no value.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::live::LiveObject;
use super::outcome::FieldEffect;
use super::snapshot;
use crate::flink::canonical::in_template;
use crate::flink::config;
use crate::flink::diff::{DeploymentMode, DiffType, Table};
use crate::flink::health::is_suspended;
use crate::flink::kind::{Kind, Role};
use crate::flink::pointer::{At as _, unescape};
use crate::flink::quantity::{self, Quantity};
use crate::flink::release::Release;
use crate::flink::status::Status;
use crate::flink::{duration, scale};
use crate::spec::Unit;

/// What the autoscaler makes up; the operator keeps it out of the spec, other tools write it there.
const OVERRIDES: &str = "/spec/flinkConfiguration/pipeline.jobvertex-parallelism-overrides";
const REDEPLOY: &str = "/spec/job/savepointRedeployNonce";

/// An effect, with what is not plain about it.
pub type Effect = (FieldEffect, Option<String>);

/// What the effects of a unit's changes depend on.
pub struct Effects<'a> {
    unit: &'a Unit,
    live: &'a LiveObject,
    table: Table,
    /// The FlinkDeployment that the job runs in, as Git wants it.
    deployment: &'a Value,
    /// What the job runs with, as Git wants it.
    configuration: BTreeMap<String, String>,
    ever_ran: bool,
    /// Whether the status says that the job does not run.
    down: bool,
}

impl<'a> Effects<'a> {
    /// Looks at a unit from both sides; `cluster` is the spec of a session job's cluster, `operator` what the
    /// operator is configured with as far as Git states it.
    pub fn new(
        unit: &'a Unit,
        live: &'a LiveObject,
        status: &Status,
        cluster: Option<&'a Value>,
        operator: &BTreeMap<String, String>,
    ) -> Self {
        let deployment = cluster.unwrap_or(unit.deployment());
        let mode = DeploymentMode::of(deployment);
        Self {
            unit,
            live,
            table: Table::new(Release::of(status), mode, live.deployment(), unit.deployment()),
            deployment,
            configuration: config::layered(operator, cluster, unit.deployment()),
            ever_ran: status.last_reconciled.is_some(),
            down: !matches!(status.job.as_str(), "RUNNING" | ""),
        }
    }

    /// Whether a leaf that only the live object has is the autoscaler's, and no difference to anyone.
    pub fn is_autoscaler(&self, path: &str) -> bool {
        path == OVERRIDES && self.is_autoscaled()
    }

    /// What going from one value of a leaf to another does.
    pub fn of(&self, path: &str, before: Option<&Value>, after: Option<&Value>) -> Effect {
        if path.starts_with("/metadata/") {
            return (FieldEffect::Metadata, None);
        }
        if self.unit.role == Role::Snapshot {
            return snapshot::effect(path);
        }
        match self.unit.role {
            Role::BlueGreen => match in_template(path) {
                Some(path) => Self::beside(self.of_deployment(path, before, after)),
                None => (
                    FieldEffect::None,
                    told(Some("for the operator: it counts from the next change of the template on")),
                ),
            },
            Role::ManagedEnvironment => (FieldEffect::None, told(Some(ENVIRONMENT))),
            Role::ManagedApplication => {
                confluent(path, after).unwrap_or_else(|| self.of_deployment(path, before, after))
            }
            _ => self.of_deployment(path, before, after),
        }
    }

    /// A deployment whose change starts another beside it.
    fn beside((effect, note): Effect) -> Effect {
        match effect {
            FieldEffect::Upgrade | FieldEffect::Rescale => {
                let beside = "another deployment starts beside this one, and takes over";
                (FieldEffect::Upgrade, Some(note.unwrap_or_else(|| beside.to_owned())))
            }
            effect => (effect, note),
        }
    }

    fn of_deployment(&self, path: &str, before: Option<&Value>, after: Option<&Value>) -> Effect {
        if self.is_immutable(path) {
            return (FieldEffect::Immutable, None);
        }
        match path {
            "/spec/job/state" if after == Some(&json!("suspended")) => (FieldEffect::Suspend, None),
            "/spec/job/state" => (FieldEffect::Resume, None),
            "/spec/job/savepointTriggerNonce" | "/spec/job/checkpointTriggerNonce" => self.snapshot(after),
            _ => match self.table.classify(path, after) {
                None => (FieldEffect::None, told(Some(self.unseen(path)))),
                Some(DiffType::Ignore) => (FieldEffect::None, told(self.ignored(path, after))),
                Some(DiffType::Scale) => self.rescale(path),
                Some(DiffType::Upgrade) => (FieldEffect::Upgrade, told(self.restarts(path, before, after))),
                Some(DiffType::SavepointRedeploy) => (FieldEffect::Restore, None),
            },
        }
    }

    fn is_immutable(&self, path: &str) -> bool {
        let live_role = Role::of(self.unit.key.kind, self.live.spec());
        let moves = live_role != self.unit.role && (path.starts_with("/spec/job/") || path == "/spec/job");
        let mode = self.unit.key.kind == Kind::FlinkDeployment
            && path == "/spec/mode"
            && DeploymentMode::of(self.live.spec()) != DeploymentMode::of(self.unit.spec());
        moves || mode || path == "/spec/deploymentName"
    }

    fn snapshot(&self, after: Option<&Value>) -> Effect {
        if after.is_none() {
            (FieldEffect::None, told(Some(NONCE_GONE)))
        } else if !self.ever_ran || is_suspended(self.unit.deployment()) {
            (FieldEffect::None, told(Some("no effect: only a running job takes one")))
        } else {
            (FieldEffect::Snapshot, None)
        }
    }

    fn unseen(&self, path: &str) -> &'static str {
        let unknown = path == REDEPLOY && self.table.release < Release::V1_8;
        if unknown { "no effect: this operator does not know the field" } else { NONCE_GONE }
    }

    fn ignored(&self, path: &str, after: Option<&Value>) -> Option<&'static str> {
        if let Some(key) = path.strip_prefix("/spec/flinkConfiguration/") {
            return Some(if key.starts_with("parallelism.default") {
                "no effect: the parallelism is that of the job"
            } else {
                "for the operator: nothing restarts"
            });
        }
        match path {
            "/spec/job/initialSavepointPath" if self.redeploys() => {
                Some("what savepointRedeployNonce restores")
            }
            "/spec/job/initialSavepointPath" if self.ever_ran => Some(
                "no effect on a job that has run: it counts at the first start, or with a new savepointRedeployNonce",
            ),
            "/spec/job/upgradeMode" | "/spec/job/allowNonRestoredState" => {
                Some("counts when the job is restarted")
            }
            "/spec/job/autoscalerResetNonce" if after.is_none() => Some(NONCE_GONE),
            "/spec/job/autoscalerResetNonce" => Some("the autoscaler forgets what it has learnt"),
            _ => None,
        }
    }

    /// Whether the same change redeploys from `initialSavepointPath`.
    fn redeploys(&self) -> bool {
        let nonce = |spec: &Value| spec.at("/job/savepointRedeployNonce").filter(|it| !it.is_null()).cloned();
        let wanted = nonce(self.unit.deployment());
        self.table.release >= Release::V1_8 && wanted.is_some() && wanted != nonce(self.live.deployment())
    }

    fn rescale(&self, path: &str) -> Effect {
        let native = self.table.mode == DeploymentMode::Native;
        let down = (native && self.down).then_some("the job does not run");
        match scale::obstacle(self.deployment, &self.configuration).or(down) {
            Some(obstacle) => {
                let note = self.parallelism(path).map_or_else(
                    || format!("restarts: it cannot be scaled in place, as {obstacle}"),
                    |why| format!("{why}; restarts all the same, as {obstacle}"),
                );
                (FieldEffect::Upgrade, Some(note))
            }
            None => match self.parallelism(path) {
                Some(why) => (FieldEffect::None, Some(format!("no effect: {why}"))),
                None => (FieldEffect::Rescale, None),
            },
        }
    }

    /// Why the job's parallelism is not what `job.parallelism` says.
    fn parallelism(&self, path: &str) -> Option<&'static str> {
        let replicas = self.unit.deployment().at("/taskManager/replicas").is_some_and(|it| !it.is_null());
        match path {
            "/spec/job/parallelism" if replicas => Some("taskManager.replicas decides the parallelism"),
            "/spec/job/parallelism" if self.is_autoscaled() => Some("the autoscaler decides the parallelism"),
            _ => None,
        }
    }

    fn is_autoscaled(&self) -> bool {
        let keys = ["job.autoscaler.enabled", "kubernetes.operator.job.autoscaler.enabled"];
        config::first(&self.configuration, &keys).is_some_and(|it| it.eq_ignore_ascii_case("true"))
    }

    fn restarts(&self, path: &str, before: Option<&Value>, after: Option<&Value>) -> Option<String> {
        if let Some(why) = self.parallelism(path) {
            return Some(format!(
                "no effect on the parallelism: {why}; the operator restarts the job all the same"
            ));
        }
        if is_respelt(path, before, after) {
            return Some(
                "the same value in another spelling: the operator compares the text and restarts for nothing"
                    .into(),
            );
        }
        if before.zip(after).is_some_and(|(before, after)| is_reordered(before, after)) {
            return Some("the same entries in another order: the operator restarts for nothing".into());
        }
        let note = match path {
            "/spec/taskManager/replicas" if before.is_none() => {
                "from now on this decides the parallelism, not job.parallelism"
            }
            "/spec/taskManager/replicas" if after.is_none() => {
                "from now on job.parallelism decides the parallelism"
            }
            _ if path == "/spec/ingress" || path.starts_with("/spec/ingress/") => {
                "the operator restarts for any change of the ingress"
            }
            "/spec/restartNonce" if after.is_none() => {
                "operators before 1.8 restart for a nonce that is taken away"
            }
            _ => return None,
        };
        Some(note.into())
    }
}

/// What Confluent's own fields of an application do; `None` for those of a FlinkDeployment.
fn confluent(path: &str, after: Option<&Value>) -> Option<Effect> {
    if path == "/spec/flinkEnvironment" {
        return Some((FieldEffect::Immutable, None));
    }
    if path.starts_with("/spec/cmfRestClassRef") {
        return Some((FieldEffect::None, told(Some("the way to Confluent Manager: nothing restarts"))));
    }
    let field = path.strip_prefix("/spec/job/startFromSavepoint")?;
    if field == "/savepointRedeployNonce" && after.is_some() {
        return Some((FieldEffect::Restore, None));
    }
    Some((FieldEffect::None, told(Some("counts at the first start, or with a new savepointRedeployNonce"))))
}

const ENVIRONMENT: &str = "Confluent Manager lays it under each application when that changes next";
const NONCE_GONE: &str = "no effect: a nonce that is taken away does nothing";

fn told(note: Option<impl Into<String>>) -> Option<String> {
    note.map(Into::into)
}

/// Whether two texts are one size or one duration.
fn is_respelt(path: &str, before: Option<&Value>, after: Option<&Value>) -> bool {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let (Some(before), Some(after)) = (text(before), text(after)) else { return false };
    let same = |read: fn(&str) -> Option<Quantity>| read(&before).is_some_and(|it| Some(it) == read(&after));
    match path.rsplit('/').next().map(unescape).as_deref() {
        Some("memory") => same(quantity::memory),
        Some("ephemeralStorage") => same(Quantity::parse),
        _ if path.starts_with("/spec/flinkConfiguration/") => {
            // A bare number may be anything.
            let unit = |text: &str| text.bytes().any(|letter| letter.is_ascii_alphabetic());
            let time = duration::parse(&before);
            unit(&before)
                && unit(&after)
                && (same(quantity::memory) || (time.is_some() && time == duration::parse(&after)))
        }
        _ => false,
    }
}

/// Whether two lists hold the same in another order.
fn is_reordered(before: &Value, after: &Value) -> bool {
    let sorted = |value: &Value| {
        let mut texts: Vec<String> = value.as_array()?.iter().map(Value::to_string).collect();
        texts.sort_unstable();
        Some(texts)
    };
    before != after && sorted(before).is_some_and(|it| Some(it) == sorted(after))
}
