//! The example repository goes as foreseen, in both of its environments: from nothing, and through the upgrade
//! of the demo.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use flinkops::plan::forecast::End;
use flinkops::repo::worktree;
use flinkops::sim::{OperatorMode, Options, Sim};
use flinkops::spec::source::{Limits, SourceTree};
use flinkops::spec::{Desired, load};

use super::foreseen::foresee;
use super::scenarios::NOW;
use super::{by_unit, carry_out, disagreements, observe, report};

fn desired(tree: &SourceTree, environment: &str) -> Desired {
    load(tree, &Limits::default(), Some(environment)).environments.remove(environment).unwrap()
}

fn edit(files: &mut BTreeMap<String, Arc<[u8]>>, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(files[path].to_vec()).unwrap();
    assert!(text.contains(from), "{path} does not say {from}");
    files.insert(path.to_owned(), Arc::from(text.replace(from, to).into_bytes()));
}

/// Foresees, carries out and compares; answers with the restarts that were foreseen.
async fn goes_as_foreseen(sim: &Sim, desired: &Desired, what: &str) -> usize {
    let live = observe(sim, desired).await;
    let (forecast, lines) = foresee(desired, &live, sim.now());
    let (plan, _, (reported_forecast, reported)) = report(desired, &live, sim.now());
    let (outcome, written) = carry_out(sim, desired).await;
    assert!(outcome.is_settled() && forecast.end == End::Settled, "{what}: {outcome:?}, {:?}", forecast.end);
    // What does not depend on each other goes at each operator's pace.
    assert_eq!(by_unit(&lines), by_unit(&written), "{what}");
    assert_eq!(by_unit(&reported), by_unit(&written), "{what}, as a report has it");
    assert_eq!(disagreements(&plan, &reported_forecast), [] as [String; 0], "{what}");
    forecast.units.iter().map(|unit| unit.restarts).sum()
}

#[tokio::test(start_paused = true)]
async fn the_examples_go_as_foreseen_from_nothing_and_from_one_revision_to_the_next() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for environment in ["staging", "prod"] {
        for operator in [OperatorMode::V1_7, OperatorMode::V1_15] {
            let start_time = Some(NOW.parse().unwrap());
            let sim = Sim::start(Options { operator, start_time, ..Options::default() });
            let mut tree = worktree::read(&root, &Limits::default()).unwrap();
            if operator == OperatorMode::V1_7 {
                // An old operator has no name for a new Flink.
                edit(&mut tree.files, "flinkops.yaml", "v1_20", "v1_17");
            }
            let what = format!("{environment} of {operator:?}");
            let first = desired(&tree, environment);
            assert_eq!(goes_as_foreseen(&sim, &first, &format!("{what} from nothing")).await, 0);
            edit(&mut tree.files, "jobs/orders-ingest/job.yaml", "ingest:1.4.1", "ingest:1.5.0");
            let session = if environment == "staging" { "staging.yaml" } else { "job.yaml" };
            let session = format!("jobs/orders-session/{session}");
            let memory = if environment == "staging" {
                ("2048m", "3072m")
            } else {
                ("spec:", "spec:\n  restartNonce: 1")
            };
            edit(&mut tree.files, &session, memory.0, memory.1);
            let second = desired(&tree, environment);
            // The application, the session cluster and the two jobs on it.
            assert_eq!(goes_as_foreseen(&sim, &second, &format!("{what}, the upgrade")).await, 4, "{what}");
            assert_eq!(goes_as_foreseen(&sim, &second, &format!("{what} once more")).await, 0);
        }
    }
}
