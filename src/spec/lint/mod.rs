//! What is legal and probably not meant: one table of rules, judged on each unit as it is rendered for an
//! environment, and said at the line in Git that causes it.
//!
//! Every rule has a page in `docs/rules/`, a severity that `flinkops.yaml` can change ([`Levels`]), and can be
//! silenced at its line with a reason ([`Comments`]). What the operator refuses is no rule here: see
//! [`super::refusal`].

mod artefacts;
mod blue_green;
mod fields;
mod keys;
mod levels;
mod recovery;
mod secrets;
mod silence;
mod storage;
mod values;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::desired::Desired;
use super::finding::{Finding, Severity};
use super::node::Node;
use super::repository::FILE;

use crate::flink::config;
use crate::flink::confluent::laid_over;
use crate::flink::kind::{Kind, UnitKey, template, templated};
use crate::flink::pointer::{At as _, escape};
use crate::flink::release::OperatorVersion;
use crate::flink::version::FlinkVersion;
use crate::rule::RuleId;

pub use levels::{Levels, LevelsFile};
pub use silence::{Comment, Comments, Silenced};

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its id, which is also the name of its page in `docs/rules/`.
    pub id: RuleId,
    /// How bad it is where `flinkops.yaml` does not say.
    pub severity: Severity,
    /// What it finds, in one line.
    pub about: &'static str,
    check: fn(&Subject<'_>) -> Vec<Remark>,
}

/// Every rule, those that are broken most often first within each family.
#[rustfmt::skip]
pub const RULES: [Rule; 20] = [
    // Artefacts: what the job is made of.
    Rule { id: RuleId::FloatingImage, severity: Severity::Warning, about: "an image without a tag, or with one that moves", check: artefacts::floating_image },
    Rule { id: RuleId::FloatingJar, severity: Severity::Warning, about: "a jar at an address behind which it can change", check: artefacts::floating_jar },
    Rule { id: RuleId::SnapshotJar, severity: Severity::Info, about: "a SNAPSHOT build inside the image", check: artefacts::snapshot_jar },
    Rule { id: RuleId::UnfetchableJar, severity: Severity::Warning, about: "a session job's jar that the operator cannot fetch", check: artefacts::unfetchable_jar },
    Rule { id: RuleId::ImageVersion, severity: Severity::Warning, about: "an official image of another Flink than `flinkVersion` says", check: artefacts::image_version },
    // State: what an upgrade or a lost pod costs.
    Rule { id: RuleId::StateDropped, severity: Severity::Warning, about: "`stateless` although the job keeps checkpoints or savepoints", check: recovery::state_dropped },
    Rule { id: RuleId::FileState, severity: Severity::Warning, about: "state in a folder that goes with its pod", check: storage::file_state },
    Rule { id: RuleId::SavepointWithoutHa, severity: Severity::Info, about: "`savepoint` without high availability", check: recovery::savepoint_without_ha },
    Rule { id: RuleId::LastStateWithoutHa, severity: Severity::Warning, about: "`last-state` without high availability", check: recovery::last_state_without_ha },
    Rule { id: RuleId::UnretainedCheckpoint, severity: Severity::Warning, about: "a session job whose last checkpoint goes with its cluster", check: recovery::unretained_checkpoint },
    Rule { id: RuleId::BlueGreenName, severity: Severity::Warning, about: "a path, an image or a reference that the operator rewrites, since it holds the unit's name", check: blue_green::name },
    // Fields.
    Rule { id: RuleId::DroppedField, severity: Severity::Warning, about: "a field that the version of the operator drops", check: fields::dropped },
    // Configuration keys.
    Rule { id: RuleId::DeprecatedKey, severity: Severity::Info, about: "a configuration key by its old name", check: keys::deprecated },
    Rule { id: RuleId::UnknownKey, severity: Severity::Info, about: "a configuration key that nobody reads", check: keys::unknown },
    Rule { id: RuleId::OldAutoscalerKey, severity: Severity::Info, about: "an autoscaler's key with its old prefix", check: keys::old_autoscaler },
    // Values.
    Rule { id: RuleId::PlaintextSecret, severity: Severity::Warning, about: "a password, key or token that stands in Git", check: secrets::plaintext },
    Rule { id: RuleId::ParallelismIgnored, severity: Severity::Warning, about: "`parallelism` beside `taskManager.replicas`, which decides", check: values::parallelism_ignored },
    Rule { id: RuleId::NonRestoredState, severity: Severity::Warning, about: "`allowNonRestoredState` left on", check: values::non_restored_state },
    Rule { id: RuleId::OneShotValue, severity: Severity::Info, about: "a value that counts once, left behind", check: values::one_shot },
    Rule { id: RuleId::IgnoreComment, severity: Severity::Warning, about: "a `flinkops: ignore` that does nothing", check: |_| Vec::new() },
];

/// The rule of an id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id.as_str() == id)
}

/// A unit as the rules see it.
pub struct Subject<'a> {
    key: &'a UnitKey,
    /// Its `spec`, or what of it has the fields of a FlinkDeployment.
    spec: &'a Value,
    /// The same as it runs: what an environment of Confluent's says is laid over its applications.
    laid: Cow<'a, Value>,
    /// The spec of the unit that it runs on or in, where that is in Git: a session job's cluster, the environment of
    /// an application of Confluent's.
    on: Option<&'a Value>,
    /// The version of its operator, where it is stated.
    operator: Option<OperatorVersion>,
    /// What its own file and layers configure.
    own: BTreeMap<String, String>,
    /// What its environment lays over that.
    over: BTreeMap<String, String>,
    /// What it runs with: the same under its environment's, over its cluster's, over the operator's.
    configuration: BTreeMap<String, String>,
}

