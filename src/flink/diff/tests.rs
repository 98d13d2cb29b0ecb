//! The operator's own case table, row by row, in both modes and for every line of releases.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::DeploymentMode::{Native, Standalone};
use super::DiffType::{Ignore, SavepointRedeploy, Scale, Upgrade};
use super::*;

/// The application all rows start from.
fn application() -> Value {
    json!({
        "image": "image", "imagePullPolicy": "IfNotPresent", "serviceAccount": "flink", "flinkVersion": "v1_20",
        "flinkConfiguration": {"taskmanager.numberOfTaskSlots": "2", "high-availability.type": "kubernetes"},
        "jobManager": {"resource": {"cpu": 1.0, "memory": "2048m", "ephemeralStorage": "2G"}},
        "taskManager": {"resource": {"cpu": 1.0, "memory": "2048m", "ephemeralStorage": "2G"}},
        "job": {"jarURI": "local:///tmp/sample.jar", "parallelism": 1, "upgradeMode": "stateless", "state": "running"},
        "podTemplate": {"spec": {"hostname": "localhost"}},
        "ingress": {"template": "{{name}}.{{namespace}}.example.com"},
    })
}

fn session_job() -> Value {
    let mut spec = application();
    let job = spec["job"].take();
    json!({"deploymentName": "sessions", "job": job, "flinkConfiguration": {}})
}

/// A spec with fields set; a configuration key is set as one, null removes.
fn with(mut spec: Value, edits: &[(&str, Value)]) -> Value {
    for (field, value) in edits {
        let (at, key) = match field.strip_prefix("flinkConfiguration.") {
            Some(key) => (&mut spec["flinkConfiguration"], key),
            None => field.split('.').fold((&mut spec, ""), |(at, key), next| {
                (if key.is_empty() { at } else { &mut at[key] }, next)
            }),
        };
        at[key] = value.clone();
    }
    spec
}

/// The strongest reaction and the number of differences, as the operator counts them.
fn outcome(release: Release, mode: DeploymentMode, left: &Value, right: &Value) -> (DiffType, usize) {
    let table = Table::new(release, mode, left, right);
    let diffs = table.diff(left, right);
    let fields: BTreeSet<&str> = diffs.iter().map(|diff| table.field(&diff.path)).collect();
    (reaction(&diffs), fields.len())
}

/// Checks one row for every line of releases that has its fields.
fn row(number: &str, mode: DeploymentMode, (left, right): (&Value, &Value), kind: DiffType, count: usize) {
    for release in Release::ALL {
        let both = format!("{left}{right}");
        if release < Release::V1_8 && both.contains("savepointRedeployNonce") {
            continue;
        }
        assert_eq!(outcome(release, mode, left, right), (kind, count), "row {number}, {mode:?}, {release:?}");
    }
}

