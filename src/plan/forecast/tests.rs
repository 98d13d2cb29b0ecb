//! The forecast on a model that settles whatever it is given, unless it is told otherwise.

use serde_json::{Value, json};

use super::*;
use crate::flink::kind::Kind;
use crate::plan::live::LiveObject;
use crate::plan::observe_once;
use crate::plan::tests::scene::{Scene, application, key, session, session_job, settled_status};
use crate::plan::write::Write;

const PACE: SignedDuration = SignedDuration::from_secs(5);

/// How a model takes what is asked of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Temper {
    /// Each change has settled a moment later.
    Obliging,
    /// Nothing comes of anything.
    Idle,
    /// Something changes all the time, and nothing settles.
    Restless,
    /// The API server refuses every patch.
    Refusing,
}

struct Simple {
    live: Live,
    now: Timestamp,
    temper: Temper,
    stirred: BTreeSet<UnitKey>,
    deeds: Vec<(UnitKey, What)>,
    refused: usize,
    moves: usize,
}

impl Simple {
    fn new(scene: &Scene, temper: Temper) -> Self {
        let mut live = scene.live.clone();
        live.since = observe_once(&live);
        let (stirred, deeds) = (BTreeSet::new(), Vec::new());
        Self { live, now: scene.now, temper, stirred, deeds, refused: 0, moves: 0 }
    }

    fn edit(&mut self, unit: &UnitKey, edit: impl FnOnce(&mut Value)) {
        let mut object = self.live.units[unit].value().clone();
        edit(&mut object);
        self.live.units.insert(unit.clone(), LiveObject::new(object));
    }

    fn settle(&mut self, unit: &UnitKey) {
        self.edit(unit, |object| {
            let generation = object["metadata"]["generation"].as_i64().unwrap();
            object["status"] = settled_status(&object["spec"], generation);
        });
        self.deeds.push((unit.clone(), What::JobStopped));
        self.deeds.push((unit.clone(), What::JobRestored));
    }
}

impl Model for Simple {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn live(&mut self) -> &mut Live {
        &mut self.live
    }

    fn perform(&mut self, task: &Task) -> Result<(), String> {
        match &task.write {
            Write::Patch { .. } if self.temper == Temper::Refusing => {
                self.refused += 1;
                return Err("denied by the house rules".into());
            }
            Write::Patch { patch, .. } => {
                let unit = task.unit.clone().unwrap();
                self.edit(&unit, |object| {
                    json_patch::merge(object, patch);
                    object["metadata"]["generation"] = json!(2);
                });
                self.stirred.insert(unit);
            }
            Write::Create { object } | Write::Replace { object } => {
                let object = LiveObject::new(object.clone());
                if let Some((unit, ledger)) = crate::plan::ledger::Ledger::from_config_map(&object) {
                    self.live.ledgers.insert(unit, ledger.into());
                } else if let Some(marker) = crate::plan::ledger::Marker::from_config_map(&object) {
                    self.live.markers.insert(object.namespace().into(), marker);
                }
            }
            other => panic!("{other:?}"),
        }
        Ok(())
    }

    fn advance(&mut self, until: Timestamp) -> BTreeSet<ObjectKey> {
        self.moves += 1;
        let stirred = std::mem::take(&mut self.stirred);
        let happens = match self.temper {
            Temper::Obliging => !stirred.is_empty(),
            Temper::Restless => true,
            Temper::Idle | Temper::Refusing => false,
        };
        if self.temper == Temper::Obliging {
            for unit in &stirred {
                self.settle(unit);
            }
        }
        self.now = if happens { until.min(self.now + PACE) } else { until };
        match self.temper {
            Temper::Restless => self.live.units.keys().map(ObjectKey::from).collect(),
            _ if happens => stirred.iter().map(ObjectKey::from).collect(),
            _ => BTreeSet::new(),
        }
    }

    fn deeds(&mut self) -> Vec<(UnitKey, What)> {
        std::mem::take(&mut self.deeds)
    }
}

/// Two jobs, the second after the first, both to be upgraded.
fn upgrades() -> Scene {
    Scene::new()
        .running("ingest", application("ingest:1"))
        .running("enrich", application("enrich:1"))
        .git("ingest", application("ingest:2"), &[])
        .git("enrich", application("enrich:2"), &["ingest"])
}

fn run(scene: &Scene, temper: Temper) -> (Forecast, Simple) {
    let mut model = Simple::new(scene, temper);
    (forecast(&scene.desired, &mut model, &|plan| plan), model)
}

fn told(forecast: &Forecast) -> Vec<String> {
    forecast.steps.iter().map(|step| format!("{} {:?}", step.object.name, step.what)).collect()
}

