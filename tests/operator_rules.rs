//! Every rule by which the operator refuses a resource, by its number in `DefaultValidator`: a unit that is refused, and
//! one as near to it that is not, both as they are rendered from a repository.

use std::collections::{BTreeMap, BTreeSet};

use flinkops::flink::release::Release;
use flinkops::flink::validate::{Proposal, validate};
use flinkops::spec::source::Limits;
use flinkops::spec::{Finding, Loaded, Unit, lint};
use serde_json::Value;

use super::loader;

/// What lies under each of the units: the operator takes it.
const REPOSITORY: &str = r#"name: rules
environments:
  prod:
    namespace: flink
    operatorDefaults:
      kubernetes.operator.user.artifacts.allowed-schemes: https;s3
      kubernetes.operator.reconcile.interval: 60 s
defaults:
  FlinkDeployment:
    spec: &deployment
      image: registry.example.com/job:1
      flinkVersion: v1_20
      serviceAccount: flink
      jobManager: {resource: {cpu: 1, memory: 1g}}
      taskManager: {resource: {cpu: 1, memory: 1g}}
      flinkConfiguration:
        execution.checkpointing.dir: s3://orders/checkpoints
        execution.checkpointing.savepoint-dir: s3://orders/savepoints
      job: {jarURI: "local:///a.jar", parallelism: 1, upgradeMode: savepoint}
  FlinkBlueGreenDeployment: {spec: {template: {spec: *deployment}}}
  FlinkSessionJob:
    spec:
      deploymentName: sessions
      job: {jarURI: "https://jars.example.com/a.jar", parallelism: 1, upgradeMode: savepoint}
"#;

const D: &str = "FlinkDeployment";
const J: &str = "FlinkSessionJob";
const S: &str = "FlinkStateSnapshot";
const B: &str = "FlinkBlueGreenDeployment";

