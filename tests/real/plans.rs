//! What `plan` and `drift` say against the real API server and the definitions of two operator releases.

use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use flinkops::cluster::Scope;
use flinkops::flink::kind::{API_VERSION, Kind};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::deploy::{self, READER};
use super::operator::{self, Operator};
use super::rights::reader;
use super::{Operator as Release, cluster};

pub const ADMIN: &str = "admin";
const REPOSITORY: &str = "
name: orders
environments:
  test: {namespace: NAMESPACE}
policy: {settle: 0s}
";
pub const JOB: &str = "kind: FlinkDeployment
spec:
  image: flink:1.17
  flinkVersion: v1_17
  serviceAccount: flink
  flinkConfiguration:
    state.savepoints.dir: file:///savepoints
    state.checkpoints.dir: file:///checkpoints
    s3.secret-key: hunter2hunter2
  jobManager: {resource: {memory: 1024m, cpu: 1}}
  taskManager: {resource: {memory: 1024m, cpu: 1}}
  job:
    jarURI: local:///orders.jar
    parallelism: 1
    upgradeMode: savepoint
";

/// A repository of one job on disk, and the accounts that look at its cluster.
pub struct Ground {
    folder: TempDir,
    namespace: String,
    admin: Client,
    _operator: Operator,
}

impl Ground {
    pub async fn new(cluster: &super::Cluster, job: &str) -> Result<Self> {
        let (namespace, admin) = (cluster.namespace().await?, cluster.admin().await?);
        let operator = Operator::start(&admin, &namespace);
        let ground = Self { folder: tempfile::tempdir()?, admin, _operator: operator, namespace };
        let token = deploy::install(cluster, &ground.namespace, READER, &deploy::rules(READER)).await?;
        cluster.write_kubeconfig(&ground.kubeconfig(READER), &token, &ground.namespace)?;
        cluster.write_kubeconfig(&ground.kubeconfig(ADMIN), super::cluster::TOKEN, &ground.namespace)?;
        git2::Repository::init(ground.repository())?;
        ground.write("flinkops.yaml", &REPOSITORY.replace("NAMESPACE", &ground.namespace))?;
        ground.write("jobs/orders/job.yaml", job)?;
        Ok(ground)
    }

    pub fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn kubeconfig(&self, account: &str) -> PathBuf {
        self.folder.path().join(account)
    }

    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.repository().join(path);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        Ok(std::fs::write(path, text)?)
    }

    /// Runs the binary as an account; no secret may be in what it says (S25).
    fn run(&self, account: &str, arguments: &[&str]) -> Result<(i32, String)> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flinkops"));
        command.args(arguments).current_dir(self.repository()).env("KUBECONFIG", self.kubeconfig(account));
        let Output { status, stdout, stderr } = command.output()?;
        let (stdout, stderr) = (String::from_utf8(stdout)?, String::from_utf8(stderr)?);
        ensure!(!format!("{stdout}{stderr}").contains("hunter2"), "a secret in\n{stdout}\n{stderr}");
        let code = status.code().context("an exit code")?;
        Ok((code, if stdout.is_empty() { stderr } else { stdout }))
    }

    pub fn apply(&self) -> Result<()> {
        let (code, said) = self.run(ADMIN, &["apply", "--yes", "--allow-dirty", "--timeout", "60s"])?;
        ensure!(code == 0, "apply: exit code {code}\n{said}");
        Ok(())
    }

    /// A document of the account that may only read, unless said otherwise.
    pub fn document(&self, account: &str, arguments: &[&str], wanted: i32) -> Result<Value> {
        let (code, said) = self.run(account, &[arguments, &["--format", "json"]].concat())?;
        ensure!(code == wanted, "{arguments:?}: exit code {code}\n{said}");
        serde_json::from_str(&said).with_context(|| said)
    }

    pub fn objects(&self, kind: Kind) -> Api<DynamicObject> {
        operator::objects(&self.admin, &self.namespace, kind)
    }

    fn orders(&self) -> Api<DynamicObject> {
        self.objects(Kind::FlinkDeployment)
    }

    async fn edit(&self, manager: &str, change: Value) -> Result<DynamicObject> {
        let parameters = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        Ok(self.orders().patch("orders", &parameters, &Patch::Merge(change)).await?)
    }
}

