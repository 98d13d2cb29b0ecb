//! Whatever goes wrong between flinkops and the API server, and wherever: the end is the one without it.
//!
//! Each story is lived through once undisturbed, and then once for each trouble. The troubles are made where
//! the embedded API server is asked, so that kube and our own errors are under test; time is tokio's, so
//! that pauses cost nothing. After each: specs, records and companions are equal, every savepoint is on disk
//! and on record, no job was started once more, none ever counted less than before but by going back.

mod git;
mod pace;
mod stories;
mod trial;

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use flinkops::sim::Phase::{self, After, Before};
use similar::TextDiff;
use stories::Story;
use trial::{Fault, Trial, Trouble, When, live_through, run_alone};

/// What may go wrong at every other call of each sort, beginning with the first or the second; where it comes to
/// the same for flinkops, the one is tried with the first and the other with the second.
const EVERYWHERE: [(Fault, Phase, usize); 10] = [
    (Fault::Refused(409), Before, 0),
    (Fault::Refused(409), Before, 1),
    (Fault::Refused(500), Before, 0),
    (Fault::Refused(503), Before, 1),
    (Fault::Refused(410), Before, 0),
    (Fault::Busy, Before, 1),
    (Fault::Cut, Before, 0),
    (Fault::Cut, After, 1),
    (Fault::Silence, Before, 1),
    (Fault::Silence, After, 0),
];
/// How many calls go well after one that did not, with one more, where each goes wrong alone.
const APART: usize = 7;
/// Minutes without the operator: longer than anything may take to settle.
const LONG: u64 = 40;

/// What all stories together have come to.
static STORIES: AtomicUsize = AtomicUsize::new(0);
static POINTS: AtomicUsize = AtomicUsize::new(0);
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// Tries everything on a story.
struct Ordeal {
    story: Story,
    calm: Trial,
    points: usize,
    runs: usize,
    summary: String,
}

impl Ordeal {
    fn begin(story: Story) -> Self {
        let calm = run_alone(live_through(&story, Trouble::NONE));
        let again = run_alone(live_through(&story, Trouble::NONE));
        assert_eq!(calm.end, again.end, "{}: nothing is left to chance", story.name);
        Self { story, calm, points: 0, runs: 0, summary: String::new() }
    }

    /// Each trouble in a run of its own.
    fn each(&mut self, name: &str, troubles: impl IntoIterator<Item = Trouble>) {
        let before = self.points;
        for trouble in troubles {
            let trial = run_alone(live_through(&self.story, trouble));
            let once = matches!(trouble.when, When::AtWrite(_));
            let name = self.story.name;
            assert!(
                !once || trial.struck == 1,
                "{name}: {trouble:?} came {} times\n{}",
                trial.struck,
                trial.told
            );
            let difference = difference(&self.calm, &trial);
            assert!(difference.is_empty(), "{name}: {trouble:?}\n{difference}\n{}", trial.told);
            self.points += trial.struck;
            self.runs += 1;
        }
        write!(self.summary, ", {name} {}", self.points - before).expect("a string takes all");
    }

    fn at_writes(&self, fault: Fault, phases: &'static [Phase]) -> Vec<Trouble> {
        let writes = 0..self.calm.writes;
        writes
            .flat_map(|write| {
                phases.iter().map(move |&phase| Trouble { fault, phase, when: When::AtWrite(write) })
            })
            .collect()
    }

    /// What may leave something half done.
    fn most(&mut self) {
        // A process that dies before a call has done what one did that died after the call before.
        let kills = self.at_writes(Fault::Killed, &[After]);
        self.each("killed", kills);
        let lost = self.at_writes(Fault::Cut, &[After]);
        self.each("reply lost", lost);
        let everywhere =
            EVERYWHERE.map(|(fault, phase, first)| Trouble { fault, phase, when: When::EveryOther(first) });
        self.each("everywhere at once", everywhere);
    }

    /// Of what another story tries with every trouble, on another operator or from another failure.
    fn variant(mut self) {
        let begun = Instant::now();
        self.most();
        self.tell(begun, "all that its sibling tries beside");
    }

