//! Manifests in Terraform: `kubernetes_manifest` and `kubectl_manifest` resources, as far as their values are
//! written there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::parser::parse_body;
use hcl_edit::structure::{Block, BlockLabel, Body};
use serde_json::Value;

use super::bundle::{Bundle, Object};
use super::document;
use super::evaluate::{Evaluator, Refused, Scope, bare};
use crate::rule::RuleId;
use crate::spec::finding::{Finding, Place};
use crate::spec::layout::base_name;
use crate::spec::source::{Limits, SourceTree};

/// The resources that hold manifests.
const RESOURCES: [&str; 2] = ["kubernetes_manifest", "kubectl_manifest"];

/// A file that was read.
struct File<'a> {
    path: &'a str,
    text: &'a str,
    body: Body,
}

/// Reads every module below a folder: the files of each folder belong together.
pub fn read(tree: &SourceTree, limits: &Limits, bundle: &mut Bundle) {
    let mut modules: BTreeMap<&str, Vec<File<'_>>> = BTreeMap::new();
    let is_own = |path: &str| is_module(path) || is_set(path);
    for (path, bytes) in tree.files.iter().filter(|(path, _)| is_own(path)) {
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        match parse_body(text) {
            Ok(body) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                modules.entry(folder).or_default().push(File { path, text, body });
            }
            Err(error) => {
                let at = error.location();
                let place = Place { file: path.clone(), line: at.line(), column: at.column(), width: 1 };
                bundle.findings.push(Finding::error(
                    RuleId::ImportTerraform,
                    place,
                    "this file is not HCL that can be read",
                ));
            }
        }
    }
    for (folder, files) in &modules {
        let scope = scope(tree, folder, files);
        for file in files.iter().filter(|file| is_module(file.path)) {
            for block in file.body.get_blocks("resource") {
                resource(file, block, &scope, limits, bundle);
            }
        }
    }
}

/// Files that declare what a module is made of.
fn is_module(path: &str) -> bool {
    [".tf"].iter().any(|end| path.ends_with(end))
}

/// Files whose values Terraform takes by itself.
fn is_set(path: &str) -> bool {
    base_name(path) == "terraform.tfvars" || path.ends_with(".auto.tfvars")
}

