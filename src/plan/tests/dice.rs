//! Random values from a run of bytes, which proptest can shrink: a specification's field at random, and
//! other spellings of one.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::flink::list;
use crate::spec::schema;

/// Throws that were made beforehand.
pub struct Dice<'b> {
    bytes: std::slice::Iter<'b, u8>,
}

impl<'b> Dice<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes: bytes.iter() }
    }

    /// Below `sides`; 0 once the throws are used up.
    pub fn throw(&mut self, sides: usize) -> usize {
        self.bytes.next().map_or(0, |byte| usize::from(*byte) % sides.max(1))
    }

    pub fn coin(&mut self) -> bool {
        self.throw(2) == 1
    }

    fn pick<'v, T>(&mut self, from: &'v [T]) -> &'v T {
        &from[self.throw(from.len())]
    }
}

/// Two sides that differ in one field.
#[derive(Clone, Debug)]
pub struct Pair {
    pub left: Option<Value>,
    pub right: Option<Value>,
    /// JSON pointer to what differs.
    pub at: String,
}

impl Pair {
    fn of(left: impl Into<Value>, right: impl Into<Value>) -> Self {
        Self { left: Some(left.into()), right: Some(right.into()), at: String::new() }
    }

    /// Puts both sides into something of the same shape.
    fn within(self, segment: &str, around: impl Fn(Option<Value>) -> Value) -> Self {
        let at = format!("/{segment}{}", self.at);
        Self { left: Some(around(self.left)), right: Some(around(self.right)), at }
    }
}

/// One field of a FlinkDeployment's or a FlinkSessionJob's spec, with two values for it, or one and none.
/// Whatever the schema of `job.yaml` has may come.
pub fn field(dice: &mut Dice<'_>, session_job: bool) -> Pair {
    let root = if session_job { "FlinkSessionJobSpec" } else { "FlinkDeploymentSpec" };
    Grower { dice }.grow("", &SCHEMA["$defs"][root])
}

/// What would seldom be met among so many fields.
const FAVOURITES: [&str; 5] = ["podTemplate", "spec", "containers", "env", "value"];

static SCHEMA: LazyLock<Value> = LazyLock::new(schema::job);

struct Grower<'g, 'b> {
    dice: &'g mut Dice<'b>,
}

impl Grower<'_, '_> {
    fn grow(&mut self, name: &str, schema: &Value) -> Pair {
        if let Some(reference) = schema["$ref"].as_str() {
            let name_of = reference.rsplit('/').next().unwrap();
            return match name_of.rsplit('.').next().unwrap() {
                "Quantity" => Pair::of("3", "4"),
                "IntOrString" => Pair::of(80, "http"),
                _ => self.grow(name, &SCHEMA["$defs"][name_of]),
            };
        }
        if let Some(any) = schema["anyOf"].as_array() {
            return self.grow(name, &any[0]);
        }
        if let Some(values) = schema["enum"].as_array() {
            return Pair::of(values[0].clone(), values[1].clone());
        }
        let kind = schema["type"].as_array().map_or(&schema["type"], |types| &types[0]);
        match kind.as_str() {
            Some("object") => self.object(name, schema),
            Some("array") => self.list(name, schema),
            Some("integer" | "number") => Pair::of(7, 8),
            Some("boolean") => Pair::of(true, false),
            _ => Pair::of("one", "two"),
        }
    }

    fn object(&mut self, name: &str, schema: &Value) -> Pair {
        let empty = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty);
        // What the operator does not read of a pod template.
        let read = |key: &&String| name != "podTemplate" || !matches!(key.as_str(), "apiVersion" | "kind");
        let keys: Vec<&String> = properties.keys().filter(read).collect();
        let (key, mut pair) = if keys.is_empty() {
            let key =
                (*self.dice.pick(&["key", "a.b/c", "kubernetes.operator.x", "job.autoscaler.x"])).to_owned();
            let pair = match &schema["additionalProperties"] {
                value @ Value::Object(_) => self.grow(&key, value),
                _ => Pair::of("one", "two"),
            };
            (key, pair)
        } else {
            let favourite = keys.iter().find(|key| FAVOURITES.contains(&key.as_str()));
            let key = match favourite.filter(|_| self.dice.throw(3) > 0) {
                Some(key) => key,
                None => self.dice.pick(&keys),
            };
            let key = String::clone(key);
            let pair = self.grow(&key, &properties[&key]);
            (key, pair)
        };
        // A field may be absent on one side.
        match self.dice.throw(4) {
            1 if pair.at.is_empty() && key != "deploymentName" => pair.left = None,
            // The second value is nobody's default.
            2 if pair.at.is_empty() && key != "deploymentName" => pair.left = pair.right.take(),
            _ => {}
        }
        let segment = key.replace('~', "~0").replace('/', "~1");
        pair.within(&segment, |value| value.map_or_else(|| json!({}), |value| json!({ key.clone(): value })))
    }

    fn list(&mut self, name: &str, schema: &Value) -> Pair {
        let pair = self.grow("", &schema["items"]);
        let key = list::key(name);
        let more = self.dice.throw(3);
        let neighbours: Vec<Value> = (0..more).map(|index| neighbour(key, index, &pair)).collect();
        pair.within(&more.to_string(), |entry| {
            let mut entry = entry.unwrap_or_default();
            if let (Some(key), Value::Object(fields)) = (key, &mut entry) {
                let named = if key == "containerPort" { json!(8080) } else { json!("changed") };
                fields.entry(key).or_insert(named);
            }
            neighbours.iter().cloned().chain([entry]).collect()
        })
    }
}

