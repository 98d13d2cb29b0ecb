//! What the operator would refuse, and what could not be stopped with its state kept, said at the line in Git
//! that causes it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::desired::{Desired, Unit};
use super::finding::{Finding, Place};
use super::node::Node;
use super::policy::{ClusterChange, OnFailure};
use crate::flink::config::{self, SAVEPOINT_DIR};
use crate::flink::kind::{Kind, UnitKey, template, templated};
use crate::flink::pointer::{At as _, escape, unescape};
use crate::flink::release::{OperatorVersion, Release};
use crate::flink::since;
use crate::flink::validate::{Proposal, Violation, validate};
use crate::flink::version::FlinkVersion;
use crate::rule::RuleId;

/// Rules that the operator's own configuration can satisfy, and that keep no job from being stopped with a
/// savepoint: they are only warned of, as it need not be stated in Git.
const CONFIGURABLE: [RuleId; 4] =
    [RuleId::JarUri, RuleId::Memory, RuleId::RollbackWithoutHa, RuleId::StandbyWithoutHa];

/// Rules about the folders of checkpoints and savepoints, without which a job could not be stopped with its
/// state kept: where the operator's own configuration has them, `operatorDefaults` says so.
const DIRECTORIES: [RuleId; 6] = [
    RuleId::CheckpointDirectory,
    RuleId::SavepointDirectory,
    RuleId::SavepointDirectoryForMaxAge,
    RuleId::SavepointDirectoryForNonce,
    RuleId::SavepointDirectoryForPeriodic,
    RuleId::SnapshotPath,
];

/// The first release of Flink that reads a nested configuration.
const NESTED: FlinkVersion = FlinkVersion::new(2, 0);
/// Prefixes of the operator's own options.
const OWN: [&str; 2] = ["job.autoscaler.", "kubernetes.operator."];

/// Everything for which the operator would refuse a unit if it were new, and what keeps flinkops from ever
/// stopping its job with a savepoint. `cluster` is the spec of a session job's cluster, where it is known,
/// `release` the newest that the operator may be.
pub fn findings(
    desired: &Desired,
    key: &UnitKey,
    written: &Node,
    spec: &Value,
    (cluster, release): (Option<&Value>, Release),
) -> Vec<Finding> {
    let operator = &desired.operator;
    let (kind, name) = (key.kind, &key.name);
    let proposal = Proposal { kind, name, spec, previous: None, operator, cluster, release };
    let mut violations = validate(&proposal);
    if !violations.iter().any(|violation| violation.rule.as_str().starts_with("savepoint-directory")) {
        violations.extend(unstoppable(&proposal));
    }
    violations.extend(overlapping(&proposal));
    let finding = |violation: &Violation| {
        let finding = finding(violation, written, &desired.environment);
        finding.unit(&key.name)
    };
    violations.iter().map(finding).collect()
}

/// What the operator takes of a new unit, and refuses of one that was something else: `previous` is the spec that it acted
/// on last.
pub fn of_change(desired: &Desired, unit: &Unit, previous: &Value, release: Release) -> Vec<Finding> {
    let (key, spec, operator) = (&unit.key, unit.manifest.spec(), &desired.operator);
    let (kind, name, previous) = (key.kind, &key.name, Some(previous));
    let proposal = Proposal { kind, name, spec, previous, operator, cluster: None, release };
    let of_change = [RuleId::FlinkVersionAfterLastState, RuleId::RedeployWithoutPath];
    let violations = validate(&proposal).into_iter().filter(|violation| of_change.contains(&violation.rule));
    let finding = |violation| finding(&violation, &unit.written, &desired.environment).unit(&key.name);
    violations.map(finding).collect()
}

/// What every operator refuses of a unit, and what only the version does that Git states. The latter keeps nobody
/// from asking a cluster that says otherwise: such a folder is not broken.
pub fn judge(desired: &Desired, unit: &Unit, cluster: Option<&Value>) -> (Vec<Finding>, Vec<Finding>) {
    let (key, written, spec) = (&unit.key, &unit.written, unit.manifest.spec());
    let mut always = findings(desired, key, written, spec, (cluster, Release::default()));
    let Some(stated) = &desired.operator_version else { return (always, Vec::new()) };
    let kept = since::kept(key.kind, spec, stated.version);
    let mut here = findings(desired, key, written, &kept, (cluster, stated.version.into()));
    always.retain(|finding| here.contains(finding));
    here.retain(|finding| !always.contains(finding));
    here.append(&mut unserved(unit, stated.version));
    (always, here)
}

