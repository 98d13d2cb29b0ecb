//! The other objects of a job folder: applied before its units, pruned after them (S24).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::failure;
use super::fields::{self, own_labels};
use super::guard;
use super::ledger::{ANNOTATION_HASH, ANNOTATION_SOURCE, LABEL_RECORD};
use super::live::LiveObject;
use super::outcome::{Action, Blocked, BlockedBy, Cause, Change, CompanionPlan, FieldEffect};
use super::owner::Owners;
use super::patch;
use super::subject::{Ownership, Subject, World, ownership};
use super::write::{Task, Write};
use crate::flink::kind::ObjectKey;
use crate::flink::pointer::{At as _, escape};
use crate::flink::quantity::Quantity;
use crate::flink::secret::is_secret_path;
use crate::spec::Companion;
use crate::spec::policy::{Adopt, Mode};

/// Annotation of a plain manifest: consent to take a live object over.
const ANNOTATION_ADOPT: &str = "flinkops.dev/adopt";

/// Plans every companion of Git, and every one of ours that left it.
pub fn plan(world: World<'_>, subjects: &[Subject<'_>]) -> Vec<CompanionPlan> {
    let wanted = world.desired.companions.values().map(|companion| one(world, companion));
    let left = world.live.companions.iter().filter(|(key, live)| is_orphan(world, key, live));
    let mut plans: Vec<_> =
        wanted.chain(left.map(|(key, live)| orphan(world, subjects, key, live))).collect();
    plans.sort_by(|a, b| a.key.cmp(&b.key));
    plans
}

/// The folders whose companions are not there yet, each with the first one missing.
pub fn unready(plans: &[CompanionPlan]) -> BTreeMap<&str, &CompanionPlan> {
    let unready = plans.iter().filter(|plan| plan.action != Action::Delete && !plan.ready);
    unready.map(|plan| (plan.folder.as_str(), plan)).collect()
}

fn one(world: World<'_>, companion: &Companion) -> CompanionPlan {
    let live = world.live.companions.get(&companion.key);
    let intent = intent(world, companion);
    let hash = hash(&intent);
    let changes = live.map(|live| changes(&intent, live)).unwrap_or_default();
    let stale = live.is_some_and(|live| live.annotation(ANNOTATION_HASH) != Some(&hash));
    let action = match live {
        None => Action::Create,
        Some(_) if stale || !changes.is_empty() => Action::Update,
        Some(_) => Action::Keep,
    };
    let conflict = live.and_then(|live| conflict(world, companion, live, &changes));
    let blocked =
        (action != Action::Keep).then(|| conflict.or_else(|| forbidden(world, &companion.key))).flatten();
    let next = match (action, &blocked) {
        (Action::Keep, _) | (_, Some(_)) => Vec::new(),
        _ => vec![task(world, companion, hashed(intent, &hash), live)],
    };
    CompanionPlan {
        key: companion.key.clone(),
        folder: companion.folder.clone(),
        action,
        ready: action == Action::Keep && live.is_some_and(is_ready),
        blocked,
        changes,
        next,
    }
}

/// The whole object to apply, without the hash of itself.
fn intent(world: World<'_>, companion: &Companion) -> Value {
    let mut object = Value::clone(&companion.manifest);
    for (key, value) in own_labels(world.desired) {
        patch::set(&mut object, &format!("/metadata/labels/{}", escape(key)), json!(value));
    }
    patch::set(
        &mut object,
        &format!("/metadata/annotations/{}", escape(ANNOTATION_SOURCE)),
        json!(companion.folder),
    );
    object
}

/// The whole object as it is after it was applied.
pub fn applied(world: World<'_>, companion: &Companion) -> Value {
    let intent = intent(world, companion);
    let hash = hash(&intent);
    hashed(intent, &hash)
}

fn hash(intent: &Value) -> String {
    fields::hash(&[(String::new(), intent.clone())].into())
}

fn hashed(mut intent: Value, hash: &str) -> Value {
    patch::set(&mut intent, &format!("/metadata/annotations/{}", escape(ANNOTATION_HASH)), json!(hash));
    intent
}

fn task(world: World<'_>, companion: &Companion, object: Value, live: Option<&LiveObject>) -> Task {
    // What is not there yet is not taken over from whoever makes it in between.
    let ours = live.is_some_and(|live| ownership(world.desired, live) == Ownership::Ours);
    let verb = if live.is_some() { "updates" } else { "creates" };
    Task {
        unit: None,
        // Of what is ours, or was consented to, other managers' fields are taken over: Git wins.
        write: Write::Apply { object, force: ours || consents(world, companion) },
        reason: "Applying",
        message: format!("{verb} {} {}", companion.key.kind, companion.key.name),
        event: true,
    }
}

fn consents(world: World<'_>, companion: &Companion) -> bool {
    world.desired.policy.adopt == Adopt::Any
        || companion.manifest.at(&format!("/metadata/annotations/{}", escape(ANNOTATION_ADOPT))).is_some()
}

fn conflict(
    world: World<'_>,
    companion: &Companion,
    live: &LiveObject,
    changes: &[Change],
) -> Option<Blocked> {
    let owner = match ownership(world.desired, live) {
        Ownership::Ours => return None,
        Ownership::Nobody if changes.iter().all(|change| change.effect == FieldEffect::Metadata) => {
            return None;
        }
        _ if consents(world, companion) => return None,
        Ownership::Nobody => "is in the cluster with another content".to_owned(),
        Ownership::Other(owner) => format!("belongs to {owner}"),
    };
    let message = format!("{owner}; to take it over set the annotation {ANNOTATION_ADOPT}: \"<why>\"");
    Some(Blocked::new(BlockedBy::LiveConflict, message))
}