fn scope<'a>(tree: &'a SourceTree, folder: &'a str, files: &'a [File<'a>]) -> Scope<'a> {
    let mut scope = Scope::default_in(tree, folder);
    let mut sensitive = BTreeSet::new();
    for file in files {
        for block in file.body.get_blocks("variable") {
            let Some(name) = block.labels.first().map(BlockLabel::as_str) else { continue };
            let value = |key: &str| block.body.get_attribute(key).map(|one| &one.value);
            if value("sensitive").and_then(Expression::as_bool) == Some(true) {
                sensitive.insert(name);
            }
            scope.variables.insert(name, value("default"));
        }
        for block in file.body.get_blocks("locals") {
            scope.locals.extend(block.body.attributes().map(|one| (one.key.as_str(), &one.value)));
        }
    }
    for one in files.iter().filter(|file| is_set(file.path)).flat_map(|file| file.body.attributes()) {
        if let Some(value) = scope.variables.get_mut(one.key.as_str()) {
            *value = Some(&one.value);
        }
    }
    scope.variables.retain(|name, _| !sensitive.contains(name));
    scope
}

fn resource(file: &File<'_>, block: &Block, scope: &Scope<'_>, limits: &Limits, bundle: &mut Bundle) {
    let label = |index: usize| block.labels.get(index).map(BlockLabel::as_str).unwrap_or_default();
    let (kind, name) = (label(0), label(1));
    let title = format!("{kind}.{name}");
    let at = |span: Option<Range<usize>>| place(file, &span.or_else(|| block.span()).unwrap_or_default());
    if !RESOURCES.contains(&kind) {
        if kind.starts_with("kubernetes_") || kind.starts_with("helm_") {
            let message = format!("{title} was left behind: only kubernetes_manifest is read");
            let finding = Finding::warning(RuleId::ImportLeftBehind, at(None), message);
            bundle.findings.push(finding.hint("write it as a manifest, or leave it to Terraform"));
        }
        return;
    }
    let mut evaluator = Evaluator::new(scope);
    let read =
        many(block).map_or(Ok(()), Err).and_then(|()| objects(file, block, kind, &mut evaluator, limits));
    match read {
        Ok(objects) => {
            bundle.objects.extend(objects);
            for (name, span) in evaluator.defaults {
                let message = format!("{title} has the value of var.{name} that stands in this folder");
                let finding = Finding::info(RuleId::ImportVariable, at(span), message);
                bundle
                    .findings
                    .push(finding.hint("values that are given on the command line are not known here"));
            }
            let message = format!("Terraform looks after {title} until it is told not to");
            let finding = Finding::warning(RuleId::ImportOwner, at(None), message);
            let hint = format!(
                "`terraform state rm {title}`, and only then take it out of the file: else it is deleted"
            );
            bundle.findings.push(finding.hint(hint));
        }
        Err(Refused { what, span }) => {
            let message = format!("{title} was not imported: {what} is not worked out here");
            let finding = Finding::error(RuleId::ImportTerraform, at(span), message);
            let hint = "write the value out, or import what is in the cluster (`flinkops import --only`)";
            bundle.findings.push(finding.hint(hint));
        }
    }
}

/// A resource that stands for several.
fn many(block: &Block) -> Option<Refused> {
    let found = ["for_each", "count"].into_iter().find_map(|name| block.body.get_attribute(name))?;
    Some(Refused { what: format!("`{}`", found.key.as_str()), span: found.span() })
}

fn objects(
    file: &File<'_>,
    block: &Block,
    kind: &str,
    evaluator: &mut Evaluator<'_>,
    limits: &Limits,
) -> Result<Vec<Object>, Refused> {
    let field = if kind == "kubectl_manifest" { "yaml_body" } else { "manifest" };
    let missing = || Refused { what: format!("a resource without `{field}`"), span: block.span() };
    let value = &block.body.get_attribute(field).ok_or_else(missing)?.value;
    let text = if field == "yaml_body" { Some(value) } else { decoded(value) };
    let begin = place(file, &value.span().unwrap_or_default());
    let Some(text) = text else {
        let manifest = without_null(evaluator.value(value)?);
        return Ok(vec![Object::bare(begin, manifest, true)]);
    };
    let refuse = |what: &str| Refused { what: what.to_owned(), span: text.span() };
    let yaml = evaluator.value(text)?;
    let yaml = yaml.as_str().ok_or_else(|| refuse("something that is no text"))?;
    let read = document::read(file.path, yaml.as_bytes(), limits);
    let documents =
        read.map_err(|finding| refuse(&format!("a text that is not YAML ({})", finding.message)))?;
    Ok(documents.iter().map(|one| Object { place: begin.clone(), node: None, ..Object::of(one) }).collect())
}

/// The text that is decoded as YAML.
fn decoded(value: &Expression) -> Option<&Expression> {
    let call = bare(value).as_func_call()?;
    let own = !call.name.is_namespaced() && call.name.name.as_str() == "yamldecode" && call.args.len() == 1;
    call.args.get(0).filter(|_| own)
}

fn without_null(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, field)| !field.is_null());
            kept.map(|(key, field)| (key, without_null(field))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_null).collect(),
        scalar => scalar,
    }
}

/// A span as a place.
fn place(file: &File<'_>, span: &Range<usize>) -> Place {
    let before = file.text.get(..span.start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    let covered = file.text.get(span.clone()).unwrap_or_default();
    let width = covered.lines().next().map_or(1, |line| line.chars().count().max(1));
    Place { file: file.path.to_owned(), line, column, width }
}
