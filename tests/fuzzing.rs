//! The loader against files as no person would write them: bytes changed, cut, repeated and spliced in what the
//! other scenarios hold, values nested without end, aliases that multiply.
//!
//! `FLINKOPS_FUZZ_CASES` says how many cases of each property are tried; 256 where it does not.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

use flinkops::rule::RuleId;
use flinkops::spec::source::Limits;
use flinkops::spec::{Desired, Finding, Loaded, load, render};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::loader;

/// The folder that is changed; no other depends on it.
const MUTANT: &str = "jobs/mutant";

const REPOSITORY: [(&str, &str); 7] = [
    (
        "flinkops.yaml",
        "name: r\nenvironments:\n  prod: {namespace: flink}\n  test: {namespace: test}\n\
         companions: [apps/v1/Deployment]\ndefaults:\n  FlinkDeployment:\n    spec: {image: 'r/x:1', flinkVersion: v1_20, \
         serviceAccount: flink, jobManager: {resource: {memory: 1g}}, taskManager: {resource: {memory: 1g}}}\n",
    ),
    (
        "jobs/ingest/job.yaml",
        "kind: FlinkDeployment\nspec: {job: {parallelism: 1, upgradeMode: stateless}}\n",
    ),
    (
        "jobs/enrich/job.yaml",
        "kind: FlinkDeployment\ndependsOn: [ingest]\nconfigMaps: {sql: [q.sql]}\n\
         spec: {job: {parallelism: 2, upgradeMode: stateless}}\n",
    ),
    ("jobs/enrich/q.sql", "SELECT 1;\n"),
    ("jobs/session/job.yaml", "kind: FlinkDeployment\nspec: {}\n"),
    (
        "jobs/scores/job.yaml",
        "kind: FlinkSessionJob\nspec: {deploymentName: session, job: {jarURI: 'https://j/x-1.jar', parallelism: 1, upgradeMode: stateless}}\n",
    ),
    ("jobs/flat.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flat}\ndata: {a: b}\n"),
];

/// What the scenarios of the loader and of the lint hold: YAML in every form that people write it.
static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let folders = ["loader", "lint"].map(|folder| loader::files(&root.join(folder)));
    let is_yaml = |path: &str| Path::new(path).extension().is_some_and(|ending| ending == "yaml");
    let yaml = folders.into_iter().flatten().filter(|(path, _)| is_yaml(path));
    let mut corpus: Vec<_> = yaml.collect();
    corpus.sort();
    corpus.into_iter().map(|(_, bytes)| bytes).collect()
});

/// Pieces of YAML at which readers have failed before.
const TOKENS: [&str; 24] = [
    "---\n",
    "...\n",
    "&a ",
    "*a",
    "*a : *a\n",
    "<<: *a\n",
    "!!binary ",
    "!!str ",
    "!<x> ",
    "? ",
    "|2-\n",
    ">\n",
    "%YAML 1.2\n",
    "\t",
    "\u{feff}",
    "\u{2028}",
    "\0",
    "'",
    "\"\\x",
    "[",
    "{",
    "# flinkops: ignore x y\n",
    "null",
    "1e999",
];

/// One change to a file.
#[derive(Clone, Debug)]
enum Edit {
    Byte(Index, u8),
    Token(Index, &'static str),
    Cut(Index, usize),
    Truncate(Index),
    Repeat(Index, usize, usize),
    Splice(Index, Index, Index),
    Nest(Index, &'static str, usize),
    Bomb(u32, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
        4 => (at(), select(&TOKENS[..])).prop_map(|(at, token)| Edit::Token(at, token)),
        2 => (at(), 1..40_usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        1 => at().prop_map(Edit::Truncate),
        1 => (at(), 1..60_usize, 2..30_usize).prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        2 => (at(), at(), at()).prop_map(|(at, file, from)| Edit::Splice(at, file, from)),
        1 => (at(), select(&["[", "{a: ", "- ", "? ", "*", "&a "][..]), 1..4_000_usize)
            .prop_map(|(at, what, depth)| Edit::Nest(at, what, depth)),
        1 => (1..12_u32, 2..12_usize).prop_map(|(levels, width)| Edit::Bomb(levels, width)),
    ]
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
        match self {
            Self::Byte(at, byte) => {
                let at = place(at, bytes);
                bytes.splice(at..(at + 1).min(bytes.len()), [*byte]);
            }
            Self::Token(at, token) => {
                let at = place(at, bytes);
                bytes.splice(at..at, token.bytes());
            }
            Self::Cut(at, length) => {
                let at = place(at, bytes);
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Self::Truncate(at) => bytes.truncate(place(at, bytes)),
            Self::Repeat(at, length, times) => {
                let at = place(at, bytes);
                let part = bytes[at..(at + length).min(bytes.len())].repeat(*times);
                bytes.splice(at..at, part);
            }
            Self::Splice(at, file, from) => {
                let (at, other) = (place(at, bytes), file.get(&CORPUS));
                bytes.truncate(at);
                bytes.extend_from_slice(&other[place(from, other)..]);
            }
            Self::Nest(at, what, depth) => {
                let at = place(at, bytes);
                bytes.splice(at..at, what.repeat(*depth).into_bytes());
            }
            Self::Bomb(levels, width) => bytes.extend(bomb(*levels, *width).into_bytes()),
        }
    }
}

/// Each level holds the one before so many times.
fn bomb(levels: u32, width: usize) -> String {
    let level = |level: u32| {
        let below = level.checked_sub(1).map_or("x".to_owned(), |below| format!("*l{below}"));
        format!("l{level}: &l{level} [{}]\n", vec![below; width].join(", "))
    };
    format!("\n{}", (0..levels).map(level).collect::<String>())
}

/// Bytes that a failure shows as text.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// A file after a few changes.
fn change(mut bytes: Vec<u8>, edits: &[Edit]) -> Bytes {
    for edit in edits {
        edit.apply(&mut bytes);
    }
    Bytes(bytes)
}

/// A file of the corpus after a few changes.
fn mutated() -> impl Strategy<Value = Bytes> {
    let edits = proptest::collection::vec(edit(), 1..6);
    (any::<Index>(), edits).prop_map(|(file, edits)| change(file.get(&CORPUS).clone(), &edits))
}

/// Small enough for a bomb of few levels to meet them.
fn limits() -> Limits {
    Limits { yaml_nodes: 2_000, ..Limits::default() }
}

fn read(changed: &[(&str, &[u8])]) -> Loaded {
    let mut files: BTreeMap<String, Vec<u8>> =
        REPOSITORY.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
    files.extend(changed.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())));
    load(&loader::tree(files), &limits(), None)
}

fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    }
}

