//! The committed schemas are the ones the types make. `UPDATE_SCHEMAS=1` writes them.

use std::collections::BTreeSet;
use std::path::Path;

use clap::ValueEnum as _;
use flinkops::cli::schema::Subject;
use flinkops::repo::worktree;
use flinkops::rule::RuleId;
use flinkops::spec::source::{Limits, SourceTree};
use flinkops::spec::{Finding, Severity, load, yaml};
use jsonschema::Validator;
use serde_json::Value;

use crate::loader;

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    for subject in Subject::value_variants() {
        let file = folder.join(format!("{}.schema.json", subject.name()));
        let wanted = flinkops::report::json(&subject.schema());
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &wanted).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == wanted, "{} is not up to date: run with UPDATE_SCHEMAS=1", file.display());
    }
}

#[test]
fn every_schema_is_one() {
    for subject in Subject::value_variants() {
        let schema = subject.schema();
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{}: {error}", subject.name()));
    }
}

/// Rules of the loader that no schema of a single file can hold, and why.
const UNSEEN: &[(&str, &str)] = &[
    ("ambiguous-dependency", "other folders say what a name means"),
    ("application-cluster", "the operator's rule on the merged result"),
    ("autoscaler", "it is about two objects"),
    ("autoscaler-window", "the operator's rule on the merged result"),
    ("awaited-kind", "kinds are free, but for a few"),
    ("bad-name", "names are keys, or folders"),
    ("bad-path", "what leads out of the repository is no matter of form"),
    ("bad-value", "durations, pointers and what depends on another value"),
    ("blue-green-template", "another layer may have it"),
    ("checkpoint-directory", "the operator's rule on the merged result"),
    ("companion-kind", "flinkops.yaml says which kinds there may be"),
    ("config-map-file", "the files beside it are not in it"),
    ("config-map-mount", "it depends on the kind and on other layers"),
    ("config-map-too-large", "the files beside it are not in it"),
    ("confluent-field", "another layer may have the field"),
    ("dangling-dependency", "other folders say what there is"),
    ("dependency-cycle", "other folders say what there is"),
    ("duplicate-key", "a parsed document has each key once"),
    ("duplicate-name", "other folders say what there is"),
    ("flink-version", "the operator's rule on the merged result"),
    ("forbidden-key", "configuration may hold any key"),
    ("foreign-namespace", "the environments are in flinkops.yaml"),
    ("health-check-without-recovery", "the operator's rule on the merged result"),
    ("ingress-template", "the operator's rule on the merged result"),
    ("jar-uri", "the operator's rule on the merged result"),
    ("job-manager-replicas", "the operator's rule on the merged result"),
    ("many-documents", "a schema sees one document"),
    ("memory", "the operator's rule on the merged result"),
    ("missing-field", "another layer may have the field"),
    ("missing-file", "there is nothing to see"),
    ("name", "names are keys, or folders"),
    ("no-jobs", "there is nothing to see"),
    ("not-text", "it is no document"),
    ("overlapping-keys", "the operator's rule on the merged result"),
    ("parallelism", "the operator's rule on the merged result"),
    ("refused-value", "it depends on the operator's version in flinkops.yaml"),
    ("renamed-kind", "another layer may say the kind"),
    ("requirements", "the operator's rule on the merged result"),
    ("reserved-name", "labels may have any name"),
    ("rollback-without-ha", "the operator's rule on the merged result"),
    ("savepoint-directory", "the operator's rule on the merged result"),
    ("savepoint-directory-for-max-age", "the operator's rule on the merged result"),
    ("savepoint-directory-for-nonce", "the operator's rule on the merged result"),
    ("savepoint-directory-for-periodic", "the operator's rule on the merged result"),
    ("service-account", "the operator's rule on the merged result"),
    ("session-job-last-state", "it depends on the operator's version in flinkops.yaml"),
    ("shared-object", "it is about two environments"),
    ("size", "the operator's rule on the merged result"),
    ("snapshot-checkpoint", "it is about the job, which is another file's"),
    ("snapshot-job", "the operator's rule on the merged result"),
    ("snapshot-kind", "the operator's rule on the merged result"),
    ("snapshot-path", "it is about the job, which is another file's"),
    ("standby-without-ha", "the operator's rule on the merged result"),
    ("stray-file", "a file's name is not in it"),
    ("task-manager-replicas", "the operator's rule on the merged result"),
    ("task-manager-replicas-positive", "the operator's rule on the merged result"),
    ("two-rollbacks", "the operator's rule on the merged result"),
    ("unknown-environment", "the environments are in flinkops.yaml"),
    ("unknown-value", "the values are in flinkops.yaml"),
    ("unresolved-placeholder", "it depends on where a text goes"),
    ("unstoppable", "it is about the merged result"),
    ("unused-image", "other files say what images there are"),
    ("unused-value", "other files refer to it"),
    ("wrong-type", "of what a reference stands for, which is in flinkops.yaml"),
    ("yaml-syntax", "it is no document"),
    ("yaml-too-deep", "it is no document"),
    ("yaml-too-large", "it is no document"),
];

