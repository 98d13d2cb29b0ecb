//! Sends one write exactly as it was planned, and names what became of it.

use std::time::Duration;

use http::Request as HttpRequest;
use kube::core::params::{DeleteParams, GetParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{Request, Status};
use serde_json::Value;

use super::error::{FieldCause, Right, innermost, status_text};
use super::{Cluster, Resource, WriteError};
use crate::flink::kind::ObjectKey;
use crate::plan::Write;
use crate::plan::ledger::MANAGER;
use crate::plan::live::LiveObject;
use crate::plan::write::Task;

impl Cluster {
    /// Sends the task's request. The answer is the object as it is now; `None` for one that is gone.
    pub async fn perform(&self, task: &Task) -> Result<Option<LiveObject>, WriteError> {
        self.send(task, false).await
    }

    /// The same, or with `dry` only as a question that changes nothing.
    pub(super) async fn send(&self, task: &Task, dry: bool) -> Result<Option<LiveObject>, WriteError> {
        let key = task.write.key();
        let verb = task.write.verb();
        let transient =
            |message: String| WriteError::Transient { verb, key: key.clone(), message, retry_after: None };
        let resource = self.resource(&key.api_version, &key.kind).await.map_err(|error| {
            if error.is_permanent() {
                WriteError::Rejected {
                    verb,
                    key: key.clone(),
                    message: error.to_string(),
                    causes: Vec::new(),
                }
            } else {
                transient(error.to_string())
            }
        })?;
        // Asked last, so that nothing lies between the answer and the request.
        if !dry && self.lease.as_ref().is_some_and(|lease| !lease.is_held()) {
            return Err(WriteError::LeaseLost { verb, key });
        }
        tracing::debug!(verb, object = %key, reason = task.reason, dry, "writing");
        let path = resource.path(&key.namespace);
        match self.request::<Value>(path, |request| build(&request, &key, &task.write, dry)).await {
            Ok(answer) => Ok(remains(&task.write, answer)),
            Err(error) => Err(self.name_error(&task.write, &key, &resource, &error)),
        }
    }

    /// Reads one object fresh; `None` if it is not there.
    pub async fn fetch(&self, key: &ObjectKey) -> Result<Option<LiveObject>, super::ClusterError> {
        let resource = self.resource(&key.api_version, &key.kind).await?;
        let path = resource.path(&key.namespace);
        match self.request(path, |request| request.get(&key.name, &GetParams::default())).await {
            Ok(object) => Ok(Some(LiveObject::new(object))),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(super::ClusterError::of(self, "get", &resource, &key.namespace, &error)),
        }
    }

    fn name_error(
        &self,
        write: &Write,
        key: &ObjectKey,
        resource: &Resource,
        error: &kube::Error,
    ) -> WriteError {
        let verb = write.verb();
        let transient = |message: String, retry_after| WriteError::Transient {
            verb,
            key: key.clone(),
            message: self.masked(&message),
            retry_after,
        };
        let kube::Error::Api(status) = error else {
            return transient(innermost(error), None);
        };
        let rejected = || WriteError::Rejected {
            verb,
            key: key.clone(),
            message: self.masked(&status_text(status)),
            causes: self.causes(status),
        };
        match status.code {
            409 if is_field_conflict(status) => rejected(),
            409 => WriteError::Conflict { verb, key: key.clone() },
            404 if matches!(write, Write::Patch { .. } | Write::Delete { .. } | Write::Replace { .. }) => {
                WriteError::Conflict { verb, key: key.clone() }
            }
            403 if is_rbac(status) => {
                let right = Right::new(missing_verb(write, status), resource, &key.namespace);
                WriteError::Forbidden { right }
            }
            500 if is_untyped(status) => rejected(),
            401 | 408 | 429 | 500.. => transient(status_text(status), retry_after(status)),
            _ => rejected(),
        }
    }
}

impl Cluster {
    /// What a refusal says field by field.
    fn causes(&self, status: &Status) -> Vec<FieldCause> {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        let causes = causes.filter(|cause| !cause.field.is_empty());
        causes
            .map(|cause| FieldCause { field: cause.field.clone(), message: self.masked(&cause.message) })
            .collect()
    }
}

fn build(
    request: &Request,
    key: &ObjectKey,
    write: &Write,
    dry_run: bool,
) -> Result<HttpRequest<Vec<u8>>, kube::core::request::Error> {
    let post = PostParams { field_manager: Some(MANAGER.to_owned()), dry_run };
    let body = |object: &Value| serde_json::to_vec(object).map_err(kube::core::request::Error::SerializeBody);
    match write {
        Write::Create { object } => request.create(&post, body(object)?),
        Write::Replace { object } => request.replace(&key.name, &post, body(object)?),
        Write::Patch { patch, .. } => {
            let parameters =
                PatchParams { field_manager: Some(MANAGER.to_owned()), dry_run, ..PatchParams::default() };
            request.patch(&key.name, &parameters, &Patch::Merge(patch))
        }
        Write::Apply { object, force } => {
            let parameters = PatchParams { force: *force, dry_run, ..PatchParams::apply(MANAGER) };
            request.patch(&key.name, &parameters, &Patch::Apply(object))
        }
        Write::Delete { uid, resource_version, .. } => {
            let named = |text: &String| (!text.is_empty()).then(|| text.clone());
            let preconditions = Preconditions { uid: named(uid), resource_version: named(resource_version) };
            let parameters = DeleteParams { dry_run, ..DeleteParams::background() };
            request.delete(&key.name, &parameters.preconditions(preconditions))
        }
    }
}

/// The object that is there after a write: a delete answers with a Status, or with what its finalizers keep.
fn remains(write: &Write, answer: Value) -> Option<LiveObject> {
    let object = LiveObject::new(answer);
    let gone = matches!(write, Write::Delete { .. })
        && (object.value().get("kind").is_some_and(|kind| kind == "Status")
            || object.deleting_since().is_none());
    (!gone).then_some(object)
}

/// Whether fields belong to another manager: applying again does not help.
fn is_field_conflict(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "FieldManagerConflict")
}

/// Whether an applied object does not fit its kind's schema, which the API server calls its own error.
fn is_untyped(status: &Status) -> bool {
    status.message.starts_with("failed to create typed patch object")
}

/// Whether a 403 is about rights; admission plugins and quotas use the same number for content.
fn is_rbac(status: &Status) -> bool {
    status.message.contains(" cannot ") && status.message.contains(" resource ")
}

/// The verb as a Role names it. A server-side apply that creates needs two.
fn missing_verb(write: &Write, status: &Status) -> &'static str {
    match write {
        Write::Apply { .. } if status.message.contains(" cannot create resource ") => "create",
        Write::Apply { .. } | Write::Patch { .. } => "patch",
        _ => write.verb(),
    }
}

fn retry_after(status: &Status) -> Option<Duration> {
    let seconds = u64::from(status.details.as_ref()?.retry_after_seconds);
    (seconds > 0).then(|| Duration::from_secs(seconds))
}
