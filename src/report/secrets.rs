//! S25 over every form: secrets in every place a value can be, and no form that shows one.

use anstream::adapter::strip_str;
use serde_json::{Value, json};

use super::document::{AgainstKind, FindingsDocument, PlanDocument, StatusDocument};
use super::{diagnostics, json as write_json, junit, markdown, sample, sarif, text};
use crate::flink::kind::ObjectKey;
use crate::flink::secret::Secrets;
use crate::plan::Live;
use crate::plan::outcome::{
    Action, Blocked, BlockedBy, Cause, Change, CompanionPlan, Effect, Owner, Plan, State, UnitPlan,
};
use crate::rule::RuleId;
use crate::spec::Finding;
use crate::spec::SourceTree;
use crate::spec::finding::Place;
use crate::spec::source::{Origin, Revision};

/// A unit with a secret in every sort of place; each has the round in it, so that all of them change.
fn unit(round: usize) -> Value {
    json!({
        "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
        "metadata": {"name": "a", "annotations": {"example.com/api-token": format!("canary-note-{round}")}},
        "spec": {
            "flinkConfiguration": {
                "s3.secret-key": format!("canary-conf-{round}"),
                "env.java.opts.all": format!("-Dx=1 -Djavax.net.ssl.trustStorePassword=canary-opts-{round}"),
            },
            "job": {"jarURI": format!("https://user:canary-jar-{round}@example.com/a.jar"),
                    "args": ["--url", format!("jdbc:x://u:canary-url-{round}@h/db"), "--password", format!("canary-arg-{round}")]},
            "podTemplate": {"spec": {"containers": [{
                "name": "flink-main-container",
                "args": [format!("--token=canary-carg-{round}"), format!("shown-{round}")],
                "env": [{"name": "DB_PASSWORD", "value": format!("canary-env-{round}")},
                        {"name": "LOG_LEVEL", "value": format!("level-{round}")}],
            }]}},
        },
    })
}

fn config_map(round: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "files"},
        "data": {
            "a.sql": format!("CREATE TABLE t (\n  id INT\n) WITH (\n  'password' = 'canary-sql-{round}',\n  'x' = '{round}'\n);\n"),
            "a.properties": format!("x={round}\npassword=canary-prop-{round}\n"),
        },
    })
}

/// Every place at which two manifests differ, and a list as a whole.
fn changes(before: &Value, after: &Value, said: &str) -> Vec<Change> {
    fn walk(path: &str, before: &Value, after: &Value, found: &mut Vec<(String, Value, Value)>) {
        match (before, after) {
            (Value::Object(left), Value::Object(right)) => {
                for (key, value) in left {
                    let path = format!("{path}/{}", crate::flink::pointer::escape(key));
                    walk(&path, value, &right[key], found);
                }
            }
            _ if before == after => {}
            _ => found.push((path.to_owned(), before.clone(), after.clone())),
        }
    }
    let mut found = Vec::new();
    walk("", before, after, &mut found);
    let owner = Owner { manager: said.to_owned(), time: None };
    let change = |(path, before, after): (String, Value, Value)| Change {
        cause: Cause::Both,
        owner: Some(owner.clone()),
        note: Some(said.to_owned()),
        ..sample::change(&path, before, after)
    };
    found.into_iter().map(change).collect()
}

/// A plan that says the secrets wherever words can be, beside the changes that hold them.
fn plan(said: &str) -> Plan {
    let blocked = Some(Blocked { by: BlockedBy::LiveConflict, on: vec![], message: said.to_owned() });
    let unit = UnitPlan {
        wave: Some(1),
        reasons: vec![said.to_owned()],
        blocked: blocked.clone(),
        health_message: said.to_owned(),
        settled: false,
        changes: changes(&unit(1), &unit(2), said),
        ..sample::unit("a", Action::Update, Effect::UpgradeFromSavepoint, State::Kept)
    };
    let companion = CompanionPlan {
        key: ObjectKey::new("v1", "ConfigMap", "flink-prod", "files"),
        folder: "jobs/a".into(),
        action: Action::Update,
        ready: false,
        blocked,
        changes: changes(&config_map(1), &config_map(2), said),
        next: vec![],
    };
    Plan {
        against: "https://user:canary-jar-1@example.com".to_owned(),
        waves: vec![vec![unit.key.clone()]],
        units: vec![unit],
        companions: vec![companion],
        findings: vec![finding(said)],
        ..sample::plan()
    }
}

fn finding(said: &str) -> Finding {
    let place = Place { file: "jobs/a/job.yaml".into(), line: 1, column: 1, width: 1 };
    Finding::error(RuleId::WrongType, place, said).hint(said)
}

fn tree() -> SourceTree {
    let origin = Origin { identity: "here".into(), revision: Revision::new("x"), committed: false };
    let files = [("jobs/a/job.yaml".to_owned(), b"password: canary-conf-1\n"[..].into())].into();
    SourceTree { origin, files, refused: vec![] }
}

#[test]
fn s25_no_form_shows_a_secret_wherever_it_is() {
    let manifests = [unit(1), unit(2), config_map(1), config_map(2)];
    let secrets = Secrets::collect(&manifests);
    let kinds = ["note", "conf", "opts", "jar", "url", "arg", "carg", "env", "sql", "prop"];
    let said: Vec<String> = kinds.iter().map(|kind| format!("refused: {kind} \"canary-{kind}-1\"")).collect();
    let plan = plan(&said.join(", "));
    let document = PlanDocument::new(&plan, AgainstKind::Cluster, &secrets);
    let drift = document.clone().into_drift();
    let status = StatusDocument::new(&plan, AgainstKind::Cluster, &Live::default(), &secrets);
    let findings = FindingsDocument::new(&plan.findings, 1, &secrets);
    let mut forms = vec![
        ("plan.json", write_json(&document)),
        ("plan.md", markdown::plan(&document)),
        ("drift.json", write_json(&drift)),
        ("drift.md", markdown::drift(&drift)),
        ("status.json", write_json(&status)),
        ("status.md", markdown::status(&status)),
        ("status.txt", text::status(&status, 80)),
        ("findings.json", write_json(&findings)),
        ("findings.md", markdown::findings(&findings)),
        ("findings.sarif", sarif::findings(&findings)),
        ("findings.xml", junit::findings(&findings)),
        ("findings.txt", diagnostics::findings(&findings, &tree(), &secrets)),
    ];
    for width in [40, 80, 200] {
        forms.push(("plan.txt", text::plan(&document, width)));
        forms.push(("drift.txt", text::drift(&drift, width)));
    }
    for (name, form) in &forms {
        let shown = strip_str(form).to_string();
        // A line that was broken is put together again.
        let whole: String = shown.split_whitespace().collect();
        assert!(!shown.contains("canary") && !whole.contains("canary"), "{name}: {shown}");
        assert!(
            !name.starts_with("plan") || shown.contains("level-2"),
            "{name} shows what is no secret: {shown}"
        );
    }
    assert_eq!(document.units[0].changes.len(), plan.units[0].changes.len(), "that a secret differs is said");
}