/// Rows 2 to 9: each adds to the one before.
fn application_after(row: usize) -> Value {
    let steps: [&[(&str, Value)]; 8] = [
        &[
            ("job.upgradeMode", json!("last-state")),
            ("job.allowNonRestoredState", json!(true)),
            ("job.initialSavepointPath", json!("local:///tmp")),
            ("job.savepointTriggerNonce", json!(123)),
            ("flinkConfiguration.kubernetes.operator.reconcile.interval", json!("100 SECONDS")),
            ("flinkConfiguration.kubernetes.operator.metrics.scope.k8soperator.system", json!("scope")),
            ("flinkConfiguration.parallelism.default", json!("100")),
            ("flinkConfiguration.job.autoscaler.metrics.window", json!("1234m")),
        ],
        &[
            ("flinkConfiguration.kubernetes.operator.metrics.scope.k8soperator.system", Value::Null),
            ("flinkConfiguration.job.autoscaler.metrics.window", Value::Null),
        ],
        &[("job.parallelism", json!(100))],
        &[],
        &[
            ("image", json!("flink:greatest")),
            ("imagePullPolicy", json!("Always")),
            ("serviceAccount", json!("anonymous")),
            ("flinkVersion", json!("v1_19")),
            ("mode", json!("standalone")),
            ("logConfiguration", json!({"log4j-console.properties": "rootLogger.level = DEBUG"})),
        ],
        &[
            ("jobManager.resource.memory", json!("999m")),
            ("taskManager.replicas", json!(999)),
            ("podTemplate.metadata", json!({})),
            ("ingress.template", json!("none")),
        ],
        &[
            ("job.jarURI", json!("local:///tmp/other.jar")),
            ("job.entryClass", json!("com.example.Main")),
            ("job.args", json!(["--key", "value"])),
            ("job.state", json!("suspended")),
        ],
        &[("flinkConfiguration.env.java.opts.taskmanager", json!("-Dfoo=bar"))],
    ];
    let mut spec = steps[..row - 1].iter().fold(application(), |spec, edits| with(spec, edits));
    spec["flinkConfiguration"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
    spec
}

#[test]
fn row_1_a_spec_and_its_copy() {
    let mut session = application();
    session.as_object_mut().unwrap().remove("job");
    for spec in [json!({}), session, application()] {
        row("1", Native, (&spec, &spec.clone()), Ignore, 0);
        row("1", Standalone, (&spec, &spec.clone()), Ignore, 0);
    }
}

#[test]
fn row_2_what_the_operator_ignores() {
    row("2", Native, (&application(), &application_after(2)), Ignore, 8);
    row("2", Standalone, (&application(), &application_after(2)), Ignore, 8);
}

#[test]
fn row_3_ignored_keys_taken_away_again() {
    row("3", Native, (&application(), &application_after(3)), Ignore, 6);
    row("3", Standalone, (&application(), &application_after(3)), Ignore, 6);
}

#[test]
fn row_4_parallelism_restarts_a_native_job() {
    row("4", Native, (&application(), &application_after(4)), Upgrade, 7);
}

#[test]
fn row_5_parallelism_scales_a_standalone_job() {
    row("5", Standalone, (&application(), &application_after(5)), Scale, 7);
}

#[test]
fn row_6_image_version_mode_and_logging() {
    row("6", Native, (&application(), &application_after(6)), Upgrade, 13);
    row("6", Standalone, (&application(), &application_after(6)), Upgrade, 13);
}

#[test]
fn row_7_processes_pod_template_and_ingress() {
    row("7", Native, (&application(), &application_after(7)), Upgrade, 17);
    row("7", Standalone, (&application(), &application_after(7)), Upgrade, 17);
}

#[test]
fn row_8_the_job_itself() {
    row("8", Native, (&application(), &application_after(8)), Upgrade, 21);
    row("8", Standalone, (&application(), &application_after(8)), Upgrade, 21);
}

#[test]
fn row_9_any_other_configuration_key() {
    row("9", Native, (&application(), &application_after(9)), Upgrade, 22);
    row("9", Standalone, (&application(), &application_after(9)), Upgrade, 22);
}

#[test]
fn row_10_replicas_of_the_task_managers() {
    let of = |replicas| {
        with(application(), &[("mode", json!("standalone")), ("taskManager.replicas", json!(replicas))])
    };
    row("10", Native, (&of(2), &of(3)), Upgrade, 1);
    row("10", Standalone, (&of(2), &of(3)), Scale, 1);
}

#[test]
fn row_11_memory_and_replicas_of_the_task_managers() {
    let of = |memory, replicas| {
        with(
            application(),
            &[("taskManager.resource.memory", json!(memory)), ("taskManager.replicas", json!(replicas))],
        )
    };
    row("11", Native, (&of("1024", 2), &of("2048", 4)), Upgrade, 2);
    row("11", Standalone, (&of("1024", 2), &of("2048", 4)), Upgrade, 2);
}

#[test]
fn row_12_parallelism_of_single_vertices() {
    let key = "flinkConfiguration.pipeline.jobvertex-parallelism-overrides";
    let of = |value| with(application(), &[(key, json!(value))]);
    row("12", Native, (&of("a:1"), &of("a:2")), Scale, 1);
    row("12", Standalone, (&of("a:1"), &of("a:2")), Upgrade, 1);
}

fn session_job_after(row: usize) -> Value {
    let steps: [&[(&str, Value)]; 3] = [
        &[
            ("job.upgradeMode", json!("last-state")),
            ("job.allowNonRestoredState", json!(true)),
            ("job.initialSavepointPath", json!("local:///tmp")),
            ("job.savepointTriggerNonce", json!(123)),
            ("flinkConfiguration.kubernetes.operator.user.artifacts.http.header", json!("changed")),
        ],
        &[("job.parallelism", json!(100))],
        &[
            ("deploymentName", json!("other")),
            ("job.jarURI", json!("https://example.com/other.jar")),
            ("job.entryClass", json!("com.example.Main")),
            ("job.args", json!(["--key", "value"])),
            ("job.state", json!("suspended")),
        ],
    ];
    steps[..row - 12].iter().fold(session_job(), |spec, edits| with(spec, edits))
}

#[test]
fn row_13_what_is_ignored_of_a_session_job() {
    row("13", Native, (&session_job(), &session_job_after(13)), Ignore, 5);
    row("13", Standalone, (&session_job(), &session_job_after(13)), Ignore, 5);
}

#[test]
fn row_14_parallelism_of_a_session_job() {
    row("14", Native, (&session_job(), &session_job_after(14)), Upgrade, 6);
    row("14", Standalone, (&session_job(), &session_job_after(14)), Scale, 6);
}

#[test]
fn row_15_a_session_job_itself() {
    row("15", Native, (&session_job(), &session_job_after(15)), Upgrade, 11);
    row("15", Standalone, (&session_job(), &session_job_after(15)), Upgrade, 11);
}

#[test]
fn row_16_each_difference_has_its_path_and_values() {
    let of = |image, hosts: &[&str], host| {
        with(
            application(),
            &[
                ("image", json!(image)),
                (
                    "podTemplate",
                    json!({"spec": {"hostname": host, "hostAliases": [{"ip": "1.1.1.1", "hostnames": hosts}]}}),
                ),
            ],
        )
    };
    let left = of("img1", &["host1", "host2"], "localhost1");
    let right =
        with(of("img2", &["host1"], "localhost2"), &[("ingress", Value::Null), ("restartNonce", json!(1))]);
    row("16", Native, (&left, &right), Upgrade, 4);
    row("16", Standalone, (&left, &right), Upgrade, 4);
    let diffs = Table::new(Release::default(), Native, &left, &right).diff(&left, &right);
    let told: Vec<_> = diffs.into_iter().map(|diff| (diff.path, diff.before, diff.after)).collect();
    let pod = "/spec/podTemplate/spec";
    assert_eq!(
        told,
        [
            ("/spec/image".into(), Some(json!("img1")), Some(json!("img2"))),
            ("/spec/ingress/template".into(), Some(left["ingress"]["template"].clone()), None),
            (
                format!("{pod}/hostAliases/1.1.1.1/hostnames"),
                Some(json!(["host1", "host2"])),
                Some(json!(["host1"]))
            ),
            (format!("{pod}/hostname"), Some(json!("localhost1")), Some(json!("localhost2"))),
            ("/spec/restartNonce".into(), None, Some(json!(1))),
        ]
    );
}

#[test]
fn row_17_what_a_pod_template_holds_beside_its_pod() {
    let pod = json!({"spec": {"hostname": "localhost"}});
    let more = json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Running"}, "unknown": {"a": 1},
        "spec": {"hostname": "localhost"}});
    for field in ["podTemplate", "jobManager.podTemplate", "taskManager.podTemplate"] {
        let of = |template: &Value| with(application(), &[(field, template.clone())]);
        for mode in [Native, Standalone] {
            row("17", mode, (&of(&pod), &of(&more)), Ignore, 0);
            row("17", mode, (&of(&more), &of(&pod)), Ignore, 0);
        }
    }
}

