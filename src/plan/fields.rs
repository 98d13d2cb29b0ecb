//! The leaves of a unit that flinkops answers for, and the hashes by which they are known again.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ledger::{LABEL_ENVIRONMENT, LABEL_MANAGED_BY, LABEL_REPOSITORY, MANAGER};
use crate::flink::canonical::{Leaves, escape, leaves};
use crate::flink::secret::{is_secret_path, mask};
use crate::spec::{Desired, Unit};

/// The leaves of a unit that flinkops answers for: its spec, and each label and annotation Git names.
pub type Fields = Leaves;

/// What a unit with this spec should be, leaf by leaf, labels of flinkops' own included.
pub fn wanted(desired: &Desired, unit: &Unit, spec: &Value) -> Fields {
    let mut fields = leaves(spec);
    for kind in ["labels", "annotations"] {
        let map = unit.manifest.pointer(&format!("/metadata/{kind}")).and_then(Value::as_object);
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

/// A short hash of each field, for the ledger.
pub fn field_hashes(fields: &Fields) -> BTreeMap<String, String> {
    fields.iter().map(|(path, value)| (path.clone(), field_hash(path, value))).collect()
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
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
