//! Walks a manifest and finds every secret in it, with its place.

use std::ops::Range;

use serde_json::{Map, Value};

use super::key::{FURTHER_KEYS, is_object_name, is_reference, is_secret_field, is_secret_key};
use super::text::{self, Reading};
use crate::flink::pointer::{escape, segments};

/// The annotation in which kubectl keeps a copy of all it applied.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Strings in strings: how often JSON text is read inside JSON text.
const NESTING: usize = 2;

/// What a place in a manifest is, as far as secrets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Area {
    /// Fields with a type, where only few names promise a secret.
    Typed,
    /// A map of free keys; nested keys are joined by dots.
    Keys(String),
    /// A list of variables.
    Variables,
    /// One variable of this name, or index.
    Variable(String),
    /// The name of a Secret is no secret; whatever else stands in its place is one.
    Reference,
    /// Everything here is secret.
    Secret,
    /// The same, in base64.
    Encoded,
}

impl Area {
    /// The area a JSON pointer into a manifest leads to.
    pub(super) fn at(pointer: &str) -> Self {
        let mut segments = segments(pointer).peekable();
        let mut area = Self::Typed;
        while let Some(segment) = segments.next() {
            let value = segments.peek().map(|_| &Value::Null);
            area = area.enter(&segment, value);
        }
        area
    }

    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::Secret | Self::Encoded | Self::Reference)
    }

    /// The area of a field, or of a list entry by its name or index. Typed fields are secret only
    /// where they hold a text; `value` is what is there, `None` if that is not known.
    fn enter(&self, key: &str, value: Option<&Value>) -> Self {
        match self {
            Self::Secret | Self::Reference => Self::Secret,
            Self::Encoded => Self::Encoded,
            Self::Keys(_) if key == LAST_APPLIED => Self::Secret,
            Self::Keys(prefix) => Self::keys(prefix, key),
            Self::Variables => Self::Variable(key.to_owned()),
            Self::Variable(name) if key == "value" && hides(name) => Self::Secret,
            Self::Typed | Self::Variable(_) => Self::typed(key, value),
        }
    }

    fn keys(prefix: &str, key: &str) -> Self {
        let whole = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        if is_reference(&whole) {
            Self::Reference
        } else if is_secret_key(&whole) {
            Self::Secret
        } else {
            Self::Keys(whole)
        }
    }

    fn typed(key: &str, value: Option<&Value>) -> Self {
        match key {
            "flinkConfiguration" | "configuration" | "annotations" | "data" | "binaryData" => {
                Self::Keys(String::new())
            }
            "stringData" => Self::Secret,
            "env" => Self::Variables,
            _ if value.is_none_or(Value::is_string) && is_secret_field(key) => Self::Secret,
            _ => Self::Typed,
        }
    }
}

/// The words, in lower case, that a Flink configuration itself says promise a secret.
fn further_keys(area: &Area, fields: &Map<String, Value>) -> Vec<String> {
    let text = match (area, fields.get(FURTHER_KEYS)) {
        (Area::Keys(prefix), Some(Value::String(text))) if prefix.is_empty() => text.clone(),
        (Area::Keys(prefix), Some(Value::Array(words))) if prefix.is_empty() => {
            words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        }
        _ => return Vec::new(),
    };
    let words = text.split([',', ';']).map(|word| word.trim().to_lowercase());
    words.filter(|word| !word.is_empty()).collect()
}

/// A variable known only by its index may be any.
fn hides(name: &str) -> bool {
    is_secret_key(name) || name.bytes().all(|letter| letter.is_ascii_digit())
}

