//! Durations as Flink's configuration spells them: `15 s`, `5min`, `300`, `PT10S`.

use std::time::Duration;

/// Reads a duration; a bare number is milliseconds (Flink `TimeUtils.parseDuration`).
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    if digits.is_empty() {
        let iso: jiff::SignedDuration = text.parse().ok()?;
        return Duration::try_from(iso).ok();
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit.trim().to_ascii_lowercase().as_str() {
        "d" | "day" | "days" => Duration::from_secs(amount.checked_mul(86_400)?),
        "h" | "hour" | "hours" => Duration::from_secs(amount.checked_mul(3_600)?),
        "m" | "min" | "minute" | "minutes" => Duration::from_secs(amount.checked_mul(60)?),
        "s" | "sec" | "secs" | "second" | "seconds" => Duration::from_secs(amount),
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => Duration::from_millis(amount),
        "µs" | "micro" | "micros" | "microsecond" | "microseconds" => Duration::from_micros(amount),
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_flinks() {
        for (text, expected) in [
            ("15 s", Some(15_000)),
            ("5min", Some(300_000)),
            ("300", Some(300)),
            ("PT10S", Some(10_000)),
            ("1 h", Some(3_600_000)),
            ("5 lightyears", None),
            ("soon", None),
        ] {
            assert_eq!(parse(text).map(|it| it.as_millis()), expected, "{text}");
        }
    }
}
