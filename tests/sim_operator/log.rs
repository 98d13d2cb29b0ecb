//! A run as the sequence of values that each field of each object took, with seconds.

use std::collections::BTreeMap;

use serde_json::Value;

/// For each object and field: its values in order, each with the second of its change.
pub type Log = BTreeMap<String, Vec<(f64, String)>>;

/// Adds a value, unless the field already has it.
pub fn push(log: &mut Log, field: String, at: f64, value: String) {
    let values = log.entry(field).or_default();
    if values.last().is_none_or(|(_, last)| *last != value) {
        values.push((at, value));
    }
}

/// Reads the compact form: `seconds object field=value …`, one line per moment.
pub fn parse(text: &str) -> Log {
    let mut log = Log::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let at: f64 = words.next().and_then(|it| it.parse().ok()).expect("a line begins with seconds");
        let object = words.next().expect("then the object");
        for (field, value) in words.filter_map(|word| word.split_once('=')) {
            push(&mut log, format!("{object} {field}"), at, value.to_owned());
        }
    }
    log
}

/// Compares a run with what was observed: the same values in the same order, at about the same time.
#[track_caller]
pub fn assert_reproduces(observed: &str, actual: &Log) {
    for (field, expected) in parse(observed) {
        let values = |log: &[(f64, String)]| log.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>();
        let got = actual.get(&field).cloned().unwrap_or_default();
        assert_eq!(values(&got), values(&expected), "{field}\nthe run:\n{}", print(actual));
        for ((observed, value), (seen, _)) in expected.iter().zip(&got) {
            // What was observed varied by half between runs, and never by less than two seconds.
            let tolerance = 2.0 + observed * 0.5;
            assert!(
                (observed - seen).abs() <= tolerance,
                "{field}={value} at {seen:.1} s, observed at {observed} s\nthe run:\n{}",
                print(actual)
            );
        }
    }
}

/// Prints a run in the compact form.
pub fn print(log: &Log) -> String {
    let mut moments = Vec::new();
    for (field, values) in log {
        moments.extend(values.iter().map(|(at, value)| (*at, format!("{field}={value}"))));
    }
    moments.sort_by(|a, b| a.0.total_cmp(&b.0));
    moments.iter().map(|(at, what)| format!("{at:7.2} {what}\n")).collect()
}

/// The fields of an object that the observed logs speak of.
pub fn fields(object: &Value) -> Vec<(&'static str, String)> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).map(|it| it.to_string());
    let last = text("/status/reconciliationStatus/lastReconciledSpec")
        .and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let acted = || Some(last.as_ref()?.pointer("/resource_metadata/metadata/generation")?.to_string());
    [
        ("gen", number("/metadata/generation")),
        ("obs", number("/status/observedGeneration").or_else(acted)),
        ("life", text("/status/lifecycleState")),
        ("rec", text("/status/reconciliationStatus/state")),
        ("job", text("/status/jobStatus/state")),
        ("jm", text("/status/jobManagerDeploymentStatus")),
        ("sp", savepoint(object)),
        ("lrs", last.as_ref().map(recorded)),
        ("err", Some(text("/status/error").map_or_else(|| "-".into(), |error| short_error(&error)))),
        ("cond", text("/status/conditions/0/reason")),
        ("fin", object.pointer("/metadata/finalizers").map(|_| "yes".into())),
        ("del", object.pointer("/metadata/deletionTimestamp").map(|_| "yes".into())),
        ("state", text("/status/state")),
        ("label", object["metadata"]["labels"]["snapshot.state"].as_str().map(str::to_owned)),
    ]
    .into_iter()
    .filter_map(|(field, value)| Some((field, value?)))
    .collect()
}

fn savepoint(object: &Value) -> Option<String> {
    let at = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let path = at("/status/jobStatus/upgradeSavepointPath")
        .or_else(|| at("/status/jobStatus/savepointInfo/lastSavepoint/location"))?;
    Some(if path.contains("/savepoint-") { "savepoint".into() } else { path.to_owned() })
}

fn recorded(last: &Value) -> String {
    let job = &last["spec"]["job"];
    let text = |field: &str| job[field].as_str().unwrap_or_default();
    if job.is_null() {
        return "session".into();
    }
    format!("{}/{}/p{}", text("state"), text("upgradeMode"), job["parallelism"])
}

/// The class of an error in JSON; the words of one in plain text.
fn short_error(error: &str) -> String {
    let class =
        serde_json::from_str::<Value>(error).ok().and_then(|it| Some(it["type"].as_str()?.to_owned()));
    class.map_or_else(|| error.replace(' ', "-"), |it| it.rsplit('.').next().unwrap_or_default().to_owned())
}
