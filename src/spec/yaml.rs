//! The one YAML reader: bytes of a file become [`Node`]s with positions, or one finding that says why not.
//!
//! It is strict: duplicate keys, unknown anchors and anything past the [`Limits`] are refused by name.
//! Only `true` and `false` are booleans (`yes`, `on` and their like are text), and a number with a
//! leading zero is octal, because that is how Kubernetes reads `defaultMode: 0644`.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error, Location, Options, Spanned};

use super::finding::{Finding, Place};
use super::node::{Content, Mark, Member, Members, Node};
use super::source::Limits;
use crate::rule::RuleId;

/// Reads every document of a file; blank documents are left out.
///
/// # Errors
/// The first mistake that keeps the file from being read.
pub fn read(path: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Node>, Box<Finding>> {
    let text = decode(path, bytes)?;
    let documents = serde_saphyr::from_multiple_with_options::<Spanned<Raw>>(text, options(limits))
        .map_err(|error| Box::new(refuse(path, text, limits, &error)))?;
    let file = Arc::from(path);
    Ok(documents.into_iter().map(|raw| place(raw, &file)).filter(|node| !node.is_null()).collect())
}

fn decode<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a str, Box<Finding>> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        encoding(path, &before, "this file is not UTF-8 text")
    })?;
    if let Some(at) = text.find('\0') {
        return Err(encoding(path, &text[..at], "this file contains a NUL byte"));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn encoding(path: &str, before: &str, message: &str) -> Box<Finding> {
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    let place = Place { file: path.to_owned(), line, column, width: 1 };
    Box::new(Finding::error(RuleId::NotText, place, message).hint("save it as UTF-8"))
}

/// The reader's options, set here and nowhere else.
fn options(limits: &Limits) -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: limits.yaml_depth,
            flow_nesting_limit: limits.yaml_depth.max(1) + 1,
            max_nodes: limits.yaml_nodes,
            max_events: limits.yaml_nodes.saturating_mul(4),
            max_aliases: limits.yaml_nodes,
            max_anchors: limits.yaml_nodes,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits.yaml_nodes,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

/// A value as the parser gives it, before it knows its file.
enum Raw {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(String, Location, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Raw, E> {
        Number::from_f64(value).map(Raw::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = members.next_key::<Spanned<String>>()? {
            map.push((key.value, key.referenced, members.next_value()?));
        }
        Ok(Raw::Map(map))
    }
}

fn place(raw: Spanned<Raw>, file: &Arc<str>) -> Node {
    let mut mark = mark(file, raw.referenced);
    let content = match raw.value {
        Raw::Null => Content::Null,
        Raw::Bool(value) => Content::Bool(value),
        Raw::Number(value) => Content::Number(value),
        Raw::Text(value) => Content::Text(value),
        Raw::List(items) => {
            Content::List(Arc::new(items.into_iter().map(|item| place(item, file)).collect()))
        }
        Raw::Map(members) => Content::Map(Arc::new(place_members(members, file))),
    };
    if matches!(content, Content::List(_) | Content::Map(_) | Content::Null) {
        mark.width = 1;
    }
    Node { mark, content }
}

fn place_members(members: Vec<(String, Location, Spanned<Raw>)>, file: &Arc<str>) -> Members {
    let member = |(key, at, value)| (key, Member::new(mark(file, at), place(value, file)));
    members.into_iter().map(member).collect()
}

fn mark(file: &Arc<str>, at: Location) -> Mark {
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Mark {
        file: file.clone(),
        line: small(at.line()),
        column: small(at.column()),
        width: small(at.span().len()).max(1),
    }
}

/// Says in our words why the parser gave up.
fn refuse(path: &str, text: &str, limits: &Limits, error: &Error) -> Finding {
    let place = error.location().map_or_else(|| Place::file(path), |at| found(path, text, at));
    let error = error.without_snippet();
    let (rule, message) = reason(limits, error);
    let finding = Finding::error(rule, place, message);
    match hint(error) {
        Some(hint) => finding.hint(hint),
        None => finding,
    }
}

/// Underlines no more than what is left of the line.
fn found(path: &str, text: &str, at: Location) -> Place {
    let mark = mark(&Arc::from(path), at);
    let line = text.lines().nth(mark.line.saturating_sub(1) as usize).unwrap_or_default();
    let left = line.chars().count().saturating_sub(mark.column as usize - 1).max(1);
    let mut place = mark.place();
    place.width = place.width.min(left);
    place
}

fn reason(limits: &Limits, error: &Error) -> (RuleId, String) {
    let depth =
        || (RuleId::YamlTooDeep, format!("more than {} maps and lists in one another", limits.yaml_depth));
    let nodes = || {
        let message = format!("more than {} values once aliases are expanded", limits.yaml_nodes);
        (RuleId::YamlTooLarge, message)
    };
    let syntax = |message: &str| (RuleId::YamlSyntax, message.to_owned());
    match error {
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. }
        | Error::AliasReplayStackDepthExceeded { .. } => depth(),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => nodes(),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            (RuleId::DuplicateKey, format!("`{key}` is written twice in one map"))
        }
        Error::DuplicateMappingKey { .. } => {
            (RuleId::DuplicateKey, "a key is written twice in one map".to_owned())
        }
        Error::UnknownAnchor { .. } => {
            (RuleId::YamlSyntax, "this alias names an anchor that does not exist".to_owned())
        }
        Error::NonFiniteFloat { .. } => (RuleId::YamlSyntax, "not a finite number".to_owned()),
        Error::ExternalMessage { msg, .. } if msg.contains("recursion limit") => depth(),
        Error::ExternalMessage { msg, .. } | Error::Message { msg, .. } => {
            (RuleId::YamlSyntax, format!("not YAML: {msg}"))
        }
        Error::AliasError { error, .. } => reason(limits, error),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            syntax("this alias stands inside its own anchor")
        }
        Error::MergeValueNotMapOrSeqOfMaps { .. } => syntax("`<<` takes a map, or a list of maps"),
        Error::Unexpected { .. } | Error::NullIntoString { .. } => syntax("the key of a map must be text"),
        Error::InvalidScalar { .. } => syntax("the value does not fit its tag"),
        _ => syntax("this is not YAML that can be read"),
    }
}

