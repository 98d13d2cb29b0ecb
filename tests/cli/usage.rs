//! What is typed wrong, and where output goes.

use std::io::Read;
use std::process::Stdio;

use insta::assert_snapshot;

use super::world::Repository;

#[test]
fn wrong_usage_is_64_and_says_what_to_write() {
    let repository = Repository::with_jobs(&[("a", "")]);
    repository.write("b.txt", "not committed");
    let wrong: [&[&str]; 8] = [
        &[],
        &["deploy"],
        &["plan", "--format", "xml"],
        &["validate", "--environment", "staging"],
        &["graph", "--environment", "staging"],
        &["apply"],
        &["apply", "--yes"],
        &["run", "--interval", "0s"],
    ];
    let told: Vec<String> = wrong
        .iter()
        .map(|arguments| {
            let ran = repository.run(arguments);
            let first: Vec<&str> = ran.stderr.lines().take(3).collect();
            format!("{arguments:?}: {:?}\n{}", ran.code, first.join("\n"))
        })
        .collect();
    assert_snapshot!(told.join("\n\n"), @r#"
    []: Some(64)
    A GitOps reconciler that understands Apache Flink on Kubernetes

    Usage: flinkops [OPTIONS] <COMMAND>

    ["deploy"]: Some(64)
    error: unrecognized subcommand 'deploy'

      tip: some similar subcommands exist: 'apply', 'demo'

    ["plan", "--format", "xml"]: Some(64)
    error: invalid value 'xml' for '--format <FORMAT>'
      [possible values: text, json, markdown]


    ["validate", "--environment", "staging"]: Some(64)
    error: there is no environment `staging`
    help: there are prod

    ["graph", "--environment", "staging"]: Some(64)
    error: there is no environment `staging`
    help: there are prod

    ["apply"]: Some(64)
    error: there is no terminal to ask on
    help: agree beforehand with --yes

    ["apply", "--yes"]: Some(64)
    error: the working directory has changes that are not committed
    help: commit them, name a commit with --revision, or add --allow-dirty

    ["run", "--interval", "0s"]: Some(64)
    error: invalid value '0s' for '--interval <DURATION>': must be more than nothing

    For more information, try '--help'.
    "#);
}

#[test]
fn help_and_version_are_no_error() {
    let repository = Repository::with_jobs(&[]);
    for arguments in [&["--help"][..], &["--version"], &["plan", "--help"], &["help", "apply"]] {
        let ran = repository.run(arguments).expect(0);
        assert!(!ran.stdout.is_empty() && ran.stderr.is_empty(), "{ran}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let repository = Repository::with_jobs(&[]);
    let mut child =
        repository.command(&["schema", "job"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn output_goes_to_a_file_that_is_replaced_as_a_whole() {
    let repository = Repository::with_jobs(&[]);
    repository.write("out/schema.json", "old");
    let ran = repository.run(&["schema", "plan", "--output", "out/schema.json"]).expect(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    let written = std::fs::read_to_string(repository.path().join("out/schema.json")).unwrap();
    assert_eq!(written, repository.run(&["schema", "plan"]).stdout);
    assert_eq!(std::fs::read_dir(repository.path().join("out")).unwrap().count(), 1);
    let ran = repository.run(&["schema", "plan", "--output", "nowhere/schema.json"]).expect(1);
    assert!(ran.stderr.contains("failed to write nowhere/schema.json"), "{ran}");
}

#[test]
fn completions_are_there_for_every_shell() {
    let repository = Repository::with_jobs(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = repository.run(&["completions", shell]).expect(0);
        assert!(ran.stdout.contains("flinkops"), "{shell}");
    }
}

#[test]
fn a_missing_cluster_is_an_error_with_a_hint() {
    let repository = Repository::with_jobs(&[("a", "")]);
    assert_snapshot!(repository.run(&["plan"]), @r#"
    exit 1
    --- stdout
    --- stderr
    error: failed to find a cluster to talk to: failed to read kubeconfig from '"[repository]/.home/.kube/config"': No such file or directory (os error 2)
    help: name one with --kubeconfig FILE and --context NAME
    "#);
}
