//! The operator's reconciliation of one resource, as a state machine over values: [`Machine::tick`] looks at
//! an object and says what is written and when to look again. It knows neither a store nor a clock.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::effect::{Effect, Said, event, finalizer, hash};
use super::flink::{Fate, Flink, JobPlan, Phase};
use super::snapshots::upgrade_snapshot;
use super::spec::{Recorded, fill, injected_defaults};
use super::status::{LegacySavepoint, Status, error};
use super::timings::{Mode, Timings};
use super::upgrade::{Situation, Stop, decide};
use crate::flink::config::{self, HIGH_AVAILABILITY};
use crate::flink::diff::{DeploymentMode, DiffType, FieldDiff, diff, reaction};
use crate::flink::kind::{Kind, ObjectKey, Role, UnitKey};
use crate::flink::savepoint::LAST_STATE_DUMMY;
use crate::flink::validate::{ALLOWED_SCHEMES, Proposal, validate};

/// What is under way for one resource, and lost when the operator restarts.
#[derive(Clone, Debug, Default)]
enum Work {
    #[default]
    None,
    /// The job is being stopped.
    Stopping(Stop, Timestamp),
    /// The cluster is being removed.
    Removing(Timestamp),
    /// The cluster is being deployed, or the job submitted.
    Deploying(Timestamp),
    /// The resource is being cleaned up.
    Cleaning(Timestamp),
}

/// What the operator remembers of one resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    work: Work,
    attempts: u32,
    said: BTreeMap<String, (Timestamp, u32)>,
    announced: i64,
}

/// What a tick came to.
#[derive(Debug, Default)]
pub struct Tick {
    /// What is written.
    pub effects: Vec<Effect>,
    /// When to look again even if nothing changes.
    pub due: Option<Timestamp>,
}

/// The operator and the Flink behind it.
#[derive(Debug)]
pub struct Machine {
    pub(super) mode: Mode,
    pub(super) timings: Timings,
    /// Flink: outlives the operator.
    pub flink: Flink,
    pub(super) memory: BTreeMap<ObjectKey, Memory>,
}

/// One resource at one time, with what is being written about it.
pub(super) struct Subject<'a> {
    pub object: &'a Value,
    pub cluster: Option<&'a Value>,
    pub key: UnitKey,
    pub role: Role,
    pub status: Status,
    pub now: Timestamp,
    pub effects: Vec<Effect>,
}

impl Subject<'_> {
    pub fn object_key(&self) -> ObjectKey {
        (&self.key).into()
    }

    fn spec(&self) -> &Value {
        self.object.get("spec").unwrap_or(&Value::Null)
    }

    fn generation(&self) -> i64 {
        self.object["metadata"]["generation"].as_i64().unwrap_or_default()
    }

    fn cluster_key(&self) -> UnitKey {
        self.key.cluster(self.spec()).unwrap_or_else(|| self.key.clone())
    }

    fn wants_suspended(&self) -> bool {
        self.spec().pointer("/job/state") == Some(&json!("suspended"))
    }

    fn configuration(&self) -> BTreeMap<String, String> {
        config::effective(self.cluster.and_then(|it| it.get("spec")), self.spec())
    }
}

impl Machine {
    /// An operator that has just been installed.
    pub fn new(mode: Mode, scale: f64) -> Self {
        let timings = Timings::observed(mode, scale);
        Self { mode, timings, flink: Flink::new(timings), memory: BTreeMap::new() }
    }

    /// Forgets all that a restart of the operator forgets.
    pub fn restart(&mut self) {
        self.memory.clear();
    }

    /// Looks at one FlinkDeployment or FlinkSessionJob. `cluster` is the session job's, `jobs` the names
    /// of the session jobs of a cluster.
    pub fn tick(&mut self, object: &Value, cluster: Option<&Value>, jobs: &[String], now: Timestamp) -> Tick {
        let Some(key) = unit_key(object) else { return Tick::default() };
        let role = Role::of(key.kind, &object["spec"]);
        let status = Status::read(object, role, self.mode);
        let mut subject = Subject { object, cluster, key, role, status, now, effects: Vec::new() };
        let due = if object["metadata"].get("deletionTimestamp").is_some() {
            self.clean_up(&mut subject, jobs)
        } else if has_finalizer(object) {
            self.reconcile(&mut subject)
        } else {
            self.introduce(&mut subject);
            None
        };
        self.write_status(&mut subject);
        Tick { effects: subject.effects, due: due.map(|after| now + after) }
    }

