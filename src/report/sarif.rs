//! Findings as SARIF 2.1.0, which code hosts show beside the line.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::document::{FindingDocument, FindingsDocument, NoteDocument};
use super::visible::clean;
use crate::spec::{Severity, lint};

/// The document as text.
pub fn findings(document: &FindingsDocument) -> String {
    let mut rules: BTreeMap<&str, Severity> = BTreeMap::new();
    for finding in &document.findings {
        let worst = rules.entry(&finding.rule).or_insert(finding.severity);
        *worst = (*worst).max(finding.severity);
    }
    let index: BTreeMap<&str, usize> = rules.keys().copied().zip(0..).collect();
    let mut seen = BTreeMap::new();
    let results: Vec<Value> = document
        .findings
        .iter()
        .map(|finding| result(finding, index[finding.rule.as_str()], &fingerprint(finding, &mut seen)))
        .collect();
    let rules: Vec<Value> = rules.into_iter().map(|(id, worst)| rule(id, worst)).collect();
    super::json(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "flinkops", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

/// What a rule is called; code hosts ask for each of these texts.
fn rule(id: &str, worst: Severity) -> Value {
    let words = id.replace('-', " ");
    let known = lint::rule(id);
    let about = known.map_or(words.as_str(), |rule| rule.about);
    let help = "Each result says what is wrong at its place and, where it can be told, what to do about it.";
    let page = known.map_or_else(String::new, |rule| {
        format!(" Why, and how to silence it: docs/rules/{}.md of flinkops.", rule.id)
    });
    json!({
        "id": id,
        "shortDescription": {"text": words},
        "fullDescription": {"text": format!("{about}, found by flinkops validate")},
        "help": {"text": format!("{help}{page}")},
        "defaultConfiguration": {"level": level(worst)},
    })
}

fn result(finding: &FindingDocument, rule: usize, fingerprint: &str) -> Value {
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": level(finding.severity),
        "message": {"text": message(finding)},
        "locations": [{"physicalLocation": location(finding)}],
        "partialFingerprints": {"flinkops/v1": fingerprint},
    });
    if !finding.notes.is_empty() {
        result["relatedLocations"] = finding.notes.iter().map(related).collect();
    }
    result
}

fn related(note: &NoteDocument) -> Value {
    let region = json!({
        "startLine": note.line, "startColumn": note.column, "endColumn": note.column + note.width.max(1),
    });
    let place = json!({"artifactLocation": {"uri": uri(&note.file)}, "region": region});
    json!({"physicalLocation": place, "message": {"text": clean(&note.message)}})
}

/// What tells a finding from all others and stays the same when lines above it come and go.
fn fingerprint<'d>(finding: &'d FindingDocument, seen: &mut BTreeMap<[&'d str; 3], usize>) -> String {
    let what = [finding.rule.as_str(), finding.file.as_str(), finding.message.as_str()];
    let times = seen.entry(what).or_default();
    *times += 1;
    let mut hasher = Sha256::new();
    for part in what {
        hasher.update(part);
        hasher.update([0]);
    }
    hasher.update(times.to_string());
    hasher.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A plain text; only a link has brackets that mean something (SARIF 2.1.0, section 3.11.6).
fn message(finding: &FindingDocument) -> String {
    let text = match &finding.hint {
        Some(hint) => clean(&format!("{}. {hint}", finding.message)),
        None => clean(&finding.message),
    };
    if text.contains("](") {
        text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
    } else {
        text
    }
}

fn location(finding: &FindingDocument) -> Value {
    let mut location = json!({"artifactLocation": {"uri": uri(&finding.file)}});
    if let Some(line) = finding.line {
        let mut region = json!({"startLine": line});
        if let Some(column) = finding.column {
            region["startColumn"] = column.into();
            region["endColumn"] = (column + finding.width.max(1)).into();
        }
        location["region"] = region;
    }
    location
}

/// A relative path as a URI reference: everything outside the unreserved characters is percent-encoded.
fn uri(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::flink::secret::Secrets;
    use crate::report::sample;
    use crate::rule::RuleId;
    use crate::spec::Finding;
    use crate::spec::finding::Place;

    #[test]
    fn a_finding_is_a_result_with_a_region() {
        let document = FindingsDocument::new(&[sample::finding()], 1, &Secrets::default());
        let sarif: Value = serde_json::from_str(&findings(&document)).unwrap();
        assert_snapshot!(serde_json::to_string_pretty(&sarif["runs"][0]["results"]).unwrap(), @r#"
        [
          {
            "level": "error",
            "locations": [
              {
                "physicalLocation": {
                  "artifactLocation": {
                    "uri": "jobs/broken/job.yaml"
                  },
                  "region": {
                    "endColumn": 13,
                    "startColumn": 3,
                    "startLine": 2
                  }
                }
              }
            ],
            "message": {
              "text": "unknown field `paralelism`. did you mean `parallelism`?"
            },
            "partialFingerprints": {
              "flinkops/v1": "5977cc3f74f493a3aca51190f30e71f7"
            },
            "ruleId": "unknown-field",
            "ruleIndex": 0
          }
        ]
        "#);
    }

    #[test]
    fn every_result_has_a_rule_and_a_fingerprint_that_lines_do_not_move() {
        let moved = |line: usize| {
            let mut finding = sample::finding();
            finding.place.line = line;
            finding
        };
        let warning = Finding::warning(
            RuleId::StrayFile,
            Place::file("a:b/ö [x](y).yaml"),
            "see [x](http://evil.example)\u{1b}[2J",
        );
        let of = |findings: &[Finding]| -> Value {
            let document = FindingsDocument::new(findings, 1, &Secrets::default());
            serde_json::from_str(&super::findings(&document)).unwrap()
        };
        let sarif = of(&[moved(2), warning, moved(9)]);
        assert_eq!(sarif["version"], "2.1.0");
        let run = &sarif["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let print =
            |at: usize| run["results"][at]["partialFingerprints"]["flinkops/v1"].as_str().unwrap().to_owned();
        for result in run["results"].as_array().unwrap() {
            let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
            assert_eq!(rule["id"], result["ruleId"]);
            for text in ["shortDescription", "fullDescription", "help"] {
                assert!(!rule[text]["text"].as_str().unwrap().is_empty(), "{rule}");
            }
            assert!(
                ["error", "warning", "note"]
                    .contains(&rule["defaultConfiguration"]["level"].as_str().unwrap())
            );
            let place = &result["locations"][0]["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.is_ascii() && !uri.contains([' ', ':', '[', '(']), "{uri}");
            assert!(place["region"].is_null() || place["region"]["startLine"].as_u64() >= Some(1), "{place}");
        }
        assert_ne!(print(0), print(2), "the same mistake twice is two");
        let elsewhere = of(&[moved(7)]);
        assert_eq!(elsewhere["runs"][0]["results"][0]["partialFingerprints"]["flinkops/v1"], print(0));
        assert_eq!(run["results"][1]["message"]["text"], "see \\[x\\](http://evil.example)\\\\u{1b}\\[2J");
    }

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(uri("jobs/a b/ö%.yaml"), "jobs/a%20b/%C3%B6%25.yaml");
    }
}
