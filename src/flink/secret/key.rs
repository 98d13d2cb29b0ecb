//! Which names of keys, variables and options promise a secret value.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// Flink's own rule (`GlobalConfiguration.SENSITIVE_KEYS`, as of FLINK-39561): a key that contains one of
/// these is hidden wherever Flink prints its configuration. Separators are left out here, so that
/// `apiKey`, `api-key` and `API_KEY` are one; Flink itself has `fs.azure.account.key` for `accountkey`.
const FLINK: [&str; 11] = [
    "password",
    "secret",
    "accountkey",
    "apikey",
    "authparam",
    "servicekey",
    "token",
    "basicauth",
    "jaasconfig",
    "httpheaders",
    "accesskey",
];

/// What Flink shows and should not.
const OURS: [&str; 15] = [
    "passwd",
    "passphrase",
    "credential",
    "privatekey",
    "encryptionkey",
    "signingkey",
    "masterkey",
    "licensekey",
    // A PEM text with the private key in it, to Kafka.
    "keystorekey",
    "authorization",
    "authheader",
    "connectionstring",
    "sharedaccesssignature",
    "amzsignature",
    "cookie",
];

/// What stands between the segments of a key.
const SEPARATORS: [char; 5] = ['.', '-', '_', '/', ' '];
/// Words that are secret only as a whole segment: `sas`, but not `sasl`.
const SEGMENTS: [&str; 5] = ["sas", "sig", "pwd", "pass", "bearer"];

/// The same, as the last segment only: `REDIS_AUTH`, but not `auth.type`.
const LAST: [&str; 2] = ["auth", "dsn"];

/// Endings of keys of [`OURS`] that speak of a secret without holding one.
const ABOUT: [&str; 14] = [
    "provider",
    "providers",
    "enabled",
    "class",
    "factory",
    "type",
    "interval",
    "timeout",
    "ratio",
    "name",
    "ref",
    "mode",
    "algorithm",
    "through",
];

/// Whether a configuration key, an environment variable or an option of this name has a secret value.
///
/// Upper and lower case, and `-`, `_` and `.`, are the same.
pub fn is_secret_key(key: &str) -> bool {
    // Asked of every key of every object: one search for all words.
    static MACHINES: LazyLock<[AhoCorasick; 2]> = LazyLock::new(|| [machine(&FLINK), machine(&OURS)]);
    let [flink, ours] = &*MACHINES;
    let segments = || key.split(SEPARATORS);
    let joined: String = segments().collect();
    if flink.is_match(&joined) {
        return true;
    }
    let is_one = |segment: &str, words: &[&str]| words.iter().any(|word| segment.eq_ignore_ascii_case(word));
    let last = segments().next_back().unwrap_or_default();
    let ours =
        ours.is_match(&joined) || segments().any(|segment| is_one(segment, &SEGMENTS)) || is_one(last, &LAST);
    ours && !is_one(last, &ABOUT)
}

fn machine(words: &[&str]) -> AhoCorasick {
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).build(words).expect("a few words fit a search machine")
}

/// Annotations of ingress controllers whose value is the name of a Secret (`name` or `namespace/name`), or says how it
/// is laid out. Nothing else is known to be one by its key alone.
const REFERENCES: [&str; 6] = [
    "haproxy-ingress.github.io/auth-secret",
    "haproxy.org/auth-secret",
    "nginx.ingress.kubernetes.io/auth-secret",
    "nginx.ingress.kubernetes.io/auth-secret-type",
    "nginx.ingress.kubernetes.io/auth-tls-secret",
    "nginx.ingress.kubernetes.io/proxy-ssl-secret",
];

/// Whether a key names a Secret rather than holding one.
pub(super) fn is_reference(key: &str) -> bool {
    REFERENCES.contains(&key)
}

/// Whether a text can be the name of an object of Kubernetes, with its namespace or without.
pub(super) fn is_object_name(text: &str) -> bool {
    let inner =
        |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"-.".contains(&letter);
    let outer = |letter: Option<u8>| letter.is_some_and(|letter| inner(letter) && !b"-.".contains(&letter));
    let name = |name: &str| {
        let letters = || name.bytes();
        name.len() <= 253 && letters().all(inner) && outer(letters().next()) && outer(letters().next_back())
    };
    text.split('/').count() <= 2 && text.split('/').all(name)
}

/// Whether a field of a typed Kubernetes object, with a string in it, is secret by its name.
///
/// Kubernetes names many references after the secret they lead to; those are not.
pub(super) fn is_secret_field(key: &str) -> bool {
    const LEADS_TO: [&str; 10] =
        ["name", "ref", "path", "file", "dir", "class", "namespace", "policy", "secrets", "accounttoken"];
    let lower = key.to_ascii_lowercase();
    lower != "secret" && !LEADS_TO.iter().any(|end| lower.ends_with(end)) && is_secret_key(key)
}

/// The configuration key by which Flink (as of FLINK-39561) is told of further words that promise a secret.
pub(super) const FURTHER_KEYS: &str = "security.redaction.additional-keys";