    /// The finalizer comes first, and with 1.7 the defaults of the spec.
    fn introduce(&self, subject: &mut Subject<'_>) {
        let mut patch = json!({"metadata": {"finalizers": [finalizer(subject.key.kind.as_str())]}});
        if !self.mode.is_modern() {
            patch["spec"] = injected_defaults(subject.spec());
        }
        subject.effects.push(Effect::Merge { key: subject.object_key(), patch });
    }

    fn write_status(&self, subject: &mut Subject<'_>) {
        if subject.status == Status::read(subject.object, subject.role, self.mode) {
            return;
        }
        subject.status.update_condition(subject.now);
        let status = subject.status.to_json(&subject.key.name);
        subject.effects.push(Effect::Status { key: subject.object_key(), status });
    }

    fn reconcile(&mut self, subject: &mut Subject<'_>) -> Option<Duration> {
        if let Some(wait) = self.not_ready(subject) {
            return wait;
        }
        if subject.status.last.is_none() && subject.wants_suspended() {
            return None;
        }
        if let Some(wait) = self.go_on(subject) {
            return Some(wait);
        }
        self.observe(subject);
        if self.refuse(subject) {
            return Some(self.timings.reconcile);
        }
        self.act(subject)
    }

    /// A session job does nothing without its cluster, and keeps its status while that is not ready.
    fn not_ready(&mut self, subject: &mut Subject<'_>) -> Option<Option<Duration>> {
        if subject.role != Role::SessionJob {
            return None;
        }
        let Some(cluster) = subject.cluster else {
            self.say(
                subject,
                "Warning",
                ("UnsupportedFlinkVersion", "Operator"),
                "Flink version null is not supported by this operator version",
            );
            return Some(None);
        };
        let application = cluster["spec"].get("job").is_some_and(|job| !job.is_null());
        let ready = cluster.pointer("/status/jobManagerDeploymentStatus") == Some(&json!("READY"));
        let changing = self.flink.phase(&subject.cluster_key(), subject.now) != Phase::Ready;
        (!application && (!ready || changing)).then_some(Some(self.timings.progress))
    }

    /// Goes on with what was begun; `None` where nothing is under way.
    fn go_on(&mut self, subject: &mut Subject<'_>) -> Option<Duration> {
        let work = std::mem::take(&mut self.memory_of(subject).work);
        let (Work::Stopping(_, until)
        | Work::Removing(until)
        | Work::Deploying(until)
        | Work::Cleaning(until)) = work
        else {
            return None;
        };
        if subject.now < until {
            let wait = until.duration_since(subject.now).unsigned_abs();
            self.memory_of(subject).work = work;
            return Some(wait);
        }
        match work {
            Work::Stopping(stop, _) => Some(self.stopped(subject, stop)),
            Work::Removing(_) => Some(self.removed(subject)),
            Work::Deploying(_) => Some(self.deployed(subject)),
            Work::Cleaning(_) | Work::None => None,
        }
    }

    /// Reads what Flink and the node say.
    fn observe(&mut self, subject: &mut Subject<'_>) {
        let Some(last) = subject.status.last.clone() else { return };
        if subject.status.reconciliation != "DEPLOYED" || last.is_suspended() {
            return;
        }
        if subject.role != Role::SessionJob {
            self.observe_job_manager(subject);
        }
        if subject.role.has_job() {
            self.observe_job(subject, &last);
        }
        let settled = match subject.role {
            Role::SessionCluster => subject.status.job_manager.as_deref() == Some("READY"),
            _ => matches!(subject.status.job.as_deref(), Some("RUNNING" | "FINISHED")),
        };
        if settled {
            subject.status.stable.clone_from(&subject.status.last);
            if subject.role == Role::Application {
                let parallel = self.flink.view(&subject.key, subject.now).map(|job| job.parallelism);
                subject.status.task_managers = parallel;
            }
        }
    }

