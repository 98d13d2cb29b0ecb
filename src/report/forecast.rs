//! A forecast as a few sentences, the same for a terminal and for a pull request.

use std::collections::BTreeMap;

use super::document::{ForecastDocument, PlanDocument, UnitForecastDocument};
use super::text::count;
use crate::plan::forecast::{End, Ending, What};

/// Lines beyond which the rest is only counted.
const MOST: usize = 20;
/// Names beyond which the rest of a line is only counted.
const NAMES: usize = 4;

/// What is told of one thing that flinkops does: to whom, and what comes of it.
struct Act {
    name: String,
    second: i64,
    whats: Vec<What>,
}

/// What happens, in order, a sentence each; what happens to several at once is one sentence.
pub fn sentences(forecast: &ForecastDocument) -> Vec<String> {
    let mut acts: Vec<Act> = Vec::new();
    for step in &forecast.steps {
        let last = follows(step.what).then(|| acts.iter_mut().rev().find(|act| act.name == step.on));
        match last.flatten() {
            Some(act) => act.whats.push(step.what),
            None => {
                acts.push(Act { name: step.on.clone(), second: step.second, whats: vec![step.what] });
            }
        }
    }
    let told = together(acts);
    let rest = told.len().saturating_sub(MOST);
    let mut sentences: Vec<String> =
        told.into_iter().take(MOST).map(|(names, words)| format!("{}: {words}", list(&names))).collect();
    if rest > 0 {
        sentences.push(format!("and {} more", count(rest, "step")));
    }
    sentences
}

/// The acts in words; those that begin at once and come to the same are one.
fn together(acts: Vec<Act>) -> Vec<(Vec<String>, String)> {
    let mut told: Vec<(Vec<String>, String)> = Vec::new();
    let mut second = 0;
    for act in acts {
        let words = words(&act.whats);
        match told.last_mut().filter(|(_, last)| *last == words && act.second == second) {
            _ if words.is_empty() => continue,
            Some((names, _)) => names.push(act.name),
            None => told.push((vec![act.name], words)),
        }
        second = act.second;
    }
    told
}

/// What it comes to: `3 jobs restart, 3 savepoints are taken`.
pub fn totals(forecast: &ForecastDocument) -> String {
    let summary = forecast.summary;
    let restarts = match (summary.restarted, summary.restarts) {
        (0, _) => "nothing restarts".to_owned(),
        (1, 1) => "1 unit restarts".to_owned(),
        (units, restarts) if units == restarts => format!("{units} units restart, once each"),
        (units, restarts) => format!("{} restart, {restarts} times in all", count(units, "unit")),
    };
    let savepoints = match summary.savepoints {
        0 => "no savepoint is taken".to_owned(),
        1 => "1 savepoint is taken".to_owned(),
        savepoints => format!("{savepoints} savepoints are taken"),
    };
    let so_far = if forecast.end == End::Cut { "up to where the forecast was cut, " } else { "" };
    format!("{so_far}{restarts}, {savepoints}")
}

/// The forecast, where it has something to tell.
pub fn told(document: &PlanDocument) -> Option<&ForecastDocument> {
    document.forecast.as_ref().filter(|forecast| !forecast.steps.is_empty())
}

/// What is left in the end that the plan itself does not say: it shows what is blocked from the beginning.
pub fn left(document: &PlanDocument, forecast: &ForecastDocument) -> Vec<String> {
    let blocked: BTreeMap<&str, &str> = document
        .units
        .iter()
        .filter_map(|unit| Some((unit.id.as_str(), unit.blocked.as_ref()?.message.as_str())))
        .collect();
    let known = |told: &UnitForecastDocument| blocked.get(told.id.as_str()) == Some(&told.message.as_str());
    let units = forecast.units.iter().filter(|unit| matches!(unit.ends, Ending::Blocked | Ending::Failed));
    let mut left: Vec<String> = units
        .filter(|unit| !known(unit))
        .map(|unit| format!("{} does not settle: {}", unit.id, unit.message))
        .collect();
    if forecast.end == End::Cut {
        left.push("the forecast is cut: it goes on for longer than was looked ahead".to_owned());
    }
    left
}

