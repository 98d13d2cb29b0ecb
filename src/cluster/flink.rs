//! Asks Flink itself what runs on a session cluster, and where a job's state is: through the API server's service
//! proxy, or directly.
//!
//! The one reader here that leaves Kubernetes. It is used only where the user said how Flink can be reached: when
//! a cluster is about to be changed (S14), and for a report on how everything is doing.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use http::Request;
use kube::{Client, Config};
use serde_json::Value;

use super::Cluster;
use super::error::innermost;
use crate::flink::kind::UnitKey;
use crate::flink::rest;
use crate::plan::live::{JobRef, JobStates};

/// After this long without an answer, Flink counts as out of reach.
const PATIENCE: Duration = Duration::from_secs(10);
/// Jobs that are asked about at once.
const AT_ONCE: usize = 16;
/// What stands for a cluster's name, and for its namespace, in an address.
const NAME: &str = "{name}";
const NAMESPACE: &str = "{namespace}";

/// What each cluster runs, or why it could not be asked.
type Answers = BTreeMap<UnitKey, Result<Vec<rest::RunningJob>, String>>;

/// How Flink's REST API is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlinkRest {
    /// Through the API server, with the right to `get` `services/proxy`.
    Proxy,
    /// At this URL, with the cluster's name and namespace in place of `{name}` and `{namespace}`.
    At(String),
}

impl FromStr for FlinkRest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "proxy" {
            return Ok(Self::Proxy);
        }
        let example = "such as http://{name}-rest.{namespace}:8081";
        let sample = text.replace(NAME, "name").replace(NAMESPACE, "namespace");
        let url = url::Url::parse(&sample).map_err(|error| format!("`proxy` or a URL {example}: {error}"))?;
        match url.scheme() {
            "http" | "https" if text.contains(NAME) => Ok(Self::At(text.trim_end_matches('/').to_owned())),
            "http" | "https" => {
                Err(format!("a URL in which {NAME} stands for the cluster's name, {example}"))
            }
            other => Err(format!("`{other}` is no scheme of Flink's REST API: a URL {example}")),
        }
    }
}

impl Cluster {
    /// The same cluster, whose Flink may be asked.
    #[must_use]
    pub fn with_flink(&self, rest: Option<FlinkRest>) -> Self {
        Self { flink: rest, ..self.clone() }
    }

    /// Whether anybody said how Flink is asked.
    pub fn asks_flink(&self) -> bool {
        self.flink.is_some()
    }

    /// Whether Flink is asked without the API server, so that it may be asked now and then.
    pub fn asks_flink_directly(&self) -> bool {
        matches!(self.flink, Some(FlinkRest::At(_)))
    }

    /// What session clusters run, all of them asked at once: ten seconds at most. Nothing where nobody said how
    /// to ask.
    pub async fn ask_flink(&self, clusters: impl Iterator<Item = &UnitKey>) -> Answers {
        let Some(way) = &self.flink else { return BTreeMap::new() };
        let answers = clusters.map(|cluster| async {
            (cluster.clone(), self.ask(way, cluster, rest::JOBS, rest::running).await)
        });
        futures::future::join_all(answers).await.into_iter().collect()
    }

    /// What Flink tells of the state of jobs. Nothing where nobody said how to ask. A cluster that did not answer
    /// in time is not waited for again.
    pub async fn ask_state(&self, jobs: impl IntoIterator<Item = JobRef>) -> JobStates {
        let Some(way) = &self.flink else { return BTreeMap::new() };
        let silent = Mutex::new(BTreeSet::new());
        let silent = &silent;
        let answers = stream::iter(jobs).map(|JobRef { unit, cluster, id }| async move {
            let is_silent = || silent.lock().unwrap_or_else(PoisonError::into_inner);
            if is_silent().contains(&cluster) {
                return (unit, Err(no_answer()));
            }
            let answer = self.ask(way, &cluster, &rest::checkpoints(&id), rest::job_state).await;
            if answer.as_ref().is_err_and(|why| *why == no_answer()) {
                is_silent().insert(cluster);
            }
            (unit, answer)
        });
        answers.buffer_unordered(AT_ONCE).collect().await
    }

    async fn ask<T>(
        &self,
        way: &FlinkRest,
        cluster: &UnitKey,
        path: &str,
        read: fn(&Value) -> Option<T>,
    ) -> Result<T, String> {
        let answer = tokio::time::timeout(PATIENCE, self.get(way, cluster, path)).await;
        let answer = answer.unwrap_or_else(|_| Err(no_answer()));
        let unlike = || "the answer is not that of Flink's REST API".to_owned();
        answer.and_then(|answer| read(&answer).ok_or_else(unlike)).map_err(|why| self.masked(&why))
    }

    async fn get(&self, way: &FlinkRest, cluster: &UnitKey, path: &str) -> Result<Value, String> {
        let (client, path) = match way {
            FlinkRest::Proxy => {
                let (namespace, service) = (&cluster.namespace, rest::service(cluster));
                let path = format!("/api/v1/namespaces/{namespace}/services/{service}:rest/proxy{path}");
                (self.client.clone(), path)
            }
            FlinkRest::At(address) => {
                let address = address.replace(NAME, &cluster.name).replace(NAMESPACE, &cluster.namespace);
                let url = address.parse().map_err(|error| format!("{address}: {error}"))?;
                let client = Client::try_from(Config::new(url)).map_err(|error| innermost(&error))?;
                (client, path.to_owned())
            }
        };
        let request = Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
        client.request(request).await.map_err(|error| said(&error))
    }
}

fn no_answer() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

/// What went wrong, in words for a person.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            "the cluster's RBAC does not allow to get services/proxy".to_owned()
        }
        kube::Error::Api(status) => format!("{} {}", status.code, status.message),
        error => innermost(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_the_cluster() {
        let parse = |text: &str| text.parse::<FlinkRest>();
        assert_eq!(parse("proxy"), Ok(FlinkRest::Proxy));
        let address = "http://{name}-rest.{namespace}:8081";
        assert_eq!(parse(&format!("{address}/")), Ok(FlinkRest::At(address.to_owned())));
        for wrong in ["", "flink", "ftp://{name}", "http://flink:8081"] {
            assert!(parse(wrong).unwrap_err().contains("such as http://"), "{wrong}");
        }
    }
}
