//! Repositories by SSH, against a live server: `sshd/` is built from Go's own SSH library on first use.
//!
//! `FLINKOPS_TEST_SSH=off` leaves these tests out on purpose; nothing else does.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use insta::assert_snapshot;
use tempfile::TempDir;

use super::world::{Ran, Repository};
use crate::parts::Suite;

const SUITE: Suite = Suite { name: "live SSH server", off: "FLINKOPS_TEST_SSH" };
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/sshd");
const SOURCES: [&str; 3] =
    [include_str!("sshd/go.mod"), include_str!("sshd/go.sum"), include_str!("sshd/main.go")];

/// A server with one repository; it ends with its test.
struct Server {
    process: Child,
    port: String,
    keys: TempDir,
    repository: Repository,
    /// Where people sit: a home without a key, an agent or a known host.
    desk: Repository,
}

impl Server {
    /// Starts one whose host key is of this kind; `None` where the suite is left out on purpose.
    fn start(host_key: &str) -> Option<Self> {
        if SUITE.is_off() {
            return None;
        }
        let program = SUITE.go_tool(MODULE, ".", &SOURCES).unwrap_or_else(|error| panic!("{error:#}"));
        let (keys, repository) = (tempfile::tempdir().unwrap(), Repository::with_jobs(&[("a", "")]));
        let mut command = Command::new(program);
        command.arg("-keys").arg(keys.path()).arg("-repository").arg(repository.path());
        command.args(["-host-key", host_key]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port = port.trim().to_owned();
        Some(Self { process, port, keys, repository, desk: Repository::new(&[]) })
    }

    fn key(&self, name: &str) -> PathBuf {
        self.keys.path().join(name)
    }

    /// Says that the host is known by this file.
    fn known_hosts(&self, text: &str) {
        std::fs::write(self.key("known_hosts"), text).unwrap();
    }

    /// Validates the repository with this key.
    fn validate(&self, key: &str) -> Ran {
        let mut command = self.command("orders.git");
        command.arg("--ssh-key").arg(self.key(key));
        self.ran(command)
    }

    /// Validates the repository with the agent at this socket, if any.
    fn validate_by_agent(&self, socket: Option<&str>) -> Ran {
        let mut command = self.command("orders.git");
        command.envs(socket.map(|socket| ("SSH_AUTH_SOCK", self.key(socket))));
        self.ran(command)
    }

    fn command(&self, path: &str) -> Command {
        let url = format!("ssh://git@127.0.0.1:{}/{path}", self.port);
        let mut command = self.desk.command(&["validate", "--repo", &url, "--known-hosts"]);
        command.arg(self.key("known_hosts"));
        command
    }

    fn ran(&self, command: Command) -> Ran {
        let ran = self.desk.ran(command);
        let steady = |text: &str| {
            text.replace(&self.keys.path().display().to_string(), "[keys]").replace(&self.port, "[port]")
        };
        Ran { code: ran.code, stdout: steady(&ran.stdout), stderr: steady(&ran.stderr) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

#[test]
fn a_repository_is_read_by_ssh_and_followed() {
    for host_key in ["ed25519", "ecdsa"] {
        let Some(server) = Server::start(host_key) else { return };
        let ran = server.validate("user").expect(0);
        assert_eq!(ran.stdout, "1 unit, no errors\n");
        server.repository.write("jobs/b/job.yaml", "kind: Nothing\n");
        server.repository.commit();
        let ran = server.validate_by_agent(Some("user-agent")).expect(1);
        assert!(ran.stdout.contains("jobs/b/job.yaml"), "{ran}");
    }
}

#[test]
fn a_host_that_is_not_known_is_refused() {
    let Some(server) = Server::start("ed25519") else { return };
    server.known_hosts("");
    let empty = server.validate("user");
    assert_snapshot!(empty, @r#"
    exit 1
    --- stdout
    --- stderr
    error: failed to fetch ssh://git@127.0.0.1:[port]/orders.git: [127.0.0.1]:[port] is not in [keys]/known_hosts
    help: add it: ssh-keyscan -p [port] 127.0.0.1, and compare it with what the host publishes
    "#);
    std::fs::remove_file(server.key("known_hosts")).unwrap();
    assert_eq!(server.validate("user"), empty, "a file that is not there knows nobody");
}

#[test]
fn a_host_with_another_key_than_before_is_refused() {
    let (Some(server), Some(other)) = (Server::start("ed25519"), Server::start("ed25519")) else { return };
    let theirs = std::fs::read_to_string(other.key("known_hosts")).unwrap();
    server.known_hosts(&theirs.replace(&other.port, &server.port));
    assert_snapshot!(server.validate("user"), @r#"
    exit 1
    --- stdout
    --- stderr
    error: failed to fetch ssh://git@127.0.0.1:[port]/orders.git: the ssh-ed25519 key of [127.0.0.1]:[port] is not the one on line 1 of [keys]/known_hosts
    help: someone may be in between; if the host really has a new key, replace that line
    "#);
    let other_type = format!("# the hosts we know\n[127.0.0.1]:{} ecdsa-sha2-nistp256 AAAA\n", server.port);
    server.known_hosts(&other_type);
    assert_snapshot!(server.validate("user"), @r#"
    exit 1
    --- stdout
    --- stderr
    error: failed to fetch ssh://git@127.0.0.1:[port]/orders.git: [127.0.0.1]:[port] shows a key of type ssh-ed25519, and [keys]/known_hosts has ecdsa-sha2-nistp256 only
    help: add it: ssh-keyscan -p [port] 127.0.0.1, and compare it with what the host publishes
    "#);
}

#[test]
fn keys_that_the_server_or_we_cannot_use_are_named() {
    let Some(server) = Server::start("ed25519") else { return };
    let told = |what: &str, ran: Ran| format!("{what}: {:?}\n{}", ran.code, ran.stderr);
    let keys = ["stranger", "user-locked", "nowhere", "known_hosts"];
    let mut all: Vec<String> = keys.iter().map(|key| told(key, server.validate(key))).collect();
    for socket in [None, Some("nowhere"), Some("stranger-agent")] {
        all.push(told(&format!("agent {socket:?}"), server.validate_by_agent(socket)));
    }
    assert_snapshot!(all.join("\n"), @r#"
    stranger: Some(1)
    error: failed to fetch ssh://git@127.0.0.1:[port]/orders.git: the server does not take the key [keys]/stranger
    help: add the public key to the repository, or name another with --ssh-key

    user-locked: Some(1)
    error: failed to fetch ssh://git@127.0.0.1:[port]/orders.git: the key [keys]/user-locked cannot be used: Unable to extract public key from private key: Unsupported private key format
    help: it must be a private key without a passphrase, which this user may read; one with a passphrase can be added to an SSH agent

    nowhere: Some(1)
    error: failed to fetch ssh://git@127.0.0.1:[port]/orders.git: the key [keys]/nowhere cannot be used: Unable to open private key file
    help: it must be a private key without a passphrase, which this user may read; one with a passphrase can be added to an SSH agent

    known_hosts: Some(1)
    error: failed to fetch ssh://git@127.0.0.1:[port]/orders.git: the key [keys]/known_hosts cannot be used: Unable to extract public key from private key: Unsupported private key format
    help: it must be a private key without a passphrase, which this user may read; one with a passphrase can be added to an SSH agent

    agent None: Some(1)
    error: failed to fetch ssh://git@127.0.0.1:[port]/orders.git: there is no SSH agent to ask: SSH_AUTH_SOCK is not set
    help: name a key with --ssh-key, or start an agent

    agent Some("nowhere"): Some(1)
    error: failed to fetch ssh://git@127.0.0.1:[port]/orders.git: the SSH agent at [keys]/nowhere does not answer: No such file or directory (os error 2)
    help: name a key with --ssh-key, or start an agent

    agent Some("stranger-agent"): Some(1)
    error: failed to fetch ssh://git@127.0.0.1:[port]/orders.git: the server does not take any key of the SSH agent
    help: add the public key to the repository, or name another with --ssh-key
    "#);
}

#[test]
fn a_repository_that_the_server_does_not_have_is_told_in_its_words() {
    let Some(server) = Server::start("ed25519") else { return };
    let mut command = server.command("elsewhere.git");
    command.arg("--ssh-key").arg(server.key("user"));
    assert_snapshot!(server.ran(command), @r#"
    exit 1
    --- stdout
    --- stderr
    error: failed to fetch ssh://git@127.0.0.1:[port]/elsewhere.git: \u{1b}[2Jno such repository
    help: check the address, and that the credentials may read it
    "#);
}
