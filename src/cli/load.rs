//! From `--repo` and its company to what an environment should hold.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::exit::Usage;
use super::redact::Redactor;
use super::talk;
use crate::daemon::History;
use crate::flink::kind::UnitKey;
use crate::flink::secret::Secrets;
use crate::plan::{self, Live};
use crate::repo::{Access, Source};
use crate::report::diagnostics;
use crate::report::document::FindingsDocument;
use crate::rule::RuleId;
use crate::spec::load::{Loaded, load, outline};
use crate::spec::source::Limits;
use crate::spec::{Desired, FILE, Finding, Severity, SourceTree, Unit};

/// Which repository, and which state of it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Repository")]
#[group(skip)]
pub(super) struct Flags {
    /// A folder, or the address of a Git repository.
    #[arg(long, value_name = "PATH|URL", default_value = ".")]
    repo: String,
    /// A commit, branch or tag to read instead of the folder as it is.
    #[arg(long, value_name = "REV")]
    revision: Option<String>,
    /// The environment; not needed where there is one.
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
    /// Private key for SSH, instead of the agent.
    #[arg(long, value_name = "FILE")]
    ssh_key: Option<PathBuf>,
    /// The known hosts for SSH, instead of the user's.
    #[arg(long, value_name = "FILE")]
    known_hosts: Option<PathBuf>,
    /// File with a token for HTTPS, instead of `FLINKOPS_GIT_TOKEN`.
    #[arg(long, value_name = "FILE")]
    git_token_file: Option<PathBuf>,
}

/// A repository as it was read.
pub(super) struct Reading {
    /// Where it came from.
    pub(super) source: Arc<Source>,
    /// Its files.
    pub(super) tree: SourceTree,
    /// What they say.
    pub(super) loaded: Loaded,
}

impl Flags {
    /// The environment that was asked for.
    pub(super) fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// The revision that was asked for.
    pub(super) fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// The repository, not read yet.
    pub(super) fn source(&self, redactor: &Redactor) -> anyhow::Result<Source> {
        let mut secrets = Secrets::default();
        secrets.read_value("/data/repo", &Value::from(self.repo.as_str()));
        secrets.add(&std::env::var("FLINKOPS_GIT_TOKEN").unwrap_or_default());
        redactor.add(secrets);
        Ok(Source::parse(&self.repo)?.with_access(self.access()))
    }

    fn access(&self) -> Access {
        let usual = Access::from_environment();
        Access {
            ssh_key: self.ssh_key.clone(),
            known_hosts: self.known_hosts.clone(),
            token: usual.token.clone().filter(|_| self.git_token_file.is_none()),
            token_file: self.git_token_file.clone(),
            ..usual
        }
    }

    /// Refuses files of credentials that cannot be read, before anything needs them.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        [&self.ssh_key, &self.known_hosts, &self.git_token_file].into_iter().flatten().try_for_each(readable)
    }

    /// Reads the repository. An environment that a sound `flinkops.yaml` lacks is wrong usage.
    pub(super) fn read(&self, redactor: &Redactor) -> anyhow::Result<Reading> {
        let source = Arc::new(self.source(redactor)?);
        let tree = source.read(self.revision(), &Limits::default())?;
        let reading = Reading::new(source, tree, self.environment(), redactor);
        match unknown_environment(&reading.loaded.findings) {
            Some(usage) => Err(usage.into()),
            None => Ok(reading),
        }
    }

    /// Reads the repository and the one environment that is meant; `None` where it is too broken to tell,
    /// after saying why.
    pub(super) fn read_one(&self, redactor: &Redactor) -> anyhow::Result<Option<(Reading, Desired)>> {
        let read = self.read_one_beside(redactor, |_| ())?;
        Ok(read.map(|(reading, desired, ())| (reading, desired)))
    }

    /// The same, after beginning something else with what `flinkops.yaml` alone says of the environment: as early
    /// as can be, and again should the file turn out to be another one.
    pub(super) fn read_one_beside<T>(
        &self,
        redactor: &Redactor,
        begin: impl Fn(&Desired) -> T,
    ) -> anyhow::Result<Option<(Reading, Desired, T)>> {
        let source = Arc::new(self.source(redactor)?);
        let limits = Limits::default();
        let beside = |tree: &SourceTree| match outline(tree, &limits, self.environment()).as_slice() {
            [outline] => Some(begin(outline)),
            _ => None,
        };
        let early = source.glance(self.revision(), FILE, &limits);
        let early = early.map(|glance| (beside(&glance), glance));
        let tree = source.read(self.revision(), &limits)?;
        let file = |tree: &SourceTree| tree.files.get(FILE).cloned();
        let beside = match early {
            Some((beside, glance)) if file(&glance) == file(&tree) => beside,
            _ => beside(&tree),
        };
        let reading = Reading::new(source, tree, self.environment(), redactor);
        let desired = choose(&reading.loaded)?.cloned();
        if desired.is_none() {
            reading.say(&reading.loaded.findings, redactor);
        }
        Ok(desired.zip(beside).map(|(desired, beside)| (reading, desired, beside)))
    }
}

