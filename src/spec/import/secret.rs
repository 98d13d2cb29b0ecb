//! Leaves secret values out of a manifest, and says which (S25).

use serde_json::Value;

use super::text::Step;
use crate::flink::pointer::escape;
use crate::flink::{list, secret};

/// Something that is not written because of a secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// How it is found in the document.
    pub path: Vec<Step>,
    /// The same as a rule of `policy.ignore` names it.
    pub pointer: String,
}

impl LeftOut {
    /// The JSON pointer to it in its document, entries by their index.
    pub fn place(&self) -> String {
        let segment = |step: &Step| match step {
            Step::Key(key) => format!("/{}", escape(key)),
            Step::Item(index) => format!("/{index}"),
        };
        self.path.iter().map(segment).collect()
    }

    /// Whether a rule of `policy.ignore` can leave it to the cluster.
    pub fn is_spec(&self) -> bool {
        self.pointer.starts_with("/spec/")
    }
}

/// What holds secrets, and the manifest without it.
///
/// A variable goes with its name, and a list of texts as a whole: a part of either means something else.
pub fn leave_out(manifest: &Value) -> (Value, Vec<LeftOut>) {
    let masked = secret::mask("", manifest);
    let mut clean = manifest.clone();
    let mut found = Vec::new();
    walk(&mut clean, &masked, &mut Vec::new(), &mut found);
    let left = found.into_iter().map(|path| LeftOut { pointer: pointer(manifest, &path), path }).collect();
    (clean, left)
}

fn walk(value: &mut Value, masked: &Value, path: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    match (value, masked) {
        (Value::Object(fields), Value::Object(shown)) => {
            let mut gone = Vec::new();
            for (key, field) in fields.iter_mut().filter(|(key, field)| shown.get(*key) != Some(*field)) {
                path.push(Step::Key(key.clone()));
                if is_one(field, shown.get(key)) {
                    found.push(path.clone());
                    gone.push(key.clone());
                } else {
                    walk(field, &shown[key], path, found);
                }
                path.pop();
            }
            fields.retain(|key, _| !gone.contains(key));
        }
        (Value::Array(entries), Value::Array(shown)) => {
            let mut index = 0;
            let variables = path.last() == Some(&Step::Key("env".to_owned()));
            entries.retain_mut(|entry| {
                path.push(Step::Item(index));
                let differs = shown.get(index) != Some(entry);
                if differs && variables {
                    found.push(path.clone());
                } else if differs {
                    walk(entry, &shown[index], path, found);
                }
                path.pop();
                index += 1;
                !(differs && variables)
            });
        }
        _ => {}
    }
}

/// Whether a value goes as a whole: it is no map, or a list with more than maps in it.
fn is_one(value: &Value, shown: Option<&Value>) -> bool {
    match (value, shown) {
        (Value::Object(_), Some(Value::Object(_))) => false,
        (Value::Array(entries), Some(Value::Array(_))) => !entries.iter().all(Value::is_object),
        _ => true,
    }
}

/// A configuration key is one segment, and an entry of a keyed list goes by its name.
fn pointer(manifest: &Value, path: &[Step]) -> String {
    let (mut pointer, mut value, mut name) = (String::new(), manifest, "");
    for (depth, step) in path.iter().enumerate() {
        match step {
            Step::Key(key) => {
                let nested =
                    path[..depth].iter().take(2).eq(&[step_of("spec"), step_of("flinkConfiguration")])
                        && depth > 2;
                pointer.push(if nested { '.' } else { '/' });
                pointer.push_str(&escape(key));
                (value, name) = (&value[key], key);
            }
            Step::Item(index) => {
                let names = value.as_array().and_then(|entries| list::names(name, entries));
                let own = names.and_then(|names| names.get(*index).cloned());
                pointer.push('/');
                pointer.push_str(&escape(&own.unwrap_or_else(|| index.to_string())));
                (value, name) = (&value[*index], "");
            }
        }
    }
    pointer
}

fn step_of(key: &str) -> Step {
    Step::Key(key.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn s25_secrets_go_with_what_names_them() {
        let manifest = json!({"spec": {
            "flinkConfiguration": {"s3.secret-key": "x1y2z3", "s3": {"access-key": "a1b2c3"}, "a": "b"},
            "job": {"args": ["--password", "hunter22", "--x"]},
            "podTemplate": {"spec": {"containers": [{"name": "c", "env": [
                {"name": "A", "value": "1"}, {"name": "DB_PASSWORD", "value": "hunter22"}]}]}},
        }});
        let (clean, left) = leave_out(&manifest);
        assert_eq!(
            clean,
            json!({"spec": {
                "flinkConfiguration": {"s3": {}, "a": "b"},
                "job": {},
                "podTemplate": {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "1"}]}]}},
            }})
        );
        let pointers: Vec<&str> = left.iter().map(|left| left.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/spec/flinkConfiguration/s3.access-key",
                "/spec/flinkConfiguration/s3.secret-key",
                "/spec/job/args",
                "/spec/podTemplate/spec/containers/c/env/DB_PASSWORD",
            ]
        );
    }

    #[test]
    fn a_reference_to_a_secret_stays() {
        let manifest = json!({"spec": {"podTemplate": {"spec": {"containers": [{"name": "c", "env": [
            {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]}]}}}});
        assert_eq!(leave_out(&manifest), (manifest, Vec::new()));
    }
}
