//! The autoscaler's excluded periods: ranges of a day, cron expressions, or one of each together.
//!
//! Restates `CalendarUtils` of the autoscaler with what it asks of Quartz: `DailyCalendar` wholly, `CronExpression` as
//! far as nothing that it takes is refused (compared with its versions 2.3.2 and 2.4.0). Not judged is what follows an
//! `L`, a year that is too late, 98 and 99, which Quartz keeps `?` and `*` as, and a list in quotes or brackets, which
//! Flink splits by other rules.

/// The option.
pub(super) const KEY: &str = "job.autoscaler.excluded.periods";

/// What the operator says of the first wrong period.
pub(super) fn refusal(periods: &str) -> Option<String> {
    let is_quoted = periods.contains(['"', '\'', '[']) || periods.trim_start().starts_with('-');
    if is_quoted || !periods.is_ascii() {
        return None;
    }
    let mut list: Vec<&str> = periods.split(';').map(str::trim).collect();
    // A separator at either end separates nothing.
    let first = list.first().is_some_and(|first| first.is_empty());
    list.drain(..usize::from(first));
    list.pop_if(|last| last.is_empty());
    list.into_iter().find_map(wrong)
}

fn wrong(period: &str) -> Option<String> {
    let parts: Vec<&str> = split(period, "&&").into_iter().map(str::trim).collect();
    let ranges = parts.iter().filter(|part| is_range(part)).count();
    let why = if parts.len() > 2 {
        ""
    } else if parts.iter().any(|part| !is_range(part) && !is_cron(part)) {
        ", the value is neither a valid daily expression nor a valid cron expression"
    } else if parts.len() == 2 && ranges != 1 {
        ", the value can not be configured as dailyExpression && dailyExpression or cronExpression && cronExpression"
    } else {
        return None;
    };
    Some(format!("Invalid value {period} in the autoscaler config {KEY}{why}"))
}

/// Splits as Java does: what is empty at the end is no part.
fn split<'t>(text: &'t str, separator: &str) -> Vec<&'t str> {
    let mut parts: Vec<&str> = text.split(separator).collect();
    while !text.is_empty() && parts.pop_if(|last| last.is_empty()).is_some() {}
    parts
}

/// `HH:mm[:ss[:SSS]]-HH:mm[:ss[:SSS]]`, the end after the start.
fn is_range(text: &str) -> bool {
    let ends: Vec<Option<[u32; 4]>> = split(text, "-").into_iter().map(time).collect();
    matches!(ends.as_slice(), [Some(start), Some(end)] if start < end)
}

fn time(text: &str) -> Option<[u32; 4]> {
    const HIGHEST: [u32; 4] = [23, 59, 59, 999];
    let numbers: Vec<&str> = text.split(':').filter(|number| !number.is_empty()).collect();
    let mut time = [0; 4];
    for (at, number) in numbers.iter().enumerate() {
        *time.get_mut(at)? = number.parse().ok()?;
    }
    let fits = time.iter().zip(HIGHEST).all(|(number, highest)| *number <= highest);
    (numbers.len() > 1 && fits).then_some(time)
}

/// A field of a cron expression.
struct Field {
    lowest: u64,
    highest: u64,
    /// The largest step after a `/`.
    step: i64,
    names: &'static str,
    /// Whether it may be left open by `?`, what else may follow a number in it.
    open: bool,
    endings: &'static [u8],
}

const PLAIN: Field = Field { lowest: 0, highest: 59, step: 59, names: "", open: false, endings: b"" };
const FIELDS: [Field; 7] = [
    PLAIN,
    PLAIN,
    Field { highest: 23, step: 23, ..PLAIN },
    Field { lowest: 1, highest: 31, step: 31, open: true, endings: b"W", ..PLAIN },
    Field {
        lowest: 1,
        highest: 12,
        step: 12,
        names: "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC",
        ..PLAIN
    },
    Field {
        lowest: 1,
        highest: 7,
        step: 7,
        names: "SUN MON TUE WED THU FRI SAT",
        open: true,
        endings: b"L#",
    },
    Field { highest: u64::MAX, step: i64::MAX, ..PLAIN },
];
const DAY_OF_MONTH: usize = 3;
const DAY_OF_WEEK: usize = 5;
/// What Quartz keeps a `?` and a `*` as.
const MARKS: [&str; 2] = ["98", "99"];

