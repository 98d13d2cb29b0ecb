//! Scenarios of import: a folder named by a sentence holds what exists in `in/`, or what a cluster holds in
//! `live.yaml` (its ConfigMaps are wanted where there are any), a repository that is there already in `repository/`
//! (absent: none), and in `out.txt` the files that come of it and what is said. `environment.txt` names one.
//! `UPDATE_SCENARIOS=1` writes that. Whatever comes out is loaded, planned against where it came from, and
//! imported again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use flinkops::flink::kind::Kind;
use flinkops::plan::live::LiveObject;
use flinkops::plan::{Action, Live, observe_once, plan};
use flinkops::rule::RuleId;
use flinkops::spec::finding::Place;
use flinkops::spec::import::{self, Bundle, Import, Target};
use flinkops::spec::source::{Limits, SourceTree};
use flinkops::spec::{Desired, Severity, load};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::loader::{files, tree};
use super::scenarios;

/// Imports a folder into a repository.
fn imported(source: &SourceTree, repository: &SourceTree) -> Import {
    let bundle = import::folder::read(source, &Limits::default(), None);
    import::import(bundle, &target(repository))
}

/// What a scenario imports.
fn bundle(scenario: &Path) -> Bundle {
    let Ok(live) = fs::read_to_string(scenario.join("live.yaml")) else {
        return import::folder::read(&tree(files(&scenario.join("in"))), &Limits::default(), None);
    };
    let objects: Vec<Value> = serde_saphyr::from_multiple(&live).unwrap();
    let (config_maps, units): (Vec<Value>, Vec<Value>) =
        objects.into_iter().partition(|object| object["kind"] == "ConfigMap");
    import::live::read(&units, Some(&*config_maps).filter(|maps| !maps.is_empty()), "orders")
}

fn target(repository: &SourceTree) -> Target<'_> {
    Target {
        tree: repository,
        limits: Limits::default(),
        name: "orders".to_owned(),
        environment: None,
        namespace: None,
    }
}

/// The repository with what was imported.
fn with(repository: &SourceTree, import: &Import) -> SourceTree {
    let mut whole = repository.clone();
    whole.files.extend(import.files.iter().map(|(path, text)| (path.clone(), text.as_bytes().into())));
    whole
}

fn said(import: &Import) -> String {
    let mut text = String::new();
    for (path, content) in &import.files {
        writeln!(text, "==> {path}\n{}", content.trim_end()).unwrap();
    }
    for finding in &import.findings {
        let Place { file, line, .. } = &finding.place;
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        writeln!(text, "{file}:{line} {severity}[{}] {}", finding.rule, finding.message).unwrap();
        if let Some(hint) = &finding.hint {
            writeln!(text, "    {hint}").unwrap();
        }
    }
    text
}

