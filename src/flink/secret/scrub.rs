//! The set of secrets that are known, and any text without them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::find::{Area, Finder, Leaf};
use super::layout;
use super::text::{self, Reading};

/// Shorter strings are hidden by their place alone: they stand everywhere.
const SHORTEST: usize = 3;
/// A secret below this length is taken out only where it stands as a word of its own.
const LONG: usize = 8;
/// Digits that make a number a secret and not a setting.
const DIGITS: usize = 6;

/// The secret strings found in manifests. Printing it shows how many there are.
///
/// Collecting takes time linear in the manifests; so does scrubbing in the text. The search machine
/// is built when the first text comes by, from all that is known then.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeSet<String>,
    /// What secrets are collected from when they are needed.
    unread: Vec<Unread>,
    machine: OnceLock<Arc<Machine>>,
}

/// What nobody has looked for secrets in yet.
#[derive(Clone)]
enum Unread {
    Manifest(Arc<Value>),
    Source(Arc<[u8]>),
}

/// Finds every secret in a text.
struct Machine {
    /// All that it finds.
    values: BTreeSet<String>,
    /// None where there is nothing to find.
    search: Option<AhoCorasick>,
}

impl Secrets {
    /// Collects the secrets of whole manifests and live objects, Kubernetes Secrets included.
    pub fn collect<'a>(manifests: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut secrets = Self::default();
        let mut keep = |_: Option<&str>, leaf: Leaf<'_>| secrets.keep(&leaf);
        let mut finder = Finder::new(&mut keep);
        for manifest in manifests {
            finder.walk(&Area::Typed, manifest);
        }
        secrets
    }

    /// The secrets of whole manifests and live objects, collected only if there is ever a text to scrub.
    pub fn of(manifests: impl IntoIterator<Item = Arc<Value>>) -> Self {
        Self { unread: manifests.into_iter().map(Unread::Manifest).collect(), ..Self::default() }
    }

    /// The secrets of YAML files that need not parse, for diagnostics that quote them; collected when needed, too.
    pub fn of_sources(sources: impl IntoIterator<Item = Arc<[u8]>>) -> Self {
        Self { unread: sources.into_iter().map(Unread::Source).collect(), ..Self::default() }
    }

    /// Adds the secrets of a YAML file that need not parse, for diagnostics that quote it.
    pub fn read_source(&mut self, text: &str) {
        for part in layout::secrets(text) {
            self.add(&text[part]);
        }
    }

    /// Adds the secrets of one value at a JSON pointer into a manifest.
    pub fn read_value(&mut self, pointer: &str, value: &Value) {
        let mut keep = |_: Option<&str>, leaf: Leaf<'_>| self.keep(&leaf);
        Finder::new(&mut keep).walk(&Area::at(pointer), value);
    }

    /// Adds what another set knows.
    pub fn extend(&mut self, other: Self) {
        self.stop();
        self.values.extend(other.values);
        self.unread.extend(other.unread);
    }

    /// Whether another set knows all of it, as far as that can be told without reading either.
    pub fn is_part_of(&self, other: &Self) -> bool {
        self.unread.is_empty() && self.values.is_subset(&other.values)
    }

    /// Adds a secret from elsewhere, such as a Git token.
    pub fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.contains('\n') {
            secret.lines().filter(|line| line.trim().len() >= LONG).for_each(|line| self.insert(line.trim()));
        }
        self.insert(secret);
    }

    /// The text with every known secret, every URL's credentials and every `password=…` masked.
    pub fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !is_telling(text) {
            return Cow::Borrowed(text);
        }
        let mut parts = text::parts(text, Reading::Prose);
        parts.extend(self.occurrences(text));
        if parts.is_empty() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(text::cut(text, &text::merge(parts)))
    }

    /// A line of a source file with every secret blanked, character for character, so that columns stay.
    pub fn blank(&self, line: &str) -> String {
        let mut parts = text::parts(line, Reading::Value);
        parts.extend(self.occurrences(line));
        let parts = text::merge(parts);
        let mut hidden = parts.iter().peekable();
        line.char_indices()
            .map(|(at, letter)| {
                while hidden.next_if(|part| part.end <= at).is_some() {}
                if hidden.peek().is_some_and(|part| part.contains(&at)) { '*' } else { letter }
            })
            .collect()
    }

    pub(super) fn occurrences(&self, text: &str) -> Vec<Range<usize>> {
        let Some(search) = &self.machine.get_or_init(|| self.build()).search else { return Vec::new() };
        search
            .find_overlapping_iter(text)
            .map(|found| found.range())
            .filter(|range| range.len() >= LONG || stands_alone(text, range))
            .collect()
    }

    fn build(&self) -> Arc<Machine> {
        let mut all = Self { values: self.values.clone(), ..Self::default() };
        for unread in &self.unread {
            match unread {
                Unread::Manifest(manifest) => all.read_value("", manifest),
                Unread::Source(source) => all.read_source(&String::from_utf8_lossy(source)),
            }
        }
        let values = all.values;
        let search = (!values.is_empty())
            .then(|| AhoCorasick::new(&values).expect("the secrets of a repository fit a search machine"));
        Arc::new(Machine { values, search })
    }

    /// Ends the machine before something is added; what it has read is not read again.
    fn stop(&mut self) {
        if let Some(machine) = self.machine.take() {
            self.values = Arc::try_unwrap(machine)
                .map_or_else(|shared| shared.values.clone(), |machine| machine.values);
            self.unread.clear();
        }
    }

    fn keep(&mut self, leaf: &Leaf<'_>) {
        match leaf {
            Leaf::Whole(Value::String(text)) => {
                self.add(text);
                self.add_parts(text, &text::parts(text, Reading::Value));
            }
            Leaf::Whole(other) => self.add(&other.to_string()),
            Leaf::Encoded(value) => self.add_encoded(value.as_str().unwrap_or_default()),
            Leaf::Document(_) => {}
            Leaf::Parts(text, parts) => self.add_parts(text, parts),
        }
    }

    fn add_encoded(&mut self, text: &str) {
        self.add(text);
        let decoded = STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(decoded) = decoded {
            self.add(&decoded);
        }
    }

    /// Adds parts of a text; the halves of `user:password` each by itself, for they travel apart.
    fn add_parts(&mut self, text: &str, parts: &[Range<usize>]) {
        for part in parts {
            let secret = &text[part.clone()];
            self.add(secret);
            if let Some((user, password)) = secret.split_once(':') {
                self.add(password);
                if user.len() >= 2 * LONG {
                    self.add(user);
                }
            }
        }
    }

    fn insert(&mut self, secret: &str) {
        if !is_telling(secret) || self.values.contains(secret) {
            return;
        }
        self.stop();
        let escaped = Value::from(secret).to_string();
        self.values.insert(escaped[1..escaped.len() - 1].to_owned());
        self.values.insert(secret.to_owned());
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({}, {} unread)", self.values.len(), self.unread.len())
    }
}

/// Whether a value is rare enough that taking it out of every text does no harm. What Flink and the operator call
/// the state of a job or a cluster is not.
fn is_telling(secret: &str) -> bool {
    let number = secret.bytes().all(|letter| letter.is_ascii_digit());
    let common = matches!(secret, "true" | "false" | "null" | "none" | "yes" | "no" | "default" | "(secret)");
    let state = matches!(secret, "RUNNING" | "FINISHED" | "READY" | "STABLE" | "SUSPENDED" | "suspended");
    secret.len() >= if number { DIGITS } else { SHORTEST } && !common && !state
}

fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let inside = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    !inside(text[..range.start].chars().next_back()) && !inside(text[range.end..].chars().next())
}
