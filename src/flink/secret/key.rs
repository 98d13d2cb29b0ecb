//! Which names of keys, variables and options promise a secret value.

/// Flink's own rule (`GlobalConfiguration.SENSITIVE_KEYS`): a key that contains one of these is
/// hidden wherever Flink prints its configuration. Separators are written as `.` here.
const FLINK: [&str; 11] = [
    "password",
    "secret",
    "account.key",
    "apikey",
    "api.key",
    "auth.params",
    "service.key",
    "token",
    "basic.auth",
    "jaas.config",
    "http.headers",
];

/// What Flink shows and should not.
const OURS: [&str; 14] = [
    "passwd",
    "passphrase",
    "credential",
    "access.key",
    "accesskey",
    "accountkey",
    "private.key",
    "privatekey",
    "encryption.key",
    "signing.key",
    "authorization",
    "auth.header",
    "connection.string",
    "connectionstring",
];

/// Words that are secret only as a whole segment: `sas`, but not `sasl`.
const SEGMENTS: [&str; 4] = ["sas", "sig", "pwd", "pass"];

/// Endings of keys of [`OURS`] that speak of a secret without holding one.
const ABOUT: [&str; 12] = [
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
];

/// Whether a configuration key, an environment variable or an option of this name has a secret value.
///
/// Upper and lower case, and `-`, `_` and `.`, are the same.
pub fn is_secret_key(key: &str) -> bool {
    let key = normal(key);
    if FLINK.iter().any(|word| key.contains(word)) {
        return true;
    }
    !is_about(&key)
        && (OURS.iter().any(|word| key.contains(word)) || key.split('.').any(|part| SEGMENTS.contains(&part)))
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

fn is_about(key: &str) -> bool {
    key.rsplit('.').next().is_some_and(|last| ABOUT.contains(&last))
}

fn normal(key: &str) -> String {
    key.chars()
        .map(|letter| match letter {
            '-' | '_' | '/' | ' ' => '.',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}
