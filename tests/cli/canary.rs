//! S25: known secrets are planted wherever one can hide, and nothing that a command says, serves or writes
//! holds one.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flinkops::sim::api::resource::RESOURCES;
use flinkops::sim::api::status::StatusError;
use flinkops::sim::{LoggedRequest, Phase, Verdict};
use serde_json::{Value, json};

use super::world::{Daemon, Ran, Repository, World};

/// Every planted secret begins with this.
const CANARY: &str = "canary-";

const JOB: &str = r#"
    env.java.opts.all: -Xss2m -Djavax.net.ssl.keyStorePassword=canary-java
    kafka.jaas: 'PlainLoginModule required username="u" password="canary jaas canary-jaas";'
  podTemplate:
    spec:
      initContainers:
      - name: fetch
        command: [sh, -c, 'curl -u svc:canary-curl -H "Authorization: Bearer canary-bearer" --oauth2-bearer canary-oauth https://x']
      containers:
      - name: flink-main-container
        env:
        - {name: DB_PASSWORD, value: canary-env}
        - name: DATABASE
          value: jdbc:postgresql://svc:canary-jdbc@db/orders
"#;

fn repository() -> Repository {
    let repository = Repository::with_jobs(&[("a", ""), ("b", "dependsOn: [a]\n")]);
    let base = std::fs::read_to_string(repository.path().join("jobs/a/job.yaml")).unwrap();
    let checkpoints = "    state.checkpoints.dir: s3://bucket/checkpoints";
    repository.write("jobs/a/job.yaml", &base.replace(checkpoints, &format!("{checkpoints}{JOB}")));
    repository.write(
        "jobs/a/prod.yaml",
        "spec:\n  flinkConfiguration:\n    s3.secret-key: canary-config\n    fs.azure.sas: canary-sas\n  \
         job: {args: [--password, canary-argument, --token=canary-option]}\n",
    );
    repository.write("jobs/a/q.sql", "CREATE TABLE t (x INT) WITH ('password' = 'canary-sql');\n");
    repository.write("jobs/a/conf.yaml", COMPANION);
    repository.commit();
    repository
}

const COMPANION: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data:
  app.properties: |
    db.password = correct horse canary-properties
    url = amqp://svc:canary-amqp@host
  key.pem: |
    -----BEGIN RSA PRIVATE KEY-----
    canary-pem
    -----END RSA PRIVATE KEY-----
";

/// Another hand: the live object has secrets that Git does not know, and an annotation of kubectl.
fn meddle(world: &World, what: &str) {
    let secret = |place: &str| format!("canary-{what}-{place}");
    let applied = json!({"spec": {"flinkConfiguration": {"s3.secret-key": secret("applied")}}}).to_string();
    world.edit(
        "a",
        &json!({
            "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}},
            "spec": {"flinkConfiguration": {"s3.secret-key": secret("live"), "x.token": secret("added")},
                     "job": {"args": ["--password", secret("argument")], "parallelism": 9}},
        }),
    );
}

/// What Git and [`meddle`] planted, as an admission plugin or the operator might quote it.
fn echo(what: &str) -> String {
    format!(
        "denied ({what}): s3.secret-key: Invalid value: \"canary-{what}-live\"; [--password canary-{what}-argument] \
         canary-{what}-added canary-{what}-applied; {GIT}"
    )
}

/// The same of what is in Git alone.
const GIT: &str =
    "Git has canary-config, canary-argument, canary-env, canary-jdbc, canary-java, canary-bearer";

/// Panics where a text holds a secret, as it is or as Kubernetes encodes it.
fn search(place: &str, text: &str) {
    let encoded = STANDARD.encode(CANARY);
    let encoded = encoded.trim_end_matches('=');
    for canary in [CANARY, &encoded[..encoded.len() - 1]] {
        if let Some(at) = text.find(canary) {
            let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
            let line = text[start..].lines().next().unwrap_or_default();
            panic!("a secret in {place}: {line}");
        }
    }
}

fn look(ran: &Ran, arguments: &[&str]) {
    search(&format!("stdout of {arguments:?}"), &ran.stdout);
    search(&format!("stderr of {arguments:?}"), &ran.stderr);
}

/// Calls a command at trace level and searches what it says.
fn quiet(world: &World, arguments: &[&str]) -> Ran {
    let mut all = arguments.to_vec();
    all.push("-vvv");
    let ran = world.run(&all);
    look(&ran, &all);
    ran
}

