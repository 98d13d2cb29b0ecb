//! Flink behind the operator: clusters, jobs that count records, and what lies on disk.
//!
//! Nothing here moves by itself: a job is what it started with, and where it stands now is computed
//! from the time that is asked about. It outlives the operator.

mod job;
mod plan;
mod rehearsal;
mod rest;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

pub use job::{Job, JobView, Told};
pub use plan::{Behaviour, Fate, JobPlan, SAVEPOINT_KEY, is_highly_available, parallelism, slots};
pub use rehearsal::Deed;

use super::effect::hex;
use super::timings::Timings;
use crate::flink::kind::UnitKey;
use crate::flink::savepoint::normalise;

/// A savepoint or a retained checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// How many records the job had counted.
    pub records: u64,
    /// Whose job it was.
    pub unit: UnitKey,
    /// Whether it is a savepoint; else a checkpoint.
    pub savepoint: bool,
}

/// How far a cluster's JobManager is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is none.
    Absent,
    /// Its pod starts.
    Starting,
    /// Its port is open.
    Listening,
    /// Its REST API answers.
    Ready,
    /// The node gave up on its pod for this reason and with these words.
    BackOff(&'static str, &'static str),
}

/// What the operator can see of a resource's job and cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    cluster: Phase,
    /// Its id, state and parallelism, and what Flink tells of it.
    job: Option<(String, &'static str, u32, Told)>,
}

#[derive(Clone, Debug)]
struct Cluster {
    started: Timestamp,
    fate: Fate,
    high_availability: bool,
}

/// What Flink keeps of a job through high availability.
#[derive(Clone, Debug)]
struct Kept {
    plan: JobPlan,
    records: u64,
    path: Option<String>,
}

/// All of Flink.
#[derive(Debug)]
pub struct Flink {
    timings: Timings,
    clusters: BTreeMap<UnitKey, Cluster>,
    jobs: BTreeMap<UnitKey, Job>,
    kept: BTreeMap<UnitKey, BTreeMap<UnitKey, Kept>>,
    starts: BTreeMap<UnitKey, u32>,
    behaviours: BTreeMap<UnitKey, Behaviour>,
    disk: BTreeMap<String, Snapshot>,
    sequence: u64,
    deeds: Option<Vec<(UnitKey, Deed)>>,
}

impl Flink {
    /// An empty Flink.
    pub fn new(timings: &Timings) -> Self {
        Self {
            timings: *timings,
            clusters: BTreeMap::new(),
            jobs: BTreeMap::new(),
            kept: BTreeMap::new(),
            starts: BTreeMap::new(),
            behaviours: BTreeMap::new(),
            disk: BTreeMap::new(),
            sequence: 0,
            deeds: None,
        }
    }

    /// A new id of 32 hexadecimal digits, different each time and the same in each run.
    pub fn new_id(&mut self) -> String {
        use sha2::{Digest, Sha256};
        self.sequence += 1;
        hex(&Sha256::digest(self.sequence.to_be_bytes())[..16])
    }

