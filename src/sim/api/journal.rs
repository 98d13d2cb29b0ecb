//! What was asked of the API, and a hook that may answer in its place: for counting and for faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;

use super::status::StatusError;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads one object.
    Get,
    /// Reads a collection.
    List,
    /// Follows a collection.
    Watch,
    /// Makes an object.
    Create,
    /// Replaces an object.
    Update,
    /// Changes an object in part.
    Patch,
    /// Removes an object.
    Delete,
    /// Asks what the API serves, or how it is.
    Discover,
}

impl Verb {
    /// Whether the verb changes anything.
    pub fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Patch | Self::Delete)
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, as it was sent.
    pub query: String,
    /// What it does.
    pub verb: Verb,
    /// Whether it asked for nothing to be stored.
    pub dry_run: bool,
    /// Who asked: the field manager.
    pub manager: String,
}

impl LoggedRequest {
    /// Whether the request may have changed an object.
    pub fn is_write(&self) -> bool {
        self.verb.writes() && !self.dry_run
    }
}

/// When a hook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the request takes effect.
    Before,
    /// After it took effect and before the client hears of it.
    After,
}

/// What a hook wants done.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Go on.
    Pass,
    /// Answer this instead.
    Fail(StatusError),
    /// Say to be too busy, as the real one does: in a sentence and a header with the seconds to wait.
    Busy(u32),
    /// Cut the connection without an answer.
    Drop,
}

impl Verdict {
    /// Answers an HTTP code with its usual reason.
    pub fn code(code: u16) -> Self {
        let reason = match code {
            409 => "Conflict",
            429 => "TooManyRequests",
            500 => "InternalError",
            503 => "ServiceUnavailable",
            _ => "Unknown",
        };
        Self::Fail(StatusError::new(code, reason, format!("injected fault {code}")))
    }
}

type Hook = Arc<dyn Fn(LoggedRequest, Phase) -> BoxFuture<'static, Verdict> + Send + Sync>;

/// The log and the hook.
#[derive(Default)]
pub struct Journal {
    requests: Mutex<Vec<LoggedRequest>>,
    hook: Mutex<Option<Hook>>,
}

impl Journal {
    /// Every request so far, oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        lock(&self.requests).clone()
    }

    /// Forgets the requests so far.
    pub fn clear(&self) {
        lock(&self.requests).clear();
    }

    /// Notes a request.
    pub fn record(&self, request: LoggedRequest) {
        lock(&self.requests).push(request);
    }

    /// Sets the hook.
    pub fn set_hook<F, R>(&self, hook: F)
    where
        F: Fn(LoggedRequest, Phase) -> R + Send + Sync + 'static,
        R: Future<Output = Verdict> + Send + 'static,
    {
        *lock(&self.hook) = Some(Arc::new(move |request, phase| Box::pin(hook(request, phase))));
    }

    /// Asks the hook.
    pub async fn ask(&self, request: &LoggedRequest, phase: Phase) -> Verdict {
        let hook = lock(&self.hook).clone();
        match hook {
            Some(hook) => hook(request.clone(), phase).await,
            None => Verdict::Pass,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
