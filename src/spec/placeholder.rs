//! The parts of a text in which something may stand for something else: `${values.name}`, `${NAME}` and `$${`.

use super::check::nearest;
use super::values::OPENING;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// What stands as it is.
    Plain(&'t str),
    /// `$${`; with `values.` after it also where `$${` is someone else's word.
    Escaped(&'t str),
    /// The name in `${values.name}`.
    Value(&'t str),
    /// `${NAME}`, whole.
    Open(&'t str),
    /// Something that is meant to be a reference and is none.
    Malformed(&'t str),
}

impl Piece<'_> {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Value(_) | Self::Open(_) | Self::Malformed(_))
    }

    pub(super) fn written(&self) -> String {
        match self {
            Self::Value(name) => format!("${{values.{name}}}"),
            Self::Plain(text) | Self::Escaped(text) | Self::Open(text) | Self::Malformed(text) => {
                (*text).to_owned()
            }
        }
    }
}

/// Takes a text apart.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest, mut plain) = (Vec::new(), text, 0);
    while let Some(found) = rest[plain..].find("${").map(|found| plain + found) {
        let (begin, piece, length) = if found > 0 && rest.as_bytes()[found - 1] == b'$' {
            let own = rest[found..].starts_with(OPENING);
            (found - 1, Piece::Escaped(if own { "$${values." } else { "$${" }), 3)
        } else if let Some((piece, length)) = placeholder(&rest[found..]) {
            (found, piece, length)
        } else {
            plain = found + 2;
            continue;
        };
        if begin > 0 {
            pieces.push(Piece::Plain(&rest[..begin]));
        }
        pieces.push(piece);
        rest = &rest[begin + length..];
        plain = 0;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Plain(rest));
    }
    pieces
}

/// The placeholder at the beginning of a text, and how long it is: a name as a shell has it, with or without a
/// default, or what looks like a reference. `${sys:x}`, `${env.X}` and the like are words of other languages.
fn placeholder(text: &str) -> Option<(Piece<'_>, usize)> {
    let inner = &text[2..];
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let end = inner.bytes().position(|byte| !name(byte)).unwrap_or(inner.len());
    let (name, after) = inner.split_at(end);
    let close = text.find('}').map(|at| at + 1);
    if let Some(value) = name.strip_prefix("values.")
        && !value.is_empty()
        && after.starts_with('}')
    {
        return Some((Piece::Value(value), 2 + end + 1));
    }
    let until = close.unwrap_or(text.len());
    let trimmed = inner.trim_start_matches(['{', ' ']);
    let first = trimmed.split(['.', '}', ' ']).next().unwrap_or_default();
    let dotted = trimmed[first.len()..].starts_with('.');
    if dotted && nearest(first, ["values"]).is_some() {
        return Some((Piece::Malformed(&text[..until]), until));
    }
    let shell =
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') && !name.contains('.');
    let ends = after.starts_with('}')
        || after.starts_with(":-")
        || after.starts_with(":=")
        || after.starts_with(":?");
    (shell && ends && close.is_some()).then_some((Piece::Open(&text[..until]), until))
}
