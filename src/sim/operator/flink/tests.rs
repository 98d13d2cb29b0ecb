//! What a job counts, and what of it survives.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::flink::kind::Kind;
use crate::sim::operator::timings::Mode;

struct Bench {
    flink: Flink,
    start: Timestamp,
    cluster: UnitKey,
    unit: UnitKey,
}

impl Bench {
    fn new(high_availability: bool) -> Self {
        let timings = Timings::observed(Mode::V1_15, 1.0);
        let mut flink = Flink::new(&timings);
        let cluster = UnitKey::new("default", Kind::FlinkDeployment, "sess");
        let unit = UnitKey::new("default", Kind::FlinkSessionJob, "job");
        flink.start_cluster(&cluster, Fate::Starts, high_availability, Timestamp::UNIX_EPOCH);
        let start = Timestamp::UNIX_EPOCH + timings.ready;
        Self { flink, start, cluster, unit }
    }

    fn submit(&mut self, from: Option<&str>, now: Timestamp) -> Result<(), String> {
        let spec = json!({"deploymentName": "sess", "job": {"parallelism": 2}, "flinkConfiguration": {
            "execution.checkpointing.interval": "5s", "state.checkpoints.dir": "file:///cp",
            "state.savepoints.dir": "file:///sp"}});
        let id = self.flink.new_id();
        let plan = JobPlan::new(&id, &self.cluster, &spec, &config(&spec));
        self.flink.submit(&self.unit, plan, from, now)
    }

    /// The time this many seconds after the job began to run.
    fn at(&self, seconds: u64) -> Timestamp {
        self.start + Duration::from_secs(2 + seconds)
    }

    fn records(&self, now: Timestamp) -> u64 {
        self.flink.view(&self.unit, now).unwrap().records
    }
}

fn config(spec: &serde_json::Value) -> BTreeMap<String, String> {
    crate::flink::config::effective(None, spec)
}

#[test]
fn a_savepoint_remembers_the_count() {
    let mut bench = Bench::new(false);
    bench.submit(None, bench.start).unwrap();
    assert_eq!(bench.records(bench.at(10)), 2000);
    let path = bench.flink.stop_with_savepoint(&bench.unit, bench.at(10)).unwrap();
    assert!(path.starts_with("file:/sp/savepoint-"), "{path}");
    assert_eq!(bench.records(bench.at(60)), 2000, "a stopped job counts no further");
    bench.submit(Some(&path.replace("file:", "file://")), bench.at(60)).unwrap();
    assert_eq!(bench.records(bench.at(72)), 4000);
    let gone = bench.submit(Some("file:///sp/none"), bench.at(80)).unwrap_err();
    assert_eq!(
        gone,
        "Cannot find checkpoint or savepoint file/directory 'file:///sp/none' on file system 'file'."
    );
}

#[test]
fn a_cluster_that_is_told_to_end_takes_the_last_checkpoint_with_it() {
    let mut bench = Bench::new(false);
    bench.submit(None, bench.start).unwrap();
    bench.flink.stop_cluster(&bench.cluster, false, bench.at(13));
    assert_eq!(bench.flink.view(&bench.unit, bench.at(14)), None);
    assert!(bench.flink.disk().is_empty());
}

#[test]
fn a_killed_cluster_leaves_the_last_checkpoint() {
    let mut bench = Bench::new(false);
    bench.submit(None, bench.start).unwrap();
    bench.flink.crash_job_manager(&bench.cluster, bench.at(13));
    assert_eq!(bench.flink.view(&bench.unit, bench.at(14)), None);
    let (path, snapshot) = bench.flink.disk().iter().next().unwrap();
    assert!(path.ends_with("/chk-2"), "{path}");
    assert_eq!((snapshot.records, snapshot.savepoint), (2000, false));
}

#[test]
fn high_availability_brings_jobs_back_from_it() {
    let mut bench = Bench::new(true);
    bench.submit(None, bench.start).unwrap();
    let id = bench.flink.jobs[&bench.unit].plan.id.clone();
    bench.flink.stop_cluster(&bench.cluster, false, bench.at(13));
    bench.flink.start_cluster(&bench.cluster, Fate::Starts, true, bench.at(20));
    assert_eq!(bench.flink.job_state(&bench.unit, &id, bench.at(39)), Some("CREATED"));
    assert_eq!(bench.records(bench.at(41)), 2200, "one second after the cluster was ready again");
}

#[test]
fn a_crash_loses_session_jobs_and_restarts_an_application() {
    let mut bench = Bench::new(false);
    bench.submit(None, bench.start).unwrap();
    bench.flink.crash_job_manager(&bench.cluster, bench.at(5));
    assert_eq!(bench.flink.phase(&bench.cluster, bench.at(5)), Phase::Ready);
    assert_eq!(bench.flink.view(&bench.unit, bench.at(6)), None);
}
