//! Configuration keys of Flink, of the operator and of its autoscaler: which release reads which, and what a
//! key was most probably meant to be.

use std::sync::LazyLock;

use super::version::FlinkVersion;

/// The oldest release that the table speaks of.
const OLDEST: FlinkVersion = FlinkVersion::new(1, 15);
/// The newest one.
const NEWEST: FlinkVersion = FlinkVersion::new(2, 2);

/// Below these, some part of a key is chosen by people or by other products: whatever stands there is no mistake.
const OPEN: [&str; 17] = [
    "containerized.",
    "env.",
    "external-resource.",
    "flink.hadoop.",
    "flink.yarn.",
    "fs.",
    "job.autoscaler.metrics.custom-evaluator",
    "job.autoscaler.scaling.custom-executor",
    "job.autoscaler.scaling.parallelism-alignment.mode.",
    "kubernetes.operator.default-configuration.",
    "kubernetes.operator.metrics.",
    "kubernetes.operator.plugins.",
    "metrics.",
    "plugin.",
    "s3.",
    "security.delegation.token.provider.",
    "traces.reporter.",
];

/// Below these Flink reads its own keys only, so one that it does not know is a mistake however it looks.
const CLOSED: [&str; 7] = [
    "classloader.",
    "execution.checkpointing.",
    "jobmanager.memory.",
    "restart-strategy.",
    "state.checkpoints.",
    "state.savepoints.",
    "taskmanager.memory.",
];

/// Keys that people write for others which look different.
const MEANT: [(&str, &str); 7] = [
    ("execution.checkpointing.exactly-once", "execution.checkpointing.mode"),
    ("execution.checkpointing.filesystem", "execution.checkpointing.dir"),
    ("pipeline.default-parallelism", "parallelism.default"),
    (
        "restart-strategy.exponential-delay.max-attempts",
        "restart-strategy.exponential-delay.attempts-before-reset-backoff",
    ),
    (
        "restart-strategy.exponential-delay.multiplier",
        "restart-strategy.exponential-delay.backoff-multiplier",
    ),
    ("state.checkpoints.interval", "execution.checkpointing.interval"),
    ("state.checkpoints.timeout", "execution.checkpointing.timeout"),
];

/// A key that looks like another is as long as this at least: short ones look alike by chance.
const LONG: usize = 10;
/// Letters in which a misspelt key may differ.
const SLIPS: usize = 2;

/// What a release of Flink makes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is read, or nothing says that it is not.
    Known,
    /// It is read as the old name of this one.
    Replaced(&'static str),
    /// It is not read any more; this release was the last that did.
    Removed(FlinkVersion),
    /// It is not read yet; this release is the first that does.
    Later(FlinkVersion),
    /// Nobody reads it; the key that was meant, where it can be told.
    Mistaken(Option<&'static str>),
}

/// What Flink, the operator and its autoscaler make of a key; without a version, as far as all versions agree.
pub fn standing(key: &str, version: Option<FlinkVersion>) -> Standing {
    let rows = rows(key);
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return unknown(key, version) };
    let Some(version) = version.filter(|version| is_listed(*version)) else { return Standing::Known };
    match rows.iter().find(|row| row.is_read_by(version)) {
        Some(row) => row.now.map_or(Standing::Known, Standing::Replaced),
        None if version > last.last => Standing::Removed(last.last),
        None => Standing::Later(first.first),
    }
}

/// Whether the table speaks of a release.
fn is_listed(version: FlinkVersion) -> bool {
    (OLDEST..=NEWEST).contains(&version)
}

fn unknown(key: &str, version: Option<FlinkVersion>) -> Standing {
    if OPEN.iter().any(|prefix| key.starts_with(prefix)) {
        return Standing::Known;
    }
    if let Some((_, meant)) = MEANT.iter().find(|(mistake, _)| *mistake == key) {
        return Standing::Mistaken(Some(meant));
    }
    // Newer releases know keys that the table does not.
    if version.is_some_and(|version| version > NEWEST) {
        return Standing::Known;
    }
    if let Some(meant) = similar(key, version) {
        return Standing::Mistaken(Some(meant));
    }
    let mut parents = key.match_indices('.').map(|(dot, _)| &key[..dot]);
    let closed = version.is_some_and(is_listed) && CLOSED.iter().any(|prefix| key.starts_with(prefix));
    // A map may be written as keys below its own.
    if closed && !parents.any(|parent| !rows(parent).is_empty()) {
        Standing::Mistaken(None)
    } else {
        Standing::Known
    }
}

