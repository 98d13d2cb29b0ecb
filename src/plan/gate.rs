//! Who waits for whom: edges, gates, and the waves that follow from them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::awaited;
use super::failure;
use super::fleet::Fleet;
use super::held;
use super::outcome::{Action, Blocked, BlockedBy};
use super::rename;
use super::subject::{CLUSTER_SETTLE, Decision, Subject, World};
use crate::flink::health::Health;
use crate::flink::kind::{Kind, UnitKey};
use crate::spec::desired::Why;

/// What one unit's dependencies say to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// Something keeps it that this plan does not remove by itself.
    pub blocked: Option<Blocked>,
    /// Every dependency is settled: it may go now.
    pub open: bool,
    /// Something it depends on, however far, is going to change first.
    pub pending: bool,
}

/// The settled state of every unit, and when it may change by the mere passing of time.
pub struct Settled {
    /// Units whose dependents may go.
    pub units: BTreeSet<UnitKey>,
    /// The earliest time at which another unit may join them.
    pub wake: Option<Timestamp>,
}

/// Tells which units are settled: nothing to do, healthy, and for long enough.
pub fn settled(world: World<'_>, fleet: &Fleet<'_>, decisions: &[Decision]) -> Settled {
    let mut settled = Settled { units: BTreeSet::new(), wake: None };
    for (subject, decision) in fleet.subjects.iter().zip(decisions) {
        let rests = decision.action == Action::Keep && decision.blocked.is_none();
        if !rests || !subject.is_healthy() || subject.live.is_none() {
            continue;
        }
        let cluster = fleet.cluster(subject);
        let ready = subject.held(world, 1)
            && cluster.is_none_or(|cluster| cluster.is_healthy() && cluster.held(world, CLUSTER_SETTLE));
        if ready {
            settled.units.insert(subject.key.clone());
        } else {
            let times = [subject.holds_at(world, 1), cluster.and_then(|c| c.holds_at(world, CLUSTER_SETTLE))];
            let later = times.into_iter().flatten().filter(|at| *at > world.now);
            settled.wake = settled.wake.into_iter().chain(later).min();
        }
    }
    settled
}

/// Opens or closes the gate of every unit, dependencies first, so that reasons travel along the edges.
pub fn gates(
    world: World<'_>,
    fleet: &Fleet<'_>,
    decisions: &[Decision],
    settled: &Settled,
) -> BTreeMap<UnitKey, Gate> {
    let mut gates: BTreeMap<UnitKey, Gate> = BTreeMap::new();
    for i in order(fleet) {
        let subject = &fleet.subjects[i];
        let gate = if decisions[i].action == Action::Delete {
            delete_gate(fleet, decisions, subject)
        } else {
            forward_gate(world, (fleet, decisions), subject, settled, &gates)
        };
        gates.insert(subject.key.clone(), gate);
    }
    gates
}

