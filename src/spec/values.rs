//! `values` of `flinkops.yaml`: what `${values.name}` stands for in a job's layers, and which `${…}` nobody would
//! ever replace.
//!
//! There is no more to it than that: no nesting, no expressions. A text that is one reference takes the value
//! with its type; `$${` stands for `${`. Plain manifests are what `kubectl` would take: nothing is replaced in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::check::nearest;
use super::finding::{Finding, Note};
use super::layers::CONFIGURATION;
use super::node::{Content, Mark, Members, Node};
use super::placeholder::{Piece, pieces};
use crate::flink::pointer::escape;
use crate::rule::RuleId;

/// What every reference begins with.
pub const OPENING: &str = "${values.";

/// Values by name, each with the place of its name: those of one environment are the repository's, and its own
/// over them.
pub type Values = Members;

/// Whether a text refers to a value.
pub fn refers(text: &str) -> bool {
    text.contains(OPENING)
}

/// Reads `values`: scalars by name. Says what cannot be one; what is no scalar the schema has told.
pub fn read(declared: Option<&Node>) -> (Values, Vec<Finding>) {
    let (mut values, mut findings) = (Values::new(), Vec::new());
    for (name, member) in declared.and_then(Node::members).into_iter().flatten() {
        let place = member.key.place();
        if !is_name(name) {
            let finding =
                Finding::error(RuleId::BadName, place, format!("`{name}` cannot be the name of a value"));
            findings.push(finding.hint("letters, digits, `-` and `_`, beginning with a letter"));
        } else if member.value.text().is_some_and(|text| pieces(text).iter().any(Piece::is_open)) {
            let message = format!("`{name}` holds a placeholder, and nothing is replaced within a value");
            findings.push(Finding::error(RuleId::UnresolvedPlaceholder, member.value.mark.place(), message));
        } else if !member.value.is_null() {
            values.insert(name.clone(), member.clone());
        }
    }
    (values, findings)
}

/// Letters, digits, `-` and `_`, beginning with a letter: no dot, because there is no nesting.
fn is_name(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(rest)
}

/// The names of all values that something refers to.
pub fn used(node: &Node, names: &mut BTreeSet<String>) {
    match &node.content {
        Content::Text(text) => names.extend(pieces(text).into_iter().filter_map(|piece| match piece {
            Piece::Value(name) => Some(name.to_owned()),
            _ => None,
        })),
        Content::List(items) => items.iter().for_each(|item| used(item, names)),
        Content::Map(members) => members.values().for_each(|member| used(&member.value, names)),
        _ => {}
    }
}

/// What became of a manifest's references.
#[derive(Debug, Default)]
pub struct Resolved {
    /// The values that were put in, by the JSON pointer of where.
    pub values: BTreeMap<String, Vec<Put>>,
    /// What could not be.
    pub findings: Vec<Finding>,
}

/// A value that was put in.
#[derive(Clone, Debug)]
pub struct Put {
    /// Its name.
    pub name: String,
    /// Where the reference stands.
    pub at: Mark,
    /// Where the value is written.
    pub written: Mark,
}

impl Put {
    /// Says where the value is written.
    pub fn note(&self) -> Note {
        Note { place: self.written.place(), message: format!("the value of `{}` is written here", self.name) }
    }
}

/// Puts the values into a job's merged layers.
pub fn resolve(layers: &mut Node, environment: &str, values: &Values) -> Resolved {
    let mut walk = Walk { environment, values: Some(values), out: Resolved::default() };
    walk.node(&Somewhere::default(), layers);
    walk.out
}

/// The placeholders of a plain manifest that the operator would take literally.
pub fn unresolved(manifest: &mut Node) -> Vec<Finding> {
    let mut walk = Walk { environment: "", values: None, out: Resolved::default() };
    walk.node(&Somewhere::default(), manifest);
    walk.out.findings
}

