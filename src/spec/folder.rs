//! Reads job folders: everything that is the same for every environment.

use std::collections::{BTreeMap, BTreeSet};

use super::annotations;
use super::check::{check, nearest};
use super::each::each;
use super::finding::{Finding, Place, Severity};
use super::layers;
use super::layout::{self, Group, JOB_FILE, base_name, is_yaml};
use super::lint::Comment;
use super::manifest::{self, Manifest};
use super::names;
use super::node::{Mark, Node};
use super::repository::{Repository, may_hold_placeholders};
use super::schema::Form;
use super::source::{Limits, SourceTree};
use super::yaml;
use crate::flink::kind::Kind;
use crate::rule::RuleId;

/// A folder with a `job.yaml` or with plain manifests; or one manifest that lies flat among the folders.
#[derive(Debug, Default)]
pub struct Folder {
    /// Path from the repository's root.
    pub path: String,
    /// What `job.yaml` says.
    pub job: Option<Job>,
    /// The environments that all of it is in; `None` for every one.
    pub environments: Option<BTreeSet<String>>,
    /// What differs in an environment, by environment.
    pub overlays: BTreeMap<String, Node>,
    /// Plain manifests.
    pub manifests: Vec<Manifest>,
    /// What is wrong whatever the environment.
    pub findings: Vec<Finding>,
    /// What is wrong in one environment.
    pub environment_findings: BTreeMap<String, Vec<Finding>>,
    /// Comments in its files that silence a rule of the lint.
    pub comments: Vec<Comment>,
    /// The names its units most probably have, should it turn out to be broken.
    pub names: BTreeSet<String>,
    /// Whether its YAML files may hold a `${…}`.
    pub placeholders: bool,
}

impl Folder {
    /// Its job in an environment, where it is there.
    pub fn job_in(&self, environment: &str) -> Option<&Job> {
        self.job.as_ref().filter(|_| is_in(self.environments.as_ref(), environment))
    }

    /// Its plain manifests in an environment.
    pub fn manifests_in(&self, environment: &str) -> impl Iterator<Item = &Manifest> {
        let here = is_in(self.environments.as_ref(), environment);
        self.manifests.iter().filter(move |one| here && is_in(one.environments.as_ref(), environment))
    }
}

fn is_in(environments: Option<&BTreeSet<String>>, environment: &str) -> bool {
    environments.is_none_or(|environments| environments.contains(environment))
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
    let (groups, findings) = layout::groups(tree, &repository.roots);
    (each(groups, |group| reader.group(group)), findings)
}

struct Reader<'a> {
    tree: &'a SourceTree,
    limits: &'a Limits,
    repository: &'a Repository,
}

