//! `flinkops run`, the binary: what ends it at once, and what it waits for.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::world::{Daemon, Repository, World};
use crate::repo::server::{Behaviour, Server};

/// A way to a server that is shut until it is opened.
struct Door {
    address: SocketAddr,
    open: Arc<AtomicBool>,
    knocks: Arc<AtomicUsize>,
}

impl Door {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (open, knocks) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (opened, counted) = (open.clone(), knocks.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                if opened.load(Ordering::SeqCst) {
                    join(&stream, &TcpStream::connect(server).unwrap());
                } else {
                    turn_away(stream);
                }
            }
        });
        Self { address, open, knocks }
    }
}

fn turn_away(mut stream: TcpStream) {
    let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
    while head.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let _ = stream
        .write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

fn join(near: &TcpStream, far: &TcpStream) {
    let ends = |one: &TcpStream, other: &TcpStream| (one.try_clone().unwrap(), other.try_clone().unwrap());
    for (mut from, mut to) in [ends(near, far), ends(far, near)] {
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    }
}

/// A running daemon with its log.
struct Running {
    daemon: Daemon,
    log: PathBuf,
}

impl Running {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let log = world.repository.path().join(".home/log");
        let always = ["run", "--interval", "1s", "--listen", "127.0.0.1:0", "-vvv"];
        let mut command = world.command(&[&always[..], arguments].concat());
        command.stderr(File::create(&log).unwrap());
        Self { daemon: Daemon::start(command), log }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn wait_for(&self, met: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(240);
        while !met(&self.log()) {
            assert!(Instant::now() < deadline, "{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn get(&self, path: &str) -> String {
        self.wait_for(|log| log.contains("web pages on"));
        let log = self.log();
        let address = log.split("web pages on http://").nth(1).unwrap().lines().next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn serve(repository: &Path) -> Server {
    Server::start(Behaviour::Serve { repository: repository.to_owned(), authorization: None })
}

#[test]
fn a_remote_that_appears_later_is_waited_for_and_its_address_told_without_credentials() {
    let world = World::new(Repository::with_jobs(&[("ingest", ""), ("sink", "dependsOn: [ingest]\n")]));
    let server = serve(world.repository.path());
    let door = Door::to(server.address);
    let address = format!("http://user:hunter2@{}/orders.git", door.address);
    let mut running = Running::start(&world, &["--repo", &address]);
    assert!(running.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(running.get("/metrics").contains("flinkops_lease_held 0"));
    running.wait_for(|log| log.contains("failed to read Git") && door.knocks.load(Ordering::SeqCst) > 1);
    let ready = running.get("/readyz");
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(ready.contains(&format!("git error: fetch http://{}/orders.git: ", door.address)), "{ready}");
    assert!(world.sim.requests().is_empty(), "nobody knows the cluster yet");
    door.open.store(true, Ordering::SeqCst);
    running.wait_for(|log| log.contains("2 settled"));
    assert!(running.get("/readyz").starts_with("HTTP/1.1 200"));
    assert!(running.daemon.stop());
    let log = running.log();
    assert_eq!(log.matches("failed to read Git").count(), 1, "said once: {log}");
    assert!(log.contains("WARN failed to read Git: fetch http://127.0.0.1"), "{log}");
    assert!(!log.contains("hunter2") && !ready.contains("hunter2"), "{log}");
}

#[test]
fn in_report_mode_everything_is_said_and_nothing_written() {
    let world = World::new(Repository::with_jobs(&[("ingest", "")]));
    world.apply();
    world.edit("ingest", &json!({"spec": {"job": {"parallelism": 7}}}));
    world.repository.write("jobs/sink/job.yaml", &super::world::job("dependsOn: [ingest]\n"));
    world.repository.commit();
    world.sim.clear_requests();
    let mut running = Running::start(&world, &["--mode", "report"]);
    running.wait_for(|log| {
        let planned = |unit: &str, action: &str| {
            let mine = |line: &&str| line.contains(&format!("unit=\"{unit}\"")) && line.contains("planned");
            log.lines().find(mine).is_some_and(|line| line.contains(&format!("action={action}")))
        };
        planned("ingest", "Update") && planned("sink", "Create") && log.contains("sink")
    });
    running.wait_for(|log| log.contains("parallelism was changed by kubectl-edit"));
    assert!(running.get("/readyz").starts_with("HTTP/1.1 200"));
    assert!(running.get("/metrics").contains("flinkops_drifted 1"));
    assert!(running.daemon.stop());
    let written: Vec<_> = world.sim.requests().into_iter().filter(|request| request.verb.writes()).collect();
    assert_eq!(written, [], "neither objects nor records, nor Events, nor a lease");
    assert_eq!(world.live("ingest").unwrap()["spec"]["job"]["parallelism"], 7);
    assert!(world.live("sink").is_none());
}

#[test]
fn what_was_typed_wrong_ends_it_at_once() {
    let repository = Repository::with_jobs(&[("a", "")]);
    for (arguments, code, message) in [
        (&["--repo", "ftp://example.com/x"][..], 1, "its scheme is not one of https, ssh and file"),
        (&["--git-token-file", "nowhere/token"], 1, "failed to read nowhere/token: No such file"),
        (&["--ssh-key", "nowhere/key"], 1, "failed to read nowhere/key: No such file"),
        (&["--kubeconfig", "nowhere/config"], 1, "failed to read nowhere/config: No such file"),
        (&["--environment", "staging"], 64, "there is no environment `staging`\nhelp: there are prod"),
        (&["--listen", "here"], 64, "invalid value 'here' for '--listen <ADDR>'"),
    ] {
        let ran = repository.run(&[&["run"], arguments].concat()).expect(code);
        assert!(ran.stderr.contains(message), "{ran}");
    }
    repository.write(
        "flinkops.yaml",
        "name: orders\nenvironments: {prod: {namespace: a}, staging: {namespace: b}}\n",
    );
    repository.commit();
    let ran = repository.run(&["run"]).expect(64);
    assert!(ran.stderr.contains("help: name one with --environment: prod, staging"), "{ran}");
}
