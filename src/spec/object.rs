//! Renders a folder for one environment: layers become manifests, with what people said about them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::annotations::{self, Form};
use super::awaited;
use super::check::check_at;
use super::companions::BUILT_IN;
use super::config_map;
use super::desired::{Awaited, Consents, RenderedManifest, Unit};
use super::environment::{self, Environment};
use super::finding::{Finding, Place};
use super::folder::{Folder, Job, bad_name, form};
use super::layers;
use super::manifest::Manifest;
use super::node::{Mark, Node};
use super::policy::Policy;
use super::repository;
use super::shape::{in_namespace, sizes_as_the_operator_types_them, whole};
use super::source::SourceTree;
use super::values::{self, Put, Resolved};
use crate::flink::kind::{Kind, ObjectKey, Role, UnitKey};
use crate::rule::RuleId;

/// The words of `dependsOn`, each with its place.
pub type Words = Vec<(String, Mark)>;

/// A companion as rendered.
#[derive(Debug)]
pub struct RenderedCompanion {
    /// Its name in the cluster.
    pub key: ObjectKey,
    /// Where it begins.
    pub place: Place,
    /// The manifest.
    pub manifest: Node,
}

/// A folder in one environment.
#[derive(Debug, Default)]
pub struct Rendered {
    /// Its units, without what they depend on: what their words mean is known once all folders are rendered.
    pub units: Vec<Unit>,
    /// Those words.
    pub words: BTreeMap<UnitKey, Words>,
    /// Its other objects.
    pub companions: Vec<RenderedCompanion>,
    /// What is wrong with them.
    pub findings: Vec<Finding>,
    /// The values that were put into them.
    pub values: Vec<Put>,
    /// The entries of `images` that were about one of them.
    pub images: BTreeSet<String>,
}

/// Renders everything in a folder.
pub fn render(tree: &SourceTree, folder: &Folder, environment: &Environment) -> Rendered {
    let mut renderer = Renderer { tree, folder, environment, out: Rendered::default() };
    for manifest in folder.manifests_in(&environment.name) {
        renderer.manifest(manifest);
    }
    if let Some(job) = folder.job_in(&environment.name) {
        renderer.job(job);
    }
    renderer.out
}

struct Renderer<'a> {
    tree: &'a SourceTree,
    folder: &'a Folder,
    environment: &'a Environment,
    out: Rendered,
}

