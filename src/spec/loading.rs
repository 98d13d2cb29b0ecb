//! One environment on its way: its folders are rendered, judged and put in order, and what is broken is kept apart (S1).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::cycles::{self, Edges};
use super::desired::{Companion, Desired, Movement, Unknown};
use super::each::each;
use super::environment::Environment;
use super::finding::{Finding, Place, Severity};
use super::folder::{self, Folder, has_error};
use super::graph::Names;
use super::ignore;
use super::lint::{self, Comments, Levels, Silenced, Subject};
use super::node::Mark;
use super::object::{self, Rendered, RenderedCompanion};
use super::refusal;
use super::repository::{FILE, Repository};
use super::source::SourceTree;
use super::values::Put;
use crate::flink::kind::{Kind, ObjectKey, UnitKey};
use crate::rule::RuleId;

/// One environment on its way.
pub(super) struct Loading<'a> {
    tree: &'a SourceTree,
    bare: Desired,
    pub(super) folders: Vec<LoadedFolder>,
    /// What `flinkops.yaml` says to no effect: wrong, but nothing is unknown for it.
    pub(super) unused: Vec<Finding>,
    /// What is for whoever validates: what the lint says and is no error, and what the stated version of the
    /// operator refuses.
    pub(super) remarks: Vec<Finding>,
    /// Comments that silenced something.
    pub(super) silenced: Silenced,
}

/// A folder on its way.
pub(super) struct LoadedFolder {
    pub(super) path: String,
    names: BTreeSet<String>,
    rendered: Rendered,
    pub(super) broken: bool,
}

impl<'a> Loading<'a> {
    pub(super) fn new(
        tree: &'a SourceTree,
        repository: &Repository,
        environment: &Environment,
        folders: &[Folder],
        general: &[Finding],
        comments: &Comments,
    ) -> Self {
        let bare = bare(tree, repository, environment);
        let (unused, remarks, silenced) = (Vec::new(), Vec::new(), Silenced::new());
        let mut loading = Self { tree, bare, folders: Vec::new(), unused, remarks, silenced };
        loading.bare.findings = general.to_vec();
        loading.bare.findings.append(&mut idle_rules(environment, folders));
        loading.folders = each(folders.iter().collect(), |folder| loading.render(folder, environment));
        loading.duplicates();
        loading.judge(&environment.levels, comments);
        loading.autoscalers();
        loading.resolve();
        loading.cycles();
        loading
    }

    fn render(&self, folder: &Folder, environment: &Environment) -> LoadedFolder {
        let mut rendered = object::render(self.tree, folder, environment);
        rendered.findings.extend(folder.findings.iter().cloned());
        rendered
            .findings
            .extend(folder.environment_findings.get(&environment.name).into_iter().flatten().cloned());
        let mut names = folder.names.clone();
        names.extend(rendered.units.iter().map(|unit| unit.key.name.clone()));
        folder::name_unit(&names, &mut rendered.findings);
        let broken = has_error(&rendered.findings);
        LoadedFolder { path: folder.path.clone(), names, rendered, broken }
    }

    /// A name used twice breaks both folders, each told of the other.
    fn duplicates(&mut self) {
        let mut seen: BTreeMap<ObjectKey, Vec<(usize, Place)>> = BTreeMap::new();
        for (index, folder) in self.folders.iter().enumerate() {
            for (key, place) in folder.objects() {
                seen.entry(key).or_default().push((index, place));
            }
        }
        for (key, places) in seen.into_iter().filter(|(_, places)| places.len() > 1) {
            for (nth, (index, place)) in places.iter().enumerate() {
                let (_, other) = &places[usize::from(nth == 0)];
                let message = format!("{key} is also written in {}:{}", other.file, other.line);
                let finding = Finding::error(RuleId::DuplicateName, place.clone(), message);
                self.folders[*index].fail(finding.hint("rename or remove one of them").unit(&key.name));
            }
        }
    }