    fn observe_job_manager(&mut self, subject: &mut Subject<'_>) {
        let state = match self.flink.phase(&subject.key, subject.now) {
            Phase::Ready => "READY",
            Phase::Listening => "DEPLOYED_NOT_READY",
            Phase::Starting => "DEPLOYING",
            Phase::Absent => "MISSING",
            Phase::BackOff(reason, words) => {
                let text = error("DeploymentFailedException", words, Some(reason), None);
                subject.status.error = Some(text);
                "ERROR"
            }
        };
        subject.status.job_manager = Some(state.into());
        let validation = subject.status.error.as_deref().is_some_and(|it| it.contains("ValidationException"));
        if state == "READY" && !validation {
            subject.status.error = None;
        }
    }

    fn observe_job(&mut self, subject: &mut Subject<'_>, last: &Recorded) {
        if subject.role == Role::Application && subject.status.job_manager.as_deref() != Some("READY") {
            subject.status.job = Some("RECONCILING".into());
            return;
        }
        let id = subject.status.job_id.clone().unwrap_or_default();
        let Some(state) = self.flink.job_state(&subject.key, &id, subject.now) else {
            return self.lost(subject, last);
        };
        let before = subject.status.job.replace(state.to_owned());
        if before.as_deref() != Some(state) {
            let message = format!("Job status changed from {} to {state}", before.unwrap_or_default());
            self.say(subject, "Normal", ("JobStatusChanged", "Job"), &message);
        }
        let started = self.flink.job(&subject.key, &id).map_or(0, |job| job.started().as_millisecond());
        subject.status.told = Some((subject.key.name.clone(), started, started));
        if subject.status.error.as_deref().is_some_and(|it| !it.contains("ValidationException")) {
            subject.status.error = None;
        }
    }

    /// A job that Flink does not know: resubmitted if it is stateless, lost for ever if it is not.
    fn lost(&mut self, subject: &mut Subject<'_>, last: &Recorded) {
        subject.status.job = Some("RECONCILING".into());
        let modern = self.mode.is_modern();
        let message = if modern { "Job Not Found" } else { "Missing Session Job" };
        self.say(subject, "Warning", ("Missing", "Job"), message);
        let text = if modern {
            message.to_owned()
        } else {
            error("MissingSessionJobException", message, None, None)
        };
        subject.status.error = Some(text);
        let stateless =
            subject.spec().pointer("/job/upgradeMode").and_then(Value::as_str).unwrap_or("stateless");
        if stateless == "stateless" {
            let mut suspended = last.clone();
            suspended.spec["job"]["state"] = json!("suspended");
            suspended.spec["job"]["upgradeMode"] = json!("stateless");
            subject.status.last = Some(suspended);
        }
    }

    /// A spec that breaks a rule is not acted upon: the one before stays in force.
    fn refuse(&mut self, subject: &mut Subject<'_>) -> bool {
        let operator = BTreeMap::from([(ALLOWED_SCHEMES.to_owned(), "https;http;file;local".to_owned())]);
        let proposal = Proposal {
            kind: subject.key.kind,
            name: &subject.key.name,
            spec: subject.spec(),
            previous: subject.status.last.as_ref().map(|last| &last.spec),
            operator: &operator,
            cluster: subject.cluster.and_then(|it| it.get("spec")),
        };
        let Some(violation) = validate(&proposal).into_iter().next() else { return false };
        self.say(subject, "Warning", ("ValidationError", "Operator"), &violation.message);
        subject.status.error = Some(error("ValidationException", &violation.message, None, None));
        true
    }

    /// Compares the spec with what was deployed last, and begins what that asks for.
    fn act(&mut self, subject: &mut Subject<'_>) -> Option<Duration> {
        let validation = subject.status.error.as_deref().is_some_and(|it| it.contains("ValidationException"));
        if validation && self.mode.is_modern() {
            subject.status.error = None;
        }
        let Some(last) = subject.status.last.clone() else { return Some(self.deploy_first(subject)) };
        if subject.status.reconciliation == "UPGRADING" {
            return Some(self.deploy(subject));
        }
        let diffs = self.diffs(subject, &last);
        match reaction(&diffs) {
            DiffType::Ignore => self.ignore(subject, last),
            DiffType::Scale if self.scales(subject) => self.rescale(subject, &last),
            change => {
                self.announce(subject, change, &diffs);
                self.change(subject, &last, change)
            }
        }
    }

