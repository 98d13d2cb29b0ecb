//! What an operator says about each unit, one state after the other, and when two operators agree.
//!
//! Two traces agree if they name the same units and each unit goes through the same states in the same
//! order, once these are left out of both:
//!
//! - a state that equals the one before it, since what is not in it may change;
//! - a *passing* state ([`State::is_passing`]), which an operator shows only if it happens to look at Flink in
//!   that moment.
//!
//! Nothing else is left out: neither how often a unit goes through a state, nor the first one, nor the last.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Result, bail};
use flinkops::flink::kind::Kind;
use flinkops::flink::status::Status;
use futures::StreamExt as _;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::Value;
use tokio::task::JoinSet;

/// What a gate looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The unit as its operator sees it.
    There {
        generation: i64,
        lifecycle: String,
        job_manager: String,
        job: String,
        reconciliation: String,
        /// The generation acted upon, and the state that the job was given by it.
        observed: Option<i64>,
        given: Option<String>,
    },
    Gone,
}

impl State {
    /// Reads a live object.
    pub fn of(object: &Value) -> Self {
        let status = Status::parse(&object["status"]);
        Self::There {
            generation: object["metadata"]["generation"].as_i64().unwrap_or_default(),
            lifecycle: status.lifecycle,
            job_manager: status.job_manager,
            job: status.job,
            reconciliation: status.reconciliation,
            observed: status.generation,
            given: status.last_reconciled.and_then(|last| last.job_state),
        }
    }

    /// Whether it lasts no longer than Flink takes to get a job or a JobManager going, or a job down.
    fn is_passing(&self) -> bool {
        matches!(self, Self::There { job, .. } if ["INITIALIZING", "CREATED", "FAILING"].contains(&job.as_str()))
            || matches!(self, Self::There { job_manager, .. } if job_manager == "DEPLOYED_NOT_READY")
            // A JobManager answers before it has begun with the job; a session job's is none of its own, and one that
            // was stable is lost then.
            || matches!(self, Self::There { lifecycle, job_manager, job, .. }
                if job == "RECONCILING" && (job_manager == "READY" || (lifecycle == "DEPLOYED" && job_manager.is_empty())))
    }

    /// Whether the unit runs, as far as the operator knows.
    pub fn runs(&self) -> bool {
        let Self::There { job_manager, job, given, .. } = self else { return false };
        // A session cluster is given no job.
        job == "RUNNING" || (given.is_none() && job_manager == "READY")
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::There { generation, lifecycle, job_manager, job, reconciliation, observed, given } = self
        else {
            return f.write_str("gone");
        };
        let word = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let observed = observed.map_or_else(|| "-".to_owned(), |generation| generation.to_string());
        let given = given.as_deref().unwrap_or("-");
        write!(
            f,
            "{generation} {} {} {} {} {observed}:{given}",
            word(lifecycle),
            word(job_manager),
            word(job),
            word(reconciliation)
        )
    }
}

/// The states of units by name, each other than the one before.
#[derive(Clone, Debug, Default)]
pub struct Trace(BTreeMap<String, Vec<State>>);

impl Trace {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a state that was seen.
    pub fn note(&mut self, name: &str, state: State) {
        let states = self.0.entry(name.to_owned()).or_default();
        if states.last() != Some(&state) {
            states.push(state);
        }
    }

    /// Everything so far; what follows begins with the last state of each unit that is there.
    pub fn take(&mut self) -> Self {
        let last = self.0.iter().filter_map(|(name, states)| {
            Some((name.clone(), vec![states.last().filter(|state| **state != State::Gone)?.clone()]))
        });
        let last = Self(last.collect());
        std::mem::replace(self, last)
    }

    /// How a unit is now.
    fn last(&self, name: &str) -> Option<&State> {
        self.0.get(name)?.last()
    }

