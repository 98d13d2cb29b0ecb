//! What `flinkops.yaml` says to no effect: values that nothing refers to, images that nothing has.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::folder::{Folder, has_error};
use super::repository::Repository;
use super::values::{self, Values};
use crate::rule::RuleId;

/// What is said to no effect, by environment. `images` are the entries that were about something in each of the
/// environments that were rendered. Nothing is told while something cannot be read.
pub fn find(
    repository: &Repository,
    folders: &[Folder],
    images: &BTreeMap<&str, BTreeSet<String>>,
) -> BTreeMap<String, Vec<Finding>> {
    let wrong = |folder: &Folder| {
        has_error(&folder.findings) || folder.environment_findings.values().any(|found| has_error(found))
    };
    if folders.iter().any(wrong) {
        return BTreeMap::new();
    }
    let mut all = unused_values(repository, folders);
    for (environment, used) in images {
        let own = &repository.environments[*environment].stated.images;
        all.extend(own.unused(used, &format!("of {environment}")));
    }
    // What an environment that was not rendered has is not known.
    if images.len() == repository.environments.len() {
        let used = images.values().flatten().cloned().collect();
        all.extend(repository.stated.images.unused(&used, "of any environment"));
    }
    images.keys().map(|environment| ((*environment).to_owned(), all.clone())).collect()
}

fn unused_values(repository: &Repository, folders: &[Folder]) -> Vec<Finding> {
    let stated = || repository.environments.values().map(|environment| &environment.stated);
    if repository.stated.values.is_empty() && stated().all(|stated| stated.values.is_empty()) {
        return Vec::new();
    }
    let mut everywhere = repository.stated.used.clone();
    let folders = || folders.iter().filter(|folder| folder.placeholders);
    folders()
        .filter_map(|folder| folder.job.as_ref())
        .for_each(|job| values::used(&job.node, &mut everywhere));
    let (mut anywhere, mut found) = (everywhere.clone(), Vec::new());
    for (name, environment) in &repository.environments {
        let mut here = everywhere.union(&environment.stated.used).cloned().collect();
        let overlays = folders().filter_map(|folder| folder.overlays.get(name));
        overlays.for_each(|overlay| values::used(overlay, &mut here));
        found.extend(unused(&environment.stated.values, &here, &format!("in {name}")));
        anywhere.append(&mut here);
    }
    found.extend(unused(&repository.stated.values, &anywhere, "here"));
    found
}

fn unused(values: &Values, used: &BTreeSet<String>, whose: &str) -> Vec<Finding> {
    let unused = values.iter().filter(|(name, _)| !used.contains(*name));
    let unused = unused.map(|(name, member)| {
        let message = format!("nothing {whose} refers to the value `{name}`");
        let hint = format!("write `${{values.{name}}}` where it is meant, or remove it");
        Finding::error(RuleId::UnusedValue, member.key.place(), message).hint(hint)
    });
    unused.collect()
}
