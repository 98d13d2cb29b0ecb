//! Whatever stands in a repository or a cluster, a comment has the structure that was meant, and no more:
//! no link, no mention, no reference, no HTML, no end of a fold, a fence, a row or a diagram.

use proptest::prelude::*;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde_json::{Value, json};

use crate::flink::kind::ObjectKey;
use crate::flink::pointer::escape;
use crate::flink::secret::Secrets;
use crate::plan::Live;
use crate::plan::outcome::{
    Action, Blocked, BlockedBy, Cause, Change, CompanionPlan, Effect, Owner, Plan, State, UnitPlan,
};
use crate::report::document::{
    AgainstKind, EdgeDocument, FindingsDocument, GraphDocument, NodeDocument, PlanDocument, StatusDocument,
    WhyDocument,
};
use crate::report::sample;
use crate::rule::RuleId;
use crate::spec::Finding;
use crate::spec::finding::Place;

/// What people have tried, and what this form itself is made of.
const FRAGMENTS: [&str; 64] = [
    "</details>",
    "<details open>",
    "</code>",
    "</summary>",
    "<!--",
    "-->",
    "<img src=x onerror=a()>",
    "<b>",
    "@team",
    "@org/team",
    "#12",
    "GH-1",
    "gh-7",
    "!34",
    "org/repo#5",
    "~bug",
    "%1",
    "&3",
    "$9",
    "^alert#1",
    "[x](http://evil.example)",
    "![x](//evil.example/p.png)",
    "[^1]",
    "\n[r]: http://evil.example\n",
    "[r]",
    "https://evil.example",
    "www.evil.example",
    "a@evil.example",
    "mailto:a@b.c",
    "<https://evil.example>",
    "`",
    "```",
    "````\n",
    "~~~",
    "|",
    "\\|",
    "\\",
    "\n",
    "\r\n\r\n# x\n",
    "- x",
    "1. x",
    "> x",
    "---",
    "***",
    "$x$",
    ":tada:",
    "\u{1b}[2J",
    "\u{202e}",
    "\"]",
    "\"]\n click a href \"http://evil.example\"\n",
    "%%{init: {}}%%",
    "end",
    "&lt;",
    "&#64;team",
    "\t",
    "    x",
    "**x**",
    "_x_",
    "~~x~~",
    "==x==",
    "{#id}",
    "\n/close\n",
    "\u{0}",
    "\u{2028}",
];

