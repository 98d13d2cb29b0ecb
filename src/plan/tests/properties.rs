//! What holds for any spec: an equal one is no change however it is spelt, a changed one is one at its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::dice::{Dice, Pair, backwards, field, respelt, spec};
use super::scene::{Scene, patch_of, settled_status};
use crate::flink::pointer::At as _;
use crate::flink::secret::{MASK, Secrets};
use crate::plan::outcome::{Change, FieldEffect};
use crate::plan::{Action, Plan, base};
use crate::report::document::{AgainstKind, PlanDocument};
use crate::report::{self, markdown, text};
use crate::spec::source::{Limits, SourceTree};
use crate::spec::{Desired, load};

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..120)
}

/// One job whose spec is written so.
fn desired(spec: &str) -> Desired {
    let files = [
        ("flinkops.yaml", "name: orders\nenvironments: {prod: {namespace: flink}}\n".to_owned()),
        ("jobs/a/job.yaml", format!("kind: FlinkDeployment\nspec: {spec}\n")),
    ];
    let files: BTreeMap<String, Arc<[u8]>> =
        files.into_iter().map(|(path, text)| (path.to_owned(), Arc::from(text.into_bytes()))).collect();
    let origin = Scene::new().desired.origin;
    let mut loaded =
        load(&SourceTree { origin, files, refused: Vec::new() }, &Limits::default(), Some("prod"));
    let desired = loaded.environments.remove("prod").unwrap();
    assert_eq!(desired.units.len(), 1, "{:#?}", desired.findings);
    desired
}

/// The plan from one revision to another.
fn between(base: &Desired, desired: &Desired) -> Plan {
    let now = Scene::new().now;
    base::plan(desired, &base::before(desired, base, now), now)
}

/// The table, told again: what a change of the field at a pointer does to a running job.
fn effect(pointer: &str, pair: &Pair, standalone: bool, reactive: bool) -> FieldEffect {
    let gone = pair.right.is_none();
    let scaled = match (standalone, reactive) {
        (true, true) => FieldEffect::Rescale,
        _ => FieldEffect::Upgrade,
    };
    match pointer {
        "/spec/job/upgradeMode"
        | "/spec/job/allowNonRestoredState"
        | "/spec/job/initialSavepointPath"
        | "/spec/job/autoscalerResetNonce" => FieldEffect::None,
        "/spec/job/savepointTriggerNonce"
        | "/spec/job/checkpointTriggerNonce"
        | "/spec/job/savepointRedeployNonce"
        | "/spec/restartNonce"
            if gone =>
        {
            FieldEffect::None
        }
        "/spec/job/savepointTriggerNonce" | "/spec/job/checkpointTriggerNonce" => FieldEffect::Snapshot,
        "/spec/job/savepointRedeployNonce" => FieldEffect::Restore,
        "/spec/job/parallelism" | "/spec/taskManager/replicas" => scaled,
        "/spec/job/state" if pair.right == Some(json!("suspended")) => FieldEffect::Suspend,
        "/spec/job/state" => FieldEffect::Resume,
        "/spec/deploymentName" => FieldEffect::Immutable,
        key if key.starts_with("/spec/flinkConfiguration/kubernetes.operator")
            || key.starts_with("/spec/flinkConfiguration/job.autoscaler") =>
        {
            FieldEffect::None
        }
        _ => FieldEffect::Upgrade,
    }
}