#[test]
fn row_18_a_restart_nonce() {
    let nonce = with(application(), &[("restartNonce", json!(1))]);
    for mode in [Native, Standalone] {
        row("18", mode, (&application(), &nonce), Upgrade, 1);
        assert_eq!(outcome(Release::V1_8, mode, &nonce, &application()), (Ignore, 0), "row 18, {mode:?}");
        assert_eq!(outcome(Release::V1_15, mode, &nonce, &application()), (Ignore, 0), "row 18, {mode:?}");
        // Up to 1.7 the field had no exception.
        assert_eq!(outcome(Release::V1_7, mode, &nonce, &application()), (Upgrade, 1), "row 18, {mode:?}");
    }
}

fn redeploy(nonce: Value) -> Value {
    with(application(), &[("job.savepointRedeployNonce", nonce)])
}

#[test]
fn row_19_a_redeploy_nonce_beside_another_change() {
    let right = with(redeploy(json!(1)), &[("job.parallelism", json!(123))]);
    row("19", Native, (&application(), &right), SavepointRedeploy, 2);
    row("19", Standalone, (&application(), &right), SavepointRedeploy, 2);
}

#[test]
fn row_20_another_redeploy_nonce() {
    row("20", Native, (&redeploy(json!(1)), &redeploy(json!(2))), SavepointRedeploy, 1);
    row("20", Standalone, (&redeploy(json!(1)), &redeploy(json!(2))), SavepointRedeploy, 1);
}

