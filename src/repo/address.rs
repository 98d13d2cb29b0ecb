//! Which addresses are taken as a repository, and what identifies the repository behind one.

use std::path::PathBuf;

use url::{Host, Url};

use super::access::Secret;
use super::error::{RepoError, shown};

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A folder: a working directory, or something inside one.
    Folder(PathBuf),
    /// A repository on this machine by `file://`: only its commits are read.
    Local(PathBuf),
    /// A repository somewhere else.
    Remote(Remote),
}

/// A repository reached by HTTPS or SSH. Credentials are kept apart from the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The address without a password, as libgit2 takes it.
    pub(super) url: String,
    /// What identifies the repository: `host/path`.
    pub(super) identity: String,
    /// The scheme; `ssh` for `user@host:path` too.
    pub(super) scheme: String,
    /// The host in lower case.
    pub(super) host: String,
    /// The port in use.
    pub(super) port: u16,
    /// The user named in the address.
    pub(super) user: Option<String>,
    /// The password in the address.
    pub(super) password: Option<Secret>,
}

impl Address {
    /// Reads an address: `https://`, `ssh://`, `user@host:path`, `file://` or a path. Anything else is
    /// refused, since Git's other transports run programs or authenticate nobody.
    pub fn parse(given: &str) -> Result<Self, RepoError> {
        let refused = |reason: &str, hint: &str| RepoError::Address {
            given: shown(given),
            reason: reason.to_owned(),
            hint: hint.to_owned(),
        };
        if given.is_empty() {
            return Err(refused("it is empty", USUAL));
        }
        if given.starts_with('-') || given.chars().any(char::is_control) {
            return Err(refused(
                "it starts with a dash or holds a control character",
                "write `./` before a path",
            ));
        }
        let parsed = match (given.find("://"), transport_helper(given), given.split_once(':')) {
            (Some(_), _, _) => parse_url(given),
            (None, true, _) => Err(("it would run a program (a Git transport helper)", USUAL)),
            (None, false, Some((host, path))) if !host.contains('/') => parse_scp(given, host, path),
            _ => Ok(Self::Folder(PathBuf::from(given))),
        };
        parsed.map_err(|(reason, hint)| refused(reason, hint))
    }
}

const USUAL: &str = "use https://host/path, ssh://user@host/path, user@host:path, file:///path or a path";

/// Why an address is refused, and what to write instead.
type Refusal = (&'static str, &'static str);

/// Whether this is `helper::address`, with which Git runs `git-remote-helper`.
fn transport_helper(given: &str) -> bool {
    given.split_once("::").is_some_and(|(helper, _)| !helper.contains('/') && !helper.starts_with('['))
}

fn parse_url(given: &str) -> Result<Address, Refusal> {
    let url =
        Url::parse(given).map_err(|_| ("it is not a valid URL", "percent-encode what is special in it"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(("it has a query or a fragment", "leave out what follows `?` or `#`"));
    }
    match url.scheme() {
        "file" => parse_file(&url),
        "https" | "ssh" => parse_remote(url),
        "http" if is_loopback(&url) => parse_remote(url),
        "http" => Err(("http is neither private nor authentic", "use https")),
        "git" => Err(("the git protocol is neither private nor authentic", "use https or ssh")),
        _ => Err(("its scheme is not one of https, ssh and file", USUAL)),
    }
}

fn parse_file(url: &Url) -> Result<Address, Refusal> {
    url.to_file_path()
        .map(Address::Local)
        .map_err(|()| ("it names a host", "write file:///absolute/path, or an address by ssh"))
}

fn parse_remote(mut url: Url) -> Result<Address, Refusal> {
    let host = match url.host() {
        Some(host) if !host.to_string().starts_with('-') => host.to_string().to_lowercase(),
        _ => return Err(("it names no proper host", USUAL)),
    };
    if url.path().trim_matches('/').is_empty() {
        return Err(("it names a host and no repository", "add the repository's path"));
    }
    let user = Some(url.username()).filter(|user| !user.is_empty()).map(decoded);
    let password = url.password().map(|password| Secret::new(&decoded(password)));
    let scheme = url.scheme().to_owned();
    let port = url.port().or_else(|| default_port(&scheme)).unwrap_or_default();
    // Which of a web server's repositories it is depends on its port; an SSH port says nothing.
    let named_port =
        url.port().filter(|_| scheme != "ssh").map(|port| format!(":{port}")).unwrap_or_default();
    let identity = format!("{host}{named_port}/{}", identity_path(url.path()));
    let _ = url.set_password(None);
    if scheme != "ssh" {
        let _ = url.set_username("");
    }
    Ok(Address::Remote(Remote { url: url.into(), identity, scheme, host, port, user, password }))
}

/// `user@host:path`, the short form of an SSH address.
fn parse_scp(given: &str, user_and_host: &str, path: &str) -> Result<Address, Refusal> {
    let (user, host) = match user_and_host.rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (None, user_and_host),
    };
    let proper = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_+".contains(c))
    };
    if !proper(host) || !user.as_deref().is_none_or(proper) {
        return Err(("it names no proper user and host", USUAL));
    }
    if path.contains('@') {
        return Err(("its path holds an `@`", "a password cannot be given this way: use an SSH key"));
    }
    if path.starts_with('-') || path.trim_matches('/').is_empty() {
        return Err(("it names no proper path", USUAL));
    }
    let host = host.to_lowercase();
    let identity = format!("{host}/{}", identity_path(path));
    let url = given.to_owned();
    Ok(Address::Remote(Remote { url, identity, scheme: "ssh".into(), host, port: 22, user, password: None }))
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "ssh" => Some(22),
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A path without what may be written or left out: slashes around it, doubled ones, `.git`.
fn identity_path(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let path = parts.join("/");
    path.strip_suffix(".git").filter(|rest| !rest.is_empty()).map_or(path.clone(), str::to_owned)
}