/// An entry that is the same on both sides.
fn neighbour(key: Option<&str>, index: usize, pair: &Pair) -> Value {
    match (key, &pair.right) {
        (Some("containerPort"), _) => json!({"containerPort": 9000 + index}),
        (Some(key), _) => json!({key: format!("same-{index}")}),
        (None, Some(Value::Object(_))) => json!({}),
        (None, _) => json!(format!("same-{index}")),
    }
}

/// A spec with all that can be spelt in several ways.
pub fn spec(dice: &mut Dice<'_>) -> Value {
    let mut configuration = Map::new();
    let needed =
        [("state.savepoints.dir", json!("s3://b/sp")), ("state.checkpoints.dir", json!("s3://b/cp"))];
    configuration.extend(needed.map(|(key, value)| (key.to_owned(), value)));
    for (key, value) in [
        ("taskmanager.numberOfTaskSlots", json!(2)),
        ("pipeline.jars", json!(["a", "b"])),
        ("pipeline.object-reuse", json!(true)),
        ("restart-strategy.type", json!("exponential-delay")),
        ("restart-strategy.exponential-delay.jitter-factor", json!(0.1)),
        ("kubernetes.operator.periodic.savepoint.interval", json!("1h")),
    ] {
        if dice.throw(4) > 0 {
            configuration.insert(key.into(), value);
        }
    }
    let env = |index: usize| json!({"name": format!("V{index}"), "value": index.to_string()});
    let env: Vec<Value> = (0..dice.throw(3)).map(env).collect();
    let container = |name: &str| json!({"name": name, "env": env, "resources": {"limits": {"cpu": "1500m", "memory": "1Gi"}, "requests": {"cpu": 1}}});
    let volume = json!({"name": "scratch", "emptyDir": {"sizeLimit": "2Gi"}});
    json!({
        "image": "a:1", "flinkVersion": "v1_20", "serviceAccount": "flink", "flinkConfiguration": configuration,
        "jobManager": {"resource": {"cpu": 1, "memory": "2048m"}},
        "taskManager": {"resource": {"cpu": 0.5, "memory": "2g"}, "podTemplate": {"spec": {"containers": [container("flink-main-container")]}}},
        "podTemplate": {"metadata": {"labels": {"team": "a"}}, "spec": {"containers": [container("side"), container("other")], "volumes": [volume]}},
        "job": {"jarURI": "local:///a.jar", "parallelism": 2, "upgradeMode": *dice.pick(&["savepoint", "last-state", "stateless"])},
    })
}

/// The same spec in another spelling.
pub fn respelt(dice: &mut Dice<'_>, spec: &Value) -> Value {
    let mut spec = typed(dice, "", spec);
    let flat = spec["flinkConfiguration"].as_object().cloned().unwrap_or_default();
    let mut configuration = json!({});
    for (key, value) in flat {
        let value = match value {
            Value::Number(_) | Value::Bool(_) if dice.coin() => json!(value.to_string()),
            Value::Array(list) if dice.coin() => {
                json!(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(";"))
            }
            value => value,
        };
        let mut at = &mut configuration;
        let mut segment = String::new();
        for part in key.split('.') {
            if !segment.is_empty() && dice.coin() {
                at = &mut at[&segment];
                segment.clear();
            } else if !segment.is_empty() {
                segment.push('.');
            }
            segment.push_str(part);
        }
        at[&segment] = value;
    }
    spec["flinkConfiguration"] = configuration;
    let defaults = [
        ("/job", "args", json!([])),
        ("/job", "state", json!("running")),
        ("/jobManager", "replicas", json!(1)),
    ];
    let null = ("/job", "entryClass", Value::Null);
    let empty = [
        ("/podTemplate/spec", "initContainers", json!([])),
        ("/podTemplate/spec", "nodeSelector", json!({})),
    ];
    for (at, field, value) in defaults.into_iter().chain([null]).chain(empty) {
        if dice.coin() {
            spec.pointer_mut(at).unwrap()[field] = value;
        }
    }
    spec
}

fn typed(dice: &mut Dice<'_>, field: &str, value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), typed(dice, key, value))).collect(),
        Value::Array(list) => list.iter().map(|entry| typed(dice, "", entry)).collect(),
        Value::String(text) => json!(*match (field, text.as_str()) {
            ("cpu", "1500m") => dice.pick(&["1500m", "1.5", "1500000u"]),
            ("memory", "1Gi") => dice.pick(&["1Gi", "1024Mi", "1073741824"]),
            ("sizeLimit", "2Gi") => dice.pick(&["2Gi", "2097152Ki"]),
            (_, text) => return json!(text),
        }),
        Value::Number(number) if field == "cpu" && number.as_f64() == Some(1.0) => {
            dice.pick(&[json!(1), json!(1.0)]).clone()
        }
        other => other.clone(),
    }
}

/// JSON, which is YAML too, with the keys in falling order.
pub fn backwards(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let members: Vec<String> = map
                .iter()
                .rev()
                .map(|(key, value)| format!("{}: {}", json!(key), backwards(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(backwards).collect::<Vec<_>>().join(", ")),
        scalar => scalar.to_string(),
    }
}
