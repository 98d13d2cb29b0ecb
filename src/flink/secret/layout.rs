//! Secrets of a YAML file as text, line by line: the file may not even parse.
//!
//! Only used so that a diagnostic does not quote what the loader could not read. It knows the
//! layouts in which a secret is not right behind its key: a block below the key, a list or map beside it,
//! a variable's `value:` beside its `name:`, and the argument after an option.

use std::ops::Range;

use super::key::{is_secret_field, is_secret_key};
use super::text::{self, Reading};

/// How a value begins that goes on below.
const OPENING: [char; 6] = ['|', '>', '[', '{', '"', '\''];

/// The secret parts of a YAML text, in order.
pub(super) fn secrets(source: &str) -> Vec<Range<usize>> {
    let mut found: Vec<_> =
        text::parts(source, Reading::Value).into_iter().map(|part| whole(source, part)).collect();
    let kubernetes_secret =
        source.lines().any(|line| line.trim_end().trim_start_matches("- ") == "kind: Secret");
    let mut above = Line::default();
    let mut block = None;
    let mut start = 0;
    for full in source.split_inclusive('\n') {
        let line = Line::read(start, full);
        if block.is_some_and(|indent| line.indent <= indent && !line.is_blank()) {
            block = None;
        }
        if block.is_some() || line.follows(&above) {
            found.push(line.range());
        } else if above.follows(&line) {
            found.push(above.range());
        }
        found.extend(flow_variable(full).map(|value| start + value.start..start + value.end));
        if block.is_none() && line.opens_secret_block(kubernetes_secret) {
            found.push(line.range());
            block = Some(line.indent);
        }
        start += full.len();
        if !line.is_blank() {
            above = line;
        }
    }
    found.retain(|range| !range.is_empty());
    text::merge(found)
}

/// A list or map beside a secret key is secret to the end of the line: what is in it may be anything.
fn whole(source: &str, part: Range<usize>) -> Range<usize> {
    let rest = &source[part.start..];
    let key = text::name_before(source[..part.start].trim_end_matches([' ', ':', '=']), Reading::Value);
    if !rest.starts_with(['{', '[']) || !key.is_some_and(is_secret_field) {
        return part;
    }
    part.start..part.start + rest.find('\n').unwrap_or(rest.len())
}

/// The value of `{name: TOKEN, value: …}`, to the end of the line.
fn flow_variable(line: &str) -> Option<Range<usize>> {
    let value = line.find("value:")? + "value:".len();
    let named = line.match_indices("name:").any(|(at, key)| {
        let name = line[at + key.len()..].trim_start_matches([' ', '"', '\'']);
        let end = name.find([',', '}', '"', '\'', ' ']).unwrap_or(name.len());
        is_secret_key(name[..end].trim_end())
    });
    let shown = line[value..].len() - line[value..].trim_start().len();
    named.then(|| value + shown..line.trim_end().len())
}

/// One line: `- key: value`, or an entry without a key.
#[derive(Clone, Default)]
struct Line<'s> {
    offset: usize,
    indent: usize,
    key: &'s str,
    text: &'s str,
    value: Range<usize>,
}

impl<'s> Line<'s> {
    fn read(offset: usize, full: &'s str) -> Self {
        let mut body = full.trim_start_matches(' ');
        while let Some(entry) = body.strip_prefix("- ") {
            body = entry.trim_start_matches(' ');
        }
        let indent = full.len() - body.len();
        let body = body.trim_end();
        let (key, rest) = match body.split_once(':') {
            Some((key, rest)) if rest.is_empty() || rest.starts_with(' ') => (key, rest),
            _ => ("", body),
        };
        let text = rest.trim().trim_matches(['"', '\'']);
        let start = indent + body.len() - rest.len() + rest.find(text).unwrap_or_default();
        Self { offset, indent, key: key.trim_matches(['"', '\'']), text, value: start..start + text.len() }
    }

    fn range(&self) -> Range<usize> {
        self.offset + self.value.start..self.offset + self.value.end
    }

    fn is_blank(&self) -> bool {
        self.key.is_empty() && self.text.is_empty()
    }

    /// Whether this line's value is secret because of what the other says.
    fn follows(&self, other: &Self) -> bool {
        let variable = self.key == "value" && other.key == "name" && is_secret_key(other.text);
        let argument = self.key.is_empty() && other.key.is_empty() && other.text.starts_with('-');
        variable || (argument && !other.text.contains('=') && is_secret_key(other.text))
    }

    /// Whether this line's value, and what is indented below it, is secret.
    fn opens_secret_block(&self, kubernetes_secret: bool) -> bool {
        match self.key {
            "" => false,
            "stringData" => true,
            "data" | "binaryData" => kubernetes_secret,
            key => is_secret_field(key) && (self.text.is_empty() || self.text.starts_with(OPENING)),
        }
    }
}