fn size(desired: &Desired) -> usize {
    let units = desired.units.values().map(|unit| values(&unit.manifest));
    units.chain(desired.companions.values().map(|companion| values(&companion.manifest))).sum()
}

/// What can be said of a repository however odd.
fn hold(loaded: &Loaded, bytes: usize) -> Result<(), TestCaseError> {
    for finding in &loaded.findings {
        prop_assert!(!finding.message.is_empty() && !finding.place.file.is_empty(), "{finding:?}");
        prop_assert!(finding.place.line <= bytes + 1_000, "{finding:?}");
    }
    for desired in loaded.environments.values() {
        // A document has so many values at most, and there are no more documents than lines.
        prop_assert!(size(desired) <= 20 * limits().yaml_nodes + 4 * bytes, "{} values", size(desired));
        let _ = render(desired);
    }
    Ok(())
}

fn config() -> ProptestConfig {
    let cases = std::env::var("FLINKOPS_FUZZ_CASES").ok().map(|cases| cases.parse().expect("a number"));
    ProptestConfig { cases: cases.unwrap_or(256), ..ProptestConfig::default() }
}

#[test]
fn an_alias_that_multiplies_is_refused_by_name() {
    let loaded = read(&[("jobs/mutant/job.yaml", bomb(10, 10).as_bytes())]);
    let found: Vec<&Finding> =
        loaded.findings.iter().filter(|finding| finding.place.file.starts_with(MUTANT)).collect();
    assert_eq!(found.iter().map(|finding| finding.rule).collect::<Vec<_>>(), [RuleId::YamlTooLarge]);
}

proptest! {
    #![proptest_config(config())]

    /// S1: whatever a folder holds, every unit of the others is wanted as before.
    #[test]
    fn s1_a_hostile_folder_changes_no_other(job in mutated(), other in proptest::option::of(mutated()), name in select(&["prod.yaml", "more.yaml"][..])) {
        let path = format!("{MUTANT}/{name}");
        let job_file = format!("{MUTANT}/job.yaml");
        let (job, other) = (job.0, other.map_or_else(Vec::new, |other| other.0));
        let changed = [(job_file.as_str(), &job[..]), (path.as_str(), &other[..])];
        let (before, after) = (read(&[]), read(&changed));
        hold(&after, job.len() + other.len())?;
        // A name taken from another folder breaks that one too, as it must.
        let named_twice = after.findings.iter().any(|finding| finding.rule == RuleId::DuplicateName);
        for (environment, desired) in before.environments.iter().filter(|_| !named_twice) {
            let after = &after.environments[environment];
            for (key, unit) in &desired.units {
                prop_assert_eq!(Some(unit), after.units.get(key));
            }
            for (key, companion) in &desired.companions {
                prop_assert_eq!(Some(companion), after.companions.get(key));
            }
            prop_assert!(after.unknown.iter().all(|unknown| unknown.folder == MUTANT), "{:?}", after.unknown);
            let strangers = after.units.values().filter(|unit| !desired.units.contains_key(&unit.key));
            prop_assert!(strangers.into_iter().all(|unit| unit.folder == MUTANT));
        }
    }

    /// A `flinkops.yaml` that is not what it was is read or refused, in the same words each time.
    #[test]
    fn a_hostile_flinkops_yaml_is_read_or_refused(edits in proptest::collection::vec(edit(), 1..6)) {
        let Bytes(bytes) = change(REPOSITORY[0].1.as_bytes().to_vec(), &edits);
        let loaded = read(&[("flinkops.yaml", &bytes)]);
        hold(&loaded, bytes.len())?;
        prop_assert_eq!(&loaded.findings, &read(&[("flinkops.yaml", &bytes)]).findings);
    }
}
