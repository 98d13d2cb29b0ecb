//! What came with which version of the operator: fields that an older one drops, values that it refuses.
//!
//! Only what differs between the custom resource definitions of 1.7 and 1.16 is here. Of some it is not known
//! in which version between two they came: of the versions in between nothing is said.

use std::borrow::Cow;

use serde_json::Value;

use super::kind::{Kind, template, templated};
use super::pointer::{At as _, escape};
use super::release::OperatorVersion;

/// A field, or a value of a field, that came with a version of the operator.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// JSON pointer to the field in a spec.
    pub pointer: &'static str,
    /// The value; `None` where the field itself is meant.
    pub value: Option<&'static str>,
    /// The newest version without it, as far as is known.
    pub absent: OperatorVersion,
    /// The oldest version with it, as far as is known.
    pub present: OperatorVersion,
}

const V1_7: OperatorVersion = OperatorVersion::new(1, 7);
const V1_8: OperatorVersion = OperatorVersion::new(1, 8);
const V1_10: OperatorVersion = OperatorVersion::new(1, 10);
const V1_11: OperatorVersion = OperatorVersion::new(1, 11);
const V1_12: OperatorVersion = OperatorVersion::new(1, 12);
const V1_13: OperatorVersion = OperatorVersion::new(1, 13);
#[cfg(test)]
const V1_14: OperatorVersion = OperatorVersion::new(1, 14);
const V1_15: OperatorVersion = OperatorVersion::new(1, 15);
const V1_16: OperatorVersion = OperatorVersion::new(1, 16);

/// Where Flink's version is written.
const FLINK: &str = "/flinkVersion";
/// Where Flink's configuration is: from [`ANY_CONFIGURATION`] on of any shape, before a map of texts.
pub const CONFIGURATION: &str = "/flinkConfiguration";
/// The first version that takes a configuration of any shape.
pub const ANY_CONFIGURATION: OperatorVersion = V1_13;
/// The last one that takes a map of texts only.
pub const TEXT_CONFIGURATION: OperatorVersion = V1_12;

/// All of them.
pub const PARTS: [Part; 12] = [
    Part::field("/ingress/labels", V1_7, V1_10),
    Part::field("/ingress/tls", V1_7, V1_10),
    Part::field("/job/savepointRedeployNonce", V1_7, V1_8),
    Part::field("/job/autoscalerResetNonce", V1_10, V1_11),
    Part::field("/jobManager/resources", V1_15, V1_16),
    Part::field("/taskManager/resources", V1_15, V1_16),
    Part::flink("v1_20", V1_7, V1_10),
    Part::flink("v2_0", V1_10, V1_12),
    Part::flink("v2_1", V1_12, V1_13),
    Part::flink("v2_2", V1_12, V1_13),
    Part::flink("v2_3", V1_15, V1_16),
    Part::flink("v2_4", V1_15, V1_16),
];

/// Kinds, each with the newest version known to be without it; what to do about that says [`Kind::since`].
const KINDS: [(Kind, OperatorVersion); 2] =
    [(Kind::FlinkStateSnapshot, V1_7), (Kind::FlinkBlueGreenDeployment, V1_13)];

/// Whether a version serves a kind, as far as is known.
pub fn serves(kind: Kind, version: OperatorVersion) -> bool {
    !KINDS.iter().any(|(one, absent)| *one == kind && version <= *absent)
}

impl Part {
    const fn field(pointer: &'static str, absent: OperatorVersion, present: OperatorVersion) -> Self {
        Self { pointer, value: None, absent, present }
    }

    const fn flink(value: &'static str, absent: OperatorVersion, present: OperatorVersion) -> Self {
        Self { pointer: FLINK, value: Some(value), absent, present }
    }

    /// What people call it: `spec.job.autoscalerResetNonce`, or `v2_0` of `spec.flinkVersion`.
    pub fn name(&self) -> String {
        let field = format!("spec{}", self.pointer.replace('/', "."));
        self.value.map_or_else(|| format!("`{field}`"), |value| format!("`{value}` of `{field}`"))
    }

    fn is_in(&self, spec: &Value) -> bool {
        let written = spec.at(self.pointer).filter(|value| !value.is_null());
        written.is_some_and(|written| self.value.is_none_or(|value| written == value))
    }
}

/// The parts of a spec that a version does not know.
pub fn unknown(spec: &Value, version: OperatorVersion) -> impl Iterator<Item = &'static Part> {
    PARTS.iter().filter(move |part| version <= part.absent && part.is_in(spec))
}

