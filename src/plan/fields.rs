//! The leaves of a unit that flinkops answers for, and the hashes by which they are known again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ledger::{LABEL_ENVIRONMENT, LABEL_MANAGED_BY, LABEL_REPOSITORY, MANAGER};
use crate::flink::canonical::{Leaves, leaves};
use crate::flink::pointer::{At as _, escape};
use crate::flink::secret::{is_secret_path, mask};
use crate::spec::{Desired, Unit};

/// The leaves of a unit that flinkops answers for: its spec, and each label and annotation Git names.
pub type Fields = Leaves;

/// What a unit with this spec should be, leaf by leaf, labels of flinkops' own included.
pub fn wanted(desired: &Desired, unit: &Unit, spec: &Value) -> Fields {
    let mut fields = leaves(spec);
    for kind in ["labels", "annotations"] {
        let map = unit.manifest.at(&format!("/metadata/{kind}")).and_then(Value::as_object);
        for (key, value) in map.into_iter().flatten() {
            fields.insert(format!("/metadata/{kind}/{}", escape(key)), value.clone());
        }
    }
    for (key, value) in own_labels(desired) {
        fields.insert(format!("/metadata/labels/{}", escape(key)), json!(value));
    }
    fields
}

/// The labels that say whose an object is (S2).
pub fn own_labels(desired: &Desired) -> [(&'static str, &str); 3] {
    [
        (LABEL_MANAGED_BY, MANAGER),
        (LABEL_REPOSITORY, &desired.repository),
        (LABEL_ENVIRONMENT, &desired.environment),
    ]
}

/// One hash over all fields: the identity of a rendered unit.
pub fn hash(fields: &Fields) -> String {
    let mut hasher = Sha256::new();
    for (path, value) in fields {
        hasher.update(path);
        hasher.update([0]);
        hasher.update(value.to_string());
        hasher.update([0]);
    }
    hex(&hasher.finalize()[..8])
}

/// A short hash of each field, by its path.
pub type Hashes = BTreeMap<String, String>;

/// Those of these fields.
pub fn field_hashes(fields: &Fields) -> Hashes {
    fields.iter().map(|(path, value)| (path.clone(), field_hash(path, value))).collect()
}

/// A short hash of each field, by its path, as a ledger notes them: in lines, since few of them are ever asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldHashes(String);

impl FieldHashes {
    /// What stands for a field that has no hash.
    const NONE: &str = "-";

    /// Those of these fields.
    pub fn of(fields: &Fields) -> Self {
        field_hashes(fields).into_iter().collect()
    }

    /// Takes lines as [`Self::as_str`] gives them.
    pub fn new(lines: impl Into<String>) -> Self {
        Self(lines.into())
    }

    /// A line for each field: its hash, or `-`, and its path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether no field is noted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hash of a field, empty for one that has none; `None` where the field is not noted.
    pub fn get(&self, path: &str) -> Option<&str> {
        let line = one_line(path);
        self.lines().find_map(|(hash, path)| (path == line).then_some(hash))
    }

    /// Whether a field is noted.
    pub fn contains(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    /// All of them, by path.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
        self.lines().map(|(hash, line)| (several_lines(line), hash))
    }

    /// Changes hashes, each with its path before it.
    pub fn edit(&mut self, mut edit: impl FnMut(&str, &mut String)) {
        let edited = |(path, hash): (Cow<'_, str>, &str)| {
            let mut hash = hash.to_owned();
            edit(&path, &mut hash);
            (path.into_owned(), hash)
        };
        *self = self.iter().map(edited).collect();
    }

    fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.0.lines().filter_map(|line| line.split_once(' '));
        lines.map(|(hash, path)| (if hash == Self::NONE { "" } else { hash }, path))
    }
}

impl<P: AsRef<str>, H: AsRef<str>> FromIterator<(P, H)> for FieldHashes {
    fn from_iter<T: IntoIterator<Item = (P, H)>>(hashes: T) -> Self {
        let mut lines = String::new();
        for (path, hash) in hashes {
            let hash = Some(hash.as_ref()).filter(|hash| !hash.is_empty()).unwrap_or(Self::NONE);
            let _ = writeln!(lines, "{hash} {}", one_line(path.as_ref()));
        }
        Self(lines)
    }
}

/// A newline in the name of a field, which no pointer has otherwise.
const NEWLINE: &str = "~n";

fn several_lines(line: &str) -> Cow<'_, str> {
    if line.contains(NEWLINE) { line.replace(NEWLINE, "\n").into() } else { line.into() }
}

fn one_line(path: &str) -> Cow<'_, str> {
    if path.contains('\n') { path.replace('\n', NEWLINE).into() } else { path.into() }
}

/// The short hash of one field, as the ledger has it: empty for one with a secret in it, since whoever may read
/// ConfigMaps could try guesses on it (S25).
pub fn field_hash(path: &str, value: &Value) -> String {
    if is_secret_path(path) || mask(path, value) != *value {
        return String::new();
    }
    let mut hasher = Sha256::new();
    hasher.update(path);
    hasher.update([0]);
    hasher.update(value.to_string());
    hex(&hasher.finalize()[..4])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_noted_for_each_field_in_a_line() {
        const ODD: &str = "/spec/flinkConfiguration/a\nb ~n";
        let fields: Fields = [
            ("/spec/flinkConfiguration/s3.secret-key".to_owned(), json!("x")),
            (ODD.to_owned(), json!(1)),
            ("/spec/image".to_owned(), json!("a:1")),
        ]
        .into();
        let noted = FieldHashes::of(&fields);
        assert_eq!(noted.as_str().lines().count(), 3, "{}", noted.as_str());
        for (path, value) in &fields {
            assert_eq!(noted.get(path), Some(field_hash(path, value).as_str()), "{path}");
        }
        assert!(noted.get("/spec/imag").is_none() && noted.contains("/spec/image"));
        assert_eq!(noted.get("/spec/flinkConfiguration/s3.secret-key"), Some(""));
        assert_eq!(FieldHashes::new(noted.as_str()), noted);
        assert_eq!(noted.iter().collect::<FieldHashes>(), noted);
    }
}
