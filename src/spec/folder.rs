//! Sorts the repository's files into job folders and reads them: everything that is the same for every environment.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{check, nearest};
use super::finding::{Finding, Place, Severity};
use super::layers;
use super::manifest::{self, Manifest};
use super::names;
use super::node::{Mark, Node};
use super::repository::{FILE, Repository};
use super::schema::Form;
use super::source::{Limits, SourceTree};
use super::yaml;
use crate::flink::kind::Kind;

/// What the folder of a job calls its file.
pub const JOB_FILE: &str = "job.yaml";

/// A folder with a `job.yaml` or with plain manifests; or one manifest that lies flat among the folders.
#[derive(Debug, Default)]
pub struct Folder {
    /// Path from the repository's root.
    pub path: String,
    /// What `job.yaml` says.
    pub job: Option<Job>,
    /// What differs in an environment, by environment.
    pub overlays: BTreeMap<String, Node>,
    /// Plain manifests.
    pub manifests: Vec<Manifest>,
    /// What is wrong whatever the environment.
    pub findings: Vec<Finding>,
    /// What is wrong in one environment.
    pub environment_findings: BTreeMap<String, Vec<Finding>>,
    /// The names its units most probably have, should it turn out to be broken.
    pub names: BTreeSet<String>,
}

/// A `job.yaml`.
#[derive(Debug)]
pub struct Job {
    /// The kind of resource.
    pub kind: Kind,
    /// Its name in the cluster.
    pub name: String,
    /// The whole file, its configuration flat.
    pub node: Node,
}

/// Reads every folder. The second part is what belongs to none of them; an error there leaves the whole
/// repository unknown.
pub fn read_all(tree: &SourceTree, limits: &Limits, repository: &Repository) -> (Vec<Folder>, Vec<Finding>) {
    let reader = Reader { tree, limits, repository };
    let mut findings = Vec::new();
    let mut too_deep = Vec::new();
    let mut sorted: BTreeMap<Scope, Vec<&str>> = BTreeMap::new();
    for path in tree.files.keys() {
        match reader.scope(path) {
            Some(Ok(scope)) => sorted.entry(scope).or_default().push(path),
            Some(Err(finding)) => too_deep.push(*finding),
            None => {}
        }
    }
    let mut refused: BTreeMap<Scope, Vec<Finding>> = BTreeMap::new();
    for finding in too_deep {
        let folder = finding.place.file.trim_end_matches(JOB_FILE).trim_end_matches('/').to_owned();
        let scope = Scope { folder, flat: None };
        sorted.entry(scope.clone()).or_default();
        refused.entry(scope).or_default().push(finding);
    }
    for finding in &tree.refused {
        match reader.scope_of_refused(&finding.place.file) {
            Refused::Within(scope) => {
                sorted.entry(scope.clone()).or_default();
                refused.entry(scope).or_default().push(finding.clone());
            }
            Refused::Everything => findings.push(finding.clone()),
            Refused::Elsewhere => {}
        }
    }
    reader.missing_roots(&sorted, &mut findings);
    let folders = sorted.into_iter().map(|(scope, files)| {
        let mut folder = reader.folder(&scope, &files);
        folder.findings.append(&mut refused.remove(&scope).unwrap_or_default());
        name_unit(&folder.names, &mut folder.findings);
        folder
    });
    (folders.collect(), findings)
}

/// What stands or falls together: a job folder, or one flat file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Scope {
    folder: String,
    flat: Option<String>,
}

enum Refused {
    Within(Scope),
    Everything,
    Elsewhere,
}

struct Reader<'a> {
    tree: &'a SourceTree,
    limits: &'a Limits,
    repository: &'a Repository,
}

