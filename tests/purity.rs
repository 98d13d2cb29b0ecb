//! The pure rooms import nothing that touches the world. Clippy denies the calls (`clippy.toml`);
//! this denies the imports, which say the same to a reader.

use std::fs;
use std::path::{Path, PathBuf};

const PURE: [&str; 4] = ["spec", "plan", "flink", "report"];
/// Paths of crates and modules, as they would stand in an import or in an expression.
const IMPURE: [&str; 26] = [
    "kube::",
    "git2::",
    "axum::",
    "tokio::",
    "tokio_util::",
    "tower::",
    "notify::",
    "futures::",
    "http::",
    "tracing::",
    "tracing_subscriber::",
    "prometheus_client::",
    "tempfile::",
    "clap::",
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::{",
    "crate::cluster::",
    "crate::daemon::",
    "crate::cli::",
    "crate::repo::",
];

#[test]
fn the_pure_rooms_import_nothing_that_touches_the_world() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<PathBuf> = PURE.iter().flat_map(|room| rust_files(&source.join(room))).collect();
    assert!(files.len() > 20, "only {} files in the pure rooms: are they elsewhere now?", files.len());
    let broken: Vec<String> = files.iter().flat_map(|file| violations(file)).collect();
    assert!(broken.is_empty(), "impure code in a pure room:\n{}", broken.join("\n"));
}

#[test]
fn clippy_denies_the_calls_in_every_pure_room() {
    let library = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
    for room in PURE {
        let guarded =
            format!("#[deny(clippy::disallowed_methods, clippy::disallowed_types)]\npub mod {room};");
        assert!(library.contains(&guarded), "`pub mod {room}` in src/lib.rs lost its guard");
    }
}

#[test]
fn an_import_is_told_from_a_word() {
    assert!(is_violation("use std::fs;", "std::fs"));
    assert!(is_violation("    let client = kube::Client::new();", "kube::"));
    assert!(!is_violation("//! see kube::Client", "kube::"));
    assert!(!is_violation("use crate::minikube::x;", "kube::"));
}

fn violations(file: &Path) -> Vec<String> {
    let text = read(file);
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(number, line)| {
            let found = IMPURE.iter().filter(move |path| is_violation(line, path));
            found.map(move |path| format!("{}:{}: {path}", file.display(), number + 1))
        })
        .collect()
}

/// Whether a line of code names a path; comments may.
fn is_violation(line: &str, path: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':')
    })
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
