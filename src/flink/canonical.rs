//! The canonical form of a spec: two specs are equal to the operator exactly if their leaves are.
//!
//! The operator compares typed Java objects, so an absent field equals its Java default, `1` equals
//! `1.0`, and a nested configuration equals a flat one (reference: `ReflectiveDiffBuilder`,
//! `AbstractFlinkSpec`). The leaves of the canonical form are what is compared, hashed and recorded;
//! shown is what is written ([`super::place`]).
//!
//! Where the operator keeps a whole list as one value, the entries of lists that Kubernetes keys are leaves
//! by their name, so that a change of one variable is a change of one variable. The list itself then is a
//! leaf too: the names in their order, which counts to the operator.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::pointer::{escape, unescape};
use super::quantity::Quantity;
use super::{config, list};

/// Leaves by their path: a JSON pointer in which an entry of a keyed list goes by its name, and a Flink
/// configuration key is one segment.
pub type Leaves = BTreeMap<String, Value>;

/// Where the template of a blue/green deployment stands, which holds the `spec` of a FlinkDeployment.
pub const TEMPLATE: &str = "/spec/template";
/// Where the keys of Flink's configuration stand.
const CONFIGURATION: &str = "/spec/flinkConfiguration/";

/// A path of a configuration key, as what leads to the configuration and the key.
pub fn configuration_key(path: &str) -> Option<(&str, String)> {
    let key = path.strip_prefix(TEMPLATE).unwrap_or(path).strip_prefix(CONFIGURATION)?;
    Some((&path[..path.len() - key.len() - 1], unescape(key).into_owned()))
}

/// The path within the FlinkDeployment that is the template; `None` for what is beside that.
pub fn in_template(path: &str) -> Option<&str> {
    path.strip_prefix(TEMPLATE).filter(|rest| rest.starts_with("/spec/"))
}

/// Maps with free keys in a pod template: there an empty map equals none.
const FREE: [&str; 7] =
    ["labels", "annotations", "nodeSelector", "matchLabels", "volumeAttributes", "options", "data"];
/// The same with quantities in them.
const AMOUNTS: [&str; 3] = ["requests", "limits", "overhead"];
/// Single quantities in a pod template.
const AMOUNT: [&str; 2] = ["sizeLimit", "divisor"];

/// The leaves of a spec, `/spec` included.
pub fn leaves(spec: &Value) -> Leaves {
    let mut out = Leaves::new();
    let Some(spec) = spec.as_object() else { return out };
    let path = &mut Path("/spec".to_owned());
    for (field, value) in spec {
        if let ("template", Some(deployment)) = (field.as_str(), value.get("spec")) {
            // A blue/green deployment's: the spec of a FlinkDeployment below it is compared as one.
            out.extend(
                leaves(deployment).into_iter().map(|(path, leaf)| (format!("{TEMPLATE}{path}"), leaf)),
            );
            for (field, value) in
                value.as_object().into_iter().flatten().filter(|(field, _)| *field != "spec")
            {
                Path(TEMPLATE.to_owned())
                    .below(field, |path| collect(path, field, value, Part::Own, &mut out));
            }
        } else if field == "flinkConfiguration" {
            let keys = config::flatten(value).into_iter();
            out.extend(
                keys.map(|(key, text)| (format!("{CONFIGURATION}{}", escape(&key)), Value::String(text))),
            );
        } else {
            path.below(field, |path| collect(path, field, value, Part::Own, &mut out));
        }
    }
    fill_defaults(spec, &mut out);
    out
}

/// The leaves in which two sides differ, by path, with the value of each side.
///
/// An empty map against one with content, and the names of a keyed list against more or fewer names, are
/// no differences of their own: what is below them says it all.
pub fn differences<'l>(
    left: &'l Leaves,
    right: &'l Leaves,
) -> Vec<(&'l str, Option<&'l Value>, Option<&'l Value>)> {
    if left == right {
        return Vec::new();
    }
    let mut paths: Vec<&'l String> = left.keys().chain(right.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let told_below = |path: &str, before: Option<&Value>, after: Option<&Value>| match (before, after) {
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            has_below(left, path) && has_below(right, path) && same_order(before, after)
        }
        _ => has_below(left, path) || has_below(right, path),
    };
    paths
        .into_iter()
        .map(|path| (path.as_str(), left.get(path), right.get(path)))
        .filter(|(path, before, after)| before != after && !told_below(path, *before, *after))
        .collect()
}

fn has_below(leaves: &Leaves, path: &str) -> bool {
    let start = format!("{path}/");
    leaves.range(start.clone()..).next().is_some_and(|(below, _)| below.starts_with(&start))
}

/// Whether the names on both sides are in the same order.
fn same_order(before: &[Value], after: &[Value]) -> bool {
    let common = before.iter().filter(|name| after.contains(name));
    common.eq(after.iter().filter(|name| before.contains(name)))
}

/// Whether a path leads to a list whose entries go by their names.
pub fn is_keyed(path: &str) -> bool {
    let within = path.contains("/podTemplate/") || path.contains("/resources/");
    within && path.rsplit('/').next().is_some_and(|list| list::key(list).is_some())
}