#[test]
fn every_source_becomes_what_its_folder_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let mut all: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    assert!(!all.is_empty());
    let mut wrong = Vec::new();
    for scenario in all {
        let repository = Some(scenario.join("repository")).filter(|folder| folder.is_dir());
        let repository = tree(repository.map(|folder| files(&folder)).unwrap_or_default());
        let bundle = bundle(&scenario);
        let environment = fs::read_to_string(scenario.join("environment.txt")).ok();
        let environment = environment.map(|name| name.trim().to_owned());
        let into = |repository: &SourceTree| {
            let target = Target { environment: environment.clone(), ..target(repository) };
            import::import(bundle.clone(), &target)
        };
        let first = into(&repository);
        let (text, file) = (said(&first), scenario.join("out.txt"));
        if std::env::var_os("UPDATE_SCENARIOS").is_some() {
            fs::write(&file, &text).unwrap();
        }
        let wanted = fs::read_to_string(&file).unwrap_or_default();
        if wanted != text {
            let diff = similar::TextDiff::from_lines(&wanted, &text);
            wrong.push(format!("{}\n{}", scenario.display(), diff.unified_diff()));
        }
        let again = into(&with(&repository, &first));
        for (path, text) in &again.files {
            assert_eq!(first.files.get(path), Some(text), "{}: the second time", scenario.display());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the plan says of everything that was imported, against the objects it came from.
fn quiet(desired: &Desired, objects: &[Value]) -> Result<(), String> {
    let mut live = Live { cluster: "here".into(), ..Live::default() };
    for object in objects {
        let mut object = object.clone();
        object["metadata"]["uid"] = json!("uid");
        object["metadata"]["resourceVersion"] = json!("1");
        object["metadata"]["generation"] = json!(1);
        if object["metadata"].get("namespace").is_none() {
            object["metadata"]["namespace"] = json!(desired.namespace);
        }
        let object = LiveObject::new(object);
        let of = object.object_key();
        match object.unit_key().filter(|_| Kind::of(&of.api_version, &of.kind).is_some()) {
            Some(key) => drop(live.units.insert(key, object)),
            None => drop(live.companions.insert(object.object_key(), object)),
        }
    }
    live.since = observe_once(&live);
    let plan = plan(desired, &live, scenarios::NOW.parse().unwrap());
    for unit in &plan.units {
        let own = |path: &str| path.contains("flinkops.dev~1") || path.ends_with("managed-by");
        let others: Vec<&str> =
            unit.changes.iter().map(|change| change.path.as_str()).filter(|path| !own(path)).collect();
        if unit.action == Action::Create || !others.is_empty() {
            return Err(format!("{}: {:?} {others:?}", unit.key, unit.action));
        }
    }
    Ok(())
}

/// Imports manifests from one file of many documents, and plans.
fn round_trip(objects: &[Value], text: &str, namespace: &str) -> Result<Import, String> {
    files_round_trip(objects, [("all.yaml".to_owned(), text.as_bytes().to_vec())], namespace)
}

/// Imports manifests from a folder, and plans.
fn files_round_trip(
    objects: &[Value],
    files: impl IntoIterator<Item = (String, Vec<u8>)>,
    namespace: &str,
) -> Result<Import, String> {
    let (source, nothing) = (tree(files), tree([]));
    let bundle = import::folder::read(&source, &Limits::default(), None);
    let target = Target { namespace: Some(namespace.to_owned()), ..target(&nothing) };
    let import = import::import(bundle, &target);
    let errors = import.findings.iter().filter(|found| found.severity == Severity::Error);
    let errors: Vec<_> = errors.filter(|found| found.rule != RuleId::ImportSecret).collect();
    let mut loaded = load(&with(&nothing, &import), &Limits::default(), None);
    let desired = loaded.environments.remove("prod").ok_or("no environment")?;
    if !errors.is_empty() {
        return Err(format!("{errors:?}"));
    }
    quiet(&desired, objects)?;
    Ok(import)
}

fn objects(desired: &Desired) -> Vec<Value> {
    let units = desired.units.values().map(|unit| Value::clone(&unit.manifest));
    units.chain(desired.companions.values().map(|companion| Value::clone(&companion.manifest))).collect()
}

#[test]
fn every_example_and_every_scenario_is_imported_as_no_change() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let patterns = fs::read_dir(root.join("examples/patterns")).unwrap().map(|entry| entry.unwrap().path());
    let examples = patterns.chain([root.join("examples")]).flat_map(|folder| {
        let loaded = load(&tree(files(&folder)), &Limits::default(), None);
        loaded.environments.into_values().map(move |desired| (folder.display().to_string(), desired))
    });
    let scenarios = scenarios::scenarios().into_iter();
    let scenarios = scenarios.map(|folder| (folder.display().to_string(), scenarios::desired(&folder)));
    let mut tried = 0;
    for (name, desired) in examples.chain(scenarios) {
        // What the operator is configured with is in no manifest.
        let stated = desired.namespaces.len() > 1 || !desired.operator.is_empty();
        if stated || !desired.unknown.is_empty() || desired.units.is_empty() {
            continue;
        }
        let (text, objects) = (flinkops::spec::render(&desired), objects(&desired));
        let first = round_trip(&objects, &text, &desired.namespace)
            .unwrap_or_else(|why| panic!("{name}: {why}\n{text}"));
        let again = round_trip(&objects, &text, &desired.namespace).unwrap();
        assert_eq!(first.files, again.files, "{name}");
        tried += 1;
    }
    assert!(tried > 60, "only {tried}");
}

#[test]
fn what_a_cluster_holds_is_imported_as_no_change() {
    let mut tried = 0;
    for folder in scenarios::scenarios() {
        let desired = scenarios::desired(&folder);
        let live = scenarios::live(&desired, &folder);
        let units: Vec<Value> = live.units.values().map(|unit| unit.value().clone()).collect();
        let same = |unit: &Value| unit["metadata"]["namespace"] == json!(desired.namespace);
        if units.is_empty() || !units.iter().all(same) {
            continue;
        }
        let nothing = tree([]);
        let target = Target { namespace: Some(desired.namespace.clone()), ..target(&nothing) };
        let import = import::import(import::live::read(&units, None, "orders"), &target);
        let mut loaded = load(&with(&nothing, &import), &Limits::default(), None);
        let mut found = loaded.environments.remove("prod").unwrap();
        // What is on its way to something else, or what the operator would refuse, is said and not imported.
        let known: Vec<Value> = units
            .into_iter()
            .filter(|unit| {
                found.units.values().any(|one| one.manifest["metadata"]["name"] == unit["metadata"]["name"])
            })
            .collect();
        found.operator.clone_from(&desired.operator);
        quiet(&found, &known).unwrap_or_else(|why| panic!("{}: {why}\n{}", folder.display(), said(&import)));
        tried += known.len();
    }
    assert!(tried > 60, "only {tried}");
}

/// A manifest in one of the shapes that people give them.
fn manifest() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just("a".to_owned()),
        "[a-z]{1,6}( #[a-z]*)?",
        "[ -~]{0,12}",
        "(x\n){1,3}",
        "a?(\\$){0,3}\\{(values\\.)?[a-zA-Z]{1,3}\\}"
    ];
    let configuration = proptest::collection::btree_map("[a-z]{1,4}(\\.[a-z]{1,4}){0,2}", text.clone(), 0..4);
    let labels = proptest::collection::btree_map("[a-z]{1,5}(/[a-z]{1,5})?", "[a-z]{0,5}", 0..3);
    let container = (proptest::option::of(text.clone()), proptest::collection::vec(text.clone(), 0..3))
        .prop_map(|(value, args)| {
            json!({"name": "flink-main-container", "args": args,
                "env": value.map(|value| json!([{"name": "A", "value": value}]))})
        });
    let pod = proptest::option::of(container.prop_map(|one| json!({"spec": {"containers": [one]}})));
    (configuration, labels, pod, proptest::option::of(text), 0..3_u8, any::<bool>()).prop_map(
        |(configuration, labels, pod, entry, mode, namespace)| {
            let mode = ["savepoint", "last-state", "stateless"][usize::from(mode)];
            let mut manifest = json!({"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
                "metadata": {"name": "job", "labels": labels},
                "spec": {"image": "x:1", "flinkVersion": "v1_20", "serviceAccount": "flink",
                    "flinkConfiguration": configuration, "podTemplate": pod,
                    "jobManager": {"resource": {"cpu": 1, "memory": "1g"}},
                    "taskManager": {"resource": {"cpu": 0.5, "memory": "1g"}},
                    "job": {"jarURI": "local:///x.jar", "entryClass": entry, "parallelism": 2, "upgradeMode": mode}}});
            for dir in ["state.savepoints.dir", "state.checkpoints.dir", "high-availability.storageDir"] {
                manifest["spec"]["flinkConfiguration"][dir] = json!("s3://b/x");
            }
            manifest["spec"]["flinkConfiguration"]["high-availability.type"] = json!("kubernetes");
            if namespace {
                manifest["metadata"]["namespace"] = json!("flink");
            }
            manifest
        },
    )
}

