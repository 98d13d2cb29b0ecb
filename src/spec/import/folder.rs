//! A folder of manifests, however they lie in it.

use super::bundle::{Bundle, Object};
use super::{document, kustomize, terraform};
use crate::rule::RuleId;
use crate::spec::finding::{Finding, Place};
use crate::spec::layout::is_yaml;
use crate::spec::source::{Limits, SourceTree};

/// Reads every manifest below a folder, its kustomizations and its Terraform modules. Files of YAML that hold none are passed over.
/// `environment` is the name of a kustomization that has none of its own.
pub fn read(tree: &SourceTree, limits: &Limits, environment: Option<&str>) -> Bundle {
    let mut bundle = Bundle { findings: tree.refused.clone(), ..Bundle::default() };
    let mut kustomizations = kustomize::Reader::new(tree, limits);
    kustomizations.read(environment, &mut bundle);
    terraform::read(tree, limits, &mut bundle);
    let rest =
        tree.files.iter().filter(|(path, _)| is_manifest(path) && !kustomizations.used().contains(*path));
    for (path, bytes) in rest {
        match document::read(path, bytes, limits) {
            Ok(documents) => {
                let objects = documents.iter().map(Object::of).flat_map(Object::items);
                bundle.objects.extend(objects.filter(|object| !object.at("/apiVersion").is_empty()));
            }
            Err(finding) => bundle.findings.push(unreadable(path, &String::from_utf8_lossy(bytes), *finding)),
        }
    }
    bundle
}

fn is_manifest(path: &str) -> bool {
    let hidden = path.split('/').any(|part| part.starts_with('.'));
    !hidden && (is_yaml(path) || [".json"].iter().any(|end| path.ends_with(end)))
}

/// What a file that cannot be read is worth: nothing, where it does not look like a manifest.
fn unreadable(path: &str, text: &str, finding: Finding) -> Finding {
    if !text.contains("apiVersion") {
        let message = format!("this file was passed over: {}", finding.message);
        return Finding::info(RuleId::ImportPassedOver, Place::file(path), message);
    }
    if text.contains("{{") {
        return finding.hint("this is a template: render it first (`helm template`), and import the result");
    }
    finding
}
