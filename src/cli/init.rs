//! `flinkops init`: a new repository, with a first job and what continuous integration needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::exit::{Exit, Usage};
use super::import::schemas;
use super::output;
use super::talk;
use super::write_files::{Fate, Files};
use crate::repo::worktree;
use crate::spec::FILE;
use crate::spec::import::{self, MODELINE, SCHEMAS};
use crate::spec::source::Limits;

/// The script that both recipes call.
const SCRIPT: (&str, &str) = ("deploy/ci/flinkops.sh", include_str!("../../deploy/ci/flinkops.sh"));
/// What GitHub Actions reads.
const GITHUB: [(&str, &str); 2] = [
    (".github/workflows/flinkops-drift.yaml", include_str!("../../deploy/ci/github-drift.yaml")),
    (".github/workflows/flinkops-plan.yaml", include_str!("../../deploy/ci/github-plan.yaml")),
];
/// What GitLab CI reads.
const GITLAB: [(&str, &str); 2] = [
    (".gitlab-ci.yml", "include: {local: deploy/ci/gitlab.yaml}\n"),
    ("deploy/ci/gitlab.yaml", include_str!("../../deploy/ci/gitlab.yaml")),
];

/// What was typed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    /// The folder; made where it is not there.
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// The name of the repository, instead of its folder's.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The first environment.
    #[arg(short, long, value_name = "NAME", default_value = "prod")]
    environment: String,
    /// Its namespace.
    #[arg(long, value_name = "NAME", default_value = "flink")]
    namespace: String,
    /// Whose continuous integration is to validate and plan.
    #[arg(long, value_enum, value_name = "WHOSE")]
    ci: Option<Ci>,
    /// Begin in a folder that holds files already; none of them is changed.
    #[arg(long)]
    add: bool,
    #[command(flatten)]
    output: output::Flags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ci {
    /// GitHub Actions.
    Github,
    /// GitLab CI.
    Gitlab,
}

/// Writes what is not there yet.
pub(super) fn run(flags: &Flags) -> anyhow::Result<Exit> {
    flags.check()?;
    std::fs::create_dir_all(&flags.folder)
        .with_context(|| format!("failed to create {}", flags.folder.display()))?;
    let tree = worktree::read(&flags.folder, &Limits::default())?;
    if tree.files.contains_key(FILE) {
        return Err(
            Usage::new("there is a flinkops.yaml here already", "`flinkops import` adds jobs to it").into()
        );
    }
    let taken =
        std::fs::read_dir(&flags.folder)?.filter_map(Result::ok).any(|entry| entry.file_name() != ".git");
    if taken && !flags.add {
        let message = format!("{} is not empty", flags.folder.display());
        return Err(Usage::new(message, "--add begins beside what is there, and changes none of it").into());
    }
    let mut texts = flags.texts()?;
    texts.extend(schemas(&tree));
    let looked = Files::new(&flags.folder, &texts)?;
    let there: BTreeSet<String> =
        looked.fates().filter(|(_, fate)| *fate != Fate::New).map(|(path, _)| path.to_owned()).collect();
    texts.retain(|path, _| !there.contains(path));
    let files = Files::new(&flags.folder, &texts)?;
    files.write()?;
    let wrote = files.fates().map(|(path, _)| format!("wrote {path}"));
    let said: Vec<String> = wrote.chain(there.iter().map(|path| format!("left as it was: {path}"))).collect();
    flags.output.write(&(said.join("\n") + "\n"))?;
    talk::write("Next: `flinkops validate`, commit, and `flinkops plan`.\n");
    Ok(Exit::Done)
}

impl Flags {
    fn check(&self) -> Result<(), Usage> {
        for (flag, name) in [("--environment", &self.environment), ("--namespace", &self.namespace)] {
            if import::label(name).as_ref() != Some(name) || (flag == "--environment" && name == "job") {
                let hint = "lower-case letters, digits and `-`, no more than 63, and not `job`";
                return Err(Usage::new(format!("{flag}: `{name}` cannot be a name"), hint));
            }
        }
        Ok(())
    }

    fn texts(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let folder = self.folder.canonicalize().context("failed to read the folder")?;
        let folder = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let name =
            self.name.clone().or_else(|| import::label(&folder?)).unwrap_or_else(|| "flink".to_owned());
        let environments = BTreeMap::from([(self.environment.clone(), self.namespace.clone())]);
        let job = format!("{MODELINE}../../{SCHEMAS}/job.schema.json\n{}", include_str!("init/job.yaml"));
        let readme = include_str!("init/README.md").replace("{name}", &name);
        let mut texts = BTreeMap::from([
            (FILE.to_owned(), import::repository_file(&name, &environments, &BTreeSet::new())),
            ("jobs/state-machine/job.yaml".to_owned(), job),
            ("README.md".to_owned(), readme),
        ]);
        let recipe = match self.ci {
            None => &[][..],
            Some(Ci::Github) => &GITHUB,
            Some(Ci::Gitlab) => &GITLAB,
        };
        let script = self.ci.map(|_| SCRIPT);
        texts.extend(
            recipe.iter().copied().chain(script).map(|(path, text)| (path.to_owned(), text.to_owned())),
        );
        Ok(texts)
    }
}
