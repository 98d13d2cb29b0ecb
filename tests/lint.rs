//! Scenarios of the lint: a folder named by a sentence holds a repository in `in/` and, in `out.txt`, what is
//! found in it, to the letter. A folder whose `out.txt` is empty holds what must stay silent.

use std::fs;
use std::path::{Path, PathBuf};

use flinkops::flink::secret::Secrets;
use flinkops::report::document::FindingsDocument;
use flinkops::report::sarif;
use flinkops::spec::lint::{self, RULES};
use flinkops::spec::{Finding, Loaded, Severity};
use serde_json::Value;

use super::loader;

fn root(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// Each scenario, as read.
fn scenarios() -> Vec<(PathBuf, Loaded)> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(root("tests/lint")).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all.into_iter().map(|scenario| (scenario.clone(), loader::read(&scenario))).collect()
}

#[test]
fn every_scenario_is_found_as_written_down() {
    let update = std::env::var_os("UPDATE_SCENARIOS").is_some();
    let mut wrong = Vec::new();
    for (scenario, loaded) in scenarios() {
        let mut actual = String::new();
        loaded.findings.iter().for_each(|finding| loader::finding(&mut actual, finding));
        assert!(!actual.contains("canary"), "S25: {actual}");
        let expected = scenario.join("out.txt");
        if update {
            fs::write(&expected, &actual).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_else(|_| "none".to_owned()) != actual {
            wrong.push(format!("{}:\n{actual}", scenario.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_SCENARIOS=1 takes these over:\n{}", wrong.join("\n"));
}

/// A plan is about what changes: what the lint only remarks is for whoever validates.
#[test]
fn remarks_are_told_of_the_repository_only() {
    let of_lint = |finding: &&Finding| lint::rule(finding.rule.as_str()).is_some();
    let mut remarks = 0;
    for (_, loaded) in scenarios() {
        remarks += loaded.findings.iter().filter(of_lint).count();
        let errors = |finding: &&Finding| finding.severity == Severity::Error;
        for desired in loaded.environments.values() {
            assert!(desired.findings.iter().filter(of_lint).all(|finding| errors(&finding)));
        }
    }
    assert!(remarks > 40, "only {remarks} remarks");
}

/// An error of the lint breaks its folder in its environment, as every error does (S1).
#[test]
fn s1_an_error_of_the_lint_leaves_its_folder_as_it_is() {
    let loaded = loader::read(&root("tests/lint/a repository has its own severities"));
    let unknown = |environment: &str| loaded.environments[environment].unknown.len();
    assert_eq!((unknown("prod"), unknown("staging")), (2, 0));
    assert_eq!(loaded.environments["staging"].units.len(), 2);
}

/// Of each rule a scenario of what comes near it: nothing at all is found there.
const NEAR_MISSES: [(&str, &str); RULES.len()] = [
    ("floating-image", "an image stays what it is"),
    ("floating-jar", "a jar stays what it is"),
    ("snapshot-jar", "a jar stays what it is"),
    ("unfetchable-jar", "a jar stays what it is"),
    ("image-version", "an official image is of the version that is said"),
    ("state-dropped", "a job without state is upgraded without it"),
    ("file-state", "state in files outlives its pod"),
    ("savepoint-without-ha", "a stateful job with high availability"),
    ("last-state-without-ha", "a stateful job with high availability"),
    ("unretained-checkpoint", "a session job keeps its last checkpoint without its cluster"),
    ("blue-green-name", "the name of a blue-green deployment stands where it may"),
    ("dropped-field", "fields that the operator knows"),
    ("deprecated-key", "configuration keys that are right"),
    ("unknown-key", "configuration keys that are right"),
    ("old-autoscaler-key", "configuration keys that are right"),
    ("plaintext-secret", "secrets that are kept elsewhere"),
    ("parallelism-ignored", "a parallelism that counts"),
    ("non-restored-state", "values that are meant to stay"),
    ("one-shot-value", "values that are meant to stay"),
    ("ignore-comment", "comments silence a rule at its line"),
];

#[test]
fn every_rule_has_a_near_miss_that_stays_silent() {
    for (rule, (near, scenario)) in RULES.iter().zip(NEAR_MISSES) {
        assert_eq!(rule.id.as_str(), near, "each rule once, in its order");
        let loaded = loader::read(&root("tests/lint").join(scenario));
        assert_eq!(loaded.findings, [], "{scenario}");
        let units = loaded.environments.values().map(|desired| desired.units.len());
        assert!(units.sum::<usize>() > 0, "{scenario} holds nothing");
    }
}

#[test]
fn every_rule_has_a_page_and_a_line_in_the_index() {
    let index = fs::read_to_string(root("docs/rules/README.md")).unwrap();
    for rule in &RULES {
        let page = fs::read_to_string(root("docs/rules").join(format!("{}.md", rule.id)))
            .unwrap_or_else(|error| panic!("docs/rules/{}.md: {error}", rule.id));
        assert!(page.starts_with(&format!("# {}\n", rule.id)), "{page}");
        let severity = serde_json::to_value(rule.severity).unwrap();
        let line = format!("| [{0}]({0}.md) | {1} | {2} |", rule.id, severity.as_str().unwrap(), rule.about);
        assert!(index.contains(&line), "the index lacks: {line}");
        assert!(
            page.contains("\n## Wrong\n") && page.contains("\n## Right\n"),
            "{} has no examples",
            rule.id
        );
        assert!(
            page.contains(&format!("# flinkops: ignore {}", rule.id)),
            "{} says not how to silence",
            rule.id
        );
    }
    let pages = fs::read_dir(root("docs/rules")).unwrap().count();
    assert_eq!(pages, RULES.len() + 1, "a page for each rule, and the index");
}

/// Code hosts show a rule's help beside its results.
#[test]
fn sarif_leads_to_the_page_of_each_rule() {
    for (scenario, loaded) in scenarios() {
        let document = FindingsDocument::new(&loaded.findings, 1, &Secrets::default());
        let sarif: Value = serde_json::from_str(&sarif::findings(&document)).unwrap();
        for rule in sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap() {
            let id = rule["id"].as_str().unwrap();
            let help = rule["help"]["text"].as_str().unwrap();
            let own = RULES.iter().any(|rule| rule.id.as_str() == id);
            assert_eq!(help.contains(&format!("docs/rules/{id}.md")), own, "{}: {help}", scenario.display());
        }
    }
}