/// A rule's number, its id, a part of what is said, and of which kind what is refused and what is not.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("1", "bad-name", "cannot be the name of a FlinkDeployment", D, "{name: a2345678901234567890123456789012345678901234567}", "{name: a23456789012345678901234567890123456789012345}"),
    ("2", "flink-version", "Flink Version must be defined.", D, "{spec: {flinkVersion: null, job: {}}}", "{spec: {job: {}}}"),
    ("5", "forbidden-key", "Forbidden Flink config key: kubernetes.namespace", D, "{spec: {job: {}, flinkConfiguration: {kubernetes.namespace: a}}}", "{spec: {job: {}, flinkConfiguration: {kubernetes.service-account: a}}}"),
    ("5", "forbidden-key", "Forbidden Flink config key: kubernetes.cluster-id", D, "{spec: {job: {}, flinkConfiguration: {kubernetes: {cluster-id: a}}}}", "{spec: {job: {}}}"),
    ("5", "forbidden-key", "Forbidden Flink config key: high-availability.cluster-id", D, "{spec: {job: {}, flinkConfiguration: {high-availability.cluster-id: a}}}", "{spec: {job: {}, flinkConfiguration: {high-availability.storageDir: a}}}"),
    ("6", "rollback-without-ha", "HA must be enabled for rollback support.", D, "{spec: {job: {}, flinkConfiguration: {kubernetes.operator.deployment.rollback.enabled: true}}}", "{spec: {job: {}, flinkConfiguration: {kubernetes.operator.deployment.rollback.enabled: true, high-availability: kubernetes}}}"),
    ("7", "health-check-without-recovery", "must be enabled for job health check", D, "{spec: {job: {}, flinkConfiguration: {kubernetes.operator.cluster.health-check.enabled: true, kubernetes.operator.jm-deployment-recovery.enabled: false}}}", "{spec: {job: {}, flinkConfiguration: {kubernetes.operator.cluster.health-check.enabled: true}}}"),
    ("8", "ingress-template", "Ingress template must be defined", D, "{spec: {job: {}, ingress: {className: nginx}}}", "{spec: {job: {}, ingress: {template: '{{name}}.example.com'}}}"),
    ("8", "ingress-template", "Unable to process the Ingress template(example.com:port). Error: Error at index 0 in: \"port\"", D, "{spec: {job: {}, ingress: {template: 'example.com:port'}}}", "{spec: {job: {}, ingress: {template: 'example.com:8080'}}}"),
    ("9", "unknown-field", "log4j.properties", D, "{spec: {job: {}, logConfiguration: {log4j.properties: a}}}", "{spec: {job: {}, logConfiguration: {log4j-console.properties: a}}}"),
    ("10", "checkpoint-directory", "Checkpoint directory[execution.checkpointing.dir] must be defined", D, "{spec: {job: {}, flinkConfiguration: {execution.checkpointing.dir: null}}}", "{spec: {job: {}, flinkConfiguration: {execution.checkpointing.dir: null, state.backend.fs.checkpointdir: a}}}"),
    ("11", "savepoint-directory", "Job could not be upgraded with savepoint", D, "{spec: {job: {}, flinkConfiguration: {execution.checkpointing.savepoint-dir: null}}}", "{spec: {job: {}, flinkConfiguration: {execution.checkpointing.savepoint-dir: null, savepoints.state.backend.fs.dir: a}}}"),
    ("12", "savepoint-directory-for-nonce", "Savepoint could not be manually triggered", D, "{spec: {job: {upgradeMode: last-state, savepointTriggerNonce: 1}, flinkConfiguration: {execution.checkpointing.savepoint-dir: null}}}", "{spec: {job: {upgradeMode: last-state, savepointTriggerNonce: 1}}}"),
    ("13", "savepoint-directory-for-periodic", "Periodic savepoints cannot be enabled", D, "{spec: {job: {upgradeMode: last-state}, flinkConfiguration: {execution.checkpointing.savepoint-dir: null, kubernetes.operator.periodic.savepoint.interval: 1h}}}", "{spec: {job: {upgradeMode: last-state}, flinkConfiguration: {kubernetes.operator.periodic.savepoint.interval: 1h}}}"),
    ("14", "savepoint-directory-for-max-age", "In order to use max-checkpoint age functionality", D, "{spec: {job: {upgradeMode: last-state}, flinkConfiguration: {execution.checkpointing.savepoint-dir: null, kubernetes.operator.job.upgrade.last-state.max.allowed.checkpoint.age: 1h}}}", "{spec: {job: {upgradeMode: last-state}, flinkConfiguration: {kubernetes.operator.job.upgrade.last-state.max.allowed.checkpoint.age: 1h}}}"),
    ("15", "task-manager-replicas", "TaskManager replicas must be larger than 0", D, "{spec: {job: {}, taskManager: {replicas: 0}}}", "{spec: {job: {}, taskManager: {replicas: 1}}}"),
    ("15", "parallelism", "Job parallelism must be larger than 0", D, "{spec: {job: {parallelism: 0}}}", "{spec: {job: {parallelism: 0}, taskManager: {replicas: 2}}}"),
    ("16", "memory", "JobManager resource memory must be defined", D, "{spec: {job: {}, jobManager: {resource: {memory: null}}}}", "{spec: {job: {}, jobManager: {resource: {memory: null}}, flinkConfiguration: {jobmanager.memory.process.size: 1g}}}"),
    ("16", "memory", "TaskManager resource memory must be defined", D, "{spec: {job: {}, taskManager: {resource: {memory: null}}, flinkConfiguration: {taskmanager.memory.managed.size: 1g}}}", "{spec: {job: {}, taskManager: {resource: {memory: null}}, flinkConfiguration: {taskmanager.memory.managed.size: 1g, taskmanager.memory.task.heap.size: 1g}}}"),
    ("17", "size", "TaskManager resource memory parse error: 2 gigs", D, "{spec: {job: {}, taskManager: {resource: {memory: 2 gigs}}}}", "{spec: {job: {}, taskManager: {resource: {memory: 2 gb}}}}"),
    ("17", "size", "JobManager resource ephemeral storage parse error: 1gb", D, "{spec: {job: {}, jobManager: {resource: {ephemeralStorage: 1gb}}}}", "{spec: {job: {}, jobManager: {resource: {ephemeralStorage: 1G}}}}"),
    ("18", "requirements", "cpu request (2) must not exceed its limit (1)", D, "{spec: {job: {}, jobManager: {resources: {requests: {cpu: 2}, limits: {cpu: 1}}}}}", "{spec: {job: {}, jobManager: {resources: {requests: {cpu: 1}, limits: {cpu: 1}}}}}"),
    ("18", "requirements", "memory must be positive", D, "{spec: {job: {}, taskManager: {resources: {limits: {memory: 0}}}}}", "{spec: {job: {}, taskManager: {resources: {limits: {ephemeral-storage: 0}}}}}"),
    ("19", "job-manager-replicas", "JobManager replicas should not be configured less than one.", D, "{spec: {job: {}, jobManager: {replicas: 0}}}", "{spec: {job: {}, jobManager: {replicas: 1}}}"),
    ("19", "standby-without-ha", "High availability should be enabled when starting standby JobManagers.", D, "{spec: {job: {}, jobManager: {replicas: 2}}}", "{spec: {job: {}, jobManager: {replicas: 2}, flinkConfiguration: {recovery.mode: zookeeper}}}"),
    ("19", "task-manager-replicas-positive", "TaskManager replicas should not be configured less than one.", D, "{spec: {taskManager: {replicas: 0}}}", "{spec: {taskManager: {replicas: 1}}}"),
    ("22", "service-account", "spec.serviceAccount must be defined.", D, "{spec: {job: {}, serviceAccount: null}}", "{spec: {job: {}, serviceAccount: default}}"),
    ("23", "autoscaler", "scale-down.max-factor is invalid, it should be a value within the range [0.0, +Infinity]", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, scale-down.max-factor: -0.1}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, scale-down.max-factor: 7}}}}"),
    ("23", "autoscaler", "scale-up.max-factor is invalid", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, scale-up.max-factor: -1}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler.scale-up.max-factor: -1}}}"),
    ("23", "autoscaler", "utilization.target is invalid, it should be a value within the range [0.0, 1.0]", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, target.utilization: 1.1}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, target.utilization: 1.0}}}}"),
    ("23", "autoscaler", "target.utilization.boundary is invalid", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, target.utilization.boundary: -1}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, target.utilization.boundary: 2}}}}"),
    ("23", "autoscaler", "utilization.max is invalid, it should be a value within the range [0.8, 1.0]", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, utilization: {target: 0.8, max: 0.75}}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, utilization: {max: 0.75}}}}}"),
    ("23", "autoscaler", "utilization.min is invalid, it should be a value within the range [0.0, 0.7]", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, utilization: {min: 0.75}}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, utilization: {target: 0.8, min: 0.75}}}}}"),
    ("23", "autoscaler", "memory.gc-pressure.threshold is invalid", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, memory.gc-pressure.threshold: 2}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, memory.gc-pressure.threshold: 1}}}}"),
    ("23", "autoscaler", "Invalid value in the autoscaler config job.autoscaler.memory.heap-usage.threshold", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, memory.heap-usage.threshold: half}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, memory.heap-usage.threshold: 5e-1}}}}"),
    ("23", "autoscaler", "observed-scalability.coefficient-min is invalid, it should be a value within the range [0.01, 1.0]", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, observed-scalability: {enabled: true, coefficient-min: 0}}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, observed-scalability: {coefficient-min: 0}}}}}"),
    ("23", "autoscaler", "scaling.effectiveness.threshold is invalid", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, scaling.effectiveness: {detection.enabled: true, threshold: 2}}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, scaling.effectiveness: {threshold: 2}}}}}"),
    ("23", "autoscaler", "memory.tuning.overhead is invalid", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, memory.tuning: {enabled: true, overhead: 2}}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, memory.tuning: {overhead: 2}}}}}"),
    ("23", "autoscaler", "neither a valid daily expression nor a valid cron expression", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, excluded.periods: 0 9 * * 1-5}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, excluded.periods: 0 0 9 ? * 2-6}}}}"),
    ("23", "autoscaler-window", "The autoscaler metric window (30 s) must not be smaller", D, "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, metrics.window: 30 s}}}}", "{spec: {job: {}, flinkConfiguration: {job.autoscaler: {enabled: true, metrics.window: 60 s}}}}"),
    ("24", "bad-name", "cannot be the name of a FlinkDeployment", J, "{spec: {deploymentName: Sessions}}", "{spec: {deploymentName: sessions-2}}"),
    ("25", "missing-field", "the field `job` is missing", J, "{spec: {job: null}}", "{spec: {job: {}}}"),
    ("27", "jar-uri", "jarURI is not a valid URI: Illegal character at index 26", J, "{spec: {job: {jarURI: 'https://jars.example.com/a 1.jar'}}}", "{spec: {job: {jarURI: 'https://jars.example.com/a%201.jar'}}}"),
    ("27", "jar-uri", "jarURI must include a scheme", J, "{spec: {job: {jarURI: /opt/a.jar}}}", "{spec: {job: {jarURI: null}}}"),
    ("27", "jar-uri", "jarURI scheme 'http' is not in the allowlist [https, s3].", J, "{spec: {job: {jarURI: 'http://jars.example.com/a.jar'}}}", "{spec: {job: {jarURI: 's3://jars/a.jar'}}}"),
    ("27", "jar-uri", "jarURI must include a host for http/https schemes", J, "{spec: {job: {jarURI: 'https://jar_server/a.jar'}}}", "{spec: {job: {jarURI: 'https://jar-server/a.jar'}}}"),
    ("27", "jar-uri", "jarURI host '172.16.0.1' resolves to a restricted address", J, "{spec: {job: {jarURI: 'https://172.16.0.1/a.jar'}}}", "{spec: {job: {jarURI: 'https://172.15.0.1/a.jar'}}}"),
    ("27", "jar-uri", "jarURI host 'localhost' resolves to a restricted address", J, "{spec: {job: {jarURI: 'https://localhost/a.jar'}}}", "{spec: {job: {jarURI: 'https://localhost.example.com/a.jar'}}}"),
    ("28", "application-cluster", "Can not submit session job to application cluster", J, "{spec: {deploymentName: app}}", "{spec: {deploymentName: sessions}}"),
    ("28 with 10", "checkpoint-directory", "Checkpoint directory", J, "{spec: {flinkConfiguration: {execution.checkpointing.dir: ''}}}", "{spec: {flinkConfiguration: {execution.checkpointing.dir: a}}}"),
    ("28 with 11", "savepoint-directory", "Job could not be upgraded with savepoint", J, "{spec: {flinkConfiguration: {execution.checkpointing.savepoint-dir: ''}}}", "{spec: {deploymentName: not-in-git, flinkConfiguration: {execution.checkpointing.savepoint-dir: ''}}}"),
    ("28 with 15", "parallelism", "Job parallelism must be larger than 0", J, "{spec: {job: {parallelism: 0}}}", "{spec: {deploymentName: not-in-git, job: {parallelism: 0}}}"),
    ("28 with 23", "autoscaler", "utilization.target is invalid", J, "{spec: {flinkConfiguration: {job.autoscaler: {enabled: true, utilization.target: 2}}}}", "{spec: {flinkConfiguration: {job.autoscaler: {utilization.target: 2}}}}"),
    ("29", "snapshot-kind", "Exactly one of checkpoint or savepoint", S, "{spec: {jobReference: {kind: FlinkDeployment, name: app}, savepoint: {}, checkpoint: {}}}", "{spec: {jobReference: {kind: FlinkDeployment, name: app}, checkpoint: {}}}"),
    ("31, but for 30", "snapshot-job", "Job reference must be supplied for this snapshot", S, "{spec: {savepoint: {path: 's3://orders/a'}}}", "{spec: {savepoint: {path: 's3://orders/a', alreadyExists: true}}}"),
    ("when taken", "snapshot-path", "Either the savepoint path in the spec or configuration execution.checkpointing.savepoint-dir", S, "{spec: {jobReference: {kind: FlinkDeployment, name: old}, savepoint: {}}}", "{spec: {jobReference: {kind: FlinkDeployment, name: app}, savepoint: {}}}"),
    ("when taken", "snapshot-checkpoint", "requires Flink 1.17+", S, "{spec: {jobReference: {kind: FlinkDeployment, name: old}, checkpoint: {}}}", "{spec: {jobReference: {kind: FlinkDeployment, name: app}, checkpoint: {}}}"),
    ("when deployed", "overlapping-keys", "Overlapping key prefixes detected (state.backend -> state.backend.incremental)", D, "{spec: {job: {}, flinkVersion: v2_0, flinkConfiguration: {state.backend: rocksdb, state.backend.incremental: true}}}", "{spec: {job: {}, flinkConfiguration: {state.backend: rocksdb, state.backend.incremental: true}}}"),
    ("none but of what it makes", "service-account", "spec.serviceAccount must be defined.", B, "{spec: {template: {spec: {serviceAccount: null}}}}", "{}"),
];

