//! Rules of the autoscaler's options, where it is on.

use super::{Checked, Violation, key_pointer, periods, violation};
use crate::flink::duration;
use crate::flink::release::Release;
use crate::rule::RuleId;

const PREFIX: &str = "job.autoscaler.";
/// What stood before that prefix in operators up to 1.7, and is still read.
const OLD: &str = "kubernetes.operator.";
const WINDOW: &str = "job.autoscaler.metrics.window";
const RECONCILE: &str = "kubernetes.operator.reconcile.interval";
/// Without an upper bound.
const UNBOUNDED: f64 = f64::INFINITY;
const TARGET: &str = "utilization.target";
/// The target utilization where nothing is set.
const DEFAULT_TARGET: f64 = 0.7;

pub(super) fn check(checked: &Checked<'_>) -> Vec<Violation> {
    let options = Options(checked);
    if !options.is_on("enabled") {
        return Vec::new();
    }
    let target = options.get(TARGET).and_then(|(_, text)| number(text)).unwrap_or(DEFAULT_TARGET);
    let mut ranges = vec![
        ("scale-down.max-factor", 0.0, UNBOUNDED),
        ("scale-up.max-factor", 0.0, UNBOUNDED),
        (TARGET, 0.0, 1.0),
        ("target.utilization.boundary", 0.0, UNBOUNDED),
        ("utilization.max", target, 1.0),
        ("utilization.min", 0.0, target),
        ("memory.gc-pressure.threshold", 0.0, 1.0),
        ("memory.heap-usage.threshold", 0.0, 1.0),
    ];
    for (feature, key, low) in [
        ("observed-scalability.enabled", "observed-scalability.coefficient-min", 0.01),
        ("scaling.effectiveness.detection.enabled", "scaling.effectiveness.threshold", 0.0),
        ("memory.tuning.enabled", "memory.tuning.overhead", 0.0),
    ] {
        if options.is_on(feature) {
            ranges.push((key, low, 1.0));
        }
    }
    let in_range = ranges.into_iter().filter_map(|(key, low, high)| options.range(key, low, high));
    in_range.chain(options.excluded()).chain(window(checked)).collect()
}

/// The configuration by the names that its options have had.
struct Options<'a>(&'a Checked<'a>);

impl Options<'_> {
    /// The key by which an option is set, and its value.
    fn get(&self, name: &str) -> Option<(String, &str)> {
        let renamed = (name == TARGET).then_some("target.utilization");
        let names = [Some(name), renamed].into_iter().flatten();
        let mut keys = ["", OLD]
            .into_iter()
            .flat_map(|old| names.clone().map(move |name| format!("{old}{PREFIX}{name}")));
        keys.find_map(|key| self.0.configuration.get(&key).map(|value| (key, value.as_str())))
    }

    fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"))
    }

    fn range(&self, name: &str, low: f64, high: f64) -> Option<Violation> {
        let (key, text) = self.get(name)?;
        let option = format!("{PREFIX}{name}");
        let message = match number(text) {
            Some(value) if !(value < low || value > high) => return None,
            Some(_) => {
                let high = if high.is_finite() { format!("{high:?}") } else { "+Infinity".into() };
                format!(
                    "The AutoScalerOption {option} is invalid, it should be a value within the range [{low:?}, {high}]"
                )
            }
            None => format!("Invalid value in the autoscaler config {option}"),
        };
        let hint = "correct the value, or turn the autoscaler off";
        Some(violation(RuleId::Autoscaler, key_pointer(&key), message, hint))
    }

    /// Operators know the option from 1.8 on.
    fn excluded(&self) -> Option<Violation> {
        let (key, text) =
            self.get("excluded.periods").filter(|_| self.0.proposal.release >= Release::V1_8)?;
        let hint = "write ranges of a day such as 09:30-11:00, Quartz expressions such as * * 9-17 ? * MON-FRI, with ? for one of the days, or one of each joined by &&; a list has ; between them, and a night is two ranges";
        Some(violation(RuleId::Autoscaler, key_pointer(&key), periods::refusal(text)?, hint))
    }
}

/// A number as Java reads it, `0.5d` as well.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text).parse().ok()
}

fn window(checked: &Checked<'_>) -> Option<Violation> {
    let own = checked.configuration.get(WINDOW)?;
    let interval = checked.configuration.get(RECONCILE)?;
    let smaller = duration::parse(own)? < duration::parse(interval)?;
    smaller.then(|| {
        let message = format!(
            "The autoscaler metric window ({own}) must not be smaller than the operator reconcile interval ({interval})"
        );
        violation(RuleId::AutoscalerWindow, key_pointer(WINDOW), message, "lengthen the window")
    })
}