/// A kind that the custom resource definitions of this version are without, and values that they do not take.
fn unserved(unit: &Unit, version: OperatorVersion) -> Vec<Finding> {
    let kind = unit.key.kind;
    let spec = templated(kind, unit.manifest.spec());
    let refused_at = |place: Place, why: String| {
        let message = format!("refused by operator {version}: {why}");
        Finding::error(RuleId::RefusedValue, place, message).unit(&unit.key.name)
    };
    let refused = |pointer: &str, why: String| {
        refused_at(unit.written.place_of(&format!("{}/spec{pointer}", template(kind))), why)
    };
    if !since::serves(kind, version) {
        return vec![refused_at(unit.place.clone(), format!("it serves no {kind}")).hint(kind.since())];
    }
    let values = since::unknown(spec, version).filter_map(|part| {
        let hint = format!("write an older one, or upgrade the operator: {} takes it", part.present);
        Some(refused(part.pointer, format!("it does not know `{}`", part.value?)).hint(hint))
    });
    let not_text = since::not_text(spec, version).into_iter().map(|pointer| {
        let name = unescape(pointer.rsplit('/').next().unwrap_or_default());
        let hint = format!("write it in quotes, or upgrade the operator to {}", since::ANY_CONFIGURATION);
        refused(&pointer, format!("`{name}` must be a text")).hint(hint)
    });
    values.chain(not_text).collect()
}

/// A job that keeps state but has nowhere to put a savepoint: the operator takes it, and flinkops could neither
/// delete it nor carry it over. The file's own word `stateless` is consent to do without.
fn unstoppable(proposal: &Proposal<'_>) -> Option<Violation> {
    let mode = proposal.spec.at("/job/upgradeMode").and_then(Value::as_str);
    let judged = proposal.kind == Kind::FlinkDeployment || proposal.cluster.is_some();
    if !judged || proposal.spec.get("job").is_none() || mode == Some("stateless") {
        return None;
    }
    let flat = config::layered(proposal.operator, proposal.cluster, proposal.spec);
    let lacks = config::keeps_state(proposal.spec, &flat) && config::first(&flat, &SAVEPOINT_DIR).is_none();
    lacks.then(|| Violation {
        rule: RuleId::Unstoppable,
        pointer: "/spec/flinkConfiguration".into(),
        message: format!(
            "the job keeps state, and could not be stopped with a savepoint: {} is not set",
            SAVEPOINT_DIR[0]
        ),
        hint: "set the savepoint directory in flinkConfiguration, or upgradeMode: stateless for a job whose state may be lost",
    })
}

/// Flink 2 reads a nested configuration, in which no key can have a value and further keys below it: the operator takes
/// such a resource, stops what runs, and then cannot deploy it (`FlinkConfMountDecorator`).
fn overlapping(proposal: &Proposal<'_>) -> Vec<Violation> {
    let spec = templated(proposal.kind, proposal.spec);
    let version = spec.get("flinkVersion").and_then(Value::as_str).and_then(FlinkVersion::parse);
    let deploys = matches!(proposal.kind, Kind::FlinkDeployment | Kind::FlinkBlueGreenDeployment);
    if !deploys || version.is_none_or(|version| version < NESTED) {
        return Vec::new();
    }
    let flat = config::layered(proposal.operator, None, spec);
    let overlap = |key: &String| {
        let below = format!("{key}.");
        let (longer, _) =
            flat.range(below.clone()..).next().filter(|(longer, _)| longer.starts_with(&below))?;
        Some(Violation {
            rule: RuleId::OverlappingKeys,
            pointer: format!("{}/spec/flinkConfiguration/{}", template(proposal.kind), escape(key)),
            message: format!(
                "Overlapping key prefixes detected ({key} -> {longer}), please replace with Flink v2 compatible, \
                 non-deprecated keys."
            ),
            hint: "write the new name of the shorter key, such as state.backend.type for state.backend",
        })
    };
    // The operator's own options do not reach Flink.
    let reaches = |key: &&String| !OWN.iter().any(|own| key.starts_with(own));
    flat.keys().filter(reaches).filter_map(overlap).collect()
}

