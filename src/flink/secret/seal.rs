//! Secrets of a snapshot file: each is replaced by a keyed hash, and put back by who has the key and the value.
//!
//! Whoever reads the file without the key learns that there is a secret, and where the same one stands
//! twice; a guess cannot be tried. That holds only for a key that cannot be guessed either, and so a short
//! one is refused. Whoever has the file and the key can try guesses: the key is kept like the secrets.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use super::find::{Area, Finder, Leaf};
use super::scrub::Secrets;
use super::text::{self, Reading};

/// Makes keyed hashes of secrets.
#[derive(Clone)]
pub struct Seal(Hmac<Sha256>);

impl Seal {
    /// Characters of the shortest key.
    pub const SHORTEST_KEY: usize = 32;

    /// A seal with this key; `None` where the key is short enough to be guessed.
    pub fn new(key: &str) -> Option<Self> {
        let key = key.trim();
        (key.len() >= Self::SHORTEST_KEY).then(|| Self::with(key.as_bytes()))
    }

    /// A seal that only serves to find out what there is to close.
    pub fn trial() -> Self {
        Self::with(&[])
    }

    fn with(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("a key may have any length"))
    }

    /// Tells one key from another.
    pub fn fingerprint(&self) -> String {
        self.digest("fingerprint", "")
    }

    /// A hash of ours, over something with a secret in it, as it may stand in the file.
    pub fn hash(&self, hash: &str) -> String {
        self.digest("hash", hash)
    }

    /// An object with its secrets closed, those in its places and `known` ones wherever they stand.
    ///
    /// What names the object (`kind`, `metadata` but for its annotations) is left as it is. In a status,
    /// JSON inside a text can still be read; elsewhere such a text is closed as a whole.
    pub fn close(&self, object: &Value, known: &Secrets) -> Value {
        rewrite(object, known, &mut |secret| self.sealed(secret))
    }

    /// A text with the known secrets in it, and credentials, closed.
    pub fn close_text(&self, text: &str, known: &Secrets) -> String {
        rewrite_text(text, known, &mut |secret| self.sealed(secret))
    }

    fn sealed(&self, secret: &str) -> String {
        format!("{}{}", text::SEALED, self.digest("value", secret))
    }

    fn digest(&self, purpose: &str, text: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        let bytes = mac.finalize().into_bytes();
        bytes[..text::SEALED_DIGITS / 2].iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }
}

/// The values that closed secrets may stand for.
pub struct Opener<'s> {
    seal: &'s Seal,
    values: BTreeMap<String, String>,
}

impl<'s> Opener<'s> {
    /// Knows nothing yet.
    pub fn new(seal: &'s Seal) -> Self {
        Self { seal, values: BTreeMap::new() }
    }

    /// Learns every value of an object, and every secret in it.
    pub fn learn(&mut self, object: &Value, known: &Secrets) {
        rewrite(object, known, &mut |secret| {
            self.values.insert(self.seal.sealed(secret), secret.to_owned());
            secret.to_owned()
        });
        self.learn_values(object);
    }

    fn learn_values(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => fields.values().for_each(|value| self.learn_values(value)),
            Value::Array(entries) => entries.iter().for_each(|value| self.learn_values(value)),
            Value::Null => {}
            scalar => {
                let text = plain(scalar);
                self.values.insert(self.seal.sealed(&text), text);
            }
        }
    }

    /// The object with each secret put back whose value was learnt; the others stay closed.
    pub fn open(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.open_text(text).into(),
            Value::Array(entries) => entries.iter().map(|entry| self.open(entry)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (key.clone(), self.open(value))).collect()
            }
            other => other.clone(),
        }
    }

    fn open_text(&self, text: &str) -> String {
        let open = |sealed: &str| self.values.get(sealed).cloned().unwrap_or_else(|| sealed.to_owned());
        text::replace(text, &text::sealed(text), open)
    }
}

fn plain(scalar: &Value) -> String {
    scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned)
}

/// What stands in the place of a secret.
type With<'w> = &'w mut dyn FnMut(&str) -> String;

