//! Which kinds of object may stand beside a unit (S24).

use std::collections::BTreeSet;

use super::finding::Finding;
use super::node::Node;
use crate::flink::kind::{GROUP, Kind, VERSION};

/// Kinds that are always allowed, as `apiVersion` and `kind`.
pub const BUILT_IN: [(&str, &str); 4] =
    [("v1", "ConfigMap"), ("v1", "PersistentVolumeClaim"), ("v1", "Service"), ("v1", "ServiceAccount")];

/// Kinds without a namespace, and so beyond what an environment is.
const CLUSTER_SCOPED: [&str; 24] = [
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterIssuer",
    "ClusterRole",
    "ClusterRoleBinding",
    "ComponentStatus",
    "CustomResourceDefinition",
    "FlowSchema",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "StorageVersion",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
];

/// The kinds of companion that job folders may contain.
#[derive(Clone, Debug)]
pub struct Allowed(BTreeSet<(String, String)>);

impl Default for Allowed {
    fn default() -> Self {
        Self(BUILT_IN.map(|(version, kind)| (version.to_owned(), kind.to_owned())).into())
    }
}

impl Allowed {
    /// Reads `companions` of `flinkops.yaml`, entries such as `apps/v1/Deployment`.
    pub fn read(listed: Option<&Node>) -> (Self, Vec<Finding>) {
        let mut allowed = Self::default();
        let mut findings = Vec::new();
        for item in listed.map_or(&[][..], Node::items) {
            match parse(item) {
                Ok(kind) => drop(allowed.0.insert(kind)),
                Err(finding) => findings.push(*finding),
            }
        }
        (allowed, findings)
    }

    /// Whether an object of this kind is taken, and if not, why and what to do.
    ///
    /// # Errors
    /// The reason and a hint.
    pub fn permit(&self, version: &str, kind: &str) -> Result<(), (String, String)> {
        if let Some(reason) = never(version, kind) {
            return Err((format!("a {kind} is never taken from Git"), reason));
        }
        if self.0.contains(&(version.to_owned(), kind.to_owned())) {
            return Ok(());
        }
        let message = format!("{kind} ({version}) is not a kind that job folders may contain");
        Err((message, format!("list `{version}/{kind}` under `companions` in flinkops.yaml to allow it")))
    }

    /// Every allowed kind as `(apiVersion, kind)`.
    pub fn kinds(&self) -> &BTreeSet<(String, String)> {
        &self.0
    }
}

/// Why objects of a kind are never taken, whatever `flinkops.yaml` says.
fn never(version: &str, kind: &str) -> Option<String> {
    let reason = match (version.split_once('/'), kind) {
        (None, "Secret") => "a secret in Git is a secret no more; create it in the cluster by other means",
        (None, "Namespace") => {
            "create the namespace once, by other means: deleting it would delete everything in it"
        }
        (None, "List") => "write its items as separate documents",
        (Some((GROUP, _)), _) => {
            return Some(format!("this version looks after {} of {VERSION} only", Kind::names_in(GROUP)));
        }
        (_, kind) if CLUSTER_SCOPED.contains(&kind) => {
            "it belongs to the whole cluster, and an environment is one namespace of it"
        }
        _ => return None,
    };
    Some(reason.to_owned())
}

fn parse(item: &Node) -> Result<(String, String), Box<Finding>> {
    let text = item.text().unwrap_or_default();
    let error = |rule, message: String, hint: &str| {
        Box::new(Finding::error(rule, item.mark.place(), message).hint(hint))
    };
    let split = text.rsplit_once('/').filter(|(version, kind)| {
        version.split('/').count() <= 2
            && version.split('/').all(|part| !part.is_empty())
            && kind.starts_with(|first: char| first.is_ascii_uppercase())
    });
    let Some((version, kind)) = split else {
        let message = format!("`{text}` is not an API version and a kind");
        return Err(error("bad-value", message, "such as `apps/v1/Deployment` or `v1/ConfigMap`"));
    };
    match never(version, kind) {
        Some(reason) => Err(error("companion-kind", format!("a {kind} is never taken from Git"), &reason)),
        None => Ok((version.to_owned(), kind.to_owned())),
    }
}