/// Pointers to the fields that a version drops of the spec of a kind, which a template may have.
pub fn dropped(kind: Kind, spec: &Value, version: OperatorVersion) -> impl Iterator<Item = String> {
    let within = template(kind).strip_prefix("/spec").map_or_else(String::new, |it| format!("{it}/spec"));
    let fields = unknown(templated(kind, spec), version).filter(|part| part.value.is_none());
    fields.map(move |part| format!("{within}{}", part.pointer))
}

/// The spec of a kind as a version keeps it: without the fields that it drops.
pub fn kept(kind: Kind, spec: &Value, version: OperatorVersion) -> Cow<'_, Value> {
    let mut kept = Cow::Borrowed(spec);
    for pointer in dropped(kind, spec, version) {
        let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(fields) = kept.to_mut().pointer_mut(parent).and_then(Value::as_object_mut) {
            fields.remove(name);
        }
    }
    kept
}

/// Pointers to the entries of the configuration that a version refuses, because they are not text.
pub fn not_text(spec: &Value, version: OperatorVersion) -> Vec<String> {
    let configuration = spec.at(CONFIGURATION).and_then(Value::as_object);
    let entries = configuration.filter(|_| version <= TEXT_CONFIGURATION).into_iter().flatten();
    let entries = entries.filter(|(_, value)| !value.is_string() && !value.is_null());
    entries.map(|(key, _)| format!("{CONFIGURATION}/{}", escape(key))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(spec: &Value, version: OperatorVersion) -> Vec<&'static str> {
        unknown(spec, version).map(|part| part.pointer).collect()
    }

    #[test]
    fn a_part_is_unknown_up_to_the_last_version_without_it() {
        let spec = json!({"flinkVersion": "v2_0", "ingress": {"labels": {}, "tls": null},
            "job": {"autoscalerResetNonce": 1}, "taskManager": {"resources": {}}});
        assert_eq!(
            pointers(&spec, V1_7),
            ["/ingress/labels", "/job/autoscalerResetNonce", "/taskManager/resources", FLINK]
        );
        assert_eq!(pointers(&spec, V1_8), ["/job/autoscalerResetNonce", "/taskManager/resources", FLINK]);
        assert_eq!(pointers(&spec, V1_11), ["/taskManager/resources"], "whether 1.11 runs v2_0 is not known");
        assert_eq!(pointers(&spec, V1_15), ["/taskManager/resources"]);
        assert_eq!(pointers(&spec, V1_16), [""; 0]);
    }

    #[test]
    fn what_is_known_of_a_part_is_in_order() {
        assert!(PARTS.iter().all(|part| part.absent < part.present));
    }

    #[test]
    fn what_is_dropped_is_not_kept() {
        let spec = json!({"image": "a", "jobManager": {"resources": {}, "replicas": 1}});
        let rest = json!({"image": "a", "jobManager": {"replicas": 1}});
        assert_eq!(*kept(Kind::FlinkDeployment, &spec, V1_15), rest);
        assert!(matches!(kept(Kind::FlinkDeployment, &spec, V1_16), Cow::Borrowed(_)));
        let within = |spec: &Value| json!({"configuration": {}, "template": {"spec": spec}});
        assert_eq!(*kept(Kind::FlinkBlueGreenDeployment, &within(&spec), V1_15), within(&rest));
    }

    #[test]
    fn a_kind_is_served_from_some_version_on() {
        assert!(!serves(Kind::FlinkStateSnapshot, V1_7));
        assert!(serves(Kind::FlinkStateSnapshot, V1_8), "it is not known");
        assert!(!serves(Kind::FlinkBlueGreenDeployment, V1_13));
        assert!(serves(Kind::FlinkBlueGreenDeployment, V1_14));
        assert!(serves(Kind::FlinkSessionJob, V1_7));
    }

    #[test]
    fn configuration_is_text_up_to_1_12() {
        let spec = json!({"flinkConfiguration": {"a": "1", "b/c": 2, "d": {"e": "f"}, "g": null, "h": true}});
        let refused = ["/flinkConfiguration/b~1c", "/flinkConfiguration/d", "/flinkConfiguration/h"];
        assert_eq!(not_text(&spec, V1_12), refused);
        assert_eq!(not_text(&spec, V1_13), [""; 0]);
        assert_eq!(not_text(&json!({}), V1_7), [""; 0]);
    }
}