/// The placeholders of `flinkops.yaml` outside `defaults`, where nothing is replaced.
pub fn misplaced(file: &Node) -> Vec<Finding> {
    fn walk(node: &Node, found: &mut Vec<Finding>) {
        match &node.content {
            Content::Text(text) => {
                found.extend(pieces(text).iter().find(|piece| piece.is_open()).map(|piece| {
                    let message = format!("`{}` is not replaced here", piece.written());
                    Finding::error(RuleId::UnresolvedPlaceholder, node.mark.place(), message)
                        .hint("values are replaced in `defaults`, in job.yaml and in <environment>.yaml")
                }));
            }
            Content::List(items) => items.iter().for_each(|item| walk(item, found)),
            Content::Map(members) => {
                let kept = |key: &str| key != "defaults" && key != "values";
                members
                    .iter()
                    .filter(|(key, _)| kept(key))
                    .for_each(|(_, member)| walk(&member.value, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(file, &mut found);
    found
}

/// Writes the texts of a job's fields so that they come out of its layers as they are; without `all`,
/// placeholders stay what they are, to be refused.
pub fn escape_all(fields: &mut Value, all: bool) {
    escape_below(&Somewhere::default(), fields, all);
}

fn escape_below(at: &Somewhere, value: &mut Value, all: bool) {
    match value {
        Value::String(text) if text.contains("${") => {
            let opening = if at.foreign { OPENING } else { "${" };
            let found = if all { opening.to_owned() } else { format!("${opening}") };
            *text = text.replace(&found, &format!("${found}"));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| escape_below(at, item, all)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(key, member)| escape_below(&at.below(key), member, all));
        }
        _ => {}
    }
}

/// Where in a manifest a walk is.
#[derive(Clone, Default)]
struct Somewhere {
    pointer: String,
    /// Whether `${…}` is a word of someone else's language here: a shell's, Log4j's, an ingress controller's.
    foreign: bool,
    in_pod: bool,
    /// The key of Flink's configuration, however it is nested.
    option: Option<String>,
}

impl Somewhere {
    fn below(&self, key: &str) -> Self {
        let in_pod = self.in_pod || key == "podTemplate";
        let option = match self.option.as_deref() {
            None => (key == CONFIGURATION).then(String::new),
            Some("") => Some(key.to_owned()),
            Some(before) => Some(format!("{before}.{key}")),
        };
        let foreign = match key {
            "logConfiguration" | "annotations" => true,
            "command" | "args" | "env" if self.in_pod => true,
            _ => option.as_deref().is_some_and(is_for_a_shell),
        };
        let pointer = format!("{}/{}", self.pointer, escape(key));
        Self { pointer, foreign: self.foreign || foreign, in_pod, option }
    }
}

/// Whether an option of Flink becomes part of a container's command or environment.
fn is_for_a_shell(option: &str) -> bool {
    let variable = || option.strip_prefix("containerized.").is_some_and(|rest| rest.contains(".env."));
    option.starts_with("env.java.opts") || option.ends_with(".start-command-template") || variable()
}

struct Walk<'a> {
    environment: &'a str,
    /// `None` in a plain manifest, where nothing is replaced.
    values: Option<&'a Values>,
    out: Resolved,
}

impl Walk<'_> {
    fn node(&mut self, at: &Somewhere, node: &mut Node) {
        match &mut node.content {
            Content::Text(text) if text.contains("${") => {
                let text = std::mem::take(text);
                node.content = self.text(at, &text, &node.mark);
            }
            Content::List(items) => {
                for (index, item) in Arc::make_mut(items).iter_mut().enumerate() {
                    self.node(&at.below(&index.to_string()), item);
                }
            }
            Content::Map(members) => {
                for (key, member) in Arc::make_mut(members) {
                    let below = at.below(key);
                    if key.contains("${") && !below.foreign {
                        let open = pieces(key).into_iter().find(Piece::is_open);
                        self.out.findings.extend(open.map(|open| refused(&open, &member.key, "a key")));
                    }
                    self.node(&below, &mut member.value);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, at: &Somewhere, text: &str, mark: &Mark) -> Content {
        let Some(values) = self.values else {
            let open =
                |piece: &Piece<'_>| matches!(piece, Piece::Value(_)) || (piece.is_open() && !at.foreign);
            let found =
                pieces(text).into_iter().find(open).map(|open| refused(&open, mark, "a plain manifest"));
            self.out.findings.extend(found);
            return Content::Text(text.to_owned());
        };
        let pieces = pieces(text);
        let mut whole = String::new();
        for piece in &pieces {
            match piece {
                Piece::Escaped("$${") if at.foreign => whole.push_str("$${"),
                Piece::Escaped(_) => whole.push_str("${"),
                Piece::Open(_) if !at.foreign => self.out.findings.push(refused(piece, mark, "")),
                Piece::Malformed(_) => self.out.findings.push(malformed(piece, mark)),
                Piece::Plain(text) | Piece::Open(text) => whole.push_str(text),
                Piece::Value(name) => {
                    let Some(value) = values.get(*name).map(|member| &member.value) else {
                        self.out.findings.push(unknown(name, mark, self.environment, values));
                        continue;
                    };
                    let put = Put { name: (*name).to_owned(), at: mark.clone(), written: value.mark.clone() };
                    self.out.values.entry(at.pointer.clone()).or_default().push(put);
                    if pieces.len() == 1 {
                        return value.content.clone();
                    }
                    whole.push_str(&self.as_text(name, value));
                }
            }
        }
        Content::Text(whole)
    }

    /// A value within a text. `1.20` is a number that forgets its zero.
    fn as_text(&mut self, name: &str, value: &Node) -> String {
        if let Content::Number(number) = &value.content
            && number.is_f64()
        {
            let message = format!("`{name}` is part of a text elsewhere, and a number loses its last zeros");
            let finding = Finding::error(RuleId::BadValue, value.mark.place(), message);
            self.out.findings.push(finding.hint("write it in quotes"));
        }
        match &value.content {
            Content::Text(text) => text.clone(),
            _ => value.to_value().to_string(),
        }
    }
}

fn unknown(name: &str, mark: &Mark, environment: &str, values: &Values) -> Finding {
    let message = format!("there is no value `{name}` in {environment}");
    let finding = Finding::error(RuleId::UnknownValue, mark.place(), message);
    match nearest(name, values.keys().map(String::as_str)) {
        Some(known) => finding.hint(format!("did you mean `${{values.{known}}}`?")),
        None => finding.hint(format!(
            "write `{name}` under `values` in flinkops.yaml, or under `environments.{environment}.values`"
        )),
    }
}

fn refused(piece: &Piece<'_>, mark: &Mark, within: &str) -> Finding {
    let written = piece.written();
    let message = match within {
        "" => format!("nothing replaces `{written}`: the operator would take it literally"),
        within => format!("nothing is replaced in {within}: the operator would take `{written}` literally"),
    };
    let finding = Finding::error(RuleId::UnresolvedPlaceholder, mark.place(), message);
    match within {
        "" => finding.hint(
            "write the value, or `${values.name}` with `values` in flinkops.yaml; `$${` stands for `${`",
        ),
        "a plain manifest" => {
            finding.hint("write the value, or a job.yaml, where `${values.name}` is replaced")
        }
        _ => finding.hint("write the key as it is meant"),
    }
}

fn malformed(piece: &Piece<'_>, mark: &Mark) -> Finding {
    let message = format!("`{}` is no reference to a value", piece.written());
    Finding::error(RuleId::UnresolvedPlaceholder, mark.place(), message).hint("write `${values.name}`")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::spec::source::Limits;
    use crate::spec::yaml;

    fn node(text: &str) -> Node {
        yaml::read("f", text.as_bytes(), &Limits::default()).unwrap().remove(0)
    }

    fn resolved(layers: &str, values: &str) -> (serde_json::Value, Vec<String>) {
        let declared = node(values);
        let (values, mut findings) = read(Some(&declared));
        let mut layers = node(layers);
        findings.extend(resolve(&mut layers, "prod", &values).findings);
        (layers.to_value(), findings.into_iter().map(|finding| finding.message).collect())
    }

    #[test]
    fn a_whole_reference_keeps_its_type_and_a_part_becomes_text() {
        let values = "{n: 4, on: true, bucket: orders}";
        let layers = "{a: '${values.n}', b: '${values.on}', c: 's3://${values.bucket}/${values.n}', d: '${values.bucket}'}";
        assert_eq!(
            resolved(layers, values),
            (json!({"a": 4, "b": true, "c": "s3://orders/4", "d": "orders"}), vec![])
        );
    }

    #[test]
    fn unknown_values_placeholders_and_slips_are_told() {
        let layers = "{a: '${values.bukket}', b: '${HOME}/x', c: '${BUCKET:-x}', d: '${ values.n }', e: '${value.n}', f: '${{values.n}}', '${K}': 1}";
        assert_eq!(
            resolved(layers, "{bucket: x}").1,
            [
                "nothing is replaced in a key: the operator would take `${K}` literally",
                "there is no value `bukket` in prod",
                "nothing replaces `${HOME}`: the operator would take it literally",
                "nothing replaces `${BUCKET:-x}`: the operator would take it literally",
                "`${ values.n }` is no reference to a value",
                "`${value.n}` is no reference to a value",
                "`${{values.n}` is no reference to a value",
            ]
        );
    }

    #[test]
    fn words_of_other_languages_are_left_alone() {
        let layers = "
spec:
  ingress: {template: '{{name}}.example.com', annotations: {snippet: 'set $x ${uri};'}}
  logConfiguration: {log4j-console.properties: 'filePattern = ${sys:log.file}-$${date:yyyy}-${HOST}'}
  flinkConfiguration: {env.java.opts.all: '-Dx=${HOSTNAME}', flink.hadoop.x: '${user.name}', containerized.master.env.P: '${P}'}
  job: {args: ['SELECT ''{{x}}''', '${sys:x}', '${}', '$HOME', '${1}']}
  podTemplate: {spec: {containers: [{command: [sh, -c, 'echo ${HOME} ${#x} $${A}'], args: ['${X}'], env: [{name: A, value: '${B}'}]}]}}
";
        assert_eq!(resolved(layers, "{}"), (node(layers).to_value(), vec![]));
    }

    #[test]
    fn a_doubled_dollar_stands_for_one() {
        let layers = "{a: '$${HOME}', b: '$${values.n}', logConfiguration: {c: '$${values.n} $${ctx:x}'}}";
        let expected =
            json!({"a": "${HOME}", "b": "${values.n}", "logConfiguration": {"c": "${values.n} $${ctx:x}"}});
        assert_eq!(resolved(layers, "{n: 1}"), (expected, vec![]));
    }

    #[test]
    fn a_number_with_a_fraction_is_no_part_of_a_text() {
        let (value, found) = resolved("{a: '${values.v}', b: 'app:${values.v}'}", "{v: 1.20}");
        assert_eq!(value["a"], json!(1.2));
        assert_eq!(found, ["`v` is part of a text elsewhere, and a number loses its last zeros"]);
    }

    #[test]
    fn there_is_no_nesting() {
        assert_eq!(
            resolved("{a: '${values.x}'}", "{x: '${values.y}', y: 1, a.b: 2}").1,
            [
                "`a.b` cannot be the name of a value",
                "`x` holds a placeholder, and nothing is replaced within a value",
                "there is no value `x` in prod",
            ]
        );
    }

    proptest! {
        #[test]
        fn pieces_are_the_text(text in "([a-z.:-]|\\$|\\{|\\}|values\\.|é| ){0,12}") {
            let whole: String = pieces(&text).iter().map(|piece| match piece {
                Piece::Escaped(_) => "$${".to_owned(),
                piece => piece.written(),
            }).collect();
            prop_assert_eq!(whole, text);
        }
    }
}
