//! Finds the API server: a kubeconfig as named, the usual ones, or the cluster flinkops runs in.

use std::path::Path;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{ClientBuilder, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

use super::{Cluster, ClusterError};

/// For this long a connection may say nothing while an answer is read.
const SILENCE: Duration = Duration::from_secs(360);
/// How flinkops names itself to the API server.
const AGENT: &str = concat!("flinkops/", env!("CARGO_PKG_VERSION"));

impl Cluster {
    /// Connects by the usual rules: the named kubeconfig, else `KUBECONFIG`, else the user's own, else the
    /// service account of the pod. Nothing is asked of the server yet.
    pub async fn connect(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Self, ClusterError> {
        let (mut config, name) = load(kubeconfig, context).await?;
        config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
        // Whether a failed write may be sent again is decided by a new plan, not by the connection.
        config.default_retry = false;
        // A body that stops in the middle is given up; a watch is quiet for less, and ends by itself.
        config.read_timeout = Some(SILENCE);
        config.reset_reader_on_write = true;
        let name = name
            .unwrap_or_else(|| config.cluster_url.authority().map_or_else(String::new, ToString::to_string));
        let client = client(config).map_err(|error| ClusterError::Config { message: error.to_string() })?;
        Ok(Self::new(client, name))
    }
}

/// The client that `kube` makes of a configuration, but for connections that send what they have at once. By its own,
/// the first request on each waits for up to 40 ms until the server has acknowledged the handshake.
fn client(config: Config) -> Result<Client, BoxError> {
    if config.proxy_url.is_some() {
        return Ok(Client::try_from(config)?);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let mut tls =
        HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    if let Some(name) = config.tls_server_name.clone() {
        tls = tls.with_server_name_resolver(FixedServerNameResolver::new(name.try_into()?));
    }
    let mut connector = TimeoutConnector::new(tls.enable_http1().wrap_connector(tcp));
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(hyper_util::client::legacy::Builder::new(TokioExecutor::new()).build(connector));
    Ok(ClientBuilder::new(service, config.default_namespace).build())
}

async fn load(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
) -> Result<(Config, Option<String>), ClusterError> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let found = match kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let missing = |error: &dyn std::error::Error| ClusterError::Config { message: chain(error) };
    match found {
        Ok(found) => {
            let name = context.map(str::to_owned).or_else(|| found.current_context.clone());
            let config =
                Config::from_custom_kubeconfig(found, &options).await.map_err(|error| missing(&error))?;
            Ok((config, name))
        }
        Err(error) if kubeconfig.is_some() || context.is_some() => Err(missing(&error)),
        Err(error) => match Config::incluster() {
            Ok(config) => Ok((config, None)),
            Err(_) => Err(missing(&error)),
        },
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: one
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]
contexts:
- {name: one, context: {cluster: c, user: u}}
- {name: two, context: {cluster: c, user: u}}
users: [{name: u, user: {}}]
";

    #[tokio::test]
    async fn the_context_names_the_cluster() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config");
        std::fs::write(&path, KUBECONFIG).expect("a file");
        let connect = |context| Cluster::connect(Some(&path), context);
        assert_eq!(connect(None).await.expect("the current context").name(), "one");
        assert_eq!(connect(Some("two")).await.expect("the other one").name(), "two");
        let error = connect(Some("three")).await.expect_err("no such context").to_string();
        assert!(error.contains("three"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_kubeconfig_is_named() {
        let error = Cluster::connect(Some(Path::new("/nowhere/config")), None).await.expect_err("no file");
        assert!(error.to_string().contains("/nowhere/config"), "{error}");
    }
}
