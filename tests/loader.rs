//! Scenarios of the loader: a folder named by a sentence holds a repository in `in/` and, in `out.txt`, what
//! is found in it and what each environment renders.
//!
//! Beside `in/` may lie `entries.txt`, with what Git can hold and a folder of tests cannot, each as a mode and a path
//! (a file there is an object that Git has lost), and `limits.yaml`, with bounds to be read within. Then the
//! repository is committed, and read from there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flinkops::repo::Source;
use flinkops::rule::RuleId;
use flinkops::spec::finding::{Finding, Place};
use flinkops::spec::graph::graph;
use flinkops::spec::source::{Limits, Origin, Revision, SourceTree};
use flinkops::spec::{Desired, Loaded, Severity, lint, load, render, schema};
use git2::Oid;
use proptest::prelude::*;

use super::repo::Sandbox;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/loader")
}

/// These files as a repository at a commit.
pub fn tree(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> SourceTree {
    let origin = Origin {
        identity: "host/repository".to_owned(),
        revision: Revision::new("0123456789abcdef"),
        committed: true,
    };
    let files = files.into_iter().map(|(path, bytes)| (path, Arc::from(bytes))).collect();
    SourceTree { origin, files, refused: Vec::new() }
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((path, fs::read(entry.path()).unwrap()));
            }
        }
    }
    found
}

fn scenarios() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// The repository of a scenario, as read.
pub fn read(scenario: &Path) -> Loaded {
    let files = files(&scenario.join("in"));
    let beside = |name: &str| fs::read_to_string(scenario.join(name)).ok();
    let (entries, bounds) = (beside("entries.txt"), beside("limits.yaml"));
    if entries.is_none() && bounds.is_none() {
        return load(&tree(files), &Limits::default(), None);
    }
    let limits = limits(bounds.as_deref().unwrap_or("{}"));
    let sandbox = Sandbox::new();
    let lost = Oid::from_str("00000000000000000000000000000000deadbeef").unwrap();
    let mut all: Vec<(&str, &str, Oid)> = Vec::new();
    for line in entries.as_deref().unwrap_or_default().lines() {
        let (mode, path) = line.split_once(' ').unwrap();
        all.push((path, mode, lost));
    }
    for (path, bytes) in &files {
        all.push((path, "100644", sandbox.git.blob(bytes).unwrap()));
    }
    sandbox.commit_tree(sandbox.nested_tree(&all), "a scenario");
    load(&Source::parse(sandbox.text()).unwrap().read(Some("HEAD"), &limits).unwrap(), &limits, None)
}

/// The usual limits, but for what a text says.
fn limits(text: &str) -> Limits {
    let said: BTreeMap<String, usize> = serde_saphyr::from_str(text).unwrap();
    let mut limits = Limits::default();
    for (name, limit) in said {
        *match name.as_str() {
            "fileBytes" => &mut limits.file_bytes,
            "files" => &mut limits.files,
            "totalBytes" => &mut limits.total_bytes,
            "pathDepth" => &mut limits.path_depth,
            other => panic!("there is no limit {other}"),
        } = limit;
    }
    limits
}

/// Writes a finding down.
pub fn finding(text: &mut String, finding: &Finding) {
    let Place { file, line, column, width } = &finding.place;
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    writeln!(text, "{file}:{line}:{column}+{width} {severity}[{}] {}", finding.rule, finding.message)
        .unwrap();
    if let Some(hint) = &finding.hint {
        writeln!(text, "  hint: {hint}").unwrap();
    }
    for note in &finding.notes {
        let Place { file, line, column, width } = &note.place;
        writeln!(text, "  note: {} ({file}:{line}:{column}+{width})", note.message).unwrap();
    }
}

fn environment(text: &mut String, desired: &Desired) {
    writeln!(text, "\n== {} ==", desired.environment).unwrap();
    for unknown in &desired.unknown {
        writeln!(text, "unknown: {:?} {}", unknown.folder, unknown.name.as_deref().unwrap_or("?")).unwrap();
    }
    for edge in graph(desired).edges {
        writeln!(text, "{} -> {} ({})", edge.from, edge.to, edge.why.as_str()).unwrap();
    }
    for unit in desired.units.values().filter(|unit| unit.consents != flinkops::spec::Consents::default()) {
        writeln!(text, "{} {:?}", unit.key, unit.consents).unwrap();
    }
    text.push_str(&render(desired));
}