/// The one environment that is meant; `None` where the repository is too broken to tell.
pub(super) fn choose(loaded: &Loaded) -> Result<Option<&Desired>, Usage> {
    let mut environments = loaded.environments.values();
    match (unknown_environment(&loaded.findings), environments.next(), environments.next()) {
        (Some(usage), ..) => Err(usage),
        (None, Some(_), Some(_)) => Err(several(loaded)),
        (None, desired, _) => Ok(desired),
    }
}

impl Reading {
    fn new(source: Arc<Source>, tree: SourceTree, environment: Option<&str>, redactor: &Redactor) -> Self {
        let loaded = load(&tree, &Limits::default(), environment);
        redactor.learn_sources(&tree, &loaded.findings);
        for desired in loaded.environments.values() {
            redactor.learn_desired(desired);
        }
        Self { source, tree, loaded }
    }

    /// What reads the same environment at earlier revisions, in silence.
    pub(super) fn history(&self, desired: &Desired, redactor: &Redactor) -> History {
        let (source, environment) = (self.source.clone(), desired.environment.clone());
        let redactor = redactor.clone();
        Arc::new(move |revision| {
            let tree = source.read(Some(revision.as_str()), &Limits::default()).ok()?;
            let mut earlier = Self::new(source.clone(), tree, Some(&environment), &redactor);
            earlier.loaded.environments.remove(&environment)
        })
    }

    /// The units that go back to an earlier revision, as they are there.
    pub(super) fn previous(
        &self,
        desired: &Desired,
        live: &Live,
        redactor: &Redactor,
    ) -> BTreeMap<UnitKey, Unit> {
        let history = self.history(desired, redactor);
        let unit = |(key, revision)| history(&revision)?.units.remove_entry(&key);
        plan::previous_wanted(desired, live).into_iter().filter_map(unit).collect()
    }

    /// The same environment at another revision, empty where it was not there yet; `None` where that
    /// revision is too broken to tell. Says what is wrong with it.
    pub(super) fn base(
        &self,
        revision: &str,
        desired: &Desired,
        redactor: &Redactor,
    ) -> anyhow::Result<Option<Desired>> {
        let environment = Some(desired.environment.as_str());
        let tree = self.source.read(Some(revision), &Limits::default())?;
        let mut base = Self::new(self.source.clone(), tree, environment, redactor);
        let mut wrong = std::mem::take(&mut base.loaded.findings);
        wrong.retain(|found| found.severity == Severity::Error);
        let absent = wrong.iter().all(|found| found.rule == RuleId::UnknownEnvironment);
        let found = base.loaded.environments.remove(&desired.environment);
        if !absent {
            let name = base.tree.origin.revision.short();
            talk::say(talk::Tone::Warning, &format!("what is wrong in {name} counts as not there:"));
            base.say(&wrong, redactor);
        }
        let empty = || Desired {
            origin: base.tree.origin.clone(),
            units: BTreeMap::new(),
            companions: BTreeMap::new(),
            ..desired.clone()
        };
        Ok(found.or_else(|| absent.then(empty)))
    }

    /// Shows findings on stderr, with the lines they are about.
    pub(super) fn say(&self, findings: &[Finding], redactor: &Redactor) {
        if findings.is_empty() {
            return;
        }
        let secrets = redactor.secrets();
        let document = FindingsDocument::new(findings, self.units(), &secrets);
        talk::write(&diagnostics::findings(&document, &self.tree, &secrets));
    }

    /// How many units were read, in all environments.
    pub(super) fn units(&self) -> usize {
        self.loaded.environments.values().map(|desired| desired.units.len()).sum()
    }
}

/// The refusal of an environment that is not there. Where `flinkops.yaml` has other mistakes, it may be
/// one of those that hides it.
fn unknown_environment(findings: &[Finding]) -> Option<Usage> {
    let unknown = findings.iter().find(|found| found.rule == RuleId::UnknownEnvironment)?;
    let same_file = |found: &&Finding| found.place.file == unknown.place.file;
    let mut errors = findings.iter().filter(same_file).filter(|found| found.severity == Severity::Error);
    let usage = || Usage::new(&unknown.message, unknown.hint.as_deref().unwrap_or_default());
    errors.all(|found| found.rule == RuleId::UnknownEnvironment).then(usage)
}

/// Opens a file and closes it again.
pub(super) fn readable(path: &PathBuf) -> anyhow::Result<()> {
    std::fs::File::open(path).map(drop).with_context(|| format!("failed to read {}", path.display()))
}

fn several(loaded: &Loaded) -> Usage {
    let names: Vec<&str> = loaded.environments.keys().map(String::as_str).collect();
    Usage::new(
        "the repository has several environments",
        format!("name one with --environment: {}", names.join(", ")),
    )
}

/// Whether any finding is an error.
pub(super) fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}