/// The same of rules about what becomes of a unit: what it was, and what it is to be.
#[rustfmt::skip]
const CHANGES: &[(&str, &str, &str, &str, &str, &str, &str)] = &[
    ("4", "flink-version-after-last-state", "Changing flinkVersion after last-state suspend is not allowed.", D, "{spec: {job: {state: suspended, upgradeMode: last-state}}}", "{spec: {job: {}, flinkVersion: v2_0}}", "{spec: {job: {upgradeMode: stateless}, flinkVersion: v2_0}}"),
    ("20", "role-change", "Cannot switch from session to job cluster", D, "{}", "{spec: {job: {}}}", "{spec: {restartNonce: 1}}"),
    ("20", "role-change", "Cannot switch from job to session cluster", D, "{spec: {job: {}}}", "{}", "{spec: {job: {state: suspended}}}"),
    ("20", "mode-change", "Cannot switch from native kubernetes to standalone kubernetes cluster", D, "{spec: {job: {}}}", "{spec: {job: {}, mode: standalone}}", "{spec: {job: {}, mode: native}}"),
    ("20", "mode-change", "Cannot switch from standalone kubernetes to native kubernetes cluster", D, "{spec: {job: {}, mode: standalone}}", "{spec: {job: {}}}", "{spec: {job: {parallelism: 2}, mode: standalone}}"),
    ("21", "redeploy-without-path", "InitialSavepointPath must not be empty for savepoint redeployment", D, "{spec: {job: {}}}", "{spec: {job: {savepointRedeployNonce: 1}}}", "{spec: {job: {savepointRedeployNonce: 1, initialSavepointPath: a}}}"),
    ("26", "deployment-name-change", "The deploymentName can't be changed", J, "{}", "{spec: {deploymentName: others}}", "{spec: {restartNonce: 1}}"),
];