    fn all(mut self) {
        let begun = Instant::now();
        self.most();
        let silent = self.at_writes(Fault::Silence, &[After]).into_iter().step_by(2);
        self.each("reply never came", silent);
        let alone = (0..APART).map(|first| Trouble {
            fault: Fault::Any,
            phase: Before,
            when: When::Every(APART, first),
        });
        self.each("each call by itself", alone);
        let watches = [Fault::WatchesCut, Fault::HistoryGone];
        let watches = watches.map(|fault| Trouble { fault, phase: After, when: When::EveryWrite });
        self.each("watches cut or begun with 410", watches);
        let gone = self.at_writes(Fault::OperatorGone(LONG), &[After]).into_iter().step_by(2);
        self.each("operator away", gone);
        self.tell(
            begun,
            "at each call by itself, all but one in turn of 500, 429, silence and 503; replies that never came and the \
             operator away at every other write",
        );
    }

    /// Past the test runner's capture: how much was tried is part of the result.
    fn tell(&self, begun: Instant, left_out: &str) {
        let Self { story, calm, points, runs, summary } = self;
        let count = |total: &AtomicUsize, more: usize| total.fetch_add(more, Ordering::SeqCst) + more;
        let (stories, all, every) = (count(&STORIES, 1), count(&POINTS, *points), count(&RUNS, *runs));
        let line = format!(
            "[faults] {}: {points} fault points in {runs} runs of {} calls, {} of them writes{summary}; left out: \
             {left_out}; {:.1} s\n[faults] so far {all} fault points in {every} runs of {stories} stories\n",
            story.name,
            calm.calls,
            calm.writes,
            begun.elapsed().as_secs_f64(),
        );
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

fn difference(calm: &Trial, trial: &Trial) -> String {
    if calm.end == trial.end {
        return String::new();
    }
    let pretty = |trial: &Trial| serde_json::to_string_pretty(&trial.end).expect("JSON");
    let (calm, trial) = (pretty(calm), pretty(trial));
    TextDiff::from_lines(&calm, &trial).unified_diff().to_string()
}

macro_rules! ordeals {
    ($($test:ident: $story:ident, $tries:ident;)*) => {$(
        #[test]
        fn $test() {
            Ordeal::begin(stories::$story()).$tries();
        }
    )*};
}

ordeals! {
    s9_a_first_commit_comes_about_whatever_goes_wrong: create, all;
    s9_an_upgrade_comes_about_whatever_goes_wrong: upgrade, all;
    s9_s12_a_session_clusters_change_comes_about_whatever_goes_wrong: cluster_change, all;
    s9_s16_a_delete_and_its_way_back_come_about_whatever_goes_wrong: delete, all;
    s9_a_recreation_comes_about_whatever_goes_wrong: recreate, all;
    s9_s18_a_rename_comes_about_whatever_goes_wrong: rename, all;
    s9_s18_a_move_to_a_session_cluster_comes_about_whatever_goes_wrong: move_to_cluster, all;
    s9_s16_a_rest_comes_about_whatever_goes_wrong: suspend, all;
    s9_checkpoints_on_record_come_about_whatever_goes_wrong: checkpoints, all;
    s24_companions_come_about_whatever_goes_wrong: companions, all;
    s9_s23_a_rollback_comes_about_whatever_goes_wrong: rollback, all;
    s9_s23_a_revert_comes_about_whatever_goes_wrong: revert, variant;
    s9_s23_a_rollback_on_operator_1_7_comes_about_whatever_goes_wrong: rollback_1_7, variant;
    s9_s13_a_lost_job_manager_comes_back_whatever_goes_wrong: lost_job_manager, all;
    s9_s13_a_lost_job_manager_on_operator_1_7_comes_back_whatever_goes_wrong: lost_job_manager_1_7, variant;
    s9_s13_a_rescue_comes_about_whatever_goes_wrong: rescue, all;
    s9_s13_a_rescue_on_operator_1_7_comes_about_whatever_goes_wrong: rescue_1_7, variant;
    s9_s13_s23_a_rescue_of_what_is_held_comes_about_whatever_goes_wrong: rescue_while_held, variant;
    s9_s13_s23_a_rescue_of_what_is_held_on_operator_1_7_comes_about_whatever_goes_wrong: rescue_while_held_1_7, variant;
    s9_s15_a_change_left_to_high_availability_comes_about_whatever_goes_wrong: cluster_change_ha, variant;
    s9_s12_a_change_on_operator_1_7_comes_about_whatever_goes_wrong: cluster_change_1_7, variant;
}