/// Searches what flinkops wrote to the cluster beside what Git wants to be there: Events, its records,
/// leases, and its annotations on everything. There is at least one of each.
fn search_cluster(world: &World) {
    let objects = |kind: &str| {
        let found = RESOURCES.iter().find(|resource| resource.kind == kind);
        world.sim.store().list(found.unwrap(), None).0
    };
    let labelled = |object: &Value| object["metadata"]["labels"].get("flinkops.dev/record").is_some();
    let records: Vec<_> = objects("ConfigMap").into_iter().filter(|object| labelled(object)).collect();
    // The operator's own Events quote the values of a changed spec; those are not ours to mend.
    let reported = |object: &Value| object["reportingComponent"] == "flinkops";
    let events: Vec<_> = objects("Event").into_iter().filter(|object| reported(object)).collect();
    for (kind, written) in [("Event", events), ("Lease", objects("Lease")), ("record", records)] {
        assert!(!written.is_empty(), "no {kind} was written");
        for object in written {
            search(&format!("a {kind}"), &object.to_string());
        }
    }
    let marked = objects("FlinkDeployment").into_iter().chain(objects("ConfigMap"));
    let annotations = marked.filter_map(|object| object["metadata"]["annotations"].as_object().cloned());
    let own: Vec<_> = annotations.flatten().filter(|(key, _)| key.starts_with("flinkops.dev/")).collect();
    assert!(!own.is_empty());
    for (key, value) in own {
        search(&key, &value.to_string());
    }
    let reads = world.sim.requests().into_iter().filter(|request| request.path.contains("/secrets"));
    assert_eq!(reads.count(), 0, "Secrets are nobody's business here");
}

/// Searches every file below a folder.
fn search_files(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            search_files(&path);
        } else {
            search(&path.display().to_string(), &String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        }
    }
}

/// Has the API server refuse every write to `a` with these words.
fn refuse(world: &World, code: u16, message: String) {
    world.sim.on_request(move |request: LoggedRequest, phase| {
        let about_a = request.is_write() && request.path.ends_with("/flinkdeployments/a");
        let ours = about_a && request.manager == "flinkops" && phase == Phase::Before;
        let fault = StatusError::new(code, "Invalid", message.clone());
        let verdict = if ours { Verdict::Fail(fault) } else { Verdict::Pass };
        async move { verdict }
    });
}

/// Has the operator give `a` up with an error that quotes a secret of an annotation.
fn fail(world: &World, when: &str, secret: &str) {
    let mut object = world.live("a").unwrap();
    let applied = json!({"spec": {"flinkConfiguration": {"s3.secret-key": secret}}}).to_string();
    object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = json!(applied);
    object["status"]["observedGeneration"] = object["metadata"]["generation"].clone();
    object["status"]["lifecycleState"] = json!("FAILED");
    object["status"]["jobStatus"]["state"] = json!("FAILED");
    object["status"]["error"] = json!(format!("{when}: invalid key {secret}"));
    world.sim.store().load(object).unwrap();
}

/// A Secret, as every cluster has some.
fn plant_secret(world: &World) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "a", "namespace": "flink", "labels": {"app.kubernetes.io/managed-by": "flinkops",
            "flinkops.dev/repository": "orders", "flinkops.dev/environment": "prod"}},
        "data": {"password": STANDARD.encode("canary-secret")},
    });
    world.sim.store().load(secret).unwrap();
}

#[test]
fn s25_no_command_says_a_secret() {
    let world = World::new(repository());
    plant_secret(&world);
    for command in ["validate", "render", "graph", "plan", "status", "drift"] {
        for format in ["text", "json", "markdown"] {
            quiet(&world, &[command, "--format", format, "--output", ".home/output"]);
            quiet(&world, &[command, "--format", format]);
            search_files(&world.repository.path().join(".home"));
        }
    }
    for format in ["sarif", "junit"] {
        quiet(&world, &["validate", "--format", format]);
    }
    for format in ["text", "json", "markdown"] {
        quiet(&world, &["render", "--explain", "--format", format]);
    }
    let applied = quiet(&world, &["apply", "--yes", "--timeout", "60s"]);
    assert_eq!(applied.code, Some(0), "{applied}");
    assert_eq!(world.live("a").unwrap()["spec"]["flinkConfiguration"]["s3.secret-key"], "canary-config");
    meddle(&world, "one");
    for command in ["plan", "drift", "status"] {
        for format in ["text", "json", "markdown"] {
            let ran = quiet(&world, &[command, "--format", format]);
            assert!(command == "status" || ran.stdout.contains("s3.secret-key"), "{ran}");
        }
    }
    refuse(&world, 422, echo("one"));
    for form in ["text", "json"] {
        let arguments = ["apply", "--yes", "--log-format", form, "--timeout", "60s"];
        let ran = quiet(&world, &arguments).expect(1);
        assert!(ran.stderr.contains("denied (one): s3.secret-key: Invalid value"), "{ran}");
    }
    world.sim.on_request(|_, _| async { Verdict::Pass });
    quiet(&world, &["apply", "--yes", "--log-format", "json", "--timeout", "60s"]).expect(0);
    search_cluster(&world);
    search_files(&world.repository.path().join(".home"));
}