#[test]
fn what_happens_is_told_in_order_and_summed_up_per_unit() {
    let (forecast, _) = run(&upgrades(), Temper::Obliging);
    assert_eq!(
        told(&forecast),
        [
            "ingest Updated",
            "ingest JobStopped",
            "ingest JobRestored",
            "ingest Settled",
            "enrich Updated",
            "enrich JobStopped",
            "enrich JobRestored",
            "enrich Settled",
        ]
    );
    assert_eq!(forecast.end, End::Settled);
    let [enrich, ingest] = &forecast.units[..] else { panic!("{:?}", forecast.units) };
    assert_eq!((enrich.restarts, ingest.restarts), (1, 1));
    assert_eq!(enrich.down, [Span { from: 5, to: Some(6) }]);
    assert_eq!(enrich.waits_for, BTreeSet::from([ingest.key.clone()]));
    assert!(ingest.waits_for.is_empty() && enrich.ends == Ending::Settled);
}

#[test]
fn what_does_not_come_by_itself_is_blocked_and_is_waited_for_no_longer_than_anything_takes() {
    let (forecast, model) = run(&upgrades(), Temper::Idle);
    assert_eq!(told(&forecast), ["ingest Updated"]);
    assert_eq!(forecast.end, End::Blocked);
    let ends: Vec<Ending> = forecast.units.iter().map(|unit| unit.ends).collect();
    assert_eq!(ends, [Ending::Blocked, Ending::Failed], "enrich waits for ingest, which never settles");
    assert!(model.moves < 10, "{} looks", model.moves);
}

#[test]
fn a_model_that_never_rests_is_left_after_the_longest_deadline() {
    let (forecast, model) = run(&upgrades(), Temper::Restless);
    assert_eq!(forecast.end, End::Blocked);
    let (took, scene) = (model.now, upgrades());
    assert!(took.duration_since(scene.now) <= patience(&scene.desired) + QUIET);
}

#[test]
fn a_refused_write_is_told_with_its_words_and_not_tried_again() {
    let (forecast, model) = run(&upgrades(), Temper::Refusing);
    assert_eq!(told(&forecast), ["ingest Refused"]);
    assert_eq!((forecast.steps[0].why.as_str(), model.refused), ("denied by the house rules", 1));
    assert_eq!(forecast.end, End::Blocked);
}

#[test]
fn a_forecast_too_long_to_be_made_says_that_it_is_cut() {
    let scene = upgrades();
    let mut model = Simple::new(&scene, Temper::Obliging);
    let forecast = Course::begin(&scene.desired, &mut model, &|plan| plan, 6).run();
    assert_eq!(forecast.end, End::Cut);
    let ends: Vec<Ending> = forecast.units.iter().map(|unit| unit.ends).collect();
    assert_eq!(ends, [Ending::UnderWay, Ending::UnderWay], "{:?}", forecast.steps);
}

#[test]
fn what_is_planned_for_grows_with_the_number_of_changes_and_not_with_its_square() {
    for units in [10, 40, 160] {
        let mut scene = Scene::new();
        for unit in 0..units {
            let name = format!("unit-{unit}");
            scene = scene.running(&name, application("a:1")).git(&name, application("a:2"), &[]);
        }
        let mut model = Simple::new(&scene, Temper::Obliging);
        let forecast = Course::begin(&scene.desired, &mut model, &|plan| plan, 12 * units).run();
        assert_eq!(forecast.end, End::Settled, "{units} units");
        assert_eq!(forecast.units.iter().map(|unit| unit.restarts).sum::<usize>(), units);
    }
}

#[test]
fn the_concern_is_what_acts_with_all_its_neighbours_and_one_bystander() {
    let scene = Scene::new()
        .running("sessions", session("2g"))
        .running("scores", session_job("savepoint"))
        .running("report", application("r:1"))
        .running("apart", application("p:1"))
        .running("aside", application("s:1"))
        .git("sessions", session("4g"), &[])
        .git("scores", session_job("savepoint"), &[])
        .git("report", application("r:1"), &["sessions"])
        .git("apart", application("p:1"), &[])
        .git("aside", application("s:1"), &[])
        .recorded();
    let plan = scene.plan();
    let (desired, live) = concern(&scene.desired, &scene.live, &plan);
    let in_git: Vec<&str> = desired.units.keys().map(|key| key.name.as_str()).collect();
    let in_cluster: Vec<&str> = live.units.keys().map(|key| key.name.as_str()).collect();
    assert_eq!(in_git, ["apart", "report", "sessions", "scores"]);
    assert_eq!(in_cluster, in_git);
    assert!(!live.ledgers.contains_key(&key(Kind::FlinkDeployment, "aside")));
}