/// A set of manifests as one repository has them: applications, a session cluster with a job on it, and what is
/// mounted; with the file that each is in, alone or with others.
fn manifests() -> impl Strategy<Value = Vec<(u8, Value)>> {
    let data = proptest::collection::btree_map("[a-z]{1,5}(\\.sql)?", "[ -~]{0,12}", 0..3);
    let files = proptest::collection::vec(0..3_u8, 6);
    (proptest::collection::vec(manifest(), 1..4), any::<bool>(), proptest::option::of(data), files).prop_map(
        |(mut objects, session, data, files)| {
            for (number, object) in objects.iter_mut().enumerate() {
                object["metadata"]["name"] = json!(format!("job-{number}"));
            }
            if session {
                let mut cluster = objects[0].clone();
                cluster["metadata"]["name"] = json!("sessions");
                cluster["spec"].as_object_mut().unwrap().remove("job");
                let job = json!({"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkSessionJob",
                    "metadata": {"name": "on-sessions"}, "spec": {"deploymentName": "sessions",
                        "job": {"jarURI": "https://x/a.jar", "parallelism": 1, "upgradeMode": "savepoint"}}});
                objects.extend([cluster, job]);
            }
            if let Some(data) = data {
                let volumes = json!([{"name": "files", "configMap": {"name": "files"}}]);
                objects[0]["spec"]["podTemplate"] = json!({"spec": {"volumes": volumes}});
                objects.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "files"}, "data": data}));
            }
            files.into_iter().cycle().zip(objects).collect()
        },
    )
}

