//! Whose children are whose: the server is the parent of every worker and the heir of every orphan.
//!
//! A worker or zygote is reaped by whoever watches its pidfd. Everything else that falls to us (a child
//! subreaper, maybe PID 1) is a stranger: reaped at once when it has ended, killed when the worker that left
//! it behind has.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use parking_lot::Mutex;

use super::exit::{Exit, OomKills};
use crate::sys::{self, PidFd};

/// A kill by the memory killer is told from others only if it was so recent.
const OOM_PERIOD: Duration = Duration::from_secs(1);
const GONE_POLL: Duration = Duration::from_millis(2);
/// Rounds of ending orphans in a row; who forks faster than that is met again at the next death.
const ORPHAN_ROUNDS: usize = 10;

/// The processes that this server answers for.
#[derive(Debug, Clone)]
pub struct Family(Arc<Mutex<Members>>);

#[derive(Debug)]
struct Members {
    known: HashSet<Pid>,
    oom_kills: OomKills,
}

impl Family {
    /// Makes this process the heir of every orphan below it, and reaps strangers from now on.
    ///
    /// Call it on the runtime, on the thread that lives as long as the server: a worker's death signal hangs
    /// on that thread.
    pub fn found() -> io::Result<Self> {
        nix::sys::prctl::set_child_subreaper(true)?;
        // Older kernels can't; then what was inherited is handed on.
        let _ = sys::close_on_exec_from(3);
        let family =
            Self(Arc::new(Mutex::new(Members { known: HashSet::new(), oom_kills: OomKills::new() })));
        let mut children = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::child())?;
        let reaping = family.clone();
        tokio::spawn(async move {
            let mut period = tokio::time::interval(OOM_PERIOD);
            loop {
                tokio::select! {
                    got = children.recv() => match got {
                        Some(()) => reaping.reap_strangers(),
                        None => return,
                    },
                    _ = period.tick() => reaping.0.lock().oom_kills.forget(),
                }
            }
        });
        Ok(family)
    }

    pub(super) fn adopt(&self, pid: Pid) {
        self.0.lock().known.insert(pid);
    }

    /// Reaps a member that has ended: its process group first, then itself, then what it left behind.
    pub(super) fn reap(&self, pid: Pid, pidfd: &PidFd) -> Exit {
        // While the leader is a zombie its group's number can't be anyone else's.
        if pidfd.is_unreaped() {
            let _ = nix::sys::signal::killpg(pid, Signal::SIGKILL);
        }
        let status = pidfd.reap();
        let exit = {
            let mut members = self.0.lock();
            members.known.remove(&pid);
            match status {
                Ok(Some(status)) => Exit::from_status(status, &mut members.oom_kills),
                // Reaped as a stranger before its birth was known.
                Ok(None) | Err(_) => Exit::Unknown,
            }
        };
        self.end_orphans(|tag| tag == Some(pid));
        self.reap_strangers();
        exit
    }

    /// Kills every child that is not a member; for the end of the server.
    pub fn end_strangers(&self) {
        self.end_orphans(|_| true);
        self.reap_strangers();
    }

    /// Waits until no member is left.
    pub async fn all_gone(&self) {
        while !self.0.lock().known.is_empty() {
            tokio::time::sleep(GONE_POLL).await;
        }
    }

    fn reap_strangers(&self) {
        while let Ok(Some(pid)) = sys::peek_ended_child() {
            if self.0.lock().known.contains(&pid) {
                // Its watcher reaps it and then calls this again.
                return;
            }
            let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG);
        }
    }

    /// Kills strangers whose worker's pid (`None`: not known) the caller wants ended, until no new ones fall
    /// to us.
    fn end_orphans(&self, wanted: impl Fn(Option<Pid>) -> bool) {
        let mut ended = HashSet::new();
        for _ in 0..ORPHAN_ROUNDS {
            let strangers: Vec<Pid> = {
                let members = self.0.lock();
                own_children().into_iter().filter(|pid| !members.known.contains(pid)).collect()
            };
            let fresh: Vec<Pid> =
                strangers.into_iter().filter(|pid| !ended.contains(pid) && wanted(worker_of(*pid))).collect();
            if fresh.is_empty() {
                return;
            }
            for pid in fresh {
                // Our own unreaped child: the number can't be anyone else's.
                let _ = kill(pid, Signal::SIGKILL);
                ended.insert(pid);
            }
        }
    }
}

/// All children of this process, living or not.
fn own_children() -> Vec<Pid> {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let lists =
        threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect::<Vec<_>>()
        })
        .collect()
}

/// The worker that a process descends from, by the mark that workers hand on: `FP_WORKER_PID` in the
/// environment of what they execute, their process name in what they only fork.
fn worker_of(pid: Pid) -> Option<Pid> {
    const MARK: &[u8] = b"FP_WORKER_PID=";
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let by_environment = environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(MARK));
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let by_name = name.trim().strip_prefix("fp-");
    let mark = by_environment.and_then(|mark| std::str::from_utf8(mark).ok()).or(by_name)?;
    mark.parse().ok().map(Pid::from_raw)
}