/// Lays a value over another: maps by key, anything else is replaced.
fn lay(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// A running job and Git's wish, which differ in one field.
struct Single {
    left: Value,
    right: Value,
    /// Pointer into the manifest.
    at: String,
    scene: Scene,
}

fn single(pair: &Pair, session_job: bool, standalone: bool, reactive: bool) -> Single {
    let cluster = json!({"mode": if standalone { "standalone" } else { "native" }, "serviceAccount": "s"});
    let mut base = json!({"job": {"jarURI": "local:///a.jar"}, "flinkConfiguration": {}});
    if reactive {
        base["flinkConfiguration"]["scheduler-mode"] = json!("reactive");
    }
    if session_job {
        base["deploymentName"] = json!("c");
    } else if pair.at != "/mode" {
        base["mode"] = cluster["mode"].clone();
    }
    let side = |side: &Option<Value>| {
        let mut spec = base.clone();
        remove(&mut spec, &pair.at);
        lay(&mut spec, side.as_ref().unwrap());
        spec
    };
    let (left, right) = (side(&pair.left), side(&pair.right));
    let mut scene = Scene::new().git("a", right.clone(), &[]).running("a", left.clone());
    if session_job {
        scene = scene.git("c", cluster.clone(), &[]).running("c", cluster);
    }
    Single { left, right, at: format!("/spec{}", pair.at), scene: scene.recorded() }
}

fn remove(spec: &mut Value, pointer: &str) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    if let Some(map) = spec.pointer_mut(parent).and_then(Value::as_object_mut) {
        map.remove(&field.replace("~1", "/").replace("~0", "~"));
    }
}

impl Single {
    fn changes(&self) -> Vec<Change> {
        self.scene.of("a").changes
    }

    /// The cluster after what the plan would write, were nothing in its way.
    fn written(mut self) -> Scene {
        for unit in self.scene.desired.units.values_mut() {
            unit.consents.state_loss = Some("a test".into());
        }
        let unit = self.scene.of("a");
        if unit.action == Action::Recreate || unit.next.is_empty() {
            // Written by other means, or blocked: as Git has it.
            return Scene::new().git("a", self.right.clone(), &[]).running("a", self.right).recorded();
        }
        let patch = patch_of(&unit).clone();
        let kind = unit.key.kind;
        self.scene.edit(kind, "a", |object| {
            json_patch::merge(object, &patch);
            object["status"] = settled_status(&object["spec"], 1);
        })
    }
}

