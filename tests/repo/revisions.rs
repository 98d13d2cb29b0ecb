//! Revisions by name, what a working directory says of itself, ancestry, and cheap rereading.

use std::sync::Arc;

use flinkops::repo::{Repository, Source, WORKING_DIRECTORY, worktree};
use flinkops::spec::source::{Limits, Revision};

use super::{Sandbox, paths};

#[test]
fn a_revision_is_found_by_every_name_it_has() {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", "1");
    let first = sandbox.commit("first");
    let commit = sandbox.git.find_commit(first.parse().unwrap()).unwrap();
    let object = commit.as_object();
    sandbox.git.tag_lightweight("light", object, false).unwrap();
    sandbox.git.tag("heavy", object, &commit.author(), "a note", false).unwrap();
    sandbox.git.branch("release/1.0", &commit, false).unwrap();
    sandbox.git.reference("refs/remotes/origin/upstream", commit.id(), false, "").unwrap();
    sandbox.write("a.yaml", "2");
    let second = sandbox.commit("second");

    let source = Source::parse(sandbox.text()).unwrap();
    let find = |name: &str| source.resolve(name).unwrap().to_string();
    for name in [
        "light",
        "heavy",
        "release/1.0",
        "origin/upstream",
        "upstream",
        "HEAD~1",
        "main^",
        &first,
        &first[..10],
    ] {
        assert_eq!(find(name), first, "{name}");
    }
    for name in ["HEAD", "main", "refs/heads/main", &second] {
        assert_eq!(find(name), second, "{name}");
    }
    assert_eq!(source.head().unwrap().to_string(), second);
    let old = source.read(Some("light"), &Limits::default()).unwrap();
    assert_eq!(&*old.files["a.yaml"], b"1");
    assert_eq!((old.origin.revision.as_str(), old.origin.committed), (first.as_str(), true));
}

#[test]
fn a_branch_wins_over_a_tag_of_the_same_name() {
    let sandbox = Sandbox::new();
    let first = sandbox.commit("first");
    let commit = sandbox.git.find_commit(first.parse().unwrap()).unwrap();
    sandbox.git.tag_lightweight("main", commit.as_object(), false).unwrap();
    let second = sandbox.commit("second");
    assert_eq!(Source::parse(sandbox.text()).unwrap().resolve("main").unwrap().to_string(), second);
}

#[test]
fn a_name_that_is_no_revision_is_an_error_that_helps() {
    let sandbox = Sandbox::new();
    let source = Source::parse(sandbox.text()).unwrap();
    assert!(source.head().unwrap_err().to_string().ends_with("there is no commit yet"));
    sandbox.commit("first");
    let error = source.resolve("mian").unwrap_err();
    assert!(error.to_string().starts_with("find revision `mian` in "), "{error}");
    assert_eq!(error.hint(), Some("did you mean `main`?"));
    for odd in [
        "",
        "--upload-pack=x",
        "../../etc/passwd",
        "main:a.yaml",
        "0000000000000000000000000000000000000000",
        "\0",
    ] {
        assert!(source.resolve(odd).is_err(), "{odd:?}");
    }
}

#[test]
fn a_working_directory_is_its_commit_only_while_nothing_differs() {
    let sandbox = Sandbox::new();
    let read = || worktree::read(sandbox.path(), &Limits::default()).unwrap().origin;
    sandbox.write("jobs/a/job.yaml", "1");
    assert_eq!((read().revision.as_str(), read().committed), (WORKING_DIRECTORY, false));
    let head = sandbox.commit("first");
    assert_eq!((read().revision.to_string(), read().committed), (head, true));
    sandbox.write("new.yaml", "");
    assert_eq!((read().revision.as_str(), read().committed), (WORKING_DIRECTORY, false));
    sandbox.commit("second");
    assert!(read().committed);
    sandbox.write("jobs/a/job.yaml", "2");
    assert!(!read().committed);
}

#[test]
fn a_folder_inside_is_read_as_a_root_and_speaks_for_itself() {
    let sandbox = Sandbox::new();
    sandbox.write("team/jobs/a/job.yaml", "1");
    sandbox.write("team-two/x.yaml", "1");
    let head = sandbox.commit("first");
    sandbox.write("team-two/x.yaml", "2");
    let team = sandbox.path().join("team");
    let tree = worktree::read(&team, &Limits::default()).unwrap();
    assert_eq!(paths(&tree), ["jobs/a/job.yaml"]);
    assert!(tree.origin.committed);
    assert!(!worktree::read(&sandbox.path().join("team-two"), &Limits::default()).unwrap().origin.committed);

    let source = Source::parse(team.to_str().unwrap()).unwrap();
    let committed = source.read(Some(&head), &Limits::default()).unwrap();
    assert_eq!((&committed.files, &committed.origin), (&tree.files, &tree.origin));
    let missing =
        Repository::open(sandbox.path()).unwrap().tree(&Revision::new(head), "team/none", &Limits::default());
    assert!(missing.unwrap_err().to_string().contains("find the folder `team/none`"));
}