impl Renderer<'_> {
    fn manifest(&mut self, manifest: &Manifest) {
        let Some(namespace) = self.namespace(manifest) else { return };
        let (name, node) = (&manifest.name, &manifest.node);
        let place = node.mark.place();
        let Some(kind) = manifest.unit else {
            let text = |key| node.get(key).and_then(Node::text).unwrap_or_default();
            let key = ObjectKey::new(text("apiVersion"), text("kind"), &namespace, name);
            self.out.findings.append(&mut annotations::reserved(node, Form::Companion));
            let mut manifest = in_namespace(node, &namespace);
            self.environment.images.apply(&mut manifest, &mut self.out.images);
            self.out.companions.push(RenderedCompanion { key, place, manifest });
            return;
        };
        self.out.findings.append(&mut annotations::reserved(node, Form::Unit));
        let said = node.at(&["metadata", "annotations"]);
        let (consents, mut findings) = said.map(annotations::consents).unwrap_or_default();
        self.out.findings.append(&mut findings);
        let (objects, depends_on) = words(said.map(annotations::depends_on).unwrap_or_default());
        let awaits = self.awaits(objects.iter().map(|(word, mark)| awaited::of_word(word, mark, &namespace)));
        let mut written =
            whole(kind, name, &namespace, &node.mark, node, node.get("metadata").unwrap_or(node));
        annotations::without_environments(&mut written);
        if self.folder.placeholders {
            self.out.findings.append(&mut values::unresolved(&mut written));
        }
        let said = Said { depends_on, awaits, consents, policy: self.environment.policy.clone() };
        self.unit(UnitKey::new(&namespace, kind, name), place, written, said);
    }

    fn namespace(&mut self, manifest: &Manifest) -> Option<String> {
        let Some(written) = manifest.node.at(&["metadata", "namespace"]) else {
            return Some(self.environment.namespace.clone());
        };
        let namespace = written.text()?;
        if self.environment.namespaces.contains(namespace) {
            return Some(namespace.to_owned());
        }
        let name = &self.environment.name;
        let message = format!("`{namespace}` is not a namespace of the environment {name}");
        let hint =
            format!("leave it out, or list it under `environments.{name}.namespaces` in flinkops.yaml");
        self.out
            .findings
            .push(Finding::error(RuleId::ForeignNamespace, written.mark.place(), message).hint(hint));
        None
    }

    fn job(&mut self, job: &Job) {
        let mut layers = self.layers(job);
        self.put_values(job, &mut layers);
        self.files(job, &mut layers);
        let (awaits, depends_on) = self.dependencies(&layers);
        let namespace = &self.environment.namespace;
        let mut written = whole(job.kind, &job.name, namespace, &job.node.mark, &layers, &layers);
        self.mark_namespace(&mut written);
        self.out.findings.append(&mut annotations::reserved(&written, Form::Job));
        let (policy, mut findings) = environment::policy(layers.get("policy"));
        // What flinkops.yaml adds to the policy is told of the environment.
        findings.retain(|finding| finding.place.file != repository::FILE);
        self.out.findings.append(&mut findings);
        let said = Said { depends_on, awaits, consents: consents(&layers), policy };
        self.unit(UnitKey::new(namespace, job.kind, &job.name), job.node.mark.place(), written, said);
    }

    /// What becomes of the files beside a job: ConfigMaps that are mounted, and logging configuration.
    fn files(&mut self, job: &Job, layers: &mut Node) {
        let (made, mut findings) = if job.kind == Kind::FlinkDeployment {
            config_map::generate(self.tree, &self.folder.path, &job.name, layers)
        } else {
            (Vec::new(), without_files(job.kind, layers).collect())
        };
        if findings.is_empty() || job.kind == Kind::FlinkDeployment {
            findings.append(&mut config_map::logging(self.tree, &self.folder.path, layers));
        }
        findings.append(&mut config_map::mount(&made, layers));
        self.out.findings.append(&mut findings);
        for map in made {
            let key = ObjectKey::new(BUILT_IN[0].0, BUILT_IN[0].1, &self.environment.namespace, &map.name);
            let place = map.manifest.mark.place();
            let mut manifest = in_namespace(&map.manifest, &self.environment.namespace);
            self.mark_namespace(&mut manifest);
            self.out.companions.push(RenderedCompanion { key, place, manifest });
        }
    }

    /// What `dependsOn` says: live objects to wait for, and words for units.
    fn dependencies(&mut self, layers: &Node) -> (Vec<Awaited>, Words) {
        let environment = self.environment;
        let namespace = &environment.namespace;
        let items = layers.list("dependsOn");
        let maps = items.iter().filter(|item| item.members().is_some());
        let maps = maps.map(|item| awaited::of_map(item, namespace));
        let (objects, depends_on) = words(list(layers, "dependsOn"));
        let words = objects.iter().map(|(word, mark)| awaited::of_word(word, mark, namespace));
        (self.awaits(maps.chain(words)), depends_on)
    }

    /// The live objects that a unit waits for, those that cannot be told of by a finding.
    fn awaits<'n>(&mut self, objects: impl Iterator<Item = (Awaited, &'n Mark)>) -> Vec<Awaited> {
        let mut awaits = Vec::new();
        for (awaited, mark) in objects {
            match awaited::refusal(&awaited, mark, self.environment) {
                Some(finding) => self.out.findings.push(finding),
                None => awaits.push(awaited),
            }
        }
        awaits.sort();
        awaits.dedup();
        awaits
    }

    /// The namespace of what names none is written in flinkops.yaml.
    fn mark_namespace(&self, manifest: &mut Node) {
        if let Some(namespace) = manifest.at_mut(&["metadata", "namespace"]) {
            namespace.mark = self.environment.namespace_mark.clone();
        }
    }

    /// Puts values in where the layers refer to them, and judges what comes of it.
    fn put_values(&mut self, job: &Job, layers: &mut Node) {
        if !self.folder.placeholders && !self.environment.placeholders {
            return;
        }
        let Resolved { values, mut findings } =
            values::resolve(layers, &self.environment.name, &self.environment.values);
        if !values.is_empty() {
            findings.append(&mut check_at(form(Some(job.kind)), layers, |at| values.contains_key(at)));
        }
        self.out.findings.append(&mut findings);
        self.out.values.extend(values.into_values().flatten());
    }

    /// Everything that is said about a job, laid over each other.
    fn layers(&self, job: &Job) -> Node {
        let overlay = self.folder.overlays.get(&self.environment.name);
        let mut layers = self.environment.layer(job.kind).clone();
        let says_job = |layer: Option<&Node>| layer.is_some_and(|layer| layer.at(&["spec", "job"]).is_some());
        // A FlinkDeployment without a job is a session cluster, whatever the defaults have for those with one.
        let is_session =
            job.kind == Kind::FlinkDeployment && !says_job(Some(&job.node)) && !says_job(overlay);
        if is_session && let Some(spec) = layers.members_mut().and_then(|members| members.get_mut("spec")) {
            spec.value.members_mut().map(|members| members.remove("job"));
        }
        layers::lay(&mut layers, &job.node);
        if let Some(overlay) = overlay {
            layers::lay(&mut layers, overlay);
        }
        layers
    }

    /// What is the same for every unit, whatever it was written as.
    fn unit(&mut self, key: UnitKey, place: Place, mut written: Node, said: Said) {
        sizes_as_the_operator_types_them(&mut written);
        self.environment.images.apply(&mut written, &mut self.out.images);
        let manifest = RenderedManifest::from(written.to_value());
        self.out.words.entry(key.clone()).or_default().extend(said.depends_on);
        let unit = Unit {
            role: Role::of(key.kind, manifest.spec()),
            folder: self.folder.path.clone(),
            key,
            place,
            manifest,
            written: Arc::new(written),
            depends_on: Vec::new(),
            awaits: said.awaits,
            consents: said.consents,
            policy: said.policy,
        };
        self.out.findings.extend(cannot_inherit(&unit));
        self.out.findings.append(&mut on_no_cluster(&unit));
        self.out.units.push(unit);
    }
}

