//! One row per rule: a spec the operator accepts, one thing done to it, and what the operator says.

use serde_json::json;

use super::*;

fn application() -> Value {
    json!({
        "flinkVersion": "v1_20", "serviceAccount": "flink", "image": "flink:1.20",
        "flinkConfiguration": {"state": {"savepoints": {"dir": "file:///sp"}}, "state.checkpoints.dir": "file:///cp"},
        "jobManager": {"resource": {"cpu": 1, "memory": "1024m"}},
        "taskManager": {"resource": {"cpu": 1, "memory": "2g"}},
        "job": {"jarURI": "local:///a.jar", "parallelism": 1, "upgradeMode": "savepoint"},
    })
}

fn session_job() -> Value {
    json!({"deploymentName": "sess", "job": {"jarURI": "https://h/a.jar", "parallelism": 1, "upgradeMode": "savepoint"}})
}

fn cluster() -> Value {
    let mut spec = application();
    spec.as_object_mut().unwrap().remove("job");
    spec
}

fn operator() -> BTreeMap<String, String> {
    BTreeMap::from([
        (ALLOWED_SCHEMES.to_owned(), "https;file;http".to_owned()),
        ("kubernetes.operator.reconcile.interval".to_owned(), "15 s".to_owned()),
    ])
}

/// Lays a merge patch over a spec.
fn with(mut spec: Value, patch: &Value) -> Value {
    merge(&mut spec, patch);
    spec
}

fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        merge(&mut target[key], value);
    }
}

fn first(kind: Kind, name: &str, spec: &Value, previous: Option<&Value>) -> Option<(&'static str, String)> {
    let (operator, cluster) = (operator(), cluster());
    let cluster = (kind == Kind::FlinkSessionJob).then_some(&cluster);
    let release = Release::default();
    let proposal = Proposal { kind, name, spec, previous, operator: &operator, cluster, release };
    validate(&proposal).into_iter().next().map(|found| (found.rule.as_str(), found.message))
}

fn deployment(patch: &Value) -> Option<(&'static str, String)> {
    first(Kind::FlinkDeployment, "app", &with(application(), patch), None)
}

fn changed(previous: &Value, patch: &Value) -> Option<(&'static str, String)> {
    let previous = with(application(), previous);
    first(Kind::FlinkDeployment, "app", &with(application(), patch), Some(&previous))
}

