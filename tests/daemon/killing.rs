//! The kill test: whatever the moment at which flinkops is killed, the next one reaches the same end.
//!
//! One history of revisions holds every kind of action. It is applied once undisturbed; then once for every
//! third write, killing the process after it and starting another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use flinkops::daemon::apply;
use flinkops::flink::kind::{ObjectKey, UnitKey};
use flinkops::plan::ledger::{Ledger, Marker};
use flinkops::plan::live::LiveObject;
use flinkops::sim::api::store::WriteOptions;
use flinkops::sim::{LoggedRequest, Phase, Verdict};
use flinkops::spec::Desired;
use flinkops::spec::policy::Ignore;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::world::{
    NAMESPACE, World, application_spec, cluster_spec, deployment, repository, session_job, session_job_spec,
    with_config_map,
};

/// Everything that is ever there.
fn everything() -> Vec<UnitKey> {
    vec![
        deployment("sessions"),
        session_job("one"),
        session_job("two"),
        deployment("ingest"),
        deployment("enrich"),
        deployment("paused"),
        deployment("moved"),
    ]
}

fn suspended(mut spec: Value) -> Value {
    spec["job"]["state"] = json!("suspended");
    spec
}

/// Create; update, restart a session cluster, suspend, delete, recreate; resume, create from the ledger.
fn history() -> Vec<Desired> {
    let (ingest, enrich) = (deployment("ingest"), deployment("enrich"));
    let at = |revision: &str, memory: &str, image: &str, rest: Vec<(UnitKey, Value, Vec<UnitKey>)>| {
        let mut units = vec![
            (deployment("sessions"), cluster_spec(memory), vec![]),
            (session_job("one"), session_job_spec("sessions", 1), vec![]),
            (session_job("two"), session_job_spec("sessions", 1), vec![]),
            (ingest.clone(), application_spec(image), vec![]),
        ];
        units.extend(rest);
        let mut desired = repository(revision, &units);
        for unit in desired.units.values_mut() {
            unit.consents.recreate = Some("it has to".into());
            let reason = "theirs".to_owned();
            unit.policy.ignore =
                vec![Ignore { path: format!("/spec/flinkConfiguration/{THEIRS}"), reason, name: None }];
        }
        with_config_map(desired, "ingest", "queries", revision)
    };
    let enriching = || (enrich.clone(), application_spec("enrich:1"), vec![ingest.clone()]);
    let paused = || application_spec("paused:1");
    let mut standalone = application_spec("moved:1");
    standalone["mode"] = json!("standalone");
    vec![
        at(
            "r1",
            "1024m",
            "ingest:1",
            vec![
                enriching(),
                (deployment("paused"), paused(), vec![]),
                (deployment("moved"), application_spec("moved:1"), vec![]),
            ],
        ),
        at(
            "r2",
            "2048m",
            "ingest:2",
            vec![
                (deployment("paused"), suspended(paused()), vec![]),
                (deployment("moved"), standalone.clone(), vec![]),
            ],
        ),
        at(
            "r3",
            "2048m",
            "ingest:2",
            vec![
                enriching(),
                (deployment("paused"), paused(), vec![]),
                (deployment("moved"), standalone, vec![]),
            ],
        ),
    ]
}

/// An option that is left to others.
const THEIRS: &str = "kubernetes.operator.savepoint.history.max.count";

/// What must be the same at the end: specs, restored jobs, what is written down, companions.
fn end_state(world: &World) -> Value {
    let units: Vec<Value> = everything().iter().map(|key| unit_state(world, key)).collect();
    let object = |name: &str| world.sim.store().get(&ObjectKey::new("v1", "ConfigMap", NAMESPACE, name));
    let marker = object(&Marker::name("orders")).expect("a marker");
    json!({
        "units": units,
        "queries": object("queries").expect("the companion")["data"],
        "marker": marker["data"],
    })
}

fn unit_state(world: &World, key: &UnitKey) -> Value {
    let live = world.unit(key);
    let ledger = world.ledger(key);
    let applied = |ledger: &Ledger| {
        let applied = ledger.applied.iter().map(|applied| json!([applied.revision.as_str(), applied.hash]));
        let reasons: Vec<String> =
            ledger.savepoints.iter().map(|found| format!("{:?} {}", found.reason, found.last)).collect();
        let held = ledger.held.as_ref().map(|held| (&held.hash, held.back_to.as_ref().map(|to| &to.hash)));
        let applied = applied.collect::<Vec<_>>();
        json!({"applied": applied, "savepoints": reasons, "fields": ledger.fields.as_str(), "held": held})
    };
    json!({
        "unit": key.to_string(),
        "spec": live.as_ref().map(|live| without_paths(live.spec())),
        "annotations": live.as_ref().map(marks),
        "restored": world.job(key).is_some_and(|job| job.restored_from.is_some()),
        "ledger": ledger.as_ref().map(applied),
    })
}

