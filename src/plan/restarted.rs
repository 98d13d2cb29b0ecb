//! An application whose JobManager Kubernetes started again, and not the operator. Without high availability its
//! job then begins with what it was deployed with, and nobody says so: the status looks as it always does.
//!
//! It is told by the status alone: the job began anew, and the operator has not deployed it since.

use jiff::Timestamp;
use serde_json::Value;

use super::ledger::{Ledger, Run};
use super::record::is_savepoint;
use super::subject::{Subject, World, clock_time};
use crate::flink::config;
use crate::flink::kind::Role;
use crate::flink::pointer::At as _;
use crate::rule::RuleId;
use crate::spec::Finding;

/// The run that the status of an application speaks of.
fn run(subject: &Subject<'_>) -> Option<Run> {
    let status = subject
        .live
        .filter(|_| subject.role == Role::Application && subject.status.job == "RUNNING")?
        .status();
    let at = |pointer: &str| {
        let value = status.at(pointer)?;
        let millis = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        Timestamp::from_millisecond(millis.filter(|millis| *millis > 0)?).ok()
    };
    let deployed = at("/reconciliationStatus/reconciliationTimestamp")?;
    Some(Run { deployed, started: at("/jobStatus/startTime")? })
}

/// Since when the job runs that was begun by nobody; `None` where it is the one the operator began.
pub fn since(subject: &Subject<'_>) -> Option<Timestamp> {
    let known = subject.ledger?.run.as_ref()?;
    let run = run(subject)?;
    (run.deployed == known.deployed && run.started > known.started).then_some(run.started)
}

/// Notes which run of a job that is well is the one that the operator began, where a JobManager that is started
/// again loses something.
pub fn note(subject: &Subject<'_>, ledger: &mut Ledger) {
    let run = run(subject);
    let known = ledger.run.as_ref().map(|known| known.deployed);
    if known != run.as_ref().map(|run| run.deployed) {
        let loses = || subject.keeps_state() && !config::has_high_availability(&subject.configuration());
        ledger.run = run.filter(|_| loses());
    }
}

/// What is to be said of it.
pub fn finding(world: World<'_>, subject: &Subject<'_>) -> Option<Finding> {
    let (unit, since) = (subject.unit?, since(subject)?);
    let path = subject.status.savepoint.as_deref().filter(|path| is_savepoint(path));
    let from =
        path.map_or_else(|| "nothing".to_owned(), |path| format!("{path}, which it was deployed with"));
    let name = &unit.key.name;
    let message = format!(
        "the JobManager of {name} was started again at {}, and not by the operator: without high availability the job \
         began from {from}, without what came after",
        clock_time(since, world.now)
    );
    let seen = subject.ledger.and_then(|ledger| ledger.checkpoint.as_ref()).filter(|it| it.seen < since);
    let hint = seen.map_or_else(
        || {
            let folder = config::first(&subject.configuration(), &config::CHECKPOINT_DIR).map(str::to_owned);
            let id = subject.live.and_then(|live| live.status().at("/jobStatus/jobId").and_then(Value::as_str));
            let below = folder.zip(id).map_or_else(String::new, |(folder, id)| {
                format!(" (they are below {}/{id})", folder.trim_end_matches('/'))
            });
            format!("`flinkops restore {name} --savepoint PATH` goes back to a checkpoint that it retained{below}")
        },
        |seen| format!("`flinkops restore {name} --savepoint {}` goes back to the last checkpoint seen before, if it is still there", seen.path),
    );
    Some(Finding::warning(RuleId::RestartedByItself, unit.place.clone(), message).hint(hint).unit(name))
}
