//! Colours, where they are wanted and nowhere else: on a terminal, as `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE`
//! say, and never in a file.

use std::process::Command;

use super::terminal::on_terminal;
use super::world::{Ran, Repository, job};

const PLAN: [&str; 3] = ["plan", "--base", "HEAD~1"];
type Variables = &'static [(&'static str, &'static str)];

/// A job, and a commit that changes it.
fn repository() -> Repository {
    let repository = Repository::with_jobs(&[("a", "")]);
    repository.write("jobs/a/job.yaml", &job("").replace("job:1", "job:2"));
    repository.commit();
    repository
}

fn command(repository: &Repository, arguments: &[&str], variables: Variables) -> Command {
    let mut command = repository.command(arguments);
    command.env("TERM", "xterm-256color").envs(variables.iter().copied());
    command
}

/// What a terminal shows that stdin, stdout and stderr are.
fn shown(repository: &Repository, arguments: &[&str], variables: Variables) -> String {
    let ran = on_terminal(command(repository, arguments, variables), "", None);
    assert!(matches!(ran.code, Some(0..=2)), "{ran}");
    ran.stderr.replace("\r\n", "\n")
}

fn piped(repository: &Repository, arguments: &[&str], variables: Variables) -> Ran {
    repository.ran(command(repository, arguments, variables))
}

fn is_coloured(text: &str) -> bool {
    text.contains('\u{1b}')
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn a_terminal_is_coloured_unless_it_or_the_variables_say_no() {
    let repository = repository();
    let bare = piped(&repository, &PLAN, &[]).expect(2).stdout;
    for (variables, coloured) in [
        (&[] as Variables, true),
        (&[("NO_COLOR", "")], true),
        (&[("CLICOLOR", "1")], true),
        (&[("NO_COLOR", "1")], false),
        (&[("NO_COLOR", "0")], false),
        (&[("CLICOLOR", "0")], false),
        (&[("TERM", "dumb")], false),
        (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false),
    ] {
        let shown = shown(&repository, &PLAN, variables);
        assert_eq!(is_coloured(&shown), coloured, "{variables:?}: {shown}");
        assert_eq!(plain(&shown), bare, "{variables:?}: colour adds nothing and takes nothing away");
    }
}

#[test]
fn what_is_no_terminal_is_coloured_by_force_only() {
    let repository = repository();
    let bare = piped(&repository, &PLAN, &[]).expect(2).stdout;
    for (variables, coloured) in [
        (&[] as Variables, false),
        (&[("CLICOLOR", "1")], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        let ran = piped(&repository, &PLAN, variables).expect(2);
        assert_eq!(is_coloured(&ran.stdout), coloured, "{variables:?}: {ran}");
        assert_eq!(plain(&ran.stdout), bare, "{variables:?}");
    }
}

#[test]
fn a_file_and_what_scripts_read_are_never_coloured() {
    let repository = repository();
    let forced: Variables = &[("CLICOLOR_FORCE", "1")];
    let folder = tempfile::tempdir().unwrap();
    for format in ["text", "json", "markdown"] {
        let arguments = [&PLAN[..], &["--format", format]].concat();
        let bare = piped(&repository, &arguments, &[]).expect(2).stdout;
        if format != "text" {
            assert_eq!(piped(&repository, &arguments, forced).expect(2).stdout, bare, "{format}");
        }
        let file = folder.path().join(format!("plan.{format}"));
        let arguments = [&arguments[..], &["--output", file.to_str().unwrap()]].concat();
        std::fs::write(&file, "what was there before, and longer than what comes\n".repeat(999)).unwrap();
        let ran = piped(&repository, &arguments, forced).expect(2);
        assert_eq!(ran.stdout, "", "{format}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), bare, "{format}");
    }
    let nowhere = [&PLAN[..], &["--output", "absent/plan.txt"]].concat();
    let ran = piped(&repository, &nowhere, &[]).expect(1);
    assert!(ran.stderr.contains("failed to write absent/plan.txt"), "{ran}");
}

#[test]
fn findings_beside_the_data_follow_the_same_rules() {
    let repository = Repository::with_jobs(&[("a", "extra: 1")]);
    let bare = piped(&repository, &["validate"], &[]).expect(1);
    let bare = bare.stdout + &bare.stderr;
    assert!(bare.contains("unknown field `extra`") && !is_coloured(&bare), "{bare}");
    for (variables, coloured) in [(&[] as Variables, true), (&[("NO_COLOR", "1")], false)] {
        let shown = shown(&repository, &["validate"], variables);
        assert_eq!(is_coloured(&shown), coloured, "{variables:?}: {shown}");
        assert!(plain(&shown).contains("unknown field `extra`"), "{shown}");
    }
}
