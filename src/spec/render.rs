//! Prints an environment as manifests, as the cluster would get them.

use serde_json::Value;

use super::desired::Desired;

/// Every manifest as a YAML stream: folder by folder, companions before units.
///
/// Labels and annotations of flinkops' own are not in it: they depend on the commit, and would turn every
/// comparison of two renderings into noise.
pub fn render(desired: &Desired) -> String {
    let companions = desired
        .companions
        .values()
        .map(|companion| ((companion.folder.as_str(), 0, companion.key.to_string()), &companion.manifest));
    let units =
        desired.units.values().map(|unit| ((unit.folder.as_str(), 1, unit.key.to_string()), &unit.manifest));
    let mut all: Vec<_> = companions.chain(units).collect();
    all.sort_by(|(left, _), (right, _)| left.cmp(right));
    all.iter().map(|(_, manifest)| document(manifest)).collect()
}

fn document(manifest: &Value) -> String {
    format!("---\n{}", yaml(manifest))
}

/// A value as YAML.
///
/// Text that YAML 1.1 would read as something else is quoted, because kubectl does (`yes`, `012`, `1_000`);
/// long lines stay whole, because they are compared line by line.
pub(super) fn yaml(value: &Value) -> String {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(value, options).expect("a JSON value can be written as YAML")
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::source::Limits;
    use crate::spec::yaml;

    #[test]
    fn what_kubectl_would_read_as_something_else_is_quoted() {
        let text = document(&serde_json::json!({"a": "yes", "b": "0644", "c": "1_000", "d": true, "e": 420}));
        assert_eq!(text, "---\na: \"yes\"\nb: \"0644\"\nc: \"1_000\"\nd: true\ne: 420\n");
    }

    /// Any value that YAML may make something else of.
    pub(crate) fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[-yn0-9_.:#' \n|~]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
            let map = proptest::collection::btree_map("[-a-z0-9.: ]{0,6}", inner, 0..4);
            prop_oneof![list, map.prop_map(|map| map.into_iter().collect())]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_the_same(value in value()) {
            let printed = document(&serde_json::json!({ "x": value }));
            let read = yaml::read("f", printed.as_bytes(), &Limits::default()).map_err(|finding| {
                TestCaseError::fail(format!("{finding:?}\n{printed}"))
            })?;
            prop_assert_eq!(&read[0].to_value()["x"], &value);
        }
    }
}
