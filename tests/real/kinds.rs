//! The rarer kinds against the real API server: the operator's own by their definitions of 1.10, Confluent's, whose
//! definitions are not public, by stand-ins of a few fields.

use anyhow::{Context as _, Result, ensure};
use flinkops::flink::kind::{CONFLUENT, Kind};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::cluster::get;
use super::deploy::READER;
use super::plans::{ADMIN, Ground, JOB, findings};
use super::{Operator as Release, cluster};

const SNAPSHOT: &str = "kind: FlinkStateSnapshot
spec:
  jobReference: {kind: FlinkDeployment, name: orders}
  savepoint: {formatType: NATIVE}
  backoffLimit: 3
";

/// A unit of a plan.
fn unit<'d>(document: &'d Value, name: &str) -> Result<&'d Value> {
    let mut units = document["units"].as_array().into_iter().flatten();
    units.find(|unit| unit["name"] == name).with_context(|| format!("no {name} in {document:#}"))
}

/// Another hand changes an object.
async fn edit(ground: &Ground, kind: Kind, name: &str, change: Value) -> Result<()> {
    let parameters = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    ground.objects(kind).patch(name, &parameters, &Patch::Merge(change)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_planned_empty_told_of_edits_and_deleted_without_its_savepoint() {
    let Some(cluster) = cluster(Release::V1_10).await else { return };
    snapshot(cluster).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn snapshot(cluster: &super::Cluster) -> Result<()> {
    let ground = Ground::new(cluster, JOB).await?;
    ground.write("jobs/before-launch/job.yaml", SNAPSHOT)?;
    ground.apply()?;
    let plan = ground.document(ADMIN, &["plan"], 0)?;
    ensure!(
        unit(&plan, "before-launch")?["changes"] == json!([]) && plan["findings"] == json!([]),
        "{plan:#}"
    );
    let snapshots = ground.objects(Kind::FlinkStateSnapshot);
    let path = snapshots.get("before-launch").await?.data["status"]["path"].clone();
    ensure!(path == "file:/savepoints/before-launch", "{path}");

    // Who may read only what every repository needs is told which right is missing.
    let plan = ground.document(READER, &["plan"], 1)?;
    ensure!(findings(&plan) == [("kind-not-served".to_owned(), 1)], "{:#}", plan["findings"]);
    let said = unit(&plan, "before-launch")?["blocked"]["message"].as_str().unwrap_or_default();
    ensure!(said.ends_with("resources: [flinkstatesnapshots], verbs: [list]}"), "{said}");

    edit(&ground, Kind::FlinkStateSnapshot, "before-launch", json!({"spec": {"backoffLimit": 9}})).await?;
    let drift = ground.document(ADMIN, &["drift"], 2)?;
    let change = &unit(&drift, "before-launch")?["changes"][0];
    ensure!(change["path"] == "/spec/backoffLimit" && change["cause"] == "drift", "{drift:#}");
    ensure!(change["owner"]["manager"] == "kubectl-edit", "{drift:#}");

    // The operator would delete the savepoint with the resource.
    std::fs::remove_dir_all(ground.repository().join("jobs/before-launch"))?;
    let plan = ground.document(ADMIN, &["plan"], 2)?;
    ensure!(unit(&plan, "before-launch")?["state"] == "kept", "{plan:#}");
    ground.apply()?;
    ensure!(snapshots.get_opt("before-launch").await?.is_none(), "it is there still");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_without_snapshots_is_told_at_the_line_and_everything_else_goes_on() {
    let Some(cluster) = cluster(Release::V1_7).await else { return };
    unserved(cluster).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn unserved(cluster: &super::Cluster) -> Result<()> {
    let ground = Ground::new(cluster, JOB).await?;
    ground.apply()?;
    ground.write("jobs/before-launch/job.yaml", SNAPSHOT)?;
    let plan = ground.document(READER, &["plan"], 1)?;
    ensure!(findings(&plan) == [("kind-not-served".to_owned(), 1)], "{:#}", plan["findings"]);
    ensure!(unit(&plan, "before-launch")?["blocked"]["by"] == "policy", "{plan:#}");
    ensure!(unit(&plan, "orders")?["action"] == "keep", "{plan:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_confluent_serves_is_planned_empty_and_what_it_would_drop_is_said() {
    let Some(cluster) = cluster(Release::V1_10).await else { return };
    confluent(cluster).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn confluent(cluster: &super::Cluster) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.admin().await?);
    let text = json!({"type": "string"});
    let job = json!({"jarURI": text, "parallelism": {"type": "integer"}, "upgradeMode": text, "state": text});
    define(&definitions, Kind::FlinkEnvironment, json!({"kubernetesNamespace": text})).await?;
    let fields = json!({"flinkEnvironment": text, "image": text, "flinkVersion": text,
        "job": {"type": "object", "properties": job}});
    define(&definitions, Kind::FlinkApplication, fields).await?;
    let documents = format!("/openapi/v3/apis/{CONFLUENT}");
    let served = async |client: kube::Client| {
        let told = client.request_text(get(&documents)).await.unwrap_or_default();
        ["kubernetesNamespace", "flinkEnvironment"].iter().all(|field| told.contains(field))
    };
    cluster.wait("serving Confluent's kinds", served).await?;

    let ground = Ground::new(cluster, JOB).await?;
    ground.write("jobs/production/job.yaml", "kind: FlinkEnvironment\nspec: {kubernetesNamespace: a}\n")?;
    let application = "kind: FlinkApplication
spec:
  flinkEnvironment: production
  image: registry.example.com/market:1
  flinkVersion: v1_20
  serviceAccount: flink
  job: {jarURI: 'local:///market.jar', parallelism: 1, upgradeMode: savepoint}
";
    ground.write("jobs/prices/job.yaml", application)?;
    let dropped = [("dropped-field".to_owned(), 6)];
    let plan = ground.document(ADMIN, &["plan"], 2)?;
    ensure!(findings(&plan) == dropped, "{:#}", plan["findings"]);
    ground.apply()?;
    // The account that only reads has no right on what is Confluent's.
    let plan = ground.document(ADMIN, &["plan"], 0)?;
    for name in ["production", "prices"] {
        ensure!(unit(&plan, name)?["changes"] == json!([]), "{plan:#}");
    }
    edit(&ground, Kind::FlinkApplication, "prices", json!({"spec": {"job": {"parallelism": 7}}})).await?;
    let drift = ground.document(ADMIN, &["drift"], 2)?;
    let change = &unit(&drift, "prices")?["changes"][0];
    ensure!(
        change["path"] == "/spec/job/parallelism" && change["owner"]["manager"] == "kubectl-edit",
        "{drift:#}"
    );
    Ok(())
}

/// Has the API server serve a kind with these fields in its spec, and any in its status.
async fn define(definitions: &Api<CustomResourceDefinition>, kind: Kind, fields: Value) -> Result<()> {
    let (group, version) = CONFLUENT.split_once('/').expect("a group");
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"type": "object",
        "properties": {"spec": {"type": "object", "properties": fields}, "status": status}});
    let definition: CustomResourceDefinition = serde_json::from_value(json!({
        "metadata": {"name": format!("{}.{group}", kind.plural())},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"plural": kind.plural(), "singular": kind.as_str().to_lowercase(), "kind": kind.as_str()},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}}}]},
    }))?;
    definitions.create(&PostParams::default(), &definition).await?;
    Ok(())
}
