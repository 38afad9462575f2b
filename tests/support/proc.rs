//! Processes as `/proc` shows them: children, states, descriptors, threads, strays. Read only.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What `/proc/PID/stat` says that the tests need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// `R`, `S`, `T`, `Z` and so on.
    pub state: char,
    /// The parent.
    pub parent: i32,
    /// The process group.
    pub group: i32,
}

/// `None` when there is no such process.
pub fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the last one ends it.
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    Some(Stat {
        state: words.next()?.chars().next()?,
        parent: words.next()?.parse().ok()?,
        group: words.next()?.parse().ok()?,
    })
}

/// The name that a process has given itself; empty when there is no such process.
pub fn name(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// Gone, or a zombie that only waits for its parent to look.
pub fn is_gone(pid: i32) -> bool {
    stat(pid).is_none_or(|stat| matches!(stat.state, 'Z' | 'X'))
}

/// Every process there is.
pub fn all() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The children of a process that still run.
pub fn children(parent: i32) -> Vec<i32> {
    of_parent(parent, |stat| stat.state != 'Z')
}

/// Its children that nobody has reaped.
pub fn zombies(parent: i32) -> Vec<i32> {
    of_parent(parent, |stat| stat.state == 'Z')
}

fn of_parent(parent: i32, wanted: impl Fn(Stat) -> bool) -> Vec<i32> {
    let is_wanted = |pid: &i32| stat(*pid).is_some_and(|stat| stat.parent == parent && wanted(stat));
    all().into_iter().filter(is_wanted).collect()
}

/// Processes whose environment names this tag: also those that left their parent, group and session.
pub fn tagged(tag: &str) -> Vec<i32> {
    let has_tag = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == tag.as_bytes())
    };
    all().into_iter().filter(|pid| !is_gone(*pid)).filter(has_tag).collect()
}

/// Where each open descriptor of a process leads.
pub fn descriptors(pid: i32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    let describe = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        format!("{} -> {}", entry.file_name().to_string_lossy(), target.display())
    };
    entries.filter_map(Result::ok).map(describe).collect()
}

/// How many threads a process has.
pub fn threads(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// The most memory that a process ever held, in bytes.
pub fn peak_memory(pid: i32) -> u64 {
    memory_line(pid, "VmHWM:")
}

/// The memory that a process holds, in bytes.
pub fn memory(pid: i32) -> u64 {
    memory_line(pid, "VmRSS:")
}

fn memory_line(pid: i32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0 kB");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) * 1024
}

/// Sends a signal to one process that belongs to the test's own server.
#[track_caller]
pub fn signal(pid: i32, what: Signal) {
    kill(Pid::from_raw(pid), what).expect("a process of this test's server can be signalled");
}
