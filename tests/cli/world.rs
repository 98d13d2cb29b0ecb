//! A repository in a temporary folder, an embedded cluster on loopback, and the binary between them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flinkops::flink::kind::ObjectKey;
use flinkops::sim::{Options, Sim};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(300);

/// A daemon that is not left behind, whatever becomes of its test.
pub struct Daemon(Child);

impl Daemon {
    pub fn start(mut command: Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Asks it to end, and says whether it did so well.
    pub fn stop(&mut self) -> bool {
        Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        self.0.wait().unwrap().success()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A repository, and nothing else.
pub struct Repository {
    folder: TempDir,
}

/// What one call of the binary did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Insists on an exit code.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or_else(|| "killed".to_owned(), |code| code.to_string());
        write!(f, "exit {code}\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }
}

impl Repository {
    /// A repository of these files, committed.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let repository = Self { folder: TempDir::new().unwrap() };
        git2::Repository::init(repository.path()).unwrap();
        for (path, content) in files {
            repository.write(path, content);
        }
        repository.commit();
        repository
    }

    /// A job that asks for nothing special.
    pub fn with_jobs(jobs: &[(&str, &str)]) -> Self {
        let mut files = vec![("flinkops.yaml".to_owned(), FLINKOPS.to_owned())];
        files.extend(jobs.iter().map(|(name, extra)| (format!("jobs/{name}/job.yaml"), job(extra))));
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        Self::new(&files)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_dir_all(self.path().join(path)).unwrap();
    }

    pub fn commit(&self) {
        let repository = git2::Repository::open(self.path()).unwrap();
        let mut index = repository.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
        index.update_all(["*"], None).unwrap();
        index.write().unwrap();
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let who = git2::Signature::now("test", "test@example.com").unwrap();
        let parent = repository.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        repository.commit(Some("HEAD"), &who, &who, "change", &tree, &parents).unwrap();
    }

    /// Calls the binary on this repository.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.ran(self.command(arguments))
    }

    /// Runs a command to its end, and ends it where it does not come to one.
    pub fn ran(&self, command: Command) -> Ran {
        ran(self, command)
    }

    /// The binary with nothing of this machine's around it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flinkops"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.path().join(".home")).env("TZ", "UTC");
        command
    }
}

/// Runs a command to its end, and ends it where it does not come to one.
fn ran(repository: &Repository, mut command: Command) -> Ran {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = child.id();
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    let output = ended.recv_timeout(LIMIT).unwrap_or_else(|_| {
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        let output = ended.recv().unwrap();
        panic!("{command:?} does not end: {}", String::from_utf8_lossy(&output.stderr));
    });
    let real = repository.path().canonicalize().unwrap();
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace(&real.display().to_string(), "[repository]");
        text.replace(&repository.path().display().to_string(), "[repository]")
    };
    Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

const FLINKOPS: &str = "
name: orders
environments:
  prod: {namespace: flink}
lint: {deprecated-key: off, savepoint-without-ha: off}
policy: {settle: 1s}
";

/// The text of a `job.yaml` that asks for nothing special, with more lines at its end.
pub fn job(extra: &str) -> String {
    format!(
        "
kind: FlinkDeployment
spec:
  image: registry.example.com/job:1
  flinkVersion: v1_20
  serviceAccount: flink
  flinkConfiguration:
    state.savepoints.dir: s3://bucket/savepoints
    state.checkpoints.dir: s3://bucket/checkpoints
  jobManager: {{resource: {{cpu: 1, memory: 1g}}}}
  taskManager: {{resource: {{cpu: 1, memory: 1g}}}}
  job: {{jarURI: 'local:///job.jar', parallelism: 2, upgradeMode: savepoint}}
{extra}"
    )
}

/// An embedded cluster that listens, with a repository beside it.
pub struct World {
    pub repository: Repository,
    pub sim: Sim,
    kubeconfig: PathBuf,
    runtime: Runtime,
}

impl World {
    pub fn new(repository: Repository) -> Self {
        let runtime = Runtime::new().unwrap();
        let options = Options { time_scale: 0.02, ..Options::default() };
        let (sim, address) = runtime.block_on(async {
            let sim = Sim::start(options);
            let address = sim.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
            (sim, address)
        });
        repository.write(".home/kubeconfig", &Sim::kubeconfig(address));
        let kubeconfig = repository.path().join(".home/kubeconfig");
        repository.write(".gitignore", ".home\n");
        repository.commit();
        Self { repository, sim, kubeconfig, runtime }
    }

    /// Calls the binary on this repository and this cluster.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        ran(&self.repository, self.command(arguments))
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.repository.command(arguments);
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }

    pub fn apply(&self) -> Ran {
        self.run(&["apply", "--yes", "--timeout", "60s"]).expect(0)
    }

    /// Edits a live FlinkDeployment as a person with kubectl would.
    pub fn edit(&self, name: &str, patch: &Value) {
        let _inside = self.runtime.enter();
        let api = self.deployments();
        let parameters =
            kube::api::PatchParams { field_manager: Some("kubectl-edit".into()), ..Default::default() };
        let patch = kube::api::Patch::Merge(patch);
        self.runtime.block_on(api.patch(name, &parameters, &patch)).unwrap();
    }

    /// Every object of a kind, as kubectl would print it.
    pub fn list(&self, api_version: &str, kind: &str) -> Vec<Value> {
        let _inside = self.runtime.enter();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource =
            kube::core::ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(group, version, kind));
        let api: kube::Api<kube::core::DynamicObject> = kube::Api::all_with(self.sim.client(), &resource);
        let list = self.runtime.block_on(api.list(&kube::api::ListParams::default())).unwrap();
        let object = |object| {
            let mut object = serde_json::to_value(object).unwrap();
            object["apiVersion"] = api_version.into();
            object["kind"] = kind.into();
            object
        };
        list.items.into_iter().map(object).collect()
    }

    pub fn live(&self, name: &str) -> Option<Value> {
        self.object("flink.apache.org/v1beta1", "FlinkDeployment", name)
    }

    pub fn session_job(&self, name: &str) -> Option<Value> {
        self.object("flink.apache.org/v1beta1", "FlinkSessionJob", name)
    }

    fn object(&self, api_version: &str, kind: &str, name: &str) -> Option<Value> {
        let key = ObjectKey::new(api_version, kind, "flink", name);
        self.sim.store().get(&key).map(|object| (*object).clone())
    }

    fn deployments(&self) -> kube::Api<kube::core::DynamicObject> {
        let kind = kube::core::GroupVersionKind::gvk("flink.apache.org", "v1beta1", "FlinkDeployment");
        let resource = kube::core::ApiResource::from_gvk_with_plural(&kind, "flinkdeployments");
        kube::Api::namespaced_with(self.sim.client(), "flink", &resource)
    }
}
