//! Fetches a remote into its mirror: credentials, host keys, redirects, a deadline.
//!
//! Credentials answer only the host they are meant for: a redirect to another host is refused by
//! libgit2 ([`RemoteRedirect::None`] still lets a server correct the path), one to another port here.

use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use git2::{
    AutotagOption, CertificateCheckStatus, Config, Cred, CredentialHelper, CredentialType, FetchOptions,
    FetchPrune, ProxyOptions, RemoteCallbacks, RemoteRedirect,
};
use url::Url;

use super::access::{Access, Secret};
use super::address::{Address, Remote};
use super::error::{RepoError, reason};
use super::known_hosts::{self, Verdict};

/// Branches and tags, as they are there.
const REFSPECS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// Who asks for a token where the address names no user. Hosts that care say so in their manual, and
/// the address may name one.
const TOKEN_USER: &str = "oauth2";

/// How libgit2 begins when a key cannot even be offered.
const KEY_UNUSABLE: &str = "failed to authenticate SSH session: ";
const KEY_HINT: &str = "it must be a private key without a passphrase, which this user may read; one with a \
                        passphrase can be added to an SSH agent";

/// Brings the mirror up to date. libgit2 cannot be interrupted while a server is silent, so it works
/// on a thread of its own, which is left behind when the time is up.
pub(super) fn fetch(mirror: &Path, remote: &Remote, access: &Access) -> Result<(), RepoError> {
    let (done, wait) = mpsc::channel();
    let (path, from, with) = (mirror.to_owned(), remote.clone(), access.clone());
    thread::spawn(move || done.send(fetch_now(&path, &from, &with)));
    wait.recv_timeout(access.timeout).unwrap_or_else(|_| {
        let seconds = access.timeout.as_secs();
        Err(failed(remote, format!("no end after {seconds} s"), Some("is the host reachable from here?")))
    })
}

fn fetch_now(mirror: &Path, remote: &Remote, access: &Access) -> Result<(), RepoError> {
    let plain = |error: git2::Error| failed(remote, reason(&error), None);
    let repository = git2::Repository::open_bare(mirror).map_err(plain)?;
    let mut connection = repository.remote_anonymous(&remote.url).map_err(plain)?;
    let remote = &rewritten(connection.url().unwrap_or_default(), remote)?;
    let talk = Talk { remote, access, state: RefCell::default() };
    let result = connection.fetch(&REFSPECS, Some(&mut talk.options()), None);
    result.map_err(|error| talk.explain(&error))?;
    if let Ok(branch) = connection.default_branch()
        && let Ok(branch) = branch.as_str()
    {
        repository.set_head(branch).map_err(|error| failed(remote, reason(&error), None))?;
    }
    Ok(())
}

/// The address in force. The user's own `url.<base>.insteadOf` may lead elsewhere; where it leads is
/// held to the same rules, and a password in the original address does not go along.
fn rewritten(url: &str, remote: &Remote) -> Result<Remote, RepoError> {
    if url == remote.url {
        return Ok(remote.clone());
    }
    match Address::parse(url)? {
        Address::Remote(other) => Ok(other),
        Address::Folder(_) | Address::Local(_) => {
            Err(failed(remote, "`insteadOf` in the Git configuration leads to a folder".into(), None))
        }
    }
}

/// Whether there is an SSH agent to ask. libgit2 does not tell none from one without the right key.
fn agent() -> Result<(), String> {
    let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty());
    let socket = PathBuf::from(socket.ok_or("there is no SSH agent to ask: SSH_AUTH_SOCK is not set")?);
    let connected = UnixStream::connect(&socket).map(drop);
    connected.map_err(|error| format!("the SSH agent at {} does not answer: {error}", socket.display()))
}

fn failed(remote: &Remote, reason: String, hint: Option<&str>) -> RepoError {
    RepoError::Fetch { address: remote.url.clone(), reason, hint: hint.map(str::to_owned) }
}

/// One conversation with a remote.
struct Talk<'a> {
    remote: &'a Remote,
    access: &'a Access,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// What was already tried, so that nothing is tried twice.
    key_tried: bool,
    password_tried: Option<&'static str>,
    /// What we ourselves refused, since libgit2 tells it in other words.
    refusal: Option<(String, String)>,
}

