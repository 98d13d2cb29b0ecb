//! The Roles of `deploy/` are enough, and each right in them is needed.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail};
use flinkops::cluster::{Cluster, Scope};
use flinkops::spec::Desired;
use futures::StreamExt as _;
use k8s_openapi::api::rbac::v1::PolicyRule;
use tracing_subscriber::fmt::MakeWriter;

use super::deploy::{self, READER, WRITER};
use super::operator::Operator;
use super::scene::{self, Commit};
use super::{Operator as Release, cluster};

const REPOSITORY: &str = "
name: orders
environments:
  test: {namespace: NAMESPACE}
defaults:
  spec:
    image: flink:1.17
    flinkVersion: v1_17
    serviceAccount: flink
    flinkConfiguration: {state.savepoints.dir: 'file:///savepoints', state.checkpoints.dir: 'file:///checkpoints'}
    jobManager: {resource: {memory: 1024m, cpu: 1}}
    taskManager: {resource: {memory: 1024m, cpu: 1}}
  FlinkSessionJob:
    spec: {deploymentName: sessions}
policy: {settle: 0s, prune: {maxDeletes: 3}}
";
const SESSIONS: &str = "kind: FlinkDeployment\nspec: {}\n";
const COMPANIONS: &str = "
apiVersion: v1
kind: Service
metadata: {name: jars}
spec: {selector: {app: jars}, ports: [{port: 80, protocol: TCP}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: flink}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: savepoints}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: b}
";
const ORDERS: &str = "
kind: FlinkDeployment
spec: {job: {jarURI: 'local:///orders.jar', parallelism: 1, upgradeMode: savepoint}}
";
const ORDERS_NEXT: &str = "
kind: FlinkDeployment
spec: {job: {jarURI: 'local:///orders.jar', parallelism: 2, upgradeMode: savepoint}}
";
const CLICKS: &str = "
kind: FlinkSessionJob
spec: {job: {jarURI: 'https://jars.example.com/clicks.jar', parallelism: 1, upgradeMode: savepoint}}
";
const CLICKS_NEXT: &str = "
kind: FlinkSessionJob
spec: {job: {jarURI: 'https://jars.example.com/clicks.jar', parallelism: 2, upgradeMode: savepoint}}
";

/// A life: everything is created, changed, and deleted but for one job.
pub const LIFE: [Commit<'_>; 3] = [
    Commit {
        number: 1,
        files: &[
            ("flinkops.yaml", REPOSITORY),
            ("jobs/sessions/job.yaml", SESSIONS),
            ("jobs/clicks/job.yaml", CLICKS),
            ("jobs/orders/job.yaml", ORDERS),
            ("jobs/orders/companions.yaml", COMPANIONS),
        ],
    },
    Commit {
        number: 2,
        files: &[
            ("flinkops.yaml", REPOSITORY),
            ("jobs/sessions/job.yaml", SESSIONS),
            ("jobs/clicks/job.yaml", CLICKS_NEXT),
            ("jobs/orders/job.yaml", ORDERS_NEXT),
            ("jobs/orders/companions.yaml", COMPANIONS),
        ],
    },
    Commit { number: 3, files: &[("flinkops.yaml", REPOSITORY), ("jobs/sessions/job.yaml", SESSIONS)] },
];

/// A verb on a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    group: String,
    resource: String,
    verb: String,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.{}", self.verb, self.resource, self.group)
    }
}

fn listed(rights: &BTreeSet<Right>) -> String {
    rights.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn granted(account: &str) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for rule in deploy::rules(account) {
        let (groups, resources) = (rule.api_groups.unwrap_or_default(), rule.resources.unwrap_or_default());
        for (group, resource) in
            groups.iter().flat_map(|group| resources.iter().map(move |name| (group, name)))
        {
            rights.extend(rule.verbs.iter().map(|verb| Right {
                group: group.clone(),
                resource: resource.clone(),
                verb: verb.clone(),
            }));
        }
    }
    rights
}

fn rules(rights: &BTreeSet<Right>) -> Vec<PolicyRule> {
    let rule = |right: &Right| PolicyRule {
        api_groups: Some(vec![right.group.clone()]),
        resources: Some(vec![right.resource.clone()]),
        verbs: vec![right.verb.clone()],
        ..PolicyRule::default()
    };
    rights.iter().map(rule).collect()
}

/// What flinkops says while it acts, at every level down to debug.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<String>>);

impl Said {
    fn add(&self, text: &str) {
        self.0.lock().expect("no panic under lock").push_str(text);
    }

