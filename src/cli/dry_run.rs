//! `plan --dry-run server`: what the API server and its webhooks say to the writes of the first step.

use std::collections::BTreeSet;

use clap::ValueEnum;
use jiff::Timestamp;

use super::only;
use crate::cluster::{Cluster, WriteError};
use crate::flink::kind::ObjectKey;
use crate::plan::live::Schema;
use crate::plan::write::Task;
use crate::plan::{self, Live, Plan};
use crate::rule::RuleId;
use crate::spec::finding::Place;
use crate::spec::{Desired, FILE, Finding};

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DryRun {
    /// The API server, with dryRun=All.
    Server,
}

/// Asks, and turns every no into a finding at the line in Git.
///
/// What we believe of the cluster's schema holds nothing back here: the API server itself is asked.
pub(super) async fn ask(
    cluster: &Cluster,
    only: &only::Flags,
    live: &Live,
    desired: &Desired,
) -> anyhow::Result<Vec<Finding>> {
    let live = Live { schema: Schema::Unknown, ..live.clone() };
    let plan = only.narrow(plan::plan(desired, &live, Timestamp::now()), desired)?;
    let refused = cluster.dry_run(&writes(&plan)).await;
    let mut lacking = BTreeSet::new();
    let mut findings: Vec<Finding> = refused
        .iter()
        .flat_map(|(task, error)| {
            if let WriteError::Forbidden { right } = error {
                lacking.insert((right.to_string(), right.rule()));
                return Vec::new();
            }
            said(desired, task, error)
        })
        .collect();
    findings.extend(lacking.into_iter().map(|(right, rule)| forbidden(&right, rule)));
    Ok(findings)
}

/// What may be written now, whatever the order. Records of flinkops' own hold nothing of Git's.
fn writes(plan: &Plan) -> Vec<&Task> {
    let companions = plan.companions.iter().flat_map(|companion| &companion.next);
    companions.chain(plan.units.iter().flat_map(|unit| &unit.next)).filter(|task| task.event).collect()
}

fn forbidden(right: &str, rule: String) -> Finding {
    let message = format!("the dry run needs to {right}, which the cluster's RBAC does not allow");
    Finding::error(RuleId::DryRunForbidden, Place::file(FILE), message).hint(rule)
}

/// What was said to one write: field by field where it was, else as a whole.
fn said(desired: &Desired, task: &Task, error: &WriteError) -> Vec<Finding> {
    let of_unit = |finding: Finding| match &task.unit {
        Some(unit) => finding.unit(&unit.name),
        None => finding,
    };
    let finding =
        |place: Place, message: String| of_unit(Finding::error(RuleId::DryRunRefused, place, message));
    match error {
        WriteError::Rejected { causes, .. } if !causes.is_empty() => causes
            .iter()
            .map(|cause| {
                let message = format!("refused by the API server: {}: {}", cause.field, cause.message);
                finding(place(desired, task, Some(&cause.field)), message)
            })
            .collect(),
        WriteError::Rejected { message, .. } => {
            let place = place(desired, task, field_in(message));
            vec![finding(place, format!("refused by the API server: {message}"))]
        }
        WriteError::Conflict { .. } => {
            let ObjectKey { kind, name, .. } = task.write.key();
            let message = format!("{kind} {name} changed while it was looked at: its dry run says nothing");
            let finding = Finding::warning(RuleId::DryRunFailed, place(desired, task, None), message);
            vec![of_unit(finding.hint("plan again"))]
        }
        other => {
            let message = format!("the dry run failed to {other}");
            vec![of_unit(Finding::error(RuleId::DryRunFailed, place(desired, task, None), message))]
        }
    }
}

/// The field that a webhook names in its words.
fn field_in(message: &str) -> Option<&str> {
    let is_name = |letter: char| letter.is_alphanumeric() || "._-[]".contains(letter);
    let mut words = message.split(|letter: char| !is_name(letter));
    words.find(|word| word.starts_with("spec.")).map(|word| word.trim_end_matches('.'))
}

/// Where in Git a field of what is written stands; the object where it is not told, or has left.
fn place(desired: &Desired, task: &Task, field: Option<&str>) -> Place {
    let unit = task.unit.as_ref().and_then(|key| desired.units.get(key));
    let companion = || desired.companions.get(&task.write.key()).map(|companion| companion.place.clone());
    match (unit, field) {
        (Some(unit), Some(field)) => unit.written.place_of_field(field),
        (Some(unit), None) => unit.place.clone(),
        (None, _) => companion().unwrap_or_else(|| Place::file(FILE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_found_in_a_webhooks_words() {
        let words = "admission webhook \"validationwebhook.flink.apache.org\" denied the request: JobManager resource \
                     memory must be defined using `spec.jobManager.resource.memory`.";
        assert_eq!(field_in(words), Some("spec.jobManager.resource.memory"));
        assert_eq!(field_in("see spec.job.args[0]."), Some("spec.job.args[0]"));
        assert_eq!(field_in("Job parallelism must be larger than 0"), None);
    }
}