/// The known key that differs in a slip of the fingers.
fn similar(key: &str, version: Option<FlinkVersion>) -> Option<&'static str> {
    if key.len() < LONG {
        return None;
    }
    let letters = letters(key);
    let near = TABLE.iter().filter(|row| {
        row.now.is_none()
            && version.filter(|version| is_listed(*version)).is_none_or(|version| row.is_read_by(version))
            && row.key.len() >= LONG
            && row.key.len().abs_diff(key.len()) <= SLIPS
            && (row.letters ^ letters).count_ones() as usize <= 2 * SLIPS
    });
    let distance = |row: &Row| strsim::damerau_levenshtein(row.key, key);
    let (distance, key) = near.map(|row| (distance(row), row.key)).min()?;
    (distance <= SLIPS).then_some(key)
}

/// Which letters occur, one bit each: what is far apart in these need not be compared.
fn letters(key: &str) -> u32 {
    key.bytes().fold(0, |seen, byte| seen | 1 << (byte & 31))
}

struct Row {
    key: &'static str,
    /// The releases that read it: the operator's own keys are read whatever the release.
    first: FlinkVersion,
    last: FlinkVersion,
    now: Option<&'static str>,
    letters: u32,
}

impl Row {
    fn is_read_by(&self, version: FlinkVersion) -> bool {
        (self.first..=self.last).contains(&version)
    }
}

fn rows(key: &str) -> &'static [Row] {
    let start = TABLE.partition_point(|row| row.key < key);
    let count = TABLE[start..].iter().take_while(|row| row.key == key).count();
    &TABLE[start..start + count]
}

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let lines = include_str!("options/keys.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(row).collect()
});

