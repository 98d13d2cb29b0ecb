//! Mirrors of remotes, and credentials that go to one host and into no message.

use std::time::Duration;

use flinkops::repo::{Access, Secret, Source};
use flinkops::spec::source::Limits;
use tempfile::TempDir;

use super::Sandbox;
use super::server::{Behaviour, Server};

/// `oauth2:hunter2`, as HTTP sends it.
const BASIC: &str = "Basic b2F1dGgyOmh1bnRlcjI=";

fn serve(sandbox: &Sandbox, authorization: Option<&str>) -> Server {
    let (repository, authorization) = (sandbox.path().to_owned(), authorization.map(str::to_owned));
    Server::start(Behaviour::Serve { repository, authorization })
}

/// A source with a cache of its own and a token.
fn source(url: &str, cache: &TempDir) -> Source {
    let token = Some(Secret::new("hunter2"));
    let access = Access { token, cache: Some(cache.path().join("cache")), ..Access::default() };
    Source::parse(url).unwrap().with_access(access)
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("jobs/a/job.yaml", "1");
    sandbox.commit("first");
    sandbox
}

#[test]
fn a_mirror_follows_its_remote() {
    let (sandbox, cache) = (sandbox(), tempfile::tempdir().unwrap());
    let server = serve(&sandbox, None);
    let source = source(&server.url("team/orders.git"), &cache);
    let tree = source.read(None, &Limits::default()).unwrap();
    assert_eq!(&*tree.files["jobs/a/job.yaml"], b"1");
    assert_eq!(tree.origin.identity, format!("{}/team/orders", server.address));
    let first = source.head().unwrap();

    sandbox.write("jobs/a/job.yaml", "2");
    let second = sandbox.commit("second");
    let commit = sandbox.git.find_commit(second.parse().unwrap()).unwrap();
    sandbox.git.branch("topic", &commit, false).unwrap();
    assert_eq!(source.head().unwrap(), first, "nothing is fetched unasked");
    source.fetch().unwrap();
    assert_eq!(source.head().unwrap().to_string(), second);
    assert!(source.descends_from(&source.head().unwrap(), &first));
    for name in ["topic", "origin/topic", "origin/main"] {
        assert_eq!(source.resolve(name).unwrap().to_string(), second, "{name}");
    }

    sandbox.git.find_branch("topic", git2::BranchType::Local).unwrap().delete().unwrap();
    sandbox
        .git
        .reset(
            sandbox.git.find_commit(first.as_str().parse().unwrap()).unwrap().as_object(),
            git2::ResetType::Hard,
            None,
        )
        .unwrap();
    source.fetch().unwrap();
    assert!(source.resolve("topic").is_err(), "a deleted branch is pruned");
    assert_eq!(source.head().unwrap(), first, "a branch that was reset is followed");
}

#[test]
fn a_mirror_is_found_again_by_the_next_process() {
    let (sandbox, cache) = (sandbox(), tempfile::tempdir().unwrap());
    let server = serve(&sandbox, None);
    let url = server.url("team/orders.git");
    source(&url, &cache).head().unwrap();
    source(&url, &cache).head().unwrap();
    let posts = server.requests().iter().filter(|request| request.line.starts_with("POST")).count();
    assert_eq!(posts, 1, "the second one had everything already");
    let mirrors: Vec<_> = std::fs::read_dir(cache.path().join("cache")).unwrap().collect();
    assert_eq!(mirrors.len(), 1);
}

#[test]
fn the_token_is_sent_when_it_is_asked_for_and_read_anew_from_its_file() {
    let (sandbox, cache) = (sandbox(), tempfile::tempdir().unwrap());
    let server = serve(&sandbox, Some(BASIC));
    source(&server.url("x.git"), &cache).head().unwrap();
    assert_eq!(server.requests()[0].authorization, None);
    assert_eq!(server.requests()[1].authorization.as_deref(), Some(BASIC));

    let file = cache.path().join("token");
    std::fs::write(&file, "stale\n").unwrap();
    let access = Access {
        token_file: Some(file.clone()),
        cache: Some(cache.path().join("other")),
        ..Access::default()
    };
    let source = Source::parse(&server.url("x.git")).unwrap().with_access(access);
    let error = source.fetch().unwrap_err();
    assert!(error.to_string().contains("the server does not take the token of the token file"), "{error}");
    std::fs::write(&file, "hunter2\n").unwrap();
    source.fetch().unwrap();
}

