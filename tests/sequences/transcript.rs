//! Writes down what changes in the embedded cluster, and compares it with what was observed.
//!
//! A line is `<seconds> <name> <changes>`. `~` before the seconds leaves only the order to be compared: that
//! is how long a pod took. `!Reason` is an event; `name !*` leaves out all events about an object.

use std::collections::{BTreeMap, BTreeSet};

use flinkops::sim::api::history::{Change, ChangeKind};
use serde_json::Value;

/// What follows within this many seconds may be one write or several, in any order between fields.
const SAME_MOMENT: f64 = 0.25;

/// One change of one field, or one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Atom {
    pub seconds: f64,
    pub name: String,
    pub text: String,
    pub exact: bool,
}

/// Turns changes of objects into atoms.
#[derive(Default)]
pub struct Recorder {
    known: BTreeMap<String, BTreeMap<&'static str, String>>,
}

impl Recorder {
    pub fn record(&mut self, change: &Change, seconds: f64) -> Vec<Atom> {
        let text = |pointer: &str| change.object.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let atom = |name: &str, text: String| Atom { seconds, name: plain(name), text, exact: true };
        if change.key.kind == "Event" {
            return vec![atom(text("/involvedObject/name"), format!("!{}", text("/reason")))];
        }
        if change.key.api_version != flinkops::flink::kind::API_VERSION {
            return Vec::new();
        }
        let name = &change.key.name;
        if change.kind == ChangeKind::Deleted {
            self.known.remove(name);
            return vec![atom(name, "gone".into())];
        }
        let fields = fields(&change.object);
        let mut atoms = Vec::new();
        if change.kind == ChangeKind::Added {
            atoms.push(atom(name, "+".into()));
        }
        let before = self.known.insert(name.clone(), fields.clone()).unwrap_or_default();
        let changed: BTreeSet<_> = before.keys().chain(fields.keys()).copied().collect();
        for field in changed {
            match (before.get(field), fields.get(field)) {
                (before, Some(after)) if before != Some(after) => {
                    atoms.push(atom(name, format!("{field}={}", short(field, after))));
                }
                // A record that is gone shows when it comes back.
                (Some(_), None) if !["lrs", "stable", "fin"].contains(&field) => {
                    atoms.push(atom(name, format!("{field}=-")));
                }
                _ => {}
            }
        }
        atoms
    }
}

/// The operator's time stamp is no part of a snapshot's name here.
fn plain(name: &str) -> String {
    let stamped =
        name.rsplit_once('-').filter(|(_, stamp)| stamp.len() == 13 && stamp.parse::<u64>().is_ok());
    stamped.map_or(name, |(rest, _)| rest).to_owned()
}

fn fields(object: &Value) -> BTreeMap<&'static str, String> {
    let mut fields = BTreeMap::new();
    let mut put = |field, pointer: &str| {
        let value = object.pointer(pointer).filter(|value| !value.is_null());
        if let Some(value) = value {
            fields.insert(field, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    };
    put("del", "/metadata/deletionTimestamp");
    if object["kind"] == "FlinkStateSnapshot" {
        put("l.state", "/metadata/labels/snapshot.state");
        put("l.trigger-type", "/metadata/labels/snapshot.trigger-type");
        put("l.type", "/metadata/labels/snapshot.type");
        put("l.name", "/metadata/labels/job-reference.name");
        put("state", "/status/state");
        put("path", "/status/path");
        put("trigger", "/status/triggerId");
        return fields;
    }
    put("gen", "/metadata/generation");
    put("fin", "/metadata/finalizers/0");
    put("obs", "/status/observedGeneration");
    put("life", "/status/lifecycleState");
    put("job", "/status/jobStatus/state");
    put("jobId", "/status/jobStatus/jobId");
    put("sp", "/status/jobStatus/upgradeSavepointPath");
    put("rec", "/status/reconciliationStatus/state");
    put("jm", "/status/jobManagerDeploymentStatus");
    put("err", "/status/error");
    put("cond", "/status/conditions/0/reason");
    put("lrs", "/status/reconciliationStatus/lastReconciledSpec");
    let stable = object.pointer("/status/reconciliationStatus/lastStableSpec").and_then(Value::as_str);
    if let Some(last) = fields.get("lrs") {
        let word = if stable == Some(last) { "yes" } else { "no" };
        fields.insert("stable", word.to_owned());
    }
    let last = fields.get("lrs").map(|text| job(text));
    fields.extend(last.map(|last| ("lrs", last)));
    fields
}

/// State, mode and parallelism of a recorded spec.
fn job(text: &str) -> String {
    let record: Value = serde_json::from_str(text).unwrap();
    let job = &record["spec"]["job"];
    if job.is_null() {
        return "session".into();
    }
    let word = |field: &str| job[field].as_str().unwrap_or("?").to_owned();
    format!("{}/{}/p{}", word("state"), word("upgradeMode"), job["parallelism"])
}

/// What is different in every run is only said to be there.
fn short(field: &str, value: &str) -> String {
    match field {
        "jobId" | "path" | "trigger" | "del" | "fin" => "+".into(),
        "sp" if value.contains("savepoint-") => "savepoint".into(),
        "sp" if value.contains("/chk-") => "checkpoint".into(),
        "sp" => "last-state".into(),
        "err" => serde_json::from_str::<Value>(value).map_or_else(
            |_| value.replace(' ', ""),
            |error| error["type"].as_str().unwrap_or("?").rsplit('.').next().unwrap_or("?").to_owned(),
        ),
        _ => value.to_owned(),
    }
}

fn parse(expected: &str) -> Vec<Atom> {
    let mut atoms = Vec::new();
    for line in expected.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let time = words.next().unwrap();
        let name = words.next().unwrap_or_else(|| panic!("no name in {line}")).to_owned();
        let seconds: f64 =
            time.trim_start_matches('~').parse().unwrap_or_else(|_| panic!("no time in {line}"));
        let exact = !time.starts_with('~');
        atoms.extend(words.map(|text| Atom { seconds, name: name.clone(), text: text.into(), exact }));
    }
    atoms
}