/// Names of savepoints count the operator's deeds, which is of no interest.
fn without_paths(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(job) = spec.get_mut("job").and_then(Value::as_object_mut) {
        let path = job.remove("initialSavepointPath");
        let nonce = job.remove("savepointRedeployNonce");
        job.insert("redeployed".into(), json!(nonce.is_some_and(|nonce| !nonce.is_null())));
        job.insert("restored".into(), json!(path.is_some_and(|path| !path.is_null())));
    }
    spec
}

fn marks(live: &LiveObject) -> Vec<String> {
    live.annotations().into_iter().flat_map(|annotations| annotations.keys().cloned()).collect()
}

/// Applies the history and dies once on the way, after this write if told to; answers how many writes were made.
async fn live_through(world: &World, history: &[Desired], death: Option<usize>) -> usize {
    let (writes, died) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let killed = Arc::new(Notify::new());
    let hook = (writes.clone(), died.clone(), killed.clone());
    world.sim.on_request(move |request, phase| {
        let (writes, died, killed) = hook.clone();
        async move {
            if !is_ours(&request) {
                return Verdict::Pass;
            }
            if phase == Phase::Before {
                return Verdict::Pass;
            }
            let number = writes.fetch_add(1, Ordering::SeqCst) + 1;
            if death == Some(number) && !died.swap(true, Ordering::SeqCst) {
                killed.notify_one();
                // Nobody is there any more to read an answer.
                std::future::pending::<()>().await;
            }
            Verdict::Pass
        }
    });
    let mut records: BTreeMap<UnitKey, u64> = BTreeMap::new();
    let mut others = others_edit_once();
    for desired in history {
        let first = tokio::select! {
            outcome = apply(&world.cluster, desired, world.options(), LIMIT) => Some(outcome),
            () = killed.notified() => None,
        };
        let outcome = match first {
            Some(outcome) => outcome,
            None => apply(&world.cluster, desired, world.options(), LIMIT).await,
        };
        let outcome = outcome.expect("the embedded cluster answers");
        let revision = desired.revision();
        assert!(outcome.is_settled(), "{death:?} at {revision}: {outcome:?}\n{}", world.progress.text());
        keep_count(world, &mut records, death);
        others(world);
        // Whatever that did, the operator has seen it before the next revision comes.
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(died.load(Ordering::SeqCst), death.is_some(), "{death:?} never came");
    writes.load(Ordering::SeqCst)
}

/// After the first revision others change a field that is left to them: it is so at the end, although its unit is
/// created anew (S5).
fn others_edit_once() -> impl FnMut(&World) {
    let edit = |object: &mut Value| object["spec"]["flinkConfiguration"][THEIRS] = json!("7");
    let mut done = false;
    move |world| {
        if !std::mem::replace(&mut done, true) {
            let moved = (&deployment("moved")).into();
            world.sim.store().edit(&moved, &WriteOptions::by("others"), edit).expect("it is there");
        }
    }
}

/// No job ever counts less than it did, be it deleted in between.
fn keep_count(world: &World, records: &mut BTreeMap<UnitKey, u64>, death: Option<usize>) {
    for key in everything().into_iter().filter(|key| world.job(key).is_some()) {
        let now = world.records(&key);
        let before = records.insert(key.clone(), now).unwrap_or_default();
        assert!(now >= before, "{death:?}: {key} counted {before} and then {now}\n{}", world.progress.text());
    }
}

const LIMIT: Option<Duration> = Some(Duration::from_secs(7200));

fn is_ours(request: &LoggedRequest) -> bool {
    request.is_write() && !request.path.contains("/events") && !request.path.contains("/leases")
}

/// Every flow by itself is killed at each of its writes by the fault tests; here they meet.
#[tokio::test(start_paused = true)]
async fn killed_at_writes_all_along_the_way_the_next_one_reaches_the_same_end() {
    let undisturbed = World::new();
    let writes = live_through(&undisturbed, &history(), None).await;
    let end = end_state(&undisturbed);
    assert!(writes > 50, "the history holds every kind of action: {writes}");
    // A process that dies before a write has done what one did that died after the write before.
    for write in (1..=writes).step_by(3) {
        let world = World::new();
        live_through(&world, &history(), Some(write)).await;
        let found = end_state(&world);
        assert!(found == end, "killed after {write}:\n{}\n{}", diff(&end, &found), world.progress.text());
    }
}

fn diff(end: &Value, found: &Value) -> String {
    let pretty = |value| serde_json::to_string_pretty(value).expect("JSON");
    let (end, found) = (pretty(end), pretty(found));
    similar::TextDiff::from_lines(&end, &found).unified_diff().to_string()
}
