//! Secrets inside a text: the credentials of a URL, the value of `password=…`.

use std::ops::Range;

use super::MASK;
use super::key::is_secret_key;

/// What a closed secret begins with; hexadecimal digits follow.
pub(super) const SEALED: &str = "sealed:";
/// How many.
pub(super) const SEALED_DIGITS: usize = 32;

/// What kind of text is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// A value of a manifest: options, properties, SQL, JAAS: `key=value`, `key: value`, `'key' = 'value'`.
    Value,
    /// Prose for people, in which `token: ` may be followed by anything: only `key=value`.
    Prose,
}

/// The secret parts of a text, in order and apart from each other. Takes time linear in the text.
pub(super) fn parts(text: &str, reading: Reading) -> Vec<Range<usize>> {
    let mut found = options(text, reading);
    found.extend(credentials(text));
    found.extend(sealed(text));
    merge(found)
}

/// The closed secrets of a text, in order.
pub(super) fn sealed(text: &str) -> Vec<Range<usize>> {
    text.match_indices(SEALED)
        .filter_map(|(at, _)| {
            let end = at + SEALED.len() + SEALED_DIGITS;
            let digits = text.get(at + SEALED.len()..end)?;
            digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')).then_some(at..end)
        })
        .collect()
}

/// The text with each of these parts masked.
pub(super) fn cut(text: &str, parts: &[Range<usize>]) -> String {
    replace(text, parts, |_| MASK.to_owned())
}

/// The text with something else in the place of each of these parts.
pub(super) fn replace(text: &str, parts: &[Range<usize>], mut with: impl FnMut(&str) -> String) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for part in parts {
        shown.push_str(&text[end..part.start]);
        shown.push_str(&with(&text[part.clone()]));
        end = part.end;
    }
    shown.push_str(&text[end..]);
    shown
}

/// Sorts ranges and joins those that touch.
pub(super) fn merge(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// The part of each URL between `://` and `@`, where it is more than a user's name.
fn credentials(text: &str) -> Vec<Range<usize>> {
    text.match_indices("://")
        .filter_map(|(at, separator)| {
            let start = at + separator.len();
            let rest = &text[start..];
            let authority = rest.find(ends_authority).map_or(rest, |end| &rest[..end]);
            let user = &authority[..authority.rfind('@')?];
            let secret = user.contains(':') || text[..at].ends_with("http") || text[..at].ends_with("https");
            (secret && !user.is_empty()).then(|| start..start + user.len())
        })
        .collect()
}

fn ends_authority(letter: char) -> bool {
    matches!(letter, '/' | '?' | '#' | '"' | '\'' | '`' | '<' | '>' | '\\') || letter.is_whitespace()
}

/// The value of each option with a secret name. What was taken as a value is not read again.
fn options(text: &str, reading: Reading) -> Vec<Range<usize>> {
    let separators: &[char] = if reading == Reading::Value { &['=', ':'] } else { &['='] };
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find(separators).map(|at| from + at) {
        let value = name_before(&text[from..at], reading)
            .filter(|name| is_secret_key(name))
            .and_then(|_| value_after(text, at + 1, reading));
        from = value.as_ref().map_or(at + 1, |value| value.end);
        found.extend(value);
    }
    found
}

/// The name that ends a text, with quotes and space around it where the reading allows.
pub(super) fn name_before(text: &str, reading: Reading) -> Option<&str> {
    let text = if reading == Reading::Value { text.trim_end_matches([' ', '\t', '\\']) } else { text };
    let text = text.trim_end_matches(['"', '\'', '`']).trim_end_matches('\\');
    let named = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    let start = text.rfind(|letter| !named(letter)).map_or(0, |at| at + 1);
    text.get(start..).filter(|name| !name.is_empty())
}

/// The value that begins after a separator: to its closing quote, or to the next separator of values.
fn value_after(text: &str, from: usize, reading: Reading) -> Option<Range<usize>> {
    let rest = &text[from..];
    let skipped = if reading == Reading::Value { rest.trim_start_matches([' ', '\t', '\\']) } else { rest };
    let start = from + rest.len() - skipped.len();
    let quote = skipped.chars().next().filter(|letter| matches!(letter, '"' | '\'' | '`'));
    let start = start + quote.map_or(0, char::len_utf8);
    let rest = &text[start..];
    let end = rest
        .find(|letter: char| match quote {
            Some(quote) => letter == quote,
            None => {
                letter.is_whitespace() || matches!(letter, ';' | '&' | ',' | '"' | '\'' | '`' | ')' | '}')
            }
        })
        .unwrap_or(rest.len());
    let end = rest[..end].trim_end_matches('\\').len();
    (end > 0).then(|| start..start + end)
}
