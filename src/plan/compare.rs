//! Which fields of a unit differ, what each difference does, and whose move it was.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cause::{self, Record};
use super::effect::{Effect, Effects};
use super::element::{Element, elements};
use super::ignored::is_ignored_at;
use super::ledger::{LABEL_ENVIRONMENT, LABEL_MANAGED_BY, LABEL_REPOSITORY, Ledger, MANAGER};
use super::live::LiveObject;
use super::operation::Operation;
use super::outcome::{Cause, Change, Owner};
use super::owner::Owners;
use crate::flink::canonical::{Leaves, differences, escape, leaves};
use crate::flink::place::{Place, locate};
use crate::flink::secret::{is_secret_path, mask};
use crate::flink::status::Status;
use crate::spec::{Desired, Finding, Unit};

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

/// What a comparison needs beside the two sides.
pub struct Comparison<'a> {
    /// The unit.
    pub unit: &'a Unit,
    /// Its fields, from [`wanted`].
    pub wanted: &'a Fields,
    /// The hash of all that Git wants of it.
    pub hash: &'a str,
    /// The live object.
    pub live: &'a LiveObject,
    /// Its status.
    pub status: &'a Status,
    /// The record of what was applied last.
    pub ledger: Option<&'a Ledger>,
    /// The mark of a temporary write.
    pub operation: Option<&'a Operation>,
    /// The spec of a session job's cluster.
    pub cluster: Option<&'a Value>,
    /// What the operator is configured with, as far as Git states it.
    pub operator: &'a BTreeMap<String, String>,
}

impl Comparison<'_> {
    /// The fields that differ, by path; those of a temporary write of ours and ignored ones left out, and so are
    /// those that the cluster itself changes in each write, which are found instead.
    pub fn changes(&self) -> (Vec<Change>, Vec<Finding>) {
        let live = self.live_fields();
        let differences = differences(&live, self.wanted);
        if differences.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let effects = Effects::new(self.unit, self.live, self.status, self.cluster, self.operator);
        let record = Record::of(self.live, self.ledger, self.wanted, self.hash);
        let (mut changes, mut findings) = (Vec::new(), Vec::new());
        for (path, before, after) in differences {
            let place = locate(self.live.value(), &self.unit.manifest, path);
            if self.is_left_alone(&place, path) || (after.is_none() && effects.is_autoscaler(path)) {
                continue;
            }
            let owners = Owners::of(self.live, path);
            if record.is_answered(path, after, &owners) {
                findings.push(cause::answered(self.unit, &place.pointer));
            } else if let Some(cause) = record.cause(path, before, after, &owners) {
                let owner = if cause == Cause::Pending { owners.latest() } else { owners.latest_other() };
                changes.extend(change(
                    effects.of(path, before, after),
                    (cause, owner),
                    &place,
                    before,
                    after,
                ));
            }
        }
        (together(changes), findings)
    }

    /// The live leaves: the whole spec, and of the metadata only what Git names or once named (S5).
    fn live_fields(&self) -> Fields {
        let mut fields = leaves(self.live.spec());
        for (kind, map) in [("labels", self.live.labels()), ("annotations", self.live.annotations())] {
            for (key, value) in map.into_iter().flatten() {
                let path = format!("/metadata/{kind}/{}", escape(key));
                let applied = self.ledger.is_some_and(|ledger| ledger.fields.contains_key(&path));
                if applied || self.wanted.contains_key(&path) {
                    fields.insert(path, value.clone());
                }
            }
        }
        fields
    }

    fn is_left_alone(&self, place: &Place<'_>, path: &str) -> bool {
        self.operation.is_some_and(|operation| operation.owns(path)) || is_ignored_at(self.unit, place)
    }
}

/// What there is to say of one leaf; of an entry that came or went, each of its leaves says the same.
fn change(
    (effect, note): Effect,
    (cause, owner): (Cause, Option<Owner>),
    place: &Place<'_>,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Vec<Change> {
    let change = |element: Element| Change {
        path: element.pointer,
        place: element.place,
        before: element.before,
        after: element.after,
        effect,
        note: note.clone(),
        cause,
        owner: owner.clone(),
        secret: element.secret,
    };
    elements(place, before, after).into_iter().map(change).collect()
}

/// One change for each path: an entry that came and one that went at its index are one, as are the leaves of
/// an entry.
fn together(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes.dedup_by(|next, change| {
        let same = next.path == change.path;
        if same {
            if next.after.is_some() {
                change.place = std::mem::take(&mut next.place);
            }
            change.before = change.before.take().or(next.before.take());
            change.after = change.after.take().or(next.after.take());
            change.effect = change.effect.max(next.effect);
            change.cause = if change.cause == next.cause { change.cause } else { Cause::Both };
            change.secret |= next.secret;
        }
        same
    });
    changes
}
