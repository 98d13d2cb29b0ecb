//! Puts what `deploy/` says about rights on an API server.

use std::path::Path;

use anyhow::{Context as _, Result};
use flinkops::flink::kind::Kind;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams, TypeMeta};
use kube::core::GroupVersionKind;
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

/// Every manifest that `kubectl kustomize deploy/base` puts together.
fn manifests() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/base");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of deploy/base");
    let kustomization: Value = serde_yaml::from_str(&read("kustomization.yaml")).expect("YAML");
    let resources = kustomization["resources"].as_array().expect("resources");
    let texts = resources.iter().map(|name| read(name.as_str().expect("a file's name")));
    let documents = |text: String| -> Vec<Value> {
        let documents = serde_yaml::Deserializer::from_str(&text);
        documents.map(|document| Value::deserialize(document).expect("a manifest")).collect()
    };
    texts.flat_map(documents).collect()
}

/// The same with one of `deploy/components/`, whose patches are lists of JSON patch operations by target.
fn with_component(name: &str) -> Vec<Value> {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/components").join(name).join("kustomization.yaml");
    let component: Value =
        serde_yaml::from_str(&std::fs::read_to_string(file).expect("a file")).expect("YAML");
    let mut manifests = manifests();
    for patch in component["patches"].as_array().expect("patches") {
        let (kind, name) = (&patch["target"]["kind"], &patch["target"]["name"]);
        let target =
            |manifest: &&mut Value| manifest["kind"] == *kind && manifest["metadata"]["name"] == *name;
        let target =
            manifests.iter_mut().find(target).unwrap_or_else(|| panic!("no {kind} {name} in deploy/base"));
        let operations: json_patch::Patch =
            serde_yaml::from_str(patch["patch"].as_str().expect("operations")).expect("a JSON patch");
        json_patch::patch(target, &operations).expect("a patch that fits the base");
    }
    manifests
}

fn components() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/components");
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn read<T: DeserializeOwned>(kind: &str, name: &str) -> T {
    let wanted = |manifest: &Value| manifest["kind"] == kind && manifest["metadata"]["name"] == name;
    let found = manifests().into_iter().find(wanted);
    let found = found.unwrap_or_else(|| panic!("no {kind} {name} in deploy/base"));
    serde_json::from_value(found).expect("a manifest of its kind")
}

#[test]
fn every_file_is_part_of_the_base() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/base");
    let entries = std::fs::read_dir(&folder).expect("a folder");
    let mut files: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    files.retain(|name| name != "kustomization.yaml");
    files.sort();
    let text = std::fs::read_to_string(folder.join("kustomization.yaml")).expect("a file");
    let kustomization: Value = serde_yaml::from_str(&text).expect("YAML");
    assert_eq!(kustomization["resources"], serde_json::json!(files));
}

/// A kind that not every cluster serves has a component, which grants on it what the base grants on the others.
#[test]
fn each_rarer_kind_has_the_rights_of_the_others_in_a_component() {
    let verbs = |manifests: &[Value], role: &str, kind: Kind| {
        let role = manifests.iter().find(|it| it["kind"] == "Role" && it["metadata"]["name"] == *role);
        let (group, _) = kind.api_version().split_once('/').expect("a group");
        let of_kind = |rule: &&Value| {
            let has =
                |field: &str, word: &str| rule[field].as_array().expect("a list").contains(&word.into());
            has("apiGroups", group) && has("resources", kind.plural())
        };
        role.expect("a role")["rules"]
            .as_array()
            .expect("rules")
            .iter()
            .find(of_kind)
            .map(|rule| rule["verbs"].clone())
    };
    let all: Vec<Vec<Value>> = components().iter().map(|name| with_component(name)).collect();
    for kind in Kind::ALL {
        for role in ["flinkops", "flinkops-reader"] {
            let base = verbs(&manifests(), role, Kind::FlinkDeployment);
            let found: Vec<_> = all.iter().filter_map(|manifests| verbs(manifests, role, kind)).collect();
            assert!(
                base.is_some() && found.iter().all(|found| Some(found) == base.as_ref()),
                "{kind} {role}"
            );
            let everywhere = found.len() == all.len();
            assert!(!found.is_empty() && everywhere == kind.is_everywhere(), "{kind} {role}");
        }
    }
}

#[tokio::test]
async fn the_api_server_takes_every_manifest_strictly() {
    let Some(cluster) = super::cluster(super::Operator::V1_10).await else { return };
    let namespace = cluster.namespace().await.expect("a namespace");
    let admin = cluster.admin().await.expect("a client");
    let with_components = components().into_iter().flat_map(|component| with_component(&component));
    for mut manifest in manifests().into_iter().chain(with_components) {
        for subject in manifest.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
            subject["namespace"] = namespace.as_str().into();
        }
        let types: TypeMeta = serde_json::from_value(manifest.clone()).expect("apiVersion and kind");
        let kind = GroupVersionKind::try_from(types).expect("a kind");
        let (resource, _) = kube::discovery::pinned_kind(&admin, &kind).await.expect("a known kind");
        let objects: Api<DynamicObject> = Api::namespaced_with(admin.clone(), &namespace, &resource);
        let name = manifest["metadata"]["name"].as_str().expect("a name");
        let strictly = PatchParams::apply("test").validation_strict().dry_run();
        let answer = objects.patch(name, &strictly, &Patch::Apply(&manifest)).await;
        answer.unwrap_or_else(|error| panic!("{} {name}: {error}", kind.kind));
    }
}

#[test]
fn the_ssh_component_names_the_files_that_its_secret_has() {
    let manifests = with_component("git-ssh");
    let deployment = manifests.iter().find(|manifest| manifest["kind"] == "Deployment").expect("the daemon");
    let pod = &deployment["spec"]["template"]["spec"];
    let last = |list: &Value| list.as_array().and_then(|list| list.last().cloned()).expect("an entry");
    let (volume, mount) = (last(&pod["volumes"]), last(&pod["containers"][0]["volumeMounts"]));
    assert_eq!(volume["name"], mount["name"]);
    assert_eq!((&volume["secret"]["secretName"], &mount["readOnly"]), (&"flinkops-git".into(), &true.into()));
    // The group of the container's user may read them: `fsGroup` and 0440.
    assert_eq!(volume["secret"]["defaultMode"].as_u64(), Some(0o440));
    let folder = mount["mountPath"].as_str().expect("a path");
    let args = pod["containers"][0]["args"].as_array().expect("arguments");
    for argument in [format!("--ssh-key={folder}/ssh-key"), format!("--known-hosts={folder}/known-hosts")] {
        assert!(args.contains(&argument.as_str().into()), "{argument}");
    }
}
