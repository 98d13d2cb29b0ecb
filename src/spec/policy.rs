//! How flinkops may act: the `policy` of `flinkops.yaml`, of an environment and of a job.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether the cluster is changed at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The cluster follows Git; drift is healed.
    #[default]
    Enforce,
    /// Nothing is written.
    Report,
}

/// What happens when an upgrade does not settle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// What depends on it stops.
    #[default]
    Stop,
    /// The previous spec is put back.
    Rollback,
}

/// How a session job gets over a change of its session cluster (S15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterChange {
    /// It is stopped with a savepoint, and starts again from that.
    #[default]
    Savepoint,
    /// It is not touched: Kubernetes high availability brings it back from its last checkpoint. Where that cannot
    /// be relied on, it is stopped with a savepoint all the same.
    Ha,
}

/// Which live objects that flinkops does not own may be taken over (S4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Adopt {
    /// Those whose spec equals Git's.
    #[default]
    Equal,
    /// All of them.
    Any,
}

/// How units that left Git are removed (S3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Prune {
    /// Whether anything is removed at all.
    pub enabled: bool,
    /// Deletes in one plan beyond which all of them wait to be confirmed.
    pub max_deletes: usize,
}

impl Default for Prune {
    fn default() -> Self {
        Self { enabled: true, max_deletes: 3 }
    }
}

/// A field of live objects that flinkops leaves to someone else (S5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ignore {
    /// A JSON pointer into the manifest; everything below it is meant too. A configuration key is one name,
    /// an entry of a list goes by its index or its key.
    #[schemars(length(min = 1))]
    pub path: String,
    /// Why it is left alone.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// The one unit it applies to; absent: all of them.
    #[schemars(length(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The whole policy with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Policy {
    /// Whether the cluster is changed at all.
    pub mode: Mode,
    /// How units that left Git are removed.
    pub prune: Prune,
    /// Changes under way at once.
    pub concurrency: usize,
    /// How long a verdict must hold before it counts; three times that for a session cluster before
    /// its jobs count as settled (S15).
    #[schemars(with = "String")]
    pub settle: SignedDuration,
    /// From our write to settled.
    #[schemars(with = "String")]
    pub timeout: SignedDuration,
    /// How long a savepoint may take (S11).
    #[schemars(with = "String")]
    pub savepoint_timeout: SignedDuration,
    /// What happens when an upgrade does not settle.
    pub on_failure: OnFailure,
    /// Whether lost jobs are rescued without asking.
    pub repair: bool,
    /// How a session job gets over a change of its session cluster (S15).
    pub cluster_change: ClusterChange,
    /// Whether a job that a person suspended is resumed (S19).
    pub heal_suspend: bool,
    /// Which live objects of others may be taken over.
    pub adopt: Adopt,
    /// Fields left to someone else.
    pub ignore: Vec<Ignore>,
}

impl Ignore {
    /// Whether it leaves this field of this unit to someone else.
    pub fn covers(&self, unit: &str, path: &str) -> bool {
        let below = path.strip_prefix(self.path.as_str());
        self.name.as_deref().is_none_or(|name| name == unit)
            && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// How long it takes until the operator, which waits five seconds before it tries again what went wrong
/// (`kubernetes.operator.retry.initial.interval`), has done so. What works then was no failure.
const TRIED_AGAIN: SignedDuration = SignedDuration::from_secs(10);

impl Policy {
    /// How long a failure must last before it counts.
    pub fn failure(&self) -> SignedDuration {
        self.settle.max(TRIED_AGAIN)
    }

    /// Whether a field of a unit is left to someone else (S5).
    pub fn ignores(&self, unit: &str, path: &str) -> bool {
        self.ignore.iter().any(|rule| rule.covers(unit, path))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            prune: Prune::default(),
            concurrency: 4,
            settle: SignedDuration::from_secs(10),
            timeout: SignedDuration::from_mins(10),
            savepoint_timeout: SignedDuration::from_hours(1),
            on_failure: OnFailure::default(),
            repair: false,
            cluster_change: ClusterChange::default(),
            heal_suspend: false,
            adopt: Adopt::default(),
            ignore: Vec::new(),
        }
    }
}
