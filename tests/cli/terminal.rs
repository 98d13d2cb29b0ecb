//! The question that `apply` asks, on a pseudo-terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use flinkops::sim::LoggedRequest;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::world::{Ran, Repository, World};

/// Runs the program on a terminal at which these keys are pressed; its stderr is what the terminal shows.
fn at_terminal(world: &World, arguments: &[&str], keys: &str) -> Ran {
    on_terminal(world.command(arguments), keys, Stdio::piped())
}

/// The same with any command, whose stdout is the terminal as well unless it is somewhere else.
pub fn on_terminal(mut command: Command, keys: &str, stdout: impl Into<Option<Stdio>>) -> Ran {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap();
    let theirs = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let stdout = stdout.into().unwrap_or_else(|| theirs.try_clone().unwrap().into());
    command.stdin(theirs.try_clone().unwrap()).stderr(theirs).stdout(stdout);
    let child = command.spawn().unwrap();
    // The terminal ends with the last process that has it.
    drop(command);
    let mut ours = File::from(ours);
    ours.write_all(keys.as_bytes()).unwrap();
    let screen = std::thread::spawn(move || {
        let mut shown = Vec::new();
        // Its end is an error on Linux.
        let _ = ours.read_to_end(&mut shown);
        String::from_utf8_lossy(&shown).into_owned()
    });
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Ran { code: output.status.code(), stdout, stderr: screen.join().unwrap() }
}

const QUESTION: &str = "Apply this plan? [y/N]";
/// Ends the input, as Ctrl-D does.
const END: &str = "\u{4}";

fn world() -> World {
    World::new(Repository::with_jobs(&[("a", "")]))
}

#[test]
fn apply_asks_and_takes_yes_for_an_answer() {
    for keys in ["y\n", "YES\n"] {
        let world = world();
        let ran = at_terminal(&world, &["apply", "--timeout", "60s"], keys).expect(0);
        assert!(ran.stderr.contains(QUESTION), "{ran}");
        assert!(ran.stdout.contains("+ a  create"), "the plan is shown first: {ran}");
        assert!(ran.stdout.contains("1. a: created, started\n"), "and what comes of it: {ran}");
        assert!(ran.stdout.contains("nothing restarts, no savepoint is taken\n"), "{ran}");
        assert!(world.live("a").is_some());
        let again = at_terminal(&world, &["apply", "--timeout", "60s"], END).expect(0);
        assert!(!again.stderr.contains(QUESTION), "there is nothing to ask: {again}");
    }
}

#[test]
fn any_other_answer_does_nothing() {
    for keys in ["\n", "n\n", "yep\n", END] {
        let world = world();
        let ran = at_terminal(&world, &["apply", "--timeout", "60s"], keys).expect(1);
        assert!(ran.stderr.contains(QUESTION) && ran.stderr.contains("Nothing was done."), "{ran}");
        let writes: Vec<_> = world.sim.requests().into_iter().filter(LoggedRequest::is_write).collect();
        assert!(writes.is_empty(), "{writes:?}");
    }
}

#[test]
fn yes_leaves_the_question_out() {
    let world = world();
    let ran = at_terminal(&world, &["apply", "--yes", "--timeout", "60s"], END).expect(0);
    assert!(!ran.stderr.contains(QUESTION), "{ran}");
    assert!(!ran.stdout.contains("Forecast"), "nobody is asked: {ran}");
    assert!(world.live("a").is_some());
}

#[test]
fn without_a_terminal_there_is_no_question_and_nothing_is_done() {
    let world = world();
    let ran = world.run(&["apply"]).expect(64);
    assert!(ran.stderr.contains("agree beforehand with --yes"), "{ran}");
    assert!(world.sim.requests().is_empty(), "nothing is even read");
}
