//! Which parts of two similar lines differ, so that a form can point at them.

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// Pairs of words that are compared at most: beyond that the whole middle counts as different.
const MOST: usize = 250_000;

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its text.
    pub text: String,
    /// How it stands to the other line.
    pub role: Role,
}

/// How a piece stands to the other line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is in both, or there is no other line, or the lines have little in common.
    Same,
    /// It is in this one only.
    Differs,
    /// It speaks of what was left out here.
    Folded,
}

/// A line of one piece.
pub(super) fn whole(text: impl Into<String>) -> Vec<Part> {
    vec![Part { text: text.into(), role: Role::Same }]
}

/// Two lines, each in pieces. Lines that have less than a third in common stay in one piece.
pub(super) fn compare(before: &str, after: &str) -> (Vec<Part>, Vec<Part>) {
    let (old, new) = (words(before), words(after));
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - start;
    let end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (middle_old, middle_new) = (&old[start..old.len() - end], &new[start..new.len() - end]);

    let (mut left, mut right) = (Line::default(), Line::default());
    let both = |left: &mut Line, right: &mut Line, words: &[&str]| {
        left.push(words, Role::Same);
        right.push(words, Role::Same);
    };
    both(&mut left, &mut right, &old[..start]);
    for op in operations(middle_old, middle_new) {
        match op {
            DiffOp::Equal { old_index, len, .. } => {
                both(&mut left, &mut right, &middle_old[old_index..old_index + len]);
            }
            other => {
                left.push(&middle_old[other.old_range()], Role::Differs);
                right.push(&middle_new[other.new_range()], Role::Differs);
            }
        }
    }
    both(&mut left, &mut right, &old[old.len() - end..]);
    if left.same * 3 < before.len().max(after.len()) {
        return (whole(before), whole(after));
    }
    (left.parts, right.parts)
}

fn operations(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    if old.len().saturating_mul(new.len()) > MOST {
        return vec![DiffOp::Replace { old_index: 0, old_len: old.len(), new_index: 0, new_len: new.len() }];
    }
    capture_diff_slices(Algorithm::Myers, old, new)
}

/// Runs of letters and digits, and every other character by itself.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = if first.is_alphanumeric() {
            rest.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        words.push(&rest[..end]);
        rest = &rest[end..];
    }
    words
}

#[derive(Default)]
struct Line {
    parts: Vec<Part>,
    /// Bytes that are in both lines.
    same: usize,
}

impl Line {
    fn push(&mut self, words: &[&str], role: Role) {
        let text = words.concat();
        if role == Role::Same {
            self.same += text.len();
        }
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if last.role == role => last.text.push_str(&text),
            _ => self.parts.push(Part { text, role }),
        }
    }
}

/// The line with at most so many characters left on each side of a difference, and ten times as many of
/// the difference itself. What is left out is counted in its place.
pub(super) fn fold(parts: &[Part], keep: usize) -> Vec<Part> {
    let last = parts.len().saturating_sub(1);
    let mut folded = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let (head, tail, why) = match part.role {
            Role::Same if last == 0 => (keep * 10, 0, "more"),
            Role::Same if index == 0 => (0, keep, "unchanged"),
            Role::Same if index == last => (keep, 0, "unchanged"),
            Role::Same => (keep, keep, "unchanged"),
            Role::Differs | Role::Folded => (keep * 10, 0, "more"),
        };
        let length = part.text.chars().count();
        if length <= head + tail + 30 {
            folded.push(part.clone());
            continue;
        }
        let piece =
            |from: usize, count: usize| -> String { part.text.chars().skip(from).take(count).collect() };
        let words = format!("[… {} characters {why} …]", length - head - tail);
        folded.push(Part { text: piece(0, head), role: part.role });
        folded.push(Part { text: words, role: Role::Folded });
        folded.push(Part { text: piece(length - tail, tail), role: part.role });
    }
    folded.retain(|part| !part.text.is_empty());
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(parts: &[Part]) -> String {
        let piece = |part: &Part| match part.role {
            Role::Differs => format!("<{}>", part.text),
            Role::Same | Role::Folded => part.text.clone(),
        };
        parts.iter().map(piece).collect()
    }

    fn pair(before: &str, after: &str) -> (String, String) {
        let (left, right) = compare(before, after);
        (shown(&left), shown(&right))
    }

    #[test]
    fn the_part_that_differs_is_pointed_at() {
        assert_eq!(
            pair("registry.example.com/orders:1.4.1", "registry.example.com/orders:1.4.2"),
            (
                "registry.example.com/orders:1.4.<1>".to_owned(),
                "registry.example.com/orders:1.4.<2>".to_owned()
            )
        );
        assert_eq!(
            pair("SELECT * FROM orders", "SELECT id FROM orders WHERE id"),
            ("SELECT <*> FROM orders".to_owned(), "SELECT <id> FROM orders< WHERE id>".to_owned())
        );
    }

    #[test]
    fn lines_with_little_in_common_stay_whole() {
        assert_eq!(pair("running", "suspended"), ("running".to_owned(), "suspended".to_owned()));
    }

    #[test]
    fn a_long_common_part_is_folded_with_its_length() {
        let (left, _) = compare(
            &format!("{}1{}", "a,".repeat(100), ",b".repeat(50)),
            &format!("{}2{}", "a,".repeat(100), ",b".repeat(50)),
        );
        assert_eq!(
            shown(&fold(&left, 6)),
            "[… 194 characters unchanged …]a,a,a,<1>,b,b,b[… 94 characters unchanged …]"
        );
        assert_eq!(
            shown(&fold(&whole("x".repeat(100)), 5)),
            format!("{}[… 50 characters more …]", "x".repeat(50))
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_added(before in ".{0,80}", after in ".{0,80}") {
            let (left, right) = compare(&before, &after);
            let text = |parts: Vec<Part>| parts.into_iter().map(|part| part.text).collect::<String>();
            prop_assert_eq!(text(left), before);
            prop_assert_eq!(text(right), after);
        }
    }
}
