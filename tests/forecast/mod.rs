//! The forecast is what then happens: for every scenario, the writes that were foreseen are those that the
//! loop really makes on the embedded cluster, in order, and where it ends is where the forecast ends.

mod examples;
pub mod foreseen;
mod taking_up;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flinkops::cluster::{Cluster, Scope};
use flinkops::daemon::{Clock, Options, Outcome, apply};
use flinkops::flink::kind::UnitKey;
use flinkops::flink::secret::Secrets;
use flinkops::plan::forecast::{End, Ending, Forecast, Happening, What, concern};
use flinkops::plan::live::LiveObject;
use flinkops::plan::outcome::StepKind;
use flinkops::plan::{Action, Live, Plan, State, UnitPlan, observe_once, plan, step};
use flinkops::report::document::{AgainstKind, PlanDocument};
use flinkops::report::text;
use flinkops::sim::{OperatorMode, Sim};
use flinkops::spec::Desired;
use jiff::Timestamp;

use self::foreseen::{Log, foresee, line};
use super::scenarios::{self, NOW};

/// An embedded cluster that holds what a scenario says.
fn load(desired: &Desired, live: &Live) -> Sim {
    let operator = mode(live);
    let start_time = Some(NOW.parse().unwrap());
    let sim = Sim::start(flinkops::sim::Options { operator, start_time, ..Default::default() });
    sim.stop_operator();
    sim.operator().configure(&desired.operator);
    let store = sim.store();
    for object in live.units.values().chain(live.companions.values()) {
        store.load(object.value().clone()).unwrap();
    }
    for (unit, ledger) in &live.ledgers {
        store.load(ledger.to_config_map(&desired.repository, &desired.environment, unit)).unwrap();
        for savepoint in &ledger.savepoints {
            sim.operator().keep_savepoint(unit, &savepoint.path, 1);
        }
    }
    for (namespace, marker) in &live.markers {
        store.load(marker.to_config_map(&desired.repository, namespace)).unwrap();
    }
    sim.operator().take_up(store);
    sim
}

fn mode(live: &Live) -> OperatorMode {
    let mut statuses =
        live.units.values().map(LiveObject::status).filter(|status| status.is_object()).peekable();
    let old = statuses.peek().is_some() && statuses.all(|status| status.get("observedGeneration").is_none());
    if old { OperatorMode::V1_7 } else { OperatorMode::V1_15 }
}

async fn observe(sim: &Sim, desired: &Desired) -> Live {
    Cluster::new(sim.client(), "embedded").observe(&Scope::of(desired)).await.unwrap()
}

/// Carries the plan out for real.
async fn carry_out(sim: &Sim, desired: &Desired) -> (Outcome, Vec<String>) {
    let log = Arc::new(Log::default());
    let options =
        Options { clock: Clock::starting_at(sim.now()), progress: log.clone(), ..Options::default() };
    let cluster = Cluster::new(sim.client(), "embedded");
    let limit = Some(Duration::from_secs(3 * 3600));
    let outcome = apply(&cluster, desired, options, limit).await.unwrap();
    (outcome, log.lines())
}

/// Foresees, carries out, compares, and plans once more.
async fn compare(scenario: &Path) -> Result<(), String> {
    let desired = scenarios::desired(scenario);
    let sim = load(&desired, &scenarios::live(&desired, scenario));
    let live = observe(&sim, &desired).await;
    let now = sim.now();
    let foreseen = foresee(&desired, &live, now);
    let reported = report(&desired, &live, now);
    sim.start_operator();
    let (outcome, written) = carry_out(&sim, &desired).await;
    let mut after = observe(&sim, &desired).await;
    after.since = observe_once(&after);
    let left = step(&plan(&desired, &after, sim.now()));

    let mut wrong = Vec::new();
    let (is, should) = (foreseen.1.join("\n    "), written.join("\n    "));
    if is != should {
        wrong.push(format!("foreseen:\n    {is}\n  written:\n    {should}"));
    }
    if by_unit(&reported.2.1) != by_unit(&written) {
        wrong.push(format!(
            "a report foresees:\n    {}\n  written:\n    {should}",
            reported.2.1.join("\n    ")
        ));
    }
    if (foreseen.0.end == End::Settled) != outcome.is_settled() || foreseen.0.end != reported.2.0.end {
        wrong.push(format!(
            "foreseen: {:?}, reported: {:?}, came: {outcome:?}",
            foreseen.0.end, reported.2.0.end
        ));
    }
    if !left.is_empty() {
        wrong.push(format!("left to do: {:?}", left.iter().map(line).collect::<Vec<_>>()));
    }
    wrong.extend(disagreements(&reported.0, &reported.2.0));
    wrong.extend(retold(scenario, &reported.0, &reported.2.0));
    let name = scenario.file_name().unwrap().to_str().unwrap();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{name}\n  {}", wrong.join("\n  "))) }
}

/// The forecast of a report, which takes what it reads to have been so for ever, and of the whole only the part
/// that the plan is about.
fn report(desired: &Desired, live: &Live, now: Timestamp) -> (Plan, Live, (Forecast, Vec<String>)) {
    let mut live = live.clone();
    live.since = observe_once(&live);
    let plan = plan(desired, &live, now);
    let (desired, live) = concern(desired, &live, &plan);
    let foreseen = foresee(&desired, &live, now);
    (plan, live, foreseen)
}

