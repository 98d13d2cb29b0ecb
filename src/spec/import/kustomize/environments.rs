//! What is in every environment, and what differs in each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Built;
use crate::spec::finding::Finding;
use crate::spec::import::bundle::{Bundle, Environment, Object, Patch};
use crate::spec::import::overlay::{PatchDocument, layer};

/// Everything that is in all environments, with what differs in each.
pub fn collect(environments: BTreeMap<String, Built>, bundle: &mut Bundle) {
    let key =
        |object: &Object| (object.place.clone(), object.at("/kind").to_owned(), object.name().to_owned());
    let mut seen: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (name, built) in &environments {
        for (object, ..) in &built.objects {
            seen.entry(key(object)).or_default().insert(name.clone());
        }
    }
    let everywhere = environments.len();
    let names = environments.values().filter(|one| one.namespace.is_some()).count();
    let mut taken = BTreeSet::new();
    for (name, built) in environments {
        let mut environment = Environment { namespace: built.namespace, patches: BTreeMap::new() };
        let sound = built.refused.is_empty();
        bundle.findings.extend(built.refused);
        bundle.findings.extend(if sound { built.said } else { Vec::new() });
        for (mut object, patches, result) in built.objects {
            let places = &seen[&key(&object)];
            if places.len() < everywhere {
                bundle.findings.extend(taken.insert(key(&object)).then(|| partial(&object, places)));
                continue;
            }
            if names == everywhere
                && let Some(metadata) = object.manifest.get_mut("metadata").and_then(Value::as_object_mut)
            {
                metadata.remove("namespace");
            }
            if let Some(kind) = object.unit().filter(|_| sound) {
                match difference(&object, &patches, &result) {
                    Ok(Some(patch)) => {
                        bundle.findings.extend(without_comments(&object, &patches, &patch));
                        environment.patches.insert((kind, object.name().to_owned()), patch);
                    }
                    Ok(None) => {}
                    Err(finding) => bundle.findings.push(*finding),
                }
            }
            if taken.insert(key(&object)) {
                bundle.objects.push(object);
            }
        }
        bundle.environments.insert(name, environment);
    }
}

/// Several patches are one layer, which has none of their words.
fn without_comments(object: &Object, patches: &[PatchDocument], patch: &Patch) -> Option<Finding> {
    let said = patches.iter().any(|one| one.text.as_ref().is_some_and(|text| text.contains('#')));
    let message = format!("the comments of what is patched of {} could not be taken over", object.title());
    (said && patch.text.is_none()).then(|| Finding::warning("import-comments", patch.place.clone(), message))
}

fn partial(object: &Object, places: &BTreeSet<String>) -> Finding {
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let message = format!("{} is only in {}: it was not imported", object.title(), places.join(", "));
    let finding = Finding::error("import-partial", object.place.clone(), message);
    finding
        .hint("a repository has the same jobs in every environment; keep this one in a repository of its own")
}

fn difference(
    object: &Object,
    patches: &[PatchDocument],
    result: &Value,
) -> Result<Option<Patch>, Box<Finding>> {
    let mut result = result.clone();
    let namespace = object.manifest["metadata"].get("namespace").cloned();
    if let Some(metadata) = result.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("namespace");
        metadata.extend(namespace.map(|namespace| ("namespace".to_owned(), namespace)));
    }
    if result == object.manifest {
        return Ok(None);
    }
    let patches: Vec<&PatchDocument> = patches.iter().collect();
    let place = patches.first().map_or_else(|| object.place.clone(), |patch| patch.node.mark.place());
    match layer(&object.manifest, &result, &patches) {
        Ok((fields, text)) => Ok(Some(Patch { place, fields, text, result })),
        Err(fields) => {
            let message = format!(
                "{}: the patch takes entries away from a list, and layers only add to it: {}",
                object.title(),
                fields.join(", ")
            );
            let hint = "take these entries out of job.yaml, and write them in every <environment>.yaml that has them";
            Err(Box::new(Finding::error("import-kustomize", place, message).hint(hint)))
        }
    }
}