    fn names(&self, right: &Right, namespace: &str) -> bool {
        let ours = format!("{} {} in namespace {namespace}", right.verb, right.resource);
        let servers = format!("cannot {} resource \"{}\"", right.verb, right.resource);
        let text = self.0.lock().expect("no panic under lock");
        text.lines().any(|line| line.contains(&ours) || (line.contains(&servers) && line.contains(namespace)))
    }
}

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Said {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Listens to flinkops on this thread.
fn listen() -> (Said, tracing::subscriber::DefaultGuard) {
    let said = Said::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("flinkops=debug")
        .with_ansi(false)
        .with_writer(said.clone())
        .finish();
    (said, tracing::subscriber::set_default(subscriber))
}

/// Lives through [`LIFE`] with these rights, every write disturbed once.
async fn live(cluster: &super::Cluster, namespace: &str, rights: &BTreeSet<Right>) -> Result<()> {
    let token = deploy::install(cluster, namespace, WRITER, &rules(rights)).await?;
    let admin = cluster.admin().await?;
    let client = scene::disturbed(cluster.client(&token).await?, admin.clone());
    let _operator = Operator::start(&admin, namespace);
    for commit in &LIFE {
        scene::apply(&client, &scene::desired(commit, namespace)?).await?;
    }
    Ok(())
}

fn is_discovery(event: &serde_json::Value) -> bool {
    event["requestURI"].as_str().is_some_and(|path| path.starts_with("/openapi/v3/"))
        && event["responseStatus"]["code"].as_u64().is_some_and(|code| code < 400)
}

/// The rights that a service account has used so far, and those it was refused.
fn used(cluster: &super::Cluster, namespace: &str, account: &str) -> (BTreeSet<Right>, BTreeSet<Right>) {
    let (mut used, mut refused) = (BTreeSet::new(), BTreeSet::new());
    let events = cluster.audit(namespace, account).expect("an audit log").into_iter();
    // What everyone who may log in can read (`system:discovery`) needs no right in a Role.
    for event in events.filter(|event| !is_discovery(event)) {
        let text =
            |pointer: &str| event.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
        let right = Right {
            group: text("/objectRef/apiGroup").to_owned(),
            resource: text("/objectRef/resource").to_owned(),
            verb: text("/verb").to_owned(),
        };
        match event["responseStatus"]["code"].as_u64() {
            Some(403) => drop(refused.insert(right)),
            code => {
                // A server-side apply that creates needs both rights and is logged as a patch.
                if right.verb == "patch" && code == Some(201) {
                    used.insert(Right { verb: "create".to_owned(), ..right.clone() });
                }
                used.insert(right);
            }
        }
    }
    (used, refused)
}

#[tokio::test]
async fn the_writer_uses_every_right_it_has_and_misses_none() {
    let Some(cluster) = cluster(Release::V1_10).await else { return };
    let namespace = cluster.namespace().await.expect("a namespace");
    live(cluster, &namespace, &granted(WRITER)).await.expect("a whole life");
    let (used, refused) = used(cluster, &namespace, WRITER);
    assert_eq!(listed(&refused), "");
    assert_eq!(listed(&used), listed(&granted(WRITER)));
}

#[tokio::test]
async fn each_right_that_the_writer_lacks_is_named() {
    let Some(cluster) = cluster(Release::V1_10).await else { return };
    let (said, _listening) = listen();
    let all = granted(WRITER);
    let lives = all.iter().map(|right| {
        let (mut rest, said) = (all.clone(), said.clone());
        rest.remove(right);
        async move {
            let namespace = cluster.namespace().await.expect("a namespace");
            let named = miss(cluster, &namespace, &rest, right, &said).await;
            named.err().map(|error| format!("without {right}: {error:#}"))
        }
    });
    let failures: Vec<String> =
        futures::stream::iter(lives).buffer_unordered(8).filter_map(async |f| f).collect().await;
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), all.len(), failures.join("\n"));
}

/// Lives until the missing right is named.
async fn miss(
    cluster: &super::Cluster,
    namespace: &str,
    rights: &BTreeSet<Right>,
    missing: &Right,
    said: &Said,
) -> Result<()> {
    let heard = async {
        while !said.names(missing, namespace) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let end = tokio::select! {
        biased;
        () = heard => return Ok(()),
        result = live(cluster, namespace, rights) => result,
    };
    if let Err(error) = &end {
        said.add(&format!("\n{error:#}\n"));
    }
    if !said.names(missing, namespace) {
        let log = said.0.lock().expect("no panic under lock").clone();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(namespace)).collect();
        bail!("nobody says so, and all ends with {end:?}:\n{}", lines.join("\n"));
    }
    Ok(())
}

/// A new namespace with the first commit of [`LIFE`] for it, read with the rights of `plan` and `drift` only.
pub async fn reader(cluster: &super::Cluster) -> Result<(String, Desired, Cluster)> {
    let namespace = cluster.namespace().await?;
    let token = deploy::install(cluster, &namespace, READER, &deploy::rules(READER)).await?;
    let desired = scene::desired(&LIFE[0], &namespace)?;
    let reader = Cluster::new(cluster.client(&token).await?, "real");
    Ok((namespace, desired, reader))
}

#[tokio::test]
async fn the_reader_uses_every_right_it_has_and_misses_none() {
    let Some(cluster) = cluster(Release::V1_10).await else { return };
    let (namespace, desired, reader) = reader(cluster).await.expect("an account that only reads");
    let live = reader.observe(&Scope::of(&desired)).await.expect("everything that a plan is made from");
    assert!(live.schema.served().is_some(), "{:?}", live.schema);
    let (used, refused) = used(cluster, &namespace, READER);
    assert_eq!(listed(&refused), "");
    assert_eq!(listed(&used), listed(&granted(READER)));
}
