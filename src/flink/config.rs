//! `flinkConfiguration` as the operator reads it: one flat map of strings.

use std::collections::BTreeMap;

use serde_json::Value;

use super::duration;
use super::kind::Kind;
use super::pointer::At as _;

/// Keys that name the folder savepoints go to, newest name first.
pub const SAVEPOINT_DIR: [&str; 3] =
    ["execution.checkpointing.savepoint-dir", "state.savepoints.dir", "savepoints.state.backend.fs.dir"];
/// Keys that name the folder checkpoints go to, newest name first.
pub const CHECKPOINT_DIR: [&str; 3] =
    ["execution.checkpointing.dir", "state.checkpoints.dir", "state.backend.fs.checkpointdir"];
/// The key of the folder for the metadata of high availability.
pub const HIGH_AVAILABILITY_DIR: &str = "high-availability.storageDir";
/// The key that turns periodic checkpoints on.
pub const CHECKPOINT_INTERVAL: &str = "execution.checkpointing.interval";
/// Keys that name the kind of high availability, newest name first.
pub const HIGH_AVAILABILITY: [&str; 3] = ["high-availability.type", "high-availability", "recovery.mode"];

/// With this, which is the default, the operator takes the last state of a job that it cannot ask for a
/// savepoint because it does not run.
pub const LAST_STATE_FALLBACK: &str = "kubernetes.operator.job.upgrade.last-state-fallback.enabled";

/// What becomes of a job's last checkpoint when the job is over. The operator sets `RETAIN_ON_CANCELLATION` for
/// applications, and nothing for session clusters (`FlinkConfigBuilder.applyFlinkConfiguration`).
pub const RETENTION: &str = "execution.checkpointing.externalized-checkpoint-retention";

/// Whether the last checkpoint of a job stays when its JobManager is told to end, as it is by an upgrade of its cluster
/// or a node that is drained: it then suspends the job, and Flink deletes the checkpoint unless it was told to retain
/// it, or high availability does (seen of operator 1.7.0 and Flink 1.17). A JobManager that is killed leaves it in any
/// case; of a session job that failed, Flink itself tells.
pub fn retains_checkpoints(kind: Kind, configuration: &BTreeMap<String, String>) -> bool {
    let told = configuration.get(RETENTION).map(|it| it.eq_ignore_ascii_case("RETAIN_ON_CANCELLATION"));
    told.unwrap_or(kind != Kind::FlinkSessionJob) || has_high_availability(configuration)
}

/// Whether a session job that fails leaves its last checkpoint behind: as Flink has it, only where it was told to.
pub fn session_job_retains(configuration: &BTreeMap<String, String>) -> bool {
    configuration.get(RETENTION).is_some_and(|it| !it.eq_ignore_ascii_case("NO_EXTERNALIZED_CHECKPOINTS"))
}

/// Flattens a configuration the way the operator's `ConfigObjectNode` does: nested maps joined by `.`,
/// lists by `;`, scalars as text. Empty maps and lists contribute no key.
///
/// Operators before 1.13 know only flat keys with strings, and their CRD refuses anything else.
pub fn flatten(configuration: &Value) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    collect("", configuration, &mut flat);
    flat
}

fn collect(prefix: &str, value: &Value, flat: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                collect(&key, value, flat);
            }
        }
        Value::Array(list) if list.is_empty() => {}
        Value::Null if prefix.is_empty() => {}
        Value::Array(list) => {
            flat.insert(prefix.to_owned(), list.iter().map(text).collect::<Vec<_>>().join(";"));
        }
        scalar => {
            flat.insert(prefix.to_owned(), text(scalar));
        }
    }
}

/// How a nested configuration spells a flat key: the segments that lead to it.
pub fn spelling(configuration: &Value, key: &str) -> Option<Vec<String>> {
    let map = configuration.as_object()?;
    if map.get(key).is_some_and(|value| !value.is_object()) {
        return Some(vec![key.to_owned()]);
    }
    key.match_indices('.').find_map(|(dot, _)| {
        let mut path = spelling(map.get(&key[..dot])?, &key[dot + 1..])?;
        path.insert(0, key[..dot].to_owned());
        Some(path)
    })
}

/// What Java's `JsonNode.asText` makes of a value that went through the API server: nothing of a list or a
/// map within a list.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => String::new(),
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(String::new, float),
        other => other.to_string(),
    }
}

/// The API server stores `1.0` as `1`; Java prints small and large numbers with an exponent.
fn float(value: f64) -> String {
    let plain = (1e-3..1e7).contains(&value.abs());
    if value.fract() == 0.0 && value.abs() < 1e21 {
        format!("{value:.0}")
    } else if plain {
        value.to_string()
    } else {
        let text = format!("{value:E}");
        let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
        let point = if mantissa.contains('.') { "" } else { ".0" };
        format!("{mantissa}{point}E{exponent}")
    }
}

/// The first of several names of one option that is set to something.
pub fn first<'a>(flat: &'a BTreeMap<String, String>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| flat.get(*name)).map(String::as_str).filter(|value| !value.is_empty())
}

/// The interval of periodic checkpoints, as it is written; `None` where it is not or turns them off.
pub fn checkpoint_interval(flat: &BTreeMap<String, String>) -> Option<&str> {
    let is_off = |interval: &str| duration::parse(interval).is_some_and(|interval| interval.is_zero());
    flat.get(CHECKPOINT_INTERVAL).map(String::as_str).filter(|interval| !is_off(interval))
}

