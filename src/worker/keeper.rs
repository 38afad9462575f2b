//! The keeper: a process that outlives a server which was killed, by a moment, and ends what that leaves.
//!
//! Workers and zygotes die with their server by a signal of the kernel's; what functions have started does not. The
//! keeper knows it by the mark that the server gives its zygotes, which their descendants inherit
//! (`FP_SERVER_ID` in the environment), and by the sessions and groups of the processes that the server had.

use std::collections::HashSet;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, geteuid, getpgid, getsid};

use crate::sys::{Role, has_ended, processes, variable_of};

/// What stands behind the hidden argument of zygotes to make this binary a keeper; the server's mark follows.
pub const KEEPER_ARGUMENT: &str = "keeper";

/// Processes that clean up after others (`resource_tracker`) have so long for it.
const TRACKERS_MAX: Duration = Duration::from_secs(5);
/// Whoever forks faster than it is killed is left after so long.
const SWEEP_MAX: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(3);
/// So many looks in a row that find nothing: what was about to fork has died by then.
const CLEAN_LOOKS: u32 = 3;

/// Reads from descriptor 0 who is born (a pid) and who has ended (its negative), until the server is no more.
pub fn run_keeper(mark: &str) -> i32 {
    // What asks a whole group or unit to end must not end it before the server.
    let _ = SigSet::all().thread_block();
    let _ = nix::sys::prctl::set_name(c"forkpool-keeper");
    let mut members = HashSet::new();
    let mut stdin = io::stdin().lock();
    let mut told = [0; 4];
    while stdin.read_exact(&mut told).is_ok() {
        match i32::from_ne_bytes(told) {
            born @ 1.. => members.insert(born),
            ended => members.remove(&ended.saturating_neg()),
        };
    }
    sweep(|pid| is_left(pid, &members, mark));
    0
}

/// Kills processes until there are none.
fn sweep(is_left: impl Fn(Pid) -> bool) {
    let begun = Instant::now();
    let mut clean = 0;
    while clean < CLEAN_LOOKS && begun.elapsed() < SWEEP_MAX {
        let (mut is_clean, patient) = (true, begun.elapsed() < TRACKERS_MAX);
        for pid in processes().filter(|pid| *pid != Pid::this()) {
            let role = Role::of(pid);
            let is_left = is_left(pid);
            is_clean &= !(is_left || role == Role::Starting && is_own(pid));
            if is_left && !(patient && role != Role::Other) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
        clean = if is_clean { clean + 1 } else { 0 };
        std::thread::sleep(PAUSE);
    }
}

fn is_left(pid: Pid, members: &HashSet<i32>, mark: &str) -> bool {
    let is_theirs = |number: nix::Result<Pid>| number.is_ok_and(|number| members.contains(&number.as_raw()));
    if members.contains(&pid.as_raw()) || is_theirs(getsid(Some(pid))) || is_theirs(getpgid(Some(pid))) {
        return !has_ended(pid);
    }
    // A server below this one has added its own.
    variable_of(pid, "FP_SERVER_ID").is_some_and(|marks| marks.split(':').any(|each| each == mark))
}

fn is_own(pid: Pid) -> bool {
    std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|found| found.uid() == geteuid().as_raw())
}
