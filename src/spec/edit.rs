//! The smallest edit of a YAML text that gives one field a value: comments and layout stay as they are.

use serde_json::{Value, json};

use super::node::{Mark, Node};
use super::source::Limits;
use super::yaml::read;

/// Gives the field at a path of keys a value, in the first document that `is_it`. Files begin with one.
///
/// # Errors
/// Where the text cannot be read, has no such document, or is written so that the edit would change more.
pub fn set(
    file: &str,
    text: &str,
    is_it: impl Fn(&Node) -> bool,
    path: &[&str],
    value: &Value,
) -> Result<String, String> {
    let values = |text: &str| {
        let documents = read(file, text.as_bytes(), &Limits::default());
        documents.map_err(|found| format!("{file}:{}: {}", found.place.line, found.message))
    };
    let documents = values(text)?;
    let index = documents.iter().position(is_it).ok_or_else(|| format!("{file} has no such document"))?;
    let mut wanted: Vec<Value> = documents.iter().map(Node::to_value).collect();
    put(&mut wanted[index], path, value);
    let edited = edit(text, &documents[index], path, value);
    // However it is written: what comes of the edit is this and nothing else.
    let fits = |edited: &String| {
        let documents = values(edited);
        documents.is_ok_and(|documents| documents.iter().map(Node::to_value).eq(wanted.iter().cloned()))
    };
    edited
        .filter(fits)
        .ok_or_else(|| format!("{file} is written so that {} cannot be set alone", path.join(".")))
}

fn put(at: &mut Value, path: &[&str], value: &Value) {
    let Some((first, rest)) = path.split_first() else {
        *at = value.clone();
        return;
    };
    if !at.is_object() {
        *at = json!({});
    }
    put(&mut at[*first], rest, value);
}

fn edit(text: &str, root: &Node, path: &[&str], value: &Value) -> Option<String> {
    let (mut at, mut rest) = (root, path);
    while let Some((first, below)) = rest.split_first() {
        let Some(member) = at.members()?.get(*first) else { break };
        if below.is_empty() {
            let begin = offset(text, &member.value.mark)?;
            let old: usize =
                text[begin..].chars().take(member.value.mark.width as usize).map(char::len_utf8).sum();
            return Some(format!("{}{}{}", &text[..begin], scalar(value), &text[begin + old..]));
        }
        (at, rest) = (&member.value, below);
    }
    insert(text, at, &entry(rest, value)?)
}

/// `a: {b: value}`.
fn entry(path: &[&str], value: &Value) -> Option<String> {
    let (first, below) = path.split_first()?;
    Some(match entry(below, value) {
        Some(inner) => format!("{first}: {{{inner}}}"),
        None => format!("{first}: {}", scalar(value)),
    })
}

fn insert(text: &str, map: &Node, entry: &str) -> Option<String> {
    let begin = offset(text, &map.mark)?;
    if text[begin..].starts_with('{') {
        let comma = if map.members()?.is_empty() { "" } else { ", " };
        return Some(format!("{}{{{entry}{comma}{}", &text[..begin], &text[begin + 1..]));
    }
    let first = map.members()?.values().map(|member| &member.key).min()?;
    let key = offset(text, first)?;
    let mut line = text[..key].rfind('\n').map_or(0, |end| end + 1);
    let indent = &text[line..key];
    if !indent.chars().all(|letter| letter == ' ') {
        return None;
    }
    // A comment stays with the field that it stands above.
    while let Some(above) = text[..line].strip_suffix('\n') {
        let start = above.rfind('\n').map_or(0, |end| end + 1);
        if !above[start..].trim_start().starts_with('#') {
            break;
        }
        line = start;
    }
    Some(format!("{}{indent}{entry}\n{}", &text[..line], &text[line..]))
}

fn scalar(value: &Value) -> String {
    let plain = |text: &&str| {
        let mut letters = text.bytes();
        letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'/')
            && letters.all(|letter| letter.is_ascii_alphanumeric() || b"-_./:=".contains(&letter))
            && !text.ends_with(':')
    };
    value.as_str().filter(plain).map_or_else(|| value.to_string(), str::to_owned)
}

/// Where a mark is in the text, in bytes.
fn offset(text: &str, mark: &Mark) -> Option<usize> {
    let line = usize::try_from(mark.line).ok()?.checked_sub(1)?;
    let start = match line {
        0 => 0,
        line => text.match_indices('\n').nth(line - 1)?.0 + 1,
    };
    let column = usize::try_from(mark.column).ok()?.checked_sub(1)?;
    let before: usize = text[start..].chars().take(column).map(char::len_utf8).sum();
    Some(start + before)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: [&str; 3] = ["spec", "job", "initialSavepointPath"];

    fn restored(text: &str) -> Result<String, String> {
        set("job.yaml", text, |_| true, &PATH, &json!("s3://b/sp-1"))
    }

    #[test]
    fn a_field_is_added_in_the_layout_that_is_there() {
        for (before, after) in [
            (
                "# ours\nspec:\n  job:\n    # the program\n    jarURI: a # here\n  image: x\n",
                "# ours\nspec:\n  job:\n    initialSavepointPath: s3://b/sp-1\n    # the program\n    jarURI: a # here\n  image: x\n",
            ),
            (
                "spec:\n  job: {jarURI: 'a', parallelism: 2}\n",
                "spec:\n  job: {initialSavepointPath: s3://b/sp-1, jarURI: 'a', parallelism: 2}\n",
            ),
            ("spec:\n  image: x\n", "spec:\n  job: {initialSavepointPath: s3://b/sp-1}\n  image: x\n"),
            ("spec: {}\n", "spec: {job: {initialSavepointPath: s3://b/sp-1}}\n"),
        ] {
            assert_eq!(restored(before).as_deref(), Ok(after));
        }
    }

    #[test]
    fn a_value_is_replaced_and_what_stands_beside_it_is_not() {
        for (before, after) in [
            (
                "spec:\n  job:\n    initialSavepointPath: \"s3://b/old\"  # from May\n    jarURI: ä\n",
                "spec:\n  job:\n    initialSavepointPath: s3://b/sp-1  # from May\n    jarURI: ä\n",
            ),
            (
                "spec: {job: {ä: 1, initialSavepointPath: s3://b/old, jarURI: a}}",
                "spec: {job: {ä: 1, initialSavepointPath: s3://b/sp-1, jarURI: a}}",
            ),
        ] {
            assert_eq!(restored(before).as_deref(), Ok(after));
        }
    }

    #[test]
    fn of_several_documents_one_is_edited() {
        let text = "kind: A\nspec: {job: {a: 1}}\n---\nkind: B\nspec:\n  job:\n    a: 1\n";
        let edited = set(
            "all.yaml",
            text,
            |node| node.get("kind").and_then(Node::text) == Some("B"),
            &PATH,
            &json!("x y"),
        );
        let after = "kind: A\nspec: {job: {a: 1}}\n---\nkind: B\nspec:\n  job:\n    initialSavepointPath: \"x y\"\n    a: 1\n";
        assert_eq!(edited.as_deref(), Ok(after));
    }

    #[test]
    fn what_would_change_something_else_as_well_is_refused() {
        for text in [
            "spec:\n  job: &one\n    a: 1\n  other: *one\n",
            "spec:\n  job: 7\n",
            "spec:\n  job: [\n",
            "spec:\n  job:\n    initialSavepointPath: |\n      a\n      b\n",
        ] {
            let refused = restored(text).unwrap_err();
            assert!(refused.starts_with("job.yaml"), "{refused}");
        }
    }
}