impl Reader<'_> {
    /// The part of a path below the innermost listed folder, with that folder.
    fn below<'p>(&self, path: &'p str) -> Option<(&str, &'p str)> {
        let roots = self.repository.roots.iter();
        let within = roots.filter_map(|root| match root.as_str() {
            "" => Some((root.as_str(), path)),
            root => Some((root, path.strip_prefix(root)?.strip_prefix('/')?)),
        });
        within.max_by_key(|(root, _)| root.len())
    }

    fn scope(&self, path: &str) -> Option<Result<Scope, Box<Finding>>> {
        let (root, rest) = self.below(path)?;
        if path == FILE || rest.split('/').any(|part| part.starts_with('.')) {
            return None;
        }
        let parts: Vec<&str> = rest.split('/').collect();
        match parts.as_slice() {
            [file] => {
                is_yaml(file).then(|| Ok(Scope { folder: root.to_owned(), flat: Some(path.to_owned()) }))
            }
            [folder, _] => Some(Ok(Scope { folder: join(root, folder), flat: None })),
            [between @ .., _, JOB_FILE] => {
                Some(Err(Box::new(too_deep(path, &join(root, &between.join("/"))))))
            }
            _ => None,
        }
    }

    fn scope_of_refused(&self, path: &str) -> Refused {
        let above_a_root = |root: &String| root == path || root.starts_with(&format!("{path}/"));
        if path.is_empty() || path == FILE || self.repository.roots.iter().any(above_a_root) {
            return Refused::Everything;
        }
        let Some((root, rest)) = self.below(path) else { return Refused::Elsewhere };
        let first = rest.split('/').next().unwrap_or_default();
        if first.starts_with('.') {
            return Refused::Elsewhere;
        }
        let flat = (first == rest && is_yaml(first)).then(|| path.to_owned());
        let folder = if flat.is_some() { root.to_owned() } else { join(root, first) };
        Refused::Within(Scope { folder, flat })
    }

    fn missing_roots(&self, found: &BTreeMap<Scope, Vec<&str>>, findings: &mut Vec<Finding>) {
        for root in &self.repository.roots {
            let prefix = if root.is_empty() { String::new() } else { format!("{root}/") };
            let holds = |scope: &Scope| scope.folder == *root || scope.folder.starts_with(&prefix);
            if !found.keys().any(holds) {
                let message = format!("the folder `{root}` holds no job folder and no manifest");
                let hint = "list the folders that do under `jobs` in flinkops.yaml";
                findings.push(Finding::warning("no-jobs", Place::file(FILE), message).hint(hint));
            }
        }
    }

    fn folder(&self, scope: &Scope, files: &[&str]) -> Folder {
        let mut folder = Folder { path: scope.folder.clone(), ..Folder::default() };
        if let Some(flat) = &scope.flat {
            let stem = flat.rsplit('/').next().and_then(|file| file.split('.').next()).unwrap_or_default();
            if files.is_empty() {
                folder.names.insert(stem.to_owned());
            }
            self.manifests(&mut folder, files);
            return folder;
        }
        let job_file = join(&scope.folder, JOB_FILE);
        let mut rest: Vec<&str> = files.iter().copied().filter(|file| *file != job_file).collect();
        if rest.len() < files.len() {
            self.job_file(&mut folder, &job_file);
            rest.retain(|file| !self.is_overlay(&mut folder, file));
        } else if files.is_empty() {
            folder.names.insert(base_name(&scope.folder).to_owned());
        }
        let used = files_in_config_maps(&folder);
        rest.retain(|file| !used.contains(base_name(file)));
        self.manifests(&mut folder, &rest);
        folder
    }

    fn read(&self, path: &str) -> Result<Vec<Node>, Box<Finding>> {
        yaml::read(path, &self.tree.files[path], self.limits)
    }

    /// Reads `job.yaml`, which may also be a plain manifest by that name.
    fn job_file(&self, folder: &mut Folder, path: &str) {
        let guess = base_name(&folder.path).to_owned();
        let documents = match self.read(path) {
            Ok(documents) => documents,
            Err(finding) => {
                folder.findings.push(*finding);
                folder.names.extend(self.names_in_text(path));
                folder.names.insert(guess);
                return;
            }
        };
        if documents.iter().any(|document| document.get("apiVersion").is_some()) {
            for document in &documents {
                self.manifest(folder, document);
            }
            return;
        }
        let name =
            documents.first().and_then(|node| node.get("name")).and_then(Node::text).map(str::to_owned);
        let name = name.unwrap_or(guess);
        folder.names.insert(name.clone());
        match single(path, documents) {
            Ok(node) => Self::job(folder, name, node),
            Err(finding) => folder.findings.push(*finding),
        }
    }

    fn job(folder: &mut Folder, name: String, mut node: Node) {
        let written = node.get("kind").is_some();
        let kind = node.get("kind").and_then(Node::text).and_then(Kind::parse);
        folder.findings.append(&mut check(form(kind), &node));
        folder.findings.append(&mut layers::flatten(&mut node));
        if !written && node.members().is_some() {
            let finding = Finding::error("missing-field", node.mark.place(), "the field `kind` is missing");
            folder.findings.push(finding.hint("write `kind: FlinkDeployment` or `kind: FlinkSessionJob`"));
        }
        let Some(kind) = kind else { return };
        let mark = node.get("name").map_or(&node.mark, |name| &name.mark).clone();
        folder.findings.extend(bad_name(kind, &name, &mark));
        folder.job = Some(Job { kind, name, node });
    }

    /// Reads `<environment>.yaml`; false for a file that is none.
    fn is_overlay(&self, folder: &mut Folder, path: &str) -> bool {
        let Some(environment) = base_name(path).strip_suffix(".yaml") else { return false };
        if !self.repository.environments.contains_key(environment) {
            return false;
        }
        let found = folder.environment_findings.entry(environment.to_owned()).or_default();
        let documents = match self.read(path) {
            Ok(documents) => documents,
            Err(finding) => {
                found.push(*finding);
                return true;
            }
        };
        if documents.iter().any(|document| document.get("apiVersion").is_some()) {
            return false;
        }
        if documents.is_empty() {
            return true;
        }
        match single(path, documents) {
            Ok(mut node) => {
                found.append(&mut check(form(folder.job.as_ref().map(|job| job.kind)), &node));
                found.append(&mut layers::flatten(&mut node));
                found.extend(["kind", "name"].into_iter().filter_map(|field| fixed(&node, field)));
                folder.overlays.insert(environment.to_owned(), node);
            }
            Err(finding) => found.push(*finding),
        }
        true
    }

    fn manifests(&self, folder: &mut Folder, files: &[&str]) {
        for path in files {
            if base_name(path).starts_with("job.") && matches!(base_name(path), "job.yml" | "job.json") {
                let message = format!("`{}` is not read", base_name(path));
                folder.findings.push(
                    Finding::error("stray-file", Place::file(*path), message).hint("rename it to job.yaml"),
                );
                folder.names.insert(base_name(&folder.path).to_owned());
            } else if is_yaml(path) {
                self.manifest_file(folder, path);
            }
        }
    }

    fn manifest_file(&self, folder: &mut Folder, path: &str) {
        match self.read(path) {
            Ok(documents) if documents.iter().all(|document| document.get("apiVersion").is_none()) => {
                if !documents.is_empty() {
                    folder.findings.push(self.stray(path));
                }
            }
            Ok(documents) => documents.iter().for_each(|document| self.manifest(folder, document)),
            Err(finding) => {
                folder.findings.push(*finding);
                folder.names.extend(self.names_in_text(path));
            }
        }
    }

    fn manifest(&self, folder: &mut Folder, document: &Node) {
        let (manifest, mut findings) = manifest::read(document, &self.repository.companions);
        folder.findings.append(&mut findings);
        let name = document.at(&["metadata", "name"]).and_then(Node::text);
        if document.get("kind").and_then(Node::text).and_then(Kind::parse).is_some() {
            folder.names.extend(name.map(str::to_owned));
        }
        folder.manifests.extend(manifest);
    }

    fn stray(&self, path: &str) -> Finding {
        let environments: Vec<&str> = self.repository.environments.keys().map(String::as_str).collect();
        let message =
            "this file is neither a manifest, nor listed in `configMaps`, nor named after an environment";
        let finding = Finding::error("stray-file", Place::file(path), message);
        let stem = base_name(path).split('.').next().unwrap_or_default();
        match nearest(stem, environments.iter().copied()) {
            Some(name) if stem == name => {
                finding.hint(format!("{name}.yaml says what differs from a job.yaml beside it"))
            }
            Some(name) => finding.hint(format!("did you mean `{name}.yaml`?")),
            None => finding.hint(format!("the environments are {}", environments.join(", "))),
        }
    }

    /// The names that a file which cannot be read most probably gives its units.
    fn names_in_text(&self, path: &str) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.tree.files[path]);
        let mut names = Vec::new();
        let mut in_metadata = false;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let indented = line.starts_with([' ', '\t']);
            in_metadata = if indented { in_metadata } else { line.starts_with("metadata:") };
            let name = line.trim().strip_prefix("name:").filter(|_| in_metadata || !indented);
            names.extend(name.map(|name| name.trim().trim_matches(['"', '\'']).to_owned()));
        }
        names
    }
}

