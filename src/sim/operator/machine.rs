//! The operator's reconciliation of one resource, as a state machine over values: [`Machine::tick`] looks at
//! an object and says what is written and when to look again. It knows neither a store nor a clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::effect::{Effect, Said, event, hash};
use super::flink::{Flink, Phase};
use super::spec::injected_defaults;
use super::status::error;
use super::subject::{Memory, Step, Subject, Work, has_finalizer};
use super::timings::{Mode, Timings};
use crate::flink::kind::{ObjectKey, Role, finalizer};
use crate::flink::pointer::At as _;
use crate::flink::validate::ALLOWED_SCHEMES;

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
    /// What the operator itself is configured with: defaults for every resource.
    pub(super) defaults: Arc<BTreeMap<String, String>>,
    /// Flink: outlives the operator.
    pub flink: Flink,
    pub(super) memory: BTreeMap<ObjectKey, Memory>,
    /// Generations that another operator refused, by rules that need not be known here.
    pub(super) refused: BTreeMap<ObjectKey, i64>,
}

impl Machine {
    /// An operator that has just been installed.
    pub fn new(mode: Mode, scale: f64) -> Self {
        let timings = Timings::observed(mode, scale);
        let flink = Flink::new(&timings);
        let (memory, refused) = (BTreeMap::new(), BTreeMap::new());
        let schemes = (ALLOWED_SCHEMES.to_owned(), "https;http;file;local".to_owned());
        Self { mode, timings, defaults: Arc::new([schemes].into()), flink, memory, refused }
    }

    /// Forgets all that a restart of the operator forgets.
    pub fn restart(&mut self) {
        self.memory.clear();
    }

    /// Whether something is under way for a resource.
    pub fn is_busy(&self, key: &ObjectKey) -> bool {
        self.memory.get(key).is_some_and(|memory| memory.work.is_some())
    }

    /// Looks at one FlinkDeployment or FlinkSessionJob. `cluster` is the session job's, `jobs` the names
    /// of the session jobs of a cluster.
    pub fn tick(&mut self, object: &Value, cluster: Option<&Value>, jobs: &[String], now: Timestamp) -> Tick {
        let Some(mut subject) = self.subject(object, cluster, now) else { return Tick::default() };
        let due = if object["metadata"].get("deletionTimestamp").is_some() {
            let due = self.clean_up(&mut subject, jobs);
            write_status(&mut subject);
            due
        } else if has_finalizer(object) {
            let due = self.reconcile(&mut subject);
            self.write_condition(&mut subject, due)
        } else {
            self.introduce(&mut subject);
            None
        };
        Tick { effects: subject.effects, due: due.map(|after| now + after) }
    }