    fn diffs(&self, subject: &Subject<'_>, last: &Recorded) -> Vec<FieldDiff> {
        let mode = DeploymentMode::of(subject.cluster.map_or(subject.spec(), |cluster| &cluster["spec"]));
        let mut diffs = diff(mode, &last.spec, &fill(subject.key.kind, subject.spec(), self.mode));
        if !self.mode.is_modern() {
            diffs.retain(|it| it.path != "/spec/job/savepointRedeployNonce");
        }
        diffs
    }

    /// A change the operator ignores: it is seen, and a snapshot nonce is obeyed.
    fn ignore(&mut self, subject: &mut Subject<'_>, mut last: Recorded) -> Option<Duration> {
        let generation = subject.generation();
        if subject.status.generation == Some(generation) {
            return Some(self.pace(subject));
        }
        subject.status.generation = Some(generation);
        let nonce = |spec: &Value, field: &str| {
            spec.pointer(&format!("/job/{field}")).cloned().unwrap_or(Value::Null)
        };
        for (field, savepoint) in [("savepointTriggerNonce", true), ("checkpointTriggerNonce", false)] {
            let wanted = nonce(subject.spec(), field);
            if !wanted.is_null() && wanted != nonce(&last.spec, field) && subject.status.job_is("RUNNING") {
                self.trigger(subject, savepoint, &wanted);
                last.spec["job"][field] = wanted;
            }
        }
        if !self.mode.is_modern() {
            last.generation = generation;
        }
        subject.status.last = Some(last);
        Some(self.timings.reconcile)
    }

    fn trigger(&mut self, subject: &mut Subject<'_>, savepoint: bool, nonce: &Value) {
        if self.mode.is_modern() {
            let object = super::snapshots::manual_snapshot(&subject.key, savepoint, subject.now);
            subject.effects.push(Effect::Create { object });
        } else if let (true, Ok(location)) = (savepoint, self.flink.savepoint(&subject.key, subject.now)) {
            let at = subject.now.as_millisecond();
            let nonce = nonce.as_i64();
            subject.status.record_legacy(&LegacySavepoint { location, at, trigger: "MANUAL", nonce });
        }
    }

    /// In place only with the adaptive scheduler of Flink 1.18 and newer.
    fn scales(&self, subject: &Subject<'_>) -> bool {
        let flat = subject.configuration();
        let adaptive = flat.get("jobmanager.scheduler").is_some_and(|it| it.eq_ignore_ascii_case("adaptive"));
        let spec = subject.cluster.map_or(subject.spec(), |cluster| &cluster["spec"]);
        let version = spec.get("flinkVersion").and_then(Value::as_str).unwrap_or_default();
        adaptive && version >= "v1_18" && subject.status.job_is("RUNNING")
    }

    fn rescale(&mut self, subject: &mut Subject<'_>, last: &Recorded) -> Option<Duration> {
        let parallelism = super::flink::parallelism(subject.spec(), &subject.configuration());
        self.flink.rescale(&subject.key, parallelism, subject.now);
        let mode = last.upgrade_mode().to_owned();
        self.record(subject, "running", &mode);
        Some(self.timings.reconcile)
    }

    fn announce(&mut self, subject: &mut Subject<'_>, change: DiffType, diffs: &[FieldDiff]) {
        let generation = subject.generation();
        if self.memory_of(subject).announced == generation {
            return;
        }
        self.memory_of(subject).announced = generation;
        let word = match change {
            DiffType::SavepointRedeploy => "SAVEPOINT_REDEPLOY",
            DiffType::Scale => "SCALE",
            _ => "UPGRADE",
        };
        let text = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or("null".into(), |it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
        };
        let fields: Vec<String> = diffs
            .iter()
            .map(|it| {
                let field = it.path.trim_start_matches("/spec/").replace('/', ".");
                format!("{field} : {} -> {}", text(&it.before), text(&it.after))
            })
            .collect();
        let message = format!(
            "{word} change(s) detected (Diff: {}Spec[{}]), starting reconciliation.",
            subject.key.kind,
            fields.join(", ")
        );
        self.say(subject, "Normal", ("SpecChanged", "JobManagerDeployment"), &message);
    }

