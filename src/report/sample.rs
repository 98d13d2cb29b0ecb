//! Hand-made values for the tests of this room: one unit with every kind of action.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::flink::health::Health;
use crate::flink::kind::{Kind, ObjectKey, Role, UnitKey};
use crate::flink::secret::Secrets;
use crate::plan::outcome::{
    Action, Blocked, BlockedBy, Cause, Change, CompanionPlan, Effect, FieldEffect, Owner, Plan, State, Step,
    StepKind, UnitPlan,
};
use crate::rule::RuleId;
use crate::spec::Finding;
use crate::spec::finding::Place;
use crate::spec::source::Revision;

pub(super) fn key(name: &str) -> UnitKey {
    UnitKey::new("flink-prod", Kind::FlinkDeployment, name)
}

pub(super) fn unit(name: &str, action: Action, effect: Effect, state: State) -> UnitPlan {
    UnitPlan {
        key: key(name),
        id: name.into(),
        role: Role::Application,
        source: Some(Place { file: format!("jobs/{name}/job.yaml"), line: 1, column: 1, width: 1 }),
        action,
        adopt: false,
        effect,
        state,
        wave: None,
        depends_on: vec![],
        awaits: vec![],
        blocked: None,
        reasons: vec![],
        steps: vec![],
        changes: vec![],
        health: Health::Settled,
        health_message: "RUNNING".into(),
        settled: true,
        since: None,
        overdue: false,
        goes_back: None,
        suspended_by_us: None,
        suspended_for: None,
        next: vec![],
    }
}

pub(super) fn change(path: &str, before: Value, after: Value) -> Change {
    let some = |value: Value| (!value.is_null()).then_some(value);
    Change {
        path: path.into(),
        place: path.into(),
        before: some(before),
        after: some(after),
        effect: FieldEffect::Upgrade,
        note: None,
        cause: Cause::Pending,
        owner: None,
        secret: false,
    }
}

fn drifted(path: &str, before: Value, after: Value, at: &str) -> Change {
    let owner = Owner { manager: "kubectl-edit".into(), time: Some(time(at)) };
    Change { cause: Cause::Drift, owner: Some(owner), ..change(path, before, after) }
}

pub(super) fn time(at: &str) -> Timestamp {
    at.parse().unwrap()
}

fn update() -> UnitPlan {
    let containers = |level: &str, password: &str| {
        json!([{"name": "flink-main-container", "env": [
            {"name": "LOG_LEVEL", "value": level}, {"name": "DB_PASSWORD", "value": password}]}])
    };
    UnitPlan {
        wave: Some(2),
        depends_on: vec![key("orders-ingest")],
        reasons: vec!["spec.image changed".into(), "rejected canary-config once".into()],
        steps: vec![
            Step { what: StepKind::Update, unit: key("orders-enrich") },
            Step { what: StepKind::WaitSettled, unit: key("orders-enrich") },
        ],
        changes: vec![
            change(
                "/spec/image",
                json!("registry.example.com/orders-enrich:1.4.1"),
                json!("registry.example.com/orders-enrich:1.4.2"),
            ),
            change("/spec/flinkConfiguration/s3.secret-key", json!("canary-config"), json!("canary-next")),
            change(
                "/spec/podTemplate/spec/containers",
                containers("info", "canary-env"),
                containers("debug", "canary-env"),
            ),
            change("/spec/job/args", json!(["--url", "http://u:canary-url@h"]), json!([])),
        ],
        blocked: Some(Blocked {
            by: BlockedBy::Gate,
            on: vec![key("orders-ingest")],
            message: "waits for orders-ingest: RESTARTING since 2026-11-20T14:02:00Z".into(),
        }),
        ..unit("orders-enrich", Action::Update, Effect::UpgradeFromSavepoint, State::Kept)
    }
}