    pub(super) fn subject<'a>(
        &self,
        object: &'a Value,
        cluster: Option<&'a Value>,
        now: Timestamp,
    ) -> Option<Subject<'a>> {
        Subject::new(object, cluster, self.mode, self.defaults.clone(), now)
    }

    /// The finalizer comes first, and with 1.7 the defaults of the spec.
    fn introduce(&self, subject: &mut Subject<'_>) {
        let mut patch = json!({"metadata": {"finalizers": [finalizer(subject.key.kind.as_str())]}});
        if !self.mode.is_modern() {
            patch["spec"] = injected_defaults(subject.spec());
        }
        subject.effects.push(Effect::Merge { key: subject.object_key(), patch });
    }

    /// What was only observed reaches the condition a moment later than the rest of the status.
    fn write_condition(&self, subject: &mut Subject<'_>, due: Option<Duration>) -> Option<Duration> {
        let observed = subject.effects.iter().any(|it| matches!(it, Effect::Status { .. }));
        let Some(condition) = subject.status.next_condition(subject.now) else {
            write_status(subject);
            return due;
        };
        if observed && subject.status == subject.written {
            return Some(self.timings.reaction);
        }
        subject.status.condition = Some(condition);
        write_status(subject);
        due
    }

    fn reconcile(&mut self, subject: &mut Subject<'_>) -> Option<Duration> {
        if let Some(wait) = self.go_on(subject) {
            return Some(wait);
        }
        if subject.role == Role::SessionJob && !self.has_cluster(subject) {
            return subject.cluster.map(|_| self.timings.reconcile);
        }
        if subject.status.last.is_none() && subject.wants_suspended() {
            return None;
        }
        if start_over(subject) {
            return Some(self.timings.blink);
        }
        if self.is_unanswered(subject) {
            return Some(self.begin(subject, Step::Ask, self.timings.timeout));
        }
        self.observe(subject);
        let refused = self.refuse(subject);
        write_status(subject);
        Some(if refused { self.timings.reconcile } else { self.act(subject) })
    }

    /// A session job does nothing without its cluster, and keeps its status while that is not ready.
    fn has_cluster(&mut self, subject: &mut Subject<'_>) -> bool {
        let Some(cluster) = subject.cluster else {
            self.say(
                subject,
                "Warning",
                ("UnsupportedFlinkVersion", "Operator"),
                "Flink version null is not supported by this operator version",
            );
            return false;
        };
        let application = cluster["spec"].get("job").is_some_and(|job| !job.is_null());
        let ready = cluster.at("/status/jobManagerDeploymentStatus") == Some(&json!("READY"));
        if application || ready {
            return true;
        }
        if subject.status.error.as_deref().is_some_and(|it| it.contains("Connection refused")) {
            let cause = "java.lang.NullPointerException: Cannot invoke \"FlinkService.getJobStatus\" because it is null";
            let text = error("java.lang.RuntimeException", "Failed to list jobs", None, Some(cause));
            subject.status.error = Some(text);
        }
        false
    }

    /// Whether a session job's cluster counts as ready and is none any more.
    pub(super) fn is_unanswered(&self, subject: &Subject<'_>) -> bool {
        subject.role == Role::SessionJob
            && subject.status.reconciliation == "DEPLOYED"
            && subject.status.last.as_ref().is_some_and(|last| !last.is_suspended())
            && self.flink.phase(&subject.cluster_key(), subject.now) != Phase::Ready
    }

    /// Goes on with what was begun; `None` where nothing is under way.
    fn go_on(&mut self, subject: &mut Subject<'_>) -> Option<Duration> {
        let mut work = self.memory_of(subject).work.take()?;
        if subject.now < work.until {
            work.woken = true;
            self.memory_of(subject).work = Some(work);
            return Some(work.until.duration_since(subject.now).unsigned_abs());
        }
        let wait = match work.step {
            Step::Stop(stop) => self.stopped(subject, stop),
            Step::Kill => self.killed(subject),
            Step::Remove => self.removed(subject),
            Step::Deploy => self.deployed(subject),
            Step::Redeploy => self.redeployed(subject),
            Step::Recover => self.recovered(subject),
            Step::Ask => self.unanswered(subject),
            Step::CleanUp => return None,
        };
        let soon = self.timings.reaction;
        Some(match &mut self.memory_of(subject).work {
            Some(next) => {
                next.woken = work.woken;
                wait
            }
            None if work.woken => wait.min(soon),
            None => wait,
        })
    }

    pub(super) fn begin(&mut self, subject: &Subject<'_>, step: Step, takes: Duration) -> Duration {
        let work = Work { step, until: subject.now + takes, woken: false };
        self.memory_of(subject).work = Some(work);
        takes
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

    pub(super) fn memory_of(&mut self, subject: &Subject<'_>) -> &mut Memory {
        self.memory.entry(subject.object_key()).or_default()
    }
}

/// Writes the status if it is another than the one written last.
pub(super) fn write_status(subject: &mut Subject<'_>) {
    if subject.status != subject.written {
        let status = subject.status.to_json(&subject.key.name);
        subject.effects.push(Effect::Status { key: subject.object_key(), status });
        subject.written = subject.status.clone();
    }
}

/// A first deployment that did not come off is begun from nothing: for a moment nothing is on record.
fn start_over(subject: &mut Subject<'_>) -> bool {
    let first = subject.status.last.as_ref().is_some_and(|last| last.first);
    let over = first && subject.status.reconciliation == "UPGRADING";
    if over {
        subject.status.last = None;
    }
    over
}
