//! A Git server by HTTP, as little of one as a fetch needs, that writes down what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub authorization: Option<String>,
    body: Vec<u8>,
}

/// What a server does.
pub enum Behaviour {
    /// Serves a repository, to everyone or to those with this `Authorization`; `/short` is at `/long.git`.
    Serve { repository: PathBuf, authorization: Option<String> },
    /// Serves a repository, and claims that its HEAD goes by these names too.
    Claim { repository: PathBuf, references: Vec<&'static str> },
    /// Sends everyone elsewhere.
    Redirect(String),
    /// Asks for credentials, then sends elsewhere.
    AskThenRedirect(String),
    /// Takes a request and never answers.
    Silent,
}

/// A running server; dropping it stops it.
pub struct Server {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (log, stopping) = (Arc::clone(&requests), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                let Some(request) = receive(&stream) else { continue };
                log.lock().unwrap().push(request.clone());
                match answer(&behaviour, &request) {
                    Some(answer) => drop(stream.write_all(&answer)),
                    None => open.push(stream),
                }
            }
        });
        Self { address, requests, stop, thread: Some(thread) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn receive(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let found = head.iter().filter_map(|line| line.split_once(": "));
        found.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
    };
    let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line: head.first()?.clone(), authorization: header("authorization"), body })
}

fn answer(behaviour: &Behaviour, request: &Request) -> Option<Vec<u8>> {
    let unauthorised = || respond("401 Unauthorized", "WWW-Authenticate: Basic realm=\"git\"\r\n", b"");
    let path = request.line.split(' ').nth(1).unwrap();
    let redirect = |base: &str| respond("302 Found", &format!("Location: {base}{path}\r\n"), b"");
    Some(match behaviour {
        Behaviour::Silent => return None,
        Behaviour::Redirect(base) => redirect(base),
        Behaviour::AskThenRedirect(base) if request.authorization.is_some() => redirect(base),
        Behaviour::AskThenRedirect(_) => unauthorised(),
        Behaviour::Serve { authorization, .. }
            if authorization.is_some() && *authorization != request.authorization =>
        {
            unauthorised()
        }
        Behaviour::Serve { .. } if request.line.contains("/short/") => respond(
            "301 Moved Permanently",
            &format!("Location: {}\r\n", path.replace("/short/", "/long.git/")),
            b"",
        ),
        Behaviour::Serve { repository, .. } => serve(repository, &[], request),
        Behaviour::Claim { repository, references } => serve(repository, references, request),
    })
}

fn respond(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn serve(repository: &Path, references: &[&str], request: &Request) -> Vec<u8> {
    let git = git2::Repository::open(repository).unwrap();
    if request.line.starts_with("GET ") && request.line.contains("/info/refs?service=git-upload-pack") {
        let kind = "Content-Type: application/x-git-upload-pack-advertisement\r\n";
        respond("200 OK", kind, advertisement(&git, references).as_bytes())
    } else if request.line.starts_with("POST ") && request.line.contains("/git-upload-pack") {
        respond(
            "200 OK",
            "Content-Type: application/x-git-upload-pack-result\r\n",
            &pack(&git, &request.body),
        )
    } else {
        respond("404 Not Found", "", b"")
    }
}

fn packet(line: &str) -> String {
    format!("{:04x}{line}", line.len() + 4)
}

fn advertisement(git: &git2::Repository, claimed: &[&str]) -> String {
    let head = git.head().unwrap();
    let mut lines =
        vec![format!("{} HEAD\0symref=HEAD:{} agent=test\n", head.target().unwrap(), head.name().unwrap())];
    for reference in git.references().unwrap().flatten() {
        lines.push(format!("{} {}\n", reference.target().unwrap(), reference.name().unwrap()));
    }
    lines.extend(claimed.iter().map(|name| format!("{} {name}\n", head.target().unwrap())));
    let lines: String = lines.iter().map(|line| packet(line)).collect();
    format!("{}0000{lines}0000", packet("# service=git-upload-pack\n"))
}

/// Everything that the wanted commits reach.
fn pack(git: &git2::Repository, body: &[u8]) -> Vec<u8> {
    let mut builder = git.packbuilder().unwrap();
    let mut walk = git.revwalk().unwrap();
    for line in String::from_utf8_lossy(body).lines() {
        if let Some(at) = line.find("want ") {
            walk.push(line[at + 5..at + 45].parse().unwrap()).unwrap();
        }
    }
    builder.insert_walk(&mut walk).unwrap();
    let mut buffer = git2::Buf::new();
    builder.write_buf(&mut buffer).unwrap();
    [packet("NAK\n").as_bytes(), &buffer].concat()
}