    fn change(&mut self, subject: &mut Subject<'_>, last: &Recorded, change: DiffType) -> Option<Duration> {
        if subject.role == Role::SessionCluster {
            // The jobs are not asked: they go with the cluster.
            self.flink.stop_cluster(&subject.key, false, subject.now);
            return Some(self.begin(subject, Work::Removing, self.timings.remove));
        }
        if last.is_suspended() {
            return Some(if subject.wants_suspended() {
                self.stay_suspended(subject)
            } else {
                self.resume(subject, last)
            });
        }
        let situation = Situation {
            role: subject.role,
            spec: subject.spec(),
            change,
            status: &subject.status,
            last,
            has_kept: self.flink.has_kept(&subject.key),
        };
        let Some(stop) = decide(&situation) else { return Some(self.timings.reconcile) };
        if stop == Stop::Savepoint {
            self.say(
                subject,
                "Normal",
                ("Suspended", "JobManagerDeployment"),
                "Suspending existing deployment.",
            );
        }
        let slow = self.flink.behaviour(&subject.key) == super::flink::Behaviour::Slow;
        let takes = match stop {
            Stop::Savepoint if slow => self.timings.slow_savepoint,
            Stop::Savepoint => self.timings.savepoint,
            _ => self.timings.refuse,
        };
        Some(self.begin(subject, |until| Work::Stopping(stop, until), takes))
    }

    /// The job is stopped; a suspended one rests, any other is deployed anew.
    fn stopped(&mut self, subject: &mut Subject<'_>, stop: Stop) -> Duration {
        let path = match self.stop(subject, stop) {
            Ok(path) => path,
            Err(message) => {
                subject.status.error = Some(error(
                    "UpgradeFailureException",
                    "Savepoint Error",
                    None,
                    Some(&format!("java.lang.Exception: {message}")),
                ));
                return self.timings.reconcile;
            }
        };
        if self.mode.is_modern() {
            if let Some(path) = path {
                subject.status.upgrade_path = Some(path);
            }
        }
        subject.status.error = None;
        subject.status.job = Some("FINISHED".into());
        let wanted = subject
            .spec()
            .pointer("/job/upgradeMode")
            .and_then(Value::as_str)
            .unwrap_or("stateless")
            .to_owned();
        let mode = stop.mode(&wanted).to_owned();
        self.record(subject, "suspended", &mode);
        if subject.role == Role::SessionJob && self.mode.is_modern() {
            subject.status.job_id = None;
        }
        if stop == Stop::Redeploy {
            return self.redeploy(subject);
        }
        if subject.wants_suspended() {
            subject.status.stable.clone_from(&subject.status.last);
            "DEPLOYED".clone_into(&mut subject.status.reconciliation);
            if subject.role == Role::Application {
                subject.status.task_managers = Some(0);
            }
            return self.timings.reconcile;
        }
        "UPGRADING".clone_into(&mut subject.status.reconciliation);
        match subject.role {
            Role::Application => self.begin(subject, Work::Removing, self.timings.remove),
            _ => self.deploy(subject),
        }
    }

    fn stop(&mut self, subject: &mut Subject<'_>, stop: Stop) -> Result<Option<String>, String> {
        let (key, now) = (subject.key.clone(), subject.now);
        match stop {
            Stop::Savepoint => {
                let path = self.flink.stop_with_savepoint(&key, now)?;
                self.keep_upgrade_savepoint(subject, &path);
                Ok(Some(path))
            }
            Stop::Cancel => Ok(self.flink.cancel(&key, now)),
            Stop::Stateless | Stop::Redeploy => {
                self.flink.cancel(&key, now);
                subject.status.upgrade_path = None;
                subject.status.savepoint_info = Value::Null;
                if subject.role == Role::Application {
                    self.remove_cluster(subject, true);
                }
                Ok(None)
            }
            Stop::LastState => {
                self.remove_cluster(subject, false);
                Ok(Some(LAST_STATE_DUMMY.to_owned()))
            }
            Stop::Nothing => {
                let checkpoint = || None;
                Ok(subject
                    .status
                    .restore_path()
                    .or_else(checkpoint)
                    .or_else(|| self.flink.last_checkpoint(&key, now)))
            }
        }
    }

