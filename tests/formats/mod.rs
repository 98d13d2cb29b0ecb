//! The forms that other programs read are what those programs accept: SARIF by the schema of its standard,
//! which stands beside this file as the crate serde-sarif 0.8.0 ships it, and JUnit by the shape of `junit-10.xsd`,
//! which Jenkins and others validate against, restated here.

use std::collections::BTreeSet;

use flinkops::flink::secret::Secrets;
use flinkops::report::document::FindingsDocument;
use flinkops::report::{junit, sarif};
use flinkops::rule::RuleId;
use flinkops::spec::Finding;
use flinkops::spec::finding::Place;
use jsonschema::Validator;
use roxmltree::{Document, Node};
use serde_json::Value;

use super::loader;

/// What is found in each repository of the loader's tests, and some findings that no repository leads to.
fn documents() -> Vec<FindingsDocument> {
    let place = |line, column, width| Place { file: "a:b/ö [x](y).yaml".into(), line, column, width };
    let hostile = "\u{1}\u{ffff} ]]> & \"<failure>\" [x](http://evil.example)\u{1b}[2J\r\n@everyone";
    let odd = vec![
        Finding::error(RuleId::OddPath, Place::file(""), hostile),
        Finding::warning(RuleId::OddPath, place(0, 0, 0), hostile).hint(hostile).unit(hostile),
        Finding::warning(RuleId::StrayFile, place(3, 0, 0), ""),
        Finding::error(RuleId::OddPath, place(3, 4, 0), "x"),
    ];
    let found = loader::found().into_iter().chain([Vec::new(), odd]);
    found.map(|findings| FindingsDocument::new(&findings, 3, &Secrets::default())).collect()
}

fn validator() -> Validator {
    let mut schema = serde_json::from_str(include_str!("sarif-2.1.0.json")).unwrap();
    mend(&mut schema);
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

#[test]
fn sarif_is_valid_by_the_schema_of_its_standard() {
    let validator = validator();
    let (mut wrong, mut results) = (Vec::new(), 0);
    for document in documents() {
        let sarif: Value = serde_json::from_str(&sarif::findings(&document)).unwrap();
        results += sarif["runs"][0]["results"].as_array().unwrap().len();
        wrong
            .extend(validator.iter_errors(&sarif).map(|error| format!("{}: {error}", error.instance_path())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(results > 50, "only {results} results");
}

#[test]
fn the_schema_refuses_what_is_not_sarif() {
    let validator = validator();
    let finding =
        Finding::error(RuleId::OddPath, Place { file: "a.yaml".into(), line: 3, column: 4, width: 1 }, "x");
    let document = FindingsDocument::new(&[finding], 1, &Secrets::default());
    for (pointer, value) in [
        ("/version", Value::from("2.0")),
        ("/runs/0/results/0/level", Value::from("bad")),
        ("/runs/0/results/0/message", Value::Null),
        ("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri", Value::from("a b")),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", Value::from(0)),
    ] {
        let mut sarif: Value = serde_json::from_str(&sarif::findings(&document)).unwrap();
        *sarif.pointer_mut(pointer).unwrap() = value;
        assert!(!validator.is_valid(&sarif), "{pointer}");
    }
}

/// The schema's pattern for languages has a bracket too many for a strict reader; flinkops names no language.
fn mend(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.retain(|key, value| {
                key != "pattern" || value.as_str().is_none_or(|text| !text.contains("]?$"))
            });
            map.values_mut().for_each(mend);
        }
        Value::Array(entries) => entries.iter_mut().for_each(mend),
        _ => {}
    }
}

/// An element of JUnit: its name, the attributes it must have, those it may have, and the elements in it.
type Shape = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// The part of `junit-10.xsd` that a report of findings can need.
const SHAPES: [Shape; 5] = [
    ("testsuites", &[], &["name", "time", "tests", "failures", "errors"], &["testsuite"]),
    (
        "testsuite",
        &["name", "tests", "failures", "errors"],
        &["group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"],
        &["testsuite", "properties", "testcase", "system-out", "system-err"],
    ),
    (
        "testcase",
        &["name"],
        &["time", "classname", "group"],
        &["skipped", "error", "failure", "system-out", "system-err"],
    ),
    ("failure", &[], &["type", "message"], &[]),
    ("system-out", &[], &[], &[]),
];

#[test]
fn junit_has_the_shape_that_its_readers_accept() {
    let mut cases = 0;
    for document in documents() {
        let text = junit::findings(&document);
        let xml = Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(xml.root_element().tag_name().name(), "testsuites");
        xml.root_element().descendants().filter(Node::is_element).for_each(|element| check(element, &text));
        for suite in xml.root_element().children().filter(Node::is_element) {
            let inside =
                |name: &str| suite.descendants().filter(|it| it.has_tag_name(name)).count().to_string();
            let counted =
                [("tests", inside("testcase")), ("failures", inside("failure")), ("errors", inside("error"))];
            for (attribute, count) in counted {
                assert_eq!(suite.attribute(attribute), Some(count.as_str()), "{attribute}: {text}");
            }
            cases += suite.descendants().filter(|it| it.has_tag_name("testcase")).count();
        }
    }
    assert!(cases > 50, "only {cases} cases");
}

fn check(element: Node<'_, '_>, text: &str) {
    let name = element.tag_name().name();
    let shape = SHAPES.iter().find(|shape| shape.0 == name);
    let (_, required, optional, below) = shape.unwrap_or_else(|| panic!("<{name}>: {text}"));
    let attributes: BTreeSet<&str> = element.attributes().map(|attribute| attribute.name()).collect();
    for attribute in *required {
        assert!(attributes.contains(attribute), "<{name}> has no {attribute}: {text}");
    }
    for attribute in attributes {
        assert!(
            required.contains(&attribute) || optional.contains(&attribute),
            "<{name} {attribute}>: {text}"
        );
    }
    for child in element.children() {
        let child_name = child.tag_name().name();
        let words =
            child.is_text() && (below.is_empty() || child.text().unwrap_or_default().trim().is_empty());
        assert!(words || below.contains(&child_name), "{child:?} in <{name}>: {text}");
    }
}
