use anstream::adapter::strip_str;
use insta::assert_snapshot;

use crate::flink::rest::{Checkpoint, JobState};
use crate::plan::outcome::{Action, Effect, Plan, State};
use crate::plan::{Live, UnitPlan};
use crate::report::document::{AgainstKind, PlanDocument, StatusDocument};
use crate::report::sample;

fn document(plan: &Plan) -> PlanDocument {
    PlanDocument::new(plan, AgainstKind::Cluster, &sample::secrets())
}

fn quiet() -> Plan {
    let settled = sample::unit("orders-ingest", Action::Keep, Effect::None, State::None);
    let other =
        UnitPlan { settled: false, ..sample::unit("orders-enrich", Action::Keep, Effect::None, State::None) };
    Plan { units: vec![settled, other], waves: vec![], companions: vec![], ..sample::plan() }
}

#[test]
fn a_plan_with_every_action() {
    let text = super::plan(&document(&sample::plan()), 80);
    assert!(!text.contains("canary"), "{text}");
    assert_snapshot!(strip_str(&text).to_string(), @r#"
    orders 3f1c8a2b9 → prod (cluster prod-eu)
    1 create, 6 update, 1 suspend, 1 resume, 1 recreate, 1 delete, 1 keep
    2 blocked, 1 drifted
    STATE LOST in 1

    Blocked
      ! audit (frozen): "the auditors are looking"; remove flinkops.dev/freeze to
        go on
      ! orders-enrich (gate): waits for orders-ingest: RESTARTING since
        2026-11-20T14:02:00Z

    Companions
      ~ ConfigMap/orders-enrich-sql  update  in jobs/orders-enrich
          data.enrich.sql
            - SELECT *
            + SELECT id
              FROM orders
              'password' = '(secret)'

    Wave 1
      ~ counts         update    restarts from nothing              STATE LOST
      ± moved          recreate  is deleted and created again       state kept
      - archive        delete    is removed                         state kept
      ~ sessions       update    restarts the cluster and its jobs  state kept
          spec.taskManager.resource.memory  2g → 4g
          steps: suspend flink-prod/FlinkDeployment/totals; wait for the savepoint
            of flink-prod/FlinkDeployment/totals; record the savepoint of
            flink-prod/FlinkDeployment/totals; update sessions; wait until settled:
            sessions; resume flink-prod/FlinkDeployment/totals
      # night          suspend   stops                              state kept
      > paused         resume    starts again                       state kept
      ~ orders-ingest  update    restarts from a savepoint          state kept
          spec.job.parallelism  8 → 4
            drift: changed in the cluster by kubectl-edit at 2026-11-20T14:02:00Z
      ~ found          update    taken over as it is                state kept

    Wave 2
      ~ orders-enrich  update  restarts from a savepoint  state kept  blocked
          rejected (secret) once
          spec.image
            - registry.example.com/orders-enrich:1.4.1
            + registry.example.com/orders-enrich:1.4.2
          spec.flinkConfiguration.s3.secret-key  (secret) → (secret)
          spec.podTemplate.spec.containers[flink-main-container].env[LOG_LEVEL]
            .value
            - info
            + debug
            holds secrets, which are compared and not shown
          spec.job.args
            - --url
            - http://(secret)@h
      + settlement     create  starts for the first time

    Held back
      ~ audit  update  only labels and annotations  state kept  blocked
          metadata.labels.team  (none) → orders
    "#);
}

#[test]
fn nothing_to_do_is_one_line() {
    assert_snapshot!(strip_str(&super::plan(&document(&quiet()), 80)).to_string(), @r#"
    orders 3f1c8a2b9 → prod (cluster prod-eu): nothing to do, 2 units as in Git;
      not settled: orders-enrich
    "#);
    assert_snapshot!(strip_str(&super::drift(&document(&quiet()).into_drift(), 80)).to_string(), @"orders 3f1c8a2b9 → prod (cluster prod-eu): no drift");
}

#[test]
fn drift_says_who_and_since_when() {
    let text = super::drift(&document(&sample::plan()).into_drift(), 80);
    assert_snapshot!(strip_str(&text).to_string(), @r#"
    orders 3f1c8a2b9 → prod (cluster prod-eu)
    1 object drifted in 1 field (in Git → in the cluster)

    FlinkDeployment orders-ingest  since 2026-11-20T14:02:00Z
        spec.job.parallelism  4 → 8
          drift: changed in the cluster by kubectl-edit at 2026-11-20T14:02:00Z
        flinkops: will update it: restarts from a savepoint, state kept
    "#);
}

#[test]
fn status_is_a_line_per_unit() {
    let time = sample::time("2026-11-20T10:00:00Z");
    let checkpoint = Some(Checkpoint { path: "s3://b/cp/1/chk-7".into(), time });
    let states = [
        ("night", Ok(JobState { checkpoint, restored: Some("s3://b/sp/1".into()) })),
        ("found", Ok(JobState::default())),
        ("moved", Err("no answer within 10 s".to_owned())),
    ];
    let states = states.into_iter().map(|(name, state)| (sample::key(name), state)).collect();
    let live = Live { states, ..Live::default() };
    let document = StatusDocument::new(&sample::plan(), AgainstKind::Cluster, &live, &sample::secrets());
    assert_snapshot!(strip_str(&super::status(&document, 80)).to_string(), @r#"
    orders 3f1c8a2b9 → prod (cluster prod-eu)
    11 of 12 units settled, 2 blocked
    = archive        settled
    ! audit          settled
          RUNNING
          blocked: frozen: "the auditors are looking"; remove flinkops.dev/freeze to
          go on
    = counts         settled
    = quiet          settled
    = moved          settled
          restored from: not known, no answer within 10 s
    = night          settled
          restored from s3://b/sp/1
          newest checkpoint s3://b/cp/1/chk-7 of 2026-11-20T10:00:00Z
    = orders-enrich  settled
          blocked: waits for orders-ingest: RESTARTING since 2026-11-20T14:02:00Z
    = orders-ingest  settled
    = paused         settled
    = sessions       settled
    = settlement     settled
    = found          settled
          restored from nothing: it started empty
    "#);
}