    /// Starts a cluster; jobs kept by high availability come back with it, where it has that as well.
    pub fn start_cluster(&mut self, key: &UnitKey, fate: Fate, high_availability: bool, now: Timestamp) {
        self.clusters.insert(key.clone(), Cluster { started: now, fate, high_availability });
        self.note(key, Deed::ClusterStarted);
        if !high_availability {
            return;
        }
        // An application's own job is started by whoever deploys it, with what is kept as its state.
        let (own, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            self.kept.remove(key).unwrap_or_default().into_iter().partition(|(unit, _)| unit == key);
        if !own.is_empty() {
            self.kept.insert(key.clone(), own);
        }
        for (unit, kept) in others {
            self.run(&unit, kept.plan, kept.records, kept.path, self.job_start(key, now));
        }
    }

    /// When a job given to a cluster now starts to run.
    fn job_start(&self, cluster: &UnitKey, now: Timestamp) -> Timestamp {
        let ready = self.clusters.get(cluster).map_or(now, |it| it.started + self.timings.ready);
        // The first job waits for a TaskManager.
        let first = !self.jobs.values().any(|job| job.plan.cluster == *cluster);
        let wait = if first { self.timings.task_manager } else { Duration::ZERO };
        if ready > now { ready + wait } else { now + self.timings.job + wait }
    }

    /// Tells a cluster to end with every job on it. With high availability, its jobs are kept unless `forget`.
    pub fn stop_cluster(&mut self, key: &UnitKey, forget: bool, now: Timestamp) {
        self.end_cluster(key, forget, |job| job.plan.outlives, now);
    }

    /// Ends a cluster. The checkpoints of those of its running jobs stay that leave one.
    fn end_cluster(&mut self, key: &UnitKey, forget: bool, leaves: fn(&Job) -> bool, now: Timestamp) {
        let Some(cluster) = self.clusters.remove(key) else {
            if forget {
                self.kept.remove(key);
            }
            return;
        };
        let (lost, others) =
            std::mem::take(&mut self.jobs).into_iter().partition(|(_, job)| job.plan.cluster == *key);
        self.jobs = others;
        let lost: BTreeMap<_, _> = lost;
        self.note(key, Deed::ClusterStopped);
        for (unit, job) in lost {
            if job.is_live(now) {
                self.note(&unit, Deed::JobStopped);
            }
            let kept = cluster.high_availability && !forget;
            let leaves = job.is_live(now) && (kept || leaves(&job));
            let path = leaves.then(|| self.retain_checkpoint(&unit, &job, now)).flatten();
            if kept && job.is_live(now) {
                let (records, plan) = (job.checkpointed(now), job.plan);
                let path = path.or(job.restored_from);
                self.kept.entry(key.clone()).or_default().insert(unit, Kept { plan, records, path });
            }
        }
        if forget {
            self.kept.remove(key);
        }
    }

    /// Kills a JobManager that Kubernetes restarts at once: what `kill -9` does.
    pub fn crash_job_manager(&mut self, key: &UnitKey, now: Timestamp) {
        let Some(cluster) = self.clusters.get(key).cloned() else { return };
        let own = self.jobs.get(key).cloned();
        // Nobody is left to delete anything.
        self.end_cluster(key, false, |_| true, now);
        // Kubernetes restarts the process so fast that the operator never sees it away.
        let started = now - self.timings.ready;
        self.start_cluster(key, cluster.fate, cluster.high_availability, started);
        if let Some(job) = own {
            let kept = self.kept.get_mut(key).and_then(|kept| kept.remove(key));
            let records = kept.as_ref().map_or(job.restored_records, |kept| kept.records);
            let path = kept.and_then(|kept| kept.path).or(job.restored_from);
            self.run(key, job.plan, records, path, now + self.timings.job);
        }
    }

    /// How far a cluster is.
    pub fn phase(&self, key: &UnitKey, now: Timestamp) -> Phase {
        let Some(cluster) = self.clusters.get(key) else { return Phase::Absent };
        let age = |it| now >= cluster.started + it;
        match cluster.fate {
            Fate::NoImage if age(self.timings.back_off) => {
                Phase::BackOff("ImagePullBackOff", "Back-off pulling image")
            }
            Fate::Crashes if age(self.timings.back_off) => {
                Phase::BackOff("CrashLoopBackOff", "back-off 10s restarting failed container")
            }
            Fate::Starts if age(self.timings.ready) => Phase::Ready,
            Fate::Crashes | Fate::Starts if age(self.timings.port) => Phase::Listening,
            _ => Phase::Starting,
        }
    }

    /// What there is to see of a unit, on its cluster, at this time.
    pub fn glance(&self, unit: &UnitKey, cluster: &UnitKey, now: Timestamp) -> Glance {
        let job = self
            .jobs
            .get(unit)
            .map(|job| (job.plan.id.clone(), job.state(now), job.plan.parallelism, job.told(&unit.name)));
        Glance { cluster: self.phase(cluster, now), job }
    }

    /// Whether high availability keeps something of this unit's job.
    pub fn has_kept(&self, cluster: &UnitKey) -> bool {
        self.kept.get(cluster).is_some_and(|kept| !kept.is_empty())
            || self.clusters.get(cluster).is_some_and(|it| it.high_availability && it.fate == Fate::Starts)
    }

    /// Starts a unit's job, from a path on disk where one is given.
    pub fn submit(
        &mut self,
        unit: &UnitKey,
        plan: JobPlan,
        from: Option<&str>,
        now: Timestamp,
    ) -> Result<(), String> {
        let records = match from.map(|path| (path, self.find(path, now))) {
            None => 0,
            Some((_, Some(records))) => records,
            Some((path, None)) => return Err(missing(path)),
        };
        let start = self.job_start(&plan.cluster, now);
        self.run(unit, plan, records, from.map(str::to_owned), start);
        Ok(())
    }

    /// Starts an application's job from what high availability keeps of it.
    pub fn submit_kept(&mut self, unit: &UnitKey, plan: JobPlan, now: Timestamp) -> bool {
        let kept = self.kept.get_mut(unit).and_then(|kept| kept.remove(unit));
        let Some(kept) = kept else { return false };
        let start = self.job_start(&plan.cluster, now);
        self.run(unit, plan, kept.records, kept.path, start);
        true
    }

    fn run(&mut self, unit: &UnitKey, plan: JobPlan, records: u64, from: Option<String>, start: Timestamp) {
        let starts = self.starts.entry(unit.clone()).or_default();
        *starts += 1;
        self.note(unit, Deed::JobStarted(from.clone()));
        let job = Job::new(plan, records, from, start, &self.timings);
        self.jobs.insert(unit.clone(), job);
    }

    /// The unit's job, if Flink knows one with this id.
    pub fn job(&self, unit: &UnitKey, id: &str) -> Option<&Job> {
        self.jobs.get(unit).filter(|job| job.plan.id == id)
    }

    /// The state of the unit's job, if Flink knows it.
    pub fn job_state(&self, unit: &UnitKey, id: &str, now: Timestamp) -> Option<&'static str> {
        self.job(unit, id).map(|job| job.state(now))
    }

