//! What `retry` took away, as a document.

use schemars::JsonSchema;
use serde::Serialize;

use super::schema;
use crate::flink::kind::UnitKey;
use crate::flink::secret::Secrets;
use crate::plan::ledger::Held;
use crate::spec::Desired;

/// The units that may be tried again.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "flinkops.dev/retry/v1")]
pub struct RetryDocument {
    /// `flinkops.dev/retry/v1`.
    pub schema: &'static str,
    /// `name` in `flinkops.yaml`.
    pub repository: String,
    /// What Git is at.
    pub revision: String,
    /// The environment.
    pub environment: String,
    /// The units that were named.
    pub units: Vec<RetriedDocument>,
}

/// One unit that was named.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetriedDocument {
    /// Its name where that is unique, else `namespace/Kind/name`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Why it was held; absent where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// Whether it is tried again now.
    pub released: bool,
}

impl RetryDocument {
    /// Says what was done to these units.
    pub fn new(desired: &Desired, units: Vec<RetriedDocument>) -> Self {
        Self {
            schema: schema::RETRY,
            repository: desired.repository.clone(),
            revision: desired.revision().to_string(),
            environment: desired.environment.clone(),
            units,
        }
    }
}

impl RetriedDocument {
    /// Says what became of the hold of a unit, if it had one.
    pub fn new(id: &str, key: &UnitKey, held: Option<&Held>, secrets: &Secrets) -> Self {
        Self {
            id: id.to_owned(),
            name: key.name.clone(),
            kind: key.kind.as_str(),
            namespace: key.namespace.clone(),
            held: held.map(|held| secrets.scrub(&held.reason).into_owned()),
            released: held.is_some(),
        }
    }
}