/// The finding for a name that the operator or Kubernetes would refuse.
pub fn bad_name(kind: Kind, name: &str, mark: &Mark) -> Option<Finding> {
    let (good, rule) = match kind {
        Kind::FlinkDeployment => (names::is_deployment(name), names::DEPLOYMENT),
        Kind::FlinkSessionJob => (names::is_object(name), names::OBJECT),
    };
    let message = format!("`{name}` cannot be the name of a {kind}");
    (!good).then(|| Finding::error("bad-name", mark.place(), message).hint(rule))
}

/// Names the unit in findings about a folder that has only the one.
pub fn name_unit(names: &BTreeSet<String>, findings: &mut [Finding]) {
    let mut names = names.iter();
    if let (Some(only), None) = (names.next(), names.next()) {
        for finding in findings {
            finding.unit = Some(only.clone());
        }
    }
}

/// Whether any of the findings is an error.
pub fn has_error(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

fn form(kind: Option<Kind>) -> Form {
    match kind {
        Some(Kind::FlinkSessionJob) => Form::SessionJob,
        _ => Form::DeploymentJob,
    }
}

fn single(path: &str, mut documents: Vec<Node>) -> Result<Node, Box<Finding>> {
    match documents.len() {
        0 => Err(Box::new(Finding::error("missing-field", Place::file(path), "this file is empty"))),
        1 => Ok(documents.remove(0)),
        _ => {
            let place = documents[1].mark.place();
            Err(Box::new(Finding::error("many-documents", place, "this file may hold one document only")))
        }
    }
}

fn fixed(overlay: &Node, field: &str) -> Option<Finding> {
    let place = overlay.members()?.get(field)?.key.place();
    let message = format!("`{field}` is the same in every environment");
    Some(Finding::error("bad-value", place, message).hint("write it in job.yaml"))
}

fn too_deep(path: &str, listed: &str) -> Finding {
    let message = "this job.yaml lies too deep to be read";
    let hint = format!("list `{listed}` under `jobs` in flinkops.yaml");
    Finding::error("stray-file", Place::file(path), message).hint(hint)
}

fn files_in_config_maps(folder: &Folder) -> BTreeSet<String> {
    let layers = folder.job.iter().map(|job| &job.node).chain(folder.overlays.values());
    let maps = layers.filter_map(|layer| layer.get("configMaps")?.members());
    let files = maps.flat_map(|maps| maps.values()).flat_map(|member| member.value.items());
    files.filter_map(Node::text).map(str::to_owned).collect()
}

fn is_yaml(path: &str) -> bool {
    [".yaml", ".yml"].iter().any(|end| path.ends_with(end))
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn join(root: &str, rest: &str) -> String {
    if root.is_empty() { rest.to_owned() } else { format!("{root}/{rest}") }
}
