//! The demo's server: a child process of this very binary, stopped and waited for whatever happens.
//!
//! It has a process group of its own, so that Ctrl-C reaches the demo alone, which then stops it in
//! order; should the demo be killed, the child stops by itself (`serve --parent`).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

/// Longer than any runtime of the demo takes to load; the server's own `--start-timeout` is 30 s.
const READY_MAX: Duration = Duration::from_secs(40);
/// Longer than the server's own `--drain-limit`.
const STOP_MAX: Duration = Duration::from_secs(25);
const POLL: Duration = Duration::from_millis(10);
/// Of the server's standard error, the last so many bytes are kept.
const KEPT_MAX: usize = 64 << 10;
const READY: &str = "forkpool listening on http://";

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: Arc<Mutex<ServerLog>>,
}

/// What the server wrote on standard error.
#[derive(Debug, Default)]
struct ServerLog {
    kept: Vec<u8>,
    /// Whether it goes on to ours.
    forward: bool,
}

impl Server {
    /// Starts `forkpool serve` with these arguments and waits for its address.
    pub async fn start(args: &[String]) -> Result<(Self, SocketAddr), String> {
        let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        command.arg("serve").args(args).args(["--parent", &std::process::id().to_string()]);
        // The demo is the same whatever this shell configures.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FORKPOOL_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let child = command.spawn().map_err(|error| format!("cannot start the server: {error}"))?;
        let mut server = Self { child, log: Arc::default() };
        if let Some(stderr) = server.child.stderr.take() {
            let log = Arc::clone(&server.log);
            thread::spawn(move || listen(stderr, &log));
        }
        let (ready, is_ready) = oneshot::channel();
        if let Some(stdout) = server.child.stdout.take() {
            thread::spawn(move || await_address(BufReader::new(stdout), ready));
        }
        match timeout(READY_MAX, is_ready).await {
            Ok(Ok(address)) => Ok((server, address)),
            Ok(Err(_)) => Err(server.failed("the server ended before it was ready").await),
            Err(_) => Err(server.failed("the server was not ready in time").await),
        }
    }

    /// The reason with what the server said about it; stops the server.
    async fn failed(mut self, reason: &str) -> String {
        let status = self.stop().await.map_or_else(String::new, |status| format!(" ({status})"));
        format!("{reason}{status}\n{}", self.log())
    }

    /// The end of what the server wrote on standard error.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().kept).into_owned()
    }

    /// From now on what the server writes on standard error goes to ours.
    pub fn forward(&self) {
        self.log.lock().forward = true;
    }

    /// Returns when the server has ended by itself.
    pub async fn ended(&mut self) {
        while matches!(self.child.try_wait(), Ok(None)) {
            sleep(10 * POLL).await;
        }
    }

    /// SIGTERM, and SIGKILL when that takes too long; `None` when the child cannot be waited for.
    pub async fn stop(&mut self) -> Option<ExitStatus> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status);
        }
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + STOP_MAX;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => sleep(POLL).await,
                Ok(ended) => return ended,
                Err(_) => return None,
            }
        }
        self.end()
    }

    /// Sends a signal to a child that has not been waited for: its id is still its own.
    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    fn end(&mut self) -> Option<ExitStatus> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status);
        }
        self.signal(Signal::SIGKILL);
        self.child.wait().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads to the end, so that the server never waits for us to read; tells the address once.
fn await_address(stdout: impl BufRead, ready: oneshot::Sender<SocketAddr>) {
    let mut ready = Some(ready);
    for line in stdout.lines().map_while(Result::ok) {
        let address = line.strip_prefix(READY).and_then(|address| address.trim().parse().ok());
        if let Some((ready, address)) = address.and_then(|address| Some((ready.take()?, address))) {
            let _ = ready.send(address);
        }
    }
}

fn listen(mut stderr: impl Read, log: &Mutex<ServerLog>) {
    let mut buffer = [0; 4_096];
    loop {
        let read = match stderr.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let mut log = log.lock();
        log.kept.extend_from_slice(&buffer[..read]);
        let surplus = log.kept.len().saturating_sub(KEPT_MAX);
        log.kept.drain(..surplus);
        if log.forward {
            let _ = io::stderr().write_all(&buffer[..read]);
        }
    }
}