    /// What the operator would refuse breaks its folder, and what is probably not meant is told. What is broken
    /// already is not judged: it is not what was meant.
    fn judge(&mut self, levels: &Levels, comments: &Comments) {
        let sound = self.folders.iter().filter(|folder| !folder.broken);
        let units = sound.flat_map(|folder| &folder.rendered.units);
        let specs: BTreeMap<&UnitKey, &Value> = units.map(|unit| (&unit.key, unit.manifest.spec())).collect();
        let known = |key: UnitKey| specs.get(&key).copied();
        let sound = self.folders.iter().enumerate().filter(|(_, folder)| !folder.broken);
        let units =
            sound.flat_map(|(index, folder)| folder.rendered.units.iter().map(move |unit| (index, unit)));
        let judged = each(units.collect(), |(index, unit)| {
            let (operator, spec) = (&self.bare.operator, unit.manifest.spec());
            let cluster = unit.key.cluster(spec).and_then(known);
            let on = unit.key.refers_to(spec).and_then(known);
            let (mut refused, of_version) = refusal::judge(&self.bare, unit, cluster);
            refused.extend(refusal::two_rollbacks(unit, spec, operator));
            refused.extend(refusal::without_ha(unit, cluster, operator));
            let runs_on = |job: UnitKey| job.cluster(on?).map_or(on, known);
            let runs_on = unit.key.refers_to(spec).and_then(runs_on);
            refused.extend(refusal::untakable(&self.bare, unit, (on, runs_on)));
            let remarks = Subject::new(&unit.key, spec, on, &self.bare).findings(&unit.written, levels);
            (index, refused, of_version, remarks)
        });
        let (mut refused, mut remarks) = (Vec::new(), Vec::new());
        for (index, found, of_version, said) in judged {
            self.remarks.extend(of_version);
            refused.extend(found.into_iter().map(|finding| (index, finding)));
            let said = said.into_iter().filter(|remark| !comments.silence(remark, &mut self.silenced));
            remarks.extend(said.map(|finding| (index, finding)));
        }
        lint::share(&mut remarks);
        let (errors, remarks): (Vec<_>, Vec<_>) =
            remarks.into_iter().partition(|(_, remark)| remark.severity == Severity::Error);
        self.remarks.extend(remarks.into_iter().map(|(_, remark)| remark));
        for (index, finding) in refused.into_iter().chain(errors) {
            self.folders[index].fail(finding);
        }
    }

    /// An autoscaler beside a job that flinkops would undo.
    fn autoscalers(&mut self) {
        let found: Vec<(usize, Finding)> = self
            .folders
            .iter()
            .enumerate()
            .flat_map(|(index, folder)| folder.rendered.companions.iter().map(move |one| (index, one)))
            .flat_map(|(index, companion)| {
                let units = self.folders.iter().flat_map(|folder| &folder.rendered.units);
                units.filter_map(move |unit| Some((index, ignore::autoscaler(companion, unit)?)))
            })
            .collect();
        for (index, finding) in found {
            self.folders[index].fail(finding);
        }
    }

    fn resolve(&mut self) {
        let mut names = Names::default();
        for folder in &self.folders {
            let known: BTreeSet<&str> =
                folder.rendered.units.iter().map(|unit| unit.key.name.as_str()).collect();
            folder.rendered.units.iter().for_each(|unit| names.add(unit.key.clone()));
            let guesses = folder.names.iter().filter(|name| folder.broken && !known.contains(name.as_str()));
            for guess in guesses {
                names.add(UnitKey::new(&self.bare.namespace, Kind::FlinkDeployment, guess));
            }
            if folder.broken && folder.names.is_empty() {
                names.incomplete();
            }
            let elsewhere =
                folder.names.iter().filter(|name| !folder.broken && !known.contains(name.as_str()));
            elsewhere.for_each(|name| names.add_elsewhere(name));
        }
        for folder in &mut self.folders {
            folder.resolve(&names);
        }
    }

    fn cycles(&mut self) {
        let folders = self.folders.iter().enumerate();
        let units =
            folders.flat_map(|(index, folder)| folder.rendered.units.iter().map(move |unit| (index, unit)));
        let (mut edges, mut owners) = (Edges::new(), BTreeMap::new());
        for (index, unit) in units {
            edges.insert(unit.key.clone(), unit.depends_on.clone());
            owners.insert(unit.key.clone(), index);
        }
        for circle in cycles::cycles(&edges) {
            let path: Vec<&str> = circle.iter().map(|key| key.name.as_str()).collect();
            let message = format!("dependencies run in a circle: {}", path.join(" → "));
            for (key, on) in circle.iter().zip(&circle[1..]) {
                let folder = &mut self.folders[owners[key]];
                let finding = Finding::error(RuleId::DependencyCycle, folder.place_of(key, on), &message);
                folder.fail(finding.hint("remove one of these dependencies").unit(&key.name));
            }
        }
    }

    /// What was rendered and may be used.
    pub(super) fn sound(&self) -> impl Iterator<Item = &Rendered> {
        self.folders.iter().filter(|folder| !folder.broken).map(|folder| &folder.rendered)
    }

    /// The entries of `images` that were about something.
    pub(super) fn images(&self) -> BTreeSet<String> {
        self.folders.iter().flat_map(|folder| folder.rendered.images.iter().cloned()).collect()
    }

