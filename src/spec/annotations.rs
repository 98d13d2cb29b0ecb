//! The annotations of a plain manifest that say what the fields of a `job.yaml` say, and the names nobody may use.

use super::check::nearest;
use super::desired::Consents;
use super::finding::Finding;
use super::node::{Mark, Node};
use crate::rule::RuleId;

const PREFIX: &str = "flinkops.dev/";

/// The annotation that every plain manifest may have: the environments it is in.
const IN: &str = "environments";

/// What a manifest is, for what may be said in its annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A `job.yaml` with its layers, whose fields say it.
    Job,
    /// A plain manifest of a unit.
    Unit,
    /// A plain manifest of anything else.
    Companion,
}

/// The annotations, and the fields of a `job.yaml` that say the same.
const ANNOTATIONS: [(&str, &str); 8] = [
    ("adopt", "adopt"),
    ("allow-recreate", "allow.recreate"),
    ("allow-state-loss", "allow.stateLoss"),
    ("depends-on", "dependsOn"),
    (IN, "environments"),
    ("freeze", "freeze"),
    ("on-create", "onCreate"),
    ("renamed-from", "renamedFrom"),
];

/// What a manifest's annotations say it depends on, with the place.
pub fn depends_on(annotations: &Node) -> Vec<(String, Mark)> {
    words(annotations, "depends-on").unwrap_or_default()
}

/// The environments that a manifest's annotations say it is in, with the place; `None` for every one.
pub fn environments(manifest: &Node) -> Option<Vec<(String, Mark)>> {
    words(manifest.at(&["metadata", "annotations"])?, IN)
}

/// The same is for flinkops alone: an object has it in no cluster.
pub fn without_environments(manifest: &mut Node) {
    let Some(metadata) = manifest.at_mut(&["metadata"]).and_then(Node::members_mut) else { return };
    let Some(members) = metadata.get_mut("annotations").and_then(|one| one.value.members_mut()) else {
        return;
    };
    if members.remove(&format!("{PREFIX}{IN}")).is_some() && members.is_empty() {
        metadata.remove("annotations");
    }
}

fn words(annotations: &Node, name: &str) -> Option<Vec<(String, Mark)>> {
    let value = annotations.get(&format!("{PREFIX}{name}"))?;
    let names = value.text().unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    Some(names.map(|name| (name.to_owned(), value.mark.clone())).collect())
}

/// What a manifest's annotations consent to.
pub fn consents(annotations: &Node) -> (Consents, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut text = |name: &str| {
        let value = annotations.get(&format!("{PREFIX}{name}"))?;
        let reason = value.text().unwrap_or_default().trim();
        if reason.is_empty() {
            let message = format!("`{PREFIX}{name}`: must not be empty");
            findings.push(Finding::error(RuleId::BadValue, value.mark.place(), message));
        }
        Some(reason.to_owned())
    };
    let mut consents = Consents {
        state_loss: text("allow-state-loss"),
        recreate: text("allow-recreate"),
        adopt: text("adopt"),
        freeze: text("freeze"),
        renamed_from: text("renamed-from"),
        fresh: false,
    };
    if let Some(value) = annotations.get("flinkops.dev/on-create") {
        consents.fresh = value.text() == Some("fresh");
        if !consents.fresh {
            let message = "`flinkops.dev/on-create`: the only value is `fresh`";
            findings.push(Finding::error(RuleId::BadValue, value.mark.place(), message));
        }
    }
    (consents, findings)
}

/// Names under `flinkops.dev/` mean something: only those that people may write are taken, and only in a
/// plain manifest.
pub fn reserved(manifest: &Node, form: Form) -> Vec<Finding> {
    let mut findings = Vec::new();
    for part in ["labels", "annotations"] {
        let Some(members) = manifest.at(&["metadata", part]).and_then(Node::members) else { continue };
        for (key, member) in members {
            let Some(name) = key.strip_prefix(PREFIX) else { continue };
            let annotation = part == "annotations";
            let taken = match form {
                Form::Job => false,
                Form::Unit => field(name).is_some(),
                Form::Companion => name == IN,
            };
            if annotation && taken {
                continue;
            }
            let message = format!("`{key}` is not for people to write");
            let finding = Finding::error(RuleId::ReservedName, member.key.place(), message);
            findings.push(finding.hint(instead(name, annotation, form)));
        }
    }
    findings
}

fn field(annotation: &str) -> Option<&'static str> {
    ANNOTATIONS.iter().find(|(name, _)| *name == annotation).map(|(_, field)| *field)
}

fn instead(name: &str, annotation: bool, form: Form) -> String {
    let known = ANNOTATIONS.iter().map(|(name, _)| *name);
    match (field(name), nearest(name, known)) {
        (Some(field), _) if annotation && form != Form::Unit => format!("write `{field}` in job.yaml"),
        (_, Some(known)) if annotation && form == Form::Unit => format!("did you mean `{PREFIX}{known}`?"),
        _ => "names under flinkops.dev/ are flinkops' own".to_owned(),
    }
}
