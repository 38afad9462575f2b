//! Whose children are whose: the server is the parent of every worker and the heir of every orphan.
//!
//! A worker or zygote is reaped by whoever watches its pidfd. Everything else that falls to us (a child
//! subreaper, maybe PID 1) is an orphan: reaped at once when it has ended, killed when the worker that left
//! it behind has. One without a worker's mark may be an operator's, who looks into the container: it is left
//! alone until the server ends.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, getpgid};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::exit::{Exit, OomKills};
use crate::sys::{self, PidFd, Role, children_of, processes, variable_of};

/// A kill by the memory killer is told from others only if it was so recent.
const OOM_PERIOD: Duration = Duration::from_secs(1);
const GONE_POLL: Duration = Duration::from_millis(2);
/// Processes that clean up after a worker have so long for it once that has ended. (They end by themselves once nobody
/// holds their pipe; on a busy machine they may not even have started.)
const TRACKERS_MAX: Duration = Duration::from_secs(5);
const STARTING_POLL: Duration = Duration::from_millis(5);
/// Rounds of ending orphans in a row; who forks faster than that is met again at the next death.
const ORPHAN_ROUNDS: usize = 10;

/// The processes that this server answers for.
#[derive(Debug, Clone)]
pub struct ProcessTree(Arc<Mutex<Members>>);

#[derive(Debug)]
struct Members {
    known: HashSet<Pid>,
    /// The mark that this server has itself, as a worker's descendant: it says nothing of its children.
    inherited: Option<Pid>,
    oom_kills: OomKills,
    /// What is known of each orphan.
    orphans: HashMap<Pid, Orphan>,
    /// When those that were spared are looked at again.
    next_look: Option<Instant>,
    /// Random: what descends from this server's zygotes bears it.
    mark: Arc<str>,
    /// Tells the keeper who is born and who has ended.
    keeper: Option<std::fs::File>,
    keeper_pid: Option<Pid>,
}

