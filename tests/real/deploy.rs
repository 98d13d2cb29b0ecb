//! Puts what `deploy/` says about rights on an API server.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Cluster;

/// The account of `run` and `apply`, and the one of `plan` and `drift`.
pub const WRITER: &str = "flinkops";
pub const READER: &str = "flinkops-reader";

/// The rules of an account's Role, as `deploy/` has them.
pub fn rules(account: &str) -> Vec<PolicyRule> {
    read::<Role>("Role", account).rules.expect("rules")
}

/// Installs an account with these rules; answers with its token.
pub async fn install(
    cluster: &Cluster,
    namespace: &str,
    account: &str,
    rules: &[PolicyRule],
) -> Result<String> {
    let admin = cluster.admin().await?;
    let post = PostParams::default();
    let service_account: ServiceAccount = read("ServiceAccount", account);
    Api::namespaced(admin.clone(), namespace).create(&post, &service_account).await?;
    let role = Role { rules: Some(rules.to_vec()), ..read("Role", account) };
    Api::namespaced(admin.clone(), namespace).create(&post, &role).await?;
    let mut binding: RoleBinding = read("RoleBinding", account);
    for subject in binding.subjects.iter_mut().flatten() {
        // As kustomize does for every subject that it knows.
        subject.namespace = Some(namespace.to_owned());
    }
    Api::namespaced(admin, namespace).create(&post, &binding).await?;
    cluster.service_account_token(namespace, account).await.context("no token for the service account")
}

fn read<T: DeserializeOwned>(kind: &str, name: &str) -> T {
    let texts =
        [include_str!("../../deploy/base/writer.yaml"), include_str!("../../deploy/base/reader.yaml")];
    let documents = texts.iter().flat_map(|text| serde_yaml::Deserializer::from_str(text));
    let found = documents
        .map(|document| Value::deserialize(document).expect("a manifest"))
        .find(|manifest| manifest["kind"] == kind && manifest["metadata"]["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {kind} {name} in deploy/base"));
    serde_json::from_value(found).expect("a manifest of its kind")
}