fn by_name(atoms: &[Atom]) -> BTreeMap<String, Vec<Atom>> {
    let mut map: BTreeMap<String, Vec<Atom>> = BTreeMap::new();
    for atom in atoms {
        map.entry(atom.name.clone()).or_default().push(atom.clone());
    }
    map
}

fn show(atoms: &[Atom]) -> String {
    let lines: Vec<_> =
        atoms.iter().map(|atom| format!("  {:>6.2} {} {}", atom.seconds, atom.name, atom.text)).collect();
    lines.join("\n")
}

/// Compares what happened with what was observed.
#[track_caller]
pub fn compare(actual: &[Atom], expected: &str) {
    let expected = by_name(&parse(expected));
    let actual = by_name(actual);
    let names: BTreeSet<_> = expected.keys().chain(actual.keys()).collect();
    for name in names {
        let (mut wanted, mut got) =
            (expected.get(name).cloned().unwrap_or_default(), actual.get(name).cloned().unwrap_or_default());
        if wanted.iter().any(|atom| atom.text == "!*") {
            wanted.retain(|atom| !atom.text.starts_with('!'));
            got.retain(|atom| !atom.text.starts_with('!'));
        }
        if let Err(problem) = compare_object(&got, &wanted) {
            panic!("{problem}\nobserved:\n{}\nhappened:\n{}", show(&wanted), show(&got));
        }
    }
}

fn compare_object(got: &[Atom], wanted: &[Atom]) -> Result<(), String> {
    let mut rest = got;
    for moment in wanted.chunk_by(|a, b| b.seconds - a.seconds <= SAME_MOMENT) {
        let first = &moment[0];
        let (now, later) = rest
            .split_at_checked(moment.len())
            .ok_or_else(|| format!("{}: not everything from {} on happened", first.name, first.seconds))?;
        compare_moment(now, moment)?;
        rest = later;
    }
    match rest.first() {
        Some(more) => Err(format!("{}: {} at {:.2} was not observed", more.name, more.text, more.seconds)),
        None => Ok(()),
    }
}

fn compare_moment(got: &[Atom], wanted: &[Atom]) -> Result<(), String> {
    let mut open: Vec<&Atom> = got.iter().collect();
    for atom in wanted {
        // Within a moment only what one field becomes has an order.
        let field = |text: &str| text.split('=').next().unwrap_or(text).to_owned();
        let at = open.iter().position(|it| field(&it.text) == field(&atom.text));
        let found = at.map(|at| open.remove(at)).filter(|found| found.text == atom.text);
        let found = found.ok_or_else(|| format!("{}: no {} at {}", atom.name, atom.text, atom.seconds))?;
        let tolerance = 0.5 + 0.35 * atom.seconds;
        if atom.exact && (found.seconds - atom.seconds).abs() > tolerance {
            let (name, text) = (&atom.name, &atom.text);
            return Err(format!("{name}: {text} at {:.2}, not {}", found.seconds, atom.seconds));
        }
    }
    Ok(())
}

#[test]
fn a_difference_in_order_value_or_time_is_found() {
    let atom = |seconds, text: &str| Atom { seconds, name: "job".into(), text: text.into(), exact: true };
    let happened = [atom(0.1, "gen=2"), atom(0.5, "life=UPGRADING"), atom(16.0, "life=STABLE")];
    let fails = |expected: &str| {
        let wanted = parse(expected);
        compare_object(&happened, &wanted).is_err()
    };
    assert!(!fails("0.1 job gen=2\n0.6 job life=UPGRADING\n16.3 job life=STABLE"));
    assert!(fails("0.1 job gen=2\n0.6 job life=UPGRADING\n40 job life=STABLE"), "time");
    assert!(!fails("0.1 job gen=2\n0.6 job life=UPGRADING\n~40 job life=STABLE"), "only the order");
    assert!(fails("0.1 job gen=3\n0.6 job life=UPGRADING\n16.3 job life=STABLE"), "value");
    assert!(fails("0.1 job gen=2\n0.6 job life=UPGRADING"), "more happened");
    assert!(fails("0.1 job gen=2\n0.6 job life=UPGRADING\n16 job life=STABLE job=RUNNING"), "less happened");
    assert!(fails("0.1 job gen=2\n0.6 job life=STABLE\n16.3 job life=UPGRADING"), "order");
}
