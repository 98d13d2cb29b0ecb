//! Cuts parts out of a YAML text by whole lines, so that the rest stays as it was written.
//!
//! Nothing here is sure of what it does to odd layouts: whoever cuts reads the result again and compares.

use std::ops::Range;

use super::super::node::{Content, Node};
use super::super::source::Limits;
use super::super::yaml;

/// One step down a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a map.
    Key(String),
    /// Into a list.
    Item(usize),
}

/// Steps through maps only.
pub fn keys(path: &[&str]) -> Vec<Step> {
    path.iter().map(|key| Step::Key((*key).to_owned())).collect()
}

/// The only document of a text.
pub fn root(text: &str) -> Option<Node> {
    let mut read = yaml::read("text", text.as_bytes(), &Limits::default()).ok()?;
    (read.len() == 1).then(|| read.remove(0))
}

/// The text without the value at a path and its key; `None` where it does not have lines of its own.
pub fn cut(text: &str, path: &[Step]) -> Option<String> {
    let (lines, range) = span(text, path)?;
    Some([&lines[..range.start], &lines[range.end..]].concat().concat())
}

/// The same with the comments right above it, which are about it.
pub fn cut_with_comments(text: &str, path: &[Step]) -> Option<String> {
    let (lines, range) = span(text, path)?;
    let above = comments_above(&lines, range.start);
    Some([&lines[..range.start - above], &lines[range.end..]].concat().concat())
}

/// How many lines of comment stand right above one, as far in as it is.
fn comments_above(lines: &[&str], line: usize) -> usize {
    let indent = indent(lines[line]);
    let comment = |line: &&&str| line.trim_start().starts_with('#') && self::indent(line) == indent;
    lines[..line].iter().rev().take_while(comment).count()
}

/// The lines of a member with the comments above it, moved to the left edge.
pub fn lift(text: &str, path: &[Step]) -> Option<String> {
    let (lines, range) = span(text, path)?;
    let indent = indent(lines[range.start]);
    let above = comments_above(&lines, range.start);
    let moved = |line: &&str| {
        let strip = indent.min(self::indent(line));
        line[strip..].to_owned()
    };
    let mut lifted: String = lines[range.start - above..range.end].iter().map(moved).collect();
    if !lifted.ends_with('\n') {
        lifted.push('\n');
    }
    Some(lifted)
}

/// The lines of a text, and which of them hold the value at a path.
fn span<'t>(text: &'t str, path: &[Step]) -> Option<(Vec<&'t str>, Range<usize>)> {
    let root = root(text)?;
    let (last, way) = path.split_last()?;
    let parent = way.iter().try_fold(&root, |node, step| child(node, step))?;
    let value = child(parent, last)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mark = match last {
        Step::Key(key) => parent.key_mark(key),
        Step::Item(_) => &value.mark,
    };
    let begin = usize::try_from(mark.line).ok()?.checked_sub(1)?;
    let before = lines.get(begin)?.get(..usize::try_from(mark.column).ok()?.checked_sub(1)?)?;
    let indent = match last {
        Step::Key(_) => before.len(),
        Step::Item(_) => before.trim_end().strip_suffix('-')?.len(),
    };
    if !before[..indent].chars().all(|letter| letter == ' ') {
        return None;
    }
    let entries = matches!((last, &value.content), (Step::Key(_), Content::List(_)));
    let outside = |line: &&str| {
        let here = self::indent(line);
        let entry = entries && here == indent && line.trim_start().starts_with('-');
        !line.trim().is_empty() && here <= indent && !entry
    };
    let deepest = begin.max(deepest(value).saturating_sub(1));
    let mut end = deepest + 1;
    while lines.get(end).is_some_and(|line| !outside(line)) {
        end += 1;
    }
    while end > deepest + 1 && lines[end - 1].trim().is_empty() {
        end -= 1;
    }
    Some((lines, begin..end))
}

fn child<'n>(node: &'n Node, step: &Step) -> Option<&'n Node> {
    match step {
        Step::Key(key) => node.members()?.get(key).map(|member| &member.value),
        Step::Item(index) => node.items().get(*index),
    }
}

/// The last line on which a part of a value begins.
fn deepest(node: &Node) -> usize {
    let below = match &node.content {
        Content::Map(members) => {
            members.values().map(|member| deepest(&member.value).max(member.key.line as usize)).max()
        }
        Content::List(items) => items.iter().map(deepest).max(),
        _ => None,
    };
    below.unwrap_or_default().max(node.mark.line as usize)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# head\na: 1\n\n# of b\nb:\n  # of c\n  c: # beside\n  - x\n  # in c\n  - y: 1\n    z: 2\n  d: |\n    # text\n\n    more\n# of e\ne: {f: 1}\n";

    #[test]
    fn a_member_goes_with_its_lines_and_nothing_else() {
        let without = |path: &[&str]| cut(TEXT, &keys(path)).unwrap();
        assert_eq!(without(&["a"]), TEXT.replace("a: 1\n", ""));
        assert_eq!(
            without(&["b", "c"]),
            TEXT.replace("  c: # beside\n  - x\n  # in c\n  - y: 1\n    z: 2\n", "")
        );
        assert_eq!(without(&["b", "d"]), TEXT.replace("  d: |\n    # text\n\n    more\n", ""));
        assert_eq!(without(&["e"]), TEXT.replace("e: {f: 1}\n", ""));
        assert_eq!(cut(TEXT, &keys(&["e", "f"])), None);
    }

    #[test]
    fn an_entry_of_a_list_goes_with_its_dash() {
        let path = [keys(&["b", "c"]), vec![Step::Item(1)]].concat();
        assert_eq!(cut(TEXT, &path).unwrap(), TEXT.replace("  - y: 1\n    z: 2\n", ""));
    }

    #[test]
    fn a_member_is_lifted_with_its_comments() {
        let lifted = lift(TEXT, &keys(&["b", "c"])).unwrap();
        assert_eq!(lifted, "# of c\nc: # beside\n- x\n# in c\n- y: 1\n  z: 2\n");
    }
}
