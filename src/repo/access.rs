//! Credentials for a remote, and the type that keeps them out of every output.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A value that is never printed, logged or serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret; surrounding white space (the newline of a file) is not part of it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The value itself, for the one call that needs it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How a remote is reached. The default is the user's own: agent, known hosts, credential helper.
#[derive(Clone, Debug)]
pub struct Access {
    /// Private key for SSH; absent: the agent.
    pub ssh_key: Option<PathBuf>,
    /// The `known_hosts` file; absent: the user's.
    pub known_hosts: Option<PathBuf>,
    /// Token for HTTPS.
    pub token: Option<Secret>,
    /// File that holds the token; read anew for every fetch, so that it may be rotated.
    pub token_file: Option<PathBuf>,
    /// Folder that holds the mirrors of remotes; absent: the user's cache folder.
    pub cache: Option<PathBuf>,
    /// How long one fetch may take.
    pub timeout: Duration,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            ssh_key: None,
            known_hosts: None,
            token: None,
            token_file: None,
            cache: None,
            timeout: Duration::from_secs(300),
        }
    }
}

impl Access {
    /// The user's own access, with the token of `FLINKOPS_GIT_TOKEN` where that is set.
    pub fn from_environment() -> Self {
        let token = std::env::var("FLINKOPS_GIT_TOKEN").ok().map(|text| Secret::new(&text));
        Self { token: token.filter(|token| !token.is_empty()), ..Self::default() }
    }

    /// The known-hosts file in force; `None` where there is no home directory.
    pub(super) fn known_hosts_file(&self) -> Option<PathBuf> {
        self.known_hosts.clone().or_else(|| Some(home()?.join(".ssh/known_hosts")))
    }

    /// The folder that holds mirrors.
    pub(super) fn cache_folder(&self) -> PathBuf {
        let user = || {
            let cache = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
            cache.or_else(|| Some(home()?.join(".cache")))
        };
        let folder = || user().unwrap_or_else(std::env::temp_dir).join("flinkops").join("git");
        self.cache.clone().unwrap_or_else(folder)
    }
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|path| !path.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        let access = Access { token: Some(Secret::new("hunter2\n")), ..Access::default() };
        assert_eq!(access.token.as_ref().unwrap().reveal(), "hunter2");
        assert!(!format!("{access:?}").contains("hunter2"));
    }
}