fn hint(error: &Error) -> Option<&'static str> {
    match error {
        Error::DuplicateMappingKey { .. } => Some("remove one of them"),
        Error::NonFiniteFloat { .. } => Some("write it in quotes if it is text"),
        Error::ExternalMessage { msg, .. } if msg.contains("tab") => Some("indent with spaces"),
        Error::ExternalMessage { .. } => Some("check the indentation and the quotes around here"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        let mut nodes = read("a.yaml", text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(nodes.len(), 1);
        nodes.remove(0)
    }

    fn refused(bytes: &[u8]) -> Finding {
        *read("a.yaml", bytes, &Limits::default()).unwrap_err()
    }

    #[test]
    fn keys_and_values_know_their_line_and_column() {
        let node = one("a:\n  'bé': 12\n  c: [x, \"y z\"]\n");
        let inner = node.get("a").unwrap();
        let place = |mark: &Mark| (mark.line, mark.column, mark.width);
        assert_eq!(place(node.key_mark("a")), (1, 1, 1));
        assert_eq!(place(inner.key_mark("bé")), (2, 3, 4));
        assert_eq!(place(&inner.get("bé").unwrap().mark), (2, 9, 2));
        assert_eq!(place(&inner.get("c").unwrap().items()[1].mark), (3, 10, 5));
    }

    #[test]
    fn only_true_and_false_are_booleans() {
        for word in ["y", "n", "yes", "no", "on", "off", "Yes", "ON"] {
            assert_eq!(one(word).text(), Some(word));
        }
        assert_eq!(one("true").content, Content::Bool(true));
        assert_eq!(one("False").content, Content::Bool(false));
    }

    #[test]
    fn a_leading_zero_means_octal_as_kubernetes_reads_it() {
        for text in ["0777", "0o777"] {
            assert_eq!(one(text).content, Content::Number(511.into()), "{text}");
        }
        assert_eq!(one("'0777'").text(), Some("0777"));
        assert_eq!(one("0").content, Content::Number(0.into()));
    }

    #[test]
    fn keys_are_text_whatever_they_look_like() {
        let node = one("1: a\ntrue: b\n");
        assert_eq!(node.get("1").unwrap().text(), Some("a"));
        assert_eq!(node.get("true").unwrap().text(), Some("b"));
    }

    #[test]
    fn documents_may_be_many_and_blank() {
        let nodes = read("a.yaml", b"---\na: 1\n---\n---\nb: 2\n---\n", &Limits::default()).unwrap();
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[1].mark.line, 5);
        assert!(read("a.yaml", b"", &Limits::default()).unwrap().is_empty());
        assert!(read("a.yaml", b"# nothing\n", &Limits::default()).unwrap().is_empty());
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_place() {
        let finding = refused(b"a: 1\nb: \xff\n");
        assert_eq!((finding.rule, finding.place.line, finding.place.column), (RuleId::NotText, 2, 4));
        assert_eq!(refused(b"a: \0").message, "this file contains a NUL byte");
        assert_eq!(one("\u{feff}a: 1").get("a").unwrap().mark.column, 4);
    }

    #[test]
    fn a_duplicate_key_is_refused_where_it_is_repeated() {
        let finding = refused(b"a: 1\nb: 2\na: 3\n");
        assert_eq!((finding.rule, finding.place.line, finding.place.column), (RuleId::DuplicateKey, 3, 1));
        assert_eq!(finding.message, "`a` is written twice in one map");
    }

    #[test]
    fn a_syntax_error_has_a_place() {
        let finding = refused(b"a: 1\nb: [1, 2\nc: 3\n");
        assert_eq!(finding.rule, RuleId::YamlSyntax);
        assert!(finding.place.line >= 2, "{finding:?}");
    }

    #[test]
    fn depth_is_limited() {
        let limits = Limits::default();
        for deep in ["[".repeat(10_000), "- ".repeat(10_000), "{a: ".repeat(200) + &"}".repeat(200)] {
            let finding = refused(deep.as_bytes());
            assert_eq!(finding.rule, RuleId::YamlTooDeep, "{finding:?}");
        }
        let fits = "[".repeat(limits.yaml_depth) + &"]".repeat(limits.yaml_depth);
        assert!(read("a.yaml", fits.as_bytes(), &limits).is_ok());
    }

    #[test]
    fn a_billion_laughs_are_not_laughed() {
        let mut lines = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned()];
        for level in 1..10 {
            let alias = format!("*a{}, ", level - 1).repeat(10);
            lines.push(format!("a{level}: &a{level} [{}]", alias.trim_end_matches(", ")));
        }
        assert_eq!(refused(lines.join("\n").as_bytes()).rule, RuleId::YamlTooLarge);
    }

    #[test]
    fn the_number_of_values_is_limited() {
        let many = "- x\n".repeat(Limits::default().yaml_nodes + 1);
        assert_eq!(refused(many.as_bytes()).rule, RuleId::YamlTooLarge);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_become_nodes_or_a_finding(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = read("a.yaml", &bytes, &Limits::default());
        }

        #[test]
        fn any_yaml_like_text_becomes_nodes_or_a_finding(text in "([a-c]{0,2}|[-:?&*!|>%@`\"'#{}\\[\\], \n\t<]|: |- |\n  |&a |\\*a|<<: |é){0,60}") {
            let _ = read("a.yaml", text.as_bytes(), &Limits::default());
        }
    }
}