/// Whether Quartz may take it: six fields and perhaps a year, of which one of the days is left open by `?`.
fn is_cron(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    let fields: Vec<&str> = text.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
    let takes = |(written, field): (&&str, &Field)| items(written).all(|item| field.takes(item));
    if fields.len() >= 6 && MARKS.iter().any(|mark| text.contains(mark)) {
        return true;
    }
    if fields.len() < 6 || !fields.iter().zip(&FIELDS).all(takes) {
        return false;
    }
    let (month, week) = (fields[DAY_OF_MONTH], fields[DAY_OF_WEEK]);
    let is_open = |field: &str| items(field).any(|item| item.starts_with('?'));
    let one_last = !week.contains('L') || !week.contains(',');
    let one_nth = week.matches('#').count() < 2;
    one_last && one_nth && is_open(month) != is_open(week)
}

/// What a field lists.
fn items(field: &str) -> impl Iterator<Item = &str> {
    field.split(',').filter(|item| !item.is_empty())
}

impl Field {
    fn takes(&self, item: &str) -> bool {
        match item.as_bytes()[0] {
            b'L' if item == "L" || item == "LW" || item.starts_with("L-") => true,
            b'A'..=b'Z' => self.takes_name(item),
            b'?' => self.open && item.len() < 3,
            b'*' if item.as_bytes().get(1) != Some(&b'/') => true,
            b'*' | b'/' => {
                let step = item.trim_start_matches('*')[1..].parse::<i32>();
                step.is_ok_and(|step| i64::from(step) <= self.step)
            }
            b'0'..=b'9' => number(item).is_some_and(|(first, rest)| self.takes_number(first, rest)),
            _ => false,
        }
    }

    fn takes_name(&self, item: &str) -> bool {
        let is_name =
            |text: &str| text.get(..3).is_some_and(|text| self.names.split(' ').any(|name| name == text));
        let ending = item.as_bytes().get(3).copied().unwrap_or_default();
        is_name(item)
            && match ending {
                b'-' => is_name(&item[4..]),
                b'#' if self.endings.contains(&ending) => is_nth(&item[4..]),
                _ => true,
            }
    }

    /// Whether a number may stand here with what follows it; what Quartz skips may be anything.
    fn takes_number(&self, first: u64, rest: &str) -> bool {
        let is_in = |last: u64| (self.lowest..=self.highest).contains(&first) && last <= self.highest;
        let Some(ending) = rest.bytes().next() else { return is_in(0) };
        match ending {
            b'L' | b'W' | b'#' if !self.endings.contains(&ending) => false,
            b'L' => is_in(0) && first <= self.highest,
            b'W' => first <= self.highest,
            b'#' => is_nth(&rest[1..]),
            b'-' => number(&rest[1..]).is_some_and(|(last, rest)| {
                let step = rest.strip_prefix('/').map_or(Some(1), |step| Some(number(step)?.0));
                // Years do not begin anew.
                let runs = |step| step == 0 || self.highest < u64::MAX || first <= last;
                is_in(last) && step.is_some_and(runs)
            }),
            b'/' => number(&rest[1..]).is_some_and(|(step, after)| {
                let skips = after.is_empty() || rest.len() - after.len() > 2;
                skips && i64::try_from(step).is_ok_and(|step| step <= self.step) && is_in(0)
            }),
            _ => is_in(0),
        }
    }
}

/// The number that a text begins with, and the rest of it.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: i32 = text[..end].parse().ok()?;
    Some((u64::try_from(number).ok()?, &text[end..]))
}

