//! Differences as a person sees them: the changed entry of a list, not the list.
//!
//! To the API server and to the operator most lists of a spec are one value, and they are written whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::flink::canonical;
use crate::flink::place::Place;
use crate::flink::pointer::{At as _, escape};
use crate::flink::secret::{MASK, is_secret_path, mask};

/// A difference with its place, and each side as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// JSON pointer into the manifest.
    pub pointer: String,
    /// The same, entries by name.
    pub place: String,
    /// The left side.
    pub before: Option<Value>,
    /// The right side.
    pub after: Option<Value>,
    /// Whether the values must not be shown.
    pub secret: bool,
}

/// What to show of a difference: the values themselves, or the entries in which two lists differ.
///
/// `before` and `after` are the canonical values: they stand where nothing is written (a default), for a
/// configuration key, however it is spelt, and for the order of a list.
pub fn elements(place: &Place<'_>, before: Option<&Value>, after: Option<&Value>) -> Vec<Element> {
    let is_order = canonical::is_keyed(&place.path) && before.is_some() && after.is_some();
    let written = |side: Option<&Value>, canonical: Option<&Value>| {
        let side = side.filter(|_| !is_order && canonical::configuration_key(&place.path).is_none());
        side.or(canonical).cloned()
    };
    let whole = Element {
        pointer: place.pointer.clone(),
        place: place.path.clone(),
        before: written(place.left, before),
        after: written(place.right, after),
        secret: is_secret_path(&place.path),
    };
    match (&whole.before, &whole.after) {
        (Some(before @ Value::Array(_)), Some(after @ Value::Array(_))) if !is_order && !whole.secret => {
            let entries = Lists::new(&whole, before, after).elements();
            // What differs is never left unsaid.
            if entries.is_empty() { vec![whole] } else { entries }
        }
        _ => vec![whole],
    }
}

