//! Findings as SARIF 2.1.0, which code hosts show beside the line.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::document::{FindingDocument, FindingsDocument};
use crate::spec::Severity;

/// The document as text.
pub fn findings(document: &FindingsDocument) -> String {
    let rules: BTreeSet<&str> = document.findings.iter().map(|finding| finding.rule.as_str()).collect();
    let rules: Vec<Value> = rules.into_iter().map(|rule| json!({"id": rule})).collect();
    let results: Vec<Value> = document.findings.iter().map(result).collect();
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

fn result(finding: &FindingDocument) -> Value {
    json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": {"text": message(finding)},
        "locations": [{"physicalLocation": location(finding)}],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn message(finding: &FindingDocument) -> String {
    match &finding.hint {
        Some(hint) => format!("{}. {hint}", finding.message),
        None => finding.message.clone(),
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
            "ruleId": "unknown-field"
          }
        ]
        "#);
    }

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(uri("jobs/a b/ö%.yaml"), "jobs/a%20b/%C3%B6%25.yaml");
    }
}