impl ProcessTree {
    /// Makes this process the heir of every orphan below it, and reaps them from now on.
    ///
    /// Call it on the runtime, on the thread that lives as long as the server: a worker's death signal hangs
    /// on that thread.
    pub fn init() -> io::Result<Self> {
        nix::sys::prctl::set_child_subreaper(true)?;
        // Older kernels can't; then what was inherited is handed on.
        let _ = sys::close_on_exec_from(3);
        let inherited = worker_of(Pid::this(), None);
        let own = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        // Below a worker of another server both are answerable.
        let mark = std::env::var("FP_SERVER_ID").map_or(own.clone(), |outer| format!("{outer}:{own}"));
        let members = Members {
            known: HashSet::new(),
            inherited,
            oom_kills: OomKills::new(),
            orphans: HashMap::new(),
            next_look: None,
            mark: mark.into(),
            keeper: None,
            keeper_pid: None,
        };
        let tree = Self(Arc::new(Mutex::new(members)));
        let mut children = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::child())?;
        let reaping = tree.clone();
        tokio::spawn(async move {
            let mut period = tokio::time::interval(OOM_PERIOD);
            loop {
                tokio::select! {
                    got = children.recv() => match got {
                        Some(()) => reaping.reap_orphans(),
                        None => return,
                    },
                    _ = period.tick() => reaping.0.lock().oom_kills.forget(),
                }
            }
        });
        Ok(tree)
    }

    /// Starts the process that ends what functions have started, should this server be killed: `program` with these
    /// arguments and the mark. It is ended with the server, as orphans are.
    pub fn start_keeper(&self, program: &Path, arguments: [&str; 2]) -> io::Result<()> {
        let (theirs, ours) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        fcntl(&theirs, FcntlArg::F_SETFL(OFlag::empty()))?;
        let mut members = self.0.lock();
        let mut command = Command::new(program);
        let own = members.mark.rsplit(':').next().unwrap_or_default();
        command.args(arguments).arg(own).process_group(0).env_remove("FP_SERVER_ID");
        let keeper =
            command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        members.keeper_pid = i32::try_from(keeper.id()).ok().map(Pid::from_raw);
        members.keeper = Some(ours.into());
        Ok(())
    }

    /// What marks all that descends from this server's zygotes.
    pub(super) fn mark(&self) -> String {
        self.0.lock().mark.to_string()
    }

    pub(super) fn adopt(&self, pid: Pid) {
        let mut members = self.0.lock();
        members.known.insert(pid);
        members.tell_keeper(pid.as_raw());
    }

    /// Kills the process group of a worker that hasn't been reaped, but for those that clean up after it
    /// (multiprocessing's `resource_tracker` and its like): they end by themselves once all others have.
    pub(super) fn end_group(&self, leader: Pid) {
        // Nearly always there is nobody else: then no look at every process is needed.
        let alone = children_of(leader).is_empty() && self.own_orphans().next().is_none();
        let group: Vec<Pid> = if alone { Vec::new() } else { group_of(leader).collect() };
        if group.iter().all(|pid| Role::of(*pid) == Role::Other) {
            let _ = killpg(leader, Signal::SIGKILL);
            return;
        }
        for pid in group.into_iter().filter(|pid| Role::of(*pid) == Role::Other) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }

    /// Comes back for those that were spared.
    fn end_orphans_after(&self, pause: Duration) {
        let at = Instant::now() + pause;
        let next = self.0.lock().next_look.filter(|next| *next <= at && *next > Instant::now());
        if let (None, Ok(runtime)) = (next, tokio::runtime::Handle::try_current()) {
            self.0.lock().next_look = Some(at);
            let tree = self.clone();
            runtime.spawn(async move {
                tokio::time::sleep_until(at).await;
                tree.end_orphans(OrphanScope::OfDeadWorkers, Trackers::Spared);
                tree.reap_orphans();
            });
        }
    }

    /// Reaps a member that has ended: its process group first, then itself, then what it left behind.
    pub(super) fn reap(&self, pid: Pid, pidfd: &PidFd) -> Exit {
        // While the leader is a zombie its group's number can't be anyone else's.
        if pidfd.is_unreaped() {
            self.end_group(pid);
        }
        let status = pidfd.reap();
        let exit = {
            let mut members = self.0.lock();
            members.known.remove(&pid);
            members.tell_keeper(-pid.as_raw());
            match status {
                Ok(Some(status)) => Exit::from_status(status, &mut members.oom_kills),
                // Reaped as an orphan before its birth was known.
                Ok(None) | Err(_) => Exit::Unknown,
            }
        };
        self.end_orphans(OrphanScope::OfDeadWorkers, Trackers::Spared);
        self.reap_orphans();
        exit
    }

    /// The same once it has ended, for a member that nobody watches any more.
    pub(super) fn reap_in_time(&self, pid: Pid, pidfd: &PidFd) {
        let (Ok(pidfd), Ok(runtime)) =
            (pidfd.as_fd().try_clone_to_owned(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let tree = self.clone();
        runtime.spawn(async move {
            if let Ok(pidfd) = sys::watch_pidfd(PidFd::from_owned(pidfd)) {
                let _ = pidfd.readable().await;
                tree.reap(pid, pidfd.get_ref());
            }
        });
    }

    /// Kills every child that is not a member; for the end of the server.
    pub fn end_all_orphans(&self) {
        self.end_orphans(OrphanScope::All, Trackers::Ended);
        self.reap_orphans();
    }

    /// Waits until no member is left, and kills every other child until there is none.
    pub async fn all_gone(&self) {
        loop {
            self.end_orphans(OrphanScope::All, Trackers::Spared);
            self.reap_orphans();
            if self.0.lock().known.is_empty() && own_children().is_empty() {
                return;
            }
            tokio::time::sleep(GONE_POLL).await;
        }
    }

    fn reap_orphans(&self) {
        let mut reaped = false;
        while let Ok(Some(pid)) = sys::peek_ended_child() {
            if self.0.lock().known.contains(&pid) {
                // Its watcher reaps it and then calls this again.
                break;
            }
            let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG);
            self.0.lock().orphans.remove(&pid);
            reaped = true;
        }
        if reaped {
            // Its own children have fallen to us now; their ends bring us here again.
            self.end_orphans(OrphanScope::OfDeadWorkers, Trackers::Spared);
        }
    }

    /// Children that are neither members nor the keeper.
    fn own_orphans(&self) -> impl Iterator<Item = Pid> {
        let members = self.0.lock();
        let ours = |pid: &Pid| members.known.contains(pid) || members.keeper_pid == Some(*pid);
        own_children().into_iter().filter(|pid| !ours(pid)).collect::<Vec<_>>().into_iter()
    }

    /// Kills orphans, until no new ones fall to us.
    fn end_orphans(&self, which: OrphanScope, trackers: Trackers) {
        let mut ended = HashSet::new();
        for _ in 0..ORPHAN_ROUNDS {
            let fresh: Vec<Pid> = self
                .orphans_to_kill(which, trackers)
                .into_iter()
                .filter(|pid| !ended.contains(pid))
                .collect();
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

    fn orphans_to_kill(&self, which: OrphanScope, trackers: Trackers) -> Vec<Pid> {
        let mut members = self.0.lock();
        let Members { known, inherited, orphans, .. } = &mut *members;
        let children: HashSet<Pid> = own_children().into_iter().collect();
        orphans.retain(|pid, _| children.contains(pid));
        // A worker that was just forked is no member yet, but a child that bears its own mark.
        let lives = |worker: Pid| known.contains(&worker) || children.contains(&worker);
        let mut wanted = Vec::new();
        let mut again = None;
        for pid in children.iter().copied().filter(|pid| !known.contains(pid)) {
            let orphan = orphans.entry(pid).or_default();
            // Nothing is read of one that is known and may live: there may be many.
            let stays = |worker: Option<Pid>| which == OrphanScope::OfDeadWorkers && worker.is_none_or(lives);
            if orphan.worker.is_some_and(stays) {
                continue;
            }
            let role = Role::of(pid);
            let since = *orphan.since.get_or_insert_with(Instant::now);
            let is_early = trackers == Trackers::Spared && since.elapsed() < TRACKERS_MAX;
            if !(role == Role::Starting && is_early)
                && stays(*orphan.worker.get_or_insert_with(|| worker_of(pid, *inherited)))
            {
                continue;
            }
            if is_early && role != Role::Other {
                let pause = if role == Role::Starting { STARTING_POLL } else { TRACKERS_MAX };
                again = Some(again.map_or(pause, |other: Duration| other.min(pause)));
                continue;
            }
            wanted.push(pid);
        }
        drop(members);
        if let Some(pause) = again {
            self.end_orphans_after(pause);
        }
        wanted
    }
}

/// A child that is no member.
#[derive(Debug, Default)]
struct Orphan {
    /// Whose descendant it is, if anybody's: read once, when it has fallen to us and has its own image.
    worker: Option<Option<Pid>>,
    /// When it fell to us.
    since: Option<Instant>,
}

/// Which orphans are killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OrphanScope {
    /// Those whose worker is no more.
    OfDeadWorkers,
    /// Every one, at the end of the server.
    All,
}

/// Whether those that clean up after a worker are killed, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trackers {
    Spared,
    Ended,
}

impl Members {
    /// Never waits: a keeper that doesn't read misses something.
    fn tell_keeper(&mut self, pid: i32) {
        if let Some(keeper) = &mut self.keeper {
            let _ = keeper.write(&pid.to_ne_bytes());
        }
    }
}

/// The processes of a group.
fn group_of(leader: Pid) -> impl Iterator<Item = Pid> {
    processes().filter(move |pid| getpgid(Some(*pid)) == Ok(leader))
}

/// All children of this process, living or not.
fn own_children() -> Vec<Pid> {
    children_of(Pid::this())
}

/// The worker that a process descends from, by the mark that workers hand on: `FP_WORKER_PID` in the
/// environment of what they execute (unless it is what the server has itself), their process name in what they
/// only fork.
fn worker_of(pid: Pid, inherited: Option<Pid>) -> Option<Pid> {
    let read = |mark: &str| mark.parse().ok().map(Pid::from_raw);
    let by_environment = variable_of(pid, "FP_WORKER_PID").and_then(|mark| read(&mark));
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let by_name = || name.trim().strip_prefix("fp-").and_then(read);
    by_environment.filter(|mark| Some(*mark) != inherited).or_else(by_name)
}
