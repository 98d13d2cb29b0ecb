//! What the API server checks of any object's metadata, beyond its kind's schema.

use serde_json::{Value, json};

use super::status::Cause;

/// Checks an object against the one it replaces, or as a new one.
pub fn check(old: Option<&Value>, object: &Value) -> Vec<Cause> {
    let mut causes = match old {
        Some(old) => changed_immutables(old, object).into_iter().chain(new_finalizers(old, object)).collect(),
        None => Vec::from_iter(bad_name(object["metadata"]["name"].as_str().unwrap_or_default())),
    };
    causes.extend(bad_labels(object));
    causes
}

fn changed_immutables(old: &Value, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let uid = &object["metadata"]["uid"];
    if !uid.is_null() && *uid != old["metadata"]["uid"] {
        causes.push(Cause::invalid("metadata.uid", uid, "field is immutable"));
    }
    if old["immutable"] == json!(true) {
        let fields =
            ["immutable", "data", "binaryData"].into_iter().filter(|field| old[field] != object[field]);
        causes.extend(
            fields.map(|field| Cause::forbidden(field, "field is immutable when `immutable` is set")),
        );
    }
    causes
}

fn new_finalizers(old: &Value, object: &Value) -> Option<Cause> {
    old["metadata"].get("deletionTimestamp")?;
    let finalizers =
        |object: &Value| object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let before = finalizers(old);
    let added: Vec<String> =
        finalizers(object).iter().filter(|it| !before.contains(it)).map(Value::to_string).collect();
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.join(", ")
    );
    (!added.is_empty()).then(|| Cause::forbidden("metadata.finalizers", &why))
}

fn bad_labels(object: &Value) -> Vec<Cause> {
    let legal = |text: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        text.is_empty()
            || text.len() <= 63
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
                && edge(text.chars().next())
                && edge(text.chars().last())
    };
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    let bad = labels.filter(|(_, value)| !value.is_null() && !value.as_str().is_some_and(legal));
    let why = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
               start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
               for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    bad.map(|(_, value)| Cause::invalid("metadata.labels", value, why)).collect()
}

fn bad_name(name: &str) -> Option<Cause> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if name.is_empty() {
        return Some(Cause::required("metadata.name", "name or generateName is required"));
    }
    let fine = name.len() <= 253
        && name.chars().all(legal)
        && edge(name.chars().next())
        && edge(name.chars().last())
        && !name.contains("..");
    let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
               must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
               '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    (!fine).then(|| Cause::invalid("metadata.name", &json!(name), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(old: Option<&Value>, object: &Value) -> Vec<String> {
        check(old, object).into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    #[test]
    fn names_are_those_of_dns() {
        for good in ["a", "orders-enrich", "flinkops.orders.prod", "0"] {
            assert!(messages(None, &json!({"metadata": {"name": good}})).is_empty(), "{good}");
        }
        for bad in ["", "Orders", "-a", "a-", "a..b", "a_b", &"a".repeat(254)] {
            assert_eq!(messages(None, &json!({"metadata": {"name": bad}})).len(), 1, "{bad}");
        }
    }

    #[test]
    fn an_immutable_config_map_keeps_its_data_but_not_its_labels() {
        let old = json!({"metadata": {"name": "a"}, "immutable": true, "data": {"a": "1"}});
        let mut new = old.clone();
        new["metadata"]["labels"] = json!({"x": "y"});
        assert!(messages(Some(&old), &new).is_empty());
        new["data"]["a"] = json!("2");
        assert_eq!(
            messages(Some(&old), &new),
            ["data: Forbidden: field is immutable when `immutable` is set"]
        );
    }

    #[test]
    fn finalizers_may_leave_a_deleting_object_but_not_join_it() {
        let with = |finalizers: Value| json!({"metadata": {"name": "a", "deletionTimestamp": "t", "finalizers": finalizers}});
        assert!(messages(Some(&with(json!(["a", "b"]))), &with(json!(["b"]))).is_empty());
        assert_eq!(messages(Some(&with(json!(["a"]))), &with(json!(["a", "b"]))).len(), 1);
    }
}
