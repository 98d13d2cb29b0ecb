//! Whether an SSH host is the one it was: the `known_hosts` file of OpenSSH.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// What a known-hosts file says about a host's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The host has this key.
    Known,
    /// The host has another key of this type, on that line.
    Changed {
        /// Counted from 1.
        line: usize,
    },
    /// The key is marked as revoked, on that line.
    Revoked {
        /// Counted from 1.
        line: usize,
    },
    /// The host is there with keys of these other types only.
    OtherTypes(Vec<String>),
    /// The host is not there.
    Unknown,
}

/// Looks a host's key up. `key` is the key as SSH sends it.
pub(super) fn check(file: &str, host: &str, port: u16, key: &[u8]) -> Verdict {
    let name = lookup_name(host, port);
    let (kind, encoded) = (key_type(key), STANDARD.encode(key));
    let mut verdict = Verdict::Unknown;
    for (index, entry) in
        file.lines().enumerate().filter_map(|(index, line)| Some((index, Entry::parse(line)?)))
    {
        let line = index + 1;
        let same = entry.key == encoded;
        match entry.marker {
            // A revocation counts wherever it stands.
            Some("@revoked") if same && matches(entry.hosts, &name) => return Verdict::Revoked { line },
            Some(_) => {}
            None if !matches(entry.hosts, &name) => {}
            None if same => verdict = Verdict::Known,
            None => verdict = weaker(verdict, entry.kind, &kind, line),
        }
    }
    verdict
}

/// The verdict after one more line that names the host with another key.
fn weaker(verdict: Verdict, line_type: &str, key_type: &str, line: usize) -> Verdict {
    match verdict {
        Verdict::Unknown | Verdict::OtherTypes(_) if line_type == key_type => Verdict::Changed { line },
        Verdict::Unknown => Verdict::OtherTypes(vec![line_type.to_owned()]),
        Verdict::OtherTypes(mut types) => {
            types.push(line_type.to_owned());
            Verdict::OtherTypes(types)
        }
        settled => settled,
    }
}

/// The name under which a host stands in the file.
pub(super) fn lookup_name(host: &str, port: u16) -> String {
    let host = host.trim_matches(['[', ']']);
    if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") }
}

/// The type that a key names itself: its first field, preceded by its length.
pub(super) fn key_type(key: &[u8]) -> String {
    let length = key.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes) as usize);
    let name = key.get(4..4usize.saturating_add(length)).unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

struct Entry<'a> {
    marker: Option<&'a str>,
    hosts: &'a str,
    kind: &'a str,
    key: &'a str,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace().peekable();
        let marker = words.next_if(|word| word.starts_with('@'));
        let hosts = words.next().filter(|hosts| !hosts.starts_with('#'))?;
        Some(Self { marker, hosts, kind: words.next()?, key: words.next()? })
    }
}

fn matches(hosts: &str, name: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return matches_hash(hashed, name).unwrap_or(false);
    }
    let mut found = false;
    for pattern in hosts.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches_pattern(pattern, name) => return false,
            None if matches_pattern(pattern, name) => found = true,
            _ => {}
        }
    }
    found
}

/// `salt|hash`, where the hash is HMAC-SHA1 of the name keyed by the salt.
fn matches_hash(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let mut mac = Hmac::<Sha1>::new_from_slice(&STANDARD.decode(salt).ok()?).ok()?;
    mac.update(name.as_bytes());
    Some(mac.verify_slice(&STANDARD.decode(hash).ok()?).is_ok())
}