#[test]
fn row_21_a_redeploy_nonce_taken_away() {
    row("21", Native, (&redeploy(json!(2)), &redeploy(Value::Null)), Ignore, 0);
    row("21", Standalone, (&redeploy(json!(2)), &redeploy(Value::Null)), Ignore, 0);
}

#[test]
fn rows_19_to_21_up_to_1_7_there_is_no_redeploy_nonce() {
    for (left, right) in [(json!(null), json!(1)), (json!(1), json!(2)), (json!(2), json!(null))] {
        assert_eq!(outcome(Release::V1_7, Native, &redeploy(left), &redeploy(right)), (Ignore, 0));
    }
}

#[test]
fn row_22_no_configuration_and_an_empty_one() {
    let of = |configuration| with(application(), &[("flinkConfiguration", configuration)]);
    for mode in [Native, Standalone] {
        row("22", mode, (&of(Value::Null), &of(json!({}))), Ignore, 0);
        row("22", mode, (&of(json!({})), &of(Value::Null)), Ignore, 0);
    }
}

#[test]
fn row_23_lists_in_the_configuration() {
    let of = |list: Value| with(application(), &[("flinkConfiguration", json!({"a": 1, "b": {"c": list}}))]);
    for list in [json!([1, 2]), json!(["1", "2"])] {
        let flat = crate::flink::config::flatten(&of(list.clone())["flinkConfiguration"]);
        assert_eq!(flat.get("b.c").map(String::as_str), Some("1;2"), "row 23");
        for mode in [Native, Standalone] {
            row("23", mode, (&of(list.clone()), &of(json!("1;2"))), Ignore, 0);
            row("23", mode, (&of(list.clone()), &of(json!("2;1"))), Upgrade, 1);
        }
    }
}

#[test]
fn a_job_or_task_manager_that_comes_or_goes_is_one_difference() {
    let none = with(application(), &[("taskManager", Value::Null)]);
    let some = with(application(), &[("taskManager", json!({"replicas": 2, "resource": {"memory": "2g"}}))]);
    row("TaskManager", Standalone, (&none, &some), Upgrade, 1);
    let session = with(application(), &[("job", Value::Null)]);
    row("job", Native, (&session, &application()), Upgrade, 1);
    row("job", Standalone, (&application(), &session), Upgrade, 1);
}

#[test]
fn any_change_of_the_ingress_restarts() {
    let label = with(application(), &[("ingress.labels", json!({"a": "b"}))]);
    row("ingress", Native, (&application(), &label), Upgrade, 1);
}
