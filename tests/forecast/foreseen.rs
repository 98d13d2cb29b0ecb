//! A forecast, and the writes in it as the loop would tell them.

use std::collections::BTreeSet;
use std::sync::Mutex;

use flinkops::daemon::{Event, Progress};
use flinkops::flink::kind::{ObjectKey, UnitKey};
use flinkops::plan::Live;
use flinkops::plan::forecast::{Forecast, Model, What, forecast};
use flinkops::plan::write::Task;
use flinkops::sim::Rehearsal;
use flinkops::spec::Desired;
use jiff::Timestamp;

/// What is written, in words, one line each.
#[derive(Default)]
pub struct Log(Mutex<Vec<String>>);

impl Log {
    fn add(&self, task: &Task) {
        self.0.lock().unwrap().push(line(task));
    }

    /// Everything so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Progress for Log {
    fn tell(&self, event: &Event<'_>) {
        if let Event::Wrote(task) = event {
            self.add(task);
        }
    }
}

/// The object, the verb and the reason; a savepoint's own name is left out, since it is drawn by lot.
pub fn line(task: &Task) -> String {
    let message = match task.message.split_once("savepoint-") {
        Some((before, _)) => before,
        None => &task.message,
    };
    format!("{} {}: {}", task.write.verb(), task.write.key(), message)
}

/// A model that remembers what was written.
struct Recording {
    model: Rehearsal,
    log: Log,
}

impl Model for Recording {
    fn now(&self) -> Timestamp {
        self.model.now()
    }

    fn live(&mut self) -> &mut Live {
        self.model.live()
    }

    fn perform(&mut self, task: &Task) -> Result<(), String> {
        self.model.perform(task).inspect(|()| self.log.add(task))
    }

    fn advance(&mut self, until: Timestamp) -> BTreeSet<ObjectKey> {
        self.model.advance(until)
    }

    fn deeds(&mut self) -> Vec<(UnitKey, What)> {
        self.model.deeds()
    }
}

/// What was foreseen, and the writes in it.
pub fn foresee(desired: &Desired, live: &Live, now: Timestamp) -> (Forecast, Vec<String>) {
    let model = Rehearsal::new(live, &desired.operator, now);
    let mut recording = Recording { model, log: Log::default() };
    let forecast = forecast(desired, &mut recording, &|plan| plan);
    (forecast, recording.log.lines())
}
