//! Prints an environment as manifests, as the cluster would get them.

use serde_json::Value;

use super::desired::Desired;

/// Every manifest as a YAML stream: folder by folder, companions before units.
///
/// Labels and annotations of flinkops' own are not in it: they depend on the commit, and would turn every
/// comparison of two renderings into noise.
pub fn render(desired: &Desired) -> String {
    let companions = desired
        .companions
        .values()
        .map(|companion| ((companion.folder.as_str(), 0, companion.key.to_string()), &companion.manifest));
    let units =
        desired.units.values().map(|unit| ((unit.folder.as_str(), 1, unit.key.to_string()), &unit.manifest));
    let mut all: Vec<_> = companions.chain(units).collect();
    all.sort_by(|(left, _), (right, _)| left.cmp(right));
    all.iter().map(|(_, manifest)| document(manifest)).collect()
}

fn document(manifest: &Value) -> String {
    let body = serde_yaml::to_string(manifest).expect("a JSON value can be written as YAML");
    format!("---\n{body}")
}
