//! What the operator says about each unit, one state after the other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

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

/// The states of units by name, each other than the one before.
pub type Trace = BTreeMap<String, Vec<State>>;

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

/// Watches the units of a namespace until it is dropped.
pub struct Recorder {
    trace: Arc<Mutex<Trace>>,
    _watches: JoinSet<()>,
}

impl Recorder {
    pub fn start(objects: impl Fn(Kind) -> Api<DynamicObject>) -> Self {
        let trace: Arc<Mutex<Trace>> = Arc::default();
        let mut watches = JoinSet::new();
        for kind in [Kind::FlinkDeployment, Kind::FlinkSessionJob] {
            watches.spawn(watch(objects(kind), Arc::clone(&trace)));
        }
        Self { trace, _watches: watches }
    }

    /// What was recorded since the last time; each unit begins with the state it had then.
    pub fn take(&self) -> Trace {
        let mut trace = self.trace.lock().expect("no panic under lock");
        let last = trace.iter().filter_map(|(name, states)| {
            Some((name.clone(), vec![states.last().filter(|state| **state != State::Gone)?.clone()]))
        });
        let last = last.collect();
        std::mem::replace(&mut *trace, last)
    }
}

async fn watch(objects: Api<DynamicObject>, trace: Arc<Mutex<Trace>>) {
    let mut events = std::pin::pin!(watcher(objects, watcher::Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        let (name, state) = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                let name = object.name_any();
                (name, State::of(&serde_json::to_value(object).expect("an object is JSON")))
            }
            Ok(Event::Delete(object)) => (object.name_any(), State::Gone),
            _ => continue,
        };
        let mut trace = trace.lock().expect("no panic under lock");
        let states = trace.entry(name).or_default();
        if states.last() != Some(&state) {
            states.push(state);
        }
    }
}

/// For people: one line per unit.
pub fn show(trace: &Trace) -> String {
    let line = |(name, states): (&String, &Vec<State>)| {
        let states: Vec<_> = states.iter().map(ToString::to_string).collect();
        format!("  {name}:\n    {}", states.join("\n    "))
    };
    trace.iter().map(line).collect::<Vec<_>>().join("\n")
}
