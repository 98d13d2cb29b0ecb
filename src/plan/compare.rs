//! Which fields of a unit differ, what each difference does, and whose move it was.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ledger::{LABEL_ENVIRONMENT, LABEL_MANAGED_BY, LABEL_REPOSITORY, Ledger, MANAGER};
use super::live::LiveObject;
use super::operation::Operation;
use super::outcome::{Cause, Change, FieldEffect, Owner};
use super::owner;
use crate::flink::canonical::{escape, leaves};
use crate::flink::diff::{DeploymentMode, DiffType, classify};
use crate::flink::kind::{Kind, Role};
use crate::flink::secret::is_secret_path;
use crate::spec::{Desired, Unit};

/// The leaves of a unit that flinkops answers for: its spec, and each label and annotation Git names.
pub type Fields = BTreeMap<String, Value>;

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

/// A short hash of each field, for the ledger. Too short to confirm a guess of the value.
pub fn field_hashes(fields: &Fields) -> BTreeMap<String, String> {
    fields.iter().map(|(path, value)| (path.clone(), field_hash(path, value))).collect()
}

fn field_hash(path: &str, value: &Value) -> String {
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
    /// The live object.
    pub live: &'a LiveObject,
    /// The record of what was applied last.
    pub ledger: Option<&'a Ledger>,
    /// The mark of a temporary write.
    pub operation: Option<&'a Operation>,
    /// How the unit's cluster is deployed.
    pub mode: DeploymentMode,
}

impl Comparison<'_> {
    /// The fields that differ, by path; those of a temporary write of ours and ignored ones left out.
    pub fn changes(&self) -> Vec<Change> {
        let live = self.live_fields();
        let mut changes: Vec<Change> = live
            .iter()
            .filter(|(path, before)| self.wanted.get(*path) != Some(*before))
            .map(|(path, before)| self.change(path, Some(before), self.wanted.get(path)))
            .collect();
        let new = self.wanted.iter().filter(|(path, _)| !live.contains_key(*path));
        changes.extend(new.map(|(path, after)| self.change(path, None, Some(after))));
        changes.retain(|change| !self.is_left_alone(&change.path));
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        changes
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

    fn is_left_alone(&self, path: &str) -> bool {
        self.operation.is_some_and(|operation| operation.owns(path)) || is_ignored(self.unit, path)
    }

    fn change(&self, path: &str, before: Option<&Value>, after: Option<&Value>) -> Change {
        let owner = owner::of(self.live, path);
        Change {
            path: path.to_owned(),
            place: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
            effect: self.effect(path, after),
            note: None,
            cause: self.cause(path, before, after, owner.as_ref()),
            owner,
            secret: is_secret_path(path),
        }
    }

    fn effect(&self, path: &str, after: Option<&Value>) -> FieldEffect {
        if path.starts_with("/metadata/") {
            return FieldEffect::Metadata;
        }
        let live_role = Role::of(self.unit.key.kind, self.live.spec());
        let moves = live_role != self.unit.role && path.starts_with("/spec/job/");
        let mode = self.unit.key.kind == Kind::FlinkDeployment
            && path == "/spec/mode"
            && DeploymentMode::of(self.live.spec()) != DeploymentMode::of(self.unit.spec());
        if moves || mode || path == "/spec/deploymentName" {
            return FieldEffect::Immutable;
        }
        match path {
            "/spec/job/state" if after == Some(&json!("suspended")) => FieldEffect::Suspend,
            "/spec/job/state" => FieldEffect::Resume,
            "/spec/job/savepointTriggerNonce" | "/spec/job/checkpointTriggerNonce" if after.is_some() => {
                FieldEffect::Snapshot
            }
            _ => match classify(self.mode, path, after) {
                DiffType::Ignore => FieldEffect::None,
                DiffType::Scale => FieldEffect::Rescale,
                DiffType::Upgrade => FieldEffect::Upgrade,
                DiffType::SavepointRedeploy => FieldEffect::Restore,
            },
        }
    }

    /// From the ledger's field hashes; without a ledger from who wrote the field; else pending.
    fn cause(
        &self,
        path: &str,
        before: Option<&Value>,
        after: Option<&Value>,
        owner: Option<&Owner>,
    ) -> Cause {
        let ours = owner.is_some_and(|owner| owner.manager == MANAGER);
        let Some(ledger) = self.ledger.filter(|ledger| !ledger.fields.is_empty()) else {
            return if ours || owner.is_none() { Cause::Pending } else { Cause::Drift };
        };
        let applied = ledger.fields.get(path);
        let same = |value: Option<&Value>| value.map(|value| field_hash(path, value)).as_ref() == applied;
        match (same(before), same(after)) {
            (true, _) => Cause::Pending,
            (false, true) => Cause::Drift,
            // Our own write that was not recorded in time: Git has moved on since.
            (false, false) if ours && before.is_some() => Cause::Pending,
            (false, false) => Cause::Both,
        }
    }
}

/// Whether policy leaves a field to someone else (S5).
pub fn is_ignored(unit: &Unit, path: &str) -> bool {
    unit.policy.ignore.iter().any(|rule| {
        let named = rule.name.as_deref().is_none_or(|name| name == unit.key.name);
        let below = path.strip_prefix(rule.path.as_str());
        named && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}
