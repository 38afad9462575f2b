//! A process just forked becomes a worker: the protocol, section 2, in its order.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{Pid, getppid, setsid};

use crate::sys::{self, FreshChild, PageWriter};

const PARENT_POLL: Duration = Duration::from_micros(50);
const PARENT_WAIT_MAX: Duration = Duration::from_secs(5);

/// What a fork request carries.
pub(super) struct Descriptors {
    task: OwnedFd,
    result: OwnedFd,
    call: OwnedFd,
    page: OwnedFd,
    log: OwnedFd,
}

/// What a worker works with.
pub(super) struct WorkerEnds {
    pub tasks: OwnedFd,
    pub results: OwnedFd,
    pub calls: OwnedFd,
    pub page: PageWriter,
}

impl Descriptors {
    pub fn from_received(fds: Vec<OwnedFd>) -> io::Result<Self> {
        let [task, result, call, page, log] = <[OwnedFd; 5]>::try_from(fds)
            .map_err(|_| io::Error::other("a fork request needs 5 descriptors"))?;
        Ok(Self { task, result, call, page, log })
    }
}

/// Makes this process a worker of `server`.
pub(super) fn become_worker(
    child: FreshChild,
    server: Pid,
    descriptors: Descriptors,
) -> io::Result<WorkerEnds> {
    setsid()?;
    wait_for_parent(server)?;
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != server {
        leave(70);
    }
    mark();
    let Descriptors { task, result, call, page, log } = descriptors;
    let page = PageWriter::map(page)?;
    let [tasks, results, calls] = child.keep_only(log, [task, result, call])?;
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    // The memory killer takes a worker before the server; refused in some sandboxes, and then so be it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    reset_signals()?;
    Ok(WorkerEnds { tasks, results, calls, page })
}

fn wait_for_parent(server: Pid) -> io::Result<()> {
    let start = Instant::now();
    while getppid() != server {
        if start.elapsed() > PARENT_WAIT_MAX {
            leave(70);
        }
        std::thread::sleep(PARENT_POLL);
    }
    Ok(())
}

/// The name by which the server knows whom a process descends from.
fn mark() {
    if let Ok(name) = std::ffi::CString::new(format!("fp-{}", Pid::this())) {
        let _ = nix::sys::prctl::set_name(&name);
    }
    // Without the mark an orphan is only found when the server ends.
    let _ = sys::set_variable("FP_WORKER_PID", &Pid::this().to_string());
}

fn reset_signals() -> io::Result<()> {
    sys::default_signals()?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}

/// Leaves at once: no destructors, no exit handlers of the process that this is a copy of.
pub(super) fn leave(status: i32) -> ! {
    sys::exit_now(status)
}
