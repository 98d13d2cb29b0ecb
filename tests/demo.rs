//! The demo, played in no time: what it shows is checked as facts, not as words.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use flinkops::cli::demo::{DemoRepository, Line, Said, Stage, play};
use flinkops::flink::health::Health;
use flinkops::flink::kind::UnitKey;
use flinkops::plan::outcome::{Action, Effect, State};
use flinkops::report::document::{PlanDocument, UnitDocument};

/// Everything that is said in a whole play.
async fn played() -> Vec<Said> {
    let heard = Arc::<Mutex<Vec<Said>>>::default();
    let ear = Arc::clone(&heard);
    let repository = DemoRepository::new().unwrap();
    let mut stage = Stage::new(0.1, Box::new(move |said| ear.lock().unwrap().push(said.clone())));
    let result = play(&mut stage, &repository).await;
    let said = heard.lock().unwrap().clone();
    if let Err(error) = result {
        let lines: Vec<_> = said.iter().filter(|said| !matches!(said.line, Line::Counts(_))).collect();
        panic!("{error:#}\n{:#?}", &lines[lines.len().saturating_sub(20)..]);
    }
    stage.close().await.unwrap();
    said
}

/// What is said from one act to the next.
fn acts(said: &[Said]) -> Vec<Vec<Line>> {
    let mut acts: Vec<Vec<Line>> = Vec::new();
    for Said { line, .. } in said {
        match line {
            Line::Act { number, .. } => {
                assert_eq!(*number, acts.len() + 1);
                acts.push(Vec::new());
            }
            line => acts.last_mut().expect("an act begins first").push(line.clone()),
        }
    }
    acts
}

fn plan(act: &[Line]) -> &PlanDocument {
    let plans = act.iter().filter_map(|line| match line {
        Line::Planned(plan) | Line::Drifted(plan) => Some(&**plan),
        _ => None,
    });
    plans.into_iter().next().expect("an act has a plan")
}

fn unit<'a>(plan: &'a PlanDocument, name: &str) -> &'a UnitDocument {
    plan.units.iter().find(|unit| unit.name == name).expect(name)
}

fn position(act: &[Line], what: &str, is: impl Fn(&Line) -> bool) -> usize {
    act.iter().position(is).unwrap_or_else(|| panic!("{what} is not in {act:#?}"))
}

fn wrote(act: &[Line], name: &str, wanted: &str) -> usize {
    position(
        act,
        &format!("{wanted} {name}"),
        |line| matches!(line, Line::Wrote { unit, reason, .. } if unit == name && *reason == wanted),
    )
}

fn settled(act: &[Line], name: &str) -> usize {
    position(
        act,
        &format!("{name} settled"),
        |line| matches!(line, Line::Stands { key, health: Health::Settled, .. } if key.name == name),
    )
}

#[tokio::test(start_paused = true)]
async fn the_demo_shows_what_it_promises() {
    let said = played().await;
    let acts = acts(&said);
    let [first, upgrade, edit, removal, back] = acts.as_slice() else { panic!("{} acts", acts.len()) };
    first_commit_goes_in_waves(first);
    upgrade_goes_by_savepoints_in_order(upgrade);
    hand_edit_is_reported_and_healed(edit);
    let path = removal_takes_a_savepoint_first(removal);
    revert_brings_the_state_back(back, &path);
    counters_never_go_down(&said);
    assert!(said.last().unwrap().at.as_secs() < 60, "it takes under a minute: {:?}", said.last().unwrap().at);
}

fn first_commit_goes_in_waves(act: &[Line]) {
    let plan = plan(act);
    assert_eq!(plan.summary.create, 6);
    let waves: Vec<Vec<&str>> =
        plan.waves.iter().map(|wave| wave.iter().map(String::as_str).collect()).collect();
    assert_eq!(
        waves,
        [
            vec!["orders-ingest", "orders-session"],
            vec!["orders-enrich", "delivery-times", "fraud-scores"],
            vec!["orders-sink"]
        ]
    );
    for (before, after) in [
        ("orders-ingest", "orders-enrich"),
        ("orders-enrich", "orders-sink"),
        ("orders-session", "fraud-scores"),
        ("orders-session", "delivery-times"),
    ] {
        assert!(settled(act, before) < wrote(act, after, "Creating"), "{before} before {after}");
    }
}

fn upgrade_goes_by_savepoints_in_order(act: &[Line]) {
    let plan = plan(act);
    assert_eq!((plan.summary.update, plan.summary.state_dropped), (2, 0));
    let (ingest, session) = (unit(plan, "orders-ingest"), unit(plan, "orders-session"));
    assert_eq!((ingest.effect, ingest.state), (Effect::UpgradeFromSavepoint, State::Kept));
    assert_eq!((session.effect, session.state), (Effect::RestartCluster, State::Kept));
    let change = wrote(act, "orders-session", "Updating");
    for job in ["fraud-scores", "delivery-times"] {
        assert!(wrote(act, job, "Suspending") < change, "{job} stops before its cluster changes");
        assert!(change < wrote(act, job, "Resuming"), "{job} goes on after its cluster");
    }
}

fn hand_edit_is_reported_and_healed(act: &[Line]) {
    let plan = plan(act);
    assert_eq!(plan.schema, "flinkops.dev/drift/v1");
    let [enrich] = plan.units.as_slice() else { panic!("{:#?}", plan.units) };
    let [change] = enrich.changes.as_slice() else { panic!("{:#?}", enrich.changes) };
    assert_eq!((enrich.name.as_str(), change.path.as_str()), ("orders-enrich", "/spec/job/parallelism"));
    let owner = change.owner.as_ref().unwrap();
    assert_eq!(owner.manager, "kubectl-edit");
    assert!(owner.time.is_some());
    assert!(act.iter().any(|line| matches!(line, Line::Wrote { unit, .. } if unit == "orders-enrich")));
}

/// Answers with the path on record.
fn removal_takes_a_savepoint_first(act: &[Line]) -> String {
    assert_eq!(unit(plan(act), "orders-sink").action, Action::Delete);
    assert_eq!(unit(plan(act), "orders-sink").state, State::Kept);
    assert!(wrote(act, "orders-sink", "Suspending") < wrote(act, "orders-sink", "Deleting"));
    let path = act.iter().find_map(|line| match line {
        Line::Recorded { path, .. } => Some(path.clone()),
        _ => None,
    });
    path.expect("the savepoint is on record")
}

fn revert_brings_the_state_back(act: &[Line], path: &str) {
    assert_eq!(unit(plan(act), "orders-sink").action, Action::Create);
    let Some(Line::Quiet { counts, .. }) = act.iter().find(|line| matches!(line, Line::Quiet { .. })) else {
        panic!("{act:#?}")
    };
    let sink = counts.iter().find(|count| count.key.name == "orders-sink").unwrap();
    assert_eq!(sink.from.as_deref(), Some(path));
}

fn counters_never_go_down(said: &[Said]) {
    let mut highest: BTreeMap<UnitKey, u64> = BTreeMap::new();
    let mut told = 0;
    for Said { line, at } in said {
        let (Line::Counts(counts) | Line::Quiet { counts, .. }) = line else { continue };
        for count in counts {
            let before = highest.insert(count.key.clone(), count.records).unwrap_or(0);
            assert!(
                before <= count.records,
                "{} fell from {before} to {} at {at:?}",
                count.key,
                count.records
            );
            told += 1;
        }
    }
    assert_eq!(highest.len(), 5);
    assert!(told > 50, "the counters are told again and again, not {told} times");
}
