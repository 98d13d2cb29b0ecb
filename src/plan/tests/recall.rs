//! Which revision was in force last, as far as the cluster tells (S20).

use super::super::last_in_force;
use super::super::ledger::ANNOTATION_REVISION;
use super::*;
use crate::spec::source::Revision;

/// A chain of which each unit was last changed by a revision, with a marker; the newest usable one is `r5`.
fn scene(applied: Option<&str>, written: [&str; 3]) -> Scene {
    let mut scene = running_chain();
    scene.desired.origin.revision = Revision::new("r5");
    let marker = scene.live.markers.get_mut(NAMESPACE).unwrap();
    marker.revisions.extend(applied.map(|revision| ("prod".to_owned(), Revision::new(revision))));
    for (name, revision) in ["ingest", "enrich", "sink"].into_iter().zip(written) {
        scene = scene.edit(APP, name, |object| {
            object["metadata"]["annotations"][ANNOTATION_REVISION] = json!(revision);
        });
    }
    scene
}

fn recalled(scene: &Scene) -> Option<String> {
    let number = |revision: &Revision| revision.as_str().strip_prefix('r')?.parse::<u32>().ok();
    let descends = |new: &Revision, old: &Revision| matches!((number(new), number(old)), (Some(new), Some(old)) if new >= old);
    last_in_force(&scene.desired, &scene.live, descends).map(|revision| revision.to_string())
}

#[test]
fn s20_it_is_the_one_that_was_applied_in_full_or_a_younger_one_that_wrote() {
    let last = |applied, written| recalled(&scene(applied, written));
    assert_eq!(last(Some("r3"), ["r1", "r2", "r3"]).as_deref(), Some("r3"));
    assert_eq!(last(Some("r3"), ["r1", "r1", "r1"]).as_deref(), Some("r3"), "r2 and r3 changed nothing");
    assert_eq!(last(Some("r2"), ["r4", "r1", "r2"]).as_deref(), Some("r4"), "r4 was begun");
    assert_eq!(last(None, ["r1", "r2", "r1"]).as_deref(), Some("r2"), "nothing was ever finished");
}

#[test]
fn s20_what_is_no_revision_before_the_newest_usable_one_counts_for_nothing() {
    let last = |applied, written| recalled(&scene(applied, written));
    assert_eq!(last(Some("r2"), ["r9", "working directory", "r1"]).as_deref(), Some("r2"));
    assert_eq!(last(None, ["by hand", "r9", "working directory"]), None);
}

#[test]
fn s2_s20_in_the_namespace_of_another_repository_nothing_is_recalled() {
    let mut scene = scene(Some("r3"), ["r3", "r3", "r3"]);
    scene.live.markers.get_mut(NAMESPACE).unwrap().identity = "git.example/fork".into();
    assert_eq!(recalled(&scene), None);
    scene.live.markers.clear();
    assert_eq!(recalled(&scene), None);
}