/// A host pattern, where `*` is any text and `?` any one character; case does not matter.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.as_bytes(), name.as_bytes());
    let mut retry: Option<(&[u8], &[u8])> = None;
    while let Some((first, rest)) = name.split_first() {
        match pattern.split_first() {
            Some((b'*', after)) => {
                retry = Some((after, name));
                pattern = after;
            }
            Some((wanted, after)) if *wanted == b'?' || wanted.eq_ignore_ascii_case(first) => {
                (pattern, name) = (after, rest);
            }
            _ => match retry {
                // The last star swallows one character more.
                Some((after, from)) => {
                    retry = Some((after, &from[1..]));
                    (pattern, name) = (after, &from[1..]);
                }
                None => return false,
            },
        }
    }
    pattern.iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, body: &[u8]) -> Vec<u8> {
        let mut key = u32::try_from(kind.len()).unwrap().to_be_bytes().to_vec();
        key.extend(kind.as_bytes());
        key.extend(body);
        key
    }

    fn line(hosts: &str, key: &[u8]) -> String {
        format!("{hosts} {} {}\n", key_type(key), STANDARD.encode(key))
    }

    fn hashed(name: &str) -> String {
        let salt = [7; 20];
        let mut mac = Hmac::<Sha1>::new_from_slice(&salt).unwrap();
        mac.update(name.as_bytes());
        format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn a_key_on_file_is_known_under_every_way_to_write_the_host() {
        let right = key("ssh-ed25519", b"right");
        for hosts in [
            "git.example.com",
            "a,GIT.example.com",
            "*.example.com",
            "git.exampl?.com",
            &hashed("git.example.com"),
        ] {
            let file = format!("# comment\n\n{}", line(hosts, &right));
            assert_eq!(check(&file, "git.example.com", 22, &right), Verdict::Known, "{hosts}");
        }
        let file = line("[git.example.com]:2222", &right);
        assert_eq!(check(&file, "git.example.com", 2222, &right), Verdict::Known);
        assert_eq!(check(&file, "git.example.com", 22, &right), Verdict::Unknown);
    }

    #[test]
    fn another_key_is_a_changed_key() {
        let (right, wrong) = (key("ssh-ed25519", b"right"), key("ssh-ed25519", b"wrong"));
        let file = format!("# first\n{}", line("h", &right));
        assert_eq!(check(&file, "h", 22, &wrong), Verdict::Changed { line: 2 });
        let both = format!("{}{}", line("h", &right), line("h", &wrong));
        assert_eq!(check(&both, "h", 22, &wrong), Verdict::Known);
        assert_eq!(check(&both, "h", 22, &right), Verdict::Known);
    }

    #[test]
    fn hosts_that_are_not_on_file_are_unknown() {
        let right = key("ssh-ed25519", b"right");
        for hosts in ["other", "*.h", "!h,*", "h.", &hashed("other"), "|1|bad|bad", "|1|"] {
            assert_eq!(check(&line(hosts, &right), "h", 22, &right), Verdict::Unknown, "{hosts}");
        }
        assert_eq!(check("", "h", 22, &right), Verdict::Unknown);
        assert_eq!(check("h", "h", 22, &right), Verdict::Unknown);
    }

    #[test]
    fn a_key_of_another_type_is_told_apart_from_a_changed_one() {
        let file = format!("{}{}", line("h", &key("ssh-rsa", b"x")), line("h", &key("ssh-ed25519", b"y")));
        let verdict = check(&file, "h", 22, &key("ecdsa-sha2-nistp256", b"z"));
        assert_eq!(verdict, Verdict::OtherTypes(vec!["ssh-rsa".into(), "ssh-ed25519".into()]));
    }

    #[test]
    fn a_revoked_key_is_refused_wherever_the_mark_stands() {
        let key = key("ssh-ed25519", b"right");
        let file = format!("{}@revoked {}", line("h", &key), line("*", &key));
        assert_eq!(check(&file, "h", 22, &key), Verdict::Revoked { line: 2 });
    }

    #[test]
    fn a_certificate_authority_is_not_a_host_key() {
        let key = key("ssh-ed25519", b"right");
        assert_eq!(check(&format!("@cert-authority {}", line("*", &key)), "h", 22, &key), Verdict::Unknown);
    }
}