/// Whether the forecast reads as written down in `forecast.txt`, which `UPDATE_SCENARIOS=1` writes.
fn retold(scenario: &Path, plan: &Plan, forecast: &Forecast) -> Option<String> {
    let secrets = Secrets::default();
    let document =
        PlanDocument::new(plan, AgainstKind::Cluster, &secrets).with_forecast(forecast, plan, &secrets);
    let page = anstream::adapter::strip_str(&text::plan(&document, 80)).to_string();
    let told = page.split_once("\nForecast\n").map_or("", |(_, told)| told);
    let file = scenario.join("forecast.txt");
    if std::env::var_os("UPDATE_SCENARIOS").is_some() {
        let _ = if told.is_empty() { fs::remove_file(&file) } else { fs::write(&file, told) };
    }
    (fs::read_to_string(&file).unwrap_or_default() != told).then(|| format!("told otherwise:\n{told}"))
}

/// The lines about each object, in order.
pub fn by_unit(lines: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    // When a unit counts as settled depends on since when it has been looked at.
    for line in lines.iter().filter(|line| !line.ends_with(": settled")) {
        let object = line.split([' ', ':']).nth(1).unwrap();
        all.entry(object).or_default().push(line);
    }
    all
}

/// The steps of one unit as the planner names them.
fn steps(forecast: &Forecast, key: &UnitKey) -> Vec<StepKind> {
    let mut changed = false;
    let steps = forecast.steps.iter().filter(|step| step.unit.as_ref() == Some(key));
    let kind = |step: &Happening| {
        changed |= step.what == What::Updated;
        Some(match step.what {
            What::Created => StepKind::Create,
            What::Adopted => StepKind::Adopt,
            What::Updated => StepKind::Update,
            What::Suspended => StepKind::Suspend,
            What::SavepointTaken if !changed => StepKind::WaitSavepoint,
            What::Recorded => StepKind::Record,
            What::Resumed => StepKind::Resume,
            What::Deleted => StepKind::Delete,
            What::Settled => StepKind::WaitSettled,
            What::Gone => StepKind::WaitGone,
            _ => return None,
        })
    };
    steps.filter_map(kind).collect()
}

/// Where the plan's own account of steps, waves and state is not what the forecast came to.
fn disagreements(plan: &Plan, forecast: &Forecast) -> Vec<String> {
    let well = |key: &UnitKey| {
        let unit = forecast.units.iter().find(|unit| unit.key == *key);
        unit.is_some_and(|unit| matches!(unit.ends, Ending::Settled | Ending::Gone))
    };
    let goes = |unit: &&UnitPlan| unit.action != Action::Keep && unit.blocked.is_none() && well(&unit.key);
    let going: Vec<&UnitPlan> = plan.units.iter().filter(goes).collect();
    let mut wrong = Vec::new();
    for unit in &going {
        wrong.extend(wrong_steps(unit, &going, forecast));
        wrong.extend(wrong_waves(unit, &going, forecast));
        let from_nothing =
            |step: &Happening| step.unit.as_ref() == Some(&unit.key) && step.what == What::JobStarted;
        if unit.state == State::Kept && forecast.steps.iter().any(from_nothing) {
            wrong.push(format!("{} keeps its state, and started from nothing", unit.key.name));
        }
    }
    wrong
}

/// What a session cluster does with its jobs is in its own account, and not in theirs.
fn wrong_steps(unit: &UnitPlan, going: &[&UnitPlan], forecast: &Forecast) -> Vec<String> {
    let (mut wrong, mut others) = (Vec::new(), going.iter().filter(|other| other.key != unit.key));
    let carried = others.any(|other| other.steps.iter().any(|step| step.unit == unit.key));
    let concerned: BTreeSet<&UnitKey> = unit.steps.iter().map(|step| &step.unit).collect();
    for key in concerned.into_iter().filter(|key| !(carried && **key == unit.key)) {
        let said = unit.steps.iter().filter(|step| step.unit == *key).map(|step| step.what);
        let (said, came): (Vec<StepKind>, _) = (said.collect(), steps(forecast, key));
        if said != came {
            wrong.push(format!("{} says of {}: {said:?}, and it came: {came:?}", unit.key.name, key.name));
        }
    }
    wrong
}

/// Of two units that act, the one of the earlier wave begins to.
fn wrong_waves(unit: &UnitPlan, going: &[&UnitPlan], forecast: &Forecast) -> Vec<String> {
    let acts = |unit: &UnitPlan| {
        forecast
            .steps
            .iter()
            .position(|step| step.unit.as_ref() == Some(&unit.key) && begins(unit.action, step.what))
    };
    let upstream = going.iter().filter(|other| unit.depends_on.contains(&other.key));
    let wrong = upstream.filter(|on| (on.wave < unit.wave) != (acts(on) < acts(unit)));
    wrong
        .map(|on| format!("{} and {} go in another order than their waves", unit.key.name, on.key.name))
        .collect()
}

/// Whether this is how the action begins. What changes of a job that its cluster stopped comes with its start.
fn begins(action: Action, what: What) -> bool {
    match action {
        Action::Keep => false,
        Action::Update => matches!(what, What::Updated | What::Adopted | What::Resumed),
        Action::Suspend => what == What::Suspended,
        Action::Resume => what == What::Resumed,
        Action::Create => what == What::Created,
        Action::Recreate | Action::Delete => matches!(what, What::Suspended | What::Deleted),
    }
}

#[tokio::test(start_paused = true)]
async fn every_scenario_goes_as_foreseen() {
    let mut wrong = Vec::new();
    for scenario in scenarios::scenarios() {
        wrong.extend(compare(&scenario).await.err());
    }
    assert!(wrong.is_empty(), "{} of them did not:\n{}", wrong.len(), wrong.join("\n\n"));
}
