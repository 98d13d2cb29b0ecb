//! Rules of configuration keys: old names, and names that nobody reads.

use super::{Remark, Subject};
use crate::flink::options::{Standing, standing};

/// How operators before 1.8 called the autoscaler's options.
const OLD_AUTOSCALER: &str = "kubernetes.operator.job.autoscaler.";
const AUTOSCALER: &str = "job.autoscaler.";

/// The keys a unit sets itself, with what its release of Flink makes of each.
fn standings<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = (&'s str, Standing)> {
    let version = subject.version();
    let own = subject.own.keys().filter(|key| !key.starts_with(OLD_AUTOSCALER));
    own.map(move |key| (key.as_str(), standing(key, version)))
}

pub(super) fn deprecated(subject: &Subject<'_>) -> Vec<Remark> {
    let remark = |(key, standing): (&str, Standing)| {
        let Standing::Replaced(now) = standing else { return None };
        (!subject.own.contains_key(now)).then(|| {
            Remark::at_key(key, format!("`{key}` is the old name of `{now}`"), format!("write {now}"))
        })
    };
    standings(subject).filter_map(remark).collect()
}

pub(super) fn unknown(subject: &Subject<'_>) -> Vec<Remark> {
    let flink = subject.version().map_or_else(|| "Flink".to_owned(), |version| format!("Flink {version}"));
    let remark = |(key, standing): (&str, Standing)| {
        let (message, hint) = match standing {
            Standing::Known | Standing::Replaced(_) => return None,
            Standing::Removed(last) => (
                format!("{flink} does not read `{key}` any more: {last} was the last"),
                "remove it".to_owned(),
            ),
            Standing::Later(first) => (
                format!("{flink} does not read `{key}`, which came with {first}"),
                "remove it, or upgrade Flink".into(),
            ),
            Standing::Mistaken(meant) => {
                let hint = meant
                    .map_or_else(|| "check its name".to_owned(), |meant| format!("did you mean `{meant}`?"));
                (format!("nobody reads `{key}`"), hint)
            }
        };
        Some(Remark::at_key(key, message, hint))
    };
    standings(subject).filter_map(remark).collect()
}

pub(super) fn old_autoscaler(subject: &Subject<'_>) -> Vec<Remark> {
    let old = subject.own.keys().filter_map(|key| Some((key, key.strip_prefix(OLD_AUTOSCALER)?)));
    let remark = |(key, name): (&String, &str)| {
        let now = format!("{AUTOSCALER}{name}");
        (!subject.own.contains_key(&now)).then(|| {
            Remark::at_key(key, format!("`{key}` is the old name of `{now}`"), format!("write {now}"))
        })
    };
    old.filter_map(remark).collect()
}
