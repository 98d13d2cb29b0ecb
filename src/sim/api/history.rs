//! The last few thousand changes, for watches that start from a version.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use crate::flink::kind::ObjectKey;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It has another content.
    Modified,
    /// It is gone.
    Deleted,
}

impl ChangeKind {
    /// The word of the watch protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// The version the change made.
    pub version: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// To which object.
    pub key: ObjectKey,
    /// The object afterwards; for a deletion its last state.
    pub object: Arc<Value>,
    /// The object before, if there was one.
    pub previous: Option<Arc<Value>>,
}

/// A watch asked for changes that are no longer kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The oldest version a watch may start from.
    pub oldest: u64,
}

/// The ring of kept changes.
#[derive(Debug)]
pub struct History {
    changes: VecDeque<Change>,
    capacity: usize,
    compacted: u64,
}

impl History {
    /// Keeps this many changes, of those after a version.
    pub fn keeping(capacity: usize, after: u64) -> Self {
        Self { changes: VecDeque::new(), capacity, compacted: after }
    }

    /// Knows of nothing up to a version, so that no watch can start before it.
    pub fn begin_after(&mut self, version: u64) {
        self.changes.clear();
        self.compacted = version;
    }

    /// Adds a change and forgets the oldest beyond the capacity.
    pub fn push(&mut self, change: Change) {
        self.changes.push_back(change);
        while self.changes.len() > self.capacity {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(forgotten) = self.changes.pop_front() {
            self.compacted = forgotten.version;
        }
    }

    /// Forgets everything, so that every older watch has to list again.
    pub fn compact(&mut self) {
        while !self.changes.is_empty() {
            self.forget_oldest();
        }
    }

    /// The changes after a version.
    pub fn since(&self, version: u64) -> Result<Vec<Change>, Compacted> {
        if version < self.compacted {
            return Err(Compacted { oldest: self.compacted });
        }
        let start = self.changes.partition_point(|change| change.version <= version);
        Ok(self.changes.iter().skip(start).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(version: u64) -> Change {
        let key = ObjectKey::new("v1", "ConfigMap", "a", "b");
        Change { version, kind: ChangeKind::Added, key, object: Arc::default(), previous: None }
    }

    fn versions(history: &History, since: u64) -> Result<Vec<u64>, Compacted> {
        history.since(since).map(|changes| changes.iter().map(|change| change.version).collect())
    }

    #[test]
    fn a_watch_may_start_from_any_kept_version_and_not_before() {
        let mut history = History::keeping(2, 0);
        (1..=4).for_each(|version| history.push(change(version)));
        assert_eq!(versions(&history, 1), Err(Compacted { oldest: 2 }));
        assert_eq!(versions(&history, 2), Ok(vec![3, 4]));
        assert_eq!(versions(&history, 4), Ok(vec![]));
    }

    #[test]
    fn compaction_keeps_the_newest_version_watchable() {
        let mut history = History::keeping(9, 0);
        (1..=3).for_each(|version| history.push(change(version)));
        history.compact();
        assert_eq!(versions(&history, 3), Ok(vec![]));
        assert_eq!(versions(&history, 2), Err(Compacted { oldest: 3 }));
    }
}