impl Talk<'_> {
    fn options(&self) -> FetchOptions<'_> {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.credentials(|url, user, allowed| self.credentials(url, user, allowed));
        callbacks.certificate_check(|certificate, _host| {
            match certificate.as_hostkey().map(|key| key.hostkey().unwrap_or_default()) {
                Some(key) => self.host_key(key),
                None => Ok(CertificateCheckStatus::CertificatePassthrough),
            }
        });
        let mut proxy = ProxyOptions::new();
        proxy.auto();
        let mut options = FetchOptions::new();
        options.remote_callbacks(callbacks).proxy_options(proxy).prune(FetchPrune::On);
        options.download_tags(AutotagOption::None).update_fetchhead(false);
        options.follow_redirects(RemoteRedirect::None);
        options
    }

    fn explain(&self, error: &git2::Error) -> RepoError {
        if let Some((reason, hint)) = self.state.borrow_mut().refusal.take() {
            return failed(self.remote, reason, Some(&hint));
        }
        let text = reason(error);
        let key_tried = self.state.borrow().key_tried;
        if let (true, Some(why)) = (key_tried, text.strip_prefix(KEY_UNUSABLE)) {
            return failed(self.remote, format!("{} cannot be used: {why}", self.key_name()), Some(KEY_HINT));
        }
        let hint = if text.contains("cannot redirect") {
            Some("write the address it redirects to: credentials never follow a redirect to another host")
        } else if text.contains("404") || text.contains("403") || key_tried {
            Some("check the address, and that the credentials may read it")
        } else {
            None
        };
        failed(self.remote, text, hint)
    }

    fn refuse(&self, reason: impl Into<String>, hint: impl Into<String>) -> git2::Error {
        let reason = reason.into();
        let error = git2::Error::from_str(&reason);
        self.state.borrow_mut().refusal = Some((reason, hint.into()));
        error
    }

    fn credentials(
        &self,
        url: &str,
        user: Option<&str>,
        allowed: CredentialType,
    ) -> Result<Cred, git2::Error> {
        let user = user.or(self.remote.user.as_deref());
        if allowed.contains(CredentialType::USERNAME) {
            return Cred::username(user.unwrap_or("git"));
        }
        if allowed.contains(CredentialType::SSH_KEY) {
            return self.ssh_key(user.unwrap_or("git"));
        }
        if allowed.contains(CredentialType::USER_PASS_PLAINTEXT) && self.remote.scheme != "ssh" {
            return self.password(url, user);
        }
        Err(self.refuse(
            "the server takes no credentials that flinkops has",
            "allow SSH keys, or HTTP Basic with a token",
        ))
    }

    fn ssh_key(&self, user: &str) -> Result<Cred, git2::Error> {
        if std::mem::replace(&mut self.state.borrow_mut().key_tried, true) {
            let hint = "add the public key to the repository, or name another with --ssh-key";
            return Err(self.refuse(format!("the server does not take {}", self.key_name()), hint));
        }
        let Some(path) = &self.access.ssh_key else {
            agent().map_err(|why| self.refuse(why, "name a key with --ssh-key, or start an agent"))?;
            return Cred::ssh_key_from_agent(user);
        };
        Cred::ssh_key(user, None, path, None)
    }

    fn key_name(&self) -> String {
        let named = |path: &PathBuf| format!("the key {}", path.display());
        self.access.ssh_key.as_ref().map_or_else(|| "any key of the SSH agent".into(), named)
    }

    fn password(&self, url: &str, user: Option<&str>) -> Result<Cred, git2::Error> {
        if !self.is_same_host(url) {
            return Err(
                self.refuse("the server redirects to another host", "write the address it redirects to")
            );
        }
        let tried = self.state.borrow().password_tried;
        if let Some(source) = tried {
            let hint = "has it expired, and may it read this repository?";
            return Err(self.refuse(format!("the server does not take {source}"), hint));
        }
        let Some((source, user, password)) = self.find_password(user)? else {
            let hint = "set FLINKOPS_GIT_TOKEN, --git-token-file or a Git credential helper";
            return Err(self.refuse("the server asks for credentials and there are none", hint));
        };
        self.state.borrow_mut().password_tried = Some(source);
        Cred::userpass_plaintext(&user, password.reveal())
    }

    /// Where the password comes from, the user it goes with, and the password: the first there is.
    fn find_password(
        &self,
        user: Option<&str>,
    ) -> Result<Option<(&'static str, String, Secret)>, git2::Error> {
        let token_user = || user.unwrap_or(TOKEN_USER).to_owned();
        if let Some(path) = &self.access.token_file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                self.refuse(
                    format!("the token file {} cannot be read: {error}", path.display()),
                    "mount it, or name another",
                )
            })?;
            return Ok(Some(("the token of the token file", token_user(), Secret::new(&text))));
        }
        if let Some(token) = &self.access.token {
            return Ok(Some(("the token of FLINKOPS_GIT_TOKEN", token_user(), token.clone())));
        }
        if let Some(password) = &self.remote.password {
            return Ok(Some(("the password in the address", token_user(), password.clone())));
        }
        Ok(self.ask_helper(user).map(|(user, password)| {
            ("the password of the Git credential helper", user, Secret::new(&password))
        }))
    }

    /// The helper of the user's own configuration; never one that a repository brings along.
    fn ask_helper(&self, user: Option<&str>) -> Option<(String, String)> {
        let config = Config::open_default().ok()?;
        CredentialHelper::new(&self.remote.url).username(user).config(&config).execute()
    }

    fn is_same_host(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| {
            url.scheme() == self.remote.scheme
                && url.host().is_some_and(|host| host.to_string().eq_ignore_ascii_case(&self.remote.host))
                && url.port_or_known_default() == Some(self.remote.port)
        })
    }

    fn host_key(&self, key: &[u8]) -> Result<CertificateCheckStatus, git2::Error> {
        let (host, port) = (&self.remote.host, self.remote.port);
        let file = self.access.known_hosts_file();
        let name = file.as_ref().map_or("known_hosts".into(), |path| path.display().to_string());
        let text = file.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let host = known_hosts::lookup_name(host, port);
        let kind = known_hosts::key_type(key);
        let (reason, hint) = match known_hosts::check(&text, &self.remote.host, port, key) {
            Verdict::Known => return Ok(CertificateCheckStatus::CertificateOk),
            Verdict::Changed { line } => (
                format!("the {kind} key of {host} is not the one on line {line} of {name}"),
                "someone may be in between; if the host really has a new key, replace that line".into(),
            ),
            Verdict::Revoked { line } => (
                format!("the {kind} key of {host} is revoked on line {line} of {name}"),
                "ask who runs the host".into(),
            ),
            Verdict::OtherTypes(types) => (
                format!("{host} shows a key of type {kind}, and {name} has {} only", types.join(", ")),
                format!(
                    "add it: ssh-keyscan -p {port} {}, and compare it with what the host publishes",
                    self.remote.host
                ),
            ),
            Verdict::Unknown => (
                format!("{host} is not in {name}"),
                format!(
                    "add it: ssh-keyscan -p {port} {}, and compare it with what the host publishes",
                    self.remote.host
                ),
            ),
        };
        Err(self.refuse(reason, hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(given: &str) -> Remote {
        match Address::parse(given).unwrap() {
            Address::Remote(remote) => remote,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn credentials_are_for_the_same_scheme_host_and_port_only() {
        let (remote, access) = (remote("https://host/x"), Access::default());
        let talk = Talk { remote: &remote, access: &access, state: RefCell::default() };
        assert!(talk.is_same_host("https://HOST/elsewhere"));
        assert!(talk.is_same_host("https://host:443/x"));
        for other in
            ["https://other/x", "http://host/x", "https://host:8443/x", "https://host.evil/x", "nonsense"]
        {
            assert!(!talk.is_same_host(other), "{other}");
        }
    }

    #[test]
    fn a_host_key_counts_only_when_it_is_on_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        // A key is its type and its body, each preceded by its length.
        let right = b"\0\0\0\x0bssh-ed25519\0\0\0\x05right";
        let wrong = b"\0\0\0\x0bssh-ed25519\0\0\0\x05wrong";
        std::fs::write(&file, "git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAABXJpZ2h0\n").unwrap();
        let access = Access { known_hosts: Some(file), ..Access::default() };
        let remote = remote("git@git.example.com:team/orders.git");
        let talk = Talk { remote: &remote, access: &access, state: RefCell::default() };
        assert!(talk.host_key(right).is_ok());
        assert!(talk.host_key(wrong).is_err());
        let error = talk.explain(&git2::Error::from_str("x"));
        assert!(
            error.to_string().contains("the ssh-ed25519 key of git.example.com is not the one on line 1"),
            "{error}"
        );

        let nowhere = Access { known_hosts: Some(folder.path().join("none")), ..Access::default() };
        let talk = Talk { remote: &remote, access: &nowhere, state: RefCell::default() };
        assert!(talk.host_key(right).is_err());
        let error = talk.explain(&git2::Error::from_str("x"));
        assert!(error.to_string().contains("git.example.com is not in"), "{error}");
        assert!(error.hint().unwrap().contains("ssh-keyscan"));
    }
}
