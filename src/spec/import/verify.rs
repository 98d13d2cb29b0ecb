//! Loads what an import wrote, and compares it with where it came from.

use serde_json::Value;

use super::bundle::Object;
use super::repository::Target;
use super::secret;
use super::write::{Written, WrittenUnit};
use crate::flink::canonical::{Leaves, differences, leaves};
use crate::flink::kind::UnitKey;
use crate::flink::pointer::{dotted, escape};
use crate::rule::RuleId;
use crate::spec::finding::{Finding, Place, Severity};
use crate::spec::load::load;
use crate::spec::{Desired, SourceTree};

/// What the loader finds wrong with the files, and where a unit comes out other than it was.
pub fn verify(target: &Target<'_>, written: &Written) -> Vec<Finding> {
    let mut tree: SourceTree = target.tree.clone();
    for (path, text) in &written.files {
        tree.files.insert(path.clone(), text.as_bytes().into());
    }
    let loaded = load(&tree, &target.limits, None);
    let ours = |finding: &&Finding| written.files.contains_key(&finding.place.file);
    let errors = loaded.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let mut findings: Vec<Finding> = errors.filter(ours).cloned().collect();
    let broken = !findings.is_empty();
    for desired in loaded.environments.values() {
        let meant = |unit: &&WrittenUnit| {
            let only = unit.only.as_ref().is_none_or(|only| *only == desired.environment);
            only && unit.object.is_in(&desired.environment)
        };
        for unit in written.units.iter().filter(meant) {
            let wanted = unit.patched.get(&desired.environment).unwrap_or(&unit.object.manifest);
            if !broken {
                findings.extend(compare(&unit.object, wanted, desired));
            }
        }
    }
    findings
}

fn compare(object: &Object, wanted: &Value, desired: &Desired) -> Option<Finding> {
    let namespace = object.namespace().filter(|name| desired.namespaces.contains(*name));
    let is_it = |key: &&UnitKey| Some(key.kind) == object.unit() && key.name == object.name();
    let mut found = desired.units.iter().filter(|(key, _)| is_it(key));
    let unit = match namespace {
        Some(namespace) => found.find(|(key, _)| key.namespace == namespace),
        None => found.next(),
    };
    let Some((_, unit)) = unit else {
        let message = format!("{} is not in the environment {}", object.title(), desired.environment);
        return Some(Finding::error(RuleId::ImportDiffers, object.place.clone(), message));
    };
    let (left, right) = (fields(&secret::leave_out(wanted).0), fields(&unit.manifest));
    let found: Vec<String> = differences(&left, &right).iter().map(|(path, ..)| dotted(path)).collect();
    let message = format!(
        "in {} {} comes out other than it was: {}",
        desired.environment,
        object.title(),
        found.join(", ")
    );
    let hint = "see `flinkops render --explain`: flinkops.yaml lays its defaults under every job";
    let place = Place::file(&*unit.place.file);
    (!found.is_empty()).then(|| Finding::warning(RuleId::ImportDiffers, place, message).hint(hint))
}

fn fields(manifest: &Value) -> Leaves {
    let mut fields = leaves(&manifest["spec"]);
    for part in ["labels", "annotations"] {
        for (key, value) in manifest["metadata"][part].as_object().into_iter().flatten() {
            if !key.starts_with("flinkops.dev/") && key != crate::flink::secret::LAST_APPLIED {
                fields.insert(format!("/metadata/{part}/{}", escape(key)), value.clone());
            }
        }
    }
    fields
}
