//! All units together, and who runs on whom.

use std::collections::{BTreeMap, BTreeSet};

use super::subject::{Subject, World};
use crate::flink::kind::{Role, UnitKey};
use crate::spec::each::each;

/// Every unit of Git and every Flink resource of the namespaces, sorted by key.
pub struct Fleet<'a> {
    /// The units.
    pub subjects: Vec<Subject<'a>>,
    index: BTreeMap<UnitKey, usize>,
    jobs: BTreeMap<UnitKey, Vec<usize>>,
    leaving: BTreeMap<String, Vec<usize>>,
}

impl<'a> Fleet<'a> {
    /// Looks at every unit from both sides.
    pub fn new(world: World<'a>) -> Self {
        let keys: BTreeSet<&UnitKey> = world.desired.units.keys().chain(world.live.units.keys()).collect();
        let subjects = each(keys.into_iter().collect(), |key| Subject::new(world, key));
        let index = subjects.iter().enumerate().map(|(i, subject)| (subject.key.clone(), i)).collect();
        let mut fleet = Self { subjects, index, jobs: BTreeMap::new(), leaving: BTreeMap::new() };
        for (i, subject) in fleet.subjects.iter().enumerate().filter(|(_, subject)| subject.live.is_some()) {
            if let Some(cluster) = subject.key.cluster(subject.live_spec()) {
                fleet.jobs.entry(cluster).or_default().push(i);
            }
            if subject.role == Role::ManagedApplication
                && let Some(environment) = subject.key.refers_to(subject.live_spec())
            {
                fleet.leaving.entry(environment.to_string()).or_default().push(i);
            }
            if subject.unit.is_none() {
                for on in subject.ledger.into_iter().flat_map(|ledger| &ledger.depends_on) {
                    fleet.leaving.entry(on.clone()).or_default().push(i);
                }
            }
        }
        fleet
    }

    /// Where a unit stands in [`Self::subjects`].
    pub fn position(&self, key: &UnitKey) -> Option<usize> {
        self.index.get(key).copied()
    }

    /// A unit by its key.
    pub fn get(&self, key: &UnitKey) -> Option<&Subject<'a>> {
        self.position(key).map(|i| &self.subjects[i])
    }

    /// The session cluster that a live job is on.
    pub fn cluster(&self, job: &Subject<'a>) -> Option<&Subject<'a>> {
        self.get(&job.key.cluster(job.live_spec())?)
    }

    /// The live session jobs on a cluster, ours and others'.
    pub fn jobs<'f>(&'f self, cluster: &UnitKey) -> impl Iterator<Item = &'f Subject<'a>> + use<'a, 'f> {
        self.jobs.get(cluster).into_iter().flatten().map(|&i| &self.subjects[i])
    }

    /// What must be gone before a unit may be deleted: the jobs on it, and what left Git and depended on it.
    pub fn dependents(&self, key: &UnitKey) -> BTreeSet<usize> {
        let jobs = self.jobs.get(key).into_iter().flatten();
        let leaving = self.leaving.get(&key.to_string()).into_iter().flatten();
        jobs.chain(leaving).copied().filter(|&i| self.subjects[i].key != *key).collect()
    }
}
