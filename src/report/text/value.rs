//! A changed value in a few words: `path: before → after`.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::report::document::ChangeDocument;

/// Characters beyond which a value is cut.
const LONGEST: usize = 300;
/// Lines of a text's difference beyond which it is cut.
const MOST_LINES: usize = 20;

/// The lines that say how a field differs, without indentation.
///
/// Lists are compared entry by entry, by their `name` where they have one; texts line by line.
pub(super) fn lines(change: &ChangeDocument, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    compare(change.place(), change.before.as_ref(), change.after.as_ref(), width, &mut lines);
    if lines.is_empty() {
        lines.push(format!("{}: (secret) → (secret)", change.place()));
    }
    lines
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, width: usize, lines: &mut Vec<String>) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let added = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(added) {
                compare(&format!("{path}/{key}"), left.get(key), right.get(key), width, lines);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) if named(left) && named(right) => {
            let added = right.iter().filter(|entry| find(left, entry).is_none());
            for entry in left.iter().chain(added) {
                let path = format!("{path}/{}", name(entry).unwrap_or_default());
                compare(&path, find(left, entry), find(right, entry), width, lines);
            }
        }
        (Some(Value::String(left)), Some(Value::String(right)))
            if left.contains('\n') || right.contains('\n') =>
        {
            lines.push(format!("{path}:"));
            text(left, right, lines);
        }
        _ => lines.extend(pair(path, before, after, width)),
    }
}

fn named(list: &[Value]) -> bool {
    !list.is_empty() && list.iter().all(|entry| name(entry).is_some())
}

fn name(entry: &Value) -> Option<&str> {
    entry.get("name")?.as_str()
}

fn find<'l>(list: &'l [Value], like: &Value) -> Option<&'l Value> {
    list.iter().find(|entry| name(entry) == name(like))
}

fn pair(path: &str, before: Option<&Value>, after: Option<&Value>, width: usize) -> Vec<String> {
    let (before, after) = (shown(before), shown(after));
    let line = format!("{path}: {before} → {after}");
    if line.chars().count() <= width {
        return vec![line];
    }
    vec![format!("{path}:"), format!("    {before}"), format!("  → {after}")]
}

fn shown(value: Option<&Value>) -> String {
    let text = match value {
        None => return "(none)".into(),
        Some(Value::String(text)) if is_plain(text) => text.clone(),
        Some(other) => other.to_string(),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start}… ({} characters)", text.chars().count())
}

/// Whether a string can be shown without quotes.
fn is_plain(text: &str) -> bool {
    let visible = |letter: char| !letter.is_control();
    !text.is_empty() && text.trim() == text && text.chars().all(visible)
}

fn text(before: &str, after: &str, lines: &mut Vec<String>) {
    let diff = TextDiff::from_lines(before, after);
    let changed: Vec<String> = diff
        .iter_all_changes()
        .filter_map(|change| {
            let sign = match change.tag() {
                ChangeTag::Equal => return None,
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            Some(format!("  {sign} {}", change.value().trim_end().escape_debug()))
        })
        .collect();
    let more = changed.len().saturating_sub(MOST_LINES);
    lines.extend(changed.into_iter().take(MOST_LINES));
    if more > 0 {
        lines.push(format!("  … {more} more lines"));
    }
}
