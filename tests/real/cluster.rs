//! One kube-apiserver with its etcd and the operator's custom resource definitions.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt as _};
use serde_json::json;

use super::artifacts;
use super::server::{Server, free_ports};

/// Long enough for two busy cores; reached only when something is broken.
const READY: Duration = Duration::from_secs(300);
/// The token of the administrator.
pub const TOKEN: &str = "flinkops-test-admin";
const AUDIT_LOG: &str = "audit.log";
/// Requests of service accounts are logged, since their rights are what tests ask about.
const AUDITED: &str = r#"{
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}, {"level": "None"}]
}"#;

/// A running API server, shared by every test of the process.
pub struct Cluster {
    url: String,
    apiserver: Server,
    etcd: Server,
}

impl Cluster {
    /// Starts etcd and kube-apiserver and installs the operator's definitions of one release.
    pub async fn start(operator: &str) -> Result<Self> {
        let (etcd, etcd_url) = start_etcd()?;
        let (apiserver, url) = start_apiserver(&etcd_url)?;
        let cluster = Self { url, apiserver, etcd };
        cluster.wait("ready", async |client| client.request_text(get("/readyz")).await.is_ok()).await?;
        cluster.install(operator).await?;
        Ok(cluster)
    }

    /// A client of the administrator, who may do everything.
    pub async fn admin(&self) -> Result<Client> {
        self.client(TOKEN).await
    }

    /// A client that authenticates by this bearer token.
    pub async fn client(&self, token: &str) -> Result<Client> {
        Ok(Client::try_from(self.config(token).await?)?)
    }

    /// What a client that authenticates by this bearer token is made of.
    pub async fn config(&self, token: &str) -> Result<Config> {
        let kubeconfig: Kubeconfig = serde_json::from_value(self.kubeconfig(token, "default"))?;
        Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
    }

    /// Writes a kubeconfig for this token and namespace, for `flinkops --kubeconfig`.
    pub fn write_kubeconfig(&self, path: &Path, token: &str, namespace: &str) -> Result<()> {
        Ok(std::fs::write(path, self.kubeconfig(token, namespace).to_string())?)
    }

    /// Creates a namespace of its own for a test; it goes away with the API server.
    pub async fn namespace(&self) -> Result<String> {
        let metadata = ObjectMeta { generate_name: Some("test-".to_owned()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let created = Api::all(self.admin().await?).create(&PostParams::default(), &namespace).await?;
        Ok(created.name_any())
    }

    /// Asks the API server for a token of an existing service account, as the kubelet does for a pod.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin().await?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec { audiences: Vec::new(), ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let answer: TokenRequest =
            accounts.create_subresource("token", name, &PostParams::default(), &request).await?;
        Ok(answer.status.context("the answer holds no token")?.token)
    }

    /// Every answered request of a service account so far, as the API server's audit log has it.
    pub fn audit(&self, namespace: &str, account: &str) -> Result<Vec<serde_json::Value>> {
        let user = format!("system:serviceaccount:{namespace}:{account}");
        let log = std::fs::read_to_string(self.apiserver.folder().join(AUDIT_LOG))?;
        let events = log.lines().map(serde_json::from_str).collect::<Result<Vec<serde_json::Value>, _>>()?;
        Ok(events.into_iter().filter(|event| event["user"]["username"] == user.as_str()).collect())
    }

    /// Where the server is, and the file with the certificate it proves itself by.
    pub fn address(&self) -> (&str, PathBuf) {
        (&self.url, self.apiserver.folder().join("apiserver.crt"))
    }

    fn kubeconfig(&self, token: &str, namespace: &str) -> serde_json::Value {
        let (url, authority) = self.address();
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
            "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": authority}}],
            "users": [{"name": "test", "user": {"token": token}}],
        })
    }

    async fn install(&self, operator: &str) -> Result<()> {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.admin().await?);
        let mut plurals = Vec::new();
        for text in artifacts::operator_crds(operator)? {
            let definition: CustomResourceDefinition = serde_yaml::from_str(&text)?;
            plurals.push(definition.spec.names.plural.clone());
            definitions.create(&PostParams::default(), &definition).await?;
        }
        self.wait("serving the operator's kinds", async |client| {
            let served = client.request_text(get("/apis/flink.apache.org/v1beta1")).await.unwrap_or_default();
            plurals.iter().all(|plural| served.contains(&format!("\"{plural}/status\"")))
        })
        .await
    }

    /// Waits until `condition` holds, both servers being alive.
    pub async fn wait(&self, what: &str, condition: impl AsyncFn(Client) -> bool) -> Result<()> {
        let start = Instant::now();
        loop {
            self.etcd.check()?;
            self.apiserver.check()?;
            // The certificate that a client checks is written by the starting server.
            if let Ok(client) = self.admin().await
                && condition(client).await
            {
                return Ok(());
            }
            if start.elapsed() > READY {
                bail!("kube-apiserver is not {what} after {READY:?}:\n{}", self.apiserver.last_words());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A request for a path.
pub fn get(path: &str) -> http::Request<Vec<u8>> {
    http::Request::get(path).body(Vec::new()).expect("a constant request")
}

fn start_etcd() -> Result<(Server, String)> {
    let [client, peer] = free_ports()?.map(|port| format!("http://127.0.0.1:{port}"));
    let server = Server::start("etcd", |folder| {
        let mut etcd = Command::new(artifacts::etcd()?);
        etcd.args([
            format!("--data-dir={}", folder.join("data").display()),
            "--name=test".to_owned(),
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=test={peer}"),
        ]);
        Ok(etcd)
    })?;
    Ok((server, client))
}

fn start_apiserver(etcd_url: &str) -> Result<(Server, String)> {
    let [port] = free_ports()?;
    let server = Server::start("kube-apiserver", |folder| {
        // The server makes its own certificate first, whose key serves to sign tokens as well.
        let (key, tokens) = (folder.join("apiserver.key"), folder.join("tokens.csv"));
        let policy = folder.join("audit-policy.json");
        std::fs::write(&policy, AUDITED)?;
        std::fs::write(&tokens, format!("{TOKEN},admin,admin,system:masters\n"))?;
        let mut apiserver = Command::new(artifacts::kube_apiserver()?);
        apiserver.args([
            format!("--etcd-servers={etcd_url}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", folder.display()),
            format!("--token-auth-file={}", tokens.display()),
            "--authorization-mode=RBAC".to_owned(),
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", folder.join(AUDIT_LOG).display()),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", key.display()),
            format!("--service-account-signing-key-file={}", key.display()),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            // No controller makes the accounts that pods would need.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
        ]);
        Ok(apiserver)
    })?;
    Ok((server, format!("https://127.0.0.1:{port}")))
}
