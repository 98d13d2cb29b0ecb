//! Text that means itself in Markdown: it makes no markup, no link, no mention and no reference.
//!
//! Code hosts act on text in three ways. Markdown and HTML are stopped by writing their characters as
//! character references, which never begin markup. Links of bare addresses and references to people,
//! issues and merge requests are found in the rendered text, where a character reference is no help:
//! a space of no width behind the character that begins them keeps them from being found.

use std::fmt::Write as _;

use crate::report::visible::clean;

/// A space of no width.
const BREAK: &str = "&#8203;";
/// Characters of a name or a place that are shown.
const LONGEST_CODE: usize = 200;
/// Characters of a sentence that are shown.
const LONGEST_PROSE: usize = 800;

/// A sentence.
pub(super) fn prose(text: &str) -> String {
    let text = cut(clean(text).trim(), LONGEST_PROSE);
    match text.chars().next() {
        // What begins a list, a heading or a definition does so only as the first character.
        Some(first @ ('-' | '+' | '#' | ':' | '0'..='9')) => {
            format!("&#{};{}", u32::from(first), escape(&text)[1..].to_owned())
        }
        _ => escape(&text),
    }
}

/// A name or a place.
pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(&cut(&clean(text), LONGEST_CODE)))
}

fn cut(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most).collect();
    format!("{start} [… {} characters more …]", length - most)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    let letters: Vec<char> = text.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let next = letters.get(at + 1).copied().unwrap_or(' ');
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // Markup anywhere in a line: code, emphasis, links, cells, mathematics, attributes.
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '$' | '{' | '}' | '~' | '^' | '=' => {
                let _ = write!(escaped, "&#{};", u32::from(*letter));
            }
            other => escaped.push(*other),
        }
        if refers(&letters[..at], *letter, next) {
            escaped.push_str(BREAK);
        }
    }
    escaped
}

/// Whether a letter, after others and before the next, would begin a reference or make an address.
fn refers(before: &[char], letter: char, next: char) -> bool {
    let ends_with = |word: &str| {
        let start = before.len().saturating_sub(word.len());
        before[start..].iter().collect::<String>().eq_ignore_ascii_case(word)
    };
    match letter {
        // People and mail; issues; GitLab's merge requests, snippets, milestones, epics, labels, alerts.
        '@' | '#' | '!' | '$' | '%' | '&' | '~' | '^' => !next.is_whitespace(),
        // Addresses, and the names of emoji.
        ':' => next == '/' || next == '+' || next.is_alphabetic(),
        '-' => ends_with("gh") && next.is_ascii_digit(),
        'w' | 'W' => next == '.' && ends_with("ww"),
        _ => false,
    }
}

/// Lines as a block of code that none of them can end.
pub(super) fn fence(language: &str, lines: &[String]) -> String {
    let longest = lines.iter().flat_map(|line| line.split(|letter| letter != '`')).map(str::len).max();
    let fence = "`".repeat(longest.unwrap_or_default().max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(prose("a|b @all <img> `x`"), "a&#124;b @&#8203;all &lt;img&gt; &#96;x&#96;");
        assert_eq!(code("a|b</code>\n"), "<code>a&#124;b&lt;/code&gt;</code>");
        assert_eq!(prose("- x"), "&#45; x");
        assert_eq!(prose("1. x"), "&#49;. x");
        assert_eq!(prose("fixes #12, GH-1"), "fixes #&#8203;12, GH-&#8203;1");
        assert_eq!(prose("https://a.b www.a.b"), "https:&#8203;//a.b www&#8203;.a.b");
    }

    #[test]
    fn plain_words_stay_as_they_are() {
        let text = "waits for orders-ingest: RESTARTING since 2026-11-20T14:02:00Z (jobs/a.yaml:7:5)";
        assert_eq!(prose(text), text);
    }

    #[test]
    fn a_fence_is_longer_than_any_within() {
        assert_eq!(fence("diff", &["+ ````x``".to_owned()]), "`````diff\n+ ````x``\n`````\n");
    }

    #[test]
    fn what_is_cut_is_said() {
        assert!(code(&"x".repeat(300)).ends_with("x &#91;… 100 characters more …&#93;</code>"));
    }
}