/// Imports live objects, and plans.
fn live_round_trip(object: &Value) -> Result<Import, String> {
    let nothing = tree([]);
    let mut object = object.clone();
    object["metadata"]["namespace"] = json!("flink");
    let target = Target { namespace: Some("flink".to_owned()), ..target(&nothing) };
    let import = import::import(import::live::read(std::slice::from_ref(&object), None, "orders"), &target);
    let mut loaded = load(&with(&nothing, &import), &Limits::default(), None);
    let desired = loaded.environments.remove("prod").ok_or("no environment")?;
    let known = desired.units.len() == 1;
    quiet(&desired, &[object])?;
    if known { Ok(import) } else { Err(said(&import)) }
}

/// A text of these words in any order.
fn words(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(words), 0..24).prop_map(|words| words.concat())
}

const YAML: &[&str] = &[
    "apiVersion: flink.apache.org/v1beta1\nkind: FlinkDeployment\nmetadata: {name: a}\nspec:\n  image: x\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n",
    "metadata:\n  name: é\n  namespace: b\n  labels:\n  - x\n",
    "  flinkConfiguration:\n    a: ${B}\n    s3.secret-key: hunter22\n    # s3.secret-key: hunter22\n",
    "  podTemplate: {spec: {containers: [{name: c, env: [{name: PASSWORD, value: hunter22}]}]}}\n",
    "resources: [a.yaml, b, ., b/../a.yaml, 7]\nnamespace: n\n",
    "patches:\n- patch: |\n    spec: {image: y}\n  target: {kind: FlinkDeployment}\n- path: a.yaml\n",
    "images: [{name: x, newTag: '2'}, {}]\n",
    "patches:\n- target: {kind: FlinkDeployment}\n  patch: '[{op: add, path: /spec/flinkConfiguration, value: {s3.secret-key: hunter22}}]'\n",
    "configMapGenerator: [{name: c, literals: [password=hunter22], files: [a.yaml], options: {disableNameSuffixHash: true}}]\n",
    "labels: [{pairs: {x: é}}, 7]\ncommonAnnotations: {password: hunter22}\n",
    "kind: List\napiVersion: v1\nitems: [{apiVersion: v1}, 7]\n",
    "---\n",
    "status: {}\n",
    "&a ",
    "*a",
    "<<: *a\n",
    "{",
    "}",
    "[",
    "- ",
    "#",
    "|\n",
    "\"",
    "\t",
    "\r\n",
    "  ",
    "é: ",
];
const HCL: &[&str] = &[
    "resource \"kubernetes_manifest\" \"a\" {\n",
    "resource \"kubectl_manifest\" \"é\" {\n  yaml_body = <<-EOT\n",
    "  manifest = {\n",
    "  manifest = yamldecode(file(\"${path.module}/a.yaml\"))\n",
    "  kind = \"FlinkDeployment\"\n",
    "  apiVersion = \"flink.apache.org/v1beta1\"\n  metadata = { name = \"a\" }\n",
    "  spec = local.a\n",
    "    apiVersion: v1\n    kind: é\n",
    "  EOT\n",
    "}\n",
    "variable \"x\" { default = var.x }\n",
    "locals {\n  a = [local.b, var.x, -1, 1.5]\n  b = \"s-${local.a}\"\n}\n",
    "count = 2\n",
    "[",
    "\"",
    "${",
    "é",
    "\n",
];