/// Rules of which nothing can be seen in a repository, and why.
const UNSEEN: [(&str, &str); 3] = [
    ("3", "the schema takes no older Flink, and the operator's rule is held by a unit test"),
    ("30", "it accepts, see 31"),
    ("32", "whether a job is there is seen in the cluster: a snapshot waits for its job"),
];

/// A repository with the unit `unit` beside what it may refer to.
fn repository(kind: &str, written: &str) -> Loaded {
    let old = "{spec: {flinkVersion: v1_16, flinkConfiguration: {execution.checkpointing.savepoint-dir: null}, \
               job: {upgradeMode: stateless}}}";
    let units =
        [(D, "sessions", "{}"), (D, "app", "{spec: {job: {}}}"), (D, "old", old), (kind, "unit", written)];
    let file = |(kind, name, written): (&str, &str, &str)| {
        let rest = written.trim_start_matches('{');
        let separator = if rest == "}" { "" } else { ", " };
        (format!("jobs/{name}/job.yaml"), format!("{{kind: {kind}{separator}{rest}\n").into_bytes())
    };
    let files = units.into_iter().map(file);
    let repository = ("flinkops.yaml".to_owned(), REPOSITORY.as_bytes().to_vec());
    flinkops::spec::load(&loader::tree(files.chain([repository])), &Limits::default(), None)
}

