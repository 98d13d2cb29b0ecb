//! Remembers what the API server refused, so that it is not asked the same thing over and over.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::cluster::WriteError;
use crate::flink::kind::{ObjectKey, UnitKey};
use crate::plan::Write;
use crate::plan::ledger::ANNOTATION_OPERATION;
use crate::plan::write::Task;

/// The pause after the second conflict in a row; the first is planned again at once.
const CONFLICT: Duration = Duration::from_millis(50);
/// So many conflicts in a row are no coincidence.
const CONFLICTS: u32 = 8;
/// The shortest pause after content that was refused; doubled each time.
const REFUSED: Duration = Duration::from_secs(30);
/// The shortest pause after a passing trouble; doubled each time.
const TROUBLE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(600);
/// When so many different writes meet a passing trouble, and none gets through, it is the API server's own.
const OUTAGE: usize = 3;
/// The longest pause of everything while the API server itself is in trouble.
const LONGEST_OUTAGE: Duration = Duration::from_secs(60);

/// The refusals that still count.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    writes: BTreeMap<Slot, Refusal>,
    /// What met a passing trouble since the API server last did what it was asked, or said why not.
    troubled: BTreeSet<Slot>,
    outage: Option<Outage>,
}

/// What may be tried one at a time.
type Slot = (ObjectKey, &'static str);

#[derive(Debug)]
struct Outage {
    /// Until when nothing at all is tried.
    until: Instant,
    times: u32,
}

#[derive(Debug)]
struct Refusal {
    unit: Option<UnitKey>,
    content: u64,
    message: String,
    lasting: bool,
    times: u32,
    until: Instant,
}

impl Refusals {
    /// Whether a task should not be tried yet.
    pub(super) fn hold(&self, task: &Task) -> bool {
        let now = Instant::now();
        let refusal = self.writes.get(&slot(task));
        self.is_outage()
            || refusal.is_some_and(|refusal| refusal.content == content(task) && now < refusal.until)
    }

    /// Remembers why a task failed; answers whether that is news: a trouble of the API server itself is so
    /// for the first few tasks that meet it, however many there are.
    pub(super) fn remember(&mut self, task: &Task, error: &WriteError) -> bool {
        let known = self.endure(task, error);
        let content = content(task);
        let message = error.to_string();
        let before = self.writes.get(&slot(task)).filter(|before| before.content == content);
        let before = before.filter(|before| before.message == message);
        let news = before.is_none();
        let times = before.map_or(0, |before| before.times + 1);
        let (shortest, lasting) = match error {
            WriteError::LeaseLost { .. } => return false,
            WriteError::Conflict { .. } if times == 0 => (Duration::ZERO, false),
            WriteError::Conflict { .. } => (CONFLICT, times >= CONFLICTS),
            WriteError::Rejected { .. } | WriteError::Forbidden { .. } => (REFUSED, true),
            WriteError::Transient { retry_after, .. } => (retry_after.unwrap_or(TROUBLE), false),
        };
        let pause = shortest.saturating_mul(1 << times.min(16)).min(LONGEST.max(shortest));
        let until = Instant::now() + pause;
        let unit = task.unit.clone();
        self.writes.insert(slot(task), Refusal { unit, content, message, lasting, times, until });
        news && !known
    }

    /// Tells the API server's own troubles from those of one write; answers whether they are known already.
    fn endure(&mut self, task: &Task, error: &WriteError) -> bool {
        let WriteError::Transient { retry_after, .. } = error else {
            self.answered();
            return false;
        };
        self.troubled.insert(slot(task));
        if self.troubled.len() < OUTAGE {
            return false;
        }
        let times = self.outage.as_ref().map_or(0, |outage| outage.times + 1);
        let pause = TROUBLE.saturating_mul(1 << times.min(16)).min(LONGEST_OUTAGE);
        let until = Instant::now() + pause.max(retry_after.unwrap_or_default());
        self.outage = Some(Outage { until, times });
        times > 0
    }

    /// The API server does what it is asked, or says why not.
    fn answered(&mut self) {
        self.troubled.clear();
        self.outage = None;
    }

    /// Forgets what was refused before a task that has now been done.
    pub(super) fn succeeded(&mut self, task: &Task) {
        self.answered();
        self.writes.remove(&slot(task));
    }

    /// Forgets refusals of what is not wanted any more: `tasks` is everything that is.
    pub(super) fn keep(&mut self, tasks: &[Task]) {
        self.writes.retain(|key, refusal| {
            tasks.iter().any(|task| slot(task) == *key && content(task) == refusal.content)
        });
        // What is not wanted any more was done although the answer was lost, or is of no interest.
        self.troubled.retain(|key| tasks.iter().any(|task| slot(task) == *key));
        if self.troubled.is_empty() {
            self.outage = None;
        }
    }

    /// When the next of them may be tried again.
    pub(super) fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        let soon = |until: &Instant| *until > now;
        let next = self.writes.values().map(|refusal| refusal.until).filter(soon).min();
        // While nothing at all is tried, it is of no use to look sooner.
        let outage = self.outage.as_ref().map(|outage| outage.until).filter(soon);
        next.into_iter().chain(outage).max()
    }

    /// Whether nothing at all is tried for now, so that what is still to be done has not even been refused.
    pub(super) fn is_outage(&self) -> bool {
        self.outage.as_ref().is_some_and(|outage| Instant::now() < outage.until)
    }

    /// What met a passing trouble, and is tried again.
    pub(super) fn passing(&self) -> impl Iterator<Item = (&ObjectKey, &str)> {
        let passing = self.writes.iter().filter(|(_, refusal)| !refusal.lasting);
        passing.map(|((key, _), refusal)| (key, refusal.message.as_str()))
    }

    /// What was refused for good, with the unit it was for.
    pub(super) fn lasting(&self) -> impl Iterator<Item = (Option<&UnitKey>, &ObjectKey, &str)> {
        self.writes
            .iter()
            .filter(|(_, refusal)| refusal.lasting)
            .map(|((key, _), refusal)| (refusal.unit.as_ref(), key, refusal.message.as_str()))
    }
}

