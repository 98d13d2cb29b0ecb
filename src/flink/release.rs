//! The releases of the operator that differ in what they make of a spec.

use super::status::Status;

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
}
