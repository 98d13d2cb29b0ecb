//! A changed field in lines: `path  before → after`, or what is gone and what is new below each other.

use super::layout::{columns, cut, pad, rows, wrap};
use super::style::{BOLD, DIM, GONE, NEW, PLAIN, YELLOW, paint};

use crate::report::difference::{self, Difference, How, Line};
use crate::report::digest::{self, Owner};
use crate::report::document::ChangeDocument;
use crate::report::emphasis::{self, Part};
use crate::report::words;

/// Lines of one difference beyond which it is cut, with a word about the rest.
const MOST_LINES: usize = 60;
/// Columns a path may take for the values to stand beside it in a column.
const LONGEST_PATH: usize = 44;

/// The lines of all changes of one object, without indentation.
pub(super) fn lines(changes: &[ChangeDocument], owner: Owner, width: usize) -> Vec<String> {
    let told: Vec<(&ChangeDocument, Vec<Difference>)> =
        changes.iter().map(|change| (change, difference::of(change))).collect();
    let paths =
        told.iter().flat_map(|(_, differences)| differences).map(|difference| columns(&difference.path));
    let column = paths.filter(|columns| *columns <= LONGEST_PATH.min(width / 2)).max().unwrap_or_default();
    let mut lines = Vec::new();
    for (change, differences) in &told {
        for difference in differences {
            one(difference, column, width, &mut lines);
        }
        for (remark, drifted) in digest::remarks(change, differences, owner) {
            let style = if drifted { YELLOW } else { DIM };
            let remark = wrap(&remark, width.saturating_sub(2));
            lines.extend(remark.iter().map(|line| format!("  {}", paint(style, line))));
        }
    }
    lines
}

fn one(difference: &Difference, column: usize, width: usize, lines: &mut Vec<String>) {
    match &difference.how {
        How::Value { before, after } => {
            let one = |parts: &Option<Vec<Part>>, style| {
                parts.as_ref().map_or_else(
                    || paint(DIM, words::NOTHING),
                    |parts| rows(parts, style, usize::MAX).concat(),
                )
            };
            let (was, will_be) = (one(before, GONE), one(after, NEW));
            let line = format!("{}  {was} → {will_be}", pad(&difference.path, column));
            if columns(&line) <= width {
                lines.push(line);
                return;
            }
            path(&difference.path, width, lines);
            let pair = [("-", GONE, before), ("+", NEW, after)];
            for (mark, style, parts) in pair {
                if let Some(parts) = parts {
                    marked(mark, style, parts, width, lines);
                }
            }
        }
        How::Lines(all) => {
            path(&difference.path, width, lines);
            for line in all.iter().take(MOST_LINES) {
                match line {
                    Line::Same(text) => marked(" ", PLAIN, &emphasis::whole(text), width, lines),
                    Line::Gone(parts) => marked("-", GONE, parts, width, lines),
                    Line::New(parts) => marked("+", NEW, parts, width, lines),
                    Line::Folded(count) => {
                        lines.push(paint(DIM, format!("  … {count} lines unchanged")));
                    }
                }
            }
            if all.len() > MOST_LINES {
                let more = all.len() - MOST_LINES;
                lines.push(paint(DIM, format!("  … {more} more lines; --format json shows them")));
            }
        }
    }
}

/// A path on lines of its own, broken between its segments where it is long.
fn path(path: &str, width: usize, lines: &mut Vec<String>) {
    let (mut all, mut line) = (Vec::new(), String::new());
    for segment in segments(path) {
        if !line.is_empty() && columns(&line) + columns(segment) > width {
            all.extend(cut(&std::mem::replace(&mut line, "  ".to_owned()), width));
        }
        line.push_str(segment);
    }
    all.extend(cut(&line, width));
    lines.extend(all.into_iter().map(|line| paint(BOLD, line)));
}

/// `a`, `.b`, `[c]`, `.d`.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let starts = path.match_indices(['.', '[']).map(|(at, _)| at).filter(|at| *at > 0);
    let ends = starts.clone().chain([path.len()]);
    std::iter::once(0).chain(starts).zip(ends).map(|(start, end)| &path[start..end])
}

fn marked(mark: &str, style: anstyle::Style, parts: &[Part], width: usize, lines: &mut Vec<String>) {
    let folded = emphasis::fold(parts, width.max(20) * 2);
    for (index, row) in rows(&folded, style, width.saturating_sub(4)).into_iter().enumerate() {
        let mark = if index == 0 { paint(style, mark) } else { " ".to_owned() };
        lines.push(format!("  {mark} {row}"));
    }
}