/// The last of the fields that hold a value on one side only, or two.
fn innermost(mut pair: Pair) -> Pair {
    let at = |side: &Option<Value>| side.as_ref().and_then(|side| side.at(&pair.at)).cloned();
    (pair.left, pair.right) = (at(&pair.left), at(&pair.right));
    pair
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_respelt_spec_is_no_change(bytes in bytes()) {
        let mut dice = Dice::new(&bytes);
        let spec = spec(&mut dice);
        let (git, cluster) = (respelt(&mut dice, &spec), respelt(&mut dice, &spec));
        let mut cluster = cluster;
        cluster["podTemplate"]["apiVersion"] = json!("v1");
        cluster["podTemplate"]["status"] = json!({});
        for text in [git.to_string(), backwards(&git)] {
            let scene = Scene { desired: desired(&text), ..Scene::new().running("a", cluster.clone()) };
            prop_assert_eq!(&scene.of("a").changes, &vec![], "{}", text);
        }
    }

    #[test]
    fn nor_between_two_revisions(bytes in bytes()) {
        let mut dice = Dice::new(&bytes);
        let spec = spec(&mut dice);
        let git = respelt(&mut dice, &spec);
        let plan = between(&desired(&spec.to_string()), &desired(&backwards(&git)));
        prop_assert_eq!(plan.units[0].action, Action::Keep, "{:#?}", plan.units[0].changes);
    }

    #[test]
    fn s25_masking_hides_values_and_no_difference(bytes in bytes(), place in 0..6usize) {
        let mut dice = Dice::new(&bytes);
        let mut left = spec(&mut dice);
        let mut right = respelt(&mut dice, &left);
        for (spec, canary) in [(&mut left, "canary-left"), (&mut right, "canary-right")] {
            let env = |name: &str| json!([{"name": "B", "value": "b"}, {"name": name, "value": canary}]);
            match place {
                0 => spec["flinkConfiguration"]["s3.secret-key"] = json!(canary),
                1 => spec["flinkConfiguration"]["fs"] = json!({"azure": {"account": {"key": canary}}}),
                2 => spec["job"]["args"] = json!(["--a", "--password", canary]),
                3 => spec["job"]["args"] = json!([format!("--url=https://user:{canary}@host")]),
                4 => spec["podTemplate"]["spec"]["containers"][0]["env"] = env("DB_PASSWORD"),
                _ => spec["podTemplate"]["spec"]["containers"][1]["env"] = env("API_TOKEN"),
            }
        }
        let plan = between(&desired(&left.to_string()), &desired(&right.to_string()));
        let manifests = [left, right].map(|spec| json!({"spec": spec}));
        let secrets = Secrets::collect(&manifests);
        let document = PlanDocument::new(&plan, AgainstKind::Revision, &secrets);
        let paths = |unit: usize| document.units[unit].changes.iter().map(|change| change.path.clone()).collect::<Vec<_>>();
        let real: Vec<String> = plan.units[0].changes.iter().map(|change| change.path.clone()).collect();
        prop_assert_eq!(paths(0), real.clone());
        prop_assert_eq!(real.len(), 1, "{:#?}", plan.units[0].changes);
        let change = &document.units[0].changes[0];
        prop_assert!(change.secret, "{change:#?}");
        prop_assert!(change.after.as_ref().is_some_and(|after| after.to_string().contains(MASK)), "{change:#?}");
        for output in [report::json(&document), text::plan(&document, 80), markdown::plan(&document)] {
            prop_assert!(!output.contains("canary"), "{output}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_changed_field_is_one_change_at_its_place(bytes in bytes(), session_job: bool, standalone: bool, reactive: bool) {
        let pair = field(&mut Dice::new(&bytes), session_job);
        let single = single(&pair, session_job, standalone, reactive);
        let changes = single.changes();
        prop_assert_eq!(changes.len(), 1, "{}: {:#?}", single.at, changes);
        let change = &changes[0];
        // An entry that has another name is another entry, and a list that is secret is shown as one value.
        prop_assert!(single.at.starts_with(&change.path), "{} at {}", single.at, change.path);
        let entry = change.path.ends_with(|it: char| it.is_ascii_digit());
        prop_assert!(single.at == change.path || entry || change.secret, "{}: {change:#?}", single.at);
        let expected = effect(&single.at, &innermost(pair.clone()), standalone, reactive);
        let becomes_standalone = single.at == "/spec/mode" && (single.left["mode"] == "standalone") != (single.right["mode"] == "standalone");
        let expected = if becomes_standalone { FieldEffect::Immutable } else { expected };
        prop_assert_eq!(change.effect, expected, "{}", single.at);
        let of = |spec: &Value| json!({"spec": spec}).at(&change.path).cloned();
        let default = |side: &Option<Value>, written: &Option<Value>| side == written || written.is_none();
        prop_assert!(default(&change.before, &of(&single.left)) && default(&change.after, &of(&single.right)), "{change:#?}");
    }

    #[test]
    fn once_written_nothing_is_left_to_change(bytes in bytes(), session_job: bool, standalone: bool) {
        let pair = field(&mut Dice::new(&bytes), session_job);
        let single = single(&pair, session_job, standalone, false);
        let (at, right) = (single.at.clone(), single.right.clone());
        let scene = single.written();
        prop_assert_eq!(&scene.of("a").changes, &vec![], "{}: {}", at, right);
    }
}

#[test]
fn the_dice_reach_every_corner() {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    let corners = [
        "/podTemplate/spec/containers/1/env/1/",
        "/job/args/",
        "/flinkConfiguration/",
        "/taskManager/resources/",
        "/jobManager/podTemplate/",
        "/ingress/tls/",
        "/podTemplate/spec/tolerations/",
        "/restartNonce",
        "/volumes/",
    ];
    let mut seed = 1_u64;
    for _ in 0..5_000 {
        let bytes: Vec<u8> = (0..40)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33).to_le_bytes()[0]
            })
            .collect();
        let at = field(&mut Dice::new(&bytes), false).at;
        for corner in corners.into_iter().filter(|corner| at.contains(corner)) {
            *found.entry(corner).or_default() += 1;
        }
    }
    assert_eq!(found.len(), corners.len(), "{found:?}");
}