fn row(line: &'static str) -> Option<Row> {
    let mut columns = line.split('\t');
    let (key, readers, now) = (columns.next()?, columns.next()?, columns.next());
    let (first, last) = if readers == "o" { ("", "") } else { readers.split_once('-')? };
    let (first, last) = (FlinkVersion::of_tag(first), FlinkVersion::of_tag(last));
    let (first, last) = (first.unwrap_or(OLDEST), last.unwrap_or(NEWEST));
    Some(Row { key, first, last, now, letters: letters(key) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1_15: FlinkVersion = FlinkVersion::new(1, 15);
    const V1_19: FlinkVersion = FlinkVersion::new(1, 19);
    const V1_20: FlinkVersion = FlinkVersion::new(1, 20);
    const V2_0: FlinkVersion = FlinkVersion::new(2, 0);
    const V2_1: FlinkVersion = FlinkVersion::new(2, 1);
    const V2_3: FlinkVersion = FlinkVersion::new(2, 3);

    #[test]
    fn the_table_is_sorted_and_its_new_names_are_known() {
        let lines = include_str!("options/keys.tsv").lines().filter(|line| !line.starts_with('#'));
        assert_eq!(TABLE.len(), lines.count(), "every line is a row");
        assert!(TABLE.iter().all(|row| OLDEST <= row.first && row.first <= row.last && row.last <= NEWEST));
        for pair in TABLE.windows(2) {
            let after = pair[0].key == pair[1].key && pair[0].last < pair[1].first;
            assert!(pair[0].key < pair[1].key || after, "{} is out of order", pair[1].key);
        }
        let read =
            |row: &Row, now| rows(now).iter().any(|other| other.first <= row.first && row.last <= other.last);
        let lost = TABLE.iter().filter(|row| row.now.is_some_and(|now| !read(row, now)));
        assert_eq!(lost.map(|row| row.key).collect::<Vec<_>>(), [""; 0]);
        assert!(MEANT.iter().all(|(mistake, meant)| rows(mistake).is_empty() && !rows(meant).is_empty()));
    }

    #[test]
    fn an_old_name_is_told_where_the_new_one_is_known_to_be_read() {
        let dir = Standing::Replaced("execution.checkpointing.dir");
        for (version, expected) in [
            (None, Standing::Known),
            (Some(V1_19), Standing::Known),
            (Some(V1_20), dir),
            (Some(NEWEST), dir),
            (Some(V2_3), Standing::Known),
        ] {
            assert_eq!(standing("state.checkpoints.dir", version), expected, "{version:?}");
        }
        let savepoint = "execution.savepoint.path";
        assert_eq!(standing(savepoint, Some(V1_20)), Standing::Known);
        let path = Standing::Replaced("execution.state-recovery.path");
        assert_eq!((standing(savepoint, Some(V2_0)), standing(savepoint, Some(V2_1))), (path, path));
        assert_eq!(standing("execution.checkpointing.dir", Some(V2_1)), Standing::Known);
        let ask = Standing::Replaced("pekko.ask.timeout");
        assert_eq!(standing("akka.ask.timeout", Some(FlinkVersion::new(1, 17))), Standing::Known);
        assert_eq!(standing("akka.ask.timeout", Some(FlinkVersion::new(1, 18))), ask);
    }

    #[test]
    fn a_key_is_known_to_some_releases_only() {
        let async_backend = "state.backend.async";
        assert_eq!(standing(async_backend, Some(V2_0)), Standing::Removed(V1_20));
        assert_eq!(standing(async_backend, Some(V1_20)), Standing::Known);
        assert_eq!(standing(async_backend, Some(V2_3)), Standing::Known);
        assert_eq!(standing("state.backend.forst.local-dir", Some(V1_20)), Standing::Later(V2_0));
        assert_eq!(standing("state.backend.forst.local-dir", Some(V2_1)), Standing::Known);
        assert_eq!(standing("execution.checkpointing.dir", Some(V1_19)), Standing::Later(V1_20));
        assert_eq!(standing("job.autoscaler.enabled", Some(V1_15)), Standing::Known);
    }

    #[test]
    fn a_mistake_is_told_with_what_was_meant() {
        for (mistake, meant) in [
            ("execution.checkpointing.intervall", Some("execution.checkpointing.interval")),
            ("taskmanager.numberOfTaskSlot", Some("taskmanager.numberOfTaskSlots")),
            ("high-availability.storage-dir", Some("high-availability.storageDir")),
            ("state.checkpoints.interval", Some("execution.checkpointing.interval")),
            ("classloader.parent-first-patterns.defaults", Some("classloader.parent-first-patterns.default")),
            ("execution.checkpointing.every", None),
        ] {
            assert_eq!(standing(mistake, Some(V1_20)), Standing::Mistaken(meant), "{mistake}");
        }
        assert_eq!(standing("execution.checkpointing.every", None), Standing::Known);
        assert_eq!(standing("execution.checkpointing.intervals", Some(V2_3)), Standing::Known);
    }

    #[test]
    fn what_people_and_products_choose_is_no_mistake() {
        for key in [
            "license.key",
            "kafka.bootstrap.servers",
            "log4j.rootLogger.level",
            "metrics.reporter.prom.factory.class",
            "metrics.reporter.mine.intervall",
            "kubernetes.operator.metrics.reporter.slf4j.interval",
            "containerized.master.env.ENABLE_BUILT_IN_PLUGINS",
            "s3.endpoint",
            "s3.path.style.access",
            "fs.s3a.aws.credentials.provider",
            "emr-containers.release",
            "my.own.parallelism",
            "pipeline.global-job-parameters.mode",
            "job.autoscaler.target.utilization.boundary",
            "kubernetes.jobmanager.annotations.team",
            "rest.prot",
            "",
            ".",
        ] {
            assert_eq!(standing(key, Some(V1_20)), Standing::Known, "{key}");
        }
    }
}