impl<'a> Subject<'a> {
    /// A unit with all that the rules look at; `on` is the spec of the one that it refers to.
    pub fn new(key: &'a UnitKey, spec: &'a Value, on: Option<&'a Value>, desired: &Desired) -> Self {
        let spec = templated(key.kind, spec);
        let on = on.filter(|_| matches!(key.kind, Kind::FlinkSessionJob | Kind::FlinkApplication));
        let cluster = on.filter(|_| key.kind == Kind::FlinkSessionJob);
        let defaults = on.filter(|_| key.kind == Kind::FlinkApplication);
        let defaults = defaults.map(|environment| templated(Kind::FlinkEnvironment, environment));
        let laid = defaults.map_or(Cow::Borrowed(spec), |defaults| Cow::Owned(laid_over(spec, defaults)));
        let own = config::effective(None, spec);
        let over = config::effective(defaults, &Value::Null);
        let mut configuration = config::layered(&desired.operator, cluster, spec);
        configuration.extend(over.clone());
        let operator = desired.operator_version.as_ref().map(|stated| stated.version);
        Self { key, spec, laid, on, operator, own, over, configuration }
    }

    /// Every remark, as findings of the severities in force.
    pub fn findings(&self, written: &Node, levels: &Levels) -> Vec<Finding> {
        let judge = |rule: &'static Rule| {
            let severity = levels.of(rule)?;
            let remarks = (rule.check)(self).into_iter();
            Some(remarks.map(move |remark| remark.finding(rule, severity, written, self.key)))
        };
        RULES.iter().filter_map(judge).flatten().collect()
    }

    fn at(&self, pointer: &str) -> Option<&'a Value> {
        self.spec.at(pointer).filter(|value| !value.is_null())
    }

    fn text(&self, pointer: &str) -> Option<&'a str> {
        self.at(pointer).and_then(Value::as_str)
    }

    /// The deployment that its pods belong to: itself, or a session job's cluster; `None` where that is not in Git, or
    /// what is laid over it is not.
    fn deployment(&self) -> Option<&Value> {
        match self.key.kind {
            Kind::FlinkDeployment | Kind::FlinkBlueGreenDeployment => Some(self.spec),
            Kind::FlinkSessionJob => self.on,
            Kind::FlinkApplication => self.on.map(|_| &*self.laid),
            Kind::FlinkStateSnapshot | Kind::FlinkEnvironment => None,
        }
    }

    fn version(&self) -> Option<FlinkVersion> {
        let of_others = || (self.key.kind == Kind::FlinkEnvironment).then_some(self.spec);
        FlinkVersion::parse(self.deployment().or_else(of_others)?.get("flinkVersion")?.as_str()?)
    }

    /// The first of these options that is set for its pods, with its value.
    fn set(&self, names: &[&'static str]) -> Option<(&'static str, &str)> {
        names.iter().find_map(|name| {
            let value = self.over.get(*name).or_else(|| self.own.get(*name))?;
            Some((*name, value.as_str())).filter(|_| !value.is_empty())
        })
    }
}

/// Says for which unit a line of `flinkops.yaml` is wrong, and makes one of what it causes in many; each finding
/// comes with its folder.
pub fn share(found: &mut [(usize, Finding)]) {
    let common = |finding: &Finding| Finding { unit: None, ..finding.clone() };
    let is_common = |finding: &Finding| finding.place.file == FILE;
    let mut units: BTreeMap<Finding, Vec<String>> = BTreeMap::new();
    for (_, finding) in found.iter().filter(|(_, finding)| is_common(finding)) {
        units.entry(common(finding)).or_default().extend(finding.unit.clone());
    }
    for (_, finding) in found.iter_mut().filter(|(_, finding)| is_common(finding)) {
        match units[&common(finding)].as_slice() {
            [] => {}
            [only] => finding.message = format!("{} (in `{only}`)", finding.message),
            [first, ..] => {
                finding.message = format!("{} (in `{first}` and others)", finding.message);
                finding.unit = None;
            }
        }
    }
}

/// What a rule has to say.
struct Remark {
    /// JSON pointer into the manifest.
    pointer: String,
    /// Whether its key is meant rather than its value.
    on_key: bool,
    message: String,
    hint: String,
}

impl Remark {
    fn at(pointer: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), on_key: false, message: message.into(), hint: hint.into() }
    }

    /// The same about the name of a configuration key.
    fn at_key(key: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { on_key: true, ..Self::at(key_pointer(key), message, hint) }
    }

    fn finding(self, rule: &Rule, severity: Severity, written: &Node, unit: &UnitKey) -> Finding {
        let pointer = &format!("{}{}", template(unit.kind), self.pointer);
        let place = if self.on_key { written.key_place_of(pointer) } else { written.place_of(pointer) };
        let finding = Finding::error(rule.id, place, self.message).hint(self.hint).unit(&unit.name);
        Finding { severity, ..finding }
    }
}

/// Pointer to one key of the configuration.
fn key_pointer(key: &str) -> String {
    format!("/spec/flinkConfiguration/{}", escape(key))
}

/// The pod templates of a deployment, with the pointer to each below its `spec`.
fn pod_templates(deployment: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
    let pointers = ["/podTemplate/spec", "/jobManager/podTemplate/spec", "/taskManager/podTemplate/spec"];
    pointers.into_iter().filter_map(|pointer| Some((pointer, deployment.at(pointer)?)))
}

/// The entries of a list that a value may have.
fn entries<'v>(value: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> {
    value.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// The containers of a pod, with the pointer to each below the pod.
fn containers(pod: &Value) -> impl Iterator<Item = (String, &Value)> {
    ["initContainers", "containers"].into_iter().flat_map(move |list| {
        entries(pod, list).enumerate().map(move |(index, one)| (format!("/{list}/{index}"), one))
    })
}
