//! Whether a live object that a unit waits for is ready, and if not, why.

use serde_json::Value;

use super::live::{Live, LiveObject, Seen};
use crate::flink::kind::UnitKey;
use crate::spec::{Awaited, Unit};

/// What counts as ready where nothing is named.
const READY: [&str; 2] = ["Ready", "Available"];
/// Kinds of the core group that are whatever they are from the moment they exist.
const EXISTING: [&str; 4] = ["ConfigMap", "Service", "ServiceAccount", "Endpoints"];

/// Why a unit has to wait for an object; `None` once it is ready.
pub fn waits(live: &Live, unit: &UnitKey, awaited: &Awaited) -> Option<String> {
    let why = match live.awaited.get(&awaited.object) {
        Some(Seen::Assumed) => return None,
        Some(Seen::Unreadable(why)) => why.clone(),
        Some(Seen::Found(object)) => why_unready(object, awaited)?,
        None => "does not exist".to_owned(),
    };
    Some(format!("waits for {}: {why}", awaited.name(unit)))
}

/// The objects that a unit waits for and that are not ready, by what people call them.
pub fn unready(live: &Live, unit: &Unit) -> Vec<String> {
    let waits = |awaited: &&Awaited| waits(live, &unit.key, awaited).is_some();
    unit.awaits.iter().filter(waits).map(|awaited| awaited.name(&unit.key)).collect()
}

fn why_unready(object: &LiveObject, awaited: &Awaited) -> Option<String> {
    if object.deleting_since().is_some() {
        return Some("is being deleted".to_owned());
    }
    let core = awaited.object.api_version == "v1" && EXISTING.contains(&awaited.object.kind.as_str());
    if core && awaited.condition.is_none() {
        return None;
    }
    let status = object.status();
    let conditions = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let named = |name: &str| conditions.iter().find(|condition| condition["type"] == name);
    let found: Vec<&Value> = match &awaited.condition {
        Some(name) => named(name).into_iter().collect(),
        None => READY.into_iter().filter_map(named).collect(),
    };
    if let Some(met) = found.iter().find(|condition| condition["status"] == "True") {
        let stale = is_before(object, met) || is_before(object, status);
        let name = met["type"].as_str().unwrap_or_default();
        return stale.then(|| format!("{name} is True of an earlier generation"));
    }
    let none = || {
        let wanted = awaited.condition.as_deref().map_or_else(|| READY.join(" or "), str::to_owned);
        format!("has no condition {wanted} yet")
    };
    Some(found.first().map_or_else(none, |condition| said(condition)))
}

/// Whether a controller has not looked at the object as it is now.
fn is_before(object: &LiveObject, said: &Value) -> bool {
    said["observedGeneration"].as_i64().is_some_and(|observed| observed < object.generation())
}

/// `Ready is False since 2026-01-01T11:00:00Z: no broker (NotReady)`.
fn said(condition: &Value) -> String {
    let text = |key: &str| condition[key].as_str().filter(|text| !text.is_empty());
    let since = text("lastTransitionTime").map_or_else(String::new, |time| format!(" since {time}"));
    let why = match (text("message"), text("reason")) {
        (Some(message), Some(reason)) => format!(": {message} ({reason})"),
        (Some(why), None) | (None, Some(why)) => format!(": {why}"),
        (None, None) => String::new(),
    };
    let name = text("type").unwrap_or_default();
    format!("{name} is {}{since}{why}", text("status").unwrap_or("Unknown"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flink::kind::{Kind, ObjectKey};

    fn waiting(kind: &str, condition: Option<&str>, seen: Option<Seen>) -> Option<String> {
        let version = if kind == "Service" { "v1" } else { "kafka.strimzi.io/v1beta2" };
        let object = ObjectKey::new(version, kind, "n", "orders");
        let awaited = Awaited { object: object.clone(), condition: condition.map(str::to_owned) };
        let live = Live { awaited: seen.map(|seen| (object, seen)).into_iter().collect(), ..Live::default() };
        waits(&live, &UnitKey::new("n", Kind::FlinkDeployment, "a"), &awaited)
    }

    fn found(status: &Value) -> Seen {
        Seen::Found(LiveObject::new(json!({"metadata": {"generation": 2}, "status": status})))
    }

    #[test]
    fn a_condition_says_whether_an_object_is_ready() {
        let ready = |status: &str| json!({"conditions": [{"type": "Ready", "status": status}]});
        assert_eq!(waiting("KafkaTopic", None, Some(found(&ready("True")))), None);
        assert_eq!(
            waiting(
                "KafkaTopic",
                None,
                Some(found(&json!({"conditions": [{"type": "Available", "status": "True"}]})))
            ),
            None
        );
        assert_eq!(waiting("KafkaTopic", None, Some(Seen::Assumed)), None);
        assert_eq!(waiting("Service", None, Some(found(&json!({})))), None);
        let told = |condition, status: Value| waiting("KafkaTopic", condition, Some(found(&status))).unwrap();
        assert_eq!(told(None, ready("False")), "waits for KafkaTopic/orders: Ready is False");
        assert_eq!(
            told(Some("Synced"), ready("True")),
            "waits for KafkaTopic/orders: has no condition Synced yet"
        );
        assert_eq!(
            told(None, json!({})),
            "waits for KafkaTopic/orders: has no condition Ready or Available yet"
        );
        let status = json!({"conditions": [{"type": "Ready", "status": "False", "reason": "NotReady",
            "message": "no broker", "lastTransitionTime": "2026-01-01T11:00:00Z"}]});
        assert_eq!(
            told(None, status),
            "waits for KafkaTopic/orders: Ready is False since 2026-01-01T11:00:00Z: no broker (NotReady)"
        );
        let stale = json!({"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]});
        assert_eq!(told(None, stale), "waits for KafkaTopic/orders: Ready is True of an earlier generation");
    }

    #[test]
    fn what_is_not_there_or_cannot_be_read_is_waited_for() {
        assert_eq!(waiting("KafkaTopic", None, None).unwrap(), "waits for KafkaTopic/orders: does not exist");
        let seen = Seen::Unreadable("cannot be read".to_owned());
        assert_eq!(
            waiting("KafkaTopic", None, Some(seen)).unwrap(),
            "waits for KafkaTopic/orders: cannot be read"
        );
    }
}
