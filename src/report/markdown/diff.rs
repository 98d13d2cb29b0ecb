//! Changed fields as a block of code that code hosts colour, in a fold.

use std::fmt::Write as _;

use super::escape::{fence, prose};
use crate::report::difference::{self, How, Line};
use crate::report::digest::{self, Owner};
use crate::report::document::ChangeDocument;
use crate::report::emphasis::{self, Part};
use crate::report::text::count;

/// Sentences of one fold.
const SENTENCES: usize = 20;
/// Bytes of one fold's differences.
const LONGEST: usize = 12_000;
/// Characters that are kept on each side of what differs within a line.
const AROUND: usize = 100;

/// What opens, and what is in it.
pub(super) fn fold(summary: &str, sentences: &[String], changes: &[ChangeDocument], owner: Owner) -> String {
    let more = sentences.len().saturating_sub(SENTENCES);
    let mut list = String::new();
    for sentence in sentences.iter().take(SENTENCES) {
        let _ = writeln!(list, "- {}", prose(sentence));
    }
    if more > 0 {
        let _ = writeln!(list, "- and {more} more");
    }
    let gap = if list.is_empty() { "" } else { "\n" };
    let block = if changes.is_empty() {
        String::new()
    } else {
        format!("{}\n", fence("diff", &lines(changes, owner)))
    };
    format!("\n<details><summary>{summary}</summary>\n\n{list}{gap}{block}</details>\n")
}

/// The differences of all changes, with a word about what did not fit.
fn lines(changes: &[ChangeDocument], owner: Owner) -> Vec<String> {
    let all: Vec<String> = changes.iter().flat_map(|change| of_change(change, owner)).collect();
    let mut room = LONGEST;
    let mut lines = Vec::new();
    for line in &all {
        if line.len() >= room {
            break;
        }
        room -= line.len() + 1;
        lines.push(line.clone());
    }
    if lines.len() < all.len() {
        lines.push(format!("  … {} left out here", count(all.len() - lines.len(), "line")));
    }
    lines
}

fn of_change(change: &ChangeDocument, owner: Owner) -> Vec<String> {
    let differences = difference::of(change);
    let remarks = digest::remarks(change, &differences, owner).into_iter().map(|(remark, _)| remark);
    let remarks = remarks.collect::<Vec<_>>().join("; ");
    let mut remark = if remarks.is_empty() { remarks } else { format!(" {remarks}") };
    let mut lines = Vec::new();
    for difference in differences {
        lines.push(format!("@@ {} @@{}", difference.path, std::mem::take(&mut remark)));
        match difference.how {
            How::Value { before, after } => {
                lines.extend(before.map(|parts| line('-', &parts)));
                lines.extend(after.map(|parts| line('+', &parts)));
            }
            How::Lines(all) => lines.extend(all.iter().map(|one| match one {
                Line::Same(text) => line(' ', &emphasis::whole(text)),
                Line::Gone(parts) => line('-', parts),
                Line::New(parts) => line('+', parts),
                Line::Folded(lines) => format!("  … {lines} lines unchanged"),
            })),
        }
    }
    lines
}

fn line(mark: char, parts: &[Part]) -> String {
    let text: String = emphasis::fold(parts, AROUND).into_iter().map(|part| part.text).collect();
    format!("{mark} {text}")
}
