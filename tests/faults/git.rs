//! Git goes wrong in the middle: it cannot be reached for a while, or the branch is reset and comes back.

use std::io::Write as _;
use std::time::Duration;

use flinkops::flink::kind::ObjectKey;
use flinkops::plan::ledger::Marker;
use flinkops::sim::Phase;
use flinkops::spec::Desired;
use flinkops::spec::policy::Mode;
use flinkops::spec::source::Revision;
use serde_json::Value;

use super::stories::{self, Story};
use super::trial::{Between, Fault, Trouble, When, complaints, end, run_alone, stand_between};
use crate::daemon::running::Running;
use crate::daemon::world::{NAMESPACE, World};

/// What happens to the branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Branch {
    Stays,
    /// Nobody reaches it for half an hour.
    OutOfReach,
    /// It is reset to what was before, and a while later what is wanted comes again on top.
    Reset,
}

/// A revision by another name.
fn as_revision(desired: &Desired, name: &str) -> Desired {
    let mut desired = desired.clone();
    desired.origin.revision = Revision::new(name);
    desired
}

async fn settled_at(running: &Running, revision: &str) {
    let key = ObjectKey::new("v1", "ConfigMap", NAMESPACE, Marker::name("orders"));
    let at = |world: &World| {
        world.sim.store().get(&key).is_some_and(|marker| marker["data"]["revision.prod"] == revision)
    };
    let waiting = async {
        while !at(&running.world) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(24 * 3600), waiting).await;
    assert!(waited.is_ok(), "never settled at {revision}:\n{}", running.world.progress.text());
    // What is noted of the last unit comes after.
    tokio::time::sleep(Duration::from_secs(5 * 60)).await;
}

/// Lives through a story by a daemon; the branch moves at a write. Answers with the number of writes and the end.
async fn live_through(story: &Story, branch: Branch, write: Option<usize>) -> (usize, Value) {
    let before = story.before.last().expect("something was there");
    let wanted = story.wanted.last().expect("something is wanted");
    let running = Running::start(Some(before.clone()), Mode::Enforce).await;
    settled_at(&running, before.revision().as_str()).await;
    let when = write.map_or(When::Never, When::AtWrite);
    let trouble = Trouble { fault: Fault::Noted, phase: Phase::After, when };
    let between = Between::of(&running.world, story, trouble);
    stand_between(&running.world, &between);
    running.shelf.push(as_revision(wanted, "wanted"));
    let mut last = "wanted";
    if write.is_some() {
        between.killed.notified().await;
        match branch {
            Branch::Stays => {}
            Branch::OutOfReach => {
                running.shelf.fail(Some("fetch: no route to host"));
                tokio::time::sleep(Duration::from_secs(30 * 60)).await;
                running.shelf.fail(None);
            }
            Branch::Reset => {
                running.shelf.push(as_revision(before, "rewritten"));
                tokio::time::sleep(Duration::from_secs(30 * 60)).await;
                running.shelf.push(as_revision(wanted, "again"));
                last = "again";
            }
        }
    }
    settled_at(&running, last).await;
    let complaints = complaints(&between);
    let world = running.stop().await;
    assert!(
        complaints.is_empty(),
        "{}: {branch:?} at {write:?}: {complaints:#?}\n{}",
        story.name,
        world.progress.text()
    );
    (between.made(), end(&world, story))
}

/// What does not depend on how often jobs were stopped on the way there, or under which revision.
fn essence(end: &Value) -> Value {
    let mut end = end.clone();
    end["marker"] = Value::Null;
    for unit in end["units"].as_array_mut().into_iter().flatten() {
        for way in
            ["starts", "savepoints taken", "savepoints on record that are on disk", "restored", "annotations"]
        {
            unit[way] = Value::Null;
        }
        unit["ledger"]["applied"] = Value::Null;
        unit["ledger"]["savepoints"] = Value::Null;
        unit["spec"]["job"]["restored"] = Value::Null;
    }
    end
}

fn whatever_becomes_of_the_branch(story: &Story) {
    let (writes, calm) = run_alone(live_through(story, Branch::Stays, None));
    for branch in [Branch::OutOfReach, Branch::Reset] {
        for write in 0..writes {
            let (_, end) = run_alone(live_through(story, branch, Some(write)));
            if branch == Branch::OutOfReach {
                assert_eq!(end, calm, "{}: {branch:?} at {write}", story.name);
            } else {
                assert_eq!(essence(&end), essence(&calm), "{}: {branch:?} at {write}", story.name);
            }
        }
    }
    let line = format!("[faults] {}: Git out of reach and reset at each of {writes} writes\n", story.name);
    let _ = std::io::stderr().write_all(line.as_bytes());
}

#[test]
fn s20_s3_a_session_clusters_change_survives_whatever_becomes_of_the_branch() {
    whatever_becomes_of_the_branch(&stories::cluster_change());
}

#[test]
fn s20_s3_a_rename_survives_whatever_becomes_of_the_branch() {
    whatever_becomes_of_the_branch(&stories::rename());
}
