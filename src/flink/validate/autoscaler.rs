//! Rules of the autoscaler's options, where it is on.

use super::{Checked, Violation, key_pointer, violation};
use crate::flink::duration;
use crate::rule::RuleId;

const PREFIX: &str = "job.autoscaler.";
const WINDOW: &str = "job.autoscaler.metrics.window";
const RECONCILE: &str = "kubernetes.operator.reconcile.interval";
/// Without an upper bound.
const UNBOUNDED: f64 = f64::INFINITY;
/// The target utilization where nothing is set.
const TARGET: f64 = 0.7;

pub(super) fn check(checked: &Checked<'_>) -> Vec<Violation> {
    if !checked.is_on("job.autoscaler.enabled", false) {
        return Vec::new();
    }
    let value = |key: &str| checked.configuration.get(&format!("{PREFIX}{key}"))?.parse().ok();
    let target = value("utilization.target").or_else(|| value("target.utilization")).unwrap_or(TARGET);
    let mut ranges = vec![
        ("scale-down.max-factor", 0.0, UNBOUNDED),
        ("scale-up.max-factor", 0.0, UNBOUNDED),
        ("utilization.target", 0.0, 1.0),
        ("target.utilization.boundary", 0.0, UNBOUNDED),
        ("utilization.max", target, 1.0),
        ("utilization.min", 0.0, target),
        ("memory.gc-pressure.threshold", 0.0, 1.0),
        ("memory.heap-usage.threshold", 0.0, 1.0),
    ];
    if checked.is_on("job.autoscaler.observed-scalability.enabled", false) {
        ranges.push(("observed-scalability.coefficient-min", 0.01, 1.0));
    }
    if checked.is_on("job.autoscaler.memory.tuning.enabled", false) {
        ranges.push(("memory.tuning.overhead", 0.0, 1.0));
    }
    let in_range = ranges.into_iter().filter_map(|(key, low, high)| range(checked, key, low, high));
    in_range.chain(window(checked)).collect()
}

fn range(checked: &Checked<'_>, key: &str, low: f64, high: f64) -> Option<Violation> {
    let key = format!("{PREFIX}{key}");
    let text = checked.configuration.get(&key)?;
    let message = match text.trim().parse::<f64>() {
        Ok(value) if (low..=high).contains(&value) => return None,
        Ok(_) => {
            let high = if high.is_finite() { format!("{high:?}") } else { "+Infinity".into() };
            format!(
                "The AutoScalerOption {key} is invalid, it should be a value within the range [{low:?}, {high}]"
            )
        }
        Err(_) => format!("Invalid value in the autoscaler config {key}"),
    };
    Some(violation(
        RuleId::Autoscaler,
        key_pointer(&key),
        message,
        "correct the value, or turn the autoscaler off",
    ))
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