#[test]
fn a_redirect_to_another_host_or_port_gets_no_credentials() {
    let (sandbox, cache) = (sandbox(), tempfile::tempdir().unwrap());
    let other = serve(&sandbox, Some(BASIC));
    let port = other.address.port();
    let places = [format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}")];
    for place in places {
        for behaviour in [Behaviour::Redirect(place.clone()), Behaviour::AskThenRedirect(place.clone())] {
            let server = Server::start(behaviour);
            let error = source(&server.url("x.git"), &cache).fetch().unwrap_err();
            assert!(error.to_string().contains("redirect"), "{error}");
            assert!(error.hint().is_some());
        }
    }
    assert!(other.requests().iter().all(|request| request.authorization.is_none()), "{:?}", other.requests());
}

#[test]
fn a_redirect_within_the_host_is_followed_with_credentials() {
    let (sandbox, cache) = (sandbox(), tempfile::tempdir().unwrap());
    let server = serve(&sandbox, Some(BASIC));
    source(&server.url("short"), &cache).head().unwrap();
    assert!(server.requests().iter().any(|request| request.line.contains("/long.git/")));
}

#[test]
fn names_of_branches_lead_nowhere() {
    let (sandbox, cache) = (sandbox(), tempfile::tempdir().unwrap());
    let references = vec![
        "refs/heads/../../../../escaped",
        "refs/heads/../hooks/post-update",
        "refs/heads/.lock",
        "refs/heads/a.lock",
        "refs/heads/ space",
        "refs/heads/-o",
        "refs/tags/../config",
    ];
    for name in references {
        let repository = sandbox.path().to_owned();
        let server = Server::start(Behaviour::Claim { repository, references: vec![name] });
        let source = source(&server.url("x.git"), &cache);
        // Whether the rest is fetched or nothing at all: nothing is written where it does not belong.
        if source.fetch().is_ok() {
            assert_eq!(source.head().unwrap(), source.resolve("main").unwrap(), "{name}");
        }
        assert!(!cache.path().join("escaped").exists() && !cache.path().join("cache/escaped").exists());
        for mirror in std::fs::read_dir(cache.path().join("cache")).unwrap() {
            let mirror = mirror.unwrap().path();
            assert!(!mirror.join("hooks/post-update").exists() && !mirror.join("escaped").exists(), "{name}");
            let config = std::fs::read_to_string(mirror.join("config")).unwrap();
            assert!(config.contains("[core]"), "{name}: {config}");
        }
    }
}

#[test]
fn no_credential_reaches_an_error() {
    let cache = tempfile::tempdir().unwrap();
    let sandbox = sandbox();
    let picky = serve(&sandbox, Some("Basic something-else"));
    let silent = Server::start(Behaviour::Silent);
    let away = Server::start(Behaviour::AskThenRedirect("http://localhost:1".into()));
    let gone = { serve(&sandbox, None).address };
    for address in [picky.address, silent.address, away.address, gone] {
        let url = format!("http://robot:hunter2@{address}/x.git");
        let access = Access {
            cache: Some(cache.path().join("cache")),
            timeout: Duration::from_secs(2),
            ..Access::default()
        };
        let source = Source::parse(&url).unwrap().with_access(access);
        let error = source.fetch().unwrap_err();
        let said = format!("{error} {error:?} {:?} {source}", error.hint());
        assert!(!said.contains("hunter2"), "{said}");
        assert!(said.contains(&address.to_string()), "{said}");
    }
}

#[test]
fn a_silent_server_does_not_hold_us_for_ever() {
    let (server, cache) = (Server::start(Behaviour::Silent), tempfile::tempdir().unwrap());
    let access = Access {
        cache: Some(cache.path().join("cache")),
        timeout: Duration::from_millis(200),
        ..Access::default()
    };
    let error = Source::parse(&server.url("x")).unwrap().with_access(access).fetch().unwrap_err();
    assert!(error.to_string().contains("no end after"), "{error}");
}
