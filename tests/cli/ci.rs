//! The recipes of `deploy/ci`: their script against a forge that only writes down what it is asked, and what
//! the recipes themselves may do.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::world::{Ran, Repository, World};

const TOKEN: &str = "canary-token";
const REPORT: &str = "<!-- flinkops:plan:orders:prod -->\nSay \"so\": 1 → 2\\n\n";

fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/ci")
}

/// A request as the forge saw it.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    method: Method,
    path: String,
    token: String,
    body: Value,
}

/// GitHub or GitLab: has posts, and writes down what is asked of it.
struct Forge {
    state: Arc<Mutex<(Vec<Value>, Vec<Asked>)>>,
    url: String,
    _runtime: Runtime,
}

type Shared = State<Arc<Mutex<(Vec<Value>, Vec<Asked>)>>>;

async fn answer(
    state: Shared,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let mut state = state.lock().unwrap();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    state.1.push(Asked {
        method: method.clone(),
        path: uri.to_string(),
        token: header("authorization").or_else(|| header("private-token")).unwrap_or_default(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let query = uri.query().unwrap_or_default();
    let page = query.split('&').find_map(|pair| pair.strip_prefix("page=")?.parse::<usize>().ok());
    match (method, page) {
        (Method::GET, None) => (StatusCode::OK, json!({"username": "bot"}).to_string()),
        (Method::GET, Some(page)) => {
            let posts: Vec<_> = state.0.iter().skip(100 * (page - 1)).take(100).collect();
            (StatusCode::OK, json!(posts).to_string())
        }
        _ if uri.path().contains("/forbidden/") => {
            (StatusCode::FORBIDDEN, json!({"message": "Resource not accessible"}).to_string())
        }
        _ => (StatusCode::CREATED, "{}".to_owned()),
    }
}

impl Forge {
    fn with(posts: Vec<Value>) -> Self {
        let runtime = Runtime::new().unwrap();
        let state = Arc::new(Mutex::new((posts, Vec::new())));
        let routes = Router::new().fallback(answer).with_state(state.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { state, url, _runtime: runtime }
    }

    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().1)
    }

    /// What was asked that changes something; insists on there being one.
    fn written(&self) -> Asked {
        let mut written = self.asked();
        written.retain(|asked| asked.method != Method::GET);
        assert_eq!(written.len(), 1, "{written:?}");
        written.remove(0)
    }

    fn github(&self, command: &mut Command) {
        command.envs([
            ("GITHUB_API_URL", self.url.as_str()),
            ("GITHUB_REPOSITORY", "acme/orders"),
            ("GITHUB_TOKEN", TOKEN),
            ("PULL_REQUEST", "7"),
        ]);
    }

    fn gitlab(&self, command: &mut Command) {
        command.envs([
            ("GITLAB_CI", "true"),
            ("CI_API_V4_URL", self.url.as_str()),
            ("CI_PROJECT_ID", "42"),
            ("CI_MERGE_REQUEST_IID", "7"),
            ("GITLAB_TOKEN", TOKEN),
        ]);
    }
}

/// The script as a job calls it: what would call the binary, with the binary on the path instead.
fn script(command: &Command, arguments: &[&str]) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_flinkops")).parent().unwrap().display().to_string();
    let mut path = std::ffi::OsString::from(format!("{program}:"));
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut script = Command::new("sh");
    script.arg(recipes().join("flinkops.sh")).args(arguments).env_clear();
    script.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?)))).env("PATH", path);
    script.current_dir(command.get_current_dir().unwrap());
    script
}

fn comment(repository: &Repository, set: impl FnOnce(&mut Command)) -> Ran {
    let mut command = script(&repository.command(&[]), &["comment", "plan.md"]);
    set(&mut command);
    repository.ran(command)
}

fn with_report() -> Repository {
    let repository = Repository::with_jobs(&[]);
    repository.write("plan.md", REPORT);
    repository
}

fn by(user: &str, id: u64, body: &str) -> Value {
    json!({"id": id, "body": body, "user": {"login": user}})
}

#[test]
fn a_first_report_is_a_new_comment() {
    let (repository, forge) = (with_report(), Forge::with(vec![by("octocat", 1, "Nice!")]));
    comment(&repository, |command| forge.github(command)).expect(0);
    let asked = forge.asked();
    assert_eq!(asked[0].path, "/repos/acme/orders/issues/7/comments?per_page=100&page=1");
    let post = Asked {
        method: Method::POST,
        path: "/repos/acme/orders/issues/7/comments".to_owned(),
        token: format!("Bearer {TOKEN}"),
        body: json!({"body": REPORT}),
    };
    assert_eq!(asked[1..], [post]);
}