/// Whose types a part of a spec has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The operator's own: to them empty is not absent.
    Own,
    /// Kubernetes': lists may be keyed, and empty ones are absent.
    Pod,
    /// A map of free keys.
    Free,
    /// A map of quantities.
    Amounts,
}

impl Part {
    fn below(self, field: &str) -> Self {
        match self {
            Self::Own if field == "podTemplate" || field == "resources" => Self::Pod,
            Self::Pod if FREE.contains(&field) => Self::Free,
            Self::Pod if AMOUNTS.contains(&field) => Self::Amounts,
            part => part,
        }
    }

    /// A scalar by its value: `1.0` is `1`, and a quantity its digits.
    fn scalar(self, field: &str, value: &Value) -> Value {
        let amount = self == Self::Amounts || (self == Self::Pod && AMOUNT.contains(&field));
        match value {
            Value::String(text) if amount => quantity(text).unwrap_or_else(|| value.clone()),
            Value::Number(number) if amount => quantity(&number.to_string()).unwrap_or_else(|| value.clone()),
            Value::String(text) if self == Self::Own && field == "cpu" => {
                text.parse().map_or_else(|_| value.clone(), |cores: f64| number(&json!(cores)))
            }
            Value::Number(_) => number(value),
            _ => value.clone(),
        }
    }

    /// A whole value, where no leaf stands for a part of it.
    fn whole(self, field: &str, value: &Value) -> Value {
        match value {
            Value::Array(entries) => entries.iter().map(|entry| self.whole("", entry)).collect(),
            Value::Object(map) => {
                let kept = map.iter().filter(|(_, value)| !value.is_null());
                let below = kept.map(|(key, value)| (key.clone(), self.below(key).whole(key, value)));
                below.collect::<Map<_, _>>().into()
            }
            scalar => self.scalar(field, scalar),
        }
    }
}

/// A pointer that grows and shrinks on the way through a value.
struct Path(String);

impl Path {
    fn below(&mut self, field: &str, look: impl FnOnce(&mut Self)) {
        let length = self.0.len();
        self.0.push('/');
        self.0.push_str(&escape(field));
        look(self);
        self.0.truncate(length);
    }
}

fn collect(path: &mut Path, field: &str, value: &Value, part: Part, out: &mut Leaves) {
    let part = part.below(field);
    match value {
        Value::Null => {}
        Value::Object(map) => {
            // The operator clears what it does not know of a pod template.
            let known = |key: &str| field != "podTemplate" || matches!(key, "metadata" | "spec");
            let mut kept = map.iter().filter(|(key, value)| known(key) && !value.is_null()).peekable();
            let has_default = matches!(&*path.0, "/spec/job" | "/spec/jobManager" | "/spec/savepoint");
            let means_absent = matches!(part, Part::Free | Part::Amounts);
            if kept.peek().is_none() && !has_default && !means_absent {
                out.insert(path.0.clone(), json!({}));
            }
            for (key, value) in kept {
                path.below(key, |path| collect(path, key, value, part, out));
            }
        }
        Value::Array(entries) if entries.is_empty() && (part != Part::Own || field == "args") => {}
        Value::Array(entries) => match list::names(field, entries).filter(|_| part == Part::Pod) {
            Some(names) => {
                for (name, entry) in names.iter().zip(entries) {
                    path.below(name, |path| collect(path, "", entry, part, out));
                }
                out.insert(path.0.clone(), json!(names));
            }
            None => {
                out.insert(path.0.clone(), part.whole(field, value));
            }
        },
        scalar => {
            out.insert(path.0.clone(), part.scalar(field, scalar));
        }
    }
}

/// Java defaults of `JobSpec`, `JobManagerSpec`, `SavepointSpec` and `FlinkStateSnapshotSpec`, which an absent
/// field equals.
fn fill_defaults(spec: &Map<String, Value>, out: &mut Leaves) {
    let mut default = |path: &str, value: Value| {
        out.entry(path.to_owned()).or_insert(value);
    };
    if spec.get("job").is_some_and(Value::is_object) {
        default("/spec/job/parallelism", json!(0));
        default("/spec/job/state", json!("running"));
        default("/spec/job/upgradeMode", json!("stateless"));
    }
    if spec.get("jobManager").is_some_and(Value::is_object) {
        default("/spec/jobManager/replicas", json!(1));
    }
    if spec.get("savepoint").is_some_and(Value::is_object) {
        default("/spec/savepoint/alreadyExists", json!(false));
        default("/spec/savepoint/disposeOnDelete", json!(true));
        default("/spec/savepoint/formatType", json!("CANONICAL"));
    }
    if ["savepoint", "checkpoint"].iter().any(|kind| spec.contains_key(*kind)) {
        default("/spec/backoffLimit", json!(-1));
    }
}

fn quantity(text: &str) -> Option<Value> {
    Some(Value::String(Quantity::parse(text)?.to_string()))
}