fn hostile() -> impl Strategy<Value = String> {
    let fragment = proptest::sample::select(FRAGMENTS.to_vec()).prop_map(str::to_owned);
    let piece = prop_oneof![4 => fragment, 1 => ".{0,12}", 1 => "[a-z ]{1,8}"];
    proptest::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

/// A plan that has the text wherever a text can stand.
fn plan(texts: &[String]) -> Plan {
    let text = |at: usize| texts[at % texts.len()].clone();
    let unit = |at: usize, action, effect, state| UnitPlan {
        id: format!("{}{at}", text(at)),
        wave: Some(at % 2 + 1),
        depends_on: vec![sample::key(&text(at + 1))],
        reasons: vec![text(at + 1), format!("x {}", text(at + 2))],
        blocked: Some(Blocked { by: BlockedBy::Consent, on: vec![], message: text(at + 3) }),
        changes: vec![
            change(&text(at), json!(text(at + 1)), json!(text(at + 2))),
            change("a", json!([text(at)]), json!([{"name": text(at + 1)}, text(at + 2)])),
            change("b", Value::Null, json!({text(at): text(at + 1), "c": {"d": [text(at + 2)]}})),
        ],
        health_message: text(at),
        settled: false,
        ..sample::unit(&format!("{}{at}", text(at)), action, effect, state)
    };
    let units = vec![
        unit(0, Action::Update, Effect::StatelessRestart, State::Dropped),
        unit(1, Action::Recreate, Effect::Recreate, State::Kept),
        unit(2, Action::Delete, Effect::Delete, State::Kept),
        unit(3, Action::Create, Effect::Create, State::None),
    ];
    Plan {
        repository: text(0),
        environment: text(1),
        against: text(2),
        waves: vec![
            vec![units[0].key.clone(), units[2].key.clone()],
            vec![units[1].key.clone(), units[3].key.clone()],
        ],
        units,
        companions: vec![CompanionPlan {
            key: ObjectKey::new("v1", text(0), "flink", text(1)),
            folder: text(2),
            action: Action::Update,
            ready: false,
            blocked: None,
            changes: vec![change(&text(3), json!(text(0)), json!(text(1)))],
            next: vec![],
        }],
        findings: vec![finding(texts)],
        ..sample::plan()
    }
}

fn change(segment: &str, before: Value, after: Value) -> Change {
    let owner = Owner { manager: segment.to_owned(), time: None };
    Change {
        cause: Cause::Drift,
        owner: Some(owner),
        ..sample::change(&format!("/spec/{}", escape(segment)), before, after)
    }
}

fn finding(texts: &[String]) -> Finding {
    let place = Place { file: texts[0].clone(), line: 1, column: 1, width: 1 };
    Finding::error(RuleId::BadValue, place, texts[texts.len() / 2].clone())
        .hint(texts[texts.len() - 1].clone())
}

fn graph(texts: &[String]) -> String {
    let node = |id: &String| NodeDocument {
        id: id.clone(),
        name: id.clone(),
        kind: id.clone(),
        namespace: id.clone(),
        external: false,
    };
    let edge = EdgeDocument { from: texts[0].clone(), to: texts[0].clone(), why: WhyDocument::Declared };
    super::graph(&GraphDocument {
        schema: "",
        repository: texts[0].clone(),
        environment: texts[0].clone(),
        nodes: texts.iter().map(node).collect(),
        edges: vec![edge],
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn text_from_outside_cannot_act(texts in proptest::collection::vec(hostile(), 1..5)) {
        let plan = plan(&texts);
        let secrets = Secrets::default();
        let document = PlanDocument::new(&plan, AgainstKind::Cluster, &secrets);
        let seen = look_at(&super::plan(&document));
        prop_assert_eq!((seen.rows, seen.folds), (5, 6));
        let seen = look_at(&super::drift(&document.into_drift()));
        prop_assert_eq!((seen.rows, seen.folds), (5, 5));
        look_at(&super::findings(&FindingsDocument::new(&[finding(&texts)], 1, &secrets)));
        let seen = look_at(&super::status(&StatusDocument::new(&plan, AgainstKind::Cluster, &Live::default(), &secrets)));
        prop_assert_eq!(seen.rows, 4);
        mermaid(graph(&texts).strip_prefix("```mermaid\n").unwrap().strip_suffix("```\n").unwrap());
    }
}

/// What a comment consists of.
#[derive(Default)]
struct Seen {
    rows: usize,
    folds: usize,
}

/// Reads a comment as a code host would, and panics at whatever was not meant.
fn look_at(text: &str) -> Seen {
    assert!(text.len() < 65_536, "{} bytes", text.len());
    assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
    rows_are_whole(text);
    let mut seen = Seen::default();
    let (mut words, mut bold, mut depth, mut open) = (String::new(), None, 0, 0_i32);
    let mut code: Option<(String, String)> = None;
    let options = Options::all() - Options::ENABLE_SMART_PUNCTUATION;
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                code = Some((language.to_string(), String::new()));
            }
            Event::End(TagEnd::CodeBlock) => block(&code.take().unwrap()),
            Event::Text(text) if code.is_some() => code.as_mut().unwrap().1.push_str(&text),
            Event::Text(text) => {
                words.push_str(&text);
                bold = bold.map(|bold: String| bold + &text);
            }
            Event::Start(Tag::Strong) => bold = Some(String::new()),
            Event::End(TagEnd::Strong) => is_own(&bold.take().unwrap()),
            Event::Start(Tag::List(None)) => {
                depth += 1;
                assert_eq!(depth, 1, "a list in a list: {text}");
            }
            Event::End(TagEnd::List(false)) => depth -= 1,
            Event::Start(Tag::TableRow) => seen.rows += 1,
            Event::Start(
                Tag::Heading { level: HeadingLevel::H3, .. }
                | Tag::Paragraph
                | Tag::Item
                | Tag::Table(_)
                | Tag::TableHead
                | Tag::TableCell
                | Tag::HtmlBlock,
            ) => {}
            Event::End(_) => {
                reads_only(&words);
                words.clear();
            }
            Event::Code(own) => assert!("~±-+#>=".contains(&*own) || own.starts_with("flinkops "), "{own}"),
            Event::InlineHtml(tag) => assert!(["<code>", "</code>"].contains(&&*tag), "{tag}"),
            Event::Html(html) => open += html_line(&html, &mut seen),
            Event::SoftBreak => words.push('\n'),
            other => panic!("{other:?} in:\n{text}"),
        }
        assert!((0..=1).contains(&open), "folds are not closed one by one:\n{text}");
    }
    assert_eq!(open, 0, "a fold stays open:\n{text}");
    seen
}

