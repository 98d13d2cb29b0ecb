//! How a changed field differs, place by place: what every form shows of a change.
//!
//! Maps are compared by key, lists by the `name` of their entries where each has one, everything else
//! line by line.

use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::document::ChangeDocument;
use super::emphasis::{self, Part};
use super::visible::visible;
use super::words;
use crate::flink::pointer::segments;
use crate::flink::secret::MASK;

/// Unchanged lines that are kept on each side of a difference.
const CONTEXT: usize = 3;
/// Pairs of lines that are compared at most: beyond that one text gives way to the other as a whole.
const MOST: usize = 16_000_000;

/// One place at which a change differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The place, for people: `spec.podTemplate.spec.containers[main].image`.
    pub path: String,
    /// How it differs there.
    pub how: How,
}

/// How a place differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// One line gives way to another; `None` is absent.
    Value {
        /// What was.
        before: Option<Vec<Part>>,
        /// What will be.
        after: Option<Vec<Part>>,
    },
    /// Lines of a text, a list, or all that is below this place.
    Lines(Vec<Line>),
}

/// A line of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// In both.
    Same(String),
    /// Only in what was.
    Gone(Vec<Part>),
    /// Only in what will be.
    New(Vec<Part>),
    /// So many lines that are in both are left out.
    Folded(usize),
}

/// Every place at which a change differs; at least one.
pub(super) fn of(change: &ChangeDocument) -> Vec<Difference> {
    let path = place(change);
    let mut found = Vec::new();
    compare(&path, change.before.as_ref(), change.after.as_ref(), &mut found);
    if found.is_empty() {
        // Equal once their secrets are taken out.
        let secret = || Some(emphasis::whole(MASK));
        found.push(Difference { path, how: How::Value { before: secret(), after: secret() } });
    }
    found
}

/// The place of a change, its list entries in brackets.
fn place(change: &ChangeDocument) -> String {
    let pointer = change.path.split('/').skip(1);
    let named = segments(change.place());
    let segments = pointer.zip(named).map(|(segment, name)| {
        let is_entry = segment.bytes().all(|digit| digit.is_ascii_digit());
        if is_entry { format!("[{name}]") } else { format!(".{name}") }
    });
    visible(segments.collect::<Vec<_>>().concat().trim_start_matches('.'))
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let added = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(added) {
                let path = format!("{path}.{}", visible(key));
                compare(&path, left.get(key), right.get(key), found);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) if named(left) && named(right) => {
            entries(path, left, right, found);
        }
        _ => found.push(Difference { path: path.to_owned(), how: how(before, after) }),
    }
}

fn entries(path: &str, left: &[Value], right: &[Value], found: &mut Vec<Difference>) {
    let added = right.iter().filter_map(name).filter(|name| find(left, name).is_none());
    for name in left.iter().filter_map(name).chain(added) {
        let path = format!("{path}[{}]", visible(name));
        compare(&path, find(left, name), find(right, name), found);
    }
    let order = |list: &[Value], other: &[Value]| -> Vec<String> {
        list.iter().filter_map(name).filter(|name| find(other, name).is_some()).map(visible).collect()
    };
    let (was, will_be) = (order(left, right), order(right, left));
    if was != will_be {
        let how = How::Lines(lines(&was, &will_be));
        found.push(Difference { path: format!("{path} (order)"), how });
    }
}

/// Whether every entry has a name, and each another.
fn named(list: &[Value]) -> bool {
    let mut names: Vec<&str> = list.iter().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    !list.is_empty() && names.len() == list.len()
}

fn name(entry: &Value) -> Option<&str> {
    entry.get("name")?.as_str()
}

fn find<'l>(list: &'l [Value], name: &str) -> Option<&'l Value> {
    list.iter().find(|entry| self::name(entry) == Some(name))
}