/// The configuration a job runs with: the operator's own, under its cluster's, under its own.
pub fn layered(
    operator: &BTreeMap<String, String>,
    cluster: Option<&Value>,
    own: &Value,
) -> BTreeMap<String, String> {
    let mut flat = operator.clone();
    flat.extend(effective(cluster, own));
    flat
}

/// Whether a job with this spec and configuration keeps checkpoints or savepoints.
pub fn keeps_state(spec: &Value, flat: &BTreeMap<String, String>) -> bool {
    let mode = spec.at("/job/upgradeMode").and_then(Value::as_str);
    matches!(mode, Some("savepoint" | "last-state"))
        || flat.contains_key(CHECKPOINT_INTERVAL)
        || first(flat, &CHECKPOINT_DIR).is_some()
        || first(flat, &SAVEPOINT_DIR).is_some()
}

/// Whether this configuration says how Flink survives the loss of its JobManager.
pub fn has_high_availability(flat: &BTreeMap<String, String>) -> bool {
    first(flat, &HIGH_AVAILABILITY).is_some_and(|value| !value.eq_ignore_ascii_case("none"))
}

/// What this configuration of a session cluster lacks for Kubernetes high availability, by which Flink brings its jobs
/// back; `None` where it lacks nothing.
pub fn kubernetes_ha_lacks(flat: &BTreeMap<String, String>) -> Option<String> {
    const FACTORY: &str = "org.apache.flink.kubernetes.highavailability.KubernetesHaServicesFactory";
    let is_kubernetes = |kind: &str| kind.eq_ignore_ascii_case("kubernetes") || kind == FACTORY;
    match first(flat, &HIGH_AVAILABILITY) {
        Some(kind) if !is_kubernetes(kind) => {
            Some(format!("{} is {kind}, not kubernetes,", HIGH_AVAILABILITY[0]))
        }
        None => Some(format!("{} is not set", HIGH_AVAILABILITY[0])),
        _ => first(flat, &[HIGH_AVAILABILITY_DIR])
            .is_none()
            .then(|| format!("{HIGH_AVAILABILITY_DIR} is not set")),
    }
}

/// The configuration a job runs with: its cluster's, overridden by its own.
pub fn effective(cluster: Option<&Value>, own: &Value) -> BTreeMap<String, String> {
    let of = |spec: &Value| spec.get("flinkConfiguration").map(flatten).unwrap_or_default();
    let mut flat = cluster.map(of).unwrap_or_default();
    flat.extend(of(own));
    flat
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_and_flat_are_one() {
        let nested = json!({"a": {"b": 1, "c": [1, "2"]}, "d": true, "e": null, "f": {}, "g": []});
        let flat = flatten(&nested);
        assert_eq!(
            flat.into_iter().collect::<Vec<_>>(),
            [("a.b", "1"), ("a.c", "1;2"), ("d", "true"), ("e", "null")].map(|(k, v)| (k.into(), v.into()))
        );
    }

    /// Seen on disk with operator 1.7.0 and Flink 1.17, but for high availability, which was seen to restore.
    #[test]
    fn s9_a_checkpoint_outlives_its_job_manager_where_it_is_retained() {
        let (application, session_job) = (Kind::FlinkDeployment, Kind::FlinkSessionJob);
        for (kind, key, value, outlives) in [
            (application, "parallelism.default", "1", true),
            (session_job, "parallelism.default", "1", false),
            (session_job, RETENTION, "NO_EXTERNALIZED_CHECKPOINTS", false),
            (session_job, RETENTION, "DELETE_ON_CANCELLATION", false),
            (session_job, RETENTION, "RETAIN_ON_CANCELLATION", true),
            (session_job, HIGH_AVAILABILITY[0], "kubernetes", true),
        ] {
            let configuration = [(key.to_owned(), value.to_owned())].into();
            assert_eq!(retains_checkpoints(kind, &configuration), outlives, "{kind:?} {key}: {value}");
        }
    }

    #[test]
    fn numbers_read_as_the_operator_gets_them() {
        for (number, text) in [
            (json!(1.0), "1"),
            (json!(0.7), "0.7"),
            (json!(0.0001), "1.0E-4"),
            (json!(1.5e8), "150000000"),
            (json!(12_345_678.5), "1.23456785E7"),
            (json!(1e21), "1.0E21"),
            (json!([1.0, null, [2], {"a": 3}]), "1;null;;"),
        ] {
            assert_eq!(flatten(&json!({"k": number}))["k"], text, "{number}");
        }
    }

    #[test]
    fn nested_spellings_are_found() {
        let configuration = json!({"a": {"b.c": {"d": 1}}, "e.f": 2});
        assert_eq!(spelling(&configuration, "a.b.c.d").unwrap(), ["a", "b.c", "d"]);
        assert_eq!(spelling(&configuration, "e.f").unwrap(), ["e.f"]);
        assert_eq!(spelling(&configuration, "a.b"), None);
    }

    #[test]
    fn absent_and_empty_are_one() {
        assert!(flatten(&Value::Null).is_empty() && flatten(&json!({})).is_empty());
    }

    #[test]
    fn a_job_overrides_its_cluster() {
        let cluster = json!({"flinkConfiguration": {"state.savepoints.dir": "s3://a", "x": "1"}});
        let job = json!({"flinkConfiguration": {"state": {"savepoints": {"dir": "s3://b"}}}});
        let flat = effective(Some(&cluster), &job);
        assert_eq!(first(&flat, &SAVEPOINT_DIR), Some("s3://b"));
        assert_eq!(flat["x"], "1");
    }
}