    /// Takes a savepoint and lets the job go on.
    pub fn savepoint(&mut self, unit: &UnitKey, now: Timestamp) -> Result<String, String> {
        let job = self.jobs.get(unit).filter(|job| job.is_live(now)).ok_or("the job is not running")?;
        if self.behaviour(unit) == Behaviour::Fail {
            return Err("Savepoint could not be completed: the savepoint storage refuses to write".into());
        }
        let directory = job.plan.savepoint_directory.clone().ok_or("no savepoint directory is set")?;
        let (short, records) = (job.plan.id.get(..6).unwrap_or_default().to_owned(), job.records(now));
        let unique = self.new_id();
        let path = format!("{}/savepoint-{short}-{}", respell(&directory), &unique[..12]);
        self.add_snapshot(&path, unit, records, true);
        self.note(unit, Deed::Savepoint);
        Ok(path)
    }

    /// Stops a job with a savepoint.
    pub fn stop_with_savepoint(&mut self, unit: &UnitKey, now: Timestamp) -> Result<String, String> {
        let path = self.savepoint(unit, now)?;
        self.end(unit, "FINISHED", now);
        Ok(path)
    }

    /// Cancels a job; gives the checkpoint it leaves behind.
    pub fn cancel(&mut self, unit: &UnitKey, now: Timestamp) -> Option<String> {
        let job = self.jobs.get(unit)?.clone();
        let path = self.retain_checkpoint(unit, &job, now).or_else(|| job.restored_from.clone());
        self.end(unit, "CANCELED", now);
        path
    }

    fn end(&mut self, unit: &UnitKey, state: &'static str, now: Timestamp) {
        if let Some(job) = self.jobs.get_mut(unit)
            && job.end(state, now)
        {
            self.note(unit, Deed::JobStopped);
        }
    }

    /// Takes a checkpoint on demand.
    pub fn checkpoint(&mut self, unit: &UnitKey, now: Timestamp) -> Result<String, String> {
        let job = self.jobs.get(unit).filter(|job| job.is_live(now)).ok_or("the job is not running")?.clone();
        let path = job.checkpoint_path(now).ok_or("no checkpoint directory is set")?;
        self.add_snapshot(&path, unit, job.records(now), false);
        Ok(path)
    }

    /// The last checkpoint or restore point of a job that is over.
    pub fn last_checkpoint(&mut self, unit: &UnitKey, now: Timestamp) -> Option<String> {
        let job = self.jobs.get(unit)?.clone();
        self.retain_checkpoint(unit, &job, now).or(job.restored_from)
    }

