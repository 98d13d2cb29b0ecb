//! What can go wrong between flinkops and the API server, told apart by what to do about it.

use std::time::Duration;

use kube::core::Status;
use thiserror::Error;

use super::{Cluster, Resource};
use crate::flink::kind::{GROUP, ObjectKey};
use crate::plan::live::Unread;

/// Reading failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClusterError {
    /// No usable kubeconfig, and not in a cluster either.
    #[error("find a cluster to talk to: {message}")]
    Config {
        /// What was tried.
        message: String,
    },
    /// The custom resource definitions are not there.
    #[error(
        "list {plural} in namespace {namespace}: cluster {cluster} has no such kind: the Flink Kubernetes Operator is not installed there"
    )]
    OperatorMissing {
        /// The kind's plural.
        plural: String,
        /// The namespace.
        namespace: String,
        /// The cluster's name.
        cluster: String,
    },
    /// A companion of a kind that the API server does not serve.
    #[error("find kind {kind} of {api_version}: the cluster does not serve it")]
    UnknownKind {
        /// `apiVersion` as in the manifest.
        api_version: String,
        /// The kind.
        kind: String,
    },
    /// A companion of a kind that belongs to no namespace.
    #[error("use kind {kind}: it is cluster-scoped, and job folders may hold only namespaced kinds")]
    ClusterScoped {
        /// The kind.
        kind: String,
    },
    /// The API server says no to who we are.
    #[error("{right}: the cluster's RBAC does not allow it")]
    Forbidden {
        /// What is not allowed.
        right: Right,
    },
    /// The API server answers with another error.
    #[error("{what}: {message}")]
    Api {
        /// What was asked.
        what: String,
        /// What it answered, without secrets.
        message: String,
    },
    /// No answer at all.
    #[error("reach cluster {cluster}: {message}")]
    Unreachable {
        /// The cluster's name.
        cluster: String,
        /// What the connection says.
        message: String,
    },
}

impl ClusterError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config { .. } => Some("name one with --kubeconfig FILE and --context NAME".to_owned()),
            Self::OperatorMissing { .. } => Some(
                "install the operator's custom resource definitions, or choose another --context".to_owned(),
            ),
            Self::Forbidden { right } => Some(right.rule()),
            Self::UnknownKind { .. } => {
                Some("check apiVersion and kind, or install what provides them".to_owned())
            }
            Self::ClusterScoped { .. } | Self::Api { .. } | Self::Unreachable { .. } => None,
        }
    }

    /// What it means for what concerns a few units only, such as an object that they wait for: a reason to wait, and
    /// no failure.
    pub(super) fn unread(&self) -> Unread {
        let why = match self {
            Self::OperatorMissing { plural, cluster, .. } => {
                format!("cluster {cluster} does not serve {plural}")
            }
            Self::UnknownKind { api_version, kind } => {
                format!("the cluster does not serve {kind} of {api_version}")
            }
            Self::ClusterScoped { kind } => {
                format!("{kind} belongs to no namespace, and cannot be waited for")
            }
            Self::Forbidden { right } => format!("may not be read: {}", right.rule()),
            error => format!("may not be read: failed to {error}"),
        };
        let served = !matches!(self, Self::OperatorMissing { .. } | Self::UnknownKind { .. });
        Unread { why, served }
    }

    /// Whether trying again cannot help until a person does something.
    pub fn is_permanent(&self) -> bool {
        !matches!(self, Self::Api { .. } | Self::Unreachable { .. })
    }

    pub(super) fn unreachable(cluster: &Cluster, error: &kube::Error) -> Self {
        Self::Unreachable { cluster: cluster.name.clone(), message: cluster.masked(&innermost(error)) }
    }

    /// Names what a failed `verb` on a kind in a namespace means.
    pub(super) fn of(
        cluster: &Cluster,
        verb: &'static str,
        resource: &Resource,
        namespace: &str,
        error: &kube::Error,
    ) -> Self {
        let right = Right::new(verb, resource, namespace);
        match error {
            kube::Error::Api(status) if is_missing_namespace(status) => Self::Api {
                what: right.to_string(),
                message: format!("the namespace does not exist; kubectl create namespace {namespace}"),
            },
            kube::Error::Api(status) if status.code == 404 && resource.group() == GROUP => {
                Self::OperatorMissing {
                    plural: resource.plural().to_owned(),
                    namespace: namespace.to_owned(),
                    cluster: cluster.name.clone(),
                }
            }
            kube::Error::Api(status) if status.code == 404 => Self::UnknownKind {
                api_version: resource.0.api_version.clone(),
                kind: resource.0.kind.clone(),
            },
            kube::Error::Api(status) if status.code == 403 => Self::Forbidden { right },
            kube::Error::Api(status) => {
                Self::Api { what: right.to_string(), message: cluster.masked(&status_text(status)) }
            }
            error => Self::unreachable(cluster, error),
        }
    }
}

