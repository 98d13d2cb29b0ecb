//! What the cluster holds, with every secret as a keyed hash: the way into a snapshot file, and back (S25).
//!
//! On the way back, Git's own secrets are put where their hashes are. What the cluster and Git have in
//! common is then equal as it would be on real values; what is still closed is something else. Hashes of
//! flinkops' own are made over secrets too and could serve to try guesses: they are hashed with the key,
//! and told again where they are the hash of what Git wants.

use std::cell::Cell;
use std::sync::Arc;

use serde_json::{Value, json};

use super::companion;
use super::fields::{self, Hashes};
use super::ledger::{ANNOTATION_HASH, ANNOTATION_OPERATION, Ledger};
use super::live::{Live, LiveObject, Seen};
use super::operation::Operation;
use super::patch;
use super::subject::World;
use crate::flink::canonical::leaves;
use crate::flink::pointer::escape;
use crate::flink::secret::{Opener, Seal, Secrets, is_secret_path};
use crate::spec::{Desired, Unit};

/// What the cluster holds, fit for a file.
pub struct Closed {
    /// The same without secrets.
    pub live: Live,
    /// Whether there were any.
    pub secretive: bool,
}

/// Closes every secret; what has none stays as it is. `None` where there are secrets and no seal.
pub fn close(live: &Live, seal: Option<&Seal>, known: &Secrets) -> Option<Closed> {
    let trial = Seal::trial();
    let closing = Closing { seal: seal.unwrap_or(&trial), known, found: Cell::new(false) };
    let closed = closing.live(live);
    match (closing.found.get(), seal) {
        (false, _) => Some(Closed { live: live.clone(), secretive: false }),
        (true, Some(_)) => Some(Closed { live: closed, secretive: true }),
        (true, None) => None,
    }
}

struct Closing<'a> {
    seal: &'a Seal,
    known: &'a Secrets,
    /// Whether there is any secret at all.
    found: Cell<bool>,
}

impl Closing<'_> {
    fn live(&self, live: &Live) -> Live {
        let mut closed = live.clone();
        for object in closed.units.values_mut().chain(closed.companions.values_mut()) {
            *object = self.object(object);
        }
        for seen in closed.awaited.values_mut() {
            if let Seen::Found(object) = seen {
                *object = self.object(object);
            }
        }
        for (key, ledger) in &mut closed.ledgers {
            let real = live.units.get(key).map(hashes).unwrap_or_default();
            self.ledger(Arc::make_mut(ledger), &real, &closed.units.get(key).map(hashes).unwrap_or_default());
        }
        closed
    }

    fn object(&self, object: &LiveObject) -> LiveObject {
        let real = object.whole();
        let mut closed = self.seal.close(&real, self.known);
        self.see(closed != *real);
        if let Some(mut operation) = Operation::of(object) {
            operation.target = self.seal.hash(&operation.target);
            operation.before = operation.before.map(|path| self.text(&path));
            operation.restored_from = operation.restored_from.map(|path| self.text(&path));
            annotate(&mut closed, ANNOTATION_OPERATION, &operation.to_text());
        }
        if let Some(hash) = object.annotation(ANNOTATION_HASH) {
            annotate(&mut closed, ANNOTATION_HASH, &self.seal.hash(hash));
        }
        LiveObject::new(closed)
    }

    /// A field that is as it was applied still is so after closing.
    fn ledger(&self, ledger: &mut Ledger, real: &Hashes, closed: &Hashes) {
        ledger.fields.edit(|path, hash| {
            self.see(is_secret_path(path));
            let same = real.get(path).filter(|real| *real == hash).and_then(|_| closed.get(path));
            if !hash.is_empty() {
                *hash = same.cloned().unwrap_or_else(|| self.seal.hash(hash));
            }
        });
        for hash in rendered_hashes(ledger) {
            *hash = self.seal.hash(hash);
        }
        for savepoint in &mut ledger.savepoints {
            savepoint.path = self.text(&savepoint.path);
        }
        if let Some(checkpoint) = &mut ledger.checkpoint {
            checkpoint.path = self.text(&checkpoint.path);
        }
        if let Some(held) = &mut ledger.held {
            held.reason = self.text(&held.reason);
        }
        let reasons = ledger.consents.values_mut().map(|used| &mut used.reason);
        for reason in reasons.chain(ledger.consent.as_mut().map(|used| &mut used.reason)) {
            *reason = self.text(reason);
        }
    }

    fn text(&self, text: &str) -> String {
        let closed = self.seal.close_text(text, self.known);
        self.see(closed != text);
        closed
    }

    fn see(&self, secret: bool) {
        self.found.set(self.found.get() || secret);
    }
}