#[test]
fn a_later_report_replaces_our_comment_wherever_it_is_and_nobody_elses() {
    let marker = REPORT.lines().next().unwrap();
    let mut posts: Vec<Value> = (0..150).map(|id| by("octocat", id, "Nice!")).collect();
    posts.push(by("mallory", 150, REPORT));
    posts.push(by("github-actions[bot]", 151, "<!-- flinkops:plan:orders:staging -->\n"));
    posts.push(by("github-actions[bot]", 152, &format!("{marker}\nan older one")));
    let (repository, forge) = (with_report(), Forge::with(posts));
    comment(&repository, |command| forge.github(command)).expect(0);
    let written = forge.written();
    assert_eq!(
        (written.method, written.path.as_str()),
        (Method::PATCH, "/repos/acme/orders/issues/comments/152")
    );
    assert_eq!(written.body, json!({"body": REPORT}));
}

#[test]
fn gitlab_has_its_own_ways() {
    let repository = with_report();
    let forge = Forge::with(vec![]);
    comment(&repository, |command| forge.gitlab(command)).expect(0);
    let written = forge.written();
    assert_eq!(
        (written.method, written.path.as_str()),
        (Method::POST, "/projects/42/merge_requests/7/notes")
    );
    assert_eq!((written.token.as_str(), written.body), (TOKEN, json!({"body": REPORT})));
    let forge = Forge::with(vec![json!({"id": 5, "body": REPORT, "author": {"username": "bot"}})]);
    comment(&repository, |command| forge.gitlab(command)).expect(0);
    let written = forge.written();
    assert_eq!(
        (written.method, written.path.as_str()),
        (Method::PUT, "/projects/42/merge_requests/7/notes/5")
    );
}

#[test]
fn a_forge_that_refuses_fails_the_job_in_its_own_words() {
    let (repository, forge) = (with_report(), Forge::with(vec![]));
    let ran = comment(&repository, |command| {
        forge.github(command);
        command.env("GITHUB_REPOSITORY", "acme/forbidden/x");
    })
    .expect(1);
    assert!(ran.stderr.contains("Resource not accessible") && ran.stderr.contains("failed to POST"), "{ran}");
    assert!(!ran.to_string().contains(TOKEN), "{ran}");
}

#[test]
fn what_is_no_report_is_not_posted() {
    let (repository, forge) = (with_report(), Forge::with(vec![]));
    repository.write("plan.md", "anything\n");
    let ran = comment(&repository, |command| forge.github(command)).expect(1);
    assert!(ran.stderr.contains("does not begin with a marker"), "{ran}");
    std::fs::remove_file(repository.path().join("plan.md")).unwrap();
    comment(&repository, |command| forge.github(command)).expect(1);
    assert_eq!(forge.asked(), []);
    for wrong in [&[][..], &["plan"], &["comment"], &["drift", "x"]] {
        let command = script(&repository.command(&[]), wrong);
        repository.ran(command).expect(64);
    }
}

/// Plans against a revision as the job does; answers with how it ended and what it wrote.
fn plan(repository: &Repository, base: &str) -> (Ran, Option<String>) {
    let command = script(&repository.command(&[]), &["plan", base]);
    let ran = repository.ran(command);
    (ran, std::fs::read_to_string(repository.path().join("plan.md")).ok())
}

#[test]
fn a_plan_with_changes_is_no_failure_and_a_mistake_is_one() {
    let repository = Repository::with_jobs(&[("a", "")]);
    repository.write(".gitignore", "plan.md\n");
    repository.commit();
    for changed in [false, true] {
        if changed {
            repository.write("jobs/a/prod.yaml", "labels: {b: c}\n");
        }
        let (ran, written) = plan(&repository, "HEAD");
        ran.expect(0);
        let written = written.unwrap();
        assert!(written.starts_with("<!-- flinkops:plan:orders:prod -->\n"), "{written}");
        assert_eq!(written.contains("metadata.labels.b"), changed, "{written}");
    }
    repository.write("jobs/bad/job.yaml", "kind: FlinkDeployment\nspec:\n  imge: x\n");
    let (ran, written) = plan(&repository, "HEAD");
    assert!(ran.expect(1).stdout.contains("unknown field `imge`"));
    assert!(written.unwrap().contains("metadata.labels.b"), "the rest is still planned");
    let (ran, written) = plan(&repository, "nowhere");
    ran.expect(1);
    assert_eq!(written, None, "an old report is not taken for a new one");
}

