//! Decides which files a bundle becomes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::bundle::{Bundle, Object};
use super::companion::{self, Home, SHARED};
use super::job::{self, Draft};
use super::later::Later;
use super::repository::Repository;
use super::secret::{self, LeftOut};
use super::text;
use crate::flink::kind::Kind;
use crate::flink::pointer::dotted;
use crate::rule::RuleId;
use crate::spec::finding::Finding;
use crate::spec::render::yaml;
use crate::spec::repository::FILE;
use crate::spec::values;

/// What the API server writes of an object's metadata.
const SERVER: [&str; 8] = [
    "creationTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// What was written, and what it should come to.
pub struct Written {
    /// Texts by path.
    pub files: BTreeMap<String, String>,
    /// What there is to say.
    pub findings: Vec<Finding>,
    /// What each unit should be in each environment.
    pub units: Vec<WrittenUnit>,
}

/// A unit that was written.
pub struct WrittenUnit {
    /// What it was.
    pub object: Object,
    /// What it should be in the environments in which it is not the same everywhere.
    pub patched: BTreeMap<String, Value>,
    /// The only environment it was read from; `None` where it is meant for all.
    pub only: Option<String>,
}

/// Writes a bundle into a repository.
pub struct Writer {
    repository: Repository,
    bundle: Bundle,
    files: BTreeMap<String, String>,
    findings: Vec<Finding>,
}

impl Writer {
    /// A writer that has written nothing yet.
    pub fn new(repository: Repository, mut bundle: Bundle) -> Self {
        let findings = std::mem::take(&mut bundle.findings);
        let files = repository.file.iter().map(|text| (FILE.to_owned(), text.clone())).collect();
        Self { repository, bundle, files, findings }
    }

    /// Writes everything.
    pub fn write(mut self, later: Vec<Later>) -> Written {
        let objects = self.distinct();
        let (units, others): (Vec<Object>, Vec<Object>) =
            objects.into_iter().partition(|object| object.unit().is_some());
        let folders = folders(&units);
        let homes: Vec<Home<'_>> =
            units.iter().zip(&folders).map(|(unit, folder)| Home { folder: folder.clone(), unit }).collect();
        for object in &others {
            self.companion(object, &homes);
        }
        let written: Vec<BTreeMap<String, Value>> =
            units.iter().zip(&folders).map(|(unit, folder)| self.unit(unit, folder)).collect();
        let units = units.into_iter().zip(written);
        let units = units.map(|(object, patched)| WrittenUnit { object, patched, only: None });
        let units = units.chain(later.into_iter().map(|one| self.later(one)).collect::<Vec<_>>()).collect();
        Written { files: self.files, findings: self.findings, units }
    }

    /// Every object once. The same one again is passed over, another by its name is told.
    fn distinct(&mut self) -> Vec<Object> {
        let mut seen = BTreeMap::new();
        let mut kept = Vec::new();
        for object in std::mem::take(&mut self.bundle.objects) {
            let namespace = object.namespace().filter(|name| !self.repository.is_own(name));
            let key = (
                object.at("/kind").to_owned(),
                object.name().to_owned(),
                namespace.unwrap_or_default().to_owned(),
                object.environments.clone(),
            );
            match seen.get(&key) {
                Some(Object { manifest, .. }) if *manifest == object.manifest => {}
                Some(Object { place, .. }) => {
                    let message = format!(
                        "{} is also in {}:{}, and other than here: only that was imported",
                        object.title(),
                        place.file,
                        place.line
                    );
                    let finding = Finding::error(RuleId::ImportTwice, object.place.clone(), message);
                    self.findings.push(finding.hint("import the folder that is meant"));
                }
                None => {
                    seen.insert(key, object.clone());
                    kept.push(object);
                }
            }
        }
        kept
    }

    /// Writes a unit; answers what it should be where it is not the same everywhere.
    fn unit(&mut self, unit: &Object, folder: &str) -> BTreeMap<String, Value> {
        let Some(kind) = unit.unit() else { return BTreeMap::new() };
        if self.is_elsewhere(unit) {
            self.plain(unit, folder, "job.yaml");
            return BTreeMap::new();
        }
        let (clean, left_out) = secret::leave_out(&unit.manifest);
        let mut fields = escaped(job::fields(&clean), unit.literal);
        fields.insert("kind".to_owned(), json!(kind));
        if folder != unit.name() {
            fields.insert("name".to_owned(), json!(unit.name()));
        }
        if let Some(environments) = &unit.environments {
            fields.insert("environments".to_owned(), json!(environments));
        }
        self.job_file(unit, folder, "job.yaml", Draft { fields, text: unit.text.clone(), left_out });
        let mut patched = BTreeMap::new();
        let key = (kind, unit.name().to_owned());
        for (environment, found) in std::mem::take(&mut self.bundle.environments) {
            if let Some(patch) = found.patches.get(&key) {
                let (clean, left_out) = secret::leave_out(&Value::Object(patch.fields.clone()));
                let fields = escaped(clean.as_object().cloned().unwrap_or_default(), false);
                let source = Object { place: patch.place.clone(), node: None, ..unit.clone() };
                let draft = Draft { fields, text: patch.text.clone(), left_out };
                self.job_file(&source, folder, &format!("{environment}.yaml"), draft);
                patched.insert(environment.clone(), patch.result.clone());
            }
            self.bundle.environments.insert(environment, found);
        }
        patched
    }

    fn job_file(&mut self, source: &Object, folder: &str, file: &str, mut draft: Draft) {
        job::ignore(&mut draft.fields, &draft.left_out);
        self.secrets(source, &draft.left_out);
        let (text, own_words) = draft.write(&self.repository.schema());
        if draft.text.as_ref().is_some_and(|text| text.contains('#')) && !own_words {
            self.comments(source);
        }
        self.files.insert(self.repository.path(folder, file), text);
    }

    /// Writes what differs in one environment.
    fn later(&mut self, later: Later) -> WrittenUnit {
        let Later { object, fields, left_out, folder, environment } = later;
        let mut fields = escaped(fields, true);
        job::ignore(&mut fields, &left_out);
        self.secrets(&object, &left_out);
        let (text, _) = Draft { fields, text: None, left_out }.write(&self.repository.schema());
        self.files.insert(format!("{folder}/{environment}.yaml"), text);
        WrittenUnit { object, patched: BTreeMap::new(), only: Some(environment) }
    }

    fn is_elsewhere(&self, object: &Object) -> bool {
        object.namespace().is_some_and(|namespace| !self.repository.is_own(namespace))
    }

    fn companion(&mut self, object: &Object, homes: &[Home<'_>]) {
        let (version, kind) = (object.at("/apiVersion"), object.at("/kind"));
        if let Err((message, hint)) = self.repository.allowed.permit(version, kind) {
            let message = format!("{} was left behind: {message}", object.title());
            let finding = Finding::warning(RuleId::ImportLeftBehind, object.place.clone(), message);
            self.findings.push(finding.hint(hint));
            return;
        }
        let home = companion::home(object, homes);
        let taken = home == SHARED && homes.iter().any(|unit| unit.folder == SHARED);
        let folder = if taken { "shared-objects".to_owned() } else { home };
        let places = object.environments.iter().flatten().map(|name| format!("-{name}"));
        let file = format!("{}-{}{}.yaml", kind.to_lowercase(), object.name(), places.collect::<String>());
        self.plain(object, &folder, &file);
    }

    /// Writes a manifest as it is, without what the API server owns. One with a secret in it is not written.
    fn plain(&mut self, object: &Object, folder: &str, file: &str) {
        let (_, left_out) = secret::leave_out(&object.manifest);
        if !left_out.is_empty() {
            self.secrets(object, &left_out);
            let message = format!("{} was not imported, because of the secret in it", object.title());
            self.findings.push(Finding::error(RuleId::ImportSecret, object.place.clone(), message));
            return;
        }
        let mut manifest = object.manifest.clone();
        let fields = manifest.as_object_mut();
        let status = fields.and_then(|fields| fields.remove("status")).is_some();
        if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
            let own = object.namespace().is_some_and(|namespace| self.repository.is_own(namespace));
            metadata.retain(|key, _| !(SERVER.contains(&key.as_str()) || own && key == "namespace"));
            if let Some(environments) = &object.environments {
                let names: Vec<&str> = environments.iter().map(String::as_str).collect();
                metadata.entry("annotations").or_insert_with(|| json!({}))[job::ENVIRONMENTS] =
                    json!(names.join(","));
            }
        }
        let words = object.text.as_deref().and_then(|text| {
            let text = if status { text::cut(text, &text::keys(&["status"]))? } else { text.to_owned() };
            plain_words(&text, &manifest)
        });
        let comments = object.text.as_deref().is_some_and(|text| text.contains('#'));
        if comments && words.is_none() {
            self.comments(object);
        }
        self.files.insert(self.repository.path(folder, file), words.unwrap_or_else(|| yaml(&manifest)));
    }

    fn comments(&mut self, source: &Object) {
        let message = format!("the comments of {} could not be taken over", source.title());
        self.findings.push(Finding::warning(RuleId::ImportComments, source.place.clone(), message));
    }

    fn secrets(&mut self, source: &Object, left_out: &[LeftOut]) {
        for left in left_out {
            let message =
                format!("{}: {} holds a secret, and was not written", source.title(), dotted(&left.pointer));
            let place = source.node.as_ref().map(|node| node.place_of(&left.place()));
            let place = place.unwrap_or_else(|| source.place.clone());
            self.findings.push(Finding::error(RuleId::ImportSecret, place, message).hint(instead(left)));
        }
    }
}

/// The fields as a job's layers are read.
fn escaped(fields: Map<String, Value>, literal: bool) -> Map<String, Value> {
    let mut fields = Value::Object(fields);
    values::escape_all(&mut fields, literal);
    fields.as_object().cloned().unwrap_or_default()
}

/// A manifest's own text with other metadata; `None` where it would say anything else.
fn plain_words(text: &str, manifest: &Value) -> Option<String> {
    let same = |text: &String| text::root(text).is_some_and(|root| root.to_value() == *manifest);
    let metadata = text::root(text)?.get("metadata")?.to_value();
    let gone = metadata.as_object()?.keys().filter(|key| manifest["metadata"].get(*key).is_none());
    let cut = |text: String, key: &String| text::cut(&text, &text::keys(&["metadata", key]));
    let by_line = gone.into_iter().try_fold(text.to_owned(), cut).filter(same);
    let anew = || {
        let without = text::cut(text, &text::keys(&["metadata"]))?;
        job::insert(&without, &yaml(&json!({"metadata": manifest["metadata"]})), true).filter(same)
    };
    by_line.or_else(anew).map(|text| format!("{}\n", text.trim_matches('\n')))
}

fn instead(left: &LeftOut) -> &'static str {
    if left.pointer.starts_with("/spec/") {
        "put it into a Secret and name that in the pod template (`secretKeyRef`, or a volume), or configure it in the \
         operator; until then `policy.ignore` leaves it as it is in the cluster, and a job created anew lacks it"
    } else {
        "put it into a Secret, which is created by other means"
    }
}

/// A folder for each unit, named after it where nothing else has the name.
fn folders(units: &[Object]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut folder = |unit: &Object| {
        let name = unit.name();
        let kind = unit.unit().map_or("deployment", Kind::word);
        let namespace = unit.namespace().unwrap_or("other");
        let names = [
            name.to_owned(),
            format!("{name}-{kind}"),
            format!("{namespace}-{name}"),
            format!("{namespace}-{name}-{kind}"),
        ];
        let free = names
            .into_iter()
            .find(|name| !taken.contains(name))
            .unwrap_or_else(|| format!("{name}-{}", taken.len()));
        taken.insert(free.clone());
        free
    };
    units.iter().map(&mut folder).collect()
}
