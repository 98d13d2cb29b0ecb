//! How the API server calls a kind: its group, version and plural.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use kube::core::{ApiResource, DynamicObject, GroupVersion, GroupVersionKind};
use kube::discovery::Scope as Reach;

use super::{Cluster, ClusterError};
use crate::flink::kind::Kind;

/// Kinds whose plural needs no question beside those of units: what job folders usually hold, and what flinkops
/// writes itself.
const KNOWN: &[(&str, &str, &str)] = &[
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "Service", "services"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("v1", "ServiceAccount", "serviceaccounts"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("batch/v1", "Job", "jobs"),
    ("batch/v1", "CronJob", "cronjobs"),
    ("networking.k8s.io/v1", "Ingress", "ingresses"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("rbac.authorization.k8s.io/v1", "Role", "roles"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    ("coordination.k8s.io/v1", "Lease", "leases"),
];

/// A namespaced kind as the API server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource(pub(super) ApiResource);

impl Resource {
    fn new(api_version: &str, kind: &str, plural: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self(ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        })
    }

    /// The name in paths and in a Role's rules.
    pub fn plural(&self) -> &str {
        &self.0.plural
    }

    /// The API group; empty for the core one.
    pub fn group(&self) -> &str {
        &self.0.group
    }

    /// The path of the collection in a namespace.
    pub(super) fn path(&self, namespace: &str) -> String {
        <DynamicObject as kube::Resource>::url_path(&self.0, Some(namespace))
    }
}

/// Kinds that the API server was asked about.
pub(super) type Discovered = RwLock<BTreeMap<(String, String), Resource>>;

impl Cluster {
    /// Finds out how a kind is called; asks the API server once for a kind that is not built in.
    pub async fn resource(&self, api_version: &str, kind: &str) -> Result<Resource, ClusterError> {
        let known = KNOWN.iter().find(|known| (known.0, known.1) == (api_version, kind)).map(|known| known.2);
        if let Some(plural) = Kind::of(api_version, kind).map(Kind::plural).or(known) {
            return Ok(Resource::new(api_version, kind, plural));
        }
        let key = (api_version.to_owned(), kind.to_owned());
        let known = self.discovered.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = self.discover(api_version, kind).await?;
        self.discovered.write().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
        Ok(found)
    }

    async fn discover(&self, api_version: &str, kind: &str) -> Result<Resource, ClusterError> {
        let unknown =
            || ClusterError::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() };
        let version: GroupVersion = api_version.parse().map_err(|_| unknown())?;
        let gvk = GroupVersionKind::gvk(&version.group, &version.version, kind);
        match kube::discovery::pinned_kind(&self.client, &gvk).await {
            Ok((resource, capabilities)) if capabilities.scope == Reach::Namespaced => Ok(Resource(resource)),
            Ok(_) => Err(ClusterError::ClusterScoped { kind: kind.to_owned() }),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(unknown()),
            Err(kube::Error::Discovery(_)) => Err(unknown()),
            Err(error) => Err(ClusterError::unreachable(self, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flink::kind::API_VERSION;

    #[test]
    fn paths_are_the_api_servers_own() {
        let path = |api_version, kind, plural| Resource::new(api_version, kind, plural).path("prod");
        assert_eq!(path("v1", "ConfigMap", "configmaps"), "/api/v1/namespaces/prod/configmaps");
        assert_eq!(
            path(API_VERSION, "FlinkDeployment", "flinkdeployments"),
            "/apis/flink.apache.org/v1beta1/namespaces/prod/flinkdeployments"
        );
    }
}