#[test]
fn an_issue_is_open_while_there_is_drift() {
    let world = World::new(Repository::with_jobs(&[("a", "")]));
    world.repository.write(".gitignore", ".home\ndrift.md\n");
    world.repository.commit();
    world.apply();
    let drift = |forge: &Forge| {
        let mut command = script(&world.command(&[]), &["drift"]);
        forge.github(&mut command);
        world.repository.ran(command)
    };
    let quiet = Forge::with(vec![]);
    drift(&quiet).expect(0);
    let asked = quiet.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].path, "/repos/acme/orders/issues?per_page=100&page=1&state=open");

    world.sim.stop_operator();
    world.edit("a", &json!({"spec": {"job": {"parallelism": 9}}}));
    drift(&quiet).expect(0);
    let opened = quiet.written();
    assert_eq!((opened.method, opened.path.as_str()), (Method::POST, "/repos/acme/orders/issues"));
    assert_eq!(opened.body["title"], "flinkops drift:orders:prod");
    let text = opened.body["body"].as_str().unwrap();
    assert!(text.contains("kubectl-edit"), "{text}");

    let open = || {
        let issue = json!({"id": 1, "number": 33, "body": text, "user": {"login": "github-actions[bot]"}});
        Forge::with(vec![issue])
    };
    let forge = open();
    drift(&forge).expect(0);
    let updated = forge.written();
    assert_eq!((updated.method, updated.path.as_str()), (Method::PATCH, "/repos/acme/orders/issues/33"));
    assert_eq!(updated.body["body"].as_str().map(|body| body.lines().next()), Some(text.lines().next()));

    world.edit("a", &json!({"spec": {"job": {"parallelism": 2}}}));
    let forge = open();
    drift(&forge).expect(0);
    let closed = forge.written();
    assert_eq!(
        (closed.path.as_str(), closed.body),
        ("/repos/acme/orders/issues/33", json!({"state": "closed"}))
    );

    world.repository.write("flinkops.yaml", "name: [\n");
    let forge = open();
    drift(&forge).expect(1);
    assert_eq!(forge.asked(), [], "what could not be told is not reported");
}

/// The steps of every job, with the job's rights.
fn jobs(recipe: &Value) -> Vec<(&Value, Vec<&Value>)> {
    let jobs = recipe["jobs"].as_object().unwrap().values();
    jobs.map(|job| (&job["permissions"], job["steps"].as_array().unwrap().iter().collect())).collect()
}

#[test]
fn the_recipes_pin_what_they_use_and_ask_for_little() {
    let read = |name: &str| std::fs::read_to_string(recipes().join(name)).unwrap();
    let parse = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
    for name in ["github-plan.yaml", "github-drift.yaml"] {
        let text = read(name);
        let recipe = parse(&text);
        assert_eq!(recipe["permissions"], json!({}), "{name}: no job has a right by default");
        assert!(recipe["on"].get("pull_request_target").is_none(), "{name}");
        for (rights, steps) in jobs(&recipe) {
            let posts = steps.iter().any(|step| step["env"].get("GITHUB_TOKEN").is_some());
            let writes = rights.to_string().contains("write");
            assert_eq!(posts, writes, "{name}: only what posts may write: {rights}");
        }
        for line in text.lines().filter(|line| line.contains("uses:")) {
            let (_, pin) = line.split_once('@').unwrap();
            let (commit, version) = pin.split_once(" # v").unwrap_or_else(|| panic!("{line}"));
            assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
            assert!(version.split('.').count() == 3, "{line}");
        }
    }
    let plan = read("github-plan.yaml");
    assert!(!plan.contains("secrets."), "a pull request's run has no secret");
    let gitlab = parse(&read("gitlab.yaml"));
    for job in ["flinkops-plan", "flinkops-comment", "flinkops-drift"] {
        let rules = gitlab[job]["rules"][0]["if"].as_str().unwrap();
        assert!(rules.contains("merge_request_event") || rules.contains("$CI_DEFAULT_BRANCH"), "{job}");
        assert!(gitlab[job]["script"].to_string().contains("flinkops.sh"), "{job}");
    }
}
