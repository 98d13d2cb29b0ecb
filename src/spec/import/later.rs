//! A cluster whose jobs the repository has already, from another environment: what differs in this one becomes
//! its `<environment>.yaml`.

use serde_json::{Map, Value};

use super::bundle::{Bundle, Object};
use super::job;
use super::overlay::layer;
use super::repository::Target;
use super::secret::{self, LeftOut};
use crate::flink::canonical::{differences, leaves};
use crate::flink::pointer::dotted;
use crate::rule::RuleId;
use crate::spec::finding::Finding;
use crate::spec::load::load;
use crate::spec::{Desired, Unit};

/// A unit of the repository that is otherwise in one environment.
#[derive(Clone, Debug)]
pub struct Later {
    /// As it is there.
    pub object: Object,
    /// The fields of the layer.
    pub fields: Map<String, Value>,
    /// What was left out, and no rule of the repository's leaves to the cluster yet.
    pub left_out: Vec<LeftOut>,
    /// The folder, from the repository's root.
    pub folder: String,
    /// The environment.
    pub environment: String,
}

/// Takes these units out of a bundle. Where there is one environment, its jobs are what the cluster holds.
pub fn take(bundle: &mut Bundle, target: &Target<'_>) -> Vec<Later> {
    let Some(environment) = target.environment.as_deref() else { return Vec::new() };
    let mut loaded = load(target.tree, &target.limits, None);
    let several = loaded.environments.len() > 1;
    let Some(desired) = loaded.environments.remove(environment).filter(|_| several) else {
        return Vec::new();
    };
    let mut later = Vec::new();
    let objects = std::mem::take(&mut bundle.objects);
    for object in objects {
        match known(&desired, &object) {
            None => bundle.objects.push(object),
            Some(unit) => match difference(unit, &object, target, environment) {
                Ok(found) => later.extend(found),
                Err(finding) => bundle.findings.push(*finding),
            },
        }
    }
    later
}

/// The unit of a job.yaml with layers that a live object is.
fn known<'d>(desired: &'d Desired, object: &Object) -> Option<&'d Unit> {
    let is_it = |unit: &&Unit| {
        Some(unit.key.kind) == object.unit()
            && unit.key.name == object.name()
            && Some(unit.key.namespace.as_str()) == object.namespace()
    };
    let layered = |unit: &&Unit| unit.place.file == format!("{}/job.yaml", unit.folder);
    desired.units.values().find(is_it).filter(layered).filter(|_| object.literal)
}

fn difference(
    unit: &Unit,
    object: &Object,
    target: &Target<'_>,
    environment: &str,
) -> Result<Option<Later>, Box<Finding>> {
    let ((base, _), (wanted, mut left_out)) =
        (secret::leave_out(&unit.manifest), secret::leave_out(&object.manifest));
    left_out.retain(|left| !unit.policy.ignore.iter().any(|rule| rule.path == left.pointer));
    let (left, right) = (leaves(&base["spec"]), leaves(&wanted["spec"]));
    let differ: Vec<String> = differences(&left, &right).iter().map(|(path, ..)| dotted(path)).collect();
    let labels = |manifest: &Value| job::fields(manifest).remove("labels");
    if differ.is_empty() && labels(&base) == labels(&wanted) && left_out.is_empty() {
        return Ok(None);
    }
    let refuse = |why: &str, fields: &[String]| {
        let message = format!("{} differs from the repository, {why}: {}", object.title(), fields.join(", "));
        let finding = Finding::error(RuleId::ImportKnown, object.place.clone(), message);
        Box::new(finding.hint("`flinkops plan` shows it; decide which of the two is meant"))
    };
    let file = format!("{}/{environment}.yaml", unit.folder);
    if target.tree.files.contains_key(&file) {
        return Err(refuse(&format!("and {file} is there already"), &differ));
    }
    let fields = match layer(&base, &wanted, &[]) {
        Ok((fields, _)) => fields,
        Err(fields) => return Err(refuse("and a layer only adds to a list", &fields)),
    };
    let (object, folder, environment) = (object.clone(), unit.folder.clone(), environment.to_owned());
    Ok(Some(Later { object, fields, left_out, folder, environment }))
}
