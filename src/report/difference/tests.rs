use serde_json::json;

use super::*;
use crate::flink::secret::Secrets;
use crate::report::sample;

fn told(path: &str, before: Value, after: Value) -> String {
    let change = ChangeDocument::new(&sample::change(path, before, after), &Secrets::default());
    let line = |mark: &str, parts: &[Part]| {
        let text: String = parts.iter().map(|part| part.text.as_str()).collect();
        format!("  {mark} {text}\n")
    };
    let mut text = String::new();
    for Difference { path, how } in of(&change) {
        text.extend([path.as_str(), "\n"]);
        match how {
            How::Value { before, after } => {
                text.extend(before.map(|parts| line("-", &parts)));
                text.extend(after.map(|parts| line("+", &parts)));
            }
            How::Lines(lines) => text.extend(lines.iter().map(|one| match one {
                Line::Same(same) => format!("    {same}\n"),
                Line::Gone(parts) => line("-", parts),
                Line::New(parts) => line("+", parts),
                Line::Folded(count) => format!("    … {count}\n"),
            })),
        }
    }
    text
}

#[test]
fn lists_are_compared_by_the_name_of_their_entries() {
    let containers = |image: &str, level: &str, port: i32| {
        json!([{"name": "main", "image": image, "env": [{"name": "LOG", "value": level}], "ports": [{"containerPort": port}]},
               {"name": "side", "image": "side:1"}])
    };
    insta::assert_snapshot!(
        told("/spec/podTemplate/spec/containers", containers("a:1", "info", 1), containers("a:2", "debug", 2)),
        @r#"
        spec.podTemplate.spec.containers[main].env[LOG].value
          - info
          + debug
        spec.podTemplate.spec.containers[main].image
          - a:1
          + a:2
        spec.podTemplate.spec.containers[main].ports
          - - containerPort: 1
          + - containerPort: 2
        "#
    );
}

#[test]
fn an_order_that_changed_is_said() {
    let entry = |name: &str| json!({"name": name, "value": "x"});
    insta::assert_snapshot!(told("/env", json!([entry("a"), entry("b")]), json!([entry("b"), entry("a")])), @r#"
    env (order)
      + b
        a
      - b
    "#);
}

#[test]
fn a_plain_list_and_a_text_are_compared_by_line() {
    insta::assert_snapshot!(told("/args", json!(["--a", "1", "--b"]), json!(["--a", "2", "--b"])), @r#"
    args
        --a
      - 1
      + 2
        --b
    "#);
    let text = |what: &str| json!(format!("a\nb\nc\nd\ne\nSELECT {what}\nf\ng\nh\ni\nj\n"));
    insta::assert_snapshot!(told("/data/x.sql", text("*"), text("id")), @r#"
    data.x.sql
        … 2
        c
        d
        e
      - SELECT *
      + SELECT id
        f
        g
        h
        … 2
    "#);
}

#[test]
fn a_difference_that_can_hardly_be_seen_is_seen() {
    insta::assert_snapshot!(told("/a", json!("4"), json!(4)), @r#"
    a
      - "4"
      + 4
    "#);
    insta::assert_snapshot!(told("/a", json!(["4"]), json!([4])), @r#"
    a
        [
      -   "4"
      +   4
        ]
    "#);
    insta::assert_snapshot!(told("/a", json!("a\nb\n"), json!("a\nb")), @r#"
    a
        a
        b
      + (no line break at the end)
    "#);
    insta::assert_snapshot!(told("/a", json!("a\r\nb\n"), json!("a\nb\n")), @r#"
    a
      - a\r
      + a
        b
    "#);
    insta::assert_snapshot!(told("/a", json!("x"), json!("x ")), @r#"
    a
      - x
      + "x "
    "#);
    insta::assert_snapshot!(told("/a", Value::Null, json!("(none)")), @r#"
    a
      + "(none)"
    "#);
    insta::assert_snapshot!(told("/a", json!("a\u{1b}[2J"), json!("a\u{202e}")), @r#"
    a
      - a\u{1b}[2J
      + a\u{202e}
    "#);
}

#[test]
fn what_is_new_is_shown_whole() {
    insta::assert_snapshot!(
        told("/spec/podTemplate/spec/volumes", Value::Null, json!([{"name": "sql", "configMap": {"name": "q"}}])),
        @r#"
        spec.podTemplate.spec.volumes
          + - configMap:
          +     name: q
          +   name: sql
        "#
    );
    insta::assert_snapshot!(told("/spec/job/args", json!(["--url"]), json!([])), @r#"
    spec.job.args
      - --url
    "#);
    insta::assert_snapshot!(told("/spec/job/args", Value::Null, json!([])), @r#"
    spec.job.args
      + []
    "#);
}

#[test]
fn s25_two_secrets_differ_and_are_not_seen() {
    insta::assert_snapshot!(told("/spec/flinkConfiguration/s3.secret-key", json!("canary-1"), json!("canary-2")), @r#"
    spec.flinkConfiguration.s3.secret-key
      - (secret)
      + (secret)
    "#);
}
