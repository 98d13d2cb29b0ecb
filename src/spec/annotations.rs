//! The annotations of a plain manifest that say what the fields of a `job.yaml` say, and the names nobody may use.

use super::check::nearest;
use super::desired::Consents;
use super::finding::Finding;
use super::node::{Mark, Node};

const PREFIX: &str = "flinkops.dev/";

/// The annotations, and the fields of a `job.yaml` that say the same.
const ANNOTATIONS: [(&str, &str); 7] = [
    ("adopt", "adopt"),
    ("allow-recreate", "allow.recreate"),
    ("allow-state-loss", "allow.stateLoss"),
    ("depends-on", "dependsOn"),
    ("freeze", "freeze"),
    ("on-create", "onCreate"),
    ("renamed-from", "renamedFrom"),
];

/// What a manifest's annotations say it depends on, with the place.
pub fn depends_on(annotations: &Node) -> Vec<(String, Mark)> {
    let Some(value) = annotations.get("flinkops.dev/depends-on") else { return Vec::new() };
    let names = value.text().unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| (name.to_owned(), value.mark.clone())).collect()
}

/// What a manifest's annotations consent to.
pub fn consents(annotations: &Node) -> (Consents, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut text = |name: &str| {
        let value = annotations.get(&format!("{PREFIX}{name}"))?;
        let reason = value.text().unwrap_or_default().trim();
        if reason.is_empty() {
            let message = format!("`{PREFIX}{name}`: must not be empty");
            findings.push(Finding::error("bad-value", value.mark.place(), message));
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
            findings.push(Finding::error("bad-value", value.mark.place(), message));
        }
    }
    (consents, findings)
}

/// Names under `flinkops.dev/` mean something: only those that people may write are taken, and only in a
/// plain manifest.
pub fn reserved(manifest: &Node, plain_unit: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for part in ["labels", "annotations"] {
        let Some(members) = manifest.at(&["metadata", part]).and_then(Node::members) else { continue };
        for (key, member) in members {
            let Some(name) = key.strip_prefix(PREFIX) else { continue };
            let annotation = part == "annotations";
            if annotation && plain_unit && field(name).is_some() {
                continue;
            }
            let message = format!("`{key}` is not for people to write");
            let finding = Finding::error("reserved-name", member.key.place(), message);
            findings.push(finding.hint(instead(name, annotation, plain_unit)));
        }
    }
    findings
}

fn field(annotation: &str) -> Option<&'static str> {
    ANNOTATIONS.iter().find(|(name, _)| *name == annotation).map(|(_, field)| *field)
}

fn instead(name: &str, annotation: bool, plain_unit: bool) -> String {
    let known = ANNOTATIONS.iter().map(|(name, _)| *name);
    match (field(name), nearest(name, known)) {
        (Some(field), _) if annotation && !plain_unit => format!("write `{field}` in job.yaml"),
        (_, Some(known)) if annotation && plain_unit => format!("did you mean `{PREFIX}{known}`?"),
        _ => "names under flinkops.dev/ are flinkops' own".to_owned(),
    }
}