    pub(super) fn desired(self) -> Desired {
        let mut desired = self.bare;
        if has_error(&desired.findings) {
            desired.unknown.push(Unknown { folder: String::new(), name: None });
        }
        let everything = !desired.unknown.is_empty();
        desired.findings.extend(self.unused);
        for folder in self.folders {
            desired.findings.extend(folder.findings());
            if folder.broken {
                desired.unknown.extend(folder.unknown());
            } else if !everything {
                folder.settle(&mut desired);
            }
        }
        desired.findings.sort();
        desired.findings.dedup();
        desired.unknown.sort();
        desired.unknown.dedup();
        desired
    }
}

impl LoadedFolder {
    fn fail(&mut self, finding: Finding) {
        self.broken |= finding.severity == Severity::Error;
        self.rendered.findings.push(finding);
    }

    /// What was found in it; where a value was put in, with the place of the value.
    fn findings(&self) -> impl Iterator<Item = Finding> {
        self.rendered.findings.iter().map(|found| {
            let here = |put: &&Put| put.at.place() == found.place;
            let mut notes: Vec<_> = self.rendered.values.iter().filter(here).map(Put::note).collect();
            notes.dedup();
            Finding { notes, ..found.clone() }
        })
    }

    fn objects(&self) -> impl Iterator<Item = (ObjectKey, Place)> {
        let units = self.rendered.units.iter().map(|unit| (ObjectKey::from(&unit.key), unit.place.clone()));
        units.chain(self.rendered.companions.iter().map(|one| (one.key.clone(), one.place.clone())))
    }

    fn resolve(&mut self, names: &Names) {
        let mut findings = Vec::new();
        for unit in &mut self.rendered.units {
            let (edges, mut found) = names.resolve(unit, &self.rendered.words[&unit.key]);
            findings.append(&mut found);
            unit.depends_on = edges;
        }
        for finding in findings {
            self.fail(finding);
        }
    }

    fn unknown(&self) -> Vec<Unknown> {
        let one = |name: Option<&String>| Unknown { folder: self.path.clone(), name: name.cloned() };
        if self.names.is_empty() {
            vec![one(None)]
        } else {
            self.names.iter().map(|name| one(Some(name))).collect()
        }
    }

    fn settle(self, desired: &mut Desired) {
        desired.units.extend(self.rendered.units.into_iter().map(|unit| (unit.key.clone(), unit)));
        for RenderedCompanion { key, place, manifest } in self.rendered.companions {
            let folder = self.path.clone();
            let companion =
                Companion { key: key.clone(), folder, place, manifest: manifest.to_value().into() };
            desired.companions.insert(key, companion);
        }
    }

    /// Where a unit says that it depends on another: the word in `dependsOn`, else where its spec names it.
    fn place_of(&self, unit: &UnitKey, on: &UnitKey) -> Place {
        let words = self.rendered.words.get(unit).into_iter().flatten();
        let said = words.filter(|(word, _)| word.rsplit('/').next() == Some(&on.name)).map(|(_, mark)| mark);
        let fields: [&[&str]; 3] =
            [&["spec", "deploymentName"], &["spec", "jobReference", "name"], &["spec", "flinkEnvironment"]];
        let unit = self.rendered.units.iter().find(|one| one.key == *unit);
        let written = fields.iter().filter_map(|field| Some(&unit?.written.at(field)?.mark));
        let place = || unit.map_or_else(|| Place::file(FILE), |unit| unit.place.clone());
        said.chain(written).next().map_or_else(place, Mark::place)
    }
}

/// Rules of the environment that name no unit of the repository; not told where a name may be missing.
fn idle_rules(environment: &Environment, folders: &[Folder]) -> Vec<Finding> {
    if folders.iter().any(|folder| folder.names.is_empty() && has_error(&folder.findings)) {
        return Vec::new();
    }
    let names = folders.iter().flat_map(|folder| &folder.names).map(String::as_str).collect();
    ignore::names(environment.layer(Kind::FlinkDeployment).at(&["policy", "ignore"]), &names)
}

pub(super) fn bare(tree: &SourceTree, repository: &Repository, environment: &Environment) -> Desired {
    Desired {
        repository: repository.name.clone(),
        origin: tree.origin.clone(),
        environment: environment.name.clone(),
        context: environment.context.clone(),
        namespace: environment.namespace.clone(),
        namespaces: environment.namespaces.clone(),
        units: BTreeMap::new(),
        companions: BTreeMap::new(),
        companion_kinds: repository.companions.kinds().clone(),
        unknown: Vec::new(),
        removed: repository.removed.clone(),
        confirm_deletes: repository.confirm,
        policy: environment.policy.clone(),
        operator_version: environment.operator_version.clone(),
        operator: environment.operator.clone(),
        movement: Movement::Forward,
        carried: BTreeSet::new(),
        previous: BTreeMap::new(),
        findings: Vec::new(),
    }
}
