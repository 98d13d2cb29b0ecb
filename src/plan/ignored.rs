//! Fields that policy leaves to others (S5): kept as they are where flinkops writes around them, and where it
//! deletes a unit to create it again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ledger::{LABEL_MANAGED_BY, Ledger};
use super::live::LiveObject;
use super::outcome::{Blocked, BlockedBy};
use super::rename;
use super::subject::{Decision, Subject, World};
use crate::flink::canonical::{Leaves, configuration_key, differences, leaves};
use crate::flink::config::spelling;
use crate::flink::kind::UnitKey;
use crate::flink::list;
use crate::flink::place::{Place, locate};
use crate::flink::pointer::{At as _, dotted, escape, segments};
use crate::flink::secret::{LAST_APPLIED, mask};
use crate::spec::Unit;

/// What others made of fields: values by path, entries of lists by name; null where they removed one.
pub type Values = BTreeMap<String, Value>;

/// Whether policy leaves a field to someone else, by its names or by its pointer.
pub fn is_ignored_at(unit: &Unit, place: &Place<'_>) -> bool {
    [&place.path, &place.pointer].iter().any(|path| unit.policy.ignores(&unit.key.name, path))
}

/// The fields left to others in which the cluster is not as Git has them.
pub fn values(unit: &Unit, live: &LiveObject) -> Values {
    if unit.policy.ignore.is_empty() {
        return Values::new();
    }
    let (before, after) = (fields(live.value()), fields(&unit.manifest));
    let differences = differences(&before, &after).into_iter();
    let values = differences.filter_map(|(path, before, _)| {
        let place = locate(live.value(), &unit.manifest, path);
        let value = if configuration_key(path).is_some() { before } else { place.left };
        is_ignored_at(unit, &place).then(|| (place.path, value.cloned().unwrap_or_default()))
    });
    values.collect()
}

/// The spec, and the labels and annotations that are not of flinkops itself.
fn fields(object: &Value) -> Leaves {
    let mut fields = leaves(&object["spec"]);
    for kind in ["labels", "annotations"] {
        let map = object["metadata"][kind].as_object();
        let others = map.into_iter().flatten().filter(|(key, _)| !is_own(key) && *key != LAST_APPLIED);
        fields
            .extend(others.map(|(key, value)| (format!("/metadata/{kind}/{}", escape(key)), value.clone())));
    }
    fields
}

/// Puts what others made of a list's entries into the list as Git has it, which can only be written whole.
pub fn keep(unit: &Unit, live: &LiveObject, list: &str, value: &mut Value) {
    let name = list.rsplit('/').next().unwrap_or_default();
    for (path, left) in values(unit, live) {
        if let Some(within) = path.strip_prefix(list).filter(|rest| rest.starts_with('/')) {
            put(value, name, &steps(within), Some(&left).filter(|left| !left.is_null()));
        }
    }
}

/// What is to go with a unit that is deleted to be created again, under its name or another.
pub fn luggage(world: World<'_>, subject: &Subject<'_>) -> Values {
    let heir = subject.unit.or_else(|| rename::after(world, &subject.key).next());
    let (Some(heir), Some(live)) = (heir, subject.live) else { return Values::new() };
    values(heir, live).into_iter().filter(|(path, _)| fits(path, &subject.key, heir)).collect()
}

/// Says of such a deletion what is kept beside the state, and what cannot be: a record that anyone may read
/// holds no secret (S25).
pub fn carry_over(world: World<'_>, subject: &Subject<'_>, decision: Decision) -> Decision {
    let values = luggage(world, subject);
    if values.is_empty() {
        return decision;
    }
    let secret = values.iter().find(|(path, value)| mask(path, value) != **value);
    let blocked = secret.map(|(path, _)| {
        let field = dotted(path);
        let message = format!(
            "policy.ignore leaves {field} to others, and what they put there is secret: flinkops does not keep it while              the unit is deleted and created again; take it from a Secret, or let Git have the field"
        );
        Blocked::new(BlockedBy::Policy, message)
    });
    decision.because(format!("keeps {} as others left it", names(&values))).blocked(blocked)
}

