//! Who carries out what Git says: one `apply`, or the daemon.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::real::daemon;
use crate::real::deploy::WRITER;
use crate::real::place::Place;
use crate::real::server::free_ports;

/// For the whole of one change, and for anything that is waited for; reached only when something hangs.
pub const TIMEOUT: Duration = Duration::from_secs(1200);

/// How Git is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// Once, as somebody at a terminal does.
    Apply,
    /// For as long as it is let.
    Run,
}

/// A command that was started, and what it says.
pub struct Started {
    child: Child,
    said: File,
}

impl Hand {
    /// Begins to follow HEAD.
    pub fn start(self, place: &Place) -> Result<Started> {
        let mut command = match self {
            Self::Apply => {
                let arguments = ["apply", "--repo", place.repository(), "--revision", "HEAD", "--yes"];
                let mut command = place.flinkops(WRITER, &arguments);
                command.arg(format!("--timeout={}s", TIMEOUT.as_secs()));
                command
            }
            Self::Run => {
                let [port] = free_ports()?;
                daemon::command(place, port)?
            }
        };
        let said = tempfile::tempfile()?;
        let child = command.stdout(said.try_clone()?).stderr(said.try_clone()?).spawn()?;
        Ok(Started { child, said })
    }
}

impl Started {
    /// Goes on until a moment; fails if it ends before. What cannot be told right now, by a server that is
    /// busy, may be told the next time.
    pub async fn until(
        &mut self,
        moment: &str,
        pace: Duration,
        reached: impl AsyncFn() -> Result<bool>,
    ) -> Result<()> {
        let start = Instant::now();
        let mut trouble = None;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("ended with {status} before {moment} ({trouble:?}):\n{}", self.said()?);
            }
            match reached().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => trouble = Some(error),
            }
            ensure!(start.elapsed() < TIMEOUT, "not at {moment} ({trouble:?}):\n{}", self.said()?);
            tokio::time::sleep(pace).await;
        }
    }

    /// Asks it to end, as Kubernetes does.
    pub fn terminate(&self) -> Result<()> {
        let id = self.child.id().to_string();
        ensure!(Command::new("kill").args(["-TERM", &id]).status()?.success(), "no such process");
        Ok(())
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            // It ends by itself before this, unless it hangs.
            ensure!(start.elapsed() < 2 * TIMEOUT, "does not end:\n{}", self.said()?);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills it without warning.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Everything it said so far.
    pub fn said(&mut self) -> Result<String> {
        let mut said = Vec::new();
        self.said.rewind()?;
        self.said.read_to_end(&mut said)?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