/// A right in a namespace, as a Role grants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    verb: &'static str,
    group: String,
    plural: String,
    namespace: String,
}

impl Right {
    pub(super) fn new(verb: &'static str, resource: &Resource, namespace: &str) -> Self {
        Self {
            verb,
            group: resource.group().to_owned(),
            plural: resource.plural().to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    /// The rule that grants it, to be pasted into a Role.
    pub fn rule(&self) -> String {
        format!(
            "add to the Role in namespace {}: {{apiGroups: [\"{}\"], resources: [{}], verbs: [{}]}}",
            self.namespace, self.group, self.plural, self.verb
        )
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} in namespace {}", self.verb, self.plural, self.namespace)
    }
}

/// What the API server has against one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldCause {
    /// The field as the API server names it: `spec.job.parallelism`, `spec.tls[0].hosts`.
    pub field: String,
    /// Why, without secrets.
    pub message: String,
}

/// A write was not done, or it cannot be told whether it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// The object is not any more what the plan was made from: plan again.
    #[error("{verb} {key}: it changed in the meantime")]
    Conflict {
        /// The verb.
        verb: &'static str,
        /// The object.
        key: ObjectKey,
    },
    /// The API server refuses the content; the same request will be refused again.
    #[error("{verb} {key}: the API server refuses it: {message}")]
    Rejected {
        /// The verb.
        verb: &'static str,
        /// The object.
        key: ObjectKey,
        /// Why, without secrets.
        message: String,
        /// The same field by field, where the API server says so.
        causes: Vec<FieldCause>,
    },
    /// A right is missing.
    #[error("{right}: the cluster's RBAC does not allow it; {}", right.rule())]
    Forbidden {
        /// Which.
        right: Right,
    },
    /// It may work later.
    #[error("{verb} {key}: {message}")]
    Transient {
        /// The verb.
        verb: &'static str,
        /// The object.
        key: ObjectKey,
        /// What happened.
        message: String,
        /// How long the API server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// Someone else may be writing now (S6).
    #[error("{verb} {key}: the lease is lost, so nothing more is written")]
    LeaseLost {
        /// The verb.
        verb: &'static str,
        /// The object.
        key: ObjectKey,
    },
}

/// Whether a 404 speaks of the namespace rather than of what is in it.
fn is_missing_namespace(status: &Status) -> bool {
    status.code == 404 && status.details.as_ref().is_some_and(|details| details.kind == "namespaces")
}

/// The message of a Status, or its reason where it has none.
pub(super) fn status_text(status: &Status) -> String {
    match (status.message.trim(), status.reason.as_str()) {
        ("", "") => format!("status {}", status.code),
        ("", reason) => reason.to_owned(),
        (message, _) => message.to_owned(),
    }
}

/// The innermost cause, which is the one that says something.
pub(super) fn innermost(error: &kube::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use kube::Client;
    use kube::core::response::StatusDetails;
    use serde_json::json;

    use super::*;

    fn answer(code: u16, kind: &str) -> kube::Error {
        let details: StatusDetails = serde_json::from_value(json!({"kind": kind})).expect("details");
        kube::Error::Api(
            Status::failure("not found", "NotFound").with_code(code).with_details(details).boxed(),
        )
    }

    #[tokio::test]
    async fn a_missing_namespace_is_not_taken_for_a_missing_kind() {
        let nobody = tower::service_fn(|_: http::Request<kube::client::Body>| async {
            Ok::<_, std::io::Error>(http::Response::new(kube::client::Body::empty()))
        });
        let cluster = Cluster::new(Client::new(nobody, "default"), "prod-eu");
        let resource = cluster.resource("coordination.k8s.io/v1", "Lease").await.expect("a built-in kind");
        let named = |error| ClusterError::of(&cluster, "create", &resource, "flink", &error).to_string();
        assert_eq!(
            named(answer(404, "namespaces")),
            "create leases in namespace flink: the namespace does not exist; kubectl create namespace flink"
        );
        assert!(named(answer(404, "")).starts_with("find kind Lease"));
    }
}