#[test]
fn what_git_ignores_is_left_out_unless_it_is_tracked() {
    let sandbox = Sandbox::new();
    sandbox.write(".gitignore", "target/\n*.swp\n");
    sandbox.write("job.yaml", "");
    let tracked = sandbox.write("target/kept.yaml", "");
    let mut index = sandbox.git.index().unwrap();
    index.add_path("target/kept.yaml".as_ref()).unwrap();
    index.write().unwrap();
    sandbox.commit("first");
    sandbox.write("job.yaml.swp", "");
    sandbox.write("target/lost.yaml", "");
    sandbox.write("deep/target/lost.yaml", "");
    assert!(tracked.exists());
    let tree = worktree::read(sandbox.path(), &Limits::default()).unwrap();
    assert_eq!(paths(&tree), [".gitignore", "job.yaml", "target/kept.yaml"]);
    assert!(tree.origin.committed);
}

#[test]
fn a_folder_without_git_is_read_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("job.yaml"), "x").unwrap();
    let tree = worktree::read(folder.path(), &Limits::default()).unwrap();
    assert_eq!(paths(&tree), ["job.yaml"]);
    assert_eq!(tree.origin.identity, folder.path().canonicalize().unwrap().display().to_string());
    assert!(!tree.origin.committed);
    let missing = worktree::read(&folder.path().join("none"), &Limits::default()).unwrap_err();
    assert!(missing.to_string().contains("none: "), "{missing}");
    assert!(worktree::read(&folder.path().join("job.yaml"), &Limits::default()).is_err());
}

#[test]
fn the_identity_is_that_of_the_origin_without_credentials() {
    let sandbox = Sandbox::new();
    let head = sandbox.commit("first");
    let own = sandbox.path().canonicalize().unwrap().display().to_string();
    let both = || {
        let disk = worktree::read(sandbox.path(), &Limits::default()).unwrap().origin.identity;
        let git = Source::parse(sandbox.text())
            .unwrap()
            .read(Some(&head), &Limits::default())
            .unwrap()
            .origin
            .identity;
        assert_eq!(disk, git);
        disk
    };
    assert_eq!(both(), own);
    sandbox.git.remote("origin", "https://robot:hunter2@git.example.com/team/orders.git").unwrap();
    assert_eq!(both(), "git.example.com/team/orders");

    let clone = tempfile::tempdir().unwrap();
    let cloned = git2::Repository::clone(sandbox.text(), clone.path()).unwrap();
    assert_eq!(cloned.find_remote("origin").unwrap().url().unwrap(), sandbox.text());
    assert_eq!(worktree::read(clone.path(), &Limits::default()).unwrap().origin.identity, own);
}

#[test]
fn only_a_descendant_is_a_move_forward() {
    let sandbox = Sandbox::new();
    let first = Revision::new(sandbox.commit("first"));
    let second = Revision::new(sandbox.commit("second"));
    let commit = sandbox.git.find_commit(first.as_str().parse().unwrap()).unwrap();
    sandbox.git.reset(commit.as_object(), git2::ResetType::Hard, None).unwrap();
    sandbox.write("x", "");
    let other = Revision::new(sandbox.commit("other"));
    let source = Source::parse(sandbox.text()).unwrap();
    assert!(source.descends_from(&second, &first));
    assert!(source.descends_from(&first, &first));
    assert!(!source.descends_from(&first, &second));
    assert!(!source.descends_from(&other, &second));
    let unknown = Revision::new("00000000000000000000000000000000deadbeef");
    for odd in [unknown, Revision::new(WORKING_DIRECTORY)] {
        assert!(!source.descends_from(&second, &odd));
        assert!(!source.descends_from(&odd, &odd));
    }
}

#[test]
fn a_file_that_did_not_change_is_not_read_again() {
    let sandbox = Sandbox::new();
    sandbox.write("same.yaml", "same");
    sandbox.write("other.yaml", "1");
    let first = sandbox.commit("first");
    sandbox.write("other.yaml", "2");
    sandbox.commit("second");
    let source = Source::parse(sandbox.text()).unwrap();
    let read = |revision: &str| source.read(Some(revision), &Limits::default()).unwrap();
    let (old, new) = (read(&first), read("main"));
    assert!(Arc::ptr_eq(&old.files["same.yaml"], &new.files["same.yaml"]));
    assert_ne!(old.files["other.yaml"], new.files["other.yaml"]);
    assert!(Arc::ptr_eq(&old.files["other.yaml"], &read(&first).files["other.yaml"]));
}

#[test]
fn a_bare_repository_is_read_at_head_by_path_and_by_file_url() {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", "1");
    let head = sandbox.commit("first");
    sandbox.write("a.yaml", "not committed");
    let bare = tempfile::tempdir().unwrap();
    git2::build::RepoBuilder::new().bare(true).clone(sandbox.text(), bare.path()).unwrap();
    let places = [
        bare.path().display().to_string(),
        format!("file://{}", bare.path().display()),
        format!("file://{}", sandbox.text()),
    ];
    for place in places {
        let tree = Source::parse(&place).unwrap().read(None, &Limits::default()).unwrap();
        assert_eq!(
            (&*tree.files["a.yaml"], tree.origin.revision.as_str()),
            (&b"1"[..], head.as_str()),
            "{place}"
        );
    }
    let error = Source::parse("file:///nowhere/at/all").unwrap().head().unwrap_err();
    assert!(error.to_string().starts_with("open the Git repository /nowhere/at/all"), "{error}");
}