/// Whether it is told with what flinkops did to the unit before.
fn follows(what: What) -> bool {
    what >= What::SavepointTaken || what == What::Recorded
}

fn list(names: &[String]) -> String {
    match names {
        [all @ .., last] if !all.is_empty() && names.len() <= NAMES => {
            format!("{} and {last}", all.join(", "))
        }
        [name] => name.clone(),
        _ => format!("{} and {} more", names[..NAMES - 1].join(", "), names.len() + 1 - NAMES),
    }
}

/// One act in words.
fn words(whats: &[What]) -> String {
    let has = |what| whats.contains(&what);
    let mut words: Vec<&str> = whats.iter().filter_map(|what| ours(*what, whats)).collect();
    let stops = has(What::JobStopped) && !(has(What::JobRestored) || has(What::JobStarted));
    match has(What::SavepointTaken) {
        true if stops && !has(What::Suspended) => words.push("stopped with a savepoint"),
        true if !has(What::Suspended) => words.push("savepoint taken"),
        _ => {}
    }
    match (has(What::ClusterStopped), has(What::ClusterStarted)) {
        (true, true) => words.push("cluster restarted"),
        (true, false) => words.push("cluster stopped"),
        (false, true) => words.push("cluster started"),
        (false, false) => {}
    }
    let resumed = has(What::Resumed);
    words.extend(match (has(What::JobStopped), has(What::JobRestored), has(What::JobStarted)) {
        (_, true, _) if resumed => Some("started again with its state"),
        (_, _, true) if resumed => Some("started again from nothing"),
        (true, true, _) => Some("restarted with its state"),
        (true, _, true) => Some("restarted from nothing"),
        (false, true, _) => Some("started from a savepoint"),
        (false, _, true) => Some("started"),
        (true, false, false)
            if !has(What::Suspended) && !has(What::Deleted) && !has(What::SavepointTaken) =>
        {
            Some("job stopped")
        }
        _ => None,
    });
    if has(What::Failed) {
        words.push("fails");
    }
    words.join(", ")
}

/// What flinkops itself did, in words.
fn ours(what: What, whats: &[What]) -> Option<&'static str> {
    Some(match what {
        What::Applied => "applied",
        What::Pruned | What::Deleted => "deleted",
        What::Created => "created",
        What::Adopted => "taken over as it is",
        What::Updated => "changed",
        What::Suspended if whats.contains(&What::SavepointTaken) => "stopped with a savepoint",
        What::Suspended => "stopped",
        What::Refused => "refused by the API server",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> String {
        list(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn many_names_are_counted() {
        assert_eq!(names(&["a"]), "a");
        assert_eq!(names(&["a", "b", "c"]), "a, b and c");
        assert_eq!(names(&["a", "b", "c", "d", "e", "f"]), "a, b, c and 3 more");
    }

    #[test]
    fn what_comes_of_an_act_is_told_with_it() {
        let upgrade =
            [What::Updated, What::SavepointTaken, What::JobStopped, What::JobRestored, What::Settled];
        assert_eq!(words(&upgrade), "changed, savepoint taken, restarted with its state");
        assert_eq!(
            words(&[What::Updated, What::JobStopped, What::JobStarted]),
            "changed, restarted from nothing"
        );
        assert_eq!(
            words(&[What::Suspended, What::SavepointTaken, What::JobStopped]),
            "stopped with a savepoint"
        );
        assert_eq!(words(&[What::Resumed, What::JobRestored]), "started again with its state");
        assert_eq!(
            words(&[What::Updated, What::ClusterStopped, What::ClusterStarted]),
            "changed, cluster restarted"
        );
        assert_eq!(words(&[What::SavepointTaken, What::JobStopped]), "stopped with a savepoint");
        assert_eq!(words(&[What::JobStopped, What::Failed]), "job stopped, fails");
    }
}
