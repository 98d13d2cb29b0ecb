//! An environment on the real API server, and the ways flinkops is let loose on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use flinkops::cluster::{Cluster, Lease, Patience};
use flinkops::daemon::{self, Options};
use flinkops::spec::source::{Limits, Origin, Revision, SourceTree};
use flinkops::spec::{self, Desired};
use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;

/// Reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// A revision of a repository: its number and its files.
pub struct Commit<'a> {
    pub number: usize,
    pub files: &'a [(&'a str, &'a str)],
}

/// Loads a revision for a namespace.
pub fn desired(commit: &Commit<'_>, namespace: &str) -> Result<Desired> {
    let files = commit.files.iter().map(|(path, text)| {
        ((*path).to_owned(), Arc::from(text.replace("NAMESPACE", namespace).into_bytes()))
    });
    let origin = Origin {
        identity: "git.example.com/orders".to_owned(),
        revision: Revision::new(format!("{:040x}", commit.number)),
        committed: true,
    };
    let tree = SourceTree { origin, files: files.collect::<BTreeMap<_, _>>(), refused: Vec::new() };
    let mut loaded = spec::load(&tree, &Limits::default(), Some("test"));
    let mut found = loaded.environments.values().flat_map(|desired| &desired.findings);
    ensure!(found.next().is_none(), "findings: {:#?}", loaded.findings);
    loaded.environments.remove("test").context("the repository has no environment `test`")
}

/// Applies a revision as `flinkops apply` does, and waits until everything is settled.
pub async fn apply(client: &Client, desired: &Desired) -> Result<()> {
    let cluster = Cluster::new(client.clone(), "real");
    let lease = Lease::acquire(&cluster, desired, "apply", Patience::Forever, |_| {}).await?;
    let guarded = cluster.guarded(lease.held());
    let outcome = daemon::apply(&guarded, desired, Options::default(), Some(PATIENCE)).await;
    lease.release().await;
    let outcome = outcome?;
    ensure!(outcome.is_settled(), "{outcome:#?}");
    Ok(())
}

/// The same connection, on which somebody else changes each object once just before flinkops does, and
/// takes the data out of an applied ConfigMap, twice.
pub fn disturbed(client: Client, admin: Client) -> Client {
    let done = Mutex::new(BTreeMap::<String, usize>::new());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, admin) = (client.clone(), admin.clone());
        let place = request.uri().path().to_owned();
        let mut done = done.lock().expect("no panic under lock");
        let times = done.entry(format!("{} {place}", request.method())).or_default();
        *times += 1;
        let before = is_conditional(&request) && *times == 1;
        let after = is_apply(&request) && place.contains("/configmaps/") && *times <= 2;
        async move {
            if before {
                let change = r#"{"metadata": {"annotations": {"example.com/disturbed": "true"}}}"#;
                disturb(&admin, &place, change).await?;
            }
            let response: Response<Body> = client.send(request).await?;
            if after {
                disturb(&admin, &place, r#"{"data": null}"#).await?;
            }
            Ok::<_, kube::Error>(response)
        }
    });
    Client::new(service, "default")
}

fn is_apply(request: &Request<Body>) -> bool {
    request.headers().get("content-type").is_some_and(|kind| kind == "application/apply-patch+yaml")
}

/// Whether the write is refused once the object has changed.
fn is_conditional(request: &Request<Body>) -> bool {
    matches!(*request.method(), Method::PUT | Method::DELETE)
        || (request.method() == Method::PATCH && !is_apply(request))
}

async fn disturb(admin: &Client, place: &str, change: &str) -> Result<(), kube::Error> {
    let request = Request::patch(place)
        .header("content-type", "application/merge-patch+json")
        .body(Body::from(change.as_bytes().to_vec()))
        .expect("a well-formed request");
    admin.send(request).await.map(drop)
}
