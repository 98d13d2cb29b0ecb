//! Tables, as `kubectl get` asks for them: the columns of the operator's CRDs, name and age.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::resource::Resource;
use crate::flink::pointer::At as _;

/// A table of objects.
pub struct Table(Value);

impl Table {
    /// The table with the version it shows.
    pub fn at_version(mut self, version: &Value) -> Value {
        self.0["metadata"] = json!({"resourceVersion": version});
        self.0
    }

    /// The table as JSON.
    pub fn into_json(self) -> Value {
        self.0
    }
}

/// A column between the name and the age: its title and where its value is.
type Column = (&'static str, &'static str);

fn columns(resource: &Resource) -> &'static [Column] {
    match resource.kind {
        "FlinkDeployment" | "FlinkSessionJob" => {
            &[("Job Status", "/status/jobStatus/state"), ("Lifecycle State", "/status/lifecycleState")]
        }
        "FlinkStateSnapshot" => &[
            ("Path", "/status/path"),
            ("Result Timestamp", "/status/resultTimestamp"),
            ("Snapshot State", "/status/state"),
        ],
        "Event" => &[
            ("Last Seen", "/lastTimestamp"),
            ("Type", "/type"),
            ("Reason", "/reason"),
            ("Object", "/involvedObject/name"),
            ("Message", "/message"),
        ],
        "Lease" => &[("Holder", "/spec/holderIdentity")],
        "Deployment" => &[("Replicas", "/spec/replicas"), ("Available", "/status/availableReplicas")],
        "Namespace" => &[("Status", "/status/phase")],
        _ => &[],
    }
}

/// Makes the table of some objects.
pub fn of(resource: &Resource, objects: &[&Value], include: &str, now: Timestamp) -> Table {
    let columns = columns(resource);
    let definition = |name: &str, format: &str| json!({"name": name, "type": "string", "format": format, "priority": 0, "description": name});
    let mut definitions = vec![definition("Name", "name")];
    definitions.extend(columns.iter().map(|(title, _)| definition(title, "")));
    definitions.push(definition("Age", ""));
    let rows: Vec<Value> = objects.iter().map(|object| row(object, columns, include, now)).collect();
    Table(json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "columnDefinitions": definitions, "rows": rows,
    }))
}

fn row(object: &Value, columns: &[Column], include: &str, now: Timestamp) -> Value {
    let mut cells = vec![object["metadata"]["name"].clone()];
    cells.extend(columns.iter().map(|(_, pointer)| object.at(pointer).cloned().unwrap_or_default()));
    cells.push(json!(age(object, now)));
    let shown = match include {
        "Object" => object.clone(),
        "None" => Value::Null,
        _ => {
            json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
        }
    };
    json!({"cells": cells, "object": shown})
}

fn age(object: &Value, now: Timestamp) -> String {
    let created =
        object["metadata"]["creationTimestamp"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
    let Some(created) = created else { return "<unknown>".to_owned() };
    let seconds = now.as_second() - created.as_second();
    match seconds {
        ..120 => format!("{seconds}s"),
        120..600 => format!("{}m{}s", seconds / 60, seconds % 60),
        600..10_800 => format!("{}m", seconds / 60),
        10_800..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_shows_the_columns_of_its_crd() {
        let resource = Resource::by_kind("flink.apache.org/v1beta1", "FlinkDeployment").unwrap();
        let object = json!({"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"jobStatus": {"state": "RUNNING"}, "lifecycleState": "STABLE"}});
        let now = "2026-01-01T00:03:05Z".parse().unwrap();
        let table = of(resource, &[&object], "", now).into_json();
        assert_eq!(table["rows"][0]["cells"], json!(["a", "RUNNING", "STABLE", "3m5s"]));
        assert_eq!(table["columnDefinitions"][1]["name"], "Job Status");
    }
}
