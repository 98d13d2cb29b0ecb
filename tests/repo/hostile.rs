//! Trees made to lead a reader astray (advisories on traversal, symbolic links and exhaustion).

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use flinkops::repo::{Source, worktree};
use flinkops::rule::RuleId;
use flinkops::spec::source::{Limits, SourceTree};

use super::{Sandbox, paths, refused, small};

/// Reads the sandbox with both readers, makes sure that they agree, and returns what they read.
fn read_both(sandbox: &Sandbox, limits: &Limits) -> SourceTree {
    let disk = worktree::read(sandbox.path(), limits).unwrap();
    sandbox.commit("all of it");
    let git = Source::parse(sandbox.text()).unwrap().read(Some("HEAD"), limits).unwrap();
    assert_eq!(disk.files, git.files);
    assert_eq!(disk.refused, git.refused);
    git
}

fn read_git(sandbox: &Sandbox, limits: &Limits) -> SourceTree {
    Source::parse(sandbox.text()).unwrap().read(Some("HEAD"), limits).unwrap()
}

#[test]
fn symbolic_links_of_every_sort_are_refused_by_name() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.yaml"), "hunter2").unwrap();
    let sandbox = Sandbox::new();
    let link = |to: &std::path::Path, from: &str| symlink(to, sandbox.path().join(from)).unwrap();
    sandbox.write("jobs/a/job.yaml", "kind: FlinkDeployment\n");
    link(&outside.path().join("secret.yaml"), "jobs/a/file.yaml");
    link(outside.path(), "jobs/folder");
    link("nowhere".as_ref(), "jobs/dangling.yaml");
    link("dangling.yaml".as_ref(), "jobs/chained.yaml");
    link("job.yaml".as_ref(), "jobs/a/inside.yaml");
    link("/".as_ref(), "root");
    link("loop".as_ref(), "loop");

    let tree = read_both(&sandbox, &Limits::default());
    assert_eq!(paths(&tree), ["jobs/a/job.yaml"]);
    let expected = [
        "symlink jobs/a/file.yaml",
        "symlink jobs/a/inside.yaml",
        "symlink jobs/chained.yaml",
        "symlink jobs/dangling.yaml",
        "symlink jobs/folder",
        "symlink loop",
        "symlink root",
    ];
    assert_eq!(refused(&tree), expected);
}

#[test]
fn names_that_a_disk_can_hold_but_nobody_should_use_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("good.yaml", "");
    for name in ["back\\slash", "new\nline", "dot.", "space ", "zero\u{200b}width"] {
        sandbox.write(&format!("odd/{name}/job.yaml"), "");
    }
    sandbox.write("odd/x", "");
    fs::write(sandbox.path().join(std::ffi::OsStr::from_bytes(b"odd/\xff.yaml")), "").unwrap();

    let tree = read_both(&sandbox, &Limits::default());
    assert_eq!(paths(&tree), ["good.yaml", "odd/x"]);
    assert_eq!(tree.refused.len(), 6);
    assert!(tree.refused.iter().all(|finding| finding.rule == RuleId::OddPath && finding.hint.is_some()));
    assert!(refused(&tree).contains(&"odd-path odd/new\\nline".to_owned()), "{:?}", refused(&tree));
}

#[test]
fn limits_are_refused_alike() {
    let sandbox = Sandbox::new();
    sandbox.write("a/b/c/kept.yaml", "3 deep");
    sandbox.write("a/b/c/d/lost.yaml", "4 deep");
    sandbox.write("large.yaml", &"x".repeat(101));
    sandbox.write("just.yaml", &"x".repeat(100));
    let tree = read_both(&sandbox, &small());
    assert_eq!(paths(&tree), ["a/b/c/kept.yaml", "just.yaml"]);
    assert_eq!(refused(&tree), ["path-too-deep a/b/c/d", "file-too-large large.yaml"]);
}

#[test]
fn a_repository_that_is_too_large_is_incomplete_as_a_whole() {
    let many = Sandbox::new();
    for index in 10..30 {
        many.write(&format!("{index}.yaml"), "");
    }
    let tree = read_both(&many, &small());
    assert_eq!(tree.files.len(), 12);
    assert_eq!(refused(&tree), ["too-many-files ."]);

    let heavy = Sandbox::new();
    for index in 0..4 {
        heavy.write(&format!("{index}.yaml"), &"x".repeat(90));
    }
    let tree = read_both(&heavy, &small());
    assert_eq!(tree.files.len(), 3);
    assert_eq!(refused(&tree), ["total-too-large ."]);
}

