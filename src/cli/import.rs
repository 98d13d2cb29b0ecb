//! `flinkops import`: what exists becomes job folders.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::exit::{Exit, Usage};
use super::load::readable;
use super::output;
use super::redact::Redactor;
use super::schema::Subject;
use super::talk;
use super::write_files::{Fate, Files};
use crate::cluster::Cluster;
use crate::flink::kind::Kind;
use crate::flink::secret::Secrets;
use crate::plan::ledger::LABEL_RECORD;
use crate::plan::live::LiveObject;
use crate::repo::worktree;
use crate::report::document::FindingsDocument;
use crate::report::{self, diagnostics};
use crate::spec::import::{self, Bundle, Import, SCHEMAS, Target};
use crate::spec::load::outline;
use crate::spec::source::{Limits, SourceTree};
use crate::spec::{FILE, Severity};

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    /// A folder of manifests, kustomizations or Terraform files; without it the cluster is read.
    #[arg(value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// The folder of the repository to write into; one without a flinkops.yaml gets one.
    #[arg(long, value_name = "PATH", default_value = ".", help_heading = "Repository")]
    repo: PathBuf,
    /// The environment; the name of the first one in a new repository.
    #[arg(short, long, value_name = "NAME", help_heading = "Repository")]
    environment: Option<String>,
    /// The name of a new repository, instead of its folder's.
    #[arg(long, value_name = "NAME", help_heading = "Repository")]
    name: Option<String>,
    /// Only these jobs, with the session clusters they run on.
    #[arg(long, value_name = "NAME", num_args = 1.., help_heading = "Repository")]
    only: Vec<String>,
    /// The namespaces to read, instead of the environment's; the first is a new environment's own.
    #[arg(long, value_name = "NAME", num_args = 1.., help_heading = "Cluster")]
    namespace: Vec<String>,
    /// Read only what has these labels, such as `team=orders`.
    #[arg(long, value_name = "LABELS", conflicts_with = "from", help_heading = "Cluster")]
    selector: Option<String>,
    /// Import the ConfigMaps that the jobs name, too.
    #[arg(long, conflicts_with = "from", help_heading = "Cluster")]
    config_maps: bool,
    /// The kubeconfig, instead of the usual ones.
    #[arg(long, value_name = "PATH", conflicts_with = "from", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,
    /// The context in it, instead of the environment's or the current one.
    #[arg(long, value_name = "NAME", conflicts_with = "from", help_heading = "Cluster")]
    context: Option<String>,
    /// Replace files that are there already and differ.
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Print what would be written, as a patch, and write nothing.
    #[arg(long, help_heading = "Output")]
    dry_run: bool,
    #[command(flatten)]
    output: output::Flags,
}

/// A source as it was read.
struct Source {
    bundle: Bundle,
    tree: SourceTree,
    namespace: Option<String>,
}

/// Reads, and writes job folders. Fails where something is left to be done by hand.
pub(super) async fn run(flags: &Flags, redactor: &Redactor) -> anyhow::Result<Exit> {
    let tree = worktree::read(&flags.repo, &Limits::default())?;
    let mut source = match &flags.from {
        Some(folder) => flags.folder(folder)?,
        None => flags.cluster(&tree, redactor).await?,
    };
    if !flags.only.is_empty() {
        source.bundle.keep(&flags.only);
    }
    redactor.add(Secrets::collect(source.bundle.objects.iter().map(|object| &object.manifest)));
    let target = Target {
        tree: &tree,
        limits: Limits::default(),
        name: flags.name()?,
        environment: flags.environment.clone(),
        namespace: source.namespace,
    };
    let mut made = import::import(source.bundle, &target);
    let mut shown = source.tree;
    shown.files.extend(made.files.iter().map(|(path, text)| (path.clone(), text.as_bytes().into())));
    redactor.learn_sources(&shown, &made.findings);
    if made.units > 0 {
        made.files.extend(schemas(&tree));
    }
    let files = Files::new(&flags.repo, &made.files)?;
    let exit = flags.write(&made, &files, redactor)?;
    say(&made, &shown, redactor);
    Ok(exit)
}

impl Flags {
    fn folder(&self, folder: &Path) -> anyhow::Result<Source> {
        let tree = worktree::read(folder, &Limits::default())?;
        let bundle = import::folder::read(&tree, &Limits::default(), self.environment.as_deref());
        Ok(Source { bundle, tree, namespace: self.namespace.first().cloned() })
    }

