//! Whose children are whose: the server is the parent of every worker and the heir of every orphan.
//!
//! A worker or zygote is reaped by whoever watches its pidfd. Everything else that falls to us (a child
//! subreaper, maybe PID 1) is a stranger: reaped at once when it has ended, killed when the worker that left
//! it behind has. One without a worker's mark may be an operator's, who looks into the container: it is left
//! alone until the server ends.

use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;
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
    /// The mark that this server has itself, as a worker's descendant: it says nothing of its children.
    inherited: Option<Pid>,
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
        let inherited = worker_of(Pid::this(), None);
        let members = Members { known: HashSet::new(), inherited, oom_kills: OomKills::new() };
        let family = Self(Arc::new(Mutex::new(members)));
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
        self.end_orphans(Orphans::OfTheDead);
        self.reap_strangers();
        exit
    }

    /// The same once it has ended, for a member that nobody watches any more.
    pub(super) fn reap_in_time(&self, pid: Pid, pidfd: &PidFd) {
        let (Ok(pidfd), Ok(runtime)) =
            (pidfd.as_fd().try_clone_to_owned(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let family = self.clone();
        runtime.spawn(async move {
            if let Ok(pidfd) = sys::watch_pidfd(PidFd::from_owned(pidfd)) {
                let _ = pidfd.readable().await;
                family.reap(pid, pidfd.get_ref());
            }
        });
    }

    /// Kills every child that is not a member; for the end of the server.
    pub fn end_strangers(&self) {
        self.end_orphans(Orphans::All);
        self.reap_strangers();
    }

    /// Waits until no member is left, and kills every other child until there is none.
    pub async fn all_gone(&self) {
        loop {
            self.end_strangers();
            if self.0.lock().known.is_empty() && own_children().is_empty() {
                return;
            }
            tokio::time::sleep(GONE_POLL).await;
        }
    }

    fn reap_strangers(&self) {
        let mut reaped = false;
        while let Ok(Some(pid)) = sys::peek_ended_child() {
            if self.0.lock().known.contains(&pid) {
                // Its watcher reaps it and then calls this again.
                break;
            }
            let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG);
            reaped = true;
        }
        if reaped {
            // Its own children have fallen to us now; their ends bring us here again.
            self.end_orphans(Orphans::OfTheDead);
        }
    }

    /// Kills strangers, until no new ones fall to us.
    fn end_orphans(&self, which: Orphans) {
        let mut ended = HashSet::new();
        for _ in 0..ORPHAN_ROUNDS {
            let fresh: Vec<Pid> =
                self.orphans(which).into_iter().filter(|pid| !ended.contains(pid)).collect();
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

    fn orphans(&self, which: Orphans) -> Vec<Pid> {
        let members = self.0.lock();
        let children = own_children();
        // A worker that was just forked is no member yet, but a child that bears its own mark.
        let lives = |worker: Pid| members.known.contains(&worker) || children.contains(&worker);
        let of_the_dead = |pid| worker_of(pid, members.inherited).is_some_and(|worker| !lives(worker));
        let strangers = children.iter().filter(|pid| !members.known.contains(pid));
        let wanted = |pid: &&Pid| which == Orphans::All || of_the_dead(**pid);
        strangers.filter(wanted).copied().collect()
    }
}

/// Which strangers are killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Orphans {
    /// Those whose worker is no more.
    OfTheDead,
    /// Every one, at the end of the server.
    All,
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
/// environment of what they execute (unless it is what the server has itself), their process name in what they
/// only fork.
fn worker_of(pid: Pid, inherited: Option<Pid>) -> Option<Pid> {
    const MARK: &[u8] = b"FP_WORKER_PID=";
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let read = |mark: &str| mark.parse().ok().map(Pid::from_raw);
    let by_environment = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(MARK))
        .and_then(|mark| std::str::from_utf8(mark).ok().and_then(read))
        .filter(|mark| Some(*mark) != inherited);
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    by_environment.or_else(|| name.trim().strip_prefix("fp-").and_then(read))
}