/// Whether a schema of the one file can see it: what is written, not what a reference stands for.
fn is_seen(finding: &Finding) -> bool {
    let form = [
        " is not one of ",
        ": must be at least",
        ": must not be empty",
        ": expected letters",
        ": expected lower-case",
    ];
    finding.notes.is_empty()
        && match finding.rule {
            RuleId::UnknownField | RuleId::WrongType => true,
            RuleId::BadValue => {
                form.iter().any(|part| finding.message.contains(part))
                    && !finding.message.contains("flinkops.dev/")
            }
            RuleId::MissingField => finding.place.file == "flinkops.yaml",
            _ => false,
        }
}

/// Which schema an editor uses for a file; `None` for one that is no file of ours.
fn subject(path: &str, environments: &[String]) -> Option<Subject> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let environment = || environments.iter().any(|environment| name == format!("{environment}.yaml"));
    match name {
        "flinkops.yaml" => Some(Subject::Flinkops),
        _ if name == "job.yaml" || environment() => Some(Subject::Job),
        _ => None,
    }
}

/// The documents of a repository that editors check: path, subject and value. Plain manifests are not ours.
fn documents(tree: &SourceTree) -> Vec<(String, Subject, Value)> {
    let limits = Limits::default();
    let read = |path: &str, bytes: &[u8]| yaml::read(path, bytes, &limits).ok();
    let root = tree.files.get("flinkops.yaml").and_then(|bytes| read("flinkops.yaml", bytes));
    let environments = root.as_ref().and_then(|root| root.first()?.get("environments")?.members());
    let environments: Vec<String> =
        environments.into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let mut found = Vec::new();
    for (path, bytes) in &tree.files {
        let (Some(subject), Some(nodes)) = (subject(path, &environments), read(path, bytes)) else {
            continue;
        };
        let ours = nodes.iter().all(|node| node.get("apiVersion").is_none() && node.members().is_some());
        if let ([node], true) = (nodes.as_slice(), ours) {
            found.push((path.clone(), subject, node.to_value()));
        }
    }
    found
}

fn validator(subject: Subject) -> Validator {
    jsonschema::validator_for(&subject.schema()).unwrap()
}

#[test]
fn the_schemas_accept_every_example() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let patterns = std::fs::read_dir(examples.join("patterns")).unwrap().map(|entry| entry.unwrap().path());
    let (job, flinkops) = (validator(Subject::Job), validator(Subject::Flinkops));
    let mut count = 0;
    for repository in patterns.chain([examples.clone()]) {
        let tree = worktree::read(&repository, &Limits::default()).unwrap();
        for (path, subject, value) in documents(&tree) {
            let validator = if subject == Subject::Job { &job } else { &flinkops };
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert_eq!(errors, [""; 0], "{}/{path}", repository.display());
            count += 1;
        }
    }
    assert!(count >= 15, "only {count} files");
}

#[test]
fn the_schemas_refuse_what_a_schema_can_see_and_nothing_else() {
    let (job, flinkops) = (validator(Subject::Job), validator(Subject::Flinkops));
    let (mut refused, mut rules) = (0, BTreeSet::new());
    for (scenario, tree) in loader::trees() {
        let findings = load(&tree, &Limits::default(), None).findings;
        let errors = || findings.iter().filter(|finding| finding.severity == Severity::Error);
        let broken = errors().any(|finding| finding.place.file == "flinkops.yaml");
        for (path, subject, value) in documents(&tree) {
            // Where flinkops.yaml is broken, nobody has looked at the jobs.
            if broken && subject == Subject::Job {
                continue;
            }
            let seen = errors().any(|finding| finding.place.file == path && is_seen(finding));
            let validator = if subject == Subject::Job { &job } else { &flinkops };
            let said: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert_eq!(!said.is_empty(), seen, "{scenario}: {path}: {said:#?}");
            refused += usize::from(seen);
        }
        rules.extend(errors().filter(|finding| !is_seen(finding)).map(|finding| finding.rule.as_str()));
    }
    assert!(refused >= 8, "only {refused} files");
    let listed: BTreeSet<&str> = UNSEEN.iter().map(|(rule, _)| *rule).collect();
    // A rule of lint says what it is about on its own page.
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules");
    let unlisted: Vec<&&str> =
        rules.difference(&listed).filter(|rule| !pages.join(format!("{rule}.md")).exists()).collect();
    assert!(unlisted.is_empty(), "say why no schema can see {unlisted:?}");
}
