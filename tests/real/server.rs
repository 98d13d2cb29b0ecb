//! A server process that never outlives the test process, however that one ends.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};

/// Runs `"$@"` until it ends or the test process does: the kernel closes the pipe on our standard
/// input even after SIGKILL. A line that comes by it asks the server to end. Then its folder `$0` is removed.
const GUARD: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- & server=$!
{ read -r _ <&3 && kill "$server"; cat <&3; kill -9 "$server"; } >/dev/null 2>&1 & keeper=$!
exec 3<&-
wait "$server" 2>/dev/null; status=$?
kill -9 "$keeper" 2>/dev/null
rm -rf "$0"
exit "$status"
"#;

/// How many of a server's last words are kept for an error message.
const LAST_WORDS: usize = 60;

/// A guarded server and its folder. Ends when dropped.
pub struct Server {
    name: String,
    folder: PathBuf,
    guard: Mutex<Child>,
    words: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// Starts the program with the arguments and the environment that `command` makes from the
    /// server's fresh folder.
    pub fn start(name: &str, command: impl FnOnce(&Path) -> Result<Command>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("flinkops-{name}-")).tempdir()?;
        let command = command(folder.path())?;
        let mut guarded = Command::new("sh");
        for (variable, value) in command.get_envs() {
            match value {
                Some(value) => guarded.env(variable, value),
                None => guarded.env_remove(variable),
            };
        }
        let mut guard = guarded
            .args(["-c", GUARD])
            .arg(folder.path())
            .arg(command.get_program())
            .args(command.get_args())
            // Its own group: an interrupt at the terminal reaches the test process alone, and the
            // guard then cleans up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        let words = Arc::default();
        listen(guard.stderr.take().context("no standard error")?, Arc::clone(&words));
        Ok(Self { name: name.to_owned(), folder: folder.keep(), guard: Mutex::new(guard), words })
    }

    /// The server's folder, gone once it has ended.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How it ended, once it has.
    pub fn ended(&self) -> Result<Option<ExitStatus>> {
        Ok(self.guard.lock().expect("no panic under lock").try_wait()?)
    }

    /// Asks it to end, once.
    pub fn terminate(&self) {
        if let Some(stdin) = &mut self.guard.lock().expect("no panic under lock").stdin {
            // One that has ended reads no more.
            let _ = stdin.write_all(b"\n");
        }
    }

    /// Kills it without warning.
    pub fn kill(&self) {
        // The guard's keeper reads the end of this pipe.
        drop(self.guard.lock().expect("no panic under lock").stdin.take());
    }

    /// Fails with the server's last words once it has ended.
    pub fn check(&self) -> Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("{} ended with {status}:\n{}", self.name, self.last_words()),
        }
    }

    /// The last lines that the server wrote.
    pub fn last_words(&self) -> String {
        let words = self.words.lock().expect("no panic under lock");
        words.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(guard) = self.guard.get_mut() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

fn listen(stderr: impl std::io::Read + Send + 'static, words: Arc<Mutex<VecDeque<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut words = words.lock().expect("no panic under lock");
            if words.len() == LAST_WORDS {
                words.pop_front();
            }
            words.push_back(line);
        }
    });
}

/// Finds as many loopback ports as wanted, all different, below those that the kernel gives to connections: before the
/// server begins that a port is for, and while it begins anew, nothing else may take it.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    let mut taken = Vec::new();
    for port in &mut ports {
        let listener = (0..1_000).find_map(|_| TcpListener::bind(("127.0.0.1", any_port())).ok());
        let listener = listener.context("no free port")?;
        *port = listener.local_addr()?.port();
        taken.push(listener);
    }
    Ok(ports)
}

/// A port that few machines use, and that is none of those that Linux gives to connections (`ip_local_port_range`).
fn any_port() -> u16 {
    let [high, low, ..] = RandomState::new().hash_one(()).to_ne_bytes();
    20_000 + u16::from_ne_bytes([high, low]) % 12_000
}
