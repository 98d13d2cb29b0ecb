//! Comments that silence a rule at its line: `# flinkops: ignore rule-id reason`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Levels, RULES, Rule, rule};
use crate::rule::RuleId;
use crate::spec::check::nearest;
use crate::spec::finding::{Finding, Place};

/// What such a comment begins with, behind its `#`.
const WORDS: &str = "flinkops: ignore";

/// A comment, and the line it speaks of: its own, or where it stands alone the next that is no comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    place: Place,
    line: usize,
    rule: String,
    reason: String,
}

impl Comment {
    /// The comments of a YAML file.
    pub fn all(path: &str, bytes: &[u8]) -> Vec<Self> {
        // Most files have none, and are looked at no further.
        match std::str::from_utf8(bytes) {
            Ok(text) if text.contains(WORDS) => read(path, text),
            _ => Vec::new(),
        }
    }

    /// What keeps it from having an effect, if anything does.
    fn mistake(&self) -> Option<(String, String)> {
        let example = format!("write # {WORDS} <rule> <why>");
        if self.rule.is_empty() {
            return Some(("this comment names no rule".to_owned(), example));
        }
        if rule(&self.rule).is_none() {
            let near = nearest(&self.rule, RULES.iter().map(|rule| rule.id.as_str()));
            let hint = near.map_or(example, |near| format!("did you mean `{near}`?"));
            return Some((format!("there is no rule `{}`", self.rule), hint));
        }
        self.reason
            .is_empty()
            .then(|| ("this comment gives no reason, and silences nothing".to_owned(), example))
    }
}

fn read(path: &str, text: &str) -> Vec<Comment> {
    let lines: Vec<&str> = text.lines().collect();
    let comment = |(index, line): (usize, &&str)| {
        let (before, said) = split(line)?;
        let next =
            || index + 1 + lines[index + 1..].iter().position(|line| says_something(line)).unwrap_or(0);
        let line = if before.trim().is_empty() { next() } else { index };
        let (rule, reason) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
        let place = Place {
            file: path.to_owned(),
            line: index + 1,
            column: before.chars().count() + 1,
            width: lines[index].trim_end().chars().count() - before.chars().count(),
        };
        Some(Comment { place, line: line + 1, rule: rule.to_owned(), reason: reason.trim().to_owned() })
    };
    lines.iter().enumerate().filter_map(comment).collect()
}

/// What stands before such a comment, and what it says behind its words.
fn split(line: &str) -> Option<(&str, &str)> {
    let (before, said) = line.split_once(WORDS)?;
    let before = before.trim_end().strip_suffix('#')?;
    let begins = before.is_empty() || before.ends_with(char::is_whitespace);
    let ends = said.is_empty() || said.starts_with(char::is_whitespace);
    (begins && ends).then(|| (before, said.trim()))
}

fn says_something(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
}

/// The comments that had an effect: the file, the line and the rule they speak of.
pub type Silenced = BTreeSet<(String, usize, RuleId)>;

/// Every comment of a repository.
#[derive(Clone, Debug, Default)]
pub struct Comments {
    levels: Levels,
    by_place: BTreeMap<(String, usize), Vec<Comment>>,
}

impl Comments {
    /// The comments of all files; `levels` says how bad a mistake in one is.
    pub fn new(comments: impl IntoIterator<Item = Comment>, levels: Levels) -> Self {
        let mut by_place: BTreeMap<_, Vec<Comment>> = BTreeMap::new();
        for comment in comments {
            by_place.entry((comment.place.file.clone(), comment.line)).or_default().push(comment);
        }
        Self { levels, by_place }
    }

    /// Whether a finding is silenced; then what silenced it is noted.
    pub fn silence(&self, finding: &Finding, silenced: &mut Silenced) -> bool {
        if self.by_place.is_empty() {
            return false;
        }
        let at = (finding.place.file.clone(), finding.place.line);
        let mut here = self.by_place.get(&at).into_iter().flatten();
        let found = here.any(|comment| comment.rule == finding.rule.as_str() && comment.mistake().is_none());
        if found {
            silenced.insert((at.0, at.1, finding.rule));
        }
        found
    }

    /// What is wrong with comments, but those in files that `broken` names: there nothing was judged.
    pub fn findings(&self, silenced: &Silenced, broken: impl Fn(&str) -> bool) -> Vec<Finding> {
        let severity = rule(RuleId::IgnoreComment.as_str()).and_then(|rule| self.levels.of(rule));
        let Some(severity) = severity.filter(|_| !self.by_place.is_empty()) else { return Vec::new() };
        let idle = |comment: &Comment| {
            let file = &comment.place.file;
            let used = |rule: &Rule| silenced.contains(&(file.clone(), comment.line, rule.id));
            (!rule(&comment.rule).is_some_and(used) && !broken(file))
                .then(|| (format!("`{}` finds nothing here", comment.rule), "remove the comment".to_owned()))
        };
        let finding = |comment: &Comment| {
            let (message, hint) = comment.mistake().or_else(|| idle(comment))?;
            let finding = Finding::error(RuleId::IgnoreComment, comment.place.clone(), message).hint(hint);
            Some(Finding { severity, ..finding })
        };
        self.by_place.values().flatten().filter_map(finding).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(usize, String, String)> {
        let all = Comment::all("job.yaml", text.as_bytes());
        all.into_iter().map(|comment| (comment.line, comment.rule, comment.reason)).collect()
    }

    #[test]
    fn a_comment_speaks_of_its_line_or_of_the_next() {
        let text = "spec:\n  # flinkops: ignore a first why\n  # flinkops: ignore b and why\n\n  x: 1\n  y: 2 # flinkops: ignore c  why \n";
        let line = |line, rule: &str, reason: &str| (line, rule.to_owned(), reason.to_owned());
        assert_eq!(said(text), [line(5, "a", "first why"), line(5, "b", "and why"), line(6, "c", "why")]);
        assert_eq!(said("#flinkops: ignore\n"), [line(2, "", "")]);
        assert_eq!(said("# flinkops: ignore a"), [line(2, "a", "")]);
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        for text in [
            "x: flinkops: ignore a b",
            "x: a# flinkops: ignore a b",
            "# flinkops: ignored a b",
            "# flinkops ignore a",
        ] {
            assert_eq!(said(text), [], "{text}");
        }
        assert_eq!(Comment::all("f", b"# flinkops: ignore \xff"), []);
    }
}
