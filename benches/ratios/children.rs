//! The processes that a run starts, each in a group of its own, and their certain end.
//!
//! Ended on drop, and all of them when the run itself is interrupted. Knows nothing of what they serve.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// The groups alive, for the interruption.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn groups() -> std::sync::MutexGuard<'static, Vec<Pid>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running process with pipes on its standard input and output; standard error goes to a log file.
pub struct Process {
    child: Child,
    pid: Pid,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    unread: Vec<u8>,
    log: PathBuf,
}

impl Process {
    pub fn start(mut command: Command, log: &Path) -> Result<Self, String> {
        let say = |error: &dyn std::fmt::Display| format!("{}: {error}", command_name(&command));
        let stderr = File::create(log).map_err(|e| say(&e))?;
        let name = command_name(&command);
        // Under the lock, so that an interruption meets either no process or one that it knows.
        let mut known = groups();
        let mut child = without_settings(&mut command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .map_err(|e| format!("{name}: {e}"))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(|e| e.to_string())?);
        known.push(pid);
        drop(known);
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or("no standard output")?;
        Ok(Self { child, pid, stdin, stdout, unread: Vec::new(), log: log.to_owned() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let stdin = self.stdin.as_mut().ok_or("no standard input")?;
        stdin.write_all(bytes).map_err(|e| format!("{e}{}", self.last_words()))
    }

    /// Reads exactly so many bytes of its output.
    pub fn receive(&mut self, into: &mut [u8]) -> Result<(), String> {
        self.stdout.read_exact(into).map_err(|e| e.to_string())
    }

    /// The next line of its standard output.
    pub fn line(&mut self, limit: Duration) -> Result<String, String> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = PollTimeout::try_from(left).map_err(|e| e.to_string())?;
            let mut ready = [PollFd::new(self.stdout.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ready, wait).map_err(|e| e.to_string())? == 0 {
                return Err(format!("said nothing in {} s{}", limit.as_secs(), self.last_words()));
            }
            let mut block = [0; 4096];
            let count = self.stdout.read(&mut block).map_err(|e| e.to_string())?;
            if count == 0 {
                return Err(format!("ended without a word{}", self.last_words()));
            }
            self.unread.extend_from_slice(&block[..count]);
        }
    }

    /// Whether it has ended; it is not reaped by the question.
    pub fn has_ended(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        !matches!(waitid(Id::Pid(self.pid), flags), Ok(WaitStatus::StillAlive))
    }

    /// The end of its log, to be put behind a reason.
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .map(|line| format!("; it says: {line}"))
            .unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        // Its failures mean that it has ended already.
        let _ = kill(self.pid, Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(8);
        while !self.has_ended() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        // While the leader is not reaped, its group's number belongs to nobody else.
        let _ = killpg(self.pid, Signal::SIGKILL);
        let _ = self.child.wait();
        groups().retain(|&group| group != self.pid);
    }
}

/// The environment's own settings of forkpool and of Python are no part of what is measured.
pub fn without_settings(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("FORKPOOL_") || text.starts_with("PYTHON") {
            command.env_remove(&name);
        }
    }
    command
}

fn command_name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// On Ctrl-C and SIGTERM: ends every group and the run.
pub fn end_all_on_signals() -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    thread::spawn(move || {
        runtime.block_on(async {
            let Ok(mut terminate) = signal(SignalKind::terminate()) else {
                return;
            };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        });
        let known = groups();
        for &group in known.iter() {
            let _ = killpg(group, Signal::SIGKILL);
        }
        std::process::exit(130);
    });
    Ok(())
}