/// No row has more cells than its table, and none is broken.
fn rows_are_whole(text: &str) {
    let (mut cells, mut in_code) = (0, false);
    for line in text.lines() {
        in_code ^= line.starts_with("```");
        if in_code || !line.starts_with('|') {
            cells = 0;
            continue;
        }
        let count = line.matches('|').count();
        assert!(cells == 0 || cells == count, "{line}");
        cells = count;
    }
}

/// A line of HTML of ours; by how many folds it opens more than it closes.
fn html_line(html: &str, seen: &mut Seen) -> i32 {
    let html = html.trim_end();
    if html == "</details>" {
        return -1;
    }
    if let Some(marker) = html.strip_prefix("<!-- flinkops:") {
        let name = marker.strip_suffix(" -->").unwrap();
        assert!(name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"-._:".contains(&letter)));
        return 0;
    }
    let summary = html.strip_prefix("<details><summary>").and_then(|rest| rest.strip_suffix("</summary>"));
    let summary = summary.unwrap_or_else(|| panic!("{html}")).replace("<code>", "").replace("</code>", "");
    assert!(!summary.contains(['<', '>']), "{summary}");
    reads_only(&decoded(&summary));
    seen.folds += 1;
    1
}

/// A text of HTML as it is rendered.
fn decoded(html: &str) -> String {
    let mut pieces = html.split('&');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (entity, rest) = piece.split_once(';').unwrap_or_else(|| panic!("a bare & in {html}"));
        let number = entity.strip_prefix('#').map(|number| number.parse().unwrap());
        text.push(match (entity, number) {
            (_, Some(number)) => char::from_u32(number).unwrap(),
            ("lt", _) => '<',
            ("gt", _) => '>',
            ("amp", _) => '&',
            other => panic!("{other:?}"),
        });
        text.push_str(rest);
    }
    text
}

/// Nothing in a rendered text that a code host would turn into a link, a mention or a reference.
fn reads_only(text: &str) {
    let lower = text.to_lowercase();
    for address in ["://", "www.", "mailto:a"] {
        assert!(!lower.contains(address), "{text:?}");
    }
    let letters: Vec<char> = lower.chars().collect();
    for pair in letters.windows(2) {
        let refers = "@#!$%&~^".contains(pair[0]) && pair[1].is_alphanumeric();
        assert!(!refers, "{pair:?} in {text:?}");
    }
    assert!(
        !letters.windows(4).any(|four| four[..3] == ['g', 'h', '-'] && four[3].is_ascii_digit()),
        "{text:?}"
    );
}

