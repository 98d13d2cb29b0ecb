//! A YAML value that remembers where each of its parts was written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::finding::Place;
use crate::flink::pointer::segments;

/// A place in a file, small enough to be kept with every value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Path from the repository's root.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// Characters to underline.
    pub width: u32,
}

impl Mark {
    /// A file as a whole.
    pub fn of_file(path: &str) -> Self {
        Self { file: path.into(), line: 0, column: 0, width: 0 }
    }

    /// The same place as findings carry it.
    pub fn place(&self) -> Place {
        Place {
            file: self.file.to_string(),
            line: self.line as usize,
            column: self.column as usize,
            width: self.width as usize,
        }
    }
}

/// A member of a map: its value, and where its key stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Where the key is written.
    pub key: Mark,
    /// The value.
    pub value: Node,
}

impl Member {
    /// A value, and where its key stands.
    pub fn new(key: Mark, value: Node) -> Box<Self> {
        Box::new(Self { key, value })
    }
}

/// The members of a map by key. A tree keeps room for eleven at a time, and most maps have two or three: boxed,
/// the room costs little.
pub type Members = BTreeMap<String, Box<Member>>;

/// What a [`Node`] holds. Clones share maps and lists until they are changed: layers and environments have most in common.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Nothing; in a layer it removes what weaker layers say.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number.
    Number(Number),
    /// Text.
    Text(String),
    /// A list.
    List(Arc<Vec<Node>>),
    /// A map.
    Map(Arc<Members>),
}

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub mark: Mark,
    /// What it is.
    pub content: Content,
}

impl Node {
    /// An empty map at a place.
    pub fn empty(mark: Mark) -> Self {
        Self { mark, content: Content::Map(Arc::default()) }
    }

    /// Text at a place.
    pub fn text_at(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, content: Content::Text(text.into()) }
    }

    /// A map of one member, written nowhere but at this place.
    #[must_use]
    pub fn wrap(self, key: &str) -> Self {
        let mark = self.mark.clone();
        let member = Member::new(mark.clone(), self);
        Self { mark, content: Content::Map(Arc::new(Members::from([(key.to_owned(), member)]))) }
    }

    /// The members, where this is a map.
    pub fn members(&self) -> Option<&Members> {
        match &self.content {
            Content::Map(members) => Some(members),
            _ => None,
        }
    }

    /// The members to change, where this is a map.
    pub fn members_mut(&mut self) -> Option<&mut Members> {
        match &mut self.content {
            Content::Map(members) => Some(Arc::make_mut(members)),
            _ => None,
        }
    }

    /// The items; none where this is no list.
    pub fn items(&self) -> &[Self] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// The items of the list at a key; none where there is no list.
    pub fn list(&self, key: &str) -> &[Self] {
        self.get(key).map_or(&[], Self::items)
    }

    /// The text, where this is text.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is nothing.
    pub fn is_null(&self) -> bool {
        self.content == Content::Null
    }

    /// The member of that name; `None` where it is absent or null.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.members()?.get(key).map(|member| &member.value).filter(|value| !value.is_null())
    }

    /// The value at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The value at the end of a path of keys, to change.
    pub fn at_mut(&mut self, path: &[&str]) -> Option<&mut Self> {
        path.iter()
            .try_fold(self, |node, key| node.members_mut()?.get_mut(*key).map(|member| &mut member.value))
    }

    /// Where the key of a member stands; the map itself where there is no such member.
    pub fn key_mark(&self, key: &str) -> &Mark {
        self.members().and_then(|members| members.get(key)).map_or(&self.mark, |member| &member.key)
    }

    /// The deepest value on the way along a JSON pointer's segments.
    pub fn nearest<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> &Self {
        let mut node = self;
        for segment in segments {
            let next = match &node.content {
                Content::Map(members) => members.get(segment).map(|member| &member.value),
                Content::List(items) => segment.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            let Some(next) = next else { break };
            node = next;
        }
        node
    }

    /// Where the value at a JSON pointer is written: itself, or the key of a whole map; where it is missing,
    /// the key it should be under. A key of Flink's configuration is one segment, however it is nested.
    pub fn place_of(&self, pointer: &str) -> Place {
        match self.follow(pointer) {
            (Some(node), _) if node.members().is_none() => node.mark.place(),
            (_, key) => key.place(),
        }
    }

    /// Where the key of the value at a JSON pointer is written, or the nearest above it.
    pub fn key_place_of(&self, pointer: &str) -> Place {
        self.follow(pointer).1.place()
    }

    /// The value at a JSON pointer, and the last key on the way there.
    fn follow(&self, pointer: &str) -> (Option<&Self>, &Mark) {
        let (mut node, mut key) = (self, &self.mark);
        for segment in segments(pointer) {
            if let Some(item) = segment.parse::<usize>().ok().and_then(|index| node.items().get(index)) {
                (node, key) = (item, &item.mark);
                continue;
            }
            let mut rest = &*segment;
            while !rest.is_empty() {
                let Some((name, below)) = node.step(rest) else { return (None, key) };
                let Some(next) = node.get(name) else { return (None, key) };
                (node, key, rest) = (next, node.key_mark(name), below);
            }
        }
        (Some(node), key)
    }

    /// The same for a field as the API server names it: `spec.job.parallelism`, `spec.tls[0].hosts`.
    pub fn place_of_field(&self, field: &str) -> Place {
        let path = field.replace("].", "/").replace('[', "/").replace(']', "");
        self.place_of(&format!("/{path}"))
    }

    /// The member that a name leads to, and what is left of the name: a key of Flink's configuration may be
    /// nested at any of its dots.
    fn step<'a>(&self, name: &'a str) -> Option<(&'a str, &'a str)> {
        if self.get(name).is_some() {
            return Some((name, ""));
        }
        let mut dots = name.match_indices('.').map(|(at, _)| (&name[..at], &name[at + 1..]));
        dots.find(|(head, _)| self.get(head).is_some())
    }

    /// The plain value. Null members of maps are left out: null means absent everywhere.
    pub fn to_value(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(value) => Value::Number(value.clone()),
            Content::Text(value) => Value::String(value.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Content::Map(members) => Value::Object(object(members)),
        }
    }
}

