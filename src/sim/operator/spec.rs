//! The form in which the operator records a spec: the whole Java object, with nulls and defaults.

use serde_json::{Map, Value, json};

use super::timings::Mode;
use crate::flink::kind::{API_VERSION, Kind};
use crate::flink::pointer::At as _;

/// A spec as recorded in `lastReconciledSpec` or `lastStableSpec`.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The spec, in the operator's form.
    pub spec: Value,
    /// The generation it came from.
    pub generation: i64,
    /// Whether the resource was deployed for the first time with it.
    pub first: bool,
}

impl Recorded {
    /// Reads the JSON string of a status; what has no generation gets the given one.
    pub fn parse(text: &str, generation: i64) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let meta = &value["resource_metadata"];
        Some(Self {
            spec: value.get("spec")?.clone(),
            generation: meta.at("/metadata/generation").and_then(Value::as_i64).unwrap_or(generation),
            first: meta["firstDeployment"] == json!(true),
        })
    }

    /// The JSON string of a status.
    pub fn to_text(&self, mode: Mode) -> String {
        let mut meta = json!({"apiVersion": API_VERSION, "firstDeployment": self.first});
        if mode == Mode::V1_7 {
            meta["metadata"] = json!({"generation": self.generation});
        }
        json!({"spec": self.spec, "resource_metadata": meta}).to_string()
    }

    /// `job.state`; `None` for a session cluster.
    pub fn state(&self) -> Option<&str> {
        self.spec.at("/job/state").and_then(Value::as_str)
    }

    /// Whether its job is recorded as suspended.
    pub fn is_suspended(&self) -> bool {
        self.state() == Some("suspended")
    }

    /// The upgrade mode that was really used.
    pub fn upgrade_mode(&self) -> &str {
        self.spec.at("/job/upgradeMode").and_then(Value::as_str).unwrap_or("stateless")
    }
}

const JOB: [&str; 8] = [
    "jarURI",
    "entryClass",
    "savepointTriggerNonce",
    "initialSavepointPath",
    "checkpointTriggerNonce",
    "allowNonRestoredState",
    "savepointRedeployNonce",
    "autoscalerResetNonce",
];
const MODERN_JOB: [&str; 2] = ["savepointRedeployNonce", "autoscalerResetNonce"];
const DEPLOYMENT: [&str; 8] = [
    "image",
    "imagePullPolicy",
    "serviceAccount",
    "flinkVersion",
    "ingress",
    "podTemplate",
    "logConfiguration",
    "mode",
];

/// Writes a spec the way the operator's Java object prints.
pub fn fill(kind: Kind, spec: &Value, mode: Mode) -> Value {
    let mut out = Map::new();
    out.insert("job".into(), job(spec, mode));
    copy(spec, &["restartNonce"], &mut out);
    out.insert("flinkConfiguration".into(), or(spec.get("flinkConfiguration"), json!({})));
    if kind == Kind::FlinkSessionJob {
        copy(spec, &["deploymentName"], &mut out);
    } else {
        copy(spec, &DEPLOYMENT, &mut out);
        out.insert("jobManager".into(), process(spec.get("jobManager"), json!(1)));
        out.insert("taskManager".into(), process(spec.get("taskManager"), Value::Null));
    }
    Value::Object(out)
}

fn job(spec: &Value, mode: Mode) -> Value {
    let Some(job) = spec.get("job").filter(|job| job.is_object()) else { return Value::Null };
    let mut out = Map::new();
    copy(job, &JOB, &mut out);
    if !mode.is_modern() {
        for field in MODERN_JOB {
            out.remove(field);
        }
    }
    for (field, default) in JOB_DEFAULTS {
        out.insert(field.into(), or(job.get(field), default()));
    }
    Value::Object(out)
}

/// A field and what Java puts there.
type Default = (&'static str, fn() -> Value);

const JOB_DEFAULTS: [Default; 4] = [
    ("args", || json!([])),
    ("state", || json!("running")),
    ("upgradeMode", || json!("stateless")),
    ("parallelism", || json!(0)),
];

fn process(process: Option<&Value>, replicas: Value) -> Value {
    let Some(process) = process.filter(|it| it.is_object()) else { return Value::Null };
    let resource = process.get("resource").filter(|it| it.is_object()).map(|resource| {
        let mut out = Map::new();
        copy(resource, &["cpu", "memory", "ephemeralStorage"], &mut out);
        Value::Object(out)
    });
    json!({
        "resource": resource,
        "replicas": or(process.get("replicas"), replicas),
        "podTemplate": process.get("podTemplate"),
    })
}

fn copy(from: &Value, fields: &[&str], to: &mut Map<String, Value>) {
    for field in fields {
        to.insert((*field).to_owned(), or(from.get(field), Value::Null));
    }
}

fn or(value: Option<&Value>, default: Value) -> Value {
    value.filter(|value| !value.is_null()).cloned().unwrap_or(default)
}

/// The merge patch by which operator 1.7 writes its defaults into a resource, with its finalizer.
pub fn injected_defaults(spec: &Value) -> Value {
    let mut patch = Map::new();
    if let Some(job) = spec.get("job").filter(|job| job.is_object()) {
        let absent = JOB_DEFAULTS.iter().take(3).filter(|(field, _)| job.get(field).is_none());
        let absent: Map<String, Value> =
            absent.map(|(field, default)| ((*field).to_owned(), default())).collect();
        if !absent.is_empty() {
            patch.insert("job".into(), absent.into());
        }
    }
    let lacks_replicas = |it: &Value| it.is_object() && it.get("replicas").is_none();
    if spec.get("jobManager").is_some_and(lacks_replicas) {
        patch.insert("jobManager".into(), json!({"replicas": 1}));
    }
    Value::Object(patch)
}
