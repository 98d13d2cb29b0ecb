//! The versions of the operator, and the releases that differ in what they make of a spec.

use std::fmt;

use super::status::Status;

/// A version of the operator by its first two numbers: no further one changes what a spec means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperatorVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl OperatorVersion {
    /// A version from its numbers.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Reads `1.15` and `1.15.0`; what follows the second number counts for nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(['.', '-']);
        Some(Self::new(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

/// As people write it: `1.15`.
impl fmt::Display for OperatorVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A line of releases, named by its first: it goes up to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// Up to 1.7: `restartNonce` taken away restarts the job; there is no `savepointRedeployNonce`.
    V1_7,
    /// From 1.8 on, a nonce that is taken away is no difference (FLINK-33763), and what a pod template holds
    /// beside `metadata` and `spec` is none either (FLINK-31220).
    V1_8,
    /// From 1.10 on, a session job is upgraded from its last state, too (FLINK-35414). The path that a job is
    /// restored from stands in `jobStatus.upgradeSavepointPath`, by which its schema is known.
    V1_10,
    /// From 1.15 on, a blue/green deployment is suspended, resumed and redeployed in place.
    #[default]
    V1_15,
}

impl Release {
    /// Every line, oldest first.
    pub const ALL: [Self; 4] = [Self::V1_7, Self::V1_8, Self::V1_10, Self::V1_15];

    /// The release that wrote this status, as far as it matters for a FlinkDeployment or a FlinkSessionJob.
    ///
    /// Up to 1.7 the generation is kept within `lastReconciledSpec`, from 1.8 on in `observedGeneration`.
    pub fn of(status: &Status) -> Self {
        let within = status.last_reconciled.as_ref().is_some_and(|last| last.generation.is_some());
        if within { Self::V1_7 } else { Self::default() }
    }
}

impl From<OperatorVersion> for Release {
    /// The line that a version is in.
    fn from(version: OperatorVersion) -> Self {
        match version {
            OperatorVersion { major: 0, .. } | OperatorVersion { major: 1, minor: ..8 } => Self::V1_7,
            OperatorVersion { major: 1, minor: 8 | 9 } => Self::V1_8,
            OperatorVersion { major: 1, minor: 10..15 } => Self::V1_10,
            _ => Self::V1_15,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_tells_its_release() {
        let last = |metadata| json!({"spec": {}, "resource_metadata": {"metadata": metadata}}).to_string();
        let status =
            |last: String| Status::parse(&json!({"reconciliationStatus": {"lastReconciledSpec": last}}));
        assert_eq!(Release::of(&status(last(json!({"generation": 2})))), Release::V1_7);
        assert_eq!(Release::of(&status(last(json!(null)))), Release::V1_15);
        assert_eq!(Release::of(&Status::default()), Release::V1_15);
    }

    #[test]
    fn a_version_is_in_a_line_of_releases() {
        let line = |text| Release::from(OperatorVersion::parse(text).unwrap());
        let lines =
            ["1.6.1", "1.7", "1.8.0", "1.9.0", "1.10.0", "1.14", "1.15.0", "1.16-SNAPSHOT", "2.0"].map(line);
        let (v1_7, v1_8, v1_10, v1_15) = (Release::V1_7, Release::V1_8, Release::V1_10, Release::V1_15);
        assert_eq!(lines, [v1_7, v1_7, v1_8, v1_8, v1_10, v1_10, v1_15, v1_15, v1_15]);
        assert_eq!(OperatorVersion::parse("1"), None);
        assert!(OperatorVersion::new(1, 9) < OperatorVersion::new(1, 10));
    }
}
