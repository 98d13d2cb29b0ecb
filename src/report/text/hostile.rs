//! Whatever stands in a repository or a cluster, a terminal only shows it, and every line fits.

use anstream::adapter::strip_str;
use proptest::prelude::*;
use serde_json::json;

use super::layout::columns;
use crate::flink::secret::Secrets;
use crate::plan::outcome::{Action, Blocked, BlockedBy, Cause, Change, Effect, Owner, Plan, State, UnitPlan};
use crate::report::document::{AgainstKind, PlanDocument};
use crate::report::sample;

const FRAGMENTS: [&str; 12] = [
    "\u{1b}[35m",
    "\u{1b}[2J",
    "\u{1b}]0;title\u{7}",
    "\u{9b}31m",
    "\r",
    "\n",
    "\t",
    "\u{8}",
    "\u{202e}",
    "作业",
    "a-very-long-name-of-a-job-that-does-not-fit-into-forty-columns",
    "registry.example.com/team/job:1.4.2",
];

fn hostile() -> impl Strategy<Value = String> {
    let fragment = proptest::sample::select(FRAGMENTS.to_vec()).prop_map(str::to_owned);
    let piece = prop_oneof![3 => fragment, 1 => ".{0,12}", 1 => "[a-z ]{1,8}"];
    proptest::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat())
}

fn plan(texts: &[String]) -> Plan {
    let text = |at: usize| texts[at % texts.len()].clone();
    let owner = Owner { manager: text(0), time: None };
    let change = |at: usize| Change {
        cause: Cause::Both,
        owner: Some(owner.clone()),
        ..sample::change(
            &format!("/spec/{}", crate::flink::pointer::escape(&text(at))),
            json!([text(at), "x"]),
            json!(text(at + 1)),
        )
    };
    let unit = |at: usize, effect, state| UnitPlan {
        id: format!("{}{at}", text(at)),
        wave: Some(1),
        reasons: vec![text(at + 1)],
        blocked: Some(Blocked { by: BlockedBy::Consent, on: vec![], message: text(at + 2) }),
        changes: vec![change(at), sample::change("/spec/image", json!(text(at)), json!(text(at + 1)))],
        ..sample::unit(&format!("{}{at}", text(at)), Action::Update, effect, state)
    };
    let units = vec![
        unit(0, Effect::StatelessRestart, State::Dropped),
        unit(1, Effect::UpgradeFromSavepoint, State::Kept),
    ];
    Plan {
        repository: text(0),
        environment: text(1),
        against: text(2),
        waves: vec![units.iter().map(|unit| unit.key.clone()).collect()],
        units,
        ..sample::plan()
    }
}

/// The only control characters are line breaks and the styles of ours, and no line is too long.
fn look_at(text: &str, width: usize) {
    let mut rest = text.to_owned();
    for code in ["0", "1", "2", "4", "31", "32", "33"] {
        rest = rest.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert!(!rest.chars().any(|letter| letter.is_control() && letter != '\n'), "{rest:?}");
    assert!(!rest.contains('\u{202e}'), "{rest:?}");
    for line in text.lines() {
        assert!(columns(line) <= width, "{} columns: {}", columns(line), strip_str(line));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn text_from_outside_cannot_steer_the_terminal(texts in proptest::collection::vec(hostile(), 1..5)) {
        let document = PlanDocument::new(&plan(&texts), AgainstKind::Cluster, &Secrets::default());
        for width in [40, 80, 200] {
            look_at(&super::plan(&document, width), width);
            look_at(&super::drift(&document.clone().into_drift(), width), width);
        }
    }
}