fn cluster() -> UnitPlan {
    let step = |what, name: &str| Step { what, unit: key(name) };
    UnitPlan {
        role: Role::SessionCluster,
        wave: Some(1),
        reasons: vec!["spec.taskManager.resource.memory changed".into()],
        steps: vec![
            step(StepKind::Suspend, "totals"),
            step(StepKind::WaitSavepoint, "totals"),
            step(StepKind::Record, "totals"),
            step(StepKind::Update, "sessions"),
            step(StepKind::WaitSettled, "sessions"),
            step(StepKind::Resume, "totals"),
        ],
        changes: vec![change("/spec/taskManager/resource/memory", json!("2g"), json!("4g"))],
        ..unit("sessions", Action::Update, Effect::RestartCluster, State::Kept)
    }
}

/// A plan with every action, a drift, a companion and a finding.
pub(super) fn plan() -> Plan {
    let act = |name: &str, action, effect, state, wave| UnitPlan {
        wave: Some(wave),
        ..unit(name, action, effect, state)
    };
    let healed = UnitPlan {
        wave: Some(1),
        reasons: vec!["spec.job.parallelism was changed by kubectl-edit".into()],
        changes: vec![drifted("/spec/job/parallelism", json!(8), json!(4), "2026-11-20T14:02:00Z")],
        ..unit("orders-ingest", Action::Update, Effect::UpgradeFromSavepoint, State::Kept)
    };
    let frozen = UnitPlan {
        blocked: Some(Blocked {
            by: BlockedBy::Frozen,
            on: vec![],
            message: "frozen: \"the auditors are looking\"; remove flinkops.dev/freeze to go on".into(),
        }),
        changes: vec![change("/metadata/labels/team", Value::Null, json!("orders"))],
        settled: false,
        ..unit("audit", Action::Update, Effect::Metadata, State::Kept)
    };
    let units = vec![
        act("archive", Action::Delete, Effect::Delete, State::Kept, 1),
        frozen,
        act("counts", Action::Update, Effect::StatelessRestart, State::Dropped, 1),
        unit("quiet", Action::Keep, Effect::None, State::None),
        act("moved", Action::Recreate, Effect::Recreate, State::Kept, 1),
        act("night", Action::Suspend, Effect::Suspend, State::Kept, 1),
        update(),
        healed,
        act("paused", Action::Resume, Effect::Resume, State::Kept, 1),
        cluster(),
        act("settlement", Action::Create, Effect::Create, State::None, 2),
        UnitPlan { adopt: true, ..act("found", Action::Update, Effect::Metadata, State::Kept, 1) },
    ];
    let wave =
        |number| units.iter().filter(|unit| unit.wave == Some(number)).map(|unit| unit.key.clone()).collect();
    Plan {
        repository: "orders".into(),
        revision: Revision::new("3f1c8a2b9d4e5f60718293a4b5c6d7e8f9012345"),
        environment: "prod".into(),
        against: "prod-eu".into(),
        waves: vec![wave(1), wave(2)],
        units,
        companions: vec![companion()],
        findings: vec![finding()],
        records: vec![],
        wake: None,
        concurrency: 4,
    }
}

fn companion() -> CompanionPlan {
    CompanionPlan {
        key: ObjectKey::new("v1", "ConfigMap", "flink-prod", "orders-enrich-sql"),
        folder: "jobs/orders-enrich".into(),
        action: Action::Update,
        ready: false,
        blocked: None,
        changes: vec![change(
            "/data/enrich.sql",
            json!("SELECT *\nFROM orders\n'password' = 'canary-sql'\n"),
            json!("SELECT id\nFROM orders\n'password' = 'canary-sql'\n"),
        )],
        next: vec![],
    }
}

pub(super) fn finding() -> Finding {
    let place = Place { file: "jobs/broken/job.yaml".into(), line: 2, column: 3, width: 10 };
    Finding::error(RuleId::UnknownField, place, "unknown field `paralelism`")
        .hint("did you mean `parallelism`?")
        .unit("broken")
}

/// What was found in the manifests behind [`plan`].
pub(super) fn secrets() -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add("canary-config");
    secrets
}
