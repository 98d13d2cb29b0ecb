//! Lists of a pod template that Kubernetes keys by one of their fields, and what their entries go by.

use serde_json::Value;

/// The field that tells the entries apart, by the list's own name.
const KEYED: [(&str, &str); 12] = [
    ("containers", "name"),
    ("env", "name"),
    ("ephemeralContainers", "name"),
    ("hostAliases", "ip"),
    ("imagePullSecrets", "name"),
    ("initContainers", "name"),
    ("ports", "containerPort"),
    ("resourceClaims", "name"),
    ("topologySpreadConstraints", "topologyKey"),
    ("volumeDevices", "devicePath"),
    ("volumeMounts", "mountPath"),
    ("volumes", "name"),
];

/// The field that tells the entries of this list apart; `None` where only their place does.
pub fn key(list: &str) -> Option<&'static str> {
    KEYED.iter().find(|(name, _)| *name == list).map(|(_, key)| *key)
}

/// What each entry goes by, each once; `None` where the list is not keyed.
///
/// An entry without a key goes by its index, one whose key is taken by the key and its index.
pub fn names(list: &str, entries: &[Value]) -> Option<Vec<String>> {
    let key = key(list)?;
    let mut names: Vec<String> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let name = match entry.get(key) {
            Some(Value::String(name)) => name.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => index.to_string(),
        };
        let taken = names.contains(&name);
        names.push(if taken { format!("{name}#{index}") } else { name });
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_entry_has_a_name_of_its_own() {
        let entries = [json!({"name": "A"}), json!({"value": 1}), json!({"name": "A"})];
        assert_eq!(names("env", &entries).unwrap(), ["A", "1", "A#2"]);
        assert_eq!(names("ports", &[json!({"containerPort": 80})]).unwrap(), ["80"]);
        assert_eq!(names("tolerations", &entries), None);
    }
}