/// A unit goes once all it depends on is settled.
fn forward_gate(
    world: World<'_>,
    (fleet, decisions): (&Fleet<'_>, &[Decision]),
    subject: &Subject<'_>,
    settled: &Settled,
    gates: &BTreeMap<UnitKey, Gate>,
) -> Gate {
    let mut gate = after_old_self(world, (fleet, decisions), subject);
    // What goes back, or is held where it was, waits for nothing that the failed version needs.
    let back = failure::returning(world, subject).is_some() || held::is_elsewhere(subject);
    let carried = back || world.desired.carried.contains(&subject.key);
    for (on, why) in if carried { runs_on(subject) } else { edges(subject) } {
        let upstream = gates.get(&on);
        let position = fleet.position(&on);
        let decision = position.map(|i| &decisions[i]);
        let acts =
            decision.is_some_and(|decision| decision.action != Action::Keep && decision.blocked.is_none());
        let acts = acts && upstream.is_none_or(|gate| gate.blocked.is_none());
        if acts || upstream.is_some_and(|gate| gate.pending) {
            gate.pending = true;
            gate.open = false;
        }
        if settled.units.contains(&on) {
            continue;
        }
        gate.open = false;
        let reason = match position {
            Some(i) => wait_reason(world, &fleet.subjects[i], &decisions[i], upstream),
            None => Some(absent(world, &on, why)),
        };
        gate.blocked = gate.blocked.or(reason.map(|(by, message)| Blocked::on(by, on.clone(), message)));
    }
    // What was stopped for its cluster's sake starts again whatever it awaits.
    if !carried && subject.kept_down().is_none() {
        let awaits = subject.unit.map_or(&[][..], |unit| &unit.awaits);
        for message in awaits.iter().filter_map(|awaited| awaited::waits(world.live, &subject.key, awaited)) {
            gate.open = false;
            gate.blocked = gate.blocked.or_else(|| Some(Blocked::new(BlockedBy::Gate, message)));
        }
    }
    gate
}

/// S18: a unit that had another name before goes once its old self is gone.
fn after_old_self(
    world: World<'_>,
    (fleet, decisions): (&Fleet<'_>, &[Decision]),
    subject: &Subject<'_>,
) -> Gate {
    let unit = subject.unit.filter(|_| subject.live.is_none());
    let old = unit.and_then(|unit| rename::before(world, unit));
    let Some(i) = old.and_then(|old| fleet.position(&old)) else {
        return Gate { blocked: None, open: true, pending: false };
    };
    let key = &fleet.subjects[i].key;
    let blocked = decisions[i].blocked.as_ref().map(|blocked| {
        let message = format!("waits until {} is gone: {}", key.name, blocked.message);
        Blocked::on(BlockedBy::Gate, key.clone(), message)
    });
    Gate { blocked, open: false, pending: true }
}

/// Why a dependency keeps its dependents; `None` where this plan settles it by itself.
fn wait_reason(
    world: World<'_>,
    on: &Subject<'_>,
    decision: &Decision,
    gate: Option<&Gate>,
) -> Option<(BlockedBy, String)> {
    let name = &on.key.name;
    let own = decision.blocked.as_ref().or(gate.and_then(|gate| gate.blocked.as_ref()));
    match (decision.action, own) {
        (Action::Keep, Some(blocked)) => Some((blocked.by, format!("waits for {name}: {}", blocked.message))),
        (Action::Keep, _) if on.live.is_none() => {
            Some((BlockedBy::Gate, format!("waits for {name}: not in the cluster")))
        }
        (Action::Keep, _) => {
            let held = if on.is_healthy() { ", not for long enough yet" } else { "" };
            Some((BlockedBy::Gate, format!("waits for {name}: {}{held}", on.describe(world.now))))
        }
        (_, Some(blocked)) => {
            Some((BlockedBy::Gate, format!("waits for {name}, which is blocked: {}", blocked.message)))
        }
        (_, None) => None,
    }
}

/// A dependency that is neither in Git nor in the cluster.
fn absent(world: World<'_>, on: &UnitKey, why: Why) -> (BlockedBy, String) {
    let unread = world
        .desired
        .unknown
        .iter()
        .find(|unknown| unknown.name.as_deref().is_none_or(|name| name == on.name));
    match (unread, why) {
        (Some(unknown), _) => {
            (BlockedBy::Unknown, format!("waits for {}: {} could not be read", on.name, unknown.folder))
        }
        (None, Why::SessionCluster) => (
            BlockedBy::MissingCluster,
            format!("session cluster {} is neither in Git nor in namespace {}", on.name, on.namespace),
        ),
        (None, Why::Declared | Why::Reference) => {
            (BlockedBy::Gate, format!("waits for {}: not in the cluster", on.name))
        }
    }
}

/// A unit is deleted once all that depends on it is gone.
fn delete_gate(fleet: &Fleet<'_>, decisions: &[Decision], subject: &Subject<'_>) -> Gate {
    let mut gate = Gate { blocked: None, open: true, pending: false };
    for i in fleet.dependents(&subject.key) {
        gate.open = false;
        let (key, decision) = (&fleet.subjects[i].key, &decisions[i]);
        let reason = match (&decision.blocked, decision.action) {
            (Some(blocked), _) => Some(format!("waits until {} is gone: {}", key.name, blocked.message)),
            (None, Action::Delete) => None,
            (None, _) => Some(format!("{} still runs on it", key.name)),
        };
        gate.blocked =
            gate.blocked.or(reason.map(|message| Blocked::on(BlockedBy::Gate, key.clone(), message)));
    }
    gate
}

/// The edges of a unit in Git; of one that is not, the edge to the cluster it runs on.
pub fn edges(subject: &Subject<'_>) -> Vec<(UnitKey, Why)> {
    match subject.unit {
        Some(unit) => unit.depends_on.iter().map(|edge| (edge.on.clone(), edge.why)).collect(),
        None => runs_on(subject),
    }
}

/// The edge to the cluster that a live job runs on.
fn runs_on(subject: &Subject<'_>) -> Vec<(UnitKey, Why)> {
    subject.key.cluster(subject.live_spec()).map(|on| (on, Why::SessionCluster)).into_iter().collect()
}

/// Positions with every dependency before its dependents; members of a cycle come last, each waiting.
fn order(fleet: &Fleet<'_>) -> Vec<usize> {
    let count = fleet.subjects.len();
    let mut waiting = vec![0usize; count];
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (i, subject) in fleet.subjects.iter().enumerate() {
        for on in edges(subject).iter().filter_map(|(on, _)| fleet.position(on)) {
            waiting[i] += 1;
            dependents[on].push(i);
        }
    }
    let mut ready: VecDeque<usize> = (0..count).filter(|&i| waiting[i] == 0).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(i) = ready.pop_front() {
        order.push(i);
        for &dependent in &dependents[i] {
            waiting[dependent] -= 1;
            if waiting[dependent] == 0 {
                ready.push_back(dependent);
            }
        }
    }
    order.extend((0..count).filter(|&i| waiting[i] > 0));
    order
}

/// The wave of each acting unit: one after the last acting unit on its way; deletes against the edges.
pub fn waves(fleet: &Fleet<'_>, decisions: &[Decision]) -> BTreeMap<UnitKey, usize> {
    let order = order(fleet);
    let mut depth = vec![0usize; fleet.subjects.len()];
    for &i in order.iter().filter(|&&i| decisions[i].action != Action::Delete) {
        let on = edges(&fleet.subjects[i]);
        let before = on.iter().filter_map(|(on, _)| fleet.position(on)).map(|on| depth[on]).max();
        depth[i] = before.unwrap_or(0) + usize::from(decisions[i].action != Action::Keep);
    }
    for &i in order.iter().rev().filter(|&&i| decisions[i].action == Action::Delete) {
        let before = fleet.dependents(&fleet.subjects[i].key);
        depth[i] = before.iter().map(|&job| depth[job]).max().unwrap_or(0) + 1;
    }
    let acting = (0..depth.len()).filter(|&i| decisions[i].action != Action::Keep);
    acting.map(|i| (fleet.subjects[i].key.clone(), depth[i])).collect()
}

/// Whether a session cluster stays as it is for now: it is right, or its change is held back by more than
/// what will settle by itself.
pub fn stays(cluster: &Subject<'_>, decision: &Decision) -> bool {
    let held = |blocked: &Blocked| blocked.by != BlockedBy::Gate;
    let stays = decision.action == Action::Keep || decision.blocked.as_ref().is_some_and(held);
    stays && cluster.key.kind == Kind::FlinkDeployment
}

/// Whether a cluster that stays can take a job back.
pub fn takes_back(world: World<'_>, cluster: &Subject<'_>) -> bool {
    cluster.verdict.health == Health::Settled && cluster.held(world, CLUSTER_SETTLE)
}
