//! What was in force last, as far as the cluster tells: for a process that finds a revision it cannot use
//! and remembers no other (S20).

use std::collections::BTreeSet;

use super::ledger::{ANNOTATION_REVISION, Marker};
use super::live::{Live, LiveObject};
use super::subject::{Ownership, ownership};
use crate::spec::Desired;
use crate::spec::source::Revision;

/// The youngest revision that wrote anything of the environment, or else the one its marker says was
/// applied in full. `None` where the cluster knows of neither, or belongs to another repository (S2).
///
/// What was in force is the marker's revision, unless a younger one had begun to be applied. `desired`, an
/// older revision than the one that cannot be used, says which environment is meant; `descends` whether the
/// first of two commits comes after the second.
pub fn last_in_force(
    desired: &Desired,
    live: &Live,
    mut descends: impl FnMut(&Revision, &Revision) -> bool,
) -> Option<Revision> {
    let mine = |marker: &&Marker| marker.identity == desired.origin.identity;
    let mut markers = live.markers.values().filter(mine).peekable();
    markers.peek()?;
    let applied = markers.find_map(|marker| marker.revisions.get(&desired.environment)).cloned();
    let objects = live.units.values().chain(live.companions.values());
    let ours = objects.filter(|object| ownership(desired, object) == Ownership::Ours);
    let revision = |object: &LiveObject| object.annotation(ANNOTATION_REVISION).map(Revision::new);
    let written = ours.filter_map(revision).collect::<BTreeSet<_>>().into_iter();
    let written: Vec<_> = written.filter(|revision| descends(desired.revision(), revision)).collect();
    written.into_iter().fold(applied, |last, revision| match last {
        Some(last) if !descends(&revision, &last) => Some(last),
        _ => Some(revision),
    })
}
