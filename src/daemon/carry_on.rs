//! What is under way is finished by the last valid revision of its folder (S20).
//!
//! A folder that cannot be read any more leaves its units unknown: nothing is written to them. A job that
//! flinkops itself has stopped must not stay so because of it, so its folder is taken as it was before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::plan::Live;
use crate::plan::ledger::ANNOTATION_OPERATION;
use crate::spec::{Desired, Unit};

/// For each folder the revision at which it could last be read.
#[derive(Debug, Default)]
pub(super) struct LastValid(BTreeMap<String, Arc<Desired>>);

impl LastValid {
    /// Remembers every folder that can be read, and forgets those that are gone.
    pub(super) fn remember(&mut self, desired: &Arc<Desired>) {
        let unread = unread(desired);
        self.0.retain(|folder, _| unread.contains(folder.as_str()));
        for unit in desired.units.values().filter(|unit| !unread.contains(unit.folder.as_str())) {
            if !self.0.contains_key(&unit.folder) {
                self.0.insert(unit.folder.clone(), desired.clone());
            }
        }
    }

    /// What Git wants, with the unreadable folders in which something is under way as they were before;
    /// `None` where there is no such folder. They stay unknown otherwise: nothing is deleted meanwhile.
    pub(super) fn complete(&self, desired: &Desired, live: &Live) -> Option<Desired> {
        let unread = unread(desired);
        let mut completed: Option<Desired> = None;
        for (folder, before) in self.0.iter().filter(|(folder, _)| unread.contains(folder.as_str())) {
            let units = || before.units.values().filter(|unit| unit.folder == *folder);
            if !units().any(|unit| is_under_way(unit, live)) {
                continue;
            }
            let completed = completed.get_or_insert_with(|| desired.clone());
            for unit in units() {
                completed.units.entry(unit.key.clone()).or_insert_with(|| unit.clone());
            }
            for companion in before.companions.values().filter(|companion| companion.folder == *folder) {
                completed.companions.entry(companion.key.clone()).or_insert_with(|| companion.clone());
            }
        }
        completed
    }
}

fn unread(desired: &Desired) -> BTreeSet<&str> {
    desired.unknown.iter().map(|unknown| unknown.folder.as_str()).collect()
}

fn is_under_way(unit: &Unit, live: &Live) -> bool {
    live.units.get(&unit.key).is_some_and(|object| object.annotation(ANNOTATION_OPERATION).is_some())
}
