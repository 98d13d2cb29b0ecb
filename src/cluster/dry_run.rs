//! Has the API server judge writes without doing them: validation, admission webhooks, quotas and rights.

use futures::stream::{self, StreamExt as _};

use super::{Cluster, WriteError};
use crate::plan::write::Task;

/// Questions under way at once.
const AT_ONCE: usize = 8;

impl Cluster {
    /// Sends each write with `dryRun=All`; answers with those that would not be done, in order.
    ///
    /// Needs the same rights as the writes themselves.
    pub async fn dry_run<'t>(&self, tasks: &[&'t Task]) -> Vec<(&'t Task, WriteError)> {
        let answers = stream::iter(tasks.iter().copied())
            .map(async |task| Some((task, self.send(task, true).await.err()?)))
            .buffered(AT_ONCE);
        answers.filter_map(async |answer| answer).collect().await
    }
}