/// What is in bold is ours.
fn is_own(bold: &str) {
    let own = ["error", "Blocked", "STATE LOST", "Left out, to fit into a comment:"].contains(&bold);
    assert!(own || bold.starts_with(|first: char| first.is_ascii_digit()), "{bold}");
}

fn block((language, text): &(String, String)) {
    match language.as_str() {
        "diff" => {
            for line in text.lines() {
                assert!(["@@ ", "- ", "+ ", "  "].iter().any(|mark| line.starts_with(mark)), "{line}");
            }
        }
        "mermaid" => mermaid(text),
        other => panic!("a block of {other}: {text}"),
    }
}

/// Every line of a diagram is of a shape of ours, and no label can end early.
fn mermaid(text: &str) {
    for line in text.lines() {
        let line = line.trim();
        let ours =
            line == "end" || ["flowchart LR", "classDef ", "class u"].iter().any(|own| line.starts_with(own));
        let node = |name: &str| {
            name.starts_with(['u', 'w', 'n']) && name[1..].bytes().all(|digit| digit.is_ascii_digit())
        };
        let edge = line.split_once(" --> ").is_some_and(|(from, to)| node(from) && node(to));
        let labelled =
            line.strip_prefix("subgraph ").unwrap_or(line).split_once("[\"").is_some_and(|(name, rest)| {
                let label = rest.strip_suffix("\"]").unwrap_or_else(|| panic!("{line}")).replace("<br/>", "");
                assert!(!label.contains(['"', '<', '>', '[', ']', '`', '%', '{', '&', '@', ':']), "{line}");
                node(name)
            });
        assert!(ours || edge || labelled, "{line}");
    }
}

/// Units with long names, long values and long messages of their own, the last of which loses its state.
fn many(count: usize) -> PlanDocument {
    let long = |at: usize| format!("{at} {}", "@long|`<value>` https://x.example ".repeat(60));
    let unit = |at: usize| UnitPlan {
        reasons: vec![long(at)],
        blocked: Some(Blocked { by: BlockedBy::Policy, on: vec![], message: long(at) }),
        changes: vec![
            change("image", json!(long(at)), json!(long(at + 1))),
            change("args", json!([long(at), long(1)]), json!([long(2), long(at)])),
        ],
        ..sample::unit(
            &format!("unit-{at:04}-{}", "x".repeat(50)),
            Action::Update,
            Effect::UpgradeFromSavepoint,
            State::Kept,
        )
    };
    let mut units: Vec<UnitPlan> = (0..count).map(unit).collect();
    if let Some(last) = units.last_mut() {
        (last.effect, last.state) = (Effect::StatelessRestart, State::Dropped);
    }
    let waves = units.chunks(100).map(|units| units.iter().map(|unit| unit.key.clone()).collect()).collect();
    let findings = (0..count).map(|at| finding(&[long(at)])).collect();
    let plan = Plan { units, waves, findings, companions: vec![], ..sample::plan() };
    PlanDocument::new(&plan, AgainstKind::Cluster, &Secrets::default())
}

#[test]
fn a_comment_fits_however_many_units_there_are() {
    for count in [0, 1, 2, 10, 50, 300, 2_000] {
        let document = many(count);
        let text = super::plan(&document);
        let seen = look_at(&text);
        assert_eq!(text.contains("Left out"), count >= 10, "{count}: {}", text.len());
        if count > 0 {
            assert!(seen.rows > 0 && seen.folds > 0, "{count}: {} rows", seen.rows);
            let first = text.lines().find(|line| line.starts_with("| ⚠")).unwrap();
            assert!(first.contains(&format!("unit-{:04}-", count - 1)), "the worst comes first: {first}");
        }
        if count == 2_000 {
            assert!(text.len() > 30_000, "room is used: {}", text.len());
            assert!(text.contains("`flinkops plan` prints all of it."));
        }
        look_at(&super::drift(&document.into_drift()));
    }
}