/// A leaf with a secret in it.
pub(super) enum Leaf<'a> {
    /// All of it is secret.
    Whole(&'a Value),
    /// All of it is secret, and written in base64.
    Encoded(&'a Value),
    /// A JSON text with secrets in it, each of which is reported by itself.
    Document(&'a str),
    /// These parts of a text are.
    Parts(&'a str, Vec<Range<usize>>),
}

/// Goes through a value and reports each leaf that holds a secret, with its JSON pointer, or `None`
/// for what stands inside a JSON text.
pub(super) struct Finder<'f> {
    pointer: String,
    nesting: usize,
    found: Found<'f>,
}

type Found<'f> = &'f mut dyn FnMut(Option<&str>, Leaf<'_>);

impl<'f> Finder<'f> {
    pub(super) fn new(found: Found<'f>) -> Self {
        Self { pointer: String::new(), nesting: 0, found }
    }

    pub(super) fn walk(&mut self, area: &Area, value: &Value) {
        match (value, area) {
            (Value::Null, _) => {}
            (Value::Object(fields), _) => self.object(area, fields),
            (Value::Array(entries), _) => self.list(area, entries),
            (Value::String(text), Area::Reference) if is_object_name(text) => {}
            (_, Area::Encoded) => self.report(Leaf::Encoded(value)),
            (_, Area::Secret | Area::Reference) => {
                self.document(value.as_str().unwrap_or_default());
                self.report(Leaf::Whole(value));
            }
            (Value::String(text), _) => self.text(text),
            (Value::Bool(_) | Value::Number(_), _) => {}
        }
    }

    fn report(&mut self, leaf: Leaf<'_>) {
        (self.found)((self.nesting == 0).then_some(&self.pointer), leaf);
    }

    fn below(&mut self, key: &str, area: &Area, value: &Value) {
        let length = self.push(key);
        self.walk(area, value);
        self.pointer.truncate(length);
    }

    /// Goes one step down; answers how long the pointer was.
    fn push(&mut self, key: &str) -> usize {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&escape(key));
        length
    }

    fn object(&mut self, area: &Area, fields: &Map<String, Value>) {
        let secret = fields.get("kind").is_some_and(|kind| kind == "Secret");
        let named = fields.get("name").and_then(Value::as_str).map(|name| Area::Variable(name.to_owned()));
        let further = further_keys(area, fields);
        // Nothing is in an empty map, and `managedFields` is made of them.
        let full = |value: &Value| value.as_object().is_none_or(|map| !map.is_empty());
        for (key, value) in fields.iter().filter(|(_, value)| full(value)) {
            let within = match (key.as_str(), &named) {
                ("data" | "binaryData", _) if secret => Area::Encoded,
                _ if further.iter().any(|word| key.to_lowercase().contains(word)) => Area::Secret,
                ("value", Some(variable)) if !area.is_secret() => variable.enter(key, Some(value)),
                _ => area.enter(key, Some(value)),
            };
            self.below(key, &within, value);
        }
    }

    fn list(&mut self, area: &Area, entries: &[Value]) {
        // A variable says its name itself.
        let area = if *area == Area::Variables { &Area::Typed } else { area };
        let mut option = false;
        for (index, entry) in entries.iter().enumerate() {
            let text = entry.as_str().unwrap_or_default();
            let secret = option && !text.starts_with("--");
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            option = name.starts_with('-') && !name.contains(char::is_whitespace) && is_secret_key(name);
            let length = self.push(&index.to_string());
            if option && !value.is_empty() && !area.is_secret() {
                let rest = std::iter::once(name.len() + 1..text.len());
                self.report(Leaf::Parts(text, rest.collect()));
            } else {
                self.walk(if secret { &Area::Secret } else { area }, entry);
            }
            self.pointer.truncate(length);
            option &= name.len() == text.len();
        }
    }

    fn text(&mut self, text: &str) {
        if self.document(text) {
            return self.report(Leaf::Document(text));
        }
        let parts = text::parts(text, Reading::Value);
        if !parts.is_empty() {
            self.report(Leaf::Parts(text, parts));
        }
    }

    /// Reports the secrets inside a text that is a JSON document, such as `lastReconciledSpec`.
    /// Whether there were any.
    fn document(&mut self, text: &str) -> bool {
        if self.nesting == NESTING || !text.trim_start().starts_with(['{', '[']) {
            return false;
        }
        let Ok(value) = serde_json::from_str::<Value>(text) else { return false };
        let mut any = false;
        let found = &mut *self.found;
        let mut inner = |place: Option<&str>, leaf: Leaf<'_>| {
            any = true;
            found(place, leaf);
        };
        let nesting = self.nesting + 1;
        Finder { pointer: String::new(), nesting, found: &mut inner }.walk(&Area::Typed, &value);
        any
    }
}
