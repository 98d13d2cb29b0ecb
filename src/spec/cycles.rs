//! Where dependencies run in circles.

use std::collections::{BTreeMap, BTreeSet};

use super::desired::Dependency;
use crate::flink::kind::UnitKey;

/// The edges of every unit, by unit.
pub type Edges = BTreeMap<UnitKey, Vec<Dependency>>;

/// Circles, each as the path that comes back to its first unit. No unit is in two of them, and no circle
/// is left once their units are taken out.
pub fn cycles(edges: &Edges) -> Vec<Vec<UnitKey>> {
    let mut rest = edges.clone();
    let mut all = Vec::new();
    loop {
        let mut walk = Walk { edges: &rest, done: BTreeSet::new(), found: Vec::new() };
        for start in rest.keys() {
            walk.from(start);
        }
        let found = walk.found;
        if found.is_empty() {
            return all;
        }
        for key in found.iter().flatten() {
            rest.remove(key);
        }
        all.extend(found);
    }
}

/// Depth first, without the call stack, because a chain may be as long as the repository.
struct Walk<'a> {
    edges: &'a Edges,
    done: BTreeSet<&'a UnitKey>,
    found: Vec<Vec<UnitKey>>,
}

/// A unit on the way from the start to where the walk is.
struct Step<'a> {
    key: &'a UnitKey,
    next: usize,
    in_a_circle: bool,
}

impl<'a> Walk<'a> {
    fn from(&mut self, start: &'a UnitKey) {
        let mut path: Vec<Step<'a>> = Vec::new();
        let mut depth: BTreeMap<&UnitKey, usize> = BTreeMap::new();
        let mut enter = Some(start).filter(|key| !self.done.contains(key));
        loop {
            if let Some(key) = enter.take() {
                depth.insert(key, path.len());
                path.push(Step { key, next: 0, in_a_circle: false });
            }
            let Some(step) = path.last_mut() else { return };
            let edge = self.edges.get(step.key).and_then(|list| list.get(step.next));
            step.next += 1;
            match edge.map(|edge| (&edge.on, depth.get(&edge.on))) {
                None => {
                    depth.remove(step.key);
                    self.done.insert(step.key);
                    path.pop();
                }
                Some((on, Some(from))) => self.circle(&mut path[*from..], on),
                Some((on, None)) if self.edges.contains_key(on) && !self.done.contains(on) => {
                    enter = Some(on);
                }
                Some(_) => {}
            }
        }
    }

    fn circle(&mut self, path: &mut [Step<'a>], back_to: &UnitKey) {
        if path.iter().rev().any(|step| step.in_a_circle) {
            return;
        }
        for step in path.iter_mut() {
            step.in_a_circle = true;
        }
        self.found.push(path.iter().map(|step| step.key.clone()).chain([back_to.clone()]).collect());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flink::kind::Kind;
    use crate::spec::desired::Why;

    fn edges(pairs: &[(u16, u16)]) -> Edges {
        let key = |number: u16| UnitKey::new("n", Kind::FlinkDeployment, format!("u{number}"));
        let mut edges = Edges::new();
        for (from, on) in pairs {
            edges.entry(key(*on)).or_default();
            edges.entry(key(*from)).or_default().push(Dependency { on: key(*on), why: Why::Declared });
        }
        edges
    }

    #[test]
    fn a_long_chain_needs_no_call_stack() {
        let pairs: Vec<(u16, u16)> = (0..20_000).map(|number| (number, number + 1)).collect();
        assert!(cycles(&edges(&pairs)).is_empty());
    }

    #[test]
    fn many_ways_back_are_one_circle() {
        let pairs: Vec<(u16, u16)> =
            (0..5_000).flat_map(|number| [(number, number + 1), (number + 1, 0)]).collect();
        assert_eq!(cycles(&edges(&pairs)).len(), 1);
    }

    proptest! {
        #[test]
        fn no_circle_is_left_without_the_units_of_those_found(
            pairs in proptest::collection::vec((0..9_u16, 0..9_u16), 0..30)
        ) {
            let mut edges = edges(&pairs);
            let mut seen = BTreeSet::new();
            for circle in cycles(&edges) {
                prop_assert_eq!(circle.first(), circle.last());
                for (from, on) in circle.iter().zip(&circle[1..]) {
                    prop_assert!(edges[from].iter().any(|edge| edge.on == *on));
                    prop_assert!(seen.insert(from.clone()), "{from} is in two circles");
                }
            }
            edges.retain(|key, _| !seen.contains(key));
            prop_assert!(cycles(&edges).is_empty());
        }
    }
}