/// A snapshot that the operator takes, and then cannot have taken (`StateSnapshotReconciler`): `job` is the spec of the
/// one that it names, `cluster` that of the deployment which this runs on, and itself for an application.
pub fn untakable(
    desired: &Desired,
    unit: &Unit,
    (job, cluster): (Option<&Value>, Option<&Value>),
) -> Option<Finding> {
    const OLDEST: FlinkVersion = FlinkVersion::new(1, 17);
    let spec = unit.manifest.spec();
    let set = |pointer: &str| spec.at(pointer).is_some_and(|value| !value.is_null());
    let (job, cluster) = (job.filter(|_| unit.key.kind == Kind::FlinkStateSnapshot)?, cluster?);
    let violation = if set("/checkpoint") {
        let version = cluster.get("flinkVersion").and_then(Value::as_str).and_then(FlinkVersion::parse)?;
        (version < OLDEST).then(|| Violation {
            rule: RuleId::SnapshotCheckpoint,
            pointer: "/spec/checkpoint".into(),
            message:
                "Manual checkpoint triggering is not supported for this Flink job (requires Flink 1.17+)"
                    .into(),
            hint: "take a savepoint: write `savepoint: {}`, or upgrade Flink",
        })
    } else {
        let flat = config::layered(&desired.operator, Some(cluster), job);
        let taken = spec.at("/savepoint/alreadyExists").is_some_and(|exists| exists == true);
        let somewhere = set("/savepoint/path") || SAVEPOINT_DIR.iter().any(|key| flat.contains_key(*key));
        (set("/savepoint") && !taken && !somewhere).then(|| Violation {
            rule: RuleId::SnapshotPath,
            pointer: "/spec/savepoint".into(),
            message: format!(
                "Either the savepoint path in the spec or configuration {} in the Flink resource has to be supplied",
                SAVEPOINT_DIR[0]
            ),
            hint: "set spec.savepoint.path, or the savepoint directory in the flinkConfiguration of the cluster that the job runs on",
        })
    };
    Some(finding(&violation?, &unit.written, &desired.environment).unit(&unit.key.name))
}

/// S23: two that put the old version back would undo each other's work. The operator's does not show in the
/// resource, so flinkops could not even tell what runs.
pub fn two_rollbacks(unit: &Unit, spec: &Value, operator: &BTreeMap<String, String>) -> Option<Finding> {
    const KEY: &str = "kubernetes.operator.deployment.rollback.enabled";
    let flat = config::layered(operator, None, spec);
    if unit.policy.on_failure == OnFailure::Rollback && unit.key.kind == Kind::FlinkBlueGreenDeployment {
        let place = unit.written.place_of("/spec/template");
        let message =
            "a blue/green deployment goes back by itself, and onFailure: rollback would undo its work";
        let finding = Finding::error(RuleId::TwoRollbacks, place, message).unit(&unit.key.name);
        return Some(finding.hint("say onFailure: stop in the job's policy"));
    }
    let both = unit.policy.on_failure == OnFailure::Rollback
        && unit.key.kind == Kind::FlinkDeployment
        && flat.get(KEY).is_some_and(|it| it.eq_ignore_ascii_case("true"));
    both.then(|| {
        let place = unit.written.place_of(&format!("/spec/flinkConfiguration/{}", escape(KEY)));
        let message = format!("{KEY} and onFailure: rollback would undo each other's work");
        let hint = format!("turn {KEY} off, or say onFailure: stop in the job's policy");
        Finding::error(RuleId::TwoRollbacks, place, message).hint(hint).unit(&unit.key.name)
    })
}

/// S15: a job that is to be left to its cluster's high availability, where the cluster in Git has none.
pub fn without_ha(
    unit: &Unit,
    cluster: Option<&Value>,
    operator: &BTreeMap<String, String>,
) -> Option<Finding> {
    let wanted = unit.policy.cluster_change == ClusterChange::Ha && unit.key.kind == Kind::FlinkSessionJob;
    let flat = config::layered(operator, None, cluster.filter(|_| wanted)?);
    let lack = config::kubernetes_ha_lacks(&flat)?;
    let place = unit.written.place_of("/spec/deploymentName");
    let message = format!(
        "`clusterChange: ha` has no effect: {lack} in the cluster's configuration, so that the job is stopped with a \
         savepoint when its cluster changes"
    );
    let hint = "set high-availability.type: kubernetes and high-availability.storageDir there, or say clusterChange: \
                savepoint in the job's policy";
    Some(Finding::warning(RuleId::HaWithoutHa, place, message).hint(hint).unit(&unit.key.name))
}

fn finding(violation: &Violation, written: &Node, environment: &str) -> Finding {
    let Violation { rule, pointer, message, hint } = violation;
    let place = written.place_of(pointer);
    let stated = format!(
        "{hint}; where the operator itself is configured so, state it in environments.{environment}.operatorDefaults"
    );
    if CONFIGURABLE.contains(rule) {
        let message = format!("refused unless the operator's own configuration says otherwise: {message}");
        return Finding::warning(*rule, place, message).hint(stated);
    }
    if *rule == RuleId::Unstoppable {
        return Finding::error(*rule, place, message).hint(stated);
    }
    let hint = if DIRECTORIES.contains(rule) { stated } else { (*hint).to_owned() };
    Finding::error(*rule, place, format!("refused by the operator: {message}")).hint(hint)
}