    async fn cluster(&self, tree: &SourceTree, redactor: &Redactor) -> anyhow::Result<Source> {
        self.kubeconfig.iter().try_for_each(readable)?;
        let environments = outline(tree, &Limits::default(), self.environment.as_deref());
        let environment = match environments.as_slice() {
            [] if tree.files.contains_key(FILE) => {
                return Err(Usage::new(
                    "there is no such environment",
                    "`flinkops validate` says what there is",
                )
                .into());
            }
            [] => None,
            [one] => Some(one),
            several => {
                let names: Vec<&str> = several.iter().map(|one| one.environment.as_str()).collect();
                let hint = format!("name one with --environment: {}", names.join(", "));
                return Err(Usage::new("the repository has several environments", hint).into());
            }
        };
        let context = self.context.as_deref().or(environment.and_then(|one| one.context.as_deref()));
        let cluster = Cluster::connect(self.kubeconfig.as_deref(), context).await?;
        let namespaces = match environment {
            _ if !self.namespace.is_empty() => self.namespace.clone(),
            Some(one) => vec![one.namespace.clone()],
            None => vec![cluster.client().default_namespace().to_owned()],
        };
        let (mut units, mut config_maps) = (Vec::new(), Vec::new());
        for namespace in &namespaces {
            for kind in Kind::ALL {
                let found =
                    cluster.objects((kind.api_version(), kind.as_str()), namespace, self.selector.clone());
                match found.await {
                    Ok(found) => units.extend(found),
                    // Of what is not served there is none; nor is anything taken that may not be read.
                    Err(error) if !kind.is_everywhere() && error.is_permanent() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if self.config_maps {
                config_maps.extend(cluster.objects(("v1", "ConfigMap"), namespace, None).await?);
            }
        }
        config_maps.retain(|map| map.label(LABEL_RECORD).is_none());
        let values =
            |objects: Vec<LiveObject>| objects.iter().map(|one| one.value().clone()).collect::<Vec<Value>>();
        let (units, config_maps) = (values(units), values(config_maps));
        redactor.add(Secrets::collect(units.iter().chain(&config_maps)));
        let repository = environment.map_or_else(|| self.name(), |one| Ok(one.repository.clone()))?;
        let bundle = import::live::read(&units, self.config_maps.then_some(&*config_maps), &repository);
        let empty = SourceTree { files: BTreeMap::new(), ..tree.clone() };
        Ok(Source { bundle, tree: empty, namespace: namespaces.into_iter().next() })
    }

    /// The name of a new repository.
    fn name(&self) -> anyhow::Result<String> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let folder = self.repo.canonicalize().context("failed to read the repository's folder")?;
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(name.and_then(|name| import::label(&name)).unwrap_or_else(|| "flink".to_owned()))
    }

    /// Writes, or says why not, and what.
    fn write(&self, made: &Import, files: &Files<'_>, redactor: &Redactor) -> anyhow::Result<Exit> {
        if self.dry_run {
            self.output.write(&redactor.scrub(&files.patch()))?;
            return Ok(exit(made));
        }
        let differ: Vec<&str> =
            files.fates().filter(|(_, fate)| *fate == Fate::Differs).map(|(path, _)| path).collect();
        if !differ.is_empty() && !self.force {
            talk::say(
                talk::Tone::Error,
                &format!("nothing was written: {} would be replaced", differ.join(", ")),
            );
            talk::say(talk::Tone::Help, "--dry-run shows what differs, --force replaces");
            return Ok(Exit::Failed);
        }
        files.write()?;
        let mut text = String::new();
        for (path, fate) in files.fates() {
            let word = match fate {
                Fate::New => "wrote",
                Fate::Same => "is as it was:",
                Fate::Differs => "replaced",
            };
            let _ = writeln!(text, "{word} {path}");
        }
        self.output.write(&text)?;
        Ok(exit(made))
    }
}

fn exit(made: &Import) -> Exit {
    let failed = made.findings.iter().any(|finding| finding.severity == Severity::Error);
    if failed { Exit::Failed } else { Exit::Done }
}

/// What was left out and why, and what to do next.
fn say(made: &Import, tree: &SourceTree, redactor: &Redactor) {
    let secrets = redactor.secrets();
    let document = FindingsDocument::new(&made.findings, made.units, &secrets);
    talk::write(&diagnostics::findings(&document, tree, &secrets));
    if made.units > 0 {
        talk::write(
            "Next: read the files, commit them, and see with `flinkops plan` that nothing would change.\n",
        );
    }
}

/// The schemas that editors use, where they are not there yet.
pub(super) fn schemas(tree: &SourceTree) -> BTreeMap<String, String> {
    let schema = |subject: Subject| {
        let path = format!("{SCHEMAS}/{}.schema.json", subject.name());
        (path, report::json(&subject.schema()))
    };
    let missing = |(path, _): &(String, String)| !tree.files.contains_key(path);
    [Subject::Flinkops, Subject::Job].into_iter().map(schema).filter(missing).collect()
}
