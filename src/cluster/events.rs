//! A Kubernetes Event for each action, on the object it was done to.
//!
//! Written in the background: an Event that cannot be written never holds up or fails an action.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Cluster;
use crate::flink::kind::ObjectKey;
use crate::plan::ledger::MANAGER;
use crate::plan::live::LiveObject;
use crate::plan::write::Task;

/// The longest note the API server takes, in bytes.
const NOTE: usize = 1024;
/// Events that may wait; beyond that they are dropped rather than kept in memory.
const WAITING: usize = 256;

/// Writes Events, in order, in the background.
pub struct Events {
    cluster: Cluster,
    sender: mpsc::Sender<(Event, ObjectReference)>,
    writer: JoinHandle<()>,
}

impl Cluster {
    /// Begins to write Events. Must be called within a tokio runtime.
    pub fn events(&self) -> Events {
        let (sender, mut waiting) = mpsc::channel::<(Event, ObjectReference)>(WAITING);
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: None };
        let recorder = Recorder::new(self.client.clone(), reporter);
        let writer = tokio::spawn(async move {
            while let Some((event, object)) = waiting.recv().await {
                if let Err(error) = recorder.publish(&event, &object).await {
                    let name = object.name.unwrap_or_default();
                    tracing::debug!(
                        reason = event.reason,
                        object = name,
                        "failed to write an Event: {error}"
                    );
                }
            }
        });
        Events { cluster: self.clone(), sender, writer }
    }
}

impl Events {
    /// Says that a task was done; `object` is what the API server answered, or what was there before.
    pub fn done(&self, task: &Task, object: Option<&LiveObject>) {
        self.record(EventType::Normal, task, &task.message, object);
    }

    /// Says that a task was refused.
    pub fn refused(&self, task: &Task, why: &str, object: Option<&LiveObject>) {
        self.record(EventType::Warning, task, &format!("{}: failed to {why}", task.message), object);
    }

    /// Waits until everything said so far is written.
    pub async fn finish(self) {
        drop(self.sender);
        if self.writer.await.is_err() {
            tracing::debug!("the writer of Events ended early");
        }
    }

    fn record(&self, type_: EventType, task: &Task, note: &str, object: Option<&LiveObject>) {
        if !task.event {
            return;
        }
        let event = Event {
            type_,
            reason: task.reason.to_owned(),
            // Masked first: a secret that is cut in half is not found any more.
            note: Some(shortened(&self.cluster.masked(note))),
            action: task.write.verb().to_owned(),
            secondary: None,
        };
        if self.sender.try_send((event, reference(&task.write.key(), object))).is_err() {
            tracing::debug!(reason = task.reason, "too many Events are waiting; one is left out");
        }
    }
}

fn reference(key: &ObjectKey, object: Option<&LiveObject>) -> ObjectReference {
    ObjectReference {
        api_version: Some(key.api_version.clone()),
        kind: Some(key.kind.clone()),
        namespace: Some(key.namespace.clone()),
        name: Some(key.name.clone()),
        uid: object.map(|object| object.uid().to_owned()).filter(|uid| !uid.is_empty()),
        ..ObjectReference::default()
    }
}

fn shortened(note: &str) -> String {
    if note.len() <= NOTE {
        return note.to_owned();
    }
    let fits = |end: &usize| note.is_char_boundary(*end);
    let end = (0..=NOTE - '…'.len_utf8()).rev().find(fits).unwrap_or_default();
    format!("{}…", &note[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_where_a_character_ends() {
        let note = shortened(&"ü".repeat(1000));
        assert!(note.len() <= NOTE && note.ends_with('…'), "{}", note.len());
        assert_eq!(shortened("short"), "short");
    }
}