/// What is said of a unit beside its manifest.
struct Said {
    depends_on: Words,
    awaits: Vec<Awaited>,
    consents: Consents,
    policy: Policy,
}

/// What a session job lacks to be one.
fn on_no_cluster(unit: &Unit) -> Vec<Finding> {
    let spec = unit.written.get("spec");
    let field = |name: &str| spec.and_then(|spec| spec.get(name));
    if unit.key.kind != Kind::FlinkSessionJob {
        return Vec::new();
    }
    let missing = ["deploymentName", "job"].into_iter().filter(|name| field(name).is_none()).map(|name| {
        let place = spec.map_or(unit.place.clone(), |spec| spec.mark.place());
        let finding = Finding::error(RuleId::MissingField, place, format!("the field `{name}` is missing"));
        finding.hint("a FlinkSessionJob needs a session cluster and a job")
    });
    let misnamed = field("deploymentName").and_then(|cluster| {
        bad_name(Kind::FlinkDeployment, cluster.text().unwrap_or_default(), &cluster.mark)
    });
    missing.chain(misnamed).collect()
}

/// S18: a state is carried over only to what flinkops can start from a savepoint.
fn cannot_inherit(unit: &Unit) -> Option<Finding> {
    let old = unit.consents.renamed_from.as_ref()?;
    let message = format!("renamedFrom: {old} cannot give a {} the state of another", unit.key.kind);
    let finding = Finding::error(RuleId::RenamedKind, unit.place.clone(), message);
    let hint = "stop the old one with a savepoint, and name that in job.initialSavepointPath of the new one";
    (unit.role.has_job() && !unit.role.is_operable()).then(|| finding.hint(hint))
}

/// Files that do not reach the pods of a kind.
fn without_files(kind: Kind, layers: &Node) -> impl Iterator<Item = Finding> {
    const NO_CONFIG_MAP: &[&str] = &["configMaps"];
    const NO_FILE: &[&str] = &["configMaps", "logConfiguration"];
    let none = || format!("a {kind} has none of its own");
    let (fields, why, hint) = match kind {
        Kind::FlinkBlueGreenDeployment => (
            NO_CONFIG_MAP,
            "the operator writes the name of each deployment for that of the unit, wherever it stands in the template, \
             so that no pod would find the ConfigMap"
                .to_owned(),
            "write the files into a ConfigMap whose name does not hold that of the unit, and mount it in the template",
        ),
        Kind::FlinkApplication => (
            NO_CONFIG_MAP,
            "the pods run where its environment says, which need not be this namespace".to_owned(),
            "put the files into the image, or a ConfigMap where the pods run",
        ),
        Kind::FlinkSessionJob => (NO_FILE, none(), "write it in the job.yaml of the session cluster"),
        _ => (NO_FILE, none(), "write it in the job.yaml of its job"),
    };
    let written = fields.iter().filter(|field| layers.get(field).is_some());
    written.map(move |field| {
        let message = format!("`{field}` needs pods: {why}");
        let finding = Finding::error(RuleId::ConfigMapMount, layers.key_mark(field).place(), message);
        finding.hint(hint)
    })
}

/// The words of `dependsOn` that name live objects, and those that name units.
fn words(all: Words) -> (Words, Words) {
    all.into_iter().partition(|(word, _)| awaited::is_object(word))
}

fn list(layers: &Node, key: &str) -> Vec<(String, Mark)> {
    let items = layers.list(key);
    items.iter().filter_map(|item| Some((item.text()?.to_owned(), item.mark.clone()))).collect()
}

fn consents(layers: &Node) -> Consents {
    let text = |path: &[&str]| layers.at(path).and_then(Node::text).map(str::to_owned);
    Consents {
        state_loss: text(&["allow", "stateLoss"]),
        recreate: text(&["allow", "recreate"]),
        adopt: text(&["adopt"]),
        freeze: text(&["freeze"]),
        renamed_from: text(&["renamedFrom"]),
        fresh: text(&["onCreate"]).is_some_and(|word| word == "fresh"),
    }
}
