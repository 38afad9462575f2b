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
use nix::unistd::{Pid, getpgid, getsid};

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
    let mut family = HashSet::new();
    let mut stdin = io::stdin().lock();
    let mut told = [0; 4];
    while stdin.read_exact(&mut told).is_ok() {
        match i32::from_ne_bytes(told) {
            born @ 1.. => family.insert(born),
            ended => family.remove(&ended.saturating_neg()),
        };
    }
    sweep(|pid| is_left(pid, &family, mark.as_bytes()));
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
            let is_starting = is_starting(pid, &words);
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

fn is_left(pid: Pid, family: &HashSet<i32>, mark: &[u8]) -> bool {
    let is_theirs = |number: nix::Result<Pid>| number.is_ok_and(|number| family.contains(&number.as_raw()));
    if family.contains(&pid.as_raw()) || is_theirs(getsid(Some(pid))) || is_theirs(getpgid(Some(pid))) {
        return !is_zombie(pid);
    }
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let marks = environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"FP_SERVER_ID="));
    // A server below this one has added its own.
    marks.is_some_and(|marks| marks.split(|byte| *byte == b':').any(|each| each == mark))
}

/// A process of ours in the middle of an exec: it has neither arguments nor an environment, and isn't dead.
fn is_starting(pid: Pid, words: &[u8]) -> bool {
    const KERNEL_THREAD: u32 = 0x0020_0000; // PF_KTHREAD
    if !words.is_empty()
        || std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|found| found.uid() != own_uid())
    {
        return false;
    }
    let fields = fields_of(pid);
    let flags = fields.get(6).and_then(|flags| flags.parse::<u32>().ok());
    !fields.is_empty() && !is_dead(&fields) && flags.is_some_and(|flags| flags & KERNEL_THREAD == 0)
}

fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn is_zombie(pid: Pid) -> bool {
    let fields = fields_of(pid);
    fields.is_empty() || is_dead(&fields)
}

fn is_dead(fields: &[String]) -> bool {
    fields.first().is_some_and(|state| state.starts_with(['Z', 'X']))
}

/// What `/proc/PID/stat` says from the state on (proc(5)); nothing if the process is gone.
fn fields_of(pid: Pid) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the last one ends it.
    let rest = text.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
    rest.split_whitespace().map(str::to_owned).collect()
}

fn is_tracker(words: &[u8]) -> bool {
    String::from_utf8_lossy(words).contains("resource_tracker")
}
