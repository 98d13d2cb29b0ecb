//! Nothing is said that no scenario shows: each id of [`RuleId`] stands, in its exact words, in the expected text of
//! a folder named by a sentence, and so does each word of a plan. That each rule of the lint also has one where it
//! stays silent is held in `lint.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flinkops::rule::RuleId;
use serde_json::Value;

/// The folders of scenarios, and the file of each that holds the exact text.
const SHOWN: [(&str, &str); 5] = [
    ("tests/loader", "out.txt"),
    ("tests/lint", "out.txt"),
    ("tests/scenarios", "plan.json"),
    ("tests/import", "out.txt"),
    ("tests/commands", "out.txt"),
];

/// Ids that no scenario can show, why, and the test that holds their words. What the operator refuses is judged for
/// the embedded operator, too, which is given what Git never is.
const UNSHOWN: [(RuleId, &str, &str); 5] = [
    (RuleId::JobMissing, "the schema says it first", VALIDATOR),
    (RuleId::LogConfiguration, "the schema says it first", VALIDATOR),
    (RuleId::RoleChange, "a plan creates the unit anew", VALIDATOR),
    (RuleId::ModeChange, "a plan creates the unit anew", VALIDATOR),
    (RuleId::DeploymentNameChange, "a plan creates the unit anew", VALIDATOR),
];
const VALIDATOR: &str = "src/flink/validate/tests.rs";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of every scenario, by its folder.
fn texts() -> BTreeMap<PathBuf, String> {
    let folder = |(folder, file): (&str, &'static str)| {
        let scenarios = fs::read_dir(root(folder)).unwrap().map(|entry| entry.unwrap().path());
        scenarios.map(move |scenario| {
            let text = fs::read_to_string(scenario.join(file));
            (scenario.clone(), text.unwrap_or_else(|error| panic!("{}/{file}: {error}", scenario.display())))
        })
    };
    SHOWN.into_iter().flat_map(folder).collect()
}

/// Whether a text says something under an id: as people are told, or in a document.
fn shows(text: &str, id: RuleId) -> bool {
    let told =
        ["error", "warning", "info", "note"].iter().any(|level| text.contains(&format!("{level}[{id}]")));
    told || text.contains(&format!("\"rule\": \"{id}\""))
}

#[test]
fn every_id_is_shown_by_a_scenario() {
    let texts = texts();
    assert!(texts.len() > 200, "only {} scenarios", texts.len());
    let shown = |id: &RuleId| texts.values().any(|text| shows(text, *id));
    let unshown: Vec<&RuleId> = RuleId::ALL.iter().filter(|id| !shown(id)).collect();
    let known: Vec<&RuleId> = UNSHOWN.iter().map(|(id, ..)| id).collect();
    let missing: Vec<_> = unshown.iter().filter(|id| !known.contains(id)).collect();
    assert!(missing.is_empty(), "add a scenario that shows {missing:?}");
    let idle: Vec<_> = known.iter().filter(|id| !unshown.contains(id)).collect();
    assert!(idle.is_empty(), "scenarios show {idle:?} by now");
    for (id, why, test) in UNSHOWN {
        let held = fs::read_to_string(root(test)).unwrap().contains(&format!("\"{id}\""));
        assert!(held, "{test} holds nothing of {id}, which no scenario shows, as {why}");
    }
}

#[test]
fn every_id_is_one_and_in_kebab_case() {
    let mut seen = BTreeMap::new();
    for id in RuleId::ALL {
        let part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
        assert!(id.as_str().split('-').all(part), "{id}");
        assert_eq!(seen.insert(id.as_str(), id), None, "{id} is there twice");
    }
}

/// What the words of a plan are about, as its schema calls it, and the field that holds them.
const WORDS: [(&str, &str); 8] = [
    ("Action", "action"),
    ("BlockedBy", "by"),
    ("Cause", "cause"),
    ("Effect", "effect"),
    ("FieldEffect", "effect"),
    ("Health", "health"),
    ("State", "state"),
    ("StepKind", "do"),
];
/// A word that nothing leads to yet.
const RESERVED: &str = "window";

#[test]
fn every_word_of_a_plan_is_shown_by_a_scenario() {
    let schema = fs::read_to_string(root("schema/plan.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let plans: String = texts().into_values().filter(|text| text.contains("flinkops.dev/plan/")).collect();
    for (about, field) in WORDS {
        let words = schema["$defs"][about]["oneOf"].as_array().unwrap();
        for word in words.iter().map(|word| word["const"].as_str().unwrap()) {
            assert_eq!(
                plans.contains(&format!("\"{field}\": \"{word}\"")),
                word != RESERVED,
                "{about} {word}"
            );
        }
    }
}
