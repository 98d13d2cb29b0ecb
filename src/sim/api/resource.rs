//! The kinds the embedded API serves, and what differs between them.

use crate::flink::kind::{GROUP, ObjectKey, VERSION};

/// What of an object a request is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All of it; where the status is a part of its own, all but the status.
    #[default]
    Whole,
    /// The status subresource.
    Status,
    /// The scale subresource.
    Scale,
}

impl Part {
    /// Reads the last word of a path, or a `subresource`; empty is the whole object.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Whole, Self::Status, Self::Scale].into_iter().find(|part| part.as_str() == word)
    }

    /// The word in paths and in `managedFields`; empty for the whole object.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Status => "status",
            Self::Scale => "scale",
        }
    }
}

/// One served kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version within the group.
    pub version: &'static str,
    /// The kind as written in a manifest.
    pub kind: &'static str,
    /// The word in paths.
    pub plural: &'static str,
    /// What kubectl accepts beside the plural.
    pub short_names: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Whether `status` is written by its own path only.
    pub has_status: bool,
    /// Whether the API server counts `metadata.generation`.
    pub has_generation: bool,
}

const fn core(kind: &'static str, plural: &'static str, short_names: &'static [&'static str]) -> Resource {
    Resource {
        group: "",
        version: "v1",
        kind,
        plural,
        short_names,
        namespaced: true,
        has_status: false,
        has_generation: false,
    }
}

const fn flink(kind: &'static str, plural: &'static str, short_names: &'static [&'static str]) -> Resource {
    Resource {
        group: GROUP,
        version: VERSION,
        has_status: true,
        has_generation: true,
        ..core(kind, plural, short_names)
    }
}

const fn rbac(kind: &'static str, plural: &'static str) -> Resource {
    Resource { group: "rbac.authorization.k8s.io", ..core(kind, plural, &[]) }
}

/// Events as the core group shows them, which is also how they are stored.
pub const CORE_EVENT: Resource = core("Event", "events", &["ev"]);
/// Events as `events.k8s.io` shows them: another view of the same objects.
pub const EVENT: Resource = Resource { group: "events.k8s.io", ..CORE_EVENT };

/// Every kind this API can serve.
pub const RESOURCES: &[Resource] = &[
    flink("FlinkDeployment", "flinkdeployments", &["flinkdep"]),
    flink("FlinkSessionJob", "flinksessionjobs", &["sessionjob"]),
    flink("FlinkStateSnapshot", "flinkstatesnapshots", &["flinksnp"]),
    flink("FlinkBlueGreenDeployment", "flinkbluegreendeployments", &["flinkbgdep"]),
    Resource { group: "platform.confluent.io", ..flink("FlinkApplication", "flinkapplications", &[]) },
    Resource { group: "platform.confluent.io", ..flink("FlinkEnvironment", "flinkenvironments", &[]) },
    core("ConfigMap", "configmaps", &["cm"]),
    Resource { has_status: true, ..core("Service", "services", &["svc"]) },
    core("ServiceAccount", "serviceaccounts", &["sa"]),
    Resource { has_status: true, ..core("PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"]) },
    core("Secret", "secrets", &[]),
    Resource { namespaced: false, has_status: true, ..core("Namespace", "namespaces", &["ns"]) },
    CORE_EVENT,
    EVENT,
    Resource {
        group: "apps",
        has_status: true,
        has_generation: true,
        ..core("Deployment", "deployments", &["deploy"])
    },
    Resource {
        group: "autoscaling",
        version: "v2",
        has_status: true,
        ..core("HorizontalPodAutoscaler", "horizontalpodautoscalers", &["hpa"])
    },
    Resource { group: "coordination.k8s.io", ..core("Lease", "leases", &[]) },
    rbac("Role", "roles"),
    rbac("RoleBinding", "rolebindings"),
];

impl Resource {
    /// Finds a kind by the parts of its path.
    pub fn by_path(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        let matches = |it: &&Self| it.group == group && it.version == version && it.plural == plural;
        RESOURCES.iter().find(matches)
    }

    /// Finds a kind by what a manifest says.
    pub fn by_kind(api_version: &str, kind: &str) -> Option<&'static Self> {
        RESOURCES.iter().find(|it| it.kind == kind && it.api_version() == api_version)
    }

    /// `apiVersion`, as in a manifest.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `plural.group`, as error messages name it.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `Kind.group`, as validation errors name it.
    pub fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// The kind's name in the singular, lower case.
    pub fn singular(&self) -> String {
        self.kind.to_lowercase()
    }

    /// The kind under which objects are stored: both views of Events share one.
    pub fn stored(&'static self) -> &'static Self {
        if *self == EVENT { &CORE_EVENT } else { self }
    }

    /// Makes the key of an object of this kind; cluster-scoped kinds have an empty namespace.
    pub fn key(&self, namespace: &str, name: &str) -> ObjectKey {
        let namespace = if self.namespaced { namespace } else { "" };
        ObjectKey::new(self.api_version(), self.kind, namespace, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_api_server() {
        let flink = Resource::by_path("flink.apache.org", "v1beta1", "flinkdeployments").unwrap();
        assert_eq!(flink.qualified(), "flinkdeployments.flink.apache.org");
        assert_eq!(flink.qualified_kind(), "FlinkDeployment.flink.apache.org");
        assert_eq!(Resource::by_kind("v1", "ConfigMap").unwrap().qualified(), "configmaps");
    }

    #[test]
    fn both_views_of_events_are_stored_as_one() {
        let view = Resource::by_path("events.k8s.io", "v1", "events").unwrap();
        assert_eq!(view.stored().api_version(), "v1");
    }
}
