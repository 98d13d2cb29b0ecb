//! Where a leaf of the canonical form stands in the manifests of both sides, as they are written.

use serde_json::Value;

use super::list;
use super::pointer::unescape;

/// A canonical path, found again.
#[derive(Clone, Debug, PartialEq)]
pub struct Place<'v> {
    /// The path as far as both sides have the list entries on it: it ends at the first entry that only one
    /// side has.
    pub path: String,
    /// The JSON pointer: an entry goes by its index on the right, or on the left where only that has it.
    pub pointer: String,
    /// What is written on the left.
    pub left: Option<&'v Value>,
    /// What is written on the right.
    pub right: Option<&'v Value>,
}

/// Follows a path through two manifests.
pub fn locate<'v>(left: &'v Value, right: &'v Value, path: &str) -> Place<'v> {
    let mut place =
        Place { path: String::new(), pointer: String::new(), left: Some(left), right: Some(right) };
    let mut list = String::new();
    for segment in path.split('/').skip(1) {
        let name = unescape(segment);
        place.path = format!("{}/{segment}", place.path);
        if [place.left, place.right].into_iter().flatten().any(Value::is_array) {
            let at = |side: Option<&Value>| index(side?, &list, &name);
            let (left, right) = (at(place.left), at(place.right));
            let index = right.or(left).map_or_else(|| segment.to_owned(), |index| index.to_string());
            place.pointer = format!("{}/{index}", place.pointer);
            place.left = left.and_then(|index| place.left?.get(index));
            place.right = right.and_then(|index| place.right?.get(index));
            if left.is_some() != right.is_some() {
                break;
            }
        } else {
            place.pointer = format!("{}/{segment}", place.pointer);
            place.left = place.left.and_then(|side| side.get(&*name));
            place.right = place.right.and_then(|side| side.get(&*name));
        }
        list = name.into_owned();
    }
    place
}

fn index(side: &Value, list: &str, name: &str) -> Option<usize> {
    list::names(list, side.as_array()?)?.iter().position(|known| known == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::pointer::At as _;
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Value {
        let env: Value =
            variables.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        json!({"spec": {"podTemplate": {"spec": {"containers": [{"name": "other"}, {"name": "c", "env": env}]}}}})
    }

    const ENV: &str = "/spec/podTemplate/spec/containers/c/env";

    #[test]
    fn an_entry_of_both_sides_is_followed_to_the_end() {
        let (left, right) = (env(&[("A", "1")]), env(&[("N", "0"), ("A", "2")]));
        let place = locate(&left, &right, &format!("{ENV}/A/value"));
        assert_eq!(place.pointer, "/spec/podTemplate/spec/containers/1/env/1/value");
        assert_eq!((place.left, place.right), (Some(&json!("1")), Some(&json!("2"))));
        assert_eq!(right.at(&place.pointer), place.right);
    }

    #[test]
    fn an_entry_of_one_side_is_taken_whole() {
        let (left, right) = (env(&[("A", "1"), ("B", "2")]), env(&[("A", "1")]));
        for (left, right) in [(&left, &right), (&right, &left)] {
            let place = locate(left, right, &format!("{ENV}/B/value"));
            assert_eq!(place.path, format!("{ENV}/B"));
            assert_eq!(place.pointer, "/spec/podTemplate/spec/containers/1/env/1");
            assert_eq!(place.left.or(place.right), Some(&json!({"name": "B", "value": "2"})));
        }
    }

    #[test]
    fn so_is_one_of_a_list_that_only_one_side_has() {
        let (left, right) = (json!({}), env(&[("A", "1")]));
        let place = locate(&left, &right, &format!("{ENV}/A/value"));
        assert_eq!(place.path, "/spec/podTemplate/spec/containers/c");
        assert_eq!((place.left, place.right.is_some()), (None, true));
    }

    #[test]
    fn what_is_written_nowhere_has_a_place_all_the_same() {
        let spec = json!({"spec": {"job": {}}});
        let place = locate(&spec, &spec, "/spec/job/state");
        assert_eq!((place.pointer.as_str(), place.left), ("/spec/job/state", None));
    }
}