/// What is found in the unit's folder; the lint has tests of its own.
fn found(loaded: &Loaded) -> Vec<&Finding> {
    let of_unit = |finding: &&Finding| {
        finding.place.file.starts_with("jobs/unit/") || finding.unit.as_deref() == Some("unit")
    };
    let refused = |finding: &&Finding| lint::rule(finding.rule.as_str()).is_none();
    loaded.findings.iter().filter(of_unit).filter(refused).collect()
}

#[test]
fn what_the_operator_refuses_is_told_and_what_is_near_is_not() {
    let mut wrong = Vec::new();
    for (number, id, says, kind, refused, near) in ROWS {
        let loaded = repository(kind, refused);
        let told = |finding: &&&Finding| {
            let placed = finding.place.line > 0 && finding.hint.is_some();
            finding.rule.as_str() == *id && finding.message.contains(says) && placed
        };
        if found(&loaded).iter().find(told).is_none() {
            wrong.push(format!("rule {number} of {refused}: {:#?}", found(&loaded)));
        }
        let loaded = repository(kind, near);
        if !found(&loaded).is_empty() {
            wrong.push(format!("rule {number} does not refuse {near}: {:#?}", found(&loaded)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn unit(loaded: &Loaded) -> &Unit {
    let mut units = loaded.environments["prod"].units.values();
    units.find(|unit| unit.key.name == "unit").unwrap_or_else(|| panic!("{:#?}", loaded.findings))
}

#[test]
fn what_a_unit_cannot_become_is_told_and_what_is_near_is_not() {
    for (number, id, says, kind, before, refused, near) in CHANGES {
        let (before, operator) = (repository(kind, before), BTreeMap::default());
        let previous: &Value = unit(&before).spec();
        let violations = |written| {
            let loaded = repository(kind, written);
            let unit = unit(&loaded);
            validate(&Proposal {
                kind: unit.key.kind,
                name: "unit",
                spec: unit.spec(),
                previous: Some(previous),
                operator: &operator,
                cluster: None,
                release: Release::default(),
            })
        };
        let told = violations(refused);
        let is_told = told.iter().any(|told| told.rule.as_str() == *id && told.message.contains(says));
        assert!(is_told, "rule {number} of {refused}: {told:?}");
        assert_eq!(violations(near), [], "rule {number} of {near}");
    }
}

#[test]
fn every_rule_has_its_number_in_a_table() {
    let numbers =
        ROWS.iter().map(|row| row.0).chain(CHANGES.iter().map(|row| row.0)).chain(UNSEEN.map(|row| row.0));
    let numbers: BTreeSet<u32> =
        numbers.filter_map(|number| number.split([' ', ',']).next()?.parse().ok()).collect();
    assert_eq!(numbers, (1..=32).collect());
}