fn object(members: &Members) -> Map<String, Value> {
    members
        .iter()
        .filter(|(_, member)| !member.value.is_null())
        .map(|(key, member)| (key.clone(), member.value.to_value()))
        .collect()
}

impl Node {
    /// A plain value, written as a whole at one place.
    pub fn of(value: &Value, mark: &Mark) -> Self {
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(*value),
            Value::Number(value) => Content::Number(value.clone()),
            Value::String(value) => Content::Text(value.clone()),
            Value::Array(items) => {
                Content::List(Arc::new(items.iter().map(|item| Self::of(item, mark)).collect()))
            }
            Value::Object(map) => {
                let member = |value| Member::new(mark.clone(), Self::of(value, mark));
                Content::Map(Arc::new(map.iter().map(|(key, value)| (key.clone(), member(value))).collect()))
            }
        };
        Self { mark: mark.clone(), content }
    }

    /// A map of the members given, each key standing where its value does.
    pub fn map<'a>(mark: Mark, members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let member = |(key, value): (&str, Self)| (key.to_owned(), Member::new(value.mark.clone(), value));
        Self { mark, content: Content::Map(Arc::new(members.into_iter().map(member).collect())) }
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::source::Limits;
    use crate::spec::yaml;

    #[test]
    fn a_pointer_leads_to_its_value_or_to_the_nearest_key() {
        let text = "spec:\n  flinkConfiguration:\n    kubernetes.operator:\n      cluster: {health-check.enabled: true}\n  job:\n    parallelism: 0\n    args: [a, b]\n";
        let read = yaml::read("job.yaml", text.as_bytes(), &Limits::default()).unwrap();
        let at = |pointer: &str| {
            let place = read[0].place_of(pointer);
            (place.line, place.column)
        };
        assert_eq!(at("/spec/job/parallelism"), (6, 18));
        assert_eq!(at("/spec/job/jarURI"), (5, 3));
        assert_eq!(at("/spec/job/args/1"), (7, 15));
        assert_eq!(at("/spec/job/args/2"), (7, 5));
        assert_eq!(at("/spec/flinkVersion"), (1, 1));
        assert_eq!(at("/spec/flinkConfiguration"), (2, 3));
        let key_at = |pointer: &str| read[0].key_place_of(pointer).column;
        assert_eq!((key_at("/spec/job/parallelism"), key_at("/spec/job/jarURI")), (5, 3));
        let key = "/spec/flinkConfiguration/kubernetes.operator.cluster.health-check.enabled";
        assert_eq!(at(key), (4, 39));
        assert_eq!(at("/spec/flinkConfiguration/kubernetes.namespace"), (2, 3));
        let field = |field: &str| (read[0].place_of_field(field).line, read[0].place_of_field(field).column);
        assert_eq!(field("spec.job.parallelism"), (6, 18));
        assert_eq!(field("spec.job.args[1]"), (7, 15));
        assert_eq!(
            field("spec.flinkConfiguration.kubernetes.operator.cluster.health-check.enabled"),
            (4, 39)
        );
        assert_eq!(field("spec"), (1, 1));
    }
}