    fn remove_cluster(&mut self, subject: &mut Subject<'_>, forget: bool) {
        self.flink.stop_cluster(&subject.key, forget, subject.now);
        subject.status.job_manager = Some("MISSING".into());
    }

    fn keep_upgrade_savepoint(&mut self, subject: &mut Subject<'_>, path: &str) {
        let at = subject.now.as_millisecond();
        if self.mode.is_modern() {
            subject.effects.extend(upgrade_snapshot(&subject.key, path, subject.now));
        } else {
            let location = path.to_owned();
            subject.status.record_legacy(&LegacySavepoint { location, at, trigger: "UPGRADE", nonce: None });
        }
    }

    /// The cluster is gone.
    fn removed(&mut self, subject: &mut Subject<'_>) -> Duration {
        if subject.role == Role::SessionCluster {
            subject.status.job = Some("FINISHED".into());
            self.record(subject, "", "");
            "UPGRADING".clone_into(&mut subject.status.reconciliation);
        } else {
            self.flink.stop_cluster(&subject.key, false, subject.now);
        }
        subject.status.job_manager = Some("MISSING".into());
        self.deploy(subject)
    }

    fn deploy_first(&mut self, subject: &mut Subject<'_>) -> Duration {
        let path =
            subject.spec().pointer("/job/initialSavepointPath").and_then(Value::as_str).map(str::to_owned);
        let mode = if path.is_some() { "savepoint" } else { "stateless" };
        self.record(subject, "suspended", mode);
        if let Some(last) = &mut subject.status.last {
            last.first = true;
        }
        "UPGRADING".clone_into(&mut subject.status.reconciliation);
        if self.mode.is_modern() {
            subject.status.upgrade_path = path;
        } else if let Some(location) = path {
            let at = subject.now.as_millisecond();
            subject.status.record_legacy(&LegacySavepoint { location, at, trigger: "UNKNOWN", nonce: None });
        }
        self.deploy(subject)
    }

    /// A job that was suspended starts from what it was suspended with, unless the new spec says stateless.
    fn resume(&mut self, subject: &mut Subject<'_>, last: &Recorded) -> Duration {
        let wanted =
            subject.spec().pointer("/job/upgradeMode").and_then(Value::as_str).unwrap_or("stateless");
        let mode = if wanted == "stateless" { "stateless" } else { last.upgrade_mode() }.to_owned();
        if mode == "stateless" {
            subject.status.upgrade_path = None;
            subject.status.savepoint_info = Value::Null;
        }
        self.record(subject, "suspended", &mode);
        subject.status.error = None;
        "UPGRADING".clone_into(&mut subject.status.reconciliation);
        match subject.role {
            Role::Application => self.begin(subject, Work::Removing, self.timings.remove),
            _ => self.deploy(subject),
        }
    }

    fn stay_suspended(&mut self, subject: &mut Subject<'_>) -> Duration {
        let mode = subject.status.last.as_ref().map_or("stateless", Recorded::upgrade_mode).to_owned();
        self.record(subject, "suspended", &mode);
        subject.status.stable.clone_from(&subject.status.last);
        self.timings.reconcile
    }

    /// `savepointRedeployNonce`: the state is what the spec names, and the spec counts as stable at once.
    fn redeploy(&mut self, subject: &mut Subject<'_>) -> Duration {
        let path =
            subject.spec().pointer("/job/initialSavepointPath").and_then(Value::as_str).map(str::to_owned);
        subject.status.upgrade_path = path;
        let wait = self.deploy(subject);
        self.record(subject, "running", "savepoint");
        subject.status.stable.clone_from(&subject.status.last);
        "DEPLOYED".clone_into(&mut subject.status.reconciliation);
        subject.status.job = Some("RECONCILING".into());
        wait
    }

