//! Secrets inside a text: the credentials of a URL, the value of `password=…`, a private key.

use std::ops::Range;

use super::MASK;
use super::key::{is_secret_field, is_secret_key};

/// What a closed secret begins with; hexadecimal digits follow.
pub(super) const SEALED: &str = "sealed:";
/// How many.
pub(super) const SEALED_DIGITS: usize = 32;

/// What kind of text is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// A value of a manifest: options, properties, SQL, JAAS, a command: `key=value`, `key: value`,
    /// `'key' = 'value'`, `--key value`.
    Value,
    /// Prose for people, in which `token: ` may be followed by anything: only `key=value`.
    Prose,
}

/// The words before the credentials of an HTTP `Authorization`.
const SCHEMES: [&str; 5] = ["basic", "bearer", "digest", "negotiate", "token"];

/// Options of curl and its like with `user:password` behind them.
const USERS: [&str; 3] = ["-u", "--user", "--proxy-user"];

/// The secret parts of a text, in order and apart from each other. Takes time linear in the text.
pub(super) fn parts(text: &str, reading: Reading) -> Vec<Range<usize>> {
    // Most values are one word, in which nothing below can find anything.
    if !text.contains(['=', ':', ' ', '\t']) {
        return Vec::new();
    }
    let mut found = options(text, reading);
    found.extend(credentials(text));
    found.extend(private_keys(text));
    found.extend(sealed(text));
    if reading == Reading::Value {
        found.extend(arguments(text));
        found.extend(oracle(text));
    }
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

/// The password of `jdbc:oracle:thin:user/password@host`.
fn oracle(text: &str) -> Vec<Range<usize>> {
    let found = text.match_indices("jdbc:oracle:").filter_map(|(at, scheme)| {
        let from = at + scheme.len();
        // No user and password are longer.
        let near = text[from..].char_indices().take(256);
        let end =
            near.take_while(|(_, letter)| !letter.is_whitespace()).find(|(_, letter)| *letter == '@')?.0;
        let slash = text[from..from + end].find('/')?;
        Some(from + slash + 1..from + end)
    });
    found.filter(|range| !range.is_empty()).collect()
}

/// What stands between the lines around a private key in PEM.
fn private_keys(text: &str) -> Vec<Range<usize>> {
    const BEGIN: &str = "PRIVATE KEY-----";
    let begins = text.match_indices(BEGIN).filter(|(at, _)| {
        let line = text[..*at].rfind("-----").map_or("", |dashes| &text[dashes..*at]);
        line.starts_with("-----BEGIN ") && line.len() < 64
    });
    let body = begins.map(|(at, begin)| {
        let start = at + begin.len();
        start..text[start..].find("-----").map_or(text.len(), |end| start + end)
    });
    body.filter(|range| !range.is_empty()).collect()
}

/// The value of each option with a secret name. What was taken as a value is not read again.
fn options(text: &str, reading: Reading) -> Vec<Range<usize>> {
    let separators: &[char] = if reading == Reading::Value { &['=', ':'] } else { &['='] };
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find(separators).map(|at| from + at) {
        let value =
            name_before(&text[from..at], reading).filter(|name| is_secret_key(name)).and_then(|name| {
                let setting = reading == Reading::Value && begins_line(text, from..at, name);
                let value = value_after(text, at + 1, reading, setting)?;
                (is_secret_field(name) || !opens_map(&text[value.clone()])).then_some(value)
            });
        from = value.as_ref().map_or(at + 1, |value| value.end);
        found.extend(value);
    }
    found
}

/// Whether a value is the beginning of a map, as in `secretKeyRef: {name: …}`: what is in it speaks for itself.
fn opens_map(value: &str) -> bool {
    let within = value.trim_start_matches(['{', '[', ' ']);
    let key = within.split_whitespace().next();
    value.starts_with(['{', '[']) && key.is_none_or(|key| key.ends_with(':'))
}

/// Whether a name, the last word of a range, begins a line of a file of settings: then its value is the
/// rest of that line. Arguments follow each other in one line.
fn begins_line(text: &str, range: Range<usize>, name: &str) -> bool {
    let before = &text[range.start..range.end];
    let before = &before[..before.rfind(name).unwrap_or_default()];
    let (broken, line) = match before.rsplit_once('\n') {
        Some((_, line)) => (true, line),
        None => (range.start == 0 || text[..range.start].ends_with('\n'), before),
    };
    broken && !name.starts_with('-') && line.trim_matches([' ', '\t', '-', '"', '\'']).is_empty()
}

/// What follows `--password` and its like, and the password behind `--user`.
fn arguments(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find('-').map(|at| from + at) {
        let word = text[at..].split(|letter: char| letter.is_whitespace() || letter == '=').next();
        let word = word.unwrap_or_default();
        from = at + word.len();
        let inside =
            |letter: char| !letter.is_whitespace() && !matches!(letter, '"' | '\'' | '`' | '[' | '(');
        let user = USERS.contains(&word);
        let opens = text[from..].starts_with([' ', '\t']) && (user || is_secret_key(word));
        if !opens || text[..at].ends_with(inside) {
            continue;
        }
        let Some(value) = value_after(text, from, Reading::Value, false) else { continue };
        match text[value.clone()].find(':') {
            _ if text[value.clone()].starts_with('-') => {}
            Some(colon) if user => found.push(value.start + colon + 1..value.end),
            None if user => {}
            _ => found.push(value),
        }
    }
    found.retain(|range| !range.is_empty());
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

/// The value that begins after a separator: to its closing quote, to the end of a setting's line, or to
/// the next separator of values. The scheme before a credential is not secret.
fn value_after(text: &str, from: usize, reading: Reading, setting: bool) -> Option<Range<usize>> {
    let value = value_at(text, from, reading, setting)?;
    if !SCHEMES.iter().any(|scheme| text[value.clone()].eq_ignore_ascii_case(scheme)) {
        return Some(value);
    }
    let end = value.end;
    let credential = value_at(text, end, Reading::Value, false);
    Some(credential.filter(|found| !text[end..found.start].contains('\n')).unwrap_or(value))
}

fn value_at(text: &str, from: usize, reading: Reading, setting: bool) -> Option<Range<usize>> {
    let rest = &text[from..];
    let skipped = if reading == Reading::Value { rest.trim_start_matches([' ', '\t', '\\']) } else { rest };
    let start = from + rest.len() - skipped.len();
    let escaped = text[from..start].ends_with('\\');
    let quote = skipped.chars().next().filter(|letter| matches!(letter, '"' | '\'' | '`'));
    let start = start + quote.map_or(0, char::len_utf8);
    let rest = &text[start..];
    let end = match quote {
        Some(quote) if escaped => rest.find(quote),
        Some(quote) => closing(rest, quote),
        None if setting => rest.find('\n'),
        None => rest.find(ends_value),
    };
    let value = rest[..end.unwrap_or(rest.len())].trim_end_matches(['\\', ' ', '\r']);
    (!value.is_empty()).then(|| start..start + value.len())
}

fn ends_value(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, ';' | '&' | ',' | '"' | '\'' | '`' | ')' | '}')
}

/// Where the quote closes that was opened just before: a doubled one (SQL, YAML) or one behind a
/// backslash (JSON, Java) does not.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at);
        }
    }
    None
}
