//! One changed field, masked.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::flink::secret::{self, MASK, Secrets};
use crate::plan::outcome::{Cause, Change, FieldEffect};

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeDocument {
    /// JSON pointer into the manifest; a Flink configuration key is one segment.
    pub path: String,
    /// The same place with list entries by name, where that is not the same text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What the cluster has; left out where it has nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What Git wants; left out where it wants nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// What the difference does to the running job.
    pub effect: FieldEffect,
    /// What is not plain about the effect, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whose move it was.
    pub cause: Cause,
    /// Who last wrote the live field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerDocument>,
    /// Whether something secret was taken out of the values.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

/// Who last wrote a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OwnerDocument {
    /// The field manager.
    pub manager: String,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub time: Option<Timestamp>,
}

impl ChangeDocument {
    /// Where the field is, for people.
    pub fn place(&self) -> &str {
        self.place.as_ref().unwrap_or(&self.path)
    }

    /// Masks a change: all of it where its place is secret, else what is secret inside.
    pub fn new(change: &Change, secrets: &Secrets) -> Self {
        // An index does not tell which variable it is, a name does.
        let whole = change.secret || secret::is_secret_path(&change.place);
        let show = |value: &Option<Value>| {
            let value = value.as_ref()?;
            Some(if whole { Value::from(MASK) } else { scrub(secret::mask(&change.place, value), secrets) })
        };
        let (before, after) = (show(&change.before), show(&change.after));
        Self {
            path: change.path.clone(),
            place: Some(change.place.clone()).filter(|place| *place != change.path),
            secret: whole || before != change.before || after != change.after,
            before,
            after,
            effect: change.effect,
            note: change.note.as_ref().map(|note| secrets.scrub(note).into_owned()),
            cause: change.cause,
            owner: change.owner.as_ref().map(|owner| OwnerDocument {
                manager: secrets.scrub(&owner.manager).into_owned(),
                time: owner.time,
            }),
        }
    }
}

/// Takes known secrets out of every string of a value.
fn scrub(value: Value, secrets: &Secrets) -> Value {
    match value {
        Value::String(text) => Value::String(secrets.scrub(&text).into_owned()),
        Value::Array(entries) => entries.into_iter().map(|entry| scrub(entry, secrets)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (key, scrub(value, secrets))).collect()
        }
        other => other,
    }
}
