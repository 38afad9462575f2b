//! What `/proc` says of other processes (proc(5)). Any of them may end at any time: then nothing is said.

use nix::unistd::Pid;

/// What a process is for those that end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It cleans up after others once they have ended (multiprocessing's `resource_tracker` and its like).
    Tracker,
    /// In the middle of an exec: neither its arguments nor its environment are there yet.
    Starting,
    /// Any other, those that have ended included.
    Other,
}

impl Role {
    /// What it is now.
    pub fn of(pid: Pid) -> Self {
        const KERNEL_THREAD: u32 = 0x0020_0000; // PF_KTHREAD
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&words).contains("resource_tracker") {
            return Self::Tracker;
        }
        let starts = words.is_empty() && {
            let status = Status::of(pid);
            !status.has_ended && status.flags & KERNEL_THREAD == 0
        };
        if starts { Self::Starting } else { Self::Other }
    }
}

/// A zombie, or no process at all.
pub fn has_ended(pid: Pid) -> bool {
    Status::of(pid).has_ended
}

struct Status {
    has_ended: bool,
    flags: u32,
}

impl Status {
    fn of(pid: Pid) -> Self {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything; the last one ends it.
        let rest = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let flags = rest.split_whitespace().nth(6).and_then(|flags| flags.parse().ok());
        Self { has_ended: rest.is_empty() || rest.starts_with(['Z', 'X']), flags: flags.unwrap_or(0) }
    }
}

/// Whether this process ignores a signal, which it may have been told by who started it.
pub fn is_ignored(signal: i32) -> bool {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    u32::try_from(signal - 1).is_ok_and(|bit| mask.checked_shr(bit).unwrap_or_default() & 1 == 1)
}

/// All processes that can be seen.
pub fn processes() -> impl Iterator<Item = Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).map(Pid::from_raw)
}

/// The children of a process, living or not.
pub fn children_of(parent: Pid) -> Vec<Pid> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let pids = |list: String| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>();
    lists.flat_map(pids).map(Pid::from_raw).collect()
}

/// A variable of the environment that a process was executed with.
pub fn variable_of(pid: Pid, name: &str) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut entries = environment.split(|byte| *byte == 0);
    let value = entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    Some(String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use nix::libc;

    use super::is_ignored;

    #[test]
    fn what_is_ignored_is_known() {
        // Rust ignores it.
        assert!(is_ignored(libc::SIGPIPE));
        assert!(
            !is_ignored(libc::SIGTERM) && !is_ignored(libc::SIGKILL) && !is_ignored(0) && !is_ignored(1_000)
        );
    }
}
