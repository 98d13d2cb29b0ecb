//! The one way from files to [`Desired`]: reads, checks, renders and resolves, and keeps what is broken apart (S1).

use std::collections::{BTreeMap, BTreeSet};

use super::desired::Desired;
use super::environment::Environment;
use super::finding::{Finding, Place};
use super::folder::{self, Folder, has_error};
use super::lint::{Comment, Comments, Silenced};
use super::loading::{Loading, bare};
use super::node::Node;
use super::repository::{self, FILE, Repository};
use super::source::{Limits, SourceTree};
use super::unused;
use crate::flink::kind::UnitKey;
use crate::rule::RuleId;

/// A repository as read.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// `name` of `flinkops.yaml`, where it can be told.
    pub repository: Option<String>,
    /// What each environment should hold. An environment that cannot be told from a broken `flinkops.yaml`
    /// is not here; one that can is here with everything unknown.
    pub environments: BTreeMap<String, Desired>,
    /// Everything found, sorted, whatever the environment.
    pub findings: Vec<Finding>,
}

/// Reads a repository; `only` names the one environment to render.
pub fn load(tree: &SourceTree, limits: &Limits, only: Option<&str>) -> Loaded {
    let mut loaded = Loaded::default();
    let (environments, comments) = start(tree, limits, only, &mut loaded);
    if only.is_none() {
        loaded.findings.extend(comment_findings(&environments, &comments));
    }
    for (environment, mut loading) in environments {
        loaded.findings.append(&mut loading.remarks);
        let desired = loading.desired();
        loaded.findings.extend(desired.findings.iter().cloned());
        loaded.environments.insert(environment, desired);
    }
    loaded.findings.sort();
    loaded.findings.dedup();
    loaded
}

/// The environments as `flinkops.yaml` alone says them: what [`load`] is going to fill.
pub fn outline(tree: &SourceTree, limits: &Limits, only: Option<&str>) -> Vec<Desired> {
    let (repository, _) = repository::read(tree, limits);
    let environments = |repository: &Repository| {
        chosen(repository, only).map(|environment| bare(tree, repository, environment)).collect()
    };
    repository.as_ref().map(environments).unwrap_or_default()
}

/// Reads a repository as far as each environment's folders being rendered and judged.
pub(super) fn start<'a>(
    tree: &'a SourceTree,
    limits: &Limits,
    only: Option<&str>,
    loaded: &mut Loaded,
) -> (BTreeMap<String, Loading<'a>>, Comments) {
    let (repository, mut general) = repository::read(tree, limits);
    let Some(repository) = repository else {
        general.extend(tree.refused.iter().cloned());
        loaded.findings = general;
        return (BTreeMap::new(), Comments::default());
    };
    let (folders, mut found, comments) = if has_error(&general) {
        (Vec::new(), Vec::new(), Comments::default())
    } else {
        let (folders, found) = folder::read_all(tree, limits, &repository);
        let comments = folders.iter().flat_map(|folder| folder.comments.iter().cloned());
        let comments = comments.chain(Comment::all(FILE, &tree.files[FILE]));
        let comments = Comments::new(comments, repository.levels.clone());
        (folders, found, comments)
    };
    general.append(&mut found);
    general.extend(shared_objects(&repository, &folders));
    general.extend(only.and_then(|name| unknown_environment(&repository, name)));
    general.sort();
    general.dedup();
    loaded.repository = Some(repository.name.clone());
    loaded.findings.clone_from(&general);
    loaded.findings.extend(folders.iter().flat_map(|folder| folder.findings.iter().cloned()));
    let each = |one: &Environment| {
        let loading = Loading::new(tree, &repository, one, &folders, &general, &comments);
        (one.name.clone(), loading)
    };
    let mut loadings: BTreeMap<String, Loading<'a>> = chosen(&repository, only).map(each).collect();
    let images = loadings.iter().map(|(name, loading)| (name.as_str(), loading.images())).collect();
    let unused =
        if has_error(&general) { BTreeMap::new() } else { unused::find(&repository, &folders, &images) };
    for (environment, unused) in unused {
        loadings.entry(environment).and_modify(|loading| loading.unused = unused);
    }
    (loadings, comments)
}

/// What is wrong with comments that silence a rule, judged over all environments; where a folder is broken its
/// rules were not.
fn comment_findings(environments: &BTreeMap<String, Loading<'_>>, comments: &Comments) -> Vec<Finding> {
    let all = || environments.values();
    let silenced: Silenced = all().flat_map(|loading| loading.silenced.iter().cloned()).collect();
    let folders = all().flat_map(|loading| &loading.folders).filter(|folder| folder.broken);
    let broken: BTreeSet<&str> = folders.map(|folder| folder.path.as_str()).collect();
    comments.findings(&silenced, |file| {
        let within = |folder: &&str| {
            file.strip_prefix(*folder).is_some_and(|rest| folder.is_empty() || rest.starts_with('/'))
        };
        broken.iter().any(|folder| file == FILE || within(folder))
    })
}

fn chosen<'r>(repository: &'r Repository, only: Option<&'r str>) -> impl Iterator<Item = &'r Environment> {
    repository.environments.values().filter(move |one| only.is_none_or(|name| name == one.name))
}

fn unknown_environment(repository: &Repository, name: &str) -> Option<Finding> {
    let known = repository.environments.contains_key(name);
    (!known).then(|| repository.unknown_environment(name, Place::file(FILE)))
}

/// Two environments that write the same object would fight over it forever (S2).
fn shared_objects(repository: &Repository, folders: &[Folder]) -> Vec<Finding> {
    let mut owners: BTreeMap<(Option<&str>, UnitKey), &Environment> = BTreeMap::new();
    let mut pairs: BTreeMap<(&str, &str), (Finding, usize)> = BTreeMap::new();
    for environment in repository.environments.values() {
        for key in folders.iter().flat_map(|folder| keys(folder, environment)) {
            let context = environment.context.as_deref();
            let Some(other) = owners.insert((context, key.clone()), environment) else { continue };
            if other.name == environment.name {
                continue;
            }
            let pair = pairs.entry((&other.name, &environment.name)).or_insert_with(|| {
                let message = format!("`{}` and `{}` both write {key}", other.name, environment.name);
                let finding = Finding::error(RuleId::SharedObject, environment.mark.place(), message);
                (finding.hint("give each environment its own namespace, or its own context"), 0)
            });
            pair.1 += 1;
        }
    }
    let more = |(finding, count): (Finding, usize)| match count {
        1 => finding,
        _ => Finding { message: format!("{} and {} more", finding.message, count - 1), ..finding },
    };
    pairs.into_values().map(more).collect()
}

/// The units of a folder in an environment. One for a namespace that the environment may not use is none of
/// them: its folder is refused for it, and no other.
fn keys(folder: &Folder, environment: &Environment) -> Vec<UnitKey> {
    let namespace = &environment.namespace;
    let job = folder.job_in(&environment.name);
    let job = job.into_iter().map(|job| UnitKey::new(namespace, job.kind, &job.name));
    let manifests = folder.manifests_in(&environment.name).filter_map(|manifest| {
        let written = manifest.node.at(&["metadata", "namespace"]).and_then(Node::text).unwrap_or(namespace);
        let usable = environment.namespaces.contains(written);
        Some(UnitKey::new(written, manifest.unit.filter(|_| usable)?, &manifest.name))
    });
    job.chain(manifests).collect()
}
