//! The rule of blue/green deployments: the operator writes the name of each deployment for that of the unit, as text,
//! wherever it stands in the template (`BlueGreenUtils.adjustNameReferences`).

use serde_json::Value;

use super::{Remark, Subject, key_pointer};
use crate::flink::config::{CHECKPOINT_DIR, HIGH_AVAILABILITY_DIR, SAVEPOINT_DIR};
use crate::flink::kind::Kind;
use crate::flink::pointer::escape;
use crate::flink::secret::scrub_credentials;

/// Fields whose text names something outside the pods, or within the image.
const NAMING: [&str; 10] = [
    "claimName",
    "entryClass",
    "image",
    "path",
    "priorityClassName",
    "runtimeClassName",
    "secretName",
    "server",
    "serviceAccount",
    "serviceAccountName",
];
/// Fields whose `name` does.
const NAMED: [&str; 6] =
    ["configMap", "configMapKeyRef", "configMapRef", "imagePullSecrets", "secretKeyRef", "secretRef"];
/// What is for people and selectors: another name there is what one would expect.
const FREE: [&str; 2] = ["annotations", "labels"];

pub(super) fn name(subject: &Subject<'_>) -> Vec<Remark> {
    let mut found = Vec::new();
    if subject.key.kind == Kind::FlinkBlueGreenDeployment {
        let name = &subject.key.name;
        let mut look = |path: &[String], text: Option<&str>| found.extend(judge(name, path, text));
        each(subject.spec, &mut Vec::new(), &mut look);
    }
    found
}

/// Every key and every text of a value, the former without a text.
fn each(value: &Value, path: &mut Vec<String>, look: &mut impl FnMut(&[String], Option<&str>)) {
    let mut below = |segment: String, value: &Value| {
        path.push(segment);
        each(value, path, look);
        path.pop();
    };
    match value {
        Value::Object(fields) => {
            for (key, field) in fields.iter().filter(|(key, _)| !FREE.contains(&key.as_str())) {
                below(key.clone(), field);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| below(index.to_string(), item));
        }
        Value::String(text) => look(path, Some(text)),
        _ => {}
    }
    look(path, None);
}

fn judge(name: &str, path: &[String], text: Option<&str>) -> Option<Remark> {
    let segments: Vec<&str> = path.iter().map(String::as_str).collect();
    let last = segments.last()?;
    let pointer = || {
        let escaped: Vec<_> = segments.iter().map(|segment| escape(segment)).collect();
        format!("/spec/{}", escaped.join("/"))
    };
    let hint = format!(
        "give the unit a name that stands nowhere else in its template (`name` in job.yaml), or write this without `{name}`"
    );
    let message = |place: &str, text: &str| {
        let made = scrub_credentials(&text.replace(name, &format!("{name}-blue")));
        format!("the operator writes `{name}-blue` or `{name}-green` for `{name}` in this {place}: `{made}`")
    };
    let Some(text) = text else {
        let remark = Remark::at(pointer(), message("key", last), hint);
        return last.contains(name).then_some(Remark { on_key: true, ..remark });
    };
    if !text.contains(name) || !leads_outside(&segments, text) {
        return None;
    }
    let pointer = match segments.as_slice() {
        ["flinkConfiguration", keys @ ..] => key_pointer(&keys.join(".")),
        _ => pointer(),
    };
    Some(Remark::at(pointer, message("value", text), hint))
}

/// Whether a text names something outside the pods: the same name with another ending is something else there, or
/// nothing.
fn leads_outside(path: &[&str], text: &str) -> bool {
    let is_address = || text.contains("://") || text.starts_with("file:");
    let is_folder = |key: &str| {
        let mut folders = CHECKPOINT_DIR.iter().chain(&SAVEPOINT_DIR).chain([&HIGH_AVAILABILITY_DIR]);
        folders.any(|folder| *folder == key)
    };
    match path {
        ["flinkConfiguration", keys @ ..] => is_address() || is_folder(&keys.join(".")),
        [.., parent, "name"] if NAMED.contains(parent) => true,
        [.., parent, _, "name"] if *parent == "imagePullSecrets" => true,
        [.., field] => NAMING.contains(field) || is_address(),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_something_outside_is_told_from_what_is_the_pods_own() {
        let path = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        let told = |at: &str, text: &str| judge("prices", &path(at), Some(text)).is_some();
        for (at, text) in [
            ("image", "registry.example.com/prices:1"),
            ("job/jarURI", "local:///opt/prices.jar"),
            ("job/args/1", "s3://prices/in"),
            ("podTemplate/spec/imagePullSecrets/0/name", "prices"),
            ("podTemplate/spec/volumes/0/configMap/name", "prices-sql"),
            ("flinkConfiguration/execution.checkpointing.dir", "/data/prices"),
            ("flinkConfiguration/state/savepoints/dir", "/data/prices"),
        ] {
            assert!(told(at, text), "{at}");
        }
        for (at, text) in [
            ("image", "registry.example.com/price:1"),
            ("job/args/1", "--group=prices"),
            ("podTemplate/spec/volumes/0/name", "prices"),
            ("podTemplate/spec/containers/0/volumeMounts/0/mountPath", "/prices"),
            ("flinkConfiguration/pipeline.name", "prices"),
            ("ingress/template", "prices.example.com"),
        ] {
            assert!(!told(at, text), "{at}");
        }
        assert!(judge("state", &path("flinkConfiguration/state.backend.type"), None).is_some());
        assert!(judge("prices", &path("flinkConfiguration/state.backend.type"), None).is_none());
    }

    #[test]
    fn labels_are_free() {
        let spec = serde_json::json!({"podTemplate": {"metadata": {"labels": {"prices": "s3://prices"}}}, "image": "a"});
        let mut seen = Vec::new();
        each(&spec, &mut Vec::new(), &mut |path, text| seen.push((path.join("/"), text.map(str::to_owned))));
        assert!(seen.contains(&("image".to_owned(), Some("a".to_owned()))));
        assert!(seen.iter().all(|(path, _)| !path.contains("labels")));
    }
}