/// What went with a unit until it is created again, as far as policy still leaves it to others.
pub fn inherited(world: World<'_>, subject: &Subject<'_>) -> Values {
    let Some(unit) = subject.unit else { return Values::new() };
    let old = rename::before(world, unit).and_then(|old| world.live.ledger(&old));
    let ledger = subject.ledger.into_iter().chain(old).find(|ledger| is_between(ledger));
    let kept = ledger
        .map(|ledger| &ledger.others)
        .into_iter()
        .flatten()
        .filter(|(path, _)| is_ignored_at(unit, &locate(&unit.manifest, &unit.manifest, path)));
    kept.map(|(path, value)| (path.clone(), value.clone())).collect()
}

/// Whether flinkops let the unit go, and it is not back yet.
fn is_between(ledger: &Ledger) -> bool {
    ledger.uid.is_empty() && !ledger.others.is_empty()
}

/// Writes what others made of it into a manifest to create.
pub fn restore(manifest: &mut Value, values: &Values) {
    for (path, value) in values {
        let value = Some(value).filter(|value| !value.is_null());
        let spelt = configuration_key(path).and_then(|(map, key)| {
            let keys = spelling(manifest.at(map)?, &key)?;
            Some(steps(map).into_iter().chain(keys).collect())
        });
        let place = match spelt {
            Some(place) => place,
            None => steps(path),
        };
        put(manifest, "", &place, value);
    }
}

/// The fields, for people.
pub fn names(values: &Values) -> String {
    values.keys().map(|path| dotted(path)).collect::<Vec<_>>().join(", ")
}

/// Whether a unit of the heir's kind may have the field.
fn fits(path: &str, before: &UnitKey, heir: &Unit) -> bool {
    let common = ["/spec/job/", "/metadata/"].iter().any(|part| path.starts_with(part));
    before.kind == heir.key.kind || common || configuration_key(path).is_some()
}

fn is_own(key: &str) -> bool {
    key.starts_with("flinkops.dev/") || key == LABEL_MANAGED_BY
}

fn steps(path: &str) -> Vec<String> {
    segments(path).map(Cow::into_owned).collect()
}

/// Sets or removes what names lead to; a list's entry goes by its own name, and is not made up in part.
fn put(at: &mut Value, list: &str, segments: &[String], value: Option<&Value>) {
    let Some((segment, rest)) = segments.split_first() else { return };
    match at {
        Value::Array(entries) => {
            let index =
                list::names(list, entries).and_then(|names| names.iter().position(|it| it == segment));
            match (index, value) {
                (Some(index), _) if !rest.is_empty() => put(&mut entries[index], "", rest, value),
                (Some(index), Some(value)) => entries[index] = value.clone(),
                (Some(index), None) => {
                    entries.remove(index);
                }
                (None, Some(value)) if rest.is_empty() => entries.push(value.clone()),
                (None, _) => {}
            }
        }
        Value::Object(map) if rest.is_empty() => {
            map.remove(segment);
            map.extend(value.map(|value| (segment.clone(), value.clone())));
        }
        Value::Object(map) => {
            let below = map.entry(segment.clone()).or_insert_with(|| json!({}));
            put(below, segment, rest, value);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s5_names_lead_into_lists() {
        let mut value =
            json!([{"name": "c", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]);
        let mut put = |path: &str, to: Option<Value>| {
            let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
            super::put(&mut value, "containers", &segments, to.as_ref());
        };
        put("c/env/B/value", Some(json!("3")));
        put("c/env/A", None);
        put("c/env/N", Some(json!({"name": "N"})));
        put("other/env/X/value", Some(json!("lost")));
        assert_eq!(value, json!([{"name": "c", "env": [{"name": "B", "value": "3"}, {"name": "N"}]}]));
    }
}