fn rewrite(object: &Value, known: &Secrets, with: With<'_>) -> Value {
    let mut changed = object.clone();
    let mut change = |place: Option<&str>, leaf: Leaf<'_>| {
        let Some((place, slot)) = place.and_then(|place| Some((place, changed.pointer_mut(place)?))) else {
            return;
        };
        *slot = match leaf {
            Leaf::Whole(value) | Leaf::Encoded(value) => with(&plain(value)).into(),
            Leaf::Document(text) if place.starts_with("/status/") => match serde_json::from_str(text) {
                Ok(document) => rewrite(&document, known, with).to_string().into(),
                Err(_) => with(text).into(),
            },
            Leaf::Document(text) => with(text).into(),
            Leaf::Parts(text, mut parts) => {
                parts.extend(known.occurrences(text));
                replace_open(text, parts, with).into()
            }
        };
    };
    Finder::new(&mut change).walk(&Area::Typed, object);
    if let Some(fields) = changed.as_object_mut() {
        for (key, value) in fields {
            match key.as_str() {
                "apiVersion" | "kind" => {}
                "metadata" => {
                    if let Some(annotations) = value.get_mut("annotations") {
                        rewrite_known(annotations, known, with);
                    }
                }
                _ => rewrite_known(value, known, with),
            }
        }
    }
    changed
}

fn rewrite_known(value: &mut Value, known: &Secrets, with: With<'_>) {
    match value {
        Value::String(text) => {
            let parts = known.occurrences(text);
            if !parts.is_empty() {
                *text = replace_open(text, parts, with);
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(|entry| rewrite_known(entry, known, with)),
        Value::Object(fields) => fields.values_mut().for_each(|value| rewrite_known(value, known, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn rewrite_text(text: &str, known: &Secrets, with: With<'_>) -> String {
    let mut parts = text::parts(text, Reading::Value);
    parts.extend(known.occurrences(text));
    replace_open(text, parts, with)
}

/// Replaces parts of a text, but for those in what is closed already.
fn replace_open(text: &str, mut parts: Vec<std::ops::Range<usize>>, with: With<'_>) -> String {
    let closed = text::sealed(text);
    parts.retain(|part| closed.iter().all(|done| part.end <= done.start || done.end <= part.start));
    text::replace(text, &text::merge(parts), with)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seal(key: char) -> Seal {
        Seal::new(&key.to_string().repeat(Seal::SHORTEST_KEY)).unwrap()
    }

    fn job() -> Value {
        json!({
            "kind": "FlinkDeployment",
            "metadata": {"name": "canary-twice", "annotations": {"note": "uses canary-twice"}},
            "spec": {
                "flinkConfiguration": {"s3.secret-key": "canary-twice", "rest.port": "8081", "x.token": "1"},
                "job": {"args": ["--url", "http://u:canary-url@h/p", "--password=x", "plain canary-twice text"]},
            },
            "data": {"a.json": "{\"password\" :  \"canary-json\"}"},
            "status": {"last": "{\"spec\":{\"job\":{\"state\":\"running\"},\"password\":\"canary-status\"}}"},
        })
    }

    #[test]
    fn s25_a_closed_object_says_no_secret_and_opens_to_what_it_was() {
        let seal = seal('k');
        let closed = seal.close(&job(), &Secrets::collect([&job()]));
        let mut text = closed.clone();
        text["metadata"]["name"].take();
        assert!(!text.to_string().contains("canary"), "{text}");
        assert_eq!(closed["metadata"]["name"], "canary-twice", "what names an object stays");
        assert_eq!(closed["spec"]["flinkConfiguration"]["rest.port"], "8081");
        let last: Value = serde_json::from_str(closed["status"]["last"].as_str().unwrap()).unwrap();
        assert_eq!(last["spec"]["job"]["state"], "running", "a status is still read");
        let mut opener = Opener::new(&seal);
        opener.learn(&job(), &Secrets::collect([&job()]));
        assert_eq!(opener.open(&closed)["spec"], job()["spec"]);
        assert_eq!(opener.open(&closed)["data"], job()["data"], "to the letter");
    }

    #[test]
    fn s25_only_the_same_secret_under_the_same_key_opens() {
        let close = |seal: &Seal| seal.close(&job(), &Secrets::default());
        assert_ne!(close(&seal('k')), close(&seal('l')));
        assert_ne!(seal('k').fingerprint(), seal('l').fingerprint());
        let (seal, mut other) = (seal('k'), job());
        other["metadata"] = json!({});
        other["spec"]["flinkConfiguration"]["s3.secret-key"] = json!("canary-new");
        let mut opener = Opener::new(&seal);
        opener.learn(&other, &Secrets::default());
        let after = opener.open(&close(&seal));
        assert_eq!(after["spec"]["job"], job()["spec"]["job"]);
        let closed = after["spec"]["flinkConfiguration"]["s3.secret-key"].as_str().unwrap();
        assert!(closed.starts_with(text::SEALED), "{closed}");
        assert_eq!(super::super::mask("/spec/x", &json!(format!("a {closed} b"))), "a (secret) b");
    }

    #[test]
    fn a_key_that_can_be_guessed_is_refused() {
        assert!(Seal::new(&" ".repeat(64)).is_none());
        assert!(Seal::new(&"k".repeat(Seal::SHORTEST_KEY - 1)).is_none());
    }
}