    fn retain_checkpoint(&mut self, unit: &UnitKey, job: &Job, now: Timestamp) -> Option<String> {
        let path = job.last_checkpoint_path(now)?;
        self.add_snapshot(&path, unit, job.checkpointed(now), false);
        Some(path)
    }

    /// Has a job come to its end by itself, for good: its restarts are used up.
    pub fn fail(&mut self, unit: &UnitKey, now: Timestamp) {
        if let Some(job) = self.jobs.get(unit).filter(|job| job.plan.retains).cloned() {
            self.retain_checkpoint(unit, &job, now);
        }
        self.end(unit, "FAILED", now);
    }

    /// Changes the parallelism of a running job in place.
    pub fn rescale(&mut self, unit: &UnitKey, parallelism: u32, now: Timestamp) {
        if let Some(job) = self.jobs.get_mut(unit) {
            job.rescale(parallelism, now);
        }
    }

    /// Forgets a unit whose resource is gone. What lies on disk stays.
    pub fn forget(&mut self, unit: &UnitKey) {
        self.jobs.remove(unit);
        self.starts.remove(unit);
    }

    /// Puts a snapshot on disk.
    pub fn add_snapshot(&mut self, path: &str, unit: &UnitKey, records: u64, savepoint: bool) {
        self.disk.insert(respell(path), Snapshot { records, unit: unit.clone(), savepoint });
    }

    /// Deletes a snapshot from disk.
    pub fn dispose(&mut self, path: &str) {
        self.disk.retain(|known, _| normalise(known) != normalise(path));
    }

    /// Everything on disk, by path; running jobs' checkpoints are there only once they stopped.
    pub fn disk(&self) -> &BTreeMap<String, Snapshot> {
        &self.disk
    }

    /// Whether there is something to restore from at a path.
    pub fn has(&self, path: &str, now: Timestamp) -> bool {
        self.find(path, now).is_some()
    }

    fn find(&self, path: &str, now: Timestamp) -> Option<u64> {
        let wanted = normalise(path);
        let stored = self.disk.iter().find(|(known, _)| normalise(known) == wanted);
        let running = || {
            let is = |job: &&Job| job.last_checkpoint_path(now).is_some_and(|it| normalise(&it) == wanted);
            self.jobs.values().find(is).map(|job| job.checkpointed(now))
        };
        let believed = || self.is_rehearsal().then_some(0);
        stored.map(|(_, snapshot)| snapshot.records).or_else(running).or_else(believed)
    }

    /// What a person sees of a unit's job.
    pub fn view(&self, unit: &UnitKey, now: Timestamp) -> Option<JobView> {
        let job = self.jobs.get(unit)?;
        Some(JobView {
            records: job.records(now),
            state: job.state(now),
            restored_from: job.restored_from.clone(),
            parallelism: job.plan.parallelism,
            starts: self.starts.get(unit).copied().unwrap_or_default(),
        })
    }

    /// How a unit's savepoints go: what was set for it, else what its configuration says.
    pub fn behaviour(&self, unit: &UnitKey) -> Behaviour {
        let own = || self.jobs.get(unit).map(|job| job.plan.behaviour);
        self.behaviours.get(unit).copied().or_else(own).unwrap_or_default()
    }

    /// Makes a unit's savepoints go as said, whatever its configuration says.
    pub fn set_behaviour(&mut self, unit: &UnitKey, behaviour: Behaviour) {
        self.behaviours.insert(unit.clone(), behaviour);
    }

    /// Makes a running job restart over and over, or lets it run again.
    pub fn set_restarting(&mut self, unit: &UnitKey, restarting: bool, now: Timestamp) {
        if let Some(job) = self.jobs.get_mut(unit) {
            job.set_restarting(restarting, now);
        }
    }
}

/// What Flink says about a path that is not there.
fn missing(path: &str) -> String {
    format!("Cannot find checkpoint or savepoint file/directory '{path}' on file system 'file'.")
}

/// Flink gives local paths back with one slash.
fn respell(path: &str) -> String {
    match path.strip_prefix("file:///") {
        Some(rest) => format!("file:/{}", rest.trim_end_matches('/')),
        None => path.trim_end_matches('/').to_owned(),
    }
}