/// Two lists whose entries are told apart only by their place.
struct Lists<'a> {
    whole: &'a Element,
    /// Each side as it is, and as it may be shown: what is secret shows only beside its neighbours.
    before: (&'a Value, Value),
    after: (&'a Value, Value),
    found: BTreeMap<String, Element>,
}

impl<'a> Lists<'a> {
    fn new(whole: &'a Element, before: &'a Value, after: &'a Value) -> Self {
        let shown = |side: &'a Value| (side, mask(&whole.place, side));
        Self { whole, before: shown(before), after: shown(after), found: BTreeMap::new() }
    }

    /// The entries that came, went or changed; one that went and one that came at its place are one.
    fn elements(mut self) -> Vec<Element> {
        self.compare(Some(""), Some(""));
        self.found.into_values().collect()
    }

    /// Goes into maps and lists; `before` and `after` are pointers into the two lists.
    fn compare(&mut self, before: Option<&str>, after: Option<&str>) {
        let at = |side: &'a Value, pointer: Option<&str>| pointer.and_then(|pointer| side.at(pointer));
        let (left, right) = (at(self.before.0, before), at(self.after.0, after));
        match (left, right) {
            (left, right) if left == right => {}
            (Some(Value::Object(left)), Some(Value::Object(right))) => {
                let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
                for key in keys {
                    let below = |at: Option<&str>| at.map(|at| format!("{at}/{}", escape(key)));
                    self.compare(below(before).as_deref(), below(after).as_deref());
                }
            }
            (Some(Value::Array(left)), Some(Value::Array(right))) => {
                let texts = |side: &[Value]| side.iter().map(Value::to_string).collect::<Vec<_>>();
                for op in capture_diff_slices(Algorithm::Myers, &texts(left), &texts(right)) {
                    if matches!(op, DiffOp::Equal { .. }) {
                        continue;
                    }
                    let (old, new) = (op.old_range(), op.new_range());
                    for index in 0..old.len().max(new.len()) {
                        let entry = |at: Option<&str>, mut range: Range<usize>| {
                            Some(format!("{}/{}", at?, range.nth(index)?))
                        };
                        let (old, new) = (entry(before, old.clone()), entry(after, new.clone()));
                        self.compare(old.as_deref(), new.as_deref());
                    }
                }
            }
            (left, right) => {
                let there = after.filter(|_| right.is_some() || before.is_none());
                let at = there.or(before).unwrap_or_default();
                let element = Element {
                    pointer: format!("{}{at}", self.whole.pointer),
                    place: format!("{}{at}", self.whole.place),
                    before: left.cloned(),
                    after: right.cloned(),
                    secret: is_hidden(&self.before, before) || is_hidden(&self.after, after),
                };
                self.add(at, element);
            }
        }
    }

    fn add(&mut self, at: &str, element: Element) {
        if let Some(other) = self.found.get_mut(at) {
            other.before = other.before.take().or(element.before);
            other.after = other.after.take().or(element.after);
            other.secret |= element.secret;
        } else {
            self.found.insert(at.to_owned(), element);
        }
    }
}

/// Whether all of what is at a pointer is hidden in the form that may be shown.
fn is_hidden((raw, shown): &(&Value, Value), pointer: Option<&str>) -> bool {
    let hidden = |side: &Value| pointer.and_then(|at| side.at(at)).is_some_and(|value| value == MASK);
    hidden(shown) && !hidden(raw)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flink::canonical::{differences, leaves};
    use crate::flink::place::locate;

    /// Every element in which two specs differ: pointer, before, after, secret.
    #[expect(clippy::needless_pass_by_value, reason = "literals read better by value")]
    fn between(left: Value, right: Value) -> Vec<(String, Option<Value>, Option<Value>, bool)> {
        let (left, right) = (json!({"spec": left}), json!({"spec": right}));
        let (before, after) = (leaves(&left["spec"]), leaves(&right["spec"]));
        differences(&before, &after)
            .into_iter()
            .flat_map(|(path, before, after)| elements(&locate(&left, &right, path), before, after))
            .map(|it| (it.pointer, it.before, it.after, it.secret))
            .collect()
    }

    #[expect(clippy::needless_pass_by_value, reason = "literals read better by value")]
    fn args(args: Value) -> Value {
        json!({"job": {"args": args}})
    }

    #[test]
    fn an_argument_is_shown_at_its_index() {
        assert_eq!(
            between(args(json!(["--a", "1", "--b", "2"])), args(json!(["--a", "1", "--b", "3"]))),
            [("/spec/job/args/3".into(), Some(json!("2")), Some(json!("3")), false)]
        );
        assert_eq!(
            between(args(json!(["--a", "1"])), args(json!(["--new", "--a", "1"]))),
            [("/spec/job/args/0".into(), None, Some(json!("--new")), false)]
        );
    }

    #[test]
    fn what_came_and_what_went_at_one_index_are_one() {
        let found = between(args(json!(["a", "b", "c", "d"])), args(json!(["c", "x", "d"])));
        let pointers: BTreeSet<&String> = found.iter().map(|(pointer, ..)| pointer).collect();
        assert_eq!(pointers.len(), found.len(), "{found:?}");
    }

    #[test]
    fn s25_an_argument_after_a_secret_option_is_secret() {
        assert_eq!(
            between(args(json!(["--password", "x"])), args(json!(["--password", "y"]))),
            [("/spec/job/args/1".into(), Some(json!("x")), Some(json!("y")), true)]
        );
    }

    #[test]
    fn an_entry_without_a_name_is_compared_field_by_field() {
        let of = |effect| json!({"podTemplate": {"spec": {"tolerations": [{"key": "k", "effect": effect}, {"key": "l"}]}}});
        assert_eq!(
            between(of("NoSchedule"), of("NoExecute")),
            [(
                "/spec/podTemplate/spec/tolerations/0/effect".into(),
                Some(json!("NoSchedule")),
                Some(json!("NoExecute")),
                false
            )]
        );
    }

    #[test]
    fn so_is_a_list_within_such_an_entry() {
        let of = |host| json!({"ingress": {"tls": [{"hosts": ["a", host]}]}});
        assert_eq!(
            between(of("b"), of("c")),
            [("/spec/ingress/tls/0/hosts/1".into(), Some(json!("b")), Some(json!("c")), false)]
        );
    }

    #[test]
    fn what_is_written_is_shown_and_a_default_where_nothing_is() {
        let memory = |amount| json!({"taskManager": {"resources": {"limits": {"memory": amount}}}});
        assert_eq!(
            between(memory("1Gi"), memory("2Gi")),
            [(
                "/spec/taskManager/resources/limits/memory".into(),
                Some(json!("1Gi")),
                Some(json!("2Gi")),
                false
            )]
        );
        assert_eq!(
            between(json!({"job": {}}), json!({"job": {"upgradeMode": "savepoint"}})),
            [("/spec/job/upgradeMode".into(), Some(json!("stateless")), Some(json!("savepoint")), false)]
        );
    }

    #[test]
    fn another_order_of_named_entries_is_shown_by_their_names() {
        let of = |names: [&str; 2]| json!({"podTemplate": {"spec": {"volumes": names.map(|name| json!({"name": name, "emptyDir": {}}))}}});
        assert_eq!(
            between(of(["a", "b"]), of(["b", "a"])),
            [(
                "/spec/podTemplate/spec/volumes".into(),
                Some(json!(["a", "b"])),
                Some(json!(["b", "a"])),
                false
            )]
        );
    }
}
