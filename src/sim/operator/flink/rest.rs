//! Flink's REST API, as far as anybody asks it here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Flink, JobPlan, Phase};
use crate::flink::kind::{Kind, ObjectKey, UnitKey};
use crate::flink::rest::{JOBS, checkpoints, service};

impl Flink {
    /// What is answered behind a Service; `None` where no JobManager listens, or knows the path.
    pub fn rest(&self, at: &ObjectKey, path: &str, now: Timestamp) -> Option<Value> {
        let is_meant = |cluster: &&UnitKey| cluster.namespace == at.namespace && service(cluster) == at.name;
        let cluster = self.clusters.keys().find(is_meant)?;
        if self.phase(cluster, now) != Phase::Ready {
            return None;
        }
        if path == JOBS {
            return Some(self.overview(cluster, now));
        }
        let asked = |job: &&super::Job| job.plan.cluster == *cluster && path == checkpoints(&job.plan.id);
        self.jobs.values().find(asked).map(|job| state(job, now))
    }

    fn overview(&self, cluster: &UnitKey, now: Timestamp) -> Value {
        let jobs = self.jobs.iter().filter(|(_, job)| job.plan.cluster == *cluster);
        let job = |(unit, job): (&UnitKey, &super::Job)| {
            let (name, started, since) = job.told(&unit.name);
            json!({
                "jid": job.plan.id, "name": name, "state": job.state(now),
                "start-time": started, "end-time": -1, "last-modification": since,
            })
        };
        json!({"jobs": jobs.map(job).collect::<Vec<_>>()})
    }

    /// A job that nobody keeps a resource of.
    pub fn submit_by_hand(&mut self, cluster: &UnitKey, name: &str, now: Timestamp) {
        let plan = JobPlan::new(&self.new_id(), cluster, &json!({"job": {}}), &BTreeMap::new());
        let nobody = UnitKey::new(&cluster.namespace, Kind::FlinkSessionJob, name);
        let start = self.job_start(cluster, now);
        self.run(&nobody, plan, 0, None, start);
    }
}

fn state(job: &super::Job, now: Timestamp) -> Value {
    // Seen of Flink 1.17: whatever a job was told to begin with is called a savepoint, a checkpoint too.
    let restored =
        job.restored_from.as_ref().map(|path| json!({"id": 1, "is_savepoint": true, "external_path": path}));
    let completed = job.last_checkpoint(now).map(|(number, path, at)| {
        json!({
            "id": number, "status": "COMPLETED", "is_savepoint": false, "checkpoint_type": "CHECKPOINT",
            "trigger_timestamp": at.as_millisecond(), "external_path": path,
            "discarded": job.state(now) == "FAILED" && !job.plan.retains,
        })
    });
    let count = completed.as_ref().map_or(json!(0), |it| it["id"].clone());
    json!({
        "counts": {"completed": count, "restored": usize::from(restored.is_some())},
        "latest": {"completed": completed, "savepoint": null, "failed": null, "restored": restored},
    })
}
