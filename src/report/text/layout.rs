//! Lines that fit: measured in columns of a terminal, broken where they must be, and never cut.

use anstream::adapter::strip_str;
use anstyle::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::style::{DIM, paint};
use crate::report::emphasis::{Part, Role};

/// The columns a text takes; styles take none.
pub(super) fn columns(text: &str) -> usize {
    strip_str(text).map(str::width).sum()
}

/// A text with spaces behind it up to so many columns.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// Breaks prose at spaces into lines of at most so many columns, a word that is longer wherever it must be.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.extend(cut(word, width)),
        }
    }
    lines
}

/// A text in pieces of at most so many columns; at least one. A style goes on in the next piece.
pub(super) fn cut(text: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut taken, mut in_style) = (0, false);
    for letter in text.chars() {
        in_style |= letter == '\u{1b}';
        let letter_width = if in_style { 0 } else { letter.width().unwrap_or(0) };
        if taken + letter_width > width && taken > 0 {
            pieces.push(String::new());
            taken = 0;
        }
        taken += letter_width;
        pieces.last_mut().expect("it begins with one").push(letter);
        in_style &= letter != 'm';
    }
    pieces
}

/// A line in pieces, painted, and broken anywhere at so many columns; at least one.
pub(super) fn rows(parts: &[Part], style: Style, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut rows = vec![String::new()];
    let mut taken = 0;
    for part in parts {
        let style = match part.role {
            Role::Same => style,
            Role::Differs => style.bold().underline(),
            Role::Folded => DIM,
        };
        let room = width - taken.min(width);
        let fits = part.text.width() <= room;
        let (first, rest) = if fits { (part.text.as_str(), "") } else { split(&part.text, room) };
        if !first.is_empty() {
            rows.last_mut().expect("it begins with one").push_str(&paint(style, first));
            taken += first.width();
        }
        if !rest.is_empty() {
            for piece in cut(rest, width) {
                taken = piece.width();
                rows.push(paint(style, piece));
            }
        }
    }
    rows
}

/// The text up to so many columns, and the rest.
fn split(text: &str, width: usize) -> (&str, &str) {
    let mut taken = 0;
    for (at, letter) in text.char_indices() {
        taken += letter.width().unwrap_or(0);
        if taken > width {
            return text.split_at(at);
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::emphasis;

    #[test]
    fn prose_breaks_at_spaces_and_a_long_word_where_it_must() {
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("see s3://bucket/path now", 8), ["see", "s3://buc", "ket/path", "now"]);
        assert_eq!(wrap("作业 作业", 5), ["作业", "作业"]);
    }

    #[test]
    fn a_painted_line_breaks_anywhere_and_loses_nothing() {
        let (parts, _) = emphasis::compare("registry/orders:1.4.1", "registry/orders:1.4.2");
        let rows = rows(&parts, Style::new(), 8);
        let plain: Vec<String> = rows.iter().map(|row| strip_str(row).to_string()).collect();
        assert_eq!(plain, ["registry", "/orders:", "1.4.1"]);
    }
}