pub fn findings(document: &Value) -> Vec<(String, u64)> {
    let found = document["findings"].as_array().into_iter().flatten();
    found
        .map(|finding| {
            let rule = finding["rule"].as_str().unwrap_or_default().to_owned();
            (rule, finding["line"].as_u64().unwrap_or_default())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_applied_is_planned_empty_and_every_edit_has_its_author() {
    for release in [Release::V1_7, Release::V1_10] {
        let Some(cluster) = cluster(release).await else { return };
        edited(cluster).await.unwrap_or_else(|error| panic!("{release:?}: {error:#}"));
    }
}

async fn edited(cluster: &super::Cluster) -> Result<()> {
    let ground = Ground::new(cluster, JOB).await?;
    ground.apply()?;
    let plan = ground.document(READER, &["plan"], 0)?;
    ensure!(plan["units"][0]["changes"] == json!([]) && plan["findings"] == json!([]), "{plan:#}");

    ground.edit("kubectl-edit", json!({"spec": {"image": "flink:1.18"}})).await?;
    let claim =
        json!({"apiVersion": API_VERSION, "kind": "FlinkDeployment", "spec": {"job": {"parallelism": 7}}});
    let argo = PatchParams::apply("argocd-controller").force();
    ground.orders().patch("orders", &argo, &Patch::Apply(&claim)).await?;
    let scale = PatchParams { field_manager: Some("kubectl-scale".to_owned()), ..PatchParams::default() };
    let replicas = Patch::Merge(json!({"spec": {"replicas": 3}}));
    ground.orders().patch_scale("orders", &scale, &replicas).await?;
    let restart = json!({"spec": {"podTemplate": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}});
    let live = ground.edit("kubectl-rollout", restart).await?;

    let drift = ground.document(READER, &["drift"], 2)?;
    let changes = drift["units"][0]["changes"].as_array().context("changes")?;
    let told: Vec<(&str, &str, Value)> = changes
        .iter()
        .map(|change| {
            let text = |key: &str| change[key].as_str().unwrap_or_default();
            (text("path"), text("cause"), change["owner"].clone())
        })
        .collect();
    let entries = live.metadata.managed_fields.unwrap_or_default();
    let owner = |manager: &str| {
        let entry = entries.iter().find(|entry| entry.manager.as_deref() == Some(manager));
        entry.map_or(Value::Null, |entry| json!({"manager": manager, "time": entry.time}))
    };
    let template = "/spec/podTemplate/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    let wanted = [
        ("/spec/image", "drift", owner("kubectl-edit")),
        ("/spec/job/parallelism", "drift", owner("argocd-controller")),
        (template, "drift", owner("kubectl-rollout")),
        ("/spec/taskManager/replicas", "drift", SCALED),
    ];
    ensure!(told == wanted, "{told:#?}\nwith\n{entries:#?}");
    ensure!(findings(&drift) == [("scaled-in-cluster".to_owned(), 11)], "{:#}", drift["findings"]);
    ensure!(drift["units"][0]["since"] == owner("kubectl-edit")["time"], "{:#}", drift["units"][0]);
    Ok(())
}

/// The scale of a custom resource has no owner.
const SCALED: Value = Value::Null;

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_the_operator_does_not_have_is_said_and_not_written_again() {
    let job = format!("{JOB}    savepointRedeployNonce: 1\n");
    for (release, wanted) in
        [(Release::V1_7, vec![("dropped-field".to_owned(), 16)]), (Release::V1_10, vec![])]
    {
        let Some(cluster) = cluster(release).await else { return };
        let checked = async {
            let ground = Ground::new(cluster, &job).await?;
            let plan = ground.document(READER, &["plan"], 2)?;
            ensure!(findings(&plan) == wanted, "{:#}", plan["findings"]);
            ground.apply()?;
            let live = ground.orders().get("orders").await?;
            let kept = live.data["spec"]["job"].get("savepointRedeployNonce").is_some();
            ensure!(kept == wanted.is_empty(), "{:#}", live.data["spec"]);
            ground.document(READER, &["plan"], 0)
        };
        checked.await.unwrap_or_else(|error| panic!("{release:?}: {error:#}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_what_the_api_server_says_at_the_line() {
    let Some(cluster) = cluster(Release::V1_10).await else { return };
    refused(cluster).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn refused(cluster: &super::Cluster) -> Result<()> {
    let ground = Ground::new(cluster, JOB).await?;
    let dry_run = ["plan", "--dry-run", "server"];
    let plan = ground.document(ADMIN, &dry_run, 2)?;
    ensure!(findings(&plan).is_empty(), "{:#}", plan["findings"]);
    ensure!(ground.orders().get_opt("orders").await?.is_none(), "a dry run wrote");

    ground.write("jobs/orders/job.yaml", &JOB.replace("v1_17", "v2_4").replace("hunter2hunter2", "7"))?;
    let plan = ground.document(ADMIN, &dry_run, 1)?;
    let rules = ["dry-run-refused", "refused-value"].map(|rule| (rule.to_owned(), 4));
    let number = ["dry-run-refused", "refused-value"].map(|rule| (rule.to_owned(), 9));
    ensure!(findings(&plan) == [rules, number].concat(), "{:#}", plan["findings"]);
    let said = plan["findings"][0]["message"].as_str().unwrap_or_default();
    ensure!(said.contains("spec.flinkVersion: Unsupported value: \"v2_4\""), "{said}");
    ensure!(plan["units"][0]["blocked"]["by"] == "policy", "{:#}", plan["units"][0]["blocked"]);

    ground.write("jobs/orders/job.yaml", JOB)?;
    let plan = ground.document(READER, &dry_run, 1)?;
    ensure!(findings(&plan) == [("dry-run-forbidden".to_owned(), 0)], "{:#}", plan["findings"]);
    let hint = plan["findings"][0]["hint"].as_str().unwrap_or_default();
    ensure!(hint.contains("resources: [flinkdeployments], verbs: [create]"), "{hint}");
    Ok(())
}

#[tokio::test]
async fn the_schema_is_sent_once_to_whoever_may_log_in() {
    let Some(cluster) = cluster(Release::V1_10).await else { return };
    let (namespace, desired, reader) = reader(cluster).await.expect("an account that only reads");
    for _ in 0..2 {
        let live = reader.observe(&Scope::of(&desired)).await.expect("a reading");
        assert!(live.schema.served().is_some(), "{:?}", live.schema);
    }
    let events = cluster.audit(&namespace, READER).expect("an audit log");
    let answers = events
        .iter()
        .filter(|event| event["requestURI"].as_str().is_some_and(|path| path.starts_with("/openapi/")));
    let codes: Vec<_> = answers.map(|event| event["responseStatus"]["code"].as_u64()).collect();
    assert_eq!(codes, [Some(200), Some(304)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_object_that_a_job_waits_for_is_read_by_its_conditions_and_by_right() {
    let Some(cluster) = cluster(Release::V1_10).await else { return };
    awaited(cluster).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn awaited(cluster: &super::Cluster) -> Result<()> {
    let on = "dependsOn: [{apiVersion: apps/v1, kind: StatefulSet, name: registry}]\nspec:\n";
    let ground = Ground::new(cluster, &JOB.replace("spec:\n", on)).await?;
    let waits = |account: &str| -> Result<String> {
        let plan = ground.document(account, &["plan"], 2)?;
        Ok(plan["units"][0]["blocked"]["message"].as_str().unwrap_or_default().to_owned())
    };
    let forbidden = waits(READER)?;
    let rule = format!(
        "waits for StatefulSet/registry: may not be read: add to the Role in namespace {}: {{apiGroups: [\"apps\"]",
        ground.namespace
    );
    ensure!(forbidden.starts_with(&rule), "{forbidden}");
    ensure!(waits(ADMIN)? == "waits for StatefulSet/registry: does not exist");

    let sets: Api<StatefulSet> = Api::namespaced(ground.admin.clone(), &ground.namespace);
    let set = serde_json::from_value(
        json!({"metadata": {"name": "registry"}, "spec": {"serviceName": "registry",
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}}}),
    )?;
    sets.create(&PostParams::default(), &set).await?;
    let told = waits(ADMIN)?;
    ensure!(told == "waits for StatefulSet/registry: has no condition Ready or Available yet", "{told}");
    let condition = async |status: &str| {
        let condition =
            json!({"type": "Available", "status": status, "reason": "Pods", "message": "none is ready"});
        let status = json!({"status": {"replicas": 0, "observedGeneration": 1, "conditions": [condition]}});
        sets.patch_status("registry", &PatchParams::default(), &Patch::Merge(status)).await
    };
    condition("False").await?;
    let told = waits(ADMIN)?;
    ensure!(told == "waits for StatefulSet/registry: Available is False: none is ready (Pods)", "{told}");
    condition("True").await?;
    ensure!(waits(ADMIN)?.is_empty());
    Ok(())
}
