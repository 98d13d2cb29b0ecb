use insta::assert_snapshot;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AgainstKind, FindingsDocument, PlanDocument, StatusDocument};
use crate::flink::rest::{Checkpoint, JobState};
use crate::flink::secret::Secrets;
use crate::plan::Live;
use crate::plan::ledger::{Applied, Ledger, Reason, Savepoint};
use crate::report::sample;
use crate::rule::RuleId;
use crate::spec::source::Revision;

fn document() -> PlanDocument {
    PlanDocument::new(&sample::plan(), AgainstKind::Cluster, &sample::secrets())
}

fn unit(document: &Value, id: &str) -> Value {
    document["units"].as_array().unwrap().iter().find(|unit| unit["id"] == id).unwrap().clone()
}

#[test]
fn s25_no_document_holds_a_secret() {
    let text = crate::report::json(&document());
    assert!(!text.contains("canary"), "{text}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one document, in whole")]
fn a_plan_is_written_as_the_contract_says() {
    let document = serde_json::to_value(document()).unwrap();
    assert_eq!(
        document["summary"],
        json!({"create": 1, "update": 6, "delete": 1, "recreate": 1, "suspend": 1, "resume": 1, "keep": 1,
               "blocked": 2, "drifted": 1, "stateDropped": 1})
    );
    assert_eq!(document["against"], json!({"kind": "cluster", "name": "prod-eu"}));
    assert_snapshot!(serde_json::to_string_pretty(&unit(&document, "orders-enrich")).unwrap(), @r#"
    {
      "action": "update",
      "blocked": {
        "by": "gate",
        "message": "waits for orders-ingest: RESTARTING since 2026-11-20T14:02:00Z",
        "on": [
          "orders-ingest"
        ]
      },
      "changes": [
        {
          "after": "registry.example.com/orders-enrich:1.4.2",
          "before": "registry.example.com/orders-enrich:1.4.1",
          "cause": "pending",
          "effect": "upgrade",
          "path": "/spec/image"
        },
        {
          "after": "(secret)",
          "before": "(secret)",
          "cause": "pending",
          "effect": "upgrade",
          "path": "/spec/flinkConfiguration/s3.secret-key",
          "secret": true
        },
        {
          "after": [
            {
              "env": [
                {
                  "name": "LOG_LEVEL",
                  "value": "debug"
                },
                {
                  "name": "DB_PASSWORD",
                  "value": "(secret)"
                }
              ],
              "name": "flink-main-container"
            }
          ],
          "before": [
            {
              "env": [
                {
                  "name": "LOG_LEVEL",
                  "value": "info"
                },
                {
                  "name": "DB_PASSWORD",
                  "value": "(secret)"
                }
              ],
              "name": "flink-main-container"
            }
          ],
          "cause": "pending",
          "effect": "upgrade",
          "path": "/spec/podTemplate/spec/containers",
          "secret": true
        },
        {
          "after": [],
          "before": [
            "--url",
            "http://(secret)@h"
          ],
          "cause": "pending",
          "effect": "upgrade",
          "path": "/spec/job/args",
          "secret": true
        }
      ],
      "dependsOn": [
        "orders-ingest"
      ],
      "effect": "upgrade-from-savepoint",
      "health": "settled",
      "id": "orders-enrich",
      "kind": "FlinkDeployment",
      "message": "RUNNING",
      "name": "orders-enrich",
      "namespace": "flink-prod",
      "reasons": [
        "spec.image changed",
        "rejected (secret) once"
      ],
      "settled": true,
      "source": {
        "file": "jobs/orders-enrich/job.yaml",
        "line": 1
      },
      "state": "kept",
      "steps": [
        {
          "do": "update",
          "unit": "orders-enrich"
        },
        {
          "do": "wait-settled",
          "unit": "orders-enrich"
        }
      ],
      "wave": 2
    }
    "#);
}

#[test]
fn only_what_the_cluster_changed_is_drift() {
    let drift = serde_json::to_value(document().into_drift()).unwrap();
    assert_eq!(drift["schema"], "flinkops.dev/drift/v1");
    assert_eq!(drift["units"].as_array().unwrap().len(), 1);
    assert_snapshot!(serde_json::to_string_pretty(&drift["units"][0]["changes"]).unwrap(), @r#"
    [
      {
        "after": 4,
        "before": 8,
        "cause": "drift",
        "effect": "upgrade",
        "owner": {
          "manager": "kubectl-edit",
          "time": "2026-11-20T14:02:00Z"
        },
        "path": "/spec/job/parallelism"
      }
    ]
    "#);
    assert_eq!(drift["units"][0]["since"], "2026-11-20T14:02:00Z");
}

#[test]
fn findings_leave_out_what_is_not_known() {
    let whole = crate::spec::Finding::warning(
        RuleId::NoJobs,
        crate::spec::finding::Place::file("flinkops.yaml"),
        "no jobs",
    );
    let document = FindingsDocument::new(&[sample::finding(), whole], 12, &Secrets::default());
    assert_snapshot!(crate::report::json(&document), @r#"
    {
      "schema": "flinkops.dev/findings/v1",
      "summary": {
        "errors": 1,
        "warnings": 1,
        "units": 12
      },
      "findings": [
        {
          "rule": "unknown-field",
          "severity": "error",
          "message": "unknown field `paralelism`",
          "hint": "did you mean `parallelism`?",
          "file": "jobs/broken/job.yaml",
          "line": 2,
          "column": 3,
          "unit": "broken"
        },
        {
          "rule": "no-jobs",
          "severity": "warning",
          "message": "no jobs",
          "file": "flinkops.yaml"
        }
      ]
    }
    "#);
}

#[test]
fn a_status_says_what_was_applied_and_what_is_on_record() {
    let time: Timestamp = sample::time("2026-11-20T10:00:00Z");
    let ledger = Ledger {
        applied: vec![Applied::new(Revision::new("abc"), "h", 3, time)],
        savepoints: vec![Savepoint {
            path: "s3://user:canary-path@bucket/savepoint-1".into(),
            time,
            flink_version: Some("v1_20".into()),
            reason: Reason::Suspend,
            last: true,
        }],
        ..Ledger::default()
    };
    let checkpoint = Checkpoint { path: "s3://user:canary-path@bucket/1/chk-7".into(), time };
    let restored = Some("s3://user:canary-path@bucket/savepoint-0".into());
    let state = JobState { checkpoint: Some(checkpoint), restored };
    let states = [(sample::key("night"), Ok(state)), (sample::key("paused"), Err("no route".into()))];
    let ledgers = [(sample::key("night"), ledger.into())].into();
    let live = Live { ledgers, states: states.into(), ..Live::default() };
    let document = serde_json::to_value(StatusDocument::new(
        &sample::plan(),
        AgainstKind::Cluster,
        &live,
        &sample::secrets(),
    ))
    .unwrap();
    assert_eq!(document["summary"], json!({"units": 12, "settled": 11, "blocked": 2, "failed": 0}));
    assert_snapshot!(serde_json::to_string_pretty(&unit(&document, "night")).unwrap(), @r#"
    {
      "action": "suspend",
      "applied": "2026-11-20T10:00:00Z",
      "flink": {
        "checkpoint": {
          "path": "s3://(secret)@bucket/1/chk-7",
          "time": "2026-11-20T10:00:00Z"
        },
        "restoredFrom": "s3://(secret)@bucket/savepoint-0"
      },
      "health": "settled",
      "id": "night",
      "kind": "FlinkDeployment",
      "message": "RUNNING",
      "name": "night",
      "namespace": "flink-prod",
      "revision": "abc",
      "savepoints": [
        {
          "final": true,
          "flinkVersion": "v1_20",
          "path": "s3://(secret)@bucket/savepoint-1",
          "reason": "suspend",
          "time": "2026-11-20T10:00:00Z"
        }
      ],
      "settled": true
    }
    "#);
    let paused = &unit(&document, "paused")["flink"];
    assert_eq!(*paused, json!({"restoredFrom": null, "unknown": "no route"}));
    assert!(unit(&document, "found").get("flink").is_none(), "it was not asked");
}
