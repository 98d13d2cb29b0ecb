//! Events have two versions with other field names; they are stored in the core group's.

use serde_json::{Map, Value, json};

use super::resource::{CORE_EVENT, EVENT, Resource};

/// Field names: in `events.k8s.io`, in the core group.
const NAMES: [(&str, &str); 7] = [
    ("note", "message"),
    ("regarding", "involvedObject"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// The stored object as a client of this kind sees it.
pub fn present(resource: &Resource, mut object: Value) -> Value {
    if *resource == EVENT {
        rename(&mut object, |(view, stored)| (stored, view));
        object["apiVersion"] = json!(EVENT.api_version());
    }
    object
}

/// A client's object, or a part of one, as it is stored.
pub fn accept(resource: &Resource, mut object: Value) -> Value {
    if *resource == EVENT {
        rename(&mut object, |names| names);
        if object.get("apiVersion").is_some() {
            object["apiVersion"] = json!(CORE_EVENT.api_version());
        }
    }
    object
}

fn rename(
    object: &mut Value,
    direction: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    let Some(map) = object.as_object_mut() else { return };
    for names in NAMES {
        let (from, to) = direction(names);
        move_key(map, from, to);
    }
}

fn move_key(map: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = map.remove(from) {
        map.insert(to.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_the_change_of_names() {
        let event = json!({"apiVersion": "events.k8s.io/v1", "note": "restarted", "regarding": {"name": "a"}, "reason": "R"});
        let stored = accept(&EVENT, event.clone());
        assert_eq!(stored["message"], "restarted");
        assert_eq!(stored["involvedObject"]["name"], "a");
        assert_eq!(stored["apiVersion"], "v1");
        assert_eq!(present(&EVENT, stored), event);
    }
}