    /// The first difference from another trace, in words; `None` where they agree.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        names.into_iter().find_map(|name| {
            let (one, other) = (self.lasting(name), other.lasting(name));
            let at = (0..one.len().max(other.len())).find(|&at| one.get(at) != other.get(at))?;
            let word = |states: &[&State]| states.get(at).map_or("nothing".to_owned(), ToString::to_string);
            Some(format!("{name}, state {at}: {} here, {} there", word(&one), word(&other)))
        })
    }

    /// How many states two traces are compared by.
    pub fn states(&self) -> usize {
        self.0.keys().map(|name| self.lasting(name).len()).sum()
    }

    fn lasting(&self, name: &str) -> Vec<&State> {
        let states = self.0.get(name).into_iter().flatten();
        let mut lasting: Vec<&State> = states.filter(|state| !state.is_passing()).collect();
        lasting.dedup();
        lasting
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, states)| {
            writeln!(f, "  {name}:")?;
            states.iter().try_for_each(|state| writeln!(f, "    {state}"))
        })
    }
}

/// Watches the units of a namespace until it is dropped.
pub struct Recorder {
    seen: Arc<Mutex<Seen>>,
    _watches: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    trace: Trace,
    /// Every id that the job of a unit ever had.
    ids: BTreeMap<String, BTreeSet<String>>,
}

impl Recorder {
    pub fn start(objects: impl Fn(Kind) -> Api<DynamicObject>) -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let mut watches = JoinSet::new();
        for kind in [Kind::FlinkDeployment, Kind::FlinkSessionJob] {
            watches.spawn(watch(objects(kind), Arc::clone(&seen)));
        }
        Self { seen, _watches: watches }
    }

    /// What was recorded since the last time.
    pub fn take(&self) -> Trace {
        self.seen().trace.take()
    }

    /// Whether a unit runs now.
    pub fn runs(&self, name: &str) -> bool {
        self.seen().trace.last(name).is_some_and(State::runs)
    }

    /// How the job of a unit is now.
    pub fn job(&self, name: &str) -> Option<String> {
        match self.seen().trace.last(name)? {
            State::There { job, .. } => Some(job.clone()),
            State::Gone => None,
        }
    }

    /// How many ids the job of a unit had so far.
    pub fn ids(&self, name: &str) -> usize {
        self.seen().ids.get(name).map_or(0, BTreeSet::len)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic under lock")
    }
}

/// Fails where the model differs from what happened.
pub fn agree(what: &str, real: &Trace, model: &Trace) -> Result<()> {
    let Some(difference) = real.difference(model) else { return Ok(()) };
    bail!("{what}: the model differs: {difference}\nreal:\n{real}model:\n{model}")
}

async fn watch(objects: Api<DynamicObject>, seen: Arc<Mutex<Seen>>) {
    let mut events = std::pin::pin!(watcher(objects, watcher::Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        let (object, gone) = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => (object, false),
            Ok(Event::Delete(object)) => (object, true),
            _ => continue,
        };
        let name = object.name_any();
        let object = serde_json::to_value(object).expect("an object is JSON");
        let mut seen = seen.lock().expect("no panic under lock");
        if let Some(id) = object.pointer("/status/jobStatus/jobId").and_then(Value::as_str) {
            seen.ids.entry(name.clone()).or_default().insert(id.to_owned());
        }
        seen.trace.note(&name, if gone { State::Gone } else { State::of(&object) });
    }
}

#[test]
fn traces_agree_but_for_what_passes() {
    let state = |generation: i64, job: &str| {
        State::of(&serde_json::json!({
            "metadata": {"generation": generation}, "status": {"lifecycleState": "DEPLOYED", "jobStatus": {"state": job}},
        }))
    };
    let trace = |states: &[State]| {
        let mut trace = Trace::new();
        for state in states {
            trace.note("job", state.clone());
        }
        trace
    };
    let one = trace(&[state(1, "RESTARTING"), state(1, "CREATED"), state(1, "RUNNING")]);
    let agrees = |states: &[State]| one.difference(&trace(states)).is_none();
    assert!(agrees(&[state(1, "RESTARTING"), state(1, "RUNNING")]), "a passing state");
    assert!(agrees(&[state(1, "RESTARTING"), state(1, "RESTARTING"), state(1, "RUNNING")]), "twice the same");
    assert!(!agrees(&[state(1, "RUNNING")]), "one less");
    assert!(!agrees(&[state(1, "RUNNING"), state(1, "RESTARTING")]), "another order");
    assert!(!agrees(&[state(1, "RESTARTING"), state(2, "RESTARTING"), state(1, "RUNNING")]), "one more");
    assert!(!agrees(&[state(1, "RESTARTING"), state(1, "RUNNING"), State::Gone]), "another end");
    assert!(one.difference(&Trace::new()).is_some(), "another unit");
}