#[test]
fn s25_a_file_that_does_not_parse_is_quoted_without_its_secrets() {
    let world = World::new(repository());
    world.repository.write(
        "jobs/broken/job.yaml",
        "kind: FlinkDeployment\nspec:\n  flinkConfiguration:\n    s3.secret-key: [canary-list]\n  \
         podTemplate: {spec: {containers: [{name: x, env: [{name: API_KEY, value: {a: canary-map}}]}]}}\n  \
         job: canary-not-secret-but-near\n  password: canary-unknown\n",
    );
    world.repository.write("jobs/torn/job.yaml", "spec:\n  password: canary-torn\n  : : [\n");
    let encoded = STANDARD.encode("canary-data");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
    world.repository.write(
        "jobs/s/secret.yaml",
        &format!("{secret}data: {{a: {encoded}}}\nstringData:\n  b: canary-string\n"),
    );
    world.repository.write(
        "jobs/t/secret.yaml",
        &format!("{secret}stringData: {{c: canary-flow}}\nstringData: [canary-again]\n"),
    );
    for format in ["text", "json", "markdown", "sarif", "junit"] {
        let ran = world.run(&["validate", "--format", format, "-vvv"]).expect(1);
        let text = ran.to_string().replace("canary-not-secret-but-near", "");
        search(format, &text);
        assert!(text.contains("jobs/s/secret.yaml") && text.contains("jobs/t/secret.yaml"), "{text}");
    }
}

#[test]
fn s25_the_repository_s_address_is_told_without_its_credentials() {
    let repository = repository();
    let address = "http://user:canary-url@127.0.0.1:9/orders.git";
    for command in ["validate", "plan"] {
        let ran = repository.run(&[command, "--repo", address, "-vvv"]).expect(1);
        look(&ran, &[command]);
        assert!(ran.stderr.contains("127.0.0.1:9/orders.git"), "{ran}");
    }
    let mut command = repository.command(&["validate", "--repo", "http://127.0.0.1:9/orders.git", "-vvv"]);
    let output = command.env("FLINKOPS_GIT_TOKEN", "canary-token").output().unwrap();
    search("a failed fetch", &format!("{output:?}"));
    search_files(&repository.path().join(".home"));
}

#[test]
fn s25_the_daemon_says_serves_and_writes_no_secret() {
    let world = World::new(repository());
    plant_secret(&world);
    let log = world.repository.path().join(".home/log");
    let file = std::fs::File::create(&log).unwrap();
    let mut command = world.command(&["run", "--interval", "1s", "--listen", "127.0.0.1:0", "-vvv"]);
    command.stderr(Stdio::from(file));
    // At first nothing can be read, and the API server says why in words of ours.
    world.sim.on_request(|request, _| async move {
        let fault = StatusError::new(500, "InternalError", format!("no storage: {GIT}"));
        if request.path.contains("flinkdeployments") { Verdict::Fail(fault) } else { Verdict::Pass }
    });
    let mut daemon = Daemon::start(command);
    wait_for(&log, "no storage: Git has");
    let pages = search_pages(&log);
    assert!(pages.contains("no storage: Git has"), "{pages}");
    world.sim.on_request(|_, _| async { Verdict::Pass });
    wait_for(&log, "2 settled");

    // Another hand, and an API server that repeats what it was given and what it has.
    refuse(&world, 422, echo("two"));
    meddle(&world, "two");
    wait_for(&log, "denied (two)");
    search_pages(&log);
    refuse(&world, 503, echo("three"));
    meddle(&world, "three");
    wait_for(&log, "denied (three)");
    world.sim.on_request(|_, _| async { Verdict::Pass });
    wait_until(&log, || {
        let live = world.live("a").unwrap();
        let acted = live["status"]["observedGeneration"] == live["metadata"]["generation"];
        live["spec"]["job"]["parallelism"] == 2 && acted && live["status"]["lifecycleState"] == "STABLE"
    });

    // The operator quotes what stands where nothing of ours does, while nothing else changes.
    world.sim.stop_operator();
    fail(&world, "first", "nothing");
    wait_for(&log, "FAILED: first");
    fail(&world, "second", "canary-quiet");
    wait_for(&log, "FAILED: second");

    // A revision that cannot be used at all is told on a page, with what is wrong in it.
    let flinkops = std::fs::read_to_string(world.repository.path().join("flinkops.yaml")).unwrap();
    let text = format!("{flinkops}jobs: ['../token=canary-folder']\n");
    world.repository.write("flinkops.yaml", &text);
    world.repository.commit();
    wait_for(&log, "cannot be used");
    let pages = search_pages(&log);
    assert!(pages.contains("`../token=(secret)` is no folder of this repository"), "{pages}");

    assert!(daemon.stop());
    search_cluster(&world);
    search_files(&world.repository.path().join(".home"));
}

/// Searches the daemon's pages and answers with them.
fn search_pages(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap();
    let address = text.split("web pages on http://").nth(1).and_then(|rest| rest.split_whitespace().next());
    let address = address.unwrap_or_else(|| panic!("no address in {text}"));
    let page = |path: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        search(path, &answer);
        answer
    };
    let pages = ["/healthz", "/readyz", "/metrics"].map(page);
    assert!(pages[2].contains("flinkops_lease_held"), "{}", pages[2]);
    pages.concat()
}

fn wait_for(log: &Path, word: &str) {
    wait_until(log, || std::fs::read_to_string(log).unwrap().contains(word));
}

fn wait_until(log: &Path, met: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(240);
    while !met() {
        assert!(Instant::now() < deadline, "{}", std::fs::read_to_string(log).unwrap());
        std::thread::sleep(Duration::from_millis(50));
    }
}