/// What was closed, with all the secrets that Git knows.
#[must_use]
pub fn open(mut live: Live, desired: &Desired, seal: &Seal) -> Live {
    let manifests = desired.units.values().map(|unit| &*unit.manifest);
    let manifests = manifests.chain(desired.companions.values().map(|companion| &*companion.manifest));
    let known = Secrets::collect(manifests.clone());
    let mut opener = Opener::new(seal);
    manifests.for_each(|manifest| opener.learn(manifest, &known));
    for (key, object) in &mut live.units {
        let closed = hashes(object);
        *object = LiveObject::new(opener.open(&object.whole()));
        if let Some(ledger) = live.ledgers.get_mut(key) {
            open_fields(Arc::make_mut(ledger), &closed, &hashes(object));
        }
    }
    for (key, unit) in &desired.units {
        if let Some(ledger) = live.ledgers.get_mut(key) {
            open_hashes(Arc::make_mut(ledger), desired, unit, seal);
        }
    }
    open_companions(&mut live, desired, &opener, seal);
    live
}

fn open_fields(ledger: &mut Ledger, closed: &Hashes, open: &Hashes) {
    ledger.fields.edit(|path, hash| {
        if let (Some(before), Some(after)) = (closed.get(path), open.get(path))
            && hash == before
        {
            hash.clone_from(after);
        }
    });
}

/// Hashes of what Git wants stand for it again.
fn open_hashes(ledger: &mut Ledger, desired: &Desired, unit: &Unit, seal: &Seal) {
    let wanted = fields::wanted(desired, unit, unit.spec());
    let rendered = fields::hash(&wanted);
    let closed = seal.hash(&rendered);
    for hash in rendered_hashes(ledger).filter(|hash| **hash == closed) {
        hash.clone_from(&rendered);
    }
    let wanted = fields::field_hashes(&wanted);
    ledger.fields.edit(|path, hash| {
        if let Some(wanted) = wanted.get(path).filter(|wanted| *hash == seal.hash(wanted)) {
            hash.clone_from(wanted);
        }
    });
}

fn open_companions(live: &mut Live, desired: &Desired, opener: &Opener<'_>, seal: &Seal) {
    let nothing = Live::default();
    for (key, object) in &mut live.companions {
        let mut value = opener.open(&object.whole());
        let world = World { desired, live: &nothing, now: jiff::Timestamp::MIN };
        let applied = desired.companions.get(key).map(|companion| companion::applied(world, companion));
        let applied = applied.map(LiveObject::new);
        if let Some(hash) = applied.as_ref().and_then(|applied| applied.annotation(ANNOTATION_HASH))
            && object.annotation(ANNOTATION_HASH) == Some(&seal.hash(hash))
        {
            annotate(&mut value, ANNOTATION_HASH, hash);
        }
        *object = LiveObject::new(value);
    }
}

/// The hashes of whole rendered units in a record.
fn rendered_hashes(ledger: &mut Ledger) -> impl Iterator<Item = &mut String> {
    let held = ledger.held.as_mut().map(|held| &mut held.hash);
    let consents = ledger.consents.values_mut().map(|used| &mut used.hash);
    ledger.applied.iter_mut().map(|applied| &mut applied.hash).chain(held).chain(consents)
}

/// A hash of each field of a live unit, as a record has it.
fn hashes(object: &LiveObject) -> Hashes {
    let mut fields = leaves(object.spec());
    for (kind, map) in [("labels", object.labels()), ("annotations", object.annotations())] {
        for (key, value) in map.into_iter().flatten() {
            fields.insert(format!("/metadata/{kind}/{}", escape(key)), value.clone());
        }
    }
    fields::field_hashes(&fields)
}

fn annotate(object: &mut Value, key: &str, text: &str) {
    patch::set(object, &format!("/metadata/annotations/{}", escape(key)), json!(text));
}
