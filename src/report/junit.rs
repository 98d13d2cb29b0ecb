//! Findings as JUnit XML, which CI systems show as test results: one test per file with findings.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::document::{FindingDocument, FindingsDocument};
use super::visible::visible;
use crate::spec::Severity;

/// The document as text. An error is a failure; a warning is output of a test that passed.
pub fn findings(document: &FindingsDocument) -> String {
    let mut files: BTreeMap<&str, Vec<&FindingDocument>> = BTreeMap::new();
    for finding in &document.findings {
        files.entry(&finding.file).or_default().push(finding);
    }
    let failed = files.values().filter(|findings| findings.iter().any(|finding| is_error(finding))).count();
    let tests = files.len().max(1);
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(text, "<testsuites>");
    let _ = writeln!(
        text,
        "  <testsuite name=\"flinkops validate\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\">"
    );
    if files.is_empty() {
        text.push_str("    <testcase classname=\"flinkops\" name=\"repository\"/>\n");
    }
    for (file, findings) in &files {
        case(&mut text, file, findings);
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

fn case(text: &mut String, file: &str, findings: &[&FindingDocument]) {
    let (errors, others): (Vec<&FindingDocument>, Vec<_>) =
        findings.iter().copied().partition(|finding| is_error(finding));
    let _ = writeln!(text, "    <testcase classname=\"flinkops\" name=\"{}\">", escape(file));
    if let Some(first) = errors.first() {
        let _ = writeln!(
            text,
            "      <failure type=\"{}\" message=\"{}\">{}</failure>",
            escape(&first.rule),
            escape(&first.message),
            lines(&errors)
        );
    }
    if !others.is_empty() {
        let _ = writeln!(text, "      <system-out>{}</system-out>", lines(&others));
    }
    text.push_str("    </testcase>\n");
}

fn lines(findings: &[&FindingDocument]) -> String {
    let line = |finding: &&FindingDocument| escape(&super::text::finding_line(finding));
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn is_error(finding: &FindingDocument) -> bool {
    finding.severity == Severity::Error
}

/// Escapes XML; what XML 1.0 cannot hold, not even as a reference, is shown in letters.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            escaped.push_str("&#10;");
        }
        for letter in visible(line).chars() {
            match letter {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                other => escaped.push(other),
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::flink::secret::Secrets;
    use crate::report::document::FindingsDocument;
    use crate::report::sample;
    use crate::rule::RuleId;
    use crate::spec::Finding;
    use crate::spec::finding::Place;

    #[test]
    fn an_error_is_a_failure_and_a_warning_is_output() {
        let warning = Finding::warning(
            RuleId::StrayFile,
            Place::file("a<b>.yaml"),
            "odd \u{1}\u{ffff} ]]> & \"quoted\"",
        );
        let document = FindingsDocument::new(&[warning, sample::finding()], 2, &Secrets::default());
        assert_snapshot!(super::findings(&document), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites>
          <testsuite name="flinkops validate" tests="2" failures="1" errors="0">
            <testcase classname="flinkops" name="a&lt;b&gt;.yaml">
              <system-out>a&lt;b&gt;.yaml: warning: odd \u{1}\u{ffff} ]]&gt; &amp; &quot;quoted&quot;</system-out>
            </testcase>
            <testcase classname="flinkops" name="jobs/broken/job.yaml">
              <failure type="unknown-field" message="unknown field `paralelism`">jobs/broken/job.yaml:2:3: error: unknown field `paralelism` (did you mean `parallelism`?)</failure>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn no_findings_are_one_passed_test() {
        assert_snapshot!(super::findings(&FindingsDocument::new(&[], 2, &Secrets::default())), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites>
          <testsuite name="flinkops validate" tests="1" failures="0" errors="0">
            <testcase classname="flinkops" name="repository"/>
          </testsuite>
        </testsuites>
        "#);
    }
}