fn how(before: Option<&Value>, after: Option<&Value>) -> How {
    if [before, after].into_iter().flatten().any(has_lines) {
        let (mut left, mut right) = (all_lines(before), all_lines(after));
        if ends_lines(before) != ends_lines(after) && before.is_some() && after.is_some() {
            let side = if ends_lines(before) { &mut right } else { &mut left };
            side.push("(no line break at the end)".to_owned());
        } else if left == right {
            // `[4]` and `["4"]`.
            (left, right) = (exact_lines(before), exact_lines(after));
        }
        return How::Lines(lines(&left, &right));
    }
    let (mut left, mut right) = (before.map(shown), after.map(shown));
    if left == right {
        // `4` and `"4"`.
        let exact = |value: &Value| visible(&value.to_string());
        (left, right) = (before.map(exact), after.map(exact));
    }
    match (left, right) {
        (Some(left), Some(right)) => {
            let (before, after) = emphasis::compare(&left, &right);
            How::Value { before: Some(before), after: Some(after) }
        }
        (left, right) => How::Value { before: left.map(emphasis::whole), after: right.map(emphasis::whole) },
    }
}

/// Whether a value takes more than a line.
fn has_lines(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\n'),
        Value::Array(entries) => !entries.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    }
}

fn ends_lines(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| text.ends_with('\n'))
}

fn exact_lines(value: Option<&Value>) -> Vec<String> {
    let text = value.and_then(|value| serde_json::to_string_pretty(value).ok()).unwrap_or_default();
    text.lines().map(visible).collect()
}

/// A value in lines: a text's own, a plain list's entries, else YAML.
fn all_lines(value: Option<&Value>) -> Vec<String> {
    let is_plain = |entry: &Value| !has_lines(entry) && !entry.is_array() && !entry.is_object();
    match value {
        None => Vec::new(),
        Some(Value::String(text)) => {
            text.strip_suffix('\n').unwrap_or(text).split('\n').map(visible).collect()
        }
        Some(Value::Array(entries)) if entries.iter().all(is_plain) => entries.iter().map(shown).collect(),
        Some(value) if has_lines(value) => {
            let text = serde_yaml::to_string(value).unwrap_or_else(|_| value.to_string());
            text.lines().map(visible).collect()
        }
        Some(value) => vec![shown(value)],
    }
}

/// A value in one line: a plain string without quotes, else JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => visible(text),
        Value::String(text) => format!("\"{}\"", visible(text)),
        other => visible(&other.to_string()),
    }
}

/// Whether a string can be told from everything else without quotes.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && text != words::NOTHING
}

/// Two texts line by line, with what is the same around the differences.
fn lines(left: &[String], right: &[String]) -> Vec<Line> {
    let mut all = Vec::new();
    for op in operations(left, right) {
        let (gone, new) = (&left[op.old_range()], &right[op.new_range()]);
        if let DiffOp::Equal { .. } = op {
            all.extend(gone.iter().cloned().map(Line::Same));
            continue;
        }
        let (mut were, mut will_be): (Vec<_>, Vec<_>) =
            gone.iter().zip(new).map(|(before, after)| emphasis::compare(before, after)).unzip();
        were.extend(gone.iter().skip(new.len()).map(emphasis::whole));
        will_be.extend(new.iter().skip(gone.len()).map(emphasis::whole));
        all.extend(were.into_iter().map(Line::Gone));
        all.extend(will_be.into_iter().map(Line::New));
    }
    fold(&all)
}

fn operations(left: &[String], right: &[String]) -> Vec<DiffOp> {
    if left.len().saturating_mul(right.len()) > MOST {
        let (old_len, new_len) = (left.len(), right.len());
        return vec![DiffOp::Replace { old_index: 0, old_len, new_index: 0, new_len }];
    }
    capture_diff_slices(Algorithm::Myers, left, right)
}

/// Leaves out what is far from any difference.
fn fold(all: &[Line]) -> Vec<Line> {
    let same = |line: &Line| matches!(line, Line::Same(_));
    let mut folded = Vec::new();
    let mut end = 0;
    for run in all.chunk_by(|a, b| same(a) == same(b)) {
        let head = if end == 0 { 0 } else { CONTEXT };
        end += run.len();
        let tail = if end == all.len() { 0 } else { CONTEXT };
        if !same(&run[0]) || run.len() < head + tail + 2 {
            folded.extend_from_slice(run);
            continue;
        }
        folded.extend_from_slice(&run[..head]);
        folded.push(Line::Folded(run.len() - head - tail));
        folded.extend_from_slice(&run[run.len() - tail..]);
    }
    folded
}

#[cfg(test)]
mod tests;