fn forbidden(world: World<'_>, key: &ObjectKey) -> Option<Blocked> {
    if let Some(message) = guard::foreign(world, &key.namespace) {
        return Some(Blocked::new(BlockedBy::Guard, message));
    }
    (world.desired.policy.mode == Mode::Report)
        .then(|| Blocked::new(BlockedBy::Policy, "policy.mode is report: nothing is written"))
}

fn is_orphan(world: World<'_>, key: &ObjectKey, live: &LiveObject) -> bool {
    !world.desired.companions.contains_key(key)
        && live.label(LABEL_RECORD).is_none()
        && live.deleting_since().is_none()
        && ownership(world.desired, live) == Ownership::Ours
}

/// A companion of ours that left Git: it goes once nothing of its folder is left and nothing uses it.
fn orphan(world: World<'_>, subjects: &[Subject<'_>], key: &ObjectKey, live: &LiveObject) -> CompanionPlan {
    let folder = live.annotation(ANNOTATION_SOURCE).unwrap_or_default().to_owned();
    let folder_lives = subjects.iter().any(|subject| {
        let source = subject.live.and_then(|live| live.annotation(ANNOTATION_SOURCE));
        subject.unit.is_none() && source == Some(&folder)
    });
    let stays =
        key.kind == "PersistentVolumeClaim" || is_used(subjects, key) || !world.desired.policy.prune.enabled;
    let stays =
        stays || (key.kind == "ConfigMap" && subjects.iter().any(|it| failure::may_need(it, &folder)));
    let blocked = if folder_lives {
        let message = format!("waits until the units of {folder} are gone");
        Some(Blocked::new(BlockedBy::Gate, message))
    } else if world.desired.unknown.is_empty() && !world.desired.units.is_empty() {
        forbidden(world, key)
    } else {
        let message = "nothing is deleted while the repository is not read in full".to_owned();
        Some(Blocked::new(BlockedBy::Unknown, message))
    };
    let action = if stays { Action::Keep } else { Action::Delete };
    let delete = || Task {
        unit: None,
        write: Write::Delete {
            key: key.clone(),
            uid: live.uid().to_owned(),
            resource_version: live.resource_version().to_owned(),
        },
        reason: "Deleting",
        message: format!("deletes {} {}", key.kind, key.name),
        event: true,
    };
    let next = (!stays && blocked.is_none()).then(delete).into_iter().collect();
    let blocked = blocked.filter(|_| !stays);
    CompanionPlan { key: key.clone(), folder, action, ready: true, blocked, changes: Vec::new(), next }
}

/// Whether a live unit mounts or names a ConfigMap, which may be an older one than Git's (S24).
fn is_used(subjects: &[Subject<'_>], key: &ObjectKey) -> bool {
    let quoted = format!("\"{}\"", key.name);
    let mut specs = subjects.iter().filter(|subject| subject.key.namespace == key.namespace);
    key.kind == "ConfigMap" && specs.any(|subject| subject.live_spec().to_string().contains(&quoted))
}

/// A Deployment is there when it is available in its present generation; anything else when it exists.
fn is_ready(live: &LiveObject) -> bool {
    if live.object_key().kind != "Deployment" {
        return true;
    }
    let observed = live.status().get("observedGeneration").and_then(Value::as_i64);
    let conditions = live.status().get("conditions").and_then(Value::as_array);
    observed == Some(live.generation())
        && conditions.into_iter().flatten().any(|c| c["type"] == "Available" && c["status"] == "True")
}

/// What of the intent the live object does not have; what it has besides is somebody's default.
fn changes(intent: &Value, live: &LiveObject) -> Vec<Change> {
    let mut differences = BTreeSet::new();
    collect("", intent, Some(live.value()), &mut differences);
    differences
        .into_iter()
        .map(|path| Change {
            before: live.value().at(&path).cloned(),
            after: intent.at(&path).cloned(),
            effect: if path.starts_with("/metadata/") { FieldEffect::Metadata } else { FieldEffect::None },
            note: None,
            cause: Cause::Pending,
            owner: Owners::of(live, &path).latest(),
            secret: is_secret_path(&path),
            place: path.clone(),
            path,
        })
        .collect()
}

fn collect(path: &str, wanted: &Value, live: Option<&Value>, out: &mut BTreeSet<String>) {
    match (wanted, live) {
        (Value::Null, None) => {}
        (Value::Object(map), live @ (Some(Value::Object(_)) | None)) if !map.is_empty() => {
            for (key, value) in map {
                let path = format!("{path}/{}", escape(key));
                collect(&path, value, live.and_then(|live| live.get(key)), out);
            }
        }
        (wanted, Some(live)) if covers(live, wanted) => {}
        _ => {
            out.insert(path.to_owned());
        }
    }
}

/// Whether a live value has all that is wanted of it.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| value.is_null() || live.get(key).is_some_and(|live| covers(live, value))),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| covers(live, wanted))
        }
        (live, wanted) if live == wanted => true,
        (live, wanted) => match (amount(live), amount(wanted)) {
            (Some(live), Some(wanted)) => live == wanted,
            _ => false,
        },
    }
}

/// Quantities come back as the API server spells them.
fn amount(value: &Value) -> Option<Quantity> {
    match value {
        Value::Number(number) => Quantity::parse(&number.to_string()),
        Value::String(text) => Quantity::parse(text),
        _ => None,
    }
}
