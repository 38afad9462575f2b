//! The keeper: a process that outlives a server which was killed, by a moment, and ends what that leaves.
//!
//! Workers and zygotes die with their server by a signal of the kernel's; what functions have started does not. The
//! keeper knows it by the mark that the server gives its zygotes, which their descendants inherit
//! (`FP_SERVER_ID` in the environment), and by the sessions and groups of the processes that the server had.

use std::collections::HashSet;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, getpgid, getsid};

/// The hidden argument that makes this binary a keeper; the server's mark follows.
pub const KEEPER_ARGUMENT: &str = "__keeper";

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
    let mut family = HashSet::new();
    let mut stdin = io::stdin().lock();
    let mut told = [0; 4];
    while stdin.read_exact(&mut told).is_ok() {
        match i32::from_ne_bytes(told) {
            born @ 1.. => family.insert(born),
            ended => family.remove(&ended.saturating_neg()),
        };
    }
    let entry = format!("FP_SERVER_ID={mark}");
    sweep(|pid| is_left(pid, &family, entry.as_bytes()));
    0
}

/// Kills processes until there are none.
fn sweep(is_left: impl Fn(Pid) -> bool) {
    let begun = Instant::now();
    let mut clean = 0;
    while clean < CLEAN_LOOKS && begun.elapsed() < SWEEP_MAX {
        let (mut is_clean, patient) = (true, begun.elapsed() < TRACKERS_MAX);
        for pid in processes().filter(|pid| *pid != Pid::this()) {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            // In the middle of an exec a process has neither arguments nor an environment.
            let is_starting = words.is_empty() && !is_kernels(pid) && !is_zombie(pid);
            let is_left = is_left(pid);
            is_clean &= !is_left && !is_starting;
            if is_left && !(patient && (is_starting || is_tracker(&words))) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
        clean = if is_clean { clean + 1 } else { 0 };
        std::thread::sleep(PAUSE);
    }
}

fn processes() -> impl Iterator<Item = Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).map(Pid::from_raw)
}

fn is_left(pid: Pid, family: &HashSet<i32>, entry: &[u8]) -> bool {
    let is_theirs = |number: nix::Result<Pid>| number.is_ok_and(|number| family.contains(&number.as_raw()));
    if family.contains(&pid.as_raw()) || is_theirs(getsid(Some(pid))) || is_theirs(getpgid(Some(pid))) {
        return !is_zombie(pid);
    }
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|each| each == entry)
}

fn is_zombie(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Threads of the kernel have no image.
fn is_kernels(pid: Pid) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe")).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn is_tracker(words: &[u8]) -> bool {
    String::from_utf8_lossy(words).contains("resource_tracker")
}