#[track_caller]
fn refused(found: Option<(&'static str, String)>, rule: &str, message: &str) {
    let (found, said) = found.expect("the operator refuses this");
    assert_eq!((found, said.as_str()), (rule, message));
}

#[test]
fn good_specs_are_accepted() {
    assert_eq!(deployment(&json!({})), None);
    assert_eq!(first(Kind::FlinkDeployment, "sess", &cluster(), None), None);
    assert_eq!(first(Kind::FlinkSessionJob, "job", &session_job(), None), None);
    assert_eq!(deployment(&json!({"taskManager": {"replicas": 2}, "job": {"parallelism": 0}})), None);
    assert_eq!(deployment(&json!({"jobManager": {"resource": {"memory": "1Gi"}}})), None);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_rule_of_a_deployment() {
    let conf = |key: &str, value: &str| json!({"flinkConfiguration": {key: value}});
    let no_savepoints = |patch: Value| {
        let bare = json!({"flinkConfiguration": {"state": null}, "job": {"upgradeMode": "last-state"}});
        with(bare, &patch)
    };
    for (patch, rule, message) in [
        (json!({"flinkVersion": null}), "flink-version", "Flink Version must be defined."),
        (
            json!({"flinkVersion": "v1_14"}),
            "flink-version",
            "Flink version v1_14 is not supported by this operator version",
        ),
        (
            conf("kubernetes.cluster-id", "x"),
            "forbidden-key",
            "Forbidden Flink config key: kubernetes.cluster-id",
        ),
        (
            conf("kubernetes.operator.deployment.rollback.enabled", "true"),
            "rollback-without-ha",
            "HA must be enabled for rollback support.",
        ),
        (
            json!({"flinkConfiguration": {"kubernetes.operator.cluster.health-check.enabled": true,
                   "kubernetes.operator.jm-deployment-recovery.enabled": false}}),
            "health-check-without-recovery",
            "Deployment recovery (kubernetes.operator.jm-deployment-recovery.enabled) must be enabled for job health check (kubernetes.operator.cluster.health-check.enabled) support.",
        ),
        (json!({"ingress": {"className": "n"}}), "ingress-template", "Ingress template must be defined"),
        (
            json!({"logConfiguration": {"log4j.properties": ""}}),
            "log-configuration",
            "Invalid log config key: log4j.properties. Allowed keys are [log4j-console.properties, logback-console.xml]",
        ),
        (
            conf("state.checkpoints.dir", ""),
            "checkpoint-directory",
            "Checkpoint directory[execution.checkpointing.dir] must be defined for last-state and savepoint upgrade modes",
        ),
        (
            no_savepoints(json!({"job": {"upgradeMode": "savepoint"}})),
            "savepoint-directory",
            "Job could not be upgraded with savepoint while config key[execution.checkpointing.savepoint-dir] is not set",
        ),
        (
            no_savepoints(json!({"job": {"savepointTriggerNonce": 1}})),
            "savepoint-directory-for-nonce",
            "Savepoint could not be manually triggered for the running job while config key[execution.checkpointing.savepoint-dir] is not set",
        ),
        (
            no_savepoints(conf("kubernetes.operator.periodic.savepoint.interval", "1h")),
            "savepoint-directory-for-periodic",
            "Periodic savepoints cannot be enabled when config key[execution.checkpointing.savepoint-dir] is not set",
        ),
        (
            no_savepoints(conf(
                "kubernetes.operator.job.upgrade.last-state.max.allowed.checkpoint.age",
                "1h",
            )),
            "savepoint-directory-for-max-age",
            "In order to use max-checkpoint age functionality config key[execution.checkpointing.savepoint-dir] must be set to allow triggering savepoint upgrades.",
        ),
        (
            json!({"taskManager": {"replicas": 0}}),
            "task-manager-replicas",
            "TaskManager replicas must be larger than 0",
        ),
        (json!({"job": {"parallelism": 0}}), "parallelism", "Job parallelism must be larger than 0"),
        (
            json!({"jobManager": {"resource": {"memory": null}}}),
            "memory",
            "JobManager resource memory must be defined using `spec.jobManager.resource.memory`",
        ),
        (
            json!({"taskManager": null}),
            "memory",
            "TaskManager resource memory must be defined using `spec.taskManager.resource.memory`",
        ),
        (
            json!({"taskManager": {"resource": {"memory": "lots"}}}),
            "size",
            "TaskManager resource memory parse error: lots",
        ),
        (
            json!({"jobManager": {"resource": {"ephemeralStorage": "much"}}}),
            "size",
            "JobManager resource ephemeral storage parse error: much",
        ),
        (
            json!({"jobManager": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1"}}}}),
            "requirements",
            "JobManager resource requirements cpu request (2) must not exceed its limit (1)",
        ),
        (
            json!({"jobManager": {"replicas": 0}}),
            "job-manager-replicas",
            "JobManager replicas should not be configured less than one.",
        ),
        (
            json!({"jobManager": {"replicas": 2}}),
            "standby-without-ha",
            "High availability should be enabled when starting standby JobManagers.",
        ),
        (
            json!({"job": null, "taskManager": {"replicas": 0}}),
            "task-manager-replicas-positive",
            "TaskManager replicas should not be configured less than one.",
        ),
        (
            json!({"serviceAccount": null}),
            "service-account",
            "spec.serviceAccount must be defined. If you use helm, its value should be the same with the name of jobServiceAccount.",
        ),
        (
            json!({"flinkConfiguration": {"job.autoscaler.enabled": "true", "job.autoscaler.scale-up.max-factor": "-1"}}),
            "autoscaler",
            "The AutoScalerOption job.autoscaler.scale-up.max-factor is invalid, it should be a value within the range [0.0, +Infinity]",
        ),
        (
            json!({"flinkConfiguration": {"job.autoscaler.enabled": "true", "job.autoscaler.utilization.max": "0.5"}}),
            "autoscaler",
            "The AutoScalerOption job.autoscaler.utilization.max is invalid, it should be a value within the range [0.7, 1.0]",
        ),
        (
            json!({"flinkConfiguration": {"job.autoscaler.enabled": "true", "job.autoscaler.utilization.target": "high"}}),
            "autoscaler",
            "Invalid value in the autoscaler config job.autoscaler.utilization.target",
        ),
        (
            json!({"flinkConfiguration": {"job.autoscaler.enabled": "true", "job.autoscaler.metrics.window": "5 s"}}),
            "autoscaler-window",
            "The autoscaler metric window (5 s) must not be smaller than the operator reconcile interval (15 s)",
        ),
    ] {
        refused(deployment(&patch), rule, message);
    }
}

#[test]
fn the_name_has_a_shape() {
    for name in ["Orders", "1a", "a-", "a.b", &"a".repeat(46)] {
        let (rule, message) = first(Kind::FlinkDeployment, name, &application(), None).unwrap();
        assert_eq!(rule, "name", "{name}");
        assert!(message.starts_with(&format!("The FlinkDeployment name: {name} is invalid, must consist")));
    }
    assert_eq!(first(Kind::FlinkDeployment, &"a".repeat(45), &application(), None), None);
}

#[test]
fn every_rule_of_a_change() {
    refused(
        changed(
            &json!({"job": {"state": "suspended", "upgradeMode": "last-state"}}),
            &json!({"flinkVersion": "v2_0"}),
        ),
        "flink-version-after-last-state",
        "Changing flinkVersion after last-state suspend is not allowed. Restore your cluster with the current flinkVersion and perform the version upgrade afterwards.",
    );
    let previous = json!({"job": null});
    refused(changed(&previous, &json!({})), "role-change", "Cannot switch from session to job cluster");
    let spec = json!({"job": null});
    refused(changed(&json!({}), &spec), "role-change", "Cannot switch from job to session cluster");
    refused(
        changed(&json!({}), &json!({"mode": "standalone"})),
        "mode-change",
        "Cannot switch from native kubernetes to standalone kubernetes cluster",
    );
    refused(
        changed(&json!({"mode": "standalone"}), &json!({"mode": "native"})),
        "mode-change",
        "Cannot switch from standalone kubernetes to native kubernetes cluster",
    );
    refused(
        changed(&json!({}), &json!({"job": {"savepointRedeployNonce": 1}})),
        "redeploy-without-path",
        "InitialSavepointPath must not be empty for savepoint redeployment",
    );
    let same = json!({"job": {"savepointRedeployNonce": 1}});
    assert_eq!(changed(&same, &same), None, "an unchanged nonce asks for nothing");
}

#[test]
fn every_rule_of_a_session_job() {
    let before = session_job();
    let on =
        |patch: Value, previous| first(Kind::FlinkSessionJob, "job", &with(session_job(), &patch), previous);
    let (rule, _) = on(json!({"deploymentName": "Sess"}), None).unwrap();
    assert_eq!(rule, "name");
    refused(on(json!({"job": null}), None), "job-missing", "The job spec should not be empty");
    refused(
        on(json!({"deploymentName": "other"}), Some(&before)),
        "deployment-name-change",
        "The deploymentName can't be changed",
    );
    refused(
        on(json!({"job": {"jarURI": "ftp://h/a.jar"}}), None),
        "jar-uri",
        "jarURI scheme 'ftp' is not in the allowlist [file, http, https]. Configure 'kubernetes.operator.user.artifacts.allowed-schemes' to extend the allowlist.",
    );
    refused(on(json!({"job": {"jarURI": "a.jar"}}), None), "jar-uri", "jarURI must include a scheme");
    for host in ["localhost", "127.0.0.1", "10.1.2.3", "[::1]"] {
        let message = format!("jarURI host '{host}' resolves to a restricted address");
        refused(on(json!({"job": {"jarURI": format!("http://{host}/a.jar")}}), None), "jar-uri", &message);
    }
    for uri in ["file:///a.jar", "https://jars.example.com/a.jar", "https://203.0.113.7/a.jar"] {
        assert_eq!(on(json!({"job": {"jarURI": uri}}), None), None, "{uri}");
    }
    refused(
        on(json!({"job": {"parallelism": 0}, "taskManager": {"replicas": 2}}), None),
        "parallelism",
        "Job parallelism must be larger than 0",
    );
}

#[test]
fn a_session_job_needs_a_session_cluster() {
    let (spec, operator, cluster) = (session_job(), operator(), application());
    let mut proposal = Proposal {
        kind: Kind::FlinkSessionJob,
        name: "job",
        spec: &spec,
        previous: None,
        operator: &operator,
        cluster: Some(&cluster),
        release: Release::default(),
    };
    assert_eq!(validate(&proposal)[0].message, "Can not submit session job to application cluster");
    proposal.cluster = None;
    assert_eq!(validate(&proposal), [], "rules of the cluster wait for the cluster");
}

#[test]
fn unknown_schemes_of_the_operator_are_not_judged() {
    let spec = with(session_job(), &json!({"job": {"jarURI": "s3://h/a.jar"}}));
    let operator = BTreeMap::new();
    let proposal = Proposal {
        kind: Kind::FlinkSessionJob,
        name: "job",
        spec: &spec,
        previous: None,
        operator: &operator,
        cluster: None,
        release: Release::default(),
    };
    assert_eq!(validate(&proposal), []);
}

#[test]
fn violations_come_in_the_operators_order() {
    let spec = with(
        application(),
        &json!({"flinkVersion": null, "serviceAccount": null, "job": {"parallelism": 0}}),
    );
    let operator = BTreeMap::new();
    let proposal = Proposal {
        kind: Kind::FlinkDeployment,
        name: "app",
        spec: &spec,
        previous: None,
        operator: &operator,
        cluster: None,
        release: Release::default(),
    };
    let rules: Vec<_> = validate(&proposal).into_iter().map(|it| it.rule.as_str()).collect();
    assert_eq!(rules, ["flink-version", "parallelism", "service-account"]);
}

#[test]
fn before_1_10_a_session_job_has_no_last_state() {
    let (operator, cluster) = (operator(), cluster());
    let spec = with(session_job(), &json!({"job": {"upgradeMode": "last-state"}}));
    let found = |release| {
        let (kind, cluster) = (Kind::FlinkSessionJob, Some(&cluster));
        let (name, operator) = ("job", &operator);
        let found =
            validate(&Proposal { kind, name, spec: &spec, previous: None, operator, cluster, release });
        found.into_iter().next().map(|found| (found.rule.as_str(), found.message))
    };
    let message = "The LAST_STATE upgrade mode is not supported in session job now.";
    for release in Release::ALL {
        if release < Release::V1_10 {
            refused(found(release), "session-job-last-state", message);
        } else {
            assert_eq!(found(release), None, "{release:?}");
        }
    }
}
