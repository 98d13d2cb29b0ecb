//! What can go wrong while reading a repository; no credential is ever in it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a repository could not be read. Every text passes [`redact`] on its way in.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// The address is one flinkops does not take.
    #[error("use `{given}` as a repository: {reason}")]
    Address {
        /// What was given, without credentials.
        given: String,
        /// Why not.
        reason: String,
        /// What to write instead.
        hint: String,
    },
    /// A file or folder could not be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no usable Git repository.
    #[error("open the Git repository {place}: {reason}")]
    Open {
        /// Where.
        place: String,
        /// Why not.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The remote could not be fetched.
    #[error("fetch {address}: {reason}")]
    Fetch {
        /// From where, without credentials.
        address: String,
        /// Why not.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// No commit goes by this name.
    #[error("find revision `{revision}` in {place}: {reason}")]
    Revision {
        /// The name.
        revision: String,
        /// The repository.
        place: String,
        /// Why not.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The revision lacks the folder.
    #[error("find the folder `{folder}` at revision {revision}: {reason}")]
    Folder {
        /// Path from the repository's root.
        folder: String,
        /// The commit.
        revision: String,
        /// What is there instead.
        reason: String,
    },
}

impl RepoError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Address { hint, .. } => Some(hint),
            Self::Open { hint, .. } | Self::Fetch { hint, .. } | Self::Revision { hint, .. } => {
                hint.as_deref()
            }
            Self::Read { .. } | Self::Folder { .. } => None,
        }
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(super) fn open(place: impl Into<String>, error: &git2::Error) -> Self {
        let hint = (error.code() == git2::ErrorCode::Owner).then(|| {
            "it belongs to another user: allow it with `git config --global --add safe.directory <path>`"
                .into()
        });
        Self::Open { place: place.into(), reason: reason(error), hint }
    }
}

/// The reason in an error of libgit2, without credentials.
pub(super) fn reason(error: &git2::Error) -> String {
    let text = redact(error.message().trim());
    let mut characters = text.chars();
    match characters.next() {
        Some(first) if characters.clone().next().is_some_and(char::is_lowercase) => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text,
    }
}

/// Takes whatever may be a credential out of the addresses in a text.
///
/// It rather takes too much: everything before the last `@` of a word that looks like an address goes,
/// and everything after a `?`.
pub fn redact(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(redact_word).collect()
}

/// An address that somebody typed, fit to be shown: without what stands before the last `@` or after
/// a `?`, since nobody knows what it was meant to be.
pub(super) fn shown(address: &str) -> String {
    let is_scheme = |text: &&str| text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let scheme = address.split_once("://").map(|(scheme, _)| scheme).filter(is_scheme);
    let rest = scheme.map_or(address, |scheme| &address[scheme.len() + 3..]);
    let rest = rest.rsplit_once('@').map_or_else(|| rest.to_owned(), |(_, rest)| format!("…@{rest}"));
    let rest = rest.split('?').next().unwrap_or_default();
    let text = scheme.map_or_else(|| rest.to_owned(), |scheme| format!("{scheme}://{rest}"));
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

fn redact_word(word: &str) -> String {
    let scheme_end = word.find("://").map(|at| at + 3);
    let start = scheme_end.unwrap_or_else(|| word.find(char::is_alphanumeric).unwrap_or(0));
    let (head, rest) = word.split_at(start);
    let rest = match rest.rfind('@') {
        Some(at) if scheme_end.is_some() || rest[..at].contains(':') => &rest[at + 1..],
        _ => rest,
    };
    match rest.find('?') {
        Some(at) if scheme_end.is_some() => {
            let tail = &rest[rest.trim_end().len()..];
            format!("{head}{}{tail}", &rest[..at])
        }
        _ => format!("{head}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn credentials_are_taken_out_of_every_address_in_a_text() {
        let table = [
            ("https://user:hunter2@host/x", "https://host/x"),
            ("https://hunter2@host/x", "https://host/x"),
            ("cannot reach 'https://u:hunter2@host/x' now", "cannot reach 'https://host/x' now"),
            ("https://u:hun/ter2@host/x", "https://host/x"),
            ("https://u:hun@ter2@host/x", "https://host/x"),
            ("https://host/x?token=hunter2\nmore", "https://host/x\nmore"),
            ("user:hunter2@host:path", "host:path"),
            ("git@host:team/repo", "git@host:team/repo"),
            ("nothing to hide", "nothing to hide"),
        ];
        for (text, clean) in table {
            assert_eq!(redact(text), clean);
        }
    }
}