impl Reader<'_> {
    fn group(&self, group: Group<'_>) -> Folder {
        let mut folder = Folder { path: group.folder, ..Folder::default() };
        let yaml: Vec<&str> = group.files.iter().copied().filter(|file| is_yaml(file)).collect();
        folder.placeholders = yaml.iter().any(|file| may_hold_placeholders(&self.tree.files[*file]));
        folder.comments = yaml.iter().flat_map(|file| Comment::all(file, &self.tree.files[*file])).collect();
        if group.files.is_empty() || group.without_job_file {
            folder.names.insert(group.guess);
        } else if group.flat {
            self.manifests(&mut folder, &group.files);
        } else {
            self.job_folder(&mut folder, group.files);
        }
        folder.findings.extend(group.refused);
        name_unit(&folder.names, &mut folder.findings);
        folder
    }

    fn job_folder(&self, folder: &mut Folder, mut files: Vec<&str>) {
        let job_file = files.iter().position(|file| base_name(file) == JOB_FILE);
        if let Some(job_file) = job_file.map(|index| files.remove(index)) {
            self.job_file(folder, job_file);
            files.retain(|file| !self.is_overlay(folder, file));
        }
        let used = files_in_config_maps(folder);
        files.retain(|file| !used.contains(base_name(file)));
        self.manifests(folder, &files);
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
            Ok(node) => self.job(folder, name, node),
            Err(finding) => folder.findings.push(*finding),
        }
    }

    fn job(&self, folder: &mut Folder, name: String, mut node: Node) {
        let written = node.get("kind").is_some();
        let kind = node.get("kind").and_then(Node::text).and_then(Kind::parse);
        folder.findings.append(&mut check(form(kind), &node));
        folder.findings.append(&mut layers::flatten(&mut node));
        if !written && node.members().is_some() {
            let finding =
                Finding::error(RuleId::MissingField, node.mark.place(), "the field `kind` is missing");
            folder.findings.push(
                finding.hint(format!("write `kind:` and one of {}", Kind::ALL.map(Kind::as_str).join(", "))),
            );
        }
        if let Some(listed) = node.get("environments") {
            let named =
                listed.items().iter().filter_map(|item| Some((item.text()?.to_owned(), item.mark.clone())));
            let named: Vec<(String, Mark)> = named.collect();
            folder.findings.extend(self.unknown_environments(&named));
            folder.environments = Some(named.into_iter().map(|(environment, _)| environment).collect());
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
                found.extend(
                    ["kind", "name", "environments"].into_iter().filter_map(|field| fixed(&node, field)),
                );
                if !is_in(folder.environments.as_ref(), environment) {
                    let message = format!("the job is not in the environment {environment}");
                    let finding = Finding::error(RuleId::StrayFile, node.mark.place(), message);
                    found.push(finding.hint("list it under `environments` in job.yaml, or remove this file"));
                }
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
                    Finding::error(RuleId::StrayFile, Place::file(*path), message)
                        .hint("rename it to job.yaml"),
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
        if let Some(named) = annotations::environments(document) {
            folder.findings.extend(self.unknown_environments(&named));
        }
        let name = document.at(&["metadata", "name"]).and_then(Node::text);
        if document.get("kind").and_then(Node::text).and_then(Kind::parse).is_some() {
            folder.names.extend(name.map(str::to_owned));
        }
        folder.manifests.extend(manifest);
    }

    fn unknown_environments(&self, named: &[(String, Mark)]) -> Vec<Finding> {
        let unknown = named.iter().filter(|(name, _)| !self.repository.environments.contains_key(name));
        unknown.map(|(name, mark)| self.repository.unknown_environment(name, mark.place())).collect()
    }

    fn stray(&self, path: &str) -> Finding {
        let environments: Vec<&str> = self.repository.environments.keys().map(String::as_str).collect();
        let message =
            "this file is neither a manifest, nor listed in `configMaps`, nor named after an environment";
        let finding = Finding::error(RuleId::StrayFile, Place::file(path), message);
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
        Kind::FlinkDeployment | Kind::FlinkBlueGreenDeployment => {
            (names::is_deployment(name), names::DEPLOYMENT)
        }
        _ => (names::is_object(name), names::OBJECT),
    };
    let message = format!("`{name}` cannot be the name of a {kind}");
    (!good).then(|| Finding::error(RuleId::BadName, mark.place(), message).hint(rule))
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

/// The form of a `job.yaml` of this kind.
pub fn form(kind: Option<Kind>) -> Form {
    Form::Job(kind.unwrap_or(Kind::FlinkDeployment))
}

fn single(path: &str, mut documents: Vec<Node>) -> Result<Node, Box<Finding>> {
    match documents.len() {
        0 => Err(Box::new(Finding::error(RuleId::MissingField, Place::file(path), "this file is empty"))),
        1 => Ok(documents.remove(0)),
        _ => {
            let place = documents[1].mark.place();
            let message = "this file may hold one document only";
            Err(Box::new(
                Finding::error(RuleId::ManyDocuments, place, message)
                    .hint("give every job a folder of its own"),
            ))
        }
    }
}

fn fixed(overlay: &Node, field: &str) -> Option<Finding> {
    let place = overlay.members()?.get(field)?.key.place();
    let message = format!("`{field}` is the same in every environment");
    Some(Finding::error(RuleId::BadValue, place, message).hint("write it in job.yaml"))
}

fn files_in_config_maps(folder: &Folder) -> BTreeSet<String> {
    let layers = folder.job.iter().map(|job| &job.node).chain(folder.overlays.values());
    let maps = layers.filter_map(|layer| layer.get("configMaps")?.members());
    let files = maps.flat_map(|maps| maps.values()).flat_map(|member| member.value.items());
    files.filter_map(Node::text).map(str::to_owned).collect()
}