/// Which of a month's days of that name.
fn is_nth(text: &str) -> bool {
    text.parse::<i32>().is_ok_and(|nth| (1..=5).contains(&nth))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEITHER: &str = "neither a valid daily expression nor a valid cron expression";
    const BOTH: &str =
        "can not be configured as dailyExpression && dailyExpression or cronExpression && cronExpression";

    /// As the operator says with Quartz 2.3.2 and 2.4.0 of each.
    #[test]
    fn a_period_is_a_range_or_a_cron_expression_or_one_of_each() {
        for period in [
            "9:30-10:50",
            "09:30:30-10:50:20",
            "0:0:0:0-23:59:59:999",
            "9:00-10:00-",
            "9::00-10:00",
            "* * * ? * 2-6",
            "* * 9-11,14-16 * * ?",
            "9:30:30-10:50:20 && * * * ? * 2,5",
            "* * * ? * MON-FRI && 9:30-10:50",
            "9:00-10:00&&",
            "0 0 12 1/5 * ?",
            "0 15 10 L-2 * ?",
            "0 15 10 LW * ?",
            "0 15 10 15W * ?",
            "0 15 10 ? * 6L 2022-2025",
            "0 15 10 ? * 6#3",
            "0 15 10 ? * fri#3",
            "0 0/5 14,18 * * ?",
            "0 11 11 11 NOV ?",
            "0 0 0 ? JAN-MAR,6 SUN",
            "* * 22-2 * * ?",
            "*/15 0-59/7 * ? * *",
            "* * * ? * * 2030-2040/2",
            "0 0 0 ? * L",
            "* * * * * ? 6-1/0",
            "* * * 98 * *",
            "* * * 99-98 * ?",
        ] {
            assert_eq!(wrong(period), None, "{period}");
        }
        for (period, why) in [
            ("10:00-9:00", NEITHER),
            ("9:00-9:00", NEITHER),
            ("22:00-06:00", NEITHER),
            ("9:00-24:00", NEITHER),
            ("9-10", NEITHER),
            ("9:00 - 10:00", NEITHER),
            ("never", NEITHER),
            ("", NEITHER),
            ("0 9 * * 1-5", NEITHER),
            ("* * * * * *", NEITHER),
            ("* * * ? * ?", NEITHER),
            ("* * * ? * 2,5555", NEITHER),
            ("* * * ? * 0", NEITHER),
            ("60 * * * * ?", NEITHER),
            ("* * 9-24 * * ?", NEITHER),
            ("* * * 0 * ?", NEITHER),
            ("* * * 32W * ?", NEITHER),
            ("* * * * 13 ?", NEITHER),
            ("* * * * FOO ?", NEITHER),
            ("* * * ? * MON-FRE", NEITHER),
            ("* * ? * * ?", NEITHER),
            ("* */60 * * * ?", NEITHER),
            ("* 5/ * * * ?", NEITHER),
            ("* 5- * * * ?", NEITHER),
            ("* -5 * * * ?", NEITHER),
            ("* * * ? * 6#6", NEITHER),
            ("* * * ? * 2#1,3#2", NEITHER),
            ("* * * ? * 6L,2", NEITHER),
            ("* * 6L * * ?", NEITHER),
            ("* * * ? * * 2040-2030", NEITHER),
            ("9:00-10:00 && 14:00-15:00", BOTH),
            ("* * * ? * 2 && * * 1 * * ?", BOTH),
            ("9:00-10:00 && ", NEITHER),
            ("9:00-10:00 && * * * ? * 2 && 1", "config job.autoscaler.excluded.periods"),
        ] {
            let said = wrong(period).unwrap_or_else(|| panic!("{period}"));
            assert!(
                said.starts_with(&format!("Invalid value {period} in the autoscaler")) && said.ends_with(why),
                "{said}"
            );
        }
    }

    #[test]
    fn a_list_has_semicolons_and_what_is_quoted_is_not_judged() {
        for list in [
            "",
            "9:00-10:00; 11:00-12:00 ",
            ";9:00-10:00;",
            "'a;b'",
            "\"a\"",
            "[a, b]",
            "- a",
            "9:00\u{2013}10:00",
        ] {
            assert_eq!(refusal(list), None, "{list}");
        }
        assert!(refusal("9:00-10:00;noon").is_some_and(|said| said.starts_with("Invalid value noon in")));
        assert!(refusal("9:00-10:00;;11:00-12:00").is_some());
    }
}