fn number(value: &Value) -> Value {
    match value.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "bounded by the guard")]
        Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => json!(float as i64),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: &Value, right: &Value) {
        assert_eq!(leaves(left), leaves(right));
    }

    fn differ(left: &Value, right: &Value) -> Vec<String> {
        let (left, right) = (leaves(left), leaves(right));
        differences(&left, &right).into_iter().map(|(path, ..)| path.to_owned()).collect()
    }

    #[expect(clippy::needless_pass_by_value, reason = "literals read better by value")]
    fn pod(spec: Value) -> Value {
        json!({"podTemplate": {"spec": spec}})
    }

    #[test]
    fn absent_equals_the_java_default() {
        same(
            &json!({"job": {"jarURI": "x"}, "jobManager": {}}),
            &json!({"job": {"jarURI": "x", "args": [], "state": "running", "upgradeMode": "stateless",
                    "parallelism": 0, "entryClass": null}, "jobManager": {"replicas": 1}, "flinkConfiguration": {}}),
        );
    }

    #[test]
    fn an_empty_object_is_not_an_absent_one() {
        for field in ["taskManager", "ingress", "podTemplate", "logConfiguration"] {
            assert_eq!(differ(&json!({}), &json!({field: {}})), [format!("/spec/{field}")]);
        }
        assert_eq!(differ(&json!({"ingress": {"tls": []}}), &json!({"ingress": {}})), ["/spec/ingress/tls"]);
        assert_eq!(
            differ(
                &json!({"podTemplate": {}}),
                &json!({"podTemplate": {"metadata": {"creationTimestamp": null}}})
            ),
            ["/spec/podTemplate/metadata"]
        );
    }

    #[test]
    fn an_empty_object_that_gets_content_is_told_by_the_content() {
        let volumes = |empty: Value| pod(json!({"volumes": [{"name": "v", "emptyDir": empty}]}));
        assert_eq!(
            differ(&volumes(json!({})), &volumes(json!({"medium": "Memory"}))),
            ["/spec/podTemplate/spec/volumes/v/emptyDir/medium"]
        );
    }

    #[test]
    fn in_a_pod_template_empty_lists_and_maps_are_absent() {
        same(
            &pod(json!({"containers": [{"name": "c"}]})),
            &pod(
                json!({"containers": [{"name": "c", "env": [], "resources": null}], "volumes": [], "nodeSelector": {}}),
            ),
        );
    }

    #[test]
    fn numbers_and_quantities_compare_by_value() {
        same(
            &json!({"taskManager": {"resource": {"cpu": 1}, "resources": {"limits": {"cpu": "2"}}, "podTemplate":
                {"apiVersion": "v1", "spec": {"containers": [{"name": "c", "resources": {"limits":
                    {"cpu": "300m", "memory": "1Gi"}}}]}}}}),
            &json!({"taskManager": {"resource": {"cpu": 1.0}, "resources": {"limits": {"cpu": "2000m"}}, "podTemplate":
                {"status": {}, "spec": {"containers": [{"name": "c", "resources": {"limits":
                    {"cpu": 0.3, "memory": "1024Mi"}}}]}}}}),
        );
    }

    #[test]
    fn memory_of_a_resource_is_a_plain_string() {
        let of = |memory| leaves(&json!({"taskManager": {"resource": {"memory": memory}}}));
        assert_ne!(of("2g"), of("2048m"));
    }

    #[test]
    fn a_label_is_what_it_says() {
        let of = |value| json!({"podTemplate": {"metadata": {"labels": {"sizeLimit": value}}}});
        assert_eq!(differ(&of("1"), &of("1.0")), ["/spec/podTemplate/metadata/labels/sizeLimit"]);
    }

    #[test]
    fn a_configuration_key_is_one_segment() {
        let leaves = leaves(&json!({"flinkConfiguration": {"a": {"b/c": 1}}}));
        assert_eq!(leaves.keys().collect::<Vec<_>>(), ["/spec/flinkConfiguration/a.b~1c"]);
    }

    #[test]
    fn a_variable_is_found_by_its_name() {
        let env = |env: Value| pod(json!({"containers": [{"name": "c", "env": env}]}));
        let before = env(json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]));
        let path = "/spec/podTemplate/spec/containers/c/env";
        let changed = env(json!([{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]));
        assert_eq!(differ(&before, &changed), [format!("{path}/B/value")]);
        let inserted = env(
            json!([{"name": "N", "value": "0"}, {"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
        );
        assert_eq!(differ(&before, &inserted), [format!("{path}/N/name"), format!("{path}/N/value")]);
        let swapped = env(json!([{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]));
        assert_eq!(differ(&before, &swapped), [path]);
    }

    #[test]
    fn other_lists_are_one_leaf() {
        assert_eq!(
            differ(&json!({"job": {"args": ["a"]}}), &json!({"job": {"args": ["b"]}})),
            ["/spec/job/args"]
        );
        let tolerations = |list: Value| pod(json!({"tolerations": list}));
        assert_eq!(
            differ(&tolerations(json!([{"key": "a"}])), &tolerations(json!([{"key": "b"}]))),
            ["/spec/podTemplate/spec/tolerations"]
        );
    }
}