    /// Submits the job or makes the cluster; it takes a while.
    fn deploy(&mut self, subject: &mut Subject<'_>) -> Duration {
        let component = if subject.role == Role::SessionJob { "Job" } else { "JobManagerDeployment" };
        self.say(subject, "Normal", ("Submit", component), "Starting deployment");
        // A failed attempt's error goes with the next attempt, and may come again: it flickers.
        subject.status.error = None;
        if subject.role.has_job() {
            let id = self.flink.new_id();
            subject.status.job_id = Some(id);
        }
        if subject.role == Role::SessionJob {
            subject.status.job = Some("RECONCILING".into());
            return self.begin(subject, Work::Deploying, self.timings.submit);
        }
        self.begin(subject, Work::Deploying, self.timings.deploy)
    }

    fn deployed(&mut self, subject: &mut Subject<'_>) -> Duration {
        let flat = subject.configuration();
        let cluster = subject.cluster_key();
        if subject.role != Role::SessionJob {
            let high =
                config::first(&flat, &HIGH_AVAILABILITY).is_some_and(|it| !it.eq_ignore_ascii_case("none"));
            self.flink.start_cluster(&cluster, Fate::of(subject.spec()), high, subject.now);
            subject.status.job_manager = Some("DEPLOYING".into());
        }
        if subject.role.has_job() {
            if let Err(message) = self.submit(subject, &cluster, &flat) {
                return self.failed_to_deploy(subject, &message);
            }
            subject.status.job = Some("RECONCILING".into());
        }
        self.memory_of(subject).attempts = 0;
        subject.status.error = None;
        let mode = subject.status.last.as_ref().map_or("stateless", Recorded::upgrade_mode).to_owned();
        self.record(subject, "running", &mode);
        "DEPLOYED".clone_into(&mut subject.status.reconciliation);
        if subject.role == Role::SessionJob { self.timings.reconcile } else { self.timings.progress }
    }

    fn submit(
        &mut self,
        subject: &Subject<'_>,
        cluster: &UnitKey,
        flat: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let jar = subject.spec().pointer("/job/jarURI").and_then(Value::as_str).unwrap_or_default();
        if subject.role == Role::SessionJob && jar.contains("missing") {
            return Err(format!("java.io.FileNotFoundException: {jar} (No such file or directory)"));
        }
        let id = subject.status.job_id.clone().unwrap_or_default();
        let plan = JobPlan::new(&id, cluster, subject.spec(), flat);
        let mode = subject.status.last.as_ref().map_or("stateless", Recorded::upgrade_mode);
        let path = subject.status.restore_path().filter(|_| mode != "stateless");
        if path.as_deref() == Some(LAST_STATE_DUMMY) {
            if self.flink.submit_kept(&subject.key, plan, subject.now) {
                return Ok(());
            }
            return Err("HA metadata is not available to restore from. Manual restore required.".into());
        }
        self.flink.submit(&subject.key, plan, path.as_deref(), subject.now)
    }

    /// A submission that fails is tried again and again; its error comes and goes.
    fn failed_to_deploy(&mut self, subject: &mut Subject<'_>, message: &str) -> Duration {
        let words = message.split_once(": ").map_or(message, |(_, words)| words).to_owned();
        self.say(subject, "Warning", ("Error", "Job"), &words);
        subject.status.error = Some(error("ReconciliationException", message, None, Some(message)));
        let attempts = &mut self.memory_of(subject).attempts;
        *attempts += 1;
        let attempts = *attempts;
        self.timings.pause(attempts)
    }

    /// Writes down that this generation is acted upon, with the state and mode as they really are.
    fn record(&mut self, subject: &mut Subject<'_>, state: &str, mode: &str) {
        let mut spec = fill(subject.key.kind, subject.spec(), self.mode);
        if subject.role.has_job() {
            spec["job"]["state"] = json!(state);
            spec["job"]["upgradeMode"] = json!(mode);
        }
        let generation = subject.generation();
        let first = subject.status.last.as_ref().is_some_and(|last| last.first && state == "running");
        subject.status.last = Some(Recorded { spec, generation, first });
        subject.status.generation = Some(generation);
        subject.status.reconciled_at = subject.now.as_millisecond();
    }

    fn begin(
        &mut self,
        subject: &Subject<'_>,
        work: impl FnOnce(Timestamp) -> Work,
        takes: Duration,
    ) -> Duration {
        self.memory_of(subject).work = work(subject.now + takes);
        takes
    }

