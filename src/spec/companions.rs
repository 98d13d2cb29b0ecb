//! Which kinds of object may stand beside a unit (S24).

use std::collections::BTreeSet;

use super::finding::Finding;
use super::node::Node;
use crate::flink::kind::{API_VERSION, CONFLUENT, GROUP, Kind};
use crate::rule::RuleId;

/// The group of what Confluent Manager takes.
const MANAGER: &str = "cmf.confluent.io";

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
        if let Some(never) = never(version, kind) {
            return Err(never);
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

/// Why objects of a kind are never taken, whatever `flinkops.yaml` says, and what to do instead.
fn never(version: &str, kind: &str) -> Option<(String, String)> {
    let (group, _) = version.split_once('/').unwrap_or_default();
    let units = || {
        let (_, version) =
            Kind::parse(kind).map_or(API_VERSION, Kind::api_version).split_once('/').unwrap_or_default();
        format!("this version looks after {} of {version} only", Kind::names_in(group))
    };
    let reason = match (group, kind) {
        _ if group == MANAGER => return Some(of_the_manager(kind)),
        ("", "Secret") => {
            "a secret in Git is a secret no more; create it in the cluster by other means".to_owned()
        }
        ("", "Namespace") => {
            "create the namespace once, by other means: deleting it would delete everything in it".to_owned()
        }
        ("", "List") => "write its items as separate documents".to_owned(),
        (GROUP, _) => units(),
        _ if version == CONFLUENT && kind == "FlinkStatement" => {
            "nobody would look after the state of its job here; apply it by other means".to_owned()
        }
        _ if Kind::parse(kind).is_some_and(|known| known.api_version().starts_with(&format!("{group}/"))) => {
            units()
        }
        (_, kind) if CLUSTER_SCOPED.contains(&kind) => {
            "it belongs to the whole cluster, and an environment is one namespace of it".to_owned()
        }
        _ => return None,
    };
    Some((format!("a {kind} is never taken from Git"), reason))
}

/// The documents that Confluent Manager takes look like Kubernetes' and are none.
fn of_the_manager(kind: &str) -> (String, String) {
    let message = format!(
        "a {kind} of {MANAGER} is sent to the REST API of Confluent Manager, and no object of a cluster"
    );
    let hint = match Kind::parse(kind).filter(|known| known.api_version() == CONFLUENT) {
        Some(_) => format!(
            "write it as {kind} of {CONFLUENT}, the object by which Confluent for Kubernetes speaks to the manager{}",
            if kind == Kind::FlinkApplication.as_str() {
                "; its spec also names the `flinkEnvironment`"
            } else {
                ""
            },
        ),
        None => "apply it by other means, such as Confluent's own command line".to_owned(),
    };
    (message, hint)
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
        return Err(error(RuleId::BadValue, message, "such as `apps/v1/Deployment` or `v1/ConfigMap`"));
    };
    match never(version, kind) {
        Some((message, hint)) => Err(error(RuleId::CompanionKind, message, &hint)),
        None => Ok((version.to_owned(), kind.to_owned())),
    }
}
