//! A session job that is left to its cluster's high availability while that changes, as its policy has it (S15): where
//! it can be relied on, and where not. Nothing is written to such a job, and its status reads STABLE and RUNNING all
//! along: it settles with its cluster.

use std::collections::BTreeMap;

use super::outcome::FieldEffect;
use super::subject::{Subject, World};
use crate::flink::config::{self, CHECKPOINT_INTERVAL, checkpoint_interval, kubernetes_ha_lacks};
use crate::spec::Unit;
use crate::spec::policy::ClusterChange;

/// Keys that all have to do with what high availability keeps, and where.
const KEPT: [&str; 3] = ["high-availability", "kubernetes.cluster-id", "kubernetes.namespace"];

/// Whether a job recovers by itself from the change of its cluster; the words say why not, although its policy has it
/// so. `None` where the policy does not, or the job does not run.
pub fn of(world: World<'_>, cluster: &Subject<'_>, job: &Subject<'_>) -> Option<Result<(), String>> {
    let wanted = job.policy(world).cluster_change == ClusterChange::Ha;
    let runs = job.has_acted() && matches!(job.status.job.as_str(), "RUNNING" | "RESTARTING");
    (wanted && runs).then(|| obstacle(cluster, job).map_or(Ok(()), Err))
}

fn obstacle(cluster: &Subject<'_>, job: &Subject<'_>) -> Option<String> {
    let name = &cluster.key.name;
    let after = cluster.unit.map_or(cluster.live_spec(), Unit::spec);
    let [before, wanted] =
        [cluster.live_spec(), after].map(|spec| config::layered(cluster.operator, None, spec));
    if job.is_leaving() || job.changes.iter().any(|change| change.effect > FieldEffect::Metadata) {
        return Some("its own spec changes as well".into());
    }
    if !cluster.has_acted() {
        return Some(format!("the operator has not acted on {name} yet"));
    }
    let lack = kubernetes_ha_lacks(&before).map(|lack| format!("{lack} in {name} as it is"));
    let lack = lack.or_else(|| kubernetes_ha_lacks(&wanted).map(|lack| format!("{lack} in {name} any more")));
    lack.or_else(|| Some(format!("{} changes in {name}", difference(&before, &wanted)?)))
        .or_else(|| {
            let version = |spec: &serde_json::Value| spec.get("flinkVersion").cloned();
            let changes = version(cluster.live_spec()) != version(after);
            changes.then(|| format!("{name} goes to another Flink version"))
        })
        .or_else(|| {
            let missing = checkpoint_interval(&job.configuration()).is_none_or(str::is_empty);
            missing.then(|| format!("{CHECKPOINT_INTERVAL} is not set, so that it may have no checkpoint"))
        })
}

/// A key by which high availability would look elsewhere, or otherwise, for what it kept.
fn difference<'a>(
    before: &'a BTreeMap<String, String>,
    after: &'a BTreeMap<String, String>,
) -> Option<&'a str> {
    let kept = |key: &&String| KEPT.iter().any(|prefix| key.starts_with(prefix));
    let keys = before.keys().chain(after.keys()).filter(kept);
    keys.map(String::as_str).find(|key| before.get(*key) != after.get(*key))
}