    fn pace(&self, subject: &Subject<'_>) -> Duration {
        let starting = subject.role != Role::SessionJob
            && !matches!(subject.status.job_manager.as_deref(), Some("READY" | "ERROR" | "MISSING"));
        let waking = subject.role == Role::Application
            && !subject.status.job_is("RUNNING")
            && !subject.status.is_terminal();
        if starting || waking { self.timings.progress } else { self.timings.reconcile }
    }

    fn clean_up(&mut self, subject: &mut Subject<'_>, jobs: &[String]) -> Option<Duration> {
        if !has_finalizer(subject.object) {
            return None;
        }
        if let Work::Cleaning(until) = self.memory_of(subject).work {
            if subject.now < until {
                return Some(until.duration_since(subject.now).unsigned_abs());
            }
            return self.let_go(subject);
        }
        self.say(subject, "Normal", ("Cleanup", "Operator"), &format!("Cleaning up {}", subject.key.kind));
        if self.mode.is_modern() && subject.status.last.is_some() {
            subject.status.deleting = true;
        }
        match subject.role {
            Role::SessionCluster if !jobs.is_empty() => {
                let message = format!("The session jobs [{}] should be deleted first", jobs.join(", "));
                self.say(subject, "Warning", ("CleanupFailed", "Operator"), &message);
                Some(self.timings.reconcile)
            }
            Role::SessionCluster => Some(self.begin(subject, Work::Cleaning, self.timings.remove)),
            _ => self.clean_up_job(subject),
        }
    }

    fn clean_up_job(&mut self, subject: &mut Subject<'_>) -> Option<Duration> {
        let suspended = subject.status.last.as_ref().is_none_or(Recorded::is_suspended);
        let id = subject.status.job_id.clone().unwrap_or_default();
        let state = self.flink.job_state(&subject.key, &id, subject.now);
        if subject.role == Role::SessionJob
            && state.is_none()
            && !suspended
            && !self.mode.is_modern()
            && subject.cluster.is_some()
        {
            // 1.7 asks Flink to cancel a job that is gone, again and again.
            return Some(self.timings.reconcile);
        }
        if suspended || state.is_none() {
            return self.let_go(subject);
        }
        let on_deletion = subject
            .configuration()
            .get("kubernetes.operator.job.savepoint-on-deletion")
            .is_some_and(|it| it == "true");
        if on_deletion && let Ok(path) = self.flink.savepoint(&subject.key, subject.now) {
            self.keep_upgrade_savepoint(subject, &path);
        }
        subject.status.job = Some("CANCELLING".into());
        Some(self.begin(subject, Work::Cleaning, self.timings.cancel))
    }

    fn let_go(&mut self, subject: &mut Subject<'_>) -> Option<Duration> {
        self.flink.cancel(&subject.key, subject.now);
        if subject.role != Role::SessionJob {
            self.flink.stop_cluster(&subject.key, true, subject.now);
        }
        self.flink.forget(&subject.key);
        let finalizers = json!({"metadata": {"finalizers": null}});
        subject.effects.push(Effect::Merge { key: subject.object_key(), patch: finalizers });
        subject.status = Status::read(subject.object, subject.role, self.mode);
        None
    }

    pub(super) fn say(
        &mut self,
        subject: &mut Subject<'_>,
        kind: &'static str,
        (reason, component): (&'static str, &'static str),
        message: &str,
    ) {
        let said = Said { kind, reason, component, message };
        let now = subject.now;
        let entry = self.memory_of(subject).said.entry(hash(subject.object, &said)).or_insert((now, 0));
        entry.1 += 1;
        let (first, count) = *entry;
        subject.effects.push(Effect::Event { object: event(subject.object, &said, first, now, count) });
    }

    fn memory_of(&mut self, subject: &Subject<'_>) -> &mut Memory {
        self.memory.entry(subject.object_key()).or_default()
    }
}

fn has_finalizer(object: &Value) -> bool {
    object.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

/// The key of a FlinkDeployment or FlinkSessionJob.
pub fn unit_key(object: &Value) -> Option<UnitKey> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    Some(UnitKey::new(text("/metadata/namespace")?, Kind::parse(text("/kind")?)?, text("/metadata/name")?))
}
