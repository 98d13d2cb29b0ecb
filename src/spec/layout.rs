//! Sorts a repository's paths into what stands or falls together: job folders, and manifests that lie flat.

use std::collections::BTreeMap;

use super::finding::{Finding, Place};
use super::repository::FILE;
use super::source::{SourceTree, WHOLE};
use crate::rule::RuleId;

/// What the folder of a job calls its file.
pub const JOB_FILE: &str = "job.yaml";

/// A job folder, or one manifest that lies flat among the folders.
#[derive(Debug)]
pub struct Group<'a> {
    /// The folder, from the repository's root.
    pub folder: String,
    /// Whether this is one flat manifest.
    pub flat: bool,
    /// Paths of its files.
    pub files: Vec<&'a str>,
    /// What was refused while its files were fetched.
    pub refused: Vec<Finding>,
    /// Whether its `job.yaml` is among what was refused.
    pub without_job_file: bool,
    /// The name its unit most probably has.
    pub guess: String,
}

/// The groups in order, and findings that belong to none of them.
pub fn groups<'a>(tree: &'a SourceTree, roots: &[String]) -> (Vec<Group<'a>>, Vec<Finding>) {
    let mut layout = Layout { roots, groups: BTreeMap::new(), findings: Vec::new() };
    for path in tree.files.keys() {
        layout.file(path);
    }
    for finding in &tree.refused {
        layout.refused(finding);
    }
    // Of a tree that is incomplete nobody knows what its folders hold.
    if tree.refused.iter().all(|finding| finding.place.file != WHOLE) {
        layout.empty_roots();
    }
    (layout.groups.into_values().collect(), layout.findings)
}

struct Layout<'a, 'r> {
    roots: &'r [String],
    groups: BTreeMap<String, Group<'a>>,
    findings: Vec<Finding>,
}

impl<'a, 'r> Layout<'a, 'r> {
    /// The innermost listed folder around a path, and the path from there.
    fn below<'p>(&self, path: &'p str) -> Option<(&'r str, &'p str)> {
        let within = self.roots.iter().filter_map(|root| match root.as_str() {
            "" => Some(("", path)),
            root => Some((root, path.strip_prefix(root)?.strip_prefix('/')?)),
        });
        within.max_by_key(|(root, _)| root.len())
    }

    fn group(&mut self, path: &str, folder: &str) -> &mut Group<'a> {
        let stem = base_name(path).split('.').next().unwrap_or_default();
        let flat = path != folder;
        let guess = if flat { stem } else { base_name(folder) };
        let (folder, guess) = (folder.to_owned(), guess.to_owned());
        let new =
            || Group { folder, flat, files: Vec::new(), refused: Vec::new(), without_job_file: false, guess };
        self.groups.entry(path.to_owned()).or_insert_with(new)
    }

    fn file(&mut self, path: &'a str) {
        let Some((root, rest)) = self.below(path) else { return };
        if path == FILE || rest.split('/').any(|part| part.starts_with('.')) {
            return;
        }
        let parts: Vec<&str> = rest.split('/').collect();
        match parts.as_slice() {
            [file] if is_yaml(file) => self.group(path, root).files.push(path),
            [folder, _] => {
                let folder = join(root, folder);
                self.group(&folder, &folder).files.push(path);
            }
            [between @ .., last, JOB_FILE] => {
                let listed = join(root, &between.join("/"));
                let folder = join(&listed, last);
                self.group(&folder, &folder).refused.push(too_deep(path, &listed));
            }
            _ => {}
        }
    }

    /// Puts a refusal where it belongs; outside the listed folders it is nobody's concern.
    fn refused(&mut self, finding: &Finding) {
        let path = finding.place.file.as_str();
        let above = |root: &String| root == path || root.starts_with(&format!("{path}/"));
        if path == WHOLE || path == FILE || self.roots.iter().any(above) {
            self.findings.push(finding.clone());
            return;
        }
        let Some((root, rest)) = self.below(path) else { return };
        let first = rest.split('/').next().unwrap_or_default();
        if first.starts_with('.') {
            return;
        }
        let flat = first == rest && is_yaml(first);
        let folder = join(root, first);
        let group = if flat { self.group(path, root) } else { self.group(&folder, &folder) };
        group.without_job_file |= path == join(&folder, JOB_FILE);
        group.refused.push(finding.clone());
    }

    /// A listed folder without a job. One of several counts as unreadable, lest a path that was mistyped or
    /// moved reads as a wish to delete its jobs (S1); where there is only one, nothing is left and that is
    /// guarded by itself (S3).
    fn empty_roots(&mut self) {
        for root in self.roots {
            let within =
                |group: &Group<'_>| group.folder == *root || group.folder.starts_with(&join(root, ""));
            if self.groups.values().any(within) {
                continue;
            }
            let message = format!("the folder `{root}` holds no job folder and no manifest");
            let place = Place::file(FILE);
            if self.roots.len() == 1 {
                let finding = Finding::warning(RuleId::NoJobs, place, message);
                self.findings.push(finding.hint("list the folders that do under `jobs` in flinkops.yaml"));
            } else {
                let finding = Finding::error(RuleId::NoJobs, place, message)
                    .hint(format!("mend the path under `jobs` in flinkops.yaml, or take `{root}` out where its jobs are to be deleted"));
                self.group(root, root).refused.push(finding);
            }
        }
    }
}

fn too_deep(path: &str, listed: &str) -> Finding {
    let message = "this job.yaml lies too deep to be read";
    let hint = format!("list `{listed}` under `jobs` in flinkops.yaml");
    Finding::error(RuleId::StrayFile, Place::file(path), message).hint(hint)
}

/// Whether a file is YAML by its name.
pub fn is_yaml(path: &str) -> bool {
    [".yaml", ".yml"].iter().any(|end| path.ends_with(end))
}

/// The last part of a path.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn join(root: &str, rest: &str) -> String {
    if root.is_empty() { rest.to_owned() } else { format!("{root}/{rest}") }
}
