//! What is in every environment, and what differs in each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Built;
use crate::rule::RuleId;
use crate::spec::finding::Finding;
use crate::spec::import::bundle::{Bundle, Environment, Object, Patch};
use crate::spec::import::overlay::{Change, layer};

/// One object as an environment has it.
struct Occurrence {
    environment: String,
    object: Object,
    changes: Vec<Change>,
    result: Value,
    /// Whether all of its overlay was understood.
    sound: bool,
}

/// Everything that is in any environment, with what differs in each.
pub fn collect(environments: BTreeMap<String, Built>, bundle: &mut Bundle) {
    let everywhere = environments.len();
    let own_namespace = environments.values().all(|one| one.namespace.is_some());
    let mut order = Vec::new();
    let mut found: BTreeMap<_, Vec<Occurrence>> = BTreeMap::new();
    for (environment, built) in environments {
        let sound = built.refused.is_empty();
        bundle.findings.extend(built.refused);
        bundle.findings.extend(if sound { built.said } else { Vec::new() });
        for (object, changes, result) in built.objects {
            let key = (object.place.clone(), object.at("/kind").to_owned(), object.name().to_owned());
            if !found.contains_key(&key) {
                order.push(key.clone());
            }
            let environment = environment.clone();
            found.entry(key).or_default().push(Occurrence { environment, object, changes, result, sound });
        }
        let namespace = built.namespace;
        bundle.environments.insert(environment, Environment { namespace, patches: BTreeMap::new() });
    }
    for mut all in order.iter().filter_map(|key| found.remove(key)) {
        let places: BTreeSet<String> = all.iter().map(|one| one.environment.clone()).collect();
        let partial = (places.len() < everywhere).then_some(places);
        for one in &mut all {
            one.object.environments.clone_from(&partial);
            for manifest in [&mut one.object.manifest, &mut one.result] {
                if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut)
                    && own_namespace
                {
                    metadata.remove("namespace");
                }
            }
        }
        match partial.filter(|_| !all.iter().any(|one| one.sound)) {
            Some(places) => bundle.findings.push(not_taken(&all[0].object, &places)),
            None if all[0].object.unit().is_some() => unit(all, bundle),
            None => bundle.objects.extend(companions(all)),
        }
    }
}

/// A job, with what differs as its layers.
fn unit(all: Vec<Occurrence>, bundle: &mut Bundle) {
    for one in all.iter().filter(|one| one.sound) {
        let Occurrence { environment, object, changes, result, .. } = one;
        match difference(object, changes, result) {
            Ok(Some(patch)) => {
                bundle.findings.extend(without_comments(object, changes, &patch));
                let key = object.unit().map(|kind| (kind, object.name().to_owned()));
                let environment = bundle.environments.get_mut(environment);
                environment.zip(key).map(|(environment, key)| environment.patches.insert(key, patch));
            }
            Ok(None) => {}
            Err(finding) => bundle.findings.push(*finding),
        }
    }
    bundle.objects.extend(all.into_iter().next().map(|one| one.object));
}

/// A companion has no layers: it is written once for the environments in which it is the same.
fn companions(all: Vec<Occurrence>) -> Vec<Object> {
    let mut groups: Vec<Object> = Vec::new();
    let everywhere = all.iter().all(|one| one.object.environments.is_none());
    for Occurrence { environment, object, result, sound, .. } in all {
        let manifest = if sound { result } else { object.manifest.clone() };
        if let Some(group) = groups.iter_mut().find(|group| group.manifest == manifest) {
            group.environments.get_or_insert_default().insert(environment);
        } else {
            let environments = Some(BTreeSet::from([environment]));
            groups.push(Object { manifest, environments, ..object });
        }
    }
    if let ([one], true) = (groups.as_mut_slice(), everywhere) {
        one.environments = None;
    }
    groups
}

/// Several patches are one layer, which has none of their words.
fn without_comments(object: &Object, changes: &[Change], patch: &Patch) -> Option<Finding> {
    let said = changes.iter().any(|one| one.text.as_ref().is_some_and(|text| text.contains('#')));
    let message = format!("the comments of what is patched of {} could not be taken over", object.title());
    (said && patch.text.is_none())
        .then(|| Finding::warning(RuleId::ImportComments, patch.place.clone(), message))
}

fn not_taken(object: &Object, places: &BTreeSet<String>) -> Finding {
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let message = format!(
        "{} is only in {}, and was not imported with the rest of it",
        object.title(),
        places.join(", ")
    );
    Finding::error(RuleId::ImportPartial, object.place.clone(), message)
        .hint("once nothing of that overlay is refused, it is imported as a job of that environment")
}

fn difference(object: &Object, changes: &[Change], result: &Value) -> Result<Option<Patch>, Box<Finding>> {
    let mut result = result.clone();
    let namespace = object.manifest["metadata"].get("namespace").cloned();
    if let Some(metadata) = result.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("namespace");
        metadata.extend(namespace.map(|namespace| ("namespace".to_owned(), namespace)));
    }
    if result == object.manifest {
        return Ok(None);
    }
    let place = changes.first().map_or_else(|| object.place.clone(), |change| change.mark.place());
    match layer(&object.manifest, &result, changes) {
        Ok((fields, text)) => Ok(Some(Patch { place, fields, text, result })),
        Err(fields) => {
            let message = format!(
                "{}: the patch takes entries away from a list, and layers only add to it: {}",
                object.title(),
                fields.join(", ")
            );
            let hint = "take these entries out of job.yaml, and write them in every <environment>.yaml that has them";
            Err(Box::new(Finding::error(RuleId::ImportKustomize, place, message).hint(hint)))
        }
    }
}
