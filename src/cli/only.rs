//! `--only`: some units and what they depend on.

use std::collections::BTreeSet;

use clap::Args;

use super::exit::Usage;
use crate::flink::kind::{Role, UnitKey};
use crate::plan::{Action, Effect, Plan, UnitPlan};
use crate::spec::Desired;

/// Which units.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Repository")]
#[group(skip)]
pub(super) struct Flags {
    /// Only these jobs and what they depend on.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
}

/// The units that are meant and the folders they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The units.
    pub(super) units: BTreeSet<UnitKey>,
    /// Their folders.
    pub(super) folders: BTreeSet<String>,
    /// Jobs of others that a chosen session cluster takes with it, and that are carried over unchanged.
    pub(super) carried: BTreeSet<UnitKey>,
}

impl Flags {
    /// The plan reduced to the units that are meant.
    pub(super) fn narrow(&self, plan: Plan, desired: &Desired) -> Result<Plan, Usage> {
        let chosen = self.choose(&plan, desired)?;
        Ok(narrow(plan, chosen.as_ref()))
    }

    /// The choice among a plan's units; `None` where it is all of them.
    pub(super) fn choose(&self, plan: &Plan, desired: &Desired) -> Result<Option<Chosen>, Usage> {
        if self.only.is_empty() {
            return Ok(None);
        }
        let mut units = BTreeSet::new();
        for name in &self.only {
            let found = plan.units.iter().filter(|unit| unit.id == *name || unit.key.name == *name);
            let mut waiting: Vec<&UnitPlan> = found.collect();
            if waiting.is_empty() {
                let hint = "`flinkops status` lists the units by name";
                return Err(Usage::new(format!("--only: there is no unit `{name}`"), hint));
            }
            while let Some(unit) = waiting.pop() {
                if units.insert(unit.key.clone()) {
                    waiting.extend(plan.units.iter().filter(|other| unit.depends_on.contains(&other.key)));
                    waiting.extend(old_self(plan, desired, unit));
                }
            }
        }
        let folder = |key| desired.units.get(key).map(|unit| unit.folder.clone());
        let folders = units.iter().filter_map(folder).collect();
        let carried = carried(plan, &units);
        Ok(Some(Chosen { units, folders, carried }))
    }
}

/// What a unit was called before, which has to go first (S18): of its own kind, else of the other.
fn old_self<'a>(plan: &'a Plan, desired: &Desired, unit: &UnitPlan) -> Option<&'a UnitPlan> {
    let name = desired.units.get(&unit.key)?.consents.renamed_from.as_ref()?;
    let leaves = |old: &&UnitPlan| {
        old.action == Action::Delete
            && old.role.has_job()
            && old.key.name == *name
            && old.key.namespace == unit.key.namespace
    };
    plan.units.iter().filter(leaves).min_by_key(|old| old.key.kind != unit.key.kind)
}

/// The jobs on the chosen clusters, by Git or by what a change of the cluster takes along.
fn carried(plan: &Plan, units: &BTreeSet<UnitKey>) -> BTreeSet<UnitKey> {
    let on_chosen = |unit: &&UnitPlan| {
        unit.role == Role::SessionJob && unit.depends_on.iter().any(|cluster| units.contains(cluster))
    };
    let jobs = plan.units.iter().filter(on_chosen).map(|unit| &unit.key);
    let clusters = plan.units.iter().filter(|unit| {
        units.contains(&unit.key) && matches!(unit.effect, Effect::RestartCluster | Effect::Recreate)
    });
    let along = clusters.flat_map(|unit| &unit.steps).map(|step| &step.unit);
    jobs.chain(along).filter(|key| !units.contains(*key)).cloned().collect()
}

/// The plan reduced to the choice, if one was made.
pub(super) fn narrow(plan: Plan, chosen: Option<&Chosen>) -> Plan {
    match chosen {
        Some(chosen) => chosen.restrict(plan),
        None => plan,
    }
}

impl Chosen {
    /// The plan reduced to the choice, and to the carried jobs that are still to start again.
    pub(super) fn restrict(&self, mut plan: Plan) -> Plan {
        let carried = |unit: &UnitPlan| self.carried.contains(&unit.key) && unit.action == Action::Resume;
        plan.units.retain(|unit| self.units.contains(&unit.key) || carried(unit));
        plan.companions.retain(|companion| self.folders.contains(&companion.folder));
        for wave in &mut plan.waves {
            wave.retain(|key| plan.units.iter().any(|unit| unit.key == *key));
        }
        plan
    }
}