#[test]
fn tree_entries_that_lead_elsewhere_are_refused() {
    let sandbox = Sandbox::new();
    let blob = sandbox.blob("x");
    let inner = sandbox.raw_tree(&[("100644", b"config", blob)]);
    let tree = sandbox.raw_tree(&[
        ("100644", b"../up.yaml", blob),
        ("40000", b"..", inner),
        ("40000", b".", inner),
        ("40000", b".GIT", inner),
        ("40000", b".git", inner),
        ("100644", b"/etc/passwd", blob),
        ("100644", b"C:\\x", blob),
        ("100644", b"GIT~1", blob),
        ("100644", b"good.yaml", blob),
        ("40000", b"jobs", inner),
        ("100644", b"jobs/slash.yaml", blob),
        ("100644", b"twice.yaml", blob),
        ("100644", b"twice.yaml", blob),
    ]);
    sandbox.commit_tree(tree, "hostile");
    let tree = read_git(&sandbox, &Limits::default());
    assert_eq!(paths(&tree), ["good.yaml", "jobs/config", "twice.yaml"]);
    let expected = [
        "odd-path .",
        "odd-path ..",
        "odd-path ../up.yaml",
        "odd-path .GIT",
        "odd-path .git",
        "odd-path /etc/passwd",
        "odd-path C:\\x",
        "odd-path GIT~1",
        "odd-path jobs/slash.yaml",
        "odd-path twice.yaml",
    ];
    assert_eq!(refused(&tree), expected);
}

#[test]
fn entries_that_are_not_what_they_say_are_refused() {
    let sandbox = Sandbox::new();
    let blob = sandbox.blob("x");
    let inner = sandbox.raw_tree(&[("100644", b"x", blob)]);
    let missing = git2::Oid::from_str("00000000000000000000000000000000deadbeef").unwrap();
    let tree = sandbox.raw_tree(&[
        ("40000", b"blob-as-folder", blob),
        ("60000", b"device", blob),
        ("100644", b"folder-as-blob", inner),
        ("100644", b"missing", missing),
        ("160000", b"submodule", missing),
    ]);
    sandbox.commit_tree(tree, "hostile");
    let tree = read_git(&sandbox, &Limits::default());
    assert_eq!(paths(&tree), Vec::<&str>::new());
    let expected = [
        "unreadable blob-as-folder",
        "special-file device",
        "unreadable folder-as-blob",
        "unreadable missing",
        "submodule submodule",
    ];
    assert_eq!(refused(&tree), expected);
}

#[test]
fn a_tree_that_holds_itself_many_times_over_ends_soon() {
    let sandbox = Sandbox::new();
    let mut tree = sandbox.raw_tree(&[("100644", b"x", sandbox.blob("x"))]);
    for _ in 0..20 {
        let names: Vec<String> = (0..30).map(|index| format!("{index:02}")).collect();
        let entries: Vec<_> = names.iter().map(|name| ("40000", name.as_bytes(), tree)).collect();
        tree = sandbox.raw_tree(&entries);
    }
    sandbox.commit_tree(tree, "30 to the power of 20 files");
    let tree = read_git(&sandbox, &Limits { files: 1_000, ..Limits::default() });
    assert_eq!(refused(&tree), ["too-many-files ."]);
}

#[test]
fn another_repository_inside_is_not_read() {
    let sandbox = Sandbox::new();
    sandbox.write("good.yaml", "");
    git2::Repository::init(sandbox.path().join("vendored")).unwrap();
    sandbox.write("vendored/job.yaml", "");
    sandbox.write("linked/.git", "gitdir: ../elsewhere\n");
    sandbox.write("linked/job.yaml", "");
    let tree = worktree::read(sandbox.path(), &Limits::default()).unwrap();
    assert_eq!(paths(&tree), ["good.yaml"]);
    assert_eq!(refused(&tree), ["submodule linked", "submodule vendored"]);
}

#[test]
fn what_is_neither_file_nor_folder_is_refused() {
    let sandbox = Sandbox::new();
    let _socket = std::os::unix::net::UnixListener::bind(sandbox.path().join("socket")).unwrap();
    let tree = worktree::read(sandbox.path(), &Limits::default()).unwrap();
    assert_eq!(refused(&tree), ["special-file socket"]);
}