proptest! {
    #[test]
    fn s25_any_files_become_files_without_secrets_or_findings(
        top in words(YAML), flat in words(YAML), below in words(YAML), terraform in words(HCL),
    ) {
        let files = [("kustomization.yaml", top), ("a.yaml", flat), ("b/kustomization.yaml", below), ("x.tf", terraform)];
        let source = tree(files.into_iter().map(|(path, text)| (path.to_owned(), text.into_bytes())));
        let import = imported(&source, &tree([]));
        prop_assert!(!said(&import).contains("hunter22"), "{}", said(&import));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_live_object_is_imported_as_no_change(manifest in manifest()) {
        let in_key = |key: &String| key.contains('$');
        prop_assume!(!manifest["spec"]["flinkConfiguration"].as_object().unwrap().keys().any(in_key));
        // What the operator refuses is in no cluster: a key that is a part of another.
        let keys: Vec<&String> = manifest["spec"]["flinkConfiguration"].as_object().unwrap().keys().collect();
        prop_assume!(keys.iter().all(|one| !keys.iter().any(|other| other.starts_with(&format!("{one}.")))));
        let first = live_round_trip(&manifest).map_err(TestCaseError::fail)?;
        let again = live_round_trip(&manifest).map_err(TestCaseError::fail)?;
        prop_assert_eq!(first.files, again.files);
    }

    #[test]
    fn any_manifest_is_imported_as_no_change(manifest in manifest()) {
        let flow = manifest.to_string();
        let block = serde_saphyr::to_string(&manifest).unwrap();
        for text in [flow, block] {
            // What the loader refuses in a manifest, it refuses in a job.yaml: a key that is a part of another.
            let read = load(&tree([
                ("flinkops.yaml".to_owned(), b"name: orders\nenvironments: {prod: {namespace: flink}}\n".to_vec()),
                ("jobs/a.yaml".to_owned(), text.as_bytes().to_vec()),
            ]), &Limits::default(), None);
            prop_assume!(read.findings.iter().all(|found| found.severity != Severity::Error));
            let first = round_trip(std::slice::from_ref(&manifest), &text, "flink").map_err(TestCaseError::fail)?;
            let again = round_trip(std::slice::from_ref(&manifest), &text, "flink").map_err(TestCaseError::fail)?;
            prop_assert_eq!(first.files, again.files);
        }
    }

    #[test]
    fn any_set_of_manifests_is_imported_as_no_change(objects in manifests()) {
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (file, object) in &objects {
            let text = serde_saphyr::to_string(object).unwrap();
            let whole = files.entry(format!("k8s/{file}/all.yaml")).or_default();
            whole.extend(b"---\n");
            whole.extend(text.into_bytes());
        }
        let objects: Vec<Value> = objects.into_iter().map(|(_, object)| object).collect();
        // What the loader refuses in manifests, it refuses in job folders, too.
        let flinkops = ("flinkops.yaml".to_owned(), b"name: orders\njobs: [k8s]\nenvironments: {prod: {namespace: flink}}\n".to_vec());
        let read = load(&tree(files.clone().into_iter().chain([flinkops])), &Limits::default(), None);
        prop_assume!(read.findings.iter().all(|found| found.severity != Severity::Error));
        let trip = || files_round_trip(&objects, files.clone(), "flink").map_err(TestCaseError::fail);
        let (first, again) = (trip()?, trip()?);
        prop_assert!(first.units >= objects.iter().filter(|one| one["kind"] != "ConfigMap").count());
        prop_assert_eq!(first.files, again.files);
    }
}