fn report(loaded: &Loaded) -> String {
    let mut text = String::new();
    // What the lint says has scenarios of its own.
    let found = loaded.findings.iter().filter(|finding| lint::rule(finding.rule.as_str()).is_none());
    found.for_each(|one| finding(&mut text, one));
    loaded.environments.values().for_each(|one| environment(&mut text, one));
    text
}

/// Each of the repositories, by the sentence that names it.
pub fn trees() -> Vec<(String, SourceTree)> {
    let name = |scenario: &PathBuf| scenario.file_name().unwrap().to_string_lossy().into_owned();
    scenarios().iter().map(|scenario| (name(scenario), tree(files(&scenario.join("in"))))).collect()
}

/// What is found in each of the repositories.
pub fn found() -> Vec<Vec<Finding>> {
    scenarios().iter().map(|scenario| read(scenario).findings).collect()
}

#[test]
fn every_scenario_reads_as_written_down() {
    let update = std::env::var_os("UPDATE_SCENARIOS").is_some();
    let scenarios = scenarios();
    assert!(scenarios.len() >= 25, "only {} scenarios", scenarios.len());
    let mut wrong = Vec::new();
    for scenario in scenarios {
        let actual = report(&read(&scenario));
        let expected = scenario.join("out.txt");
        if update {
            fs::write(&expected, &actual).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
            wrong.push(format!("{}:\n{actual}", scenario.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_SCENARIOS=1 takes these over:\n{}", wrong.join("\n"));
}

/// One broken folder changes nothing about what the others render (S1).
#[test]
fn s1_a_broken_folder_leaves_the_others_alone() {
    let files = files(&root().join("a chain of jobs in two environments/in"));
    let before = load(&tree(files.clone()), &Limits::default(), None);
    let mut broken = files;
    broken.push(("jobs/broken/job.yaml".to_owned(), b"kind: [".to_vec()));
    let after = load(&tree(broken), &Limits::default(), None);
    for (name, desired) in &before.environments {
        let other = &after.environments[name];
        assert_eq!(desired.units, other.units);
        assert_eq!(desired.companions, other.companions);
        assert_eq!(other.unknown.len(), 1);
        assert_eq!(other.unknown[0].name.as_deref(), Some("broken"));
    }
}

/// A manifest for a namespace of no environment is refused in all of them, and is not what they share (S1).
#[test]
fn s1_a_foreign_namespace_breaks_its_folder_only() {
    let mut files = files(&root().join("a chain of jobs in two environments/in"));
    let foreign = "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\n\
                   metadata: {name: foreign, namespace: nowhere}\nspec: {}\n";
    files.push(("jobs/foreign/foreign.yaml".to_owned(), foreign.into()));
    let loaded = load(&tree(files), &Limits::default(), None);
    assert!(loaded.findings.iter().all(|finding| finding.rule != RuleId::SharedObject));
    for desired in loaded.environments.values() {
        let unknown: Vec<&str> = desired.unknown.iter().map(|unknown| unknown.folder.as_str()).collect();
        assert_eq!((unknown.as_slice(), desired.units.len()), (&["jobs/foreign"][..], 3));
    }
}

/// A refusal within a folder makes that folder unknown, one that has no place makes everything unknown (S1).
#[test]
fn s1_what_the_reader_refused_is_unknown() {
    let files = files(&root().join("a chain of jobs in two environments/in"));
    let unknown = |path: &str| {
        let mut tree = tree(files.clone());
        tree.refused = vec![Finding::error(RuleId::Symlink, Place::file(path), "a symlink is not followed")];
        let loaded = load(&tree, &Limits::default(), Some("prod"));
        let desired = &loaded.environments["prod"];
        let unknown: Vec<&str> = desired.unknown.iter().map(|unknown| unknown.folder.as_str()).collect();
        let errors = loaded.findings.iter().filter(|finding| finding.severity == Severity::Error);
        (unknown.join(","), desired.units.len(), errors.count())
    };
    assert_eq!(unknown("jobs/enrich/link.sql"), ("jobs/enrich".to_owned(), 2, 1));
    assert_eq!(unknown("jobs/other"), ("jobs/other".to_owned(), 3, 1));
    assert_eq!(unknown("jobs/enrich/job.yaml"), ("jobs/enrich".to_owned(), 2, 1));
    assert_eq!(unknown("jobs/flat.yaml"), ("jobs".to_owned(), 3, 1));
    assert_eq!(unknown("jobs"), (String::new(), 0, 1));
    assert_eq!(unknown("."), (String::new(), 0, 1));
    assert_eq!(unknown("docs/link"), (String::new(), 3, 0));
}

#[test]
fn only_renders_one_environment_and_knows_the_names() {
    let tree = tree(files(&root().join("a chain of jobs in two environments/in")));
    let one = load(&tree, &Limits::default(), Some("prod"));
    assert_eq!(one.environments.keys().collect::<Vec<_>>(), ["prod"]);
    let none = load(&tree, &Limits::default(), Some("prd"));
    assert!(none.environments.is_empty());
    assert_eq!(none.findings[0].rule, RuleId::UnknownEnvironment);
    assert_eq!(none.findings[0].hint.as_deref(), Some("did you mean `prod`? There are prod, staging"));
}

/// What makes the operator accept a FlinkDeployment with the rest of it empty.
const ACCEPTED: &str = "defaults: {FlinkDeployment: {spec: {flinkVersion: v1_20, serviceAccount: flink, \
                        jobManager: {resource: {memory: 1g}}, taskManager: {resource: {memory: 1g}}, \
                        job: {parallelism: 1}}}}\n";

/// A repository of many small jobs, some of them broken in ways that reach others.
fn repository() -> impl Strategy<Value = BTreeMap<String, String>> {
    let job = (0..6_u8, 0..6_u8, 0..8_u8);
    proptest::collection::vec(job, 1..6).prop_map(|jobs| {
        let mut files = BTreeMap::from([(
            "flinkops.yaml".to_owned(),
            format!("name: r\nenvironments: {{prod: {{namespace: a}}, test: {{namespace: b}}}}\n{ACCEPTED}"),
        )]);
        for (index, (name, on, how)) in jobs.into_iter().enumerate() {
            let text = match how {
                0 => format!("kind: FlinkDeployment\nname: j{name}\nspec: {{paralelism: 1}}\n"),
                1 => "kind: [".to_owned(),
                2 => format!(
                    "kind: FlinkSessionJob\nspec: {{deploymentName: j{on}, job: {{parallelism: {index}}}}}\n"
                ),
                _ => {
                    format!("kind: FlinkDeployment\nname: j{name}\ndependsOn: [j{on}]\nspec: {{job: {{}}}}\n")
                }
            };
            files.insert(format!("jobs/j{index}/job.yaml"), text);
        }
        files
    })
}

proptest! {
    #[test]
    fn the_order_of_files_never_matters(files in repository(), seed in any::<u64>()) {
        let mut shuffled: Vec<(String, Vec<u8>)> =
            files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
        let straight = report(&load(&tree(shuffled.clone()), &Limits::default(), None));
        let length = shuffled.len();
        for index in 0..length {
            let step = usize::try_from(seed >> (index % 32) & 0xff).unwrap();
            shuffled.swap(index, (index + step) % length);
        }
        let mut tree = tree(shuffled);
        tree.refused.reverse();
        prop_assert_eq!(straight, report(&load(&tree, &Limits::default(), None)));
    }

    #[test]
    fn a_unit_is_rendered_or_unknown_but_never_lost(files in repository()) {
        let folders: Vec<String> = files.keys().filter_map(|path| path.strip_suffix("/job.yaml").map(str::to_owned)).collect();
        let loaded = load(&tree(files.into_iter().map(|(path, text)| (path, text.into_bytes()))), &Limits::default(), None);
        for desired in loaded.environments.values() {
            for folder in &folders {
                let rendered = desired.units.values().any(|unit| unit.folder == *folder);
                let unknown = desired.unknown.iter().any(|unknown| unknown.folder == *folder);
                prop_assert!(rendered != unknown, "{folder} rendered: {rendered}, unknown: {unknown}");
            }
        }
    }

    #[test]
    fn any_bytes_anywhere_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0..4_usize) {
        let paths = ["flinkops.yaml", "jobs/a/job.yaml", "jobs/a/prod.yaml", "jobs/flat.yaml"];
        let mut files = BTreeMap::from([
            ("flinkops.yaml".to_owned(), b"name: r\nenvironments: {prod: {namespace: a}}\n".to_vec()),
            ("jobs/a/job.yaml".to_owned(), b"kind: FlinkDeployment\nspec: {job: {}}\n".to_vec()),
        ]);
        files.insert(paths[at].to_owned(), bytes);
        let _ = report(&load(&tree(files), &Limits::default(), None));
    }
}

/// Editors complete what people write from these files, so they must be what the checker uses.
#[test]
fn committed_schemas_are_the_generated_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    for (name, schema) in [("flinkops.schema.json", schema::repository()), ("job.schema.json", schema::job())]
    {
        let generated = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(folder.join(name), &generated).unwrap();
        }
        let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(committed == generated, "schema/{name} is out of date: run the tests with UPDATE_SCHEMAS=1");
    }
}