fn slot(task: &Task) -> Slot {
    (task.write.key(), task.write.verb())
}

/// What a write says, apart from what is different each time it is planned: the version it is
/// conditional on, and times.
fn content(task: &Task) -> u64 {
    let mut hasher = DefaultHasher::new();
    match &task.write {
        // A record of ours: it names the time it was made.
        _ if !task.event => {}
        Write::Create { object } | Write::Replace { object } | Write::Apply { object, .. } => {
            unversioned(object).hash(&mut hasher);
        }
        Write::Patch { patch, .. } => unversioned(patch).hash(&mut hasher),
        Write::Delete { uid, .. } => uid.hash(&mut hasher),
    }
    hasher.finish()
}

fn unversioned(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(ANNOTATION_OPERATION);
        }
    }
    object.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flink::kind::{API_VERSION, Kind};

    fn task(version: &str, image: &str) -> Task {
        let unit = UnitKey::new("ns", Kind::FlinkDeployment, "a");
        let key = ObjectKey::new(API_VERSION, "FlinkDeployment", "ns", "a");
        let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"image": image}});
        let write = Write::Patch { key, patch };
        Task { unit: Some(unit), write, reason: "Upgrading", message: String::new(), event: true }
    }

    fn rejected(task: &Task) -> WriteError {
        WriteError::Rejected {
            verb: "patch",
            key: task.write.key(),
            message: "no".into(),
            causes: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_content_is_held_back_whatever_its_version() {
        let mut refusals = Refusals::default();
        assert!(refusals.remember(&task("1", "bad"), &rejected(&task("1", "bad"))), "news");
        assert!(refusals.hold(&task("2", "bad")));
        assert!(!refusals.hold(&task("2", "good")));
        tokio::time::advance(REFUSED).await;
        assert!(!refusals.hold(&task("2", "bad")), "tried again after a while");
        assert!(!refusals.remember(&task("2", "bad"), &rejected(&task("1", "bad"))), "no news");
        tokio::time::advance(REFUSED).await;
        assert!(refusals.hold(&task("2", "bad")), "the pause is longer the second time");
    }

    #[tokio::test(start_paused = true)]
    async fn one_conflict_is_planned_again_at_once_and_many_are_a_failure() {
        let mut refusals = Refusals::default();
        let conflict = WriteError::Conflict { verb: "patch", key: task("1", "a").write.key() };
        refusals.remember(&task("1", "a"), &conflict);
        assert!(!refusals.hold(&task("2", "a")));
        for version in 2..10 {
            refusals.remember(&task(&version.to_string(), "a"), &conflict);
            assert!(refusals.hold(&task("99", "a")), "no hammering");
        }
        assert_eq!(refusals.lasting().count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_is_refused_is_held_back_though_it_names_another_time() {
        let record = |time: &str| {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "ns", "name": "a"}, "data": {"time": time}});
            Task { write: Write::Create { object }, event: false, ..task("1", "a") }
        };
        let mut refusals = Refusals::default();
        refusals.remember(&record("1"), &rejected(&record("1")));
        assert!(refusals.hold(&record("2")));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_wanted_any_more_is_forgotten() {
        let mut refusals = Refusals::default();
        refusals.remember(&task("1", "bad"), &rejected(&task("1", "bad")));
        refusals.keep(&[task("1", "good")]);
        assert_eq!(refusals.lasting().count(), 0);
        assert_eq!(refusals.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_pauses_everything_and_is_told_of_a_few_tasks_only() {
        let mut refusals = Refusals::default();
        let at = |name: &str| {
            let Write::Patch { patch, .. } = task("1", "a").write else { unreachable!() };
            let key = ObjectKey::new(API_VERSION, "FlinkDeployment", "ns", name);
            Task { write: Write::Patch { key, patch }, ..task("1", "a") }
        };
        let refused = |task: &Task| WriteError::Transient {
            verb: "patch",
            key: task.write.key(),
            message: "connection refused".into(),
            retry_after: None,
        };
        let mut told = 0;
        let mut tries = 0;
        for _ in 0..3600 {
            for name in ["a", "b", "c", "d", "e", "f"] {
                let task = at(name);
                if !refusals.hold(&task) {
                    tries += 1;
                    told += usize::from(refusals.remember(&task, &refused(&task)));
                }
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(told, OUTAGE, "of those that met it first");
        assert!(tries < 80, "about one a minute for all together: {tries}");
        let mut alone = Refusals::default();
        for _ in 0..9 {
            alone.remember(&at("a"), &refused(&at("a")));
        }
        assert!(!alone.hold(&at("b")), "one write that fails, however often, holds back no other");
        refusals.succeeded(&at("a"));
        assert!(!refusals.hold(&at("new")), "over with the first that goes through");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_of_what_was_done_in_spite_of_it_ends_at_once() {
        let mut refusals = Refusals::default();
        let lost = |task: &Task| WriteError::Transient {
            verb: "patch",
            key: task.write.key(),
            message: "no answer within 30 s".into(),
            retry_after: None,
        };
        let at = |name: &str| {
            let key = ObjectKey::new(API_VERSION, "FlinkDeployment", "ns", name);
            Task { write: Write::Patch { key, patch: json!({}) }, ..task("1", "a") }
        };
        for task in ["a", "b", "c"].map(at) {
            refusals.remember(&task, &lost(&task));
        }
        assert!(refusals.is_outage() && refusals.hold(&at("other")));
        assert!(refusals.next().is_some(), "it is looked at again");
        refusals.keep(&[at("other")]);
        assert!(!refusals.is_outage() && !refusals.hold(&at("other")), "none of them is wanted any more");
    }

    #[tokio::test(start_paused = true)]
    async fn the_api_servers_own_pause_is_kept() {
        let mut refusals = Refusals::default();
        let busy = WriteError::Transient {
            verb: "patch",
            key: task("1", "a").write.key(),
            message: "too many requests".into(),
            retry_after: Some(Duration::from_secs(7)),
        };
        refusals.remember(&task("1", "a"), &busy);
        assert_eq!(refusals.next(), Some(Instant::now() + Duration::from_secs(7)));
        assert_eq!(refusals.lasting().count(), 0, "it may pass");
    }
}
