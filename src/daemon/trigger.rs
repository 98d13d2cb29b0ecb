//! When to read Git again: at the beginning, every so often, soon after a failure, and when a local
//! repository changes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a repository must be quiet before it is read: Git moves several files for one commit.
const QUIET: Duration = Duration::from_millis(100);

/// Why Git is read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// It is time again, or the first time.
    Poll,
    /// The repository on this machine changed.
    Notify,
}

/// How long to wait before each new attempt at something that fails: 1 s, doubled up to a minute.
pub(super) fn pauses() -> impl Iterator<Item = Duration> + Send {
    let doubled = |pause: &Duration| Some((*pause * 2).min(Duration::from_secs(60)));
    std::iter::successors(Some(Duration::from_secs(1)), doubled)
}

/// Everything that makes the daemon read Git.
pub struct Triggers {
    due: Instant,
    changes: mpsc::Receiver<()>,
    /// Kept for as long as it shall notify.
    _watcher: Option<RecommendedWatcher>,
    _sender: mpsc::Sender<()>,
}

impl Triggers {
    /// Polls the first time at once; `folder` is a repository on this machine, if it is one.
    pub fn new(folder: Option<&Path>) -> Self {
        let (sender, changes) = mpsc::channel(1);
        let watcher = folder.and_then(|folder| watch(folder, sender.clone()));
        Self { due: Instant::now(), changes, _watcher: watcher, _sender: sender }
    }

    /// Polls next after this while.
    pub fn poll_in(&mut self, pause: Duration) {
        self.due = Instant::now() + pause;
    }

    /// Waits for the next reason to read Git.
    pub async fn next(&mut self) -> Trigger {
        tokio::select! {
            () = sleep_until(self.due) => Trigger::Poll,
            Some(()) = self.changes.recv() => {
                self.quiet().await;
                Trigger::Notify
            }
        }
    }

    async fn quiet(&mut self) {
        loop {
            tokio::select! {
                () = sleep(QUIET) => return,
                Some(()) = self.changes.recv() => {}
            }
        }
    }
}

/// Watches what moves when a branch does. Where that fails, polling still finds it.
fn watch(folder: &Path, sender: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let changed = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // Full means that a change is waiting to be seen already.
            let _ = sender.try_send(());
        }
    };
    let mut watcher = notify::recommended_watcher(changed).ok()?;
    for (path, mode) in places(folder)? {
        if let Err(error) = watcher.watch(&path, mode) {
            tracing::warn!("failed to watch {}: {error}; polling instead", path.display());
        }
    }
    Some(watcher)
}

/// `HEAD` and `packed-refs` are replaced within the Git folder; branches are files below `refs`.
fn places(folder: &Path) -> Option<[(PathBuf, RecursiveMode); 2]> {
    let repository = git2::Repository::discover(folder).ok()?;
    Some([
        (repository.path().to_owned(), RecursiveMode::NonRecursive),
        (repository.commondir().join("refs"), RecursiveMode::Recursive),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_doubled_up_to_a_minute() {
        let seconds: Vec<u64> = pauses().map(|pause| pause.as_secs()).take(9).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[tokio::test]
    async fn a_commit_in_a_local_repository_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = git2::Repository::init(folder.path()).expect("a repository");
        let mut triggers = Triggers::new(Some(folder.path()));
        assert_eq!(triggers.next().await, Trigger::Poll, "the first reading");
        triggers.poll_in(Duration::from_hours(1));
        let tree = repository.treebuilder(None).and_then(|tree| tree.write()).expect("a tree");
        let tree = repository.find_tree(tree).expect("a tree");
        let who = git2::Signature::now("a", "a@example.com").expect("a signature");
        repository.commit(Some("HEAD"), &who, &who, "first", &tree, &[]).expect("a commit");
        let noticed = tokio::time::timeout(Duration::from_secs(20), triggers.next()).await;
        assert_eq!(noticed, Ok(Trigger::Notify));
    }
}
