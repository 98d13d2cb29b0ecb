//! Which fields of a unit differ, what each difference does, and whose move it was.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cause::{self, Record};
use super::effect::{Effect, Effects};
use super::element::{Element, elements};
use super::fields::{Fields, field_hash};
use super::ignored::is_ignored_at;
use super::ledger::Ledger;
use super::live::LiveObject;
use super::operation::{NONCE, Operation, PATH};
use super::outcome::{Cause, Change, Owner};
use super::owner::Owners;
use crate::flink::canonical::{differences, leaves};
use crate::flink::place::{Place, locate};
use crate::flink::pointer::escape;
use crate::flink::status::Status;
use crate::spec::{Finding, Unit};

/// What a comparison needs beside the two sides.
pub struct Comparison<'a> {
    /// The unit.
    pub unit: &'a Unit,
    /// Its fields, from [`wanted`](super::fields::wanted).
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
                let applied = || self.ledger.is_some_and(|ledger| ledger.fields.contains(&path));
                if self.wanted.contains_key(&path) || applied() {
                    fields.insert(path, value.clone());
                }
            }
        }
        fields
    }

    /// Our own temporary fields, and those left to others. A restore point that is new in Git goes before ours.
    fn is_left_alone(&self, place: &Place<'_>, path: &str) -> bool {
        let ours = self.operation.is_some_and(|operation| operation.owns(path));
        (ours && !self.is_named_anew(path)) || is_ignored_at(self.unit, place)
    }

    fn is_named_anew(&self, path: &str) -> bool {
        let wanted = self.wanted.get(path).filter(|_| matches!(path, PATH | NONCE));
        let applied = self.ledger.and_then(|ledger| ledger.fields.get(path));
        wanted.is_some_and(|wanted| applied != Some(&*field_hash(path, wanted)))
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
