//! Scenarios of whole commands on an embedded cluster: a folder named by a sentence holds a repository in `in/`, in
//! `command.txt` the arguments, and in `out.txt` how the command ends and all that it prints; `answer.yaml` is what
//! the API server says to every dry run. `UPDATE_SCENARIOS=1` writes `out.txt`.

use std::fs;
use std::path::{Path, PathBuf};

use flinkops::sim::api::status::StatusError;
use flinkops::sim::{LoggedRequest, Phase, Verdict};
use serde_json::Value;

use super::cli::world::{Repository, World};
use super::loader::files;

fn scenarios() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands");
    let mut all: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// Has the API server answer every dry run so.
fn answer(world: &World, said: &Value) {
    let text = |key: &str| said[key].as_str().unwrap().to_owned();
    let code = u16::try_from(said["code"].as_u64().unwrap()).unwrap();
    let error = StatusError::new(code, text("reason").leak(), text("message"));
    world.sim.on_request(move |request: LoggedRequest, _: Phase| {
        let verdict = if request.dry_run { Verdict::Fail(error.clone()) } else { Verdict::Pass };
        async { verdict }
    });
}

/// What the command of a scenario does.
fn outcome(scenario: &Path) -> String {
    let files = files(&scenario.join("in"));
    let text = |(path, bytes): &(String, Vec<u8>)| (path.clone(), String::from_utf8(bytes.clone()).unwrap());
    let files: Vec<(String, String)> = files.iter().map(text).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let world = World::new(Repository::new(&files));
    if let Ok(said) = fs::read_to_string(scenario.join("answer.yaml")) {
        answer(&world, &serde_saphyr::from_str(&said).unwrap());
    }
    let command = fs::read_to_string(scenario.join("command.txt")).unwrap();
    let ran = world.run(&command.split_whitespace().collect::<Vec<_>>());
    let head = git2::Repository::open(world.repository.path()).unwrap();
    let head = head.head().unwrap().target().unwrap().to_string();
    ran.to_string().replace(&head[..9], "[commit]")
}

#[test]
fn every_command_ends_as_written_down() {
    let update = std::env::var_os("UPDATE_SCENARIOS").is_some();
    let (scenarios, mut wrong) = (scenarios(), Vec::new());
    assert!(!scenarios.is_empty());
    for scenario in scenarios {
        let (actual, expected) = (outcome(&scenario), scenario.join("out.txt"));
        if update {
            fs::write(&expected, &actual).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
            wrong.push(format!("{}:\n{actual}", scenario.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_SCENARIOS=1 takes these over:\n{}", wrong.join("\n"));
}