/// Undoes percent-encoding, as far as it is UTF-8.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(given: &str) -> Remote {
        match Address::parse(given) {
            Ok(Address::Remote(remote)) => remote,
            other => panic!("{given} was taken as {other:?}"),
        }
    }

    #[test]
    fn one_repository_has_one_identity_however_it_is_written() {
        let table = [
            "https://github.com/team/orders",
            "https://github.com/team/orders.git",
            "https://github.com/team/orders/",
            "https://GitHub.com//team/orders.git/",
            "https://github.com:443/team/orders.git",
            "https://user:pa%2Fss@github.com/team/orders.git",
            "ssh://git@github.com/team/orders.git",
            "ssh://git@github.com:22/team/orders",
            "ssh://git@github.com:2222/team/orders",
            "git@github.com:team/orders.git",
            "git@github.com:/team/orders.git",
            "github.com:team/orders",
        ];
        for given in table {
            assert_eq!(remote(given).identity, "github.com/team/orders", "{given}");
        }
    }

    #[test]
    fn different_repositories_have_different_identities() {
        let table = [
            "https://github.com/team/orders",
            "https://github.com/team/Orders",
            "https://github.com/other/orders",
            "https://gitlab.com/team/orders",
            "https://github.com:8443/team/orders",
            "https://github.com/team/orders.git.git",
        ];
        let identities: std::collections::BTreeSet<_> =
            table.iter().map(|given| remote(given).identity).collect();
        assert_eq!(identities.len(), table.len());
    }

    #[test]
    fn credentials_are_kept_apart_from_the_address() {
        let remote = remote("https://robot:hunt%65r2@host/x.git");
        assert_eq!(remote.url, "https://host/x.git");
        assert_eq!(remote.user.as_deref(), Some("robot"));
        assert_eq!(remote.password.as_ref().unwrap().reveal(), "hunter2");
        assert!(!format!("{remote:?}").contains("hunter2"));
    }

    #[test]
    fn paths_are_paths() {
        for given in [".", "jobs", "/srv/orders", "./a:b", "../x", "a/b:c"] {
            assert_eq!(Address::parse(given).unwrap(), Address::Folder(given.into()));
        }
        let local = Address::parse("file:///srv/my%20orders.git").unwrap();
        assert_eq!(local, Address::Local("/srv/my orders.git".into()));
    }

    #[test]
    fn everything_else_is_refused_with_a_hint_and_without_its_password() {
        let table = [
            "",
            "-oProxyCommand=x",
            "--upload-pack=x",
            "ext::sh -c x",
            "fd::17",
            "http://host/x",
            "git://host/x",
            "ftp://host/x",
            "git+ssh://host/x",
            "javascript://host/x",
            "https://",
            "https:///x",
            "https://host",
            "https://host/x?token=hunter2",
            "https://u:hunter2@ho st/x",
            "ssh://-oProxyCommand=x/y",
            "file://host/x",
            "-x@host:y",
            "host:-x",
            "host:",
            "user:hunter2@host:path",
            "u@-host:x",
            "a\nb",
            "https://u:hunter2 and more@host\u{7}/x",
        ];
        for given in table {
            let error = Address::parse(given).expect_err(given);
            assert!(error.hint().is_some(), "{given}");
            let said = error.to_string();
            assert!(!said.contains("hunter2") && !said.contains(char::is_control), "{said}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_address_panics_and_none_shows_its_password(
            scheme in "[a-z+]{0,8}(://|::|)",
            user in "[^@/?]{0,8}",
            rest in ".{0,20}",
        ) {
            let given = format!("{scheme}{user}:hunter2@{rest}");
            if let Err(error) = Address::parse(&given) {
                assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            }
        }
    }
}
